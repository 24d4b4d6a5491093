package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"carillon"
	"carillon/access"
	"carillon/api"
	"carillon/apps/workshop"
	"carillon/console"
	"carillon/deliver"
	"carillon/deliver/amqp"
	"carillon/deliver/kafka"
	"carillon/deliver/nats"
	"carillon/deliver/sns"
	"carillon/deliver/webhook"
	"carillon/dialect"
	"carillon/dialect/cloudevents"
	"carillon/dialect/freshsales"
	"carillon/dialect/neon"
	"carillon/dialect/platform"
	"carillon/dialect/smarterpay"
	"carillon/egress"
	"carillon/intake"
	"carillon/ledger"
	"carillon/sign"
	"carillon/store/sqlstore"
	"carillon/telemetry"
)

// dialects lists every language the house speaks.
func dialects() map[string]dialect.Dialect {
	return map[string]dialect.Dialect{
		cloudevents.Name: cloudevents.New(),
		freshsales.Name:  freshsales.New(),
		neon.Name:        neon.New(),
		platform.Name:    platform.New(),
		smarterpay.Name:  smarterpay.New(),
	}
}

// common lists the languages that many systems speak; each of the others is one vendor's own.
func common() []string { return []string{cloudevents.Name, platform.Name} }

// schemes lists the vendors that sign webhooks in a way of their own, by their dialects.
func schemes() map[string]webhook.Scheme {
	return map[string]webhook.Scheme{
		smarterpay.Name: func(secrets ...string) (webhook.Signer, error) { return sign.NewSmarterPay(secrets...) },
	}
}

// signatures say in words what schemes do, for the AsyncAPI document.
func signatures() map[string]string {
	return map[string]string{
		smarterpay.Name: "the HMAC-SHA256 of the body in lower-case hex, keyed with the subscription's secret",
	}
}

// sinks lists every place that messages can go; closing ends the connections that sinks share.
func sinks(f houseFlags, log *slog.Logger) (open map[carillon.SinkType]deliver.OpenSink, closing func() error) {
	webhooks := webhook.New(webhook.Config{
		AllowPrivate: f.Dev || f.AllowPrivateSinks, UserAgent: "Carillon/" + programVersion(), Logger: log, Schemes: schemes(),
	})
	gate := egress.New(egress.Config{AllowPrivate: f.Dev || f.AllowPrivateSinks, Logger: log})
	topics := sns.New(sns.Config{Gate: gate})
	open = map[carillon.SinkType]deliver.OpenSink{
		carillon.SinkAMQP:    amqp.New(amqp.Config{Gate: gate}).Open,
		carillon.SinkKafka:   kafka.New(kafka.Config{Gate: gate}).Open,
		carillon.SinkNATS:    nats.New(nats.Config{Gate: gate}).Open,
		carillon.SinkSNS:     topics.Open,
		carillon.SinkWebhook: webhooks.Open,
	}
	return open, func() error { return errors.Join(topics.Close(), webhooks.Close()) }
}

// houseFlags say how a server is built.
type houseFlags struct {
	dataFlags         `embed:""`
	Dev               bool          `help:"Accept the API key dev for the org dev, and sinks on private addresses. Loopback addresses only."`
	AllowPrivateSinks bool          `help:"Let messages, and requests of apps, go to addresses that are not public."`
	PublicURL         string        `help:"Where this server is reached from outside, such as https://carillon.example.com: target URLs of apps begin with it. Default: the address it listens on." placeholder:"URL"`
	AppLimits         string        `help:"What an app may ask for in a minute: as much as with the vendor (50 requests, 50 operations of $$db, 250 external events), or any number (none)." enum:"vendor,none" default:"vendor"`
	Grace             time.Duration `help:"How long a stop waits for requests and deliveries in hand." default:"20s"`
	retention         `embed:""`
}

// house is a server with everything connected, not yet listening.
type house struct {
	flags    houseFlags
	log      *slog.Logger
	store    *sqlstore.Store
	unlock   func()
	ledger   *ledger.Ledger
	intake   *intake.Intake
	engine   *deliver.Engine
	workshop *workshop.Workshop
	tracing  *telemetry.Tracing
	sinks    func() error // closes them
	handler  http.Handler
	stopping chan struct{} // closed when the server begins to stop
}

// openHouse builds a server on its data directory. It is closed by run, or by close if it never runs.
func openHouse(ctx context.Context, f houseFlags, log *slog.Logger) (*house, error) {
	unlock, err := f.lock()
	if err != nil {
		return nil, err
	}
	h := &house{flags: f, log: log, stopping: make(chan struct{}), unlock: unlock, sinks: func() error { return nil }}
	if h.store, err = f.openArchive(ctx, log); err != nil {
		unlock()
		return nil, err
	}
	if err := h.connect(ctx); err != nil {
		return nil, errors.Join(err, h.close(ctx))
	}
	return h, nil
}

// connect is the wiring: each room is given what it needs of those below it.
func (h *house) connect(ctx context.Context) (err error) {
	metrics := telemetry.NewMetrics(programVersion())
	if h.tracing, err = telemetry.StartTracing(ctx, programVersion(), os.Getenv); err != nil {
		return err
	}
	spoken := dialects()
	gate := access.New(h.store, access.Options{Dev: h.flags.Dev})
	if h.ledger, err = ledger.New(ledger.Config{Store: h.store, Logger: h.log, Observe: metrics.Commit}); err != nil {
		return err
	}
	places, closing := sinks(h.flags, h.log)
	h.sinks = closing
	h.appSinks(places)
	h.engine, err = deliver.New(deliver.Config{
		Store: h.store, Dialects: spoken, Sinks: places, Common: common(), Logger: h.log, Grace: h.flags.Grace,
		Observe: func(a *carillon.Attempt) {
			metrics.Attempt(a)
			h.tracing.Attempt(a)
		},
	})
	if err != nil {
		return err
	}
	metrics.Collect(h.store, h.engine, h.log)
	if err := h.openWorkshop(spoken); err != nil {
		return err
	}
	h.intake, err = intake.New(intake.Config{Store: h.store, Ledger: h.ledger, Dialects: spoken, Logger: h.log})
	if err != nil {
		return err
	}
	routes, err := api.New(api.Config{
		Store: h.store, Ledger: h.ledger, Desk: h.engine, Intake: h.intake, Workshop: h.workshop, Dialects: spoken, Schemes: signatures(), Gate: gate, Logger: h.log,
		Version: programVersion(), Ready: h.ready, Stopping: h.stopping, Observe: metrics.Request,
	})
	if err != nil {
		return err
	}
	pages, err := console.New(console.Config{
		Gate: gate, Store: h.store, Desk: h.engine, Intake: h.intake, Workshop: h.workshop, Dialects: spoken, Version: programVersion(),
		StartedAt: time.Now(), Dev: h.flags.Dev, Logger: h.log, Stopping: h.stopping,
	})
	if err != nil {
		return err
	}
	h.handler = h.tracing.Watch(mount(routes, pages, h.intake, h.workshop, metrics.Handler()))
	if h.flags.Dev {
		h.handler = loopbackOnly(h.handler)
	}
	return nil
}

// mount puts the faces under one roof: the console has the root and /console/, vendors have /in/, those who call apps
// /app-hooks/, the API everything else.
func mount(routes, pages, door, hooks, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", routes)
	mux.Handle("GET /{$}", pages)
	mux.Handle("/console/", pages)
	mux.Handle("GET /favicon.ico", pages)
	mux.Handle("/in/", door)
	mux.Handle("/app-hooks/", hooks)
	mux.Handle("GET /metrics", metrics)
	return mux
}

// ready reports whether the archive answers.
func (h *house) ready(ctx context.Context) error {
	select {
	case <-h.stopping:
		return errors.New("the server stops")
	default:
	}
	_, err := h.store.Heads(ctx)
	return err
}

// run serves on the listener until ctx ends, then stops in two steps: it takes no more work and lets what is in hand
// finish, for flags.Grace at most; then it cancels. ready is called once requests are answered.
func (h *house) run(ctx context.Context, listener net.Listener, ready func()) (err error) {
	// Rooms end in the order of work: the door, the desk that writes, dispatch, the archive.
	desks, stopDesks := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDesks()
	working, desks := errgroup.WithContext(desks) // a desk that fails takes the house with it
	working.Go(func() error { return h.ledger.Run(desks) })
	working.Go(func() error { return h.intake.Run(desks) })
	working.Go(func() error { return h.engine.Run(desks) })
	working.Go(func() error {
		h.flags.sweep(desks, h.store, h.log)
		return nil
	})
	working.Go(func() error { return h.workshop.Run(desks) })
	server := &http.Server{
		Handler:           h.handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
	}
	serving := make(chan error, 1)
	go func() { serving <- server.Serve(listener) }()
	ready()
	select {
	case <-ctx.Done():
	case <-desks.Done():
	case err = <-serving:
		err = fmt.Errorf("serve: %w", err)
	}
	h.log.Info("stopping")
	close(h.stopping)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.flags.Grace)
	defer cancel()
	if stopErr := server.Shutdown(grace); stopErr != nil {
		h.log.Warn("requests in hand were cut off", "error", stopErr)
		_ = server.Close()
	}
	stopDesks()
	err = errors.Join(err, working.Wait(), h.close(context.WithoutCancel(ctx)))
	h.log.Info("stopped")
	return err
}

// close gives back what a house holds.
func (h *house) close(ctx context.Context) error {
	if h.workshop != nil {
		h.workshop.Close(ctx)
	}
	err := errors.Join(h.sinks(), h.tracing.Stop(ctx), h.store.Close())
	h.unlock()
	return err
}

// listenOn opens the listener of an address. With dev it must be a loopback address, since whoever reaches it may do
// everything.
func listenOn(ctx context.Context, address string, dev bool) (net.Listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, wrongUsage("--listen: %v", err)
	}
	if dev && !resolved.IP.IsLoopback() {
		return nil, wrongUsage("--dev: anybody could use the key dev on %s; listen on a loopback address such as 127.0.0.1:8080", address)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", resolved.String())
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return listener, nil
}

// loopbackOnly refuses requests that name another host than this machine: a page on the web could otherwise have its
// name point here (DNS rebinding) and use the key dev.
func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "a server started with --dev answers to localhost only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
