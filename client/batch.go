package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"carillon"
)

// Write is one line of a batch.
type Write struct {
	Op     string        `json:"op"` // put, patch, delete, create
	Kind   carillon.Kind `json:"kind"`
	Module string        `json:"module,omitzero"` // of a custom record
	ID     string        `json:"id,omitzero"`
	// Data is a JSON object or a value to marshal to one; nil for delete.
	Data any `json:"data,omitzero"`
}

// WriteResult is what became of one line of a batch.
type WriteResult struct {
	Status  int    `json:"status"`
	ID      string `json:"id"`
	Seq     int64  `json:"seq"` // of the change; 0 if nothing differed
	Version int64  `json:"version"`
	// Problem says why the line failed; nil if it did not.
	Problem *Problem `json:"problem"`
}

// Batch makes many writes in one request, in order; each fails alone. There is one result a write.
func (c *Client) Batch(ctx context.Context, writes []Write, options ...Option) ([]WriteResult, error) {
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	for i, w := range writes {
		if err := lines.Encode(w); err != nil {
			return nil, fmt.Errorf("encode write %d: %w", i, err)
		}
	}
	resp, err := c.send(ctx, http.MethodPost, "/v1/batch", nil, body.Bytes(), "application/x-ndjson", options...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	results := make([]WriteResult, 0, len(writes))
	answers := json.NewDecoder(resp.Body)
	for answers.More() && len(results) < len(writes) {
		var r WriteResult
		if err := answers.Decode(&r); err != nil {
			return results, fmt.Errorf("decode the result of write %d: %w", len(results), err)
		}
		results = append(results, r)
	}
	if len(results) < len(writes) {
		return results, fmt.Errorf("read the results of a batch: %d of %d writes were answered: %w", len(results), len(writes), io.ErrUnexpectedEOF)
	}
	return results, nil
}
