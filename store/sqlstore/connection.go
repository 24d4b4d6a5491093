package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"carillon"
)

// A connection is kept whole as sealed JSON, as a subscription is: it holds the secrets that prove a vendor's requests.

func connectionPlace(org, id string) []byte { return []byte("connection\x00" + org + "\x00" + id) }

func (r *reader) scanConnection(row row) (*carillon.Connection, error) {
	var org, id string
	var sealed []byte
	if err := row.Scan(&org, &id, &sealed); err != nil {
		return nil, err
	}
	plain, err := r.sealer.Open(sealed, connectionPlace(org, id))
	if err != nil {
		return nil, fmt.Errorf("open connection %s: %w", id, err)
	}
	var c carillon.Connection
	if err := json.Unmarshal(plain, &c); err != nil {
		return nil, fmt.Errorf("decode connection %s: %w", id, err)
	}
	if string(c.Settings) == "null" {
		c.Settings = nil
	}
	return &c, nil
}

func (r *reader) connection(ctx context.Context, q querier, org, id string) (*carillon.Connection, error) {
	text, args := `SELECT org, id, sealed FROM connections WHERE id = $1`, []any{id}
	if org != "" {
		text, args = text+` AND org = $2`, append(args, org)
	}
	c, ok, err := first(ctx, q, r.scanConnection, text, args...)
	if err != nil {
		return nil, wrap("read connection "+id, err)
	}
	if !ok {
		return nil, carillon.NotFound("connection", id)
	}
	return c, nil
}

// Connection reads one connection, of whichever org if org is "".
func (r *reader) Connection(ctx context.Context, org, id string) (*carillon.Connection, error) {
	return r.connection(ctx, r.pool, org, id)
}

// Connections lists those of one org, or of all orgs.
func (r *reader) Connections(ctx context.Context, org string) ([]*carillon.Connection, error) {
	text, args := `SELECT org, id, sealed FROM connections ORDER BY org, id`, []any(nil)
	if org != "" {
		text, args = `SELECT org, id, sealed FROM connections WHERE org = $1 ORDER BY id`, []any{org}
	}
	connections, err := list(ctx, r.pool, r.scanConnection, text, args...)
	return connections, wrap("list connections", err)
}

// Connection reads one connection inside the transaction.
func (t *tx) Connection(ctx context.Context, org, id string) (*carillon.Connection, error) {
	return t.batch.store.connection(ctx, t, org, id)
}

// PutConnection inserts or replaces a connection.
func (t *tx) PutConnection(ctx context.Context, c *carillon.Connection) error {
	known, err := t.batch.store.connection(ctx, t, "", c.ID)
	if err == nil && known.Org != c.Org {
		return carillon.Conflict("the id " + c.ID + " is taken")
	}
	if err != nil && !carillon.IsNotFound(err) {
		return err
	}
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(c); err != nil {
		return fmt.Errorf("encode connection %s: %w", c.ID, err)
	}
	sealed, err := t.batch.store.sealer.Seal(plain.Bytes(), connectionPlace(c.Org, c.ID))
	if err != nil {
		return wrap("put connection "+c.ID, err)
	}
	_, err = t.exec(ctx, `INSERT INTO connections (org, id, sealed) VALUES ($1, $2, $3)
		ON CONFLICT (org, id) DO UPDATE SET sealed = excluded.sealed`, c.Org, c.ID, sealed)
	return wrap("put connection "+c.ID, err)
}

// DeleteConnection removes a connection with all that was kept for it.
func (t *tx) DeleteConnection(ctx context.Context, org, id string) error {
	n, err := t.exec(ctx, `DELETE FROM connections WHERE org = $1 AND id = $2`, org, id)
	if err != nil {
		return wrap("delete connection "+id, err)
	}
	if n == 0 {
		return carillon.NotFound("connection", id)
	}
	source := (&carillon.Connection{ID: id}).Source()
	for _, d := range []struct{ text, of string }{
		{`DELETE FROM inbox WHERE org = $1 AND connection = $2`, id},
		{`DELETE FROM heard WHERE org = $1 AND source = $2`, source},
		{`DELETE FROM remembered WHERE org = $1 AND scope = $2`, source},
	} {
		if _, err := t.exec(ctx, d.text, org, d.of); err != nil {
			return wrap("delete connection "+id, err)
		}
	}
	return nil
}
