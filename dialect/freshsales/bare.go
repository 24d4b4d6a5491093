package freshsales

import (
	"iter"
	"strconv"
	"strings"
	"time"
	"unicode"

	"carillon"
	"carillon/dialect"
)

// The vendor's values as they come: some of them numbers in one message and texts in the next, some in a wrapping.

// bare is a value without the wrapping {"label", "type" or "dom_type", "value"}.
func bare(value []byte) []byte {
	if len(value) == 0 || value[0] != '{' {
		return value
	}
	var inner []byte
	label, sort := false, false
	for name, of := range dialect.Members(value) {
		switch string(name) {
		case `"value"`:
			inner = of
		case `"label"`:
			label = true
		case `"type"`, `"dom_type"`:
			sort = true
		}
	}
	switch {
	case inner != nil && (label || sort):
		return inner
	case inner == nil && label && sort:
		return []byte(null)
	default:
		return value
	}
}

// isNone reports whether a value says nothing.
func isNone(value []byte) bool { return len(value) == 0 || string(value) == null }

// isBlank reports whether a value says nothing or an empty text.
func isBlank(value []byte) bool { return isNone(value) || string(value) == `""` }

// textOf is what a string says; "" if the value is none.
func textOf(value []byte) string {
	if len(value) == 0 || value[0] != '"' {
		return ""
	}
	return dialect.Unquote(value)
}

// first is the first element of a list, and anything else as it is.
func first(value []byte) []byte {
	if len(value) == 0 || value[0] != '[' {
		return value
	}
	for element := range dialect.Elements(value) {
		return element
	}
	return []byte(null)
}

// elementsOf walks a list; anything else but null is taken for its only element.
func elementsOf(value []byte) iter.Seq[[]byte] {
	if isNone(value) || value[0] == '[' {
		return dialect.Elements(value)
	}
	return func(yield func([]byte) bool) { yield(value) }
}

// asList is the value as a list.
func asList(value []byte) []byte {
	if isNone(value) || value[0] == '[' {
		return value
	}
	return append(append([]byte{'['}, value...), ']')
}

// numberIn is the number in a number, a text of one, or an object with an id that is one; null if it says that there is none,
// nil if it is something else.
func numberIn(value []byte) []byte {
	if len(value) > 0 && value[0] == '{' {
		value = dialect.Member(value, "id")
	}
	if isBlank(value) {
		return []byte(null)
	}
	if value[0] == '"' {
		value = []byte(strings.TrimSpace(textOf(value)))
	}
	if !isNumber(string(value)) {
		return nil
	}
	return value
}

// counts reports whether a number is a record's: the vendor says 0 for nobody.
func counts(number []byte) bool {
	return len(number) > 0 && string(number) != null && string(number) != "0"
}

// decimalIn is the number in a number or a text of one; "" if there is none.
func decimalIn(value []byte) string {
	if len(value) > 0 && value[0] == '"' {
		value = []byte(strings.TrimSpace(textOf(value)))
	}
	if !isDecimal(value) {
		return ""
	}
	return string(value)
}

// trimmed is a number without idle zeros after its point.
func trimmed(number string) string {
	if !strings.Contains(number, ".") || strings.ContainsAny(number, "eE") {
		return number
	}
	return strings.TrimSuffix(strings.TrimRight(number, "0"), ".")
}

// truth is true or false; nil if the value is neither.
func truth(value []byte) []byte {
	switch strings.Trim(string(value), `"`) {
	case "true", "1":
		return []byte("true")
	case "false", "0":
		return []byte("false")
	default:
		return nil
	}
}

// latestSecond is the greatest number that is read as seconds; beyond it are milliseconds.
const latestSecond = 100_000_000_000

// instant is the time in a text of RFC 3339, a date, or a number of seconds or milliseconds since 1970, cut to milliseconds.
func instant(value []byte) (at time.Time, ok bool) {
	if number := decimalIn(value); number != "" {
		at, ok = sinceEpoch(string(plainNumber([]byte(number))))
	} else {
		text := textOf(value)
		var err error
		if at, err = carillon.ParseTime(text); err != nil {
			at, err = time.Parse(time.DateOnly, text)
		}
		ok = err == nil
	}
	const lastYear = 9999
	return at, ok && at.Year() >= 0 && at.Year() <= lastYear
}

// sinceEpoch reads seconds, exactly to the millisecond, or milliseconds.
func sinceEpoch(number string) (at time.Time, ok bool) {
	whole, fraction, _ := strings.Cut(number, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 {
		return time.Time{}, false
	}
	if n > latestSecond {
		return time.UnixMilli(n).UTC(), true
	}
	milliseconds, err := strconv.ParseInt((fraction + "000")[:3], 10, 64)
	return time.UnixMilli(n*1000 + milliseconds).UTC(), err == nil
}

// oneLine puts something else for every run of line breaks and control characters.
func oneLine(text, between string) string {
	if strings.IndexFunc(text, unicode.IsControl) < 0 {
		return text
	}
	return strings.Join(strings.FieldsFunc(text, unicode.IsControl), between)
}

func quote[Text string | []byte](text Text) []byte { return dialect.AppendString(nil, string(text)) }

// isEmpty reports whether an object says nothing.
func isEmpty(object []byte) bool {
	for _, value := range dialect.Members(object) {
		if !isNone(value) {
			return false
		}
	}
	return true
}

// sameTexts reports whether two lists of texts are the same.
func sameTexts(texts []string, list []byte) bool {
	i := 0
	for element := range dialect.Elements(list) {
		if i == len(texts) || texts[i] != dialect.Unquote(element) {
			return false
		}
		i++
	}
	return i == len(texts)
}

// appendTexts writes texts as a list; null if there are none.
func appendTexts(b []byte, texts []string) []byte {
	if len(texts) == 0 {
		return append(b, null...)
	}
	b = append(b, '[')
	for _, text := range texts {
		b = dialect.AppendString(comma(b), text)
	}
	return append(b, ']')
}
