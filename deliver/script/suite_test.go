package script_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"carillon"
	"carillon/apps/workshop"
	"carillon/deliver"
	"carillon/deliver/delivertest"
	"carillon/deliver/script"
	"carillon/dialect"
	"carillon/dialect/freshsales"
	"carillon/dialect/platform"
	"carillon/egress"
	"carillon/store/sqlstore"
	"carillon/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The far end is an app that asks at a door, and then gives back what came.
var files = map[string]string{
	"manifest.json": `{
		"platform-version": "2.3", "engines": { "node": "18.20.8", "fdk": "9.7.4" },
		"product": { "platform": { "events": { "account:updated": { "handler": "take" } }, "requests": { "door": {} } } }
	}`,
	"config/iparams.json":  `{ "door": { "display_name": "Door", "type": "text" } }`,
	"config/requests.json": `{ "door": { "schema": { "method": "POST", "protocol": "http", "host": "<%= iparam.door %>", "path": "/" } } }`,
	"server/server.js": `exports = { async take(args) {
		await $request.invokeTemplate("door", {});
		delete args.iparams;
		renderData(null, args);
	} };`,
}

// door lets apps through, or does not.
type door struct {
	mu     sync.Mutex
	broken bool
	hang   chan struct{} // not nil: until it is closed
	held   chan struct{} // receives when somebody waits
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	broken, hang := d.broken, d.hang
	d.mu.Unlock()
	if hang != nil {
		select {
		case d.held <- struct{}{}:
		default:
		}
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}
	if broken {
		http.Error(w, "closed", http.StatusServiceUnavailable)
	}
}

// arrivals are what the app gave back, in order.
type arrivals struct {
	mu   sync.Mutex
	list []delivertest.Arrival
	grew chan struct{}
}

func (a *arrivals) hear(i *carillon.Invocation) {
	if i.Trigger != carillon.TriggerEvent || i.Failed() {
		return
	}
	var rendered struct{ Data json.RawMessage }
	if err := json.Unmarshal(i.Rendered, &rendered); err != nil {
		panic(err)
	}
	id := strings.TrimPrefix(i.EventID, "evt_")
	// JavaScript writes as it is what the suite has escaped.
	body := bytes.ReplaceAll(rendered.Data, []byte("\u2028"), []byte(`\u2028`))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, delivertest.Arrival{ID: i.EventID, Lane: id[:strings.LastIndexByte(id, '_')], Body: body})
	select {
	case a.grew <- struct{}{}:
	default:
	}
}

func (a *arrivals) wait(ctx context.Context, n int) ([]delivertest.Arrival, error) {
	for {
		a.mu.Lock()
		list := a.list
		a.mu.Unlock()
		if len(list) >= n {
			return list, nil
		}
		select {
		case <-a.grew:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func pack(t *testing.T) []byte {
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

func TestSinkContract(t *testing.T) {
	delivertest.RunSink(t, delivertest.Harness{Open: func(t *testing.T) delivertest.Rig {
		t.Helper()
		dir := t.TempDir()
		v, err := vault.Open(filepath.Join(dir, "vault.key"))
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(slog.DiscardHandler)
		store, err := sqlstore.OpenSQLite(t.Context(), sqlstore.Options{Path: filepath.Join(dir, "carillon.db"), Sealer: v, Logger: log})
		if err != nil {
			t.Fatal(err)
		}
		door, came := &door{held: make(chan struct{}, 1)}, &arrivals{grew: make(chan struct{}, 1)}
		server := httptest.NewServer(door)
		shop, err := workshop.New(workshop.Config{
			Store: store, Dialects: map[string]dialect.Dialect{freshsales.Name: freshsales.New(), platform.Name: platform.New()},
			Gate: egress.New(egress.Config{AllowPrivate: true}), Limits: workshop.Limits{Requests: -1}, Observe: came.hear, Logger: log,
		})
		if err != nil {
			t.Fatal(err)
		}
		app, err := shop.Install(t.Context(), "acme", workshop.Installation{
			Package: pack(t), IParams: json.RawMessage(`{"door":"` + server.Listener.Addr().String() + `"}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		sink, err := script.New(shop, platform.Name).Open(&carillon.Subscription{
			ID: "sub_1", Org: "acme", Dialect: platform.Name, Sink: carillon.Sink{Type: carillon.SinkApp, App: app.ID},
		})
		if err != nil {
			t.Fatal(err)
		}
		return delivertest.Rig{
			Sink:    sink,
			Arrived: came.wait,
			// The app asks in vain, and its handler fails of that.
			FailsAlone: true,
			Break: func() func() {
				door.mu.Lock()
				defer door.mu.Unlock()
				door.broken = true
				return func() {
					door.mu.Lock()
					defer door.mu.Unlock()
					door.broken = false
				}
			},
			Hang: func() func() {
				door.mu.Lock()
				defer door.mu.Unlock()
				hang := make(chan struct{})
				door.hang = hang
				return sync.OnceFunc(func() {
					door.mu.Lock()
					defer door.mu.Unlock()
					door.hang = nil
					close(hang)
				})
			},
			Held: func(ctx context.Context) error {
				select {
				case <-door.held:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			},
			Close: func() {
				shop.Close(context.Background())
				server.Close()
				if err := store.Close(); err != nil {
					t.Errorf("close the store: %v", err)
				}
			},
		}
	}})
}

func TestSubscriptionsThatNoAppUnderstandsAreRefused(t *testing.T) {
	sender := script.New(nil, "freshsales", "platform")
	for member, s := range map[string]*carillon.Subscription{
		"/sink/app":  {Dialect: "platform"},
		"/dialect":   {Dialect: "neon", Sink: carillon.Sink{App: "app_1"}},
		"/batch/max": {Dialect: "platform", Sink: carillon.Sink{App: "app_1"}, Batch: carillon.Batch{Max: 2}},
	} {
		_, err := sender.Open(s)
		e, ok := err.(*carillon.Error) //nolint:errorlint // it is this one
		if !ok || e.Code != carillon.CodeInvalid || e.Faults[0].Member != member {
			t.Errorf("%s: %v", member, err)
		}
	}
}

func TestFailuresBecomeVerdicts(t *testing.T) {
	stopping, stop := context.WithCancel(t.Context())
	defer stop()
	for name, c := range map[string]struct {
		err  error
		stop bool
		want deliver.Verdict
	}{
		"none":                          {nil, false, deliver.Taken},
		"the app is not there":          {carillon.NotFound("app", "app_1"), false, deliver.Gone},
		"the app does not listen":       {carillon.Invalid("", "no"), false, deliver.Never},
		"the message is too large":      {&carillon.Error{Code: carillon.CodeTooLarge}, false, deliver.Never},
		"the handler failed":            {carillon.Conflict("onDealCreate failed: no"), false, deliver.FailedAlone},
		"an engine broke":               {&carillon.Error{Code: carillon.CodeInternal}, false, deliver.TryAgain},
		"the store is out of reach":     {&carillon.Error{Code: carillon.CodeUnavailable}, false, deliver.TryAgain},
		"the house stops meanwhile":     {&carillon.Error{Code: carillon.CodeInternal}, true, deliver.Interrupted},
		"the engine was told to stop":   {context.Canceled, false, deliver.Interrupted},
		"the handler had too long work": {context.DeadlineExceeded, false, deliver.TryAgain},
	} {
		ctx := t.Context()
		if c.stop {
			ctx = stopping
		}
		sender := script.New(script.InvokerFunc(func(context.Context, *carillon.Subscription, *carillon.Message) error {
			if c.stop {
				stop()
			}
			return c.err
		}), "platform")
		sink, err := sender.Open(&carillon.Subscription{Dialect: "platform", Sink: carillon.Sink{App: "app_1"}})
		if err != nil {
			t.Fatal(err)
		}
		result := sink.Send(ctx, delivertest.Message("acc_1", 1))
		if gone := "app app_1 is not installed"; c.want == deliver.Gone && result.Err.Error() != gone {
			t.Errorf("%s: %v, want %s", name, result.Err, gone)
		}
		if result.Verdict != c.want || (result.Err == nil) != (c.err == nil) {
			t.Errorf("%s: %+v, want %d", name, result, c.want)
		}
	}
}
