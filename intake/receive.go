package intake

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"carillon"
	"carillon/store"
)

// Bounds of the headers that are kept of a request.
const (
	maxHeaders     = 64
	maxHeaderValue = 4 << 10
	maxContentType = 255
)

// keptHeaders are the headers that dialects read, or that tell a person where a request came from. Those with
// credentials are not among them. CloudEvents' attributes (ce-…) are kept as well.
var keptHeaders = map[string]bool{
	"User-Agent": true, "Webhook-Id": true, "Webhook-Timestamp": true,
	"X-Amz-Sns-Message-Type": true, "X-Amz-Sns-Message-Id": true, "X-Amz-Sns-Topic-Arn": true, "X-Amz-Sns-Rawdelivery": true,
}

// ServeHTTP answers /in/{id}: a vendor's request is verified, stored, and then answered with 200 and the id of the
// delivery. GET and HEAD say whether there is such a connection, for vendors that check a URL.
func (in *Intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/in/")
	connection, err := in.connection(r.Context(), id)
	if err != nil {
		in.refuse(w, r, err)
		return
	}
	switch r.Method {
	case http.MethodPost:
	case http.MethodGet, http.MethodHead:
		answer(w, http.StatusOK, map[string]string{"connection": connection.ID, "dialect": connection.Dialect})
		return
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		in.refuse(w, r, &refusal{status: http.StatusMethodNotAllowed, reason: "webhooks are posted here"})
		return
	}
	d, err := in.receive(w, r, connection)
	if err != nil {
		in.refuse(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]string{"id": d.ID})
}

func (in *Intake) connection(ctx context.Context, id string) (*carillon.Connection, error) {
	if !carillon.ValidID(id) {
		return nil, carillon.NotFound("the connection", "in this URL")
	}
	return in.store.Connection(ctx, "", id)
}

// receive verifies a request and stores it.
func (in *Intake) receive(w http.ResponseWriter, r *http.Request, c *carillon.Connection) (*carillon.Inbound, error) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(in.limits.Read)) // not every server has one; the bound on bytes stays
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, in.limits.Body))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, reason: "the body is larger than this server takes"}
	case err != nil:
		return nil, &refusal{status: http.StatusBadRequest, reason: "the body did not come in whole"}
	case len(r.Header.Get("Content-Encoding")) > 0 && r.Header.Get("Content-Encoding") != "identity":
		return nil, &refusal{status: http.StatusUnsupportedMediaType, reason: "the body is encoded: send it as it is"}
	}
	verify, err := verifierOf(c, in)
	if err != nil {
		return nil, err
	}
	if err := verify(r.Context(), r, body); err != nil {
		return nil, err
	}
	contentType := r.Header.Get("Content-Type")
	if len(contentType) > maxContentType {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, reason: "the content type is too long"}
	}
	d := &carillon.Inbound{
		ID: carillon.NewID("inb"), Org: c.Org, Connection: c.ID, State: carillon.InboxReceived,
		ReceivedAt: in.now().UTC().Truncate(time.Millisecond), ContentType: contentType, Header: keep(r.Header, c.Verify), Body: masked(c.Verify, contentType, body),
	}
	// Once it is begun it is finished: a vendor that hangs up in between will send it again, and that is known as a repeat.
	ctx := context.WithoutCancel(r.Context())
	if err := in.store.Update(ctx, func(ctx context.Context, tx store.Tx) error { return tx.AddInbound(ctx, d) }); err != nil {
		return nil, err
	}
	in.observe(d)
	in.wake(c.ID)
	return d, nil
}

// keep gives the headers worth keeping; nil if there are none.
func keep(h http.Header, v carillon.Verify) map[string]string {
	var kept map[string]string
	for name, values := range h {
		if v.Type == carillon.VerifyHeader && strings.EqualFold(name, v.Name) {
			continue
		}
		if !keptHeaders[name] && !strings.HasPrefix(name, "Ce-") || len(values[0]) > maxHeaderValue || len(kept) >= maxHeaders {
			continue
		}
		if kept == nil {
			kept = map[string]string{}
		}
		kept[name] = values[0]
	}
	return kept
}

// refuse answers a request that was not stored.
func (in *Intake) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var no *refusal
	switch {
	case errors.As(err, &no):
		if no.challenge != "" {
			w.Header().Set("WWW-Authenticate", no.challenge)
		}
	case carillon.IsNotFound(err):
		no = &refusal{status: http.StatusNotFound, reason: "there is no such connection"}
	default:
		// The vendor sends it again.
		in.log.ErrorContext(r.Context(), "receive a webhook", "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", "5")
		no = &refusal{status: http.StatusServiceUnavailable, reason: "the delivery could not be stored: send it again"}
	}
	title := http.StatusText(no.status)
	if no.status == statusBadSignature {
		title = "Invalid Signature"
	}
	answer(w, no.status, problem{title, no.status, no.reason})
}

// problem is what a refused request is answered with (RFC 9457).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// answer writes a body of JSON.
func answer[Body map[string]string | problem](w http.ResponseWriter, status int, body Body) {
	w.Header().Set("Content-Type", "application/json")
	if status >= http.StatusBadRequest {
		w.Header().Set("Content-Type", "application/problem+json")
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if text, err := json.Marshal(body); err == nil { // texts and numbers: it never fails
		w.Write(text)
	}
}
