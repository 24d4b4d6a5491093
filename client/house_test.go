package client_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"carillon"
	"carillon/access"
	"carillon/api"
	"carillon/apps/workshop"
	"carillon/client"
	"carillon/deliver"
	"carillon/deliver/script"
	"carillon/deliver/webhook"
	"carillon/dialect"
	"carillon/dialect/cloudevents"
	"carillon/dialect/freshsales"
	"carillon/dialect/platform"
	"carillon/intake"
	"carillon/ledger"
	"carillon/store/sqlstore"
	"carillon/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a whole server in this process, with the API key dev.
type house struct {
	URL   string
	close func() error
}

// openHouse builds a server; around may wrap its handler.
func openHouse(around func(http.Handler) http.Handler) (*house, error) {
	dir, err := os.MkdirTemp("", "carillon-client-test-")
	if err != nil {
		return nil, err
	}
	sealer, err := vault.Open(filepath.Join(dir, "secrets.json"))
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	archive, err := sqlstore.OpenSQLite(ctx, sqlstore.Options{Path: filepath.Join(dir, "carillon.db"), Sealer: sealer, Logger: log})
	if err != nil {
		cancel()
		return nil, err
	}
	desk, err := ledger.New(ledger.Config{Store: archive, Logger: log})
	if err != nil {
		cancel()
		return nil, err
	}
	dialects := map[string]dialect.Dialect{
		cloudevents.Name: cloudevents.New(), freshsales.Name: freshsales.New(), platform.Name: platform.New(),
	}
	var shop *workshop.Workshop
	invoke := script.InvokerFunc(func(ctx context.Context, s *carillon.Subscription, m *carillon.Message) error {
		return shop.Handle(ctx, s, m)
	})
	engine, err := deliver.New(deliver.Config{
		Store: archive, Dialects: dialects, Logger: log, Grace: time.Second,
		Sinks: map[carillon.SinkType]deliver.OpenSink{
			carillon.SinkWebhook: webhook.New(webhook.Config{AllowPrivate: true}).Open,
			carillon.SinkApp:     script.New(invoke, freshsales.Name, platform.Name).Open,
		},
	})
	if err != nil {
		cancel()
		return nil, err
	}
	side, err := intake.New(intake.Config{Store: archive, Ledger: desk, Dialects: dialects, Logger: log})
	if err != nil {
		cancel()
		return nil, err
	}
	shop, err = workshop.New(workshop.Config{Store: archive, Feeder: engine, Dialects: dialects, Logger: log})
	if err != nil {
		cancel()
		return nil, err
	}
	stopping := make(chan struct{})
	routes, err := api.New(api.Config{
		Store: archive, Ledger: desk, Desk: engine, Intake: side, Workshop: shop, Dialects: dialects, Gate: access.New(archive, access.Options{Dev: true}),
		Logger: log, Stopping: stopping,
	})
	if err != nil {
		cancel()
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", routes)
	mux.Handle("/in/", side)
	handler := http.Handler(mux)
	if around != nil {
		handler = around(handler)
	}
	var working errgroup.Group
	working.Go(func() error { return desk.Run(ctx) })
	working.Go(func() error { return side.Run(ctx) })
	working.Go(func() error { return engine.Run(ctx) })
	working.Go(func() error { return shop.Run(ctx) })
	server := httptest.NewServer(handler)
	return &house{URL: server.URL, close: func() error {
		close(stopping)
		server.Close()
		cancel()
		err := working.Wait()
		shop.Close(context.WithoutCancel(ctx))
		return errors.Join(err, archive.Close(), os.RemoveAll(dir))
	}}, nil
}

// open is openHouse for tests, with a client of it.
func open(t *testing.T, around func(http.Handler) http.Handler) *client.Client {
	t.Helper()
	h, err := openHouse(around)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(h.URL, "dev")
	if err != nil {
		t.Fatal(err)
	}
	c.Backoff = func(int) time.Duration { return time.Millisecond }
	t.Cleanup(func() {
		c.HTTP.CloseIdleConnections()
		if err := h.close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
