package freshsales

import (
	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/dialect"
)

// hearing is one of the vendor's objects while it is read: the counterpart of side.
type hearing struct {
	*message
	object *object
	path   string // of the object in the body, a JSON Pointer

	whole  []byte   // of a user: all that the vendor said first
	number string   // the vendor's
	sent   [][]byte // the bare values of its fields, by place; nil of those that it has not
	// strangers are its members that no table knows, as members of extra.
	strangers []byte

	members [][]byte       // the house's values, by place in the kind's field table; nil of those that nothing is said of
	parts   map[int][]byte // of members that are objects, the parts so far
	kept    [][]byte       // what extra keeps of the fields, by place; nil: nothing
	related [][]byte       // likewise of associations
}

// hear finds the fields of one of the vendor's objects, wrapped or plain, under either form's names.
func (m *message) hear(o *object, value []byte, path string) *hearing {
	h := &hearing{
		message: m, object: o, path: path, sent: make([][]byte, len(o.fields)), kept: make([][]byte, len(o.fields)),
		members: make([][]byte, len(carillon.Fields(o.kind))),
	}
	for name, value := range dialect.Members(value) {
		called := dialect.Unquote(name)
		place, known := o.places[called]
		if !known {
			place, known = o.classic[called]
		}
		switch {
		case !known && called != "changes" && called != associationsName:
			h.strangers = append(append(append(h.strangers, ','), name...), ':')
			h.strangers = append(h.strangers, value...)
		case known && h.sent[place] == nil:
			h.sent[place] = bare(value)
		}
	}
	return h
}

// ref is the record that the object is.
func (h *hearing) ref() carillon.Ref {
	ref := carillon.Ref{Kind: h.object.kind}
	number := numberIn(h.sentOf("id"))
	if !counts(number) {
		h.fault(h.path+"/id", "must be the number of the "+h.object.name)
	}
	h.number = string(number)
	ref.ID = h.prefix + h.number
	if h.object.kind == carillon.KindCustom {
		ref.Module = textOf(h.sentOf("module_name"))
		if !carillon.ValidID(ref.Module) {
			h.fault(h.path+"/module_name", "must be the name of a custom module")
		}
	}
	return ref
}

// sentOf is the bare value of a field; nil if the object has none.
func (h *hearing) sentOf(field string) []byte {
	if place, ok := h.object.places[field]; ok {
		return h.sent[place]
	}
	return nil
}

// association is what the vendor sent of an association; nil if nothing.
func (h *hearing) association(name string) []byte {
	if place, ok := h.object.related[name]; ok {
		return h.message.associations[place]
	}
	return nil
}

func (h *hearing) wrong(f *slot, reason string) {
	h.fault(h.path+"/"+f.name, reason)
}

// set gives the slot's member its value.
func (h *hearing) set(f *slot, value []byte) {
	if f.part != "" {
		h.setPart(f.place, f.part, value)
		return
	}
	h.members[f.place] = value
}

// setPart gives a member of the member at place its value.
func (h *hearing) setPart(place int, part string, value []byte) {
	if h.parts == nil {
		h.parts = make(map[int][]byte)
	}
	b := h.parts[place]
	if b == nil {
		b = []byte{'{'}
	}
	b = append(dialect.AppendString(comma(b), part), ':')
	h.parts[place] = append(b, value...)
}

func (h *hearing) readFields() {
	for i := range h.object.fields {
		if f := &h.object.fields[i]; h.sent[i] != nil {
			h.kept[i] = f.value.read(h, f, h.sent[i])
		}
	}
	for place, b := range h.parts {
		b = append(b, '}')
		if h.members[place] = b; isEmpty(b) {
			h.members[place] = []byte(null)
		}
	}
}

func (h *hearing) readAssociations() {
	h.related = make([][]byte, len(h.object.associations))
	for i := range h.object.associations {
		if a := &h.object.associations[i]; a.value.read != nil && h.message.associations[i] != nil {
			h.related[i] = a.value.read(h, a, h.message.associations[i])
		}
	}
}

// fill puts an empty text where the house wants one and the vendor says that there is none, or says nothing of a record that was just
// created and the house has no default either. What must not be empty is a fault then.
func (h *hearing) fill(created bool) {
	for i, f := range carillon.Fields(h.object.kind) {
		value := h.members[i]
		if !f.Required || f.ReadOnly || !isNone(value) || value == nil && (!created || f.Default != "") {
			continue
		}
		if f.NonEmpty {
			h.fault(h.path+"/"+h.object.fieldOf(i), "is required")
			continue
		}
		h.members[i] = []byte(`""`)
	}
}

// data is the native JSON of what was heard.
func (h *hearing) data(id string) []byte {
	b := dialect.AppendString(append(make([]byte, 0, 512), `{"id":`...), id)
	for i, f := range carillon.Fields(h.object.kind) {
		if value := h.members[i]; value != nil {
			b = append(dialect.AppendString(append(b, ','), f.Name), ':')
			b = append(b, value...)
		}
	}
	return append(b, '}')
}

// extra is what extra keeps: of objects that events are about also their strangers and associations. Its names are sorted: the
// vendor's messages differ in the order of members, and that is no difference.
func (h *hearing) extra() []byte {
	b := []byte{'{'}
	for i, value := range h.kept {
		if value != nil {
			b = append(comma(b), h.object.fields[i].bare...)
			b = append(b, value...)
		}
	}
	if h.object.create == "" {
		return append(b, '}')
	}
	b = append(b, h.strangers...)
	associations := []byte{'{'}
	for i, value := range h.related {
		if value != nil {
			associations = append(dialect.AppendString(comma(associations), h.object.associations[i].name), ':')
			associations = append(associations, value...)
		}
	}
	for _, unknown := range [...][]byte{h.message.related, h.unlisted} {
		for name, value := range dialect.Members(unknown) {
			if _, known := h.object.related[dialect.Unquote(name)]; !known && !isNone(value) {
				associations = append(append(comma(associations), name...), ':')
				associations = append(associations, value...)
			}
		}
	}
	if len(associations) > 1 {
		b = append(append(comma(b), `"`+associationsName+`":`...), associations...)
		b = append(b, '}')
	}
	sorted := jsontext.Value(append(b, '}'))
	_ = sorted.Format(jsontext.ReorderRawObjects(true)) // made of JSON; if it should fail, the order stays
	return sorted
}
