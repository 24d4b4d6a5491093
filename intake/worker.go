package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/store"
)

// worker applies what one connection's inbox holds, in the order of the vendor's times.
type worker struct {
	in         *Intake
	connection string
	signal     chan struct{} // has a token when the inbox should be looked at
	putBack    atomic.Bool   // deliveries below what has been read wait again

	read    int64               // the position up to which the inbox has been read
	held    map[int64]*delivery // read and not settled, by position
	bytes   int                 // of their bodies
	waiting []*item             // their events, in the order read
}

// delivery is one of the inbox, read.
type delivery struct {
	*carillon.Inbound
	due time.Time // when it need not wait any longer
}

// item is one event of a delivery.
type item struct {
	*delivery
	index int // among the delivery's Told
	told  *dialect.Told
	at    time.Time // as of when the vendor says it; when it came, if the vendor does not say
}

// How much is read and applied at once, and how long a failure of the house keeps a worker.
const (
	pageSize   = 100
	minBackoff = 100 * time.Millisecond
	maxBackoff = 30 * time.Second
)

func newWorker(in *Intake, connection string) *worker {
	return &worker{in: in, connection: connection, signal: make(chan struct{}, 1), held: map[int64]*delivery{}}
}

func (w *worker) wake() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

func (w *worker) woken() bool { return len(w.signal) > 0 }

// run works until nothing is left or ctx ends. What it holds then is still in the inbox.
func (w *worker) run(ctx context.Context) {
	backoff := minBackoff
	for {
		next, err := w.step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case carillon.IsNotFound(err): // the connection was deleted
			w.held, w.waiting = nil, nil
			next = idle
		case err != nil:
			w.in.log.WarnContext(ctx, "apply deliveries; trying again", "connection", w.connection, "wait", backoff.String(), "error", err)
			next, backoff = backoff, min(2*backoff, maxBackoff)
		default:
			backoff = minBackoff
		}
		if next == idle && w.in.retire(w) {
			return
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-w.signal:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// idle is how long a worker waits that has nothing to wait for.
const idle time.Duration = math.MaxInt64

// step reads what has come and applies what is due. It says how long there is nothing to do.
func (w *worker) step(ctx context.Context) (time.Duration, error) {
	c, err := w.in.store.Connection(ctx, "", w.connection)
	if err != nil {
		return 0, err
	}
	e, err := w.in.prepare(c)
	if err != nil {
		return 0, fmt.Errorf("prepare the connection: %w", err)
	}
	if w.putBack.Swap(false) {
		w.read = 0
	}
	all, err := w.load(ctx, e)
	if err != nil {
		return 0, err
	}
	due, next := w.due(all, c.OrderWait)
	if len(due) > 0 {
		return 0, w.apply(ctx, e, due)
	}
	return next, nil
}

// load reads the inbox on from where it was left, as far as memory allows; all says whether that was all of it.
func (w *worker) load(ctx context.Context, e *ear) (all bool, err error) {
	for w.bytes < w.in.limits.Pending {
		page, err := w.in.store.Inbox(ctx, store.InboxQuery{
			Org: e.Org, Connection: e.ID, State: carillon.InboxReceived, After: w.read, Ascending: true, Limit: pageSize, Bodies: true,
		})
		if err != nil {
			return false, err
		}
		var settled []*carillon.Inbound
		for _, d := range page {
			w.read = d.Position
			if w.held[d.Position] != nil {
				continue
			}
			done, err := w.take(ctx, e, d)
			if err != nil {
				w.read = d.Position - 1 // it is read again
				return false, errors.Join(err, w.save(ctx, append(settled, d)))
			}
			if done {
				settled = append(settled, d)
			}
		}
		if err := w.save(ctx, settled); err != nil {
			return false, err
		}
		if len(page) < pageSize {
			return true, nil
		}
	}
	return false, nil
}

// take reads what a delivery tells. done says that this settles it.
func (w *worker) take(ctx context.Context, e *ear, d *carillon.Inbound) (done bool, err error) {
	d.Attempts++
	if note, about, err := w.in.confirm(ctx, e.Connection, d); about {
		switch {
		case err == nil:
			d.State, d.Notes = carillon.InboxApplied, []string{note}
		case carillon.IsNotFound(err):
			return false, err
		case isUnreachable(err) && d.Attempts < maxConfirmations:
			return false, err
		default:
			quarantine(d, err)
		}
		return true, nil
	}
	decoded, err := decode(e, d)
	if err != nil {
		quarantine(d, err)
		return true, nil
	}
	d.Notes = decoded.Mended
	known := len(d.Told) == len(decoded.Events) // tried before: what was done then stays done
	if !known {
		d.Told = make([]carillon.InboundEvent, len(decoded.Events))
	}
	in := &delivery{Inbound: d, due: d.ReceivedAt.Add(e.OrderWait)}
	var items []*item
	for i := range decoded.Events {
		told := &decoded.Events[i]
		event := carillon.InboundEvent{ID: told.ID, Type: told.Type, At: told.At}
		if told.Ref.ID != "" {
			event.Record = told.Ref.Path()
		}
		if told.Ignored != "" {
			event.Outcome = outcomeIgnored
			d.Notes = append(d.Notes, told.Ignored)
		}
		if !known || d.Told[i].Outcome == "" {
			d.Told[i] = event
			if told.Err != nil {
				d.Told[i].Outcome, d.Problem = outcomeFailed, problemOf(told.Err)
			}
		}
		if d.Told[i].Outcome != "" {
			continue
		}
		at := told.At
		if at.IsZero() {
			at = d.ReceivedAt
		}
		items = append(items, &item{delivery: in, index: i, told: told, at: at})
	}
	if len(items) == 0 {
		settle(d)
		return true, nil
	}
	w.held[d.Position] = in
	w.bytes += len(d.Body)
	w.waiting = append(w.waiting, items...)
	return false, nil
}

// decode has the dialect read a delivery. A mistake of ours that one delivery brings to light quarantines that one.
func decode(e *ear, d *carillon.Inbound) (decoded dialect.Decoded, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("decode a delivery: panic: %v\n%s", r, debug.Stack())
		}
	}()
	return e.decoder.Decode(request(d.ContentType, headerOf(d), d.Body), e.reading)
}

// due gives the events to apply now, in the vendor's order, and how long until there are more.
func (w *worker) due(all bool, wait time.Duration) ([]*item, time.Duration) {
	if len(w.waiting) == 0 {
		return nil, idle
	}
	now := w.in.now()
	next := idle
	var last time.Time // of the events whose wait is over
	for _, it := range w.waiting {
		due := it.ReceivedAt.Add(wait)
		if left := due.Sub(now); left > 0 {
			next = min(next, left)
		} else if it.at.After(last) {
			last = it.at
		}
	}
	sorted := slices.Clone(w.waiting)
	slices.SortStableFunc(sorted, func(a, b *item) int {
		if c := (carillon.HeardAt{At: a.at, Op: a.told.Op}).Compare(carillon.HeardAt{At: b.at, Op: b.told.Op}); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.index, b.index))
	})
	n := 0
	for n < len(sorted) && !sorted[n].at.After(last) {
		n++
	}
	if n == 0 && !all {
		n = len(sorted)/2 + 1 // memory is full: the earliest can wait no longer
	}
	return sorted[:n], next
}

// drop takes events off those that wait, and deliveries that are settled out of memory.
func (w *worker) drop(done map[*item]bool) {
	w.waiting = slices.DeleteFunc(w.waiting, func(it *item) bool { return done[it] })
	for it := range done {
		if it.State != carillon.InboxReceived && w.held[it.Position] != nil {
			delete(w.held, it.Position)
			w.bytes -= len(it.Body)
		}
	}
}

// save writes what became of deliveries.
func (w *worker) save(ctx context.Context, settled []*carillon.Inbound) error {
	if len(settled) == 0 {
		return nil
	}
	now := w.in.now().UTC().Truncate(time.Millisecond)
	err := w.in.store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		for _, d := range settled {
			d.ProcessedAt = now
			if err := tx.SaveInbound(ctx, d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range settled {
		w.in.observe(d)
		if d.State == carillon.InboxQuarantined && d.Awaits.ID != "" {
			if err := w.in.await(ctx, d); err != nil {
				return err
			}
		}
	}
	return nil
}
