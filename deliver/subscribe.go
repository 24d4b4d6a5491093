package deliver

import (
	"context"
	"errors"
	"slices"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/sample"
	"carillon/sign"
	"carillon/store"
)

// SecretOverlap is how long a rotated secret still signs beside the new one.
const SecretOverlap = 24 * time.Hour

// Create implements Desk.
func (e *Engine) Create(ctx context.Context, s *carillon.Subscription) error {
	now := time.Now().UTC().Truncate(time.Millisecond)
	s.ID = carillon.NewID("sub")
	s.CreatedAt, s.UpdatedAt = now, now
	s.Secrets = []string{sign.NewSecret()}
	p, err := e.prepare(s)
	if err != nil {
		return err
	}
	if err := p.sink.Close(); err != nil {
		return err
	}
	err = e.store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		heads, err := tx.Lock(ctx, []string{s.Org})
		if err != nil {
			return err
		}
		head := heads[s.Org].Seq
		progress := &carillon.Progress{Org: s.Org, Subscription: s.ID, Cursor: head, UpdatedAt: now}
		switch s.Start.Mode {
		case carillon.StartBeginning:
			progress.Cursor = 0
		case carillon.StartSeq:
			progress.Cursor = min(s.Start.Seq-1, head)
		case carillon.StartSnapshot:
			s.Start.Seq = head
			progress.Snapshot = &carillon.SnapshotProgress{AsOf: head}
		}
		if err := tx.PutSubscription(ctx, s); err != nil {
			return err
		}
		return tx.SaveProgress(ctx, progress)
	})
	if err != nil {
		return err
	}
	unlock := e.alone(s.ID)
	defer unlock()
	return e.start(context.WithoutCancel(ctx), clone(s)) // it is there now, whether its maker waits or not
}

// clone keeps what a runner holds apart from what a caller may go on to change.
func clone(s *carillon.Subscription) *carillon.Subscription {
	c := *s
	c.Secrets = slices.Clone(s.Secrets)
	return &c
}

// change stops a subscription, alters it in the store, and starts it again: the one way in which people touch a
// subscription that runs.
func (e *Engine) change(ctx context.Context, org, id string, alter func(ctx context.Context, tx store.Tx, s *carillon.Subscription) error) (*carillon.Subscription, error) {
	// Whose it is comes first: nobody stops what is not theirs.
	if _, err := e.store.Subscription(ctx, org, id); err != nil {
		return nil, err
	}
	unlock := e.alone(id)
	defer unlock()
	ctx = context.WithoutCancel(ctx) // once it is stopped it must be started again
	e.halt(id)
	var changed *carillon.Subscription
	err := e.store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		s, err := tx.Subscription(ctx, org, id)
		if err != nil {
			return err
		}
		if err := alter(ctx, tx, s); err != nil {
			return err
		}
		s.UpdatedAt = time.Now().UTC().Truncate(time.Millisecond)
		changed = s
		return tx.PutSubscription(ctx, s)
	})
	if err != nil {
		// Nothing was altered: it goes on as it was.
		if s, readErr := e.store.Subscription(ctx, org, id); readErr == nil {
			err = errors.Join(err, e.start(ctx, s))
		}
		return nil, err
	}
	return changed, e.start(ctx, clone(changed))
}

// Update implements Desk.
func (e *Engine) Update(ctx context.Context, s *carillon.Subscription) error {
	current, err := e.store.Subscription(ctx, s.Org, s.ID)
	if err != nil {
		return err
	}
	wish := clone(s)
	wish.Secrets, wish.Start = current.Secrets, current.Start
	p, err := e.prepare(wish)
	if err != nil {
		return err
	}
	if err := p.sink.Close(); err != nil {
		return err
	}
	changed, err := e.change(ctx, s.Org, s.ID, func(_ context.Context, _ store.Tx, kept *carillon.Subscription) error {
		if wish.Dialect != kept.Dialect {
			// Positions inside a change count the events of one dialect.
			return carillon.Invalid("/dialect", "cannot be changed; make another subscription")
		}
		secrets, expires, start, created := kept.Secrets, kept.SecretExpiresAt, kept.Start, kept.CreatedAt
		paused, disabled, reason := kept.Paused, kept.Disabled, kept.DisabledReason
		*kept = *wish
		kept.Secrets, kept.SecretExpiresAt, kept.Start, kept.CreatedAt = secrets, expires, start, created
		kept.Paused, kept.Disabled, kept.DisabledReason = paused, disabled, reason
		return nil
	})
	if err == nil {
		*s = *changed
	}
	return err
}

// Delete implements Desk.
func (e *Engine) Delete(ctx context.Context, org, id string) error {
	if _, err := e.store.Subscription(ctx, org, id); err != nil {
		return err
	}
	unlock := e.alone(id)
	defer unlock()
	e.halt(id)
	return e.store.Update(context.WithoutCancel(ctx), func(ctx context.Context, tx store.Tx) error {
		return tx.DeleteSubscription(ctx, org, id)
	})
}

// Pause implements Desk.
func (e *Engine) Pause(ctx context.Context, org, id string) error {
	_, err := e.change(ctx, org, id, func(_ context.Context, _ store.Tx, s *carillon.Subscription) error {
		s.Paused = true
		return nil
	})
	return err
}

// Resume implements Desk.
func (e *Engine) Resume(ctx context.Context, org, id string) error {
	_, err := e.change(ctx, org, id, func(ctx context.Context, tx store.Tx, s *carillon.Subscription) error {
		s.Paused, s.Disabled, s.DisabledReason = false, false, ""
		lanes, err := e.store.ParkedLanes(ctx, org, id)
		if err != nil {
			return err
		}
		progress, err := e.store.Progress(ctx, org, id)
		if err != nil {
			return err
		}
		progress.CircuitOpen = false
		if err := tx.SaveProgress(ctx, progress); err != nil {
			return err
		}
		var blocked []*carillon.ParkedLane
		for _, l := range lanes {
			if l.Blocked {
				l.Blocked, l.Attempts, l.NextAt = false, 0, time.Now()
				blocked = append(blocked, l)
			}
		}
		if len(blocked) == 0 {
			return nil
		}
		return tx.PutParkedLanes(ctx, blocked)
	})
	return err
}

// disable takes a subscription out of service until a person resumes it, unless a person has changed it meanwhile.
func (e *Engine) disable(ctx context.Context, as *carillon.Subscription, reason string) error {
	_, err := e.change(ctx, as.Org, as.ID, func(_ context.Context, _ store.Tx, s *carillon.Subscription) error {
		if !s.UpdatedAt.Equal(as.UpdatedAt) {
			return nil
		}
		s.Disabled, s.DisabledReason = true, reason
		return nil
	})
	return err
}

// RotateSecret implements Desk.
func (e *Engine) RotateSecret(ctx context.Context, org, id string) (*carillon.Subscription, error) {
	return e.change(ctx, org, id, func(_ context.Context, _ store.Tx, s *carillon.Subscription) error {
		s.Secrets = []string{sign.NewSecret(), s.Secrets[0]}
		s.SecretExpiresAt = time.Now().Add(SecretOverlap).UTC().Truncate(time.Millisecond)
		return nil
	})
}

// Replay implements Desk. Up to the cursor, the stretch is told and then the subscription goes on where it stood; beyond
// the cursor it is the ordinary way ahead.
func (e *Engine) Replay(ctx context.Context, org, id string, from, to int64) error {
	head, err := e.store.Head(ctx, org)
	if err != nil {
		return err
	}
	if to == 0 || to > head {
		to = head
	}
	if from < 1 || from > to {
		return carillon.Invalid("/fromSeq", "must be between 1 and the end of the stretch")
	}
	_, err = e.change(ctx, org, id, func(ctx context.Context, tx store.Tx, _ *carillon.Subscription) error {
		lanes, err := e.store.ParkedLanes(ctx, org, id)
		if err != nil {
			return err
		}
		progress, err := e.store.Progress(ctx, org, id)
		if err != nil {
			return err
		}
		switch {
		case progress.Replay != nil:
			return carillon.Conflict("a replay is under way already")
		case progress.Snapshot != nil:
			return carillon.Conflict("the snapshot is still being told")
		case from > progress.Cursor:
			return nil // all of it lies ahead anyway
		case to < progress.Cursor:
			progress.Replay = &carillon.ReplayProgress{From: from, To: to, Resume: progress.Cursor}
		default:
			progress.Settled = nil
		}
		progress.Cursor = from - 1
		// A parked lane is fed from its own log: it goes back as well.
		var back []*carillon.ParkedLane
		for _, l := range lanes {
			if l.First.Seq > from {
				l.First, l.Attempts, l.Blocked, l.NextAt = carillon.Position{Seq: from}, 0, false, time.Now()
				back = append(back, l)
			}
		}
		if len(back) > 0 {
			if err := tx.PutParkedLanes(ctx, back); err != nil {
				return err
			}
		}
		return tx.SaveProgress(ctx, progress)
	})
	return err
}

// Test implements Desk.
func (e *Engine) Test(ctx context.Context, org, id string) (*carillon.Attempt, error) {
	s, err := e.store.Subscription(ctx, org, id)
	if err != nil {
		return nil, err
	}
	p, err := e.prepare(s)
	if err != nil {
		return nil, err
	}
	defer p.sink.Close() //nolint:errcheck // the answer to the test is what counts
	change, event, err := p.testEvent(time.Now())
	if err != nil {
		return nil, err
	}
	m, err := p.encode(ctx, []carillon.Event{event})
	if err != nil {
		return nil, err
	}
	at := time.Now()
	result := p.sink.Send(ctx, &m)
	a := &carillon.Attempt{
		Org: org, Subscription: id, EventID: m.ID, EventType: event.Type, Seq: change.Seq, Lane: change.Lane, Number: 1,
		At: at, Duration: time.Since(at), Outcome: carillon.OutcomeDelivered, Status: result.Status, Response: result.Response,
	}
	if result.Verdict != Taken {
		a.Outcome = carillon.OutcomeRetry
		if result.Err != nil {
			a.Error = result.Err.Error()
		}
	}
	return a, nil
}

// testEvent finds a sample of an event that the subscription asks for (its filter aside).
func (p *plan) testEvent(now time.Time) (*carillon.Change, carillon.Event, error) {
	for _, t := range sample.EventTypes() {
		change, ok := sample.Change(t, now, p.sub.Org)
		if !ok {
			continue
		}
		for i, name := range p.dialect.Events(change) {
			if p.patterns.Match(name) {
				return change, carillon.Event{Change: change, Index: i, Type: name}, nil
			}
		}
	}
	return nil, carillon.Event{}, carillon.Conflict("there is no sample of an event that the subscription asks for")
}

// Status implements Desk.
func (e *Engine) Status(ctx context.Context, org, id string) (Status, error) {
	s, err := e.store.Subscription(ctx, org, id)
	if err != nil {
		return Status{}, err
	}
	var status Status
	if r := e.runnerOf(org, id); r != nil {
		status = r.look()
	} else {
		progress, err := e.store.Progress(ctx, org, id)
		if err != nil {
			return Status{}, err
		}
		lanes, err := e.store.ParkedLanes(ctx, org, id)
		if err != nil {
			return Status{}, err
		}
		status = Status{
			Cursor: progress.Cursor, ParkedLanes: len(lanes), Delivered: progress.Delivered, Failed: progress.Failed,
			Replay: progress.Replay, State: carillon.StateActive,
		}
	}
	switch {
	case s.Disabled:
		status.State = carillon.StateDisabled
		status.LastError = s.DisabledReason
	case s.Paused:
		status.State = carillon.StatePaused
	}
	head, err := e.store.Head(ctx, org)
	if err != nil {
		return Status{}, err
	}
	status.Lag = max(0, head-status.Cursor)
	status.DeadLetters, err = e.store.CountDeadLetters(ctx, org, id)
	return status, err
}

// Attempts implements Desk.
func (e *Engine) Attempts(ctx context.Context, org, id string, limit int) ([]*carillon.Attempt, error) {
	if _, err := e.store.Subscription(ctx, org, id); err != nil {
		return nil, err
	}
	failed, err := e.store.Attempts(ctx, org, id, time.Time{}, limit)
	if err != nil {
		return nil, err
	}
	recent, err := e.store.RecentDeliveries(ctx, org, id)
	if err != nil {
		return nil, err
	}
	if r := e.runnerOf(org, id); r != nil {
		r.mu.Lock()
		if len(r.recent) > 0 {
			live := r.recentFirstLocked()
			oldest := live[len(live)-1].At
			recent = slices.DeleteFunc(recent, func(a *carillon.Attempt) bool { return !a.At.Before(oldest) })
			recent = append(live, recent...)
		}
		r.mu.Unlock()
	}
	all := append(failed, recent...)
	slices.SortStableFunc(all, func(a, b *carillon.Attempt) int { return b.At.Compare(a.At) })
	return all[:min(limit, len(all))], nil
}

// ReplayDeadLetters implements Desk.
func (e *Engine) ReplayDeadLetters(ctx context.Context, org, id string, ids []string) (int, error) {
	if _, err := e.store.Subscription(ctx, org, id); err != nil {
		return 0, err
	}
	r := e.runnerOf(org, id)
	if r == nil {
		return 0, carillon.Conflict("the subscription is not active: resume it first")
	}
	var letters []*carillon.DeadLetter
	if ids == nil {
		after := ""
		for {
			page, err := e.store.DeadLetters(ctx, org, id, after, 500)
			if err != nil {
				return 0, err
			}
			letters = append(letters, page...)
			if len(page) < 500 {
				break
			}
			after = page[len(page)-1].ID
		}
		slices.SortFunc(letters, func(a, b *carillon.DeadLetter) int {
			if a.Position.Before(b.Position) {
				return -1
			}
			return 1
		})
	}
	for _, letterID := range ids {
		letter, err := e.store.DeadLetter(ctx, org, id, letterID)
		if err != nil {
			return 0, err
		}
		letters = append(letters, letter)
	}
	taken := 0
	if !r.order(ctx, func() { taken = r.takeLetters(letters) }) {
		return 0, carillon.Conflict("the subscription is not active: resume it first")
	}
	return taken, nil
}

// laneSnapshot gives what existed in one lane when a subscription that starts from a snapshot began, as created changes,
// and the seq as of which.
func (e *Engine) laneSnapshot(ctx context.Context, s *carillon.Subscription, key string) ([]*carillon.Change, int64, error) {
	asOf := s.Start.Seq
	// Whatever was in the lane at that moment had a change in it before, and so stands in the lane's log.
	refs := make(map[carillon.Ref]bool)
	for after := int64(0); ; {
		page, err := e.store.Changes(ctx, s.Org, store.LogQuery{After: after, Until: asOf, Lane: key, Limit: pageChanges, MaxBytes: pageBytes})
		if err != nil {
			return nil, 0, err
		}
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			refs[c.Ref] = true
			after = c.Seq
		}
	}
	var changes []*carillon.Change
	for ref := range refs {
		record, err := e.store.RecordAsOf(ctx, s.Org, ref, asOf)
		if carillon.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		if record.Lane == key {
			changes = append(changes, dialect.SnapshotChange(record, asOf))
		}
	}
	slices.SortFunc(changes, func(a, b *carillon.Change) int {
		if k := slices.Index(carillon.Kinds, a.Kind) - slices.Index(carillon.Kinds, b.Kind); k != 0 {
			return k
		}
		return int(a.Number - b.Number)
	})
	return changes, asOf, nil
}
