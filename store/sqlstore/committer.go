package sqlstore

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"carillon"
	"carillon/store"
)

// maxBatch bounds the acts that share a transaction, so that none waits long for the others.
const maxBatch = 256

// act is one caller's Update.
type act struct {
	ctx   context.Context
	fn    func(ctx context.Context, tx store.Tx) error
	taken atomic.Bool // by the committer, or by its caller who no longer wants it
	err   chan error  // has room for the answer
}

// queue holds the acts that wait for the committer. It is no longer than there are callers.
type queue struct {
	wake chan struct{} // room for one

	mu     sync.Mutex
	acts   []*act
	closed bool
}

func (q *queue) put(a *act) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosed
	}
	q.acts = append(q.acts, a)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// take waits for acts and gives the first ones; none once the queue is closed and empty.
func (q *queue) take() []*act {
	for {
		q.mu.Lock()
		n := min(len(q.acts), maxBatch)
		batch := q.acts[:n:n]
		q.acts = q.acts[n:]
		if len(q.acts) == 0 {
			q.acts = nil
		}
		closed := q.closed
		q.mu.Unlock()
		if n > 0 || closed {
			return batch
		}
		<-q.wake
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

var errClosed = &carillon.Error{Code: carillon.CodeUnavailable, Message: "the store is closed"}

// Update queues fn for the committer and waits until it is durable or has failed. A caller whose ctx ends while fn waits
// leaves without it; once fn runs it is carried through.
func (s *Store) Update(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a := &act{ctx: ctx, fn: fn, err: make(chan error, 1)}
	if err := s.queue.put(a); err != nil {
		return err
	}
	select {
	case err := <-a.err:
		return err
	case <-ctx.Done():
		if a.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-a.err
	}
}

// commitAll runs what is queued, batch by batch, until the queue is closed and empty.
func (s *Store) commitAll() {
	for {
		acts := s.queue.take()
		if len(acts) == 0 {
			return
		}
		wanted := acts[:0]
		for _, a := range acts {
			if a.taken.CompareAndSwap(false, true) {
				wanted = append(wanted, a)
			}
		}
		if len(wanted) > 0 {
			s.commit(wanted)
		}
	}
}

// commit runs acts in one transaction and answers them. If the database refuses what all of them together wrote, they run
// again one by one, so that only the one at fault fails.
func (s *Store) commit(acts []*act) {
	// The committer belongs to no caller: what has begun is carried through.
	ctx := context.WithoutCancel(acts[0].ctx)
	b := &batch{store: s, alone: len(acts) == 1}
	errs, err := b.run(ctx, acts)
	switch {
	case err == nil:
		for i, a := range acts {
			a.err <- errs[i]
		}
		if b.appended {
			s.nudge()
		}
		s.engine.committed(ctx)
	case b.broken != nil && !b.alone:
		for _, a := range acts {
			s.commit([]*act{a})
		}
	default:
		for i, a := range acts {
			if errs[i] == nil {
				errs[i] = err
			}
			a.err <- errs[i]
		}
	}
}

// batch is one transaction of the committer.
type batch struct {
	store *Store
	// alone says that one act has the transaction for itself, and needs no savepoint.
	alone bool
	// pending is what the acts so far wrote that the database has not been told.
	pending  pending
	cache    cache
	appended bool // changes were
	// broken says why pending could not be told: the batch cannot be committed.
	broken error
}

// run runs acts in a transaction and commits it. errs are the acts' own; err fails all of them, and then nothing of them
// remains.
func (b *batch) run(ctx context.Context, acts []*act) (errs []error, err error) {
	errs = make([]error, len(acts))
	w := b.store.writer
	if _, err := w.exec(ctx, b.store.flavor.begin); err != nil {
		return errs, fmt.Errorf("begin transaction: %w", err)
	}
	defer func() {
		if err != nil {
			if _, e := w.exec(ctx, "ROLLBACK"); e != nil {
				// The engine has rolled back already, or is in no state to commit anything.
				b.store.log.LogAttrs(ctx, slog.LevelDebug, "roll back", slog.Any("error", e))
			}
		}
	}()
	for i, a := range acts {
		if errs[i], err = b.act(a); err != nil {
			return errs, err
		}
	}
	if b.alone && errs[0] != nil {
		return errs, errs[0]
	}
	if err := b.flush(ctx); err != nil {
		return errs, err
	}
	if _, err := w.exec(ctx, "COMMIT"); err != nil {
		return errs, fmt.Errorf("commit: %w", err)
	}
	return errs, nil
}

// act runs one act. own is the act's failure, which is undone; err fails the batch.
func (b *batch) act(a *act) (own, err error) {
	ctx := context.WithoutCancel(a.ctx)
	t := &tx{batch: b}
	own = t.call(ctx, a.fn)
	if own == nil {
		own = t.check()
	}
	t.done = true
	if b.broken != nil {
		return own, b.broken
	}
	if own == nil {
		b.appended = b.appended || len(t.pending.changes) > 0
		for org, head := range t.pending.heads {
			b.cache.keepHead(org, head)
		}
		b.pending.merge(&t.pending)
		if t.savepoint {
			if _, err := b.store.writer.exec(ctx, "RELEASE act"); err != nil {
				return nil, fmt.Errorf("release savepoint: %w", err)
			}
		}
		return nil, nil
	}
	b.cache = cache{} // it may hold what the act saw of itself
	if t.savepoint {
		for _, text := range []string{"ROLLBACK TO act", "RELEASE act"} {
			if _, err := b.store.writer.exec(ctx, text); err != nil {
				return own, fmt.Errorf("roll back to savepoint: %w", err)
			}
		}
	}
	return own, nil
}

// flush tells the database what the acts so far wrote.
func (b *batch) flush(ctx context.Context) error {
	b.broken = b.pending.flush(ctx, b.store.writer)
	return b.broken
}

// call runs fn and turns a panic into an error.
func (t *tx) call(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic in update: %v\n%s", v, debug.Stack())
		}
	}()
	return fn(ctx, t)
}
