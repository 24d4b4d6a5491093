package webhook_test

import (
	"context"
	"net/http/httptest"
	"os"
	"testing"

	"go.uber.org/goleak"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/delivertest"
	"carillon/deliver/webhook"
	"carillon/sign"
)

var _ deliver.OpenSink = (&webhook.Sender{}).Open

func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy"} {
		if err := os.Setenv(name, "http://127.0.0.1:1"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

func TestSinkContract(t *testing.T) {
	delivertest.RunSink(t, delivertest.Harness{Open: func(t *testing.T) delivertest.Rig {
		t.Helper()
		secret := sign.NewSecret()
		receiver, err := delivertest.NewReceiver(delivertest.Config{Secrets: []string{secret}})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(receiver)
		sender := webhook.New(webhook.Config{AllowPrivate: true})
		sink, err := sender.Open(&carillon.Subscription{
			ID: "sub_1", Secrets: []string{secret}, Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: server.URL},
		})
		if err != nil {
			t.Fatal(err)
		}
		return delivertest.Rig{
			Sink: sink,
			Arrived: func(ctx context.Context, n int) ([]delivertest.Arrival, error) {
				if _, err := receiver.WaitFor(ctx, func(s delivertest.Snapshot) bool { return s.Taken >= n }); err != nil {
					return nil, err
				}
				var list []delivertest.Arrival
				for _, d := range receiver.Deliveries() {
					list = append(list, delivertest.Arrival{ID: d.ID, Lane: d.Lane, Body: d.Body})
				}
				return list, nil
			},
			Break: func() func() { return receiver.Inject(delivertest.Fault{Status: 500}) },
			Hang:  func() func() { return receiver.Inject(delivertest.Fault{Hang: true}) },
			Held: func(ctx context.Context) error {
				_, err := receiver.WaitFor(ctx, func(s delivertest.Snapshot) bool { return s.Held > 0 })
				return err
			},
			Close: func() {
				sender.Close()
				server.Close()
			},
		}
	}})
}
