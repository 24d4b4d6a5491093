package ledger

import (
	"slices"

	"carillon"
	"carillon/store"
)

// cascadeOrigin is the origin of changes that follow from another: children of a deleted record, comments of a moved one.
const cascadeOrigin = "cascade"

// following is the origin of changes that follow from the entry's own. What follows from what a connection told came from
// there as well.
func (e *entry) following() string {
	if carillon.FromConnection(e.Origin) {
		return e.Origin
	}
	return cascadeOrigin
}

// entityOf gives the record that a comment is about; nil for all other kinds.
func (t *transaction) entityOf(e *entry, w *write, before members) (*slot, error) {
	if w.Kind != carillon.KindComment {
		return nil, nil
	}
	on := w.On
	if before != nil {
		stored := w.table.entity(before)
		if on.ID != "" && on != stored {
			return nil, &carillon.Error{Code: carillon.CodeNotFound, Message: w.ref.String() + " does not exist on " + on.String()}
		}
		on = stored
	} else if on.ID == "" {
		on = w.on
	}
	switch {
	case on.ID == "":
		return nil, carillon.Invalid("/entityId", "a comment needs a record to be about")
	case !on.Kind.Commentable() || on.Module != "":
		return nil, carillon.Invalid("/entityType", "comments are about an activity, a note or a task")
	case !carillon.ValidID(on.ID):
		return nil, carillon.Invalid("/entityId", idReason)
	}
	s := t.slot(e.Org, on)
	if t.broken != nil {
		return nil, t.broken
	}
	if s.record == nil {
		return nil, notFound(on)
	}
	return s, nil
}

// entity is what a comment with these members is about.
func (t *table) entity(m members) carillon.Ref {
	return carillon.Ref{Kind: carillon.Kind(text(m[t.entityType])), ID: text(m[t.entityID])}
}

// moveComments takes the comments of a record that moved to another account along.
func (t *transaction) moveComments(e *entry, moved *slot) error {
	list := t.referrers(moved.key, 0)
	if t.broken != nil {
		return t.broken
	}
	if err := t.checkCascade(moved.key.Ref, len(list)); err != nil {
		return err
	}
	slots := t.loadReferrers(e.Org, list)
	for _, s := range slots {
		if t.broken != nil {
			return t.broken
		}
		if s.key.Kind != carillon.KindComment {
			continue
		}
		before := t.membersOf(s)
		after := slices.Clone(before)
		t.setHouseMembers(e.Org, s.key.Ref, before, after, moved)
		if err := t.follow(e, s, before, after); err != nil {
			return err
		}
	}
	return t.broken
}

// follow updates a record because of what was done to another.
func (t *transaction) follow(e *entry, s *slot, before, after members) error {
	changed, _ := tables[s.key.Kind].compare(before, after)
	if len(changed) == 0 {
		return nil
	}
	c := t.change(e.Org, e.Actor, e.following(), s)
	c.Changed = changed
	return t.save(s, c, before, after, s.record.Extra)
}

// loadReferrers gives the slots of those who refer, each once, in their order.
func (t *transaction) loadReferrers(org string, list []store.Referrer) []*slot {
	keys := make([]store.RecordKey, 0, len(list))
	for _, r := range list {
		keys = append(keys, store.RecordKey{Org: org, Ref: r.Ref})
	}
	keys = slices.Compact(keys) // the list is sorted
	t.load(slices.Clone(keys))
	slots := make([]*slot, 0, len(keys))
	for _, key := range keys {
		if s := t.slots[key]; s.record != nil {
			slots = append(slots, s)
		}
	}
	return slots
}
