package client

import (
	"context"
	"net/http"
	"net/url"

	"carillon"
)

func fieldPath(k carillon.Kind, uid string) string {
	return "/v1/fields/" + string(k) + "/" + url.PathEscape(uid)
}

// CreateField defines a custom field of a kind. Fails with conflict if the uid is taken.
func (c *Client) CreateField(ctx context.Context, k carillon.Kind, f carillon.CustomField) error {
	return c.call(ctx, http.MethodPost, "/v1/fields/"+string(k), nil, f, nil)
}

// PutField defines or redefines a custom field.
func (c *Client) PutField(ctx context.Context, k carillon.Kind, f carillon.CustomField) error {
	return c.call(ctx, http.MethodPut, fieldPath(k, f.UID), nil, f, nil)
}

// Field reads the definition of a custom field.
func (c *Client) Field(ctx context.Context, k carillon.Kind, uid string) (*carillon.CustomField, error) {
	f := new(carillon.CustomField)
	if err := c.call(ctx, http.MethodGet, fieldPath(k, uid), nil, nil, f); err != nil {
		return nil, err
	}
	return f, nil
}

// DeleteField removes the definition of a custom field; values that records hold stay.
func (c *Client) DeleteField(ctx context.Context, k carillon.Kind, uid string) error {
	return c.call(ctx, http.MethodDelete, fieldPath(k, uid), nil, nil, nil)
}
