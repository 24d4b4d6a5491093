package freshsales

import (
	"bytes"
	"time"

	"carillon"
	"carillon/dialect"
)

// side is a record as one side of a change has it: as it was before, as it is after; or as a related record is.
type side struct {
	*telling
	object *object

	members      [][]byte // by place in the kind's field table
	sent         [][]byte // what the vendor sent, by place in the object's fields
	associations [][]byte // likewise of associations
	strangers    []byte   // everything the vendor sent, if some of it is in no table
	unrelated    []byte   // all associations the vendor sent, likewise

	id      string // the house's
	number  int64
	deleted bool
	// received says that a vendor made the record what it is, so that the vendor's times hold.
	received bool
	// updater is who changed the record last; nil if nobody did since it was created.
	updater *carillon.Actor
	// touched, if set, is when the record was changed, in place of its updatedAt.
	touched time.Time
}

// associationsName is the member of extra that holds associations.
const associationsName = "associations"

func newSide(t *telling, o *object, data, extra []byte) *side {
	s := &side{telling: t, object: o, members: dialect.ByField(o.kind, data)}
	s.takeExtra(extra)
	return s
}

// takeExtra finds what the vendor sent.
func (s *side) takeExtra(extra []byte) {
	s.sent = make([][]byte, len(s.object.fields))
	all := dialect.Member(extra, Name)
	for name, value := range dialect.Members(all) {
		name := name[1 : len(name)-1]
		if place, ok := s.object.places[string(name)]; ok {
			s.sent[place] = value
		} else if string(name) == associationsName {
			s.takeAssociations(value)
		} else {
			s.strangers = all
		}
	}
}

func (s *side) takeAssociations(all []byte) {
	s.associations = make([][]byte, len(s.object.associations))
	for name, value := range dialect.Members(all) {
		if place, ok := s.object.related[string(name[1:len(name)-1])]; ok {
			s.associations[place] = value
		} else {
			s.unrelated = all
		}
	}
}

// association is what the vendor sent of an association; nil if nothing.
func (s *side) association(name string) []byte {
	if place, ok := s.object.related[name]; ok && s.associations != nil {
		return s.associations[place]
	}
	return nil
}

// recordSide is a related record as of the change. What the vendor sent of it that the table lacks belongs to events of its own.
func (t *telling) recordSide(o *object, k *known) *side {
	r := k.record
	s := newSide(t, o, r.Data, r.Extra)
	s.id, s.number, s.strangers = r.ID, r.Number, nil
	if place, ok := o.places["updated_at"]; ok && s.sent[place] != nil {
		s.received = t.received(k)
	}
	return s
}

// holds reports whether what the vendor sent is still so: the vendor made the record what it is, and did send it.
func (s *side) holds(sent []byte) bool { return s.received && len(sent) > 0 }

// sides are the record before the change (nil if it was created) and after it; one that was deleted is told as it was.
func (t *telling) sides() (before, after *side) {
	c := t.change
	state := c.After
	if c.Op == carillon.OpDeleted {
		state = c.Before
	}
	after = newSide(t, t.object, state, c.Extra)
	after.id, after.number, after.updater, after.received = c.ID, c.Number, t.updater, c.CameFrom(Name)
	if c.Op == carillon.OpDeleted {
		after.deleted, after.touched, after.received = true, c.Time, false
	}
	if c.Op == carillon.OpCreated {
		return nil, after
	}
	before = &side{telling: t, object: t.object, members: dialect.ByField(c.Kind, c.Before), id: c.ID, number: c.Number}
	if t.previous != nil && !bytes.Equal(t.previous.Extra, c.Extra) {
		before.takeExtra(t.previous.Extra)
	} else {
		before.sent, before.associations = after.sent, after.associations
	}
	if t.previous != nil {
		before.received = t.previous.CameFrom(Name)
		if t.previous.Op != carillon.OpCreated {
			before.updater = &t.previous.Actor
		}
	}
	return before, after
}

// appendValue writes a field's value in one of the forms.
func (s *side) appendValue(b []byte, f *slot, i int, classic bool) []byte {
	if classic && f.value.classic != nil {
		return f.value.classic(s, f, b, s.sent[i])
	}
	return f.value.append(s, f, b, s.sent[i])
}

// house is the value of the slot's member; nil if it is absent or an empty text.
func (s *side) house(f *slot) []byte {
	if f.place < 0 {
		return nil
	}
	v := s.members[f.place]
	if f.part != "" {
		v = dialect.Member(v, f.part)
	}
	if string(v) == `""` {
		return nil
	}
	return v
}

// appendFields writes the object's members, then what the vendor sent that no table knows.
func (s *side) appendFields(b []byte, created bool) []byte {
	for i := range s.object.fields {
		f := &s.object.fields[i]
		if !s.tells(f, i, created) {
			continue
		}
		b = comma(b)
		b = append(b, f.before...)
		b = s.appendValue(b, f, i, false)
		b = append(b, f.after...)
	}
	return s.appendStrangers(b)
}

// tells reports whether the field at place i is told on this occasion.
func (s *side) tells(f *slot, i int, created bool) bool {
	switch f.value.told {
	case onCreate:
		return created
	case onUpdate:
		return !created
	case whenSent:
		return s.sent[i] != nil
	default:
		return true
	}
}

func (s *side) appendStrangers(b []byte) []byte {
	for name, value := range dialect.Members(s.strangers) {
		known := string(name[1 : len(name)-1])
		if _, ok := s.object.places[known]; ok || known == associationsName {
			continue
		}
		b = comma(b)
		b = append(b, name...)
		b = append(b, ':')
		b = append(b, value...)
	}
	return b
}

// comma divides members and elements.
func comma(b []byte) []byte {
	if last := b[len(b)-1]; last != '{' && last != '[' {
		b = append(b, ',')
	}
	return b
}
