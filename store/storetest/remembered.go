package storetest

import (
	"context"
	"testing"

	"carillon/store"
)

func (s *suite) remembered(t *testing.T) {
	key := func(m *store.Remembered) store.RememberedKey {
		return store.RememberedKey{Org: m.Org, Scope: m.Scope, Key: m.Key}
	}
	s.test(t, "a result is remembered under its org, scope and key", func(t *testing.T, s store.Store) {
		results := []*store.Remembered{
			{Org: "one", Scope: "api", Key: "k", Fingerprint: [32]byte{1, 2, 3, 31: 9}, Result: []byte("one\x00"), CreatedAt: timeOf(1)},
			{Org: "one", Scope: "connection:1", Key: "k", Result: []byte("two"), CreatedAt: timeOf(2)},
			{Org: "two", Scope: "api", Key: "k", Result: []byte("three"), CreatedAt: timeOf(3)},
		}
		keys := []store.RememberedKey{{Org: "one", Scope: "api", Key: "other"}}
		want := make(map[store.RememberedKey]*store.Remembered)
		for _, m := range results {
			keys = append(keys, key(m))
			want[key(m)] = m
		}
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			if err := tx.Remember(ctx, results); err != nil {
				return err
			}
			found, err := tx.Remembered(ctx, keys)
			wantEqual(t, "inside", found, want)
			return err
		})
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			found, err := tx.Remembered(ctx, keys)
			wantEqual(t, "afterwards", found, want)
			return err
		})
	})

	s.test(t, "a result without content is remembered", func(t *testing.T, s store.Store) {
		m := &store.Remembered{Org: "one", Scope: "api", Key: "k", CreatedAt: timeOf(1)}
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.Remember(ctx, []*store.Remembered{m}) })
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			found, err := tx.Remembered(ctx, []store.RememberedKey{key(m)})
			if found[key(m)] == nil || len(found[key(m)].Result) != 0 {
				t.Errorf("found %v", found)
			}
			return err
		})
	})
}
