package sample_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"carillon"
	"carillon/ledger"
	"carillon/sample"
	"carillon/store"
	"carillon/store/sqlstore"
	"carillon/vault"
)

// openLedger runs a ledger over a new archive, with the time that clock points to.
func openLedger(t *testing.T, clock *time.Time) (*ledger.Ledger, store.Store) {
	t.Helper()
	dir := t.TempDir()
	v, err := vault.Open(filepath.Join(dir, "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := sqlstore.OpenSQLite(t.Context(), sqlstore.Options{
		Path: filepath.Join(dir, "carillon.db"), Sealer: v, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.New(ledger.Config{Store: archive, Now: func() time.Time { return *clock }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := archive.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, archive
}

// writeOf is a step as the ledger takes it.
func writeOf(t *testing.T, step sample.Step) ledger.Write {
	t.Helper()
	w := ledger.Write{Data: step.Body, Op: map[string]ledger.Op{
		http.MethodPut: ledger.Put, http.MethodPatch: ledger.Patch, http.MethodDelete: ledger.Delete,
	}[step.Method]}
	path := strings.Split(strings.TrimPrefix(step.Path, "/v1/"), "/")
	kinds := make(map[string]carillon.Kind)
	for _, kind := range carillon.Kinds {
		kinds[kind.Plural()] = kind
	}
	switch {
	case path[0] == "custom" && len(path) == 3:
		w.Ref = carillon.Ref{Kind: carillon.KindCustom, Module: path[1], ID: path[2]}
	case len(path) == 2 && kinds[path[0]] != "":
		w.Ref = carillon.Ref{Kind: kinds[path[0]], ID: path[1]}
	case len(path) == 4 && path[2] == "comments":
		w.Ref = carillon.Ref{Kind: carillon.KindComment, ID: path[3]}
		w.On = carillon.Ref{Kind: kinds[path[0]], ID: path[1]}
	default:
		t.Fatalf("%s is not a path of the API", step.Path)
	}
	return w
}

// The sample of an event is, but for its place in the log, what the log holds after its story was told.
func TestASampleIsWhatItsStoryLeadsTo(t *testing.T) {
	clock := now
	l, archive := openLedger(t, &clock)
	for i, name := range append(sample.EventTypes(), "custom:projects:created") {
		t.Run(name, func(t *testing.T) {
			org := fmt.Sprintf("org-%d", i)
			want, ok := sample.Change(name, now, org)
			if !ok {
				t.Fatal("no sample")
			}
			story, ok := sample.StoryOf(name)
			if !ok {
				t.Fatal("no story")
			}
			steps := story.Steps("sample")
			for n, step := range steps {
				clock = now.Add(-24 * time.Hour)
				if n == len(steps)-1 {
					clock = now
				}
				_, err := l.Apply(t.Context(), ledger.Entry{
					Org: org, Actor: sample.Actor, Origin: want.Origin, Writes: []ledger.Write{writeOf(t, step)},
				})
				if err != nil {
					t.Fatalf("%s %s: %v", step.Method, step.Path, err)
				}
			}
			changes, err := archive.Changes(t.Context(), org, store.LogQuery{Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			if len(changes) != len(steps) {
				t.Fatalf("%d writes made %d changes", len(steps), len(changes))
			}
			got := changes[len(changes)-1]
			want.Seq, want.Number = got.Seq, got.Number
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("sample and story differ (- sample, + story):\n%s", diff)
			}
		})
	}
}
