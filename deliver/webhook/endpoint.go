package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"carillon"
	"carillon/deliver"
	"carillon/sign"
)

// HeaderAttribute begins the names of those attributes of a message that are sent as headers; what follows is the
// header's name. All other attributes are meant for other sinks.
const HeaderAttribute = "header:"

const (
	// drainBytes of an answer are read so that the connection can be used again; drainTime is all it gets for that.
	drainBytes = 64 << 10
	drainTime  = time.Second
	// headerRoom is how many headers we set ourselves, with those of Standard Webhooks and one of auth.
	headerRoom = 9
)

// endpoint is the sink of one subscription.
type endpoint struct {
	sender  *Sender
	request http.Request // what all requests have in common
	auth    auth
	signer  Signer // all live secrets
	newest  Signer // once the older secret has expired
	expires time.Time
	agent   []string
	// form sends bodies as text in the form field "payload" (application/x-www-form-urlencoded), as Neon does.
	form bool
}

var errTimeout = errors.New("time is up")

// Close has nothing to free: connections belong to the Sender.
func (e *endpoint) Close() error { return nil }

// Send posts one message and judges the answer. 2xx is Taken, 410 Gone; everything else is TryAgain, also what looks
// final (404, 401), since endpoints get mended; Never is left for messages that cannot be put in a request.
func (e *endpoint) Send(parent context.Context, m *carillon.Message) deliver.Result {
	if parent.Err() != nil {
		return deliver.Result{Verdict: deliver.Interrupted, Err: parent.Err()}
	}
	start := time.Now()
	if e.form {
		m = asForm(m)
	}
	header, err := e.header(m)
	if err != nil {
		return deliver.Result{Verdict: deliver.Never, Err: err}
	}

	// One timer serves both bounds, of waiting for the answer and of draining it.
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	timer := time.AfterFunc(e.sender.config.Timeout, func() { cancel(errTimeout) })
	defer timer.Stop()

	req := e.request.WithContext(ctx)
	req.Header = header
	req.ContentLength = int64(len(m.Body))
	// net/http knows this pair of types as memory and writes head and body in one go.
	req.Body = io.NopCloser(bytes.NewReader(m.Body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.Body)), nil }

	resp, err := e.sender.transport.RoundTrip(req)
	if err != nil {
		if !errors.Is(context.Cause(ctx), errTimeout) && parent.Err() != nil {
			return deliver.Result{Verdict: deliver.Interrupted, Err: parent.Err(), Duration: time.Since(start)}
		}
		return deliver.Result{Verdict: deliver.TryAgain, Err: e.explain(ctx, err), Duration: time.Since(start)}
	}
	timer.Reset(drainTime)
	defer resp.Body.Close()

	result := deliver.Result{Status: resp.StatusCode}
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode <= 299:
		result.Verdict = deliver.Taken
		if resp.ContentLength != 0 {
			_, _ = io.CopyN(io.Discard, resp.Body, drainBytes)
		}
	default:
		result.Verdict = deliver.TryAgain
		if resp.StatusCode == http.StatusGone {
			result.Verdict = deliver.Gone
		}
		result.Err = e.judge(resp)
		if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
			result.RetryAfter = deliver.RetryAfter(resp.Header, e.sender.config.Now())
		}
		result.Response = e.keep(resp.Body)
	}
	result.Duration = time.Since(start)
	return result
}

// The form in which a body travels as text in one field.
const (
	formContentType = "application/x-www-form-urlencoded"
	formField       = "payload"
)

// asForm puts a message's body into a form. What is signed is the form: the bytes that arrive.
func asForm(m *carillon.Message) *carillon.Message {
	form := *m
	form.ContentType = formContentType
	form.Body = []byte(formField + "=" + url.QueryEscape(string(m.Body)))
	return &form
}

// header builds the headers of one attempt. Names are written in canonical form, values share one array.
func (e *endpoint) header(m *carillon.Message) (http.Header, error) {
	if !sign.ValidID(m.ID) {
		return nil, fmt.Errorf("message id %q cannot be a webhook-id: it is empty or contains a full stop", m.ID)
	}
	for _, v := range [...]string{m.ID, m.Type, m.Lane, m.ContentType} {
		if !httpguts.ValidHeaderFieldValue(v) {
			return nil, fmt.Errorf("message %q has an id, type, lane or content type that cannot be a header", m.ID)
		}
	}
	now := e.sender.config.Now()
	signer := e.signer
	if !now.Before(e.expires) {
		signer = e.newest
	}
	values := [...]string{m.ContentType, strconv.FormatInt(m.Seq, 10), m.Lane, m.Type, e.auth.value}
	h := make(http.Header, headerRoom+len(m.Attributes))
	h["Content-Type"] = values[0:1:1]
	h["User-Agent"] = e.agent
	h["Carillon-Seq"] = values[1:2:2]
	h["Carillon-Lane"] = values[2:3:3]
	h["Carillon-Event"] = values[3:4:4]
	signer.SetHeaders(h, m.ID, now, m.Body)
	for _, a := range m.Attributes {
		name, ok := strings.CutPrefix(a.Name, HeaderAttribute)
		if !ok {
			continue
		}
		if reason := refuseHeader(name); reason != "" {
			return nil, fmt.Errorf("message %s wants header %q, which %s", m.ID, name, reason)
		}
		if !httpguts.ValidHeaderFieldValue(a.Value) {
			return nil, fmt.Errorf("message %s has a value for header %s that cannot be one", m.ID, name)
		}
		h.Set(name, a.Value)
	}
	if e.auth.name != "" { // last, so that no message replaces it
		h[e.auth.name] = values[4:5:5]
	}
	return h, nil
}

// judge says why an answer is a failure.
func (e *endpoint) judge(resp *http.Response) error {
	// What it repeats of ours is hidden before parsing, which may respell it.
	if location := e.hide(resp.Header.Get("Location")); resp.StatusCode >= 300 && resp.StatusCode <= 399 && location != "" {
		return &failure{text: fmt.Sprintf("the endpoint answered %d: redirects are not followed: %s", resp.StatusCode, deliver.Shorten(bareURL(location), 300))}
	}
	text := "the endpoint answered " + strconv.Itoa(resp.StatusCode)
	if name := http.StatusText(resp.StatusCode); name != "" {
		text += " " + name
	}
	return &failure{text: text}
}

// bareURL leaves out where tokens tend to be.
func bareURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "an address that is not a URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// keep reads the beginning of a failing answer as text, without what we sent to authenticate ourselves.
func (e *endpoint) keep(body io.Reader) string {
	limit := e.sender.config.MaxResponseBytes
	room := limit
	for _, secret := range e.auth.hidden {
		room = max(room, limit+len(secret))
	}
	head := make([]byte, room)
	n, err := io.ReadFull(body, head)
	if err == nil {
		_, _ = io.CopyN(io.Discard, body, drainBytes)
	}
	text := string(head[:n])
	if err == nil {
		text = e.dropBegun(text)
	}
	return deliver.Shorten(e.hide(text), limit)
}

// hide replaces what we sent to authenticate ourselves.
func (e *endpoint) hide(text string) string {
	for _, secret := range e.auth.hidden {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}

// dropBegun drops a secret that begins at the very end of a text that was cut off.
func (e *endpoint) dropBegun(text string) string {
	for _, secret := range e.auth.hidden {
		for n := min(len(secret)-1, len(text)); n > 0; n-- {
			if strings.HasSuffix(text, secret[:n]) {
				text = text[:len(text)-n]
				break
			}
		}
	}
	return text
}
