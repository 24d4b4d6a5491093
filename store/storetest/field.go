package storetest

import (
	"context"
	"testing"

	"carillon"
	"carillon/store"
)

func (s *suite) fields(t *testing.T) {
	s.test(t, "custom fields are put, replaced, listed by uid and deleted", func(t *testing.T, s store.Store) {
		field := func(org string, kind carillon.Kind, uid, label string, options ...string) *carillon.CustomField {
			return &carillon.CustomField{Org: org, Kind: kind, UID: uid, Label: label, Type: carillon.CustomDropdown, Options: options}
		}
		b, a := field("one", carillon.KindAccount, "b", "B"), field("one", carillon.KindAccount, "a", "A", "x", "y\"z")
		other, foreign := field("one", carillon.KindContact, "a", "of contacts"), field("two", carillon.KindAccount, "a", "of two")
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			for _, f := range []*carillon.CustomField{b, field("one", carillon.KindAccount, "a", "old"), other, foreign, a} {
				if err := tx.PutCustomField(ctx, f); err != nil {
					return err
				}
			}
			inside, err := tx.CustomFields(ctx, "one", carillon.KindAccount)
			wantEqual(t, "inside", inside, []*carillon.CustomField{a, b})
			return err
		})
		list := func(org string, kind carillon.Kind) []*carillon.CustomField {
			return must(s.CustomFields(t.Context(), org, kind))(t)
		}
		wantEqual(t, "accounts of one", list("one", carillon.KindAccount), []*carillon.CustomField{a, b})
		remove := func(org, uid string) error {
			return s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
				if _, err := tx.CustomFields(ctx, org, carillon.KindAccount); err != nil { // so that a stale copy would show
					return err
				}
				if err := tx.DeleteCustomField(ctx, org, carillon.KindAccount, uid); err != nil {
					return err
				}
				inside, err := tx.CustomFields(ctx, org, carillon.KindAccount)
				wantEqual(t, "inside, after the deletion", inside, []*carillon.CustomField{b})
				return err
			})
		}
		if err := remove("one", "a"); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "deleting it again", remove("one", "a"), carillon.CodeNotFound)
		wantEqual(t, "accounts of one", list("one", carillon.KindAccount), []*carillon.CustomField{b})
		wantEqual(t, "contacts of one", list("one", carillon.KindContact), []*carillon.CustomField{other})
		wantEqual(t, "accounts of two", list("two", carillon.KindAccount), []*carillon.CustomField{foreign})
	})

	s.test(t, "value lists are put, replaced, listed by name and deleted", func(t *testing.T, s store.Store) {
		b := &carillon.ValueList{Org: "one", Name: "b", Values: []string{}}
		a := &carillon.ValueList{Org: "one", Name: "a", Values: []string{"2", "1", "Ä \"q\""}}
		foreign := &carillon.ValueList{Org: "two", Name: "a", Values: []string{"x"}}
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			for _, l := range []*carillon.ValueList{b, {Org: "one", Name: "a", Values: []string{"old"}}, foreign, a} {
				if err := tx.PutValueList(ctx, l); err != nil {
					return err
				}
			}
			inside, err := tx.ValueLists(ctx, "one")
			wantEqual(t, "inside", inside, []*carillon.ValueList{a, b})
			return err
		})
		wantEqual(t, "one", must(s.ValueLists(t.Context(), "one"))(t), []*carillon.ValueList{a, b})
		remove := func() error {
			return s.Update(t.Context(), func(ctx context.Context, tx store.Tx) error { return tx.DeleteValueList(ctx, "one", "a") })
		}
		if err := remove(); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "deleting it again", remove(), carillon.CodeNotFound)
		wantEqual(t, "one", must(s.ValueLists(t.Context(), "one"))(t), []*carillon.ValueList{b})
		wantEqual(t, "two", must(s.ValueLists(t.Context(), "two"))(t), []*carillon.ValueList{foreign})
	})

	s.test(t, "what a failed update did to fields is not seen by the next", func(t *testing.T, s store.Store) {
		refuse(t, s, func(ctx context.Context, tx store.Tx) error {
			err := tx.PutCustomField(ctx, &carillon.CustomField{Org: "one", Kind: carillon.KindAccount, UID: "a"})
			if err != nil {
				return err
			}
			_, err = tx.CustomFields(ctx, "one", carillon.KindAccount)
			return err
		})
		update(t, s, func(ctx context.Context, tx store.Tx) error {
			fields, err := tx.CustomFields(ctx, "one", carillon.KindAccount)
			wantEqual(t, "fields", len(fields), 0)
			return err
		})
	})
}
