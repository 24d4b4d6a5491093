package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon"
	"carillon/store"
	"carillon/store/sqlstore"
	"carillon/store/storetest"
	"carillon/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vaultOf is one for all tests: making a key costs an fsync.
var vaultOf = sync.OnceValues(func() (*vault.Vault, error) {
	return vault.FromKey("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
})

// open opens the archive in a file, and closes it when the test ends.
func open(t testing.TB, path string, change ...func(*sqlstore.Options)) *sqlstore.Store {
	t.Helper()
	v, err := vaultOf()
	if err != nil {
		t.Fatal(err)
	}
	o := sqlstore.Options{Path: path, Sealer: v, Logger: slog.New(slog.DiscardHandler)}
	for _, fn := range change {
		fn(&o)
	}
	s, err := sqlstore.OpenSQLite(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSQLite(t *testing.T) {
	var paths sync.Map // store → path
	storetest.Run(t, func(t *testing.T) store.Store {
		path := filepath.Join(t.TempDir(), "carillon #1?.db")
		s := open(t, path)
		paths.Store(store.Store(s), path)
		return s
	}, storetest.WithCrash(func(t *testing.T, s store.Store) store.Store {
		// What a killed process leaves behind is the two files as they are, and nobody's lock.
		path, _ := paths.Load(s)
		left := filepath.Join(t.TempDir(), "left.db")
		for _, suffix := range []string{"", "-wal"} {
			copyFile(t, path.(string)+suffix, left+suffix)
		}
		return open(t, left)
	}))
}

func TestSecretsAreNotOnDisk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "a.db"))
	secrets := []string{"whsec_c2VjcmV0", "the-password", "the-token", "the-value", "hidden.example.com"}
	sub := &carillon.Subscription{
		Org: "one", ID: "sub_1", Name: "shown", Secrets: secrets[:1],
		Sink: carillon.Sink{URL: "https://" + secrets[4], Auth: &carillon.Auth{Password: secrets[1], Token: secrets[2], Value: secrets[3]}},
	}
	if err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.PutSubscription(ctx, sub) }); err != nil {
		t.Fatal(err)
	}
	// What apps are set to, keep and are passed back is sealed as well.
	secrets = append(secrets, "the-iparam", "the-app-token", "the-value-of-an-app", "the-data-of-a-schedule")
	err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		a := &carillon.App{
			Org: "one", ID: "app_1", IParams: json.RawMessage(`{"k":"` + secrets[5] + `"}`), ExternalToken: secrets[6], Package: []byte("PK"),
		}
		return errors.Join(tx.PutApp(ctx, a),
			tx.PutAppValue(ctx, &carillon.AppValue{Org: "one", App: "app_1", Key: "k", Value: json.RawMessage(`{"k":"` + secrets[7] + `"}`)}),
			tx.PutAppSchedule(ctx, &carillon.AppSchedule{Org: "one", App: "app_1", Name: "s", Data: json.RawMessage(`{"k":"` + secrets[8] + `"}`)}))
	})
	if err != nil {
		t.Fatal(err)
	}
	look := func() {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, e := range entries {
			content, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			found = found || bytes.Contains(content, []byte("sub_1"))
			for _, secret := range secrets {
				if bytes.Contains(content, []byte(secret)) {
					t.Errorf("%s shows %s", e.Name(), secret)
				}
			}
		}
		if !found {
			t.Error("the subscription is in none of the files: the test looks in the wrong place")
		}
	}
	look()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	look()
}

func TestSubscriptionsOpenOnlyWithTheirKeyAndInTheirRow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		return errors.Join(tx.PutSubscription(ctx, &carillon.Subscription{Org: "one", ID: "sub_1"}),
			tx.PutSubscription(ctx, &carillon.Subscription{Org: "two", ID: "sub_1"}))
	})
	if err != nil {
		t.Fatal(err)
	}
	execute(t, path, `UPDATE subscriptions SET sealed = (SELECT sealed FROM subscriptions WHERE org = 'one') WHERE org = 'two'`)
	if _, err := s.Subscription(t.Context(), "one", "sub_1"); err != nil {
		t.Error(err)
	}
	if got, err := s.Subscription(t.Context(), "two", "sub_1"); err == nil {
		t.Errorf("a row moved to another org opened as %+v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	other, err := vault.FromKey(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	again := open(t, path, func(o *sqlstore.Options) { o.Sealer = other })
	_, err = again.Subscription(t.Context(), "one", "sub_1")
	var e *carillon.Error
	if !errors.As(err, &e) || e.Hint == "" {
		t.Errorf("with another key: error %v has no hint", err)
	}
}

func TestAScheduleThatCannotBeOpenedKeepsNoOtherFromComing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	var log bytes.Buffer
	s := open(t, path, func(o *sqlstore.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	at := time.UnixMilli(1e12).UTC()
	err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		for n, id := range []string{"app_1", "app_2"} {
			err := errors.Join(
				tx.PutApp(ctx, &carillon.App{Org: "one", ID: id}),
				tx.PutAppSchedule(ctx, &carillon.AppSchedule{Org: "one", App: id, Name: "first", At: at}),
				tx.PutAppSchedule(ctx, &carillon.AppSchedule{Org: "one", App: id, Name: "second", At: at.Add(time.Duration(n+1) * time.Minute)}),
			)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	execute(t, path, `UPDATE app_schedules SET sealed = x'00' WHERE app = 'app_1' AND name = 'first'`)
	for _, c := range []struct {
		until time.Time
		limit int
		want  []string
	}{
		{at, 9, []string{"app_2 first"}},
		{at, 1, []string{"app_2 first"}},
		{at.Add(time.Minute), 9, []string{"app_2 first", "app_1 second"}},
		{at.Add(time.Minute), 1, []string{"app_2 first"}},
	} {
		due, err := s.DueAppSchedules(t.Context(), c.until, c.limit)
		var got []string
		for _, d := range due {
			got = append(got, d.App+" "+d.Name)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%d due at %v are %q, %v; want %q", c.limit, c.until, got, err, c.want)
		}
	}
	if n := strings.Count(log.String(), "pass over a schedule"); n != 1 {
		t.Errorf("the log tells of it %d times: %s", n, log.String())
	}
}

func TestTheWriteAheadLogIsPutBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path, func(o *sqlstore.Options) {
		o.CheckpointEvery = 2 * time.Millisecond
		o.WALBytes = 256 << 10
	})
	for n := range 300 {
		if err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return create(ctx, tx, fmt.Sprint(n)) }); err != nil {
			t.Fatal(err)
		}
	}
	// It is shortened in a pause, and the file has all.
	until(t, "the write-ahead log is short", func() bool {
		info, err := os.Stat(path + "-wal")
		return err == nil && info.Size() <= 64<<10
	})
	if got := created(t, s); len(got) != 300 {
		t.Errorf("the log has %d changes", len(got))
	}
}

func TestTheWriteAheadLogStaysShortUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	const limit = 128 << 10
	s := open(t, path, func(o *sqlstore.Options) {
		o.CheckpointEvery = time.Millisecond
		o.WALBytes = limit
	})
	var written int64
	deadline := time.Now().Add(30 * time.Second)
	for n := 0; ; n++ { // no pause between
		if err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return create(ctx, tx, fmt.Sprint(n)) }); err != nil {
			t.Fatal(err)
		}
		written += 5 * 4096 // at least: a page of each table and index that it touches
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		if n > 100 && info.Size() < written/4 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after some %d bytes were written the write-ahead log has %d", written, info.Size())
		}
	}
	created(t, s)
}

func TestTwoProcessesCanWriteToOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	stores := []*sqlstore.Store{open(t, path), open(t, path)}
	const rounds = 25
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() {
			for n := range rounds {
				err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return create(ctx, tx, fmt.Sprint(i, "-", n)) })
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, s := range stores {
		if got := created(t, s); len(got) != len(stores)*rounds {
			t.Errorf("the log has %d changes, want %d", len(got), len(stores)*rounds)
		}
	}
}

func TestAChangeOfAKilobyteTakesLittleMoreOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	put := func(rounds int) int64 {
		for range rounds {
			err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
				return benchUpdate(ctx, tx, rand.Perm(benchAccounts)...)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, path)
		size, err := s.Size(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return size
	}
	before := put(1)
	const rounds = 4
	each := float64(put(rounds)-before) / (rounds * benchAccounts)
	if size := len(benchRecord("acc_01kar1z2m3n4p5q6r7s8t9v000", 5)); size < 1024 {
		t.Fatalf("the record has %d bytes, the test is about more", size)
	}
	if each > 1600 {
		t.Errorf("a change takes %.0f bytes, want at most 1600", each)
	}
}

func TestReadsOfTheLogWalkTheIndexMadeForThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	open(t, path)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ref := carillon.Ref{Kind: carillon.KindAccount, ID: "a"}
	for name, c := range map[string]struct {
		query store.LogQuery
		want  []string
	}{
		"all":    {store.LogQuery{Limit: 9}, []string{"changes_seq (org=? AND seq>? AND seq<?)"}},
		"a lane": {store.LogQuery{Lane: "a", Limit: 9}, []string{"changes_lane (org=? AND lane=? AND seq>? AND seq<?)", "changes_previous_lane (org=? AND previous_lane=? AND seq>? AND seq<?)"}},
		"a record": {store.LogQuery{Ref: &ref, Limit: 1, Descending: true}, []string{
			"changes_record (org=? AND kind=? AND module=? AND record_id=? AND seq>? AND seq<?)", "changes_lane (org=? AND lane=? AND seq>? AND seq<?)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			statement, args := sqlstore.SelectChanges("one", c.query)
			rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+statement, args...)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			var plan strings.Builder
			for rows.Next() {
				var id, parent, unused int
				var detail string
				if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
					t.Fatal(err)
				}
				plan.WriteString(detail + "\n")
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(plan.String(), want) {
					t.Errorf("the plan lacks %q:\n%s", want, plan.String())
				}
			}
			if strings.Contains(plan.String(), "SCAN changes") || strings.Contains(plan.String(), "ORDER BY") {
				t.Errorf("the plan scans or sorts:\n%s", plan.String())
			}
		})
	}
}

func TestWhatCannotBeOpenedIsNamed(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := vaultOf()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	for name, o := range map[string]sqlstore.Options{
		"no database":          {Path: text, Sealer: v, Logger: log},
		"no directory":         {Path: filepath.Join(dir, "absent", "a.db"), Sealer: v, Logger: log},
		"no path":              {Sealer: v, Logger: log},
		"no sealer":            {Path: filepath.Join(dir, "a.db"), Logger: log},
		"no logger":            {Path: filepath.Join(dir, "a.db"), Sealer: v},
		"an absurd page size":  {Path: filepath.Join(dir, "a.db"), Sealer: v, Logger: log, PageSize: 1000},
		"a negative page size": {Path: filepath.Join(dir, "a.db"), Sealer: v, Logger: log, PageSize: -4096},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sqlstore.OpenSQLite(t.Context(), o)
			if err == nil {
				t.Error(s.Close(), "it was opened")
			}
		})
	}
}
