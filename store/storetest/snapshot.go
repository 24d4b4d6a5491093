package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"carillon"
	"carillon/store"
)

// snapshotOf reads a whole snapshot in pages.
func snapshotOf(ctx context.Context, s store.Store, org string, asOf int64, limit int) ([]*carillon.Record, error) {
	var all []*carillon.Record
	var after carillon.Ref
	for {
		page, err := s.Snapshot(ctx, org, asOf, after, limit)
		if err != nil {
			return nil, err
		}
		if len(page) > limit {
			return nil, fmt.Errorf("%d records in a page of %d", len(page), limit)
		}
		all = append(all, page...)
		if len(page) < limit {
			return all, nil
		}
		after = page[len(page)-1].Ref
	}
}

// compareRefs is the order of a snapshot.
func compareRefs(a, b carillon.Ref) int {
	if a.Kind != b.Kind {
		return slices.Index(carillon.Kinds, a.Kind) - slices.Index(carillon.Kinds, b.Kind)
	}
	if a.Module != b.Module {
		return strings.Compare(a.Module, b.Module)
	}
	return strings.Compare(a.ID, b.ID)
}

func (s *suite) snapshot(t *testing.T) {
	s.test(t, "a record as of a change is what the log says", func(t *testing.T, s store.Store) {
		a := account("a")
		write(t, s, wish{org: "one", ref: account("other"), data: `{"id":"other"}`})                    // 1
		write(t, s, wish{org: "one", ref: a, data: `{"id":"a","n":1}`, extra: `{"neon":1}`})            // 2
		write(t, s, wish{org: "one", ref: a, data: `{"id":"a","n":2}`, lane: "b", extra: `{"neon":2}`}) // 3
		write(t, s, wish{org: "one", ref: account("other"), data: `{"id":"other","n":1}`})              // 4
		write(t, s, wish{org: "one", ref: a})                                                           // 5
		write(t, s, wish{org: "one", ref: account("other"), data: `{"id":"other","n":2}`})              // 6
		write(t, s, wish{org: "one", ref: a, data: `{"id":"a","n":3}`})                                 // 7
		first := &carillon.Record{
			Org: "one", Ref: a, Number: 2, Version: 1, Seq: 2, Lane: "a", Data: []byte(`{"id":"a","n":1}`),
			Extra: []byte(`{"neon":1}`), CreatedAt: timeOf(2), UpdatedAt: timeOf(2),
		}
		second := &carillon.Record{
			Org: "one", Ref: a, Number: 2, Version: 2, Seq: 3, Lane: "b", Data: []byte(`{"id":"a","n":2}`),
			Extra: []byte(`{"neon":2}`), CreatedAt: timeOf(2), UpdatedAt: timeOf(3),
		}
		third := &carillon.Record{
			Org: "one", Ref: a, Number: 3, Version: 1, Seq: 7, Lane: "a", Data: []byte(`{"id":"a","n":3}`),
			CreatedAt: timeOf(7), UpdatedAt: timeOf(7),
		}
		for seq, want := range []*carillon.Record{nil, nil, first, second, second, nil, nil, third, third} {
			got, err := s.RecordAsOf(t.Context(), "one", a, int64(seq))
			if want == nil {
				wantCode(t, fmt.Sprintf("as of %d", seq), err, carillon.CodeNotFound)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, fmt.Sprintf("as of %d", seq), got, want)
		}
		_, err := s.RecordAsOf(t.Context(), "two", a, 3)
		wantCode(t, "another org", err, carillon.CodeNotFound)
	})

	s.test(t, "a snapshot at any change equals the log up to there", func(t *testing.T, s store.Store) {
		orgs := 0
		rapid.Check(t, func(rt *rapid.T) {
			orgs++
			org := fmt.Sprintf("org%d", orgs)
			m := newModel(org)
			for range rapid.IntRange(1, 6).Draw(rt, "updates") {
				wishes := drawWishes(rt, m)
				changes := write(t, s, wishes...)
				m.apply(changes)
			}
			for range 2 {
				asOf := rapid.Int64Range(0, m.head()).Draw(rt, "as of")
				want := m.asOf(asOf)
				limit := rapid.IntRange(1+len(want)/4, len(want)+2).Draw(rt, "limit")
				got, err := snapshotOf(t.Context(), s, org, asOf, limit)
				if err != nil {
					rt.Fatal(err)
				}
				compareRecords(rt, fmt.Sprintf("snapshot as of %d in pages of %d", asOf, limit), got, want)
			}
		})
	})

	s.test(t, "a snapshot has neither gap nor overlap while writers go on", func(t *testing.T, s store.Store) {
		const writers, records, rounds = 4, 40, 20
		m := newModel("one")
		var mu sync.Mutex // guards m
		writeSome := func(writer, round int) error {
			return s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
				var wishes []wish
				for i := range 3 {
					n := (writer*31 + round*7 + i*13) % records
					ref := account(fmt.Sprintf("acc_%02d", n))
					if n%3 == 0 {
						ref.Kind = carillon.KindContact
					}
					w := wish{org: "one", ref: ref, data: document(ref.ID, round*writers+writer)}
					if found, err := tx.Records(ctx, []store.RecordKey{{Org: "one", Ref: ref}}); err != nil {
						return err
					} else if len(found) > 0 && (round+i)%4 == 0 {
						w.data = ""
					}
					if !slices.ContainsFunc(wishes, func(o wish) bool { return o.ref == ref }) {
						wishes = append(wishes, w)
					}
				}
				_, err := apply(ctx, tx, wishes...)
				return err
			})
		}
		if err := writeSome(0, 1); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for writer := range writers {
			wg.Go(func() {
				for round := range rounds {
					if err := writeSome(writer, round); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		type taken struct {
			asOf    int64
			records []*carillon.Record
		}
		var snapshots []taken
		for reader := range 2 {
			wg.Go(func() {
				for range 6 {
					asOf, err := s.Head(t.Context(), "one")
					if err != nil {
						t.Error(err)
						return
					}
					records, err := snapshotOf(t.Context(), s, "one", asOf, 6+reader*7)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					snapshots = append(snapshots, taken{asOf, records})
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		m.apply(must(s.Changes(t.Context(), "one", store.LogQuery{Limit: 1 << 20}))(t))
		for _, got := range snapshots {
			compareRecords(t, fmt.Sprintf("snapshot as of %d", got.asOf), got.records, m.asOf(got.asOf))
		}
	})

	s.test(t, "a snapshot after an unknown kind is refused", func(t *testing.T, s store.Store) {
		if _, err := s.Snapshot(t.Context(), "one", 0, carillon.Ref{Kind: "planet", ID: "x"}, 1); err == nil {
			t.Error("it was taken")
		}
	})
}
