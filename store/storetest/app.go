package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"carillon"
	"carillon/store"
)

func app(org, id string) *carillon.App {
	return &carillon.App{
		ID: id, Org: org, Name: "Sync \"<north>\"", Version: 3, PlatformVersion: "2.3", Package: []byte("PK\x00\xff" + id),
		IParams: json.RawMessage(`{"token":"s3cret-` + id + `"}`), Secure: []string{"token"}, State: carillon.AppDisabled, Error: "no",
		ExternalToken: "t0ken-" + id, Subscriptions: []string{"sub_1", "sub_2"}, InstalledAt: timeOf(1), UpdatedAt: timeOf(2),
	}
}

func putApps(t *testing.T, s store.Store, list ...*carillon.App) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		for _, a := range list {
			if err := tx.PutApp(ctx, a); err != nil {
				return err
			}
		}
		return nil
	})
}

func bare(a *carillon.App) *carillon.App {
	b := *a
	b.Package = nil
	return &b
}

func (s *suite) apps(t *testing.T) {
	s.test(t, "an app is read as it was put, by its org or by whoever knows its id", func(t *testing.T, s store.Store) {
		a, b, other := app("one", "app_a"), app("one", "app_b"), app("two", "app_c")
		b.IParams, b.Secure, b.Subscriptions = nil, nil, nil
		putApps(t, s, b, a, other)
		wantEqual(t, "by org", must(s.App(t.Context(), "one", "app_a"))(t), a)
		wantEqual(t, "by id alone", must(s.App(t.Context(), "", "app_c"))(t), other)
		wantEqual(t, "of one", must(s.Apps(t.Context(), "one"))(t), []*carillon.App{bare(a), bare(b)})
		wantEqual(t, "of all", must(s.Apps(t.Context(), ""))(t), []*carillon.App{bare(a), bare(b), bare(other)})
		_, err := s.App(t.Context(), "two", "app_a")
		wantCode(t, "another org's app", err, carillon.CodeNotFound)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			wantEqual(t, "inside", must(tx.App(ctx, "one", "app_a"))(t), a)
			_, err := tx.App(ctx, "two", "app_a")
			wantCode(t, "another org's app inside", err, carillon.CodeNotFound)
			return nil
		})
	})

	s.test(t, "an app without a package keeps the package it has", func(t *testing.T, s store.Store) {
		a := app("one", "app_a")
		putApps(t, s, a)
		renamed := bare(a)
		renamed.Name = "renamed"
		putApps(t, s, renamed)
		renamed.Package = a.Package
		wantEqual(t, "renamed", must(s.App(t.Context(), "one", "app_a"))(t), renamed)
		a.Package = bytes.Repeat([]byte{0, 0xff}, 1<<20)
		putApps(t, s, a)
		wantEqual(t, "replaced", must(s.App(t.Context(), "one", "app_a"))(t), a)
	})

	s.test(t, "an app's id is one org's only", func(t *testing.T, s store.Store) {
		putApps(t, s, app("one", "app_a"))
		err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.PutApp(ctx, app("two", "app_a")) })
		wantCode(t, "the same id in another org", err, carillon.CodeConflict)
	})

	s.test(t, "an app goes with all that was kept for it", func(t *testing.T, s store.Store) {
		putApps(t, s, app("one", "app_a"), app("one", "app_b"))
		keep := func(ctx context.Context, tx store.Tx, id string) error {
			return errors.Join(
				tx.AddInvocations(ctx, []*carillon.Invocation{invocation("one", id, "inv_"+id)}),
				tx.PutAppValue(ctx, value("one", id, "k")), tx.PutAppSchedule(ctx, schedule("one", id, "s", 5)),
			)
		}
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return errors.Join(keep(ctx, tx, "app_a"), keep(ctx, tx, "app_b"))
		})
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteApp(ctx, "one", "app_a") })
		for id, left := range map[string]int{"app_a": 0, "app_b": 1} {
			invocations := must(s.Invocations(t.Context(), store.InvocationQuery{Org: "one", App: id, Limit: 9}))(t)
			schedules := must(s.AppSchedules(t.Context(), "one", id))(t)
			_, err := s.AppValue(t.Context(), "one", id, "k")
			if len(invocations) != left || len(schedules) != left || carillon.IsNotFound(err) != (left == 0) {
				t.Errorf("%s has %d invocations, %d schedules, value %v; want %d", id, len(invocations), len(schedules), err, left)
			}
		}
		wantEqual(t, "due", len(must(s.DueAppSchedules(t.Context(), timeOf(9), 9))(t)), 1)
		for name, act := range map[string]func(context.Context, store.Tx) error{
			"delete again": func(ctx context.Context, tx store.Tx) error { return tx.DeleteApp(ctx, "one", "app_a") },
			"put a value":  func(ctx context.Context, tx store.Tx) error { return tx.PutAppValue(ctx, value("one", "app_a", "k")) },
			"put a schedule": func(ctx context.Context, tx store.Tx) error {
				return tx.PutAppSchedule(ctx, schedule("one", "app_a", "s", 5))
			},
			"put a value of another org's": func(ctx context.Context, tx store.Tx) error {
				return tx.PutAppValue(ctx, value("two", "app_b", "k"))
			},
		} {
			wantCode(t, name, s.Update(t.Context(), act), carillon.CodeNotFound)
		}
	})
}

func invocation(org, app, id string) *carillon.Invocation {
	return &carillon.Invocation{
		ID: id, Org: org, App: app, At: timeOf(4), Duration: 1234567, Trigger: carillon.TriggerEvent, Product: "freshworks_crm",
		Event: "onContactCreate", Handler: "onContact", EventID: "evt_1",
		Failure: &carillon.AppFailure{
			Kind: "threw", Message: "Error: \"<no>\"", Faults: []carillon.Fault{{Member: "/a", Reason: "b"}},
			File: "server/server.js", Line: 3, Column: 9, Stack: "a (b:1:1)\nc (d:2:2)",
		},
		Lines:    []carillon.AppLine{{At: timeOf(4), Level: "info", Text: "line \u2028 one"}, {At: timeOf(5), Level: "error", Text: ""}},
		Rendered: json.RawMessage(`{"data":{"a":1}}`),
	}
}

func addInvocations(t *testing.T, s store.Store, list ...*carillon.Invocation) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.AddInvocations(ctx, list) })
}

func wantInvocations(t *testing.T, s store.Store, q store.InvocationQuery, want ...string) {
	t.Helper()
	var ids []string
	for _, i := range must(s.Invocations(t.Context(), q))(t) {
		ids = append(ids, i.ID)
	}
	wantEqual(t, fmt.Sprintf("%+v", q), ids, want)
}

func (s *suite) invocations(t *testing.T) {
	s.test(t, "an invocation is read as it was kept", func(t *testing.T, s store.Store) {
		putApps(t, s, app("one", "app_a"))
		failed, bare := invocation("one", "app_a", "inv_1"), invocation("one", "app_a", "inv_2")
		bare.Failure, bare.Lines, bare.Rendered = nil, nil, nil
		addInvocations(t, s, failed, bare)
		got := must(s.Invocations(t.Context(), store.InvocationQuery{Org: "one", App: "app_a", Limit: 9, Ascending: true}))(t)
		wantEqual(t, "kept", got, []*carillon.Invocation{failed, bare})
		if failed.Position < 1 || bare.Position <= failed.Position {
			t.Errorf("positions are %d and %d", failed.Position, bare.Position)
		}
	})

	s.test(t, "invocations are listed by what is asked for, and paged by position", func(t *testing.T, s store.Store) {
		putApps(t, s, app("one", "app_a"), app("one", "app_b"), app("two", "app_c"))
		var kept []*carillon.Invocation
		for n, of := range []struct{ org, app string }{{"one", "app_a"}, {"one", "app_b"}, {"one", "app_a"}, {"two", "app_c"}, {"one", "app_a"}} {
			i := invocation(of.org, of.app, fmt.Sprint("inv_", n))
			if n != 2 {
				i.Failure = nil
			}
			kept = append(kept, i)
		}
		addInvocations(t, s, kept...)
		of := store.InvocationQuery{Org: "one", App: "app_a", Limit: 2}
		wantInvocations(t, s, of, "inv_4", "inv_2")
		of.After = kept[2].Position
		wantInvocations(t, s, of, "inv_0")
		of.Ascending = true
		wantInvocations(t, s, of, "inv_4")
		wantInvocations(t, s, store.InvocationQuery{Org: "one", App: "app_a", Failed: true, Limit: 9}, "inv_2")
		wantInvocations(t, s, store.InvocationQuery{Org: "two", App: "app_a", Limit: 9})
	})

	s.test(t, "the newest invocations of each app stay, and positions are never used again", func(t *testing.T, s store.Store) {
		putApps(t, s, app("one", "app_a"), app("one", "app_b"))
		addInvocations(t, s, invocation("one", "app_b", "inv_b"))
		var last int64
		for n := 0; n < store.KeptInvocations+20; n += 10 {
			var list []*carillon.Invocation
			for k := range 10 {
				list = append(list, invocation("one", "app_a", fmt.Sprint("inv_", n+k)))
			}
			addInvocations(t, s, list...)
			if list[0].Position <= last {
				t.Fatalf("position %d came after %d", list[0].Position, last)
			}
			last = list[9].Position
		}
		got := must(s.Invocations(t.Context(), store.InvocationQuery{Org: "one", App: "app_a", Limit: 2 * store.KeptInvocations, Ascending: true}))(t)
		if len(got) != store.KeptInvocations || got[0].ID != "inv_20" {
			t.Errorf("%d are left, the oldest is %s", len(got), got[0].ID)
		}
		wantInvocations(t, s, store.InvocationQuery{Org: "one", App: "app_b", Limit: 9}, "inv_b")
	})

	s.test(t, "invocations of an app that is gone are dropped", func(t *testing.T, s store.Store) {
		putApps(t, s, app("one", "app_a"))
		addInvocations(t, s, invocation("one", "app_gone", "inv_1"), invocation("two", "app_a", "inv_2"), invocation("one", "app_a", "inv_3"))
		wantInvocations(t, s, store.InvocationQuery{Org: "one", App: "app_gone", Limit: 9})
		wantInvocations(t, s, store.InvocationQuery{Org: "two", App: "app_a", Limit: 9})
		wantInvocations(t, s, store.InvocationQuery{Org: "one", App: "app_a", Limit: 9}, "inv_3")
	})

	s.test(t, "old invocations are pruned", func(t *testing.T, s store.Store) {
		putApps(t, s, app("one", "app_a"))
		old, young := invocation("one", "app_a", "inv_1"), invocation("one", "app_a", "inv_2")
		young.At = timeOf(9)
		addInvocations(t, s, old, young)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return prune(ctx, tx, store.Expiry{}) })
		wantInvocations(t, s, store.InvocationQuery{Org: "one", App: "app_a", Limit: 9}, "inv_2", "inv_1")
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return prune(ctx, tx, store.Expiry{Invocations: timeOf(9)})
		})
		wantInvocations(t, s, store.InvocationQuery{Org: "one", App: "app_a", Limit: 9}, "inv_2")
	})
}

func value(org, app, key string) *carillon.AppValue {
	return &carillon.AppValue{Org: org, App: app, Key: key, Value: json.RawMessage(`{"of":"` + app + `","number":1.50}`)}
}

func (s *suite) appValues(t *testing.T) {
	s.test(t, "a value is read as it was put, and belongs to one app", func(t *testing.T, s store.Store) {
		putApps(t, s, app("one", "app_a"), app("one", "app_b"))
		a, b := value("one", "app_a", "k \u00e4"), value("one", "app_b", "k \u00e4")
		b.ExpiresAt = timeOf(3)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			if err := errors.Join(tx.PutAppValue(ctx, a), tx.PutAppValue(ctx, b)); err != nil {
				return err
			}
			wantEqual(t, "inside", must(tx.AppValue(ctx, "one", "app_a", "k \u00e4"))(t), a)
			return nil
		})
		wantEqual(t, "one app's", must(s.AppValue(t.Context(), "one", "app_a", "k \u00e4"))(t), a)
		wantEqual(t, "the other's", must(s.AppValue(t.Context(), "one", "app_b", "k \u00e4"))(t), b)
		a.Value, a.ExpiresAt = json.RawMessage(`{}`), timeOf(7)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutAppValue(ctx, a) })
		wantEqual(t, "replaced", must(s.AppValue(t.Context(), "one", "app_a", "k \u00e4"))(t), a)
		remove := func(ctx context.Context, tx store.Tx) error {
			return tx.DeleteAppValue(ctx, "one", "app_a", "k \u00e4")
		}
		update(t, s, remove)
		wantCode(t, "delete again", s.Update(t.Context(), remove), carillon.CodeNotFound)
		_, err := s.AppValue(t.Context(), "one", "app_a", "k \u00e4")
		wantCode(t, "read what was deleted", err, carillon.CodeNotFound)
		wantEqual(t, "the other's stays", must(s.AppValue(t.Context(), "one", "app_b", "k \u00e4"))(t), b)
	})

	s.test(t, "values that have expired are pruned", func(t *testing.T, s store.Store) {
		putApps(t, s, app("one", "app_a"))
		forever, past, future := value("one", "app_a", "forever"), value("one", "app_a", "past"), value("one", "app_a", "future")
		past.ExpiresAt, future.ExpiresAt = timeOf(4), timeOf(5)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return errors.Join(tx.PutAppValue(ctx, forever), tx.PutAppValue(ctx, past), tx.PutAppValue(ctx, future))
		})
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return prune(ctx, tx, store.Expiry{AppValues: timeOf(5)})
		})
		for key, gone := range map[string]bool{"forever": false, "past": true, "future": false} {
			if _, err := s.AppValue(t.Context(), "one", "app_a", key); carillon.IsNotFound(err) != gone {
				t.Errorf("%s: %v", key, err)
			}
		}
	})
}

func schedule(org, app, name string, at int64) *carillon.AppSchedule {
	return &carillon.AppSchedule{
		Org: org, App: app, Name: name, Data: json.RawMessage(`{"a":1.50}`), At: timeOf(at),
		Unit: "hours", Frequency: 2, CreatedAt: timeOf(1), UpdatedAt: timeOf(2),
	}
}

func (s *suite) appSchedules(t *testing.T) {
	s.test(t, "a schedule is read as it was put", func(t *testing.T, s store.Store) {
		putApps(t, s, app("one", "app_a"))
		b, a := schedule("one", "app_a", "b", 5), schedule("one", "app_a", "a", 6)
		a.Data, a.Unit, a.Frequency = nil, "", 0
		put := func(ctx context.Context, tx store.Tx) error {
			return errors.Join(tx.PutAppSchedule(ctx, b), tx.PutAppSchedule(ctx, a))
		}
		update(t, s, put)
		wantEqual(t, "listed", must(s.AppSchedules(t.Context(), "one", "app_a"))(t), []*carillon.AppSchedule{a, b})
		b.At, b.Data = timeOf(9), json.RawMessage(`{}`)
		update(t, s, put)
		remove := func(ctx context.Context, tx store.Tx) error { return tx.DeleteAppSchedule(ctx, "one", "app_a", "a") }
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			wantEqual(t, "inside", must(tx.AppSchedule(ctx, "one", "app_a", "b"))(t), b)
			once, recurring, err := tx.CountAppSchedules(ctx, "one", "app_a")
			wantEqual(t, "counted", []int{once, recurring}, []int{1, 1})
			return errors.Join(err, remove(ctx, tx))
		})
		wantCode(t, "delete again", s.Update(t.Context(), remove), carillon.CodeNotFound)
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			_, err := tx.AppSchedule(ctx, "one", "app_a", "a")
			wantCode(t, "read what was deleted", err, carillon.CodeNotFound)
			once, recurring, err := tx.CountAppSchedules(ctx, "one", "app_b")
			wantEqual(t, "another app's", []int{once, recurring}, []int{0, 0})
			return err
		})
		wantEqual(t, "left", must(s.AppSchedules(t.Context(), "one", "app_a"))(t), []*carillon.AppSchedule{b})
	})

	s.test(t, "of each app the first schedule is due, those of all orgs in the order of their times", func(t *testing.T, s store.Store) {
		putApps(t, s, app("one", "app_a"), app("two", "app_b"), app("one", "app_c"))
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return errors.Join(
				tx.PutAppSchedule(ctx, schedule("one", "app_a", "later", 8)), tx.PutAppSchedule(ctx, schedule("one", "app_a", "twin", 7)),
				tx.PutAppSchedule(ctx, schedule("one", "app_a", "a twin", 7)), tx.PutAppSchedule(ctx, schedule("two", "app_b", "first", 5)),
				tx.PutAppSchedule(ctx, schedule("one", "app_c", "second", 6)),
			)
		})
		names := func(until time.Time, limit int) (list []string) {
			for _, s := range must(s.DueAppSchedules(t.Context(), until, limit))(t) {
				list = append(list, s.Name)
			}
			return list
		}
		wantEqual(t, "until six", names(timeOf(6), 9), []string{"first", "second"})
		wantEqual(t, "until nine", names(timeOf(9), 9), []string{"first", "second", "a twin"})
		wantEqual(t, "the first", names(timeOf(9), 1), []string{"first"})
		wantEqual(t, "too early", names(timeOf(4), 9), []string(nil))
	})
}
