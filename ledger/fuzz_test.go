package ledger_test

import (
	"encoding/json"
	"testing"

	"carillon"
	"carillon/ledger"
)

// FuzzBody sends any bytes as the body of any kind and op. Nothing may panic, what is refused is refused with a code of
// the caller's, and what is stored is a fixed point: put again, it changes nothing.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		`{"name":"Acme","domain":"acme.example","tags":["a","b"],"customFields":{"tier":["Gold"]},"metadata":{"b":[1.0,{"a":null}],"a":"\u0041"}}`,
		`{"name":"a","primaryContact":{"firstName":"A","lastName":null},"annualRevenue":1.5e3,"employees":-0,"parentAccountId":"acc_0"}`,
		`{"firstName":"A","lastName":"B","email":"e","accountId":""}`,
		`{"parentAccountId":"acc_0","childAccountId":"acc_1","relationshipType":"PARENT"}`,
		`{"title":"a","accountId":"acc_0","activityType":"CALL","scheduledAt":"2026-01-31T13:00:00+01:00"}`,
		`{"title":"a","content":"b\nc","accountId":"acc_0","authorId":null}`,
		`{"title":"a","startAt":"2026-01-31","endAt":"2026-01-31T10:00:00Z","allDay":true,"contactIds":["con_0"]}`,
		`{"content":"a","contentJson":{"z":[],"a":{"c":1,"b":2}},"entityType":"task","entityId":"task_0"}`,
		`{"name":"a","name":"b"}`, `{"name":"\ud800"}`, "{\"name\":\"\xff\"}", `{"name":"\u0000"}`, `[[[[`, `{"a":1}}`, ``, `{"id":"x"}`,
	} {
		for kind := range carillon.Kinds {
			f.Add(uint8(kind), uint8(kind), []byte(body))
		}
	}
	d := openDesk(f)
	d.account("acc_0")
	d.account("acc_1")
	d.do(write(ledger.Create, carillon.KindTask, "task_0", `{"title":"a","accountId":"acc_0"}`))
	d.do(write(ledger.Create, carillon.KindContact, "con_0", `{"firstName":"A","lastName":"B","email":"e","accountId":"acc_0"}`))
	ops := []ledger.Op{ledger.Create, ledger.Put, ledger.Patch}
	f.Fuzz(func(t *testing.T, kind, op uint8, body []byte) {
		d := *d
		d.TB = t
		w := ledger.Write{
			Op: ops[int(op)%len(ops)], Data: body,
			Ref: carillon.Ref{Kind: carillon.Kinds[int(kind)%len(carillon.Kinds)], ID: "fuzzed"},
		}
		if w.Kind == carillon.KindCustom {
			w.Module = "m"
		}
		if w.Kind == carillon.KindComment {
			w.On = ref(carillon.KindTask, "task_0")
		}
		o, err := d.try(w)
		switch carillon.ErrorCode(err) {
		case "":
		case carillon.CodeInvalid, carillon.CodeMalformed, carillon.CodeTooLarge, carillon.CodeNotFound, carillon.CodeConflict:
			return
		default:
			t.Fatalf("%s %s %q: %v", w.Op, w.Ref, body, err)
		}
		if !json.Valid(o.Record.Data) {
			t.Fatalf("stored what is not JSON: %q", o.Record.Data)
		}
		for _, again := range []ledger.Write{
			{Op: ledger.Put, Ref: w.Ref, On: w.On, Data: o.Record.Data},
			{Op: ledger.Put, Ref: w.Ref, On: w.On, Data: indented(t, o.Record.Data)},
		} {
			same, err := d.try(again)
			if err != nil || same.Seq != 0 {
				t.Fatalf("%s put again makes change %d, %v", o.Record.Data, same.Seq, err)
			}
		}
		d.do(ledger.Write{Op: ledger.Delete, Ref: w.Ref, On: w.On, Cascade: true})
	})
}

func indented(t *testing.T, data []byte) []byte {
	t.Helper()
	spaced, err := json.MarshalIndent(json.RawMessage(data), " ", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return spaced
}
