package acceptance_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carillon"
	"carillon/deliver/delivertest"
	"carillon/dialect"
	"carillon/store"
	"carillon/store/sqlstore"
	"carillon/vault"
)

// openArchive opens the store of a server that is not running.
func openArchive(t *testing.T, dir string) *sqlstore.Store {
	t.Helper()
	v, err := vault.Open(filepath.Join(dir, "vault.key"))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := sqlstore.OpenSQLite(context.Background(), sqlstore.Options{Path: filepath.Join(dir, "carillon.db"), Sealer: v, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// ledgerOf tells which positions a checkpoint calls settled.
type standing struct {
	progress *carillon.Progress
	ahead    map[int64]int
	lanes    map[string]carillon.Position
}

func standingOf(t *testing.T, dir, subscription string) (*standing, []*carillon.Change) {
	t.Helper()
	archive := openArchive(t, dir)
	defer archive.Close()
	ctx := context.Background()
	progress, err := archive.Progress(ctx, "dev", subscription)
	if err != nil {
		t.Fatal(err)
	}
	s := &standing{progress: progress, ahead: map[int64]int{}, lanes: map[string]carillon.Position{}}
	for _, p := range progress.Settled {
		s.ahead[p.Seq] = p.Index
	}
	parked, err := archive.ParkedLanes(ctx, "dev", subscription)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range parked {
		s.lanes[l.Lane] = l.First
	}
	var log []*carillon.Change
	for after := int64(0); ; {
		page, err := archive.Changes(ctx, "dev", store.LogQuery{After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return s, log
		}
		log = append(log, page...)
		after = page[len(page)-1].Seq
	}
}

// settled reports whether the checkpoint says that an event needs no more telling.
func (s *standing) settled(lane string, at carillon.Position) bool {
	if first, parked := s.lanes[lane]; parked {
		return at.Before(first)
	}
	if index, ok := s.ahead[at.Seq]; ok {
		return index < 0 || at.Index < index
	}
	return at.Seq <= s.progress.Cursor
}

// The plug is pulled again and again while 32 writers write and the endpoint fails now and then. No acknowledged write is
// lost, nothing comes out of order per account, and nothing that a checkpoint called settled is told again.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	r := receive(t)
	var current atomic.Pointer[server]
	s := serve(t, dir)
	current.Store(s)
	s.makeAccounts(accounts)
	sub := s.subscribe(r, nil)
	r.Inject(delivertest.Fault{Probability: 0.05, Seed: 2})

	written := &acked{seqs: map[int64]string{}}
	var left atomic.Int64
	left.Store(int64(*updates))
	var up sync.RWMutex // held for writing while the server is down
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := 0; left.Add(-1) >= 0; n++ {
				account := accountID((w + n*writers) % accounts)
				up.RLock()
				header, err := current.Load().call("PATCH", "/v1/accounts/"+account, object{"domain": fmt.Sprintf("w%d-%d.example.com", w, n)}, nil)
				up.RUnlock()
				if err != nil {
					continue // it may or may not have been written: nobody was told that it was
				}
				if err := written.add(header, account); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}

	type mark struct {
		from    int // deliveries so far
		settled map[string]bool
	}
	var marks []mark
	for k := range *kills {
		goal := written.count() + *updates/(*kills+2)
		for written.count() < goal && left.Load() > 0 {
			<-time.After(time.Millisecond) // between two looks
		}
		s := current.Load()
		s.kill()
		up.Lock()
		at := standingIn(t, dir, sub.ID, r)
		marks = append(marks, mark{from: len(r.Deliveries()), settled: at})
		current.Store(serve(t, dir))
		up.Unlock()
		t.Logf("kill %d: %d writes acknowledged, %d messages taken, %d settled by the checkpoint", k+1, written.count(), r.Snapshot().Unique, len(at))
	}
	wg.Wait()
	s = current.Load()
	s.caughtUp(sub.ID)
	s.stop()

	_, log := standingOf(t, dir, sub.ID)
	inLog := map[int64]string{}
	told := map[string]bool{}
	for _, d := range r.Deliveries() {
		told[d.ID] = true
	}
	for _, c := range log {
		inLog[c.Seq] = c.ID
		if c.Op == carillon.OpUpdated && !told[dialect.EventID(c, 0)] {
			t.Errorf("change %d of %s was never told", c.Seq, c.ID)
		}
	}
	for seq, account := range written.seqs {
		if inLog[seq] != account {
			t.Errorf("acknowledged write %d of %s is lost: the log has %q there", seq, account, inLog[seq])
		}
	}
	for _, d := range r.OutOfOrder() {
		t.Error(d)
	}
	deliveries := r.Deliveries()
	for i, m := range marks {
		for _, d := range deliveries[m.from:] {
			if m.settled[d.ID] {
				t.Errorf("after kill %d: %s (seq %d) came again although the checkpoint called it settled", i+1, d.ID, d.Seq)
			}
		}
	}
	t.Logf("%d writes acknowledged, %d events, %d repeats after %d kills", written.count(), r.Snapshot().Unique, r.Repeats(), *kills)
}

// standingIn lists the ids of what was delivered and is called settled by the last checkpoint.
func standingIn(t *testing.T, dir, subscription string, r *receiver) map[string]bool {
	t.Helper()
	at, _ := standingOf(t, dir, subscription)
	settled := map[string]bool{}
	for _, d := range r.Deliveries() {
		seq, index, ok := dialect.ParseEventID(d.ID)
		if !ok {
			t.Fatalf("%s is not an event id", d.ID)
		}
		if at.settled(d.Lane, carillon.Position{Seq: seq, Index: index}) {
			settled[d.ID] = true
		}
	}
	return settled
}
