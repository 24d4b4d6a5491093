package ledger

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"carillon"
	"carillon/store"
)

// transaction is one store transaction under way: records as the entries so far have made them, held in memory until
// flush writes all at once. An entry that fails is undone from the journal.
type transaction struct {
	ledger *Ledger
	ctx    context.Context
	tx     store.Tx
	// broken is the first failure of the store: the transaction is lost, whoever's turn it is.
	broken error

	orgs    map[string]*org
	slots   map[store.RecordKey]*slot
	changes []*carillon.Change
	// incoming are the slots whose known references point to a record.
	incoming map[store.RecordKey]map[*slot]bool

	remembered map[store.RememberedKey]*store.Remembered
	remember   []*store.Remembered

	// heard is what sources have said of the records written.
	heard map[store.HeardKey]hearing

	// What it takes to undo the entry under way: slots and hearings as they were, and its org's head and the length of changes
	// when it began.
	journal     []undo
	unheard     []func()
	headBefore  store.Head
	changesDone int
}

// org is an org's counters and time in this transaction.
type org struct {
	head store.Head
	now  time.Time
	// stamp is now as a JSON string.
	stamp   []byte
	touched bool
}

// slot is the place of one record, whether it exists or not.
type slot struct {
	key store.RecordKey
	// stored is the record as the transaction found it, record as it stands now; nil where there is none.
	stored, record *carillon.Record
	// members are record's, once somebody asked.
	members members
	// references are record's if they differ from what is stored.
	references        []store.Reference
	referencesChanged bool
}

type undo struct {
	slot *slot
	was  slot
}

// begin locks the orgs and reads all that the entries are sure to need.
func (l *Ledger) begin(ctx context.Context, tx store.Tx, entries []*entry) (*transaction, error) {
	t := &transaction{
		ledger: l, ctx: ctx, tx: tx,
		orgs:     map[string]*org{},
		slots:    make(map[store.RecordKey]*slot, 2*len(entries)),
		incoming: map[store.RecordKey]map[*slot]bool{},
	}
	var keys []store.RecordKey
	var repeats []store.RememberedKey
	for _, e := range entries {
		t.orgs[e.Org] = &org{}
		if e.Key != "" {
			repeats = append(repeats, e.rememberedKey())
		}
		for i := range e.writes {
			keys = e.writes[i].keys(e.Org, keys)
		}
	}
	heads, err := tx.Lock(ctx, slices.Sorted(maps.Keys(t.orgs)))
	if err != nil {
		return nil, fmt.Errorf("lock orgs: %w", err)
	}
	now := l.now().UTC().Truncate(time.Millisecond)
	for name, o := range t.orgs {
		o.head, o.now = heads[name], now
		if last := l.clocks[name]; last.After(now) {
			o.now = last
		}
	}
	if len(repeats) > 0 {
		if t.remembered, err = tx.Remembered(ctx, repeats); err != nil {
			return nil, fmt.Errorf("read remembered results: %w", err)
		}
	}
	if t.remembered == nil {
		t.remembered = map[store.RememberedKey]*store.Remembered{}
	}
	if err := t.loadHeard(entries); err != nil {
		return nil, err
	}
	t.load(keys)
	if t.broken != nil {
		return nil, t.broken
	}
	for name, o := range t.orgs {
		l.clocks[name] = o.now
		o.stamp = quoted(carillon.FormatTime(o.now))
	}
	return t, nil
}

// load reads records that are not in memory yet, all at once.
func (t *transaction) load(keys []store.RecordKey) {
	missing := keys[:0]
	for _, key := range keys {
		if t.slots[key] == nil {
			t.slots[key] = &slot{key: key}
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 || t.broken != nil {
		return
	}
	found, err := t.tx.Records(t.ctx, missing)
	if err != nil {
		t.broken = fmt.Errorf("read records: %w", err)
		return
	}
	for key, record := range found {
		s := t.slots[key]
		s.stored, s.record = record, record
		if o := t.orgs[key.Org]; o.stamp == nil && record.UpdatedAt.After(o.now) {
			o.now = record.UpdatedAt // by another node, whose clock is ahead
		}
	}
}

// slot gives the place of a record, read from the store if need be.
func (t *transaction) slot(org string, ref carillon.Ref) *slot {
	key := store.RecordKey{Org: org, Ref: ref}
	s := t.slots[key]
	if s == nil {
		t.load([]store.RecordKey{key})
		s = t.slots[key]
	}
	return s
}

// membersOf gives the members of the slot's record; nil if it has none.
func (t *transaction) membersOf(s *slot) members {
	if s.record == nil {
		return nil
	}
	if s.members == nil {
		m, err := tables[s.key.Kind].split(s.record.Data)
		if err != nil {
			t.broken = err
			return make(members, len(tables[s.key.Kind].fields))
		}
		s.members = m
	}
	return s.members
}

// settle does one entry: all of it, or nothing and an error.
func (t *transaction) settle(e *entry) (result Result, err error) {
	t.journal, t.unheard, t.headBefore, t.changesDone = t.journal[:0], t.unheard[:0], t.orgs[e.Org].head, len(t.changes)
	defer func() {
		if r := recover(); r != nil {
			// A mistake of ours that one entry brings to light must not take the desk down with everybody's writes.
			t.ledger.log.ErrorContext(t.ctx, "apply entry: panic", "org", e.Org, "origin", e.Origin, "panic", r, "stack", string(debug.Stack()))
			result, err = Result{}, fmt.Errorf("apply entry: panic: %v", r)
		}
		if err != nil {
			t.undo(e.Org)
		}
	}()
	if e.Key != "" {
		if known := t.remembered[e.rememberedKey()]; known != nil {
			return repeat(known, e)
		}
	}
	result.Outcomes = make([]Outcome, len(e.writes))
	for i := range e.writes {
		if result.Outcomes[i], err = t.write(e, &e.writes[i]); err != nil {
			return Result{}, inWrite(i, len(e.writes), err)
		}
		if t.broken != nil {
			return Result{}, t.broken
		}
	}
	if e.Key != "" {
		t.keep(e, result)
	}
	return result, nil
}

// undo takes back what the entry under way has done.
func (t *transaction) undo(org string) {
	for _, u := range slices.Backward(t.journal) {
		t.unindex(u.slot)
		*u.slot = u.was
		t.index(u.slot)
	}
	for _, restore := range slices.Backward(t.unheard) {
		restore()
	}
	t.changes = t.changes[:t.changesDone]
	t.orgs[org].head = t.headBefore
}

// put makes the slot's record what the change says, and appends the change with the next seq.
// A nil record deletes. References count only if changed (or if the record is new).
func (t *transaction) put(s *slot, c *carillon.Change, record *carillon.Record, m members, references []store.Reference, changed bool) {
	t.journal = append(t.journal, undo{s, *s})
	o := t.orgs[s.key.Org]
	o.head.Seq++
	o.touched = true
	c.Seq = o.head.Seq
	if record != nil {
		record.Seq = c.Seq
	}
	t.changes = append(t.changes, c)
	t.unindex(s)
	s.record, s.members = record, m
	if changed {
		s.references, s.referencesChanged = references, true
	}
	t.index(s)
}

func (t *transaction) index(s *slot) {
	for _, r := range s.references {
		key := store.RecordKey{Org: s.key.Org, Ref: carillon.Ref{Kind: r.Kind, ID: r.ID}}
		if t.incoming[key] == nil {
			t.incoming[key] = map[*slot]bool{}
		}
		t.incoming[key][s] = true
	}
}

func (t *transaction) unindex(s *slot) {
	for _, r := range s.references {
		delete(t.incoming[store.RecordKey{Org: s.key.Org, Ref: carillon.Ref{Kind: r.Kind, ID: r.ID}}], s)
	}
}

// referrers lists who refers to a record at this point of the transaction, in the order kind, module, id, member;
// limit at most (0: all).
func (t *transaction) referrers(key store.RecordKey, limit int) []store.Referrer {
	if !referable[key.Kind] {
		return nil
	}
	list, err := t.tx.Referrers(t.ctx, key.Org, key.Kind, key.ID, limit)
	if err != nil {
		t.broken = fmt.Errorf("read who refers to %s: %w", key.Ref, err)
		return nil
	}
	list = slices.DeleteFunc(list, func(r store.Referrer) bool {
		s := t.slots[store.RecordKey{Org: key.Org, Ref: r.Ref}]
		return s != nil && s.referencesChanged // what it refers to now is in incoming
	})
	if len(t.incoming[key]) == 0 {
		return list
	}
	for s := range t.incoming[key] {
		for _, r := range s.references {
			if r.Kind == key.Kind && r.ID == key.ID {
				list = append(list, store.Referrer{Ref: s.key.Ref, Member: r.Member})
			}
		}
	}
	slices.SortFunc(list, func(a, b store.Referrer) int {
		return cmp.Or(compareRefs(a.Ref, b.Ref), cmp.Compare(a.Member, b.Member))
	})
	return slices.Compact(list)
}

func compareRefs(a, b carillon.Ref) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Module, b.Module), cmp.Compare(a.ID, b.ID))
}

// flush writes what the entries made of the records.
func (t *transaction) flush() error {
	var writes []store.RecordWrite
	var deletes []store.RecordKey
	for _, s := range t.slots {
		if s.record == s.stored {
			continue
		}
		if s.record == nil {
			deletes = append(deletes, s.key)
			continue
		}
		writes = append(writes, store.RecordWrite{
			Record: s.record, New: s.stored == nil,
			References: s.references, ReferencesChanged: s.referencesChanged,
		})
	}
	slices.SortFunc(writes, func(a, b store.RecordWrite) int { return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Seq, b.Seq)) })
	if len(deletes) > 0 {
		if err := t.tx.DeleteRecords(t.ctx, deletes); err != nil {
			return fmt.Errorf("delete records: %w", err)
		}
	}
	if len(writes) > 0 {
		if err := t.tx.PutRecords(t.ctx, writes); err != nil {
			return fmt.Errorf("store records: %w", err)
		}
	}
	if len(t.changes) > 0 {
		if err := t.tx.Append(t.ctx, t.changes); err != nil {
			return fmt.Errorf("append changes: %w", err)
		}
	}
	if len(t.remember) > 0 {
		if err := t.tx.Remember(t.ctx, t.remember); err != nil {
			return fmt.Errorf("remember results: %w", err)
		}
	}
	if err := t.flushHeard(); err != nil {
		return err
	}
	heads := map[string]store.Head{}
	for name, o := range t.orgs {
		if o.touched {
			heads[name] = o.head
		}
	}
	if len(heads) == 0 {
		return nil
	}
	if err := t.tx.SaveHeads(t.ctx, heads); err != nil {
		return fmt.Errorf("save heads: %w", err)
	}
	return nil
}
