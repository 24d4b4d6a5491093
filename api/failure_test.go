package api_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"carillon"
	"carillon/api"
)

// broken is an archive whose reads of records end badly.
type broken struct {
	api.Archive
	read func(ctx context.Context) error
}

func (b broken) Record(ctx context.Context, _ string, _ carillon.Ref) (*carillon.Record, error) {
	return nil, b.read(ctx)
}

// record is a log that can be read.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *record) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *record) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.text.String()), "\n")
}

func TestWhatGoesWrongOnOurSideIsToldToTheLogOnly(t *testing.T) {
	for name, c := range map[string]struct {
		read   func(context.Context) error
		status int
		code   carillon.Code
	}{
		"an unknown error":   {func(context.Context) error { return errors.New("disk on fire") }, 500, "internal"},
		"an internal error":  {func(context.Context) error { return &carillon.Error{Code: "internal", Message: "disk on fire"} }, 500, "internal"},
		"a code of no table": {func(context.Context) error { return &carillon.Error{Code: "odd", Message: "disk on fire"} }, 500, "internal"},
		"a panic":            {func(context.Context) error { panic("disk on fire") }, 500, "internal"},
		"an archive far away": {func(context.Context) error {
			return &carillon.Error{Code: carillon.CodeUnavailable, Message: "the archive is out of reach", Err: errors.New("disk on fire")}
		}, 503, "unavailable"},
		"a read without end": {func(ctx context.Context) error {
			<-ctx.Done()
			return errors.Join(errors.New("disk on fire"), ctx.Err())
		}, 503, "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			log := &record{}
			h := open(t, func(c2 *api.Config) {
				c2.Store = broken{c2.Store, c.read}
				c2.Logger = slog.New(slog.NewJSONHandler(log, nil))
				c2.Limits.Request = 2 * time.Second
			})
			a := h.get("/v1/accounts/acc_1")
			p := a.refusal(c.status, c.code)
			if strings.Contains(string(a.body), "fire") {
				t.Errorf("the cause is told to strangers: %s", a.body)
			}
			lines := log.lines()
			if len(lines) != 1 || !strings.Contains(lines[0], "disk on fire") || !strings.Contains(lines[0], p.RequestID) {
				t.Errorf("log: %q", lines)
			}
		})
	}
}

func TestReadinessIsAskedFor(t *testing.T) {
	h := open(t, func(c *api.Config) {
		c.Ready = func(context.Context) error { return errors.New("still opening") }
	})
	h.get("/healthz").want(http.StatusOK)
	h.get("/readyz").refusal(503, "unavailable")
}

func TestEveryRequestIsObservedWithItsRoute(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	h := open(t, func(c *api.Config) {
		c.Observe = func(method, route string, status int, _ time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, method+" "+route+" "+http.StatusText(status))
		}
	})
	mu.Lock()
	seen = nil
	mu.Unlock()
	h.get("/v1/accounts/acc_1").want(404)
	h.get("/nothing").want(404)
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"A"}`).want(201)
	want := "GET /v1/accounts/{id} Not Found|GET  Not Found|PUT /v1/accounts/{id} Created"
	h.eventually("three requests to be observed", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(seen, "|") == want
	})
}

func TestAnAPIWithoutItsPartsIsNotMade(t *testing.T) {
	if _, err := api.New(api.Config{}); err == nil {
		t.Error("made of nothing")
	}
}
