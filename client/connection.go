package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"time"

	"carillon"
)

// Connection is a source of a vendor's webhooks. Members left at their zero value get the server's default.
type Connection struct {
	ID      string `json:"id,omitzero"`
	Name    string `json:"name,omitzero"`
	Dialect string `json:"dialect"`
	// Verify is how requests are proven. Secrets are told as "********", but for one that the server made, which
	// CreateConnection tells.
	Verify      carillon.Verify `json:"verify"`
	IDPrefix    string          `json:"idPrefix,omitzero"`    // begins the ids of records from vendors who number theirs
	OrderWaitMS int64           `json:"orderWaitMs,omitzero"` // how long a delivery waits for earlier ones
	Settings    json.RawMessage `json:"settings,omitzero"`

	// The server's part.
	URL       string    `json:"url,omitzero"` // the path on the server that the vendor posts to
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}

const connections = "/v1/connections"

func connectionPath(id string) string { return connections + "/" + url.PathEscape(id) }

// CreateConnection makes a connection; the answer carries its id and URL, and its secret if the server made it.
func (c *Client) CreateConnection(ctx context.Context, in Connection) (*Connection, error) {
	return c.connection(ctx, http.MethodPost, connections, in)
}

// Connection reads one connection.
func (c *Client) Connection(ctx context.Context, id string) (*Connection, error) {
	return c.connection(ctx, http.MethodGet, connectionPath(id), nil)
}

// Connections walks all connections of the org.
func (c *Client) Connections(ctx context.Context) iter.Seq2[*Connection, error] {
	return walk[*Connection](ctx, c, connections, url.Values{})
}

// PatchConnection applies a JSON merge patch. Secrets that are absent from it stay.
func (c *Client) PatchConnection(ctx context.Context, id string, patch any) (*Connection, error) {
	return c.connection(ctx, http.MethodPatch, connectionPath(id), patch)
}

// DeleteConnection removes it with its inbox. Records that came through it stay.
func (c *Client) DeleteConnection(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, connectionPath(id), nil, nil, nil)
}

func (c *Client) connection(ctx context.Context, method, path string, body any) (*Connection, error) {
	answer := new(Connection)
	if err := c.call(ctx, method, path, nil, body, answer); err != nil {
		return nil, err
	}
	return answer, nil
}
