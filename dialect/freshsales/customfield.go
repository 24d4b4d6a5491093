package freshsales

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"carillon"
	"carillon/dialect"
)

// customFields is the list of an object's custom fields, {"name", "label", "column", "type", "value"} each: first those that the
// vendor sent, in its order, with the house's value if it has one; then those that only the house has.
var customFields = value{
	member: "customFields", read: readCustomFields, absent: `[]`, unlisted: true,
	schema: map[string]any{"type": "array", "items": map[string]any{"type": "object"}},
	append: func(s *side, f *slot, b, sent []byte) []byte {
		b = append(b, '[')
		s.eachCustomField(f, sent, func(name string, definition, values []byte) {
			b = appendCustomField(comma(b), name, definition, values)
		})
		return append(b, ']')
	},
	classic: func(s *side, f *slot, b, sent []byte) []byte {
		b = append(b, '{')
		s.eachCustomField(f, sent, func(name string, definition, values []byte) {
			if name != "" {
				b = append(dialect.AppendString(comma(b), name), ':')
				b = appendValueOf(b, definition, values)
			}
		})
		return append(b, '}')
	},
}

// appendCustomField writes a custom field. What the vendor sent with a value (the id of a choice) goes with that value.
func appendCustomField(b []byte, name string, definition, values []byte) []byte {
	if name == "" {
		return append(b, definition...) // the vendor's, and none that has a name
	}
	b = dialect.AppendString(append(b, `{"name":`...), name)
	b = append(b, `,"label":`...)
	if label := dialect.Member(definition, "label"); label != nil {
		b = append(b, label...)
	} else {
		b = dialect.AppendString(b, labelOf(name))
	}
	b = append(b, `,"column":`...)
	b = sentOr(b, dialect.Member(definition, "column"), null)
	b = append(b, `,"type":`...)
	b = dialect.AppendString(b, sortOf(definition, values))
	b = append(b, `,"value":`...)
	b = appendValueOf(b, definition, values)
	if sameTexts(textsOf(definition), values) {
		for member, value := range dialect.Members(definition) {
			switch string(member) {
			case `"name"`, `"label"`, `"column"`, `"type"`, `"value"`:
			default:
				b = append(append(comma(b), member...), ':')
				b = append(b, value...)
			}
		}
	}
	return append(b, '}')
}

// appendValueOf writes a custom field's value: as the vendor sent it as long as the house says the same.
func appendValueOf(b, definition, values []byte) []byte {
	if sameTexts(textsOf(definition), values) {
		return sentOr(b, dialect.Member(definition, "value"), null)
	}
	return appendCustomValue(b, sortOf(definition, values), values)
}

// Bounds of what the house takes for the values of a custom field.
const (
	maxCustomUID    = 64
	maxCustomValues = 100
	maxCustomLength = 4096 // characters
)

// uidOf is what the house calls a custom field of the vendor; "" if it can not.
func uidOf(name string) string {
	uid := strings.TrimPrefix(name, customPrefix)
	if len(uid) > maxCustomUID || !carillon.ValidID(uid) {
		return ""
	}
	return uid
}

// textsOf is the value of a custom field of the vendor as the house has it; none if it is empty, or nothing that the house can say.
func textsOf(definition []byte) []string {
	value := dialect.Member(definition, "value")
	if isBlank(value) || uidOf(textOf(dialect.Member(definition, "name"))) == "" {
		return nil
	}
	var texts []string
	switch text := textOf(value); {
	case value[0] == '{':
		return nil
	case value[0] == '[':
		for element := range dialect.Elements(value) {
			if element[0] != '"' {
				return nil
			}
			texts = append(texts, dialect.Unquote(element))
		}
	case value[0] != '"':
		texts = []string{string(value)}
	case textOf(dialect.Member(definition, "type")) == sortMultiSelect:
		texts = strings.Split(text, ";")
	default:
		texts = []string{text}
	}
	if len(texts) > maxCustomValues || slices.ContainsFunc(texts, func(text string) bool { return utf8.RuneCountInString(text) > maxCustomLength }) {
		return nil
	}
	return texts
}

// readCustomFields reads the list of custom fields, or Classic's object of names and values.
func readCustomFields(h *hearing, f *slot, sent []byte) []byte {
	if !isNone(sent) && sent[0] == '{' && dialect.Member(sent, "value") == nil {
		sent = definitionsOf(sent)
	}
	sent = asList(sent)
	b := []byte{'{'}
	seen := make(map[string]bool)
	for definition := range elementsOf(sent) {
		uid := uidOf(textOf(dialect.Member(definition, "name")))
		if uid == "" || seen[uid] {
			continue
		}
		seen[uid] = true
		b = append(dialect.AppendString(comma(b), uid), ':')
		b = appendTexts(b, textsOf(definition))
	}
	h.set(f, append(b, '}'))
	return keepUnlessAbsent(h, f, sent)
}

// definitionsOf makes a list of Classic's custom fields, which come without label and type.
func definitionsOf(object []byte) []byte {
	b := []byte{'['}
	for name, value := range dialect.Members(object) {
		b = append(append(comma(b), `{"name":`...), name...)
		switch {
		case value[0] == 't', value[0] == 'f':
			b = append(b, `,"type":"`+sortCheckbox+`"`...)
		case bytes.IndexByte(value, '.') >= 0 && isDecimal(value):
			b = append(b, `,"type":"`+sortDecimal+`"`...)
		case isDecimal(value):
			b = append(b, `,"type":"`+sortNumber+`"`...)
		}
		b = append(b, `,"value":`...)
		b = append(append(b, value...), '}')
	}
	return append(b, ']')
}

// customPrefix begins the names of all custom fields of the vendor.
const customPrefix = "cf_"

// customName is what the vendor calls the custom field of a uid.
func customName(uid string) string {
	if strings.HasPrefix(uid, customPrefix) {
		return uid
	}
	return customPrefix + uid
}

// eachCustomField walks the custom fields of a side: what the vendor sent of one (nil if nothing), and the house's values (nil if none).
func (s *side) eachCustomField(f *slot, sent []byte, tell func(name string, definition, values []byte)) {
	house := s.house(f)
	for definition := range dialect.Elements(sent) {
		name := textOf(dialect.Member(definition, "name"))
		tell(name, definition, valuesOf(house, name))
	}
	for uid, values := range dialect.Members(house) {
		name := customName(dialect.Unquote(uid))
		if definitionOf(sent, name) == nil {
			tell(name, nil, values)
		}
	}
}

// valuesOf finds the house's values of what the vendor calls name.
func valuesOf(house []byte, name string) []byte {
	if uid, ok := strings.CutPrefix(name, customPrefix); ok {
		if values := dialect.Member(house, uid); values != nil {
			return values
		}
	}
	return dialect.Member(house, name)
}

// definitionOf finds what the vendor sent of a custom field; nil if nothing.
func definitionOf(sent []byte, name string) []byte {
	for definition := range dialect.Elements(sent) {
		if textOf(dialect.Member(definition, "name")) == name {
			return definition
		}
	}
	return nil
}

// labelOf makes a label of a name: "cf_annual_tier" is "Annual tier".
func labelOf(name string) string {
	label := strings.ReplaceAll(strings.TrimPrefix(name, customPrefix), "_", " ")
	if label != "" && label[0] >= 'a' && label[0] <= 'z' {
		label = string(label[0]-'a'+'A') + label[1:]
	}
	return label
}

// Types of custom fields.
const (
	sortText        = "text"
	sortMultiSelect = "multi_select_dropdown"
	sortNumber      = "number"
	sortDecimal     = "decimal"
	sortCheckbox    = "checkbox"
)

// sortOf is the type of a custom field: as the vendor sent it, or else by how many values there are.
func sortOf(definition, values []byte) string {
	if sort := textOf(dialect.Member(definition, "type")); sort != "" {
		return sort
	}
	if bytes.Contains(values, []byte(`","`)) {
		return sortMultiSelect
	}
	return sortText
}

// appendCustomValue writes a custom field's values (an array of texts) as one value of its type; several are joined by semicolons.
func appendCustomValue(b []byte, sort string, values []byte) []byte {
	var texts []string
	for element := range dialect.Elements(values) {
		texts = append(texts, dialect.Unquote(element))
	}
	if len(texts) == 0 {
		return append(b, null...)
	}
	all := strings.Join(texts, ";")
	switch {
	case (sort == sortNumber || sort == sortDecimal) && isDecimal([]byte(all)):
		return append(b, all...)
	case sort == sortCheckbox && (all == "true" || all == "false"):
		return append(b, all...)
	default:
		return dialect.AppendString(b, all)
	}
}
