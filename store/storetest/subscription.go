package storetest

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/store"
)

// subscription is one with every member set.
func subscription(org, id string) *carillon.Subscription {
	return &carillon.Subscription{
		ID: id, Org: org, Name: "crm " + id, Dialect: "platform", Events: []string{"account:*", "task:created"},
		Filter: `payload.account.status == "<ACTIVE> & more"`,
		Sink: carillon.Sink{
			Type: carillon.SinkWebhook, URL: "https://example.com/hook?a=1&b=2", ContentType: "application/json",
			Auth: &carillon.Auth{Type: "basic", Username: "u", Password: "pass-" + id, Token: "t", Name: "n", Value: "v"},
		},
		Start: carillon.Start{Mode: carillon.StartSeq, Seq: 1 << 60}, Batch: carillon.Batch{Max: 100, Wait: 1500 * time.Millisecond},
		Settings:    json.RawMessage(`{"customParameters":{"a":"<&>"},"n":1e2}`),
		Concurrency: 7, RatePerSecond: 0.1, OnGiveUp: carillon.GiveUpBlock, Echo: true,
		Retry:   carillon.Retry{Schedule: []time.Duration{time.Nanosecond, 72 * time.Hour}},
		Secrets: []string{"whsec_" + id, "whsec_old"}, SecretExpiresAt: timeOf(9),
		Paused: true, Disabled: true, DisabledReason: "the endpoint is gone", CreatedAt: timeOf(1), UpdatedAt: timeOf(2),
	}
}

func (s *suite) subscriptions(t *testing.T) {
	put := func(t *testing.T, s store.Store, subscriptions ...*carillon.Subscription) {
		t.Helper()
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			for _, sub := range subscriptions {
				if err := tx.PutSubscription(ctx, sub); err != nil {
					return err
				}
			}
			return nil
		})
	}

	s.test(t, "a subscription reads back as it was put", func(t *testing.T, s store.Store) {
		for name, want := range map[string]*carillon.Subscription{
			"whole":   subscription("one", "sub_1"),
			"minimal": {ID: "sub_2", Org: "one", CreatedAt: timeOf(1), UpdatedAt: timeOf(1)},
			"hostile": {ID: "sub_3", Org: "one", Name: "'; DROP TABLE x; --\x00\u2028", Events: []string{strings.Repeat("*", 10_000)}},
		} {
			put(t, s, want)
			wantEqual(t, name, must(s.Subscription(t.Context(), "one", want.ID))(t), want)
			update(t, s, func(ctx context.Context, tx store.Tx) error {
				got, err := tx.Subscription(ctx, "one", want.ID)
				wantEqual(t, name+", inside", got, want)
				return err
			})
		}
	})

	s.test(t, "putting it again replaces it", func(t *testing.T, s store.Store) {
		put(t, s, subscription("one", "sub_1"))
		changed := subscription("one", "sub_1")
		changed.Name, changed.Secrets, changed.Sink.Auth = "other", nil, nil
		put(t, s, changed)
		wantEqual(t, "list", must(s.Subscriptions(t.Context(), "one"))(t), []*carillon.Subscription{changed})
	})

	s.test(t, "subscriptions are listed by id, of one org or of all", func(t *testing.T, s store.Store) {
		put(t, s, subscription("two", "a"), subscription("one", "b"), subscription("one", "a"))
		list := func(org string) []string {
			var names []string
			for _, sub := range must(s.Subscriptions(t.Context(), org))(t) {
				names = append(names, sub.Org+"/"+sub.ID)
			}
			return names
		}
		wantEqual(t, "one", list("one"), []string{"one/a", "one/b"})
		wantEqual(t, "two", list("two"), []string{"two/a"})
		wantEqual(t, "all", list(""), []string{"one/a", "one/b", "two/a"})
		wantEqual(t, "nobody", len(list("three")), 0)
	})

	s.test(t, "what is not there is not found", func(t *testing.T, s store.Store) {
		put(t, s, subscription("two", "sub_1"))
		_, err := s.Subscription(t.Context(), "one", "sub_1")
		wantCode(t, "read", err, carillon.CodeNotFound)
		err = s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
			_, err := tx.Subscription(ctx, "one", "sub_1")
			return err
		})
		wantCode(t, "read inside", err, carillon.CodeNotFound)
		err = s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.DeleteSubscription(ctx, "one", "sub_1") })
		wantCode(t, "delete", err, carillon.CodeNotFound)
		must(s.Subscription(t.Context(), "two", "sub_1"))(t)
	})

	s.test(t, "deleting it removes all that was kept for it, and nothing of another", func(t *testing.T, s store.Store) {
		put(t, s, subscription("one", "sub_1"), subscription("one", "sub_2"), subscription("two", "sub_1"))
		owners := [][2]string{{"one", "sub_1"}, {"one", "sub_2"}, {"two", "sub_1"}}
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			for _, o := range owners {
				if err := keepOfEach(ctx, tx, o[0], o[1]); err != nil {
					return err
				}
			}
			return nil
		})
		for _, o := range owners {
			wantEqual(t, "kept of "+o[0]+"/"+o[1], kept(t, s, o[0], o[1]), 5)
		}
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteSubscription(ctx, "one", "sub_1") })
		wantEqual(t, "kept of the deleted one", kept(t, s, "one", "sub_1"), 0)
		wantEqual(t, "kept of its neighbour", kept(t, s, "one", "sub_2"), 5)
		wantEqual(t, "kept of its namesake", kept(t, s, "two", "sub_1"), 5)

		// Its engine may still write a last checkpoint.
		update(t, s, func(ctx context.Context, tx store.Tx) error { return keepOfEach(ctx, tx, "one", "sub_1") })
		wantEqual(t, "kept after a late checkpoint", kept(t, s, "one", "sub_1"), 0)
		put(t, s, subscription("one", "sub_1"))
		wantEqual(t, "kept when made anew", kept(t, s, "one", "sub_1"), 0)
	})
}

// keepOfEach writes one of each thing that is kept for a subscription.
func keepOfEach(ctx context.Context, tx store.Tx, org, id string) error {
	attempt := &carillon.Attempt{Org: org, Subscription: id, EventID: "e", At: timeOf(1), Outcome: carillon.OutcomeRetry}
	if err := tx.SaveProgress(ctx, &carillon.Progress{Org: org, Subscription: id, Cursor: 1, UpdatedAt: timeOf(1)}); err != nil {
		return err
	}
	if err := tx.PutParkedLanes(ctx, []*carillon.ParkedLane{{Org: org, Subscription: id, Lane: "a"}}); err != nil {
		return err
	}
	if err := tx.PutDeadLetters(ctx, []*carillon.DeadLetter{{Org: org, Subscription: id, ID: "dl_1"}}); err != nil {
		return err
	}
	if err := tx.AddAttempts(ctx, []*carillon.Attempt{attempt}); err != nil {
		return err
	}
	return tx.SaveRecentDeliveries(ctx, org, id, []*carillon.Attempt{attempt})
}

// kept counts what is kept for a subscription.
func kept(t *testing.T, s store.Store, org, id string) int {
	t.Helper()
	n := 0
	if _, err := s.Progress(t.Context(), org, id); err == nil {
		n++
	} else if !carillon.IsNotFound(err) {
		t.Fatal(err)
	}
	n += len(must(s.ParkedLanes(t.Context(), org, id))(t))
	letters := len(must(s.DeadLetters(t.Context(), org, id, "", 10))(t))
	wantEqual(t, "count of dead letters", must(s.CountDeadLetters(t.Context(), org, id))(t), letters)
	n += letters
	n += len(must(s.Attempts(t.Context(), org, id, time.Time{}, 10))(t))
	n += len(must(s.RecentDeliveries(t.Context(), org, id))(t))
	return n
}
