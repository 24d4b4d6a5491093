package amqp_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"carillon/deliver"
	"carillon/deliver/amqp"
	"carillon/deliver/delivertest"
)

var _ deliver.OpenSink = (&amqp.Sender{}).Open

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSinkContract(t *testing.T) {
	delivertest.RunSink(t, delivertest.Harness{Open: func(t *testing.T) delivertest.Rig {
		t.Helper()
		far := newFarEnd(t)
		queue := far.queue(nil)
		arrived := far.consume(queue)
		return delivertest.Rig{
			Sink: open(t, amqp.Config{Gate: private()}, far.relayed(), "", queue),
			Arrived: func(ctx context.Context, n int) ([]delivertest.Arrival, error) {
				deliveries, err := arrived(ctx, n)
				var list []delivertest.Arrival
				for _, d := range deliveries {
					lane, _ := d.Headers["carillon-lane"].(string)
					list = append(list, delivertest.Arrival{ID: d.MessageId, Lane: lane, Body: d.Body})
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
