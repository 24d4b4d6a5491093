package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/delivertest"
	"carillon/deliver/nats"
	"carillon/egress"
	"carillon/internal/testenv"
)

const subscription = "sub_1"

// farEnd is a stream with a name of its own, seen through the client library.
type farEnd struct {
	t      *testing.T
	name   string
	conn   *natsgo.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	close  func()
}

// newFarEnd makes a stream for all subjects that subject gives.
func newFarEnd(t *testing.T, url string, options ...natsgo.Option) *farEnd {
	t.Helper()
	f := &farEnd{t: t, name: carillon.NewID("test")}
	var err error
	if f.conn, err = natsgo.Connect(url, options...); err != nil {
		t.Fatal(err)
	}
	f.close = f.conn.Close
	if f.js, err = jetstream.New(f.conn); err != nil {
		t.Fatal(err)
	}
	f.addStream(jetstream.StreamConfig{})
	return f
}

// addStream makes the stream.
func (f *farEnd) addStream(c jetstream.StreamConfig) {
	f.t.Helper()
	c.Name, c.Subjects = f.name, []string{f.name + ".>"}
	var err error
	if f.stream, err = f.js.CreateStream(f.t.Context(), c); err != nil {
		f.t.Fatal(err)
	}
}

func (f *farEnd) dropStream() {
	f.t.Helper()
	if err := f.js.DeleteStream(f.t.Context(), f.name); err != nil {
		f.t.Fatal(err)
	}
}

func (f *farEnd) subject(rest string) string { return f.name + "." + rest }

// messages waits until the stream holds n messages and gives all that it holds.
func (f *farEnd) messages(ctx context.Context, n int) ([]*jetstream.RawStreamMsg, error) {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		info, err := f.stream.Info(ctx)
		if err != nil {
			return nil, err
		}
		if info.State.Msgs < uint64(n) {
			select {
			case <-look.C:
				continue
			case <-ctx.Done():
				return nil, fmt.Errorf("%d of %d messages arrived: %w", info.State.Msgs, n, ctx.Err())
			}
		}
		var list []*jetstream.RawStreamMsg
		for seq := info.State.FirstSeq; info.State.Msgs > 0 && seq <= info.State.LastSeq; seq++ {
			m, err := f.stream.GetMsg(ctx, seq)
			if err != nil {
				return nil, err
			}
			list = append(list, m)
		}
		return list, nil
	}
}

// mustHold fails the test unless the stream holds exactly n messages.
func (f *farEnd) mustHold(n int) []*jetstream.RawStreamMsg {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
	defer cancel()
	list, err := f.messages(ctx, n)
	if err != nil {
		f.t.Fatal(err)
	}
	if len(list) != n {
		f.t.Fatalf("the stream holds %d messages, want %d", len(list), n)
	}
	return list
}

func private() *egress.Gate { return egress.New(egress.Config{AllowPrivate: true}) }

func newRelay(t *testing.T, server *testenv.NATSServer) *delivertest.Relay {
	t.Helper()
	relay, err := delivertest.NewRelay(t.Context(), strings.TrimPrefix(server.URL, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	return relay
}

func subscribed(url, subject string) *carillon.Subscription {
	return &carillon.Subscription{
		ID: subscription, Org: "acme", Sink: carillon.Sink{Type: carillon.SinkNATS, URL: url, Subject: subject},
	}
}

// open makes a sink, which is closed when the test ends.
func open(t *testing.T, c nats.Config, url, subject string) deliver.Sink {
	t.Helper()
	sink, err := nats.New(c).Open(subscribed(url, subject))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	return sink
}

func message(n int) *carillon.Message {
	return &carillon.Message{
		ID: fmt.Sprintf("evt_%06d", n), Type: "account:updated", Seq: int64(n), Lane: "acc_1",
		Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), ContentType: "application/json", Body: fmt.Appendf(nil, `{"n":%d}`, n),
	}
}

// send sends a message within a bound that only a defect reaches.
func send(t *testing.T, sink deliver.Sink, m *carillon.Message) deliver.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return sink.Send(ctx, m)
}

func mustTake(t *testing.T, sink deliver.Sink, m *carillon.Message) {
	t.Helper()
	if result := send(t, sink, m); result.Verdict != deliver.Taken {
		t.Fatalf("message %s was not taken: %+v", m.ID, result)
	}
}

// wantFailure wants a verdict with a reason that says all of the texts.
func wantFailure(t *testing.T, result deliver.Result, verdict deliver.Verdict, says ...string) {
	t.Helper()
	if result.Verdict != verdict || result.Err == nil {
		t.Fatalf("got %+v, want verdict %d with a reason", result, verdict)
	}
	for _, text := range says {
		if !strings.Contains(result.Err.Error(), text) {
			t.Errorf("the reason is %q, want it to say %q", result.Err, text)
		}
	}
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
