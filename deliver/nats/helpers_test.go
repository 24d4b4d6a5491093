package nats_test

import (
	"context"
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
	relay, err := delivertest.NewRelay(t.Context(), strings.TrimPrefix(server.URL, "nats://"), nil)
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

// message is the nth message of a lane.
func message(n int) *carillon.Message { return delivertest.Message("acc_1", n) }
