package simulator

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Bounds of a live feed.
const (
	feedPoll      = 2 * time.Second // look even if nobody nudged
	feedSilence   = 15 * time.Second
	feedWriteTime = 10 * time.Second
)

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
	f := &feed{simulator: s, at: at, news: news, w: w, control: http.NewResponseController(w), version: -1}
	if _, err := f.runs(r.Context()); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	// The answer has begun: what fails now can only end it. The browser comes back by itself.
	_ = f.follow(r.Context(), nudges)
	return nil
}

// feed is one browser's.
type feed struct {
	simulator *Simulator
	at        Place
	news      News
	w         http.ResponseWriter
	control   *http.ResponseController
	wroteAt   time.Time
	shown     string // the list that was told last
	version   int64
}

func (f *feed) follow(ctx context.Context, nudges <-chan struct{}) error {
	if err := f.write("retry: 1000\n\n"); err != nil {
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
			if err := f.send("version", strconv.FormatInt(v, 10)); err != nil {
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
		return f.send("runs", f.shown)
	}
	if time.Since(f.wroteAt) >= feedSilence {
		return f.write(":\n\n")
	}
	return nil
}

// runs lists what handlers did; those of an app that is not installed did nothing.
func (f *feed) runs(ctx context.Context) ([]*outcome, error) {
	if f.at.App == "" {
		return nil, nil
	}
	return f.simulator.runs(ctx, f.at)
}

// send writes one server-sent event.
func (f *feed) send(event, data string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", event)
	// A carriage return ends a line too: one inside somebody's data must not begin a field of its own.
	for line := range bytes.Lines(bytes.ReplaceAll([]byte(data), []byte("\r"), []byte(" "))) {
		b.WriteString("data: ")
		b.Write(bytes.TrimSuffix(line, []byte("\n")))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return f.write(b.String())
}

func (f *feed) write(text string) error {
	f.wroteAt = time.Now()
	// Where the connection knows no deadlines the server's own apply.
	_ = f.control.SetWriteDeadline(time.Now().Add(feedWriteTime))
	if _, err := f.w.Write([]byte(text)); err != nil {
		return err
	}
	return f.control.Flush()
}
