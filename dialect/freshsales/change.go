package freshsales

import (
	"bytes"

	"carillon"
	"carillon/dialect"
)

// appendModelChanges writes what an update changed, [old, new] by field; ids and decimals are bare numbers. A field is listed
// if what is told of it changed, whoever keeps it; of fields made of others only those others are.
func (t *telling) appendModelChanges(b []byte, before, after *side, classic bool) []byte {
	for i := range t.object.fields {
		f := &t.object.fields[i]
		if f.value.unlisted || !after.tells(f, i, false) {
			continue
		}
		if f.name == "updater_id" && t.previous == nil { // who changed it before is not known
			continue
		}
		if !f.value.derived && before.agrees(after, f, i) && !t.listsAlways(f) {
			continue
		}
		start := len(b)
		b = append(comma(b), f.called(classic)...)
		b = append(b, '[')
		old := len(b)
		b = before.appendChange(b, f, i, classic)
		end := len(b)
		b = append(b, ',')
		b = after.appendChange(b, f, i, classic)
		if bytes.Equal(b[old:end], b[end+1:]) && !t.listsAlways(f) {
			b = b[:start]
			continue
		}
		b = append(b, ']')
	}
	return t.appendCustomChanges(b, before, after, classic)
}

// listsAlways is a habit of the vendor: updates of contacts and sales accounts list created_at, with the same time twice.
func (t *telling) listsAlways(f *slot) bool {
	return f.name == "created_at" && t.change.Op == carillon.OpUpdated && (t.object == contact || t.object == salesAccount)
}

// agrees reports whether two sides are sure to tell the same of a field.
func (s *side) agrees(other *side, f *slot, i int) bool {
	return (f.place < 0 || bytes.Equal(s.members[f.place], other.members[f.place])) && bytes.Equal(s.sent[i], other.sent[i]) &&
		(f.value.association == "" || bytes.Equal(s.association(f.value.association), other.association(f.value.association)))
}

func (s *side) appendChange(b []byte, f *slot, i int, classic bool) []byte {
	switch {
	case classic && f.value.classic != nil:
		return s.appendValue(b, f, i, classic)
	case f.value.change != nil:
		return f.value.change(s, f, b, s.sent[i])
	case f.form.sort == sortDecimal:
		return changeOfDecimal(s, f, b, s.sent[i])
	default:
		return s.appendValue(b, f, i, classic)
	}
}

// appendCustomChanges writes the custom fields that changed, as one member.
func (t *telling) appendCustomChanges(b []byte, before, after *side, classic bool) []byte {
	place, ok := t.object.places["custom_fields"]
	if !ok || t.change.Op != carillon.OpUpdated {
		return b
	}
	f := &t.object.fields[place]
	start := len(b)
	b = append(append(comma(b), f.called(classic)...), '{')
	empty := len(b)
	for _, m := range t.change.Changed {
		uid, ok := m.CustomFieldUID()
		if !ok {
			continue
		}
		name := customName(uid)
		definition := definitionOf(after.sent[place], name)
		old, current := dialect.Member(before.house(f), uid), dialect.Member(after.house(f), uid)
		sort := sortOf(definition, append(bytes.Clone(old), current...))
		b = dialect.AppendString(comma(b), name)
		b = append(b, ":["...)
		b = appendCustomValue(b, sort, old)
		b = append(b, ',')
		b = appendCustomValue(b, sort, current)
		b = append(b, ']')
	}
	if len(b) == empty {
		return b[:start]
	}
	return append(b, '}')
}
