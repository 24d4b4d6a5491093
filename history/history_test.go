package history_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"carillon"
	"carillon/history"
	"carillon/ledger"
	"carillon/store/sqlstore"
	"carillon/vault"
)

// shelf is a real archive with a ledger that writes to it.
type shelf struct {
	t    *testing.T
	room *history.Room
	book *ledger.Ledger
}

func open(t *testing.T) *shelf {
	t.Helper()
	sealer, err := vault.Open(filepath.Join(t.TempDir(), "vault"))
	must(t, err)
	archive, err := sqlstore.OpenSQLite(t.Context(), sqlstore.Options{
		Path: filepath.Join(t.TempDir(), "carillon.db"), Sealer: sealer, Logger: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	book, err := ledger.New(ledger.Config{Store: archive})
	must(t, err)
	running, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = book.Run(running) })
	t.Cleanup(func() {
		stop()
		work.Wait()
		must(t, archive.Close())
	})
	return &shelf{t, history.New(archive), book}
}

// put writes records as a whole, in order: "account acc_1" and its data.
func (s *shelf) put(writes ...ledger.Write) {
	s.t.Helper()
	for len(writes) > 0 {
		n := min(len(writes), 500)
		_, err := s.book.Apply(s.t.Context(), ledger.Entry{Org: "acme", Actor: carillon.Actor{ID: "U1"}, Origin: "api", Writes: writes[:n]})
		must(s.t, err)
		writes = writes[n:]
	}
}

func put(kind carillon.Kind, id, data string) ledger.Write {
	return ledger.Write{Op: ledger.Put, Ref: carillon.Ref{Kind: kind, ID: id}, Data: []byte(data)}
}

func account(id, parent string) ledger.Write {
	if parent == "" {
		return put(carillon.KindAccount, id, fmt.Sprintf(`{"name":"Account %s"}`, id))
	}
	return put(carillon.KindAccount, id, fmt.Sprintf(`{"name":"Account %s","parentAccountId":%q}`, id, parent))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// names is a language that says what the change did.
type names struct{}

func (names) Events(c *carillon.Change) []string {
	return []string{string(c.Kind) + ":" + string(c.Op)}
}

func TestAHierarchyIsCutAtItsBounds(t *testing.T) {
	s := open(t)
	writes := []ledger.Write{account("root", "")}
	above := "root"
	for i := range 20 {
		id := fmt.Sprintf("deep_%02d", i)
		writes = append(writes, account(id, above))
		above = id
	}
	s.put(writes...)
	h, err := s.room.Hierarchy(t.Context(), "acme", "root")
	must(t, err)
	if !h.Cut || len(h.Nodes) != 17 || h.Nodes[16].Depth != 16 || len(h.Links) != 16 {
		t.Errorf("20 steps down: cut %v, %d nodes, %d links", h.Cut, len(h.Nodes), len(h.Links))
	}
	h, err = s.room.Hierarchy(t.Context(), "acme", "deep_19")
	must(t, err)
	if !h.Cut || len(h.Nodes) != 17 || h.Nodes[0].Depth != -16 {
		t.Errorf("20 steps up: cut %v, %d nodes", h.Cut, len(h.Nodes))
	}

	writes = []ledger.Write{account("wide", "")}
	for i := range 600 {
		writes = append(writes, account(fmt.Sprintf("wide_%03d", i), "wide"))
	}
	s.put(writes...)
	h, err = s.room.Hierarchy(t.Context(), "acme", "wide")
	must(t, err)
	if !h.Cut || len(h.Nodes) != 500 || len(h.Links) != 499 {
		t.Errorf("600 children: cut %v, %d nodes, %d links", h.Cut, len(h.Nodes), len(h.Links))
	}
	for _, l := range h.Links {
		if l.Parent != "wide" || !strings.HasPrefix(l.Child, "wide_") {
			t.Errorf("link %+v", l)
		}
	}
}

func TestAHierarchyIsWholeWithinItsBounds(t *testing.T) {
	s := open(t)
	s.put(account("a", ""), account("b", "a"), account("c", "a"), account("d", "b"), account("other", ""))
	h, err := s.room.Hierarchy(t.Context(), "acme", "a")
	must(t, err)
	var ids []string
	for _, n := range h.Nodes {
		ids = append(ids, fmt.Sprintf("%s %d", n.ID, n.Depth))
	}
	if got := strings.Join(ids, ", "); got != "a 0, b 1, c 1, d 2" || h.Cut || len(h.Links) != 3 || h.Nodes[0].Name != "Account a" {
		t.Errorf("%s, cut %v, links %v", got, h.Cut, h.Links)
	}
	if _, err := s.room.Hierarchy(t.Context(), "acme", "nobody"); !carillon.IsNotFound(err) {
		t.Errorf("of nobody: %v", err)
	}
	if _, err := s.room.Hierarchy(t.Context(), "rival", "a"); !carillon.IsNotFound(err) {
		t.Errorf("of another org: %v", err)
	}
}

func TestATimelineWithLargeRecordsGoesOnToItsEnd(t *testing.T) {
	s := open(t)
	s.put(account("a", ""))
	const updates = 30
	for i := range updates { // each change holds half a megabyte before and after
		s.put(put(carillon.KindAccount, "a", fmt.Sprintf(`{"name":"A","metadata":{"n":%d,"fill":%q}}`, i, strings.Repeat("x", 500_000))))
	}
	seen, pages := int64(updates+2), 0
	for before := int64(0); ; pages++ {
		entries, next, err := s.room.Timeline(t.Context(), "acme", "a", before, 500, names{})
		must(t, err)
		for _, e := range entries {
			if e.Seq != seen-1 {
				t.Fatalf("change %d follows %d", e.Seq, seen)
			}
			seen = e.Seq
		}
		if next == 0 {
			break
		}
		before = next
	}
	if seen != 1 || pages == 0 {
		t.Errorf("the timeline ends at %d after %d pages more", seen, pages)
	}
}

func TestATimelineShowsARecordThatCameAndWent(t *testing.T) {
	s := open(t)
	s.put(account("a", ""), account("b", ""),
		put(carillon.KindTask, "t", `{"accountId":"a","title":"Call"}`),
		put(carillon.KindTask, "t", `{"accountId":"b","title":"Call"}`))
	for of, want := range map[string]string{
		"a": "task:updated Call, task:created Call, account:created Account a",
		"b": "task:updated Call, account:created Account b",
	} {
		entries, _, err := s.room.Timeline(t.Context(), "acme", of, 0, 50, names{})
		must(t, err)
		var told []string
		for _, e := range entries {
			told = append(told, e.Events[0]+" "+e.Label)
		}
		if got := strings.Join(told, ", "); got != want {
			t.Errorf("%s: %s, want %s", of, got, want)
		}
	}
	for _, org := range []string{"acme", "rival"} {
		if _, _, err := s.room.Timeline(t.Context(), org, map[string]string{"acme": "nobody", "rival": "a"}[org], 0, 50, names{}); !carillon.IsNotFound(err) {
			t.Errorf("org %s: %v", org, err)
		}
	}
}

func TestARecordIsReadAsItStoodAtAMoment(t *testing.T) {
	s := open(t)
	s.put(account("a", ""))
	s.put(put(carillon.KindAccount, "a", `{"name":"Renamed"}`))
	ref := carillon.Ref{Kind: carillon.KindAccount, ID: "a"}
	for asOf, want := range map[string]string{"1": "Account a", "2": "Renamed", "2999-01-01T00:00:00Z": "Renamed"} {
		record, err := s.room.AsOf(t.Context(), "acme", ref, asOf)
		must(t, err)
		if !strings.Contains(string(record.Data), `"name":"`+want+`"`) {
			t.Errorf("as of %s: %s", asOf, record.Data)
		}
	}
	for asOf, code := range map[string]carillon.Code{
		"0": carillon.CodeNotFound, "2000-01-01T00:00:00Z": carillon.CodeNotFound, "3": carillon.CodeInvalid, "-1": carillon.CodeInvalid,
		"yesterday": carillon.CodeInvalid, "": carillon.CodeInvalid, "99999999999999999999": carillon.CodeInvalid,
	} {
		if _, err := s.room.AsOf(t.Context(), "acme", ref, asOf); carillon.ErrorCode(err) != code {
			t.Errorf("as of %q: %v, want %s", asOf, err, code)
		}
	}
}
