package workshop

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/apps"
)

// hooksPath begins the URLs to which others post external events: /app-hooks/{app}/{token}.
const hooksPath = "/app-hooks/"

// maxExternal bounds the body of an external event, in bytes. It is the vendor's.
const maxExternal = 100 << 10

// bodyTimeout bounds how long a body may take to come.
const bodyTimeout = 10 * time.Second

// externalTimeout bounds an external event, from the wait for an engine to the handler's end.
const externalTimeout = 30 * time.Second

// ServeHTTP takes what others post to apps, and waits for the handler: 200 if it went well, 500 if not, so that the sender may try
// again. Whoever does not know the URL learns nothing.
func (w *Workshop) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	say := func(status int, text string) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		fmt.Fprintf(rw, "{\"message\":%s}\n", appendText(nil, text))
	}
	// A sender that hangs up does not stop the handler half-way; a house that closes does.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), externalTimeout)
	defer cancel()
	release := context.AfterFunc(w.closing, cancel) //nolint:contextcheck // the house's closing is not the request's
	defer release()
	in, handler, product, ok := w.caller(ctx, r.URL.Path)
	switch {
	case !ok:
		say(http.StatusNotFound, "nobody is here")
		return
	case r.Method != http.MethodPost:
		rw.Header().Set("Allow", http.MethodPost)
		say(http.StatusMethodNotAllowed, "external events are posted")
		return
	}
	if m := w.metersOf(in); m.take(m.external, w.now(), "external events") != nil {
		rw.Header().Set("Retry-After", "60")
		say(http.StatusTooManyRequests, fmt.Sprintf("more than %d external events in a minute", m.external.Burst()))
		return
	}
	deadline := http.NewResponseController(rw)
	if err := deadline.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		say(http.StatusInternalServerError, "the body cannot be read")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxExternal))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			say(http.StatusRequestEntityTooLarge, fmt.Sprintf("an external event has at most %d KB", maxExternal>>10))
			return
		}
		say(http.StatusBadRequest, "the body did not come whole")
		return
	}
	data, status, reason := readExternal(r.Header.Get("Content-Type"), body)
	if reason != "" {
		say(status, reason)
		return
	}
	payload := w.envelope(in, apps.OnExternalEvent)
	payload.set("data", data)
	payload.set("headers", headersOf(r.Header))
	payload.set("options", appendText(nil, product+"."+apps.OnExternalEvent))
	i, err := w.call(ctx, in, call{
		trigger: carillon.TriggerExternal, product: product, event: apps.OnExternalEvent, handler: handler, payload: payload.json(),
	})
	if err != nil {
		say(http.StatusServiceUnavailable, "the house is busy or stops")
		return
	}
	w.journal.keep(ctx, i)
	if i.Failed() {
		say(http.StatusInternalServerError, "the app's handler failed")
		return
	}
	say(http.StatusOK, "ok")
}

// caller finds whom a URL means, and who handles external events there.
func (w *Workshop) caller(ctx context.Context, path string) (in *installation, handler, product string, ok bool) {
	id, token, found := strings.Cut(strings.TrimPrefix(path, hooksPath), "/")
	if !found || !carillon.ValidID(id) {
		return nil, "", "", false
	}
	in, err := w.open(ctx, "", id)
	if err != nil {
		if !carillon.IsNotFound(err) {
			w.config.Logger.Error("take an external event", "app", id, "error", err)
		}
		return nil, "", "", false
	}
	if !in.agreed() || in.app.ExternalToken == "" || subtle.ConstantTimeCompare([]byte(token), []byte(in.app.ExternalToken)) != 1 {
		return nil, "", "", false
	}
	handler, product, ok = in.handler("", apps.OnExternalEvent)
	return in, handler, product, ok
}

// readExternal makes a value of a body: JSON as it is, a form as an object of texts (lists where a name is there twice), XML as a text.
func readExternal(contentType string, body []byte) (data jsontext.Value, status int, reason string) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && contentType != "" {
		return nil, http.StatusUnsupportedMediaType, "the content type cannot be read"
	}
	switch media {
	case "application/json":
		v := jsontext.Value(body)
		if !v.IsValid() {
			return nil, http.StatusBadRequest, "the body is not JSON"
		}
		return v, 0, ""
	case "application/xml", "text/xml":
		if !utf8.Valid(body) {
			return nil, http.StatusBadRequest, "the body is not UTF-8"
		}
		return appendText(nil, string(body)), 0, ""
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, http.StatusBadRequest, "the body is no form"
		}
		members := map[string]any{}
		for name, values := range form {
			if members[name] = values; len(values) == 1 {
				members[name] = values[0]
			}
		}
		text, err := json.Marshal(members)
		if err != nil {
			return nil, http.StatusBadRequest, "the body is no form"
		}
		return text, 0, ""
	default:
		return nil, http.StatusUnsupportedMediaType, "external events are application/json, application/xml, text/xml or application/x-www-form-urlencoded"
	}
}

// headersOf gives the headers by name in lower case.
func headersOf(header http.Header) jsontext.Value {
	plain := map[string]string{}
	for name, values := range header {
		plain[strings.ToLower(name)] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return jsontext.Value("{}")
	}
	return text
}

// envelope is what all events have that are not about records.
func (w *Workshop) envelope(in *installation, event string) *object {
	now := w.now()
	return &object{
		{"account_id", appendText(nil, in.app.Org)},
		{"domain", appendText(nil, in.domain())},
		{"event", appendText(nil, event)},
		{"region", jsontext.Value(`"US"`)},
		{"timestamp", fmt.Appendf(nil, "%d.%03d", now.Unix(), now.Nanosecond()/1e6)},
		{"version", jsontext.Value(`"1.0.0"`)},
	}
}

// domain is that of the vendor's account, if a parameter has it; else that of the vendor's samples.
func (in *installation) domain() string {
	for _, p := range in.parsed.IParams {
		if text, ok := in.values[p.Name].(string); ok && p.Type == apps.TypeDomain && text != "" && !p.Secure {
			return strings.TrimSuffix(strings.TrimPrefix(text, "https://"), "/")
		}
	}
	return "sample.myfreshworks.com"
}
