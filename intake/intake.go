package intake

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/egress"
	"carillon/ledger"
	"carillon/store"
)

// Desk is what the faces (api, console) ask of the intake. All methods fail with not_found for what is not of the org.
type Desk interface {
	// Create checks the connection and gives it id, secret (if its verification needs one and it brings none), id prefix and times.
	Create(ctx context.Context, c *carillon.Connection) error
	// Update replaces what a person may change: all but id, org, dialect and times.
	Update(ctx context.Context, c *carillon.Connection) error
	// Delete removes a connection with its inbox. Records that came through it stay.
	Delete(ctx context.Context, org, id string) error
	// Inbound reads a delivery.
	Inbound(ctx context.Context, org, id string) (*carillon.Inbound, error)
	// Retry runs a quarantined delivery again. Fails with conflict if it is not quarantined.
	Retry(ctx context.Context, org, id string) (*carillon.Inbound, error)
}

// Config says how the intake works. Store, Ledger and Dialects are required.
type Config struct {
	Store    store.Store
	Ledger   ledger.Applier
	Dialects map[string]dialect.Dialect
	// Gate is where the intake may connect to, for the certificates and confirmations of SNS. Default: public addresses.
	Gate *egress.Gate
	// Client gets the certificates and confirms the subscriptions of SNS. Default: one that dials through Gate.
	Client *http.Client
	// Now tells the time; nil means time.Now.
	Now    func() time.Time
	Logger *slog.Logger
	// Observe, if set, is told of each delivery when it has been stored and again when it has been tried. It must be quick.
	Observe func(d *carillon.Inbound)
	Limits  Limits
}

// Limits bound what strangers send, and what waits in memory. Zero means the default.
type Limits struct {
	// Body is how many bytes a request may have; 1 MiB. SNS sends 256 KiB at most, Freshworks as much.
	Body int64
	// Read bounds the time in which a body must come in; 30 s.
	Read time.Duration
	// Pending bounds the bytes of bodies that one connection holds in memory while they wait for their order; 16 MiB.
	Pending int
}

// Intake receives what vendors send. Its ServeHTTP answers /in/{id}.
type Intake struct {
	store    store.Store
	ledger   ledger.Applier
	decoders map[string]dialect.Decoder
	now      func() time.Time
	log      *slog.Logger
	observe  func(*carillon.Inbound)
	limits   Limits
	past     store.Past
	topics   *topics

	mu      sync.Mutex
	workers map[string]*worker // by connection, while they have something to do
	hired   []*worker          // those that Run has yet to start
	running bool
	// awaited are the records that quarantined deliveries wait for.
	awaited map[store.RecordKey]bool
	// arrived are awaited records that exist now.
	arrived map[store.RecordKey]bool
	// news has a token when there are hired or arrived.
	news chan struct{}
}

var _ Desk = (*Intake)(nil)

// New makes an Intake.
func New(c Config) (*Intake, error) {
	switch {
	case c.Store == nil:
		return nil, errors.New("intake: a store is required")
	case c.Ledger == nil:
		return nil, errors.New("intake: a ledger is required")
	}
	in := &Intake{
		store: c.Store, ledger: c.Ledger, decoders: map[string]dialect.Decoder{}, now: c.Now, log: c.Logger, observe: c.Observe,
		limits: Limits{
			Body: cmp.Or(c.Limits.Body, 1<<20), Read: cmp.Or(c.Limits.Read, 30*time.Second), Pending: cmp.Or(c.Limits.Pending, 16<<20),
		},
		past:    store.Past{Log: c.Store},
		workers: map[string]*worker{}, awaited: map[store.RecordKey]bool{}, arrived: map[store.RecordKey]bool{},
		news: make(chan struct{}, 1),
	}
	for name, d := range c.Dialects {
		if decoder, ok := d.(dialect.Decoder); ok {
			in.decoders[name] = decoder
		}
	}
	if in.now == nil {
		in.now = time.Now
	}
	if in.log == nil {
		in.log = slog.New(slog.DiscardHandler)
	}
	if in.observe == nil {
		in.observe = func(*carillon.Inbound) {}
	}
	if c.Client == nil {
		if c.Gate == nil {
			c.Gate = egress.New(egress.Config{Logger: c.Logger})
		}
		c.Client = &http.Client{Transport: c.Gate.Transport()}
	}
	in.topics = newTopics(c.Client, in.now)
	return in, nil
}

// Run applies what is in the inbox until ctx ends, and returns when what was begun is done. Call it once. Requests are
// received outside it as well; they wait.
func (in *Intake) Run(ctx context.Context) error {
	stop := in.store.Follow(in.follow)
	defer stop()
	in.mu.Lock()
	in.running = true
	in.mu.Unlock()
	var working sync.WaitGroup
	defer func() {
		in.mu.Lock()
		in.running = false
		in.mu.Unlock()
		working.Wait()
		in.topics.close()
	}()
	if err := in.resume(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-in.news:
		case <-retry:
		}
		in.mu.Lock()
		arrived, hired := in.arrived, in.hired
		in.arrived, in.hired = map[store.RecordKey]bool{}, nil
		in.mu.Unlock()
		for _, w := range hired {
			working.Go(func() { w.run(ctx) })
		}
		for key := range arrived {
			if err := in.release(ctx, key); err != nil && ctx.Err() == nil {
				in.log.ErrorContext(ctx, "run deliveries that waited for a record; trying again",
					"org", key.Org, "record", key.Ref.String(), "error", err)
				in.mu.Lock()
				in.arrived[key] = true
				in.mu.Unlock()
				retry = time.After(releaseAgain)
			}
		}
	}
}

// releaseAgain is how long deliveries that waited for a record wait again if the store fails them.
const releaseAgain = time.Second

// tellRun has Run look for news.
func (in *Intake) tellRun() {
	select {
	case in.news <- struct{}{}:
	default:
	}
}

// resume takes up what an earlier process left.
func (in *Intake) resume(ctx context.Context) error {
	connections, err := in.store.Connections(ctx, "")
	if err != nil {
		return err
	}
	for _, c := range connections {
		in.wake(c.ID)
	}
	query := store.InboxQuery{AwaitingAny: true, State: carillon.InboxQuarantined, Ascending: true, Limit: 500}
	for {
		page, err := in.store.Inbox(ctx, query)
		if err != nil {
			return err
		}
		for _, d := range page {
			if err := in.await(ctx, d); err != nil {
				return err
			}
			query.After = d.Position
		}
		if len(page) < query.Limit {
			return nil
		}
	}
}

// wake has the connection's worker look at the inbox.
func (in *Intake) wake(connection string) { in.look(connection, false) }

// look is wake; putBack says that deliveries wait again which the worker may have read before.
func (in *Intake) look(connection string, putBack bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.running {
		return // the next Run begins with all that waits
	}
	w := in.workers[connection]
	if w == nil {
		w = newWorker(in, connection)
		in.workers[connection] = w
		in.hired = append(in.hired, w)
		in.tellRun()
	}
	if putBack {
		w.putBack.Store(true)
	}
	w.wake()
}

// retire takes a worker that found nothing more to do off the list, unless it was woken meanwhile.
func (in *Intake) retire(w *worker) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if w.woken() {
		return false
	}
	delete(in.workers, w.connection)
	return true
}

// follow hears of changes as they are committed.
func (in *Intake) follow(changes []*carillon.Change) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.awaited) == 0 {
		return
	}
	for _, c := range changes {
		key := store.RecordKey{Org: c.Org, Ref: c.Ref}
		if c.Op != carillon.OpCreated || !in.awaited[key] {
			continue
		}
		delete(in.awaited, key)
		in.arrived[key] = true
		in.tellRun()
	}
}

// await notes that a quarantined delivery waits for a record, which may have come in the meantime.
func (in *Intake) await(ctx context.Context, d *carillon.Inbound) error {
	key := store.RecordKey{Org: d.Org, Ref: d.Awaits}
	in.mu.Lock()
	in.awaited[key] = true
	in.mu.Unlock()
	if _, err := in.store.Record(ctx, key.Org, key.Ref); err != nil {
		if carillon.IsNotFound(err) {
			return nil
		}
		return err
	}
	in.mu.Lock()
	delete(in.awaited, key)
	in.mu.Unlock()
	return in.release(ctx, key)
}

// release runs the deliveries again that waited for a record.
func (in *Intake) release(ctx context.Context, key store.RecordKey) error {
	woken := map[string]bool{}
	for {
		waiting, err := in.store.Inbox(ctx, store.InboxQuery{Org: key.Org, Awaiting: key.Ref, Ascending: true, Limit: 500})
		if err != nil || len(waiting) == 0 {
			for connection := range maps.Keys(woken) {
				in.look(connection, true)
			}
			return err
		}
		for _, d := range waiting {
			again(d)
			woken[d.Connection] = true
		}
		if err := in.save(ctx, waiting...); err != nil {
			return err
		}
	}
}

// save writes what became of deliveries, all or none.
func (in *Intake) save(ctx context.Context, deliveries ...*carillon.Inbound) error {
	return in.store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		for _, d := range deliveries {
			if err := tx.SaveInbound(ctx, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// again makes a quarantined delivery one that waits to be tried.
func again(d *carillon.Inbound) {
	d.State, d.Problem, d.Awaits = carillon.InboxReceived, nil, carillon.Ref{}
	for i := range d.Told {
		if d.Told[i].Outcome == outcomeFailed {
			d.Told[i].Outcome = ""
		}
	}
}
