package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/store"
)

// Store is what delivery needs of the archive.
type Store interface {
	Update(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error
	Watch() (nudges <-chan struct{}, stop func())
	Follow(fn func(changes []*carillon.Change)) (stop func())
	RecordAsOf(ctx context.Context, org string, ref carillon.Ref, seq int64) (*carillon.Record, error)
	Snapshot(ctx context.Context, org string, asOf int64, after carillon.Ref, limit int) ([]*carillon.Record, error)
	Changes(ctx context.Context, org string, q store.LogQuery) ([]*carillon.Change, error)
	Head(ctx context.Context, org string) (int64, error)
	Heads(ctx context.Context) (map[string]int64, error)
	Subscription(ctx context.Context, org, id string) (*carillon.Subscription, error)
	Subscriptions(ctx context.Context, org string) ([]*carillon.Subscription, error)
	Progress(ctx context.Context, org, subscription string) (*carillon.Progress, error)
	ParkedLanes(ctx context.Context, org, subscription string) ([]*carillon.ParkedLane, error)
	DeadLetters(ctx context.Context, org, subscription, after string, limit int) ([]*carillon.DeadLetter, error)
	DeadLetter(ctx context.Context, org, subscription, id string) (*carillon.DeadLetter, error)
	CountDeadLetters(ctx context.Context, org, subscription string) (int, error)
	Attempts(ctx context.Context, org, subscription string, before time.Time, limit int) ([]*carillon.Attempt, error)
	RecentDeliveries(ctx context.Context, org, subscription string) ([]*carillon.Attempt, error)
}

// Config is what an engine is made of.
type Config struct {
	Store    Store
	Dialects map[string]dialect.Dialect
	Sinks    map[carillon.SinkType]OpenSink
	Logger   *slog.Logger
	// Common names the dialects that many systems speak. A subscription in any other feeds the very system that a connection
	// in that dialect hears, so changes that came from there are not told back to it (unless it asks for its Echo).
	Common []string
	// Observe, if set, is told of every attempt. It must be quick and must not keep the attempt.
	Observe func(*carillon.Attempt)
	// Grace is how long a stop waits for messages in flight before it cancels them (default 10 s).
	Grace time.Duration
	// Poll is how often the log is looked at without a nudge (default 1 s).
	Poll time.Duration
}

// Engine runs every subscription. It implements Desk.
type Engine struct {
	store     Store
	dialects  map[string]dialect.Dialect
	typeNames map[string][]string
	sinks     map[carillon.SinkType]OpenSink
	common    []string
	log       *slog.Logger
	observe   func(*carillon.Attempt)
	grace     time.Duration
	poll      time.Duration

	checkpoints chan *checkpoint
	background  sync.WaitGroup // what runs beside the runners and must end before Run returns

	// Lock order: acts[id] before mu. Nothing is called with mu held that could block.
	mu      sync.Mutex
	running bool
	runners map[string]*running    // by subscription id
	acts    map[string]*sync.Mutex // one change of a subscription at a time
	tails   map[string]*tail       // by org
	pushed  map[string]bool        // orgs whose tail was pushed to since the runners were last woken
	runCtx  context.Context
}

// running is a runner and the way to stop it.
type running struct {
	*runner
	stop context.CancelFunc
}

var _ Desk = (*Engine)(nil)

// New makes an engine. It fails if the config lacks something.
func New(c Config) (*Engine, error) {
	if c.Store == nil || len(c.Dialects) == 0 || len(c.Sinks) == 0 {
		return nil, errors.New("deliver: a store, dialects and sinks are needed")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Grace == 0 {
		c.Grace = 10 * time.Second
	}
	if c.Poll == 0 {
		c.Poll = time.Second
	}
	e := &Engine{
		store: c.Store, dialects: c.Dialects, sinks: c.Sinks, common: c.Common, log: c.Logger, observe: c.Observe, grace: c.Grace, poll: c.Poll,
		typeNames:   make(map[string][]string),
		checkpoints: make(chan *checkpoint, 64),
		runners:     make(map[string]*running), acts: make(map[string]*sync.Mutex), tails: make(map[string]*tail),
	}
	for name, d := range c.Dialects {
		for _, t := range d.Types() {
			e.typeNames[name] = append(e.typeNames[name], t.Name)
		}
	}
	return e, nil
}

// Run starts every subscription and keeps them fed until ctx ends. Then it takes no more work, waits for what is in
// flight (Config.Grace), and writes where everything stands.
func (e *Engine) Run(ctx context.Context) error {
	// From here on Create starts what it makes; what was there before is in the list.
	e.mu.Lock()
	e.running, e.runCtx = true, ctx
	e.mu.Unlock()
	subscriptions, err := e.store.Subscriptions(ctx, "")
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("read the subscriptions: %w", err)
	}
	writer, stopWriter := context.WithCancel(context.WithoutCancel(ctx))
	var writing sync.WaitGroup
	writing.Go(func() { e.writeCheckpoints(writer) })
	defer writing.Wait()
	defer stopWriter()

	unfollow := e.store.Follow(e.committed)
	defer unfollow()
	nudges, unwatch := e.store.Watch() // after Follow: what a nudge is about has been pushed by then
	defer unwatch()
	for _, s := range subscriptions {
		if err := e.startListed(ctx, s); err != nil && ctx.Err() == nil {
			e.log.Error("start a subscription", "org", s.Org, "subscription", s.ID, "error", err)
		}
	}
	e.follow(ctx, nudges)

	e.mu.Lock()
	e.running = false
	all := make([]*running, 0, len(e.runners))
	for _, r := range e.runners {
		all = append(all, r)
	}
	e.mu.Unlock()
	for _, r := range all {
		r.stop()
	}
	for _, r := range all {
		<-r.done
	}
	e.background.Wait()
	return nil
}

// follow extends the tails when the log grows and wakes the runners.
func (e *Engine) follow(ctx context.Context, nudges <-chan struct{}) {
	poll := time.NewTicker(e.poll)
	defer poll.Stop()
	trim := time.NewTicker(10 * time.Second)
	defer trim.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-nudges:
		case <-poll.C:
		case <-trim.C:
			for _, t := range e.allTails() {
				t.trim()
			}
			continue
		}
		e.mu.Lock()
		grown := e.pushed
		e.pushed = nil
		e.mu.Unlock()
		if grown == nil {
			var err error
			if grown, err = e.extend(ctx); err != nil && ctx.Err() == nil {
				e.log.Error("follow the log", "error", err)
			}
		}
		if len(grown) == 0 {
			continue
		}
		e.mu.Lock()
		for _, r := range e.runners {
			if grown[r.sub.Org] {
				r.wake()
			}
		}
		e.mu.Unlock()
	}
}

// committed takes what this process has just committed from the store's hands: most changes never have to be read back.
func (e *Engine) committed(changes []*carillon.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(changes) > 0 {
		org, n := changes[0].Org, 1
		for n < len(changes) && changes[n].Org == org {
			n++
		}
		if t := e.tails[org]; t != nil && t.push(changes[:n]) {
			if e.pushed == nil {
				e.pushed = make(map[string]bool)
			}
			e.pushed[org] = true
		}
		changes = changes[n:]
	}
}

// fewOrgs is how many orgs are asked one by one for what is new; more are first asked for their heads at once.
const fewOrgs = 4

func (e *Engine) extend(ctx context.Context) (map[string]bool, error) {
	tails := e.allTails()
	grown := make(map[string]bool)
	var heads map[string]int64
	if len(tails) > fewOrgs {
		var err error
		if heads, err = e.store.Heads(ctx); err != nil {
			return nil, err
		}
	}
	for _, t := range tails {
		if heads != nil && heads[t.org] <= t.known() {
			continue
		}
		ok, err := t.extend(ctx)
		if err != nil {
			return grown, err
		}
		if ok {
			grown[t.org] = true
		}
	}
	return grown, nil
}

func (e *Engine) allTails() []*tail {
	e.mu.Lock()
	defer e.mu.Unlock()
	tails := make([]*tail, 0, len(e.tails))
	for _, t := range e.tails {
		tails = append(tails, t)
	}
	return tails
}

func (e *Engine) tailOf(org string) *tail {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tails[org]
	if t == nil {
		t = &tail{org: org, store: e.store}
		e.tails[org] = t
	}
	return t
}

// startListed starts a subscription that was there when the engine came up, unless somebody has touched it since.
func (e *Engine) startListed(ctx context.Context, s *carillon.Subscription) error {
	unlock := e.alone(s.ID)
	defer unlock()
	if e.runnerOf(s.Org, s.ID) != nil {
		return nil
	}
	current, err := e.store.Subscription(ctx, s.Org, s.ID)
	if carillon.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return e.start(ctx, current)
}

// start runs a subscription from where it stands, unless it is paused or disabled, or runs already. The caller holds
// alone(s.ID).
func (e *Engine) start(ctx context.Context, s *carillon.Subscription) error {
	if s.Paused || s.Disabled || e.runnerOf(s.Org, s.ID) != nil {
		return nil
	}
	progress, err := e.store.Progress(ctx, s.Org, s.ID)
	if err != nil {
		return fmt.Errorf("read the progress: %w", err)
	}
	lanes, err := e.store.ParkedLanes(ctx, s.Org, s.ID)
	if err != nil {
		return fmt.Errorf("read the parked lanes: %w", err)
	}
	p, err := e.prepare(s)
	if err != nil {
		return err
	}
	t := e.tailOf(s.Org)
	if !t.knows() {
		// A tail begins at the head: those behind it read pages of their own.
		head, err := e.store.Head(ctx, s.Org)
		if err != nil {
			return err
		}
		t.begin(head)
	}
	r := e.newRunner(p, progress, lanes)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.running {
		return p.sink.Close()
	}
	runCtx, stop := context.WithCancel(e.runCtx)
	e.runners[s.ID] = &running{runner: r, stop: stop}
	go r.run(runCtx, e.grace) //nolint:contextcheck // it lives as long as the engine, not as the request that started it
	return nil
}

// halt stops a subscription's runner and waits for it; nothing happens if it does not run.
func (e *Engine) halt(id string) {
	e.mu.Lock()
	r := e.runners[id]
	e.mu.Unlock()
	if r == nil {
		return
	}
	r.stop()
	<-r.done
	e.mu.Lock()
	if e.runners[id] == r {
		delete(e.runners, id)
	}
	e.mu.Unlock()
}

// runnerOf gives the runner of a subscription of the org, nil if it does not run.
func (e *Engine) runnerOf(org, id string) *runner {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.runners[id]; r != nil && r.sub.Org == org {
		return r.runner
	}
	return nil
}

// alone keeps two people from changing one subscription at the same time.
func (e *Engine) alone(id string) (unlock func()) {
	e.mu.Lock()
	m := e.acts[id]
	if m == nil {
		m = new(sync.Mutex)
		e.acts[id] = m
	}
	e.mu.Unlock()
	m.Lock()
	return m.Unlock
}
