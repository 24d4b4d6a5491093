package mend

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
)

const (
	// maxDepth is how deep a body may be nested: deeper than the ledger keeps what comes of it (32 levels, ledger.Limits). What is kept is told
	// again inside of envelopes, lists and wrapped fields, at most six levels, and must be read again then (dialect.Echo).
	maxDepth = 48
	// maxNotes bounds how many things are noted one by one.
	maxNotes = 8
	// maxNameLength bounds what notes repeat of a body, in bytes.
	maxNameLength = 64
	// maxReasonLength bounds what is repeated of what the parser says, and of where it says it, in bytes.
	maxReasonLength = 128
)

// Read gives a body as dialect.Members reads it: without white space, strings in their shortest form. A body that is not JSON, or
// whose texts are not UTF-8, is mended first; the notes say how. at is where the body stands in the request, a JSON Pointer; "" for
// the request's own. It fails with carillon.CodeMalformed, naming the place, where that does not help or a member is given twice, and
// with carillon.CodeTooLarge where the body is nested deeper than 48 levels. body stays as it is.
func Read(body []byte, at string) (json []byte, notes []string, err error) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if Depth(body) <= maxDepth {
		json := jsontext.Value(bytes.Clone(body))
		if json.Format() == nil {
			return json, nil, nil
		}
	}
	m := mender{body: body, at: at, line: 1}
	mended := m.run()
	if Depth(mended) > maxDepth {
		return nil, nil, m.tooDeep(mended)
	}
	json = bytes.ToValidUTF8(mended, []byte("\ufffd"))
	if len(json) != len(mended) {
		m.note(firstInvalid(body), "bytes that are not UTF-8 were replaced")
	}
	if len(m.notes) > 0 {
		json := jsontext.Value(bytes.Clone(json))
		if json.Format() == nil {
			return json, m.allNotes(), nil
		}
	}
	return nil, nil, m.malformed(mended)
}

// firstInvalid is where the first byte stands that is no UTF-8.
func firstInvalid(body []byte) int {
	for i := 0; i < len(body); {
		r, size := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(body)
}

// malformed says where and why a body is not JSON, with all its mistakes mended that can be.
func (m *mender) malformed(mended []byte) error {
	e := &carillon.Error{Code: carillon.CodeMalformed, Message: "the body is not JSON"}
	if m.at != "" {
		e.Message = m.at + " is not JSON"
	}
	json := jsontext.Value(bytes.Clone(mended))
	err := json.Format(jsontext.AllowInvalidUTF8(true))
	if err == nil { // a name is given twice once its bytes are replaced
		json = bytes.ToValidUTF8(mended, []byte("\ufffd"))
		err = json.Format()
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		e.Faults = []carillon.Fault{m.fault(string(syntax.JSONPointer), int(syntax.ByteOffset), syntax.Err.Error())}
	}
	return e
}

// tooDeep says where a body is nested too deep.
func (m *mender) tooDeep(mended []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(mended), jsontext.AllowInvalidUTF8(true))
	for d.StackDepth() <= maxDepth {
		if _, err := d.ReadToken(); err != nil {
			break // it is not JSON either
		}
	}
	reason := fmt.Sprintf("must be nested at most %d levels deep", maxDepth)
	return &carillon.Error{
		Code: carillon.CodeTooLarge, Message: fmt.Sprintf("the body is nested deeper than %d levels", maxDepth),
		Faults: []carillon.Fault{m.fault(string(d.StackPointer()), int(d.InputOffset()), reason)},
	}
}

// fault names a member of the mended body, and the place in the one that came.
func (m *mender) fault(pointer string, offset int, reason string) carillon.Fault {
	offset = m.origin(offset)
	line := 1 + bytes.Count(m.body[:offset], []byte{'\n'})
	return carillon.Fault{
		Member: m.at + shortened(pointer, maxReasonLength),
		Reason: fmt.Sprintf("line %d, byte %d: %s", line, offset, shortened(reason, maxReasonLength)),
	}
}

func shortened(text string, length int) string {
	if len(text) <= length {
		return text
	}
	return strings.ToValidUTF8(text[:length], "") + "…"
}

// Depth is how many objects and arrays stand inside one another, of JSON and of what is none.
func Depth(body []byte) int {
	depth, deepest := 0, 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			i = stringEnd(body, i) - 1 // the loop goes on behind it
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest
}

// JSON puts right, in one pass, what vendors are known to get wrong between the values of their own samples: a missing comma before the
// next member of an object, a comma after the last member or element, typographic quotation marks around a string, no quotation marks
// around a member's value that is one word (GB, an id, a time). It notes what it did and where; no notes mean that body is given back as
// it is. What is JSON needs no mending and gets none.
func JSON(body []byte) (mended []byte, notes []string) {
	m := mender{body: body, line: 1}
	return m.run(), m.allNotes()
}

// mender walks a body from token to token.
type mender struct {
	body, out []byte
	at        string // where body stands in the request
	copied    int    // what of body is in out, or was replaced
	edits     []edit
	// line is the number of the line in which body[counted] stands.
	line, counted int
	notes         []string
	count         int
}

// edit is where what was replaced ends: in what comes out, and how many bytes further it ends in the body.
type edit struct{ end, further int }

// run gives the mended body.
func (m *mender) run() []byte {
	b := m.body
	var open []byte // the brackets around
	value := false  // a member's value is next
	last := -1      // where the value that was just read ends; −1 behind a comma, a colon or an opening bracket
	for i := 0; i < len(b); {
		c := b[i]
		if isSpace(c) {
			i++
			continue
		}
		bare := value
		value = c == ':' && len(open) > 0 && open[len(open)-1] == '{'
		switch c {
		case '{', '[':
			open = append(open, c)
			last = -1
			i++
		case '}', ']':
			open = open[:max(len(open)-1, 0)]
			i++
			last = i
		case ',':
			if next := skipSpace(b, i+1); last >= 0 && next < len(b) && (b[next] == '}' || b[next] == ']') {
				m.put(i, i+1, "", "a comma stood before a closing bracket")
			} else {
				last = -1
			}
			i++
		case ':':
			last = -1
			i++
		default:
			if end := wordEnd(b, i); bare && end > i {
				m.put(i, i, `"`, "the quotation marks around "+abridged(b[i:end])+" were missing")
				m.replace(end, end, `"`)
				i, last = end, end
				continue
			}
			end, quote := scan(b, i)
			colon := skipSpace(b, end)
			if last >= 0 && (c == '"' || quote > 0) && len(open) > 0 && open[len(open)-1] == '{' && colon < len(b) && b[colon] == ':' {
				m.put(last, last, ",", "the comma before "+abridged(b[i:end])+" was missing")
			}
			if quote > 0 {
				m.put(i, i+quote, `"`, "typographic quotation marks stood around a string")
				closing := 1
				if b[end-1] != '"' {
					closing = quote
				}
				m.replace(end-closing, end, `"`)
			}
			i, last = end, end
		}
	}
	if m.copied == 0 {
		return b
	}
	return append(m.out, b[m.copied:]...)
}

// wordEnd is where a word ends that begins at i, stands for a whole value and is none in JSON; i if there is none.
func wordEnd(b []byte, i int) int {
	end := i
	for end < len(b) && isWordPart(b, end) {
		end++
	}
	next := skipSpace(b, end)
	if end == i || next < len(b) && strings.IndexByte(`,}]"`, b[next]) < 0 || jsontext.Value(b[i:end]).IsValid() {
		return i
	}
	return end
}

// isWordPart reports whether b[i] may stand in a word. A colon may where a time has one.
func isWordPart(b []byte, i int) bool {
	c := b[i]
	return isDigit(c) || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("-_+.@", c) >= 0 ||
		c == ':' && i > 0 && isDigit(b[i-1]) && i+1 < len(b) && isDigit(b[i+1])
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// scan finds the end of the string or other scalar that begins at i; quote is the length of the typographic quotation mark that opens
// the string, 0 if none does. A string that such a mark opens ends with the next quotation mark of any kind.
func scan(b []byte, i int) (end, quote int) {
	if b[i] == '"' {
		return stringEnd(b, i), 0
	}
	if isTypographic(b[i:]) {
		for end := i + typographicLength; end < len(b); end++ {
			switch {
			case b[end] == '\\':
				end++
			case b[end] == '"':
				return end + 1, typographicLength
			case isTypographic(b[end:]):
				return end + typographicLength, typographicLength
			}
		}
		return len(b), 0
	}
	n := bytes.IndexAny(b[i+1:], " \t\r\n{}[],:\"")
	if n < 0 {
		return len(b), 0
	}
	return i + 1 + n, 0
}

// typographicLength is that of “, ” and „ in UTF-8.
const typographicLength = 3

func isTypographic(b []byte) bool {
	return len(b) >= typographicLength && b[0] == 0xE2 && b[1] == 0x80 && b[2] >= 0x9C && b[2] <= 0x9E
}

// put puts text in the place of body[from:to] and notes why.
func (m *mender) put(from, to int, text, why string) {
	m.replace(from, to, text)
	m.note(from, why)
}

// note notes what was mended at a place.
func (m *mender) note(offset int, what string) {
	if m.count++; m.count > maxNotes {
		return
	}
	if offset < m.counted {
		m.line, m.counted = 1, 0
	}
	m.line += bytes.Count(m.body[m.counted:offset], []byte{'\n'})
	m.counted = offset
	where := fmt.Sprintf("line %d, byte %d", m.line, offset)
	if m.at != "" {
		where = m.at + ", " + where
	}
	m.notes = append(m.notes, what+" ("+where+")")
}

// allNotes are the notes, and how many more there would be.
func (m *mender) allNotes() []string {
	if more := m.count - len(m.notes); more > 0 {
		return append(m.notes, fmt.Sprintf("and %d more of the kind", more))
	}
	return m.notes
}

// replace puts text in the place of body[from:to], behind all that was replaced before.
func (m *mender) replace(from, to int, text string) {
	m.out = append(append(m.out, m.body[m.copied:from]...), text...)
	m.copied = to
	m.edits = append(m.edits, edit{len(m.out), to - len(m.out)})
}

// origin is where in body stands what stands at an offset of what came out.
func (m *mender) origin(offset int) int {
	before, _ := slices.BinarySearchFunc(m.edits, offset, func(e edit, offset int) int { return cmp.Compare(e.end, offset+1) })
	if before > 0 {
		offset += m.edits[before-1].further
	}
	return min(offset, len(m.body))
}

func abridged(quoted []byte) string { return shortened(string(quoted), maxNameLength) }

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func skipSpace(b []byte, i int) int {
	for i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

// stringEnd is where the string that begins at i ends; the end of b if it does not.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}
