package ledger

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"carillon"
)

// custom is one custom field of a record: values is a JSON array of strings, nil to unset it.
type custom struct {
	uid    string
	values []byte
}

// customs checks the value of customFields and gives its members sorted by uid. A null or an empty array has no values.
func (c *checker) customs(raw []byte, name string) []custom {
	if raw[0] != '{' {
		c.mistyped(at(name), "an object of arrays of strings", raw)
		return nil
	}
	list := make([]custom, 0, 8)
	for rawUID, values := range objectMembers(raw) {
		uid := text(rawUID)
		if len(list) == maxCustomFields {
			c.fault(at(name), fmt.Sprintf("must have at most %d custom fields", maxCustomFields))
			return nil
		}
		if !validUID(uid) {
			c.fault(at(name, abridge(uid)), uidReason)
			continue
		}
		list = append(list, custom{uid: uid, values: c.customValues(values, name, uid)})
	}
	slices.SortFunc(list, func(a, b custom) int { return strings.Compare(a.uid, b.uid) })
	return list
}

func validUID(uid string) bool { return len(uid) <= maxUIDLength && carillon.ValidID(uid) }

var uidReason = fmt.Sprintf("must be a custom field's uid: 1 to %d letters, digits and - _ . : @ + = ~", maxUIDLength)

func (c *checker) customValues(raw []byte, name, uid string) []byte {
	switch {
	case raw[0] == 'n' || string(raw) == "[]":
		return nil
	case raw[0] != '[':
		return c.mistyped(at(name, uid), "an array of strings", raw)
	}
	for n, value := range elements(raw) {
		switch {
		case n == maxCustomValues:
			c.fault(at(name, uid), fmt.Sprintf("must have at most %d values", maxCustomValues))
			return nil
		case value[0] != '"':
			c.mistyped(at(name, uid).element(n), "a string", value)
		default:
			if reason := checkText(value, maxCustomLength, true); reason != "" {
				c.fault(at(name, uid).element(n), reason)
			}
		}
	}
	return raw
}

// splitCustoms reads the customFields of a stored record, which are sorted by uid; nil where there are none.
func splitCustoms(object []byte) []custom {
	if object == nil {
		return nil
	}
	var list []custom
	for uid, values := range objectMembers(object) {
		list = append(list, custom{uid: string(uid[1 : len(uid)-1]), values: values})
	}
	return list
}

// spliceCustoms writes what has values as customFields; nil if nothing has.
func spliceCustoms(list []custom) []byte {
	size := 2
	for _, f := range list {
		if f.values != nil {
			size += len(f.uid) + len(f.values) + len(`"":,`)
		}
	}
	if size == 2 {
		return nil
	}
	object := append(make([]byte, 0, size), '{')
	for _, f := range list {
		if f.values == nil {
			continue
		}
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = append(append(append(object, '"'), f.uid...), `":`...)
		object = append(object, f.values...)
	}
	return append(object, '}')
}

// mergeCustoms lays the patch over what is stored; both are sorted by uid, and so is what comes out.
func mergeCustoms(stored, patch []custom) []custom {
	merged := make([]custom, 0, len(stored)+len(patch))
	for len(stored) > 0 || len(patch) > 0 {
		switch {
		case len(patch) == 0 || len(stored) > 0 && stored[0].uid < patch[0].uid:
			merged, stored = append(merged, stored[0]), stored[1:]
		default:
			if len(stored) > 0 && stored[0].uid == patch[0].uid {
				stored = stored[1:]
			}
			if patch[0].values != nil {
				merged = append(merged, patch[0])
			}
			patch = patch[1:]
		}
	}
	return merged
}

// changedCustoms says which custom fields differ, sorted by uid, with the values after.
func changedCustoms(before, after []custom) []customChange {
	var list []customChange
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].uid < after[0].uid:
			list = append(list, customChange{custom{uid: before[0].uid}, carillon.Removed})
			before = before[1:]
		case len(before) == 0 || after[0].uid < before[0].uid:
			list = append(list, customChange{after[0], carillon.Added})
			after = after[1:]
		default:
			if !bytes.Equal(before[0].values, after[0].values) {
				list = append(list, customChange{after[0], carillon.Updated})
			}
			before, after = before[1:], after[1:]
		}
	}
	return list
}

type customChange struct {
	custom
	how carillon.How
}

// checkDefined notes which of a custom field's values its definition does not allow.
func (c *checker) checkDefined(def *carillon.CustomField, values []byte, name string) {
	for n, raw := range elements(values) {
		if n > 0 && singleValued(def.Type) {
			c.fault(at(name, def.UID), fmt.Sprintf("must have one value: it is a %s", def.Type))
			return
		}
		if reason := definedReason(def, raw); reason != "" {
			c.fault(at(name, def.UID).element(n), reason)
		}
	}
}

func singleValued(t carillon.CustomFieldType) bool {
	return t == carillon.CustomDropdown || t == carillon.CustomRadio || t == carillon.CustomCheckbox
}

// definedReason says what is wrong with one value of a defined custom field: "" if nothing.
func definedReason(def *carillon.CustomField, raw []byte) string {
	value := text(raw)
	if len(def.Options) > 0 && !slices.Contains(def.Options, value) {
		return "is not one of the options of " + def.UID
	}
	switch def.Type {
	case carillon.CustomText:
		return checkText(raw, maxCustomLength, false)
	case carillon.CustomNumber:
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			return "must be a whole number, in quotes"
		}
	case carillon.CustomDecimal:
		if !isNumber(value) {
			return "must be a number, in quotes"
		}
	case carillon.CustomCheckbox:
		if value != "true" && value != "false" {
			return `must be "true" or "false"`
		}
	case carillon.CustomDate:
		if _, err := time.Parse(dateLayout, value); err != nil {
			return "must be a date, YYYY-MM-DD"
		}
	case carillon.CustomDateTime:
		if _, reason := canonicalTime(raw); reason != "" {
			return reason
		}
	}
	return ""
}

// isNumber reports whether s is a decimal number that a double can hold (so no hexadecimal, infinity or NaN).
func isNumber(s string) bool {
	if len(s) > maxNumberLength {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', c == '+', c == '-', c == '.', c == 'e', c == 'E':
		default:
			return false
		}
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}
