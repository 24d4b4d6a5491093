package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"carillon/client"
)

type eventsCmd struct {
	List   eventsListCmd   `cmd:"" help:"List events of the log, oldest first."`
	Tail   eventsTailCmd   `cmd:"" help:"Follow events as they happen."`
	Show   eventsShowCmd   `cmd:"" help:"Show one event whole."`
	Resend eventsResendCmd `cmd:"" help:"Send the events of one change to a subscription again."`
}

// eventFlags select events.
type eventFlags struct {
	Types   []string `help:"Only events of these types; * stands for any run of characters." placeholder:"TYPE"`
	Account string   `help:"Only events of this account." placeholder:"ID"`
	Dialect string   `help:"Tell events in this dialect." default:"platform"`
}

func (f eventFlags) query() client.EventQuery {
	return client.EventQuery{Types: f.Types, Account: f.Account, Dialect: f.Dialect}
}

type eventsListCmd struct {
	serverFlags `embed:""`
	eventFlags  `embed:""`
	After       int64 `help:"Begin after the change with this seq." placeholder:"SEQ"`
	Limit       int   `help:"List at most so many events; 0 means all." default:"50"`
	JSON        bool  `help:"Print JSON, one event a line."`
}

// Run lists events.
func (c *eventsListCmd) Run(ctx context.Context, d *desk) error {
	if c.Limit < 0 || c.After < 0 {
		return wrongUsage("--limit and --after cannot be negative")
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	q := c.query()
	q.After = c.After
	if c.Limit > 0 {
		q.Limit = min(c.Limit, 500)
	}
	events := table{header: eventHeader}
	n := 0
	for e, err := range api.AllEvents(ctx, q) {
		if err != nil {
			return err
		}
		if c.JSON {
			if err := printJSON(d.stdout, e); err != nil {
				return err
			}
		} else {
			events.add(eventRow(e)...)
		}
		if n++; n == c.Limit {
			break
		}
	}
	if c.JSON {
		return nil
	}
	return events.print(d.stdout)
}

var eventHeader = []string{"SEQ", "TIME", "TYPE", "ID", "ACTOR"}

func eventRow(e *client.Event) []string {
	return []string{strconv.FormatInt(e.Seq, 10), shortTime(e.Timestamp), e.EventType, e.EventID, e.Actor.ID}
}

// shortTime is an event's time as a terminal has room for: local, to the millisecond.
func shortTime(timestamp string) string {
	t, err := time.Parse(time.RFC3339Nano, timestamp)
	if err != nil {
		return timestamp
	}
	return t.Local().Format("01-02 15:04:05.000")
}

type eventsTailCmd struct {
	serverFlags `embed:""`
	eventFlags  `embed:""`
	After       int64 `help:"Begin after the change with this seq, instead of now; 0 is the beginning." default:"-1" placeholder:"SEQ"`
	Max         int   `help:"Stop after so many events; 0 means never." placeholder:"N"`
	JSON        bool  `help:"Print JSON, one event a line."`
}

// Run follows events until it is interrupted.
func (c *eventsTailCmd) Run(ctx context.Context, d *desk) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	if err := beginStream(ctx, d, api); err != nil {
		return err
	}
	n := 0
	for e, err := range api.Stream(ctx, streamFrom(c.query(), c.After)) {
		if err != nil {
			return err
		}
		if err := printStreamed(d.stdout, e, c.JSON, ""); err != nil {
			return err
		}
		if n++; n == c.Max {
			break
		}
	}
	return nil
}

// beginStream fails if the server cannot be reached now; later it is waited for, and the wait is told.
func beginStream(ctx context.Context, d *desk, api *client.Client) error {
	if _, err := api.Do(ctx, http.MethodGet, "/healthz", nil, nil); err != nil {
		return err
	}
	backoff := api.Backoff
	api.Backoff = func(n int) time.Duration {
		fmt.Fprintf(d.stderr, "the connection to %s was lost; connecting again\n", api.BaseURL())
		return backoff(n)
	}
	return nil
}

func streamFrom(q client.EventQuery, after int64) client.StreamQuery {
	q.After = max(after, 0)
	return client.StreamQuery{EventQuery: q, FromNow: after < 0}
}

// printStreamed prints one event of a stream as a line; what became of it stands at the end.
func printStreamed(w io.Writer, e client.StreamEvent, asJSON bool, outcome string) error {
	if asJSON {
		return printJSON(w, struct {
			Seq     int64           `json:"seq"`
			Type    string          `json:"type"`
			Message json.RawMessage `json:"message"`
			Outcome string          `json:"outcome,omitzero"`
		}{e.Seq, e.Type, e.Message, outcome})
	}
	id, at := e.ID, ""
	if envelope, err := e.Envelope(); err == nil {
		id, at = envelope.EventID, shortTime(envelope.Timestamp)
	}
	line := fmt.Sprintf("%8d  %s  %-44s  %s  %s", e.Seq, at, e.Type, id, outcome)
	_, err := fmt.Fprintln(w, strings.TrimRight(line, " "))
	return err
}

type eventsShowCmd struct {
	serverFlags `embed:""`
	ID          string `arg:"" help:"The event's id."`
	Dialect     string `help:"Tell it in this dialect." default:"platform"`
	JSON        bool   `help:"Print JSON on one line."`
}

// Run prints one event.
func (c *eventsShowCmd) Run(ctx context.Context, d *desk) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	e, err := api.Event(ctx, c.ID, c.Dialect)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(d.stdout, e)
	}
	encoder := json.NewEncoder(d.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(e)
}

type eventsResendCmd struct {
	serverFlags  `embed:""`
	ID           string `arg:"" help:"The event's id."`
	Subscription string `help:"The subscription that is to get it again." required:"true" placeholder:"ID"`
	JSON         bool   `help:"Print JSON."`
}

// Run has the event's change told to the subscription again.
func (c *eventsResendCmd) Run(ctx context.Context, d *desk) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	e, err := api.Event(ctx, c.ID, "")
	if err != nil {
		return err
	}
	if err := api.Replay(ctx, c.Subscription, client.Range{FromSeq: e.Seq, ToSeq: e.Seq}); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(d.stdout, map[string]any{"subscription": c.Subscription, "seq": e.Seq})
	}
	_, err = fmt.Fprintf(d.stdout, "the events of change %d are sent to %s again\n", e.Seq, c.Subscription)
	return err
}
