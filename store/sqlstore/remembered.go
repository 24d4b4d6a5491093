package sqlstore

import (
	"context"
	"fmt"
	"time"

	"carillon"
	"carillon/store"
)

const rememberedColumns = `org, scope, key, fingerprint, result, created_at`

const selectRemembered = `SELECT ` + rememberedColumns + ` FROM remembered WHERE org = $1 AND scope = $2 AND key = $3`

func scanRemembered(r row) (*store.Remembered, error) {
	var m store.Remembered
	var fingerprint []byte
	var created int64
	if err := r.Scan(&m.Org, &m.Scope, &m.Key, &fingerprint, &m.Result, &created); err != nil {
		return nil, err
	}
	copy(m.Fingerprint[:], fingerprint)
	m.CreatedAt = fromMillis(created)
	return &m, nil
}

func insertRemembered(ctx context.Context, s *session, m *store.Remembered) error {
	result := m.Result
	if result == nil {
		result = []byte{}
	}
	_, err := s.exec(ctx, `INSERT INTO remembered (`+rememberedColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (org, scope, key) DO UPDATE SET fingerprint = excluded.fingerprint, result = excluded.result,
			created_at = excluded.created_at`,
		m.Org, m.Scope, m.Key, m.Fingerprint[:], result, toMillis(m.CreatedAt))
	return wrap("remember result", err)
}

// Heard reads the newest that sources have said of records.
func (t *tx) Heard(ctx context.Context, keys []store.HeardKey) (map[store.HeardKey]carillon.HeardAt, error) {
	found := make(map[store.HeardKey]carillon.HeardAt, len(keys))
	for _, key := range keys {
		heard, ok, err := first(ctx, t, scanHeard, `SELECT at, op FROM heard
			WHERE org = $1 AND source = $2 AND kind = $3 AND module = $4 AND id = $5`,
			key.Org, key.Source, string(key.Kind), key.Module, key.ID)
		if err != nil {
			return nil, fmt.Errorf("read what was heard of %s: %w", key.Ref, err)
		}
		if ok {
			found[key] = heard
		}
	}
	return found, nil
}

func scanHeard(r row) (carillon.HeardAt, error) {
	var h carillon.HeardAt
	var at int64
	err := r.Scan(&at, (*string)(&h.Op))
	h.At = fromMillis(at)
	return h, err
}

// PutHeard keeps the newest that sources have said of records.
func (t *tx) PutHeard(ctx context.Context, heard []*carillon.Heard) error {
	for _, h := range heard {
		_, err := t.exec(ctx, `INSERT INTO heard (org, source, kind, module, id, at, op) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (org, source, kind, module, id) DO UPDATE SET at = excluded.at, op = excluded.op`,
			h.Org, h.Source, string(h.Kind), h.Module, h.ID, toMillis(h.At), string(h.Op))
		if err != nil {
			return fmt.Errorf("keep what was heard of %s: %w", h.Ref, err)
		}
	}
	return nil
}

// Prune removes what has outlived its time, most of each sort.
func (t *tx) Prune(ctx context.Context, e store.Expiry, most int) (more bool, err error) {
	for _, sort := range []struct {
		what, text string
		before     int64
	}{
		{
			"remembered results", `DELETE FROM remembered WHERE (org, scope, key) IN
				(SELECT org, scope, key FROM remembered WHERE created_at < $1 LIMIT $2)`, toMillis(e.Remembered),
		},
		{
			"attempts", `DELETE FROM attempts WHERE (org, subscription, at) IN
				(SELECT org, subscription, at FROM attempts WHERE at < $1 LIMIT $2)`, toNanos(e.Attempts),
		},
		{
			"deliveries", `DELETE FROM inbox WHERE position IN
				(SELECT position FROM inbox WHERE received_at < $1 AND state IN ('applied', 'duplicate') LIMIT $2)`, toMillis(e.Inbox),
		},
		{
			"invocations", `DELETE FROM app_invocations WHERE position IN
				(SELECT position FROM app_invocations WHERE at < $1 LIMIT $2)`, toMillis(e.Invocations),
		},
		{
			"values of apps", `DELETE FROM app_values WHERE (org, app, key) IN
				(SELECT org, app, key FROM app_values WHERE expires_at < $1 LIMIT $2)`, toMillis(e.AppValues),
		},
	} {
		n, err := t.exec(ctx, sort.text, sort.before, most)
		if err != nil {
			return false, fmt.Errorf("prune %s: %w", sort.what, err)
		}
		more = more || n == int64(most)
	}
	return more, nil
}

// toNanos is t.UnixNano, which does not reach back to the zero time.
func toNanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
