package kafka_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"carillon/deliver"
	"carillon/deliver/delivertest"
	"carillon/deliver/kafka"
)

var _ deliver.OpenSink = (&kafka.Sender{}).Open

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSinkContract(t *testing.T) {
	delivertest.RunSink(t, delivertest.Harness{Open: func(t *testing.T) delivertest.Rig {
		t.Helper()
		far := newFarEnd(t)
		return delivertest.Rig{
			Sink: open(t, kafka.Config{Gate: private()}, subscribed(far.relay.Addr())),
			Arrived: func(ctx context.Context, n int) ([]delivertest.Arrival, error) {
				records, err := far.read(ctx, n)
				var list []delivertest.Arrival
				for _, r := range records {
					list = append(list, delivertest.Arrival{ID: string(r.Headers[0].Value), Lane: string(r.Key), Body: r.Value})
				}
				return list, err
			},
			Break: far.relay.Break,
			Hang:  far.relay.Hang,
			Held:  far.relay.Held,
			Close: far.close,
		}
	}})
}
