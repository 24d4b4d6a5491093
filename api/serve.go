package api

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"carillon"
)

// handler answers a request whose key, right and query have been checked. What it returns, the wrapper writes.
type handler func(w http.ResponseWriter, r *request) error

// route is one line of the route list: what the mux serves and what the OpenAPI document says.
type route struct {
	method string
	path   string
	right  carillon.Right // that the key must have; "" for everybody
	handle handler
	stream bool // bounded by its own means, not by Limits.Request
	operation
}

// mount registers the routes. What the mux itself answers, answer turns into problems.
func (s *server) mount(routes []route) {
	for _, rt := range routes {
		s.mux.HandleFunc(rt.method+" "+muxPath(rt.path), s.wrap(rt))
	}
}

// muxPath turns a path of the OpenAPI document into a pattern of the mux, whose wildcards are whole segments.
func muxPath(path string) string {
	return strings.Replace(path, "{eventType}.json", "{file}", 1)
}

// wrap is what every route shares: authenticate, check the query, bound the time, write the error.
func (s *server) wrap(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		if a, ok := w.(*answer); ok {
			a.route = rt.path
		}
		r := &request{Request: hr}
		ctx := hr.Context()
		if !rt.stream {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, s.limits.Request)
			defer cancel()
			r.Request = hr.WithContext(ctx)
		}
		if err := s.admit(ctx, r, rt); err != nil {
			s.writeProblem(w, hr, err)
			return
		}
		if err := rt.handle(w, r); err != nil {
			s.writeProblem(w, hr, err)
		}
	}
}

// admit finds out who asks and whether they may, then reads the query.
func (s *server) admit(ctx context.Context, r *request, rt route) (err error) {
	if rt.right != "" {
		secret, err := bearer(r.Request)
		if err != nil {
			return err
		}
		if r.key, err = s.gate.Authenticate(ctx, secret); err != nil {
			return err
		}
		if !r.key.Right.Allows(rt.right) {
			return &carillon.Error{
				Code:    carillon.CodeForbidden,
				Message: fmt.Sprintf("the API key has the right %s, and this needs %s", r.key.Right, rt.right),
			}
		}
	}
	r.query, err = parseQuery(r.URL.RawQuery, rt.query)
	return err
}

// answer is the ResponseWriter that handlers get. It knows what became of the request, and holds back what the mux says
// where no route matched.
type answer struct {
	http.ResponseWriter
	route    string // "" if none matched
	status   int    // 0 until the header is written
	unrouted int    // the mux's own status, which was held back
}

func (a *answer) WriteHeader(status int) {
	if a.route == "" && status >= http.StatusBadRequest && a.unrouted == 0 {
		a.unrouted = status
		return
	}
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.unrouted != 0 && a.status == 0 {
		return len(b), nil
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

const requestIDHeader = "X-Request-Id"

// everyAnswer are headers that every answer begins with; a handler may set others in their place. The values are shared.
var everyAnswer = http.Header{
	"X-Content-Type-Options":  {"nosniff"},
	"Cache-Control":           {"no-store"},
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":         {"no-referrer"},
}

// ServeHTTP answers every request: it names it, guards against panics and tells Observe.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &answer{ResponseWriter: w}
	h := w.Header()
	for name, value := range everyAnswer {
		h[name] = value
	}
	h[requestIDHeader] = []string{requestID(r)}
	started := time.Now()
	defer func() {
		if s.observe != nil {
			s.observe(r.Method, a.route, a.status, time.Since(started))
		}
	}()
	defer func() {
		if cause := recover(); cause != nil {
			s.answerPanic(a, r, cause)
		}
	}()
	s.mux.ServeHTTP(a, r)
	if a.unrouted != 0 {
		s.writeProblem(a, r, unrouted(a.unrouted, r.Method, h.Get("Allow")))
	}
}

// unrouted says in our words what the mux says where no route matched.
func unrouted(status int, method, allow string) error {
	if status == http.StatusMethodNotAllowed {
		return methodError{&carillon.Error{
			Code: carillon.CodeUnsupported, Message: "the method " + method + " is not known here", Hint: "use one of " + allow,
		}}
	}
	return &carillon.Error{Code: carillon.CodeNotFound, Message: "no route has this path", Hint: "the routes are listed at /openapi.json"}
}

// answerPanic turns a panic into a problem, or where an answer has begun into a broken connection.
func (s *server) answerPanic(a *answer, r *http.Request, cause any) {
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	err := fmt.Errorf("handler panicked: %v\n%s", cause, debug.Stack())
	if a.status != 0 {
		s.logFailure(r, a.Header().Get(requestIDHeader), err)
		panic(http.ErrAbortHandler)
	}
	s.writeProblem(a, r, err)
}

// requestID takes the caller's X-Request-Id if it is 1 to 64 letters, digits, - _ . or else makes one.
func requestID(r *http.Request) string {
	id := r.Header.Get(requestIDHeader)
	if id == "" || len(id) > 64 || !carillon.ValidID(id) {
		return "req_" + hex(rand.Uint64())
	}
	return id
}

func hex(n uint64) string {
	const digits = "0123456789abcdef"
	var b [16]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = digits[n&15]
		n >>= 4
	}
	return string(b[:])
}

func validText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
