package ledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/ledger"
	"carillon/store"
)

func TestCreateFillsInWhatTheBodyLeavesOut(t *testing.T) {
	d := openDesk(t)
	o := d.do(write(ledger.Create, carillon.KindAccount, "", ` { "name" : "Acme" } `))
	want := `{"id":"acc_1","name":"Acme","status":"ACTIVE","health":"UNKNOWN","classification":"UNCLASSIFIED",` +
		`"createdAt":"2026-01-31T12:00:00.000Z","updatedAt":"2026-01-31T12:00:00.000Z"}`
	if got := string(o.Record.Data); got != want {
		t.Errorf("data is\n\t%s\nwant\n\t%s", got, want)
	}
	if !o.Created || o.Deleted || o.Seq != 1 {
		t.Errorf("outcome is %+v", o)
	}
	r := d.record(ref(carillon.KindAccount, "acc_1"))
	if r.Version != 1 || r.Number != 1 || r.Seq != 1 || r.Lane != "acc_1" || string(r.Data) != want ||
		!r.CreatedAt.Equal(start) || !r.UpdatedAt.Equal(start) {
		t.Errorf("the stored record is %+v", r)
	}
	c := d.expect(0, "created account acc_1")[0]
	if c.Before != nil || string(c.After) != want || c.Number != 1 || c.Version != 1 || c.Lane != "acc_1" || c.Actor != agent || !c.Time.Equal(start) {
		t.Errorf("the change is %+v", c)
	}
}

func TestAnIdMayBeChosenInPathOrBody(t *testing.T) {
	d := openDesk(t)
	d.do(write(ledger.Create, carillon.KindAccount, "acc_path", `{"name":"a","id":"acc_path"}`))
	d.do(write(ledger.Create, carillon.KindAccount, "", `{"name":"a","id":"acc_body"}`))
	d.do(write(ledger.Put, carillon.KindAccount, "acc_put", `{"name":"a"}`))
	d.expect(0, "created account acc_path", "created account acc_body", "created account acc_put")
	e := d.refused(carillon.CodeInvalid, write(ledger.Put, carillon.KindAccount, "acc_path", `{"name":"a","id":"acc_other"}`))
	if want := `/id: must be "acc_path", the id in the path, or absent`; faults(e) != want {
		t.Errorf("got %s, want %s", faults(e), want)
	}
	d.refused(carillon.CodeConflict, write(ledger.Create, carillon.KindAccount, "acc_path", `{"name":"a"}`))
	d.refused(carillon.CodeInvalid, write(ledger.Create, carillon.KindAccount, "acc/1", `{"name":"a"}`))
	d.refused(carillon.CodeInvalid, write(ledger.Put, carillon.KindAccount, "", `{"name":"a"}`))
}

func TestPutReplacesAndPatchMerges(t *testing.T) {
	const kept = `{"name":"Acme","domain":"acme.example","health":"Healthy","billingAddress":{"line1":"1 Road","city":"Town"},` +
		`"tags":["a","b"],"metadata":{"x":{"y":1,"z":2},"n":null},"customFields":{"tier":["Gold"],"zone":["North","East"]}}`
	cases := []struct {
		name, op, body string
		told           string // empty: nothing happened
		members        map[string]string
	}{
		{
			name: "a put unsets what it does not name and gives required members their default",
			op:   "put", body: `{"name":"Acme"}`,
			told:    "updated account acc_1 -domain ~health -billingAddress -tags -metadata -customFields.tier -customFields.zone",
			members: map[string]string{"health": `"UNKNOWN"`, "domain": "", "customFields": ""},
		},
		{
			name: "the same put again changes nothing",
			op:   "put", body: kept,
		},
		{
			name: "the same members in another order and spelling change nothing",
			op:   "put", body: `{"customFields":{"zone":["North","East"],"tier":["\u0047old"]},"metadata":{"n":null,"x":{"z":2,"y":1}},"tags":["a","b"],` +
				`"billingAddress":{"city":"Town","line1":"1 Road"},"health":"Healthy","domain":"acme.example","name":"Acme"}`,
		},
		{
			name: "null and empty values in a put mean unset",
			op:   "put", body: `{"name":"Acme","domain":null,"health":"Healthy","billingAddress":{},"tags":[],"metadata":null,"customFields":{"tier":[],"zone":null}}`,
			told:    "updated account acc_1 -domain -billingAddress -tags -metadata -customFields.tier -customFields.zone",
			members: map[string]string{"billingAddress": "", "tags": ""},
		},
		{
			name: "a patch sets, replaces and unsets what it names",
			op:   "patch", body: `{"size":"50","health":"At Risk","domain":null}`,
			told:    "updated account acc_1 -domain +size ~health",
			members: map[string]string{"size": `"50"`, "health": `"At Risk"`, "domain": "", "tags": `["a","b"]`},
		},
		{
			name: "a patch with null takes a required member back to its default",
			op:   "patch", body: `{"health":null}`,
			told: "updated account acc_1 ~health", members: map[string]string{"health": `"UNKNOWN"`},
		},
		{
			name: "a patch merges one level into an object",
			op:   "patch", body: `{"billingAddress":{"city":"City","line1":null,"country":"NZ"}}`,
			told: "updated account acc_1 ~billingAddress", members: map[string]string{"billingAddress": `{"city":"City","country":"NZ"}`},
		},
		{
			name: "an object left with nothing is unset",
			op:   "patch", body: `{"billingAddress":{"city":null,"line1":null}}`,
			told: "updated account acc_1 -billingAddress", members: map[string]string{"billingAddress": ""},
		},
		{
			name: "a patch of an object that was unset sets it",
			op:   "patch", body: `{"deliveryAddress":{"city":"City","line1":null}}`,
			told: "updated account acc_1 +deliveryAddress", members: map[string]string{"deliveryAddress": `{"city":"City"}`},
		},
		{
			name: "a patch merges free JSON at every level",
			op:   "patch", body: `{"metadata":{"x":{"z":null,"a":{"deep":null,"b":1.50}},"new":[null]}}`,
			told: "updated account acc_1 ~metadata", members: map[string]string{"metadata": `{"n":null,"new":[null],"x":{"a":{"b":1.50},"y":1}}`},
		},
		{
			name: "a patch merges custom fields by uid",
			op:   "patch", body: `{"customFields":{"zone":["South"],"tier":null,"area":["A"],"none":[]}}`,
			told:    "updated account acc_1 +customFields.area -customFields.tier ~customFields.zone",
			members: map[string]string{"customFields": `{"area":["A"],"zone":["South"]}`},
		},
		{
			name: "a patch with null unsets all custom fields",
			op:   "patch", body: `{"customFields":null}`,
			told: "updated account acc_1 -customFields.tier -customFields.zone", members: map[string]string{"customFields": ""},
		},
		{
			name: "a patch replaces arrays",
			op:   "patch", body: `{"tags":["b"]}`,
			told: "updated account acc_1 ~tags", members: map[string]string{"tags": `["b"]`},
		},
		{
			name: "an empty array unsets",
			op:   "patch", body: `{"tags":[]}`,
			told: "updated account acc_1 -tags", members: map[string]string{"tags": ""},
		},
		{
			name: "what the house sets may be sent back and is ignored",
			op:   "patch", body: `{"id":"acc_1","version":99,"number":7,"createdAt":"2001-01-01T00:00:00Z","updatedAt":{"any":"thing"}}`,
		},
		{name: "an empty patch changes nothing", op: "patch", body: `{}`},
		{name: "an empty object in a patch changes nothing", op: "patch", body: `{"billingAddress":{},"customFields":{},"metadata":{}}`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			d := openDesk(t)
			first := d.do(write(ledger.Create, carillon.KindAccount, "acc_1", kept))
			d.clock.move(time.Second)
			o := d.do(write(ledger.Op(tc.op), carillon.KindAccount, "acc_1", tc.body))
			r := d.record(ref(carillon.KindAccount, "acc_1"))
			if tc.told == "" {
				d.expect(1)
				if o.Seq != 0 || o.Created || o.Record.Version != 1 || string(r.Data) != string(first.Record.Data) {
					t.Errorf("nothing differs, but the outcome is %+v and the record %s", o, r.Data)
				}
				return
			}
			c := d.expect(1, tc.told)[0]
			if string(c.Before) != string(first.Record.Data) || string(c.After) != string(r.Data) {
				t.Errorf("the change goes from %s to %s", c.Before, c.After)
			}
			if o.Seq != 2 || o.Created || r.Version != 2 || c.Version != 2 || r.Number != 1 || r.Seq != 2 || string(o.Record.Data) != string(r.Data) {
				t.Errorf("outcome %+v, record %+v, change %+v", o, r, c)
			}
			if got := member(t, r.Data, "updatedAt"); got != `"2026-01-31T12:00:01.000Z"` || member(t, r.Data, "createdAt") != `"2026-01-31T12:00:00.000Z"` {
				t.Errorf("times: %s", r.Data)
			}
			for name, want := range tc.members {
				if got := member(t, r.Data, name); got != want {
					t.Errorf("%s is %s, want %s", name, got, want)
				}
			}
		})
	}
}

func TestIfMatchGuardsConcurrentEditors(t *testing.T) {
	d := openDesk(t)
	d.account("acc_1")
	w := write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"b"}`)
	w.IfMatch = 1
	d.do(w)
	w.Data = []byte(`{"name":"c"}`)
	if e := d.refused(carillon.CodeStale, w); e.Message != "account acc_1 is at version 2, not 1" {
		t.Error(e.Message)
	}
	for _, op := range []ledger.Op{ledger.Put, ledger.Delete} {
		w.Op = op
		d.refused(carillon.CodeStale, w)
	}
	w.Op, w.ID = ledger.Put, "acc_2"
	if e := d.refused(carillon.CodeStale, w); e.Message != "account acc_2 does not exist, so it is not at version 1" {
		t.Error(e.Message)
	}
	w.IfMatch = -1
	d.refused(carillon.CodeInvalid, w)
	d.do(ledger.Write{Op: ledger.Delete, Ref: ref(carillon.KindAccount, "acc_1"), IfMatch: 2})
}

func TestWhatIsNotThereCannotBePatchedOrDeleted(t *testing.T) {
	d := openDesk(t)
	d.refused(carillon.CodeNotFound, write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"b"}`))
	d.refused(carillon.CodeNotFound, write(ledger.Delete, carillon.KindAccount, "acc_1", ``))
	d.account("acc_1")
	d.org = "org_2"
	d.refused(carillon.CodeNotFound, write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"b"}`))
	d.refused(carillon.CodeNotFound, write(ledger.Delete, carillon.KindAccount, "acc_1", ``))
}

func TestADeletionTellsWhatWasLast(t *testing.T) {
	d := openDesk(t)
	o := d.do(write(ledger.Create, carillon.KindAccount, "acc_1", `{"name":"a"}`))
	gone := d.do(write(ledger.Delete, carillon.KindAccount, "acc_1", ``))
	c := d.expect(1, "deleted account acc_1")[0]
	if string(c.Before) != string(o.Record.Data) || c.After != nil || c.Version != 2 || c.Number != 1 || c.Lane != "acc_1" {
		t.Errorf("the change is %+v", c)
	}
	if !gone.Deleted || gone.Seq != 2 || string(gone.Record.Data) != string(o.Record.Data) {
		t.Errorf("the outcome is %+v", gone)
	}
	d.gone(ref(carillon.KindAccount, "acc_1"))
	again := d.do(write(ledger.Create, carillon.KindAccount, "acc_1", `{"name":"a"}`))
	if again.Record.Version != 1 || again.Record.Number != 2 {
		t.Errorf("a record made anew is %+v", again.Record)
	}
}

func TestAnEntryIsDoneAsAWhole(t *testing.T) {
	d := openDesk(t)
	apply := func(writes ...ledger.Write) (ledger.Result, error) {
		return d.Apply(t.Context(), ledger.Entry{Org: d.org, Origin: "api", Writes: writes})
	}
	result, err := apply(
		write(ledger.Create, carillon.KindAccount, "acc_1", `{"name":"a"}`),
		write(ledger.Create, carillon.KindContact, "con_1", `{"firstName":"A","lastName":"B","email":"a@example.com","accountId":"acc_1"}`),
		write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"b"}`),
		write(ledger.Delete, carillon.KindContact, "con_1", ``),
	)
	if err != nil {
		t.Fatal(err)
	}
	d.expect(0, "created account acc_1", "created contact con_1", "updated account acc_1 ~name", "deleted contact con_1")
	if n := len(result.Outcomes); n != 4 || result.Outcomes[2].Record.Version != 2 || !result.Outcomes[3].Deleted {
		t.Errorf("outcomes: %+v", result.Outcomes)
	}
	_, err = apply(
		write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"c"}`),
		write(ledger.Create, carillon.KindAccount, "acc_2", `{"name":"d"}`),
		write(ledger.Delete, carillon.KindAccount, "acc_1", ``),
		write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"e"}`),
	)
	if !carillon.IsNotFound(err) || !strings.HasPrefix(err.Error(), "write 4 of 4: ") {
		t.Fatalf("got %v", err)
	}
	d.expect(4)
	if r := d.record(ref(carillon.KindAccount, "acc_1")); member(t, r.Data, "name") != `"b"` {
		t.Errorf("the record is %s", r.Data)
	}
	d.gone(ref(carillon.KindAccount, "acc_2"))
	if o := d.do(write(ledger.Create, carillon.KindAccount, "acc_3", `{"name":"d"}`)); o.Seq != 5 || o.Record.Number != 3 {
		t.Errorf("after a failed entry seq is %d and number %d", o.Seq, o.Record.Number)
	}
}

func TestEntriesOfABatchFailAlone(t *testing.T) {
	d := openDesk(t)
	var entries []ledger.Entry
	for _, w := range []ledger.Write{
		write(ledger.Put, carillon.KindAccount, "acc_1", `{"name":"a"}`),
		write(ledger.Put, carillon.KindAccount, "acc_2", `{"name":`),
		write(ledger.Put, carillon.KindContact, "con_1", `{"firstName":"A","lastName":"B","email":"","accountId":"acc_1"}`),
		write(ledger.Put, carillon.KindContact, "con_2", `{"firstName":"A","lastName":"B","email":"","accountId":"acc_2"}`),
		write(ledger.Delete, carillon.KindAccount, "acc_3", ``),
		write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"b"}`),
	} {
		entries = append(entries, ledger.Entry{Org: d.org, Origin: "batch", Writes: []ledger.Write{w}})
	}
	replies := d.ApplyAll(t.Context(), entries)
	var codes []string
	for _, r := range replies {
		codes = append(codes, string(carillon.ErrorCode(r.Err)))
	}
	if got, want := strings.Join(codes, " "), " malformed  invalid not_found "; got != want {
		t.Errorf("codes are %q, want %q", got, want)
	}
	d.expect(0, "created account acc_1 (batch)", "created contact con_1 (batch)", "updated account acc_1 ~name (batch)")
}

func TestTimeNeverGoesBackwards(t *testing.T) {
	d := openDesk(t)
	d.account("acc_1")
	d.clock.move(-time.Hour)
	d.do(write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"b"}`))
	d.account("acc_2")
	for _, c := range d.since(0) {
		if !c.Time.Equal(start) {
			t.Errorf("%s at %s", told(c), c.Time)
		}
	}
	d.stop()
	other := openDeskOn(t, d.store, ledger.Limits{})
	other.clock.move(-time.Minute)
	if r := other.do(write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"c"}`)).Record; !r.UpdatedAt.Equal(start) {
		t.Errorf("another process with a slow clock wrote %s", r.UpdatedAt)
	}
	other.clock.move(time.Hour + 1234567*time.Nanosecond)
	if r := other.do(write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"d"}`)).Record; member(t, r.Data, "updatedAt") != `"2026-01-31T12:59:00.001Z"` {
		t.Errorf("times are not cut to milliseconds: %s", r.Data)
	}
}

func TestWhatVendorsSentIsKeptBesideTheRecord(t *testing.T) {
	d := openDesk(t)
	d.account("acc_1")
	extra := func(name string, x map[string][]byte) *carillon.Record {
		w := write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"`+name+`"}`)
		w.Extra = x
		d.do(w)
		return d.record(ref(carillon.KindAccount, "acc_1"))
	}
	extra("b", map[string][]byte{"neon": []byte(` {"b": 1.0, "a":"\u0041"} `), "freshsales": []byte(`[1]`)})
	if got := string(d.record(ref(carillon.KindAccount, "acc_1")).Extra); got != `{"freshsales":[1],"neon":{"b":1.0,"a":"\u0041"}}` {
		t.Errorf("extra is %s", got)
	}
	r := extra("c", map[string][]byte{"neon": []byte(`null`)})
	if string(r.Extra) != `{"freshsales":[1]}` {
		t.Errorf("extra is %s", r.Extra)
	}
	if c := d.since(2)[0]; string(c.Extra) != `{"freshsales":[1]}` {
		t.Errorf("the change carries %s", c.Extra)
	}
	bad := write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"d"}`)
	bad.Extra = map[string][]byte{"neon": []byte(`{`)}
	d.refused(carillon.CodeInvalid, bad)
	d.do(write(ledger.Delete, carillon.KindAccount, "acc_1", ``))
	if c := d.since(3)[0]; string(c.Extra) != `{"freshsales":[1]}` {
		t.Errorf("the deletion carries %s", c.Extra)
	}
}

func TestCustomRecordsLiveInModules(t *testing.T) {
	d := openDesk(t)
	d.account("acc_1")
	in := func(module string) carillon.Ref {
		return carillon.Ref{Kind: carillon.KindCustom, Module: module, ID: "r_1"}
	}
	for _, module := range []string{"invoices", "meters"} {
		o := d.do(ledger.Write{Op: ledger.Create, Ref: in(module), Data: []byte(`{"name":"x","accountId":"acc_1","module":"ignored"}`)})
		if got := member(t, o.Record.Data, "module"); got != `"`+module+`"` || o.Record.Lane != "acc_1" {
			t.Errorf("module %s, lane %s", got, o.Record.Lane)
		}
	}
	d.refused(carillon.CodeInvalid, ledger.Write{Op: ledger.Create, Ref: in(""), Data: []byte(`{"name":"x"}`)})
	d.refused(carillon.CodeInvalid, ledger.Write{Op: ledger.Create, Ref: carillon.Ref{Kind: carillon.KindDeal, Module: "m"}, Data: []byte(`{"name":"x"}`)})
	d.refused(carillon.CodeInvalid, ledger.Write{Op: ledger.Create, Ref: carillon.Ref{Kind: "ticket"}, Data: []byte(`{"name":"x"}`)})
	d.refused(carillon.CodeInvalid, ledger.Write{Op: "upsert", Ref: in("invoices"), Data: []byte(`{"name":"x"}`)})
}

func TestLanesFollowTheAccount(t *testing.T) {
	cases := []struct{ kind, body, lane string }{
		{"account", `{"name":"x"}`, "x_1"},
		{"user", `{"name":"x","email":"x@example.com"}`, "user/x_1"},
		{"contact", `{"firstName":"A","lastName":"B","email":"e","accountId":"acc_1"}`, "acc_1"},
		{"contact", `{"firstName":"A","lastName":"B","email":"e","accountId":""}`, "contact/x_1"},
		{"relationship", `{"parentAccountId":"acc_2","childAccountId":"acc_1","relationshipType":"PARENT"}`, "acc_2"},
		{"task", `{"title":"x","accountId":""}`, "task/x_1"},
		{"deal", `{"name":"x"}`, "deal/x_1"},
		{"deal", `{"name":"x","accountId":"acc_2"}`, "acc_2"},
	}
	for _, tc := range cases {
		t.Run(tc.kind+" "+tc.lane, func(t *testing.T) {
			d := openDesk(t)
			d.account("acc_1")
			d.account("acc_2")
			o := d.do(write(ledger.Create, carillon.Kind(tc.kind), "x_1", tc.body))
			if o.Record.Lane != tc.lane {
				t.Errorf("lane is %s, want %s", o.Record.Lane, tc.lane)
			}
		})
	}
	t.Run("a record that moves says where it was", func(t *testing.T) {
		d := openDesk(t)
		d.account("acc_1")
		d.account("acc_2")
		d.do(write(ledger.Create, carillon.KindDeal, "deal_1", `{"name":"x","accountId":"acc_1"}`))
		d.do(write(ledger.Patch, carillon.KindDeal, "deal_1", `{"accountId":"acc_2"}`))
		d.do(write(ledger.Patch, carillon.KindDeal, "deal_1", `{"accountId":null}`))
		d.expect(3, "updated deal deal_1 ~accountId acc_1→acc_2", "updated deal deal_1 -accountId acc_2→deal/deal_1")
	})
}

func TestAStoppedLedgerRefusesWritesButFinishesWhatWaits(t *testing.T) {
	s := openStore(t)
	l, err := ledger.New(ledger.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	entry := func(id string) ledger.Entry {
		return ledger.Entry{Org: "org_1", Writes: []ledger.Write{write(ledger.Create, carillon.KindAccount, id, `{"name":"a"}`)}}
	}
	// Nobody runs the ledger yet: a caller who gives up gets an answer, and nothing is ever written for it.
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Apply(impatient, entry("acc_0")); carillon.ErrorCode(err) != carillon.CodeUnavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who gave up got %v", err)
	}
	answered := make(chan error)
	go func() {
		_, err := l.Apply(t.Context(), entry("acc_1"))
		answered <- err
	}()
	// acc_2 is applied while the ledger runs; acc_1 may have been queued before or after.
	running, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.Run(running) }()
	if _, err := l.Apply(t.Context(), entry("acc_2")); err != nil {
		t.Error(err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := l.Apply(t.Context(), entry("acc_3")); carillon.ErrorCode(err) != carillon.CodeUnavailable {
		t.Errorf("a stopped ledger answered %v", err)
	}
	if head, _ := s.Head(t.Context(), "org_1"); head != 2 {
		t.Errorf("the log ends at %d, want 2", head)
	}
}

func TestAnEntryIsBoundedInWhatItNames(t *testing.T) {
	d := openDesk(t)
	good := ledger.Entry{Org: d.org, Writes: []ledger.Write{write(ledger.Create, carillon.KindAccount, "", `{"name":"a"}`)}}
	cases := map[string]struct {
		change func(e *ledger.Entry)
		code   carillon.Code
	}{
		"an org is needed":            {func(e *ledger.Entry) { e.Org = "" }, carillon.CodeInvalid},
		"a key is short":              {func(e *ledger.Entry) { e.Key = strings.Repeat("k", 256) }, carillon.CodeInvalid},
		"a key is one line":           {func(e *ledger.Entry) { e.Key = "a\nb" }, carillon.CodeInvalid},
		"an actor is UTF-8":           {func(e *ledger.Entry) { e.Actor.ID = "\xff" }, carillon.CodeInvalid},
		"an origin is one line":       {func(e *ledger.Entry) { e.Origin = "a\x00" }, carillon.CodeInvalid},
		"writes are counted":          {func(e *ledger.Entry) { e.Writes = make([]ledger.Write, 10_001) }, carillon.CodeTooLarge},
		"no writes are nothing to do": {func(e *ledger.Entry) { e.Writes = nil }, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			e := good
			tc.change(&e)
			if _, err := d.Apply(t.Context(), e); carillon.ErrorCode(err) != tc.code {
				t.Errorf("got %v, want code %q", err, tc.code)
			}
		})
	}
	if head := d.head(); head != 0 {
		t.Errorf("the log ends at %d", head)
	}
}

func TestRecordsWrittenBeforeAFieldMovedAreRead(t *testing.T) {
	d := openDesk(t)
	o := d.do(write(ledger.Create, carillon.KindAccount, "acc_1", `{"name":"a","domain":"d","size":"5"}`))
	rewrite := func(data string) {
		t.Helper()
		r := *o.Record
		r.Data = []byte(data)
		err := d.store.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
			return tx.PutRecords(ctx, []store.RecordWrite{{Record: &r}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	const times = `"createdAt":"2026-01-31T12:00:00.000Z","updatedAt":"2026-01-31T12:00:00.000Z"`
	rewrite(`{"id":"acc_1","size":"5","health":"UNKNOWN","name":"a","classification":"UNCLASSIFIED","domain":"d","status":"ACTIVE",` + times + `}`)
	if o := d.do(write(ledger.Put, carillon.KindAccount, "acc_1", `{"name":"a","domain":"d","size":"5"}`)); o.Seq != 0 {
		t.Errorf("the same members in another order made change %d", o.Seq)
	}
	d.do(write(ledger.Patch, carillon.KindAccount, "acc_1", `{"size":"6"}`))
	d.expect(1, "updated account acc_1 ~size")
	for _, data := range []string{`{"id":"acc_1","colour":"red",` + times + `}`, `{"id":"acc_1","name":"no end`} {
		rewrite(data)
		head := d.head()
		_, err := d.try(write(ledger.Patch, carillon.KindAccount, "acc_1", `{"size":"7"}`))
		if carillon.ErrorCode(err) != carillon.CodeInternal || d.head() != head {
			t.Errorf("a record that cannot be read as %s: %v", data, err)
		}
	}
	d.account("acc_2") // the others go on
}
