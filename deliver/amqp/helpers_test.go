package amqp_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/amqp"
	"carillon/deliver/delivertest"
	"carillon/egress"
	"carillon/internal/testenv"
)

// farEnd is a RabbitMQ seen through the client library, and a relay to it. What it makes there has names of its own and
// goes when it is closed.
type farEnd struct {
	t       *testing.T
	url     string
	conn    *amqp091.Connection
	channel *amqp091.Channel
	relay   *delivertest.Relay
	undo    []func() error
	close   func()
}

func newFarEnd(t *testing.T) *farEnd {
	t.Helper()
	f := &farEnd{t: t, url: testenv.RabbitMQ(t)}
	var err error
	if f.conn, err = amqp091.Dial(f.url); err != nil {
		t.Fatal(err)
	}
	if f.channel, err = f.conn.Channel(); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(f.url)
	if err != nil {
		t.Fatal(err)
	}
	if f.relay, err = delivertest.NewRelay(t.Context(), u.Host, nil); err != nil {
		t.Fatal(err)
	}
	f.close = sync.OnceFunc(func() {
		f.relay.Close()
		for _, undo := range slices.Backward(f.undo) {
			if err := undo(); err != nil {
				t.Errorf("remove what the test made: %v", err)
			}
		}
		if err := f.conn.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(f.close)
	return f
}

// relayed is the URL of the relay.
func (f *farEnd) relayed() string {
	u, err := url.Parse(f.url)
	if err != nil {
		f.t.Fatal(err)
	}
	u.Host = f.relay.Addr()
	return u.String()
}

// queue makes a queue and gives its name.
func (f *farEnd) queue(args amqp091.Table) string {
	f.t.Helper()
	name := carillon.NewID("carillon-test")
	f.declare(name, args)
	return name
}

func (f *farEnd) declare(queue string, args amqp091.Table) {
	f.t.Helper()
	if _, err := f.channel.QueueDeclare(queue, true, false, false, false, args); err != nil {
		f.t.Fatal(err)
	}
	f.undo = append(f.undo, func() error {
		_, err := f.channel.QueueDelete(queue, false, false, false)
		return err
	})
}

// exchange makes an exchange and gives its name.
func (f *farEnd) exchange(kind string) string {
	f.t.Helper()
	name := carillon.NewID("carillon-test")
	if err := f.channel.ExchangeDeclare(name, kind, true, false, false, false, nil); err != nil {
		f.t.Fatal(err)
	}
	f.undo = append(f.undo, func() error { return f.channel.ExchangeDelete(name, false, false) })
	return name
}

func (f *farEnd) bind(queue, key, exchange string) {
	f.t.Helper()
	if err := f.channel.QueueBind(queue, key, exchange, false, nil); err != nil {
		f.t.Fatal(err)
	}
}

// consume takes what comes into a queue and gives a function that waits for n messages and lists all that came.
func (f *farEnd) consume(queue string) func(ctx context.Context, n int) ([]amqp091.Delivery, error) {
	f.t.Helper()
	deliveries, err := f.channel.Consume(queue, queue, true, false, false, false, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	var list []amqp091.Delivery
	return func(ctx context.Context, n int) ([]amqp091.Delivery, error) {
		for len(list) < n {
			select {
			case d := <-deliveries:
				list = append(list, d)
			case <-ctx.Done():
				return list, fmt.Errorf("%d of %d messages arrived: %w", len(list), n, ctx.Err())
			}
		}
		return list, nil
	}
}

// mustHold takes all that a queue holds, which must be exactly n messages.
func (f *farEnd) mustHold(queue string, n int) []amqp091.Delivery {
	f.t.Helper()
	var list []amqp091.Delivery
	for {
		d, ok, err := f.channel.Get(queue, true)
		if err != nil {
			f.t.Fatal(err)
		}
		if !ok {
			break
		}
		list = append(list, d)
	}
	if len(list) != n {
		f.t.Fatalf("the queue holds %d messages, want %d", len(list), n)
	}
	return list
}

func private() *egress.Gate { return egress.New(egress.Config{AllowPrivate: true}) }

func subscribed(url, exchange, key string) *carillon.Subscription {
	return &carillon.Subscription{
		ID: "sub_1", Org: "acme", Sink: carillon.Sink{Type: carillon.SinkAMQP, URL: url, Exchange: exchange, RoutingKey: key},
	}
}

// open makes a sink, which is closed when the test ends.
func open(t *testing.T, c amqp.Config, url, exchange, key string) deliver.Sink {
	t.Helper()
	sink, err := amqp.New(c).Open(subscribed(url, exchange, key))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	return sink
}

// message is the nth message of a lane.
func message(n int) *carillon.Message { return delivertest.Message("acc_1", n) }
