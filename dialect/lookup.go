package dialect

import (
	"context"

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
