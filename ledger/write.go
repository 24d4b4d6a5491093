package ledger

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/store"
)

// write does one write of an entry: what the entry did before is there, what fails leaves the rest to undo.
func (t *transaction) write(e *entry, w *write) (Outcome, error) {
	s := t.slot(e.Org, w.ref)
	switch {
	case t.broken != nil:
		return Outcome{}, t.broken
	case t.late(e, w):
		return Outcome{Record: s.record, Late: true}, nil
	case s.record == nil && w.Op == Delete && w.IfExists, s.record != nil && w.Op == Ensure:
		return Outcome{Record: s.record}, nil
	case s.record == nil && (w.Op == Patch || w.Op == Delete):
		return Outcome{}, notFound(w.ref)
	case s.record != nil && w.Op == Create:
		return Outcome{}, carillon.Conflict(w.ref.String() + " exists already")
	}
	if err := checkVersion(w, s.record); err != nil {
		return Outcome{}, err
	}
	if w.Op == Delete {
		return t.delete(e, w, s)
	}
	before := t.membersOf(s)
	after := w.onto(before)
	entity, err := t.entityOf(e, w, before)
	if err != nil {
		return Outcome{}, err
	}
	t.setHouseMembers(e.Org, w.ref, before, after, entity)

	changed, customs := w.table.compare(before, after)
	extra, extras := mergeExtra(s.record, w.extra)
	changed = append(changed, extras...)
	if s.record != nil && len(changed) == 0 {
		return Outcome{Record: s.record}, nil
	}
	c := &checker{limits: t.ledger.limits}
	t.checkReferences(c, e.Org, w.ref, before, after, entity)
	t.checkCustoms(c, e.Org, w.table, customs, after)
	if t.broken != nil {
		return Outcome{}, t.broken
	}
	if err := c.err(w.ref); err != nil {
		return Outcome{}, err
	}
	change := t.change(e.Org, e.Actor, e.Origin, s)
	if s.record != nil {
		change.Changed = changed
	}
	if err := t.save(s, change, before, after, extra); err != nil {
		return Outcome{}, err
	}
	outcome := Outcome{Record: s.record, Seq: change.Seq, Created: change.Op == carillon.OpCreated}
	if change.Moved() && w.Kind.Commentable() {
		if err := t.moveComments(e, s); err != nil {
			return Outcome{}, err
		}
	}
	return outcome, t.broken
}

func notFound(ref carillon.Ref) error {
	return &carillon.Error{Code: carillon.CodeNotFound, Message: ref.String() + " does not exist"}
}

func checkVersion(w *write, record *carillon.Record) error {
	switch {
	case w.IfMatch == 0 || record != nil && record.Version == w.IfMatch:
		return nil
	case record == nil:
		return &carillon.Error{
			Code:    carillon.CodeStale,
			Message: fmt.Sprintf("%s does not exist, so it is not at version %d", w.ref, w.IfMatch),
		}
	default:
		return &carillon.Error{
			Code:    carillon.CodeStale,
			Message: fmt.Sprintf("%s is at version %d, not %d", w.ref, record.Version, w.IfMatch),
			Hint:    "read it again, apply your edit to what you read, and send the new version",
		}
	}
}

// onto gives the members that the record has after the write, but for those the ledger sets. before is not changed.
func (w *write) onto(before members) members {
	if w.Op != Patch {
		return slices.Clone(w.named)
	}
	after := slices.Clone(before)
	for n, value := range w.named {
		f := &w.table.fields[n]
		switch {
		case n == w.table.custom && w.customs != nil:
			after[n] = spliceCustoms(mergeCustoms(splitCustoms(before[n]), w.customs))
		case value == nil:
		case value[0] == 'n':
			after[n] = nil
		case f.Type == carillon.TypeObject:
			after[n] = mergeObject(f, before[n], value)
		case f.Type == carillon.TypeMap || f.Type == carillon.TypeJSON:
			after[n] = mergeFree(before[n], value)
		default:
			after[n] = value
		}
	}
	return after
}

// mergeObject lays a patch over an object with known members; nil when nothing is left.
func mergeObject(f *carillon.Field, stored, patch []byte) []byte {
	values := make(members, len(f.Members))
	lay := func(object []byte) {
		if object == nil {
			return
		}
		for name, value := range objectMembers(object) {
			n := slices.IndexFunc(f.Members, func(m carillon.Field) bool { return string(name[1:len(name)-1]) == m.Name })
			if n < 0 {
				continue // of a field that is no more
			}
			if values[n] = value; value[0] == 'n' {
				values[n] = nil
			}
		}
	}
	lay(stored)
	lay(patch)
	if object := spliceObject(f, values); len(object) > 2 {
		return object
	}
	return nil
}

// mergeFree is a JSON merge patch (RFC 7396) on free JSON.
func mergeFree(stored, patch []byte) []byte {
	if patch[0] != '{' {
		return patch
	}
	merged := jsontext.Value(mergePatch(stored, patch))
	_ = merged.Format(sortedNames) // valid: made of valid parts, each name once
	return merged
}

// mergePatch gives target with the patch laid over it, members in no particular order. Names are compared as written,
// which for strings in their shortest form is what they say.
func mergePatch(target, patch []byte) []byte {
	if patch[0] != '{' {
		return patch
	}
	stored := map[string][]byte{}
	if len(target) > 0 && target[0] == '{' {
		for name, value := range objectMembers(target) {
			stored[string(name)] = value
		}
	}
	merged := []byte{'{'}
	add := func(name string, value []byte) {
		if len(merged) > 1 {
			merged = append(merged, ',')
		}
		merged = append(append(append(merged, name...), ':'), value...)
	}
	for name, value := range objectMembers(patch) {
		if value[0] != 'n' {
			add(string(name), mergePatch(stored[string(name)], value))
		}
		delete(stored, string(name))
	}
	for name, value := range stored {
		add(name, value)
	}
	return append(merged, '}')
}

// setHouseMembers fills in what the ledger sets itself, but for the time of the update.
func (t *transaction) setHouseMembers(org string, ref carillon.Ref, before, after members, entity *slot) {
	tab := tables[ref.Kind]
	after[tab.id] = quotedID(ref.ID)
	if tab.module >= 0 {
		after[tab.module] = quotedID(ref.Module)
	}
	if entity != nil {
		after[tab.entityType] = quotedID(string(entity.key.Kind))
		after[tab.entityID] = quotedID(entity.key.ID)
		after[tab.account] = t.membersOf(entity)[tables[entity.key.Kind].account]
	}
	if before != nil {
		after[tab.created], after[tab.updated] = before[tab.created], before[tab.updated]
		return
	}
	after[tab.created], after[tab.updated] = t.orgs[org].stamp, t.orgs[org].stamp
}

// quotedID is quoted for what needs no escapes.
func quotedID(id string) []byte {
	b := append(make([]byte, 0, len(id)+2), '"')
	return append(append(b, id...), '"')
}

// compare says which members differ, in the order of the table, and the custom fields among them with their values.
// The times the ledger keeps do not count.
func (t *table) compare(before, after members) ([]carillon.MemberChange, []customChange) {
	var changed []carillon.MemberChange
	var customs []customChange
	for n := range t.fields {
		var was []byte
		if before != nil {
			was = before[n]
		}
		if bytes.Equal(was, after[n]) || n == t.created || n == t.updated {
			continue
		}
		if n == t.custom {
			customs = changedCustoms(splitCustoms(was), splitCustoms(after[n]))
			for _, c := range customs {
				changed = append(changed, carillon.MemberChange{Name: carillon.CustomFieldsPrefix + c.uid, How: c.how})
			}
			continue
		}
		how := carillon.Updated
		switch {
		case was == nil:
			how = carillon.Added
		case after[n] == nil:
			how = carillon.Removed
		}
		changed = append(changed, carillon.MemberChange{Name: t.fields[n].Name, How: how})
	}
	return changed, customs
}

// change begins the change of a slot's record: all but what it becomes.
func (t *transaction) change(org string, actor carillon.Actor, origin string, s *slot) *carillon.Change {
	c := &carillon.Change{
		Org: org, Ref: s.key.Ref, Op: carillon.OpCreated, Version: 1, Time: t.orgs[org].now, Actor: actor, Origin: origin,
	}
	if r := s.record; r != nil {
		c.Op, c.Number, c.Version, c.Lane, c.Before = carillon.OpUpdated, r.Number, r.Version+1, r.Lane, r.Data
	}
	return c
}

// save makes after the slot's record, by the change.
func (t *transaction) save(s *slot, c *carillon.Change, before, after members, extra []byte) error {
	tab, o := tables[s.key.Kind], t.orgs[s.key.Org]
	after[tab.updated] = o.stamp
	c.After, c.Extra = tab.splice(after), extra
	if size := len(c.After) + len(extra); size > t.ledger.limits.Body {
		return &carillon.Error{
			Code:    carillon.CodeTooLarge,
			Message: fmt.Sprintf("%s would have %d bytes: the limit is %d", s.key.Ref, size, t.ledger.limits.Body),
		}
	}
	lane := tab.lane(s.key.Ref, after)
	record := &carillon.Record{
		Org: s.key.Org, Ref: s.key.Ref, Number: c.Number, Version: c.Version, Lane: lane,
		Data: c.After, Extra: extra, CreatedAt: o.now, UpdatedAt: o.now,
	}
	referencesChanged := true
	if s.record == nil {
		o.head.Number++
		c.Number, record.Number = o.head.Number, o.head.Number
	} else {
		record.CreatedAt = s.record.CreatedAt
		if c.Lane != lane {
			c.PreviousLane = c.Lane
		}
		referencesChanged = tab.referencesDiffer(before, after)
	}
	c.Lane = lane
	var references []store.Reference
	if referencesChanged {
		references = tab.references(after)
	}
	t.put(s, c, record, after, references, referencesChanged)
	return nil
}

// lane is the order key of a record with these members.
func (t *table) lane(ref carillon.Ref, m members) string {
	account := ""
	if t.account >= 0 && m[t.account] != nil {
		account = text(m[t.account])
	}
	if account == "" && t.entityID >= 0 {
		return carillon.LaneOf(carillon.Ref{Kind: carillon.Kind(text(m[t.entityType])), ID: text(m[t.entityID])}, "")
	}
	return carillon.LaneOf(ref, account)
}

// ids ranges over the ids in the value of a ref or refs member.
func ids(value []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		switch {
		case len(value) <= 2: // unset, or an empty string
		case value[0] == '"':
			yield(text(value))
		case value[0] == '[':
			for _, element := range elements(value) {
				if !yield(text(element)) {
					return
				}
			}
		}
	}
}

// references are the records that one with these members refers to.
func (t *table) references(m members) []store.Reference {
	var list []store.Reference
	for _, n := range t.refs {
		for id := range ids(m[n]) {
			list = append(list, store.Reference{Member: t.fields[n].Name, Kind: t.fields[n].Ref, ID: id})
		}
	}
	if t.entityID >= 0 {
		list = append(list, store.Reference{
			Member: t.fields[t.entityID].Name, Kind: carillon.Kind(text(m[t.entityType])), ID: text(m[t.entityID]),
		})
	}
	return list
}

func (t *table) referencesDiffer(before, after members) bool {
	return slices.ContainsFunc(t.refs, func(n int) bool { return !bytes.Equal(before[n], after[n]) })
}

// checkReferences notes references that are new and lead nowhere, or where they must not.
func (t *transaction) checkReferences(c *checker, org string, ref carillon.Ref, before, after members, entity *slot) {
	tab := tables[ref.Kind]
	for _, n := range tab.refs {
		if before != nil && bytes.Equal(before[n], after[n]) {
			continue
		}
		f := &tab.fields[n]
		i := 0
		for id := range ids(after[n]) {
			p := at(f.Name)
			if f.Type == carillon.TypeRefs {
				p = p.element(i)
			}
			i++
			to := t.slot(org, carillon.Ref{Kind: f.Ref, ID: id})
			if t.broken != nil {
				return
			}
			self := f.Ref == ref.Kind && id == ref.ID
			switch {
			case self && ref.Kind == carillon.KindAccount:
				c.fault(p, "an account cannot be its own parent")
			case self:
				c.fault(p, "a "+string(ref.Kind)+" cannot refer to itself")
			case to.record == nil:
				c.fault(p, to.key.Ref.String()+" does not exist")
			case f.Ref == ref.Kind:
				t.checkAbove(c, ref, to, n, p)
				if entity != nil && t.broken == nil && !sameEntity(tab, t.membersOf(to), after) {
					c.fault(p, fmt.Sprintf("%s is not about %s", to.key.Ref, entity.key.Ref))
				}
			}
		}
	}
	if ref.Kind == carillon.KindRelationship {
		parent, child := tab.refs[0], tab.refs[1]
		if bytes.Equal(after[parent], after[child]) {
			c.fault(at(tab.fields[child].Name), "must be another account than "+tab.fields[parent].Name)
		}
	}
}

// checkAbove notes if the record would stand above itself, going up from its new parent by member n, or too deep.
func (t *transaction) checkAbove(c *checker, ref carillon.Ref, parent *slot, n int, p path) {
	at := parent
	for range t.ledger.limits.Ancestors {
		up := t.membersOf(at)
		if t.broken != nil || up == nil || up[n] == nil {
			return
		}
		id := text(up[n])
		if id == ref.ID {
			c.fault(p, fmt.Sprintf("%s stands below %s already", parent.key.Ref, ref))
			return
		}
		at = t.slot(parent.key.Org, carillon.Ref{Kind: ref.Kind, ID: id})
		if t.broken != nil {
			return
		}
	}
	c.fault(p, fmt.Sprintf("stands below more than %d others", t.ledger.limits.Ancestors))
}

func sameEntity(t *table, a, b members) bool {
	return bytes.Equal(a[t.entityType], b[t.entityType]) && bytes.Equal(a[t.entityID], b[t.entityID])
}

// checkCustoms notes values that the org's definitions of the changed custom fields do not allow.
func (t *transaction) checkCustoms(c *checker, org string, tab *table, changed []customChange, after members) {
	if len(changed) == 0 {
		return
	}
	name := tab.fields[tab.custom].Name
	defined := t.definitions(org, tab.kind)
	for _, f := range changed {
		if def := defined[f.uid]; def != nil && f.values != nil {
			c.checkDefined(def, f.values, name)
		}
	}
	if n := len(splitCustoms(after[tab.custom])); n > maxCustomFields {
		c.fault(at(name), fmt.Sprintf("must have at most %d custom fields, would have %d", maxCustomFields, n))
	}
}

// mergeExtra lays what vendors sent over what the record has, and says which dialects' parts differ; nil when nothing is left.
func mergeExtra(record *carillon.Record, patch []extraValue) ([]byte, []carillon.MemberChange) {
	var stored []byte
	if record != nil {
		stored = record.Extra
	}
	if len(patch) == 0 {
		return stored, nil
	}
	var list []extraValue
	known := map[string][]byte{}
	if stored != nil {
		for name, value := range objectMembers(stored) {
			dialect := text(name)
			known[dialect] = value
			if !slices.ContainsFunc(patch, func(x extraValue) bool { return x.dialect == dialect }) {
				list = append(list, extraValue{dialect, value})
			}
		}
	}
	var changed []carillon.MemberChange
	for _, x := range patch { // by dialect
		how := carillon.Updated
		switch was := known[x.dialect]; {
		case bytes.Equal(was, x.value):
			continue
		case was == nil:
			how = carillon.Added
		case x.value == nil:
			how = carillon.Removed
		}
		changed = append(changed, carillon.MemberChange{Name: carillon.ExtraPrefix + x.dialect, How: how})
	}
	if len(changed) == 0 {
		return stored, nil
	}
	list = append(list, patch...)
	slices.SortFunc(list, func(a, b extraValue) int { return cmp.Compare(a.dialect, b.dialect) })
	merged := []byte{'{'}
	for _, x := range list {
		if x.value == nil {
			continue
		}
		if len(merged) > 1 {
			merged = append(merged, ',')
		}
		merged = append(append(append(merged, quotedID(x.dialect)...), ':'), x.value...)
	}
	if len(merged) == 1 {
		return nil, changed
	}
	return append(merged, '}'), changed
}
