package dialecttest

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/dialect"
)

// house does with a statement what the ledger does with a creation: it gives the native JSON in the one form that the
// ledger gives it, without nulls and with the members that the house sets. Unlike the ledger it takes texts of any length and content.
type house struct {
	at      time.Time
	actor   carillon.Actor
	account string // that of the record commented on
}

// create makes a record's native JSON of data, which must hold to the kind's field table.
func (h house) create(t require, ref carillon.Ref, on carillon.Ref, data []byte) []byte {
	t.Helper()
	checkData(t, ref.Kind, data)
	given := dialect.ByField(ref.Kind, data)
	b := []byte{'{'}
	for i, f := range carillon.Fields(ref.Kind) {
		value := canonical(f, given[i])
		switch {
		case f.ReadOnly:
			value = h.sets(ref, on, f.Name)
		case value != nil || !f.Required:
		case f.Default == carillon.DefaultActor:
			value = dialect.AppendString(nil, h.actor.ID)
		case f.Default != "":
			value = dialect.AppendString(nil, f.Default)
		default:
			t.Errorf("%s cannot be created: %s is required\n%s", ref, f.Name, data)
		}
		if value != nil {
			b = appendMember(b, f.Name, string(value))
		}
	}
	return append(b, '}')
}

// sets gives a member that is the house's to set.
func (h house) sets(ref, on carillon.Ref, name string) []byte {
	var s string
	switch name {
	case "id":
		s = ref.ID
	case "module":
		s = ref.Module
	case "createdAt", "updatedAt":
		s = carillon.FormatTime(h.at)
	case "entityType":
		s = string(on.Kind)
	case "entityId":
		s = on.ID
	case "accountId":
		s = h.account
	}
	return dialect.AppendString(nil, s)
}

// canonical gives a value that holds to its field in the one form that the ledger keeps; nil if it means "unset".
func canonical(f carillon.Field, value []byte) []byte {
	if isNull(value) {
		return nil
	}
	b := []byte{'{'}
	switch f.Type {
	case carillon.TypeMap, carillon.TypeJSON:
		return sorted(value)
	case carillon.TypeStrings, carillon.TypeRefs:
		return canonicalList(value, f.Type == carillon.TypeRefs)
	case carillon.TypeObject:
		for _, m := range f.Members {
			if of := canonical(m, dialect.Member(value, m.Name)); of != nil {
				b = appendMember(b, m.Name, string(of))
			}
		}
	case carillon.TypeCustomFields:
		for uid, values := range dialect.Members(sorted(value)) {
			if !isNull(values) && string(values) != "[]" {
				b = appendMember(b, dialect.Unquote(uid), string(values))
			}
		}
	default:
		return value
	}
	if len(b) == 1 {
		return nil
	}
	return append(b, '}')
}

// canonicalList gives a list of strings: nil if it has none, and an id once only.
func canonicalList(value []byte, ids bool) []byte {
	var list []string
	for element := range dialect.Elements(value) {
		if s := string(element); !ids || !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil
	}
	b := []byte{'['}
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, s...)
	}
	return append(b, ']')
}

func isNull(value []byte) bool { return len(value) == 0 || string(value) == "null" }

func sorted(value []byte) []byte {
	v := jsontext.Value(slices.Clone(value))
	_ = v.Format(jsontext.ReorderRawObjects(true)) // valid: it has been checked
	return v
}

// checkData holds a statement's data to the form of native JSON and to the kind's field table.
func checkData(t require, kind carillon.Kind, data []byte) {
	t.Helper()
	v := jsontext.Value(slices.Clone(data))
	if err := v.Compact(); err != nil || v.Kind() != '{' {
		t.Fatalf("the data of %s is no object of JSON: %v\n%s", kind, err, data)
	}
	if !bytes.Equal(v, data) {
		t.Errorf("the data of %s has white space\n%s", kind, data)
	}
	for name, value := range dialect.Members(data) {
		n, ok := carillon.FieldNumber(kind, dialect.Unquote(name))
		if !ok {
			t.Errorf("the data of %s has the unknown member %s\n%s", kind, name, data)
			continue
		}
		if f := carillon.Fields(kind)[n]; !f.ReadOnly && !isNull(value) {
			if reason := misfit(f, value); reason != "" {
				t.Errorf("the data of %s: %s %s, is %.80s", kind, name, reason, value)
			}
		}
	}
}

// misfit says why a value is none of the field; "" if it is one.
func misfit(f carillon.Field, value []byte) string {
	text := dialect.Unquote(value)
	switch f.Type {
	case carillon.TypeBool:
		return unless(string(value) == "true" || string(value) == "false", "must be true or false")
	case carillon.TypeInteger:
		_, err := strconv.ParseInt(string(value), 10, 64)
		return unless(err == nil, "must be a whole number of 64 bits")
	case carillon.TypeNumber:
		return unless(jsontext.Value(value).Kind() == '0', "must be a number")
	case carillon.TypeMap:
		return unless(value[0] == '{', "must be an object")
	case carillon.TypeJSON:
		return ""
	case carillon.TypeRefs, carillon.TypeStrings:
		element := f
		if element.Type = carillon.TypeString; f.Type == carillon.TypeRefs {
			element.Type = carillon.TypeRef
		}
		return misfitList(element, value)
	case carillon.TypeObject:
		return misfitObject(f, value)
	case carillon.TypeCustomFields:
		return misfitCustomFields(value)
	}
	if value[0] != '"' {
		return "must be a string"
	}
	switch f.Type {
	case carillon.TypeTime:
		at, err := carillon.ParseTime(text)
		return unless(err == nil && carillon.FormatTime(at) == text, "must be a time in TimeLayout")
	case carillon.TypeDate:
		_, err := time.Parse(time.DateOnly, text)
		return unless(err == nil, "must be a date")
	case carillon.TypeRef:
		return unless(f.OnDelete == carillon.OnDeleteIgnore || carillon.ValidID(text) || text == "" && f.Required, "must be an id")
	}
	return ""
}

func unless(ok bool, reason string) string {
	if ok {
		return ""
	}
	return reason
}

func misfitList(element carillon.Field, value []byte) string {
	if value[0] != '[' {
		return "must be an array"
	}
	for e := range dialect.Elements(value) {
		if reason := misfit(element, e); reason != "" {
			return "holds " + string(e) + ", which " + reason
		}
	}
	return ""
}

func misfitObject(f carillon.Field, value []byte) string {
	if value[0] != '{' {
		return "must be an object"
	}
	for name, of := range dialect.Members(value) {
		n := slices.IndexFunc(f.Members, func(m carillon.Field) bool { return m.Name == dialect.Unquote(name) })
		if n < 0 {
			return fmt.Sprintf("has the unknown member %s", name)
		}
		if isNull(of) {
			continue
		}
		if reason := misfit(f.Members[n], of); reason != "" {
			return fmt.Sprintf("has %s, which %s", name, reason)
		}
	}
	return ""
}

func misfitCustomFields(value []byte) string {
	if value[0] != '{' {
		return "must be an object"
	}
	for uid, values := range dialect.Members(value) {
		if isNull(values) {
			continue
		}
		if reason := misfitList(carillon.Field{Type: carillon.TypeString}, values); reason != "" {
			return fmt.Sprintf("has %s, which %s", uid, reason)
		}
	}
	return ""
}
