package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"carillon"
)

// Envelope is an event in the platform's own format.
type Envelope struct {
	EventID   string          `json:"eventId"`
	EventType string          `json:"eventType"`
	Timestamp string          `json:"timestamp"`
	OrgID     string          `json:"orgId"`
	Actor     carillon.Actor  `json:"actor"`
	Payload   json.RawMessage `json:"payload"`
}

// Event is one event of the log.
type Event struct {
	// Seq is that of the change it comes from.
	Seq int64
	// Envelope is empty in other dialects than the platform's.
	Envelope
	// JSON is the whole answer: the message's body with the member seq added.
	JSON json.RawMessage
}

// UnmarshalJSON keeps the JSON whole and reads what the platform's events have.
func (e *Event) UnmarshalJSON(data []byte) error {
	var known struct {
		Seq int64 `json:"seq"`
	}
	if err := json.Unmarshal(data, &known); err != nil {
		return err
	}
	e.Seq = known.Seq
	if err := json.Unmarshal(data, &e.Envelope); err != nil {
		e.Envelope = Envelope{} // another dialect has members of these names and other types
	}
	e.JSON = append(json.RawMessage(nil), data...)
	return nil
}

// MarshalJSON gives the event's JSON as it came.
func (e *Event) MarshalJSON() ([]byte, error) {
	if e.JSON == nil {
		return []byte("null"), nil
	}
	return e.JSON, nil
}

// EventQuery selects events.
type EventQuery struct {
	After   int64    // the seq after which to begin; 0 means the beginning
	Cursor  string   // Page.Next of the page before, instead of After
	Limit   int      // of a page
	Types   []string // exact, or patterns with *; empty means all
	Account string   // of one account only
	Dialect string   // "platform" by default
	// Settings are what the dialect needs to know, as in a subscription; nil means its defaults.
	Settings json.RawMessage
}

func (q EventQuery) values() url.Values {
	v := url.Values{}
	switch {
	case q.Cursor != "":
		v.Set("after", q.Cursor)
	case q.After > 0:
		v.Set("after", strconv.FormatInt(q.After, 10))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if len(q.Types) > 0 {
		v.Set("types", strings.Join(q.Types, ","))
	}
	if q.Account != "" {
		v.Set("account", q.Account)
	}
	if q.Dialect != "" {
		v.Set("dialect", q.Dialect)
	}
	if len(q.Settings) > 0 {
		v.Set("settings", string(q.Settings))
	}
	return v
}

// Events reads one page of events in the order of the log.
func (c *Client) Events(ctx context.Context, q EventQuery) (Page[*Event], error) {
	return readPage[*Event](ctx, c, "/v1/events", q.values())
}

// AllEvents walks the events that exist, in the order of the log.
func (c *Client) AllEvents(ctx context.Context, q EventQuery) iter.Seq2[*Event, error] {
	return walk[*Event](ctx, c, "/v1/events", q.values())
}

// Event reads one event; dialect "" is the platform's.
func (c *Client) Event(ctx context.Context, id, dialect string) (*Event, error) {
	e := new(Event)
	err := c.call(ctx, http.MethodGet, "/v1/events/"+url.PathEscape(id), EventQuery{Dialect: dialect}.values(), nil, e)
	if err != nil {
		return nil, err
	}
	return e, nil
}
