package simulator_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"carillon/apps/script"
	"carillon/apps/simulator"
	"carillon/apps/workshop"
	"carillon/dialect"
	"carillon/dialect/freshsales"
	"carillon/dialect/platform"
	"carillon/sample"
	"carillon/store/sqlstore"
	"carillon/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	quiet    = slog.New(slog.DiscardHandler)
	dialects = map[string]dialect.Dialect{freshsales.Name: freshsales.New(), platform.Name: platform.New()}
)

// laptop is an app in a directory with its pages, as carillon app run has them.
type laptop struct {
	t        *testing.T
	Dir      string
	URL      string
	Shop     *workshop.Workshop
	Folder   *simulator.Folder
	Settings *simulator.Settings
	stop     func()
}

// open starts the pages of an app; files are by path. Handlers may run for 700 ms.
func open(t *testing.T, files map[string]string) *laptop {
	t.Helper()
	l := &laptop{t: t, Dir: t.TempDir(), Settings: new(simulator.Settings)}
	l.write(files)
	keys := t.TempDir()
	seal, err := vault.Open(filepath.Join(keys, "key"))
	l.must(err)
	archive, err := sqlstore.OpenSQLite(t.Context(), sqlstore.Options{Path: filepath.Join(keys, "carillon.db"), Sealer: seal, Logger: quiet})
	l.must(err)
	t.Cleanup(func() { l.must(archive.Close()) })
	samples := sample.Payloads(dialects, "local")
	l.Shop, err = workshop.New(workshop.Config{
		Store: archive, Dialects: dialects, Logger: quiet, Script: script.Config{Time: 700 * time.Millisecond},
		Sample: func(ctx context.Context, name, event string, settings json.RawMessage) (json.RawMessage, bool) {
			if name == freshsales.Name {
				settings = l.Settings.Over(settings)
			}
			return samples(ctx, name, event, settings)
		},
	})
	l.must(err)
	l.Folder, err = simulator.NewFolder(simulator.FolderConfig{
		Files: os.DirFS(l.Dir), Name: "my-app", Shelf: l.Shop, Org: "local", Checks: l.Shop.Checks(), Poll: 20 * time.Millisecond,
	})
	l.must(err)
	l.must(l.Folder.Load(t.Context()))
	stopping := make(chan struct{})
	pages, err := simulator.NewLocal(simulator.LocalConfig{
		Desk: l.Shop, Folder: l.Folder, Org: "local", Settings: l.Settings, Logger: quiet, Stopping: stopping,
	})
	l.must(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var working errgroup.Group
	working.Go(func() error { return l.Shop.Run(ctx) })
	working.Go(func() error { return l.Folder.Run(ctx) })
	server := httptest.NewServer(pages)
	l.URL = server.URL
	l.stop = func() {
		cancel()
		l.must(working.Wait())
		l.stop = func() {}
	}
	t.Cleanup(func() {
		close(stopping)
		server.Close()
		l.stop()
		l.Shop.Close(context.WithoutCancel(t.Context()))
	})
	return l
}

func (l *laptop) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// write puts files into the app's directory.
func (l *laptop) write(files map[string]string) {
	l.t.Helper()
	for name, content := range files {
		path := filepath.Join(l.Dir, filepath.FromSlash(name))
		l.must(os.MkdirAll(filepath.Dir(path), 0o700))
		l.must(os.WriteFile(path, []byte(content), 0o600))
	}
}

// get reads a page, or the part of one that header names.
func (l *laptop) get(path, part string) (int, string) {
	l.t.Helper()
	return l.do(http.MethodGet, path, part, nil)
}

// simulate posts the form of the test page as its script does, and gives the part that it puts into the page.
func (l *laptop) simulate(product, event, payload string) (int, string) {
	l.t.Helper()
	return l.do(http.MethodPost, "/web/test", "outcome", url.Values{"product": {product}, "event": {event}, "payload": {payload}})
}

func (l *laptop) do(method, path, part string, form url.Values) (int, string) {
	l.t.Helper()
	r, err := http.NewRequestWithContext(l.t.Context(), method, l.URL+path, strings.NewReader(form.Encode()))
	l.must(err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if part != "" {
		r.Header.Set("Carillon-Fragment", part)
	}
	resp, err := http.DefaultClient.Do(r)
	l.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	l.must(err)
	return resp.StatusCode, string(body)
}

// until waits for something to become true.
func (l *laptop) until(what string, is func() bool) {
	l.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			l.t.Fatalf("it never came true that %s", what)
		case <-tick.C:
		}
	}
}

// patience bounds each thing that a test waits for.
const patience = 20 * time.Second
