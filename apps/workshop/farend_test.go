package workshop_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"carillon"
	"carillon/store"
)

// farEnd is a service that apps send requests to. It remembers them, and answers as a test says.
type farEnd struct {
	server *httptest.Server
	host   string // with its port

	mu     sync.Mutex
	came   []string // "POST /path Authorization"
	bodies []string
	answer http.HandlerFunc
}

func newFarEnd(t *testing.T) *farEnd {
	t.Helper()
	f := &farEnd{}
	f.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		f.came = append(f.came, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Authorization")))
		f.bodies = append(f.bodies, string(body))
		answer := f.answer
		f.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	f.host = f.server.Listener.Addr().String()
	t.Cleanup(f.server.Close)
	return f
}

// tls trusts the far end.
func (f *farEnd) tls() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(f.server.Certificate())
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// answers has the far end answer so from now on, and forget what came.
func (f *farEnd) answers(answer http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer, f.came, f.bodies = answer, nil, nil
}

func (f *farEnd) list() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.came)
}

// await waits until these requests have come, among others.
func (f *farEnd) await(h *house, want ...string) {
	h.t.Helper()
	for _, w := range want {
		h.await(w, func() bool { return slices.Contains(f.list(), w) })
	}
}

// mend keeps the value that an app waits for.
func mend(a *carillon.App) func(ctx context.Context, tx store.Tx) error {
	return func(ctx context.Context, tx store.Tx) error {
		return tx.PutAppValue(ctx, &carillon.AppValue{Org: a.Org, App: a.ID, Key: "mended", Value: []byte(`{"yes":true}`)})
	}
}
