package freshsales

import (
	"strings"

	"carillon"
	"carillon/dialect"
)

// field is one member of a vendor's object: its name, how it is written, where its value comes from.
type field struct {
	name  string
	form  form
	value value
}

// form is how a field's value is written: plain, or wrapped as {"label", "type" or "dom_type", "value"}.
type form struct{ label, key, sort string }

var plain form

func typed(label, sort string) form { return form{label, "type", sort} }

func domTyped(label, sort string) form { return form{label, "dom_type", sort} }

// association is one member of the associations that go with a vendor's object.
type association struct {
	name  string
	value related
}

// object is a vendor's object made ready. Those that are told of in events of their own have the events' names; others
// (users, and what is told of records in associations) have none.
type object struct {
	kind           carillon.Kind
	name           string
	create, update string

	fields       []slot
	places       map[string]int // of fields, by name
	classic      map[string]int // likewise, by the names that Classic has otherwise
	associations []association
	related      map[string]int // places of associations, by name

	onCreate, onUpdate []string
}

// slot is a field made ready.
type slot struct {
	field
	// place of the house's member in the kind's field table, −1 if the value has none; part is a member of that member.
	place int
	part  string
	sort  carillon.FieldType // of the member
	// bare and classic are the name as JSON in either form, colon included; before and after stand around the suite's value.
	bare, classic string
	before, after string
}

// called is the slot's name as JSON, colon included.
func (f *slot) called(classic bool) string {
	if classic {
		return f.classic
	}
	return f.bare
}

func newObject(kind carillon.Kind, name, create, update string, fields []field, associations []association) *object {
	o := &object{
		kind: kind, name: name, create: create, update: update,
		places: make(map[string]int, len(fields)), classic: make(map[string]int), associations: associations, related: make(map[string]int, len(associations)),
		onCreate: []string{create}, onUpdate: []string{update},
	}
	for i, f := range fields {
		o.places[f.name] = i
		if called := classicName(name, f.name); called != f.name {
			o.classic[called] = i
		}
		o.fields = append(o.fields, newSlot(kind, name, f))
	}
	for i := range associations {
		o.related[associations[i].name] = i
		if field := associations[i].value.field; field != "" {
			associations[i].value.slot = &o.fields[o.places[field]]
		}
	}
	return o
}

func newSlot(kind carillon.Kind, object string, f field) slot {
	s := slot{field: f, place: -1}
	if f.value.member != "" {
		var member string
		member, s.part, _ = strings.Cut(f.value.member, ".")
		s.place, s.sort = placeOf(kind, member), carillon.TypeString
		if s.part == "" {
			s.sort = carillon.Fields(kind)[s.place].Type
		}
	}
	s.bare = quoted(f.name) + ":"
	s.before = s.bare
	if f.form != plain {
		s.before += `{"label":` + quoted(f.form.label) + `,"` + f.form.key + `":` + quoted(f.form.sort) + `,"value":`
		s.after = "}"
	}
	s.classic = quoted(classicName(object, f.name)) + ":"
	return s
}

// fieldOf is the first field that the house's member at a place comes from.
func (o *object) fieldOf(place int) string {
	for i := range o.fields {
		if o.fields[i].place == place {
			return o.fields[i].name
		}
	}
	return carillon.Fields(o.kind)[place].Name
}

// placeOf finds a member that must be in the kind's field table.
func placeOf(kind carillon.Kind, member string) int {
	place, known := carillon.FieldNumber(kind, member)
	if !known {
		panic("freshsales: " + string(kind) + " has no member " + member)
	}
	return place
}

func quoted(s string) string { return string(dialect.AppendString(nil, s)) }

// events names what a change of the object's kind means. A deletion is an update that says is_deleted.
func (o *object) events(op carillon.Op) []string {
	switch op {
	case carillon.OpCreated:
		return o.onCreate
	case carillon.OpUpdated, carillon.OpDeleted:
		return o.onUpdate
	default:
		return nil
	}
}

// objects are those that are told of, by kind.
var objects = map[carillon.Kind]*object{
	carillon.KindContact:     contact,
	carillon.KindDeal:        deal,
	carillon.KindAccount:     salesAccount,
	carillon.KindCustom:      customModuleRecord,
	carillon.KindAppointment: appointment,
	carillon.KindTask:        task,
}
