package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds an answer that is read whole. Events and records are far smaller.
const maxAnswer = 64 << 20

// Client calls one server with one API key. Its fields may be set before the first call; it is then safe for
// concurrent use.
type Client struct {
	// HTTP makes the requests. The default keeps connections alive and has no overall time-out: streams run for
	// days, and every call takes a context.
	HTTP *http.Client
	// Actor, if not empty, is who the writes are attributed to (header Carillon-Actor) instead of the key's actor.
	Actor string
	// UserAgent names the program; "carillon-go" by default.
	UserAgent string
	// Backoff is how long Stream waits before it connects again for the n-th time in a row (from 1). The default
	// doubles from 250 ms to 15 s.
	Backoff func(n int) time.Duration

	base string
	key  string
}

// New makes a Client for the server at baseURL ("http://127.0.0.1:8080"), which must be an absolute http or https URL.
func New(baseURL, key string) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("read the server's URL: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("read the server's URL: %q is not an absolute http or https URL", baseURL)
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: 64, // the default of 2 makes a connection for nearly every call of a busy program
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	return &Client{
		HTTP:      &http.Client{Transport: transport},
		UserAgent: "carillon-go",
		Backoff:   defaultBackoff,
		base:      strings.TrimRight(baseURL, "/"),
		key:       key,
	}, nil
}

// BaseURL is the server's URL without a slash at the end.
func (c *Client) BaseURL() string { return c.base }

// Option is something one call asks for beside its arguments.
type Option func(h http.Header)

// IfMatch makes a write fail with stale_version unless the record has this version.
func IfMatch(version int64) Option {
	return func(h http.Header) { h.Set("If-Match", strconv.Quote(strconv.FormatInt(version, 10))) }
}

// IdempotencyKey makes a POST safe to repeat: the same key with the same body gives the first answer again.
func IdempotencyKey(key string) Option {
	return func(h http.Header) { h.Set("Idempotency-Key", key) }
}

// Answer is what a server said to a request that it accepted.
type Answer struct {
	Status int
	// Seq is that of the change a write made; 0 if it made none.
	Seq  int64
	Body []byte // empty for 204
}

// Do makes one request. body is nil, raw JSON (json.RawMessage or []byte) or a value to marshal. It fails with a
// *Problem if the server refused.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body any, options ...Option) (Answer, error) {
	payload, err := encodeBody(body)
	if err != nil {
		return Answer{}, fmt.Errorf("encode the body of %s %s: %w", method, path, err)
	}
	contentType := "application/json"
	if method == http.MethodPatch {
		contentType = "application/merge-patch+json"
	}
	resp, err := c.send(ctx, method, path, query, payload, contentType, options...)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	a := Answer{Status: resp.StatusCode}
	a.Seq, _ = strconv.ParseInt(resp.Header.Get("Carillon-Seq"), 10, 64) // absent: 0
	a.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return Answer{}, fmt.Errorf("read the answer to %s %s: %w", method, path, err)
	case len(a.Body) > maxAnswer:
		return Answer{}, fmt.Errorf("read the answer to %s %s: more than %d bytes", method, path, maxAnswer)
	}
	return a, nil
}

// call makes one request and reads the JSON answer into the pointer into, unless it is nil.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, body, into any, options ...Option) error {
	a, err := c.Do(ctx, method, path, query, body, options...)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		return fmt.Errorf("decode the answer to %s %s: %w", method, path, err)
	}
	return nil
}

func encodeBody(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return b, nil
	case json.RawMessage:
		return b, nil
	default:
		return json.Marshal(body)
	}
}

// send makes the request and gives back an answer of 2xx, whose body the caller closes; anything else is a *Problem.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body []byte, contentType string, options ...Option) (*http.Response, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, reader)
	if err != nil {
		return nil, fmt.Errorf("make request %s %s: %w", method, path, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("User-Agent", c.UserAgent)
	if c.Actor != "" {
		req.Header.Set("Carillon-Actor", c.Actor)
	}
	for _, option := range options {
		option(req.Header)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, unreachable(c.base, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, readProblem(resp)
}

// unreachable says in one line that nobody answered.
func unreachable(base string, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("reach %s: %w", base, err)
}

// Page is one page of a list; Next is the cursor of the page that follows, "" at the end.
type Page[T any] struct {
	Items []T
	Next  string
}

// UnmarshalJSON reads {"items":[…],"next":CURSOR|null}, where a cursor may be a string or a number.
func (p *Page[T]) UnmarshalJSON(data []byte) error {
	var wire struct {
		Items []T             `json:"items"`
		Next  json.RawMessage `json:"next"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	p.Items, p.Next = wire.Items, ""
	if len(wire.Next) == 0 || string(wire.Next) == "null" {
		return nil
	}
	if wire.Next[0] != '"' {
		p.Next = string(wire.Next)
		return nil
	}
	return json.Unmarshal(wire.Next, &p.Next)
}

// readPage reads one page at path.
func readPage[T any](ctx context.Context, c *Client, path string, query url.Values) (Page[T], error) {
	var page Page[T]
	err := c.call(ctx, http.MethodGet, path, query, nil, &page)
	return page, err
}

// walk goes through the pages of a list from the cursor in query on.
func walk[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			page, err := readPage[T](ctx, c, path, query)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			query.Set("after", page.Next)
		}
	}
}
