package acceptance_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"carillon/deliver/delivertest"
)

const (
	accounts = 500
	writers  = 32
)

func (s *server) makeAccounts(n int) {
	s.t.Helper()
	for i := range n {
		s.must("PUT", "/v1/accounts/"+accountID(i), object{"name": "Account"}, nil)
	}
}

// 32 writers update 500 accounts while the endpoint fails one request in twenty and is out for ten accounts for a
// while. Every event arrives, verified, in order per account.
func TestOrderUnderFailures(t *testing.T) {
	orderUnder(t, faults{random: 0.05, out: 10})
}

// What failing accounts cost the healthy ones, for docs/performance.md: the log has the times from change to receipt.
func TestLatencyOfHealthyAccounts(t *testing.T) {
	if !*latency {
		t.Skip("a measurement, not a check: it runs with -latency")
	}
	for range 3 {
		t.Run("no failures", func(t *testing.T) { orderUnder(t, faults{}) })
		t.Run("ten accounts out", func(t *testing.T) { orderUnder(t, faults{out: 10}) })
		t.Run("ten accounts out, one request in twenty fails", func(t *testing.T) { orderUnder(t, faults{random: 0.05, out: 10}) })
	}
}

// faults is what goes wrong: the share of requests that fail at random, and how many accounts are out.
type faults struct {
	random float64
	out    int
}

func orderUnder(t *testing.T, f faults) {
	s := serve(t, t.TempDir())
	r := receive(t)
	s.makeAccounts(accounts)
	sub := s.subscribe(r, nil)
	if f.random > 0 {
		r.Inject(delivertest.Fault{Probability: f.random, Seed: 1})
	}
	var lifts []func()
	for i := range f.out {
		lifts = append(lifts, r.Inject(delivertest.Fault{Lane: accountID(i)}))
	}
	written := &acked{seqs: map[int64]string{}}
	var pace <-chan time.Time
	if *latency {
		ticker := time.NewTicker(time.Millisecond) // 1,000 a second: well below what the machine can do
		defer ticker.Stop()
		pace = ticker.C
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := w; n < *updates; n += writers {
				if pace != nil {
					<-pace
				}
				account := accountID(n % accounts)
				header, err := s.call("PATCH", "/v1/accounts/"+account, object{"domain": fmt.Sprintf("d%d.example.com", n)}, nil)
				if err == nil {
					err = written.add(header, account)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, lift := range lifts {
		lift()
	}
	s.caughtUp(sub.ID)
	counts := r.Snapshot()
	if counts.Unique != *updates || written.count() != *updates {
		t.Errorf("%d events came of %d writes, want %d", counts.Unique, written.count(), *updates)
	}
	for _, d := range r.OutOfOrder() {
		t.Error(d)
	}
	if counts.Repeats > 0 {
		t.Errorf("%d messages were taken twice", counts.Repeats)
	}
	for _, why := range r.Rejected() {
		t.Error("rejected:", why)
	}
	p50, p99 := healthyLatency(t, r, f.out)
	t.Logf("%d events, %d failed on purpose; healthy accounts: p50 %s, p99 %s", counts.Unique, counts.Failed, p50, p99)
}

// healthyLatency is the time from change to receipt of messages that were taken at the first try, for accounts that were
// not out.
func healthyLatency(t *testing.T, r *receiver, out int) (p50, p99 time.Duration) {
	t.Helper()
	var times []time.Duration
	for _, d := range r.Deliveries() {
		var envelope struct{ Timestamp time.Time }
		if err := json.Unmarshal(d.Body, &envelope); err != nil {
			t.Fatal(err)
		}
		if d.Attempt == 1 && d.Lane >= accountID(out) {
			times = append(times, d.At.Sub(envelope.Timestamp))
		}
	}
	slices.Sort(times)
	return times[len(times)/2], times[len(times)*99/100]
}

// An endpoint that is dead holds only itself, and catches up when it returns.
func TestADeadEndpointDoesNotSlowAHealthyOne(t *testing.T) {
	s := serve(t, t.TempDir())
	healthy, dead := receive(t), receive(t)
	s.makeAccounts(50)
	healthySub := s.subscribe(healthy, nil)
	deadSub := s.subscribe(dead, nil)
	lift := dead.Inject(delivertest.Fault{Close: true})
	total := *behind
	s.batch(total, 50)
	s.caughtUp(healthySub.ID)
	if got := healthy.Snapshot().Unique; got != total {
		t.Errorf("the healthy endpoint was told %d of %d", got, total)
	}
	if now := s.subscription(deadSub.ID); now.State != "degraded" || now.DeadLetters != 0 {
		t.Errorf("the dead endpoint's subscription is %+v", now)
	}
	lift()
	s.caughtUp(deadSub.ID)
	counts := dead.Snapshot()
	if counts.Unique != total || len(dead.OutOfOrder()) > 0 || counts.Repeats > 0 {
		t.Errorf("after its return the dead endpoint was told %+v, want %d in order", counts, total)
	}
}

// batch writes n updates over some accounts as NDJSON.
func (s *server) batch(n, over int) {
	s.t.Helper()
	if err := s.tryBatch(n, over, time.Now().UnixNano()); err != nil {
		s.t.Fatal(err)
	}
}
