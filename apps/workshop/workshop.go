package workshop

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"carillon"
	"carillon/apps"
	"carillon/apps/script"
	"carillon/dialect"
	"carillon/egress"
	"carillon/store"
)

// Config is what a workshop needs.
type Config struct {
	Store store.Store
	// Feeder makes the subscriptions that feed apps; nil makes every installation a trial (see Installation).
	Feeder Feeder
	// Dialects has the languages that apps hear: freshsales and platform.
	Dialects map[string]dialect.Dialect
	// Sample makes the house's own payload for trying an event of a dialect; false if there is none. nil: there are none.
	Sample func(ctx context.Context, dialectName, event string, settings json.RawMessage) (json.RawMessage, bool)
	// Gate decides where requests of apps may go. Default: public addresses only.
	Gate *egress.Gate
	// TLS is what requests of apps trust; nil: the system's authorities.
	TLS *tls.Config
	// URL is where the house is reached from outside, without a slash at the end: generateTargetUrl begins with it. If it is
	// empty, there are no target URLs.
	URL string
	// Script bounds what handlers can do. Its Functions and Payload are the workshop's.
	Script script.Config
	// Limits bound what an installation may ask for in a minute.
	Limits Limits
	// PerOrg is how many apps one org can have installed; default 100.
	PerOrg int
	// Room is for installations that are ready to run, in bytes, about; default 64 MiB. Those that have not been used for longest give
	// way, and are read again from the store when they are needed.
	Room int
	// Grace is how long scheduled handlers in hand may go on when Run's context has ended; default 20 s.
	Grace time.Duration
	// Look is how often schedules that are due are looked for; default 1 s.
	Look time.Duration
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Observe hears of every invocation. It must be quick and must not change it.
	Observe func(*carillon.Invocation)
	Logger  *slog.Logger // default: nobody hears
}

// Feeder is what a workshop asks of dispatch. A deliver.Desk is one.
type Feeder interface {
	Create(ctx context.Context, s *carillon.Subscription) error
	Update(ctx context.Context, s *carillon.Subscription) error
	Delete(ctx context.Context, org, id string) error
}

// Limits bound what one installation may ask for in a minute. 0 is the vendor's limit; less than 0 is none.
type Limits struct {
	Values   int // operations of $db; 50
	Requests int // $request.invokeTemplate; 50
	External int // posts to its target URL; 250
}

// The languages that apps hear, and the products of the vendor that the first is spoken for.
const (
	freshsales     = "freshsales"
	platform       = "platform"
	productSuite   = "freshworks_crm"
	productClassic = "freshsales"
)

// paramsRoom is how much larger than the payload a handler's argument may be, in bytes: the parameters are in it.
const paramsRoom = 256 << 10

// Workshop installs apps and runs their handlers.
type Workshop struct {
	config    Config
	pool      *script.Pool
	types     []string // of the platform dialect
	transport *http.Transport
	answers   *semaphore.Weighted // bytes that answers to requests may take
	journal   journal
	catalogue catalogue

	closing context.Context // ends when the workshop is closed
	close   context.CancelFunc

	mu     sync.Mutex
	shop   map[string]*installation // by id; those that are ready to run
	uses   map[string]uint64        // by id: when the installation was used last; those of shop
	use    uint64                   // the latest of them
	meters map[string]*meters       // by id
	acts   map[string]chan struct{} // by id: who holds the one token may change or load the installation; by org: may add one
}

var _ Desk = (*Workshop)(nil)

// New makes a workshop. It must be closed.
func New(c Config) (*Workshop, error) {
	if c.Store == nil || c.Dialects[platform] == nil || c.Dialects[freshsales] == nil {
		return nil, errors.New("make a workshop: it needs a store, and the dialects freshsales and platform")
	}
	defaults(&c)
	w := &Workshop{
		config: c, pool: script.NewPool(c.Script), transport: c.Gate.Transport(), answers: semaphore.NewWeighted(maxAnswersHouse),
		shop: map[string]*installation{}, uses: map[string]uint64{}, meters: map[string]*meters{}, acts: map[string]chan struct{}{},
	}
	w.transport.TLSClientConfig = c.TLS
	w.transport.MaxIdleConns, w.transport.MaxIdleConnsPerHost = 256, 16
	for _, t := range c.Dialects[platform].Types() {
		w.types = append(w.types, t.Name)
	}
	w.closing, w.close = context.WithCancel(context.Background())
	w.journal.start(c.Store, c.Logger)
	w.catalogue.dialects = c.Dialects
	return w, nil
}

func defaults(c *Config) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Gate == nil {
		c.Gate = egress.New(egress.Config{Logger: c.Logger})
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.PerOrg <= 0 {
		c.PerOrg = 100
	}
	if c.Room <= 0 {
		c.Room = 64 << 20
	}
	if c.Grace <= 0 {
		c.Grace = 20 * time.Second
	}
	if c.Look <= 0 {
		c.Look = time.Second
	}
	if c.Script.Logger == nil {
		c.Script.Logger = c.Logger
	}
	c.Script.Functions = functions()
	c.Script.Payload = apps.MaxPayload + paramsRoom
	c.Limits.Values = limit(c.Limits.Values, 50)
	c.Limits.Requests = limit(c.Limits.Requests, 50)
	c.Limits.External = limit(c.Limits.External, 250)
}

func limit(asked, vendors int) int {
	if asked == 0 {
		return vendors
	}
	return asked
}

// Checks are what packages are judged by, for whoever validates or packs an app as well.
func (w *Workshop) Checks() apps.Checks {
	return apps.Checks{Script: Script{w.config.Script}, EventTypes: w.types, Modules: []string{}}
}

// Run has schedules come round, and keeps what handlers did, until ctx ends. Then it waits for the handlers that schedules have
// called, for Config.Grace at most.
func (w *Workshop) Run(ctx context.Context) error {
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var keeping sync.WaitGroup
	keeping.Go(func() { w.journal.run(ctx) })
	w.comeRound(ctx, working, stop)
	keeping.Wait()
	w.journal.flush(context.WithoutCancel(ctx))
	return nil
}

// Close ends the engines, those at work when they are done, but for those that external events wait for, and keeps what handlers did.
func (w *Workshop) Close(ctx context.Context) {
	w.close()
	w.pool.Close()
	w.transport.CloseIdleConnections()
	w.journal.flush(context.WithoutCancel(ctx))
}

func (w *Workshop) now() time.Time { return w.config.Now().UTC().Truncate(time.Millisecond) }

// alone waits until nobody else changes or loads the installation.
func (w *Workshop) alone(ctx context.Context, id string) (done func(), err error) {
	w.mu.Lock()
	token, ok := w.acts[id]
	if !ok {
		token = make(chan struct{}, 1)
		w.acts[id] = token
	}
	w.mu.Unlock()
	select {
	case token <- struct{}{}:
		return func() { <-token }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
