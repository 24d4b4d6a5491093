package sqlstore

import (
	"bytes"
	"context"
	"fmt"

	"carillon"
	"carillon/store"
)

// pending is what acts wrote to records, log and memory that the database has not been told yet. Holding it back makes an
// act that fails cost nothing, lets a record that several acts of a batch write be written once, and counters once a batch.
type pending struct {
	heads      map[string]store.Head
	records    map[store.RecordKey]*pendingRecord
	order      []store.RecordKey // of records, as first written
	changes    []*carillon.Change
	remembered map[store.RememberedKey]*store.Remembered
}

// pendingRecord is a record as it shall be: nil Record means gone.
type pendingRecord struct {
	record *carillon.Record
	// fresh says that the database is not believed to have the record: there is no use in updating it.
	fresh bool
	// references replace those in the database if referencesChanged.
	references        []store.Reference
	referencesChanged bool
}

// copy gives the record to a reader who must not share it with others.
func (w *pendingRecord) copy() *carillon.Record {
	if w.record == nil {
		return nil
	}
	r := *w.record
	r.Data, r.Extra = bytes.Clone(r.Data), bytes.Clone(r.Extra)
	return &r
}

func (p *pending) putHead(org string, head store.Head) {
	if p.heads == nil {
		p.heads = make(map[string]store.Head)
	}
	p.heads[org] = head
}

// at gives the place of a record.
func (p *pending) at(key store.RecordKey) *pendingRecord {
	w, ok := p.records[key]
	if !ok {
		if p.records == nil {
			p.records = make(map[store.RecordKey]*pendingRecord)
		}
		w = &pendingRecord{}
		p.records[key] = w
		p.order = append(p.order, key)
	}
	return w
}

func (p *pending) put(write store.RecordWrite) {
	r := *write.Record
	w := p.at(store.RecordKey{Org: r.Org, Ref: r.Ref})
	w.record = &r
	w.fresh = w.fresh || write.New
	if write.New || write.ReferencesChanged {
		w.references, w.referencesChanged = write.References, true
	}
}

func (p *pending) delete(key store.RecordKey) {
	*p.at(key) = pendingRecord{fresh: true, referencesChanged: true}
}

func (p *pending) remember(m *store.Remembered) {
	if p.remembered == nil {
		p.remembered = make(map[store.RememberedKey]*store.Remembered)
	}
	p.remembered[store.RememberedKey{Org: m.Org, Scope: m.Scope, Key: m.Key}] = m
}

// touchesReferences reports whether the answer to "who refers to it" in the database is out of date.
func (p *pending) touchesReferences() bool {
	for _, w := range p.records {
		if w.referencesChanged {
			return true
		}
	}
	return false
}

// merge takes over what a later act wrote.
func (p *pending) merge(later *pending) {
	for org, head := range later.heads {
		p.putHead(org, head)
	}
	for _, key := range later.order {
		from, to := later.records[key], p.at(key)
		to.record = from.record
		to.fresh = to.fresh || from.fresh
		if from.referencesChanged {
			to.references, to.referencesChanged = from.references, true
		}
	}
	p.changes = append(p.changes, later.changes...)
	for _, m := range later.remembered {
		p.remember(m)
	}
}

// flush tells the database all, and forgets it.
func (p *pending) flush(ctx context.Context, b *batch) error {
	w := b.store.writer
	for org, head := range p.heads {
		_, err := w.exec(ctx, `INSERT INTO heads (org, seq, number) VALUES ($1, $2, $3)
			ON CONFLICT (org) DO UPDATE SET seq = excluded.seq, number = excluded.number`, org, head.Seq, head.Number)
		if err != nil {
			return fmt.Errorf("save head of org %s: %w", org, err)
		}
	}
	if err := p.flushRecords(ctx, b); err != nil {
		return err
	}
	if err := insertChanges(ctx, w, p.changes); err != nil {
		return err
	}
	for _, m := range p.remembered {
		if err := insertRemembered(ctx, w, m); err != nil {
			return err
		}
	}
	*p = pending{}
	return nil
}

// flushRecords tells the database the records and their references, and forgets them.
func (p *pending) flushRecords(ctx context.Context, b *batch) error {
	for _, key := range p.order {
		if err := writeRecord(ctx, b.store.writer, key, p.records[key]); err != nil {
			return fmt.Errorf("write %s: %w", key.Ref, err)
		}
		b.wrote(key, p.records[key].record)
	}
	p.records, p.order = nil, nil
	return nil
}
