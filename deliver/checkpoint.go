package deliver

import (
	"cmp"
	"context"
	"slices"
	"time"

	"carillon"
	"carillon/store"
)

// How soon progress reaches the store: after deliveries, after changes that were only passed over, and the list of
// recent successes that people look at.
const (
	checkpointEvery = 50 * time.Millisecond
	passedOverEvery = 30 * time.Second
	recentEvery     = 5 * time.Second
)

// checkpointState is what a runner has yet to write down.
type checkpointState struct {
	urgent    bool // something was delivered, parked, given up
	busy      bool // a checkpoint is being written
	writing   *checkpoint
	done      chan error // what became of it; one place, so that the writer never waits for a runner
	saved     int64
	savedAt   time.Time
	recentAt  time.Time
	delivered int64
	failed    int64
	lastError string
	attempts  []*carillon.Attempt
	letters   []*carillon.DeadLetter
	clear     []string // dead letters that were delivered after all

	recentDirty bool
}

// checkpoint is one subscription's share of a transaction.
type checkpoint struct {
	progress     *carillon.Progress
	lanes        []*carillon.ParkedLane
	released     []string
	attempts     []*carillon.Attempt
	letters      []*carillon.DeadLetter
	clearLetters []string
	recent       []*carillon.Attempt // nil: unchanged
	done         chan<- error
}

func (s *checkpointState) init(p *carillon.Progress) {
	s.saved, s.delivered, s.failed = p.Cursor, p.Delivered, p.Failed
	s.savedAt = time.Now()
	s.recentAt = s.savedAt
	s.done = make(chan error, 1)
}

// nextAt is when the loop should come back to write; zero for not at all.
func (s *checkpointState) nextAt() time.Time {
	switch {
	case s.busy:
		return time.Time{}
	case s.urgent:
		return s.savedAt.Add(checkpointEvery)
	case s.recentDirty:
		return s.recentAt.Add(recentEvery)
	default:
		return time.Time{}
	}
}

// save starts a checkpoint if one is due.
func (r *runner) save(ctx context.Context, now time.Time) {
	s := &r.checkpoint
	if s.busy {
		return
	}
	due := s.urgent && now.Sub(s.savedAt) >= checkpointEvery ||
		s.recentDirty && now.Sub(s.recentAt) >= recentEvery ||
		r.cursor() != s.saved && now.Sub(s.savedAt) >= passedOverEvery
	if !due {
		return
	}
	c := r.collect(now)
	s.busy, s.writing, c.done = true, c, s.done
	select {
	case r.engine.checkpoints <- c:
	case <-ctx.Done():
		s.busy, s.writing = false, nil
		r.restore(c)
	}
}

// wrote notes what became of the checkpoint that was being written.
func (r *runner) wrote(err error) {
	c := r.checkpoint.writing
	r.checkpoint.busy, r.checkpoint.writing = false, nil
	r.saved(c, err)
}

// saveNow writes the last checkpoint of a runner that stops.
func (r *runner) saveNow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	c := r.collect(time.Now())
	r.saved(c, r.engine.write(ctx, []*checkpoint{c}))
}

// collect takes down everything that changed since the last checkpoint.
func (r *runner) collect(now time.Time) *checkpoint {
	s := &r.checkpoint
	org, id := r.sub.Org, r.sub.ID
	c := &checkpoint{progress: &carillon.Progress{
		Org: org, Subscription: id, Cursor: r.cursor(), Settled: r.settledAhead(), Replay: r.replay,
		Delivered: s.delivered, Failed: s.failed, CircuitOpen: r.circuit.open, UpdatedAt: now,
	}}
	if r.snapshot != nil {
		snapshot := *r.snapshot
		c.progress.Snapshot = &snapshot
	}
	if r.parked > 0 {
		for _, l := range r.lanes {
			if l.park != nil && l.park.dirty {
				l.park.dirty = false
				row := &carillon.ParkedLane{
					Org: org, Subscription: id, Lane: l.key, First: l.park.first, Attempts: l.park.attempts,
					NextAt: l.park.retryAt, Blocked: l.park.blocked, LastError: l.park.lastError, ParkedAt: l.park.since,
				}
				if b := l.park.batch; b != nil && b.first == l.key {
					row.Batch = b.members
				}
				c.lanes = append(c.lanes, row)
			}
		}
	}
	for key, passed := range r.released {
		if c.progress.Cursor >= passed {
			c.released = append(c.released, key)
			delete(r.released, key)
			continue
		}
		c.lanes = append(c.lanes, &carillon.ParkedLane{
			Org: org, Subscription: id, Lane: key, First: carillon.Position{Seq: passed + 1}, NextAt: now, ParkedAt: now,
		})
	}
	c.attempts, s.attempts = s.attempts, nil
	c.letters, s.letters = s.letters, nil
	c.clearLetters, s.clear = s.clear, nil
	if s.recentDirty && (now.Sub(s.recentAt) >= recentEvery || r.stopping) {
		s.recentDirty = false
		s.recentAt = now
		c.recent = r.recentFirst()
	}
	s.urgent = false
	s.savedAt = now
	return c
}

// settledAhead lists what is settled above the cursor, so that a crash does not repeat it.
func (r *runner) settledAhead() []carillon.Position {
	if r.snapshot != nil {
		return nil
	}
	var list []carillon.Position
	for _, it := range r.window {
		switch {
		case it.settled:
			list = append(list, carillon.Position{Seq: it.change.Seq, Index: -1})
		case it.next > 0 && it.next < 64:
			list = append(list, carillon.Position{Seq: it.change.Seq, Index: it.next})
		}
	}
	if len(r.settled) > 0 {
		ahead := make([]carillon.Position, 0, len(r.settled))
		for seq, index := range r.settled {
			ahead = append(ahead, carillon.Position{Seq: seq, Index: index})
		}
		slices.SortFunc(ahead, func(a, b carillon.Position) int { return cmp.Compare(a.Seq, b.Seq) })
		list = append(list, ahead...)
	}
	return list
}

// saved notes that a checkpoint has been written, or puts back what it held.
func (r *runner) saved(c *checkpoint, err error) {
	if err == nil {
		r.checkpoint.saved = c.progress.Cursor
		return
	}
	r.log.Error("write a checkpoint", "error", err)
	r.restore(c)
	r.checkpoint.savedAt = time.Now().Add(time.Second) // do not hammer a store that fails
}

func (r *runner) restore(c *checkpoint) {
	s := &r.checkpoint
	s.urgent = true
	s.attempts = append(c.attempts, s.attempts...)
	s.letters = append(c.letters, s.letters...)
	s.clear = append(c.clearLetters, s.clear...)
	s.recentDirty = s.recentDirty || c.recent != nil
	for _, row := range c.lanes {
		if l := r.lanes[row.Lane]; l != nil && l.park != nil {
			l.park.dirty = true
		}
	}
	for _, key := range c.released {
		if l := r.lanes[key]; l != nil && l.park != nil {
			continue
		}
		if r.released == nil {
			r.released = make(map[string]int64)
		}
		r.released[key] = c.progress.Cursor
	}
}

// writeCheckpoints puts the checkpoints of all subscriptions that are ready at the same time into one transaction.
func (e *Engine) writeCheckpoints(ctx context.Context) {
	for {
		var batch []*checkpoint
		select {
		case <-ctx.Done():
			return
		case c := <-e.checkpoints:
			batch = append(batch, c)
		}
	gather:
		for len(batch) < 256 {
			select {
			case c := <-e.checkpoints:
				batch = append(batch, c)
			default:
				break gather
			}
		}
		err := e.write(context.WithoutCancel(ctx), batch)
		for _, c := range batch {
			c.done <- err
		}
	}
}

// write is the transaction: where the subscriptions stand, and what came of the stretch of log behind them.
func (e *Engine) write(ctx context.Context, batch []*checkpoint) error {
	return e.store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		for _, c := range batch {
			if err := tx.SaveProgress(ctx, c.progress); err != nil {
				return err
			}
			if err := c.writeRest(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *checkpoint) writeRest(ctx context.Context, tx store.Tx) error {
	org, id := c.progress.Org, c.progress.Subscription
	if len(c.lanes) > 0 {
		if err := tx.PutParkedLanes(ctx, c.lanes); err != nil {
			return err
		}
	}
	if len(c.released) > 0 {
		if err := tx.DeleteParkedLanes(ctx, org, id, c.released); err != nil {
			return err
		}
	}
	if len(c.letters) > 0 {
		if err := tx.PutDeadLetters(ctx, c.letters); err != nil {
			return err
		}
	}
	if len(c.clearLetters) > 0 {
		if err := tx.DeleteDeadLetters(ctx, org, id, c.clearLetters); err != nil {
			return err
		}
	}
	if len(c.attempts) > 0 {
		if err := tx.AddAttempts(ctx, c.attempts); err != nil {
			return err
		}
	}
	if c.recent != nil {
		return tx.SaveRecentDeliveries(ctx, org, id, c.recent)
	}
	return nil
}
