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
	"carillon/dialect"
	"carillon/dialect/platform"
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
	Setting []string `help:"What the dialect needs to know, as in a subscription's settings: mode=binary. Values are JSON, or else text." sep:"none" placeholder:"NAME=VALUE"`
}

func (f eventFlags) query() (client.EventQuery, error) {
	q := client.EventQuery{Types: f.Types, Account: f.Account, Dialect: f.Dialect}
	if len(f.Setting) == 0 {
		return q, nil
	}
	settings := map[string]json.RawMessage{}
	for _, setting := range f.Setting {
		name, value, ok := strings.Cut(setting, "=")
		if !ok || name == "" {
			return q, wrongUsage("--setting: %q is not NAME=VALUE", setting)
		}
		if settings[name] = json.RawMessage(value); !json.Valid(settings[name]) {
			settings[name] = dialect.AppendString(nil, value)
		}
	}
	var err error
	q.Settings, err = json.Marshal(settings)
	return q, err
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
	q, err := c.query()
	if err != nil {
		return err
	}
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
	if c.Dialect != platform.Name { // whose messages alone say all that a row has
		outlines, err := outlinesOf(ctx, api, q, n)
		if err != nil {
			return err
		}
		return printOutlines(d.stdout, outlines)
	}
	return events.print(d.stdout)
}

// outlinesOf gives the first n of the events that q selects, which must exist, as the stream tells them: in every dialect
// with their type, id and lane, which only the platform's messages say themselves.
func outlinesOf(ctx context.Context, api *client.Client, q client.EventQuery, n int) ([]client.StreamEvent, error) {
	var list []client.StreamEvent
	if n == 0 {
		return list, nil
	}
	for e, err := range api.Stream(ctx, client.StreamQuery{EventQuery: q}) {
		if err != nil {
			return nil, err
		}
		if list = append(list, e); len(list) == n {
			break
		}
	}
	return list, ctx.Err()
}

func printOutlines(w io.Writer, outlines []client.StreamEvent) error {
	events := table{header: []string{"SEQ", "TIME", "TYPE", "ID", "LANE"}}
	for _, e := range outlines {
		events.add(strconv.FormatInt(e.Seq, 10), localTime(e.Time), e.Type, e.ID, e.Lane)
	}
	return events.print(w)
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
	return localTime(t)
}

func localTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("01-02 15:04:05.000")
}

type eventsTailCmd struct {
	serverFlags `embed:""`
	eventFlags  `embed:""`
	After       int64 `help:"Begin after the change with this seq, instead of now; 0 is the beginning." default:"-1" placeholder:"SEQ"`
	Max         int   `help:"Stop after so many events; 0 means never." placeholder:"N"`
	Body        bool  `help:"Print each event's message under its line."`
	JSON        bool  `help:"Print JSON, one event a line."`
}

// Run follows events until it is interrupted.
func (c *eventsTailCmd) Run(ctx context.Context, d *desk) error {
	q, err := c.query()
	if err != nil {
		return err
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	if err := beginStream(ctx, d, api); err != nil {
		return err
	}
	lines := printer{w: d.stdout, json: c.JSON, body: c.Body}
	n := 0
	for e, err := range api.Stream(ctx, streamFrom(q, c.After)) {
		if err != nil {
			return err
		}
		if err := lines.event(e, outcome{}); err != nil {
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
