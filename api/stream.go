package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"carillon"
)

// pollInterval is how long a stream waits for a nudge before it looks by itself: nudges are hints.
const pollInterval = 2 * time.Second

// streams counts the open streams of each org.
type streams struct {
	mu   sync.Mutex
	open map[string]int
}

// enter takes a place if the org has fewer than limit, and gives it back by leave.
func (s *streams) enter(org string, limit int) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[org] >= limit {
		return nil, false
	}
	s.open[org]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[org]--; s.open[org] == 0 {
			delete(s.open, org)
		}
	}, true
}

// streamEvents tells events as they happen, as server-sent events (WHATWG HTML §9.2). The id of an event is the position
// after it: sent back as Last-Event-ID, the stream goes on with the next one.
func (s *server) streamEvents(w http.ResponseWriter, r *request) error {
	q, err := s.eventQuery(r)
	if err != nil {
		return err
	}
	leave, ok := s.streams.enter(q.org, s.limits.Streams)
	if !ok {
		return &carillon.Error{
			Code: carillon.CodeLimited, Message: fmt.Sprintf("the org has %d open streams, and can have no more", s.limits.Streams),
			Hint: "end some, or read /v1/events",
		}
	}
	defer leave()
	nudges, stop := s.store.Watch() // before the head is read, so that nothing falls between
	defer stop()
	at, err := s.streamStart(r, &q)
	if err != nil {
		return err
	}
	t := &teller{server: s, query: &q, w: w, connection: http.NewResponseController(w), at: at}
	defer func() { _ = t.connection.SetWriteDeadline(time.Time{}) }() // the connection may serve another request
	if err := t.connection.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("lift read deadline: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	// From here on the answer has begun: what fails can only end it.
	if err := t.run(r.Context(), nudges); err != nil && r.Context().Err() == nil && !isSlowReader(err) {
		s.log.ErrorContext(r.Context(), "event stream ended", "org", q.org, "position", formatPosition(t.at), "error", err)
	}
	return nil
}

// streamStart is where a stream begins: after Last-Event-ID, after ?after=, or with what happens from now on.
func (s *server) streamStart(r *request, q *eventQuery) (carillon.Position, error) {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return parsePosition(id, "Last-Event-ID")
	}
	if after := r.query.Get("after"); after != "" {
		return parsePosition(after, "after")
	}
	head, err := s.store.Head(r.Context(), q.org)
	if err != nil {
		return carillon.Position{}, fmt.Errorf("read the head of the log: %w", err)
	}
	return carillon.Position{Seq: head + 1}, nil
}

// teller writes one stream.
type teller struct {
	*server
	query      *eventQuery
	w          http.ResponseWriter
	connection *http.ResponseController
	at         carillon.Position // before the next event
	told       carillon.Position // that the reader has been given as id
	out        bytes.Buffer
}

// run tells what there is, then waits for more, until the reader goes, falls behind for Limits.Idle, or the server stops.
func (t *teller) run(ctx context.Context, nudges <-chan struct{}) error {
	heartbeat := time.NewTicker(t.limits.Heartbeat)
	defer heartbeat.Stop()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	t.out.WriteString("retry: 1000\n")
	t.mark()
	if err := t.flush(); err != nil {
		return err
	}
	for {
		if err := t.catchUp(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.stopping:
			return nil
		case <-nudges:
		case <-poll.C:
		case <-heartbeat.C:
			t.out.WriteString(": still here\n")
			if t.at == t.told {
				t.out.WriteByte('\n')
			}
			t.mark()
			if err := t.flush(); err != nil {
				return err
			}
		}
	}
}

// catchUp tells all events up to the head.
func (t *teller) catchUp(ctx context.Context) error {
	for {
		changes, err := t.query.page(ctx, t.store, t.at, logPage)
		if err != nil || len(changes) == 0 {
			return err
		}
		for _, c := range changes {
			for _, e := range t.query.events(c, indexIn(t.at, c.Seq)) {
				message, err := t.query.encode(ctx, t.store, e.Event)
				if err != nil {
					return fmt.Errorf("encode event %d of change %d: %w", e.Index, c.Seq, err)
				}
				t.tell(e, &message)
				if t.out.Len() >= streamBuffer {
					if err := t.flush(); err != nil {
						return err
					}
				}
			}
			t.at = carillon.Position{Seq: c.Seq + 1}
		}
		if err := t.flush(); err != nil {
			return err
		}
		select {
		case <-t.stopping:
			return nil
		default:
		}
	}
}

// streamBuffer is how many bytes a stream gathers before it writes.
const streamBuffer = 64 << 10

// tell writes one event. Beside the standard's fields it names the message's id, lane and time, and what else a webhook
// carries in its headers; readers that do not know these fields pass over them (WHATWG HTML §9.2.6).
func (t *teller) tell(e placed, m *carillon.Message) {
	t.out.WriteString("id: ")
	t.out.WriteString(formatPosition(e.after))
	t.out.WriteString("\nevent: ")
	t.out.WriteString(e.Type)
	t.out.WriteString("\nmessage: ")
	t.out.WriteString(m.ID)
	t.out.WriteString("\nlane: ")
	t.out.WriteString(m.Lane)
	t.out.WriteString("\ntime: ")
	t.out.Write(m.Time.UTC().AppendFormat(t.out.AvailableBuffer(), carillon.TimeLayout))
	if m.ContentType != typeJSON {
		t.out.WriteString("\ncontent-type: ")
		t.out.WriteString(m.ContentType)
	}
	for _, a := range m.Attributes {
		if name, ok := strings.CutPrefix(a.Name, "header:"); ok {
			t.out.WriteString("\nheader: ")
			t.out.WriteString(name)
			t.out.WriteString(": ")
			t.out.WriteString(a.Value)
		}
	}
	for line := range bytes.SplitSeq(m.Body, []byte{'\n'}) {
		t.out.WriteString("\ndata: ")
		t.out.Write(line)
	}
	t.out.WriteString("\n\n")
	t.at, t.told = e.after, e.after
}

// mark tells the reader where the stream stands without an event, so that it resumes behind changes that told it nothing.
func (t *teller) mark() {
	if t.at == t.told {
		return
	}
	t.out.WriteString("id: ")
	t.out.WriteString(formatPosition(t.at))
	t.out.WriteString("\n\n")
	t.told = t.at
}

// flush sends what was gathered. A reader that does not take it within Limits.Idle loses the stream, and resumes.
func (t *teller) flush() error {
	if t.out.Len() == 0 {
		return nil
	}
	if err := t.connection.SetWriteDeadline(time.Now().Add(t.limits.Idle)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set write deadline: %w", err)
	}
	if _, err := t.w.Write(t.out.Bytes()); err != nil {
		return slowReader{err}
	}
	t.out.Reset()
	if err := t.connection.Flush(); err != nil {
		return slowReader{err}
	}
	return nil
}

// slowReader is a reader that went away or took too long: nothing to report.
type slowReader struct{ error }

func (e slowReader) Unwrap() error { return e.error }

func isSlowReader(err error) bool {
	_, ok := errors.AsType[slowReader](err)
	return ok
}
