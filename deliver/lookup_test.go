package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"carillon"
	"carillon/deliver"
	"carillon/dialect"
	"carillon/dialect/freshsales"
	"carillon/ledger"
)

// forgetful is a store that for a while cannot say what a record was.
type forgetful struct {
	deliver.Store
	failures atomic.Int64
}

func (s *forgetful) RecordAsOf(ctx context.Context, org string, ref carillon.Ref, seq int64) (*carillon.Record, error) {
	if s.failures.Add(-1) >= 0 {
		return nil, errors.New("out of reach")
	}
	return s.Store.RecordAsOf(ctx, org, ref, seq)
}

func TestMessagesTellOfRelatedRecordsAndWaitForALogThatCannotBeRead(t *testing.T) {
	h := newHouse(t)
	h.stop()
	archive := &forgetful{Store: h.store}
	engine, err := deliver.New(deliver.Config{
		Store:    archive,
		Dialects: map[string]dialect.Dialect{freshsales.Name: freshsales.New()},
		Sinks: map[carillon.SinkType]deliver.OpenSink{
			carillon.SinkWebhook: func(*carillon.Subscription) (deliver.Sink, error) { return h.sink, nil },
		},
		Logger: h.logger, Grace: 2 * time.Second, Poll: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	h.engine = engine

	h.write(ledger.Write{
		Op: ledger.Put, Ref: carillon.Ref{Kind: carillon.KindUser, ID: "usr_1"}, Data: []byte(`{"name":"Ann","email":"ann@example.com"}`),
	})
	s := h.subscribe(func(s *carillon.Subscription) { s.Dialect = freshsales.Name })
	archive.failures.Store(3)
	account := h.write(ledger.Write{
		Op: ledger.Put, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"}, Data: []byte(`{"name":"Guild","ownerId":"usr_1"}`),
	})[0]
	h.await("the account is told", func() bool { return len(h.sink.list()) == 1 })

	m := h.sink.list()[0]
	if want := fmt.Sprintf(`"id":%d`, account.Number); !strings.Contains(string(m.Body), want) || !strings.Contains(string(m.Body), `"owner":{"deal_pipeline_id":null,"name":"Ann"`) {
		t.Errorf("told as %s", m.Body)
	}
	letters, err := h.store.CountDeadLetters(t.Context(), org, s.ID)
	if err != nil || letters != 0 {
		t.Errorf("%d dead letters, %v", letters, err)
	}
	h.await("the failed attempts are kept", func() bool {
		attempts, err := h.store.Attempts(t.Context(), org, s.ID, time.Time{}, 10)
		return err == nil && len(attempts) > 0 && strings.Contains(attempts[0].Error, "out of reach")
	})
}
