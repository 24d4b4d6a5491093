package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"carillon"
	"carillon/store"
	"carillon/store/sqlstore/delta"
)

const changeColumns = `org, seq, kind, module, record_id, op, number, version, lane, previous_lane, time,
	actor_id, actor_type, actor_email, origin, changed, before, after, extra`

// maxDocument bounds what a stored edit script may claim to make, in bytes.
const maxDocument = 64 << 20

func insertChanges(ctx context.Context, s *session, changes []*carillon.Change) error {
	var script []byte
	for _, c := range changes {
		before := c.Before
		if c.Op == carillon.OpUpdated && c.Before != nil {
			script = delta.Append(script[:0], c.Before, c.After)
			before = script
		}
		_, err := s.exec(ctx, `INSERT INTO changes (`+changeColumns+`) VALUES
			($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
			c.Org, c.Seq, string(c.Kind), c.Module, c.ID, string(c.Op), c.Number, c.Version, c.Lane,
			sql.NullString{String: c.PreviousLane, Valid: c.PreviousLane != ""}, toMillis(c.Time),
			c.Actor.ID, c.Actor.Type, c.Actor.Email, c.Origin, carillon.FormatChanged(c.Changed), before, c.After, c.Extra)
		if err != nil {
			return fmt.Errorf("append change %d of org %s: %w", c.Seq, c.Org, err)
		}
	}
	return nil
}

func scanChange(r row) (*carillon.Change, error) {
	var c carillon.Change
	var previousLane sql.NullString
	var at int64
	var changed string
	err := r.Scan(&c.Org, &c.Seq, (*string)(&c.Kind), &c.Module, &c.ID, (*string)(&c.Op), &c.Number, &c.Version, &c.Lane,
		&previousLane, &at, &c.Actor.ID, &c.Actor.Type, &c.Actor.Email, &c.Origin, &changed, &c.Before, &c.After, &c.Extra)
	if err != nil {
		return nil, err
	}
	c.PreviousLane = previousLane.String
	c.Time = fromMillis(at)
	c.Changed = carillon.ParseChanged(changed)
	if c.Op == carillon.OpUpdated && c.Before != nil {
		if c.Before, err = delta.Apply(c.After, c.Before, maxDocument); err != nil {
			return nil, fmt.Errorf("restore what change %d of org %s replaced: %w", c.Seq, c.Org, err)
		}
	}
	return &c, nil
}

// Changes reads the log.
func (r *reader) Changes(ctx context.Context, org string, q store.LogQuery) ([]*carillon.Change, error) {
	if q.Limit < 1 {
		return nil, fmt.Errorf("read log: limit %d is less than 1", q.Limit)
	}
	changes, err := readLog(ctx, r.pool, org, q)
	return changes, wrap("read log of org "+org, err)
}

func readLog(ctx context.Context, q querier, org string, l store.LogQuery) ([]*carillon.Change, error) {
	statement, args := selectChanges(org, l)
	var changes []*carillon.Change
	size := 0
	err := q.each(ctx, func(row row) error {
		c, err := scanChange(row)
		if err != nil {
			return err
		}
		size += len(c.Before) + len(c.After)
		if l.MaxBytes > 0 && size > l.MaxBytes && len(changes) > 0 {
			return errEnough
		}
		changes = append(changes, c)
		return nil
	}, statement, args...)
	if err != nil {
		return nil, err
	}
	return changes, nil
}

// selectChanges writes the query. What two indexes have to answer is asked of each on its own, so that both stop at the limit.
func selectChanges(org string, l store.LogQuery) (statement string, args []any) {
	until, direction := l.Until, "ASC"
	if until == 0 {
		until = math.MaxInt64
	}
	if l.Descending {
		direction = "DESC"
	}
	args = []any{org, l.After, until, l.Limit}
	const span = "org = $1 AND seq > $2 AND seq <= $3"
	order := " ORDER BY seq " + direction + " LIMIT $4"
	part := func(condition, name string) string {
		return "SELECT seq FROM (SELECT seq FROM changes WHERE " + span + " AND " + condition + order + ") AS " + name
	}
	statement = "SELECT " + changeColumns + " FROM changes WHERE " + span
	switch {
	case l.Ref != nil:
		args = append(args, string(l.Ref.Kind), l.Ref.Module, l.Ref.ID)
		const record = "kind = $5 AND module = $6 AND record_id = $7"
		inLane := ""
		if l.Lane != "" {
			args = append(args, l.Lane)
			inLane = " AND (lane = $8 OR previous_lane = $8)"
		}
		statement += " AND seq IN (" + part(record+" AND lane <> record_id"+inLane, "elsewhere") + " UNION ALL " +
			part("lane = $7 AND "+record+inLane, "own") + ")"
	case l.Lane != "":
		args = append(args, l.Lane)
		statement += " AND seq IN (" + part("lane = $5", "stayed") + " UNION ALL " + part("previous_lane = $5", "moved") + ")"
	}
	return statement + order, args
}

// Head is the seq of the newest change of the org.
func (r *reader) Head(ctx context.Context, org string) (int64, error) {
	seq, _, err := first(ctx, r.pool, scanOne[int64], `SELECT seq FROM heads WHERE org = $1`, org)
	return seq, wrap("read head of org "+org, err)
}

// Heads are the heads of all orgs that have changes.
func (r *reader) Heads(ctx context.Context) (map[string]int64, error) {
	heads := make(map[string]int64)
	err := r.pool.each(ctx, func(row row) error {
		var org string
		var seq int64
		if err := row.Scan(&org, &seq); err != nil {
			return err
		}
		heads[org] = seq
		return nil
	}, `SELECT org, seq FROM heads WHERE seq > 0`)
	if err != nil {
		return nil, fmt.Errorf("read heads: %w", err)
	}
	return heads, nil
}

// SeqAt is the seq of the last change at or before t. Seqs have no gaps and their times ascend, so it halves its way there.
func (r *reader) SeqAt(ctx context.Context, org string, t time.Time) (int64, error) {
	var seq int64
	err := r.view(ctx, func(q querier) error {
		type span struct{ low, high sql.NullInt64 }
		s, _, err := first(ctx, q, func(r row) (s span, err error) {
			err = r.Scan(&s.low, &s.high)
			return s, err
		}, `SELECT (SELECT seq FROM changes WHERE org = $1 ORDER BY seq LIMIT 1),
			(SELECT seq FROM changes WHERE org = $1 ORDER BY seq DESC LIMIT 1)`, org)
		if err != nil || !s.low.Valid {
			return err
		}
		limit := toMillis(t)
		// All before low are at or before t, high and all behind it are after.
		low, high := s.low.Int64, s.high.Int64+1
		for low < high {
			middle := low + (high-low)/2
			at, ok, err := first(ctx, q, scanOne[int64], `SELECT time FROM changes WHERE org = $1 AND seq = $2`, org, middle)
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("change %d is missing", middle)
			}
			if at <= limit {
				low = middle + 1
			} else {
				high = middle
			}
		}
		if low > s.low.Int64 {
			seq = low - 1
		}
		return nil
	})
	return seq, wrap("find seq by time in org "+org, err)
}
