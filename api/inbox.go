package api

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"carillon"
	"carillon/store"
)

// InboxItem is a delivery: what a vendor posted to a connection, and what became of it. Headers and body are there
// where one delivery is read.
type InboxItem struct {
	ID          string              `json:"id"`
	Connection  string              `json:"connection"`
	State       carillon.InboxState `json:"state" enum:"received,applied,duplicate,quarantined"`
	ReceivedAt  time.Time           `json:"receivedAt"`
	ProcessedAt time.Time           `json:"processedAt,omitzero" doc:"when it was last tried; absent until then"`
	ContentType string              `json:"contentType"`
	Attempts    int                 `json:"attempts" doc:"how often it was tried"`
	Events      []InboxEvent        `json:"events" nullable:"false" doc:"what the dialect read out of it, in the order applied"`
	Notes       []string            `json:"notes" nullable:"false" doc:"what had to be mended to read it, and what was passed over"`
	Problem     *InboxProblem       `json:"problem,omitempty" doc:"why it is quarantined"`
	Awaits      string              `json:"awaits,omitempty" doc:"the record that must exist before it can be applied, such as account/acc_1; it is run again by itself when that is created"`

	Headers      map[string]string `json:"headers,omitempty" doc:"those that the dialect reads; none with credentials"`
	Body         *string           `json:"body,omitzero" nullable:"false" doc:"as it came, a secret that proves requests masked; in base64 if it is not UTF-8"`
	BodyEncoding string            `json:"bodyEncoding,omitempty" enum:"base64"`
}

// InboxEvent is one event that a delivery told.
type InboxEvent struct {
	ID      string    `json:"id" doc:"the vendor's own, or one derived from what the event says"`
	Type    string    `json:"type" doc:"the vendor's name for it"`
	At      time.Time `json:"at,omitzero" doc:"the vendor's time; absent if the vendor tells none"`
	Record  string    `json:"record,omitempty" doc:"what it is about, such as account/acc_1"`
	Outcome string    `json:"outcome,omitempty" enum:"changed,unchanged,late,repeated,ignored,failed" doc:"absent as long as it waits"`
	Seqs    []int64   `json:"seqs" nullable:"false" doc:"the changes it made"`
}

// InboxProblem is why a delivery could not be read or applied.
type InboxProblem struct {
	Code    carillon.Code  `json:"code"`
	Message string         `json:"message"`
	Faults  []ProblemFault `json:"faults,omitempty" nullable:"false" doc:"members of the vendor's body, or of the record that it would make"`
	Hint    string         `json:"hint,omitempty"`
}

// inboxItem is a delivery without what came.
func inboxItem(d *carillon.Inbound) InboxItem {
	out := InboxItem{
		ID: d.ID, Connection: d.Connection, State: d.State, ReceivedAt: d.ReceivedAt, ProcessedAt: d.ProcessedAt,
		ContentType: plain(d.ContentType), Attempts: d.Attempts, Events: make([]InboxEvent, len(d.Told)), Notes: []string{},
	}
	for i, e := range d.Told {
		out.Events[i] = InboxEvent{
			ID: plain(e.ID), Type: plain(e.Type), At: e.At, Record: e.Record, Outcome: e.Outcome, Seqs: slices.Concat([]int64{}, e.Seqs),
		}
	}
	for _, note := range d.Notes {
		out.Notes = append(out.Notes, plain(note))
	}
	if p := d.Problem; p != nil {
		out.Problem = &InboxProblem{Code: p.Code, Message: plain(p.Message), Hint: p.Hint}
		for _, f := range p.Faults {
			out.Problem.Faults = append(out.Problem.Faults, ProblemFault{Member: plain(f.Member), Reason: plain(f.Reason)})
		}
	}
	if d.Awaits.ID != "" {
		out.Awaits = d.Awaits.Path()
	}
	return out
}

// wholeInboxItem is a delivery with what came.
func wholeInboxItem(d *carillon.Inbound) InboxItem {
	out := inboxItem(d)
	for name, value := range d.Header {
		if out.Headers == nil {
			out.Headers = map[string]string{}
		}
		out.Headers[name] = plain(value)
	}
	body := string(d.Body)
	if !utf8.ValidString(body) {
		body, out.BodyEncoding = base64.StdEncoding.EncodeToString(d.Body), "base64"
	}
	out.Body = &body
	return out
}

// inboxStates are what ?state= may be.
var inboxStates = []carillon.InboxState{
	carillon.InboxReceived, carillon.InboxApplied, carillon.InboxDuplicate, carillon.InboxQuarantined,
}

// inboxQuery reads which deliveries are wanted.
func (r *request) inboxQuery() (q store.InboxQuery, err error) {
	q = store.InboxQuery{Org: r.org(), Connection: r.query.Get("connection"), State: carillon.InboxState(r.query.Get("state"))}
	if q.Connection != "" && !carillon.ValidID(q.Connection) {
		return q, carillon.Invalid("connection", idRule)
	}
	if q.State != "" && !slices.Contains(inboxStates, q.State) {
		return q, carillon.Invalid("state", "is none of received, applied, duplicate, quarantined")
	}
	if q.Limit, err = r.limit(); err != nil {
		return q, err
	}
	after, err := r.cursor()
	if err != nil || after == "" {
		return q, err
	}
	if q.After, err = strconv.ParseInt(after, 10, 64); err != nil || q.After < 1 {
		return q, errCursor()
	}
	return q, nil
}

func (s *server) listInbox(w http.ResponseWriter, r *request) error {
	query, err := r.inboxQuery()
	if err != nil {
		return err
	}
	limit := query.Limit
	query.Limit++ // one more tells whether another page follows
	deliveries, err := s.store.Inbox(r.Context(), query)
	if err != nil {
		return fmt.Errorf("list the inbox: %w", err)
	}
	next := ""
	if len(deliveries) > limit {
		deliveries = deliveries[:limit]
		next = cursorOf(strconv.FormatInt(deliveries[limit-1].Position, 10))
	}
	items := make([]InboxItem, len(deliveries))
	for i, d := range deliveries {
		items[i] = inboxItem(d)
	}
	return writeJSON(w, http.StatusOK, page(items, next))
}

func (s *server) getInboxItem(w http.ResponseWriter, r *request) error {
	id, err := r.pathID("id", "the delivery")
	if err != nil {
		return err
	}
	d, err := s.intake.Inbound(r.Context(), r.org(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, wholeInboxItem(d))
}

func (s *server) retryInboxItem(w http.ResponseWriter, r *request) error {
	id, err := r.pathID("id", "the delivery")
	if err != nil {
		return err
	}
	d, err := s.intake.Retry(r.Context(), r.org(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, wholeInboxItem(d))
}
