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

func connection(org, id string) *carillon.Connection {
	return &carillon.Connection{
		ID: id, Org: org, Name: "CRM \"<north>\"", Dialect: "neon", IDPrefix: "neon_", OrderWait: 1500 * time.Millisecond,
		Verify:   carillon.Verify{Type: carillon.VerifyParameter, Name: "token", Value: "s3cret-" + id},
		Settings: json.RawMessage(`{"a":1}`), CreatedAt: timeOf(1), UpdatedAt: timeOf(2),
	}
}

func putConnections(t *testing.T, s store.Store, list ...*carillon.Connection) {
	t.Helper()
	update(t, s, func(ctx context.Context, tx store.Tx) error {
		for _, c := range list {
			if err := tx.PutConnection(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *suite) connections(t *testing.T) {
	s.test(t, "a connection is read as it was put, by its org or by whoever knows its id", func(t *testing.T, s store.Store) {
		a, b, other := connection("one", "conn_a"), connection("one", "conn_b"), connection("two", "conn_c")
		b.Settings = nil
		putConnections(t, s, b, a, other)
		wantEqual(t, "by org", must(s.Connection(t.Context(), "one", "conn_a"))(t), a)
		wantEqual(t, "by id alone", must(s.Connection(t.Context(), "", "conn_c"))(t), other)
		wantEqual(t, "of one", must(s.Connections(t.Context(), "one"))(t), []*carillon.Connection{a, b})
		wantEqual(t, "of all", must(s.Connections(t.Context(), ""))(t), []*carillon.Connection{a, b, other})
		if _, err := s.Connection(t.Context(), "two", "conn_a"); !carillon.IsNotFound(err) {
			t.Errorf("another org's connection: %v", err)
		}
		a.Name, a.Verify = "renamed", carillon.Verify{Type: carillon.VerifyNone}
		putConnections(t, s, a)
		wantEqual(t, "replaced", must(s.Connection(t.Context(), "one", "conn_a"))(t), a)
	})

	s.test(t, "an id is one org's only", func(t *testing.T, s store.Store) {
		putConnections(t, s, connection("one", "conn_a"))
		err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
			return tx.PutConnection(ctx, connection("two", "conn_a"))
		})
		if carillon.ErrorCode(err) != carillon.CodeConflict {
			t.Errorf("the same id in another org: %v", err)
		}
	})

	s.test(t, "a connection goes with all that was kept for it", func(t *testing.T, s store.Store) {
		gone, stays := connection("one", "conn_a"), connection("one", "conn_b")
		putConnections(t, s, gone, stays)
		remembered := func(c *carillon.Connection) *store.Remembered {
			return &store.Remembered{Org: "one", Scope: c.Source(), Key: "k", CreatedAt: timeOf(1)}
		}
		heard := func(c *carillon.Connection) *carillon.Heard {
			return &carillon.Heard{Org: "one", Source: c.Source(), Ref: account("acc_1"), HeardAt: carillon.HeardAt{At: timeOf(1), Op: carillon.OpCreated}}
		}
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return errors.Join(
				tx.AddInbound(ctx, inbound("one", "conn_a", "inb_1")), tx.AddInbound(ctx, inbound("one", "conn_b", "inb_2")),
				tx.Remember(ctx, []*store.Remembered{remembered(gone), remembered(stays)}),
				tx.PutHeard(ctx, []*carillon.Heard{heard(gone), heard(stays)}),
			)
		})
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteConnection(ctx, "one", "conn_a") })
		if _, err := s.Connection(t.Context(), "", "conn_a"); !carillon.IsNotFound(err) {
			t.Errorf("the connection is still there: %v", err)
		}
		wantIDs(t, s, store.InboxQuery{Org: "one", Limit: 9}, "inb_2")
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			keys := []store.RememberedKey{{Org: "one", Scope: gone.Source(), Key: "k"}, {Org: "one", Scope: stays.Source(), Key: "k"}}
			results, err := tx.Remembered(ctx, keys)
			if len(results) != 1 || results[keys[1]] == nil {
				t.Errorf("remembered: %v", results)
			}
			known, err2 := tx.Heard(ctx, []store.HeardKey{
				{Org: "one", Source: gone.Source(), Ref: account("acc_1")}, {Org: "one", Source: stays.Source(), Ref: account("acc_1")},
			})
			if len(known) != 1 {
				t.Errorf("heard: %v", known)
			}
			return errors.Join(err, err2)
		})
		for name, err := range map[string]error{
			"delete again": s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.DeleteConnection(ctx, "one", "conn_a") }),
			"deliver": s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
				return tx.AddInbound(ctx, inbound("one", "conn_a", "inb_3"))
			}),
		} {
			if !carillon.IsNotFound(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func inbound(org, connection, id string) *carillon.Inbound {
	return &carillon.Inbound{
		ID: id, Org: org, Connection: connection, State: carillon.InboxReceived, ReceivedAt: timeOf(3),
		ContentType: "application/json", Header: map[string]string{"ce-id": "1"}, Body: []byte("{\"id\":\"\x00\xff\"}"),
	}
}

func wantIDs(t *testing.T, s store.Store, q store.InboxQuery, want ...string) {
	t.Helper()
	var ids []string
	for _, d := range must(s.Inbox(t.Context(), q))(t) {
		ids = append(ids, d.ID)
		if (d.Body != nil) != q.Bodies {
			t.Errorf("%s has a body: %v, asked for: %v", d.ID, d.Body != nil, q.Bodies)
		}
	}
	wantEqual(t, fmt.Sprintf("%+v", q), ids, want)
}

func (s *suite) inbox(t *testing.T) {
	s.test(t, "a delivery is read as it came, and then with what became of it", func(t *testing.T, s store.Store) {
		putConnections(t, s, connection("one", "conn_a"))
		d := inbound("one", "conn_a", "inb_1")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.AddInbound(ctx, d) })
		wantEqual(t, "received", must(s.Inbound(t.Context(), "one", "inb_1"))(t), d)

		d.State, d.ProcessedAt, d.Attempts = carillon.InboxQuarantined, timeOf(4), 2
		d.Told = []carillon.InboundEvent{{ID: "e1", Type: "createAccount", At: timeOf(2), Record: "account/1", Seqs: []int64{4, 5}, Outcome: "changed"}}
		d.Notes = []string{"a comma was missing"}
		d.Problem = &carillon.InboundProblem{Code: carillon.CodeInvalid, Message: "no", Faults: []carillon.Fault{{Member: "/a", Reason: "b"}}}
		d.Awaits = carillon.Ref{Kind: carillon.KindCustom, Module: "invoices", ID: "i1"}
		saved := *d
		saved.Body = []byte("another")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveInbound(ctx, &saved) })
		wantEqual(t, "quarantined", must(s.Inbound(t.Context(), "one", "inb_1"))(t), d)

		d.State, d.Problem, d.Awaits = carillon.InboxApplied, nil, carillon.Ref{}
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.SaveInbound(ctx, d) })
		wantEqual(t, "applied", must(s.Inbound(t.Context(), "one", "inb_1"))(t), d)

		if _, err := s.Inbound(t.Context(), "two", "inb_1"); !carillon.IsNotFound(err) {
			t.Errorf("another org's delivery: %v", err)
		}
	})

	s.test(t, "saving what is gone brings nothing back", func(t *testing.T, s store.Store) {
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			return tx.SaveInbound(ctx, inbound("one", "conn_a", "inb_1"))
		})
		wantIDs(t, s, store.InboxQuery{Limit: 9})
	})

	s.test(t, "deliveries are listed by what is asked for, and paged by position", func(t *testing.T, s store.Store) {
		putConnections(t, s, connection("one", "conn_a"), connection("one", "conn_b"), connection("two", "conn_c"))
		var positions []int64
		for i, of := range []struct{ org, connection string }{
			{"one", "conn_a"}, {"one", "conn_b"}, {"two", "conn_c"}, {"one", "conn_a"}, {"one", "conn_a"},
		} {
			d := inbound(of.org, of.connection, fmt.Sprint("inb_", i))
			if i == 3 {
				d.State, d.Awaits = carillon.InboxQuarantined, account("acc_9")
			}
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.AddInbound(ctx, d) })
			positions = append(positions, d.Position)
		}
		for i := 1; i < len(positions); i++ {
			if positions[i] <= positions[i-1] {
				t.Fatalf("positions do not grow: %v", positions)
			}
		}
		wantIDs(t, s, store.InboxQuery{Limit: 9}, "inb_4", "inb_3", "inb_2", "inb_1", "inb_0")
		wantIDs(t, s, store.InboxQuery{Org: "one", Limit: 2, Bodies: true}, "inb_4", "inb_3")
		wantIDs(t, s, store.InboxQuery{Org: "one", Limit: 2, After: positions[3]}, "inb_1", "inb_0")
		wantIDs(t, s, store.InboxQuery{Org: "one", Connection: "conn_a", Limit: 9, Ascending: true}, "inb_0", "inb_3", "inb_4")
		wantIDs(t, s, store.InboxQuery{Connection: "conn_a", State: carillon.InboxReceived, Limit: 9, Ascending: true, After: positions[0]}, "inb_4")
		wantIDs(t, s, store.InboxQuery{Org: "one", Awaiting: account("acc_9"), Limit: 9}, "inb_3")
		wantIDs(t, s, store.InboxQuery{AwaitingAny: true, Limit: 9}, "inb_3")
		wantIDs(t, s, store.InboxQuery{Org: "two", Awaiting: account("acc_9"), Limit: 9})
	})

	s.test(t, "a position is never used again", func(t *testing.T, s store.Store) {
		putConnections(t, s, connection("one", "conn_a"))
		d := inbound("one", "conn_a", "inb_1")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.AddInbound(ctx, d) })
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.DeleteConnection(ctx, "one", "conn_a") })
		putConnections(t, s, connection("one", "conn_a"))
		again := inbound("one", "conn_a", "inb_1")
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.AddInbound(ctx, again) })
		if again.Position <= d.Position {
			t.Errorf("position %d came after %d", again.Position, d.Position)
		}
	})

	s.test(t, "settled deliveries are pruned, others stay", func(t *testing.T, s store.Store) {
		putConnections(t, s, connection("one", "conn_a"))
		states := []carillon.InboxState{carillon.InboxReceived, carillon.InboxApplied, carillon.InboxDuplicate, carillon.InboxQuarantined, carillon.InboxApplied}
		for i, state := range states {
			d := inbound("one", "conn_a", fmt.Sprint("inb_", i))
			d.State = state
			if i == len(states)-1 {
				d.ReceivedAt = timeOf(9)
			}
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.AddInbound(ctx, d) })
		}
		update(t, s, func(ctx context.Context, tx store.Tx) error { return prune(ctx, tx, store.Expiry{Inbox: timeOf(9)}) })
		wantIDs(t, s, store.InboxQuery{Limit: 9, Ascending: true}, "inb_0", "inb_3", "inb_4")
	})

	s.test(t, "a page ends early once enough bytes were read", func(t *testing.T, s store.Store) {
		putConnections(t, s, connection("one", "conn_a"))
		for i := range 4 {
			d := inbound("one", "conn_a", fmt.Sprint("inb_", i))
			d.Body = bytes.Repeat([]byte("x"), 100)
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.AddInbound(ctx, d) })
		}
		wantIDs(t, s, store.InboxQuery{Limit: 9, Ascending: true, Bodies: true, MaxBytes: 101}, "inb_0", "inb_1")
		wantIDs(t, s, store.InboxQuery{Limit: 9, Ascending: true, Bodies: true, MaxBytes: 1}, "inb_0")
	})

	s.test(t, "bodies come back byte for byte", func(t *testing.T, s store.Store) {
		putConnections(t, s, connection("one", "conn_a"))
		for i, body := range [][]byte{{}, bytes.Repeat([]byte{0xff, 0}, 1<<19)} {
			d := inbound("one", "conn_a", fmt.Sprint("inb_", i))
			d.Body = body
			update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.AddInbound(ctx, d) })
			if got := must(s.Inbound(t.Context(), "one", d.ID))(t).Body; !bytes.Equal(got, body) {
				t.Errorf("body %d has %d bytes, want %d", i, len(got), len(body))
			}
		}
	})
}

func (s *suite) heard(t *testing.T) {
	s.test(t, "the newest statement of a source is kept for each record", func(t *testing.T, s store.Store) {
		of := func(org, source string, ref carillon.Ref, seq int64, op carillon.Op) *carillon.Heard {
			return &carillon.Heard{Org: org, Source: source, Ref: ref, HeardAt: carillon.HeardAt{At: timeOf(seq), Op: op}}
		}
		module := carillon.Ref{Kind: carillon.KindCustom, Module: "m", ID: "1"}
		list := []*carillon.Heard{
			of("one", "connection:a", account("1"), 1, carillon.OpCreated), of("one", "connection:b", account("1"), 2, carillon.OpUpdated),
			of("two", "connection:a", account("1"), 3, carillon.OpDeleted), of("one", "connection:a", module, 4, carillon.OpUpdated),
		}
		want := map[store.HeardKey]carillon.HeardAt{}
		keys := []store.HeardKey{{Org: "one", Source: "connection:a", Ref: account("2")}}
		note := func(h *carillon.Heard) {
			key := store.HeardKey{Org: h.Org, Source: h.Source, Ref: h.Ref}
			keys = append(keys, key)
			want[key] = h.HeardAt
		}
		for _, h := range list {
			note(h)
		}
		read := func(what string) {
			update(t, s, func(ctx context.Context, tx store.Tx) error {
				found, err := tx.Heard(ctx, keys)
				wantEqual(t, what, found, want)
				return err
			})
		}
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			if err := tx.PutHeard(ctx, list); err != nil {
				return err
			}
			found, err := tx.Heard(ctx, keys)
			wantEqual(t, "inside", found, want)
			return err
		})
		read("afterwards")
		newer := of("one", "connection:a", account("1"), 9, carillon.OpDeleted)
		note(newer)
		update(t, s, func(ctx context.Context, tx store.Tx) error { return tx.PutHeard(ctx, []*carillon.Heard{newer}) })
		read("replaced")
	})
}
