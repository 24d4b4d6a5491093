package freshsales_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/freshsales"
	"carillon/intake"
	"carillon/ledger"
	"carillon/store"
	"carillon/store/sqlstore"
	"carillon/vault"
)

// realHouse is a store, a ledger and an intake that knows this dialect.
type realHouse struct {
	*testing.T
	archive    *sqlstore.Store
	desk       *ledger.Ledger
	intake     *intake.Intake
	connection *carillon.Connection
	tried      chan *carillon.Inbound // deliveries that have been tried
}

func openHouse(t *testing.T) *realHouse {
	t.Helper()
	h := &realHouse{T: t, tried: make(chan *carillon.Inbound, 64)}
	dir := t.TempDir()
	sealer, err := vault.Open(filepath.Join(dir, "secrets.json"))
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	if h.archive, err = sqlstore.OpenSQLite(t.Context(), sqlstore.Options{Path: filepath.Join(dir, "carillon.db"), Sealer: sealer, Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	if h.desk, err = ledger.New(ledger.Config{Store: h.archive, Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	h.intake, err = intake.New(intake.Config{
		Store: h.archive, Ledger: h.desk, Dialects: map[string]dialect.Dialect{freshsales.Name: freshsales.New()}, Logger: quiet,
		Observe: func(d *carillon.Inbound) {
			if d.State != carillon.InboxReceived {
				h.tried <- d
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	runs := []func(context.Context) error{h.desk.Run, h.intake.Run}
	ran := make(chan error, len(runs))
	for _, run := range runs {
		go func() { ran <- run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range runs {
			if err := <-ran; err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		if err := h.archive.Close(); err != nil {
			t.Error(err)
		}
	})
	h.connection = &carillon.Connection{Org: "dev", Name: "crm", Dialect: freshsales.Name, Verify: carillon.Verify{Type: carillon.VerifyNone}}
	if err := h.intake.Create(t.Context(), h.connection); err != nil {
		t.Fatal(err)
	}
	return h
}

// hear posts a body to the connection and waits until it has been tried.
func (h *realHouse) hear(body []byte) *carillon.Inbound {
	h.Helper()
	r := httptest.NewRequestWithContext(h.Context(), http.MethodPost, "/in/"+h.connection.ID, strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.intake.ServeHTTP(w, r)
	if w.Code/100 != 2 {
		h.Fatalf("the intake answers %d: %s", w.Code, w.Body)
	}
	select {
	case d := <-h.tried:
		return d
	case <-time.After(20 * time.Second):
		h.Fatal("the delivery is not tried")
		return nil
	}
}

// apply is hear of a body that must make a difference.
func (h *realHouse) apply(body []byte) *carillon.Inbound {
	h.Helper()
	d := h.hear(body)
	if d.State != carillon.InboxApplied || len(d.Told) != 1 || d.Told[0].Outcome != "changed" {
		h.Fatalf("the delivery is %s: %+v, told %+v\n%s", d.State, d.Problem, d.Told, body)
	}
	return d
}

// put writes to the house itself.
func (h *realHouse) put(actor string, op ledger.Op, ref carillon.Ref, data string) int64 {
	h.Helper()
	result, err := h.desk.Apply(h.Context(), ledger.Entry{
		Org: "dev", Actor: carillon.Actor{ID: actor, Type: "AGENT"}, Origin: "api",
		Writes: []ledger.Write{{Op: op, Ref: ref, Data: []byte(data)}},
	})
	if err != nil {
		h.Fatal(err)
	}
	return result.Outcomes[0].Seq
}

func (h *realHouse) record(kind carillon.Kind, id string) *carillon.Record {
	h.Helper()
	r, err := h.archive.Record(h.Context(), "dev", carillon.Ref{Kind: kind, ID: id})
	if err != nil {
		h.Fatal(err)
	}
	return r
}

func (h *realHouse) change(seq int64) *carillon.Change {
	h.Helper()
	page, err := h.archive.Changes(h.Context(), "dev", store.LogQuery{After: seq - 1, Limit: 1})
	if err != nil || len(page) != 1 {
		h.Fatalf("change %d: %v", seq, err)
	}
	return page[0]
}

// tell renders a change, with all that the log knows.
func (h *realHouse) tell(seq int64, settings string) []byte {
	h.Helper()
	return []byte(render(h, h.change(seq), settings, store.Past{Log: h.archive}))
}

// told renders the change that a delivery made of the record that it is about: the last one.
func (h *realHouse) told(d *carillon.Inbound, settings string) []byte {
	h.Helper()
	seqs := d.Told[0].Seqs
	return h.tell(seqs[len(seqs)-1], settings)
}
