package console_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"carillon"
	"carillon/access"
	"carillon/api"
	"carillon/apps/workshop"
	"carillon/console"
	"carillon/deliver"
	"carillon/deliver/script"
	"carillon/deliver/webhook"
	"carillon/dialect"
	"carillon/dialect/cloudevents"
	"carillon/dialect/freshsales"
	"carillon/dialect/neon"
	"carillon/dialect/platform"
	"carillon/dialect/smarterpay"
	"carillon/intake"
	"carillon/ledger"
	"carillon/sample"
	"carillon/store/sqlstore"
	"carillon/vault"
)

// keys is a gate that knows these secrets.
type keys map[string]*carillon.Key

func (k keys) Authenticate(_ context.Context, secret string) (*carillon.Key, error) {
	if key, ok := k[secret]; ok {
		return key, nil
	}
	return nil, &carillon.Error{Code: carillon.CodeUnauthorized, Message: "the API key is not known"}
}

var knownKeys = keys{
	"dev":       {ID: "key_dev", Org: "dev", Right: carillon.RightAdmin},
	"acme-key":  {ID: "key_1", Org: "acme", Right: carillon.RightRead},
	"other-key": {ID: "key_2", Org: "other", Right: carillon.RightAdmin},
}

var (
	tongues = map[string]dialect.Dialect{
		cloudevents.Name: cloudevents.New(), freshsales.Name: freshsales.New(), neon.Name: neon.New(), platform.Name: platform.New(),
		smarterpay.Name: smarterpay.New(),
	}
	quiet = slog.New(slog.DiscardHandler)
)

// noApps is a workshop in which nothing is installed.
type noApps struct{ console.Workshop }

func (noApps) Apps(context.Context, string) ([]*carillon.App, error) { return nil, nil }

// open starts a console over the archive; change may alter its config.
func open(t testing.TB, a *archive, change func(*console.Config)) *httptest.Server {
	t.Helper()
	cfg := console.Config{
		Gate: knownKeys, Store: a, Desk: a, Intake: a, Workshop: noApps{}, Dialects: tongues, Version: "1.2.3", StartedAt: time.Now().Add(-90 * time.Minute),
		Logger: quiet,
	}
	if change != nil {
		change(&cfg)
	}
	handler, err := console.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func dev(cfg *console.Config) { cfg.Dev = true }

// openHouse starts a whole house, wired as cmd does: store, ledger, engine, API and console on one address, in dev mode.
func openHouse(t *testing.T) *httptest.Server {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	seal, err := vault.Open(filepath.Join(dir, "key"))
	must(err)
	archive, err := sqlstore.OpenSQLite(t.Context(), sqlstore.Options{Path: filepath.Join(dir, "carillon.db"), Sealer: seal, Logger: quiet})
	must(err)
	t.Cleanup(func() { must(archive.Close()) })
	book, err := ledger.New(ledger.Config{Store: archive})
	must(err)
	sender := webhook.New(webhook.Config{AllowPrivate: true})
	t.Cleanup(func() { must(sender.Close()) })
	var shop *workshop.Workshop
	invoke := script.InvokerFunc(func(ctx context.Context, s *carillon.Subscription, m *carillon.Message) error {
		return shop.Handle(ctx, s, m)
	})
	engine, err := deliver.New(deliver.Config{
		Store: archive, Dialects: tongues, Sinks: map[carillon.SinkType]deliver.OpenSink{
			carillon.SinkWebhook: sender.Open,
			carillon.SinkApp:     script.New(invoke, freshsales.Name, platform.Name).Open,
		},
	})
	must(err)
	shop, err = workshop.New(workshop.Config{
		Store: archive, Feeder: engine, Dialects: tongues, Sample: sample.Payloads(tongues, "dev"),
	})
	must(err)
	door, err := intake.New(intake.Config{Store: archive, Ledger: book, Dialects: tongues})
	must(err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var desks errgroup.Group
	desks.Go(func() error { return book.Run(ctx) })
	desks.Go(func() error { return engine.Run(ctx) })
	desks.Go(func() error { return door.Run(ctx) })
	desks.Go(func() error { return shop.Run(ctx) })
	t.Cleanup(func() {
		stop()
		must(desks.Wait())
		shop.Close(context.WithoutCancel(t.Context()))
	})
	gate := access.New(archive, access.Options{Dev: true})
	rest, err := api.New(api.Config{Store: archive, Ledger: book, Desk: engine, Intake: door, Workshop: shop, Dialects: tongues, Gate: gate, Logger: quiet, Version: "1.2.3"})
	must(err)
	window, err := console.New(console.Config{
		Gate: gate, Store: archive, Desk: engine, Intake: door, Workshop: shop, Dialects: tongues, Version: "1.2.3", StartedAt: time.Now(), Dev: true, Logger: quiet,
	})
	must(err)
	mux := http.NewServeMux()
	mux.Handle("/v1/", rest)
	mux.Handle("/in/", door)
	mux.Handle("/", window)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}
