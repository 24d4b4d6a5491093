package kafka_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/delivertest"
	"carillon/deliver/kafka"
	"carillon/egress"
)

const topic = "crm.events"

// farEnd is a Kafka in this process, seen through the client library, and a relay to its only broker.
type farEnd struct {
	t       *testing.T
	cluster *kfake.Cluster
	relay   *delivertest.Relay
	reader  *kgo.Client
	records []*kgo.Record // that came so far
	close   func()
}

// advertised is a listener whose address is told as that of the relay, since clients connect to what brokers tell.
type advertised struct {
	net.Listener
	far *farEnd
}

func (a *advertised) Addr() net.Addr {
	if a.far.relay == nil {
		return a.Listener.Addr()
	}
	addr, err := net.ResolveTCPAddr("tcp", a.far.relay.Addr())
	if err != nil {
		a.far.t.Fatal(err)
	}
	return addr
}

// newFarEnd starts a Kafka that has the topic, in three partitions.
func newFarEnd(t *testing.T, options ...kfake.Opt) *farEnd {
	t.Helper()
	f := &farEnd{t: t}
	listen := func(network, address string) (net.Listener, error) {
		listener, err := net.Listen(network, address)
		if err != nil {
			return nil, err
		}
		if f.relay, err = delivertest.NewRelay(t.Context(), listener.Addr().String(), nil); err != nil {
			return nil, err
		}
		return &advertised{listener, f}, nil
	}
	var err error
	f.cluster, err = kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, topic), kfake.ListenFn(listen)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	f.close = func() {
		if f.reader != nil {
			f.reader.Close()
		}
		f.relay.Close()
		f.cluster.Close()
	}
	return f
}

// read waits for n records and lists all that came.
func (f *farEnd) read(ctx context.Context, n int) ([]*kgo.Record, error) {
	if f.reader == nil {
		var err error
		f.reader, err = kgo.NewClient(kgo.SeedBrokers(f.relay.Addr()), kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
		if err != nil {
			return nil, err
		}
	}
	for len(f.records) < n {
		fetches := f.reader.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("%d of %d records arrived: %w", len(f.records), n, err)
		}
		f.records = append(f.records, fetches.Records()...)
	}
	return f.records, nil
}

// mustHold wants exactly n records in the topic and gives them by partition and in order.
func (f *farEnd) mustHold(n int) []*kgo.Record {
	f.t.Helper()
	total := int64(0)
	for partition := range int32(3) {
		total += f.cluster.PartitionInfo(topic, partition).HighWatermark
	}
	if total != int64(n) {
		f.t.Fatalf("the topic holds %d records, want %d", total, n)
	}
	records, err := f.read(f.t.Context(), n)
	if err != nil {
		f.t.Fatal(err)
	}
	return records
}

func private() *egress.Gate { return egress.New(egress.Config{AllowPrivate: true}) }

func subscribed(brokers ...string) *carillon.Subscription {
	return &carillon.Subscription{
		ID: "sub_1", Org: "acme", Sink: carillon.Sink{Type: carillon.SinkKafka, Brokers: brokers, Topic: topic},
	}
}

// open makes a sink, which is closed when the test ends.
func open(t *testing.T, c kafka.Config, s *carillon.Subscription) deliver.Sink {
	t.Helper()
	sink, err := kafka.New(c).Open(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	return sink
}

// message is the nth message of a lane.
func message(n int) *carillon.Message { return delivertest.Message("acc_1", n) }
