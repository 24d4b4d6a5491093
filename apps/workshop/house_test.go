package workshop_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"

	"carillon"
	"carillon/apps/script"
	"carillon/apps/workshop"
	"carillon/deliver"
	sinkscript "carillon/deliver/script"
	"carillon/dialect"
	"carillon/dialect/freshsales"
	"carillon/dialect/platform"
	"carillon/egress"
	"carillon/ledger"
	"carillon/store"
	"carillon/store/sqlstore"
	"carillon/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const org = "acme"

// house is a store, a ledger, dispatch and a workshop, as a server has them.
type house struct {
	t      *testing.T
	dir    string
	store  *sqlstore.Store
	ledger *ledger.Ledger
	engine *deliver.Engine
	shop   *workshop.Workshop
	alter  func(*workshop.Config)
	log    lockedBuffer // what the house logs
	stop   func()       // as a shutdown would

	mu  sync.Mutex
	now time.Time
}

// lockedBuffer is a buffer that many write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func newHouse(t *testing.T, alter func(*workshop.Config)) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), alter: alter, now: noon}
	h.start()
	t.Cleanup(func() { h.stop() })
	return h
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// pass lets time pass.
func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func dialects() map[string]dialect.Dialect {
	return map[string]dialect.Dialect{freshsales.Name: freshsales.New(), platform.Name: platform.New()}
}

// start brings the house up, as a process that begins does.
func (h *house) start() {
	h.t.Helper()
	t := h.t
	log := slog.New(slog.NewTextHandler(&h.log, nil))
	v, err := vault.Open(filepath.Join(h.dir, "vault.key"))
	if err != nil {
		t.Fatal(err)
	}
	if h.store, err = sqlstore.OpenSQLite(t.Context(), sqlstore.Options{Path: filepath.Join(h.dir, "carillon.db"), Sealer: v, Logger: log}); err != nil {
		t.Fatal(err)
	}
	if h.ledger, err = ledger.New(ledger.Config{Store: h.store, Logger: log}); err != nil {
		t.Fatal(err)
	}
	invoke := sinkscript.InvokerFunc(func(ctx context.Context, s *carillon.Subscription, m *carillon.Message) error {
		return h.shop.Handle(ctx, s, m)
	})
	h.engine, err = deliver.New(deliver.Config{
		Store: h.store, Dialects: dialects(), Common: []string{platform.Name}, Logger: log, Grace: 2 * time.Second, Poll: 20 * time.Millisecond,
		Sinks: map[carillon.SinkType]deliver.OpenSink{carillon.SinkApp: sinkscript.New(invoke, freshsales.Name, platform.Name).Open},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := workshop.Config{
		Store: h.store, Feeder: h.engine, Dialects: dialects(), URL: "https://carillon.example.com", Now: h.clock, Look: 5 * time.Millisecond,
		Gate: egress.New(egress.Config{AllowPrivate: true}), Grace: 2 * time.Second, Logger: log, Script: script.Config{Engines: 8},
	}
	if h.alter != nil {
		h.alter(&c)
	}
	if h.shop, err = workshop.New(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for name, run := range map[string]func(context.Context) error{"ledger": h.ledger.Run, "engine": h.engine.Run, "workshop": h.shop.Run} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	h.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		h.shop.Close(context.Background())
		if err := h.store.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
}

// restart stops the house and brings it up again.
func (h *house) restart() {
	h.t.Helper()
	h.stop()
	h.start()
}

// manifestOf writes a manifest of one product, by the handlers of its events.
func manifestOf(product string, handlers map[string]string, requests ...string) string {
	events, templates := map[string]any{}, map[string]any{}
	for event, handler := range handlers {
		events[event] = map[string]string{"handler": handler}
	}
	for _, name := range requests {
		templates[name] = map[string]any{}
	}
	text, err := json.Marshal(map[string]any{
		"platform-version": "2.3", "engines": map[string]string{"node": "18.20.8", "fdk": "9.7.4"},
		"product": map[string]any{product: map[string]any{"events": events, "requests": templates}},
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// appOf makes the files of an app without parameters.
func appOf(product string, handlers map[string]string, server string) map[string]string {
	return map[string]string{"manifest.json": manifestOf(product, handlers), "server/server.js": server, "config/iparams.json": "{}"}
}

// pack makes a zip of files.
func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// archive reads the files of an app from a txtar text.
func archive(text string) map[string]string {
	files := map[string]string{}
	for _, f := range txtar.Parse([]byte(text)).Files {
		files[f.Name] = string(f.Data)
	}
	return files
}

// folder reads the files of an app from a directory.
func folder(t testing.TB, dir fs.FS) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(dir, name)
		files[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// install installs an app, and has its subscriptions try again quickly.
func (h *house) install(files map[string]string, iparams string) *carillon.App {
	h.t.Helper()
	a, err := h.shop.Install(h.t.Context(), org, workshop.Installation{Name: "test", Package: pack(h.t, files), IParams: json.RawMessage(iparams)})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, id := range a.Subscriptions {
		s, err := h.store.Subscription(h.t.Context(), org, id)
		if err != nil {
			h.t.Fatal(err)
		}
		s.Retry.Schedule = []time.Duration{5 * time.Millisecond, 5 * time.Millisecond}
		if err := h.engine.Update(h.t.Context(), s); err != nil {
			h.t.Fatal(err)
		}
	}
	return a
}

// write applies writes one after the other.
func (h *house) write(writes ...ledger.Write) {
	h.t.Helper()
	for _, w := range writes {
		_, err := h.ledger.Apply(h.t.Context(), ledger.Entry{
			Org: org, Actor: carillon.Actor{ID: "u1", Type: "AGENT", Email: "u1@example.com"}, Origin: "api", Writes: []ledger.Write{w},
		})
		if err != nil {
			h.t.Fatalf("%s %s: %v", w.Op, w.Ref, err)
		}
	}
}

func account(id, members string) ledger.Write {
	return ledger.Write{Op: ledger.Put, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: id}, Data: fmt.Appendf(nil, `{"name":"Account %s"%s}`, id, members)}
}

func touch(id, members string) ledger.Write {
	return ledger.Write{Op: ledger.Patch, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: id}, Data: []byte(members)}
}

func contact(id, accountID string) ledger.Write {
	return ledger.Write{Op: ledger.Put, Ref: carillon.Ref{Kind: carillon.KindContact, ID: id}, Data: fmt.Appendf(nil,
		`{"firstName":"Sample","lastName":"Contact","email":"%s@example.com","accountId":%q,"type":"CUSTOMER"}`, id, accountID)}
}

// await waits until the condition holds; it fails the test after a long while.
func (h *house) await(what string, holds func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			h.t.Fatalf("waited in vain: %s\n%s", what, h.log.String())
		}
		<-again.C
	}
}

// did lists what an app's handlers did, the oldest first.
func (h *house) did(a *carillon.App) []*carillon.Invocation {
	h.t.Helper()
	list, err := h.shop.Invocations(h.t.Context(), store.InvocationQuery{Org: org, App: a.ID, Limit: store.KeptInvocations, Ascending: true})
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

// said lists what an app's handlers told the console, the oldest first.
func (h *house) said(a *carillon.App) (lines []string) {
	h.t.Helper()
	for _, i := range h.did(a) {
		for _, l := range i.Lines {
			lines = append(lines, l.Text)
		}
	}
	return lines
}

// awaitSaid waits until handlers have told the console these lines, in this order and no others.
func (h *house) awaitSaid(a *carillon.App, want ...string) {
	h.t.Helper()
	h.await(fmt.Sprintf("the app says %q", want), func() bool { return len(h.said(a)) >= len(want) })
	if got := h.said(a); !slices.Equal(got, want) {
		h.t.Fatalf("the app said\n%s\nwant\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), h.failures(a))
	}
}

// failures tells of the invocations that failed.
func (h *house) failures(a *carillon.App) string {
	var b strings.Builder
	for _, i := range h.did(a) {
		if i.Failure != nil {
			fmt.Fprintf(&b, "%s %s: %+v\n", i.Event, i.Handler, *i.Failure)
		}
	}
	return b.String()
}

// simulate runs a handler on a payload.
func (h *house) simulate(a *carillon.App, event, payload string) *carillon.Invocation {
	h.t.Helper()
	i, err := h.shop.Simulate(h.t.Context(), org, a.ID, workshop.Simulation{Event: event, Payload: json.RawMessage(payload)})
	if err != nil {
		h.t.Fatal(err)
	}
	return i
}

// post posts to a handler of HTTP.
func (h *house) post(path, contentType, body string) *httptest.ResponseRecorder {
	h.t.Helper()
	r := httptest.NewRequestWithContext(h.t.Context(), "POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.shop.ServeHTTP(w, r)
	return w
}
