package platform

import (
	"fmt"
	"slices"

	"carillon"
	"carillon/dialect"
)

// maxFaults bounds how many mistakes of one record are named.
const maxFaults = 20

var idReason = fmt.Sprintf("an id: 1 to %d letters, digits and - _ . : @ + = ~", carillon.MaxIDLength)

// aliases are members of the platform's API that say what another member of its events says.
var aliases = map[string]string{"primaryDomain": "domain", "customFieldValues": "customFields"}

// statement says what an event's payload says of its record; false if it carries none, as events of comments, attributes
// and custom fields may. at is where the payload stands.
func (m meaning) statement(payload []byte, at string) (dialect.Statement, bool, error) {
	switch {
	case isNull(payload) && m.carries:
		return dialect.Statement{}, false, carillon.Invalid(at, "is required")
	case isNull(payload):
		return dialect.Statement{}, false, nil
	case payload[0] != '{':
		return dialect.Statement{}, false, carillon.Invalid(at, "must be an object")
	}
	record, key := dialect.Member(payload, m.kind.PayloadKey()), m.kind.PayloadKey()
	if m.op == carillon.OpDeleted {
		if previous := dialect.Member(payload, m.kind.PreviousPayloadKey()); !isNull(previous) {
			record, key = previous, m.kind.PreviousPayloadKey()
		}
	}
	switch {
	case isNull(record) && m.carries:
		return dialect.Statement{}, false, carillon.Invalid(at+"/"+key, "is required")
	case isNull(record):
		return dialect.Statement{}, false, nil
	case record[0] != '{':
		return dialect.Statement{}, false, carillon.Invalid(at+"/"+key, "must be an object")
	}
	statement, err := m.read(record, payload, at+"/"+key)
	return statement, err == nil, err
}

// read says what a record of an event's payload says. at is where the record stands.
func (m meaning) read(record, payload []byte, at string) (dialect.Statement, error) {
	id := dialect.Unquote(scalar(dialect.Member(record, "id")))
	if !carillon.ValidID(id) {
		return dialect.Statement{}, carillon.Invalid(at+"/id", "must be "+idReason)
	}
	s := dialect.Statement{Sort: dialect.Whole, Ref: carillon.Ref{Kind: m.kind, Module: m.module, ID: id}, On: m.commentedOn(record, payload)}
	if m.op == carillon.OpDeleted {
		s.Sort = dialect.Gone
		return s, nil
	}
	r := reader{kind: m.kind, at: at}
	s.Data, s.Extra = r.read(record)
	if len(r.faults) > 0 {
		return dialect.Statement{}, &carillon.Error{Code: carillon.CodeInvalid, Message: "the event is not valid", Faults: r.faults}
	}
	return s, nil
}

// commentedOn is the record that a comment is about: its kind stands in the event's name, its id beside the comment or in
// it. It is zero if the id is nowhere: the platform's documents show no place for it.
func (m meaning) commentedOn(comment, payload []byte) carillon.Ref {
	if m.kind != carillon.KindComment {
		return carillon.Ref{}
	}
	for _, value := range [][]byte{
		dialect.Member(comment, "entityId"), dialect.Member(comment, string(m.on)+"Id"),
		dialect.Member(dialect.Member(payload, m.on.PayloadKey()), "id"), dialect.Member(payload, "entityId"),
	} {
		if id := dialect.Unquote(scalar(value)); carillon.ValidID(id) {
			return carillon.Ref{Kind: m.on, ID: id}
		}
	}
	return carillon.Ref{}
}

// reader reads one record and gathers what is wrong with it.
type reader struct {
	kind   carillon.Kind
	at     string
	faults []carillon.Fault
}

// read gives a record's native JSON, with null for each member that it lacks, and what has no place there: members that
// the kind's field table lacks, and inside objects those that the field lacks. Members that the house sets are left out.
func (r *reader) read(record []byte) (data, extra []byte) {
	fields := carillon.Fields(r.kind)
	given := make([][]byte, len(fields))
	var others, named [][2][]byte
	for name, value := range dialect.Members(record) {
		plain := dialect.Unquote(name)
		if n, ok := carillon.FieldNumber(r.kind, plain); ok {
			given[n] = value
		} else if aliases[plain] != "" {
			named = append(named, [2][]byte{name, value})
		} else {
			others = append(others, [2][]byte{name, value})
		}
	}
	for _, alias := range named {
		n, ok := carillon.FieldNumber(r.kind, aliases[dialect.Unquote(alias[0])])
		if ok && isNull(given[n]) && (fields[n].Type != carillon.TypeCustomFields || alias[1][0] == '{') {
			given[n] = alias[1]
		} else {
			others = append(others, alias)
		}
	}
	r.content(fields, given)

	data = append(make([]byte, 0, len(record)+len(fields)*16), '{')
	extra = []byte{'{'}
	for n := range fields {
		f := &fields[n]
		if f.ReadOnly {
			continue
		}
		value, rest := r.value(f, given[n])
		if value != nil {
			data = appendField(data, f, value)
		}
		if rest != nil {
			extra = appendField(extra, f, rest)
		}
	}
	for _, other := range others {
		extra = dialect.AppendMember(extra, other[0], other[1])
	}
	if len(extra) == 1 {
		return append(data, '}'), null
	}
	return append(data, '}'), append(extra, '}')
}

// content finds a comment's text in the other forms it came in, if its plain form is withheld as the platform may.
func (r *reader) content(fields []carillon.Field, given [][]byte) {
	if r.kind != carillon.KindComment {
		return
	}
	for _, form := range []string{"contentMarkdown", "contentHtml"} {
		plain := slices.IndexFunc(fields, func(f carillon.Field) bool { return f.Name == "content" })
		n, _ := carillon.FieldNumber(r.kind, form)
		if isNull(given[plain]) {
			given[plain] = given[n]
		}
	}
}

// value coerces a member; null or what nothing gives if it says nothing, or what is wrong with it has been noted.
func (r *reader) value(f *carillon.Field, given []byte) (value, extra []byte) {
	if isNull(given) {
		return nothing(f), nil
	}
	value, extra, reason := coerce(f, given)
	switch {
	case reason != "":
		if len(r.faults) < maxFaults {
			r.faults = append(r.faults, carillon.Fault{Member: r.at + "/" + f.Name, Reason: reason})
		}
		return null, nil
	case value == nil:
		return nothing(f), extra
	default:
		return value, extra
	}
}

// nothing is what an absent member says: "" where the house wants a text that may be empty, nothing at all (nil) where it
// would take whoever makes the change, else null.
func nothing(f *carillon.Field) []byte {
	switch {
	case f.Default == carillon.DefaultActor:
		return nil
	case f.Required && f.Default == "" && !f.NonEmpty:
		return empty
	default:
		return null
	}
}

// appendField appends a member named as the field, whose name needs no escapes.
func appendField(object []byte, f *carillon.Field, value []byte) []byte {
	if len(object) > 1 {
		object = append(object, ',')
	}
	object = append(append(append(object, '"'), f.Name...), `":`...)
	return append(object, value...)
}
