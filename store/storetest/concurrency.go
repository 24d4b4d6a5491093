package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"carillon"
	"carillon/store"
)

func (s *suite) concurrency(t *testing.T) {
	s.test(t, "updates at once share what they can and fail alone", func(t *testing.T, s store.Store) {
		const writers, rounds = 16, 12
		var wg sync.WaitGroup
		var kept atomic.Int64
		for writer := range writers {
			wg.Go(func() {
				for round := range rounds {
					org := fmt.Sprintf("org%d", writer%3)
					id := fmt.Sprintf("%d-%d", writer, round)
					fails := (writer+round)%3 == 0
					err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
						if _, err := apply(ctx, tx, wish{
							org: org, ref: account(id), data: `{"id":"x"}`,
							references: []store.Reference{{Member: "parentId", Kind: carillon.KindAccount, ID: "root"}},
						}); err != nil {
							return err
						}
						switch round % 4 {
						case 0: // what needs no answer from the engine
						case 1: // a write beside records and log
							if err := tx.PutKey(ctx, &carillon.Key{Org: org, ID: id, Hash: [32]byte{byte(writer), byte(round)}}); err != nil {
								return err
							}
						case 2: // a read that depends on what was written
							if _, err := tx.Referrers(ctx, org, carillon.KindAccount, "root", 0); err != nil {
								return err
							}
						case 3:
							if err := tx.Remember(ctx, []*store.Remembered{{Org: org, Scope: "api", Key: id, CreatedAt: timeOf(1)}}); err != nil {
								return err
							}
						}
						if fails && round%2 == 0 {
							panic(errRefused)
						}
						if fails {
							return errRefused
						}
						return nil
					})
					if (err != nil) != fails {
						t.Errorf("update %s gave %v", id, err)
					}
					if err == nil {
						kept.Add(1)
					}
					_, readErr := s.Record(t.Context(), org, account(id))
					if carillon.IsNotFound(readErr) != fails {
						t.Errorf("after update %s gave %v its record reads as %v", id, err, readErr)
					}
				}
			})
		}
		wg.Wait()
		var changes, keys, referrers int
		for org, head := range must(s.Heads(t.Context()))(t) {
			log := must(s.Changes(t.Context(), org, store.LogQuery{Limit: 1 << 20}))(t)
			if len(log) != int(head) {
				t.Errorf("org %s has %d changes and its head is %d", org, len(log), head)
			}
			for i, c := range log {
				if c.Seq != int64(i+1) || c.Number != int64(i+1) {
					t.Errorf("org %s: change %d of %d has seq %d, number %d", org, i+1, head, c.Seq, c.Number)
				}
			}
			changes += len(log)
			keys += len(must(s.Keys(t.Context(), org))(t))
			update(t, s, func(ctx context.Context, tx store.Tx) error {
				list, err := tx.Referrers(ctx, org, carillon.KindAccount, "root", 0)
				referrers += len(list)
				return err
			})
		}
		wantEqual(t, "changes", changes, int(kept.Load()))
		wantEqual(t, "referrers", referrers, int(kept.Load()))
		wantKeys := 0
		for writer := range writers {
			for round := 1; round < rounds; round += 4 {
				if (writer+round)%3 != 0 {
					wantKeys++
				}
			}
		}
		wantEqual(t, "keys", keys, wantKeys)
	})

	s.test(t, "no update of a record is lost", func(t *testing.T, s store.Store) {
		const writers, rounds = 8, 15
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for range rounds {
					err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
						key := store.RecordKey{Org: "one", Ref: account("a")}
						if _, err := tx.Lock(ctx, []string{"one"}); err != nil {
							return err
						}
						found, err := tx.Records(ctx, []store.RecordKey{key})
						if err != nil {
							return err
						}
						n := 0
						if r := found[key]; r != nil {
							if _, err := fmt.Sscanf(string(r.Data), `{"id":"a","n":%d}`, &n); err != nil {
								return err
							}
							r.Data[0] = 'x' // what is handed out belongs to who asked
						}
						_, err = apply(ctx, tx, wish{org: "one", ref: account("a"), data: fmt.Sprintf(`{"id":"a","n":%d}`, n+1)})
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		r := must(s.Record(t.Context(), "one", account("a")))(t)
		wantEqual(t, "data", string(r.Data), fmt.Sprintf(`{"id":"a","n":%d}`, writers*rounds))
		wantEqual(t, "version", r.Version, int64(writers*rounds))
		log := must(s.Changes(t.Context(), "one", store.LogQuery{Limit: 1 << 20}))(t)
		for i := 1; i < len(log); i++ {
			if string(log[i].Before) != string(log[i-1].After) {
				t.Fatalf("change %d begins with %s, the one before ends with %s", log[i].Seq, log[i].Before, log[i-1].After)
			}
		}
	})

	s.test(t, "who follows the log misses nothing while many write", func(t *testing.T, s store.Store) {
		const writers, rounds, followers = 8, 25, 3
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var writing, following sync.WaitGroup
		for writer := range writers {
			writing.Go(func() {
				for round := range rounds {
					wishes := make([]wish, 1+round%3)
					for i := range wishes {
						wishes[i] = wish{org: "one", ref: account(fmt.Sprintf("%d-%d", writer, i)), lane: fmt.Sprint(writer), data: document("x", round)}
					}
					var last int64
					err := s.Update(ctx, func(ctx context.Context, tx store.Tx) error {
						changes, err := apply(ctx, tx, wishes...)
						if err != nil {
							return err
						}
						last = changes[len(changes)-1].Seq
						if round%5 == 4 {
							return errRefused
						}
						return nil
					})
					if err != nil && !errors.Is(err, errRefused) {
						t.Error(err)
						return
					}
					if err != nil {
						continue
					}
					// What an update that returned has written is there for every read that begins now.
					if head, err := s.Head(ctx, "one"); err != nil || head < last {
						t.Errorf("after change %d was committed the head is %d, %v", last, head, err)
					}
				}
			})
		}
		stop := make(chan int64)
		for follower := range followers {
			following.Go(func() {
				nudges, done := s.Watch()
				defer done()
				var cursor, end int64 = 0, -1
				for end < 0 || cursor < end {
					page, err := s.Changes(ctx, "one", store.LogQuery{After: cursor, Limit: 1 + follower*7})
					if err != nil {
						t.Error(err)
						return
					}
					for _, c := range page {
						if c.Seq != cursor+1 {
							t.Errorf("change %d follows %d", c.Seq, cursor)
							return
						}
						cursor = c.Seq
					}
					if len(page) > 0 {
						continue
					}
					if end >= 0 && cursor < end {
						t.Errorf("nothing after change %d, but the head is %d", cursor, end)
						return
					}
					if end < 0 {
						select {
						case <-nudges:
						case end = <-stop:
						}
					}
				}
			})
		}
		writing.Wait()
		head := must(s.Head(t.Context(), "one"))(t)
		for range followers {
			select {
			case stop <- head:
			case <-t.Context().Done():
			}
		}
		following.Wait()
	})

	s.test(t, "a nudge comes for every change, sooner or later", func(t *testing.T, s store.Store) {
		nudges, stop := s.Watch()
		defer stop()
		for i := range 20 {
			write(t, s, wish{org: "one", ref: account("a"), data: document("a", i)})
			<-nudges // what was missed would block here for ever
		}
	})

	s.test(t, "orgs do not share heads", func(t *testing.T, s store.Store) {
		const orgs, rounds = 6, 10
		var wg sync.WaitGroup
		for org := range orgs {
			wg.Go(func() {
				for round := range rounds {
					err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
						changes, err := apply(ctx, tx, wish{org: fmt.Sprint(org), ref: account(fmt.Sprint(round)), data: `{"id":"x"}`})
						if err == nil && changes[0].Seq != int64(round+1) {
							t.Errorf("org %d: write %d got seq %d", org, round+1, changes[0].Seq)
						}
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	})
}

func (s *suite) durability(t *testing.T) {
	if s.crash == nil {
		t.Skip("the engine gives no way to crash it")
	}
	s.test(t, "what was acknowledged survives a crash, and nothing else", func(t *testing.T, st store.Store) {
		const writers, rounds = 8, 10
		var wg sync.WaitGroup
		for writer := range writers {
			wg.Go(func() {
				for round := range rounds {
					err := st.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
						_, err := apply(ctx, tx,
							wish{org: "one", ref: account(fmt.Sprintf("%d-%d", writer, round)), data: document("x", round)},
							wish{org: "one", ref: account("shared"), data: document("shared", round)})
						if err == nil && round%4 == 3 {
							return errRefused
						}
						return err
					})
					if (err != nil) != (round%4 == 3) {
						t.Errorf("update gave %v", err)
					}
				}
			})
		}
		wg.Wait()
		update(t, st, func(ctx context.Context, tx store.Tx) error {
			return tx.PutSubscription(ctx, subscription("one", "sub_1"))
		})
		want := must(st.Changes(t.Context(), "one", store.LogQuery{Limit: 1 << 20}))(t)

		again := s.crash(t, st)
		wantEqual(t, "log", must(again.Changes(t.Context(), "one", store.LogQuery{Limit: 1 << 20}))(t), want)
		m := newModel("one")
		m.apply(want)
		got, err := snapshotOf(t.Context(), again, "one", m.head(), 100)
		if err != nil {
			t.Fatal(err)
		}
		compareRecords(t, "records", got, m.asOf(m.head()))
		wantEqual(t, "subscription", must(again.Subscription(t.Context(), "one", "sub_1"))(t), subscription("one", "sub_1"))
		c := write(t, again, wish{org: "one", ref: account("after"), data: `{"id":"after"}`})[0]
		wantEqual(t, "next seq", c.Seq, m.head()+1)
	})
}
