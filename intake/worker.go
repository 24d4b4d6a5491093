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
	"carillon/sign"
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
	bytes   int                 // of their bodies and what they tell
	waiting []*item             // their events, in the order read
	// errands are deliveries about the subscription itself that could not be seen to; they hold nobody up.
	errands []*errand
}

// errand is a message of SNS about the subscription itself.
type errand struct {
	*carillon.Inbound
	message *sign.SNS
	next    time.Time
	wait    time.Duration
}

// delivery is one of the inbox, read.
type delivery struct {
	*carillon.Inbound
	bytes int
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
	pageSize  = 100
	pageBytes = 1 << 20
	// maxAhead is how far a vendor's clock may be ahead of ours. A statement from further in the future is taken as of its
	// arrival: otherwise nothing that its vendor says until then would count.
	maxAhead   = 10 * time.Minute
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
			clear(w.held)
			w.waiting, w.errands, w.bytes = nil, nil, 0
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
	later, err := w.runErrands(ctx, e)
	if err != nil {
		return 0, err
	}
	due, next := w.due(all, c.OrderWait)
	if len(due) > 0 {
		return 0, w.apply(ctx, e, due)
	}
	return min(next, later), nil
}

// load reads the inbox on from where it was left, as far as memory allows; all says whether that was all of it.
func (w *worker) load(ctx context.Context, e *ear) (all bool, err error) {
	for w.bytes < w.in.limits.Pending {
		page, err := w.in.store.Inbox(ctx, store.InboxQuery{
			Org: e.Org, Connection: e.ID, State: carillon.InboxReceived, After: w.read, Ascending: true,
			Limit: pageSize, Bodies: true, MaxBytes: pageBytes,
		})
		if err != nil {
			return false, err
		}
		if len(page) == 0 {
			return true, nil
		}
		var settled []*carillon.Inbound
		for _, d := range page {
			if w.held[d.Position] == nil && w.take(e, d) {
				settled = append(settled, d)
			}
		}
		// What cannot be saved is read again: the page counts as read only after that.
		if err := w.save(ctx, settled); err != nil {
			return false, err
		}
		w.read = page[len(page)-1].Position
	}
	return false, nil
}

// take reads what a delivery tells, and reports whether this settles it.
func (w *worker) take(e *ear, d *carillon.Inbound) bool {
	d.Attempts++
	r := request(d.ContentType, headerOf(d), d.Body)
	if e.Verify.Type == carillon.VerifySNS {
		m, err := sign.ParseSNS(d.Body)
		if err != nil {
			quarantine(d, &carillon.Error{Code: carillon.CodeInvalid, Message: err.Error()})
			return true
		}
		if m.Type != sign.SNSNotification {
			w.held[d.Position] = &delivery{Inbound: d}
			w.errands = append(w.errands, &errand{Inbound: d, message: m, wait: minBackoff})
			return false
		}
		// What is read is what was signed, and nothing beside it.
		r.ContentType, r.Body = "application/json", []byte(m.Message)
	}
	decoded, err := decode(e, r)
	if err != nil {
		quarantine(d, err)
		return true
	}
	d.Problem, d.Awaits = nil, carillon.Ref{}
	d.Notes = decoded.Mended
	known := len(d.Told) == len(decoded.Events) // tried before: what was done then stays done
	if !known {
		d.Told = make([]carillon.InboundEvent, len(decoded.Events))
	}
	in := &delivery{Inbound: d, bytes: len(d.Body)}
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
		switch {
		case at.IsZero():
			at = d.ReceivedAt
		case at.After(d.ReceivedAt.Add(maxAhead)):
			at = d.ReceivedAt
			d.Notes = append(d.Notes, fmt.Sprintf("%s is said to be of %s, which has not come yet: it is taken as of its arrival",
				told.Type, carillon.FormatTime(told.At)))
		}
		items = append(items, &item{delivery: in, index: i, told: told, at: at})
		for _, s := range told.Statements {
			in.bytes += len(s.Data) + len(s.Extra)
		}
	}
	if len(items) == 0 {
		settle(d)
		return true
	}
	w.held[d.Position] = in
	w.bytes += in.bytes
	w.waiting = append(w.waiting, items...)
	return false
}

// runErrands sees to what is about the subscription itself. It says when the next is due.
func (w *worker) runErrands(ctx context.Context, e *ear) (time.Duration, error) {
	next := idle
	var done []*carillon.Inbound
	for _, errand := range w.errands {
		if left := errand.next.Sub(w.in.now()); left > 0 {
			next = min(next, left)
			continue
		}
		d := errand.Inbound
		note, err := w.in.confirm(ctx, e.Connection, errand.message)
		switch {
		case err == nil:
			d.State, d.Notes = carillon.InboxApplied, []string{note}
		case ctx.Err() != nil || carillon.IsNotFound(err) || carillon.ErrorCode(err) == carillon.CodeUnavailable:
			return 0, err
		case errors.Is(err, errUnreachable) && d.Attempts < maxConfirmations:
			d.Attempts++
			errand.next = w.in.now().Add(errand.wait)
			next, errand.wait = min(next, errand.wait), min(2*errand.wait, maxBackoff)
			continue
		default:
			quarantine(d, err)
		}
		done = append(done, d)
	}
	if err := w.save(ctx, done); err != nil {
		for _, d := range done {
			d.State = carillon.InboxReceived
		}
		return 0, err
	}
	w.errands = slices.DeleteFunc(w.errands, func(errand *errand) bool { return errand.State != carillon.InboxReceived })
	for _, d := range done {
		delete(w.held, d.Position)
	}
	return next, nil
}

// decode has the dialect read a request. A mistake of ours that one delivery brings to light quarantines that one.
func decode(e *ear, r dialect.Request) (decoded dialect.Decoded, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("decode a delivery: panic: %v\n%s", r, debug.Stack())
		}
	}()
	return e.decoder.Decode(r, e.reading)
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
	if last.IsZero() && all {
		return nil, next
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
			w.bytes -= it.bytes
		}
	}
}

// save writes what became of deliveries.
func (w *worker) save(ctx context.Context, settled []*carillon.Inbound) error {
	if len(settled) == 0 {
		return nil
	}
	now := w.in.now().UTC().Truncate(time.Millisecond)
	for _, d := range settled {
		d.ProcessedAt = now
	}
	if err := w.in.save(ctx, settled...); err != nil {
		return err
	}
	for _, d := range settled {
		if err := w.settled(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// settled tells of a delivery that was tried, and waits for what it lacks.
func (w *worker) settled(ctx context.Context, d *carillon.Inbound) error {
	w.in.observe(d)
	if d.State == carillon.InboxQuarantined && d.Awaits.ID != "" {
		return w.in.await(ctx, d)
	}
	return nil
}
