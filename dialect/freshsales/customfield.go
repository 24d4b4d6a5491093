package freshsales

import (
	"bytes"
	"strings"

	"carillon/dialect"
)

// customFields is the list of an object's custom fields, {"name", "label", "column", "type", "value"} each: first those that the
// vendor sent, in its order, with the house's value if it has one; then those that only the house has.
var customFields = value{
	member: "customFields", absent: `[]`, unlisted: true, schema: map[string]any{"type": "array", "items": map[string]any{"type": "object"}},
	append: func(s *side, f *slot, b, sent []byte) []byte {
		b = append(b, '[')
		s.eachCustomField(f, sent, func(name string, definition, values []byte) {
			b = comma(b)
			if values == nil {
				b = append(b, definition...)
				return
			}
			b = append(b, `{"name":`...)
			b = dialect.AppendString(b, name)
			b = append(b, `,"label":`...)
			if label := dialect.Member(definition, "label"); label != nil {
				b = append(b, label...)
			} else {
				b = dialect.AppendString(b, labelOf(name))
			}
			b = append(b, `,"column":`...)
			if column := dialect.Member(definition, "column"); column != nil {
				b = append(b, column...)
			} else {
				b = append(b, null...)
			}
			b = append(b, `,"type":`...)
			b = dialect.AppendString(b, sortOf(definition, values))
			b = append(b, `,"value":`...)
			b = appendCustomValue(b, sortOf(definition, values), values)
			b = append(b, '}')
		})
		return append(b, ']')
	},
	classic: func(s *side, f *slot, b, sent []byte) []byte {
		b = append(b, '{')
		s.eachCustomField(f, sent, func(name string, definition, values []byte) {
			b = dialect.AppendString(comma(b), name)
			b = append(b, ':')
			switch value := dialect.Member(definition, "value"); {
			case values != nil:
				b = appendCustomValue(b, sortOf(definition, values), values)
			case value != nil:
				b = append(b, value...)
			default:
				b = append(b, null...)
			}
		})
		return append(b, '}')
	},
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
		name := dialect.Unquote(dialect.Member(definition, "name"))
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
	if values := dialect.Member(house, name); values != nil {
		return values
	}
	if uid, ok := strings.CutPrefix(name, customPrefix); ok {
		return dialect.Member(house, uid)
	}
	return nil
}

// definitionOf finds what the vendor sent of a custom field; nil if nothing.
func definitionOf(sent []byte, name string) []byte {
	for definition := range dialect.Elements(sent) {
		if dialect.Unquote(dialect.Member(definition, "name")) == name {
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
	if sort := dialect.Unquote(dialect.Member(definition, "type")); sort != "" {
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
