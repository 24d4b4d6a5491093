package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"carillon/client"
)

// site is a server with accounts, and a sink.
type site struct {
	*server
	sink   *sink
	remove func()
}

// open makes a site: a fresh server with accounts and a sink with so many endpoints.
func (r *run) open(ctx context.Context, name string, endpoints int) (*site, error) {
	dir, remove, err := r.dir(name)
	if err != nil {
		return nil, err
	}
	s, err := r.serve(ctx, dir)
	if err != nil {
		remove()
		return nil, err
	}
	site := &site{server: s, remove: remove}
	if site.sink, err = newSink(ctx, endpoints); err == nil {
		err = createAccounts(ctx, s.api)
	}
	if err != nil {
		return nil, errors.Join(err, site.close())
	}
	return site, nil
}

func (s *site) close() error {
	err := s.stop()
	if s.sink != nil {
		s.sink.close()
	}
	s.remove()
	return err
}

// amiss says what was wrong with what the sink got, "" if nothing was.
func (s *sink) amiss(want int64) string {
	if got := s.taken.Load(); got < want {
		return fmt.Sprintf("%d of %d events never arrived", want-got, want)
	}
	if n := s.misplaced.Load(); n > 0 {
		return fmt.Sprintf("%d events arrived repeated or out of order", n)
	}
	return ""
}

// flow is what writers and endpoints did at the same time.
type flow struct {
	written, delivered float64 // per second
	cpu                time.Duration
	deliveries         int64
	amiss              string
	behind             int64 // deliveries missing when the writers stopped
	peak               int64 // memory of the server, bytes
}

// flow subscribes the site's endpoints, writes for the run's duration, and waits until all has arrived.
func (r *run) flow(ctx context.Context, s *site, n int) (flow, error) {
	endpoints := int64(len(s.sink.endpoints))
	for i := range s.sink.endpoints {
		if err := subscribe(ctx, s.api, s.sink.url(i), "now"); err != nil {
			return flow{}, err
		}
	}
	l, err := startWriters(ctx, s.address, n)
	if err != nil {
		return flow{}, err
	}
	var written, before int64
	w, err := r.window(ctx, func() int64 {
		written, before = l.written.Load(), written
		return s.sink.taken.Load()
	}, s.server)
	if stopErr := l.stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return flow{}, err
	}
	f := flow{
		written: float64(written-before) / w.took.Seconds(), delivered: w.rate, cpu: w.cpu, deliveries: w.count,
	}
	want := l.written.Load() * endpoints
	f.behind = max(want-s.sink.taken.Load(), 0)
	s.sink.wait(want)
	f.amiss = s.sink.amiss(want)
	_, f.peak = s.memory()
	return f, nil
}

// endToEnd: what is written is delivered at the same time.
func (r *run) endToEnd(ctx context.Context) ([]Measure, error) {
	s, err := r.open(ctx, "end-to-end", 1)
	if err != nil {
		return nil, err
	}
	f, err := r.flow(ctx, s, writers)
	if err == nil {
		_, err = r.clientLimit(ctx, s.sink)
	}
	if err = errors.Join(err, s.close()); err != nil {
		return nil, err
	}
	handler, err := r.handlerLimit(ctx)
	if err != nil {
		return nil, err
	}
	rate := min(f.written, f.delivered)
	speed := Measure{
		Row: "end-to-end", What: "events written and delivered", Value: rate, Unit: "events/s",
		Note: fmt.Sprintf("%s written/s, %s delivered/s, %d behind at the end", number(f.written), number(f.delivered), f.behind),
	}.against(1/(1/handler+1/r.limits.client), "handler without the store and bare client, sharing the processors").atLeast(5000).spoilt(f.amiss)
	cost := Measure{
		Row: "end-to-end", What: "processor time per event, all processes", Value: millis(f.cpu) / float64(max(f.deliveries, 1)), Unit: "ms",
	}
	if f.cpu > 0 {
		cost = cost.atMost(0.3)
	} else {
		cost.Note = "not measured on this system"
	}
	r.rest["memory"] = []Measure{memoryMeasure("resident memory under load, peak", f.peak).budgetMB(150)}
	return []Measure{speed, cost}, nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// writes: durable writes with nobody listening.
func (r *run) writes(ctx context.Context) ([]Measure, error) {
	s, err := r.open(ctx, "writes", 0)
	if err != nil {
		return nil, err
	}
	rate, err := r.writeRate(ctx, s.server)
	if err = errors.Join(err, s.close()); err != nil {
		return nil, err
	}
	handler, err := r.handlerLimit(ctx)
	if err != nil {
		return nil, err
	}
	return []Measure{Measure{
		Row: "writes", What: "durable writes", Value: rate, Unit: "writes/s",
	}.against(handler, "handler without the store").atLeast(7000).ratioAtLeast(0.35)}, nil
}

// catchUp: a subscription from the beginning of a log that nobody adds to.
func (r *run) catchUp(ctx context.Context) ([]Measure, error) {
	s, err := r.open(ctx, "catch-up", 1)
	if err != nil {
		return nil, err
	}
	found, err := r.catchUpOn(ctx, s)
	return found, errors.Join(err, s.close())
}

func (r *run) catchUpOn(ctx context.Context, s *site) ([]Measure, error) {
	n := 60_000
	if r.Quick {
		n = 15_000
	}
	r.say(fmt.Sprintf("  writing %d changes", n))
	if err := fillLog(ctx, s.api, n, func(int) {}); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := subscribe(ctx, s.api, s.sink.url(0), "beginning"); err != nil {
		return nil, err
	}
	s.sink.wait(int64(n))
	took := time.Since(start)
	bare, err := r.clientLimit(ctx, s.sink)
	if err != nil {
		return nil, err
	}
	return []Measure{Measure{
		Row: "catch-up", What: "deliveries from the log", Value: float64(n) / took.Seconds(), Unit: "deliveries/s",
	}.against(bare, "bare client to the same sink").ratioAtLeast(0.5).spoilt(s.sink.amiss(int64(n)))}, nil
}

// fanOut: every write goes to ten endpoints.
func (r *run) fanOut(ctx context.Context) ([]Measure, error) {
	s, err := r.open(ctx, "fan-out", 10)
	if err != nil {
		return nil, err
	}
	f, err := r.flow(ctx, s, 16)
	var bare float64
	if err == nil {
		bare, err = r.clientLimit(ctx, s.sink)
	}
	if err = errors.Join(err, s.close()); err != nil {
		return nil, err
	}
	return []Measure{Measure{
		Row: "fan-out", What: "deliveries to ten endpoints while writing", Value: f.delivered, Unit: "deliveries/s",
		Note: fmt.Sprintf("%s writes/s by 16 writers meanwhile", number(f.written)),
	}.against(bare, "bare client to the same sink").ratioAtLeast(0.5).spoilt(f.amiss)}, nil
}

// logSize: the same flow with a long log behind it.
func (r *run) logSize(ctx context.Context) ([]Measure, error) {
	if r.LogSize <= 0 {
		return nil, errors.New("it needs --log-size N")
	}
	empty, err := r.open(ctx, "log-empty", 1)
	if err != nil {
		return nil, err
	}
	before, err := r.flow(ctx, empty, writers)
	if err = errors.Join(err, empty.close()); err != nil {
		return nil, err
	}
	full, err := r.open(ctx, "log-full", 1)
	if err != nil {
		return nil, err
	}
	last := time.Now()
	err = fillLog(ctx, full.api, r.LogSize, func(done int) {
		if time.Since(last) > 10*time.Second {
			last = time.Now()
			r.say(fmt.Sprintf("  %s of %s changes in the log", thousands(int64(done)), thousands(int64(r.LogSize))))
		}
	})
	var after flow
	if err == nil {
		after, err = r.flow(ctx, full, writers)
	}
	if err = errors.Join(err, full.close()); err != nil {
		return nil, err
	}
	return []Measure{Measure{
		Row: "log-size", What: fmt.Sprintf("events written and delivered, %s changes in the log", thousands(int64(r.LogSize))),
		Value: min(after.written, after.delivered), Unit: "events/s",
	}.against(min(before.written, before.delivered), "the same with an empty log").ratioAtLeast(0.9).spoilt(after.amiss)}, nil
}

// memory: of the server under load, and with many subscriptions that have nothing to do.
func (r *run) memory(ctx context.Context) ([]Measure, error) {
	if r.rest["memory"] == nil {
		s, err := r.open(ctx, "memory", 1)
		if err != nil {
			return nil, err
		}
		f, err := r.flow(ctx, s, writers)
		if err = errors.Join(err, s.close()); err != nil {
			return nil, err
		}
		r.rest["memory"] = []Measure{memoryMeasure("resident memory under load, peak", f.peak).budgetMB(150)}
	}
	idle, err := r.idle(ctx)
	return append(r.rest["memory"], idle...), err
}

func (r *run) idle(ctx context.Context) ([]Measure, error) {
	n := 10_000
	if r.Quick {
		n = 1000
	}
	s, err := r.open(ctx, "idle", 1)
	if err != nil {
		return nil, err
	}
	now, err := r.idleOn(ctx, s, n)
	if err = errors.Join(err, s.close()); err != nil {
		return nil, err
	}
	return []Measure{memoryMeasure(fmt.Sprintf("resident memory with %s idle subscriptions", thousands(int64(n))), now).budgetMB(200)}, nil
}

func (r *run) idleOn(ctx context.Context, s *site, n int) (int64, error) {
	if err := inParallel(ctx, n, func(ctx context.Context, i int) error {
		_, err := s.api.CreateSubscription(ctx, client.Subscription{
			Name: fmt.Sprintf("idle %d", i), Events: []string{"deal:stage:changed"}, Start: "now", Sink: webhook(s.sink.url(0)),
		})
		return err
	}); err != nil {
		return 0, fmt.Errorf("create idle subscriptions: %w", err)
	}
	// A write has every reader look at the log once.
	if err := writeAll(ctx, s.address, 100); err != nil {
		return 0, err
	}
	if err := wait(ctx, 5*time.Second); err != nil {
		return 0, err
	}
	now, _ := s.server.memory()
	return now, nil
}

func memoryMeasure(what string, bytes int64) Measure {
	m := Measure{Row: "memory", What: what, Value: float64(bytes) / 1e6, Unit: "MB"}
	if bytes == 0 {
		m.Note = "not measured on this system"
	}
	return m
}

func (m Measure) budgetMB(mb float64) Measure {
	if m.Value == 0 {
		return m
	}
	return m.atMost(mb)
}
