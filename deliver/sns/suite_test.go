package sns_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/delivertest"
	"carillon/deliver/sns"
	"carillon/internal/testenv"
)

var _ deliver.OpenSink = (&sns.Sender{}).Open

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSinkContract(t *testing.T) {
	server := testenv.SNS(t)
	var topics atomic.Int64
	delivertest.RunSink(t, delivertest.Harness{Open: func(t *testing.T) delivertest.Rig {
		t.Helper()
		far := newFarEnd(t, server, "events-"+strconv.FormatInt(topics.Add(1), 10)+".fifo", raw())
		relay, err := delivertest.NewRelay(t.Context(), strings.TrimPrefix(server, "http://"), nil)
		if err != nil {
			t.Fatal(err)
		}
		sender := sns.New(config())
		sink, err := sender.Open(&carillon.Subscription{
			ID: "sub_1", Sink: carillon.Sink{Type: carillon.SinkSNS, TopicARN: far.topic, Endpoint: "http://" + relay.Addr()},
		})
		if err != nil {
			t.Fatal(err)
		}
		return delivertest.Rig{
			Sink: sink,
			Arrived: func(ctx context.Context, n int) ([]delivertest.Arrival, error) {
				messages, err := far.messages(ctx, n)
				var list []delivertest.Arrival
				for _, m := range messages {
					list = append(list, delivertest.Arrival{
						ID: m.Attributes["MessageDeduplicationId"], Lane: m.Attributes["MessageGroupId"], Body: []byte(*m.Body),
					})
				}
				return list, err
			},
			Break: relay.Break,
			Hang:  relay.Hang,
			Held:  relay.Held,
			Close: func() {
				sender.Close()
				relay.Close()
				far.close()
			},
		}
	}})
}
