package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"carillon/sign"
)

// Bounds and defaults of a Receiver.
const (
	DefaultConcurrency = 32
	DefaultMaxBody     = 1 << 20
	DefaultRemembered  = 100_000
	maxWaiting         = 4096 // requests that wait for their lane or for a free handler
)

// Delivery is one event as it was received.
type Delivery struct {
	Envelope
	// Seq is the change's place in the log, and Lane its order key; 0 and "" if the sender did not say.
	Seq  int64
	Lane string
	// Body is the request's body as it came.
	Body []byte
}

// Handler acts on one event. When it returns nil the event is done; with an error the sender will try again.
type Handler func(ctx context.Context, d *Delivery) error

// Seen remembers which events were handled. Implementations must be safe for concurrent use; one that outlives the
// process (a table with the event id as key) makes repeats after a restart harmless too.
type Seen interface {
	// Has reports whether the event was handled.
	Has(ctx context.Context, eventID string) (bool, error)
	// Add notes that it was.
	Add(ctx context.Context, eventID string) error
}

// ReceiverOptions says how a Receiver works.
type ReceiverOptions struct {
	// Secrets verify requests: whsec_…, one, or two while a rotation is under way. At least one is needed.
	Secrets []string
	// Seen drops repeats; the default keeps the last DefaultRemembered event ids in memory.
	Seen Seen
	// Concurrency bounds the handlers at work; 0 means DefaultConcurrency.
	Concurrency int
	// MaxBody bounds a request's body in bytes; 0 means DefaultMaxBody.
	MaxBody int64
	// Log is told why requests were refused and which handlers failed; nil means nobody.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Receiver is the http.Handler of those who consume Carillon's webhooks in the platform's format. It verifies the
// signature (Standard Webhooks), drops repeats, and runs the handlers of one lane one after another in the order of
// arrival, those of different lanes at the same time.
//
// It answers 204 once the event is done, was done before, or is of a type nobody handles; 401 if the signature does
// not hold, 400 if the body is no event, 413 if it is too large, 503 if too many requests wait, and 500 if the
// handler failed, whereupon the sender tries again.
type Receiver struct {
	secrets  []*sign.Secret
	seen     Seen
	maxBody  int64
	log      *slog.Logger
	now      func() time.Time
	routes   []route
	slots    chan struct{}
	mu       sync.Mutex
	lanes    map[string]*lane // those with requests at work or waiting
	requests int
}

type route struct {
	pattern string
	handler Handler
}

// lane is the queue of an order key. turn holds one token; who has it may handle.
type lane struct {
	turn chan struct{}
	refs int
}

// NewReceiver makes a Receiver. It fails if a secret cannot be read.
func NewReceiver(o ReceiverOptions) (*Receiver, error) {
	r := &Receiver{
		seen: o.Seen, maxBody: o.MaxBody, log: o.Log, now: o.Now,
		lanes: map[string]*lane{},
	}
	if len(o.Secrets) == 0 {
		return nil, errors.New("make a receiver: it needs a secret")
	}
	for _, text := range o.Secrets {
		secret, err := sign.ParseSecret(text)
		if err != nil {
			return nil, fmt.Errorf("make a receiver: %w", err)
		}
		r.secrets = append(r.secrets, secret)
	}
	if r.seen == nil {
		r.seen = NewMemory(DefaultRemembered)
	}
	if r.maxBody <= 0 {
		r.maxBody = DefaultMaxBody
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	concurrency := o.Concurrency
	if concurrency <= 0 {
		concurrency = DefaultConcurrency
	}
	r.slots = make(chan struct{}, concurrency)
	return r, nil
}

// Handle has h act on events whose type matches the pattern: exact, or with * for any run of characters
// ("account:*"). The first pattern that matches wins. All are given before the first request.
func (r *Receiver) Handle(pattern string, h Handler) {
	r.routes = append(r.routes, route{pattern, h})
}

func (r *Receiver) handler(eventType string) Handler {
	for _, route := range r.routes {
		if covers(route.pattern, eventType) {
			return route.handler
		}
	}
	return nil
}

// ServeHTTP takes one webhook.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	status, err := r.receive(w, req)
	if err != nil {
		r.log.WarnContext(req.Context(), "webhook not taken", "status", status, "id", req.Header.Get(sign.HeaderID), "error", err)
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1")
		}
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.WriteHeader(status)
}

// receive takes one webhook; err says why not, with the status to answer.
func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) (status int, err error) {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed, fmt.Errorf("method is %s", req.Method)
	}
	d := &Delivery{Lane: req.Header.Get("Carillon-Lane")}
	if d.Body, err = io.ReadAll(http.MaxBytesReader(w, req.Body, r.maxBody)); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return http.StatusRequestEntityTooLarge, err
		}
		return http.StatusBadRequest, fmt.Errorf("read the body: %w", err)
	}
	if err := sign.Verify(req.Header, d.Body, r.secrets, r.now()); err != nil {
		return http.StatusUnauthorized, err
	}
	if err := json.Unmarshal(d.Body, &d.Envelope); err != nil {
		return http.StatusBadRequest, fmt.Errorf("decode the event: %w", err)
	}
	if d.EventID == "" || d.EventType == "" {
		return http.StatusBadRequest, errors.New("decode the event: eventId or eventType is missing")
	}
	if seq := req.Header.Get("Carillon-Seq"); seq != "" {
		if d.Seq, err = strconv.ParseInt(seq, 10, 64); err != nil {
			return http.StatusBadRequest, errors.New("carillon-seq is not a number")
		}
	}
	h := r.handler(d.EventType)
	if h == nil {
		return http.StatusNoContent, nil
	}
	return r.inTurn(req.Context(), d, h)
}

// inTurn waits for the lane and for a free handler, in this order, so that a long lane does not take up the handlers.
func (r *Receiver) inTurn(ctx context.Context, d *Delivery, h Handler) (status int, err error) {
	l, ok := r.enter(d.Lane)
	if !ok {
		return http.StatusServiceUnavailable, errors.New("too many requests wait")
	}
	defer r.leave(d.Lane, l)
	if err := pass(ctx, l.turn); err != nil {
		return http.StatusServiceUnavailable, err
	}
	defer func() { <-l.turn }()
	if err := pass(ctx, r.slots); err != nil {
		return http.StatusServiceUnavailable, err
	}
	defer func() { <-r.slots }()
	return r.once(ctx, d, h)
}

// pass waits for room in gate and takes it.
func pass(ctx context.Context, gate chan<- struct{}) error {
	select {
	case gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// once runs the handler unless it has done this event before.
func (r *Receiver) once(ctx context.Context, d *Delivery, h Handler) (status int, err error) {
	repeat, err := r.seen.Has(ctx, d.EventID)
	if err != nil {
		return http.StatusInternalServerError, fmt.Errorf("look whether the event was handled: %w", err)
	}
	if repeat {
		return http.StatusNoContent, nil
	}
	if err := h(ctx, d); err != nil {
		return http.StatusInternalServerError, fmt.Errorf("handle %s: %w", d.EventType, err)
	}
	// What is done is done: it is noted even if the sender has hung up meanwhile.
	if err := r.seen.Add(context.WithoutCancel(ctx), d.EventID); err != nil {
		return http.StatusInternalServerError, fmt.Errorf("note that the event was handled: %w", err)
	}
	return http.StatusNoContent, nil
}

func (r *Receiver) enter(name string) (*lane, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.requests >= maxWaiting {
		return nil, false
	}
	r.requests++
	l := r.lanes[name]
	if l == nil {
		l = &lane{turn: make(chan struct{}, 1)}
		r.lanes[name] = l
	}
	l.refs++
	return l, true
}

func (r *Receiver) leave(name string, l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests--
	if l.refs--; l.refs == 0 {
		delete(r.lanes, name)
	}
}

// covers reports whether a pattern, in which * stands for any run of characters, covers an event type. It is written
// out here so that those who only receive need none of the house's filters.
func covers(pattern, eventType string) bool {
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(eventType, parts[0])
	if len(parts) == 1 {
		return ok && rest == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		var found bool
		if _, rest, found = strings.Cut(rest, part); !found {
			return false
		}
	}
	return ok && strings.HasSuffix(rest, parts[last])
}
