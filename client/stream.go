package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxStreamLine bounds one line of a stream, so that a broken server cannot fill the memory.
const maxStreamLine = 16 << 20

// maxStreamHeaders bounds the headers of one event of a stream, for the same reason.
const maxStreamHeaders = 64

// StreamQuery selects the events of a stream.
type StreamQuery struct {
	EventQuery
	// FromNow begins with what happens from now on, instead of after EventQuery.After.
	FromNow bool
}

// StreamEvent is one event of a stream.
type StreamEvent struct {
	// Seq is that of the change it comes from.
	Seq  int64
	Type string
	// ID is the event's id, and Lane its order key: what a webhook carries as webhook-id and carillon-lane.
	ID   string
	Lane string
	// Time is when the change was made; zero if the server does not say.
	Time time.Time
	// ContentType is that of the message, and Header what else of headers its dialect asks for on a webhook.
	ContentType string
	Header      http.Header
	// Position is where a stream goes on that has told this event and all before it.
	Position string
	// Message is the body that a webhook would carry.
	Message []byte
}

// Envelope reads the message of an event in the platform's dialect.
func (e StreamEvent) Envelope() (Envelope, error) {
	var v Envelope
	err := json.Unmarshal(e.Message, &v)
	if err == nil && v.EventID == "" {
		err = errors.New("the message is not in the platform's format")
	}
	return v, err
}

// Stream tells events in the order of the log, first those that exist after the place that q names, then new ones as
// they happen, for as long as ctx lives. When the connection breaks it connects again and goes on where it was: no event
// is left out or told twice. It ends silently with ctx, and with an error when the server refuses for good (*Problem).
func (c *Client) Stream(ctx context.Context, q StreamQuery) iter.Seq2[StreamEvent, error] {
	return func(yield func(StreamEvent, error) bool) {
		s := stream{client: c, query: q.EventQuery}
		s.query.After, s.query.Cursor, s.query.Limit = 0, "", 0
		switch {
		case q.Cursor != "":
			s.position = q.Cursor
		case !q.FromNow:
			s.position = strconv.FormatInt(q.After, 10)
		}
		for failures := 1; ; failures++ {
			enough, err := s.follow(ctx, func(e StreamEvent) bool {
				failures = 0
				return yield(e, nil)
			})
			switch {
			case enough || ctx.Err() != nil:
				return
			case !mayPass(err):
				yield(StreamEvent{}, err)
				return
			}
			select {
			case <-time.After(c.Backoff(max(failures, 1))):
			case <-ctx.Done():
				return
			}
		}
	}
}

// stream is a Stream under way. position is what the server said to resume at, "" while it has not yet: each event
// carries the place behind it, and the first thing a server tells is the place where it begins.
type stream struct {
	client   *Client
	query    EventQuery
	position string
}

// follow reads one connection's events until it breaks (err) or the caller has enough.
func (s *stream) follow(ctx context.Context, yield func(StreamEvent) bool) (enough bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := s.client.send(ctx, http.MethodGet, "/v1/events/stream", s.query.values(), nil, "", func(h http.Header) {
		h.Set("Accept", "text/event-stream")
		if s.position != "" {
			h.Set("Last-Event-ID", s.position)
		}
	})
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := eventReader{r: bufio.NewReaderSize(resp.Body, 64<<10)}
	for {
		told, err := lines.next()
		if err != nil {
			return false, fmt.Errorf("read the stream: %w", err)
		}
		if told.id != "" {
			s.position = told.id
		}
		if told.data == nil {
			continue
		}
		e := StreamEvent{
			Type: told.event, ID: told.message, Lane: told.lane, ContentType: told.contentType, Header: told.header,
			Position: told.id, Message: told.data,
		}
		e.Time, _ = time.Parse(time.RFC3339Nano, told.time) // absent: zero
		seq, _, _ := strings.Cut(told.id, ".")
		if e.Seq, err = strconv.ParseInt(seq, 10, 64); err != nil {
			return false, fmt.Errorf("read the stream: event with the position %q", told.id)
		}
		if !yield(e) {
			return true, nil
		}
	}
}

// mayPass reports whether trying again can help.
func mayPass(err error) bool {
	p := AsProblem(err)
	if p == nil {
		return !errors.Is(err, errLineTooLong)
	}
	return p.Status >= http.StatusInternalServerError || p.Status == http.StatusTooManyRequests || p.Status == http.StatusRequestTimeout
}

func defaultBackoff(n int) time.Duration {
	return min(250*time.Millisecond<<min(n-1, 10), 15*time.Second)
}

var errLineTooLong = fmt.Errorf("a line is longer than %d bytes", maxStreamLine)

// sse is one dispatched event of a stream (HTML standard, "server-sent events"). data is nil if it had none.
type sse struct {
	id, event string
	// These are fields of our own, which other readers pass over as the standard asks.
	message, lane, time, contentType string
	header                           http.Header
	data                             []byte
}

type eventReader struct{ r *bufio.Reader }

// next reads up to the next blank line that ends something. Comments are skipped.
func (l eventReader) next() (sse, error) {
	e := sse{contentType: "application/json"}
	filled := false
	for {
		line, err := l.line()
		if err != nil {
			return sse{}, err
		}
		if len(line) == 0 {
			if filled {
				return e, nil
			}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			e.id, filled = string(value), true
		case "event":
			e.event, filled = string(value), true
		case "message":
			e.message = string(value)
		case "lane":
			e.lane = string(value)
		case "time":
			e.time = string(value)
		case "content-type":
			e.contentType = string(value)
		case "header":
			name, of, _ := strings.Cut(string(value), ": ")
			if e.header == nil {
				e.header = http.Header{}
			}
			if len(e.header) < maxStreamHeaders {
				e.header.Set(name, of)
			}
		case "data":
			if e.data != nil {
				e.data = append(e.data, '\n')
			}
			if len(e.data)+len(value) > maxStreamLine {
				return sse{}, errLineTooLong
			}
			e.data, filled = append(e.data, value...), true
		}
	}
}

// line reads one line without its end.
func (l eventReader) line() ([]byte, error) {
	var long []byte
	for {
		part, err := l.r.ReadSlice('\n')
		if err == nil && long == nil {
			return trimEnd(part), nil
		}
		if len(long)+len(part) > maxStreamLine {
			return nil, errLineTooLong
		}
		long = append(long, part...)
		switch {
		case err == nil:
			return trimEnd(long), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

func trimEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}
