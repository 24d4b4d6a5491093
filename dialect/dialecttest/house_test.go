package dialecttest

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"carillon"
	"carillon/ledger"
	"carillon/store/sqlstore"
	"carillon/vault"
)

// What the suite takes for a record must be what the ledger makes of the same data.
func TestTheHouseKeepsWhatTheLedgerKeeps(t *testing.T) {
	dir := t.TempDir()
	sealer, err := vault.Open(filepath.Join(dir, "secrets.json"))
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	archive, err := sqlstore.OpenSQLite(t.Context(), sqlstore.Options{Path: filepath.Join(dir, "carillon.db"), Sealer: sealer, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	desk, err := ledger.New(ledger.Config{Store: archive, Logger: quiet, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- desk.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := archive.Close(); err != nil {
			t.Error(err)
		}
	})

	actor := carillon.Actor{ID: "usr_1", Type: "AGENT"}
	h := house{at: at, actor: actor, account: "acc_1"}
	note := carillon.Ref{Kind: carillon.KindNote, ID: "note_1"}
	for _, c := range []struct {
		ref  carillon.Ref
		on   carillon.Ref
		data string
	}{
		{carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"}, carillon.Ref{}, `{"health":null,"status":"TRIAL","name":"A","employees":250,"annualRevenue":12.50,` +
			`"tags":[],"metadata":{"b":{"d":1,"c":2},"a":null},"primaryContact":{"email":"a@example.com","title":null,"firstName":"B"},"billingAddress":{},` +
			`"deliveryAddress":{"city":null},"customFields":{"b":["2"],"a":["1"],"c":[],"d":null},"website":null}`},
		{carillon.Ref{Kind: carillon.KindAccount, ID: "acc_2"}, carillon.Ref{}, `{"name":"B","parentAccountId":"acc_1","tags":["b","a","b"],"customFields":{"c":[]},"metadata":{},"domain":""}`},
		{carillon.Ref{Kind: carillon.KindContact, ID: "con_1"}, carillon.Ref{}, `{"accountId":"","email":"","lastName":"","firstName":"A","address":{"country":"GB","line1":"1"}}`},
		{note, carillon.Ref{}, `{"accountId":"acc_1","title":"T","content":"C\nC","authorId":null}`},
		{carillon.Ref{Kind: carillon.KindComment, ID: "com_1"}, note, `{"content":"x","contentJson":{"type":"doc","content":[{"b":1,"a":2}]}}`},
		{carillon.Ref{Kind: carillon.KindDeal, ID: "deal_1"}, carillon.Ref{}, `{"name":"D","contactIds":["con_1"],"expectedCloseDate":"2026-01-31","probability":100}`},
		{carillon.Ref{Kind: carillon.KindAppointment, ID: "apt_1"}, carillon.Ref{}, `{"title":"A","startAt":"2026-01-31T12:00:00.000Z","endAt":"2026-01-31T13:00:00.000Z","allDay":false}`},
		{carillon.Ref{Kind: carillon.KindCustom, Module: "invoices", ID: "inv_1"}, carillon.Ref{}, `{"name":"I","ownerId":"nobody"}`},
	} {
		result, err := desk.Apply(t.Context(), ledger.Entry{
			Org: "dev", Actor: actor, Origin: "api", Writes: []ledger.Write{{Op: ledger.Create, Ref: c.ref, On: c.on, Data: []byte(c.data)}},
		})
		if err != nil {
			t.Fatalf("%s: %v", c.ref, err)
		}
		if got, want := h.create(t, c.ref, c.on, []byte(c.data)), result.Outcomes[0].Record.Data; string(got) != string(want) {
			t.Errorf("%s is kept as\n%s, the ledger keeps\n%s", c.ref, got, want)
		}
	}
}
