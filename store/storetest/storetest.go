package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"carillon"
	"carillon/store"
)

// Open gives an empty store. It closes the store, and removes it, when the test ends.
type Open func(t *testing.T) store.Store

// Option adds to what the suite can do with an engine.
type Option func(*suite)

// WithCrash lets the suite test durability: crash gives a store opened on what s has on disk at this moment, as if the
// process had been killed. It closes the new store when the test ends; s is not used again.
func WithCrash(crash func(t *testing.T, s store.Store) store.Store) Option {
	return func(s *suite) { s.crash = crash }
}

type suite struct {
	open  Open
	crash func(t *testing.T, s store.Store) store.Store
}

// Run runs the suite.
func Run(t *testing.T, open Open, options ...Option) {
	s := &suite{open: open}
	for _, option := range options {
		option(s)
	}
	for _, topic := range []struct {
		name string
		run  func(*suite, *testing.T)
	}{
		{"Records", (*suite).records},
		{"References", (*suite).references},
		{"Log", (*suite).log},
		{"Snapshot", (*suite).snapshot},
		{"Model", (*suite).model},
		{"Update", (*suite).update},
		{"Concurrency", (*suite).concurrency},
		{"Durability", (*suite).durability},
		{"Subscriptions", (*suite).subscriptions},
		{"Deliveries", (*suite).deliveries},
		{"Remembered", (*suite).remembered},
		{"Connections", (*suite).connections},
		{"Inbox", (*suite).inbox},
		{"Heard", (*suite).heard},
		{"Apps", (*suite).apps},
		{"Invocations", (*suite).invocations},
		{"AppValues", (*suite).appValues},
		{"AppSchedules", (*suite).appSchedules},
		{"Keys", (*suite).keys},
		{"Fields", (*suite).fields},
	} {
		t.Run(topic.name, func(t *testing.T) { topic.run(s, t) })
	}
}

// test runs one fact against an empty store.
func (s *suite) test(t *testing.T, fact string, fn func(t *testing.T, s store.Store)) {
	t.Helper()
	t.Run(fact, func(t *testing.T) {
		t.Parallel()
		fn(t, s.open(t))
	})
}

// begin is the time of change 0 of every org; change n happens n seconds later.
var begin = time.Date(2026, 3, 29, 1, 59, 58, 125e6, time.UTC)

func timeOf(seq int64) time.Time { return begin.Add(time.Duration(seq) * time.Second) }

// wish is one write of the suite's own small ledger.
type wish struct {
	org  string
	ref  carillon.Ref
	lane string // default: the record's own id
	data string // JSON; "" deletes
	// extra and references are the record's.
	extra      string
	references []store.Reference
}

func account(id string) carillon.Ref { return carillon.Ref{Kind: carillon.KindAccount, ID: id} }

// apply does what package ledger does with a store: record and change together, numbered from the org's head.
func apply(ctx context.Context, tx store.Tx, wishes ...wish) ([]*carillon.Change, error) {
	var changes []*carillon.Change
	for _, w := range wishes {
		heads, err := tx.Lock(ctx, []string{w.org})
		if err != nil {
			return nil, err
		}
		head := heads[w.org]
		head.Seq++
		key := store.RecordKey{Org: w.org, Ref: w.ref}
		found, err := tx.Records(ctx, []store.RecordKey{key})
		if err != nil {
			return nil, err
		}
		old := found[key]
		lane := w.lane
		if lane == "" {
			lane = carillon.LaneOf(w.ref, "")
		}
		c := &carillon.Change{
			Org: w.org, Seq: head.Seq, Ref: w.ref, Lane: lane, Time: timeOf(head.Seq),
			Actor:  carillon.Actor{ID: "usr_1", Type: "AGENT", Email: "one@example.com"},
			Origin: "api",
		}
		switch {
		case w.data == "":
			if old == nil {
				return nil, carillon.NotFound(string(w.ref.Kind), w.ref.ID)
			}
			c.Op, c.Number, c.Version, c.Lane = carillon.OpDeleted, old.Number, old.Version+1, old.Lane
			c.Before, c.Extra = old.Data, old.Extra
			err = tx.DeleteRecords(ctx, []store.RecordKey{key})
		default:
			r := &carillon.Record{
				Org: w.org, Ref: w.ref, Version: 1, Seq: head.Seq, Lane: lane, Data: []byte(w.data),
				CreatedAt: c.Time, UpdatedAt: c.Time,
			}
			if w.extra != "" {
				r.Extra = []byte(w.extra)
			}
			if old == nil {
				head.Number++
				c.Op, r.Number = carillon.OpCreated, head.Number
			} else {
				c.Op, c.Before = carillon.OpUpdated, old.Data
				c.Changed = []carillon.MemberChange{{Name: "name", How: carillon.Updated}, {Name: "customFields.tier", How: carillon.Added}}
				r.Number, r.Version, r.CreatedAt = old.Number, old.Version+1, old.CreatedAt
				if old.Lane != lane {
					c.PreviousLane = old.Lane
				}
			}
			c.Number, c.Version, c.After, c.Extra = r.Number, r.Version, r.Data, r.Extra
			err = tx.PutRecords(ctx, []store.RecordWrite{{
				Record: r, New: old == nil, References: w.references, ReferencesChanged: w.references != nil,
			}})
		}
		if err != nil {
			return nil, err
		}
		if err := tx.Append(ctx, []*carillon.Change{c}); err != nil {
			return nil, err
		}
		if err := tx.SaveHeads(ctx, map[string]store.Head{w.org: head}); err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// write applies wishes in one update.
func write(t testing.TB, s store.Store, wishes ...wish) []*carillon.Change {
	t.Helper()
	var changes []*carillon.Change
	update(t, s, func(ctx context.Context, tx store.Tx) (err error) {
		changes, err = apply(ctx, tx, wishes...)
		return err
	})
	return changes
}

func update(t testing.TB, s store.Store, fn func(ctx context.Context, tx store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// errRefused is what acts that shall fail fail with.
var errRefused = errors.New("refused")

// refuse runs fn in an update that then fails, and checks that it does.
func refuse(t testing.TB, s store.Store, fn func(ctx context.Context, tx store.Tx) error) {
	t.Helper()
	err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		return errRefused
	})
	if !errors.Is(err, errRefused) {
		t.Fatalf("update gave %v, want the function's own error", err)
	}
}

// must gives v or ends the test.
func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantEqual(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func wantCode(t testing.TB, what string, err error, want carillon.Code) {
	t.Helper()
	if got := carillon.ErrorCode(err); got != want {
		t.Errorf("%s: error %v has code %q, want %q", what, err, got, want)
	}
}

// ids lists the ids of records.
func ids(records []*carillon.Record) []string {
	list := make([]string, len(records))
	for i, r := range records {
		list[i] = r.ID
	}
	return list
}

// seqs lists the seqs of changes.
func seqs(changes []*carillon.Change) []int64 {
	list := make([]int64, len(changes))
	for i, c := range changes {
		list[i] = c.Seq
	}
	return list
}

// document is a native JSON of some size.
func document(id string, n int) string {
	return fmt.Sprintf(`{"id":%q,"name":"Name %d","status":"ACTIVE","health":"Healthy","updatedAt":%q}`,
		id, n, carillon.FormatTime(timeOf(int64(n))))
}
