package dialect

import (
	"context"
	"fmt"

	"carillon"
)

// Lookup reads what the log says around a change, for dialects whose messages tell more than the change itself. What it
// gives depends on the log up to the change only, so that a message rendered again says the same.
type Lookup interface {
	// RecordAsOf reads a record as it stood after change seq. Fails with carillon.CodeNotFound if it did not exist then.
	RecordAsOf(ctx context.Context, org string, ref carillon.Ref, seq int64) (*carillon.Record, error)
	// Creation reads the change that created the record of c. Fails with carillon.CodeNotFound if the log no longer has it.
	Creation(ctx context.Context, c *carillon.Change) (*carillon.Change, error)
	// Previous reads the change of the same record before c. Fails with carillon.CodeNotFound if the log has none.
	Previous(ctx context.Context, c *carillon.Change) (*carillon.Change, error)
}

// Associating is a dialect whose messages also tell of records that the change's record refers to, or of who created
// it. Its Encode leaves that out.
type Associating interface {
	Dialect
	// EncodeWith is Encode with all that can be looked up. What the lookup does not find is told as unknown; any other
	// error of the lookup is returned, wrapped.
	EncodeWith(ctx context.Context, ev carillon.Event, s Settings, l Lookup) (carillon.Message, error)
}

// Encode renders one event with all that its dialect tells.
func Encode(ctx context.Context, d Dialect, ev carillon.Event, s Settings, l Lookup) (carillon.Message, error) {
	if a, ok := d.(Associating); ok {
		return a.EncodeWith(ctx, ev, s, l)
	}
	return d.Encode(ev, s)
}

// AssociatingBatcher is a Batcher whose batches also tell what its single messages do.
type AssociatingBatcher interface {
	Associating
	Batcher
	// EncodeBatchWith is EncodeBatch with all that can be looked up, as EncodeWith is Encode.
	EncodeBatchWith(ctx context.Context, events []carillon.Event, s Settings, l Lookup) (carillon.Message, error)
}

// EncodeBatch renders events as one message with all that their dialect tells.
func EncodeBatch(ctx context.Context, b Batcher, events []carillon.Event, s Settings, l Lookup) (carillon.Message, error) {
	if a, ok := b.(AssociatingBatcher); ok {
		return a.EncodeBatchWith(ctx, events, s, l)
	}
	return b.EncodeBatch(events, s)
}

// Authors says who created the record of a change, and who changed it last after that, both as of the change; nil where
// nobody did, or the log does not know. Without a lookup (nil) it says what the change itself knows.
func Authors(ctx context.Context, c *carillon.Change, l Lookup) (creator, updater *carillon.Actor, err error) {
	snapshot := c.Origin == OriginSnapshot
	if c.Op == carillon.OpCreated && !snapshot {
		return &c.Actor, nil, nil
	}
	if !snapshot {
		updater = &c.Actor
	}
	if l == nil {
		return nil, updater, nil
	}
	created, err := l.Creation(ctx, c)
	switch {
	case err == nil:
		creator = &created.Actor
	case !carillon.IsNotFound(err):
		return nil, nil, fmt.Errorf("find who created %s: %w", c.Ref, err)
	}
	if snapshot {
		following := *c
		following.Seq++
		last, err := l.Previous(ctx, &following)
		switch {
		case err == nil && last.Op != carillon.OpCreated:
			updater = &last.Actor
		case err != nil && !carillon.IsNotFound(err):
			return nil, nil, fmt.Errorf("find who changed %s: %w", c.Ref, err)
		}
	}
	return creator, updater, nil
}
