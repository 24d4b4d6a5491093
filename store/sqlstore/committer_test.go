package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"carillon"
	"carillon/store"
	"carillon/store/sqlstore"
)

// hold keeps the committer busy with one act until release is called; what is queued meanwhile shares a transaction.
func hold(t *testing.T, s *sqlstore.Store) (release func()) {
	t.Helper()
	running, end := make(chan struct{}), make(chan struct{})
	var held sync.WaitGroup
	held.Go(func() {
		err := s.Update(context.Background(), func(context.Context, store.Tx) error {
			close(running)
			<-end
			return nil
		})
		if err != nil {
			t.Errorf("the act that holds the committer: %v", err)
		}
	})
	<-running
	var once sync.Once
	release = func() {
		once.Do(func() { close(end) })
		held.Wait()
	}
	t.Cleanup(release)
	return release
}

// together queues one update for each name, in their order, behind a held committer, and gives their errors.
func together(t *testing.T, s *sqlstore.Store, names []string, fn func(ctx context.Context, tx store.Tx, name string) error) map[string]error {
	t.Helper()
	release := hold(t, s)
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			errs[i] = s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return fn(ctx, tx, name) })
		})
		until(t, name+" is queued", func() bool { return s.Waiting() == i+1 })
	}
	release()
	wg.Wait()
	byName := make(map[string]error)
	for i, name := range names {
		byName[name] = errs[i]
	}
	return byName
}

// create adds an account, which may have parents.
func create(ctx context.Context, tx store.Tx, id string, parents ...string) error {
	heads, err := tx.Lock(ctx, []string{"one"})
	if err != nil {
		return err
	}
	head := heads["one"]
	head.Seq, head.Number = head.Seq+1, head.Number+1
	ref := carillon.Ref{Kind: carillon.KindAccount, ID: id}
	data := []byte(`{"id":"` + id + `"}`)
	r := &carillon.Record{Org: "one", Ref: ref, Number: head.Number, Version: 1, Seq: head.Seq, Lane: id, Data: data}
	c := &carillon.Change{Org: "one", Seq: head.Seq, Ref: ref, Op: carillon.OpCreated, Number: head.Number, Version: 1, Lane: id, After: data}
	write := store.RecordWrite{Record: r, New: true}
	for _, parent := range parents {
		write.References = append(write.References, store.Reference{Member: "parentId", Kind: carillon.KindAccount, ID: parent})
	}
	return errors.Join(
		tx.PutRecords(ctx, []store.RecordWrite{write}),
		tx.Append(ctx, []*carillon.Change{c}),
		tx.SaveHeads(ctx, map[string]store.Head{"one": head}))
}

// created lists the ids of the accounts in the order of the log, which must have no gap.
func created(t *testing.T, s *sqlstore.Store) []string {
	t.Helper()
	log, err := s.Changes(t.Context(), "one", store.LogQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i, c := range log {
		if c.Seq != int64(i+1) {
			t.Errorf("change %d stands at %d", c.Seq, i+1)
		}
		if _, err := s.Record(t.Context(), "one", c.Ref); err != nil {
			t.Error(err)
		}
		ids = append(ids, c.ID)
	}
	return ids
}

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: it did not come to that", what)
		}
	}
}

// execute runs a statement on the file, as another process would.
func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestAQueuedUpdateIsWithdrawnWhenItsCallerLeaves(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		left <- s.Update(ctx, func(ctx context.Context, tx store.Tx) error { return create(ctx, tx, "withdrawn") })
	}()
	until(t, "it is queued", func() bool { return s.Waiting() == 1 })
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) { // though the committer is still held
		t.Errorf("it gave %v", err)
	}
	release()
	if err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return create(ctx, tx, "next") }); err != nil {
		t.Fatal(err)
	}
	if got := created(t, s); len(got) != 1 || got[0] != "next" {
		t.Errorf("the log has %v", got)
	}
}

func TestUpdatesThatWaitTogetherAreCommittedTogether(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	names := []string{"a", "b", "c", "d"}
	visible := make(map[string]int64)
	for name, err := range together(t, s, names, func(ctx context.Context, tx store.Tx, name string) error {
		head, err := s.Head(ctx, "one") // as others see it
		visible[name] = head
		return errors.Join(err, create(ctx, tx, name))
	}) {
		if err != nil {
			t.Errorf("update %s: %v", name, err)
		}
		if visible[name] != 0 {
			t.Errorf("when update %s ran, change %d was committed already", name, visible[name])
		}
	}
	if got := created(t, s); len(got) != len(names) {
		t.Errorf("the log has %v", got)
	}
}

func TestAnActThatFailsTakesNothingOfTheOthersInItsTransaction(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	errFailing := errors.New("it fails")
	fields := func(ctx context.Context, tx store.Tx, want int) error {
		list, err := tx.CustomFields(ctx, "one", carillon.KindAccount)
		if err == nil && len(list) != want {
			return fmt.Errorf("%d custom fields, want %d", len(list), want)
		}
		return err
	}
	children := func(ctx context.Context, tx store.Tx, want ...string) error {
		list, err := tx.Referrers(ctx, "one", carillon.KindAccount, "root", 0)
		if err != nil {
			return err
		}
		var ids []string
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		if !slices.Equal(ids, want) {
			return fmt.Errorf("root is referred to by %v, want %v", ids, want)
		}
		return nil
	}
	acts := map[string]func(ctx context.Context, tx store.Tx) error{
		"a": func(ctx context.Context, tx store.Tx) error { return create(ctx, tx, "a", "root") },
		"b": func(ctx context.Context, tx store.Tx) error {
			return errors.Join(create(ctx, tx, "b", "root"),
				tx.PutCustomField(ctx, &carillon.CustomField{Org: "one", Kind: carillon.KindAccount, UID: "tier"}),
				fields(ctx, tx, 1), children(ctx, tx, "a", "b"), errFailing)
		},
		"c": func(ctx context.Context, tx store.Tx) error {
			return errors.Join(fields(ctx, tx, 0), children(ctx, tx, "a"), create(ctx, tx, "c", "root"), children(ctx, tx, "a", "c"))
		},
		"d": func(ctx context.Context, tx store.Tx) error {
			return errors.Join(create(ctx, tx, "d", "root"), errFailing)
		},
		"e": func(ctx context.Context, tx store.Tx) error {
			return errors.Join(create(ctx, tx, "e"), children(ctx, tx, "a", "c"), errFailing)
		},
		"f": func(ctx context.Context, tx store.Tx) error { return create(ctx, tx, "f", "root") },
		"g": func(ctx context.Context, tx store.Tx) error { return children(ctx, tx, "a", "c", "f") },
	}
	for name, err := range together(t, s, []string{"a", "b", "c", "d", "e", "f", "g"}, func(ctx context.Context, tx store.Tx, name string) error {
		return acts[name](ctx, tx)
	}) {
		switch name {
		case "a", "c", "f", "g":
			if err != nil {
				t.Errorf("act %s: %v", name, err)
			}
		default:
			if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 1 || !errors.Is(err, errFailing) {
				t.Errorf("act %s failed with more than its own error: %v", name, err)
			}
		}
	}
	if got := created(t, s); !slices.Equal(got, []string{"a", "c", "f"}) {
		t.Errorf("the log has %v", got)
	}
	err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		return errors.Join(children(ctx, tx, "a", "c", "f"), fields(ctx, tx, 0))
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWhatTheDatabaseRefusesFailsAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	execute(t, path, `CREATE TRIGGER refuse BEFORE INSERT ON changes WHEN NEW.record_id = 'bad'
		BEGIN SELECT RAISE(ABORT, 'no bad ones'); END`)
	for round := range 2 {
		var names []string
		for _, name := range []string{"a", "bad", "b", "failing", "c"} {
			if name != "bad" && name != "failing" {
				name += fmt.Sprint(round)
			}
			names = append(names, name)
		}
		errFailing := errors.New("it fails")
		for name, err := range together(t, s, names, func(ctx context.Context, tx store.Tx, name string) error {
			if err := create(ctx, tx, name); err != nil {
				return err
			}
			if round == 1 { // what an act asks of the database makes it learn of the acts before
				if err := tx.PutKey(ctx, &carillon.Key{Org: "one", ID: name, Hash: [32]byte([]byte(fmt.Sprintf("%32s", name)))}); err != nil {
					return err
				}
			}
			if name == "failing" {
				return errFailing
			}
			return nil
		}) {
			switch name {
			case "bad":
				if err == nil || !strings.Contains(err.Error(), "no bad ones") {
					t.Errorf("round %d: the refused update gave %v", round, err)
				}
			case "failing":
				if !errors.Is(err, errFailing) {
					t.Errorf("round %d: the failing update gave %v", round, err)
				}
			default:
				if err != nil {
					t.Errorf("round %d: update %s gave %v", round, name, err)
				}
			}
		}
		if got := created(t, s); len(got) != 3*(round+1) {
			t.Errorf("round %d: the log has %v", round, got)
		}
	}
	if keys, err := s.Keys(t.Context(), "one"); err != nil || len(keys) != 3 {
		t.Errorf("%d keys, %v; want 3", len(keys), err)
	}
}

func TestATransactionThatTheEngineGaveUpFailsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	// As SQLite does when the disk is full.
	execute(t, path, `CREATE TRIGGER refuse BEFORE INSERT ON keys WHEN NEW.id = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'given up'); END`)
	swallow := func(ctx context.Context, tx store.Tx, name string) error {
		if err := create(ctx, tx, name); err != nil {
			return err
		}
		_ = tx.PutKey(ctx, &carillon.Key{Org: "one", ID: name, Hash: [32]byte([]byte(fmt.Sprintf("%32s", name)))})
		return nil // it takes no notice
	}
	if err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return swallow(ctx, tx, "bad") }); err == nil {
		t.Error("alone it succeeded")
	}
	for name, err := range together(t, s, []string{"a", "bad", "b"}, swallow) {
		if name == "bad" && err == nil {
			t.Error("together with others it succeeded")
		}
		_, read := s.Record(t.Context(), "one", carillon.Ref{Kind: carillon.KindAccount, ID: name})
		if (err == nil) != (read == nil) {
			t.Errorf("update %s gave %v, but its record reads as %v", name, err, read)
		}
	}
	before := len(created(t, s))
	if err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return create(ctx, tx, "after") }); err != nil {
		t.Fatal(err)
	}
	if got := created(t, s); len(got) != before+1 {
		t.Errorf("the log has %v", got)
	}
}

func TestClosingCommitsWhatIsQueued(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	release := hold(t, s)
	const count = 20
	errs := make([]error, count)
	var wg sync.WaitGroup
	for i := range count {
		wg.Go(func() {
			errs[i] = s.Update(context.Background(), func(ctx context.Context, tx store.Tx) error { return create(ctx, tx, fmt.Sprint(i)) })
		})
	}
	until(t, "half are queued", func() bool { return s.Waiting() >= count/2 })
	wg.Go(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	release()
	wg.Wait()
	want := 0
	for i, err := range errs {
		switch carillon.ErrorCode(err) {
		case "":
			want++
		case carillon.CodeUnavailable:
		default:
			t.Errorf("update %d gave %v", i, err)
		}
	}
	if want < count/2 {
		t.Errorf("%d updates succeeded, though %d were queued", want, count/2)
	}
	if got := created(t, open(t, path)); len(got) != want {
		t.Errorf("%d updates succeeded, the log has %d", want, len(got))
	}
}
