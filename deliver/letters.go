package deliver

import (
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/store"
)

// takeLetters queues dead letters to be tried again, outside their lanes: the lane has gone on long ago, or is blocked and
// waits for exactly this. A letter that is queued or on its way already is not taken twice.
func (r *runner) takeLetters(letters []*carillon.DeadLetter) int {
	if r.retrying == nil {
		r.retrying = make(map[string]bool)
	}
	taken := 0
	for _, letter := range letters {
		if !r.retrying[letter.ID] {
			r.retrying[letter.ID] = true
			r.letters = append(r.letters, letter)
			taken++
		}
	}
	return taken
}

// pickLetter makes a parcel of the next dead letter; its event is read from the log when it is rendered.
func (r *runner) pickLetter() *parcel {
	letter := r.letters[0]
	r.letters[0] = nil
	r.letters = r.letters[1:]
	return &parcel{number: letter.Attempts + 1, letter: letter}
}

// letterEvent reads the change behind a dead letter.
func (r *runner) letterEvent(letter *carillon.DeadLetter) (carillon.Event, error) {
	page, err := r.engine.store.Changes(r.sendCtx, r.sub.Org, store.LogQuery{
		After: letter.Position.Seq - 1, Until: letter.Position.Seq, Limit: 1,
	})
	if err != nil {
		return carillon.Event{}, err
	}
	if len(page) == 0 {
		return carillon.Event{}, carillon.NotFound("change", letter.EventID)
	}
	change := page[0]
	if _, _, ok := dialect.ParseEventID(letter.EventID); !ok {
		// It was told of a snapshot: what existed then, not what the change at that seq did.
		record, err := r.engine.store.RecordAsOf(r.sendCtx, r.sub.Org, change.Ref, r.sub.Start.Seq)
		if err != nil {
			return carillon.Event{}, err
		}
		change = dialect.SnapshotChange(record, r.sub.Start.Seq)
	}
	return carillon.Event{Change: change, Index: letter.Position.Index, Type: letter.EventType}, nil
}

// letterLanded removes a dead letter that was taken at last, and frees the lane that waited for it; one that was not stays.
func (r *runner) letterLanded(p *parcel, attempt *carillon.Attempt, result Result, now time.Time) {
	letter := p.letter
	delete(r.retrying, letter.ID)
	if attempt.Outcome == carillon.OutcomeDelivered {
		r.checkpoint.delivered++
		r.checkpoint.clear = append(r.checkpoint.clear, letter.ID)
		r.sinkWell(now)
		for _, l := range r.lanes {
			if l.park == nil || !l.park.blocked || l.key != letter.Lane {
				continue
			}
			if l.park.first == letter.Position || l.park.first.Seq == 0 {
				if l.park.batch != nil {
					r.dissolve(l.park.batch)
				}
				l.park.first.Index++
				l.park.blocked, l.park.attempts, l.park.lastError = false, 0, ""
				l.park.nextAt, l.park.retryAt, l.park.dirty = now, now, true
				r.due.schedule(l)
			}
		}
	} else {
		attempt.Outcome = carillon.OutcomeDead
		again := *letter
		again.Attempts, again.LastStatus, again.LastError = p.number, attempt.Status, attempt.Error
		r.checkpoint.letters = append(r.checkpoint.letters, &again)
		if result.Verdict == FailedAlone {
			r.sinkWell(now)
		} else {
			r.circuit.failed(attempt.Lane, now, p.probe)
		}
	}
	r.checkpoint.urgent = true
	r.note(attempt)
}
