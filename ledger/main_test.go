package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon"
	"carillon/ledger"
	"carillon/store"
	"carillon/store/sqlstore"
	"carillon/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is when the desk's clock begins.
var start = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// desk is a running ledger over a store of its own, for one org.
type desk struct {
	testing.TB
	*ledger.Ledger
	store store.Store
	clock *clock
	org   string
	stop  func() // ends Run and waits for it
}

func openStore(t testing.TB) store.Store {
	t.Helper()
	dir := t.TempDir()
	v, err := vault.Open(filepath.Join(dir, "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.OpenSQLite(t.Context(), sqlstore.Options{
		Path: filepath.Join(dir, "carillon.db"), Sealer: v, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openDesk(t testing.TB) *desk {
	t.Helper()
	return openDeskOn(t, openStore(t), ledger.Limits{})
}

func openDeskOn(t testing.TB, s store.Store, limits ledger.Limits) *desk {
	t.Helper()
	d := &desk{TB: t, store: s, clock: &clock{at: start}, org: "org_1"}
	ids := 0
	l, err := ledger.New(ledger.Config{
		Store: s, Now: d.clock.Now, Limits: limits,
		NewID: func(prefix string) string { ids++; return fmt.Sprintf("%s_%d", prefix, ids) },
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Ledger = l
	d.run()
	return d
}

func (d *desk) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			d.Error("run:", err)
		}
	})
	d.Cleanup(d.stop)
}

var agent = carillon.Actor{ID: "usr_7", Type: "AGENT", Email: "agent@example.com"}

// try does one write.
func (d *desk) try(w ledger.Write) (ledger.Outcome, error) {
	d.Helper()
	result, err := d.Apply(d.Context(), ledger.Entry{Org: d.org, Actor: agent, Origin: "api", Writes: []ledger.Write{w}})
	if err != nil {
		return ledger.Outcome{}, err
	}
	return result.Outcomes[0], nil
}

// do does one write that must succeed.
func (d *desk) do(w ledger.Write) ledger.Outcome {
	d.Helper()
	o, err := d.try(w)
	if err != nil {
		d.Fatalf("%s %s: %v", w.Op, w.Ref, err)
	}
	return o
}

// refused does one write that must fail with the code.
func (d *desk) refused(code carillon.Code, w ledger.Write) *carillon.Error {
	d.Helper()
	head := d.head()
	_, err := d.try(w)
	if got := carillon.ErrorCode(err); got != code {
		d.Fatalf("%s %s: got %v (code %q), want code %q", w.Op, w.Ref, err, got, code)
	}
	if after := d.head(); after != head {
		d.Fatalf("%s %s failed, but the log went from %d to %d", w.Op, w.Ref, head, after)
	}
	var e *carillon.Error
	errors.As(err, &e)
	return e
}

func ref(kind carillon.Kind, id string) carillon.Ref { return carillon.Ref{Kind: kind, ID: id} }

func write(op ledger.Op, kind carillon.Kind, id, data string) ledger.Write {
	return ledger.Write{Op: op, Ref: ref(kind, id), Data: []byte(data)}
}

// account makes an account with the id.
func (d *desk) account(id string) {
	d.Helper()
	d.do(write(ledger.Create, carillon.KindAccount, id, `{"name":"`+id+`"}`))
}

func (d *desk) record(r carillon.Ref) *carillon.Record {
	d.Helper()
	got, err := d.store.Record(d.Context(), d.org, r)
	if err != nil {
		d.Fatalf("read %s: %v", r, err)
	}
	return got
}

func (d *desk) gone(r carillon.Ref) {
	d.Helper()
	if _, err := d.store.Record(d.Context(), d.org, r); !carillon.IsNotFound(err) {
		d.Fatalf("%s is still there (%v)", r, err)
	}
}

func (d *desk) head() int64 {
	d.Helper()
	head, err := d.store.Head(d.Context(), d.org)
	if err != nil {
		d.Fatal(err)
	}
	return head
}

// since reads the changes after seq.
func (d *desk) since(seq int64) []*carillon.Change {
	d.Helper()
	changes, err := d.store.Changes(d.Context(), d.org, store.LogQuery{After: seq, Limit: 100_000})
	if err != nil {
		d.Fatal(err)
	}
	return changes
}

// told is a change in one line: what happened to whom, which members, and where it came from.
func told(c *carillon.Change) string {
	line := string(c.Op) + " " + c.Ref.String()
	for _, m := range c.Changed {
		line += " " + m.String()
	}
	if c.Moved() {
		line += " " + c.PreviousLane + "→" + c.Lane
	}
	if c.Origin != "api" {
		line += " (" + c.Origin + ")"
	}
	return line
}

// expect compares the changes after seq with what they should tell.
func (d *desk) expect(seq int64, want ...string) []*carillon.Change {
	d.Helper()
	changes := d.since(seq)
	var got []string
	for i, c := range changes {
		if c.Seq != seq+int64(i)+1 {
			d.Errorf("change %d has seq %d, want %d", i, c.Seq, seq+int64(i)+1)
		}
		got = append(got, told(c))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		d.Fatalf("the log tells\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	return changes
}

// member reads one top-level member of a record; "" if it is unset.
func member(t testing.TB, data []byte, name string) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatalf("stored data is not JSON: %v: %s", err, data)
	}
	return string(m[name])
}

// faults lists an error's faults as "member: reason".
func faults(e *carillon.Error) string {
	var list []string
	for _, f := range e.Faults {
		list = append(list, f.Member+": "+f.Reason)
	}
	return strings.Join(list, "\n")
}
