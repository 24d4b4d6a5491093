package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"carillon"
	"carillon/store"
)

func (s *suite) deliveries(t *testing.T) {
	// with runs one fact against a store that has subscriptions sub_1 of the orgs one and two.
	with := func(fact string, fn func(t *testing.T, s store.Store)) {
		s.test(t, fact, func(t *testing.T, s store.Store) {
			update(t, s, func(ctx context.Context, tx store.Tx) error {
				if err := tx.PutSubscription(ctx, subscription("two", "sub_1")); err != nil {
					return err
				}
				return tx.PutSubscription(ctx, subscription("one", "sub_1"))
			})
			fn(t, s)
		})
	}

	with("progress reads back as it was saved", func(t *testing.T, s store.Store) {
		_, err := s.Progress(t.Context(), "one", "sub_1")
		wantCode(t, "before the first checkpoint", err, carillon.CodeNotFound)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.SaveProgress(ctx, &carillon.Progress{Org: "two", Subscription: "sub_1", Cursor: 99})
		})
		rapid.Check(t, func(rt *rapid.T) {
			want := drawProgress(rt)
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveProgress(ctx, want) })
			got, err := s.Progress(t.Context(), "one", "sub_1")
			if err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("progress (-want +got):\n%s", diff)
			}
		})
		wantEqual(t, "cursor of another", must(s.Progress(t.Context(), "two", "sub_1"))(t).Cursor, int64(99))
	})

	with("progress whose positions do not ascend is refused", func(t *testing.T, s store.Store) {
		for name, settled := range map[string][]carillon.Position{
			"below the cursor": {{Seq: 4}},
			"descending":       {{Seq: 9}, {Seq: 8}},
		} {
			err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
				return tx.SaveProgress(ctx, &carillon.Progress{Org: "one", Subscription: "sub_1", Cursor: 5, Settled: settled})
			})
			if err == nil {
				t.Errorf("%s: it was taken", name)
			}
		}
	})

	with("parked lanes are put, replaced and released", func(t *testing.T, s store.Store) {
		lane := func(org, name string, attempts int) *carillon.ParkedLane {
			l := &carillon.ParkedLane{
				Org: org, Subscription: "sub_1", Lane: name, First: carillon.Position{Seq: 1 << 40, Index: 3}, Attempts: attempts,
				NextAt: timeOf(5), Blocked: true, LastError: "503\nbusy", ParkedAt: timeOf(4),
			}
			if attempts > 1 {
				l.Batch = []carillon.BatchMember{{Lane: name, Position: l.First}, {Lane: "other", Position: carillon.Position{Seq: 7}}}
			}
			return l
		}
		put := func(lanes ...*carillon.ParkedLane) {
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutParkedLanes(ctx, lanes) })
		}
		put(lane("one", "b", 1), lane("one", "a", 1), lane("two", "a", 7))
		put(lane("one", "a", 2))
		wantEqual(t, "lanes", must(s.ParkedLanes(t.Context(), "one", "sub_1"))(t), []*carillon.ParkedLane{lane("one", "a", 2), lane("one", "b", 1)})
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.DeleteParkedLanes(ctx, "one", "sub_1", []string{"a", "never parked"})
		})
		wantEqual(t, "lanes left", must(s.ParkedLanes(t.Context(), "one", "sub_1"))(t), []*carillon.ParkedLane{lane("one", "b", 1)})
		wantEqual(t, "lanes of another", must(s.ParkedLanes(t.Context(), "two", "sub_1"))(t), []*carillon.ParkedLane{lane("two", "a", 7)})
	})

	with("dead letters are paged newest first", func(t *testing.T, s store.Store) {
		const count = 7
		var want []*carillon.DeadLetter
		for i := range count {
			// Two share a time each.
			d := &carillon.DeadLetter{
				ID: fmt.Sprintf("dl_%d", i), Org: "one", Subscription: "sub_1", Lane: "a", Position: carillon.Position{Seq: int64(i), Index: 2},
				EventID: "e", EventType: "account:created", Attempts: 10, LastStatus: 500, LastError: "500", CreatedAt: timeOf(int64(i / 2)),
			}
			want = append([]*carillon.DeadLetter{d}, want...)
			update(t, s, func(ctx context.Context, tx store.Tx) error {
				other := *d
				other.Org = "two"
				return tx.PutDeadLetters(ctx, []*carillon.DeadLetter{d, &other})
			})
		}
		for limit := 1; limit <= count+1; limit++ {
			var got []*carillon.DeadLetter
			for after := ""; ; {
				page := must(s.DeadLetters(t.Context(), "one", "sub_1", after, limit))(t)
				got = append(got, page...)
				if len(page) < limit {
					break
				}
				after = page[len(page)-1].ID
			}
			wantEqual(t, fmt.Sprintf("pages of %d", limit), got, want)
		}
		wantEqual(t, "count", must(s.CountDeadLetters(t.Context(), "one", "sub_1"))(t), count)
		wantEqual(t, "one", must(s.DeadLetter(t.Context(), "one", "sub_1", "dl_3"))(t), want[count-1-3])

		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.DeleteDeadLetters(ctx, "one", "sub_1", []string{"dl_3", "dl_5", "never"})
		})
		_, err := s.DeadLetter(t.Context(), "one", "sub_1", "dl_3")
		wantCode(t, "deleted", err, carillon.CodeNotFound)
		wantEqual(t, "count after deletions", must(s.CountDeadLetters(t.Context(), "one", "sub_1"))(t), count-2)
		wantEqual(t, "count of another", must(s.CountDeadLetters(t.Context(), "two", "sub_1"))(t), count)
		// Paging goes on though the last one seen was replayed meanwhile.
		wantEqual(t, "behind a deleted one", must(s.DeadLetters(t.Context(), "one", "sub_1", "dl_3", 2))(t), want[count-1-2:count-1-2+2])
	})

	with("attempts are paged by time, newest first, and none is lost", func(t *testing.T, s store.Store) {
		var all []*carillon.Attempt
		for i := range 9 {
			all = append(all, &carillon.Attempt{
				Org: "one", Subscription: "sub_1", EventID: fmt.Sprint("e", i), EventType: "account:created", Seq: int64(i), Lane: "a",
				Number: i + 1, At: timeOf(int64(i / 3)), Duration: 1234567 * time.Nanosecond, Outcome: carillon.OutcomeRetry, Status: 503,
				Error: "busy", Response: strings.Repeat("ä", 500),
			})
		}
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			other := *all[0]
			other.Org = "two"
			return tx.AddAttempts(ctx, append([]*carillon.Attempt{&other}, all[:5]...))
		})
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.AddAttempts(ctx, all[5:]) })
		for limit := 1; limit <= len(all)+1; limit++ {
			seen := make(map[string]int)
			var before time.Time
			for {
				page := must(s.Attempts(t.Context(), "one", "sub_1", before, limit))(t)
				for _, a := range page {
					if !before.IsZero() && !a.At.Before(before) {
						t.Fatalf("attempt at %v follows one at %v", a.At, before)
					}
					before = a.At
					seen[a.EventID]++
					want := *all[a.Number-1]
					want.At = want.At.Truncate(time.Millisecond)
					got := *a
					got.At = got.At.Truncate(time.Millisecond)
					wantEqual(t, "attempt", got, want)
				}
				if len(page) < limit {
					break
				}
			}
			if len(seen) != len(all) {
				t.Errorf("pages of %d show %d attempts of %d", limit, len(seen), len(all))
			}
		}
	})

	with("recent deliveries are replaced as a whole", func(t *testing.T, s store.Store) {
		wantEqual(t, "at first", len(must(s.RecentDeliveries(t.Context(), "one", "sub_1"))(t)), 0)
		for _, n := range []int{5, 2, 0} {
			want := make([]*carillon.Attempt, n)
			for i := range want {
				want[i] = &carillon.Attempt{
					Org: "one", Subscription: "sub_1", EventID: fmt.Sprint("e", n, i), EventType: "account:created", Seq: int64(n), Lane: "a",
					Number: 1, At: timeOf(int64(10 - i)), Duration: time.Millisecond, Outcome: carillon.OutcomeDelivered, Status: 204,
				}
			}
			update(t, s, func(ctx context.Context, tx store.Tx) error {
				return tx.SaveRecentDeliveries(ctx, "one", "sub_1", want)
			})
			wantEqual(t, fmt.Sprintf("%d saved", n), must(s.RecentDeliveries(t.Context(), "one", "sub_1"))(t), want)
		}
		wantEqual(t, "of another", len(must(s.RecentDeliveries(t.Context(), "two", "sub_1"))(t)), 0)
	})

	with("old attempts and results are pruned", func(t *testing.T, s store.Store) {
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			for i := range int64(6) {
				err := tx.AddAttempts(ctx, []*carillon.Attempt{{Org: "one", Subscription: "sub_1", EventID: "e", Number: int(i), At: timeOf(i)}})
				if err != nil {
					return err
				}
				err = tx.Remember(ctx, []*store.Remembered{{Org: "one", Scope: "api", Key: fmt.Sprint(i), CreatedAt: timeOf(i)}})
				if err != nil {
					return err
				}
			}
			return nil
		})
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return prune(ctx, tx, store.Expiry{Remembered: timeOf(4), Attempts: timeOf(2)})
		})
		var numbers []int
		for _, a := range must(s.Attempts(t.Context(), "one", "sub_1", time.Time{}, 10))(t) {
			numbers = append(numbers, a.Number)
		}
		wantEqual(t, "attempts left", numbers, []int{5, 4, 3, 2})
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			var keys []store.RememberedKey
			for i := range 6 {
				keys = append(keys, store.RememberedKey{Org: "one", Scope: "api", Key: fmt.Sprint(i)})
			}
			found, err := tx.Remembered(ctx, keys)
			for i, key := range keys {
				if _, ok := found[key]; ok != (i >= 4) {
					t.Errorf("result %d is there: %v", i, ok)
				}
			}
			return err
		})
	})
}

// prune prunes by ones.
func prune(ctx context.Context, tx store.Tx, e store.Expiry) error {
	for {
		if more, err := tx.Prune(ctx, e, 1); err != nil || !more {
			return err
		}
	}
}

func drawProgress(rt *rapid.T) *carillon.Progress {
	p := &carillon.Progress{
		Org: "one", Subscription: "sub_1",
		Cursor:      rapid.Int64Range(0, 1<<50).Draw(rt, "cursor"),
		Delivered:   rapid.Int64Min(0).Draw(rt, "delivered"),
		Failed:      rapid.Int64Min(0).Draw(rt, "failed"),
		CircuitOpen: rapid.Bool().Draw(rt, "open"),
		UpdatedAt:   timeOf(rapid.Int64Range(0, 1<<20).Draw(rt, "updated")),
	}
	at := p.Cursor
	for range rapid.IntRange(0, 20).Draw(rt, "settled") {
		at += rapid.Int64Range(1, 1<<30).Draw(rt, "step")
		p.Settled = append(p.Settled, carillon.Position{Seq: at, Index: rapid.IntRange(-1, 300).Draw(rt, "index")})
	}
	if rapid.Bool().Draw(rt, "snapshot") {
		p.Snapshot = &carillon.SnapshotProgress{AsOf: rapid.Int64Min(0).Draw(rt, "as of")}
		if rapid.Bool().Draw(rt, "begun") {
			p.Snapshot.After = rapid.SampledFrom(refsInUse).Draw(rt, "after")
		}
	}
	if rapid.Bool().Draw(rt, "replay") {
		p.Replay = &carillon.ReplayProgress{From: rapid.Int64().Draw(rt, "from"), To: rapid.Int64().Draw(rt, "to"), Resume: at}
	}
	return p
}
