package console

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"carillon"
	"carillon/deliver"
)

// Bounds of the work behind one overview.
const (
	overviewAge   = time.Second      // an org's overview is made anew at most this often, for all who look at it
	countAge      = 15 * time.Second // counting records may cost a pass over an index
	forgetAge     = 5 * time.Minute  // what nobody has looked at for so long is freed
	maxChecked    = 500              // subscriptions whose status is asked
	maxListed     = 50               // subscriptions shown, those that need a person first
	lastErrorSize = 300              // characters shown of a subscription's last error
)

// overview is what the first page shows of an org.
type overview struct {
	Changes       int64
	Records       int64
	Kinds         []kindCount // most first
	Size          int64
	Version       string
	Up            time.Duration
	Chart         chart
	Subscriptions []subscriptionRow
	// Total counts all subscriptions; Attention those checked that are not well.
	Total, Attention int
}

type kindCount struct {
	One, Many string // the kind's word: "account", "accounts"
	Count     int64
}

// subscriptionRow is one subscription as it fares.
type subscriptionRow struct {
	Name    string
	Target  string // where it sends, without what may be secret in the URL
	Dialect string
	Reason  string // why it is disabled
	deliver.Status
}

// needsPerson orders subscriptions: the higher, the sooner somebody should look.
func (s subscriptionRow) needsPerson() int {
	switch {
	case s.State == carillon.StateDisabled:
		return 4
	case s.State == carillon.StateDegraded:
		return 3
	case s.ParkedLanes > 0:
		return 2
	case s.DeadLetters > 0:
		return 1
	default:
		return 0
	}
}

// overviews keeps what is costly to know, per org.
type overviews struct {
	mu    sync.Mutex
	byOrg map[string]*orgView
}

// orgView is one org's overview. Its mutex is held while the overview is made, so that many viewers cost as much as one.
type orgView struct {
	mu      sync.Mutex
	usedAt  time.Time // under overviews.mu
	madeAt  time.Time
	made    overview
	counts  map[carillon.Kind]int64
	counted time.Time
	hour    hour
}

func newOverviews() *overviews { return &overviews{byOrg: map[string]*orgView{}} }

// of gives the org's view and forgets those long unused.
func (o *overviews) of(org string, now time.Time) *orgView {
	o.mu.Lock()
	defer o.mu.Unlock()
	v, ok := o.byOrg[org]
	if !ok {
		for name, old := range o.byOrg {
			if now.Sub(old.usedAt) > forgetAge {
				delete(o.byOrg, name)
			}
		}
		v = &orgView{}
		o.byOrg[org] = v
	}
	v.usedAt = now
	return v
}

// firstPage is the content of "/".
type firstPage struct {
	Overview overview
	Events   []eventRow
	After    int64 // the live feed goes on after this change
	BaseURL  string
	Key      string // as it stands in the examples
}

func (c *console) showOverview(w http.ResponseWriter, r *http.Request, who visitor) error {
	ctx := r.Context()
	events, after, err := c.latestEvents(ctx, who.Org)
	if err != nil {
		return err
	}
	view, err := c.overview(ctx, who.Org)
	if err != nil {
		return err
	}
	p := firstPage{Overview: view, Events: events, After: after, BaseURL: baseURL(r), Key: keyInExamples(who)}
	return c.views.render(w, http.StatusOK, "overview", page{Title: "Overview", Who: &who, Content: p})
}

// keyInExamples stands for the visitor's API key in commands to copy.
func keyInExamples(who visitor) string {
	if who.Session == "" {
		return DevSecret
	}
	return "$CARILLON_API_KEY"
}

// baseURL is how the visitor reaches the server.
func baseURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// overview gives an org's overview, at most overviewAge old.
func (c *console) overview(ctx context.Context, org string) (overview, error) {
	now := c.Now()
	v := c.overviews.of(org, now)
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.madeAt.IsZero() && now.Sub(v.madeAt) < overviewAge {
		return v.made, nil
	}
	made, err := c.makeOverview(ctx, org, v, now)
	if err != nil {
		return overview{}, fmt.Errorf("make overview: %w", err)
	}
	v.made, v.madeAt = made, now
	return made, nil
}

// makeOverview asks everything anew. The caller holds v.mu.
func (c *console) makeOverview(ctx context.Context, org string, v *orgView, now time.Time) (overview, error) {
	o := overview{Version: c.Version, Up: now.Sub(c.StartedAt)}
	var err error
	if o.Changes, err = c.Store.Head(ctx, org); err != nil {
		return o, err
	}
	if v.counts == nil || now.Sub(v.counted) >= countAge || o.Changes < smallLog {
		if v.counts, err = c.Store.CountRecords(ctx, org); err != nil {
			return o, err
		}
		v.counted = now
	}
	for kind, n := range v.counts {
		o.Records += n
		o.Kinds = append(o.Kinds, kindCount{One: string(kind), Many: kind.Plural(), Count: n})
	}
	slices.SortFunc(o.Kinds, func(a, b kindCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.One, b.One))
	})
	if o.Size, err = c.Store.Size(ctx); err != nil {
		return o, err
	}
	if err := v.hour.extend(ctx, c.Store, org, now, o.Changes); err != nil {
		return o, err
	}
	o.Chart = v.hour.chart()
	return o, c.listSubscriptions(ctx, org, &o)
}

// smallLog is how many changes a log may have for its records to be counted each time: they are few.
const smallLog = 10_000

// listSubscriptions fills in how the org's subscriptions fare.
func (c *console) listSubscriptions(ctx context.Context, org string, o *overview) error {
	list, err := c.Store.Subscriptions(ctx, org)
	if err != nil {
		return err
	}
	o.Total = len(list)
	for _, s := range list[:min(len(list), maxChecked)] {
		status, err := c.Desk.Status(ctx, org, s.ID)
		if carillon.IsNotFound(err) {
			continue // deleted meanwhile
		}
		if err != nil {
			return err
		}
		status.LastError = shorten(status.LastError, lastErrorSize)
		row := subscriptionRow{
			Name: s.Name, Target: target(s.Sink), Dialect: s.Dialect, Reason: s.DisabledReason, Status: status,
		}
		if row.needsPerson() > 0 {
			o.Attention++
		}
		o.Subscriptions = append(o.Subscriptions, row)
	}
	slices.SortStableFunc(o.Subscriptions, func(a, b subscriptionRow) int {
		return cmp.Or(cmp.Compare(b.needsPerson(), a.needsPerson()), cmp.Compare(b.Lag, a.Lag), cmp.Compare(a.Name, b.Name))
	})
	o.Subscriptions = o.Subscriptions[:min(len(o.Subscriptions), maxListed)]
	return nil
}

// target says where a sink sends. User, password and query of a URL may be secrets and stay out.
func target(s carillon.Sink) string {
	switch s.Type {
	case carillon.SinkSNS:
		return s.TopicARN
	case carillon.SinkKafka:
		return s.Topic
	case carillon.SinkApp:
		return s.App
	default:
		u, err := url.Parse(s.URL)
		if err != nil {
			return string(s.Type)
		}
		return u.Host + u.EscapedPath()
	}
}

// shorten cuts a text to at most limit characters.
func shorten(text string, limit int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	n := 0
	for i := range text {
		if n == limit {
			return text[:i] + "…"
		}
		n++
	}
	return text
}
