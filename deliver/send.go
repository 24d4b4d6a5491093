package deliver

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"carillon"
	"carillon/dialect"
)

// parcel is one message on its way: one event, or in a batch several, each the head of its lane when the parcel was made.
type parcel struct {
	parts  []part
	events []carillon.Event
	number int // attempt, 1 for the first
	caught bool
	probe  bool
	letter *carillon.DeadLetter // a dead letter tried again, outside its lane
}

// part is one event of a parcel and where it stands.
type part struct {
	lane  *lane
	other *lane // of a move: the second lane
	item  *item
	index int
}

// dispatch sends what may be sent.
func (r *runner) dispatch(now time.Time) {
	r.waitingFor = time.Time{}
	for r.inflight < r.sub.Concurrency && !r.held(now) {
		if r.circuit.open && (r.inflight > 0 || r.probing || now.Before(r.circuit.probeAt)) {
			return
		}
		p := r.pick(now)
		if p == nil {
			return
		}
		r.send(p)
	}
}

// pick makes the next parcel, or nil if no lane's head may be sent now. Parked lanes come first, but hold at most a quarter
// of the hands, so that heads that hang cannot take them all.
func (r *runner) pick(now time.Time) *parcel {
	if len(r.letters) > 0 && r.allowed(now) {
		return r.pickLetter()
	}
	if r.batcher != nil {
		return r.pickBatch(now)
	}
	l := r.nextLane(now)
	if l == nil || !r.allowed(now) {
		if l != nil {
			r.offer(l)
		}
		return nil
	}
	p := &parcel{number: 1}
	r.pack(p, l)
	return p
}

// allowed asks the rate limit for one message; if it says no, the loop comes back in time.
func (r *runner) allowed(now time.Time) bool {
	if r.limiter == nil {
		return true
	}
	reservation := r.limiter.ReserveN(now, 1)
	if wait := reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
		r.waitingFor = now.Add(wait)
		return false
	}
	return true
}

// nextLane takes the next lane in line whose head may really be sent.
func (r *runner) nextLane(now time.Time) *lane {
	if r.circuit.open { // a lane that has not failed tells more of the endpoint
		if l := r.nextOf(&r.fresh, now, false); l != nil {
			return l
		}
	}
	if r.parkedInflight < max(1, r.sub.Concurrency/4) {
		if l := r.nextOf(&r.catching, now, true); l != nil {
			return l
		}
	}
	return r.nextOf(&r.fresh, now, false)
}

func (r *runner) nextOf(line *[]*lane, now time.Time, parked bool) *lane {
	for len(*line) > 0 {
		l := (*line)[0]
		(*line)[0] = nil
		*line = (*line)[1:]
		if r.sendable(l, now, parked) {
			return l
		}
	}
	return nil
}

// sendable looks at a lane that was in line. Since it was put there it may have been parked, or its head may wait for
// another lane; such a lane is offered again when that changes.
func (r *runner) sendable(l *lane, now time.Time, parked bool) bool {
	l.ready = false
	if l.sending || l.head() == nil {
		r.forget(l)
		return false
	}
	if parked != (l.park != nil) {
		r.offer(l)
		return false
	}
	if !r.rested(l, now) && !r.circuit.open {
		l.park.nextAt = l.park.retryAt
		r.due.schedule(l)
		return false
	}
	if l.park != nil && l.park.batch != nil && !r.gathered(l.park.batch, now) {
		r.lookAgain(l, now)
		return false
	}
	other, ok := r.partner(l)
	if !ok {
		if l.park != nil {
			r.lookAgain(l, now)
		}
		return false
	}
	if l.head().next >= 64 { // a fence: reached in both lanes, passed at once
		r.settle(part{lane: l, other: other, item: l.head(), index: 63})
		return false
	}
	return true
}

// lookAgain has a parked lane that waits for another one looked at after a while, should the other not offer it before.
func (r *runner) lookAgain(l *lane, now time.Time) {
	l.park.nextAt = now.Add(200 * time.Millisecond)
	r.due.schedule(l)
}

// pack puts the head of a lane into the parcel.
func (r *runner) pack(p *parcel, l *lane) {
	it := l.head()
	other, _ := r.partner(l)
	p.add(part{lane: l, other: other, item: it, index: it.next}, it.event())
	l.sending = true
	if other != nil {
		other.sending = true
	}
	if l.park != nil {
		p.caught = true
		p.number = max(p.number, l.park.attempts+1)
	}
}

func (p *parcel) add(at part, event carillon.Event) {
	p.parts = append(p.parts, at)
	p.events = append(p.events, event)
}

// pickBatch fills a parcel from as many lanes as it takes: of each lane its head and what follows it, in order.
func (r *runner) pickBatch(now time.Time) *parcel {
	p := &parcel{number: 1}
	oldest := now
	for len(p.events) < r.sub.Batch.Max {
		l := r.nextLane(now)
		if l == nil {
			break
		}
		if l.park != nil && l.park.batch != nil {
			if len(p.events) > 0 { // a batch that failed goes as it was, alone
				r.offer(l)
				break
			}
			if again := r.packAgain(l.park.batch); again != nil {
				return r.orLater(again, now)
			}
		}
		r.pack(p, l)
		if t := l.head().change.Time; t.Before(oldest) {
			oldest = t
		}
		r.packRest(p, l)
	}
	if len(p.events) == 0 {
		return nil
	}
	ready := oldest.Add(r.sub.Batch.Wait)
	full := len(p.events) >= r.sub.Batch.Max || p.caught || r.circuit.open
	if !full && now.Before(ready) {
		r.waitingFor = ready
		r.unpack(p)
		return nil
	}
	return r.orLater(p, now)
}

// orLater gives the parcel if the rate limit allows it now; else it is taken apart again.
func (r *runner) orLater(p *parcel, now time.Time) *parcel {
	if r.allowed(now) {
		return p
	}
	r.unpack(p)
	return nil
}

// packAgain makes the parcel of a batch that failed before, event for event. It gives nil if that is no longer possible
// (the subscription's filter has changed, say): then its lanes form batches like any others.
func (r *runner) packAgain(b *batch) *parcel {
	p := &parcel{}
	for _, m := range b.members {
		l := r.lane(m.Lane)
		i := slices.IndexFunc(l.queue, func(it *item) bool { return it.change.Seq == m.Seq })
		if i < 0 || l.park == nil || l.park.batch != b {
			r.dissolve(b)
			return nil
		}
		it := *l.queue[i]
		if !it.skipTo(m.Index) || it.next != m.Index {
			r.dissolve(b)
			return nil
		}
		at := part{lane: l, item: l.queue[i], index: m.Index}
		if m.Other != "" {
			at.other = r.lane(m.Other)
		}
		p.add(at, it.event())
		p.number = max(p.number, l.park.attempts+1)
	}
	p.caught = true
	for _, at := range p.parts {
		at.lane.sending = true
		if at.other != nil {
			at.other.sending = true
		}
	}
	return p
}

// dissolve forgets what a batch was made of: its lanes go on one by one.
func (r *runner) dissolve(b *batch) {
	for _, key := range b.lanes() {
		if l := r.lanes[key]; l != nil && l.park != nil && l.park.batch == b {
			l.park.batch, l.park.dirty = nil, true
			r.offer(l)
		}
	}
}

// rejoin has the parked lanes of a batch remember it after a restart; if one of them has moved on it is forgotten.
func (r *runner) rejoin(b *batch) {
	for _, m := range b.members {
		for _, key := range []string{m.Lane, m.Other} {
			if key == "" {
				continue
			}
			l := r.lanes[key]
			if l == nil || l.park == nil || l.park.batch != b && l.park.first != m.Position {
				r.dissolve(b)
				return
			}
			l.park.batch = b
		}
	}
}

// gathered reports whether every lane of a batch stands ready with it.
func (r *runner) gathered(b *batch, now time.Time) bool {
	for _, key := range b.lanes() {
		l := r.lanes[key]
		if l == nil || l.park == nil || l.park.batch != b {
			r.dissolve(b)
			return true
		}
		if l.sending || l.head() == nil || !r.rested(l, now) && !r.circuit.open {
			return false
		}
		if _, ok := r.partner(l); !ok {
			return false
		}
	}
	return true
}

// packRest adds what follows a lane's packed head, as far as the batch has room. A move ends it: it must be the head of
// both its lanes.
func (r *runner) packRest(p *parcel, l *lane) {
	from := l.head().next + 1
	for _, it := range l.queue {
		if it.change.Moved() {
			return
		}
		for rest := *it; rest.skipTo(max(from, it.next)); from = rest.next + 1 {
			if len(p.events) >= r.sub.Batch.Max {
				return
			}
			p.add(part{lane: l, item: it, index: rest.next}, rest.event())
		}
		from = 0
	}
}

// unpack puts the lanes of a parcel that is not sent back in line, in front.
func (r *runner) unpack(p *parcel) {
	for _, at := range p.parts {
		at.lane.sending = false
		if at.other != nil {
			at.other.sending = false
		}
		r.offer(at.lane)
	}
}

// send hands a parcel to the sink beside the loop. First try, retry, probe and dead letter are this one act.
func (r *runner) send(p *parcel) {
	r.inflight++
	if p.caught {
		r.parkedInflight++
	}
	if r.circuit.open {
		p.probe, r.probing = true, true
	}
	go func() {
		m, err := r.render(p)
		at := time.Now()
		var result Result
		switch {
		case errors.Is(err, errUnread) && r.sendCtx.Err() != nil:
			result = Result{Verdict: Interrupted, Err: err}
		case errors.Is(err, errUnread):
			result = Result{Verdict: TryAgain, Err: err}
		case err != nil:
			result = Result{Verdict: Never, Err: err}
		default:
			result = r.sink.Send(r.sendCtx, &m)
			result.Duration = time.Since(at)
		}
		if result.Verdict != Taken && result.Verdict != Interrupted && result.Err == nil {
			result.Err = errors.New("the sink did not take the message")
		}
		r.back <- func() { r.landed(p, &m, at, result) }
	}()
}

// render encodes the events of a parcel; those of a dead letter are read from the log first.
func (r *runner) render(p *parcel) (carillon.Message, error) {
	if p.letter != nil {
		event, err := r.letterEvent(p.letter)
		if err != nil {
			return carillon.Message{}, err
		}
		p.events = []carillon.Event{event}
	}
	return r.encode(r.sendCtx, p.events)
}

// landed does what follows from how a send ended.
func (r *runner) landed(p *parcel, m *carillon.Message, at time.Time, result Result) {
	r.inflight--
	if p.caught {
		r.parkedInflight--
	}
	if p.probe {
		r.probing = false
	}
	for _, part := range p.parts {
		part.lane.sending = false
		if part.other != nil {
			part.other.sending = false
		}
	}
	now := at.Add(result.Duration)
	if result.Verdict == Interrupted {
		r.back2lane(p, now)
		return
	}
	attempt := r.attempt(p, m, at, result)
	if p.letter != nil {
		r.letterLanded(p, attempt, result, now)
		return
	}
	switch result.Verdict {
	case Taken:
		r.checkpoint.delivered++
		r.sinkWell(now)
		for _, part := range p.parts {
			r.settle(part)
		}
	case Never:
		r.giveUp(p, attempt, now)
	case Gone:
		attempt.Outcome = carillon.OutcomeGone
		r.back2lane(p, now)
		r.disable(attempt.Error)
	case FailedAlone:
		r.sinkWell(now)
		r.waitOrGiveUp(p, attempt, result, now)
	default:
		r.failed(p, attempt, result, now)
	}
	r.note(attempt)
}

// back2lane leaves a parcel's lanes as they were before it was made.
func (r *runner) back2lane(p *parcel, now time.Time) {
	if p.letter != nil {
		delete(r.retrying, p.letter.ID)
		return
	}
	for _, part := range p.parts {
		if part.lane.park != nil && part.lane.head() == nil {
			part.lane.park.nextAt = now
			r.due.schedule(part.lane)
		}
		r.offer(part.lane)
	}
}

func (r *runner) attempt(p *parcel, m *carillon.Message, at time.Time, result Result) *carillon.Attempt {
	a := &carillon.Attempt{
		Org: r.sub.Org, Subscription: r.sub.ID, EventID: m.ID, Number: p.number, At: at, Duration: result.Duration,
		Outcome: carillon.OutcomeDelivered, Status: result.Status, Response: result.Response,
	}
	if p.letter != nil {
		a.EventID, a.EventType, a.Seq, a.Lane = p.letter.EventID, p.letter.EventType, p.letter.Position.Seq, p.letter.Lane
	} else {
		first, last := p.events[0], p.events[len(p.events)-1]
		a.EventType, a.Seq, a.Lane = first.Type, last.Change.Seq, first.Change.Lane
	}
	if result.Err != nil {
		a.Outcome, a.Error = carillon.OutcomeRetry, result.Err.Error()
	}
	return a
}

// settle marks one event as done and lets its lane go on.
func (r *runner) settle(at part) {
	it := at.item
	wholly := !it.skipTo(at.index + 1)
	if wholly {
		it.settled = true
	}
	for _, l := range []*lane{at.lane, at.other} {
		if l == nil {
			continue
		}
		// In a parked lane the head may be another reading of the same change.
		if h := l.head(); h != nil && h.change.Seq == it.change.Seq {
			if h.next = it.next; wholly {
				l.pop()
			}
		}
		if l.park != nil {
			r.advance(l, it, wholly)
		} else {
			r.offer(l)
			r.forget(l)
		}
	}
	r.passCursor()
	r.checkpoint.urgent = true
	// A lane whose new head is a move lets the other lane look again.
	for _, l := range []*lane{at.lane, at.other} {
		if l != nil && l.head() != nil && l.head().change.Moved() {
			if other, _ := r.partner(l); other != nil {
				r.offer(other)
			}
		}
	}
}

// advance moves a parked lane behind an event that is settled.
func (r *runner) advance(l *lane, it *item, wholly bool) {
	p := l.park
	p.attempts, p.lastError, p.blocked, p.free, p.dirty = 0, "", false, false, true
	if p.batch != nil {
		r.dissolve(p.batch)
	}
	p.nextAt, p.retryAt = time.Now(), time.Time{}
	switch {
	case p.first.Seq == 0: // the snapshot's part of the lane has no order in the log: Index counts what is settled
		if wholly && it.change.Origin == dialect.OriginSnapshot {
			p.first.Index++
		}
		if l.head() == nil && p.readTo > 0 {
			p.first = carillon.Position{Seq: p.readTo + 1}
		}
	case wholly:
		p.first = carillon.Position{Seq: it.change.Seq + 1}
		if l.head() == nil && p.readTo > it.change.Seq {
			p.first.Seq = p.readTo + 1
		}
	default:
		p.first = carillon.Position{Seq: it.change.Seq, Index: it.next}
	}
	if p.readTo < p.first.Seq-1 {
		p.readTo = p.first.Seq - 1
	}
	if l.head() != nil {
		r.offer(l)
		return
	}
	r.due.schedule(l)
}

// sinkWell closes the circuit: the sink has judged a message, whether or not it took it.
func (r *runner) sinkWell(now time.Time) {
	if r.circuit.succeeded() {
		r.endpointBack(now)
	}
}

// failed has the circuit hear of a failure of the sink. If it was open already the parcel waits for the next probe.
func (r *runner) failed(p *parcel, attempt *carillon.Attempt, result Result, now time.Time) {
	wasOpen := r.circuit.open
	if opened := r.circuit.failed(attempt.Lane, now, p.probe); opened {
		r.log.Warn("the circuit opens: everything to the endpoint fails", "error", attempt.Error)
	}
	if result.RetryAfter > 0 && result.Status == 429 {
		r.hold(now.Add(result.RetryAfter))
	}
	if wasOpen {
		// The endpoint is down, not the message: nobody is burnt.
		r.waitAt(p, attempt, now, r.circuit.probeAt, false)
		return
	}
	r.waitOrGiveUp(p, attempt, result, now)
}

// waitOrGiveUp parks the lanes of a parcel until the schedule says to try again, or gives up.
func (r *runner) waitOrGiveUp(p *parcel, attempt *carillon.Attempt, result Result, now time.Time) {
	number := p.number
	if l := p.parts[0].lane; l.park != nil && l.park.free {
		number = max(1, number-1)
	}
	wait, again := nextTry(r.sub.Retry, number, result.RetryAfter, rand.Float64)
	if !again {
		r.giveUp(p, attempt, now)
		return
	}
	r.waitAt(p, attempt, now, now.Add(wait), true)
}

// waitAt parks every lane of a parcel at the parcel's first event in it, until next.
func (r *runner) waitAt(p *parcel, attempt *carillon.Attempt, now, next time.Time, burn bool) {
	var b *batch
	if r.batcher != nil {
		b = &batch{first: p.parts[0].lane.key}
		for i, at := range p.parts {
			m := carillon.BatchMember{
				Lane: at.lane.key, Position: carillon.Position{Seq: p.events[i].Change.Seq, Index: p.events[i].Index},
			}
			if at.other != nil {
				m.Other = at.other.key
			}
			b.members = append(b.members, m)
		}
	}
	for i, part := range p.parts {
		if i > 0 && p.parts[i-1].lane == part.lane {
			continue
		}
		for _, l := range []*lane{part.lane, part.other} {
			if l == nil {
				continue
			}
			if l.park == nil {
				r.parkLane(l, part.item.position(), now)
			}
			l.queue = nil // read again when its time comes: what waits costs no memory
			l.park.readTo = l.park.first.Seq - 1
			l.park.nextAt, l.park.retryAt, l.park.lastError, l.park.dirty = next, next, attempt.Error, true
			if burn && !l.park.free {
				l.park.attempts = p.number
			}
			l.park.free = false
			r.due.schedule(l)
			l.park.batch = b
		}
	}
	r.checkpoint.urgent = true
}

// endpointBack has every parked lane try at once: an endpoint that was dead takes messages again.
func (r *runner) endpointBack(now time.Time) {
	r.log.Info("the endpoint takes messages again")
	for _, l := range r.lanes {
		if l.park == nil || l.park.blocked || !l.park.retryAt.After(now) {
			continue
		}
		l.park.nextAt, l.park.retryAt, l.park.free = now, now, true
		if !l.sending && !l.park.loading { // else it goes on when it is back
			r.due.schedule(l)
		}
	}
	r.checkpoint.urgent = true
}

// giveUp makes a dead letter of every event in the parcel. The lanes go on, or wait for a person.
func (r *runner) giveUp(p *parcel, attempt *carillon.Attempt, now time.Time) {
	attempt.Outcome = carillon.OutcomeDead
	for i, part := range p.parts {
		event := p.events[i]
		r.checkpoint.letters = append(r.checkpoint.letters, &carillon.DeadLetter{
			ID: carillon.NewID("dl"), Org: r.sub.Org, Subscription: r.sub.ID, Lane: event.Change.Lane,
			Position: carillon.Position{Seq: event.Change.Seq, Index: event.Index},
			EventID:  dialect.EventID(event.Change, event.Index), EventType: event.Type, Attempts: p.number,
			LastStatus: attempt.Status, LastError: attempt.Error, CreatedAt: now,
		})
		if r.sub.OnGiveUp == carillon.GiveUpContinue {
			r.settle(part)
		}
	}
	if r.sub.OnGiveUp != carillon.GiveUpBlock {
		return
	}
	r.waitAt(p, attempt, now, now, true)
	for _, part := range p.parts {
		for _, l := range []*lane{part.lane, part.other} {
			if l != nil && l.park != nil {
				l.park.blocked = true
				r.due.remove(l)
			}
		}
	}
}

// disable stops the subscription for good until a person resumes it.
func (r *runner) disable(reason string) {
	if r.disabling {
		return
	}
	r.disabling = true
	r.hold(time.Now().Add(time.Hour))
	r.log.Warn("the subscription is disabled", "reason", reason)
	r.engine.background.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.sendCtx), time.Minute)
		defer cancel()
		if err := r.engine.disable(ctx, r.sub, reason); err != nil {
			r.log.Error("disable the subscription", "error", err)
		}
	})
}

// note keeps an attempt where people can see it: failures in the store, successes in a ring.
func (r *runner) note(a *carillon.Attempt) {
	if a.Outcome != carillon.OutcomeDelivered {
		r.checkpoint.failed++
		r.checkpoint.lastError = a.Error
		r.checkpoint.attempts = append(r.checkpoint.attempts, a)
		r.checkpoint.urgent = true
	} else {
		r.mu.Lock()
		if len(r.recent) >= recentKept {
			copy(r.recent, r.recent[1:])
			r.recent = r.recent[:recentKept-1]
		}
		r.recent = append(r.recent, a)
		r.mu.Unlock()
		r.checkpoint.recentDirty = true
	}
	if r.engine.observe != nil {
		r.engine.observe(a)
	}
}
