package history

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"carillon"
	"carillon/store"
)

// Store is what the reading room reads.
type Store interface {
	Record(ctx context.Context, org string, ref carillon.Ref) (*carillon.Record, error)
	RecordAsOf(ctx context.Context, org string, ref carillon.Ref, seq int64) (*carillon.Record, error)
	Records(ctx context.Context, org string, q store.RecordQuery) ([]*carillon.Record, error)
	Changes(ctx context.Context, org string, q store.LogQuery) ([]*carillon.Change, error)
	Head(ctx context.Context, org string) (int64, error)
	SeqAt(ctx context.Context, org string, t time.Time) (int64, error)
}

// Room reads the history of every org in a store.
type Room struct{ store Store }

// New makes the reading room of a store.
func New(s Store) *Room { return &Room{store: s} }

// AsOf reads a record as it stood at a moment: after a change, named by its seq in digits, or at an RFC 3339 time. It
// fails with invalid (member asOf) for anything else and for a seq beyond the head, and with not_found if the record did
// not exist then.
func (h *Room) AsOf(ctx context.Context, org string, ref carillon.Ref, asOf string) (*carillon.Record, error) {
	seq, err := h.moment(ctx, org, asOf)
	if err != nil {
		return nil, err
	}
	return h.store.RecordAsOf(ctx, org, ref, seq)
}

func (h *Room) moment(ctx context.Context, org, asOf string) (int64, error) {
	if t, err := carillon.ParseTime(asOf); err == nil {
		seq, err := h.store.SeqAt(ctx, org, t)
		if err != nil {
			return 0, fmt.Errorf("find the change at %s: %w", asOf, err)
		}
		return seq, nil
	}
	seq, err := strconv.ParseInt(asOf, 10, 64)
	if err != nil || seq < 0 {
		return 0, carillon.Invalid("asOf", "is neither a seq nor an RFC 3339 time")
	}
	head, err := h.store.Head(ctx, org)
	if err != nil {
		return 0, fmt.Errorf("read the head of the log: %w", err)
	}
	if seq > head {
		return 0, carillon.Invalid("asOf", fmt.Sprintf("is beyond the head of the log, which is %d", head))
	}
	return seq, nil
}
