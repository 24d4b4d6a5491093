package client

import (
	"context"
	"encoding/base64"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"

	"carillon"
)

// InboxItem is a delivery: what a vendor posted to a connection, and what became of it.
type InboxItem struct {
	ID          string                   `json:"id"`
	Connection  string                   `json:"connection"`
	State       carillon.InboxState      `json:"state"`
	ReceivedAt  time.Time                `json:"receivedAt"`
	ProcessedAt time.Time                `json:"processedAt"` // zero until it was tried
	ContentType string                   `json:"contentType"`
	Attempts    int                      `json:"attempts"`
	Events      []carillon.InboundEvent  `json:"events"` // what it told, in the order applied
	Notes       []string                 `json:"notes"`  // what had to be mended to read it
	Problem     *carillon.InboundProblem `json:"problem"`
	Awaits      string                   `json:"awaits"` // the record that must exist first: "account/acc_1"

	// What came; only of a delivery that was read alone. Content gives the body's bytes.
	Headers      map[string]string `json:"headers"`
	Body         string            `json:"body"`
	BodyEncoding string            `json:"bodyEncoding"` // "base64", or "" for text
}

// Content gives the bytes of the body.
func (i *InboxItem) Content() ([]byte, error) {
	if i.BodyEncoding != "base64" {
		return []byte(i.Body), nil
	}
	content, err := base64.StdEncoding.DecodeString(i.Body)
	if err != nil {
		return nil, fmt.Errorf("decode the body of delivery %s: %w", i.ID, err)
	}
	return content, nil
}

// InboxOptions select deliveries. Zero members select all.
type InboxOptions struct {
	Connection string
	State      carillon.InboxState
}

const inbox = "/v1/inbox"

// Inbox walks what vendors sent, newest first.
func (c *Client) Inbox(ctx context.Context, o InboxOptions) iter.Seq2[*InboxItem, error] {
	query := url.Values{}
	if o.Connection != "" {
		query.Set("connection", o.Connection)
	}
	if o.State != "" {
		query.Set("state", string(o.State))
	}
	return walk[*InboxItem](ctx, c, inbox, query)
}

// InboxItem reads one delivery with what came.
func (c *Client) InboxItem(ctx context.Context, id string) (*InboxItem, error) {
	return c.inboxItem(ctx, http.MethodGet, inbox+"/"+url.PathEscape(id))
}

// RetryInbox runs a quarantined delivery again. Fails with conflict if it is not quarantined.
func (c *Client) RetryInbox(ctx context.Context, id string) (*InboxItem, error) {
	return c.inboxItem(ctx, http.MethodPost, inbox+"/"+url.PathEscape(id)+"/retry")
}

func (c *Client) inboxItem(ctx context.Context, method, path string) (*InboxItem, error) {
	item := new(InboxItem)
	if err := c.call(ctx, method, path, nil, nil, item); err != nil {
		return nil, err
	}
	return item, nil
}
