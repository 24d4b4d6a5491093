package ledger

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"carillon"
	"carillon/store"
)

// shownDependants is how many of those who stand in the way of a deletion are named.
const shownDependants = 5

// delete removes a record: first those that go with it, deepest first; before that, those that stay lose its id.
func (t *transaction) delete(e *entry, w *write, root *slot) (Outcome, error) {
	if w.Kind == carillon.KindComment && w.On.ID != "" && w.table.entity(t.membersOf(root)) != w.On {
		return Outcome{}, &carillon.Error{Code: carillon.CodeNotFound, Message: w.ref.String() + " does not exist on " + w.On.String()}
	}
	d := &deletion{t: t, e: e, cascade: w.Cascade || w.Release, release: w.Release, doomed: map[*slot]bool{root: true}, referrers: map[*slot][]*slot{}, cleared: map[*slot]bool{}}
	if err := d.gather(root); err != nil {
		return Outcome{}, err
	}
	for _, s := range d.clear {
		if err := d.clearReferences(s); err != nil {
			return Outcome{}, err
		}
	}
	d.order(root)
	outcome := Outcome{Record: root.record, Deleted: true}
	for _, s := range d.ordered {
		c := t.change(e.Org, e.Actor, e.following(), s)
		c.Op, c.Extra = carillon.OpDeleted, s.record.Extra
		if s == root {
			c.Origin = e.Origin
			c.Extra, _ = mergeExtra(s.record, w.extra)
		}
		t.put(s, c, nil, nil, nil, true)
		outcome.Seq = c.Seq // root comes last
	}
	return outcome, t.broken
}

// deletion is what must be done so that no reference leads nowhere once a record is gone.
type deletion struct {
	t       *transaction
	e       *entry
	cascade bool
	release bool
	// doomed are the records to delete; referrers, who of them refers to each.
	doomed    map[*slot]bool
	referrers map[*slot][]*slot
	// clear are records that stay and lose the ids of doomed ones, in the order found; cleared finds them.
	clear   []*slot
	cleared map[*slot]bool
	ordered []*slot
}

// gather finds all that go with root, and those that must let go of them.
func (d *deletion) gather(root *slot) error {
	t := d.t
	var maybeClear []*slot
	for queue := []*slot{root}; len(queue) > 0; queue = queue[1:] {
		target := queue[0]
		list := t.referrers(target.key, 0)
		if t.broken != nil {
			return t.broken
		}
		if !d.cascade {
			if err := refuse(target.key.Ref, list); err != nil {
				return err
			}
		}
		if err := t.checkCascade(root.key.Ref, len(d.doomed)+len(list)); err != nil {
			return err
		}
		t.loadReferrers(root.key.Org, list)
		if t.broken != nil {
			return t.broken
		}
		for _, r := range list {
			s := t.slot(root.key.Org, r.Ref)
			if s.record == nil {
				continue
			}
			if others := d.referrers[target]; len(others) == 0 || others[len(others)-1] != s { // the list is sorted
				d.referrers[target] = append(others, s)
			}
			if d.clears(r) {
				maybeClear = append(maybeClear, s)
			} else if !d.doomed[s] {
				d.doomed[s] = true
				queue = append(queue, s)
			}
		}
	}
	for _, s := range maybeClear {
		if !d.doomed[s] && !d.cleared[s] {
			d.cleared[s] = true
			d.clear = append(d.clear, s)
		}
	}
	return t.checkCascade(root.key.Ref, len(d.doomed)+len(d.clear)-1)
}

// clears reports whether the referrer stays and loses the id.
func (d *deletion) clears(r store.Referrer) bool {
	tab := tables[r.Kind]
	if tab.onDelete(r.Member) == carillon.OnDeleteClear {
		return true
	}
	n, ok := carillon.FieldNumber(r.Kind, r.Member)
	return ok && d.releases(&tab.fields[n])
}

// releases reports whether a record with this member can be without the one it names.
func (d *deletion) releases(f *carillon.Field) bool {
	return d.release && f.Type == carillon.TypeRef && f.OnDelete == carillon.OnDeleteRefuse && !f.NonEmpty && !f.ReadOnly
}

// refuse says who stands in the way of a deletion that does not cascade.
func refuse(ref carillon.Ref, list []store.Referrer) error {
	var names []string
	n := 0
	var last carillon.Ref
	for _, r := range list {
		if tables[r.Kind].onDelete(r.Member) != carillon.OnDeleteRefuse || r.Ref == last {
			continue
		}
		last = r.Ref
		if n++; n <= shownDependants {
			names = append(names, r.Ref.String())
		}
	}
	if n == 0 {
		return nil
	}
	message := fmt.Sprintf("%s cannot be deleted: %d records depend on it: %s", ref, n, strings.Join(names, ", "))
	if n == 1 {
		message = fmt.Sprintf("%s cannot be deleted: %s depends on it", ref, names[0])
	}
	if n > len(names) {
		message += ", …"
	}
	return &carillon.Error{
		Code: carillon.CodeConflict, Message: message,
		Hint: "delete or move them first, or ask to cascade (?cascade=true) to delete them too",
	}
}

// checkCascade bounds how much one act may take along.
func (t *transaction) checkCascade(ref carillon.Ref, n int) error {
	if n <= t.ledger.limits.Cascade {
		return nil
	}
	return &carillon.Error{
		Code:    carillon.CodeTooLarge,
		Message: fmt.Sprintf("more than %d records depend on %s: too many for one transaction", t.ledger.limits.Cascade, ref),
		Hint:    "delete some of them first",
	}
}

// order lists the doomed that refer to s, and then s: nobody is deleted before those who refer to it.
func (d *deletion) order(s *slot) {
	if !d.doomed[s] {
		return
	}
	delete(d.doomed, s) // once each, even where replies go round in a circle
	for _, r := range d.referrers[s] {
		d.order(r)
	}
	d.ordered = append(d.ordered, s)
}

// clearReferences updates a record that stays so that it names none of the doomed.
func (d *deletion) clearReferences(s *slot) error {
	t, tab := d.t, tables[s.key.Kind]
	before := t.membersOf(s)
	if t.broken != nil {
		return t.broken
	}
	after := slices.Clone(before)
	for _, n := range tab.refs {
		f := &tab.fields[n]
		if f.OnDelete != carillon.OnDeleteClear && !d.releases(f) {
			continue
		}
		var left [][]byte
		gone := false
		for id := range ids(before[n]) {
			if d.doomed[t.slots[store.RecordKey{Org: s.key.Org, Ref: carillon.Ref{Kind: f.Ref, ID: id}}]] {
				gone = true
			} else {
				left = append(left, quotedID(id))
			}
		}
		switch {
		case !gone:
		case len(left) == 0 && f.Required:
			after[n] = quotedID("")
		case len(left) == 0:
			after[n] = nil
		default:
			after[n] = slices.Concat([]byte{'['}, bytes.Join(left, []byte{','}), []byte{']'})
		}
	}
	return t.follow(d.e, s, before, after)
}
