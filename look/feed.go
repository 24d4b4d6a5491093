package look

import (
	"bytes"
	"fmt"
	"net/http"
	"time"
)

// Bounds of a feed.
const (
	feedSilence   = 15 * time.Second // proxies end what is silent for long
	feedWriteTime = 10 * time.Second // a browser that takes no more is let go
)

// Feed tells a page what happens, as server-sent events (WHATWG HTML, "Server-sent events").
type Feed struct {
	w       http.ResponseWriter
	control *http.ResponseController
	now     func() time.Time
	wroteAt time.Time
}

// NewFeed makes a feed of an answer that has not begun. now tells the time.
func NewFeed(w http.ResponseWriter, now func() time.Time) *Feed {
	return &Feed{w: w, control: http.NewResponseController(w), now: now}
}

// Begin begins the answer, and says how long a browser that lost the feed waits before it comes back.
func (f *Feed) Begin(again time.Duration) error {
	f.w.Header().Set("Content-Type", "text/event-stream")
	f.w.WriteHeader(http.StatusOK)
	return f.write(fmt.Appendf(nil, "retry: %d\n\n", again.Milliseconds()))
}

// Send writes one event; id may be empty.
func (f *Feed) Send(event, id string, data []byte) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", event)
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	// A carriage return ends a line too: one inside somebody's data must not begin a field of its own.
	data = bytes.ReplaceAll(data, []byte("\r"), []byte(" "))
	for line := range bytes.Lines(data) {
		b.WriteString("data: ")
		b.Write(bytes.TrimSuffix(line, []byte("\n")))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return f.write(b.Bytes())
}

// Rest is for moments in which there is nothing to tell: it writes something that browsers ignore if the feed has been silent for long.
func (f *Feed) Rest() error {
	if f.now().Sub(f.wroteAt) < feedSilence {
		return nil
	}
	return f.write([]byte(":\n\n"))
}

func (f *Feed) write(text []byte) error {
	f.wroteAt = f.now()
	// Where the connection knows no deadlines the server's own apply.
	_ = f.control.SetWriteDeadline(time.Now().Add(feedWriteTime))
	if _, err := f.w.Write(text); err != nil {
		return err
	}
	return f.control.Flush()
}
