package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/ledger"
	"carillon/store"
)

func TestCustomFieldsKeepToTheirDefinition(t *testing.T) {
	cases := []struct {
		field  carillon.CustomFieldType
		values string
		want   string // the reason it is refused; empty: accepted
	}{
		{carillon.CustomText, `["any text","another"]`, ""},
		{carillon.CustomText, `["two\nlines"]`, "/customFields/f/0: must be one line without control characters, has U+000A"},
		{carillon.CustomParagraph, `["two\nlines"]`, ""},
		{carillon.CustomNumber, `["-12"]`, ""},
		{carillon.CustomNumber, `["1.5"]`, "/customFields/f/0: must be a whole number, in quotes"},
		{carillon.CustomDecimal, `["1.50","-2e3"]`, ""},
		{carillon.CustomDecimal, `["1.5","0x1p4"]`, "/customFields/f/1: must be a number, in quotes"},
		{carillon.CustomDecimal, `["Infinity"]`, "/customFields/f/0: must be a number, in quotes"},
		{carillon.CustomDropdown, `["A"]`, ""},
		{carillon.CustomDropdown, `["C"]`, "/customFields/f/0: is not one of the options of f"},
		{carillon.CustomDropdown, `["A","B"]`, "/customFields/f: must have one value: it is a dropdown"},
		{carillon.CustomRadio, `["a"]`, "/customFields/f/0: is not one of the options of f"},
		{carillon.CustomMultiSelect, `["B","A"]`, ""},
		{carillon.CustomMultiSelect, `["B","C"]`, "/customFields/f/1: is not one of the options of f"},
		{carillon.CustomCheckbox, `["true"]`, ""},
		{carillon.CustomCheckbox, `["yes"]`, `/customFields/f/0: must be "true" or "false"`},
		{carillon.CustomDate, `["2026-01-31"]`, ""},
		{carillon.CustomDate, `["31.1.2026"]`, "/customFields/f/0: must be a date, YYYY-MM-DD"},
		{carillon.CustomDateTime, `["2026-01-31T12:00:00+02:00"]`, ""},
		{carillon.CustomDateTime, `["noon"]`, "/customFields/f/0: must be a time as RFC 3339 has it, like 2026-01-31T12:00:00Z, or a date"},
	}
	for _, tc := range cases {
		t.Run(string(tc.field)+tc.values, func(t *testing.T) {
			d := openDesk(t)
			f := &carillon.CustomField{Org: d.org, Kind: carillon.KindAccount, UID: "f", Label: "F", Type: tc.field}
			switch tc.field {
			case carillon.CustomDropdown, carillon.CustomRadio, carillon.CustomMultiSelect:
				f.Options = []string{"A", "B"}
			}
			if _, err := d.DefineField(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			w := write(ledger.Create, carillon.KindAccount, "acc_1", `{"name":"a","customFields":{"f":`+tc.values+`,"undefined":["any\nthing"]}}`)
			if tc.want == "" {
				if got := member(t, d.do(w).Record.Data, "customFields"); got != `{"f":`+tc.values+`,"undefined":["any\nthing"]}` {
					t.Errorf("kept as %s", got)
				}
				return
			}
			if got := faults(d.refused(carillon.CodeInvalid, w)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestDefinitionsCanBeMadeChangedAndRemoved(t *testing.T) {
	d := openDesk(t)
	f := &carillon.CustomField{Org: d.org, Kind: carillon.KindAccount, UID: "tier", Label: "Tier", Type: carillon.CustomDropdown, Options: []string{"Gold", "Silver"}}
	define := func(wantCreated bool) {
		t.Helper()
		created, err := d.DefineField(t.Context(), f)
		if err != nil || created != wantCreated {
			t.Fatalf("created %t, %v", created, err)
		}
	}
	tier := func(value string) ledger.Write {
		return write(ledger.Put, carillon.KindAccount, "acc_1", `{"name":"a","customFields":{"tier":["`+value+`"]}}`)
	}
	d.do(tier("Bronze"))
	define(true)
	d.refused(carillon.CodeInvalid, tier("Copper"))
	// A value from before the definition stays, and may be sent back.
	if o := d.do(tier("Bronze")); o.Seq != 0 {
		t.Errorf("the same value made change %d", o.Seq)
	}
	d.do(write(ledger.Patch, carillon.KindAccount, "acc_1", `{"domain":"x"}`))
	f.Options = append(f.Options, "Copper")
	define(false)
	d.do(tier("Copper"))
	d.refused(carillon.CodeInvalid, tier("Bronze"))
	if err := d.RemoveField(t.Context(), d.org, carillon.KindAccount, "tier"); err != nil {
		t.Fatal(err)
	}
	d.do(tier("Bronze"))
	if err := d.RemoveField(t.Context(), d.org, carillon.KindAccount, "tier"); !carillon.IsNotFound(err) {
		t.Errorf("removing what is not there: %v", err)
	}
}

func TestAnotherNodesDefinitionIsSeenAfterASecond(t *testing.T) {
	d := openDesk(t)
	w := write(ledger.Put, carillon.KindAccount, "acc_1", `{"name":"a","customFields":{"tier":["x"]}}`)
	d.do(w)
	err := d.store.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		return tx.PutCustomField(ctx, &carillon.CustomField{Org: d.org, Kind: carillon.KindAccount, UID: "tier", Label: "T", Type: carillon.CustomNumber})
	})
	if err != nil {
		t.Fatal(err)
	}
	d.clock.move(time.Second)
	w.Data = []byte(`{"name":"a","customFields":{"tier":["y"]}}`)
	d.refused(carillon.CodeInvalid, w)
}

func TestADefinitionMustMakeSense(t *testing.T) {
	good := carillon.CustomField{Org: "org_1", Kind: carillon.KindAccount, UID: "f", Label: "F", Type: carillon.CustomText}
	cases := []struct {
		name   string
		change func(f *carillon.CustomField)
		want   string
	}{
		{"a kind without custom fields", func(f *carillon.CustomField) { f.Kind = carillon.KindUser }, `/kind: "user" has no custom fields`},
		{"an unknown kind", func(f *carillon.CustomField) { f.Kind = "x" }, `/kind: "x" has no custom fields`},
		{"no uid", func(f *carillon.CustomField) { f.UID = "" }, `/uid: must be a custom field's uid: 1 to 64 letters, digits and - _ . : @ + = ~`},
		{"no label", func(f *carillon.CustomField) { f.Label = "" }, `/label: must not be empty`},
		{"a label of two lines", func(f *carillon.CustomField) { f.Label = "a\nb" }, `/label: must be one line without control characters, has U+000A`},
		{"a label that is no text", func(f *carillon.CustomField) { f.Label = "\xff" }, `/label: must be UTF-8`},
		{
			"an unknown type", func(f *carillon.CustomField) { f.Type = "colour" },
			`/type: must be one of [text paragraph number decimal dropdown radio checkbox multi_select_dropdown date date_time]`,
		},
		{"a dropdown without options", func(f *carillon.CustomField) { f.Type = carillon.CustomDropdown }, `/options: a dropdown needs options to choose from`},
		{"the same option twice", func(f *carillon.CustomField) { f.Options = []string{"a", "b", "a"} }, `/options/2: "a" occurs twice`},
		{"an empty option", func(f *carillon.CustomField) { f.Options = []string{""} }, `/options/0: must not be empty`},
		{"an option that the type does not allow", func(f *carillon.CustomField) { f.Type, f.Options = carillon.CustomNumber, []string{"one"} }, `/options/0: must be a whole number, in quotes`},
		{"too many options", func(f *carillon.CustomField) { f.Options = make([]string, 1001) }, `/options: must have at most 1000 values`},
	}
	d := openDesk(t)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			f := good
			tc.change(&f)
			_, err := d.DefineField(t.Context(), &f)
			if carillon.ErrorCode(err) != carillon.CodeInvalid || !strings.HasSuffix(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
	if list, err := d.store.CustomFields(t.Context(), "org_1", carillon.KindAccount); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestValueListsCanBeEditedAndStayOpen(t *testing.T) {
	d := openDesk(t)
	list := &carillon.ValueList{Org: d.org, Name: "account_health", Values: []string{"Good", "Bad"}}
	for _, want := range []bool{true, false} {
		if created, err := d.SetValueList(t.Context(), list); err != nil || created != want {
			t.Fatalf("created %t, %v", created, err)
		}
	}
	kept, err := d.store.ValueLists(t.Context(), d.org)
	if err != nil || len(kept) != 1 || fmt.Sprint(kept[0].Values) != "[Good Bad]" {
		t.Errorf("%+v, %v", kept, err)
	}
	d.do(write(ledger.Create, carillon.KindAccount, "acc_1", `{"name":"a","health":"Something else"}`))

	bad := *list
	bad.Values = []string{"a", "a"}
	if _, err := d.SetValueList(t.Context(), &bad); carillon.ErrorCode(err) != carillon.CodeInvalid {
		t.Errorf("got %v", err)
	}
	bad.Name = "account_colour"
	if _, err := d.SetValueList(t.Context(), &bad); !carillon.IsNotFound(err) {
		t.Errorf("got %v", err)
	}
	if err := d.RemoveValueList(t.Context(), d.org, list.Name); err != nil {
		t.Error(err)
	}
	if err := d.RemoveValueList(t.Context(), d.org, list.Name); !carillon.IsNotFound(err) {
		t.Errorf("got %v", err)
	}
}
