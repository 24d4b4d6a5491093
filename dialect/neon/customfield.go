package neon

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"carillon"
	"carillon/dialect"
)

// customFields is {"customFieldData": …}: one as an object, several as a list. First those that the vendor sent, in its order: an entry
// with a fieldValue as long as the house has it, any other as it came. Then the house's, each value one entry
// {"fieldId","fieldValue"}. The uid of a field that came from Neon is its number; any other uid gets a number made of it.
var customFields = value{
	append: func(a *account, b, sent []byte) []byte { return appendCustomFields(b, a.member("customFields"), sent) },
	hear:   hearCustomFields,
	schema: oneOrSeveral("customFieldData", map[string]any{"type": "object"}),
}

func appendCustomFields(b, ours, sent []byte) []byte {
	sent = dialect.Member(sent, "customFieldData")
	l := newList(b, "customFieldData", sent)
	told := make(map[string][]string) // the house's values that were told as the vendor sent them
	for entry := range several(sent) {
		uid, text, ok := valueOf(entry)
		if ok {
			if !has(ours, uid, text, told[uid]) {
				continue
			}
			told[uid] = append(told[uid], text)
		}
		l.b = append(l.next(), entry...)
	}
	for name, values := range dialect.Members(ours) {
		uid := dialect.Unquote(name)
		for quoted := range dialect.Elements(values) {
			if before := told[uid]; len(before) > 0 {
				if i := slices.Index(before, dialect.Unquote(quoted)); i >= 0 {
					told[uid] = slices.Delete(before, i, i+1)
					continue
				}
			}
			l.b = append(l.next(), `{"fieldId":`...)
			l.b = appendFieldID(l.b, uid)
			l.b = append(l.b, `,"fieldValue":`...)
			l.b = append(l.b, quoted...)
			l.b = append(l.b, '}')
		}
	}
	return l.end()
}

// has reports whether the house's custom fields have a value once more than it was told.
func has(ours []byte, uid, text string, told []string) bool {
	count := 0
	for quoted := range dialect.Elements(dialect.Member(ours, uid)) {
		if dialect.Unquote(quoted) == text {
			count++
		}
	}
	for _, t := range told {
		if t == text {
			count--
		}
	}
	return count > 0
}

// Bounds of custom fields, as the ledger keeps them.
const (
	maxUIDLength   = 64
	maxValueLength = 4096
)

// valueOf is the value of a custom field, as text, if an entry has one: a choice among options has the number of the option only.
func valueOf(entry []byte) (uid, text string, ok bool) {
	uid, ok = dialect.Text(dialect.Member(entry, "fieldId"))
	if !ok || len(uid) > maxUIDLength || !carillon.ValidID(uid) {
		return "", "", false
	}
	switch value := dialect.Member(entry, "fieldValue"); {
	case len(value) == 0 || string(value) == "null":
		return "", "", false
	case value[0] == '"': // of any lines
		return uid, strings.ReplaceAll(dialect.Unquote(value), "\x00", " "), true
	default:
		text, ok = dialect.Text(value)
		return uid, text, ok
	}
}

// hearCustomFields takes the values. What the house would tell in another form is kept as it came.
func hearCustomFields(h *hearing, at place, sent []byte) ([]byte, error) {
	inside, err := at.only("customFieldData", sent)
	if err != nil {
		return nil, err
	}
	fields := make(map[string][][]byte)
	for entry := range several(inside) {
		if entry[0] != '{' {
			return nil, at.below("customFieldData").wrong("must be objects")
		}
		uid, text, ok := valueOf(entry)
		if utf8.RuneCountInString(text) > maxValueLength {
			return nil, at.below("customFieldData").wrong(fmt.Sprintf("must have values of at most %d characters", maxValueLength))
		}
		if ok {
			fields[uid] = append(fields[uid], dialect.AppendString(nil, text))
		}
	}
	ours := []byte{'{'}
	for _, uid := range slices.Sorted(maps.Keys(fields)) {
		ours = append(appendName(ours, uid), '[')
		ours = append(append(ours, bytes.Join(fields[uid], []byte{','})...), ']')
	}
	ours = append(ours, '}')
	h.native.Set("customFields", ours)
	if len(inside) == 0 || bytes.Equal(sent, appendCustomFields(nil, ours, nil)) {
		return nil, nil
	}
	return sent, nil
}

func appendFieldID(b []byte, uid string) []byte {
	if isNumber(uid) {
		return append(b, uid...)
	}
	return appendInt(b, dialect.StableNumber("customField", uid))
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }
