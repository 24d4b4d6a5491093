package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"go.uber.org/goleak"

	"carillon"
	"carillon/access"
	"carillon/api"
	"carillon/apps/workshop"
	"carillon/deliver"
	"carillon/deliver/amqp"
	"carillon/deliver/kafka"
	"carillon/deliver/nats"
	"carillon/deliver/script"
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
	"carillon/store"
	"carillon/store/sqlstore"
	"carillon/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(covered{m}) }

// covered runs the tests and then asks that every operation of the document was answered with success at least once, so
// that none of it is unproven.
type covered struct{ *testing.M }

func (c covered) Run() int {
	code := c.M.Run()
	if code != 0 || flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" {
		return code
	}
	proven.mu.Lock()
	defer proven.mu.Unlock()
	for operation, done := range proven.operations {
		if !done {
			fmt.Fprintf(os.Stderr, "no test had success with %s\n", operation)
			code = 1
		}
	}
	return code
}

// proven are the operations of the document and whether an exchange that had success was checked against it.
var proven = struct {
	mu         sync.Mutex
	spec       routers.Router
	operations map[string]bool
}{operations: map[string]bool{}}

func prove(method, path string) {
	proven.mu.Lock()
	defer proven.mu.Unlock()
	proven.operations[method+" "+path] = true
}

// house is a real server: SQLite, ledger, delivery to webhooks, intake, gate and API.
type house struct {
	t      testing.TB
	url    string
	store  *sqlstore.Store
	gate   *access.Gate
	stop   func() // as on SIGTERM
	client *http.Client
	spec   routers.Router
	keys   map[string]string // a secret of each org and right: "acme read"
}

// open starts a house. change may alter the configuration.
func open(t testing.TB, change ...func(*api.Config)) *house {
	t.Helper()
	dir := t.TempDir()
	sealer, err := vault.Open(filepath.Join(dir, "vault"))
	must(t, err)
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	if _, fuzzing := t.(*testing.F); fuzzing { // which may not be written to from inside
		log = slog.New(slog.DiscardHandler)
	}
	archive, err := sqlstore.OpenSQLite(t.Context(), sqlstore.Options{Path: filepath.Join(dir, "carillon.db"), Sealer: sealer, Logger: log})
	must(t, err)
	book, err := ledger.New(ledger.Config{Store: archive, Logger: log})
	must(t, err)
	dialects := map[string]dialect.Dialect{
		cloudevents.Name: cloudevents.New(), freshsales.Name: freshsales.New(), neon.Name: neon.New(), platform.Name: platform.New(),
		smarterpay.Name: smarterpay.New(),
	}
	sender := webhook.New(webhook.Config{AllowPrivate: true, Timeout: 5 * time.Second})
	out := egress.New(egress.Config{AllowPrivate: true})
	var shop *workshop.Workshop
	invoke := script.InvokerFunc(func(ctx context.Context, s *carillon.Subscription, m *carillon.Message) error {
		return shop.Handle(ctx, s, m)
	})
	engine, err := deliver.New(deliver.Config{
		Store: archive, Dialects: dialects, Sinks: map[carillon.SinkType]deliver.OpenSink{
			carillon.SinkWebhook: sender.Open,
			carillon.SinkAMQP:    amqp.New(amqp.Config{Gate: out}).Open,
			carillon.SinkKafka:   kafka.New(kafka.Config{Gate: out}).Open,
			carillon.SinkNATS:    nats.New(nats.Config{Gate: out}).Open,
			carillon.SinkApp:     script.New(invoke, freshsales.Name, platform.Name).Open,
		}, Logger: log,
	})
	must(t, err)
	door, err := intake.New(intake.Config{Store: archive, Ledger: book, Dialects: dialects, Logger: log})
	must(t, err)
	shop, err = workshop.New(workshop.Config{Store: archive, Feeder: engine, Dialects: dialects, Gate: out, Logger: log})
	must(t, err)
	running, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = book.Run(running) })
	work.Go(func() { _ = engine.Run(running) })
	work.Go(func() { _ = door.Run(running) })
	work.Go(func() { _ = shop.Run(running) })
	h := &house{t: t, store: archive, gate: access.New(archive, access.Options{Dev: true}), keys: map[string]string{}}
	stopping := make(chan struct{})
	h.stop = sync.OnceFunc(func() { close(stopping) })
	config := api.Config{
		Store: archive, Ledger: book, Desk: engine, Intake: door, Workshop: shop, Dialects: dialects, Gate: h.gate, Logger: log, Version: "test",
		Schemes: map[string]string{smarterpay.Name: "an HMAC of the body"}, Stopping: stopping,
	}
	for _, c := range change {
		c(&config)
	}
	handler, err := api.New(config)
	must(t, err)
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.Handle("/in/", door)
	server := httptest.NewServer(mux)
	h.url, h.client = server.URL, server.Client()
	t.Cleanup(func() {
		h.stop()
		server.Close()
		cancel()
		work.Wait()
		shop.Close(context.Background())
		must(t, archive.Close())
	})
	h.readDocument()
	return h
}

// readDocument loads the OpenAPI document that the server publishes, against which every exchange is checked. All houses
// publish the same, so the first one's is kept.
func (h *house) readDocument() {
	h.t.Helper()
	proven.mu.Lock()
	defer proven.mu.Unlock()
	if proven.spec == nil {
		resp, err := h.client.Get(h.url + "/openapi.json")
		must(h.t, err)
		document, err := openapi3.NewLoader().LoadFromData(readAll(h.t, resp))
		must(h.t, err)
		proven.spec, err = legacy.NewRouter(document) // which validates it
		must(h.t, err)
		for path, item := range document.Paths.Map() {
			for method := range item.Operations() {
				proven.operations[method+" "+path] = false
			}
		}
	}
	h.spec = proven.spec
}

// key gives a secret of an org with a right.
func (h *house) key(org string, right carillon.Right) string {
	h.t.Helper()
	name := org + " " + string(right)
	if h.keys[name] == "" {
		_, secret, err := h.gate.Create(h.t.Context(), org, name, right, carillon.Actor{ID: "robot", Type: "AGENT", Email: "robot@" + org})
		must(h.t, err)
		h.keys[name] = secret
	}
	return h.keys[name]
}

// answer is what came back.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// member reads a top-level member of the body as text: strings plain, all else as JSON.
func (a answer) member(name string) string {
	a.t.Helper()
	var object map[string]json.RawMessage
	if err := json.Unmarshal(a.body, &object); err != nil {
		a.t.Fatalf("the body is not an object: %v: %s", err, a.body)
	}
	var s string
	if json.Unmarshal(object[name], &s) == nil {
		return s
	}
	return string(object[name])
}

func (a answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("decode %s: %v", a.body, err)
	}
}

// want fails the test unless the status is this.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// problem is a problem as programs read it.
type problem struct {
	Type, Title, Detail, Code, Hint, RequestID string
	Status                                     int
	Errors                                     []struct{ Member, Reason string }
}

// refusal reads the problem and checks what every problem promises.
func (a answer) refusal(status int, code carillon.Code) problem {
	a.t.Helper()
	a.want(status)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("content type %q", got)
	}
	var p problem
	a.into(&p)
	if p.Code != string(code) || p.Status != status || p.Type == "" || p.Title == "" || p.Detail == "" {
		a.t.Errorf("problem %s, want code %s, status %d and all of type, title, detail", a.body, code, status)
	}
	if p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		a.t.Errorf("requestId %q, X-Request-Id %q", p.RequestID, a.header.Get("X-Request-Id"))
	}
	return p
}

// names reports whether the problem names a member.
func (p problem) names(member string) bool {
	for _, e := range p.Errors {
		if e.Member == member && e.Reason != "" {
			return true
		}
	}
	return false
}

// with is a set of request headers.
type with map[string]string

// do sends a request with the dev key, unless headers say otherwise, and checks the exchange against the document.
func (h *house) do(method, path, body string, headers ...with) answer {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	must(h.t, err)
	req.Header.Set("Authorization", "Bearer dev")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	for _, set := range headers {
		for name, value := range set {
			if value == "" {
				req.Header.Del(name)
			} else {
				req.Header.Set(name, value)
			}
		}
	}
	resp, err := h.client.Do(req)
	must(h.t, err)
	a := answer{t: h.t, status: resp.StatusCode, header: resp.Header, body: readAll(h.t, resp)}
	h.check(req, body, a)
	return a
}

func (h *house) get(path string, headers ...with) answer {
	h.t.Helper()
	return h.do(http.MethodGet, path, "", headers...)
}

// check validates an exchange against the OpenAPI document: every answer, and every request that was accepted.
func (h *house) check(req *http.Request, body string, a answer) {
	h.t.Helper()
	if req.Method == http.MethodHead { // goes with GET and is not written down apart
		return
	}
	again := req.Clone(h.t.Context())
	again.URL.Scheme, again.URL.Host, again.Host = "", "", ""
	again.RequestURI = ""
	again.Body = io.NopCloser(strings.NewReader(body))
	route, params, err := h.spec.FindRoute(again)
	if err != nil {
		if a.status < 400 && !strings.HasPrefix(req.URL.Path, "/schemas/") {
			h.t.Errorf("%s %s answered %d and is not in the document: %v", req.Method, req.URL, a.status, err)
		}
		return
	}
	defer func() {
		if a.status < 400 && !h.t.Failed() {
			prove(route.Method, route.Path)
		}
	}()
	input := &openapi3filter.RequestValidationInput{
		Request: again, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, SkipSettingDefaults: true,
			ExcludeReadOnlyValidations: true, MultiError: true,
		},
	}
	if a.status < 400 && req.Header.Get("Content-Type") != "application/x-ndjson" {
		if err := openapi3filter.ValidateRequest(h.t.Context(), input); err != nil {
			h.t.Errorf("the document refuses what the server took: %s %s: %v", req.Method, req.URL, err)
		}
	}
	if mediaType := a.header.Get("Content-Type"); mediaType != "" && !strings.Contains(mediaType, "json") || mediaType == "application/x-ndjson" {
		return
	}
	output := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: a.status, Header: a.header, Options: input.Options,
	}
	output.SetBodyBytes(a.body)
	if err := openapi3filter.ValidateResponse(h.t.Context(), output); err != nil {
		h.t.Errorf("the document does not allow the answer to %s %s: %v", req.Method, req.URL, err)
	}
}

// state is what no refused request may change.
func (h *house) state(orgs ...string) string {
	h.t.Helper()
	var b bytes.Buffer
	for _, org := range orgs {
		head, err := h.store.Head(h.t.Context(), org)
		must(h.t, err)
		fmt.Fprintf(&b, "%s head %d", org, head)
		for _, kind := range carillon.Kinds {
			records, err := h.store.Records(h.t.Context(), org, store.RecordQuery{Kind: kind, Limit: 10000})
			must(h.t, err)
			fields, err := h.store.CustomFields(h.t.Context(), org, kind)
			must(h.t, err)
			fmt.Fprintf(&b, " %s %d/%d", kind, len(records), len(fields))
		}
		keys, err := h.store.Keys(h.t.Context(), org)
		must(h.t, err)
		subscriptions, err := h.store.Subscriptions(h.t.Context(), org)
		must(h.t, err)
		connections, err := h.store.Connections(h.t.Context(), org)
		must(h.t, err)
		fmt.Fprintf(&b, " keys %d subscriptions %d connections %d\n", len(keys), len(subscriptions), len(connections))
	}
	return b.String()
}

func readAll(t testing.TB, resp *http.Response) []byte {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	must(t, resp.Body.Close())
	return body
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testWriter is the log of the house.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}
