package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"carillon/client"
	"carillon/sign"
)

var testSecret = sign.NewSecret()

// newReceiver makes a receiver with the test's secret.
func newReceiver(t *testing.T, o client.ReceiverOptions) *client.Receiver {
	t.Helper()
	o.Secrets = []string{testSecret}
	r, err := client.NewReceiver(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// hook is one webhook as a server sends it.
type hook struct{ id, eventType, lane, body, secret string }

func (h hook) request() *http.Request {
	body := h.body
	if body == "" {
		body = fmt.Sprintf(`{"eventId":%q,"eventType":%q,"payload":{"account":{"id":%q}}}`, h.id, h.eventType, h.lane)
	}
	if h.secret == "" {
		h.secret = testSecret
	}
	signer, err := sign.NewStandard(h.secret)
	if err != nil {
		panic(err)
	}
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	signer.SetHeaders(req.Header, h.id, time.Now(), []byte(body))
	req.Header.Set("Carillon-Lane", h.lane)
	req.Header.Set("Carillon-Seq", "7")
	return req
}

// send delivers a webhook and gives the status that the sender sees.
func (h hook) send(r http.Handler) int {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, h.request())
	return w.Code
}

func TestAnEventIsVerifiedDecodedAndHandled(t *testing.T) {
	r := newReceiver(t, client.ReceiverOptions{})
	var got *client.Delivery
	r.Handle("account:*", func(_ context.Context, d *client.Delivery) error {
		got = d
		return nil
	})
	h := hook{id: "evt_1", eventType: "account:updated", lane: "acc_1"}
	if status := h.send(r); status != http.StatusNoContent {
		t.Fatalf("answered %d", status)
	}
	if got.EventID != "evt_1" || got.EventType != "account:updated" || got.Lane != "acc_1" || got.Seq != 7 || string(got.Payload) != `{"account":{"id":"acc_1"}}` {
		t.Errorf("handled %+v", got)
	}
}

func TestWhatCannotBeTakenIsRefused(t *testing.T) {
	good := hook{id: "evt_1", eventType: "account:updated", lane: "acc_1"}
	change := func(f func(*http.Request)) *http.Request {
		req := good.request()
		f(req)
		return req
	}
	cases := map[string]struct {
		request *http.Request
		status  int
	}{
		"no signature":      {change(func(r *http.Request) { r.Header.Del("Webhook-Signature") }), http.StatusUnauthorized},
		"another secret":    {hook{id: "evt_1", eventType: "x", secret: sign.NewSecret()}.request(), http.StatusUnauthorized},
		"another id":        {change(func(r *http.Request) { r.Header.Set("Webhook-Id", "evt_2") }), http.StatusUnauthorized},
		"an old timestamp":  {change(func(r *http.Request) { r.Header.Set("Webhook-Timestamp", "1600000000") }), http.StatusUnauthorized},
		"not JSON":          {hook{id: "evt_1", body: "hello"}.request(), http.StatusBadRequest},
		"no event id":       {hook{id: "evt_1", body: `{"eventType":"account:updated"}`}.request(), http.StatusBadRequest},
		"no event type":     {hook{id: "evt_1", body: `{"eventId":"evt_1"}`}.request(), http.StatusBadRequest},
		"a body too large":  {hook{id: "evt_1", body: strings.Repeat(" ", 2000)}.request(), http.StatusRequestEntityTooLarge},
		"a seq of letters":  {change(func(r *http.Request) { r.Header.Set("Carillon-Seq", "seven") }), http.StatusBadRequest},
		"a GET":             {httptest.NewRequest(http.MethodGet, "/", nil), http.StatusMethodNotAllowed},
		"a type not wanted": {hook{id: "evt_1", eventType: "deal:created"}.request(), http.StatusNoContent},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, client.ReceiverOptions{MaxBody: 1000})
			r.Handle("account:*", func(context.Context, *client.Delivery) error {
				t.Error("was handled")
				return nil
			})
			w := httptest.NewRecorder()
			r.ServeHTTP(w, c.request)
			if w.Code != c.status {
				t.Errorf("answered %d, want %d", w.Code, c.status)
			}
		})
	}
}

func TestRepeatsAreDroppedAndFailuresTriedAgain(t *testing.T) {
	r := newReceiver(t, client.ReceiverOptions{})
	calls := 0
	r.Handle("*", func(context.Context, *client.Delivery) error {
		if calls++; calls == 1 {
			return errors.New("the database is away")
		}
		return nil
	})
	h := hook{id: "evt_1", eventType: "account:updated", lane: "acc_1"}
	var statuses []int
	for range 4 {
		statuses = append(statuses, h.send(r))
	}
	if diff := cmp.Diff([]int{500, 204, 204, 204}, statuses); diff != "" {
		t.Error(diff)
	}
	if calls != 2 {
		t.Errorf("the handler ran %d times", calls)
	}
}

// faultySeen is a store of handled events that can be out of reach.
type faultySeen struct {
	*client.Memory
	has, add error
}

func (s *faultySeen) Has(ctx context.Context, id string) (bool, error) {
	if s.has != nil {
		return false, s.has
	}
	return s.Memory.Has(ctx, id)
}

func (s *faultySeen) Add(ctx context.Context, id string) error {
	if s.add != nil {
		return s.add
	}
	return s.Memory.Add(ctx, id)
}

func TestAnEventIsNotTakenWhileItCannotBeRemembered(t *testing.T) {
	away := errors.New("away")
	seen := &faultySeen{Memory: client.NewMemory(10), has: away}
	r := newReceiver(t, client.ReceiverOptions{Seen: seen})
	calls := 0
	r.Handle("*", func(context.Context, *client.Delivery) error { calls++; return nil })
	h := hook{id: "evt_1", eventType: "x", lane: "acc_1"}
	if status := h.send(r); status != http.StatusInternalServerError || calls != 0 {
		t.Errorf("cannot look: answered %d after %d calls", status, calls)
	}
	seen.has, seen.add = nil, away
	if status := h.send(r); status != http.StatusInternalServerError || calls != 1 {
		t.Errorf("cannot note: answered %d after %d calls", status, calls)
	}
	seen.add = nil
	if status := h.send(r); status != http.StatusNoContent {
		t.Errorf("all well: answered %d", status)
	}
}

func TestHandlersOfOneLaneRunInOrderAndLanesSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, client.ReceiverOptions{})
		var mu sync.Mutex
		var order []string
		inside := map[string]int{}
		together := 0
		r.Handle("*", func(_ context.Context, d *client.Delivery) error {
			mu.Lock()
			order = append(order, d.Lane+" "+d.EventID)
			inside[d.Lane]++
			together = max(together, len(inside))
			if inside[d.Lane] > 1 {
				t.Errorf("two handlers at work in lane %s", d.Lane)
			}
			mu.Unlock()
			<-time.After(time.Second)
			mu.Lock()
			if inside[d.Lane]--; inside[d.Lane] == 0 {
				delete(inside, d.Lane)
			}
			mu.Unlock()
			return nil
		})
		start := time.Now()
		var senders sync.WaitGroup
		for i := range 5 {
			for _, lane := range []string{"a", "b", "c"} {
				senders.Go(func() {
					if status := (hook{id: fmt.Sprintf("%s-%d", lane, i), eventType: "x", lane: lane}).send(r); status != http.StatusNoContent {
						t.Errorf("answered %d", status)
					}
				})
				synctest.Wait() // each is in line before the next is sent
			}
		}
		senders.Wait()
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("three lanes of five took %s", took)
		}
		if together != 3 {
			t.Errorf("%d lanes were at work together", together)
		}
		next := map[string]int{}
		for _, o := range order {
			lane, id, _ := strings.Cut(o, " ")
			if want := fmt.Sprintf("%s-%d", lane, next[lane]); id != want {
				t.Errorf("lane %s handled %s, want %s", lane, id, want)
			}
			next[lane]++
		}
	})
}

func TestHandlersAtWorkAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, client.ReceiverOptions{Concurrency: 2})
		var inside, most atomic.Int32
		r.Handle("*", func(context.Context, *client.Delivery) error {
			if n := inside.Add(1); n > most.Load() {
				most.Store(n)
			}
			<-time.After(time.Second)
			inside.Add(-1)
			return nil
		})
		var senders sync.WaitGroup
		for i := range 6 {
			senders.Go(func() { hook{id: fmt.Sprint("evt_", i), eventType: "x", lane: fmt.Sprint(i)}.send(r) })
			synctest.Wait()
		}
		senders.Wait()
		if most.Load() != 2 {
			t.Errorf("%d handlers were at work together", most.Load())
		}
	})
}

func TestALongLaneDoesNotTakeUpTheHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, client.ReceiverOptions{Concurrency: 2})
		release := make(chan struct{})
		done := make(chan struct{})
		r.Handle("slow", func(context.Context, *client.Delivery) error { <-release; return nil })
		r.Handle("quick", func(context.Context, *client.Delivery) error { close(done); return nil })
		var senders sync.WaitGroup
		for i := range 10 {
			senders.Go(func() { hook{id: fmt.Sprint("slow-", i), eventType: "slow", lane: "long"}.send(r) })
		}
		synctest.Wait()
		senders.Go(func() { hook{id: "quick-1", eventType: "quick", lane: "other"}.send(r) })
		<-done
		close(release)
		senders.Wait()
	})
}

func TestASenderThatHangsUpLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceiver(t, client.ReceiverOptions{})
		release := make(chan struct{})
		var handled []string
		r.Handle("*", func(_ context.Context, d *client.Delivery) error {
			handled = append(handled, d.EventID)
			<-release
			return nil
		})
		var senders sync.WaitGroup
		senders.Go(func() { hook{id: "evt_1", eventType: "x", lane: "a"}.send(r) })
		synctest.Wait()
		ctx, hangUp := context.WithCancel(t.Context())
		senders.Go(func() {
			w := httptest.NewRecorder()
			r.ServeHTTP(w, hook{id: "evt_2", eventType: "x", lane: "a"}.request().WithContext(ctx))
			if w.Code != http.StatusServiceUnavailable {
				t.Errorf("answered %d", w.Code)
			}
		})
		synctest.Wait()
		hangUp()
		synctest.Wait()
		close(release)
		senders.Wait()
		if diff := cmp.Diff([]string{"evt_1"}, handled); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTheFirstPatternThatCoversATypeWins(t *testing.T) {
	cases := map[string]map[string]bool{
		"account:updated": {"account:updated": true, "account:update": false, "account:updated2": false},
		"account:*":       {"account:updated": true, "account:": true, "account-health:changed": false},
		"*:changed":       {"account-health:changed": true, "account:changed:not": false},
		"*":               {"anything": true, "": true},
		"a*b*c":           {"abc": true, "axxbyyc": true, "acb": false, "ab": false},
		"aa*aa":           {"aaa": false, "aaaa": true},
	}
	for pattern, types := range cases {
		for eventType, want := range types {
			r := newReceiver(t, client.ReceiverOptions{})
			got := false
			r.Handle(pattern, func(context.Context, *client.Delivery) error { got = true; return nil })
			r.Handle("*", func(context.Context, *client.Delivery) error { return nil })
			body := fmt.Sprintf(`{"eventId":"e","eventType":%q}`, eventType)
			hook{id: "e", body: body}.send(r)
			if eventType == "" {
				continue // an event has a type
			}
			if got != want {
				t.Errorf("%q covers %q: %t", pattern, eventType, got)
			}
		}
	}
}

func TestMemoryForgetsTheOldest(t *testing.T) {
	m := client.NewMemory(2)
	ctx := t.Context()
	for _, id := range []string{"a", "b"} {
		if err := m.Add(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if has, _ := m.Has(ctx, "a"); !has { // and is fresh again
		t.Error("a was forgotten")
	}
	_ = m.Add(ctx, "c")
	for id, want := range map[string]bool{"a": true, "b": false, "c": true} {
		if has, _ := m.Has(ctx, id); has != want {
			t.Errorf("%s is remembered: %t", id, has)
		}
	}
}

func TestAReceiverNeedsAReadableSecret(t *testing.T) {
	for _, secrets := range [][]string{nil, {"secret"}, {testSecret, "whsec_x"}} {
		if _, err := client.NewReceiver(client.ReceiverOptions{Secrets: secrets}); err == nil {
			t.Errorf("secrets %v were accepted", len(secrets))
		}
	}
}

func FuzzReceiver(f *testing.F) {
	f.Add("evt_1", `{"eventId":"evt_1","eventType":"account:updated"}`, "7", "v1,abc")
	f.Add("", "", "", "")
	f.Fuzz(func(t *testing.T, id, body, seq, signature string) {
		r := newReceiver(t, client.ReceiverOptions{})
		r.Handle("*", func(context.Context, *client.Delivery) error {
			t.Error("a forged webhook was handled")
			return nil
		})
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		req.Header.Set("Webhook-Id", id)
		req.Header.Set("Webhook-Timestamp", fmt.Sprint(time.Now().Unix()))
		req.Header.Set("Webhook-Signature", signature)
		req.Header.Set("Carillon-Seq", seq)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if w.Code < 400 {
			t.Errorf("answered %d", w.Code)
		}
	})
}
