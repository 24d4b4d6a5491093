package telemetry

import (
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"carillon"
)

// Metrics are the process's numbers, in a registry of their own. Names begin with carillon_.
type Metrics struct {
	registry *prometheus.Registry

	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	routes    sync.Map // routeKey → *routeMetrics

	attempts  map[carillon.Outcome]prometheus.Counter
	sending   prometheus.Histogram
	groupSize prometheus.Histogram
}

// NewMetrics makes the metrics of a process of the given version.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "carillon_http_requests_total", Help: "HTTP requests answered, by method, route and status.",
		}, []string{"method", "route", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "carillon_http_request_duration_seconds", Help: "Time to answer an HTTP request, by method and route. Streams are left out.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method", "route"}),
		sending: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "carillon_delivery_duration_seconds", Help: "Time of one attempt to deliver a message.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
		groupSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "carillon_group_commit_size", Help: "Writes that shared one durable transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
		attempts: map[carillon.Outcome]prometheus.Counter{},
	}
	outcomes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "carillon_delivery_attempts_total", Help: "Attempts to deliver a message, by outcome.",
	}, []string{"outcome"})
	for _, o := range []carillon.Outcome{
		carillon.OutcomeDelivered, carillon.OutcomeRetry, carillon.OutcomeDead, carillon.OutcomeGone,
	} {
		m.attempts[o] = outcomes.WithLabelValues(string(o))
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "carillon_build_info", Help: "1, with the version as a label.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	}, func() float64 { return 1 })
	m.registry.MustRegister(
		m.requests, m.durations, m.sending, m.groupSize, outcomes, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Handler serves the metrics to Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 30 * time.Second})
}

// Attempt counts one try to deliver. It is cheap and safe for concurrent use.
func (m *Metrics) Attempt(a *carillon.Attempt) {
	if c, ok := m.attempts[a.Outcome]; ok {
		c.Inc()
	}
	m.sending.Observe(a.Duration.Seconds())
}

// Commit counts one durable transaction that so many entries shared.
func (m *Metrics) Commit(entries int) { m.groupSize.Observe(float64(entries)) }

type routeKey struct {
	method, route string
	status        int
}

type routeMetrics struct {
	count    prometheus.Counter
	duration prometheus.Observer
}

// Request counts one request that was answered. route is the pattern that matched, never a path that a stranger
// chose; "" if none did. The time of streams is not kept: they last as long as their reader.
func (m *Metrics) Request(method, route string, status int, took time.Duration) {
	if route == "" {
		method, route = "any", "none"
	}
	key := routeKey{method, route, status}
	cached, ok := m.routes.Load(key)
	if !ok {
		cached, _ = m.routes.LoadOrStore(key, &routeMetrics{
			count:    m.requests.WithLabelValues(method, route, strconv.Itoa(status)),
			duration: m.durations.WithLabelValues(method, route),
		})
	}
	if r, ok := cached.(*routeMetrics); ok {
		r.count.Inc()
		if !strings.HasSuffix(route, "/stream") {
			r.duration.Observe(took.Seconds())
		}
	}
}
