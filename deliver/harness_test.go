package deliver_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"carillon"
	"carillon/deliver"
	"carillon/dialect"
	"carillon/dialect/platform"
	"carillon/dialect/smarterpay"
	"carillon/ledger"
	"carillon/store/sqlstore"
	"carillon/vault"
)

const org = "acme"

// house is a store, a ledger and an engine, with a sink that the test plays.
type house struct {
	t      *testing.T
	dir    string
	store  *sqlstore.Store
	ledger *ledger.Ledger
	engine *deliver.Engine
	sink   *sink
	opens  map[carillon.SinkType]deliver.OpenSink // besides that sink, which takes webhooks
	stop   func()                                 // stops the engine as a shutdown would
	logger *slog.Logger
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), sink: newSink(), logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	v, err := vault.Open(filepath.Join(h.dir, "vault.key"))
	if err != nil {
		t.Fatal(err)
	}
	h.store, err = sqlstore.OpenSQLite(t.Context(), sqlstore.Options{Path: filepath.Join(h.dir, "carillon.db"), Sealer: v, Logger: h.logger})
	if err != nil {
		t.Fatal(err)
	}
	h.ledger, err = ledger.New(ledger.Config{Store: h.store, Logger: h.logger})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := h.ledger.Run(ctx); err != nil {
			t.Errorf("ledger: %v", err)
		}
	})
	h.startEngine()
	t.Cleanup(func() {
		h.sink.release()
		h.stop()
		cancel()
		running.Wait()
		if err := h.store.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return h
}

// startEngine starts an engine on the store, as a process that comes up does.
func (h *house) startEngine() {
	h.t.Helper()
	sinks := map[carillon.SinkType]deliver.OpenSink{
		carillon.SinkWebhook: func(*carillon.Subscription) (deliver.Sink, error) { return h.sink, nil },
	}
	maps.Copy(sinks, h.opens)
	engine, err := deliver.New(deliver.Config{
		Store:    h.store,
		Dialects: map[string]dialect.Dialect{"platform": platform.New(), "smarterpay": smarterpay.New()},
		Sinks:    sinks,
		Common:   []string{"platform"},
		Logger:   h.logger, Grace: 2 * time.Second, Poll: 50 * time.Millisecond,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.engine = engine
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := engine.Run(ctx); err != nil {
			h.t.Errorf("engine: %v", err)
		}
	})
	h.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
}

// subscribe makes a subscription with a quick retry schedule; alter may change it first.
func (h *house) subscribe(alter func(*carillon.Subscription)) *carillon.Subscription {
	h.t.Helper()
	s := &carillon.Subscription{
		Org: org, Name: "test", Dialect: "platform", Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: "http://127.0.0.1/"},
		// Quick at first; patient enough that an outage in a test is not given up.
		Retry: carillon.Retry{Schedule: append(repeat(5*time.Millisecond, 10), repeat(200*time.Millisecond, 40)...)},
	}
	if alter != nil {
		alter(s)
	}
	if err := h.engine.Create(context.Background(), s); err != nil {
		h.t.Fatal(err)
	}
	return s
}

func repeat(d time.Duration, n int) []time.Duration {
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = d
	}
	return list
}

// write applies writes one after the other and gives the records.
func (h *house) write(writes ...ledger.Write) []*carillon.Record {
	h.t.Helper()
	entries := make([]ledger.Entry, len(writes))
	for i, w := range writes {
		entries[i] = ledger.Entry{Org: org, Actor: carillon.Actor{ID: "u1", Type: "AGENT", Email: "u1@example.com"}, Origin: "api", Writes: []ledger.Write{w}}
	}
	var records []*carillon.Record
	for i, reply := range h.ledger.ApplyAll(context.Background(), entries) {
		if reply.Err != nil {
			h.t.Fatalf("%s %s: %v", writes[i].Op, writes[i].Ref, reply.Err)
		}
		records = append(records, reply.Result.Outcomes[0].Record)
	}
	return records
}

func account(id string) ledger.Write {
	return ledger.Write{Op: ledger.Put, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: id}, Data: fmt.Appendf(nil, `{"name":"Account %s"}`, id)}
}

// touch changes an account's domain, which is one event: account:updated.
func touch(id string, n int) ledger.Write {
	return ledger.Write{Op: ledger.Patch, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: id}, Data: fmt.Appendf(nil, `{"domain":"d%d.example.com"}`, n)}
}

func contact(id, accountID string) ledger.Write {
	return ledger.Write{Op: ledger.Put, Ref: carillon.Ref{Kind: carillon.KindContact, ID: id}, Data: fmt.Appendf(nil,
		`{"firstName":"Sample","lastName":"Contact","email":"c@example.com","accountId":%q}`, accountID)}
}

// await waits until the condition holds; it fails the test after a long while.
func (h *house) await(what string, holds func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			h.t.Fatalf("waited in vain: %s; the sink took %d", what, len(h.sink.list()))
		}
		select {
		case <-h.sink.changed:
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (h *house) status(s *carillon.Subscription) deliver.Status {
	h.t.Helper()
	status, err := h.engine.Status(context.Background(), s.Org, s.ID)
	if err != nil {
		h.t.Fatal(err)
	}
	return status
}

// caughtUp waits until a subscription has nothing left to do, and says so in the store.
func (h *house) caughtUp(s *carillon.Subscription) {
	h.t.Helper()
	h.await("the subscription catches up", func() bool {
		status := h.status(s)
		return status.Lag == 0 && status.ParkedLanes == 0 && status.Replay == nil
	})
}

// sink plays an endpoint: it records what it takes and answers as answer says.
type sink struct {
	changed chan struct{}

	mu     sync.Mutex
	taken  []carillon.Message
	answer func(m *carillon.Message) deliver.Result
	hold   chan struct{} // not nil: sends for which holds says so wait until it is closed
	holds  func(m *carillon.Message) bool
}

func newSink() *sink { return &sink{changed: make(chan struct{}, 1)} }

var errRefused = errors.New("refused by the test")

func (s *sink) Send(ctx context.Context, m *carillon.Message) deliver.Result {
	s.mu.Lock()
	answer, hold := s.answer, s.hold
	if hold != nil && !s.holds(m) {
		hold = nil
	}
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return deliver.Result{Verdict: deliver.Interrupted, Err: ctx.Err()}
		}
	}
	result := deliver.Result{Verdict: deliver.Taken, Status: 200}
	if answer != nil {
		result = answer(m)
	}
	if result.Verdict == deliver.Taken {
		s.mu.Lock()
		s.taken = append(s.taken, *m)
		s.mu.Unlock()
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return result
}

func (s *sink) Close() error { return nil }

func (s *sink) answers(f func(m *carillon.Message) deliver.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// blocks has sends for which holds is true hang until release.
func (s *sink) blocks(holds func(m *carillon.Message) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold, s.holds = make(chan struct{}), holds
}

func (s *sink) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold != nil {
		close(s.hold)
		s.hold = nil
	}
}

func (s *sink) list() []carillon.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]carillon.Message(nil), s.taken...)
}

func (s *sink) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = nil
}

func tryAgain(*carillon.Message) deliver.Result {
	return deliver.Result{Verdict: deliver.TryAgain, Status: 500, Err: errRefused}
}

// failing fails the messages for which f holds.
func failing(f func(m *carillon.Message) bool) func(*carillon.Message) deliver.Result {
	return func(m *carillon.Message) deliver.Result {
		if f(m) {
			return tryAgain(m)
		}
		return deliver.Result{Verdict: deliver.Taken, Status: 200}
	}
}

// inOrder fails the test if a lane's messages first came in another order than the log's, and gives the number of repeats.
func (s *sink) inOrder(t *testing.T) (repeats int) {
	t.Helper()
	last := map[string]string{}
	seen := map[string]bool{}
	for _, m := range s.list() {
		if seen[m.ID] {
			repeats++
			continue
		}
		seen[m.ID] = true
		if m.ID <= last[m.Lane] { // ids of one org sort by seq and index
			t.Errorf("lane %s: %s came after %s", m.Lane, m.ID, last[m.Lane])
		}
		last[m.Lane] = m.ID
	}
	return repeats
}

// events lists the seqs of the events that came, batches taken apart, each event once.
func (s *sink) events() []int64 {
	seen := map[string]bool{}
	var seqs []int64
	for _, m := range s.list() {
		var envelopes []envelope
		if m.Body[0] == '{' {
			envelopes = make([]envelope, 1)
			mustDecode(m.Body, &envelopes[0])
		} else {
			mustDecode(m.Body, &envelopes)
		}
		for _, e := range envelopes {
			if seen[e.EventID] {
				continue
			}
			seen[e.EventID] = true
			seq, _, ok := dialect.ParseEventID(e.EventID)
			if !ok {
				panic("not an event id: " + e.EventID)
			}
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

type envelope struct {
	EventID string                     `json:"eventId"`
	Payload map[string]json.RawMessage `json:"payload"`
}

func mustDecode(data []byte, v any) {
	if err := json.Unmarshal(data, v); err != nil {
		panic(err)
	}
}

// payloadID is the id of the record that a message is about.
func payloadID(t *testing.T, m carillon.Message) string {
	t.Helper()
	var e envelope
	mustDecode(m.Body, &e)
	for _, raw := range e.Payload {
		var record struct{ ID string }
		mustDecode(raw, &record)
		return record.ID
	}
	t.Fatalf("%s has no payload", m.ID)
	return ""
}

func asError(err error, target **carillon.Error) bool { return errors.As(err, target) }
