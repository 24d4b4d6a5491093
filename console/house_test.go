package console_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"carillon"
	"carillon/console"
	"carillon/dialect/platform"
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
	native = platform.New()
	quiet  = slog.New(slog.DiscardHandler)
)

// open starts a console over the archive; change may alter its config.
func open(t testing.TB, a *archive, change func(*console.Config)) *httptest.Server {
	t.Helper()
	cfg := console.Config{
		Gate: knownKeys, Store: a, Desk: a, Dialect: native, Version: "1.2.3", StartedAt: time.Now().Add(-90 * time.Minute),
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
