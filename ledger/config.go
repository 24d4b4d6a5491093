package ledger

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"carillon"
	"carillon/store"
)

// Store is what the ledger needs of the archive.
type Store interface {
	Update(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error
}

// Config says how a Ledger works. Only Store is required.
type Config struct {
	Store Store
	// Now tells the time; nil means time.Now. The ledger cuts it to milliseconds and never lets it go backwards.
	Now func() time.Time
	// NewID makes an id for a record created without one; nil means carillon.NewID.
	NewID func(prefix string) string
	// Logger hears of what should not happen; nil means nobody does.
	Logger *slog.Logger
	// Observe, if set, is told of each durable transaction how many entries shared it. It must be quick.
	Observe func(entries int)
	Limits  Limits
}

// Limits bound what strangers send. Zero means the default.
type Limits struct {
	Body    int // bytes of a body, and of a record; 1 MiB
	Depth   int // levels of nesting; 32
	Items   int // elements of one array, or members of one object; 10,000
	Faults  int // faults reported of one body; 20
	Writes  int // writes of one entry; 10,000
	Cascade int // records that one deletion takes along or changes; 100,000
	// Ancestors bounds how many accounts stand above one another, and comments in reply to one another; 100.
	Ancestors int
	// Group bounds the writes that share one transaction, and GroupBytes the bytes of their bodies; 512 and 8 MiB.
	Group      int
	GroupBytes int
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Body:       cmp.Or(l.Body, 1<<20),
		Depth:      cmp.Or(l.Depth, 32),
		Items:      cmp.Or(l.Items, 10_000),
		Faults:     cmp.Or(l.Faults, 20),
		Writes:     cmp.Or(l.Writes, 10_000),
		Cascade:    cmp.Or(l.Cascade, 100_000),
		Ancestors:  cmp.Or(l.Ancestors, 100),
		Group:      cmp.Or(l.Group, 512),
		GroupBytes: cmp.Or(l.GroupBytes, 8<<20),
	}
}

func (l Limits) check() error {
	for _, n := range []int{l.Body, l.Depth, l.Items, l.Faults, l.Writes, l.Cascade, l.Ancestors, l.Group, l.GroupBytes} {
		if n < 0 {
			return errors.New("ledger: a limit is negative")
		}
	}
	return nil
}

// Ledger is the only writer of records. Apply and its like may be called from many goroutines; what they ask for is
// done by the one goroutine that Run holds, many writes to a transaction.
type Ledger struct {
	store Store
	now   func() time.Time
	newID func(prefix string) string
	log   *slog.Logger
	// observe is never nil.
	observe func(entries int)
	limits  Limits
	queue   queue

	// Only Run's goroutine touches what follows.
	definitions definitions
	clocks      map[string]time.Time // by org: the newest time known; no change is older
}

var _ Applier = (*Ledger)(nil)

// New makes a ledger. Nothing is written before Run.
func New(c Config) (*Ledger, error) {
	if c.Store == nil {
		return nil, errors.New("ledger: a store is needed")
	}
	if err := c.Limits.check(); err != nil {
		return nil, err
	}
	l := &Ledger{
		store: c.Store, now: c.Now, newID: c.NewID, log: c.Logger, observe: c.Observe, limits: c.Limits.withDefaults(),
		definitions: definitions{}, clocks: map[string]time.Time{},
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.newID == nil {
		l.newID = carillon.NewID
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.observe == nil {
		l.observe = func(int) {}
	}
	l.queue.wake = make(chan struct{}, 1)
	return l, nil
}
