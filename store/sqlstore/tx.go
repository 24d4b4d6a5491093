package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"carillon"
	"carillon/store"
)

// tx is one act's view of the batch it is in. Reads look at what the act wrote, then at what the acts before it wrote,
// then at the database.
type tx struct {
	batch *batch
	// pending is what this act wrote that the database has not been told.
	pending pending
	// locked are the heads this act was given, and next the seqs it may append.
	locked    map[string]store.Head
	next      map[string]int64
	savepoint bool  // there is one to go back to
	failed    error // the first statement that failed: the act cannot succeed, even if fn thinks so
	done      bool  // the act is over
}

var _ store.Tx = (*tx)(nil)

// errDone says that fn kept its Tx.
var errDone = errors.New("the transaction is over")

// each queries the committer's connection.
func (t *tx) each(ctx context.Context, scan func(row) error, text string, args ...any) error {
	if t.done {
		return errDone
	}
	return t.batch.store.writer.each(carried(ctx), scan, text, args...)
}

// exec writes to the database at once, after a savepoint that undoes it if the act fails.
func (t *tx) exec(ctx context.Context, text string, args ...any) (int64, error) {
	if t.done {
		return 0, errDone
	}
	ctx = carried(ctx)
	if err := t.protect(ctx); err != nil {
		return 0, err
	}
	n, err := t.batch.store.writer.exec(ctx, text, args...)
	if err != nil && t.failed == nil {
		t.failed = err
	}
	return n, err
}

// carried is ctx without its end: a statement that is cut short can take the whole batch with it.
func carried(ctx context.Context) context.Context {
	if ctx.Done() == nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// protect makes a savepoint unless there is one. What earlier acts wrote is told to the database first: it must stay if
// this act goes back.
func (t *tx) protect(ctx context.Context) error {
	if t.savepoint || t.batch.alone {
		return nil
	}
	w := t.batch.store.writer
	if err := t.batch.flush(ctx); err != nil {
		return err
	}
	if _, err := w.exec(ctx, "SAVEPOINT act"); err != nil {
		return fmt.Errorf("make savepoint: %w", err)
	}
	t.savepoint = true
	return nil
}

// Lock reads the counters of the orgs. The batch is the only writer until it ends.
func (t *tx) Lock(ctx context.Context, orgs []string) (map[string]store.Head, error) {
	heads := make(map[string]store.Head, len(orgs))
	if t.locked == nil {
		t.locked = make(map[string]store.Head, len(orgs))
		t.next = make(map[string]int64, len(orgs))
	}
	for _, org := range orgs {
		head, ok := t.locked[org]
		if !ok {
			var err error
			if head, err = t.batch.head(ctx, t, org); err != nil {
				return nil, fmt.Errorf("lock org %s: %w", org, err)
			}
			t.locked[org] = head
			t.next[org] = head.Seq + 1
		}
		if saved, ok := t.pending.heads[org]; ok {
			head = saved
		}
		heads[org] = head
	}
	return heads, nil
}

// head reads an org's counters as the acts before left them.
func (b *batch) head(ctx context.Context, q querier, org string) (store.Head, error) {
	if head, ok := b.pending.heads[org]; ok {
		return head, nil
	}
	if head, ok := b.cache.heads[org]; ok {
		return head, nil
	}
	head, _, err := first(ctx, q, func(r row) (h store.Head, err error) {
		err = r.Scan(&h.Seq, &h.Number)
		return h, err
	}, "SELECT seq, number FROM heads WHERE org = $1", org)
	if err != nil {
		return store.Head{}, err
	}
	b.cache.keepHead(org, head)
	return head, nil
}

// known gives a record as the last batch left it, if it is at hand and this batch has not written it.
func (b *batch) known(key store.RecordKey) *carillon.Record {
	if _, ok := b.written[key]; ok {
		return nil
	}
	return b.store.hot.get(key)
}

// SaveHeads keeps the counters of orgs that were locked.
func (t *tx) SaveHeads(_ context.Context, heads map[string]store.Head) error {
	if t.done {
		return errDone
	}
	for org, head := range heads {
		if _, ok := t.locked[org]; !ok {
			return fmt.Errorf("save head of org %s: it is not locked", org)
		}
		t.pending.putHead(org, head)
	}
	return nil
}

// Append holds changes for the end of the batch. Their seqs must go on from the org's head.
func (t *tx) Append(_ context.Context, changes []*carillon.Change) error {
	if t.done {
		return errDone
	}
	for _, c := range changes {
		next, ok := t.next[c.Org]
		if !ok {
			return fmt.Errorf("append change %d of org %s: it is not locked", c.Seq, c.Org)
		}
		if c.Seq != next {
			return fmt.Errorf("append change %d of org %s: the next one is %d", c.Seq, c.Org, next)
		}
		t.next[c.Org] = next + 1
	}
	t.pending.changes = append(t.pending.changes, changes...)
	return nil
}

// check refuses an act that would tear the log, whose head must name the last change, or that overlooked a failure.
func (t *tx) check() error {
	if t.failed != nil {
		return t.failed
	}
	for org, next := range t.next {
		if next == t.locked[org].Seq+1 {
			continue
		}
		if head, ok := t.pending.heads[org]; !ok || head.Seq != next-1 {
			return fmt.Errorf("update: changes of org %s were appended up to %d, but its head was not saved so", org, next-1)
		}
	}
	return nil
}

// Records reads records by key.
func (t *tx) Records(ctx context.Context, keys []store.RecordKey) (map[store.RecordKey]*carillon.Record, error) {
	records := make(map[store.RecordKey]*carillon.Record, len(keys))
	for _, key := range keys {
		var r *carillon.Record
		if w, ok := t.held(key); ok {
			r = w.copy()
		} else if known := t.batch.known(key); known != nil {
			r = (&pendingRecord{record: known}).copy()
		} else {
			var err error
			if r, _, err = first(ctx, t, scanRecord, selectRecord, key.Org, string(key.Kind), key.Module, key.ID); err != nil {
				return nil, fmt.Errorf("read %s: %w", key.Ref, err)
			}
		}
		if r != nil {
			records[key] = r
		}
	}
	return records, nil
}

// held is what this act, or one before it in the batch, did to a record that the database has not been told.
func (t *tx) held(key store.RecordKey) (*pendingRecord, bool) {
	if w, ok := t.pending.records[key]; ok {
		return w, true
	}
	w, ok := t.batch.pending.records[key]
	return w, ok
}

// PutRecords holds records for the end of the batch.
func (t *tx) PutRecords(_ context.Context, records []store.RecordWrite) error {
	if t.done {
		return errDone
	}
	for _, w := range records {
		t.pending.put(w)
	}
	return nil
}

// DeleteRecords holds deletions for the end of the batch.
func (t *tx) DeleteRecords(_ context.Context, keys []store.RecordKey) error {
	if t.done {
		return errDone
	}
	for _, key := range keys {
		t.pending.delete(key)
	}
	return nil
}

// Referrers asks the database, which for that must know all that was written so far.
func (t *tx) Referrers(ctx context.Context, org string, kind carillon.Kind, id string, limit int) ([]store.Referrer, error) {
	if t.done {
		return nil, errDone
	}
	ctx = carried(ctx)
	if t.pending.touchesReferences() || t.batch.pending.touchesReferences() {
		if err := t.protect(ctx); err != nil {
			return nil, err
		}
		for _, p := range []*pending{&t.batch.pending, &t.pending} {
			if err := p.flushRecords(ctx, t.batch); err != nil {
				t.failed = err
				return nil, err
			}
		}
	}
	return referrers(ctx, t, org, kind, id, limit)
}

// Remembered reads results by key; keys without one are absent from the map.
func (t *tx) Remembered(ctx context.Context, keys []store.RememberedKey) (map[store.RememberedKey]*store.Remembered, error) {
	results := make(map[store.RememberedKey]*store.Remembered, len(keys))
	for _, key := range keys {
		m, err := t.remembered(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("read remembered result: %w", err)
		}
		if m != nil {
			results[key] = m
		}
	}
	return results, nil
}

func (t *tx) remembered(ctx context.Context, key store.RememberedKey) (*store.Remembered, error) {
	for _, p := range []*pending{&t.pending, &t.batch.pending} {
		if m, ok := p.remembered[key]; ok {
			kept := *m
			kept.Result = slices.Clone(m.Result)
			return &kept, nil
		}
	}
	m, _, err := first(ctx, t, scanRemembered, selectRemembered, key.Org, key.Scope, key.Key)
	return m, err
}

// Remember holds results for the end of the batch.
func (t *tx) Remember(_ context.Context, results []*store.Remembered) error {
	if t.done {
		return errDone
	}
	for _, m := range results {
		t.pending.remember(m)
	}
	return nil
}
