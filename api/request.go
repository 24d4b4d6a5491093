package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"carillon"
	"carillon/access"
)

// request is what a handler gets: the HTTP request, whose path and query the wrapper has checked against the route,
// and who asks.
type request struct {
	*http.Request
	key   *carillon.Key // nil on public routes
	query url.Values    // only parameters that the route knows, each once
}

func (r *request) org() string { return r.key.Org }

// pathID reads an id from the path. One that cannot be an id belongs to nothing: not_found.
func (r *request) pathID(name, noun string) (string, error) {
	id := r.PathValue(name)
	if !carillon.ValidID(id) {
		return "", &carillon.Error{
			Code: carillon.CodeNotFound, Message: noun + " does not exist: its id is not one",
			Faults: []carillon.Fault{{Member: name, Reason: idRule}},
		}
	}
	return id, nil
}

const idRule = "is not an id of 1 to 128 letters, digits and - _ . : @ + = ~"

// bearer reads the secret from the Authorization header.
func bearer(r *http.Request) (string, error) {
	scheme, secret, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", &carillon.Error{
			Code: carillon.CodeUnauthorized, Message: "the request carries no API key",
			Faults: []carillon.Fault{{Member: "Authorization", Reason: "is not Bearer and a key"}},
			Hint:   "send Authorization: Bearer KEY",
		}
	}
	return strings.TrimSpace(secret), nil
}

// parseQuery reads the query, refusing parameters that the route does not know and those given twice.
func parseQuery(raw string, known []param) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, &carillon.Error{
			Code: carillon.CodeMalformed, Message: "the query cannot be read", Err: err,
			Faults: []carillon.Fault{{Member: "", Reason: "is not percent-encoded as it should be"}},
		}
	}
	var faults []carillon.Fault
	for name, values := range query {
		switch {
		case !knows(known, name):
			faults = append(faults, carillon.Fault{Member: name, Reason: "is not a parameter of this route"})
		case len(values) > 1:
			faults = append(faults, carillon.Fault{Member: name, Reason: "is given more than once"})
		case values[0] == "":
			faults = append(faults, carillon.Fault{Member: name, Reason: "is empty"})
		case !validText(values[0]):
			faults = append(faults, carillon.Fault{Member: name, Reason: "is not UTF-8 or has a NUL character"})
		}
	}
	if faults != nil {
		return nil, invalid("the query is not valid", faults...)
	}
	return query, nil
}

func knows(known []param, name string) bool {
	for _, p := range known {
		if p.name == name {
			return true
		}
	}
	return false
}

func invalid(message string, faults ...carillon.Fault) *carillon.Error {
	return &carillon.Error{Code: carillon.CodeInvalid, Message: message, Faults: faults}
}

// Bounds of lists.
const (
	defaultLimit = 50
	maxLimit     = 500
)

// limit reads ?limit=.
func (r *request) limit() (int, error) {
	text := r.query.Get("limit")
	if text == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, carillon.Invalid("limit", fmt.Sprintf("is not a number from 1 to %d", maxLimit))
	}
	return n, nil
}

// flag reads a parameter that is true or false.
func (r *request) flag(name string) (bool, error) {
	switch r.query.Get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, carillon.Invalid(name, "is neither true nor false")
	}
}

// seq reads a parameter that is a seq; 0 if it is absent.
func (r *request) seq(name string) (int64, error) {
	text := r.query.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, carillon.Invalid(name, "is not a seq")
	}
	return n, nil
}

// jsonBody reads the whole body, which must be declared as one of the media types and be at most limit bytes.
func (s *server) jsonBody(w http.ResponseWriter, r *request, types ...string) ([]byte, error) {
	if err := checkContentType(r.Request, types...); err != nil {
		return nil, err
	}
	limit := s.limits.Body
	if r.ContentLength > limit {
		return nil, errBodyTooLarge(limit)
	}
	if r.ContentLength == 0 {
		return nil, errEmptyBody()
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.limits.Request)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("set read deadline: %w", err)
	}
	if r.ContentLength > 0 {
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, errBodyBroken(err)
		}
		return body, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, err
	}
	if err != nil {
		return nil, errBodyBroken(err)
	}
	if len(body) == 0 {
		return nil, errEmptyBody()
	}
	return body, nil
}

func errEmptyBody() *carillon.Error {
	return &carillon.Error{
		Code: carillon.CodeMalformed, Message: "the body is empty",
		Faults: []carillon.Fault{{Member: "", Reason: "is empty where a JSON object is wanted"}},
	}
}

// errBodyBroken is for a body that did not arrive whole. The sender will hardly read it.
func errBodyBroken(err error) *carillon.Error {
	return &carillon.Error{
		Code: carillon.CodeMalformed, Message: "the body did not arrive whole", Err: err,
		Faults: []carillon.Fault{{Member: "", Reason: "did not arrive whole"}},
	}
}

const (
	typeJSON       = "application/json"
	typeMergePatch = "application/merge-patch+json"
	typeNDJSON     = "application/x-ndjson"
	typeJSONL      = "application/jsonl" // another name of the same
)

// checkContentType refuses bodies of another media type, charset or content encoding.
func checkContentType(r *http.Request, types ...string) error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return errMediaType("Content-Encoding", "is not identity: compressed bodies are not accepted", types)
	}
	declared := r.Header.Get("Content-Type")
	for _, t := range types {
		if declared == t {
			return nil
		}
	}
	media, params, err := mime.ParseMediaType(declared)
	if err != nil {
		return errMediaType("Content-Type", "is missing or cannot be read", types)
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return errMediaType("Content-Type", "names another charset than utf-8", types)
	}
	for _, t := range types {
		if media == t {
			return nil
		}
	}
	return errMediaType("Content-Type", "is "+strconv.Quote(media), types)
}

func errMediaType(header, reason string, types []string) *carillon.Error {
	return &carillon.Error{
		Code: carillon.CodeUnsupported, Message: "the body's media type is not accepted here",
		Faults: []carillon.Fault{{Member: header, Reason: reason}},
		Hint:   "send Content-Type: " + strings.Join(types, " or "),
	}
}

// actor is who the request's writes are attributed to: the header Carillon-Actor, else the key's own.
func (r *request) actor() (carillon.Actor, error) {
	const header, maxLength = "Carillon-Actor", 2048
	text := r.Header.Get(header)
	if text == "" {
		return r.key.Actor, nil
	}
	if len(text) > maxLength {
		return carillon.Actor{}, carillon.Invalid(header, fmt.Sprintf("is longer than %d bytes", maxLength))
	}
	actor := carillon.Actor{ID: text, Type: r.key.Actor.Type}
	if text[0] == '{' {
		actor = carillon.Actor{}
		if err := json.Unmarshal([]byte(text), &actor, json.RejectUnknownMembers(true)); err != nil {
			return carillon.Actor{}, carillon.Invalid(header, `is neither an id nor a JSON object of the strings id, type and email`)
		}
	}
	if err := access.CheckActor(actor); err != nil {
		e, ok := errors.AsType[*carillon.Error](err)
		if !ok {
			return carillon.Actor{}, err
		}
		faults := make([]carillon.Fault, len(e.Faults))
		for i, f := range e.Faults {
			faults[i] = carillon.Fault{Member: header, Reason: "its " + strings.TrimPrefix(f.Member, "/") + " " + f.Reason}
		}
		return carillon.Actor{}, invalid("the actor is not valid", faults...)
	}
	return actor, nil
}

// idempotencyKey reads the header of that name; "" if there is none.
func (r *request) idempotencyKey() (string, error) {
	const header = "Idempotency-Key"
	values := r.Header.Values(header)
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > 255 || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) {
		return "", carillon.Invalid(header, "is not 1 to 255 printable ASCII characters, given once")
	}
	return key, nil
}

// anyVersion is If-Match: *, which asks only that the record exists.
const anyVersion = -1

// ifMatch reads the version named by the header If-Match: 0 if there is none, anyVersion for *.
func (r *request) ifMatch() (int64, error) {
	switch text := r.Header.Get("If-Match"); text {
	case "":
		return 0, nil
	case "*":
		return anyVersion, nil
	default:
		inner, ok := strings.CutPrefix(text, `"`)
		inner, closed := strings.CutSuffix(inner, `"`)
		version, err := strconv.ParseInt(inner, 10, 64)
		if !ok || !closed || err != nil || version < 1 {
			return 0, carillon.Invalid("If-Match", `is neither one version as an ETag gives it ("3") nor *`)
		}
		return version, nil
	}
}
