package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/broker"
	"carillon/deliver/delivertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server plays a broker.
type server struct {
	mu      sync.Mutex
	dialled []time.Time
	refuse  error // what dialling answers
	slow    time.Duration
	open    []*connection
	answer  func(ctx context.Context, c *connection) error
}

// connection plays a connection to it.
type connection struct {
	server        *server
	lost          chan struct{}
	cut           chan struct{}
	end, cutOnce  sync.Once
	closed, isCut atomic.Bool
}

func (s *server) dial(ctx context.Context) (broker.Connection, error) {
	s.mu.Lock()
	s.dialled = append(s.dialled, time.Now())
	refuse, slow := s.refuse, s.slow
	s.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if refuse != nil {
		return nil, refuse
	}
	c := &connection{server: s, lost: make(chan struct{}), cut: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = append(s.open, c)
	return c, nil
}

func (s *server) sink(c broker.Config) *broker.Sink {
	c.Dial = s.dial
	return broker.NewSink(c)
}

// since gives when it was dialled, after start.
func (s *server) since(start time.Time) []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []time.Duration
	for _, at := range s.dialled {
		list = append(list, at.Sub(start))
	}
	return list
}

func (s *server) refuses(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = err
}

func (c *connection) Publish(ctx context.Context, _ *carillon.Message) error {
	if c.server.answer == nil {
		return nil
	}
	return c.server.answer(ctx, c)
}

func (c *connection) Lost() <-chan struct{} { return c.lost }

func (c *connection) lose() { c.end.Do(func() { close(c.lost) }) }

func (c *connection) Cut() { c.cutOnce.Do(func() { c.isCut.Store(true); close(c.cut) }) }

func (c *connection) Close() {
	c.closed.Store(true)
	c.lose()
}

func message() *carillon.Message { return delivertest.Message("acc_1", 1) }

func closeSink(t *testing.T, sink *broker.Sink) {
	t.Helper()
	if err := sink.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestOpeningDoesNotConnectAndAllSendsShareAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{slow: time.Second}
		sink := s.sink(broker.Config{})
		defer closeSink(t, sink)
		synctest.Wait()
		if len(s.dialled) != 0 {
			t.Fatal("it connects before there is a message")
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { delivertest.MustTake(t, sink, message()) })
		}
		all.Wait()
		delivertest.MustTake(t, sink, message())
		if len(s.dialled) != 1 {
			t.Errorf("it connected %d times", len(s.dialled))
		}
	})
}

func TestAnIdleConnectionIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		sink := s.sink(broker.Config{IdleTimeout: time.Minute})
		defer closeSink(t, sink)
		for range 5 { // in use now and then
			delivertest.MustTake(t, sink, message())
			<-time.After(50 * time.Second)
		}
		if len(s.open) != 1 || s.open[0].closed.Load() {
			t.Fatalf("a connection in use was dropped: %d were made", len(s.open))
		}
		<-time.After(2 * time.Minute)
		if !s.open[0].closed.Load() {
			t.Error("an idle connection is kept")
		}
		delivertest.MustTake(t, sink, message())
		if len(s.open) != 2 {
			t.Errorf("%d connections were made, want a second one", len(s.open))
		}
	})
}

func TestASendThatTakesLongKeepsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(context.Context, *connection) error {
			<-time.After(10 * time.Minute)
			return nil
		}}
		sink := s.sink(broker.Config{IdleTimeout: time.Minute, Timeout: time.Hour})
		defer closeSink(t, sink)
		if result := sink.Send(t.Context(), message()); result.Verdict != deliver.Taken {
			t.Errorf("got %+v", result)
		}
		if s.open[0].closed.Load() {
			t.Error("its connection was dropped")
		}
	})
}

func TestALostConnectionIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		sink := s.sink(broker.Config{})
		defer closeSink(t, sink)
		delivertest.MustTake(t, sink, message())
		s.open[0].lose()
		delivertest.MustTake(t, sink, message())
		synctest.Wait()
		if len(s.open) != 2 || !s.open[0].closed.Load() {
			t.Errorf("%d connections were made, the first one closed: %t", len(s.open), s.open[0].closed.Load())
		}
	})
}

func TestABrokerThatIsDownIsDialledEverMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{refuse: syscall.ECONNREFUSED}
		sink := s.sink(broker.Config{})
		defer closeSink(t, sink)
		start := time.Now()
		var all sync.WaitGroup
		for range 20 { // lanes that all try again and again
			all.Go(func() {
				for range 7 {
					delivertest.WantFailure(t, delivertest.Send(t, sink, message()), deliver.TryAgain, "connection refused")
				}
			})
		}
		all.Wait()
		want := "[0s 100ms 300ms 700ms 1.5s 3.1s 5.1s]"
		if got := fmt.Sprint(s.since(start)[:7]); got != want {
			t.Errorf("dialled at %s, want %s", got, want)
		}
		s.refuses(nil)
		delivertest.MustTake(t, sink, message())
		s.open[0].lose()
		before := time.Now()
		delivertest.MustTake(t, sink, message())
		if waited := time.Since(before); waited != 0 {
			t.Errorf("after a success the next connection waited %s", waited)
		}
	})
}

func TestASendIsBoundedInTime(t *testing.T) {
	hang := func(ctx context.Context, _ *connection) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for name, s := range map[string]*server{
		"while connecting": {slow: 8 * time.Second},
		"while publishing": {answer: hang},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := s.sink(broker.Config{Timeout: 5 * time.Second})
				defer closeSink(t, sink)
				start := time.Now()
				delivertest.WantFailure(t, sink.Send(t.Context(), message()), deliver.TryAgain, "did not answer within 5s")
				if took := time.Since(start); took != 5*time.Second {
					t.Errorf("it took %s", took)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if result := sink.Send(ctx, message()); result.Verdict != deliver.Interrupted {
					t.Errorf("got %+v, want an interruption", result)
				}
			})
		})
	}
	t.Run("a dial that hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &server{slow: time.Hour}
			sink := s.sink(broker.Config{})
			defer closeSink(t, sink)
			delivertest.WantFailure(t, sink.Send(t.Context(), message()), deliver.TryAgain, "timed out while connecting")
		})
	})
}

func TestAPublishThatIsStuckIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := true
		s := &server{answer: func(_ context.Context, c *connection) error { // hears no context, as a write does
			if stuck {
				<-c.cut
				return io.ErrClosedPipe
			}
			return nil
		}}
		sink := s.sink(broker.Config{})
		defer closeSink(t, sink)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if result := sink.Send(ctx, message()); result.Verdict != deliver.Interrupted || result.Duration > 2*time.Second {
			t.Errorf("got %+v, want an interruption after a little more than a second", result)
		}
		stuck = false
		delivertest.MustTake(t, sink, message())
		synctest.Wait()
		if len(s.open) != 2 || !s.open[0].closed.Load() {
			t.Errorf("%d connections were made; want the first one closed", len(s.open))
		}
	})
}

func TestClosingEndsWhatIsUnderWay(t *testing.T) {
	for name, s := range map[string]*server{
		"connecting":               {slow: 8 * time.Second},
		"waiting to connect again": {refuse: io.EOF},
		"publishing": {answer: func(_ context.Context, c *connection) error {
			<-c.cut
			return &broker.Failure{Text: "the sink is closed"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := s.sink(broker.Config{})
				if s.refuse != nil {
					delivertest.WantFailure(t, delivertest.Send(t, sink, message()), deliver.TryAgain)
				}
				results := make(chan deliver.Result)
				go func() { results <- delivertest.Send(t, sink, message()) }()
				synctest.Wait()
				start := time.Now()
				closeSink(t, sink)
				delivertest.WantFailure(t, <-results, deliver.TryAgain, "the sink is closed")
				if took := time.Since(start); took != 0 {
					t.Errorf("closing took %s", took)
				}
				delivertest.WantFailure(t, delivertest.Send(t, sink, message()), deliver.TryAgain, "the sink is closed")
				closeSink(t, sink)
			})
		})
	}
}

func TestReasonsAreShortAndKeepSecrets(t *testing.T) {
	s := &server{answer: func(context.Context, *connection) error {
		return errors.New("login of hush\xff failed " + strings.Repeat("ä", 300))
	}}
	sink := s.sink(broker.Config{Hide: []string{"", "hush"}})
	defer closeSink(t, sink)
	result := delivertest.Send(t, sink, message())
	delivertest.WantFailure(t, result, deliver.TryAgain, "the broker could not be used: login of ***\uFFFD failed")
	if n := len(result.Err.Error()); n > 300 {
		t.Errorf("the reason has %d bytes", n)
	}
}

func TestNeverIsSaidOfTheMessageEvenIfItsTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(ctx context.Context, _ *connection) error {
			<-ctx.Done()
			return &broker.Failure{Text: "too large", Hint: "send less", Never: true}
		}}
		sink := s.sink(broker.Config{})
		defer closeSink(t, sink)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		delivertest.WantFailure(t, sink.Send(ctx, message()), deliver.Never, "too large: send less")
	})
}
