package deliver_test

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/amqp"
	"carillon/deliver/delivertest"
	"carillon/deliver/kafka"
	"carillon/deliver/nats"
	"carillon/egress"
	"carillon/internal/testenv"
)

// place is a broker behind a relay: where to send, and what came, as the client library tells.
type place struct {
	sink  carillon.Sink
	open  deliver.OpenSink
	relay *delivertest.Relay
	// next waits a moment for one more message; its lane is empty if none came.
	next func() (id, lane string)
}

// moment is how long a reader waits before it looks whether that is all.
const moment = 100 * time.Millisecond

func relayTo(t *testing.T, address string) *delivertest.Relay {
	t.Helper()
	relay, err := delivertest.NewRelay(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(relay.Close)
	return relay
}

func natsPlace(t *testing.T, gate *egress.Gate) place {
	t.Helper()
	server := testenv.NATS(t, "")
	conn, err := natsgo.Connect(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	stream, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CreateStream(t.Context(), jetstream.StreamConfig{Name: "crm", Subjects: []string{"crm.>"}}); err != nil {
		t.Fatal(err)
	}
	reader, err := stream.CreateConsumer(t.Context(), "crm", jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
	if err != nil {
		t.Fatal(err)
	}
	relay := relayTo(t, strings.TrimPrefix(server.URL, "nats://"))
	return place{
		sink: carillon.Sink{Type: carillon.SinkNATS, URL: "nats://" + relay.Addr(), Subject: "crm.{type}.{lane}"},
		open: nats.New(nats.Config{Gate: gate}).Open, relay: relay,
		next: func() (id, lane string) {
			m, err := reader.Next(jetstream.FetchMaxWait(moment))
			if err != nil {
				return "", ""
			}
			return m.Headers()["carillon-id"][0], m.Headers()["carillon-lane"][0]
		},
	}
}

func amqpPlace(t *testing.T, gate *egress.Gate) place {
	t.Helper()
	u, err := url.Parse(testenv.RabbitMQ(t))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := amqp091.Dial(u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	queue := carillon.NewID("carillon-test")
	if _, err := channel.QueueDeclare(queue, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { channel.QueueDelete(queue, false, false, false) })
	deliveries, err := channel.Consume(queue, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	relay := relayTo(t, u.Host)
	u.Host = relay.Addr()
	return place{
		sink: carillon.Sink{Type: carillon.SinkAMQP, URL: u.String(), RoutingKey: queue},
		open: amqp.New(amqp.Config{Gate: gate}).Open, relay: relay,
		next: func() (id, lane string) {
			select {
			case d := <-deliveries:
				lane, _ := d.Headers["carillon-lane"].(string)
				return d.MessageId, lane
			case <-time.After(moment):
				return "", ""
			}
		},
	}
}

// behind is a listener that tells the address of the relay before it: clients of Kafka connect to what brokers tell.
type behind struct {
	net.Listener
	relay *delivertest.Relay
}

func (b behind) Addr() net.Addr {
	address, _ := net.ResolveTCPAddr("tcp", b.relay.Addr())
	return address
}

func kafkaPlace(t *testing.T, gate *egress.Gate) place {
	t.Helper()
	var relay *delivertest.Relay
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "crm"), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		listener, err := net.Listen(network, address)
		if err == nil {
			relay = relayTo(t, listener.Addr().String())
		}
		return behind{listener, relay}, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	reader, err := kgo.NewClient(kgo.SeedBrokers(relay.Addr()), kgo.ConsumeTopics("crm"), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	arrived := make(chan *kgo.Record, 10_000)
	go func() {
		for {
			fetches := reader.PollFetches(t.Context())
			if fetches.IsClientClosed() || t.Context().Err() != nil {
				return
			}
			fetches.EachRecord(func(r *kgo.Record) { arrived <- r })
		}
	}()
	return place{
		sink: carillon.Sink{Type: carillon.SinkKafka, Brokers: []string{relay.Addr()}, Topic: "crm"},
		open: kafka.New(kafka.Config{Gate: gate}).Open, relay: relay,
		next: func() (id, lane string) {
			select {
			case r := <-arrived:
				return string(r.Headers[0].Value), string(r.Key)
			case <-time.After(moment):
				return "", ""
			}
		},
	}
}

// reader takes what comes to a place, and sees to it that every lane comes in order.
type reader struct {
	t    *testing.T
	next func() (id, lane string)
	seen map[string]bool
	last map[string]string
}

// until reads until so many different events came.
func (r *reader) until(n int) {
	r.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); len(r.seen) < n; {
		id, lane := r.next()
		switch {
		case id == "" && time.Now().After(deadline):
			r.t.Fatalf("waited in vain: %d of %d events came", len(r.seen), n)
		case id == "" || r.seen[id]:
			continue
		case id <= r.last[lane]: // ids of one org sort by seq and index
			r.t.Errorf("lane %s: %s came after %s", lane, id, r.last[lane])
		}
		r.seen[id], r.last[lane] = true, id
	}
}

func TestBrokersAreToldEverythingInOrder(t *testing.T) {
	for name, at := range map[string]func(*testing.T, *egress.Gate) place{"nats": natsPlace, "amqp": amqpPlace, "kafka": kafkaPlace} {
		t.Run(name, func(t *testing.T) {
			p := at(t, egress.New(egress.Config{AllowPrivate: true}))
			h := newHouse(t)
			h.stop()
			h.opens = map[carillon.SinkType]deliver.OpenSink{p.sink.Type: p.open}
			h.startEngine()
			r := &reader{t: t, next: p.next, seen: map[string]bool{}, last: map[string]string{}}
			told := 0
			tell := func(round int) {
				for lane := range 5 {
					h.write(touch(fmt.Sprint("a", lane), round))
					told++
				}
			}
			for lane := range 5 {
				h.write(account(fmt.Sprint("a", lane)))
			}
			s := h.subscribe(func(s *carillon.Subscription) {
				s.Sink, s.Events, s.Retry.Schedule = p.sink, []string{"account:updated"}, repeat(20*time.Millisecond, 50)
			})

			for round := range 5 {
				tell(round)
			}
			r.until(told)

			mend := p.relay.Break() // the connection is lost, and the broker is away for a while
			tell(5)
			h.await("sends fail", func() bool { return h.status(s).Failed > 0 })
			tell(6)
			mend()
			tell(7)
			r.until(told)
			h.caughtUp(s)

			if err := h.engine.Pause(t.Context(), s.Org, s.ID); err != nil {
				t.Fatal(err)
			}
			tell(8)
			if id, lane := p.next(); id != "" && !r.seen[id] {
				t.Errorf("%s of lane %s was told although the subscription is paused", id, lane)
			}
			if err := h.engine.Resume(t.Context(), s.Org, s.ID); err != nil {
				t.Fatal(err)
			}
			r.until(told)

			patient := *s
			patient.Retry.Schedule = repeat(time.Millisecond, 1)
			if err := h.engine.Update(t.Context(), &patient); err != nil {
				t.Fatal(err)
			}
			mend = p.relay.Break()
			h.write(touch("a0", 9))
			told++
			h.await("the message becomes a dead letter", func() bool { return h.status(s).DeadLetters == 1 })
			mend()
			if n, err := h.engine.ReplayDeadLetters(t.Context(), s.Org, s.ID, nil); err != nil || n != 1 {
				t.Fatalf("replayed %d dead letters: %v", n, err)
			}
			r.until(told)
			h.await("the dead letter is gone", func() bool { return h.status(s).DeadLetters == 0 })
		})
	}
}
