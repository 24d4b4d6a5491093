package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// The load and the sink speak HTTP/1.1 over kept connections with as little work as they can: what they save is left
// to the server that is measured.

// maxHead bounds a head's line and count, maxMessage a body: both ends are ours, a bound only catches mistakes.
const (
	maxHeadLines = 100
	maxMessage   = 8 << 20
)

// head is what is looked at of a request or an answer.
type head struct {
	first         []byte // the request or status line; valid until the next read
	contentLength int    // −1: none
	chunked       bool
	closes        bool
	seq           int64  // carillon-seq
	lane          string // carillon-lane, if wanted
}

// readHead reads up to the blank line.
func readHead(r *bufio.Reader, first []byte, wantLane bool) (head, error) {
	h := head{contentLength: -1}
	for i := range maxHeadLines {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if i == 0 {
			h.first = append(first[:0], line...)
			continue
		}
		if len(line) == 0 {
			return h, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case equalFold(name, "content-length"):
			if h.contentLength, err = strconv.Atoi(string(value)); err != nil || h.contentLength > maxMessage {
				return h, fmt.Errorf("content length %q", value)
			}
		case equalFold(name, "transfer-encoding"):
			h.chunked = equalFold(value, "chunked")
		case equalFold(name, "connection"):
			h.closes = equalFold(value, "close")
		case equalFold(name, "carillon-seq"):
			h.seq, _ = strconv.ParseInt(string(value), 10, 64)
		case wantLane && equalFold(name, "carillon-lane"):
			h.lane = string(value)
		}
	}
	return h, errors.New("the head has too many lines")
}

// equalFold compares a header's name with one in lower case.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// readBody reads what follows a head into buf.
func readBody(r *bufio.Reader, h head, buf []byte) ([]byte, error) {
	buf = buf[:0]
	if !h.chunked {
		n := max(h.contentLength, 0)
		buf = append(buf, make([]byte, n)...)
		_, err := io.ReadFull(r, buf)
		return buf, err
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return buf, err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil || len(buf)+int(n) > maxMessage {
			return buf, fmt.Errorf("chunk of length %q", line)
		}
		start := len(buf)
		buf = append(buf, make([]byte, int(n)+2)...)
		if _, err := io.ReadFull(r, buf[start:]); err != nil {
			return buf, err
		}
		buf = buf[:start+int(n)]
		if n == 0 {
			return buf, nil
		}
	}
}

// caller is one kept connection to the server.
type caller struct {
	conn  net.Conn
	r     *bufio.Reader
	out   []byte
	body  []byte
	first []byte
}

func dial(ctx context.Context, address string) (*caller, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &caller{conn: conn, r: bufio.NewReaderSize(conn, 16<<10)}, nil
}

// call sends one request, of which prefix is everything up to the value of Content-Length, and gives the status and
// the body, valid until the next call.
func (c *caller) call(prefix string, payload []byte) (status int, body []byte, err error) {
	c.out = append(c.out[:0], prefix...)
	c.out = strconv.AppendInt(c.out, int64(len(payload)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, payload...)
	if _, err := c.conn.Write(c.out); err != nil {
		return 0, nil, fmt.Errorf("send: %w", err)
	}
	h, err := readHead(c.r, c.first, false)
	if err != nil {
		return 0, nil, fmt.Errorf("read the answer: %w", err)
	}
	c.first = h.first
	if len(h.first) < 12 {
		return 0, nil, fmt.Errorf("read the answer: status line %q", h.first)
	}
	if status, err = strconv.Atoi(string(h.first[9:12])); err != nil {
		return 0, nil, fmt.Errorf("read the answer: status line %q", h.first)
	}
	if status != 204 {
		if c.body, err = readBody(c.r, h, c.body); err != nil {
			return 0, nil, fmt.Errorf("read the answer: %w", err)
		}
	}
	if h.closes {
		return status, c.body, errors.New("the server closes the connection")
	}
	return status, c.body, nil
}

// prefix is the head of a request up to the value of Content-Length.
func prefix(method, path, host string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: " + host +
		"\r\nAuthorization: Bearer dev\r\nContent-Type: application/json\r\nContent-Length: "
}
