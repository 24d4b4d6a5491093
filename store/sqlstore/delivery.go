package sqlstore

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"carillon"
)

// exists reports whether a subscription is there. What its engine saves after it was deleted would never be removed.
func (t *tx) exists(ctx context.Context, org, subscription string) (bool, error) {
	_, ok, err := first(ctx, t, scanOne[int64], `SELECT 1 FROM subscriptions WHERE org = $1 AND id = $2`, org, subscription)
	return ok, wrap("find subscription "+subscription, err)
}

// encodeSettled writes positions that ascend as varints: the distance from the seq before (at first: from the cursor),
// twice, plus 1 if an index follows.
func encodeSettled(cursor int64, settled []carillon.Position) []byte {
	if len(settled) == 0 {
		return nil
	}
	b := make([]byte, 0, 2*len(settled))
	at := cursor
	for _, p := range settled {
		step := uint64(p.Seq-at) << 1
		if p.Index >= 0 {
			b = binary.AppendUvarint(b, step|1)
			b = binary.AppendUvarint(b, uint64(p.Index))
		} else {
			b = binary.AppendUvarint(b, step)
		}
		at = p.Seq
	}
	return b
}

func decodeSettled(cursor int64, b []byte) ([]carillon.Position, error) {
	errCorrupt := errors.New("the settled positions are damaged")
	var settled []carillon.Position
	at := cursor
	for len(b) > 0 {
		step, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errCorrupt
		}
		b = b[n:]
		at += int64(step >> 1)
		p := carillon.Position{Seq: at, Index: -1}
		if step&1 == 1 {
			index, n := binary.Uvarint(b)
			if n <= 0 || index > math.MaxInt32 {
				return nil, errCorrupt
			}
			b = b[n:]
			p.Index = int(index)
		}
		settled = append(settled, p)
	}
	return settled, nil
}

const progressColumns = `org, subscription, position, settled, snapshot_as_of, snapshot_kind, snapshot_module, snapshot_id,
	replay_from, replay_to, replay_resume, delivered, failed, circuit_open, updated_at`

func scanProgress(r row) (*carillon.Progress, error) {
	var p carillon.Progress
	var settled []byte
	var asOf, from, to, resume sql.NullInt64
	var kind, module, id sql.NullString
	var updated int64
	err := r.Scan(&p.Org, &p.Subscription, &p.Cursor, &settled, &asOf, &kind, &module, &id, &from, &to, &resume,
		&p.Delivered, &p.Failed, &p.CircuitOpen, &updated)
	if err != nil {
		return nil, err
	}
	if p.Settled, err = decodeSettled(p.Cursor, settled); err != nil {
		return nil, err
	}
	if asOf.Valid {
		p.Snapshot = &carillon.SnapshotProgress{
			AsOf:  asOf.Int64,
			After: carillon.Ref{Kind: carillon.Kind(kind.String), Module: module.String, ID: id.String},
		}
	}
	if from.Valid {
		p.Replay = &carillon.ReplayProgress{From: from.Int64, To: to.Int64, Resume: resume.Int64}
	}
	p.UpdatedAt = fromMillis(updated)
	return &p, nil
}

// Progress reads where a subscription stands.
func (r *reader) Progress(ctx context.Context, org, subscription string) (*carillon.Progress, error) {
	p, ok, err := first(ctx, r.pool, scanProgress, `SELECT `+progressColumns+` FROM progress
		WHERE org = $1 AND subscription = $2`, org, subscription)
	if err != nil {
		return nil, wrap("read progress of "+subscription, err)
	}
	if !ok {
		return nil, carillon.NotFound("progress of subscription", subscription)
	}
	return p, nil
}

// SaveProgress writes a checkpoint, unless the subscription is gone.
func (t *tx) SaveProgress(ctx context.Context, p *carillon.Progress) error {
	if ok, err := t.exists(ctx, p.Org, p.Subscription); err != nil || !ok {
		return err
	}
	at := p.Cursor
	for _, s := range p.Settled {
		if s.Seq < at {
			return fmt.Errorf("save progress of %s: settled change %d comes after %d", p.Subscription, s.Seq, at)
		}
		at = s.Seq
	}
	var asOf, from, to, resume sql.NullInt64
	var kind, module, id sql.NullString
	if s := p.Snapshot; s != nil {
		asOf = sql.NullInt64{Int64: s.AsOf, Valid: true}
		kind = sql.NullString{String: string(s.After.Kind), Valid: true}
		module = sql.NullString{String: s.After.Module, Valid: true}
		id = sql.NullString{String: s.After.ID, Valid: true}
	}
	if r := p.Replay; r != nil {
		from = sql.NullInt64{Int64: r.From, Valid: true}
		to = sql.NullInt64{Int64: r.To, Valid: true}
		resume = sql.NullInt64{Int64: r.Resume, Valid: true}
	}
	_, err := t.exec(ctx, `INSERT INTO progress (`+progressColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (org, subscription) DO UPDATE SET position = excluded.position, settled = excluded.settled,
			snapshot_as_of = excluded.snapshot_as_of, snapshot_kind = excluded.snapshot_kind,
			snapshot_module = excluded.snapshot_module, snapshot_id = excluded.snapshot_id,
			replay_from = excluded.replay_from, replay_to = excluded.replay_to, replay_resume = excluded.replay_resume,
			delivered = excluded.delivered, failed = excluded.failed, circuit_open = excluded.circuit_open,
			updated_at = excluded.updated_at`,
		p.Org, p.Subscription, p.Cursor, encodeSettled(p.Cursor, p.Settled), asOf, kind, module, id, from, to, resume,
		p.Delivered, p.Failed, p.CircuitOpen, toMillis(p.UpdatedAt))
	return wrap("save progress of "+p.Subscription, err)
}

const parkedLaneColumns = `org, subscription, lane, first_seq, first_index, attempts, next_at, blocked, last_error, parked_at, batch`

func scanParkedLane(r row) (*carillon.ParkedLane, error) {
	var l carillon.ParkedLane
	var next, parked int64
	var batch string
	err := r.Scan(&l.Org, &l.Subscription, &l.Lane, &l.First.Seq, &l.First.Index, &l.Attempts, &next, &l.Blocked,
		&l.LastError, &parked, &batch)
	if err != nil {
		return nil, err
	}
	if batch != "" {
		if err := json.Unmarshal([]byte(batch), &l.Batch); err != nil {
			return nil, fmt.Errorf("read the batch of lane %s: %w", l.Lane, err)
		}
	}
	l.NextAt, l.ParkedAt = fromMillis(next), fromMillis(parked)
	return &l, nil
}

// ParkedLanes lists the parked lanes of a subscription by lane.
func (r *reader) ParkedLanes(ctx context.Context, org, subscription string) ([]*carillon.ParkedLane, error) {
	lanes, err := list(ctx, r.pool, scanParkedLane, `SELECT `+parkedLaneColumns+` FROM parked_lanes
		WHERE org = $1 AND subscription = $2 ORDER BY lane`, org, subscription)
	return lanes, wrap("list parked lanes of "+subscription, err)
}

// PutParkedLanes inserts or replaces parked lanes, but for subscriptions that are gone.
func (t *tx) PutParkedLanes(ctx context.Context, lanes []*carillon.ParkedLane) error {
	for _, l := range lanes {
		if ok, err := t.exists(ctx, l.Org, l.Subscription); err != nil {
			return err
		} else if !ok {
			continue
		}
		var batch []byte
		if len(l.Batch) > 0 {
			var err error
			if batch, err = json.Marshal(l.Batch); err != nil {
				return err
			}
		}
		_, err := t.exec(ctx, `INSERT INTO parked_lanes (`+parkedLaneColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
			ON CONFLICT (org, subscription, lane) DO UPDATE SET first_seq = excluded.first_seq,
				first_index = excluded.first_index, attempts = excluded.attempts, next_at = excluded.next_at,
				blocked = excluded.blocked, last_error = excluded.last_error, parked_at = excluded.parked_at,
				batch = excluded.batch`,
			l.Org, l.Subscription, l.Lane, l.First.Seq, l.First.Index, l.Attempts, toMillis(l.NextAt), l.Blocked, l.LastError,
			toMillis(l.ParkedAt), string(batch))
		if err != nil {
			return fmt.Errorf("park lane %s of %s: %w", l.Lane, l.Subscription, err)
		}
	}
	return nil
}

// DeleteParkedLanes removes parked lanes; those that are not there are no error.
func (t *tx) DeleteParkedLanes(ctx context.Context, org, subscription string, lanes []string) error {
	for _, lane := range lanes {
		_, err := t.exec(ctx, `DELETE FROM parked_lanes WHERE org = $1 AND subscription = $2 AND lane = $3`, org, subscription, lane)
		if err != nil {
			return fmt.Errorf("release lane %s of %s: %w", lane, subscription, err)
		}
	}
	return nil
}

const deadLetterColumns = `org, subscription, id, lane, position_seq, position_index, event_id, event_type, attempts,
	last_status, last_error, created_at`

func scanDeadLetter(r row) (*carillon.DeadLetter, error) {
	var d carillon.DeadLetter
	var created int64
	err := r.Scan(&d.Org, &d.Subscription, &d.ID, &d.Lane, &d.Position.Seq, &d.Position.Index, &d.EventID, &d.EventType,
		&d.Attempts, &d.LastStatus, &d.LastError, &created)
	if err != nil {
		return nil, err
	}
	d.CreatedAt = fromMillis(created)
	return &d, nil
}

// DeadLetters lists newest first.
func (r *reader) DeadLetters(ctx context.Context, org, subscription, after string, limit int) ([]*carillon.DeadLetter, error) {
	text := `SELECT ` + deadLetterColumns + ` FROM dead_letters WHERE org = $1 AND subscription = $2`
	args := []any{org, subscription, limit}
	if after != "" {
		// If the last one seen was replayed since, its id still says when it was made (see carillon.NewID).
		text += ` AND ((created_at, id) < (SELECT created_at, id FROM dead_letters WHERE org = $1 AND subscription = $2 AND id = $4)
			OR id < $4 AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE org = $1 AND subscription = $2 AND id = $4))`
		args = append(args, after)
	}
	letters, err := list(ctx, r.pool, scanDeadLetter, text+` ORDER BY created_at DESC, id DESC LIMIT $3`, args...)
	return letters, wrap("list dead letters of "+subscription, err)
}

// DeadLetter reads one dead letter.
func (r *reader) DeadLetter(ctx context.Context, org, subscription, id string) (*carillon.DeadLetter, error) {
	d, ok, err := first(ctx, r.pool, scanDeadLetter, `SELECT `+deadLetterColumns+` FROM dead_letters
		WHERE org = $1 AND subscription = $2 AND id = $3`, org, subscription, id)
	if err != nil {
		return nil, wrap("read dead letter "+id, err)
	}
	if !ok {
		return nil, carillon.NotFound("dead letter", id)
	}
	return d, nil
}

// CountDeadLetters counts the dead letters of a subscription.
func (r *reader) CountDeadLetters(ctx context.Context, org, subscription string) (int, error) {
	n, _, err := first(ctx, r.pool, scanOne[int], `SELECT count(*) FROM dead_letters WHERE org = $1 AND subscription = $2`,
		org, subscription)
	return n, wrap("count dead letters of "+subscription, err)
}

// PutDeadLetters inserts or replaces dead letters, but for subscriptions that are gone.
func (t *tx) PutDeadLetters(ctx context.Context, letters []*carillon.DeadLetter) error {
	for _, d := range letters {
		if ok, err := t.exists(ctx, d.Org, d.Subscription); err != nil {
			return err
		} else if !ok {
			continue
		}
		_, err := t.exec(ctx, `INSERT INTO dead_letters (`+deadLetterColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			ON CONFLICT (org, subscription, id) DO UPDATE SET lane = excluded.lane, position_seq = excluded.position_seq,
				position_index = excluded.position_index, event_id = excluded.event_id, event_type = excluded.event_type,
				attempts = excluded.attempts, last_status = excluded.last_status, last_error = excluded.last_error,
				created_at = excluded.created_at`,
			d.Org, d.Subscription, d.ID, d.Lane, d.Position.Seq, d.Position.Index, d.EventID, d.EventType, d.Attempts,
			d.LastStatus, d.LastError, toMillis(d.CreatedAt))
		if err != nil {
			return fmt.Errorf("put dead letter %s of %s: %w", d.ID, d.Subscription, err)
		}
	}
	return nil
}

// DeleteDeadLetters removes dead letters; those that are not there are no error.
func (t *tx) DeleteDeadLetters(ctx context.Context, org, subscription string, ids []string) error {
	for _, id := range ids {
		_, err := t.exec(ctx, `DELETE FROM dead_letters WHERE org = $1 AND subscription = $2 AND id = $3`, org, subscription, id)
		if err != nil {
			return fmt.Errorf("delete dead letter %s of %s: %w", id, subscription, err)
		}
	}
	return nil
}

const attemptColumns = `org, subscription, at, event_id, event_type, seq, lane, number, duration, outcome, status, error, response`

func scanAttempt(r row) (*carillon.Attempt, error) {
	var a carillon.Attempt
	var at int64
	err := r.Scan(&a.Org, &a.Subscription, &at, &a.EventID, &a.EventType, &a.Seq, &a.Lane, &a.Number,
		(*int64)(&a.Duration), (*string)(&a.Outcome), &a.Status, &a.Error, &a.Response)
	if err != nil {
		return nil, err
	}
	a.At = time.Unix(0, at).UTC()
	return &a, nil
}

// Attempts lists the failed attempts kept, newest first.
func (r *reader) Attempts(ctx context.Context, org, subscription string, before time.Time, limit int) ([]*carillon.Attempt, error) {
	until := int64(math.MaxInt64)
	if !before.IsZero() {
		until = before.UnixNano()
	}
	attempts, err := list(ctx, r.pool, scanAttempt, `SELECT `+attemptColumns+` FROM attempts
		WHERE org = $1 AND subscription = $2 AND at < $3 ORDER BY at DESC LIMIT $4`, org, subscription, until, limit)
	return attempts, wrap("list attempts of "+subscription, err)
}

// AddAttempts keeps failed attempts, but for subscriptions that are gone.
func (t *tx) AddAttempts(ctx context.Context, attempts []*carillon.Attempt) error {
	for _, a := range attempts {
		if ok, err := t.exists(ctx, a.Org, a.Subscription); err != nil {
			return err
		} else if !ok {
			continue
		}
		// The time is what pages go on from, so no two attempts of a subscription may have the same: one gives way.
		for at, added := a.At.UnixNano(), int64(0); added == 0; at++ {
			var err error
			added, err = t.exec(ctx, `INSERT INTO attempts (`+attemptColumns+`)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (org, subscription, at) DO NOTHING`,
				a.Org, a.Subscription, at, a.EventID, a.EventType, a.Seq, a.Lane, a.Number, int64(a.Duration),
				string(a.Outcome), a.Status, a.Error, a.Response)
			if err != nil {
				return fmt.Errorf("keep attempt of %s: %w", a.Subscription, err)
			}
		}
	}
	return nil
}

// recentDelivery is an attempt as its subscription's row of recent deliveries holds it.
type recentDelivery struct {
	EventID   string           `json:"event"`
	EventType string           `json:"type"`
	Seq       int64            `json:"seq"`
	Lane      string           `json:"lane"`
	Number    int              `json:"number"`
	At        int64            `json:"at"` // Unix nanoseconds
	Duration  time.Duration    `json:"duration"`
	Outcome   carillon.Outcome `json:"outcome"`
	Status    int              `json:"status,omitzero"`
	Error     string           `json:"error,omitzero"`
	Response  string           `json:"response,omitzero"`
}

// RecentDeliveries reads the newest successful attempts, newest first.
func (r *reader) RecentDeliveries(ctx context.Context, org, subscription string) ([]*carillon.Attempt, error) {
	text, ok, err := first(ctx, r.pool, scanOne[[]byte], `SELECT attempts FROM recent_deliveries
		WHERE org = $1 AND subscription = $2`, org, subscription)
	if err != nil || !ok {
		return nil, wrap("read recent deliveries of "+subscription, err)
	}
	var recent []recentDelivery
	if err := json.Unmarshal(text, &recent); err != nil {
		return nil, fmt.Errorf("decode recent deliveries of %s: %w", subscription, err)
	}
	attempts := make([]*carillon.Attempt, len(recent))
	for i, d := range recent {
		attempts[i] = &carillon.Attempt{
			Org: org, Subscription: subscription, EventID: d.EventID, EventType: d.EventType, Seq: d.Seq, Lane: d.Lane,
			Number: d.Number, At: time.Unix(0, d.At).UTC(), Duration: d.Duration, Outcome: d.Outcome, Status: d.Status,
			Error: d.Error, Response: d.Response,
		}
	}
	return attempts, nil
}

// SaveRecentDeliveries replaces a subscription's row of recent deliveries, unless the subscription is gone.
func (t *tx) SaveRecentDeliveries(ctx context.Context, org, subscription string, attempts []*carillon.Attempt) error {
	if ok, err := t.exists(ctx, org, subscription); err != nil || !ok {
		return err
	}
	recent := make([]recentDelivery, len(attempts))
	for i, a := range attempts {
		recent[i] = recentDelivery{
			EventID: a.EventID, EventType: a.EventType, Seq: a.Seq, Lane: a.Lane, Number: a.Number, At: a.At.UnixNano(),
			Duration: a.Duration, Outcome: a.Outcome, Status: a.Status, Error: a.Error, Response: a.Response,
		}
	}
	encoded, err := json.Marshal(recent)
	if err != nil {
		return fmt.Errorf("encode recent deliveries of %s: %w", subscription, err)
	}
	_, err = t.exec(ctx, `INSERT INTO recent_deliveries (org, subscription, attempts) VALUES ($1, $2, $3)
		ON CONFLICT (org, subscription) DO UPDATE SET attempts = excluded.attempts`, org, subscription, text(encoded))
	return wrap("save recent deliveries of "+subscription, err)
}
