package mend

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
)

const (
	// maxDepth is how deep a body may be nested: no deeper than the ledger keeps what comes of it.
	maxDepth = 32
	// maxNotes bounds how many things are noted one by one.
	maxNotes = 8
	// maxNameLength bounds what notes repeat of a body, in bytes.
	maxNameLength = 64
	// maxReasonLength bounds what is repeated of what the parser says.
	maxReasonLength = 256
)

// Read gives a body as dialect.Members reads it: without white space, strings in their shortest form. A body that is not JSON is
// mended first; the notes say how. It fails with carillon.CodeMalformed where that does not help, where text is not UTF-8
// or a member is given twice, and with carillon.CodeTooLarge where the body is nested deeper than 32 levels. body stays as it is.
func Read(body []byte) (json []byte, notes []string, err error) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	json, err = format(body)
	if err == nil {
		return json, nil, nil
	}
	if carillon.ErrorCode(err) == carillon.CodeMalformed {
		if mended, notes := JSON(body); len(notes) > 0 {
			if json, err := format(mended); err == nil {
				return json, notes, nil
			}
		}
	}
	return nil, nil, err
}

func format(body []byte) ([]byte, error) {
	if Depth(body) > maxDepth {
		return nil, &carillon.Error{Code: carillon.CodeTooLarge, Message: fmt.Sprintf("the body is nested deeper than %d levels", maxDepth)}
	}
	json := jsontext.Value(bytes.Clone(body))
	if err := json.Format(); err != nil {
		return nil, &carillon.Error{Code: carillon.CodeMalformed, Message: "the body is not JSON", Err: reason(err)}
	}
	return json, nil
}

// reason is what the parser says, without the part of the body that it may repeat at any length.
func reason(err error) error {
	if text := err.Error(); len(text) > maxReasonLength {
		return errors.New(strings.ToValidUTF8(text[:maxReasonLength], "") + "…")
	}
	return err
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
// next member of an object, a comma after the last member or element, typographic quotation marks around a string. It notes
// what it did and where; no notes mean that body is given back as it is. What is JSON needs no mending and gets none.
func JSON(body []byte) (mended []byte, notes []string) {
	m := mender{body: body, line: 1}
	m.run()
	if m.count == 0 {
		return body, nil
	}
	if more := m.count - len(m.notes); more > 0 {
		m.notes = append(m.notes, fmt.Sprintf("and %d more of the kind", more))
	}
	return append(m.out, body[m.copied:]...), m.notes
}

// mender walks a body from token to token.
type mender struct {
	body, out []byte
	copied    int // what of body is in out, or was replaced
	// line is the number of the line in which body[counted] stands.
	line, counted int
	notes         []string
	count         int
}

func (m *mender) run() {
	b := m.body
	var open []byte // the brackets around
	last := -1      // where the value that was just read ends; −1 behind a comma, a colon or an opening bracket
	for i := 0; i < len(b); {
		switch c := b[i]; c {
		case ' ', '\t', '\r', '\n':
			i++
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
}

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
	if m.count++; m.count > maxNotes {
		return
	}
	m.line += bytes.Count(m.body[m.counted:from], []byte{'\n'})
	m.counted = from
	m.notes = append(m.notes, fmt.Sprintf("%s (line %d, byte %d)", why, m.line, from))
}

// replace puts text in the place of body[from:to], behind all that was replaced before.
func (m *mender) replace(from, to int, text string) {
	m.out = append(append(m.out, m.body[m.copied:from]...), text...)
	m.copied = to
}

func abridged(quoted []byte) string {
	if len(quoted) <= maxNameLength {
		return string(quoted)
	}
	return strings.ToValidUTF8(string(quoted[:maxNameLength]), "") + "…"
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
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
