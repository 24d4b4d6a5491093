package workshop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/apps"
	"carillon/egress"
)

// Bounds of $request, which are the vendor's.
const (
	maxRequestBody = 100 << 10
	maxResponse    = 6 << 20
	requestTimeout = 15 * time.Second
)

// Bounds of what answers take, which are ours.
const (
	maxFlight       = 5         // requests of one invocation under way; others wait
	maxAnswers      = 16 << 20  // bytes of the answers that one invocation is given, as JSON
	maxAnswersHouse = 128 << 20 // bytes that answers take in all
	freeAnswer      = 64 << 10  // bytes of an answer that are read whatever others take
	perByte         = 4         // bytes that one of an answer may take while it is read and written as JSON
)

// asked is the second argument of invokeTemplate. Its cache and ttl mean nothing here: every request is sent.
type asked struct {
	Context map[string]any `json:"context"`
	Body    jsontext.Value `json:"body"`
}

// reply is what came back.
type reply struct {
	status  int
	header  http.Header
	body    string
	failure string // why nothing came back
	busy    bool   // the house had no room for it
	held    int64  // bytes of the house's budget that it takes
}

// request answers $request.invokeTemplate: it fills in a template of the app, sends it, and tries again as the template says.
func (h *host) request(ctx context.Context, name, options jsontext.Value) (jsontext.Value, error) {
	var template string
	if name.Kind() != '"' || json.Unmarshal(name, &template) != nil {
		return nil, refuse(http.StatusBadRequest, "the name of a request template must be a text")
	}
	r, ok := h.in.parsed.Request(template)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "there is no request template %s in config/requests.json that the manifest names", shown(template))
	}
	var a asked
	if options.Kind() != 'n' && json.Unmarshal(options, &a) != nil {
		return nil, refuse(http.StatusBadRequest, "what goes with a request must be an object with context and body")
	}
	body, err := bodyOf(a.Body)
	if err != nil {
		return nil, err
	}
	scope := apps.Scope{IParams: h.in.values, Context: a.Context}
	out, err := r.Expand(scope)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "%s", h.secrets().text(err.Error()))
	}
	if _, err := h.workshop.config.Gate.CheckHost(out.URL.Hostname(), "host"); err != nil {
		return nil, refuse(http.StatusBadRequest, "%s", h.secrets().text(reasonOf(err)))
	}
	h.hideCredentials(r, scope, out.Header)
	select {
	case h.flight <- struct{}{}:
		defer func() { <-h.flight }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return h.answer(h.attempts(ctx, r, out, body))
}

// reasonOf is what a fault says.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*carillon.Error](err); ok && len(e.Faults) > 0 {
		return e.Faults[0].Member + " " + e.Faults[0].Reason
	}
	return err.Error()
}

// bodyOf reads the body: a text as it is, another value as JSON.
func bodyOf(v jsontext.Value) (string, error) {
	var body string
	switch {
	case len(v) == 0 || v.Kind() == 'n':
	case v.Kind() == '"':
		if json.Unmarshal(v, &body) != nil {
			return "", refuse(http.StatusBadRequest, "the body cannot be read")
		}
	default:
		body = string(v)
	}
	if len(body) > maxRequestBody {
		return "", refuse(http.StatusRequestEntityTooLarge, "the body has more than %d KB", maxRequestBody>>10)
	}
	return body, nil
}

// hideCredentials has what secrets became in headers taken out of what the handler tells, and what stands after "Basic": no secret
// can be seen in it.
func (h *host) hideCredentials(r *apps.Request, scope apps.Scope, header http.Header) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, credentials, ok := strings.Cut(header.Get("Authorization"), " "); ok {
		h.mask = h.mask.and(credentials)
	}
	secure := h.in.parsed.SecureNames(h.in.values)
	for _, f := range r.Headers {
		filled := f.Value.Filled(scope, secure)
		for _, value := range filled {
			h.mask = h.mask.and(value)
		}
		if len(filled) > 0 {
			h.mask = h.mask.and(header.Get(f.Name))
		}
	}
}

// attempts sends until something else than a passing failure came back: no connection, 429, 5xx.
func (h *host) attempts(ctx context.Context, r *apps.Request, out *apps.Call, body string) (reply, int) {
	for n := 1; ; n++ {
		got := h.send(ctx, out, body)
		passing := got.failure != "" || got.status == http.StatusTooManyRequests || got.status >= 500
		if !passing || n >= r.MaxAttempts || ctx.Err() != nil {
			return got, n
		}
		h.workshop.answers.Release(got.held)
		got.held = 0
		select {
		case <-ctx.Done():
			return got, n
		case <-time.After(r.RetryDelay):
		}
	}
}

// send makes one attempt. Redirects are not followed: they could carry the credentials to another host.
func (h *host) send(ctx context.Context, out *apps.Call, body string) reply {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, out.Method, out.URL.String(), strings.NewReader(body))
	if err != nil {
		return reply{failure: "the request cannot be made"}
	}
	if body == "" {
		request.Body = http.NoBody
	}
	request.Header = out.Header.Clone()
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", "Carillon-App")
	}
	response, err := h.workshop.transport.RoundTrip(request)
	if err != nil {
		return reply{failure: unreachable(ctx, err)}
	}
	defer response.Body.Close()
	got := h.read(ctx, response)
	if got.failure != "" {
		h.workshop.answers.Release(got.held)
		got.held = 0
	}
	return got
}

// read reads an answer. A large one first takes its share of the house's budget.
func (h *host) read(ctx context.Context, response *http.Response) reply {
	got := reply{header: response.Header}
	content, err := io.ReadAll(io.LimitReader(response.Body, freeAnswer))
	if err == nil && len(content) == freeAnswer {
		size := int64(maxResponse)
		if response.ContentLength >= 0 {
			size = min(size, response.ContentLength)
		}
		if h.workshop.answers.Acquire(ctx, perByte*size) != nil {
			got.failure, got.busy = "the answers that apps wait for take too much memory", true
			return got
		}
		got.held = perByte * size
		var rest []byte
		rest, err = io.ReadAll(io.LimitReader(response.Body, maxResponse+1-freeAnswer))
		content = append(content, rest...)
	}
	switch {
	case err != nil:
		got.failure = unreachable(ctx, err)
	case len(content) > maxResponse:
		got.status, got.body = http.StatusRequestEntityTooLarge, "the response has more than 6 MB"
	default:
		got.status, got.body = response.StatusCode, strings.ToValidUTF8(string(content), "\uFFFD")
	}
	return got
}

// take counts an answer that the script is to be given, and reports whether the invocation may have it. What it holds of the house's
// budget beyond its size is given back now, the rest when the invocation ends.
func (h *host) take(got reply) bool {
	size := int64(len(got.body))
	for i := range len(got.body) {
		switch c := got.body[i]; {
		case c == '"', c == '\\':
			size++
		case c < ' ':
			size += 5
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	keeps := min(size, got.held)
	fits := !h.ended && h.answered+size <= maxAnswers
	if fits {
		h.answered += size
		h.held += keeps
	} else {
		keeps = 0
	}
	h.workshop.answers.Release(got.held - keeps)
	return fits
}

// unreachable says why no answer came, without the URL, which may hold a secret.
func unreachable(ctx context.Context, err error) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "no answer within 15 s"
	}
	if why, ok := egress.Explain(err); ok {
		return why
	}
	return "the connection failed"
}

// answer gives the script what came back: below 400 as the promise's value, the rest as its rejection.
func (h *host) answer(got reply, attempts int) (jsontext.Value, error) {
	if got.failure != "" {
		status := http.StatusBadGateway
		if got.busy {
			status = http.StatusServiceUnavailable
		}
		rejection := refuse(status, "%s", h.secrets().text(got.failure))
		rejection.Members["attempts"] = attempts
		return nil, rejection
	}
	if !h.take(got) {
		return nil, refuse(http.StatusRequestEntityTooLarge, "the answers to the requests of one invocation have more than %d MB", maxAnswers>>20)
	}
	headers := map[string]string{}
	for name, values := range got.header {
		headers[strings.ToLower(name)] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	}
	if got.status >= 400 {
		rejection := refuse(got.status, "the request was answered with %d", got.status)
		rejection.Members = map[string]any{"response": got.body, "headers": headers, "attempts": attempts, "errorSource": "PRODUCT"}
		return nil, rejection
	}
	text, err := json.Marshal(headers)
	if err != nil {
		return nil, err
	}
	o := object{
		{"status", fmt.Append(nil, got.status)},
		{"headers", text},
		{"response", appendText(nil, got.body)},
		{"attempts", fmt.Append(nil, attempts)},
	}
	return o.json(), nil
}
