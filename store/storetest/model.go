package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"carillon"
	"carillon/store"
)

// model is one org's archive as a list in memory.
type model struct {
	org     string
	changes []*carillon.Change
	created map[int64]*carillon.Change // by record number
	// references are those of the records that exist.
	references map[carillon.Ref][]store.Reference
}

func newModel(org string) *model {
	return &model{org: org, created: make(map[int64]*carillon.Change), references: make(map[carillon.Ref][]store.Reference)}
}

func (m *model) head() int64 { return int64(len(m.changes)) }

func (m *model) apply(changes []*carillon.Change) {
	for _, c := range changes {
		m.changes = append(m.changes, c)
		if c.Op == carillon.OpCreated {
			m.created[c.Number] = c
		}
	}
}

// refer notes the references that wishes leave behind.
func (m *model) refer(wishes []wish) {
	for _, w := range wishes {
		switch {
		case w.data == "":
			delete(m.references, w.ref)
		case w.references != nil:
			m.references[w.ref] = w.references
		}
	}
}

// asOf replays the log up to seq, and lists the records in the order of a snapshot.
func (m *model) asOf(seq int64) []*carillon.Record {
	records := make(map[carillon.Ref]*carillon.Record)
	for _, c := range m.changes[:seq] {
		if c.Op == carillon.OpDeleted {
			delete(records, c.Ref)
			continue
		}
		records[c.Ref] = &carillon.Record{
			Org: c.Org, Ref: c.Ref, Number: c.Number, Version: c.Version, Seq: c.Seq, Lane: c.Lane, Data: c.After, Extra: c.Extra,
			CreatedAt: m.created[c.Number].Time, UpdatedAt: c.Time,
		}
	}
	list := make([]*carillon.Record, 0, len(records))
	for _, r := range records {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *carillon.Record) int { return compareRefs(a.Ref, b.Ref) })
	return list
}

// referrers lists who refers to a target, in the order of Tx.Referrers.
func (m *model) referrers(target store.Reference) []store.Referrer {
	var list []store.Referrer
	for ref, references := range m.references {
		for _, r := range references {
			if r.Kind == target.Kind && r.ID == target.ID {
				list = append(list, store.Referrer{Ref: ref, Member: r.Member})
			}
		}
	}
	slices.SortFunc(list, func(a, b store.Referrer) int {
		return strings.Compare(fmt.Sprint(a.Kind, "\x00", a.Module, "\x00", a.ID, "\x00", a.Member),
			fmt.Sprint(b.Kind, "\x00", b.Module, "\x00", b.ID, "\x00", b.Member))
	})
	return list
}

// fataler is testing.TB as far as rapid.T shares it.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func compareRecords(t fataler, what string, got, want []*carillon.Record) {
	t.Helper()
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// refsInUse are few, so that what is drawn meets again.
var refsInUse = func() []carillon.Ref {
	var refs []carillon.Ref
	for _, id := range []string{"1", "2", "3"} {
		refs = append(refs, account(id), carillon.Ref{Kind: carillon.KindUser, ID: id},
			carillon.Ref{Kind: carillon.KindCustom, Module: "m", ID: id},
			carillon.Ref{Kind: carillon.KindCustom, Module: "n", ID: id})
	}
	return refs
}()

// drawWishes draws the writes of one update: one a record, deletions only of what exists.
func drawWishes(rt *rapid.T, m *model) []wish {
	exists := make(map[carillon.Ref]bool)
	for _, r := range m.asOf(m.head()) {
		exists[r.Ref] = true
	}
	var wishes []wish
	for range rapid.IntRange(1, 4).Draw(rt, "writes") {
		ref := rapid.SampledFrom(refsInUse).Draw(rt, "ref")
		if slices.ContainsFunc(wishes, func(w wish) bool { return w.ref == ref }) {
			continue
		}
		w := wish{org: m.org, ref: ref, lane: rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "lane")}
		if !exists[ref] || rapid.IntRange(0, 2).Draw(rt, "delete") > 0 {
			name, err := json.Marshal(rapid.StringN(0, 8, 32).Draw(rt, "name"))
			if err != nil {
				rt.Fatal(err)
			}
			w.data = fmt.Sprintf(`{"id":%q,"name":%s,"status":%q}`, ref.ID, name, rapid.SampledFrom([]string{"A", "B"}).Draw(rt, "status"))
			if rapid.Bool().Draw(rt, "has extra") {
				w.extra = `{"neon":{"id":"` + ref.ID + `"}}`
			}
			if rapid.Bool().Draw(rt, "has references") {
				w.references = []store.Reference{}
				for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"1", "2", "3"}), 0, 2, rapid.ID).Draw(rt, "targets") {
					w.references = append(w.references, store.Reference{Member: "accountId", Kind: carillon.KindAccount, ID: id})
				}
			}
		}
		wishes = append(wishes, w)
	}
	return wishes
}

func (s *suite) model(t *testing.T) {
	s.test(t, "any history leaves what a simple model of it has", func(t *testing.T, s store.Store) {
		orgs := 0
		rapid.Check(t, func(rt *rapid.T) {
			orgs++
			m := newModel(fmt.Sprintf("org%d", orgs))
			for range rapid.IntRange(1, 6).Draw(rt, "updates") {
				m.step(rt, t, s)
			}
			m.check(rt, t, s)
		})
	})
}

// step makes one update: several rounds of wishes in one transaction, which sees its own writes, and may fail.
func (m *model) step(rt *rapid.T, t *testing.T, s store.Store) {
	fails := rapid.IntRange(0, 3).Draw(rt, "fails") == 0
	inside := newModel(m.org)
	inside.apply(m.changes)
	var rounds [][]wish
	// The rounds are drawn before the update runs, on a model of what each will find.
	for range rapid.IntRange(1, 3).Draw(rt, "rounds") {
		wishes := drawWishes(rt, inside)
		rounds = append(rounds, wishes)
		inside.foresee(wishes)
	}
	looks := rapid.Bool().Draw(rt, "looks") // after each round, not only at the end
	var changes []*carillon.Change
	err := s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		changes = nil
		live := newModel(m.org)
		maps.Copy(live.references, m.references)
		for i, wishes := range rounds {
			made, err := apply(ctx, tx, wishes...)
			if err != nil {
				return err
			}
			changes = append(changes, made...)
			live.refer(wishes)
			if looks || i == len(rounds)-1 {
				if err := live.look(ctx, tx, changes); err != nil {
					return err
				}
			}
		}
		if fails {
			return errRefused
		}
		return nil
	})
	switch {
	case fails && errors.Is(err, errRefused):
		return
	case err != nil:
		rt.Fatal(err)
	}
	m.apply(changes)
	for _, wishes := range rounds {
		m.refer(wishes)
	}
}

// foresee notes what wishes will do, as far as drawing the next ones needs it.
func (m *model) foresee(wishes []wish) {
	for _, w := range wishes {
		c := &carillon.Change{Org: m.org, Seq: m.head() + 1, Ref: w.ref, Op: carillon.OpUpdated, After: []byte(w.data)}
		if w.data == "" {
			c.Op = carillon.OpDeleted
		}
		m.changes = append(m.changes, c)
		m.created[0] = c
	}
}

// look compares, inside the transaction, what changes made with what it reads.
func (m *model) look(ctx context.Context, tx store.Tx, changes []*carillon.Change) error {
	last := make(map[store.RecordKey]*carillon.Change)
	for _, c := range changes {
		last[store.RecordKey{Org: c.Org, Ref: c.Ref}] = c
	}
	keys := make([]store.RecordKey, 0, len(last))
	for key := range last {
		keys = append(keys, key)
	}
	found, err := tx.Records(ctx, keys)
	if err != nil {
		return err
	}
	for key, c := range last {
		r := found[key]
		if (r == nil) != (c.Op == carillon.OpDeleted) || r != nil && (string(r.Data) != string(c.After) || r.Version != c.Version) {
			return fmt.Errorf("inside the transaction %s is %+v after %+v", key.Ref, r, c)
		}
	}
	for _, id := range []string{"1", "2", "3"} {
		target := store.Reference{Kind: carillon.KindAccount, ID: id}
		got, err := tx.Referrers(ctx, m.org, target.Kind, target.ID, 0)
		if err != nil {
			return err
		}
		if want := m.referrers(target); !slices.Equal(got, want) {
			return fmt.Errorf("inside the transaction account %s is referred to by %v, want %v", id, got, want)
		}
	}
	return nil
}

// check compares all that can be read of the org.
func (m *model) check(rt *rapid.T, t *testing.T, s store.Store) {
	ctx := t.Context()
	head, err := s.Head(ctx, m.org)
	if err != nil {
		rt.Fatal(err)
	}
	if head != m.head() {
		rt.Fatalf("head is %d, want %d", head, m.head())
	}
	if head > 0 {
		log, err := s.Changes(ctx, m.org, store.LogQuery{Limit: 1 << 20})
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(m.changes, log); diff != "" {
			rt.Fatalf("log (-want +got):\n%s", diff)
		}
	}
	counts := make(map[carillon.Kind]int64)
	records := m.asOf(head)
	for _, want := range records {
		counts[want.Kind]++
		got, err := s.Record(ctx, m.org, want.Ref)
		if err != nil {
			rt.Fatal(err)
		}
		compareRecords(rt, want.Ref.String(), []*carillon.Record{got}, []*carillon.Record{want})
	}
	got, err := s.CountRecords(ctx, m.org)
	if err != nil {
		rt.Fatal(err)
	}
	if diff := cmp.Diff(counts, got); diff != "" {
		rt.Fatalf("counts (-want +got):\n%s", diff)
	}
	for _, lane := range []string{"x", "y"} {
		var want []int64
		for _, c := range m.changes {
			if c.Lane == lane || c.PreviousLane == lane {
				want = append(want, c.Seq)
			}
		}
		got, err := s.Changes(ctx, m.org, store.LogQuery{Lane: lane, Limit: 1 << 20})
		if err != nil {
			rt.Fatal(err)
		}
		if !slices.Equal(seqs(got), want) {
			rt.Fatalf("lane %s has %v, want %v", lane, seqs(got), want)
		}
	}
	for _, q := range []store.RecordQuery{
		{Kind: carillon.KindAccount, Lane: "x"},
		{Kind: carillon.KindCustom, Module: "m", Equal: map[string]string{"status": "A"}},
		{Kind: carillon.KindUser, UpdatedSince: timeOf(head / 2)},
	} {
		var want []string
		for _, r := range records {
			if r.Kind == q.Kind && r.Module == q.Module && (q.Lane == "" || r.Lane == q.Lane) && !r.UpdatedAt.Before(q.UpdatedSince) &&
				(q.Equal == nil || strings.Contains(string(r.Data), `"status":"A"`)) {
				want = append(want, r.ID)
			}
		}
		q.Limit = 100
		got, err := s.Records(ctx, m.org, q)
		if err != nil {
			rt.Fatal(err)
		}
		if !slices.Equal(ids(got), want) {
			rt.Fatalf("%+v lists %v, want %v", q, ids(got), want)
		}
	}
}
