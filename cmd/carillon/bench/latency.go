package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// latency: from the moment a write was due to the moment its event is received.
func (r *run) latency(ctx context.Context) ([]Measure, error) {
	var found []Measure
	for _, perSecond := range []int{50, 1000} {
		s, err := r.open(ctx, "latency", 1)
		if err != nil {
			return found, err
		}
		measures, err := r.latencyAt(ctx, s, perSecond)
		found = append(found, measures...)
		if err = errors.Join(err, s.close()); err != nil {
			return found, err
		}
	}
	return found, nil
}

func (r *run) latencyAt(ctx context.Context, s *site, perSecond int) ([]Measure, error) {
	if err := subscribe(ctx, s.api, s.sink.url(0), "now"); err != nil {
		return nil, err
	}
	t := &times{from: time.Now().Add(r.Duration / 5)}
	arrived := t.note
	s.sink.arrived.Store(&arrived)
	l, err := startOpenLoop(ctx, s.address, perSecond)
	if err != nil {
		return nil, err
	}
	err = wait(ctx, r.Duration/5+r.Duration)
	if err = errors.Join(err, l.stop()); err != nil {
		return nil, err
	}
	s.sink.wait(l.written.Load())
	amiss := s.sink.amiss(l.written.Load())
	measure := func(percent int, budget float64) Measure {
		return Measure{
			Row: "latency", What: fmt.Sprintf("p%d from publish to receipt at %s/s", percent, thousands(int64(perSecond))),
			Value: millis(t.percentile(percent)), Unit: "ms",
		}.atMost(budget).spoilt(amiss)
	}
	return []Measure{measure(50, 2), measure(99, 10)}, nil
}

// times collects how long events took.
type times struct {
	from time.Time // what was due before is warm-up

	mu   sync.Mutex
	took []time.Duration
}

// note reads when the write was due out of an event. The payload's first account is the new one.
func (t *times) note(body []byte, at time.Time) {
	_, rest, _ := bytes.Cut(body, markMember)
	text, _, ok := bytes.Cut(rest, []byte("-"))
	nanos, err := strconv.ParseInt(string(text), 10, 64)
	due := time.Unix(0, nanos)
	if !ok || err != nil || due.Before(t.from) {
		return
	}
	t.mu.Lock()
	t.took = append(t.took, at.Sub(due))
	t.mu.Unlock()
}

func (t *times) percentile(p int) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.took) == 0 {
		return 0
	}
	slices.Sort(t.took)
	return t.took[(len(t.took)-1)*p/100]
}
