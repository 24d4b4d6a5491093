package simulator

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"carillon/look"
)

// feedPoll is how often a feed looks for news although nobody nudged.
const feedPoll = 2 * time.Second

// News is what a face has to tell on a feed beside what handlers did. The zero News is none.
type News struct {
	// Version counts how often the app was installed; Changed receives when it may have changed.
	Version func() int64
	Changed <-chan struct{}
	// Stopping, when closed, ends the feed.
	Stopping <-chan struct{}
}

// Live tells a page what happens, as server-sent events, until the browser goes or news.Stopping is closed: "runs", the HTML of
// the list of invocations when it differs from the last one told, and "version", a number, when the app was installed anew. Both
// are told at the beginning.
func (s *Simulator) Live(w http.ResponseWriter, r *http.Request, at Place, news News) error {
	nudges, stop := s.desk.Watch(at.Org, at.App)
	defer stop()
	f := &feed{simulator: s, at: at, news: news, page: look.NewFeed(w, time.Now), version: -1}
	if _, err := f.runs(r.Context()); err != nil {
		return err
	}
	w.Header().Set("X-Accel-Buffering", "no")
	// The answer has begun: what fails now can only end it. The browser comes back by itself.
	_ = f.follow(r.Context(), nudges)
	return nil
}

// feed is one browser's.
type feed struct {
	simulator *Simulator
	at        Place
	news      News
	page      *look.Feed
	shown     string // the list that was told last
	version   int64
}

func (f *feed) follow(ctx context.Context, nudges <-chan struct{}) error {
	if err := f.page.Begin(time.Second); err != nil {
		return err
	}
	poll := time.NewTicker(feedPoll)
	defer poll.Stop()
	for {
		if err := f.tell(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.news.Stopping:
			return nil
		case <-f.news.Changed:
		case <-nudges:
		case <-poll.C:
		}
	}
}

// tell writes what is new.
func (f *feed) tell(ctx context.Context) error {
	if f.news.Version != nil {
		if v := f.news.Version(); v != f.version {
			f.version = v
			if err := f.page.Send("version", "", strconv.AppendInt(nil, v, 10)); err != nil {
				return err
			}
		}
	}
	runs, err := f.runs(ctx)
	if err != nil {
		return err
	}
	html, err := f.simulator.render("runs", runs)
	if err != nil {
		return err
	}
	if string(html) != f.shown {
		f.shown = string(html)
		return f.page.Send("runs", "", []byte(html))
	}
	return f.page.Rest()
}

// runs lists what handlers did; those of an app that is not installed did nothing.
func (f *feed) runs(ctx context.Context) ([]*outcome, error) {
	if f.at.App == "" {
		return nil, nil
	}
	return f.simulator.runs(ctx, f.at)
}
