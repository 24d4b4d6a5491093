package deliver

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"carillon"
	"carillon/dialect"
	"carillon/store"
)

// Bounds of what one subscription holds in memory.
const (
	windowItems = 1024     // changes taken in and not yet behind the cursor
	windowBytes = 32 << 20 // of their before and after
	lanePage    = 64       // changes of a parked lane read at once
	laneLoads   = 8        // parked lanes read at the same time
	pagesAtOnce = 8        // pages of the log read before others have their turn
	recentKept  = 64       // successful attempts shown
)

// runner drives one subscription. One goroutine (run) owns all its state; sends and reads of parked lanes happen beside
// it and come back over a channel, so there is no lock but the one around what people look at.
//
// Two ways lead to the sink. A lane that keeps up is fed by the reader, which goes through the log once for all lanes. A
// lane that fails, or holds the others up, is parked: it leaves the window, gets a row of its own, and is fed from the
// lane's own log until it has caught up with the reader. The invariant that keeps order: a lane is in exactly one of the
// two states, and changes state only in run, between two reads.
type runner struct {
	*plan
	engine *Engine
	tail   *tail
	log    *slog.Logger

	orders chan func()
	back   chan func()   // what a send or a load found, to be done in run
	nudge  chan struct{} // the log has grown (capacity 1)
	done   chan struct{} // closed when run has returned

	// The reader.
	position int64 // every change up to here has been taken in
	window   []*item
	bytes    int
	settled  map[int64]int // from the last checkpoint: seq → settled wholly (−1) or before this index
	snapshot *carillon.SnapshotProgress
	paged    carillon.Ref // the last record of the snapshot page in hand
	replay   *carillon.ReplayProgress

	// The lanes.
	lanes    map[string]*lane
	fresh    []*lane // lanes whose head may be sent, in turn
	catching []*lane // the same, of parked lanes
	due      dueLanes
	released map[string]int64 // lanes no longer parked whose row must stay until the cursor has passed this seq
	parked   int
	loads    int

	// The hands.
	inflight       int
	parkedInflight int
	circuit        circuit
	probing        bool
	holdUntil      time.Time // the endpoint asked to be left alone
	limiter        *rate.Limiter
	stopping       bool
	disabling      bool                   // the endpoint is gone
	sendCtx        context.Context        // ends when a stop runs out of patience
	letters        []*carillon.DeadLetter // to be tried again
	retrying       map[string]bool        // dead letters in letters or on their way
	waitingFor     time.Time              // when a batch that is not full may go

	checkpoint checkpointState

	mu     sync.Mutex // guards what people look at
	status Status
	recent []*carillon.Attempt // newest last
}

func (e *Engine) newRunner(p *plan, progress *carillon.Progress, parked []*carillon.ParkedLane) *runner {
	r := &runner{
		plan: p, engine: e, tail: e.tailOf(p.sub.Org),
		log:    e.log.With("org", p.sub.Org, "subscription", p.sub.ID),
		orders: make(chan func()), back: make(chan func(), 16), nudge: make(chan struct{}, 1), done: make(chan struct{}),
		position: progress.Cursor, snapshot: progress.Snapshot, replay: progress.Replay,
		lanes: make(map[string]*lane),
	}
	if p.sub.RatePerSecond > 0 {
		r.limiter = rate.NewLimiter(rate.Limit(p.sub.RatePerSecond), max(1, int(p.sub.RatePerSecond/10)))
	}
	if len(progress.Settled) > 0 {
		r.settled = make(map[int64]int, len(progress.Settled))
		for _, s := range progress.Settled {
			r.settled[s.Seq] = s.Index
		}
	}
	for _, row := range parked {
		l := &lane{key: row.Lane, park: &parking{
			first: row.First, attempts: row.Attempts, nextAt: row.NextAt, retryAt: row.NextAt, blocked: row.Blocked,
			lastError: row.LastError, since: row.ParkedAt, readTo: row.First.Seq - 1, place: -1,
		}}
		r.lanes[l.key] = l
		r.parked++
		if !row.Blocked {
			r.due.schedule(l)
		}
	}
	for _, row := range parked {
		if len(row.Batch) > 0 && r.batcher != nil {
			r.rejoin(&batch{members: row.Batch, first: row.Lane})
		}
	}
	r.checkpoint.init(progress)
	if progress.CircuitOpen {
		r.circuit.open, r.circuit.probes = true, deadProbes
		r.circuit.probeAt = time.Now()
	}
	r.publish()
	return r
}

// run drives the subscription until ctx ends; then it takes no more work, waits for what is in flight as long as
// graceful lasts, cancels the rest, and writes a last checkpoint.
func (r *runner) run(ctx context.Context, grace time.Duration) {
	defer close(r.done)
	var cancel context.CancelFunc
	r.sendCtx, cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		r.read(ctx)
		r.wakeDue(time.Now())  //nolint:contextcheck // sends and loads outlive the order to stop: they have sendCtx
		r.dispatch(time.Now()) //nolint:contextcheck // the same
		r.save(ctx, time.Now())
		r.publish()

		timer.Reset(r.untilNext(time.Now()))
		select {
		case <-ctx.Done():
		case <-r.nudge:
		case <-timer.C:
		case act := <-r.orders:
			act()
		case err := <-r.checkpoint.done:
			r.wrote(err)
		case act := <-r.back:
			act()
			r.drain()
		}
	}
	r.stop(context.WithoutCancel(ctx), cancel, grace)
}

// drain does what has come back meanwhile, so that many answers cost one round of the loop.
func (r *runner) drain() {
	for range 64 {
		select {
		case act := <-r.back:
			act()
		default:
			return
		}
	}
}

func (r *runner) stop(ctx context.Context, cancel context.CancelFunc, grace time.Duration) {
	r.stopping = true
	patience := time.NewTimer(grace)
	defer patience.Stop()
	for r.inflight > 0 || r.loads > 0 || r.checkpoint.busy {
		select {
		case err := <-r.checkpoint.done:
			r.wrote(err)
		case act := <-r.back:
			act()
		case <-patience.C:
			cancel()
		}
	}
	r.saveNow(ctx)
	r.publish()
	if err := r.sink.Close(); err != nil {
		r.log.Warn("close the sink", "error", err)
	}
}

// order has run do something and waits until it is done; false if the runner has stopped.
func (r *runner) order(ctx context.Context, act func()) bool {
	finished := make(chan struct{})
	select {
	case r.orders <- func() { act(); close(finished) }:
		<-finished
		return true
	case <-r.done:
	case <-ctx.Done():
	}
	return false
}

// wake tells the runner that the log has grown.
func (r *runner) wake() {
	select {
	case r.nudge <- struct{}{}:
	default:
	}
}

// held reports whether nothing may be sent now: the endpoint asked to be left alone, or we are stopping.
func (r *runner) held(now time.Time) bool {
	return r.stopping || now.Before(r.holdUntil)
}

// read takes changes in until the window is full or the log has no more.
func (r *runner) read(ctx context.Context) {
	if r.stopping {
		return
	}
	if r.snapshot != nil && !r.readSnapshot(ctx) {
		return
	}
	for pages := 0; len(r.window) < windowItems && r.bytes < windowBytes; pages++ {
		if pages == pagesAtOnce {
			r.wake() // go on after whoever waits for this loop
			break
		}
		// While the circuit is open only a probe is looked for, and best is a lane that has not failed.
		if r.circuit.open && (len(r.fresh) > 0 || r.inflight > 0 || time.Now().Before(r.circuit.probeAt)) {
			return
		}
		limit := pageChanges
		if r.replay != nil {
			if r.position >= r.replay.To {
				if r.passCursor(); len(r.window) > 0 {
					return // what follows waits until the stretch is told
				}
				r.position = max(r.position, r.replay.Resume)
				r.replay = nil
				r.checkpoint.urgent = true
				continue
			}
			limit = int(min(int64(limit), r.replay.To-r.position))
		}
		page, err := r.tail.after(ctx, r.position, limit)
		if err != nil {
			if ctx.Err() == nil {
				r.log.Error("read the log", "error", err)
				r.hold(time.Now().Add(time.Second))
			}
			return
		}
		if len(page) == 0 {
			return
		}
		for _, c := range page {
			r.take(c)
			r.position = c.Seq
		}
	}
	r.unblock()
}

// take puts one change of the log where it belongs.
func (r *runner) take(c *carillon.Change) {
	it, ok := r.itemOf(c)
	if index, seen := r.settled[c.Seq]; seen {
		delete(r.settled, c.Seq)
		if index < 0 || !ok { // !ok: it is no longer asked for
			return
		}
		ok = it.skipTo(index) || c.Moved()
	}
	if !ok {
		return
	}
	if c.Moved() {
		r.takeMove(it)
		return
	}
	l := r.lane(c.Lane)
	if l.park != nil {
		return // the lane's own log will bring it
	}
	r.admit(it)
	l.queue = append(l.queue, it)
	r.offer(l)
}

// itemOf looks at a change with the subscription's eyes; false if it means nothing to it. A move from lane to lane is
// always an item, wanted or not: it is a fence in both lanes.
func (r *runner) itemOf(c *carillon.Change) (*item, bool) {
	want, types, err := r.wants(c)
	if err != nil {
		r.checkpoint.lastError = "filter: " + err.Error()
	}
	if want == 0 && !c.Moved() {
		return nil, false
	}
	it := &item{change: c, types: types, want: want, size: len(c.Before) + len(c.After) + 256}
	it.skipTo(0)
	return it, true
}

// takeMove puts a change that belongs to two lanes at the end of both. If one is parked the other must wait with it.
func (r *runner) takeMove(it *item) {
	from, to := r.lane(it.change.PreviousLane), r.lane(it.change.Lane)
	if from.park == nil && to.park == nil {
		if it.next >= 64 && from.head() == nil && to.head() == nil {
			r.forget(from) // a fence with nothing before it
			r.forget(to)
			return
		}
		r.admit(it)
		from.queue = append(from.queue, it)
		to.queue = append(to.queue, it)
		r.offer(from)
		return
	}
	for _, l := range []*lane{from, to} {
		if l.park == nil {
			r.parkLane(l, it.position(), time.Now())
		}
	}
}

func (r *runner) admit(it *item) {
	r.window = append(r.window, it)
	r.bytes += it.size
}

// lane finds or makes a lane.
func (r *runner) lane(key string) *lane {
	l := r.lanes[key]
	if l == nil {
		l = &lane{key: key}
		r.lanes[key] = l
	}
	return l
}

// forget drops a lane that holds nothing.
func (r *runner) forget(l *lane) {
	if l.park == nil && len(l.queue) == 0 && !l.sending && !l.ready {
		delete(r.lanes, l.key)
	}
}

// offer puts the lane in line if its head may be sent.
func (r *runner) offer(l *lane) {
	if l.ready || l.sending || len(l.queue) == 0 {
		return
	}
	l.ready = true
	if l.park != nil {
		r.catching = append(r.catching, l)
	} else {
		r.fresh = append(r.fresh, l)
	}
}

// partner gives the other lane of a lane's head if the head is a move, and whether the head may be sent as far as that
// other lane is concerned: it must be that lane's head too.
func (r *runner) partner(l *lane) (other *lane, ok bool) {
	c := l.head().change
	if !c.Moved() {
		return nil, true
	}
	key := c.Lane
	if key == l.key {
		key = c.PreviousLane
	}
	other = r.lanes[key]
	if other == nil || other.sending || other.head() == nil || other.head().change.Seq != c.Seq {
		return other, false
	}
	return other, r.rested(other, time.Now()) || r.circuit.open && !other.park.blocked
}

// rested reports whether a lane is not waiting for its next attempt.
func (r *runner) rested(l *lane, now time.Time) bool {
	return l.park == nil || !l.park.blocked && !l.park.retryAt.After(now)
}

// unblock keeps a slow or very long lane from holding the others up: when the window is full while hands are idle, the
// lane of the oldest unsettled change is parked, and the reader goes on.
func (r *runner) unblock() {
	for len(r.window) >= windowItems || r.bytes >= windowBytes {
		r.passCursor()
		if len(r.window) < windowItems && r.bytes < windowBytes {
			return
		}
		if len(r.fresh) > 0 || r.inflight >= r.sub.Concurrency || r.circuit.open || r.held(time.Now()) {
			return
		}
		l := r.lanes[r.window[0].change.Lane]
		if l == nil || l.park != nil || l.head() == nil {
			return
		}
		r.parkLane(l, l.head().position(), time.Now())
	}
}

// parkLane takes a lane out of the reader's care: what it held in memory will be read again from its log, from first on.
func (r *runner) parkLane(l *lane, first carillon.Position, now time.Time) {
	if h := l.head(); h != nil {
		first = h.position()
	}
	if r.snapshot != nil {
		first = carillon.Position{} // the snapshot's part of the lane, then its log
	}
	l.park = &parking{first: first, nextAt: now, since: now, readTo: first.Seq - 1, place: -1, dirty: true}
	r.parked++
	delete(r.released, l.key)
	queue := l.queue
	l.queue = nil
	for _, it := range queue {
		it.settled = true
		if it.change.Moved() {
			for _, key := range []string{it.change.Lane, it.change.PreviousLane} {
				if other := r.lanes[key]; other != nil && other != l && other.park == nil {
					r.parkLane(other, it.position(), now)
				}
			}
		}
	}
	r.due.schedule(l)
	r.checkpoint.urgent = true
	r.passCursor()
}

// passCursor drops what is settled at the window's front.
func (r *runner) passCursor() {
	n := 0
	for n < len(r.window) && r.window[n].settled {
		r.bytes -= r.window[n].size
		r.window[n] = nil
		n++
	}
	r.window = r.window[n:]
	if len(r.window) == 0 {
		r.window = nil
	}
}

// cursor: every change up to here is settled, or its lane is parked.
func (r *runner) cursor() int64 {
	if r.snapshot != nil {
		return r.snapshot.AsOf
	}
	if len(r.window) > 0 {
		return r.window[0].change.Seq - 1
	}
	return r.position
}

// wakeDue has parked lanes whose time has come read from the log.
func (r *runner) wakeDue(now time.Time) {
	if r.circuit.open && (r.inflight > 0 || len(r.fresh)+len(r.catching) > 0 || now.Before(r.circuit.probeAt)) || r.held(now) {
		return
	}
	until := now
	if r.circuit.open {
		until = now.Add(maxRetryWait) // any lane will do for a probe
	}
	// Each lane once: some only come back to the heap.
	for n := len(r.due); n > 0 && r.loads < laneLoads && len(r.catching) < r.sub.Concurrency; n-- {
		l := r.due.take(until)
		if l == nil {
			return
		}
		if r.goOn(l, now) && r.circuit.open {
			return // one is enough for a probe
		}
	}
}

// goOn does the next thing for a parked lane that is due: send its head, read more of its log, or let it go.
func (r *runner) goOn(l *lane, now time.Time) (done bool) {
	p := l.park
	switch {
	case l.sending || p.loading || p.blocked:
		return false
	case l.head() != nil:
		r.offer(l)
		return true
	case p.first.Seq > r.position+1:
		// After a restart the lane may be ahead of the reader: what lies between is settled for it.
		p.nextAt = now.Add(20 * time.Millisecond)
		r.due.schedule(l)
	case p.readTo >= r.position && r.replay != nil:
		// The reader will jump from the end of the stretch to where it stood; only then is it known what is left.
		p.nextAt = now.Add(100 * time.Millisecond)
		r.due.schedule(l)
	case p.readTo >= r.position && r.snapshot == nil:
		r.release(l)
	case r.snapshot != nil:
		p.nextAt = now.Add(100 * time.Millisecond) // until the snapshot is told there is nothing to catch up with
		if p.first.Seq == 0 && p.attempts > 0 {
			r.load(l)
			return true
		}
		r.due.schedule(l)
	default:
		r.load(l)
		return true
	}
	return false
}

// release gives a lane that has caught up back to the reader.
func (r *runner) release(l *lane) {
	r.due.remove(l)
	l.park = nil
	r.parked--
	if r.released == nil {
		r.released = make(map[string]int64)
	}
	r.released[l.key] = r.position
	r.checkpoint.urgent = true
	r.forget(l)
}

// load reads the next page of a parked lane's log beside the loop.
func (r *runner) load(l *lane) {
	p := l.park
	p.loading = true
	r.loads++
	first, after, until := p.first, p.readTo, r.position
	snapshot := first.Seq == 0
	limit := max(lanePage, r.sub.Batch.Max)
	ctx := r.sendCtx
	go func() {
		var page []*carillon.Change
		var err error
		through := until
		if snapshot {
			page, through, err = r.engine.laneSnapshot(ctx, r.sub, l.key)
		} else {
			page, err = r.engine.store.Changes(ctx, r.sub.Org, store.LogQuery{
				After: after, Until: until, Lane: l.key, Limit: limit, MaxBytes: pageBytes,
			})
			if len(page) > 0 && (len(page) == limit || bytesOf(page) >= pageBytes) {
				through = page[len(page)-1].Seq
			}
		}
		r.back <- func() { r.loaded(l, p, page, through, err) }
	}()
}

func bytesOf(page []*carillon.Change) (n int) {
	for _, c := range page {
		n += len(c.Before) + len(c.After)
	}
	return n
}

func (r *runner) loaded(l *lane, p *parking, page []*carillon.Change, through int64, err error) {
	r.loads--
	p.loading = false
	if r.stopping || l.park != p {
		return
	}
	if err != nil {
		r.log.Error("read a parked lane", "lane", l.key, "error", err)
		p.nextAt = time.Now().Add(time.Second)
		r.due.schedule(l)
		return
	}
	p.readTo = through
	for _, c := range page {
		it, ok := r.itemOf(c)
		if !ok {
			continue
		}
		if c.Seq == p.first.Seq && !it.skipTo(p.first.Index) && !c.Moved() {
			continue
		}
		l.queue = append(l.queue, it)
	}
	if p.first.Seq == 0 { // of the snapshot's part, Index counts what is settled
		l.queue = l.queue[min(p.first.Index, len(l.queue)):]
	}
	if l.head() == nil {
		if p.first.Seq <= through {
			p.first = carillon.Position{Seq: through + 1}
			p.dirty = true
		}
		p.nextAt = time.Now()
		r.due.schedule(l)
		return
	}
	r.offer(l)
	if p.batch != nil {
		for _, key := range p.batch.lanes() {
			r.offer(r.lane(key))
		}
	}
	// Whoever waits for this lane to reach a common move looks again.
	if other, _ := r.partner(l); other != nil {
		r.offer(other)
	}
}

// untilNext is how long the loop may sleep.
func (r *runner) untilNext(now time.Time) time.Duration {
	wait := time.Hour
	sooner := func(t time.Time) {
		if d := t.Sub(now); !t.IsZero() && d < wait {
			wait = max(d, 0)
		}
	}
	if now.Before(r.holdUntil) {
		sooner(r.holdUntil)
	} else {
		if r.circuit.open {
			if r.inflight == 0 && r.loads == 0 && (len(r.letters)+len(r.due)+len(r.fresh)+len(r.catching) > 0 || r.position < r.tail.known()) {
				// A probe that is due and was not made had nothing to send yet.
				sooner(latest(r.circuit.probeAt, now.Add(20*time.Millisecond)))
			}
		} else if len(r.due) > 0 && r.loads < laneLoads && len(r.catching) < r.sub.Concurrency {
			sooner(r.due[0].park.nextAt)
		}
		sooner(r.waitingFor)
	}
	sooner(r.checkpoint.nextAt())
	return wait
}

// publish shows people how the subscription fares.
func (r *runner) publish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = Status{
		State: carillon.StateActive, Cursor: r.cursor(), ParkedLanes: r.parked, Delivered: r.checkpoint.delivered,
		Failed: r.checkpoint.failed, LastError: r.checkpoint.lastError,
	}
	if r.circuit.open {
		r.status.State = carillon.StateDegraded
	}
	if r.replay != nil {
		replay := *r.replay
		r.status.Replay = &replay
	}
}

func (r *runner) look() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// recentFirst lists the newest successes, newest first.
func (r *runner) recentFirst() []*carillon.Attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.recentFirstLocked()
}

func (r *runner) recentFirstLocked() []*carillon.Attempt {
	list := slices.Clone(r.recent)
	slices.Reverse(list)
	return list
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// hold leaves the endpoint alone until then, if it is not left alone longer already.
func (r *runner) hold(until time.Time) { r.holdUntil = latest(r.holdUntil, until) }

// snapshotPage is how many records are told before the next are read.
const snapshotPage = 256

// readSnapshot takes in the next page of what existed when the subscription began; true once all of it is told.
func (r *runner) readSnapshot(ctx context.Context) bool {
	r.passCursor()
	for len(r.window) == 0 {
		if r.paged != (carillon.Ref{}) {
			r.snapshot.After = r.paged
			r.paged = carillon.Ref{}
			r.checkpoint.urgent = true
		}
		page, err := r.engine.store.Snapshot(ctx, r.sub.Org, r.snapshot.AsOf, r.snapshot.After, snapshotPage)
		if err != nil {
			if ctx.Err() == nil {
				r.log.Error("read the snapshot", "error", err)
				r.hold(time.Now().Add(time.Second))
			}
			return false
		}
		if len(page) == 0 {
			r.position = r.snapshot.AsOf
			r.snapshot = nil
			r.checkpoint.urgent = true
			return true
		}
		for _, record := range page {
			r.take(dialect.SnapshotChange(record, r.snapshot.AsOf))
		}
		r.paged = page[len(page)-1].Ref
	}
	return false
}
