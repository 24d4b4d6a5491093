package script

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"carillon"

	"github.com/go-json-experiment/json/jsontext"
)

// Pool keeps engines warm and bounds how many there are. It is safe for concurrent use.
//
// An installation has a key. What stands before the key's first slash is its owner: no owner can have all engines at work.
//
// Each engine belongs to a worker, a goroutine that serves one Program of one installation: it loads the app, waits, performs
// one invocation at a time, and puts the engine back to where it was. A worker that nobody needs any more ends, and so does
// one whose engine had to be stopped, ran out of memory or broke.
type Pool struct {
	config Config
	ended  sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	workers map[*worker]struct{}
	idle    []*worker // those of workers that wait, the one that has waited longest first
	waiting []*waiter
}

// worker serves one Program of one installation.
type worker struct {
	pool    *Pool
	key     string
	program *Program
	tasks   chan *task    // has room for one, which whoever took the worker puts there
	quit    chan struct{} // closed to end it while it is idle
	taken   bool          // a task is coming, or being done; guarded by Pool.mu
}

// task is an invocation.
type task struct {
	ctx     context.Context
	handler string
	args    jsontext.Value
	host    Host
	done    chan outcome // has room for one
}

type outcome struct {
	result Result
	err    error
}

// waiter waits until there is room for an engine.
type waiter struct {
	ctx     context.Context
	key     string
	program *Program
	granted chan *worker // has room for one
}

// NewPool gives a pool without engines.
func NewPool(c Config) *Pool {
	return &Pool{config: c.withDefaults(), workers: map[*worker]struct{}{}}
}

// Stats says how many engines there are.
type Stats struct {
	Live    int // all
	Idle    int // warm, without work
	Waiting int // invocations that wait for one
}

// Stats counts.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{Live: len(p.workers), Idle: len(p.idle), Waiting: len(p.waiting)}
}

// Invoke calls a handler of an installation's app with one argument, which is JSON. It waits for an engine as long as ctx lets
// it. How the script fared is in the Result; the error is for what is not the script's doing: ctx has ended, which also stops
// the script, or the pool is closed (CodeUnavailable). With an error the Result has a Failure if the script was stopped half-way.
func (p *Pool) Invoke(ctx context.Context, key string, program *Program, handler string, args jsontext.Value, host Host) (Result, error) {
	if len(args) > p.config.Payload {
		return Result{Failure: &Failure{
			Kind:    KindPayload,
			Message: fmt.Sprintf("the payload has %d bytes; a handler takes at most %d", len(args), p.config.Payload),
		}}, nil
	}
	w, err := p.take(ctx, key, program)
	if err != nil {
		return Result{}, err
	}
	t := &task{ctx: ctx, handler: handler, args: args, host: host, done: make(chan outcome, 1)}
	w.tasks <- t
	o := <-t.done
	return o.result, o.err
}

// Prewarm loads an installation's app into an engine, unless it has one or there is no room. It does not wait.
func (p *Pool) Prewarm(ctx context.Context, key string, program *Program) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && p.count(key) == 0 && p.countOf(ownerOf(key)) < p.config.PerOwner && len(p.workers) < p.config.Engines {
		w := p.hire(ctx, key, program)
		w.taken = false
		p.idle = append(p.idle, w)
	}
}

// Drop ends an installation's engines, those at work when they are done.
func (p *Pool) Drop(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dismiss(func(w *worker) bool { return w.key == key })
	p.serve()
}

// Close ends all engines, waits for those at work, and refuses further work. Invocations that wait are refused.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.dismiss(func(*worker) bool { return true })
	for _, waiter := range p.waiting {
		close(waiter.granted)
	}
	p.waiting = nil
	p.mu.Unlock()
	p.ended.Wait()
}

// take gives a worker that expects a task.
func (p *Pool) take(ctx context.Context, key string, program *Program) (*worker, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("wait for an engine: %w", err)
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	me := &waiter{ctx, key, program, make(chan *worker, 1)}
	p.waiting = append(p.waiting, me)
	p.serve()
	p.mu.Unlock()
	select {
	case w, ok := <-me.granted:
		if !ok {
			return nil, errClosed
		}
		return w, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, me); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	} else if w, ok := <-me.granted; ok && !p.rest(w) { // it came at the same moment
		close(w.quit)
	}
	return nil, fmt.Errorf("wait for an engine: %w", ctx.Err())
}

var errClosed = &carillon.Error{Code: carillon.CodeUnavailable, Message: "the scripts are shutting down"}

// serve gives workers to those who wait and can have one, in their order. The caller holds mu.
func (p *Pool) serve() {
	p.waiting = slices.DeleteFunc(p.waiting, func(waiter *waiter) bool {
		w := p.find(waiter)
		if w != nil {
			waiter.granted <- w
		}
		return w != nil
	})
}

// find gives a worker to one who waits, if there can be one now: a warm one, or else a new one, if need be in the place of the
// warm one that has been idle longest, of those of the installation or the owner that has its share. The caller holds mu.
func (p *Pool) find(one *waiter) *worker {
	for i, w := range slices.Backward(p.idle) {
		if w.key == one.key && w.program == one.program {
			p.idle = slices.Delete(p.idle, i, i+1)
			w.taken = true
			return w
		}
	}
	owner := ownerOf(one.key)
	var gives func(w *worker) bool
	switch {
	case p.count(one.key) >= p.config.PerKey:
		gives = func(w *worker) bool { return w.key == one.key }
	case p.countOf(owner) >= p.config.PerOwner:
		gives = func(w *worker) bool { return ownerOf(w.key) == owner }
	case len(p.workers) >= p.config.Engines:
		gives = func(*worker) bool { return true }
	}
	if gives != nil {
		i := slices.IndexFunc(p.idle, gives)
		if i < 0 {
			return nil
		}
		cold := p.idle[i]
		p.dismiss(func(w *worker) bool { return w == cold })
	}
	return p.hire(one.ctx, one.key, one.program)
}

// count gives how many engines an installation has. The caller holds mu.
func (p *Pool) count(key string) (n int) {
	for w := range p.workers {
		if w.key == key {
			n++
		}
	}
	return n
}

// countOf gives how many engines the installations of an owner have. The caller holds mu.
func (p *Pool) countOf(owner string) (n int) {
	for w := range p.workers {
		if ownerOf(w.key) == owner {
			n++
		}
	}
	return n
}

// ownerOf gives whose installation a key is of.
func ownerOf(key string) string {
	owner, _, _ := strings.Cut(key, "/")
	return owner
}

// hire starts a worker, which then expects a task. The caller holds mu.
func (p *Pool) hire(ctx context.Context, key string, program *Program) *worker {
	w := &worker{pool: p, key: key, program: program, tasks: make(chan *task, 1), quit: make(chan struct{}), taken: true}
	p.workers[w] = struct{}{}
	p.ended.Go(func() { w.work(context.WithoutCancel(ctx)) })
	return w
}

// dismiss ends workers: those that are idle now, others when they are done. The caller holds mu.
func (p *Pool) dismiss(which func(*worker) bool) {
	maps.DeleteFunc(p.workers, func(w *worker, _ struct{}) bool { return which(w) })
	p.idle = slices.DeleteFunc(p.idle, func(w *worker) bool {
		_, stays := p.workers[w]
		if !stays {
			close(w.quit)
		}
		return !stays
	})
}

// rest takes back a worker that is ready for the next task. It reports false if the worker was dismissed. The caller holds mu.
func (p *Pool) rest(w *worker) bool {
	w.taken = false
	_, stays := p.workers[w]
	if stays {
		p.idle = append(p.idle, w)
		p.serve()
	}
	return stays
}

// retire ends a worker that ends of its own accord. It reports false if a task is coming that must be answered.
func (p *Pool) retire(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.taken {
		return false
	}
	delete(p.workers, w)
	p.idle = slices.DeleteFunc(p.idle, func(one *worker) bool { return one == w })
	p.serve()
	return true
}

// leave ends a worker that was taken and has answered its task.
func (p *Pool) leave(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.workers, w)
	p.serve()
}
