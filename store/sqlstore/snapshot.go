package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"carillon"
	"carillon/store"
)

// RecordAsOf reads a record as it stood after change seq.
func (r *reader) RecordAsOf(ctx context.Context, org string, ref carillon.Ref, seq int64) (*carillon.Record, error) {
	var rec *carillon.Record
	err := r.view(ctx, func(q querier) error {
		current, _, err := first(ctx, q, scanRecord, selectRecord, org, string(ref.Kind), ref.Module, ref.ID)
		if err != nil {
			return err
		}
		rec, err = asOf(ctx, q, org, ref, current, seq)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %s as of %d: %w", ref, seq, err)
	}
	if rec == nil {
		return nil, recordNotFound(ref)
	}
	return rec, nil
}

// asOf gives a record as it stood after change seq; nil if it did not exist then. current is the record as it stands, nil
// if it is gone.
func asOf(ctx context.Context, q querier, org string, ref carillon.Ref, current *carillon.Record, seq int64) (*carillon.Record, error) {
	if current != nil && current.Seq <= seq {
		return current, nil
	}
	if seq < 1 {
		return nil, nil
	}
	last, err := readLog(ctx, q, org, store.LogQuery{Ref: &ref, Until: seq, Descending: true, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(last) == 0 {
		return beforeLog(ctx, q, org, ref, current, seq)
	}
	c := last[0]
	if c.Op == carillon.OpDeleted {
		return nil, nil
	}
	rec := &carillon.Record{
		Org: org, Ref: ref, Number: c.Number, Version: c.Version, Seq: c.Seq, Lane: c.Lane, Data: c.After, Extra: c.Extra,
		UpdatedAt: c.Time,
	}
	switch {
	case c.Op == carillon.OpCreated:
		rec.CreatedAt = c.Time
	case current != nil && current.Number == c.Number:
		rec.CreatedAt = current.CreatedAt
	default:
		rec.CreatedAt, err = createdBefore(ctx, q, org, ref, seq)
	}
	return rec, err
}

// createdBefore is when the record that stood after change seq was created; the zero time if the log no longer tells.
func createdBefore(ctx context.Context, q querier, org string, ref carillon.Ref, seq int64) (time.Time, error) {
	ms, _, err := first(ctx, q, scanOne[sql.NullInt64], `SELECT max(time) FROM (
			SELECT time FROM changes WHERE org = $1 AND kind = $2 AND module = $3 AND record_id = $4 AND lane <> record_id
				AND seq <= $5 AND op = 'created'
			UNION ALL
			SELECT time FROM changes WHERE org = $1 AND lane = $4 AND kind = $2 AND module = $3 AND record_id = $4
				AND seq <= $5 AND op = 'created') AS creations`,
		org, string(ref.Kind), ref.Module, ref.ID, seq)
	if err != nil || !ms.Valid {
		return time.Time{}, err
	}
	return fromMillis(ms.Int64), nil
}

// beforeLog gives a record as it stood before the first change of it that the log still has, if that came after seq.
func beforeLog(ctx context.Context, q querier, org string, ref carillon.Ref, current *carillon.Record, seq int64) (*carillon.Record, error) {
	next, err := readLog(ctx, q, org, store.LogQuery{Ref: &ref, After: seq, Limit: 1})
	if err != nil || len(next) == 0 || next[0].Before == nil {
		return nil, err
	}
	c := next[0]
	rec := &carillon.Record{Org: org, Ref: ref, Number: c.Number, Version: c.Version - 1, Lane: c.Lane, Data: c.Before}
	if c.Moved() {
		rec.Lane = c.PreviousLane
	}
	if current != nil && current.Number == c.Number {
		rec.CreatedAt = current.CreatedAt
	}
	return rec, nil
}

// Snapshot lists the records of an org as they stood after change seq, a page at a time.
func (r *reader) Snapshot(ctx context.Context, org string, seq int64, after carillon.Ref, limit int) ([]*carillon.Record, error) {
	if limit < 1 {
		return nil, fmt.Errorf("read snapshot: limit %d is less than 1", limit)
	}
	kinds := carillon.Kinds
	if after != (carillon.Ref{}) {
		i := slices.Index(kinds, after.Kind)
		if i < 0 {
			return nil, fmt.Errorf("read snapshot: %q is no kind", after.Kind)
		}
		kinds = kinds[i:]
	}
	var records []*carillon.Record
	err := r.view(ctx, func(q querier) error {
		for _, kind := range kinds {
			from := carillon.Ref{Kind: kind}
			if kind == after.Kind {
				from = after
			}
			for more := true; more; {
				var page []candidate
				var err error
				if page, more, err = candidates(ctx, q, org, seq, from, limit); err != nil {
					return err
				}
				for _, c := range page {
					rec, err := asOf(ctx, q, org, c.ref, c.current, seq)
					if err != nil {
						return err
					}
					if rec == nil {
						continue
					}
					if records = append(records, rec); len(records) == limit {
						return nil
					}
				}
				if len(page) > 0 {
					from = page[len(page)-1].ref
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read snapshot of org %s as of %d: %w", org, seq, err)
	}
	return records, nil
}

// candidate is a record that may have existed at a snapshot's seq; current is nil if it does not exist now.
type candidate struct {
	ref     carillon.Ref
	current *carillon.Record
}

// candidates lists, in order, the records of from's kind behind from that exist now or were deleted after seq; more says
// that there may be further ones.
func candidates(ctx context.Context, q querier, org string, seq int64, from carillon.Ref, limit int) (page []candidate, more bool, err error) {
	args := []any{org, string(from.Kind), from.Module, from.ID}
	existing, err := list(ctx, q, func(r row) (candidate, error) {
		rec, err := scanRecord(r)
		if err != nil {
			return candidate{}, err
		}
		return candidate{ref: rec.Ref, current: rec}, nil
	}, `SELECT `+recordColumns+` FROM records
		WHERE org = $1 AND kind = $2 AND (module, id) > ($3, $4) ORDER BY module, id LIMIT $5`, append(args, limit)...)
	if err != nil {
		return nil, false, err
	}
	deleted, err := list(ctx, q, func(r row) (c candidate, err error) {
		c.ref.Kind = from.Kind
		err = r.Scan(&c.ref.Module, &c.ref.ID)
		return c, err
	}, `SELECT module, record_id FROM changes
		WHERE org = $1 AND kind = $2 AND op = 'deleted' AND (module, record_id) > ($3, $4) AND seq > $5
		GROUP BY module, record_id ORDER BY module, record_id LIMIT $6`, append(args, seq, limit)...)
	if err != nil {
		return nil, false, err
	}

	// A full list says nothing of what comes behind its last.
	page = append(page, existing...)
	page = append(page, deleted...)
	slices.SortStableFunc(page, func(a, b candidate) int { return compareRefs(a.ref, b.ref) })
	page = slices.CompactFunc(page, func(a, b candidate) bool { return a.ref == b.ref }) // the existing one comes first
	for _, full := range [][]candidate{existing, deleted} {
		if len(full) < limit {
			continue
		}
		more = true
		end := full[len(full)-1].ref
		page = slices.DeleteFunc(page, func(c candidate) bool { return compareRefs(c.ref, end) > 0 })
	}
	return page, more, nil
}

// compareRefs orders refs of one kind.
func compareRefs(a, b carillon.Ref) int {
	return cmp.Or(cmp.Compare(a.Module, b.Module), cmp.Compare(a.ID, b.ID))
}
