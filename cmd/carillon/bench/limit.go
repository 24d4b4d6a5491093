package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// limits are what this machine does in this run without the part that is measured. Each is found once.
type limits struct {
	handler float64 // updates per second through the HTTP handler without a store
	client  float64 // posts per second of a plain net/http client to the sink
}

// handlerLimit measures the same load on the same routes when nothing is stored.
func (r *run) handlerLimit(ctx context.Context) (float64, error) {
	if r.limits.handler > 0 {
		return r.limits.handler, nil
	}
	r.say("  limit: the handler without the store")
	dir, remove, err := r.dir("handler")
	if err != nil {
		return 0, err
	}
	defer remove()
	s, err := r.start(ctx, dir, "bench-handler", "--listen", "127.0.0.1:0", "--data", dir)
	if err != nil {
		return 0, err
	}
	var rate float64
	if err = createAccounts(ctx, s.api); err == nil {
		rate, err = r.writeRate(ctx, s)
	}
	if stopErr := s.stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return 0, err
	}
	r.limits.handler = rate
	return rate, nil
}

// writeRate measures updates per second of 64 writers.
func (r *run) writeRate(ctx context.Context, s *server) (float64, error) {
	l, err := startWriters(ctx, s.address, writers)
	if err != nil {
		return 0, err
	}
	w, err := r.window(ctx, func() int64 { return l.written.Load() }, s)
	if stopErr := l.stop(); err == nil {
		err = stopErr
	}
	return w.rate, err
}

// window is what a stretch of time saw.
type window struct {
	rate  float64 // counted per second
	count int64
	cpu   time.Duration // of this process and the server
	took  time.Duration
}

// window warms up and then counts for the run's duration.
func (r *run) window(ctx context.Context, count func() int64, s *server) (window, error) {
	if err := wait(ctx, r.Duration/5); err != nil {
		return window{}, err
	}
	var cpu time.Duration
	if s != nil {
		cpu = s.cpu()
	}
	start, before := time.Now(), count()
	if err := wait(ctx, r.Duration); err != nil {
		return window{}, err
	}
	w := window{count: count() - before, took: time.Since(start)}
	if s != nil {
		w.cpu = s.cpu() - cpu
	}
	w.rate = float64(w.count) / w.took.Seconds()
	return w, nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// clientLimit measures how fast a plain client posts what the sink was sent before, to the same sink, with as many
// requests at once as a subscription has.
func (r *run) clientLimit(ctx context.Context, to *sink) (float64, error) {
	if r.limits.client > 0 {
		return r.limits.client, nil
	}
	like := to.sample.Load()
	if like == nil {
		return 0, fmt.Errorf("measure the bare client: the sink has no sample of a delivery")
	}
	r.say("  limit: a bare client to the same sink")
	const atOnce = 64
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce}
	defer transport.CloseIdleConnections()
	poster := &http.Client{Transport: transport}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var posted atomic.Int64
	var failed atomic.Pointer[error]
	var work sync.WaitGroup
	for range atOnce {
		work.Go(func() {
			for ctx.Err() == nil {
				if err := post(ctx, poster, to.url(0), like); err != nil {
					if ctx.Err() == nil {
						failed.CompareAndSwap(nil, &err)
					}
					return
				}
				posted.Add(1)
			}
		})
	}
	w, err := r.window(ctx, posted.Load, nil)
	cancel()
	work.Wait()
	if failure := failed.Load(); err == nil && failure != nil {
		err = *failure
	}
	if err != nil {
		return 0, fmt.Errorf("measure the bare client: %w", err)
	}
	r.limits.client = w.rate
	return w.rate, nil
}

func post(ctx context.Context, poster *http.Client, url string, like *sample) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(like.body))
	if err != nil {
		return err
	}
	for _, h := range like.headers {
		req.Header.Set(h[0], h[1])
	}
	resp, err := poster.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.Body.Close()
}
