package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"

	"carillon"
)

// statuses is the one table from code to HTTP status and title. A code that is not in it is CodeInternal.
var statuses = map[carillon.Code]struct {
	status int
	title  string
}{
	carillon.CodeInvalid:      {http.StatusUnprocessableEntity, "The request is not valid"},
	carillon.CodeMalformed:    {http.StatusBadRequest, "The request cannot be read"},
	carillon.CodeTooLarge:     {http.StatusRequestEntityTooLarge, "The request is too large"},
	carillon.CodeUnauthorized: {http.StatusUnauthorized, "No valid API key"},
	carillon.CodeForbidden:    {http.StatusForbidden, "The API key lacks the right"},
	carillon.CodeNotFound:     {http.StatusNotFound, "Not found"},
	carillon.CodeConflict:     {http.StatusConflict, "Conflict"},
	carillon.CodeStale:        {http.StatusPreconditionFailed, "Another version is current"},
	carillon.CodeUnsupported:  {http.StatusUnsupportedMediaType, "Not spoken here"},
	carillon.CodeLimited:      {http.StatusTooManyRequests, "Too many requests"},
	carillon.CodeUnavailable:  {http.StatusServiceUnavailable, "Not available at the moment"},
	carillon.CodeInternal:     {http.StatusInternalServerError, "Internal error"},
}

// Problem is an error as RFC 9457 writes it (application/problem+json), with the members code, hint, errors and
// requestId added.
type Problem struct {
	Type   string        `json:"type" doc:"always about:blank; code tells problems apart"`
	Title  string        `json:"title"`
	Status int           `json:"status"`
	Detail string        `json:"detail" doc:"the deed and the object, for people"`
	Code   carillon.Code `json:"code" enum:"invalid,malformed,too_large,unauthorized,forbidden,not_found,conflict,stale_version,unsupported,limited,unavailable,internal"`
	Hint   string        `json:"hint,omitzero" doc:"what can be done about it"`
	// Errors name what is wrong: a JSON Pointer into the body, or the name of a header or query parameter.
	Errors    []ProblemFault `json:"errors,omitzero" nullable:"false"`
	RequestID string         `json:"requestId,omitzero"`
}

// ProblemFault is one thing wrong with a request.
type ProblemFault struct {
	Member string `json:"member" doc:"a JSON Pointer (RFC 6901) into the body, or the name of a header or parameter"`
	Reason string `json:"reason"`
}

// problemOf turns an error into what strangers may see of it. ours reports that there is a cause on our side, which the log
// must have.
func problemOf(err error, requestID string) (p Problem, ours bool) {
	e, ok := errors.AsType[*carillon.Error](err)
	if !ok {
		e = externalError(err)
	}
	entry, known := statuses[e.Code]
	if !known || e.Code == carillon.CodeInternal {
		entry = statuses[carillon.CodeInternal]
		return Problem{
			Type: "about:blank", Title: entry.title, Status: entry.status, Code: carillon.CodeInternal,
			Detail: "something went wrong on our side", RequestID: requestID,
			Hint: "quote the requestId when you report this; the log has the cause",
		}, true
	}
	p = Problem{
		Type: "about:blank", Title: entry.title, Status: entry.status, Detail: e.Message,
		Code: e.Code, Hint: e.Hint, RequestID: requestID,
	}
	if _, wrong := errors.AsType[methodError](err); wrong {
		p.Status = http.StatusMethodNotAllowed
	}
	for _, f := range e.Faults {
		p.Errors = append(p.Errors, ProblemFault(f))
	}
	return p, e.Code == carillon.CodeUnavailable && e.Err != nil
}

// logFailure writes the one line that an unknown error gets.
func (s *server) logFailure(r *http.Request, requestID string, err error) {
	s.log.LogAttrs(r.Context(), slog.LevelError, "request failed",
		slog.String("request", requestID), slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Any("error", err))
}

// externalError gives errors of the standard library, which carry no code, the one they mean.
func externalError(err error) *carillon.Error {
	tooLarge, isTooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case isTooLarge:
		return errBodyTooLarge(tooLarge.Limit)
	case errors.Is(err, context.DeadlineExceeded):
		return &carillon.Error{Code: carillon.CodeUnavailable, Message: "the request took too long and was given up", Err: err}
	case errors.Is(err, context.Canceled), errors.Is(err, io.ErrUnexpectedEOF):
		return &carillon.Error{Code: carillon.CodeUnavailable, Message: "the connection ended before the request was done", Err: err}
	default:
		return &carillon.Error{Code: carillon.CodeInternal, Err: err}
	}
}

func errBodyTooLarge(limit int64) *carillon.Error {
	return &carillon.Error{
		Code: carillon.CodeTooLarge, Message: "the body is larger than " + strconv.FormatInt(limit, 10) + " bytes",
		Faults: []carillon.Fault{{Member: "", Reason: "is larger than " + strconv.FormatInt(limit, 10) + " bytes"}},
	}
}

// methodError is a method that its path does not know. The mux has set the Allow header.
type methodError struct{ cause *carillon.Error }

func (e methodError) Error() string { return e.cause.Error() }
func (e methodError) Unwrap() error { return e.cause }

// writeProblem answers err. It is the only place where an error becomes an HTTP answer.
func (s *server) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	requestID := w.Header().Get(requestIDHeader)
	p, ours := problemOf(err, requestID)
	if ours && (r.Context().Err() == nil || p.Code == carillon.CodeInternal) {
		s.logFailure(r, requestID, err)
	}
	h := w.Header()
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="carillon"`)
	case http.StatusRequestEntityTooLarge:
		h.Set("Connection", "close") // rather than read the rest before answering
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	body, err := json.Marshal(p)
	if err != nil { // a member that is not UTF-8
		body = []byte(`{"type":"about:blank","title":"Internal error","status":500,"detail":"the problem cannot be shown","code":"internal"}`)
		p.Status = http.StatusInternalServerError
	}
	h.Del("ETag")
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // the caller has gone: nothing to tell it
}
