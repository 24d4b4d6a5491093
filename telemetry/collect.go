package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"carillon"
	"carillon/deliver"
)

// Archive is what a scrape asks of the store.
type Archive interface {
	Subscriptions(ctx context.Context, org string) ([]*carillon.Subscription, error)
	Heads(ctx context.Context) (map[string]int64, error)
	Size(ctx context.Context) (int64, error)
}

// Desk is what a scrape asks of the delivery engine.
type Desk interface {
	Status(ctx context.Context, org, id string) (deliver.Status, error)
}

const (
	// maxListed bounds the subscriptions that are told one by one, and with them the label values and the time of
	// a scrape. The oldest ones are told; carillon_subscriptions counts all.
	maxListed = 200
	// statusFor is how long a scrape's findings are good for the next.
	statusFor = 5 * time.Second
	// scrapeTime bounds how long a scrape may ask.
	scrapeTime = 5 * time.Second
)

// Collect adds what is found out at each scrape: the log's length, the archive's size, and how subscriptions fare.
func (m *Metrics) Collect(archive Archive, desk Desk, log *slog.Logger) {
	label := []string{"org", "subscription"}
	m.registry.MustRegister(&collector{
		archive: archive, desk: desk, log: log, now: time.Now,
		changes:       prometheus.NewDesc("carillon_changes_total", "Changes in the log, of all orgs.", nil, nil),
		size:          prometheus.NewDesc("carillon_store_bytes", "The archive's size on disk, write-ahead log included.", nil, nil),
		subscriptions: prometheus.NewDesc("carillon_subscriptions", "Subscriptions of all orgs.", nil, nil),
		lag:           prometheus.NewDesc("carillon_subscription_lag", "Changes that the subscription is behind.", label, nil),
		parked:        prometheus.NewDesc("carillon_subscription_parked_lanes", "Lanes that wait for a retry or for a person.", label, nil),
		dead:          prometheus.NewDesc("carillon_subscription_dead_letters", "Messages given up and not replayed.", label, nil),
		active:        prometheus.NewDesc("carillon_subscription_active", "1 if the subscription is active, 0 if paused, degraded or disabled.", label, nil),
	})
}

type collector struct {
	archive Archive
	desk    Desk
	log     *slog.Logger
	now     func() time.Time

	changes, size, subscriptions, lag, parked, dead, active *prometheus.Desc

	mu    sync.Mutex
	last  []prometheus.Metric
	until time.Time
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.changes, c.size, c.subscriptions, c.lag, c.parked, c.dead, c.active} {
		ch <- d
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().After(c.until) {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
		c.last = c.ask(ctx)
		cancel()
		c.until = c.now().Add(statusFor)
	}
	for _, m := range c.last {
		ch <- m
	}
}

// ask finds out what it can; what fails is left out and logged.
func (c *collector) ask(ctx context.Context) []prometheus.Metric {
	var found []prometheus.Metric
	if heads, err := c.archive.Heads(ctx); err != nil {
		c.log.Warn("metrics: read the heads of the log", "error", err)
	} else {
		var sum int64
		for _, head := range heads {
			sum += head
		}
		found = append(found, prometheus.MustNewConstMetric(c.changes, prometheus.CounterValue, float64(sum)))
	}
	if size, err := c.archive.Size(ctx); err != nil {
		c.log.Warn("metrics: read the archive's size", "error", err)
	} else {
		found = append(found, prometheus.MustNewConstMetric(c.size, prometheus.GaugeValue, float64(size)))
	}
	list, err := c.archive.Subscriptions(ctx, "")
	if err != nil {
		c.log.Warn("metrics: list subscriptions", "error", err)
		return found
	}
	found = append(found, prometheus.MustNewConstMetric(c.subscriptions, prometheus.GaugeValue, float64(len(list))))
	for _, s := range list[:min(len(list), maxListed)] {
		status, err := c.desk.Status(ctx, s.Org, s.ID)
		switch {
		case ctx.Err() != nil:
			c.log.Warn("metrics: the scrape ran out of time")
			return found
		case err != nil: // deleted meanwhile
			continue
		}
		gauge := func(d *prometheus.Desc, v float64) {
			found = append(found, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, s.Org, s.ID))
		}
		gauge(c.lag, float64(status.Lag))
		gauge(c.parked, float64(status.ParkedLanes))
		gauge(c.dead, float64(status.DeadLetters))
		active := 0.0
		if status.State == carillon.StateActive {
			active = 1
		}
		gauge(c.active, active)
	}
	return found
}
