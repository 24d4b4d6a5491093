package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// sink takes webhooks at http://ADDRESS/0, /1, … and counts them. Each path is an endpoint of its own.
type sink struct {
	listener  net.Listener
	taken     atomic.Int64
	misplaced atomic.Int64 // repeated, or not in the order of its lane
	endpoints []endpoint
	arrived   atomic.Pointer[func(body []byte, at time.Time)]
	sample    atomic.Pointer[sample]

	mu    sync.Mutex
	conns map[net.Conn]bool
	work  sync.WaitGroup
}

// endpoint remembers the last seq of each lane, to see whether order holds.
type endpoint struct {
	mu   sync.Mutex
	last map[string]int64
}

// sample is one request as it arrived, for the bare client to send again.
type sample struct {
	headers [][2]string
	body    []byte
}

func newSink(ctx context.Context, endpoints int) (*sink, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the sink: %w", err)
	}
	s := &sink{listener: listener, endpoints: make([]endpoint, endpoints), conns: map[net.Conn]bool{}}
	for i := range s.endpoints {
		s.endpoints[i].last = map[string]int64{}
	}
	s.work.Go(s.accept)
	return s, nil
}

func (s *sink) url(endpoint int) string {
	return "http://" + s.listener.Addr().String() + "/" + strconv.Itoa(endpoint)
}

// close ends all connections and waits for those who serve them.
func (s *sink) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
}

func (s *sink) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.work.Go(func() { s.serve(c) })
	}
}

var okAnswer = []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

func (s *sink) serve(c net.Conn) {
	defer func() {
		_ = c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	r := bufio.NewReaderSize(c, 64<<10)
	var first, spare []byte
	for {
		if s.sample.Load() == nil {
			s.keepSample(r)
		}
		h, err := readHead(r, first, true)
		if err != nil {
			return
		}
		first = h.first
		body, err := r.Peek(max(h.contentLength, 0))
		if h.chunked || err != nil { // rare: larger than the buffer
			if body, err = readBody(r, h, spare); err != nil {
				return
			}
			spare = body
		} else if _, err := r.Discard(len(body)); err != nil {
			return
		}
		s.note(h, body)
		if _, err := c.Write(okAnswer); err != nil {
			return
		}
	}
}

// note counts one message. Peeked bytes stay valid until the next read.
func (s *sink) note(h head, body []byte) {
	if arrived := s.arrived.Load(); arrived != nil {
		(*arrived)(body, time.Now())
	}
	if h.seq > 0 {
		if e := s.endpoint(h.first); e != nil {
			e.mu.Lock()
			if h.seq <= e.last[h.lane] {
				s.misplaced.Add(1)
			} else {
				e.last[h.lane] = h.seq
			}
			e.mu.Unlock()
		}
	}
	s.taken.Add(1)
}

func (s *sink) endpoint(requestLine []byte) *endpoint {
	_, rest, _ := bytes.Cut(requestLine, []byte(" /"))
	text, _, _ := bytes.Cut(rest, []byte(" "))
	i, err := strconv.Atoi(string(text))
	if err != nil || i < 0 || i >= len(s.endpoints) {
		return nil
	}
	return &s.endpoints[i]
}

// keepSample looks ahead at a request that is about to be read and keeps a copy of it.
func (s *sink) keepSample(r *bufio.Reader) {
	if _, err := r.Peek(1); err != nil {
		return
	}
	ahead, _ := r.Peek(r.Buffered())
	again := bufio.NewReader(bytes.NewReader(bytes.Clone(ahead)))
	var found sample
	if _, err := again.ReadSlice('\n'); err != nil {
		return
	}
	length := 0
	for {
		line, err := again.ReadString('\n')
		if err != nil {
			return
		}
		name, value, ok := bytes.Cut(bytes.TrimRight([]byte(line), "\r\n"), []byte(": "))
		if !ok {
			break
		}
		switch {
		case equalFold(name, "content-length"):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return
			}
		case equalFold(name, "host"), equalFold(name, "carillon-seq"): // without a seq the repeats are not misplaced
		default:
			found.headers = append(found.headers, [2]string{string(name), string(value)})
		}
	}
	found.body = make([]byte, length)
	if _, err := io.ReadFull(again, found.body); err != nil || length == 0 {
		return
	}
	s.sample.CompareAndSwap(nil, &found)
}

// patience is how long a sink may hear nothing before what is missing counts as lost.
const patience = 20 * time.Second

// wait waits until n messages were taken, or until nothing has come for too long.
func (s *sink) wait(n int64) {
	last, since := s.taken.Load(), time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		switch now := s.taken.Load(); {
		case now >= n:
			return
		case now != last:
			last, since = now, time.Now()
		case time.Since(since) > patience:
			return
		}
	}
}
