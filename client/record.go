package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"carillon"
)

// Record is one record as the server tells it.
type Record struct {
	ID        string
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
	// Seq is that of the change that the write made; 0 if nothing differed, or if the record was read.
	Seq int64
	// Data is the whole answer: the native JSON with id, version, createdAt and updatedAt.
	Data json.RawMessage
}

// UnmarshalJSON keeps the JSON whole and reads the members that every record has.
func (r *Record) UnmarshalJSON(data []byte) error {
	var known struct {
		ID        string    `json:"id"`
		Version   int64     `json:"version"`
		CreatedAt time.Time `json:"createdAt"`
		UpdatedAt time.Time `json:"updatedAt"`
	}
	if err := json.Unmarshal(data, &known); err != nil {
		return err
	}
	r.ID, r.Version, r.CreatedAt, r.UpdatedAt = known.ID, known.Version, known.CreatedAt, known.UpdatedAt
	r.Data = append(json.RawMessage(nil), data...)
	return nil
}

// MarshalJSON gives the record's JSON as it came.
func (r *Record) MarshalJSON() ([]byte, error) {
	if r.Data == nil {
		return []byte("null"), nil
	}
	return r.Data, nil
}

// Decode reads the record into v, a pointer to a struct of the caller's.
func (r *Record) Decode(v any) error { return json.Unmarshal(r.Data, v) }

// Collection is the records of one kind, of one module, or the comments on one record.
type Collection struct {
	c    *Client
	path string
}

// Records is the collection of a kind that has a route of its own: all but comments and custom records.
func (c *Client) Records(k carillon.Kind) Collection {
	return Collection{c, "/v1/" + k.Plural()}
}

// Comments is the comments on one activity, note or task.
func (c *Client) Comments(k carillon.Kind, id string) Collection {
	return Collection{c, "/v1/" + k.Plural() + "/" + url.PathEscape(id) + "/comments"}
}

// Custom is the records of one custom module.
func (c *Client) Custom(module string) Collection {
	return Collection{c, "/v1/custom/" + url.PathEscape(module)}
}

func (l Collection) at(id string) string { return l.path + "/" + url.PathEscape(id) }

// Create makes a record from data: raw JSON or a value to marshal. Fails with conflict if it names an id that is taken.
func (l Collection) Create(ctx context.Context, data any, options ...Option) (*Record, error) {
	return l.write(ctx, http.MethodPost, l.path, data, options)
}

// Put replaces a record, or creates it if there is none.
func (l Collection) Put(ctx context.Context, id string, data any, options ...Option) (*Record, error) {
	return l.write(ctx, http.MethodPut, l.at(id), data, options)
}

// Patch applies a JSON merge patch (RFC 7396): members that are null are unset, absent ones stay.
func (l Collection) Patch(ctx context.Context, id string, data any, options ...Option) (*Record, error) {
	return l.write(ctx, http.MethodPatch, l.at(id), data, options)
}

func (l Collection) write(ctx context.Context, method, path string, data any, options []Option) (*Record, error) {
	a, err := l.c.Do(ctx, method, path, nil, data, options...)
	if err != nil {
		return nil, err
	}
	r := &Record{Seq: a.Seq}
	if err := json.Unmarshal(a.Body, r); err != nil {
		return nil, fmt.Errorf("decode the answer to %s %s: %w", method, path, err)
	}
	return r, nil
}

// Delete removes a record. Fails with conflict if others depend on it.
func (l Collection) Delete(ctx context.Context, id string, options ...Option) error {
	return l.c.call(ctx, http.MethodDelete, l.at(id), nil, nil, nil, options...)
}

// DeleteCascade removes a record and, before it, all that depend on it.
func (l Collection) DeleteCascade(ctx context.Context, id string, options ...Option) error {
	return l.c.call(ctx, http.MethodDelete, l.at(id), url.Values{"cascade": {"true"}}, nil, nil, options...)
}

// Get reads a record as it stands.
func (l Collection) Get(ctx context.Context, id string) (*Record, error) { return l.get(ctx, id, nil) }

// GetAsOf reads a record as it stood after the change seq.
func (l Collection) GetAsOf(ctx context.Context, id string, seq int64) (*Record, error) {
	return l.get(ctx, id, url.Values{"asOf": {strconv.FormatInt(seq, 10)}})
}

// GetAt reads a record as it stood at a moment.
func (l Collection) GetAt(ctx context.Context, id string, t time.Time) (*Record, error) {
	return l.get(ctx, id, url.Values{"asOf": {carillon.FormatTime(t)}})
}

func (l Collection) get(ctx context.Context, id string, query url.Values) (*Record, error) {
	r := new(Record)
	if err := l.c.call(ctx, http.MethodGet, l.at(id), query, nil, r); err != nil {
		return nil, err
	}
	return r, nil
}

// ListOptions selects a page. The zero value is the first page in the server's size.
type ListOptions struct {
	After string // Page.Next of the page before
	Limit int
	// Equal restricts to records whose member has the value: {"accountId": "acc_1"}.
	Equal map[string]string
}

func (o ListOptions) query() url.Values {
	q := url.Values{}
	if o.After != "" {
		q.Set("after", o.After)
	}
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	for name, value := range o.Equal {
		q.Set(name, value)
	}
	return q
}

// List reads one page of records, by id.
func (l Collection) List(ctx context.Context, o ListOptions) (Page[*Record], error) {
	return readPage[*Record](ctx, l.c, l.path, o.query())
}

// All walks all records from o.After on, by id. It ends with the first error.
func (l Collection) All(ctx context.Context, o ListOptions) iter.Seq2[*Record, error] {
	return walk[*Record](ctx, l.c, l.path, o.query())
}
