package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/store"
)

func (s *suite) records(t *testing.T) {
	s.test(t, "a record reads back as it was written", func(t *testing.T, s store.Store) {
		for i, ref := range []carillon.Ref{
			account("acc_1"),
			{Kind: carillon.KindCustom, Module: "invoices", ID: "acc_1"},
			{Kind: carillon.KindContact, ID: strings.Repeat("x", carillon.MaxIDLength)},
		} {
			want := &carillon.Record{
				Org: "one", Ref: ref, Number: int64(i + 1), Version: 1, Seq: int64(i + 1), Lane: "acc_1",
				Data:      []byte(`{"id":"x","name":"Zoë <\"&\u0000> \ud83d\udd14 🔔","n":1.10}`),
				Extra:     []byte(`{"neon":{"a":[1,2]}}`),
				CreatedAt: timeOf(int64(i + 1)), UpdatedAt: timeOf(int64(i + 1)),
			}
			write(t, s, wish{org: "one", ref: ref, lane: "acc_1", data: string(want.Data), extra: string(want.Extra)})
			wantEqual(t, ref.String(), must(s.Record(t.Context(), "one", ref))(t), want)
		}
	})

	s.test(t, "what has no extra has none when read", func(t *testing.T, s store.Store) {
		write(t, s, wish{org: "one", ref: account("a"), data: `{"id":"a"}`})
		if r := must(s.Record(t.Context(), "one", account("a")))(t); r.Extra != nil {
			t.Errorf("extra is %q, want nil", r.Extra)
		}
	})

	s.test(t, "what is not there is not found", func(t *testing.T, s store.Store) {
		write(t, s,
			wish{org: "one", ref: account("a"), data: `{"id":"a"}`},
			wish{org: "one", ref: carillon.Ref{Kind: carillon.KindCustom, Module: "m", ID: "b"}, data: `{"id":"b"}`},
			wish{org: "one", ref: account("gone"), data: `{"id":"gone"}`},
			wish{org: "one", ref: account("gone")},
		)
		for name, key := range map[string]store.RecordKey{
			"another id":     {Org: "one", Ref: account("b")},
			"another kind":   {Org: "one", Ref: carillon.Ref{Kind: carillon.KindContact, ID: "a"}},
			"another module": {Org: "one", Ref: carillon.Ref{Kind: carillon.KindCustom, Module: "n", ID: "b"}},
			"another org":    {Org: "two", Ref: account("a")},
			"another case":   {Org: "one", Ref: account("A")},
			"deleted":        {Org: "one", Ref: account("gone")},
		} {
			_, err := s.Record(t.Context(), key.Org, key.Ref)
			wantCode(t, name, err, carillon.CodeNotFound)
			update(t, s, func(ctx context.Context, tx store.Tx) error {
				found, err := tx.Records(ctx, []store.RecordKey{key})
				if len(found) != 0 {
					t.Errorf("%s: a transaction finds %v", name, found)
				}
				return err
			})
		}
	})

	s.test(t, "an update replaces a record", func(t *testing.T, s store.Store) {
		write(t, s, wish{org: "one", ref: account("a"), data: `{"id":"a","name":"x"}`, extra: `{"neon":1}`})
		write(t, s, wish{org: "one", ref: account("a"), data: `{"id":"a"}`, lane: "elsewhere"})
		wantEqual(t, "record", must(s.Record(t.Context(), "one", account("a")))(t), &carillon.Record{
			Org: "one", Ref: account("a"), Number: 1, Version: 2, Seq: 2, Lane: "elsewhere", Data: []byte(`{"id":"a"}`),
			CreatedAt: timeOf(1), UpdatedAt: timeOf(2),
		})
	})

	s.test(t, "a list is paged by id in byte order", func(t *testing.T, s store.Store) {
		order := []string{"-", "10", "9", "A", "B", "_", "a", "aa", "b", "~"}
		for i := range order {
			write(t, s,
				wish{org: "one", ref: account(order[(i*7)%len(order)]), data: `{"id":"x"}`},
				wish{org: "two", ref: account(order[i]), data: `{"id":"x"}`},
				wish{org: "one", ref: carillon.Ref{Kind: carillon.KindUser, ID: order[i]}, data: `{"id":"x"}`})
		}
		for limit := 1; limit <= len(order)+1; limit++ {
			var got []string
			for after := ""; ; {
				page := must(s.Records(t.Context(), "one", store.RecordQuery{Kind: carillon.KindAccount, After: after, Limit: limit}))(t)
				if len(page) > limit {
					t.Fatalf("%d records in a page of %d", len(page), limit)
				}
				got = append(got, ids(page)...)
				if len(page) < limit {
					break
				}
				after = page[len(page)-1].ID
			}
			wantEqual(t, fmt.Sprintf("pages of %d", limit), got, order)
		}
	})

	s.test(t, "a list is of one module", func(t *testing.T, s store.Store) {
		for _, module := range []string{"m", "n"} {
			write(t, s, wish{org: "one", ref: carillon.Ref{Kind: carillon.KindCustom, Module: module, ID: module + "1"}, data: `{"id":"x"}`})
		}
		got := must(s.Records(t.Context(), "one", store.RecordQuery{Kind: carillon.KindCustom, Module: "n", Limit: 9}))(t)
		wantEqual(t, "module n", ids(got), []string{"n1"})
	})

	s.test(t, "a list can be filtered", func(t *testing.T, s store.Store) {
		for i := range 6 {
			write(t, s, wish{
				org: "one", ref: account(fmt.Sprint(i)), lane: fmt.Sprintf("lane%d", i%2),
				data: fmt.Sprintf(`{"id":"%d","status":"s%d","health":"it's \"%d\"","nested":{"status":"s9"},"count":%d}`, i, i%3, i%2, i),
				references: []store.Reference{
					{Member: "parentAccountId", Kind: carillon.KindAccount, ID: fmt.Sprint("p", i%3)},
					{Member: "ownerId", Kind: carillon.KindUser, ID: fmt.Sprint("p", i%2)},
				},
			})
		}
		for name, c := range map[string]struct {
			query store.RecordQuery
			want  []string
		}{
			"by lane":                   {store.RecordQuery{Lane: "lane1"}, []string{"1", "3", "5"}},
			"by a reference":            {store.RecordQuery{RefersTo: store.Reference{Member: "parentAccountId", Kind: carillon.KindAccount, ID: "p1"}}, []string{"1", "4"}},
			"by a reference and a lane": {store.RecordQuery{RefersTo: store.Reference{Member: "parentAccountId", Kind: carillon.KindAccount, ID: "p1"}, Lane: "lane0"}, []string{"4"}},
			"by a reference, paged":     {store.RecordQuery{RefersTo: store.Reference{Member: "parentAccountId", Kind: carillon.KindAccount, ID: "p1"}, After: "1"}, []string{"4"}},
			"by another member's":       {store.RecordQuery{RefersTo: store.Reference{Member: "ownerId", Kind: carillon.KindAccount, ID: "p1"}}, []string{}},
			"by a reference nobody has": {store.RecordQuery{RefersTo: store.Reference{Member: "parentAccountId", Kind: carillon.KindAccount, ID: "p9"}}, []string{}},
			"by a member":               {store.RecordQuery{Equal: map[string]string{"status": "s1"}}, []string{"1", "4"}},
			"by two members":            {store.RecordQuery{Equal: map[string]string{"status": "s1", "health": `it's "0"`}}, []string{"4"}},
			"by a member below":         {store.RecordQuery{Equal: map[string]string{"status": "s9"}}, []string{}},
			"by a member nobody has":    {store.RecordQuery{Equal: map[string]string{"absent": ""}}, []string{}},
			"by a hostile value":        {store.RecordQuery{Equal: map[string]string{"status": `' OR '1'='1`}}, []string{}},
			"by time, inclusive":        {store.RecordQuery{UpdatedSince: timeOf(5)}, []string{"4", "5"}},
			"by time, between":          {store.RecordQuery{UpdatedSince: timeOf(5).Add(time.Nanosecond)}, []string{"5"}},
			"by all, behind a page":     {store.RecordQuery{Lane: "lane1", UpdatedSince: timeOf(2), After: "1", Equal: map[string]string{"status": "s2"}}, []string{"5"}},
			"by lane, from another end": {store.RecordQuery{Lane: "lane1", After: "3"}, []string{"5"}},
		} {
			c.query.Kind, c.query.Limit = carillon.KindAccount, 100
			wantEqual(t, name, ids(must(s.Records(t.Context(), "one", c.query))(t)), c.want)
		}
	})

	s.test(t, "a filter's name is never part of a statement", func(t *testing.T, s store.Store) {
		write(t, s, wish{org: "one", ref: account("a"), data: `{"id":"a"}`})
		for _, name := range []string{"", "a'b", "a b", "$.id", `a"`, "id' OR '1'='1"} {
			got, err := s.Records(t.Context(), "one", store.RecordQuery{Kind: carillon.KindAccount, Limit: 9, Equal: map[string]string{name: "x"}})
			if err == nil {
				t.Errorf("name %q gave %d records, want an error", name, len(got))
			}
		}
	})

	s.test(t, "a page holds one record at least", func(t *testing.T, s store.Store) {
		for _, limit := range []int{0, -1} {
			if _, err := s.Records(t.Context(), "one", store.RecordQuery{Kind: carillon.KindAccount, Limit: limit}); err == nil {
				t.Errorf("records: limit %d was taken", limit)
			}
			if _, err := s.Changes(t.Context(), "one", store.LogQuery{Limit: limit}); err == nil {
				t.Errorf("changes: limit %d was taken", limit)
			}
			if _, err := s.Snapshot(t.Context(), "one", 0, carillon.Ref{}, limit); err == nil {
				t.Errorf("snapshot: limit %d was taken", limit)
			}
		}
	})

	s.test(t, "records are counted by kind", func(t *testing.T, s store.Store) {
		wantEqual(t, "empty org", must(s.CountRecords(t.Context(), "one"))(t), map[carillon.Kind]int64{})
		write(t, s,
			wish{org: "one", ref: account("a"), data: `{"id":"a"}`},
			wish{org: "one", ref: account("b"), data: `{"id":"b"}`},
			wish{org: "one", ref: carillon.Ref{Kind: carillon.KindCustom, Module: "m", ID: "a"}, data: `{"id":"a"}`},
			wish{org: "one", ref: carillon.Ref{Kind: carillon.KindCustom, Module: "n", ID: "a"}, data: `{"id":"a"}`},
			wish{org: "one", ref: carillon.Ref{Kind: carillon.KindUser, ID: "u"}, data: `{"id":"u"}`},
			wish{org: "one", ref: carillon.Ref{Kind: carillon.KindUser, ID: "u"}},
			wish{org: "two", ref: account("a"), data: `{"id":"a"}`},
		)
		wantEqual(t, "counts", must(s.CountRecords(t.Context(), "one"))(t),
			map[carillon.Kind]int64{carillon.KindAccount: 2, carillon.KindCustom: 2})
	})

	s.test(t, "large records are kept whole", func(t *testing.T, s store.Store) {
		first := `{"id":"a","description":"` + strings.Repeat("The quick brown fox. ", 20_000) + `"}`
		second := strings.Replace(first, "fox", "dog", 1)
		write(t, s, wish{org: "one", ref: account("a"), data: first})
		write(t, s, wish{org: "one", ref: account("a"), data: second})
		if r := must(s.Record(t.Context(), "one", account("a")))(t); string(r.Data) != second {
			t.Error("the record is not what was written")
		}
		changes := must(s.Changes(t.Context(), "one", store.LogQuery{Limit: 9}))(t)
		if string(changes[1].Before) != first || string(changes[1].After) != second {
			t.Error("the change is not what was written")
		}
	})
}

func (s *suite) references(t *testing.T) {
	referrers := func(t *testing.T, tx store.Tx, org string, kind carillon.Kind, id string, limit int) []store.Referrer {
		t.Helper()
		return must(tx.Referrers(t.Context(), org, kind, id, limit))(t)
	}
	to := func(member, id string) store.Reference {
		return store.Reference{Member: member, Kind: carillon.KindAccount, ID: id}
	}
	contact := func(id string) carillon.Ref { return carillon.Ref{Kind: carillon.KindContact, ID: id} }
	custom := carillon.Ref{Kind: carillon.KindCustom, Module: "m", ID: "x"}

	s.test(t, "who refers to a record is listed by kind, module, id and member", func(t *testing.T, s store.Store) {
		write(t, s,
			wish{org: "one", ref: custom, data: `{}`, references: []store.Reference{to("accountId", "a")}},
			wish{org: "one", ref: contact("2"), data: `{}`, references: []store.Reference{to("parentId", "a"), to("accountId", "a"), to("accountId", "b")}},
			wish{org: "one", ref: contact("1"), data: `{}`, references: []store.Reference{to("accountId", "a")}},
			wish{org: "one", ref: contact("3"), data: `{}`, references: []store.Reference{{Member: "accountId", Kind: carillon.KindUser, ID: "a"}}},
			wish{org: "two", ref: contact("1"), data: `{}`, references: []store.Reference{to("accountId", "a")}},
		)
		want := []store.Referrer{
			{Ref: contact("1"), Member: "accountId"},
			{Ref: contact("2"), Member: "accountId"},
			{Ref: contact("2"), Member: "parentId"},
			{Ref: custom, Member: "accountId"},
		}
		update(t, s, func(_ context.Context, tx store.Tx) error {
			wantEqual(t, "all", referrers(t, tx, "one", carillon.KindAccount, "a", 0), want)
			wantEqual(t, "limited", referrers(t, tx, "one", carillon.KindAccount, "a", 3), want[:3])
			wantEqual(t, "nobody", len(referrers(t, tx, "one", carillon.KindAccount, "z", 0)), 0)
			return nil
		})
	})

	s.test(t, "references are replaced only when they changed", func(t *testing.T, s store.Store) {
		write(t, s, wish{org: "one", ref: contact("1"), data: `{}`, references: []store.Reference{to("accountId", "a")}})
		write(t, s, wish{org: "one", ref: contact("1"), data: `{"a":1}`})
		update(t, s, func(_ context.Context, tx store.Tx) error {
			wantEqual(t, "unchanged", len(referrers(t, tx, "one", carillon.KindAccount, "a", 0)), 1)
			return nil
		})
		write(t, s, wish{org: "one", ref: contact("1"), data: `{"a":2}`, references: []store.Reference{to("accountId", "b")}})
		update(t, s, func(_ context.Context, tx store.Tx) error {
			wantEqual(t, "old target", len(referrers(t, tx, "one", carillon.KindAccount, "a", 0)), 0)
			wantEqual(t, "new target", len(referrers(t, tx, "one", carillon.KindAccount, "b", 0)), 1)
			return nil
		})
	})

	s.test(t, "a deleted record refers to nothing", func(t *testing.T, s store.Store) {
		write(t, s, wish{org: "one", ref: contact("1"), data: `{}`, references: []store.Reference{to("accountId", "a")}})
		write(t, s, wish{org: "one", ref: contact("1")})
		write(t, s, wish{org: "one", ref: contact("1"), data: `{}`})
		update(t, s, func(_ context.Context, tx store.Tx) error {
			wantEqual(t, "referrers", len(referrers(t, tx, "one", carillon.KindAccount, "a", 0)), 0)
			return nil
		})
	})

	s.test(t, "a transaction sees its own references, and takes them back if it fails", func(t *testing.T, s store.Store) {
		write(t, s,
			wish{org: "one", ref: contact("1"), data: `{}`, references: []store.Reference{to("accountId", "a")}},
			wish{org: "one", ref: contact("2"), data: `{}`, references: []store.Reference{to("accountId", "a")}})
		refuse(t, s, func(ctx context.Context, tx store.Tx) error {
			_, err := apply(ctx, tx,
				wish{org: "one", ref: contact("1")},
				wish{org: "one", ref: contact("2"), data: `{}`, references: []store.Reference{to("accountId", "b")}},
				wish{org: "one", ref: contact("3"), data: `{}`, references: []store.Reference{to("accountId", "a")}})
			wantEqual(t, "inside", referrers(t, tx, "one", carillon.KindAccount, "a", 0),
				[]store.Referrer{{Ref: contact("3"), Member: "accountId"}})
			return err
		})
		update(t, s, func(_ context.Context, tx store.Tx) error {
			wantEqual(t, "afterwards", referrers(t, tx, "one", carillon.KindAccount, "a", 0),
				[]store.Referrer{{Ref: contact("1"), Member: "accountId"}, {Ref: contact("2"), Member: "accountId"}})
			return nil
		})
	})
}
