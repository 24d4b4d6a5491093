package webhook_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/webhook"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// open makes a sink for a URL; the sender's connections end with the test.
func open(t *testing.T, c webhook.Config, s carillon.Sink) deliver.Sink {
	t.Helper()
	return openSubscription(t, c, &carillon.Subscription{ID: "sub_1", Secrets: []string{secret}, Sink: s})
}

func openSubscription(t *testing.T, c webhook.Config, s *carillon.Subscription) deliver.Sink {
	t.Helper()
	sender := webhook.New(c)
	t.Cleanup(func() { sender.Close() })
	sink, err := sender.Open(s)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

// dev allows private addresses.
func dev() webhook.Config { return webhook.Config{AllowPrivate: true} }

// serve runs a handler until the test ends.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// answerRaw accepts connections, reads one request's beginning from each and lets answer write; the connection closes
// when the sender closes it or the test ends. It gives the URL.
func answerRaw(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				buffer := make([]byte, 64<<10)
				if _, err := conn.Read(buffer); err != nil {
					return
				}
				answer(conn)
			})
		}
	})
	return "http://" + listener.Addr().String()
}

// untilClosed blocks until the other side closes the connection.
func untilClosed(conn net.Conn) {
	buffer := make([]byte, 1<<10)
	for {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
	}
}

func message() *carillon.Message {
	return &carillon.Message{
		ID: "evt_1", Type: "account-health:changed", Seq: 7, Lane: "acc_1",
		Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), ContentType: "application/json", Body: []byte(`{"a":1}`),
	}
}

// send sends a message within a bound that only a defect reaches.
func send(t *testing.T, sink deliver.Sink, m *carillon.Message) deliver.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return sink.Send(ctx, m)
}

// wantFault checks that err is CodeInvalid with one fault at the member.
func wantFault(t *testing.T, err error, member string) string {
	t.Helper()
	var e *carillon.Error
	if !errors.As(err, &e) || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Member != member {
		t.Fatalf("got %v, want one fault at %s", err, member)
	}
	return e.Faults[0].Reason
}
