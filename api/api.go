package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"carillon"
	"carillon/access"
	"carillon/deliver"
	"carillon/dialect"
	"carillon/history"
	"carillon/ledger"
	"carillon/store"
)

// Ledger is what the front door needs of the desk that writes records and field definitions.
type Ledger interface {
	ledger.Applier
	DefineField(ctx context.Context, f *carillon.CustomField) (created bool, err error)
	RemoveField(ctx context.Context, org string, kind carillon.Kind, uid string) error
	SetValueList(ctx context.Context, l *carillon.ValueList) (created bool, err error)
	RemoveValueList(ctx context.Context, org, name string) error
}

// Intake is what the front door asks of the side door, where vendors post (see intake.Desk).
type Intake interface {
	Create(ctx context.Context, c *carillon.Connection) error
	Update(ctx context.Context, c *carillon.Connection) error
	Delete(ctx context.Context, org, id string) error
	Inbound(ctx context.Context, org, id string) (*carillon.Inbound, error)
	Retry(ctx context.Context, org, id string) (*carillon.Inbound, error)
}

// Archive is what the front door reads itself.
type Archive interface {
	store.Reader
	Watch() (nudges <-chan struct{}, stop func())
}

// Config of the front door. Store, Ledger, Desk, Intake, Workshop, Dialects, Gate and Logger must be set.
type Config struct {
	Store    Archive
	Ledger   Ledger
	Desk     deliver.Desk
	Intake   Intake
	Workshop Workshop
	Dialects map[string]dialect.Dialect // by name
	// Schemes say how the webhooks of a dialect are signed whose vendor has a way of its own, for the AsyncAPI document: what
	// Webhook-Signature is, by the dialect. All others are signed as Standard Webhooks.
	Schemes map[string]string
	Gate    *access.Gate
	Logger  *slog.Logger
	// Version of the program, for the OpenAPI document and /healthz.
	Version string
	// Ready says whether requests can be served, for /readyz; nil means always.
	Ready func(context.Context) error
	// Stopping, when closed, ends the answers that would otherwise never end (SSE, batches). nil means never.
	Stopping <-chan struct{}
	// Observe, if set, is told of every request that was answered: the route's pattern ("" if none matched), the
	// status and the time it took.
	Observe func(method, route string, status int, took time.Duration)
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	Limits Limits
}

// Limits bound what a stranger can make the server do. Zero members get the default.
type Limits struct {
	Body      int64         // bytes of a request's body, and of one line of a batch; default 1 MiB
	Request   time.Duration // a request that is not a stream; default 30 s
	Idle      time.Duration // a stream's reader or writer that does not move; default 30 s
	Heartbeat time.Duration // between comments on a silent SSE stream; default 15 s
	Streams   int           // SSE streams of one org at a time; default 256
	Scan      int           // changes looked at for one page of events; default 5,000
}

func (l Limits) withDefaults() Limits {
	if l.Body == 0 {
		l.Body = 1 << 20
	}
	if l.Request == 0 {
		l.Request = 30 * time.Second
	}
	if l.Idle == 0 {
		l.Idle = 30 * time.Second
	}
	if l.Heartbeat == 0 {
		l.Heartbeat = 15 * time.Second
	}
	if l.Streams == 0 {
		l.Streams = 256
	}
	if l.Scan == 0 {
		l.Scan = 5000
	}
	return l
}

// server is the handler that New makes.
type server struct {
	store    Archive
	history  *history.Room
	ledger   Ledger
	desk     deliver.Desk
	intake   Intake
	workshop Workshop
	dialects map[string]dialect.Dialect
	schemes  map[string]string
	gate     *access.Gate
	log      *slog.Logger
	version  string
	ready    func(context.Context) error
	stopping <-chan struct{}
	observe  func(method, route string, status int, took time.Duration)
	now      func() time.Time
	limits   Limits

	streams  streams
	mux      *http.ServeMux
	schemas  *schemas
	openapi  []byte
	asyncapi rendered
}

// New makes the handler of everything under /v1, /schemas, /openapi.json, /asyncapi.json, /docs, /healthz and /readyz; any other path
// gets a problem. The http.Server around it should set ReadHeaderTimeout and IdleTimeout; all else is bounded here.
func New(c Config) (http.Handler, error) {
	if c.Store == nil || c.Ledger == nil || c.Desk == nil || c.Intake == nil || c.Workshop == nil || c.Gate == nil || c.Logger == nil || len(c.Dialects) == 0 {
		return nil, errors.New("api: Store, Ledger, Desk, Intake, Workshop, Dialects, Gate and Logger must be set")
	}
	s := &server{
		store: c.Store, history: history.New(c.Store), ledger: c.Ledger, desk: c.Desk, intake: c.Intake, workshop: c.Workshop, dialects: c.Dialects,
		schemes: c.Schemes, gate: c.Gate, log: c.Logger,
		version: c.Version, ready: c.Ready, stopping: c.Stopping, observe: c.Observe, now: c.Now,
		limits: c.Limits.withDefaults(), streams: streams{open: map[string]int{}}, mux: http.NewServeMux(),
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.schemas = newSchemas()
	routes := s.routes()
	var err error
	if s.openapi, err = s.document(routes); err != nil {
		return nil, err
	}
	s.mount(routes)
	return s, nil
}
