package sqlstore

import (
	"context"
	"fmt"
	"time"

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

// Prune removes what has outlived its time.
func (t *tx) Prune(ctx context.Context, remembered, attempts time.Time) error {
	if _, err := t.exec(ctx, `DELETE FROM remembered WHERE created_at < $1`, toMillis(remembered)); err != nil {
		return fmt.Errorf("prune remembered results: %w", err)
	}
	if _, err := t.exec(ctx, `DELETE FROM attempts WHERE at < $1`, attempts.UnixNano()); err != nil {
		return fmt.Errorf("prune attempts: %w", err)
	}
	return nil
}
