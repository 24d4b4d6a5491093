package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"carillon"
	"carillon/ledger"
	"carillon/store"
)

// said is a write as a vendor's statement: as of so many seconds after start.
func said(seconds float64, happened carillon.Op, op ledger.Op, data string) ledger.Write {
	w := write(op, carillon.KindAccount, "acc_1", data)
	w.Heard = carillon.HeardAt{At: start.Add(time.Duration(seconds * float64(time.Second))), Op: happened}
	w.IfExists, w.Cascade = true, true
	return w
}

// hear applies an entry of a source under a key of its own.
func (d *desk) hear(source, key string, writes ...ledger.Write) ledger.Result {
	d.Helper()
	result, err := d.Apply(d.Context(), ledger.Entry{
		Org: d.org, Actor: agent, Origin: "connection:neon:" + source, Scope: "connection:" + source, Key: key, KeyAlone: true, Writes: writes,
	})
	if err != nil {
		d.Fatal(err)
	}
	return result
}

func TestWhatASourceSaidEarlierChangesNothing(t *testing.T) {
	d := openDesk(t)
	d.hear("a", "1", said(10, carillon.OpUpdated, ledger.Create, `{"name":"ten"}`))
	head := d.head()
	r := d.hear("a", "2", said(9, carillon.OpUpdated, ledger.Patch, `{"name":"nine"}`))
	if !r.Outcomes[0].Late || r.Outcomes[0].Seq != 0 {
		t.Errorf("the outcome of a late write is %+v", r.Outcomes[0])
	}
	d.hear("a", "3", said(10, carillon.OpCreated, ledger.Patch, `{"name":"created then"}`))
	d.expect(head)
	t.Run("what it says of the same moment counts", func(*testing.T) {
		d.hear("a", "4", said(10, carillon.OpUpdated, ledger.Patch, `{"name":"ten again"}`))
		d.expect(head, "updated account acc_1 ~name (connection:neon:a)")
	})
	t.Run("another source has a clock of its own, and so has everybody else", func(*testing.T) {
		head := d.head()
		d.hear("b", "1", said(1, carillon.OpUpdated, ledger.Patch, `{"name":"b"}`))
		d.do(write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"by hand"}`))
		d.expect(head, "updated account acc_1 ~name (connection:neon:b)", "updated account acc_1 ~name")
	})
	t.Run("a late update does not bring a deleted record back", func(t *testing.T) {
		d.hear("a", "5", said(20, carillon.OpDeleted, ledger.Delete, ""))
		head := d.head()
		if r := d.hear("a", "6", said(19, carillon.OpUpdated, ledger.Create, `{"name":"back"}`)); !r.Outcomes[0].Late || r.Outcomes[0].Record != nil {
			t.Errorf("the outcome is %+v", r.Outcomes[0])
		}
		d.expect(head)
		d.hear("a", "7", said(21, carillon.OpCreated, ledger.Create, `{"name":"anew"}`))
		d.expect(head, "created account acc_1 (connection:neon:a)")
	})
	t.Run("a deletion heard of before its record holds as well", func(*testing.T) {
		head := d.head()
		gone := said(5, carillon.OpDeleted, ledger.Delete, "")
		gone.ID = "acc_2"
		d.hear("a", "8", gone)
		late := said(4, carillon.OpCreated, ledger.Create, `{"name":"two"}`)
		late.ID = "acc_2"
		d.hear("a", "9", late)
		d.expect(head)
	})
	t.Run("within one transaction as well", func(*testing.T) {
		head := d.head()
		entry := func(key string, w ledger.Write) ledger.Entry {
			return ledger.Entry{Org: d.org, Scope: "connection:a", Key: key, KeyAlone: true, Origin: "api", Writes: []ledger.Write{w}}
		}
		invalid := said(50, carillon.OpUpdated, ledger.Patch, `{"name":7}`)
		replies := d.ApplyAll(d.Context(), []ledger.Entry{
			entry("10", said(30, carillon.OpUpdated, ledger.Patch, `{"name":"thirty"}`)),
			entry("11", said(29, carillon.OpUpdated, ledger.Patch, `{"name":"twenty-nine"}`)),
			entry("12", invalid),
			entry("13", said(31, carillon.OpUpdated, ledger.Patch, `{"name":"thirty-one"}`)),
		})
		if replies[2].Err == nil || !replies[1].Result.Outcomes[0].Late || replies[3].Result.Outcomes[0].Late {
			t.Errorf("replies are %+v", replies)
		}
		d.expect(head, "updated account acc_1 ~name", "updated account acc_1 ~name")
	})
	t.Run("what failed was not heard", func(t *testing.T) {
		stale := said(60, carillon.OpUpdated, ledger.Patch, `{"name":"sixty"}`)
		stale.IfMatch = 1
		e := ledger.Entry{Org: d.org, Scope: "connection:a", Origin: "api", Writes: []ledger.Write{stale}}
		if _, err := d.Apply(t.Context(), e); carillon.ErrorCode(err) != carillon.CodeStale {
			t.Fatalf("got %v", err)
		}
		head := d.head()
		d.hear("a", "14", said(59, carillon.OpUpdated, ledger.Patch, `{"name":"fifty-nine"}`))
		d.expect(head, "updated account acc_1 ~name (connection:neon:a)")
	})
}

func TestAKeyAloneTellsARepeat(t *testing.T) {
	d := openDesk(t)
	d.hear("a", "evt_1", write(ledger.Create, carillon.KindAccount, "acc_1", `{"name":"one"}`))
	head := d.head()
	r := d.hear("a", "evt_1", write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"two"}`))
	if !r.Repeated || len(r.Outcomes) != 0 {
		t.Errorf("the repeat gives %+v", r)
	}
	if r := d.hear("a", "evt_nothing"); r.Repeated {
		t.Errorf("an entry without writes gives %+v", r)
	}
	if r := d.hear("a", "evt_nothing"); !r.Repeated {
		t.Errorf("its repeat gives %+v", r)
	}
	d.expect(head)
}

func TestEnsureCreatesOnlyWhatIsMissing(t *testing.T) {
	d := openDesk(t)
	first := d.do(write(ledger.Ensure, carillon.KindAccount, "acc_1", `{"name":"one"}`))
	again := d.do(write(ledger.Ensure, carillon.KindAccount, "acc_1", `{"name":"two"}`))
	if !first.Created || again.Created || again.Seq != 0 || again.Record.Version != 1 {
		t.Errorf("%+v, then %+v", first, again)
	}
	d.expect(0, "created account acc_1")
	missing := write(ledger.Delete, carillon.KindAccount, "acc_2", "")
	d.refused(carillon.CodeNotFound, missing)
	missing.IfExists = true
	if o := d.do(missing); o.Deleted || o.Record != nil {
		t.Errorf("deleting what does not exist gives %+v", o)
	}
}

func TestAlsoIsDoneIfAndOnlyIfTheEntryIs(t *testing.T) {
	d := openDesk(t)
	done := map[string]ledger.Result{}
	entry := func(name, data string, failing error) ledger.Entry {
		return ledger.Entry{
			Org: d.org, Origin: "api", Scope: "connection:a", Key: name, KeyAlone: true,
			Writes: []ledger.Write{write(ledger.Create, carillon.KindAccount, "acc_"+name, data)},
			Also: func(ctx context.Context, tx store.Tx, r ledger.Result) error {
				if failing != nil {
					return failing
				}
				done[name] = r
				return tx.PutKey(ctx, &carillon.Key{ID: "key_" + name, Org: d.org, Hash: [32]byte([]byte(name + "-----------------------------------")[:32])})
			},
		}
	}
	broken := errors.New("the act failed")
	replies := d.ApplyAll(t.Context(), []ledger.Entry{
		entry("good", `{"name":"x"}`, nil), entry("invalid", `{}`, nil), entry("failing", `{"name":"x"}`, broken), entry("last", `{"name":"x"}`, nil),
	})
	if replies[0].Err != nil || replies[1].Err == nil || !errors.Is(replies[2].Err, broken) || replies[3].Err != nil {
		t.Fatalf("replies are %+v", replies)
	}
	d.gone(ref(carillon.KindAccount, "acc_failing"))
	d.record(ref(carillon.KindAccount, "acc_last"))
	keys, err := d.store.Keys(t.Context(), d.org)
	if err != nil || len(keys) != 2 || done["good"].Outcomes[0].Seq != 1 {
		t.Errorf("keys %v, %v; done %v", keys, err, done)
	}
	if _, err := d.Apply(t.Context(), entry("good", `{"name":"x"}`, nil)); err != nil || !done["good"].Repeated {
		t.Errorf("the repeat gave %v, %+v", err, done["good"])
	}
}

func TestADifferenceInExtraIsAChange(t *testing.T) {
	d := openDesk(t)
	d.account("acc_1")
	extra := func(values map[string][]byte, data string) ledger.Outcome {
		w := write(ledger.Patch, carillon.KindAccount, "acc_1", data)
		w.Extra = values
		return d.do(w)
	}
	extra(map[string][]byte{"neon": []byte(`{"id": 7}`), "smarterpay": []byte(`1`)}, `{}`)
	extra(map[string][]byte{"neon": []byte(` {"id":7} `)}, `{}`)
	extra(map[string][]byte{"neon": []byte(`{"id":8}`), "smarterpay": []byte(`null`)}, `{"name":"x"}`)
	changes := d.expect(1, "updated account acc_1 +extra.neon +extra.smarterpay", "updated account acc_1 ~name ~extra.neon -extra.smarterpay")
	for i, want := range []map[string]bool{{"neon": true, "smarterpay": true, "platform": false}, {"neon": true, "platform": true}} {
		for dialect, concerned := range want {
			if changes[i].Concerns(dialect) != concerned {
				t.Errorf("change %d concerns %s: %v", i+2, dialect, !concerned)
			}
		}
	}
	if got := string(d.record(ref(carillon.KindAccount, "acc_1")).Extra); got != `{"neon":{"id":8}}` {
		t.Errorf("extra is %s", got)
	}
}
