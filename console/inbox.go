package console

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"carillon"
	"carillon/store"
)

// Bounds of the inbox's pages.
const (
	listedConnections = 50
	listedDeliveries  = 40
	listedTypes       = 3   // of what a delivery told, in a list
	listedTold        = 50  // of what a delivery told, on its page
	followedChanges   = 100 // of those that a delivery made, on its page
	maxTally          = 100 // deliveries counted of a connection in one state
	dumpedBytes       = 4 << 10
)

// inboxStates are what deliveries are listed by.
var inboxStates = []carillon.InboxState{
	carillon.InboxReceived, carillon.InboxApplied, carillon.InboxDuplicate, carillon.InboxQuarantined,
}

// inboxPage is the content of /console/inbox.
type inboxPage struct {
	Connections []connectionRow
	Hidden      int64  // connections that are not shown
	Chosen      string // the name of the connection that the list is restricted to
	Everything  string // where it is not
	States      []stateChoice
	Deliveries  []deliveryRow
	Older       string // "" where the list ends
	Newest      string // "" where it begins
	BaseURL     string
	Key         string // as it stands in the example
}

// connectionRow is a connection and what waits for it.
type connectionRow struct {
	Name, Dialect  string
	Verify         carillon.VerifyType
	Path           string // that the vendor posts to
	URL            string // of its deliveries
	Current        bool
	Received       tally
	ReceivedURL    string
	Quarantined    tally
	QuarantinedURL string
}

// tally is a count that stops at maxTally.
type tally int

func (t tally) String() string {
	if t > maxTally {
		return strconv.Itoa(maxTally) + "+"
	}
	return strconv.Itoa(int(t))
}

// stateChoice is one of the ways to restrict the list.
type stateChoice struct {
	Label   string
	URL     string
	Current bool
}

// deliveryRow is a delivery in a list.
type deliveryRow struct {
	ID         string
	URL        string
	State      carillon.InboxState
	Connection string // its name
	Types      []string
	More       int    // types that are not shown
	Record     string // the first that it is about
	Reason     string // why it is quarantined
	ReceivedAt time.Time
}

// inboxURL is where deliveries are listed. Zero arguments restrict nothing.
func inboxURL(connection string, state carillon.InboxState, after int64) string {
	query := url.Values{}
	if connection != "" {
		query.Set("connection", connection)
	}
	if state != "" {
		query.Set("state", string(state))
	}
	if after > 0 {
		query.Set("after", strconv.FormatInt(after, 10))
	}
	if len(query) == 0 {
		return "/console/inbox"
	}
	return "/console/inbox?" + query.Encode()
}

func deliveryURL(id string) string { return "/console/inbox/" + url.PathEscape(id) }

// nameOf is what people call a connection.
func nameOf(c *carillon.Connection) string {
	if c.Name == "" {
		return c.ID
	}
	return c.Name
}

func (c *console) showInbox(w http.ResponseWriter, r *http.Request, who visitor) error {
	query, err := inboxQuery(r, who.Org)
	if err != nil {
		return err
	}
	connections, err := c.Store.Connections(r.Context(), who.Org)
	if err != nil {
		return fmt.Errorf("list connections: %w", err)
	}
	p := inboxPage{BaseURL: baseURL(r), Key: keyInExamples(who), Everything: inboxURL("", query.State, 0)}
	names := make(map[string]string, len(connections))
	for _, one := range connections {
		names[one.ID] = nameOf(one)
	}
	if query.Connection != "" {
		if p.Chosen = names[query.Connection]; p.Chosen == "" {
			return carillon.NotFound("the connection", shorten(query.Connection, 40))
		}
	}
	slices.SortStableFunc(connections, func(a, b *carillon.Connection) int { return strings.Compare(nameOf(a), nameOf(b)) })
	p.Hidden = int64(max(len(connections)-listedConnections, 0))
	for _, one := range connections[:min(len(connections), listedConnections)] {
		row, err := c.connectionRow(r.Context(), one, query)
		if err != nil {
			return err
		}
		p.Connections = append(p.Connections, row)
	}
	p.States = append(p.States, stateChoice{"all", inboxURL(query.Connection, "", 0), query.State == ""})
	for _, state := range inboxStates {
		p.States = append(p.States, stateChoice{string(state), inboxURL(query.Connection, state, 0), query.State == state})
	}
	deliveries, err := c.Store.Inbox(r.Context(), query)
	if err != nil {
		return fmt.Errorf("list the inbox: %w", err)
	}
	if len(deliveries) > listedDeliveries {
		deliveries = deliveries[:listedDeliveries]
		p.Older = inboxURL(query.Connection, query.State, deliveries[listedDeliveries-1].Position)
	}
	if query.After > 0 {
		p.Newest = inboxURL(query.Connection, query.State, 0)
	}
	for _, d := range deliveries {
		p.Deliveries = append(p.Deliveries, rowOf(d, names[d.Connection]))
	}
	return c.views.render(w, http.StatusOK, "inbox", page{Title: "Inbox", Who: &who, Content: p})
}

// inboxQuery reads which deliveries are asked for. It fails with not_found for what there cannot be.
func inboxQuery(r *http.Request, org string) (store.InboxQuery, error) {
	asked := r.URL.Query()
	query := store.InboxQuery{
		Org: org, Connection: asked.Get("connection"), State: carillon.InboxState(asked.Get("state")), Limit: listedDeliveries + 1,
	}
	if query.State != "" && !slices.Contains(inboxStates, query.State) {
		return query, carillon.NotFound("the state", shorten(string(query.State), 40))
	}
	if after := asked.Get("after"); after != "" {
		n, err := strconv.ParseInt(after, 10, 64)
		if err != nil || n < 1 {
			return query, carillon.NotFound("the page after", shorten(after, 40))
		}
		query.After = n
	}
	return query, nil
}

func (c *console) connectionRow(ctx context.Context, one *carillon.Connection, chosen store.InboxQuery) (connectionRow, error) {
	row := connectionRow{
		Name: nameOf(one), Dialect: one.Dialect, Verify: one.Verify.Type, Path: "/in/" + one.ID,
		URL: inboxURL(one.ID, chosen.State, 0), Current: one.ID == chosen.Connection,
		ReceivedURL: inboxURL(one.ID, carillon.InboxReceived, 0), QuarantinedURL: inboxURL(one.ID, carillon.InboxQuarantined, 0),
	}
	for state, n := range map[carillon.InboxState]*tally{carillon.InboxReceived: &row.Received, carillon.InboxQuarantined: &row.Quarantined} {
		found, err := c.Store.Inbox(ctx, store.InboxQuery{Org: one.Org, Connection: one.ID, State: state, Limit: maxTally + 1})
		if err != nil {
			return row, fmt.Errorf("count deliveries: %w", err)
		}
		*n = tally(len(found))
	}
	return row, nil
}

// rowOf is a delivery in a list, with its connection's name.
func rowOf(d *carillon.Inbound, connection string) deliveryRow {
	row := deliveryRow{
		ID: d.ID, URL: deliveryURL(d.ID), State: d.State, Connection: connection, ReceivedAt: d.ReceivedAt,
	}
	if row.Connection == "" {
		row.Connection = d.Connection
	}
	seen := map[string]bool{}
	for _, e := range d.Told {
		if row.Record == "" {
			row.Record = e.Record
		}
		if seen[e.Type] {
			continue
		}
		seen[e.Type] = true
		if len(row.Types) < listedTypes {
			row.Types = append(row.Types, shorten(e.Type, 80))
		}
	}
	row.More = len(seen) - len(row.Types)
	if d.Problem != nil {
		row.Reason = shorten(reasonOf(d.Problem), 200)
	}
	return row
}

// reasonOf says in one sentence why a delivery is quarantined.
func reasonOf(p *carillon.InboundProblem) string {
	if len(p.Faults) == 0 {
		return p.Message
	}
	return strings.TrimSpace(p.Faults[0].Member + " " + p.Faults[0].Reason)
}

// delivery is one delivery in full.
type delivery struct {
	deliveryRow
	ConnectionURL string
	Dialect       string
	ProcessedAt   time.Time
	Attempts      int
	ContentType   string
	Awaits        string
	Why           *carillon.InboundProblem
	Told          []toldEvent
	Untold        int64 // events that are not shown
	Notes         []string
	Headers       []header
	Size          int64
	Form          bool // what is shown of the body is a field of a form
	Dump          bool // it is no text: its bytes are shown
	Body          []token
}

type header struct{ Name, Value string }

// toldEvent is one event that a delivery told, with the changes that it made.
type toldEvent struct {
	carillon.InboundEvent
	Rows   []eventRow // the events of its changes
	Silent []int64    // the changes that mean nothing to those who are told of them here
	// RecordURL is where the record's newest change is shown, where this event made none.
	RecordURL string
}

func (c *console) showDelivery(w http.ResponseWriter, r *http.Request, who visitor) error {
	d, err := c.Intake.Inbound(r.Context(), who.Org, r.PathValue("id"))
	if err != nil {
		return err
	}
	detail, err := c.delivery(r.Context(), d)
	if err != nil {
		return err
	}
	if fromScript(r) {
		return c.views.renderPart(w, "delivery-detail", detail)
	}
	return c.views.render(w, http.StatusOK, "delivery", page{Title: "Delivery", Who: &who, Content: detail})
}

// retryDelivery runs a quarantined delivery again and shows what comes of it.
func (c *console) retryDelivery(w http.ResponseWriter, r *http.Request, who visitor) error {
	id := r.PathValue("id")
	_, err := c.Intake.Retry(r.Context(), who.Org, id)
	if err != nil && carillon.ErrorCode(err) != carillon.CodeConflict { // somebody was quicker: its page shows how it stands
		return err
	}
	http.Redirect(w, r, deliveryURL(id), http.StatusSeeOther)
	return nil
}

func (c *console) delivery(ctx context.Context, d *carillon.Inbound) (*delivery, error) {
	detail := &delivery{
		ConnectionURL: inboxURL(d.Connection, "", 0), ProcessedAt: d.ProcessedAt, Attempts: d.Attempts, ContentType: d.ContentType,
		Why: d.Problem, Notes: d.Notes, Size: int64(len(d.Body)),
	}
	if d.Awaits.ID != "" {
		detail.Awaits = d.Awaits.String()
	}
	name := ""
	switch connection, err := c.Store.Connection(ctx, d.Org, d.Connection); {
	case err == nil:
		name, detail.Dialect = nameOf(connection), connection.Dialect
	case !carillon.IsNotFound(err): // one that is being deleted goes by its id
		return nil, fmt.Errorf("read connection %s: %w", d.Connection, err)
	}
	detail.deliveryRow = rowOf(d, name)
	for _, name := range slices.Sorted(maps.Keys(d.Header)) {
		detail.Headers = append(detail.Headers, header{name, d.Header[name]})
	}
	detail.showBody(d)
	detail.Untold = int64(max(len(d.Told)-listedTold, 0))
	followed := 0
	for _, e := range d.Told[:min(len(d.Told), listedTold)] {
		told := toldEvent{InboundEvent: e}
		for _, seq := range e.Seqs {
			if followed++; followed > followedChanges {
				told.Silent = append(told.Silent, seq)
				continue
			}
			rows, err := c.rowsOf(ctx, d.Org, store.LogQuery{After: seq - 1, Until: seq, Limit: 1})
			if err != nil {
				return nil, err
			}
			if len(rows) == 0 {
				told.Silent = append(told.Silent, seq)
			}
			told.Rows = append(told.Rows, rows...)
		}
		if ref, ok := refOf(e.Record); ok && len(e.Seqs) == 0 {
			rows, err := c.rowsOf(ctx, d.Org, store.LogQuery{Ref: &ref, Limit: 1, Descending: true})
			if err != nil {
				return nil, err
			}
			if len(rows) > 0 {
				told.RecordURL = fmt.Sprintf("/console/events/%d/0", rows[0].Seq)
			}
		}
		detail.Told = append(detail.Told, told)
	}
	return detail, nil
}

// rowsOf gives the events of the one change that a query finds.
func (c *console) rowsOf(ctx context.Context, org string, q store.LogQuery) ([]eventRow, error) {
	changes, err := c.Store.Changes(ctx, org, q)
	if err != nil {
		return nil, fmt.Errorf("read a change that a delivery made: %w", err)
	}
	if len(changes) == 0 {
		return nil, nil
	}
	return c.rows(changes[0]), nil
}

// refOf reads what carillon.Ref.Path wrote.
func refOf(path string) (carillon.Ref, bool) {
	kind, id, ok := strings.Cut(path, "/")
	ref := carillon.Ref{Kind: carillon.Kind(kind), ID: id}
	if ref.Kind == carillon.KindCustom {
		ref.Module, ref.ID, ok = strings.Cut(id, "/")
	}
	return ref, ok
}

// showBody makes what came readable: JSON, that of a form's field payload too, indented; text as it is; all else as bytes.
func (d *delivery) showBody(in *carillon.Inbound) {
	if !utf8.Valid(in.Body) {
		d.Dump = true
		d.Body = []token{{Text: hex.Dump(in.Body[:min(len(in.Body), dumpedBytes)])}}
		return
	}
	body := in.Body
	if media, _, err := mime.ParseMediaType(in.ContentType); err == nil && media == "application/x-www-form-urlencoded" {
		if form, err := url.ParseQuery(string(body)); err == nil && form.Get("payload") != "" && utf8.ValidString(form.Get("payload")) {
			d.Form = true
			body = []byte(form.Get("payload"))
		}
	}
	d.Body = coloured(body)
}
