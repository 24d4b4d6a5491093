package apps

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of an app's JSON files.
const (
	maxDocument = 256 << 10 // bytes; the tree of nodes takes some fifty times as much
	maxDepth    = 64
)

const strictJSON = "write strict JSON: names and texts in double quotes, no comments, no comma after the last member"

// document is a JSON file that remembers where everything stands.
type document struct {
	file  string
	text  []byte
	lines []int // where each line begins
	root  *node
}

// node is a value of a document.
type node struct {
	of     *document
	parent *node
	name   string // of a member
	index  int    // of an element
	at     int    // the offset of the member's name, or of the value if it has none
	kind   jsontext.Kind
	text   string  // of a string or number
	list   []*node // the members or elements
}

// readDocument reads strict JSON (RFC 8259, with unique names and in UTF-8, as RFC 7493 wants it). What cannot be read becomes
// a finding and nil.
func readDocument(file string, text []byte, into *findings) *document {
	d := &document{file: file, text: text, lines: []int{0}}
	if len(text) > maxDocument {
		into.errorAt(inFile(file), fmt.Sprintf("is larger than %d KB", maxDocument>>10), "shorten it")
		return nil
	}
	for i, c := range text {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(text))
	root, err := d.value(decoder, nil, 0)
	if err == nil {
		at := decoder.InputOffset()
		if _, end := decoder.ReadToken(); !errors.Is(end, io.EOF) {
			into.errorAt(d.place(int(at), ""), "has more than one value", "leave one object in the file")
			return nil
		}
		d.root = root
		return d
	}
	at, path, reason, mend := d.explain(decoder, err)
	into.errorAt(d.place(at, path), reason, mend)
	return nil
}

// These end the reading of a document.
var (
	errTooDeep = fmt.Errorf("is nested deeper than %d levels", maxDepth)
	errTooHuge = errors.New("is beyond the numbers that JavaScript has")
)

// explain says where and why a document is not JSON, and what helps.
func (d *document) explain(decoder *jsontext.Decoder, err error) (at int, path, reason, mend string) {
	at, mend = int(decoder.InputOffset()), strictJSON
	var syntax *jsontext.SyntacticError
	switch {
	case len(bytes.TrimSpace(d.text)) == 0:
		return 0, "", "is empty", "an object with nothing in it is {}"
	case bytes.HasPrefix(d.text, []byte("\ufeff")):
		return 0, "", "begins with a byte order mark", "save it as UTF-8 without one"
	case errors.Is(err, errTooDeep):
		return at, shortened(string(decoder.StackPointer())), err.Error(), "flatten it"
	case errors.Is(err, errTooHuge):
		return at, shortened(string(decoder.StackPointer())), err.Error(), "write it as a text"
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		at, path = int(syntax.ByteOffset), string(syntax.JSONPointer)
		reason, mend = "is there twice", "keep one of the two"
	case errors.As(err, &syntax):
		at, path = int(syntax.ByteOffset), string(syntax.JSONPointer)
		reason = "is not JSON: " + strings.TrimPrefix(syntax.Err.Error(), "jsontext: ")
	default:
		reason = "is not JSON: " + strings.TrimPrefix(err.Error(), "jsontext: ")
	}
	return min(at, len(d.text)), shortened(path), reason, mend
}

// value reads the next value.
func (d *document) value(decoder *jsontext.Decoder, parent *node, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	n := &node{of: d, parent: parent, kind: decoder.PeekKind()}
	if n.kind != '{' && n.kind != '[' {
		raw, err := decoder.ReadValue()
		if err != nil {
			return nil, err
		}
		n.at = int(decoder.InputOffset()) - len(raw)
		n.text = string(raw)
		switch n.kind {
		case '"':
			n.text = unquote(raw)
		case '0':
			if _, err := strconv.ParseFloat(n.text, 64); err != nil {
				return nil, errTooHuge
			}
		}
		return n, nil
	}

	if _, err := decoder.ReadToken(); err != nil {
		return nil, err
	}
	n.at = int(decoder.InputOffset()) - 1
	for i := 0; ; i++ {
		switch decoder.PeekKind() {
		case '}', ']':
			_, err := decoder.ReadToken()
			return n, err
		}
		name, nameAt := "", 0
		if n.kind == '{' {
			raw, err := decoder.ReadValue()
			if err != nil {
				return nil, err
			}
			name, nameAt = unquote(raw), int(decoder.InputOffset())-len(raw)
		}
		child, err := d.value(decoder, n, depth+1)
		if err != nil {
			return nil, err
		}
		child.name, child.index = name, i
		if n.kind == '{' {
			child.at = nameAt
		}
		n.list = append(n.list, child)
	}
}

// unquote gives the text of a JSON string that a decoder has checked.
func unquote(raw []byte) string {
	text, _ := jsontext.AppendUnquote(nil, raw)
	return string(text)
}

// maxColumn bounds how far characters are counted: lines that programs wrote may be as long as the file, and have many places.
const maxColumn = 4 << 10

// place turns an offset into a line and a column.
func (d *document) place(at int, path string) place {
	line, found := slices.BinarySearch(d.lines, at)
	if !found {
		line--
	}
	before := d.text[d.lines[line]:at]
	column := len(before) + 1
	if column <= maxColumn {
		column = utf8.RuneCount(before) + 1
	}
	return place{file: d.file, path: path, line: line + 1, column: column}
}

// place says where a value stands: at its name, if it has one.
func (n *node) place() place { return n.of.place(n.at, n.path()) }

// maxPath bounds the pointers that are told, in bytes: names are strangers' text.
const maxPath = 512

// path is the JSON Pointer to the value.
func (n *node) path() string {
	var tokens []string
	for ; n.parent != nil; n = n.parent {
		if n.parent.kind == '[' {
			tokens = append(tokens, strconv.Itoa(n.index))
		} else {
			tokens = append(tokens, strings.NewReplacer("~", "~0", "/", "~1").Replace(n.name))
		}
	}
	if len(tokens) == 0 {
		return ""
	}
	slices.Reverse(tokens)
	return shortened("/" + strings.Join(tokens, "/"))
}

// shortened drops members from the end of a pointer that is too long to be told.
func shortened(path string) string {
	for len(path) > maxPath {
		path = path[:strings.LastIndexByte(path, '/')]
	}
	return path
}

// member gives an object's member; nil if it has none of that name.
func (n *node) member(name string) *node {
	if n == nil || n.kind != '{' {
		return nil
	}
	for _, m := range n.list {
		if m.name == name {
			return m
		}
	}
	return nil
}

// value gives what the value would be in Go: nil, bool, float64, string, []any or map[string]any.
func (n *node) value() any {
	switch n.kind {
	case '{':
		object := make(map[string]any, len(n.list))
		for _, m := range n.list {
			object[m.name] = m.value()
		}
		return object
	case '[':
		list := make([]any, len(n.list))
		for i, e := range n.list {
			list[i] = e.value()
		}
		return list
	case '"':
		return n.text
	case '0':
		number, _ := strconv.ParseFloat(n.text, 64) // it was read before
		return number
	case 't', 'f':
		return n.kind == 't'
	default:
		return nil
	}
}

// kindName says what a value is.
func (n *node) kindName() string {
	switch n.kind {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a text"
	case '0':
		return "a number"
	case 't', 'f':
		return "true or false"
	default:
		return "null"
	}
}

// object reports whether the value is an object, and finds fault if not.
func (f *findings) object(n *node) bool { return f.is(n, '{', "an object") }

// text gives a string; false, and a finding, if it is something else or empty.
func (f *findings) text(n *node) (string, bool) {
	if !f.is(n, '"', "a text") {
		return "", false
	}
	if strings.TrimSpace(n.text) == "" {
		f.errorAt(n.place(), "is empty", "")
		return "", false
	}
	return n.text, true
}

// truth gives a boolean; false, and a finding, if it is something else.
func (f *findings) truth(n *node) bool {
	if n == nil {
		return false
	}
	if n.kind != 't' && n.kind != 'f' {
		f.errorAt(n.place(), "must be true or false, is "+n.kindName(), "")
	}
	return n.kind == 't'
}

func (f *findings) is(n *node, kind jsontext.Kind, name string) bool {
	if n.kind == kind {
		return true
	}
	f.errorAt(n.place(), fmt.Sprintf("must be %s, is %s", name, n.kindName()), "")
	return false
}

// atMost gives the first members or elements of a value, and finds fault with the one that is too many.
func (f *findings) atMost(limit int, n *node) []*node {
	if len(n.list) <= limit {
		return n.list
	}
	f.errorAt(n.list[limit].place(), fmt.Sprintf("is beyond the %d that there may be here", limit), "remove some")
	return n.list[:limit]
}

// members finds fault with members of an object that nobody knows: the vendor's format grows, so these are warnings.
func (f *findings) members(n *node, of string, known ...string) {
	for _, m := range n.list {
		if f.full() {
			f.more = true
			return
		}
		if !slices.Contains(known, m.name) {
			f.warnAt(m.place(), fmt.Sprintf("%s is not a member of %s that Carillon knows", quoted(m.name), of), rename(m.name, known))
		}
	}
}
