package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"carillon"
	"carillon/apps/simulator"
	"carillon/deliver"
	"carillon/dialect"
	"carillon/look"
	"carillon/store"
)

// Gate knows the API keys.
type Gate interface {
	// Authenticate fails with unauthorized for a secret nobody knows.
	Authenticate(ctx context.Context, secret string) (*carillon.Key, error)
}

// Store is what the console reads of the archive (see store.Store).
type Store interface {
	Head(ctx context.Context, org string) (int64, error)
	SeqAt(ctx context.Context, org string, t time.Time) (int64, error)
	Changes(ctx context.Context, org string, q store.LogQuery) ([]*carillon.Change, error)
	RecordAsOf(ctx context.Context, org string, ref carillon.Ref, seq int64) (*carillon.Record, error)
	CountRecords(ctx context.Context, org string) (map[carillon.Kind]int64, error)
	Subscriptions(ctx context.Context, org string) ([]*carillon.Subscription, error)
	Connection(ctx context.Context, org, id string) (*carillon.Connection, error)
	Connections(ctx context.Context, org string) ([]*carillon.Connection, error)
	Inbox(ctx context.Context, q store.InboxQuery) ([]*carillon.Inbound, error)
	Size(ctx context.Context) (int64, error)
	Watch() (nudges <-chan struct{}, stop func())
}

// Desk knows how subscriptions fare (see deliver.Desk).
type Desk interface {
	Status(ctx context.Context, org, id string) (deliver.Status, error)
}

// Intake knows what vendors sent, and runs it again (see intake.Desk).
type Intake interface {
	// Inbound fails with not_found.
	Inbound(ctx context.Context, org, id string) (*carillon.Inbound, error)
	// Retry fails with not_found, and with conflict for a delivery that is not quarantined.
	Retry(ctx context.Context, org, id string) (*carillon.Inbound, error)
}

// Config of a console. All but Dev, Stopping and Now must be set.
type Config struct {
	Gate     Gate
	Store    Store
	Desk     Desk
	Intake   Intake
	Workshop Workshop
	// Dialects are those in which an event is shown, by name; the platform's, which names the events in lists, must be
	// among them.
	Dialects map[string]dialect.Dialect
	// Version of the program and the time it started, for the page's foot.
	Version   string
	StartedAt time.Time
	// Dev signs requests from this machine in with DevSecret, unless they are signed in otherwise.
	Dev    bool
	Logger *slog.Logger
	// Stopping, when closed, ends the live feeds, which would otherwise never end. nil means never.
	Stopping <-chan struct{}
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// DevSecret is the API key that Config.Dev signs in with.
const DevSecret = "dev"

// console serves the pages.
type console struct {
	Config
	views     *views
	sessions  *sessions
	overviews *overviews
	simulator *simulator.Simulator
	tongues   []tongue      // the platform's first
	watchers  chan struct{} // a token for each open live feed
}

// New makes the handler of the console's pages: "/" and everything below "/console/". It fails if something is missing
// in cfg.
func New(cfg Config) (http.Handler, error) {
	if cfg.Gate == nil || cfg.Store == nil || cfg.Desk == nil || cfg.Intake == nil || cfg.Workshop == nil || cfg.Dialects[nativeTongue] == nil || cfg.Logger == nil {
		return nil, errors.New("console: the config lacks a Gate, Store, Desk, Intake, Workshop, Logger or the platform's dialect")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	tongues, err := tonguesOf(cfg.Dialects)
	if err != nil {
		return nil, err
	}
	views, err := loadViews()
	if err != nil {
		return nil, err
	}
	tried, err := simulator.New(cfg.Workshop)
	if err != nil {
		return nil, err
	}
	c := &console{
		Config:    cfg,
		views:     views,
		sessions:  newSessions(cfg.Now),
		overviews: newOverviews(),
		simulator: tried,
		tongues:   tongues,
		watchers:  make(chan struct{}, maxWatchers),
	}

	mux := http.NewServeMux()
	mux.Handle("GET /{$}", c.signedIn(c.showOverview))
	mux.Handle("GET /console/events/{seq}/{index}", c.signedIn(c.showEvent))
	mux.Handle("GET /console/apps", c.administered(c.showApps))
	mux.Handle("GET /console/apps/{id}", c.administered(c.showApp))
	mux.Handle("POST /console/apps/{id}", c.administered(c.showApp))
	mux.Handle("GET /console/apps/{id}/parameters", c.administered(c.showIParams))
	mux.Handle("POST /console/apps/{id}/parameters", c.administered(c.showIParams))
	mux.Handle("GET /console/apps/{id}/live", c.administered(c.followApp))
	mux.Handle("GET /console/inbox", c.administered(c.showInbox))
	mux.Handle("GET /console/inbox/{id}", c.administered(c.showDelivery))
	mux.Handle("POST /console/inbox/{id}/retry", c.administered(c.retryDelivery))
	mux.Handle("GET /console/live", c.signedIn(c.live))
	mux.Handle("GET /console/signin", c.open(c.showSignIn))
	mux.Handle("POST /console/signin", c.open(c.signIn))
	mux.Handle("POST /console/signout", c.open(c.signOut))
	mux.Handle("GET /console/assets/{name}", c.views.assets)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) { c.views.assets.Serve(w, r, "icon.svg") })
	mux.Handle("/", c.open(c.notFound))

	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(c.open(c.refuseCrossOrigin))
	return look.Guard(crossOrigin.Handler(mux)), nil
}

// open turns a handler that may fail into one that answers with an error page.
func (c *console) open(serve func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r); err != nil {
			c.fail(w, r, err)
		}
	})
}

// visitor is who a request comes from.
type visitor struct {
	*carillon.Key
	// Session is the id of the visitor's session; empty if Dev let the visitor in.
	Session string
}

// Administers reports whether the visitor may see what vendors send, as over the API.
func (v visitor) Administers() bool { return v.Right.Allows(carillon.RightAdmin) }

// signedIn lets a handler see signed-in visitors only; others are asked to sign in (a script gets 401).
func (c *console) signedIn(serve func(w http.ResponseWriter, r *http.Request, who visitor) error) http.Handler {
	return c.open(func(w http.ResponseWriter, r *http.Request) error {
		who, err := c.visitor(r)
		switch {
		case carillon.ErrorCode(err) == carillon.CodeUnauthorized && !fromScript(r):
			http.Redirect(w, r, "/console/signin", http.StatusSeeOther)
			return nil
		case err != nil:
			return err
		}
		return serve(w, r, who)
	})
}

// administered lets a handler see visitors with the right admin only.
func (c *console) administered(serve func(w http.ResponseWriter, r *http.Request, who visitor) error) http.Handler {
	return c.signedIn(func(w http.ResponseWriter, r *http.Request, who visitor) error {
		if !who.Administers() {
			return &carillon.Error{
				Code: carillon.CodeForbidden, Message: fmt.Sprintf("Your API key has the right %s, and this page needs %s.", who.Right, carillon.RightAdmin),
			}
		}
		return serve(w, r, who)
	})
}

// fromScript reports whether the console's script asks, and not a person by navigating.
func fromScript(r *http.Request) bool {
	return r.Header.Get("Accept") == "text/event-stream" || r.Header.Get(fragmentHeader) != ""
}

// fragmentHeader asks for the part of a page that a script puts into the page it has.
const fragmentHeader = "Carillon-Fragment"

// fail answers with a page that says what went wrong as far as strangers may know it.
func (c *console) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody listens any more
	}
	p := problem{Status: http.StatusInternalServerError, Title: "Something went wrong", Text: "The reason is in the server's log."}
	var known *carillon.Error
	if errors.As(err, &known) {
		switch known.Code {
		case carillon.CodeNotFound:
			p = problem{Status: http.StatusNotFound, Title: "Not here", Text: known.Message}
		case carillon.CodeUnauthorized:
			p = problem{Status: http.StatusUnauthorized, Title: "Signed out", Text: known.Message}
		case carillon.CodeForbidden:
			p = problem{Status: http.StatusForbidden, Title: "Refused", Text: known.Message}
		case carillon.CodeLimited, carillon.CodeUnavailable:
			p = problem{Status: http.StatusServiceUnavailable, Title: "Not now", Text: known.Message}
		case carillon.CodeInvalid, carillon.CodeMalformed, carillon.CodeTooLarge, carillon.CodeConflict:
			p = problem{Status: http.StatusBadRequest, Title: "That did not work", Text: known.Message}
		}
	}
	if p.Status == http.StatusInternalServerError {
		c.Logger.ErrorContext(r.Context(), "console request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	if errRender := c.views.render(w, p.Status, "problem", page{Title: p.Title, Content: p}); errRender != nil {
		c.Logger.WarnContext(r.Context(), "render error page", "err", errRender)
	}
}

// problem is what an error page says.
type problem struct {
	Status int
	Title  string
	Text   string
}

func (c *console) notFound(_ http.ResponseWriter, r *http.Request) error {
	return carillon.NotFound("the page", r.URL.Path)
}

func (c *console) refuseCrossOrigin(http.ResponseWriter, *http.Request) error {
	return &carillon.Error{Code: carillon.CodeForbidden, Message: "the request came from another site"}
}
