package deliver

import (
	"context"
	"fmt"
	"sync"

	"carillon"
	"carillon/store"
)

// How many changes an org's tail keeps in memory (it may hold half as many more), and the bounds of a page read from the log.
const (
	tailChanges = 2048
	pageChanges = 256
	pageBytes   = 4 << 20
)

// tail is the end of one org's log in memory, shared by all subscriptions that are (nearly) caught up, so that a change
// is read from the store once and not once per subscription.
type tail struct {
	org   string
	store Store

	mu      sync.Mutex
	changes []*carillon.Change // consecutive seqs
	head    int64              // of the log, as far as known; changes end here
	begun   bool               // head is known: what lies before it is read by those who are behind
	idle    bool               // nothing came since the last trim
}

// extend reads what the log has gained and reports whether it has.
func (t *tail) extend(ctx context.Context) (bool, error) {
	t.mu.Lock()
	head, begun := t.head, t.begun
	t.mu.Unlock()
	if !begun {
		return false, nil
	}
	grown := false
	for {
		page, err := t.store.Changes(ctx, t.org, store.LogQuery{After: head, Limit: pageChanges, MaxBytes: pageBytes})
		if err != nil {
			return grown, fmt.Errorf("read the tail of the log: %w", err)
		}
		if len(page) == 0 {
			return grown, nil
		}
		grown = true
		t.mu.Lock()
		if t.head == head { // else somebody else was faster
			t.add(page)
		}
		head = t.head
		t.mu.Unlock()
		if len(page) < pageChanges && bytesOf(page) < pageBytes {
			return grown, nil
		}
	}
}

// push adds changes that were just committed, if they follow what is known, and reports whether they did. Otherwise
// extend will read them.
func (t *tail) push(changes []*carillon.Change) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(changes) == 0 || !t.begun || changes[0].Seq != t.head+1 {
		return false
	}
	t.add(changes)
	return true
}

// add appends changes that follow head. The caller holds mu.
func (t *tail) add(changes []*carillon.Change) {
	t.changes = append(t.changes, changes...)
	if over := len(t.changes) - tailChanges; over > tailChanges/2 {
		// A new array, so that readers keep theirs and the old changes can be freed.
		t.changes = append(make([]*carillon.Change, 0, 2*tailChanges), t.changes[over:]...)
	}
	t.head = changes[len(changes)-1].Seq
	t.idle = false
}

// trim frees the changes of a tail that has not grown since the last trim.
func (t *tail) trim() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle {
		t.changes = nil
	}
	t.idle = true
}

// after gives changes following seq, at most limit: from memory if they are there, else a page from the store.
func (t *tail) after(ctx context.Context, seq int64, limit int) ([]*carillon.Change, error) {
	t.mu.Lock()
	if seq >= t.head {
		t.mu.Unlock()
		return nil, nil
	}
	if first := t.head - int64(len(t.changes)) + 1; seq+1 >= first {
		from := int(seq + 1 - first)
		page := t.changes[from:min(from+limit, len(t.changes))]
		t.mu.Unlock()
		return page, nil
	}
	t.mu.Unlock()
	page, err := t.store.Changes(ctx, t.org, store.LogQuery{After: seq, Limit: min(limit, pageChanges), MaxBytes: pageBytes})
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	return page, nil
}

// known is the head of the log as far as this process has seen it.
func (t *tail) known() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.head
}

// knows reports whether the tail has begun.
func (t *tail) knows() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.begun
}

// begin sets where a tail that knows nothing yet begins.
func (t *tail) begin(head int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun {
		t.head, t.begun = head, true
	}
}
