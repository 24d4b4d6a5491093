package smarterpay

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/country"
	"carillon/dialect/mend"
)

// hear takes what the vendor says of a member; nil if it does not mention it.
type hear func(h *hearing, m *member, value []byte) error

func (h *hearing) wrong(m *member, reason string) error {
	return carillon.Invalid(h.at+"/"+m.name, reason)
}

// keep puts a value into the extra, under the vendor's name.
func (h *hearing) keep(m *member, value []byte) {
	if value != nil {
		h.extra = appendExtra(h.extra, dialect.AppendString(nil, m.name), value)
	}
}

// appendExtra appends a member to an object that is not closed yet.
func appendExtra(b, name, value []byte) []byte {
	if len(b) > 1 {
		b = append(b, ',')
	}
	b = append(append(b, name...), ':')
	return append(b, value...)
}

// silent is for what says nothing of the account.
func silent(*hearing, *member, []byte) error { return nil }

// text is the account's member. What the house cannot write as the vendor does is kept as well.
func text(h *hearing, m *member, value []byte) error {
	if reason := h.native.SetText(m.from, value); reason != "" {
		return h.wrong(m, reason)
	}
	h.keepForm(m, value)
	return nil
}

// keepForm keeps a string that is no single line.
func (h *hearing) keepForm(m *member, value []byte) {
	if said, _ := dialect.Text(value); isText(value) && !bytes.Equal(dialect.AppendString(nil, said), value) {
		h.keep(m, value)
	}
}

// company is the account's name, if there is one: read makes it of all that is said.
func company(h *hearing, m *member, value []byte) error {
	if _, ok := dialect.Text(value); !ok {
		return h.wrong(m, "must be a text")
	}
	h.keepForm(m, value)
	return nil
}

// nation is a country's code, in capitals if it is one.
func nation(h *hearing, m *member, value []byte) error {
	if code, ok := country.Code(dialect.Unquote(value)); ok && isText(value) {
		value = dialect.AppendString(nil, code)
	}
	if reason := h.native.SetText(m.from, value); reason != "" {
		return h.wrong(m, reason)
	}
	return nil
}

// standing is a status; what is not said leaves the account's as it is. A word that the vendor's pages do not know is the account's status
// as it stands, and kept as well: it goes out again until the account's is another.
func standing(h *hearing, m *member, value []byte) error {
	word, ok := dialect.Text(value)
	switch {
	case ok && word == "":
	case !ok:
		return h.wrong(m, "must be a word: active, inactive or another")
	case strings.EqualFold(word, statusActive) || strings.EqualFold(word, statusInactive):
		h.native.Set(m.from, dialect.AppendString(nil, strings.ToUpper(word)))
	default:
		if reason := h.native.SetText(m.from, value); reason != "" {
			return h.wrong(m, reason)
		}
		return beside(h, m, value)
	}
	return nil
}

// maxMetadataDepth bounds how deep metadata is nested that is taken apart.
const maxMetadataDepth = 16

// freeText is the account's metadata if it is an object of JSON. The text is kept as well, unless it is just what the house would
// write.
func freeText(h *hearing, m *member, value []byte) error {
	said := dialect.Unquote(value)
	switch {
	case string(value) == null || value == nil:
		h.native.Set(m.from, nil)
		return nil
	case value[0] == '{': // not as text, but as what it says
		said = string(value)
	case value[0] != '"':
		return h.wrong(m, "must be a text")
	}
	object, ok := objectIn(said)
	if !ok {
		h.native.Set(m.from, nil)
		h.keep(m, value)
		return nil
	}
	h.native.Set(m.from, object)
	if value[0] == '{' || string(object) != said {
		h.keep(m, value)
	}
	return nil
}

// objectIn gives the object of JSON that a text is, its names sorted; not ok if the house cannot keep it as one.
func objectIn(text string) (object []byte, ok bool) {
	value := jsontext.Value(text)
	if err := value.Format(jsontext.ReorderRawObjects(true)); err != nil {
		return nil, false
	}
	return value, value[0] == '{' && mend.Depth(value) <= maxMetadataDepth && !bytes.Contains(value, []byte(`\u0000`))
}

// moment is a time, kept as it is written.
func moment(h *hearing, m *member, value []byte) error {
	said, ok := dialect.Text(value)
	if _, isTime := parseTime(said); !ok || said != "" && !isTime {
		return h.wrong(m, "must be a time, like 2024-04-15T10:28:51Z")
	}
	h.keep(m, value)
	return nil
}

// beside is a text that the account has no place for.
func beside(h *hearing, m *member, value []byte) error {
	said, ok := dialect.Text(value)
	if !ok {
		return h.wrong(m, "must be a text")
	}
	if said != "" && !isText(value) {
		value = dialect.AppendString(nil, said)
	}
	h.keep(m, value)
	return nil
}

// yesOrNo is true or false, also as text.
func yesOrNo(h *hearing, m *member, value []byte) error {
	switch strings.ToLower(strings.Trim(string(value), `"`)) {
	case "", null:
	case "true":
		h.keep(m, []byte("true"))
	case "false":
		h.keep(m, []byte("false"))
	default:
		return h.wrong(m, "must be true or false")
	}
	return nil
}

// named is {"id"}, or the id alone.
func named(h *hearing, m *member, value []byte) error {
	if value != nil && value[0] != '{' && value[0] != '"' && string(value) != null {
		return h.wrong(m, "must be an object with an id")
	}
	h.keep(m, value)
	return nil
}
