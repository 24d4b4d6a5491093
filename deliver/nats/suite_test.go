package nats_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"carillon/deliver"
	"carillon/deliver/delivertest"
	"carillon/deliver/nats"
	"carillon/internal/testenv"
)

var _ deliver.OpenSink = (&nats.Sender{}).Open

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSinkContract(t *testing.T) {
	server := testenv.NATS(t, "")
	delivertest.RunSink(t, delivertest.Harness{Open: func(t *testing.T) delivertest.Rig {
		t.Helper()
		far := newFarEnd(t, server.URL)
		relay := newRelay(t, server)
		sink := open(t, nats.Config{Gate: private()}, "nats://"+relay.Addr(), far.subject("events"))
		return delivertest.Rig{
			Sink: sink,
			Arrived: func(ctx context.Context, n int) ([]delivertest.Arrival, error) {
				messages, err := far.messages(ctx, n)
				var list []delivertest.Arrival
				for _, m := range messages {
					list = append(list, delivertest.Arrival{ID: m.Header["carillon-id"][0], Lane: m.Header["carillon-lane"][0], Body: m.Data})
				}
				return list, err
			},
			Break: relay.Break,
			Hang:  relay.Hang,
			Held:  relay.Held,
			Close: func() {
				relay.Close()
				far.close()
			},
		}
	}})
}
