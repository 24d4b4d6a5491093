package storetest

import (
	"context"
	"testing"

	"carillon"
	"carillon/store"
)

func (s *suite) keys(t *testing.T) {
	key := func(org, id string, hash byte) *carillon.Key {
		return &carillon.Key{
			ID: id, Org: org, Name: "the " + id, Right: carillon.RightWrite, Hash: [32]byte{hash, 31: hash}, CreatedAt: timeOf(1),
			Actor: carillon.Actor{ID: "usr_1", Type: "AGENT", Email: "one@example.com"},
		}
	}
	put := func(t *testing.T, s store.Store, keys ...*carillon.Key) error {
		return s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
			for _, k := range keys {
				if err := tx.PutKey(ctx, k); err != nil {
					return err
				}
			}
			return nil
		})
	}

	s.test(t, "a key is found by its hash and listed by id", func(t *testing.T, s store.Store) {
		a, b, other := key("one", "key_a", 1), key("one", "key_b", 2), key("two", "key_a", 3)
		if err := put(t, s, b, a, other); err != nil {
			t.Fatal(err)
		}
		for _, want := range []*carillon.Key{a, b, other} {
			wantEqual(t, want.ID, must(s.KeyByHash(t.Context(), want.Hash))(t), want)
		}
		wantEqual(t, "keys of one", must(s.Keys(t.Context(), "one"))(t), []*carillon.Key{a, b})
		_, err := s.KeyByHash(t.Context(), [32]byte{9})
		wantCode(t, "a hash nobody has", err, carillon.CodeNotFound)
	})

	s.test(t, "a key is replaced under its id", func(t *testing.T, s store.Store) {
		if err := put(t, s, key("one", "key_a", 1)); err != nil {
			t.Fatal(err)
		}
		changed := key("one", "key_a", 2)
		changed.Right = carillon.RightAdmin
		if err := put(t, s, changed); err != nil {
			t.Fatal(err)
		}
		_, err := s.KeyByHash(t.Context(), key("one", "key_a", 1).Hash)
		wantCode(t, "the old hash", err, carillon.CodeNotFound)
		wantEqual(t, "the new hash", must(s.KeyByHash(t.Context(), changed.Hash))(t), changed)
	})

	s.test(t, "no two keys have one hash", func(t *testing.T, s store.Store) {
		if err := put(t, s, key("one", "key_a", 1)); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "in another org", put(t, s, key("two", "key_b", 1)), carillon.CodeConflict)
		wantEqual(t, "keys of two", len(must(s.Keys(t.Context(), "two"))(t)), 0)
	})

	s.test(t, "a key is deleted in its own org only", func(t *testing.T, s store.Store) {
		if err := put(t, s, key("one", "key_a", 1), key("two", "key_b", 2)); err != nil {
			t.Fatal(err)
		}
		remove := func(org, id string) error {
			return s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.DeleteKey(ctx, org, id) })
		}
		wantCode(t, "a foreign one", remove("two", "key_a"), carillon.CodeNotFound)
		if err := remove("one", "key_a"); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "again", remove("one", "key_a"), carillon.CodeNotFound)
		_, err := s.KeyByHash(t.Context(), key("one", "key_a", 1).Hash)
		wantCode(t, "its hash", err, carillon.CodeNotFound)
		must(s.KeyByHash(t.Context(), key("two", "key_b", 2).Hash))(t)
	})
}
