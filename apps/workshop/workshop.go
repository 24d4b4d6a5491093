package workshop

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"carillon"
	"carillon/apps"
	"carillon/apps/script"
	"carillon/deliver"
	"carillon/dialect"
	"carillon/egress"
	"carillon/store"
)

// Config is what a workshop needs.
type Config struct {
	Store store.Store
	// Desk makes the subscriptions that feed apps; nil where only Trial installations are made.
	Desk Feeder
	// Dialects has the languages that apps hear: freshsales and platform.
	Dialects map[string]dialect.Dialect
	// Sample makes the house's own payload for trying an event of a dialect; false if there is none. nil: there are none.
	Sample func(dialectName, event string, settings json.RawMessage) (json.RawMessage, bool)
	// Gate decides where requests of apps may go. nil: public addresses only.
	Gate *egress.Gate
	// URL is where the house is reached from outside, without a slash at the end: generateTargetUrl begins with it.
	URL string
	// Script bounds what handlers can do. Its Functions are the workshop's.
	Script script.Config
	// Limits bound what an installation may ask for in a minute.
	Limits Limits
	// Retention is how long invocations are kept; default 30 days.
	Retention time.Duration
	// Grace is how long handlers in hand may go on when Run's context has ended; default 20 s.
	Grace time.Duration
	// Now is the clock; default time.Now.
	Now    func() time.Time
	Logger *slog.Logger // default: nobody hears
}

// Feeder is what a workshop asks of dispatch.
type Feeder interface {
	Create(ctx context.Context, s *carillon.Subscription) error
	Update(ctx context.Context, s *carillon.Subscription) error
	Delete(ctx context.Context, org, id string) error
}

var _ Feeder = deliver.Desk(nil)

// Limits bound what one installation may ask for in a minute. 0 is the vendor's limit; less is none.
type Limits struct {
	Values   int // operations of $db; 50
	Requests int // $request.invokeTemplate; 50
	External int // posts to its target URL; 250
}

// Workshop installs apps and runs their handlers.
type Workshop struct {
	config Config
	pool   *script.Pool
}

var _ Desk = (*Workshop)(nil)

// New makes a workshop. It must be closed.
func New(c Config) (*Workshop, error) {
	return &Workshop{config: c, pool: script.NewPool(c.Script)}, nil
}

var errUnfinished = errors.New("not there yet")

// Run has schedules come round, and keeps what handlers did, until ctx ends.
func (w *Workshop) Run(ctx context.Context) error { return errUnfinished }

// Close ends the engines.
func (w *Workshop) Close() { w.pool.Close() }

// Handle runs the handler of a message that a subscription feeds to an app, and waits for it.
func (w *Workshop) Handle(ctx context.Context, s *carillon.Subscription, m *carillon.Message) error {
	return errUnfinished
}

// ServeHTTP takes what others post to apps, at /app-hooks/{app}/{token}.
func (w *Workshop) ServeHTTP(rw http.ResponseWriter, r *http.Request) {}

func (w *Workshop) Install(ctx context.Context, org string, i Installation) (*carillon.App, error) {
	return nil, errUnfinished
}

func (w *Workshop) Upgrade(ctx context.Context, org, id string, i Installation) (*carillon.App, error) {
	return nil, errUnfinished
}

func (w *Workshop) SetIParams(ctx context.Context, org, id string, iparams json.RawMessage) (*carillon.App, error) {
	return nil, errUnfinished
}
func (w *Workshop) Uninstall(ctx context.Context, org, id string) error { return errUnfinished }
func (w *Workshop) App(ctx context.Context, org, id string) (*carillon.App, error) {
	return nil, errUnfinished
}
func (w *Workshop) Apps(ctx context.Context, org string) ([]*carillon.App, error) {
	return nil, errUnfinished
}
func (w *Workshop) Package(ctx context.Context, org, id string) (*apps.App, error) {
	return nil, errUnfinished
}

func (w *Workshop) Simulate(ctx context.Context, org, id string, s Simulation) (*carillon.Invocation, error) {
	return nil, errUnfinished
}

func (w *Workshop) TestPayload(ctx context.Context, org, id, product, event string) (json.RawMessage, error) {
	return nil, errUnfinished
}

func (w *Workshop) Invocations(ctx context.Context, q store.InvocationQuery) ([]*carillon.Invocation, error) {
	return nil, errUnfinished
}
func (w *Workshop) Watch(org, id string) (nudges <-chan struct{}, stop func()) { return nil, nil }
