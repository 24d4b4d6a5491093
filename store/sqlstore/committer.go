package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
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

// take waits for acts that are still wanted and gives the first ones; none once the queue is closed and empty.
func (q *queue) take() []*act {
	for {
		q.mu.Lock()
		n := min(len(q.acts), maxBatch)
		var acts []*act
		for _, a := range q.acts[:n] {
			if a.taken.CompareAndSwap(false, true) {
				acts = append(acts, a)
			}
		}
		if q.acts = q.acts[n:]; len(q.acts) == 0 {
			q.acts = nil
		}
		ended := q.closed && q.acts == nil
		q.mu.Unlock()
		if len(acts) > 0 || ended {
			return acts
		}
		if n == 0 {
			<-q.wake
		}
	}
}

// gather lets those who were just answered come again, if they are about to: together they cost one fsync, in two
// alternating groups two. It stops as soon as nobody comes.
func (q *queue) gather(last int) {
	if last < 2 {
		return
	}
	for range 4 {
		q.mu.Lock()
		n := len(q.acts)
		q.mu.Unlock()
		if n >= last {
			return
		}
		runtime.Gosched()
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
	ended := false
	defer func() {
		if !ended { // an act has ended the goroutine, as a test does that fails inside: another one takes over
			s.working.Go(s.commitAll)
		}
	}()
	shared := 0 // acts in the last batch
	for {
		var acts []*act
		if len(s.again) > 0 {
			acts, s.again = s.again[:1], s.again[1:]
		} else {
			s.queue.gather(shared)
			if acts = s.queue.take(); len(acts) == 0 {
				ended = true
				return
			}
			shared = len(acts)
		}
		s.commit(acts)
		s.engine.committed(context.WithoutCancel(acts[0].ctx))
	}
}

// errAbandoned is what the acts of a batch get when one of them ended the committer's goroutine.
var errAbandoned = errors.New("an update ended its goroutine")

// commit runs acts in one transaction and answers them. If the database refuses what all of them together wrote, it
// answers none: they shall run again one by one, so that only the one at fault fails.
func (s *Store) commit(acts []*act) {
	b := &batch{store: s, alone: len(acts) == 1}
	errs, err := make([]error, len(acts)), errAbandoned
	defer func() {
		if b.broken != nil && !b.alone {
			s.again = acts
			return
		}
		for i, a := range acts {
			if errs[i] == nil {
				errs[i] = err
			}
			a.err <- errs[i]
		}
		if err == nil && len(b.appended) > 0 {
			s.grew(b.appended)
		}
	}()
	err = b.run(acts, errs)
}

// batch is one transaction of the committer.
type batch struct {
	store *Store
	// alone says that one act has the transaction for itself, and needs no savepoint.
	alone bool
	// pending is what the acts so far wrote that the database has not been told.
	pending  pending
	cache    cache
	appended []*carillon.Change
	// written are the records that the database has been told, nil for those that are gone. undone says that acts that
	// had told it something were rolled back.
	written map[store.RecordKey]*carillon.Record
	undone  bool
	// broken says why pending could not be told: the batch cannot be committed.
	broken error
}

// run runs acts in a transaction and commits it. errs receives the acts' own failures; err fails all of them, and then
// nothing of them remains.
func (b *batch) run(acts []*act, errs []error) (err error) {
	// The committer belongs to no caller: what has begun is carried through.
	ctx := context.WithoutCancel(acts[0].ctx)
	w := b.store.writer
	if _, err := w.exec(ctx, b.store.flavor.begin); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	committed := false
	defer func() {
		if !committed {
			if _, e := w.exec(ctx, "ROLLBACK"); e != nil {
				// The engine has rolled back already, or is in no state to commit anything.
				b.store.log.LogAttrs(ctx, slog.LevelDebug, "roll back", slog.Any("error", e))
			}
		}
	}()
	for i, a := range acts {
		if errs[i], err = b.act(a); err != nil {
			return err
		}
	}
	if b.alone && errs[0] != nil {
		return errs[0]
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	if _, err := w.exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	b.store.hot.settle(b.written, b.undone)
	return nil
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
		b.appended = append(b.appended, t.pending.changes...)
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
		b.undone = true
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
	b.broken = b.pending.flush(ctx, b)
	return b.broken
}

// wrote notes that the database was told of a record.
func (b *batch) wrote(key store.RecordKey, r *carillon.Record) {
	if b.written == nil {
		b.written = make(map[store.RecordKey]*carillon.Record)
	}
	b.written[key] = r
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
