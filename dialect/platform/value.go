package platform

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/dialect"
)

// null and empty must not be changed.
var (
	null  = []byte("null")
	empty = []byte(`""`)
)

// Reasons why a value cannot be read.
const (
	timeReason = "must be a time: ISO 8601, or Unix seconds or milliseconds"
	textReason = "must be a text"
)

// maxUIDLength bounds the uids of custom fields; what has a longer one is kept as extra.
const maxUIDLength = 64

// maxNumberLength bounds numbers, in characters.
const maxNumberLength = 100

func isNull(value []byte) bool { return len(value) == 0 || value[0] == 'n' }

func quoted(s string) []byte { return dialect.AppendString(nil, s) }

// scalar gives a string, number or boolean as a JSON string; nil for anything else.
func scalar(value []byte) []byte {
	switch {
	case isNull(value) || value[0] == '{' || value[0] == '[':
		return nil
	case value[0] == '"':
		return value
	default:
		return slices.Concat([]byte{'"'}, value, []byte{'"'})
	}
}

// coerce gives a value (not null) in the form that the house keeps for the field: nil if it says nothing, or else why it
// cannot be read. extra is what an object has beside what the field knows.
func coerce(f *carillon.Field, value []byte) (coerced, extra []byte, reason string) {
	switch f.Type {
	case carillon.TypeObject:
		return coerceObject(f, value)
	case carillon.TypeCustomFields:
		return coerceCustomFields(value)
	case carillon.TypeMap:
		if value[0] != '{' {
			return nil, nil, "must be an object"
		}
		return sorted(value), nil, ""
	case carillon.TypeJSON:
		return sorted(value), nil, ""
	case carillon.TypeStrings, carillon.TypeRefs:
		coerced, reason = coerceList(f, value)
	default:
		coerced, reason = coerceScalar(f, value)
	}
	return coerced, nil, reason
}

// coerceScalar reads a string, number or boolean as the one that the field wants. An empty string says nothing where
// the field wants no text.
func coerceScalar(f *carillon.Field, value []byte) (coerced []byte, reason string) {
	given := scalar(value)
	if given == nil {
		return nil, textReason
	}
	text := dialect.Unquote(given)
	switch f.Type {
	case carillon.TypeBool, carillon.TypeInteger, carillon.TypeNumber, carillon.TypeTime, carillon.TypeDate:
		if text = strings.TrimSpace(text); text == "" {
			return nil, ""
		}
	}
	switch f.Type {
	case carillon.TypeBool:
		return coerceBool(text)
	case carillon.TypeInteger:
		return coerceInteger(text)
	case carillon.TypeNumber:
		if len(text) > maxNumberLength || !isNumber(text) {
			return nil, "must be a number"
		}
		return []byte(text), ""
	case carillon.TypeTime:
		at, ok := moment(value)
		if !ok {
			return nil, timeReason
		}
		return quoted(carillon.FormatTime(at)), ""
	case carillon.TypeDate:
		at, ok := moment(value)
		if !ok {
			return nil, "must be a date"
		}
		return quoted(at.Format(time.DateOnly)), ""
	case carillon.TypeRef:
		switch {
		case f.OnDelete == carillon.OnDeleteIgnore:
		case text == "":
			return nil, ""
		case !carillon.ValidID(text):
			return nil, "must be " + idReason
		}
	}
	return given, ""
}

func coerceBool(text string) (coerced []byte, reason string) {
	switch strings.ToLower(text) {
	case "true", "1":
		return []byte("true"), ""
	case "false", "0":
		return []byte("false"), ""
	default:
		return nil, "must be true or false"
	}
}

func coerceInteger(text string) (coerced []byte, reason string) {
	if whole, point, ok := strings.Cut(text, "."); ok && strings.Trim(point, "0") == "" {
		text = whole
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, "must be a whole number of 64 bits"
	}
	return strconv.AppendInt(nil, n, 10), ""
}

func isNumber(text string) bool {
	v := jsontext.Value(text)
	return v.Kind() == '0' && v.IsValid()
}

// coerceList reads a list of texts, or one alone as a list of one; nulls and empty lists say nothing, an id counts once.
func coerceList(f *carillon.Field, value []byte) (coerced []byte, reason string) {
	element := carillon.Field{Type: carillon.TypeString, OnDelete: f.OnDelete}
	if f.Type == carillon.TypeRefs {
		element.Type = carillon.TypeRef
	}
	list := []byte{'['}
	seen := make(map[string]bool)
	add := func(value []byte) (reason string) {
		if isNull(value) {
			return ""
		}
		text, reason := coerceScalar(&element, value)
		switch {
		case reason != "":
			return "holds what " + reason
		case text == nil || f.Type == carillon.TypeRefs && seen[string(text)]:
			return ""
		case f.Type == carillon.TypeRefs:
			seen[string(text)] = true
		}
		if len(list) > 1 {
			list = append(list, ',')
		}
		list = append(list, text...)
		return ""
	}
	if value[0] != '[' {
		reason = add(value)
	} else {
		for of := range dialect.Elements(value) {
			if reason = add(of); reason != "" {
				break
			}
		}
	}
	if reason != "" || len(list) == 1 {
		return nil, reason
	}
	return append(list, ']'), ""
}

// coerceObject reads an object's members in the order of the field's, and keeps the others.
func coerceObject(f *carillon.Field, value []byte) (coerced, extra []byte, reason string) {
	if value[0] == '[' { // a list of one object
		for first := range dialect.Elements(value) {
			if len(first)+len("[]") == len(value) {
				value = first
			}
			break
		}
	}
	if value[0] != '{' {
		return nil, nil, "must be an object"
	}
	given := make([][]byte, len(f.Members))
	extra = []byte{'{'}
	for name, of := range dialect.Members(value) {
		plain := dialect.Unquote(name)
		if n := slices.IndexFunc(f.Members, func(m carillon.Field) bool { return m.Name == plain }); n >= 0 {
			given[n] = of
		} else {
			extra = dialect.AppendMember(extra, name, of)
		}
	}
	coerced = []byte{'{'}
	for n := range f.Members {
		if isNull(given[n]) {
			continue
		}
		member, _, reason := coerce(&f.Members[n], given[n])
		if reason != "" {
			return nil, nil, "has " + f.Members[n].Name + ", which " + reason
		}
		if member != nil {
			coerced = appendField(coerced, &f.Members[n], member)
		}
	}
	return closed(coerced), closed(extra), ""
}

// coerceCustomFields reads lists of texts by uid, and keeps those whose uid the house does not take.
func coerceCustomFields(value []byte) (coerced, extra []byte, reason string) {
	if value[0] != '{' {
		return nil, nil, "must be an object"
	}
	values := carillon.Field{Type: carillon.TypeStrings}
	coerced, extra = []byte{'{'}, []byte{'{'}
	for name, of := range dialect.Members(sorted(value)) {
		if isNull(of) {
			continue
		}
		uid := dialect.Unquote(name)
		list, reason := coerceList(&values, of)
		switch {
		case reason != "":
			return nil, nil, "has " + abridge(uid) + ", which " + reason
		case list == nil:
		case len(uid) > maxUIDLength || !carillon.ValidID(uid):
			extra = dialect.AppendMember(extra, name, list)
		default:
			coerced = dialect.AppendMember(coerced, name, list)
		}
	}
	return closed(coerced), closed(extra), ""
}

// closed ends an object; nil if it has no members.
func closed(object []byte) []byte {
	if len(object) == 1 {
		return nil
	}
	return append(object, '}')
}

// sorted gives a value with the names of its objects in order, as the house keeps free JSON.
func sorted(value []byte) []byte {
	v := jsontext.Value(bytes.Clone(value))
	_ = v.Format(jsontext.ReorderRawObjects(true)) // valid: it has been parsed
	return v
}

// timeLayouts are those beside RFC 3339 in which times come; without an offset they are UTC.
var timeLayouts = []string{"2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly}

// firstMilliseconds is where numbers are taken for Unix milliseconds: as seconds it would be the year 5138, as
// milliseconds it is 1973.
const firstMilliseconds = 1e11

// moment reads a time: text, or seconds or milliseconds since 1970. It must lie in the years that TimeLayout can write.
func moment(value []byte) (at time.Time, ok bool) {
	text := strings.TrimSpace(dialect.Unquote(scalar(value)))
	at, err := carillon.ParseTime(text)
	for i := 0; err != nil && i < len(timeLayouts); i++ {
		at, err = time.Parse(timeLayouts[i], text)
	}
	if err != nil {
		number, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(number) || math.Abs(number) > 1e15 {
			return time.Time{}, false
		}
		if math.Abs(number) < firstMilliseconds {
			number *= 1000
		}
		at = time.UnixMilli(int64(math.Round(number)))
	}
	at = at.UTC().Truncate(time.Millisecond)
	return at, at.Year() >= 0 && at.Year() <= 9999
}
