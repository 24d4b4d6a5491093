package storetest

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"carillon"
	"carillon/store"
)

func (s *suite) log(t *testing.T) {
	s.test(t, "a change reads back as it was appended", func(t *testing.T, s store.Store) {
		ref := carillon.Ref{Kind: carillon.KindCustom, Module: "m", ID: "x"}
		var want []*carillon.Change
		for _, w := range []wish{
			{data: `{"id":"x","name":"Zoë 🔔"}`, lane: "a"},
			{data: `{"id":"x","name":"Zoe","tags":["1"]}`, lane: "b", extra: `{"neon":{"n":1}}`},
			{data: `{"id":"x"}`, lane: "b"},
			{data: `{"id":"x","name":"again"}`, lane: "b", extra: `{"neon":{"n":2}}`},
			{},
			{data: `{"id":"x","name":"anew"}`, lane: "b"},
		} {
			w.org, w.ref = "one", ref
			want = append(want, write(t, s, w)...)
		}
		wantEqual(t, "changes", must(s.Changes(t.Context(), "one", store.LogQuery{Limit: 10}))(t), want)
		if c := want[1]; !c.Moved() || c.PreviousLane != "a" {
			t.Fatalf("the suite's change does not move its record: %+v", c)
		}
	})

	s.test(t, "a log that nobody wrote is empty", func(t *testing.T, s store.Store) {
		write(t, s, wish{org: "two", ref: account("a"), data: `{"id":"a"}`})
		if got := must(s.Changes(t.Context(), "one", store.LogQuery{Limit: 9}))(t); len(got) != 0 {
			t.Errorf("%d changes", len(got))
		}
		wantEqual(t, "head", must(s.Head(t.Context(), "one"))(t), int64(0))
		wantEqual(t, "seq at", must(s.SeqAt(t.Context(), "one", timeOf(100)))(t), int64(0))
		wantEqual(t, "heads", must(s.Heads(t.Context()))(t), map[string]int64{"two": 1})
	})

	s.test(t, "the log is read in pages, up and down", func(t *testing.T, s store.Store) {
		for i := range 10 {
			write(t, s, wish{org: "one", ref: account(fmt.Sprint(i % 3)), data: document("x", i)},
				wish{org: "two", ref: account("a"), data: document("a", i)})
		}
		for name, c := range map[string]struct {
			query store.LogQuery
			want  []int64
		}{
			"from the start":     {store.LogQuery{Limit: 3}, []int64{1, 2, 3}},
			"after a change":     {store.LogQuery{After: 4, Limit: 3}, []int64{5, 6, 7}},
			"to the head":        {store.LogQuery{After: 8, Limit: 5}, []int64{9, 10}},
			"beyond the head":    {store.LogQuery{After: 10, Limit: 5}, []int64{}},
			"until a change":     {store.LogQuery{After: 2, Until: 4, Limit: 5}, []int64{3, 4}},
			"until far":          {store.LogQuery{After: 8, Until: math.MaxInt64, Limit: 5}, []int64{9, 10}},
			"an empty stretch":   {store.LogQuery{After: 4, Until: 4, Limit: 5}, []int64{}},
			"down from the head": {store.LogQuery{Descending: true, Limit: 3}, []int64{10, 9, 8}},
			"down, bounded":      {store.LogQuery{Descending: true, After: 4, Until: 6, Limit: 3}, []int64{6, 5}},
		} {
			wantEqual(t, name, seqs(must(s.Changes(t.Context(), "one", c.query))(t)), c.want)
		}
		wantEqual(t, "heads", must(s.Heads(t.Context()))(t), map[string]int64{"one": 10, "two": 10})
		wantEqual(t, "head", must(s.Head(t.Context(), "one"))(t), int64(10))
	})

	s.test(t, "a page ends at its bytes but has one change at least", func(t *testing.T, s store.Store) {
		size := make(map[int64]int)
		for i := range 6 {
			c := write(t, s, wish{org: "one", ref: account("a"), data: document("a", i)})[0]
			size[c.Seq] = len(c.Before) + len(c.After)
		}
		for name, c := range map[string]struct {
			query store.LogQuery
			want  []int64
		}{
			"room for two":          {store.LogQuery{MaxBytes: size[1] + size[2]}, []int64{1, 2}},
			"a byte short of two":   {store.LogQuery{MaxBytes: size[1] + size[2] - 1}, []int64{1}},
			"room for none":         {store.LogQuery{After: 3, MaxBytes: 1}, []int64{4}},
			"room for none, down":   {store.LogQuery{Descending: true, MaxBytes: 1}, []int64{6}},
			"room for all":          {store.LogQuery{MaxBytes: 1 << 20}, []int64{1, 2, 3, 4, 5, 6}},
			"of a lane":             {store.LogQuery{Lane: "a", MaxBytes: size[1] + size[2]}, []int64{1, 2}},
			"no bound on the bytes": {store.LogQuery{MaxBytes: 0}, []int64{1, 2, 3, 4, 5, 6}},
		} {
			c.query.Limit = 100
			wantEqual(t, name, seqs(must(s.Changes(t.Context(), "one", c.query))(t)), c.want)
		}
	})

	s.test(t, "a lane has what happened in it and what left it", func(t *testing.T, s store.Store) {
		contact := func(id string) carillon.Ref { return carillon.Ref{Kind: carillon.KindContact, ID: id} }
		write(t, s,
			wish{org: "one", ref: account("a"), data: `{"id":"a"}`},                  // 1 a
			wish{org: "one", ref: contact("1"), lane: "a", data: `{"id":"1"}`},       // 2 a
			wish{org: "one", ref: contact("2"), lane: "b", data: `{"id":"2"}`},       // 3 b
			wish{org: "one", ref: contact("1"), lane: "b", data: `{"id":"1"}`},       // 4 a → b
			wish{org: "one", ref: contact("1"), lane: "b", data: `{"id":"1","n":1}`}, // 5 b
			wish{org: "one", ref: account("a"), data: `{"id":"a","n":1}`},            // 6 a
			wish{org: "one", ref: contact("1"), lane: "a", data: `{"id":"1"}`},       // 7 b → a
			wish{org: "one", ref: contact("1"), lane: "a"},                           // 8 a
			wish{org: "two", ref: account("a"), data: `{"id":"a"}`},
		)
		for name, c := range map[string]struct {
			query store.LogQuery
			want  []int64
		}{
			"a":                 {store.LogQuery{Lane: "a", Limit: 9}, []int64{1, 2, 4, 6, 7, 8}},
			"b":                 {store.LogQuery{Lane: "b", Limit: 9}, []int64{3, 4, 5, 7}},
			"a, in pages":       {store.LogQuery{Lane: "a", After: 2, Limit: 2}, []int64{4, 6}},
			"a, until":          {store.LogQuery{Lane: "a", After: 1, Until: 6, Limit: 9}, []int64{2, 4, 6}},
			"a, down":           {store.LogQuery{Lane: "a", Descending: true, Limit: 3}, []int64{8, 7, 6}},
			"b, down in pages":  {store.LogQuery{Lane: "b", Descending: true, Until: 6, Limit: 2}, []int64{5, 4}},
			"nobody's":          {store.LogQuery{Lane: "c", Limit: 9}, []int64{}},
			"of a record":       {store.LogQuery{Ref: ptr(contact("1")), Limit: 9}, []int64{2, 4, 5, 7, 8}},
			"record, in pages":  {store.LogQuery{Ref: ptr(contact("1")), After: 2, Limit: 2}, []int64{4, 5}},
			"record, down":      {store.LogQuery{Ref: ptr(contact("1")), Descending: true, Limit: 2}, []int64{8, 7}},
			"record and lane":   {store.LogQuery{Ref: ptr(contact("1")), Lane: "b", Limit: 9}, []int64{4, 5, 7}},
			"record of no kind": {store.LogQuery{Ref: ptr(account("1")), Limit: 9}, []int64{}},
		} {
			wantEqual(t, name, seqs(must(s.Changes(t.Context(), "one", c.query))(t)), c.want)
		}
	})

	s.test(t, "the last change at a time is found", func(t *testing.T, s store.Store) {
		for n := int64(1); n <= 9; n++ {
			write(t, s, wish{org: "one", ref: account("a"), data: document("a", int(n))})
			write(t, s, wish{org: "two", ref: account("a"), data: document("a", int(n))}, wish{org: "two", ref: account("a"), data: document("a", 0)})
			wantEqual(t, "far", must(s.SeqAt(t.Context(), "one", timeOf(1000)))(t), n)
		}
		for name, c := range map[string]struct {
			at   time.Time
			want int64
		}{
			"before all":    {timeOf(0), 0},
			"the first":     {timeOf(1), 1},
			"just before 5": {timeOf(5).Add(-time.Millisecond), 4},
			"at 5":          {timeOf(5), 5},
			"just after 5":  {timeOf(5).Add(time.Millisecond), 5},
			"the last":      {timeOf(9), 9},
			"no time":       {time.Time{}, 0},
		} {
			wantEqual(t, name, must(s.SeqAt(t.Context(), "one", c.at))(t), c.want)
		}
	})

	s.test(t, "an update cannot tear the log", func(t *testing.T, s store.Store) {
		write(t, s, wish{org: "one", ref: account("a"), data: `{"id":"a"}`})
		change := func(seq int64) *carillon.Change {
			return &carillon.Change{
				Org: "one", Seq: seq, Ref: account("b"), Op: carillon.OpCreated, Number: 2, Version: 1,
				Lane: "b", Time: timeOf(seq), After: []byte(`{"id":"b"}`),
			}
		}
		for name, fn := range map[string]func(ctx context.Context, tx store.Tx) error{
			"by a gap": func(ctx context.Context, tx store.Tx) error {
				if _, err := tx.Lock(ctx, []string{"one"}); err != nil {
					t.Error(err)
					return err
				}
				if err := tx.Append(ctx, []*carillon.Change{change(3)}); err != nil {
					return err
				}
				return tx.SaveHeads(ctx, map[string]store.Head{"one": {Seq: 3, Number: 2}})
			},
			"by a repeat": func(ctx context.Context, tx store.Tx) error {
				if _, err := tx.Lock(ctx, []string{"one"}); err != nil {
					t.Error(err)
					return err
				}
				return tx.Append(ctx, []*carillon.Change{change(1)})
			},
			"by a head left behind": func(ctx context.Context, tx store.Tx) error {
				if _, err := tx.Lock(ctx, []string{"one"}); err != nil {
					t.Error(err)
					return err
				}
				return tx.Append(ctx, []*carillon.Change{change(2)})
			},
			"without the lock": func(ctx context.Context, tx store.Tx) error {
				return tx.Append(ctx, []*carillon.Change{change(2)})
			},
		} {
			if err := s.Update(t.Context(), fn); err == nil {
				t.Errorf("%s: the update succeeded", name)
			}
		}
		wantEqual(t, "head", must(s.Head(t.Context(), "one"))(t), int64(1))
		wantEqual(t, "log", seqs(must(s.Changes(t.Context(), "one", store.LogQuery{Limit: 9}))(t)), []int64{1})
	})
}

func ptr[T any](v T) *T { return &v }
