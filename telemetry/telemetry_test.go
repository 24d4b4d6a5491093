package telemetry_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon"
	"carillon/deliver"
	"carillon/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scrape reads the metrics as Prometheus does.
func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("answered %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%s is missing", line)
		}
	}
}

func TestWhatHappensIsCounted(t *testing.T) {
	m := telemetry.NewMetrics("1.2.3")
	m.Request("GET", "/v1/accounts/{id}", 200, 3*time.Millisecond)
	m.Request("GET", "/v1/accounts/{id}", 200, 30*time.Millisecond)
	m.Request("GET", "/v1/accounts/{id}", 404, time.Millisecond)
	m.Request("GET", "/v1/events/stream", 200, time.Hour)
	m.Request("BREW", "", 404, time.Millisecond)
	m.Attempt(&carillon.Attempt{Outcome: carillon.OutcomeDelivered, Duration: 2 * time.Millisecond})
	m.Attempt(&carillon.Attempt{Outcome: carillon.OutcomeRetry, Duration: time.Second})
	m.Commit(40)
	wantLines(t, scrape(t, m),
		`carillon_http_requests_total{method="GET",route="/v1/accounts/{id}",status="200"} 2`,
		`carillon_http_requests_total{method="GET",route="/v1/accounts/{id}",status="404"} 1`,
		`carillon_http_requests_total{method="GET",route="/v1/events/stream",status="200"} 1`,
		`carillon_http_requests_total{method="any",route="none",status="404"} 1`,
		`carillon_http_request_duration_seconds_bucket{method="GET",route="/v1/accounts/{id}",le="0.005"} 2`,
		`carillon_http_request_duration_seconds_count{method="GET",route="/v1/events/stream"} 0`,
		`carillon_delivery_attempts_total{outcome="delivered"} 1`,
		`carillon_delivery_attempts_total{outcome="retry"} 1`,
		`carillon_delivery_attempts_total{outcome="dead"} 0`,
		`carillon_delivery_duration_seconds_count 2`,
		`carillon_group_commit_size_bucket{le="32"} 0`,
		`carillon_group_commit_size_bucket{le="64"} 1`,
	)
	if text := scrape(t, m); !strings.Contains(text, `version="1.2.3"} 1`) || !strings.Contains(text, "go_goroutines ") {
		t.Error("the build or the runtime is missing")
	}
}

// stock is an archive and a desk that hold what a test says.
type stock struct {
	subscriptions int
	asked         int
	err           error
}

func (s *stock) Subscriptions(context.Context, string) ([]*carillon.Subscription, error) {
	list := make([]*carillon.Subscription, s.subscriptions)
	for i := range list {
		list[i] = &carillon.Subscription{Org: "acme", ID: fmt.Sprintf("sub_%04d", i)}
	}
	return list, s.err
}

func (s *stock) Heads(context.Context) (map[string]int64, error) {
	return map[string]int64{"acme": 40, "other": 2}, s.err
}

func (s *stock) Size(context.Context) (int64, error) { return 4096, s.err }

func (s *stock) Status(_ context.Context, _, id string) (deliver.Status, error) {
	s.asked++
	if id == "sub_0001" {
		return deliver.Status{}, carillon.NotFound("subscription", id)
	}
	return deliver.Status{State: carillon.StateDegraded, Lag: 7, ParkedLanes: 3, DeadLetters: 2}, nil
}

func TestAScrapeAsksHowThingsStand(t *testing.T) {
	m := telemetry.NewMetrics("dev")
	s := &stock{subscriptions: 3}
	m.Collect(s, s, slog.New(slog.DiscardHandler))
	text := scrape(t, m)
	wantLines(t, text,
		`carillon_changes_total 42`,
		`carillon_store_bytes 4096`,
		`carillon_subscriptions 3`,
		`carillon_subscription_lag{org="acme",subscription="sub_0000"} 7`,
		`carillon_subscription_parked_lanes{org="acme",subscription="sub_0002"} 3`,
		`carillon_subscription_dead_letters{org="acme",subscription="sub_0000"} 2`,
		`carillon_subscription_active{org="acme",subscription="sub_0000"} 0`,
	)
	if strings.Contains(text, "sub_0001") {
		t.Error("a subscription that was deleted meanwhile is told")
	}
	asked := s.asked
	scrape(t, m)
	if s.asked != asked {
		t.Error("a second scrape at once asked again")
	}
}

func TestAScrapeIsBoundedHoweverManySubscriptionsThereAre(t *testing.T) {
	m := telemetry.NewMetrics("dev")
	s := &stock{subscriptions: 5000}
	m.Collect(s, s, slog.New(slog.DiscardHandler))
	text := scrape(t, m)
	wantLines(t, text, `carillon_subscriptions 5000`)
	if n := strings.Count(text, "carillon_subscription_lag{"); n != 199 || s.asked != 200 {
		t.Errorf("%d subscriptions are told one by one, %d were asked for", n, s.asked)
	}
}

func TestAScrapeTellsWhatItCanWhenTheStoreIsAway(t *testing.T) {
	m := telemetry.NewMetrics("dev")
	s := &stock{subscriptions: 3, err: errors.New("away")}
	var log bytes.Buffer
	m.Collect(s, s, slog.New(slog.NewTextHandler(&log, nil)))
	text := scrape(t, m)
	if strings.Contains(text, "carillon_store_bytes ") || !strings.Contains(text, "go_goroutines ") {
		t.Errorf("told:\n%s", text)
	}
	if !strings.Contains(log.String(), "away") {
		t.Error("the log has no word of it")
	}
}

func TestLogFormatsAndLevels(t *testing.T) {
	var out bytes.Buffer
	log, err := telemetry.NewLog(&out, "json", "warn")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("loud", "n", 1)
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, `"msg":"loud","n":1`) {
		t.Errorf("logged %s", got)
	}
	for _, wrong := range [][2]string{{"xml", "info"}, {"text", "loud"}} {
		if _, err := telemetry.NewLog(&out, wrong[0], wrong[1]); err == nil {
			t.Errorf("%v was accepted", wrong)
		}
	}
}

func TestTracingIsOffUnlessACollectorIsNamed(t *testing.T) {
	tracing, err := telemetry.StartTracing(t.Context(), "dev", func(string) string { return "" })
	if err != nil || tracing != nil {
		t.Fatalf("got %v, %v", tracing, err)
	}
	tracing.Attempt(&carillon.Attempt{})
	next := http.NewServeMux()
	if got := tracing.Watch(next); got != http.Handler(next) {
		t.Error("requests take a detour")
	}
	if err := tracing.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSpansReachTheCollector(t *testing.T) {
	bodies := make(chan string, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(r.Body)
		}
		data, _ := io.ReadAll(body)
		bodies <- r.URL.Path + " " + string(data)
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	tracing, err := telemetry.StartTracing(t.Context(), "dev", func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	watched := tracing.Watch(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for _, path := range []string{"/v1/accounts", "/healthz", "/app-hooks/app_1/t0ken"} {
		watched.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	tracing.Attempt(&carillon.Attempt{
		Org: "acme", Subscription: "sub_1", EventID: "evt_1", EventType: "account:updated", Lane: "acc_1", Seq: 7, Number: 2,
		At: time.Now(), Duration: time.Millisecond, Outcome: carillon.OutcomeRetry, Error: "connection refused",
	})
	if err := tracing.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := <-bodies // Protocol Buffers, in which texts stand as they are
	for _, want := range []string{"/v1/traces ", "/v1/accounts", "/app-hooks/app_1", "deliver account:updated", "evt_1", "sub_1", "connection refused", "carillon"} {
		if !strings.Contains(got, want) {
			t.Errorf("the collector got no %q", want)
		}
	}
	if strings.Contains(got, "/healthz") {
		t.Error("a health check made a span")
	}
	if strings.Contains(got, "t0ken") {
		t.Error("the collector got the token of a target URL")
	}
}

func BenchmarkRequest(b *testing.B) {
	m := telemetry.NewMetrics("dev")
	b.ReportAllocs()
	for b.Loop() {
		m.Request("PATCH", "/v1/accounts/{id}", 200, time.Millisecond)
	}
}

func BenchmarkAttempt(b *testing.B) {
	m := telemetry.NewMetrics("dev")
	a := &carillon.Attempt{Outcome: carillon.OutcomeDelivered, Duration: time.Millisecond}
	b.ReportAllocs()
	for b.Loop() {
		m.Attempt(a)
	}
}
