package api_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/access"
	"carillon/api"
	"carillon/deliver"
	"carillon/dialect"
	"carillon/dialect/platform"
	"carillon/ledger"
	"carillon/store"
)

// nowhere is a response that goes nowhere.
type nowhere struct{ header http.Header }

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (w *nowhere) WriteHeader(int)             {}

// instant is a ledger and an archive of keys that take no time.
type instant struct {
	api.Ledger
	api.Archive
	record *carillon.Record
	key    *carillon.Key
}

func (i *instant) Apply(context.Context, ledger.Entry) (ledger.Result, error) {
	return ledger.Result{Outcomes: []ledger.Outcome{{Record: i.record, Seq: 7}}}, nil
}

func (i *instant) KeyByHash(_ context.Context, hash [32]byte) (*carillon.Key, error) {
	i.key.Hash = hash
	return i.key, nil
}

func (i *instant) Update(context.Context, func(context.Context, store.Tx) error) error { return nil }

// BenchmarkPut is what the front door adds to a write beside net/http and the ledger.
func BenchmarkPut(b *testing.B) {
	data := []byte(`{"id":"acc_1","name":"Acme","status":"ACTIVE","health":"At Risk","classification":"ENTERPRISE","metadata":{"note":"` + strings.Repeat("x", 800) + `"},"createdAt":"2026-01-01T00:00:00.000Z","updatedAt":"2026-01-01T00:00:00.000Z"}`)
	i := &instant{
		record: &carillon.Record{Org: "acme", Ref: carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"}, Version: 3, Data: data, UpdatedAt: time.Now()},
		key:    &carillon.Key{ID: "key_1", Org: "acme", Right: carillon.RightWrite},
	}
	handler, err := api.New(api.Config{
		Store: i, Ledger: i, Desk: struct{ deliver.Desk }{}, Intake: struct{ api.Intake }{}, Workshop: struct{ api.Workshop }{}, Gate: access.New(i, access.Options{}), Logger: slog.New(slog.DiscardHandler),
		Dialects: map[string]dialect.Dialect{platform.Name: platform.New()},
	})
	if err != nil {
		b.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPut, "http://example.com/v1/accounts/acc_1", http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer ck_abcdefghijklmnopqrstuvwxyz")
	request.Header.Set("Content-Type", "application/json")
	request.ContentLength = int64(len(data))
	text := string(data)
	body := strings.NewReader(text)
	w := &nowhere{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(text)
		r := *request
		r.Body = io.NopCloser(body)
		clear(w.header)
		handler.ServeHTTP(w, &r)
	}
	if w.header.Get("Etag") != `"3"` {
		b.Fatalf("the answer is %v", w.header)
	}
}
