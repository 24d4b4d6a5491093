package storetest

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"carillon"
	"carillon/store"
)

func (s *suite) update(t *testing.T) {
	s.test(t, "what a failed update wrote is gone, all of it", func(t *testing.T, s store.Store) {
		write(t, s, wish{org: "one", ref: account("a"), data: `{"id":"a"}`})
		sub := subscription("one", "sub_1")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutSubscription(ctx, sub) })
		refuse(t, s, func(ctx context.Context, tx store.Tx) error {
			_, err := apply(ctx, tx,
				wish{org: "one", ref: account("a")},
				wish{org: "one", ref: account("b"), data: `{"id":"b"}`, references: []store.Reference{{Member: "parentId", Kind: carillon.KindAccount, ID: "a"}}},
				wish{org: "two", ref: account("c"), data: `{"id":"c"}`})
			return errors.Join(err,
				tx.Remember(ctx, []*store.Remembered{{Org: "one", Scope: "api", Key: "k", CreatedAt: timeOf(1)}}),
				tx.PutSubscription(ctx, subscription("one", "sub_2")),
				tx.DeleteSubscription(ctx, "one", "sub_1"),
				tx.PutKey(ctx, &carillon.Key{Org: "one", ID: "key_1", Hash: [32]byte{1}}),
				tx.PutCustomField(ctx, &carillon.CustomField{Org: "one", Kind: carillon.KindAccount, UID: "tier"}),
				tx.PutValueList(ctx, &carillon.ValueList{Org: "one", Name: "account_status", Values: []string{"x"}}))
		})
		wantEqual(t, "heads", must(s.Heads(t.Context()))(t), map[string]int64{"one": 1})
		wantEqual(t, "log", seqs(must(s.Changes(t.Context(), "one", store.LogQuery{Limit: 9}))(t)), []int64{1})
		wantEqual(t, "records", must(s.CountRecords(t.Context(), "one"))(t), map[carillon.Kind]int64{carillon.KindAccount: 1})
		wantEqual(t, "records of two", must(s.CountRecords(t.Context(), "two"))(t), map[carillon.Kind]int64{})
		wantEqual(t, "subscriptions", must(s.Subscriptions(t.Context(), ""))(t), []*carillon.Subscription{sub})
		wantEqual(t, "keys", len(must(s.Keys(t.Context(), "one"))(t)), 0)
		wantEqual(t, "custom fields", len(must(s.CustomFields(t.Context(), "one", carillon.KindAccount))(t)), 0)
		wantEqual(t, "value lists", len(must(s.ValueLists(t.Context(), "one"))(t)), 0)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			remembered, err := tx.Remembered(ctx, []store.RememberedKey{{Org: "one", Scope: "api", Key: "k"}})
			wantEqual(t, "remembered", len(remembered), 0)
			return err
		})
		// The numbers that the failed update took are free again.
		c := write(t, s, wish{org: "one", ref: account("b"), data: `{"id":"b"}`})[0]
		wantEqual(t, "next seq and number", []int64{c.Seq, c.Number}, []int64{2, 2})
	})

	s.test(t, "readers see nothing of an update before it is committed", func(t *testing.T, s store.Store) {
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			if _, err := apply(ctx, tx, wish{org: "one", ref: account("a"), data: `{"id":"a"}`}); err != nil {
				return err
			}
			_, err := s.Record(ctx, "one", account("a"))
			wantCode(t, "record", err, carillon.CodeNotFound)
			head, err := s.Head(ctx, "one")
			wantEqual(t, "head", head, int64(0))
			return err
		})
		must(s.Record(t.Context(), "one", account("a")))(t)
	})

	s.test(t, "several orgs are written in one update", func(t *testing.T, s store.Store) {
		write(t, s,
			wish{org: "one", ref: account("a"), data: `{"id":"a"}`},
			wish{org: "two", ref: account("a"), data: `{"id":"a","org":2}`},
			wish{org: "one", ref: account("b"), data: `{"id":"b"}`})
		wantEqual(t, "heads", must(s.Heads(t.Context()))(t), map[string]int64{"one": 2, "two": 1})
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			heads, err := tx.Lock(ctx, []string{"one", "two", "three"})
			wantEqual(t, "locked heads", heads, map[string]store.Head{"one": {Seq: 2, Number: 2}, "two": {Seq: 1, Number: 1}, "three": {}})
			return err
		})
	})

	s.test(t, "a panic fails its own update only", func(t *testing.T, s store.Store) {
		err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
			if _, err := apply(ctx, tx, wish{org: "one", ref: account("a"), data: `{"id":"a"}`}); err != nil {
				return err
			}
			panic("the bell fell down")
		})
		if err == nil || !strings.Contains(err.Error(), "the bell fell down") {
			t.Errorf("error %v does not tell the panic", err)
		}
		wantCode(t, "the panic", err, carillon.CodeInternal)
		write(t, s, wish{org: "one", ref: account("b"), data: `{"id":"b"}`})
		wantEqual(t, "log", seqs(must(s.Changes(t.Context(), "one", store.LogQuery{Limit: 9}))(t)), []int64{1})
	})

	s.test(t, "an update that ends its goroutine fails and leaves the store in order", func(t *testing.T, s store.Store) {
		done := make(chan error, 1)
		go func() {
			defer func() { done <- nil }() // where the engine runs fn on this goroutine
			done <- s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
				if _, err := apply(ctx, tx, wish{org: "one", ref: account("a"), data: `{"id":"a"}`}); err != nil {
					return err
				}
				runtime.Goexit() // as t.FailNow does
				return nil
			})
		}()
		<-done
		write(t, s, wish{org: "one", ref: account("b"), data: `{"id":"b"}`})
		wantEqual(t, "records", must(s.CountRecords(t.Context(), "one"))(t), map[carillon.Kind]int64{carillon.KindAccount: 1})
	})

	s.test(t, "a transaction that was kept is of no use", func(t *testing.T, s store.Store) {
		var kept store.Tx
		update(t, s, func(_ context.Context, tx store.Tx) error {
			kept = tx
			return nil
		})
		ctx := t.Context()
		_, err := apply(ctx, kept, wish{org: "one", ref: account("a"), data: `{"id":"a"}`})
		if err == nil {
			t.Error("it took a record")
		}
		if err := kept.PutKey(ctx, &carillon.Key{Org: "one", ID: "k"}); err == nil {
			t.Error("it took a key")
		}
		if _, err := kept.Subscription(ctx, "one", "s"); err == nil || carillon.IsNotFound(err) {
			t.Errorf("it answered a read with %v", err)
		}
	})

	s.test(t, "an update that its caller gave up before is not run", func(t *testing.T, s store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := s.Update(ctx, func(ctx context.Context, tx store.Tx) error {
			_, err := apply(ctx, tx, wish{org: "one", ref: account("a"), data: `{"id":"a"}`})
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		wantEqual(t, "head", must(s.Head(t.Context(), "one"))(t), int64(0))
	})

	s.test(t, "an update that runs is carried through though its caller gives up", func(t *testing.T, s store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := s.Update(ctx, func(inner context.Context, tx store.Tx) error {
			cancel()
			if err := inner.Err(); err != nil {
				t.Errorf("the function's ctx has ended: %v", err)
			}
			_, err := apply(ctx, tx, wish{org: "one", ref: account("a"), data: `{"id":"a"}`}) // even with the caller's ctx
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "head", must(s.Head(t.Context(), "one"))(t), int64(1))
	})

	s.test(t, "watchers are nudged after changes can be read", func(t *testing.T, s store.Store) {
		nudges, stop := s.Watch()
		other, stopOther := s.Watch()
		defer stopOther()
		write(t, s, wish{org: "one", ref: account("a"), data: `{"id":"a"}`})
		<-nudges
		wantEqual(t, "head", must(s.Head(t.Context(), "one"))(t), int64(1))
		// Nudges that nobody takes up hold up nobody.
		for range 5 {
			write(t, s, wish{org: "two", ref: account("a"), data: document("a", 1)})
		}
		<-nudges
		<-other
		stop()
		stop()
		write(t, s, wish{org: "one", ref: account("b"), data: `{"id":"b"}`})
		<-other
	})

	s.test(t, "a closed store refuses with unavailable", func(t *testing.T, s store.Store) {
		write(t, s, wish{org: "one", ref: account("a"), data: `{"id":"a"}`})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		err := s.Update(t.Context(), func(context.Context, store.Tx) error { return nil })
		wantCode(t, "update", err, carillon.CodeUnavailable)
		_, err = s.Record(t.Context(), "one", account("a"))
		wantCode(t, "record", err, carillon.CodeUnavailable)
		_, err = s.Snapshot(t.Context(), "one", 1, carillon.Ref{}, 1)
		wantCode(t, "snapshot", err, carillon.CodeUnavailable)
		if err := s.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
	})

	s.test(t, "the archive's size grows with what it holds", func(t *testing.T, s store.Store) {
		before := must(s.Size(t.Context()))(t)
		for i := range 10 {
			write(t, s, wish{org: "one", ref: account(strings.Repeat("a", i+1)), data: `{"x":"` + strings.Repeat("0123456789", 10_000) + `"}`})
		}
		if after := must(s.Size(t.Context()))(t); after < before+500_000 {
			t.Errorf("size went from %d to %d with a megabyte of records", before, after)
		}
	})
}
