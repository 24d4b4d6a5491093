package sqlstore_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"carillon"
	"carillon/store"
	"carillon/store/sqlstore"
	"carillon/vault"
)

func open(t testing.TB, path string) *sqlstore.Store {
	t.Helper()
	v, err := vault.Open(filepath.Join(filepath.Dir(path), "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.OpenSQLite(context.Background(), sqlstore.Options{Path: path, Sealer: v, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSmoke(t *testing.T) {
	path := filepath.Join(t.TempDir(), "carillon db?.sqlite")
	s := open(t, path)
	ctx := t.Context()
	ref := carillon.Ref{Kind: carillon.KindAccount, ID: "a1"}
	write := func(data, before string, seq int64) {
		err := s.Update(ctx, func(ctx context.Context, tx store.Tx) error {
			h, err := tx.Lock(ctx, []string{"o"})
			if err != nil {
				return err
			}
			if h["o"].Seq != seq-1 {
				t.Errorf("head %v", h)
			}
			now := time.Now()
			rec := &carillon.Record{Org: "o", Ref: ref, Number: 1, Version: seq, Seq: seq, Lane: "a1", Data: []byte(data), CreatedAt: now, UpdatedAt: now}
			if err := tx.PutRecords(ctx, []store.RecordWrite{{Record: rec, New: seq == 1}}); err != nil {
				return err
			}
			c := &carillon.Change{Org: "o", Seq: seq, Ref: ref, Op: carillon.OpUpdated, Number: 1, Version: seq, Lane: "a1", Time: now, After: []byte(data), Before: []byte(before)}
			if seq == 1 {
				c.Op, c.Before = carillon.OpCreated, nil
			}
			if err := tx.Append(ctx, []*carillon.Change{c}); err != nil {
				return err
			}
			return tx.SaveHeads(ctx, map[string]store.Head{"o": {Seq: seq, Number: 1}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	write(`{"id":"a1","name":"x","status":"A"}`, "", 1)
	write(`{"id":"a1","name":"yy","status":"A"}`, `{"id":"a1","name":"x","status":"A"}`, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	cs, err := s.Changes(ctx, "o", store.LogQuery{Limit: 10})
	if err != nil || len(cs) != 2 || string(cs[1].Before) != string(cs[0].After) {
		t.Fatal(cs, err)
	}
	rs, err := s.Records(ctx, "o", store.RecordQuery{Kind: carillon.KindAccount, Limit: 10, Equal: map[string]string{"status": "A"}})
	if err != nil || len(rs) != 1 {
		t.Fatal(rs, err)
	}
	rs, err = s.Snapshot(ctx, "o", 1, carillon.Ref{}, 10)
	if err != nil || len(rs) != 1 || string(rs[0].Data) != string(cs[0].After) {
		t.Fatal(rs, err)
	}
	n, err := s.SeqAt(ctx, "o", time.Now().Add(time.Hour))
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
}
