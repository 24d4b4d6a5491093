package intake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/platform"
	"carillon/intake"
	"carillon/ledger"
	"carillon/store"
	"carillon/store/sqlstore"
	"carillon/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const org = "acme"

// noon is when the vendor's stories begin.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// house is a store, a ledger and an intake behind an HTTP server.
type house struct {
	*testing.T
	store  *sqlstore.Store
	ledger *ledger.Ledger
	intake *intake.Intake
	door   *httptest.Server
	client *http.Client // of the intake; nil: none
	stop   func()       // ends the intake as a shutdown does
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{T: t, stop: func() {}}
	dir := t.TempDir()
	v, err := vault.Open(filepath.Join(dir, "vault.key"))
	if err != nil {
		t.Fatal(err)
	}
	if h.store, err = sqlstore.OpenSQLite(t.Context(), sqlstore.Options{Path: filepath.Join(dir, "carillon.db"), Sealer: v, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	if h.ledger, err = ledger.New(ledger.Config{Store: h.store}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = h.ledger.Run(ctx) })
	h.door = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.intake.ServeHTTP(w, r) }))
	t.Cleanup(func() {
		h.door.Close()
		h.stop()
		cancel()
		running.Wait()
		if err := h.store.Close(); err != nil {
			t.Error(err)
		}
	})
	h.open()
	h.start()
	return h
}

// open makes an intake that does not run yet, as a process that comes up does.
func (h *house) open() {
	h.Helper()
	in, err := intake.New(intake.Config{
		Store: h.store, Ledger: h.ledger, Dialects: map[string]dialect.Dialect{"vendor": vendor{}, "platform": platform.New()}, Client: h.client,
		Logger: slog.New(slog.NewTextHandler(h.Output(), nil)), Limits: intake.Limits{Body: 64 << 10},
	})
	if err != nil {
		h.Fatal(err)
	}
	h.intake = in
}

func (h *house) start() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := h.intake.Run(ctx); err != nil {
			h.Errorf("intake: %v", err)
		}
	})
	h.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
}

// connect makes a connection; alter may change it first.
func (h *house) connect(alter func(c *carillon.Connection)) *carillon.Connection {
	h.Helper()
	c := &carillon.Connection{Org: org, Name: "test", Dialect: "vendor", Verify: carillon.Verify{Type: carillon.VerifyNone}}
	if alter != nil {
		alter(c)
	}
	if err := h.intake.Create(h.Context(), c); err != nil {
		h.Fatal(err)
	}
	return c
}

// post sends a body to a connection and gives the answer's status and members.
func (h *house) post(c *carillon.Connection, body string, header ...string) (int, map[string]any) {
	h.Helper()
	request, err := http.NewRequestWithContext(h.Context(), http.MethodPost, h.door.URL+"/in/"+c.ID, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return h.do(request)
}

func (h *house) do(request *http.Request) (int, map[string]any) {
	h.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		h.Fatal(err)
	}
	defer response.Body.Close()
	var answer map[string]any
	if request.Method != http.MethodHead {
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			h.Fatalf("the answer is not JSON: %v", err)
		}
	}
	return response.StatusCode, answer
}

// deliver posts events, which must be taken, and gives the id of the delivery.
func (h *house) deliver(c *carillon.Connection, events ...vendorEvent) string {
	h.Helper()
	body, err := json.Marshal(events)
	if err != nil {
		h.Fatal(err)
	}
	status, answer := h.post(c, string(body))
	if status != http.StatusOK {
		h.Fatalf("the answer is %d: %v", status, answer)
	}
	return answer["id"].(string)
}

// settled waits until a delivery has been tried, and gives what became of it.
func (h *house) settled(id string) *carillon.Inbound {
	h.Helper()
	var d *carillon.Inbound
	h.await("delivery "+id+" is settled", func() bool {
		var err error
		if d, err = h.store.Inbound(h.Context(), org, id); err != nil {
			h.Fatal(err)
		}
		return d.State != carillon.InboxReceived
	})
	return d
}

// tell delivers events and waits until they are settled.
func (h *house) tell(c *carillon.Connection, events ...vendorEvent) *carillon.Inbound {
	h.Helper()
	return h.settled(h.deliver(c, events...))
}

func (h *house) await(what string, holds func() bool) {
	h.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			h.Fatal("waited in vain: " + what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// outcomes says what became of a delivery in one line.
func outcomes(d *carillon.Inbound) string {
	parts := []string{string(d.State)}
	for _, e := range d.Told {
		parts = append(parts, e.Outcome)
	}
	return strings.Join(parts, " ")
}

func (h *house) want(d *carillon.Inbound, outcome string) {
	h.Helper()
	if got := outcomes(d); got != outcome {
		h.Errorf("the delivery is %q, want %q; problem: %+v", got, outcome, d.Problem)
	}
}

// log tells the changes after seq, one a line.
func (h *house) log(after int64) string {
	h.Helper()
	changes, err := h.store.Changes(h.Context(), org, store.LogQuery{After: after, Limit: 10_000})
	if err != nil {
		h.Fatal(err)
	}
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "%s %s", c.Op, c.Ref)
		for _, m := range c.Changed {
			b.WriteString(" " + m.String())
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (h *house) head() int64 {
	h.Helper()
	head, err := h.store.Head(h.Context(), org)
	if err != nil {
		h.Fatal(err)
	}
	return head
}

// member gives a member of a record as JSON; "" if it is unset or there is no such record.
func (h *house) member(kind carillon.Kind, id, name string) string {
	h.Helper()
	r, err := h.store.Record(h.Context(), org, carillon.Ref{Kind: kind, ID: id})
	if carillon.IsNotFound(err) {
		return ""
	}
	if err != nil {
		h.Fatal(err)
	}
	return string(dialect.Member(r.Data, name))
}

// byHand does a write as the API does.
func (h *house) byHand(op ledger.Op, kind carillon.Kind, id, data string) {
	h.Helper()
	_, err := h.ledger.Apply(h.Context(), ledger.Entry{Org: org, Origin: "api", Writes: []ledger.Write{
		{Op: op, Ref: carillon.Ref{Kind: kind, ID: id}, Data: []byte(data)},
	}})
	if err != nil {
		h.Fatal(err)
	}
}

// account is an event about an account, so many seconds after noon.
func accountEvent(id, record, op string, seconds int, name string) vendorEvent {
	return vendorEvent{
		ID: id, Type: op, Record: record, At: noon.Add(time.Duration(seconds) * time.Second), Account: &vendorAccount{Name: name, Active: true},
	}
}

func contactEvent(id, record, op string, seconds int, first, account string) vendorEvent {
	return vendorEvent{
		ID: id, Type: op, Record: record, At: noon.Add(time.Duration(seconds) * time.Second), Contact: &vendorContact{First: first, Account: account},
	}
}

var large = bytes.Repeat([]byte("x"), 65<<10)

// smallMemory makes an intake that holds few bytes.
func (h *house) smallMemory(bytes int) *intake.Intake {
	h.Helper()
	in, err := intake.New(intake.Config{
		Store: h.store, Ledger: h.ledger, Dialects: map[string]dialect.Dialect{"vendor": vendor{}}, Limits: intake.Limits{Pending: bytes},
	})
	if err != nil {
		h.Fatal(err)
	}
	return in
}

// inbox lists all deliveries, oldest first.
func (h *house) inbox() []*carillon.Inbound {
	h.Helper()
	list, err := h.store.Inbox(h.Context(), store.InboxQuery{Ascending: true, Limit: 1000})
	if err != nil {
		h.Fatal(err)
	}
	return list
}
