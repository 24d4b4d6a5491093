package console_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"carillon"
	"carillon/deliver"
	"carillon/store"
)

// archive is a log and subscriptions in memory: what the console reads, for tests that choose every detail of it.
type archive struct {
	mu            sync.Mutex
	changes       map[string][]*carillon.Change
	counts        map[string]map[carillon.Kind]int64
	subscriptions map[string][]*carillon.Subscription
	statuses      map[string]deliver.Status // by subscription id
	connections   []*carillon.Connection
	inbox         []*carillon.Inbound
	watchers      []chan struct{}
	seqAts        int // calls of SeqAt
	err           error
}

func newArchive() *archive {
	return &archive{
		changes: map[string][]*carillon.Change{}, counts: map[string]map[carillon.Kind]int64{},
		subscriptions: map[string][]*carillon.Subscription{}, statuses: map[string]deliver.Status{},
	}
}

// add appends a change with the next seq.
func (a *archive) add(c carillon.Change) *carillon.Change {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.Seq = int64(len(a.changes[c.Org]) + 1)
	a.changes[c.Org] = append(a.changes[c.Org], &c)
	if a.counts[c.Org] == nil {
		a.counts[c.Org] = map[carillon.Kind]int64{}
	}
	switch c.Op {
	case carillon.OpCreated:
		a.counts[c.Org][c.Kind]++
	case carillon.OpDeleted:
		a.counts[c.Org][c.Kind]--
	}
	for _, ch := range a.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
	return &c
}

func (a *archive) subscribe(s carillon.Subscription, status deliver.Status) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.subscriptions[s.Org] = append(a.subscriptions[s.Org], &s)
	a.statuses[s.ID] = status
}

// fail makes every read fail.
func (a *archive) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

func (a *archive) Head(_ context.Context, org string) (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return int64(len(a.changes[org])), a.err
}

func (a *archive) SeqAt(_ context.Context, org string, t time.Time) (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seqAts++
	n := int64(0)
	for _, c := range a.changes[org] {
		if !c.Time.After(t) {
			n = c.Seq
		}
	}
	return n, a.err
}

func (a *archive) Changes(_ context.Context, org string, q store.LogQuery) ([]*carillon.Change, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var page []*carillon.Change
	for _, c := range a.changes[org] {
		if c.Seq > q.After && (q.Until == 0 || c.Seq <= q.Until) && (q.Ref == nil || *q.Ref == c.Ref) {
			page = append(page, c)
		}
	}
	if q.Descending {
		slices.Reverse(page)
	}
	return page[:min(len(page), q.Limit)], a.err
}

func (a *archive) RecordAsOf(_ context.Context, org string, ref carillon.Ref, seq int64) (*carillon.Record, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var found *carillon.Record
	for _, c := range a.changes[org] {
		if c.Ref == ref && c.Seq <= seq {
			found = &carillon.Record{Org: org, Ref: ref, Number: c.Number, Version: c.Version, Seq: c.Seq, Lane: c.Lane, Data: c.After}
		}
	}
	if found == nil || found.Data == nil {
		return nil, carillon.NotFound(string(ref.Kind), ref.ID)
	}
	return found, a.err
}

func (a *archive) CountRecords(_ context.Context, org string) (map[carillon.Kind]int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	counts := map[carillon.Kind]int64{}
	for kind, n := range a.counts[org] {
		counts[kind] = n
	}
	return counts, a.err
}

func (a *archive) Subscriptions(_ context.Context, org string) ([]*carillon.Subscription, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.subscriptions[org]), a.err
}

func (a *archive) Status(_ context.Context, org, id string) (deliver.Status, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.subscriptions[org] {
		if s.ID == id {
			return a.statuses[id], nil
		}
	}
	return deliver.Status{}, carillon.NotFound("subscription", id)
}

func (a *archive) Connections(_ context.Context, org string) ([]*carillon.Connection, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(a.connections), func(c *carillon.Connection) bool { return c.Org != org }), a.err
}

func (a *archive) Connection(_ context.Context, org, id string) (*carillon.Connection, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.connections {
		if c.Org == org && c.ID == id {
			return c, a.err
		}
	}
	return nil, carillon.NotFound("connection", id)
}

// receive puts a delivery into the inbox.
func (a *archive) receive(d carillon.Inbound) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d.Position = int64(len(a.inbox) + 1)
	a.inbox = append(a.inbox, &d)
}

func (a *archive) Inbox(_ context.Context, q store.InboxQuery) ([]*carillon.Inbound, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var page []*carillon.Inbound
	for _, d := range slices.Backward(a.inbox) {
		if d.Org == q.Org && (q.Connection == "" || d.Connection == q.Connection) && (q.State == "" || d.State == q.State) && (q.After == 0 || d.Position < q.After) {
			page = append(page, d)
		}
	}
	return page[:min(len(page), q.Limit)], a.err
}

func (a *archive) Inbound(_ context.Context, org, id string) (*carillon.Inbound, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.inbox {
		if d.Org == org && d.ID == id {
			copied := *d
			return &copied, a.err
		}
	}
	return nil, carillon.NotFound("delivery", id)
}

// Retry applies a quarantined delivery.
func (a *archive) Retry(ctx context.Context, org, id string) (*carillon.Inbound, error) {
	if _, err := a.Inbound(ctx, org, id); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.inbox {
		switch {
		case d.ID != id:
		case d.State != carillon.InboxQuarantined:
			return nil, carillon.Conflict("it is " + string(d.State))
		default:
			d.State, d.Problem = carillon.InboxApplied, nil
		}
	}
	return nil, a.err
}

func (a *archive) Size(context.Context) (int64, error) { return 3 << 20, nil }

func (a *archive) Watch() (<-chan struct{}, func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ch := make(chan struct{}, 1)
	a.watchers = append(a.watchers, ch)
	return ch, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.watchers = slices.DeleteFunc(a.watchers, func(w chan struct{}) bool { return w == ch })
	}
}

func (a *archive) watching() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.watchers)
}

// account is a change of an account of the org.
func account(org, id, name string, op carillon.Op, at time.Time, changed ...carillon.MemberChange) carillon.Change {
	data := fmt.Appendf(nil, `{"id":%q,"name":%q,"status":"ACTIVE","health":"At Risk","classification":"SMB","createdAt":"2026-01-01T00:00:00.000Z","updatedAt":"2026-01-01T00:00:00.000Z"}`, id, name)
	c := carillon.Change{
		Org: org, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: id}, Op: op, Number: 1, Version: 1, Lane: id, Time: at,
		Actor: carillon.Actor{ID: "usr_1", Type: "AGENT", Email: "agent@example.com"}, Origin: "api", Changed: changed,
		Before: data, After: data,
	}
	switch op {
	case carillon.OpCreated:
		c.Before = nil
	case carillon.OpDeleted:
		c.After = nil
	}
	return c
}
