package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"carillon"
)

// Subscription is who wants which events, in which dialect, into which sink. Members left at their zero value get
// the server's default.
type Subscription struct {
	ID          string          `json:"id,omitzero"`
	Name        string          `json:"name,omitzero"`
	Dialect     string          `json:"dialect,omitzero"` // "platform" by default
	Events      []string        `json:"events,omitzero"`  // patterns; empty means all
	Filter      string          `json:"filter,omitzero"`
	Sink        carillon.Sink   `json:"sink"`
	Start       Start           `json:"start,omitzero"`
	Batch       *Batch          `json:"batch,omitzero"`
	Concurrency int             `json:"concurrency,omitzero"`
	Rate        float64         `json:"ratePerSecond,omitzero"` // messages a second; 0 means no bound
	OnGiveUp    string          `json:"onGiveUp,omitzero"`
	Echo        bool            `json:"echo,omitzero"`
	Retry       *Retry          `json:"retry,omitzero"`
	Settings    json.RawMessage `json:"settings,omitzero"`

	// The server's part.
	State          carillon.State `json:"state,omitzero"`
	Cursor         int64          `json:"cursor,omitzero"`
	Lag            int64          `json:"lag,omitzero"`    // changes behind the head of the log
	Secret         string         `json:"secret,omitzero"` // whsec_…, told on creation and rotation only
	ParkedLanes    int            `json:"parkedLanes,omitzero"`
	DeadLetters    int            `json:"deadLetters,omitzero"`
	Delivered      int64          `json:"delivered,omitzero"`
	Failed         int64          `json:"failed,omitzero"`
	LastError      string         `json:"lastError,omitzero"`
	DisabledReason string         `json:"disabledReason,omitzero"`
	CreatedAt      time.Time      `json:"createdAt,omitzero"`
	UpdatedAt      time.Time      `json:"updatedAt,omitzero"`
}

// Batch bounds how many events go in one message, and how long one may wait to fill.
type Batch struct {
	Max    int   `json:"max"`
	WaitMS int64 `json:"waitMs"`
}

// Retry is the waiting time before each further attempt, as Go durations: "5s", "2h".
type Retry struct {
	Schedule []string `json:"schedule"`
}

// Start is where a new subscription begins: "now", "beginning", "snapshot", or a seq in digits (that change
// comes first).
type Start string

// MarshalJSON writes a seq as a number and a word as a string.
func (s Start) MarshalJSON() ([]byte, error) {
	if _, err := strconv.ParseInt(string(s), 10, 64); err == nil {
		return []byte(s), nil
	}
	return json.Marshal(string(s))
}

// UnmarshalJSON reads a word or a number.
func (s *Start) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, (*string)(s))
	}
	*s = Start(data)
	return nil
}

// DeadLetter is what is left of a message when the policy gave up.
type DeadLetter struct {
	ID         string    `json:"id"`
	EventID    string    `json:"eventId"`
	EventType  string    `json:"eventType"`
	Seq        int64     `json:"seq"`
	Lane       string    `json:"lane"`
	Attempts   int       `json:"attempts"`
	LastStatus int       `json:"lastStatus"`
	LastError  string    `json:"lastError"`
	CreatedAt  time.Time `json:"createdAt"`
}

// Attempt is one try to deliver.
type Attempt struct {
	EventID    string           `json:"eventId"`
	EventType  string           `json:"eventType"`
	Seq        int64            `json:"seq"`
	Lane       string           `json:"lane"`
	Number     int              `json:"number"`
	At         time.Time        `json:"at"`
	DurationMS float64          `json:"durationMs"`
	Outcome    carillon.Outcome `json:"outcome"`
	Status     int              `json:"status"`
	Error      string           `json:"error"`
	Response   string           `json:"response"`
}

const subscriptions = "/v1/subscriptions"

func subscriptionPath(id string, act ...string) string {
	path := subscriptions + "/" + url.PathEscape(id)
	for _, a := range act {
		path += "/" + a
	}
	return path
}

// CreateSubscription makes a subscription; the answer carries its id and secret.
func (c *Client) CreateSubscription(ctx context.Context, s Subscription) (*Subscription, error) {
	return c.subscription(ctx, http.MethodPost, subscriptions, s)
}

// Subscription reads one subscription with its state, cursor and lag.
func (c *Client) Subscription(ctx context.Context, id string) (*Subscription, error) {
	return c.subscription(ctx, http.MethodGet, subscriptionPath(id), nil)
}

// Subscriptions walks all subscriptions of the org.
func (c *Client) Subscriptions(ctx context.Context) iter.Seq2[*Subscription, error] {
	return walk[*Subscription](ctx, c, subscriptions, url.Values{})
}

// PatchSubscription applies a JSON merge patch.
func (c *Client) PatchSubscription(ctx context.Context, id string, patch any) (*Subscription, error) {
	return c.subscription(ctx, http.MethodPatch, subscriptionPath(id), patch)
}

// DeleteSubscription removes it with its dead letters and attempts.
func (c *Client) DeleteSubscription(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, subscriptionPath(id), nil, nil, nil)
}

// PauseSubscription stops deliveries; the cursor waits.
func (c *Client) PauseSubscription(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, subscriptionPath(id, "pause"), nil, nil, nil)
}

// ResumeSubscription goes on after a pause, and revives a disabled subscription.
func (c *Client) ResumeSubscription(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, subscriptionPath(id, "resume"), nil, nil, nil)
}

// RotateSecret makes a new secret; the old one signs beside it for 24 hours.
func (c *Client) RotateSecret(ctx context.Context, id string) (*Subscription, error) {
	return c.subscription(ctx, http.MethodPost, subscriptionPath(id, "rotate-secret"), nil)
}

// TestSubscription sends one test event now and tells how that went.
func (c *Client) TestSubscription(ctx context.Context, id string) (*Attempt, error) {
	a := new(Attempt)
	if err := c.call(ctx, http.MethodPost, subscriptionPath(id, "test"), nil, nil, a); err != nil {
		return nil, err
	}
	return a, nil
}

// Range is a stretch of the log, by seq or by time; both ends are included, and an end left out is the head.
type Range struct {
	FromSeq  int64     `json:"fromSeq,omitzero"`
	ToSeq    int64     `json:"toSeq,omitzero"`
	FromTime time.Time `json:"fromTime,omitzero"`
	ToTime   time.Time `json:"toTime,omitzero"`
}

// Replay tells a stretch of the log again. Fails with conflict while one is under way.
func (c *Client) Replay(ctx context.Context, id string, r Range) error {
	return c.call(ctx, http.MethodPost, subscriptionPath(id, "replay"), nil, r, nil)
}

// Attempts reads the newest attempts, newest first.
func (c *Client) Attempts(ctx context.Context, id string, limit int) ([]Attempt, error) {
	page, err := readPage[Attempt](ctx, c, subscriptionPath(id, "attempts"), ListOptions{Limit: limit}.query())
	return page.Items, err
}

// DeadLetters walks the dead letters, newest first.
func (c *Client) DeadLetters(ctx context.Context, id string) iter.Seq2[DeadLetter, error] {
	return walk[DeadLetter](ctx, c, subscriptionPath(id, "dead-letters"), url.Values{})
}

// ReplayDeadLetters tries dead letters again; no ids means all.
func (c *Client) ReplayDeadLetters(ctx context.Context, id string, ids ...string) error {
	body := struct {
		IDs []string `json:"ids,omitzero"`
	}{ids}
	return c.call(ctx, http.MethodPost, subscriptionPath(id, "dead-letters", "replay"), nil, body, nil)
}

func (c *Client) subscription(ctx context.Context, method, path string, body any) (*Subscription, error) {
	s := new(Subscription)
	if err := c.call(ctx, method, path, nil, body, s); err != nil {
		return nil, err
	}
	return s, nil
}
