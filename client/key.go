package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"

	"carillon"
)

// Key is an API key of the org.
type Key struct {
	ID        string         `json:"id,omitzero"`
	Name      string         `json:"name"`
	Right     carillon.Right `json:"right"`
	Secret    string         `json:"secret,omitzero"` // told once, when the key is made
	CreatedAt time.Time      `json:"createdAt,omitzero"`
}

// CreateKey makes a key; only this answer carries its secret.
func (c *Client) CreateKey(ctx context.Context, name string, right carillon.Right) (*Key, error) {
	k := new(Key)
	if err := c.call(ctx, http.MethodPost, "/v1/keys", nil, Key{Name: name, Right: right}, k); err != nil {
		return nil, err
	}
	return k, nil
}

// Keys walks the org's keys.
func (c *Client) Keys(ctx context.Context) iter.Seq2[*Key, error] {
	return walk[*Key](ctx, c, "/v1/keys", url.Values{})
}

// DeleteKey removes a key; it is refused from then on.
func (c *Client) DeleteKey(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/keys/"+url.PathEscape(id), nil, nil, nil)
}
