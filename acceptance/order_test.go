package acceptance_test

import (
	"fmt"
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
	s := serve(t, t.TempDir())
	r := receive(t)
	s.makeAccounts(accounts)
	sub := s.subscribe(r, nil)
	r.Inject(delivertest.Fault{Probability: 0.05, Seed: 1})
	var lifts []func()
	for i := range 10 {
		lifts = append(lifts, r.Inject(delivertest.Fault{Lane: accountID(i)}))
	}
	written := &acked{seqs: map[int64]string{}}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := w; n < *updates; n += writers {
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
	t.Logf("%d events, %d failed on purpose", counts.Unique, counts.Failed)
}

// An endpoint that is dead holds only itself, and catches up when it returns.
func TestADeadEndpointDoesNotSlowAHealthyOne(t *testing.T) {
	s := serve(t, t.TempDir())
	healthy, dead := receive(t), receive(t)
	s.makeAccounts(50)
	healthySub := s.subscribe(healthy, nil)
	deadSub := s.subscribe(dead, nil)
	lift := dead.Inject(delivertest.Fault{Close: true})
	total := 5000
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
