package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"carillon"
	"carillon/store"
)

const inboundColumns = `position, org, id, connection, state, received_at, processed_at, content_type, header, attempts, told, notes,
	problem, awaits_kind, awaits_module, awaits_id`

func scanInbound(bodies bool) func(row) (*carillon.Inbound, error) {
	return func(r row) (*carillon.Inbound, error) {
		var d carillon.Inbound
		var received int64
		var processed sql.NullInt64
		var header, told, notes, problem string
		var kind, module, id sql.NullString
		into := []any{
			&d.Position, &d.Org, &d.ID, &d.Connection, (*string)(&d.State), &received, &processed, &d.ContentType, &header, &d.Attempts,
			&told, &notes, &problem, &kind, &module, &id,
		}
		if bodies {
			into = append(into, &d.Body)
		}
		if err := r.Scan(into...); err != nil {
			return nil, err
		}
		d.ReceivedAt = fromMillis(received)
		if processed.Valid {
			d.ProcessedAt = fromMillis(processed.Int64)
		}
		d.Awaits = carillon.Ref{Kind: carillon.Kind(kind.String), Module: module.String, ID: id.String}
		for _, part := range []struct {
			text string
			into any
		}{{header, &d.Header}, {told, &d.Told}, {notes, &d.Notes}, {problem, &d.Problem}} {
			if part.text == "" {
				continue
			}
			if err := json.Unmarshal([]byte(part.text), part.into); err != nil {
				return nil, fmt.Errorf("decode delivery %s: %w", d.ID, err)
			}
		}
		return &d, nil
	}
}

// Inbound reads one delivery with its body.
func (r *reader) Inbound(ctx context.Context, org, id string) (*carillon.Inbound, error) {
	d, ok, err := first(ctx, r.pool, scanInbound(true), `SELECT `+inboundColumns+`, body FROM inbox WHERE org = $1 AND id = $2`, org, id)
	if err != nil {
		return nil, wrap("read delivery "+id, err)
	}
	if !ok {
		return nil, carillon.NotFound("delivery", id)
	}
	return d, nil
}

// Inbox lists deliveries by position.
func (r *reader) Inbox(ctx context.Context, q store.InboxQuery) ([]*carillon.Inbound, error) {
	var where []string
	var args []any
	restrict := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, condition+" $"+strconv.Itoa(len(args)))
	}
	if q.Org != "" {
		restrict("org =", q.Org)
	}
	if q.Connection != "" {
		restrict("connection =", q.Connection)
	}
	if q.State != "" {
		restrict("state =", string(q.State))
	}
	if q.Awaiting.ID != "" {
		restrict("awaits_kind =", string(q.Awaiting.Kind))
		restrict("awaits_module =", q.Awaiting.Module)
		restrict("awaits_id =", q.Awaiting.ID)
	}
	if q.AwaitingAny {
		where = append(where, "awaits_id IS NOT NULL")
	}
	order, beyond := "DESC", "position <"
	if q.Ascending {
		order, beyond = "ASC", "position >"
	}
	if q.After > 0 {
		restrict(beyond, q.After)
	}
	columns := inboundColumns
	if q.Bodies {
		columns += ", body"
	}
	text := `SELECT ` + columns + ` FROM inbox`
	if len(where) > 0 {
		text += ` WHERE ` + strings.Join(where, " AND ")
	}
	args = append(args, q.Limit)
	text += ` ORDER BY position ` + order + ` LIMIT $` + strconv.Itoa(len(args))
	scan, bytes := scanInbound(q.Bodies), 0
	var deliveries []*carillon.Inbound
	err := r.pool.each(ctx, func(row row) error {
		d, err := scan(row)
		if err != nil {
			return err
		}
		deliveries = append(deliveries, d)
		if bytes += len(d.Body); q.MaxBytes > 0 && bytes >= q.MaxBytes {
			return errEnough
		}
		return nil
	}, text, args...)
	return deliveries, wrap("list deliveries", err)
}

// inboundState is what SaveInbound writes, as columns.
type inboundState struct {
	told, notes, problem   string
	processed              sql.NullInt64
	kind, module, awaitsID sql.NullString
}

func stateOf(d *carillon.Inbound) (s inboundState, err error) {
	s.processed = sql.NullInt64{Int64: toMillis(d.ProcessedAt), Valid: !d.ProcessedAt.IsZero()}
	if d.Awaits.ID != "" {
		s.kind = sql.NullString{String: string(d.Awaits.Kind), Valid: true}
		s.module = sql.NullString{String: d.Awaits.Module, Valid: true}
		s.awaitsID = sql.NullString{String: d.Awaits.ID, Valid: true}
	}
	text := func(v any, none bool) string {
		if none || err != nil {
			return ""
		}
		var b []byte
		b, err = json.Marshal(v)
		return string(b)
	}
	s.told, s.notes, s.problem = text(d.Told, d.Told == nil), text(d.Notes, d.Notes == nil), text(d.Problem, d.Problem == nil)
	return s, wrap("encode delivery "+d.ID, err)
}

// AddInbound stores a new delivery and sets its position.
func (t *tx) AddInbound(ctx context.Context, d *carillon.Inbound) error {
	_, ok, err := first(ctx, t, scanOne[int64], `SELECT 1 FROM connections WHERE org = $1 AND id = $2`, d.Org, d.Connection)
	if err != nil {
		return wrap("find connection "+d.Connection, err)
	}
	if !ok {
		return carillon.NotFound("connection", d.Connection)
	}
	s, err := stateOf(d)
	if err != nil {
		return err
	}
	header := ""
	if len(d.Header) > 0 {
		b, err := json.Marshal(d.Header)
		if err != nil {
			return fmt.Errorf("encode delivery %s: %w", d.ID, err)
		}
		header = string(b)
	}
	body := d.Body
	if body == nil {
		body = []byte{}
	}
	_, err = t.exec(ctx, `INSERT INTO inbox (org, id, connection, state, received_at, processed_at, content_type, header, attempts, told,
			notes, problem, awaits_kind, awaits_module, awaits_id, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		d.Org, d.ID, d.Connection, string(d.State), toMillis(d.ReceivedAt), s.processed, d.ContentType, header, d.Attempts,
		s.told, s.notes, s.problem, s.kind, s.module, s.awaitsID, body)
	if err != nil {
		return wrap("store delivery "+d.ID, err)
	}
	d.Position, _, err = first(ctx, t, scanOne[int64], `SELECT position FROM inbox WHERE org = $1 AND id = $2`, d.Org, d.ID)
	return wrap("store delivery "+d.ID, err)
}

// SaveInbound writes what became of a delivery.
func (t *tx) SaveInbound(ctx context.Context, d *carillon.Inbound) error {
	s, err := stateOf(d)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE inbox SET state = $3, processed_at = $4, attempts = $5, told = $6, notes = $7, problem = $8,
			awaits_kind = $9, awaits_module = $10, awaits_id = $11
		WHERE org = $1 AND id = $2`,
		d.Org, d.ID, string(d.State), s.processed, d.Attempts, s.told, s.notes, s.problem, s.kind, s.module, s.awaitsID)
	return wrap("save delivery "+d.ID, err)
}
