package ledger

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"carillon"
	"carillon/store"
)

// job is what a caller waits for: entries to apply, or an act on the org's definitions.
type job struct {
	ctx     context.Context
	entries []*entry
	// act changes something other than records in a transaction of its own; after is called once that is durable.
	act   func(ctx context.Context, tx store.Tx) error
	after func()
	err   error // of the act
	state atomic.Int32
	done  chan struct{}
}

// The states of a job.
const (
	waiting int32 = iota
	taken         // by Run's goroutine: it will be answered
	givenUp       // by its caller before it was taken: it is never done
)

// queue holds jobs until Run's goroutine takes them.
type queue struct {
	wake chan struct{} // has a token when there may be jobs

	mu     sync.Mutex
	jobs   []*job
	closed bool
}

var errStopped = &carillon.Error{
	Code: carillon.CodeUnavailable, Message: "the ledger takes no more writes: the server is stopping",
	Hint: "try again in a moment",
}

func (q *queue) put(j *job) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return errStopped
	}
	q.jobs = append(q.jobs, j)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// gather lets callers that were just answered come back before the next jobs are taken: with as many as took part last
// time, writers who write one after the other share one transaction instead of alternating between two.
func (q *queue) gather(last int) {
	if last < 2 {
		return
	}
	for range 4 {
		q.mu.Lock()
		n := len(q.jobs)
		q.mu.Unlock()
		if n >= last {
			return
		}
		runtime.Gosched()
	}
}

// take gives all jobs that wait, and with last refuses any more.
func (q *queue) take(last bool) []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	jobs := q.jobs
	q.jobs = nil
	q.closed = q.closed || last
	return jobs
}

// wait blocks until the job is answered. A caller who loses patience gives it up, unless it has been taken already: then
// it is about to be durable and the answer is worth waiting for.
func (j *job) wait() error {
	select {
	case <-j.done:
		return nil
	case <-j.ctx.Done():
		if j.state.CompareAndSwap(waiting, givenUp) {
			return &carillon.Error{
				Code: carillon.CodeUnavailable, Message: "the write was given up before it was begun; nothing was written", Err: j.ctx.Err(),
			}
		}
		<-j.done
		return nil
	}
}

// Apply does an entry as a whole, durably, and reports what became of each of its writes. Errors are *carillon.Error:
// malformed, invalid (with a Fault for each thing wrong), too_large, not_found, conflict, stale_version, unavailable.
// Nothing of a failed entry is written. If ctx ends before the entry's turn comes it is given up with unavailable.
func (l *Ledger) Apply(ctx context.Context, e Entry) (Result, error) {
	reply := l.ApplyAll(ctx, []Entry{e})[0]
	return reply.Result, reply.Err
}

// ApplyAll applies entries in order, each failing alone, later ones seeing earlier ones, in as few transactions as it takes.
func (l *Ledger) ApplyAll(ctx context.Context, entries []Entry) []Reply {
	replies := make([]Reply, len(entries))
	prepared := make([]*entry, len(entries))
	var jobs []*job
	next := &job{ctx: ctx}
	writes, size := 0, 0
	send := func() {
		if len(next.entries) == 0 {
			return
		}
		next.done = make(chan struct{})
		if err := l.queue.put(next); err != nil {
			for _, p := range next.entries {
				p.reply.Err = err
			}
		} else {
			jobs = append(jobs, next)
		}
		next, writes, size = &job{ctx: ctx}, 0, 0
	}
	for i, e := range entries {
		p, err := l.prepare(e)
		if err != nil {
			replies[i].Err = err
			continue
		}
		prepared[i] = p
		next.entries = append(next.entries, p)
		writes, size = writes+len(p.writes), size+p.size
		if writes >= l.limits.Group || size >= l.limits.GroupBytes {
			send() // so that these are written while the next are read
		}
	}
	send()
	for _, j := range jobs {
		if err := j.wait(); err != nil {
			for _, p := range j.entries {
				p.reply.Err = err
			}
		}
	}
	for i, p := range prepared {
		if p != nil {
			replies[i] = p.reply
		}
	}
	return replies
}

// do runs an act on the org's definitions in Run's goroutine, in a transaction of its own; after is called once it is durable.
func (l *Ledger) do(ctx context.Context, act func(ctx context.Context, tx store.Tx) error, after func()) error {
	j := &job{ctx: ctx, act: act, after: after, done: make(chan struct{})}
	if err := l.queue.put(j); err != nil {
		return err
	}
	if err := j.wait(); err != nil {
		return err
	}
	return j.err
}

// Run writes what Apply and its like ask for until ctx ends; then it writes what waits, and returns. Call it once.
func (l *Ledger) Run(ctx context.Context) error {
	work := context.WithoutCancel(ctx) // what was taken is finished
	last := 0                          // jobs taken last time
	for {
		select {
		case <-l.queue.wake:
			l.queue.gather(last)
			jobs := l.queue.take(false)
			last = len(jobs)
			l.work(work, jobs)
		case <-ctx.Done():
			l.work(work, l.queue.take(true))
			return nil
		}
	}
}

// work does jobs in order, as many as the limits allow in one transaction.
func (l *Ledger) work(ctx context.Context, jobs []*job) {
	var group []*job
	writes, size := 0, 0
	flush := func() {
		if len(group) > 0 {
			l.commit(ctx, group)
		}
		group, writes, size = nil, 0, 0
	}
	for _, j := range jobs {
		if !j.state.CompareAndSwap(waiting, taken) {
			continue
		}
		if j.act != nil {
			flush()
			if j.err = l.store.Update(ctx, j.act); j.err == nil {
				j.after()
			}
			close(j.done)
			continue
		}
		group = append(group, j)
		for _, e := range j.entries {
			writes, size = writes+len(e.writes), size+e.size
		}
		if writes >= l.limits.Group || size >= l.limits.GroupBytes {
			flush()
		}
	}
	flush()
}

// commit does the jobs' entries in one transaction and answers.
func (l *Ledger) commit(ctx context.Context, group []*job) {
	var entries []*entry
	for _, j := range group {
		entries = append(entries, j.entries...)
	}
	err := l.commitEntries(ctx, entries)
	if err != nil && len(entries) > 1 && carillon.ErrorCode(err) != carillon.CodeUnavailable {
		// One of them cannot be stored. Alone, it takes nobody with it.
		l.log.WarnContext(ctx, "write entries one by one after a failure", "entries", len(entries), "error", err)
		for _, e := range entries {
			if err := l.commitEntries(ctx, []*entry{e}); err != nil {
				e.reply = Reply{Err: fmt.Errorf("write records: %w", err)}
			}
		}
	} else if err != nil {
		for _, e := range entries {
			e.reply = Reply{Err: fmt.Errorf("write records: %w", err)}
		}
	}
	for _, j := range group {
		close(j.done)
	}
}

func (l *Ledger) commitEntries(ctx context.Context, entries []*entry) error {
	err := l.store.Update(ctx, func(ctx context.Context, stx store.Tx) error {
		t, err := l.begin(ctx, stx, entries)
		if err != nil {
			return err
		}
		for _, e := range entries {
			e.reply.Result, e.reply.Err = t.settle(e)
			if t.broken != nil {
				return t.broken
			}
		}
		if err := t.flush(); err != nil {
			return err
		}
		for _, e := range entries {
			if e.Also == nil || e.reply.Err != nil {
				continue
			}
			if err := e.Also(ctx, stx, e.reply.Result); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		l.observe(len(entries))
	}
	return err
}
