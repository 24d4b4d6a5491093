package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
	"unsafe"

	"carillon"
	"carillon/store"
)

const recordColumns = `org, kind, module, id, number, version, seq, lane, data, extra, created_at, updated_at`

const selectRecord = `SELECT ` + recordColumns + ` FROM records
	WHERE org = $1 AND kind = $2 AND module = $3 AND id = $4`

func scanRecord(r row) (*carillon.Record, error) {
	var rec carillon.Record
	var created, updated int64
	err := r.Scan(&rec.Org, (*string)(&rec.Kind), &rec.Module, &rec.ID, &rec.Number, &rec.Version, &rec.Seq, &rec.Lane,
		&rec.Data, &rec.Extra, &created, &updated)
	if err != nil {
		return nil, err
	}
	rec.CreatedAt, rec.UpdatedAt = fromMillis(created), fromMillis(updated)
	return &rec, nil
}

// Times are kept as Unix milliseconds.

func toMillis(t time.Time) int64    { return t.UnixMilli() }
func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// text views bytes as a string without a copy, for a driver that copies it at once.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Record reads one record as it stands.
func (r *reader) Record(ctx context.Context, org string, ref carillon.Ref) (*carillon.Record, error) {
	rec, ok, err := first(ctx, r.pool, scanRecord, selectRecord, org, string(ref.Kind), ref.Module, ref.ID)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, err)
	}
	if !ok {
		return nil, recordNotFound(ref)
	}
	return rec, nil
}

func recordNotFound(ref carillon.Ref) error {
	if ref.Kind == carillon.KindCustom {
		return carillon.NotFound("custom record", ref.Module+"/"+ref.ID)
	}
	return carillon.NotFound(string(ref.Kind), ref.ID)
}

// Records lists records by id.
func (r *reader) Records(ctx context.Context, org string, q store.RecordQuery) ([]*carillon.Record, error) {
	if q.Limit < 1 {
		return nil, fmt.Errorf("list records: limit %d is less than 1", q.Limit)
	}
	var b strings.Builder
	b.WriteString("SELECT " + recordColumns + " FROM records WHERE org = $1 AND kind = $2 AND module = $3")
	args := []any{org, string(q.Kind), q.Module, q.After}
	where := func(condition string, arg any) {
		args = append(args, arg)
		fmt.Fprintf(&b, " AND %s $%d", condition, len(args))
	}
	if r := q.RefersTo; r.Member == "" {
		b.WriteString(" AND id > $4")
	} else {
		// The bound stands inside, or SQLite would walk the records from it rather than look up those referring.
		args = append(args, string(r.Kind), r.ID, r.Member)
		b.WriteString(` AND id IN (SELECT id FROM record_references
			WHERE org = $1 AND target_kind = $5 AND target_id = $6 AND kind = $2 AND module = $3 AND member = $7 AND id > $4)`)
	}
	if q.Lane != "" {
		where("lane =", q.Lane)
	}
	names := make([]string, 0, len(q.Equal))
	for name := range q.Equal {
		names = append(names, name)
	}
	slices.Sort(names) // one text for one set of names
	for _, name := range names {
		if !plainName(name) {
			return nil, fmt.Errorf("list records: %q is no member name", name)
		}
		where("data ->> '"+name+"' =", q.Equal[name])
	}
	if !q.UpdatedSince.IsZero() {
		where("updated_at >=", toMillis(q.UpdatedSince.Add(time.Millisecond-1)))
	}
	args = append(args, q.Limit)
	fmt.Fprintf(&b, " ORDER BY id LIMIT $%d", len(args))
	records, err := list(ctx, r.pool, scanRecord, b.String(), args...)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", q.Kind.Plural(), err)
	}
	return records, nil
}

// CountRecords counts the records of an org by kind, in one pass over an index.
func (r *reader) CountRecords(ctx context.Context, org string) (map[carillon.Kind]int64, error) {
	counts := make(map[carillon.Kind]int64)
	err := r.pool.each(ctx, func(row row) error {
		var kind string
		var n int64
		if err := row.Scan(&kind, &n); err != nil {
			return err
		}
		counts[carillon.Kind(kind)] = n
		return nil
	}, `SELECT kind, count(*) FROM records WHERE org = $1 GROUP BY kind`, org)
	if err != nil {
		return nil, fmt.Errorf("count records of org %s: %w", org, err)
	}
	return counts, nil
}

// plainName reports whether a name can stand in a statement's text.
func plainName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		default:
			return false
		}
	}
	return name != ""
}

// writeRecord makes the database hold what w says.
func writeRecord(ctx context.Context, s *session, key store.RecordKey, w *pendingRecord) error {
	org, kind, module, id := key.Org, string(key.Kind), key.Module, key.ID
	if w.referencesChanged {
		_, err := s.exec(ctx, `DELETE FROM record_references WHERE org = $1 AND kind = $2 AND module = $3 AND id = $4`,
			org, kind, module, id)
		if err != nil {
			return err
		}
	}
	r := w.record
	if r == nil {
		_, err := s.exec(ctx, `DELETE FROM records WHERE org = $1 AND kind = $2 AND module = $3 AND id = $4`, org, kind, module, id)
		return err
	}
	var touched int64
	if !w.fresh {
		// The usual write leaves the lane alone, and so its index, which it must not search by either.
		var err error
		touched, err = s.exec(ctx, `UPDATE records SET number = $5, version = $6, seq = $7, data = $8, extra = $9,
				created_at = $10, updated_at = $11
			WHERE org = $1 AND kind = $2 AND module = $3 AND id = $4 AND NOT lane <> $12`,
			org, kind, module, id, r.Number, r.Version, r.Seq, text(r.Data), r.Extra,
			toMillis(r.CreatedAt), toMillis(r.UpdatedAt), r.Lane)
		if err != nil {
			return err
		}
	}
	if touched == 0 {
		_, err := s.exec(ctx, `INSERT INTO records (`+recordColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			ON CONFLICT (org, kind, module, id) DO UPDATE SET number = excluded.number, version = excluded.version,
				seq = excluded.seq, lane = excluded.lane, data = excluded.data, extra = excluded.extra,
				created_at = excluded.created_at, updated_at = excluded.updated_at`,
			org, kind, module, id, r.Number, r.Version, r.Seq, r.Lane, text(r.Data), r.Extra,
			toMillis(r.CreatedAt), toMillis(r.UpdatedAt))
		if err != nil {
			return err
		}
	}
	if !w.referencesChanged {
		return nil
	}
	for _, ref := range w.references {
		_, err := s.exec(ctx, `INSERT INTO record_references (org, kind, module, id, member, target_kind, target_id)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
			org, kind, module, id, ref.Member, string(ref.Kind), ref.ID)
		if err != nil {
			return fmt.Errorf("write reference %s: %w", ref.Member, err)
		}
	}
	return nil
}

func referrers(ctx context.Context, q querier, org string, kind carillon.Kind, id string, limit int) ([]store.Referrer, error) {
	bound := sql.NullInt64{Int64: int64(limit), Valid: limit > 0}
	if !bound.Valid {
		bound = sql.NullInt64{Int64: 1<<63 - 1, Valid: true}
	}
	refs, err := list(ctx, q, func(r row) (f store.Referrer, err error) {
		err = r.Scan((*string)(&f.Kind), &f.Module, &f.ID, &f.Member)
		return f, err
	}, `SELECT kind, module, id, member FROM record_references
		WHERE org = $1 AND target_kind = $2 AND target_id = $3
		ORDER BY kind, module, id, member LIMIT $4`, org, string(kind), id, bound.Int64)
	return refs, wrap("list referrers", err)
}
