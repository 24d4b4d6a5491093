package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"carillon"
)

// A subscription is kept whole as sealed JSON: its sink and signatures hold secrets.

// subscriptionPlace is what its sealed bytes are bound to: they open in no other row.
func subscriptionPlace(org, id string) []byte { return []byte("subscription\x00" + org + "\x00" + id) }

func (r *reader) seal(s *carillon.Subscription) ([]byte, error) {
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return nil, fmt.Errorf("encode subscription: %w", err)
	}
	return r.sealer.Seal(plain.Bytes(), subscriptionPlace(s.Org, s.ID))
}

func (r *reader) scanSubscription(row row) (*carillon.Subscription, error) {
	var org, id string
	var sealed []byte
	if err := row.Scan(&org, &id, &sealed); err != nil {
		return nil, err
	}
	plain, err := r.sealer.Open(sealed, subscriptionPlace(org, id))
	if err != nil {
		return nil, fmt.Errorf("open subscription %s: %w", id, err)
	}
	var s carillon.Subscription
	if err := json.Unmarshal(plain, &s); err != nil {
		return nil, fmt.Errorf("decode subscription %s: %w", id, err)
	}
	if string(s.Settings) == "null" {
		s.Settings = nil
	}
	return &s, nil
}

func (r *reader) subscription(ctx context.Context, q querier, org, id string) (*carillon.Subscription, error) {
	s, ok, err := first(ctx, q, r.scanSubscription, `SELECT org, id, sealed FROM subscriptions WHERE org = $1 AND id = $2`, org, id)
	if err != nil {
		return nil, wrap("read subscription "+id, err)
	}
	if !ok {
		return nil, carillon.NotFound("subscription", id)
	}
	return s, nil
}

// Subscription reads one subscription.
func (r *reader) Subscription(ctx context.Context, org, id string) (*carillon.Subscription, error) {
	return r.subscription(ctx, r.pool, org, id)
}

// Subscriptions lists those of one org, or of all orgs.
func (r *reader) Subscriptions(ctx context.Context, org string) ([]*carillon.Subscription, error) {
	const columns = `SELECT org, id, sealed FROM subscriptions`
	var subscriptions []*carillon.Subscription
	var err error
	if org == "" {
		subscriptions, err = list(ctx, r.pool, r.scanSubscription, columns+` ORDER BY org, id`)
	} else {
		subscriptions, err = list(ctx, r.pool, r.scanSubscription, columns+` WHERE org = $1 ORDER BY id`, org)
	}
	return subscriptions, wrap("list subscriptions", err)
}

// Subscription reads one subscription inside the transaction.
func (t *tx) Subscription(ctx context.Context, org, id string) (*carillon.Subscription, error) {
	return t.batch.store.subscription(ctx, t, org, id)
}

// PutSubscription inserts or replaces a subscription.
func (t *tx) PutSubscription(ctx context.Context, s *carillon.Subscription) error {
	sealed, err := t.batch.store.seal(s)
	if err != nil {
		return wrap("put subscription "+s.ID, err)
	}
	_, err = t.exec(ctx, `INSERT INTO subscriptions (org, id, name, sealed) VALUES ($1, $2, $3, $4)
		ON CONFLICT (org, id) DO UPDATE SET name = excluded.name, sealed = excluded.sealed`, s.Org, s.ID, s.Name, sealed)
	return wrap("put subscription "+s.ID, err)
}

// DeleteSubscription removes a subscription with all that was kept for it.
func (t *tx) DeleteSubscription(ctx context.Context, org, id string) error {
	n, err := t.exec(ctx, `DELETE FROM subscriptions WHERE org = $1 AND id = $2`, org, id)
	if err != nil {
		return wrap("delete subscription "+id, err)
	}
	if n == 0 {
		return carillon.NotFound("subscription", id)
	}
	for _, text := range []string{
		`DELETE FROM progress WHERE org = $1 AND subscription = $2`,
		`DELETE FROM parked_lanes WHERE org = $1 AND subscription = $2`,
		`DELETE FROM dead_letters WHERE org = $1 AND subscription = $2`,
		`DELETE FROM attempts WHERE org = $1 AND subscription = $2`,
		`DELETE FROM recent_deliveries WHERE org = $1 AND subscription = $2`,
	} {
		if _, err := t.exec(ctx, text, org, id); err != nil {
			return wrap("delete subscription "+id, err)
		}
	}
	return nil
}
