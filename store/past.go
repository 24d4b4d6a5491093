package store

import (
	"context"
	"fmt"

	"carillon"
)

// Past reads what the log says around a change: what stood where, who began, what came before. It is the dialects' lookup.
type Past struct {
	Log interface {
		RecordAsOf(ctx context.Context, org string, ref carillon.Ref, seq int64) (*carillon.Record, error)
		Changes(ctx context.Context, org string, q LogQuery) ([]*carillon.Change, error)
	}
}

// RecordAsOf reads a record as it stood after change seq. Fails with not_found if it did not exist then.
func (p Past) RecordAsOf(ctx context.Context, org string, ref carillon.Ref, seq int64) (*carillon.Record, error) {
	return p.Log.RecordAsOf(ctx, org, ref, seq)
}

// creationPage is how many changes are read at once in search of a creation.
const creationPage = 64

// Creation reads the change that created the record of c. It is the first one of its id, unless the id was used before:
// then the records of that id are told apart by their numbers. Fails with not_found if the log no longer has it.
func (p Past) Creation(ctx context.Context, c *carillon.Change) (*carillon.Change, error) {
	query := LogQuery{Ref: &c.Ref, Until: c.Seq, Limit: 1}
	for c.Seq > 0 {
		page, err := p.Log.Changes(ctx, c.Org, query)
		if err != nil {
			return nil, fmt.Errorf("read changes of %s: %w", c.Ref, err)
		}
		for _, found := range page {
			if found.Number != c.Number {
				continue
			}
			if found.Op != carillon.OpCreated {
				return nil, carillon.NotFound("the creation of", c.String())
			}
			return found, nil
		}
		if len(page) < query.Limit {
			break
		}
		query.After, query.Limit = page[len(page)-1].Seq, creationPage
	}
	return nil, carillon.NotFound("the creation of", c.String())
}

// Previous reads the change of the same record before c. Fails with not_found if the log has none.
func (p Past) Previous(ctx context.Context, c *carillon.Change) (*carillon.Change, error) {
	if c.Seq > 1 {
		page, err := p.Log.Changes(ctx, c.Org, LogQuery{Ref: &c.Ref, Until: c.Seq - 1, Limit: 1, Descending: true})
		if err != nil {
			return nil, fmt.Errorf("read changes of %s: %w", c.Ref, err)
		}
		if len(page) > 0 && page[0].Number == c.Number {
			return page[0], nil
		}
	}
	return nil, carillon.NotFound("a change before the last one of", c.String())
}
