package dialect

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"carillon"
)

// Native is a record's native JSON in the making: members are set in any order and come out in that of the kind's field table.
type Native struct {
	kind    carillon.Kind
	members [][]byte   // nil: not set
	parts   [][][]byte // of members that are objects
}

// NewNative begins a record of a kind.
func NewNative(kind carillon.Kind) *Native {
	fields := carillon.Fields(kind)
	return &Native{kind: kind, members: make([][]byte, len(fields)), parts: make([][][]byte, len(fields))}
}

// Set sets a member to a JSON value, kept as a slice; nil sets null. "billingAddress.city" is the city of the object
// billingAddress. The field table must have the member.
func (n *Native) Set(path string, value []byte) {
	_, at := n.find(path)
	if value == nil {
		value = []byte("null")
	}
	*at = value
}

// SetText sets a member to what a vendor's value says as text (see Text); null and nil set null. reason says why the value cannot be
// the member's; "" if it can.
func (n *Native) SetText(path string, value []byte) (reason string) {
	text, ok := Text(value)
	if !ok {
		return "must be a text"
	}
	f, at := n.find(path)
	switch {
	case utf8.RuneCountInString(text) > f.Limit():
		return fmt.Sprintf("must have at most %d characters", f.Limit())
	case isNull(value):
		*at = []byte("null")
	default:
		*at = AppendString(nil, text)
	}
	return ""
}

// Text gives the text of a member; "" if it has none.
func (n *Native) Text(path string) string {
	_, at := n.find(path)
	text, _ := Text(*at)
	return text
}

func (n *Native) find(path string) (*carillon.Field, *[]byte) {
	name, part, inside := strings.Cut(path, ".")
	place, ok := carillon.FieldNumber(n.kind, name)
	if !ok {
		panic(fmt.Sprintf("dialect: a %s has no member %s", n.kind, path))
	}
	f := &carillon.Fields(n.kind)[place]
	if !inside {
		return f, &n.members[place]
	}
	below := slices.IndexFunc(f.Members, func(m carillon.Field) bool { return m.Name == part })
	if below < 0 {
		panic(fmt.Sprintf("dialect: a %s has no member %s", n.kind, path))
	}
	if n.parts[place] == nil {
		n.parts[place] = make([][]byte, len(f.Members))
	}
	return &f.Members[below], &n.parts[place][below]
}

// JSON is the record with the members that were set.
func (n *Native) JSON() []byte {
	b := append(make([]byte, 0, 1024), '{')
	fields := carillon.Fields(n.kind)
	for i, f := range fields {
		switch {
		case n.members[i] != nil:
			b = appendField(b, f, n.members[i])
		case n.parts[i] != nil:
			object := []byte{'{'}
			for j, value := range n.parts[i] {
				if value != nil {
					object = appendField(object, f.Members[j], value)
				}
			}
			b = appendField(b, f, append(object, '}'))
		}
	}
	return append(b, '}')
}

func appendField(object []byte, f carillon.Field, value []byte) []byte {
	if len(object) > 1 {
		object = append(object, ',')
	}
	object = append(append(append(object, '"'), f.Name...), `":`...)
	return append(object, value...)
}

// Text is what a vendor's value says as text on one line: of a string its content, control characters being blanks; of a number its
// digits as they stand; "" of null and nil. ok is false for anything else.
func Text(value []byte) (text string, ok bool) {
	switch {
	case isNull(value):
		return "", true
	case value[0] == '"':
		return oneLine(Unquote(value)), true
	case value[0] == '-' || value[0] >= '0' && value[0] <= '9':
		return string(value), true
	default:
		return "", false
	}
}

func oneLine(s string) string {
	if !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

func isNull(value []byte) bool { return len(value) == 0 || bytes.Equal(value, []byte("null")) }
