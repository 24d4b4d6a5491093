package ledger_test

import (
	"reflect"
	"testing"

	"carillon"
	"carillon/ledger"
)

func TestARepeatUnderTheSameKeyGivesTheFirstResult(t *testing.T) {
	d := openDesk(t)
	entry := func(key, body string) ledger.Entry {
		return ledger.Entry{
			Org: d.org, Actor: agent, Origin: "api", Key: key, Scope: "api",
			Writes: []ledger.Write{write(ledger.Create, carillon.KindAccount, "", body)},
		}
	}
	first, err := d.Apply(t.Context(), entry("k1", `{"name":"a","domain":"d"}`))
	if err != nil || first.Repeated {
		t.Fatalf("%+v, %v", first, err)
	}
	d.do(write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"later"}`))
	repeats := map[string]ledger.Entry{
		"the same bytes":          entry("k1", `{"name":"a","domain":"d"}`),
		"the same in other words": entry("k1", ` { "domain" : "\u0064", "name":"a" } `),
	}
	for name, e := range repeats {
		t.Run(name, func(t *testing.T) {
			again, err := d.Apply(t.Context(), e)
			if err != nil || !again.Repeated {
				t.Fatalf("%+v, %v", again, err)
			}
			if !reflect.DeepEqual(again.Outcomes, first.Outcomes) {
				t.Errorf("the repeat gives %+v, the first gave %+v", again.Outcomes[0].Record, first.Outcomes[0].Record)
			}
		})
	}
	t.Run("another request under the key is a conflict", func(t *testing.T) {
		_, err := d.Apply(t.Context(), entry("k1", `{"name":"b"}`))
		if carillon.ErrorCode(err) != carillon.CodeConflict {
			t.Errorf("got %v", err)
		}
	})
	t.Run("keys of other scopes and orgs are other keys", func(t *testing.T) {
		e := entry("k1", `{"name":"b"}`)
		e.Scope = "connection:1"
		if r, err := d.Apply(t.Context(), e); err != nil || r.Repeated {
			t.Errorf("%+v, %v", r, err)
		}
		e = entry("k1", `{"name":"b"}`)
		e.Org = "org_2"
		if r, err := d.Apply(t.Context(), e); err != nil || r.Repeated {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("repeats in one transaction are found too", func(t *testing.T) {
		head := d.head()
		replies := d.ApplyAll(t.Context(), []ledger.Entry{
			entry("k2", `{"name":"c"}`), entry("k2", `{"name":"c"}`), entry("k2", `{"name":"d"}`),
		})
		if replies[0].Err != nil || replies[0].Result.Repeated || replies[1].Err != nil || !replies[1].Result.Repeated ||
			carillon.ErrorCode(replies[2].Err) != carillon.CodeConflict {
			t.Errorf("replies are %+v", replies)
		}
		if !reflect.DeepEqual(replies[0].Result.Outcomes, replies[1].Result.Outcomes) {
			t.Errorf("%+v and %+v", replies[0].Result, replies[1].Result)
		}
		d.expect(head, "created account acc_"+replies[0].Result.Outcomes[0].Record.ID[4:])
	})
	t.Run("what failed is not remembered", func(t *testing.T) {
		e := entry("k3", ``)
		e.Writes[0] = write(ledger.Patch, carillon.KindAccount, "acc_late", `{"name":"x"}`)
		if _, err := d.Apply(t.Context(), e); !carillon.IsNotFound(err) {
			t.Errorf("got %v", err)
		}
		d.account("acc_late")
		if r, err := d.Apply(t.Context(), e); err != nil || r.Repeated || r.Outcomes[0].Seq == 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("deletions and what changed nothing are remembered", func(t *testing.T) {
		e := entry("k4", ``)
		e.Writes = []ledger.Write{
			write(ledger.Patch, carillon.KindAccount, "acc_late", `{"name":"x"}`),
			write(ledger.Delete, carillon.KindAccount, "acc_late", ``),
		}
		first, err := d.Apply(t.Context(), e)
		if err != nil || first.Outcomes[0].Seq != 0 || !first.Outcomes[1].Deleted {
			t.Fatalf("%+v, %v", first, err)
		}
		again, err := d.Apply(t.Context(), e)
		if err != nil || !again.Repeated || !reflect.DeepEqual(again.Outcomes, first.Outcomes) {
			t.Errorf("%+v, %v", again, err)
		}
	})
}
