package neon

import (
	"strconv"

	"carillon/dialect"
)

// customFields is {"customFieldData": …}: one as an object, several as a list. First those that the vendor sent, as it sent them; then
// the house's, each value one entry {"fieldId","fieldValue"}. The uid of a field that came from Neon is its number; any other
// uid gets a number made of it.
var customFields = value{
	append: func(a *account, b, sent []byte) []byte {
		start := len(b)
		b = append(b, `{"customFieldData":`...)
		list := len(b)
		b = append(b, '[')
		count := 0
		for entry := range several(dialect.Member(sent, "customFieldData")) {
			if count++; count > 1 {
				b = append(b, ',')
			}
			b = append(b, entry...)
		}
		for uid, values := range dialect.Members(a.member("customFields")) {
			for text := range dialect.Elements(values) {
				if count++; count > 1 {
					b = append(b, ',')
				}
				b = append(b, `{"fieldId":`...)
				b = appendFieldID(b, dialect.Unquote(uid))
				b = append(b, `,"fieldValue":`...)
				b = append(b, text...)
				b = append(b, '}')
			}
		}
		switch count {
		case 0:
			return b[:start]
		case 1:
			b = append(b[:list], b[list+1:]...) // without its bracket
			return append(b, '}')
		default:
			return append(b, "]}"...)
		}
	},
	schema: oneOrSeveral("customFieldData", map[string]any{"type": "object"}),
}

func appendFieldID(b []byte, uid string) []byte {
	if isNumber(uid) {
		return append(b, uid...)
	}
	return appendInt(b, dialect.StableNumber("customField", uid))
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }
