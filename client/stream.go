package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"
)

// maxStreamLine bounds one line of a stream, so that a broken server cannot fill the memory.
const maxStreamLine = 16 << 20

// StreamQuery selects the events of a stream.
type StreamQuery struct {
	EventQuery
	// FromNow begins with what happens from now on, instead of after EventQuery.After.
	FromNow bool
}

// StreamEvent is one event of a stream.
type StreamEvent struct {
	Seq     int64
	Type    string
	Message []byte // the body that a webhook would carry
}

// Stream tells events in the order of the log, first those that exist after q.After, then new ones as they happen,
// for as long as ctx lives. When the connection breaks it connects again and goes on where it was, without a gap and
// without repeats. It ends silently with ctx, and with an error when the server refuses for good (*Problem).
func (c *Client) Stream(ctx context.Context, q StreamQuery) iter.Seq2[StreamEvent, error] {
	return func(yield func(StreamEvent, error) bool) {
		place := resumption{started: !q.FromNow, seq: q.After}
		for failures := 1; ; failures++ {
			stopped, err := c.follow(ctx, q, &place, func(e StreamEvent) bool {
				failures = 0
				return yield(e, nil)
			})
			switch {
			case stopped || ctx.Err() != nil:
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

// resumption is where a stream goes on after a break. The server resumes after a seq, but a change may have several
// events, so the stream asks for the last change again and leaves out the events of it that were told.
type resumption struct {
	started bool  // false: no place in the log is known yet, begin with what happens now
	seq     int64 // of the last change seen
	told    int   // events of that change that the caller has
	again   int   // events still to be left out after a resumption
}

// lastEventID is what the request resumes after.
func (p *resumption) lastEventID() (string, bool) {
	p.again = p.told
	switch {
	case !p.started:
		return "", false
	case p.told > 0:
		return strconv.FormatInt(p.seq-1, 10), true
	default:
		return strconv.FormatInt(p.seq, 10), true
	}
}

// tell notes an event of change seq and reports whether the caller does not have it yet.
func (p *resumption) tell(seq int64) bool {
	if seq == p.seq && p.again > 0 {
		p.again--
		return false
	}
	if !p.started || seq != p.seq {
		p.started, p.seq, p.told, p.again = true, seq, 0, 0
	}
	p.told++
	return true
}

// settle notes that everything up to seq was told (an id without an event).
func (p *resumption) settle(seq int64) {
	if !p.started || seq > p.seq {
		p.started, p.seq, p.told, p.again = true, seq, 0, 0
	}
}

// follow reads one connection's events until it breaks (err) or the caller has enough (stopped).
func (c *Client) follow(ctx context.Context, q StreamQuery, place *resumption, yield func(StreamEvent) bool) (stopped bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	query := q.EventQuery
	query.After, query.Limit = 0, 0
	options := []Option{func(h http.Header) { h.Set("Accept", "text/event-stream") }}
	if id, ok := place.lastEventID(); ok {
		options = append(options, func(h http.Header) { h.Set("Last-Event-ID", id) })
	}
	resp, err := c.send(ctx, http.MethodGet, "/v1/events/stream", query.values(), nil, "", options...)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := eventReader{r: bufio.NewReaderSize(resp.Body, 64<<10)}
	for {
		e, err := lines.next()
		if err != nil {
			return false, fmt.Errorf("read the stream: %w", err)
		}
		seq, err := strconv.ParseInt(e.id, 10, 64)
		switch {
		case err != nil:
			continue // not of the log: a greeting
		case e.data == nil:
			place.settle(seq)
		case place.tell(seq):
			if !yield(StreamEvent{Seq: seq, Type: e.event, Message: e.data}) {
				return true, nil
			}
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
	data      []byte
}

type eventReader struct{ r *bufio.Reader }

// next reads up to the next blank line that ends something. Comments are skipped.
func (l eventReader) next() (sse, error) {
	var e sse
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
