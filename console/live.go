package console

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"carillon"
	"carillon/look"
	"carillon/store"
)

// Bounds of a live feed.
const (
	maxWatchers = 256                    // feeds open at once, of all orgs
	feedSpacing = 250 * time.Millisecond // between two looks at the log
	feedPoll    = 2 * time.Second        // look even if nobody nudged
	feedBurst   = 20                     // changes told at a time; older ones are only counted
)

// live tells a browser what happens, as server-sent events: "rows" (HTML of new events, newest first; the id is the seq
// they reach up to) and "overview" (HTML of the figures, when they differ). Last-Event-ID, or after in the query, says
// where to go on.
func (c *console) live(w http.ResponseWriter, r *http.Request, who visitor) error {
	select {
	case c.watchers <- struct{}{}:
		defer func() { <-c.watchers }()
	default:
		return &carillon.Error{Code: carillon.CodeLimited, Message: "too many live feeds are open"}
	}
	f := &feed{console: c, org: who.Org, page: look.NewFeed(w, c.Now)}
	var err error
	if f.after, err = startOfFeed(r); err != nil {
		return err
	}
	nudges, stop := c.Store.Watch()
	defer stop()

	if err := f.follow(r, nudges); err != nil && r.Context().Err() == nil {
		// The answer has begun: all that is left is to end it. The browser comes back by itself.
		c.Logger.WarnContext(r.Context(), "console live feed ended", "org", who.Org, "err", err)
	}
	return nil
}

// startOfFeed reads the seq after which the browser wants to be told.
func startOfFeed(r *http.Request) (int64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	after, err := strconv.ParseInt(text, 10, 64)
	if err != nil || after < 0 {
		return 0, carillon.NotFound("a feed after", shorten(text, 20))
	}
	return after, nil
}

// feed is one open live feed.
type feed struct {
	*console
	org   string
	page  *look.Feed
	after int64  // told up to here
	shown []byte // the overview as last sent
}

// follow tells until the browser leaves, the session ends, the server stops, or something fails.
func (f *feed) follow(r *http.Request, nudges <-chan struct{}) error {
	ctx := r.Context()
	if err := f.page.Begin(2 * time.Second); err != nil {
		return err
	}
	for {
		if _, err := f.visitor(r); err != nil {
			return nil //nolint:nilerr // signed out; what the browser gets when it comes back says so
		}
		if err := f.tellRows(ctx); err != nil {
			return err
		}
		if err := f.tellOverview(ctx); err != nil {
			return err
		}
		if err := f.page.Rest(); err != nil {
			return err
		}
		if !f.wait(ctx, feedSpacing, nil) || !f.wait(ctx, feedPoll, nudges) {
			return nil
		}
	}
}

// wait lasts until d has passed or a nudge comes; it reports false if the feed must end.
func (f *feed) wait(ctx context.Context, d time.Duration, nudges <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-f.Stopping:
		return false
	case <-timer.C:
	case <-nudges:
	}
	return true
}

// newRows is what the feed's "rows" event shows: the newest events, and how many changes it leaves out before them.
type newRows struct {
	Events  []eventRow
	Skipped int64
}

// tellRows sends the events of the changes since the last look, or of the last few of them if they are many.
func (f *feed) tellRows(ctx context.Context) error {
	changes, err := f.Store.Changes(ctx, f.org,
		store.LogQuery{After: f.after, Limit: feedBurst, MaxBytes: maxReadBytes, Descending: true})
	if err != nil {
		return fmt.Errorf("read new changes: %w", err)
	}
	if len(changes) == 0 {
		return nil
	}
	news := newRows{Skipped: changes[len(changes)-1].Seq - f.after - 1}
	for _, change := range changes {
		of := f.rows(change)
		for i := len(of) - 1; i >= 0; i-- {
			news.Events = append(news.Events, of[i])
		}
	}
	f.after = changes[0].Seq
	html, err := f.views.part("new-events", news)
	if err != nil {
		return err
	}
	return f.page.Send("rows", strconv.FormatInt(f.after, 10), html)
}

// tellOverview sends the figures if they differ from those last sent.
func (f *feed) tellOverview(ctx context.Context) error {
	view, err := f.overview(ctx, f.org)
	if err != nil {
		return err
	}
	html, err := f.views.part("overview-figures", view)
	if err != nil {
		return err
	}
	if bytes.Equal(html, f.shown) {
		return nil
	}
	f.shown = html
	return f.page.Send("overview", "", html)
}
