package amqp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/amqp"
	"carillon/deliver/delivertest"
	"carillon/egress"
	"carillon/egress/egresstest"
)

func TestWhatAMessageCarries(t *testing.T) {
	far := newFarEnd(t)
	queue := far.queue(nil)
	sink := open(t, amqp.Config{Gate: private()}, far.url, "", queue)
	m := message(7)
	m.Attributes = []carillon.Attribute{{Name: "event_name", Value: "account:updated"}, {Name: "header:ce-id", Value: "for webhooks"}}
	delivertest.MustTake(t, sink, m)
	got := far.mustHold(queue, 1)[0]
	want := amqp091.Table{
		"carillon-id": m.ID, "carillon-event": m.Type, "carillon-lane": "acc_1", "carillon-seq": "7", "event_name": "account:updated",
	}
	if !maps.Equal(got.Headers, want) {
		t.Errorf("headers are %v, want %v", got.Headers, want)
	}
	if got.MessageId != m.ID || got.Type != m.Type || got.ContentType != m.ContentType || !got.Timestamp.Equal(m.Time) || got.AppId != "carillon" {
		t.Errorf("properties are %+v", got)
	}
	if got.DeliveryMode != amqp091.Persistent {
		t.Errorf("delivery mode is %d, want persistent", got.DeliveryMode)
	}
}

func TestRoutingKeysMayHoldTypeLaneAndOrg(t *testing.T) {
	far := newFarEnd(t)
	exchange, queue := far.exchange("topic"), far.queue(nil)
	far.bind(queue, "crm.#", exchange)
	sink := open(t, amqp.Config{Gate: private()}, far.url, exchange, "crm.{org}.{type}.{lane}")
	for i, lane := range []string{"acc_1", "a.b#c*", ""} {
		m := message(i)
		m.Lane = lane
		delivertest.MustTake(t, sink, m)
	}
	arrived := far.mustHold(queue, 3)
	for i, want := range []string{"crm.acme.account:updated.acc_1", "crm.acme.account:updated.a_b_c_", "crm.acme.account:updated._"} {
		if got := arrived[i].RoutingKey; got != want {
			t.Errorf("message %d has routing key %q, want %q", i, got, want)
		}
	}
}

func TestARoutingKeyThatGrowsTooLongIsADeadLetter(t *testing.T) {
	far := newFarEnd(t)
	sink := open(t, amqp.Config{Gate: private()}, far.url, far.exchange("topic"), strings.Repeat("x", 200)+"{lane}")
	m := message(1)
	m.Lane = strings.Repeat("y", 100)
	delivertest.WantFailure(t, delivertest.Send(t, sink, m), deliver.Never, "routing key longer than 255 bytes")
}

func TestPropertiesThatDoNotFitAreADeadLetter(t *testing.T) {
	far := newFarEnd(t)
	sink := open(t, amqp.Config{Gate: private()}, far.url, "", far.queue(nil))
	long := strings.Repeat("x", 256)
	for _, alter := range []func(*carillon.Message){
		func(m *carillon.Message) { m.Type = long },
		func(m *carillon.Message) { m.ID = long },
		func(m *carillon.Message) { m.ContentType = long },
		func(m *carillon.Message) { m.Attributes = []carillon.Attribute{{Name: long, Value: "x"}} },
	} {
		m := message(1)
		alter(m)
		delivertest.WantFailure(t, delivertest.Send(t, sink, m), deliver.Never, "longer than 255 bytes")
	}
	delivertest.MustTake(t, sink, message(2))
}

func TestAMessageThatNoQueueTakesIsReturnedAndTriedAgain(t *testing.T) {
	far := newFarEnd(t)
	exchange, queue := far.exchange("topic"), far.queue(nil)
	sink := open(t, amqp.Config{Gate: private()}, far.url, exchange, "events")
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(1)), deliver.TryAgain, "returned the message (NO_ROUTE)", "bind a queue to exchange", exchange)
	far.bind(queue, "events", exchange)
	delivertest.MustTake(t, sink, message(1))
	far.mustHold(queue, 1)

	missing := carillon.NewID("carillon-test")
	sink = open(t, amqp.Config{Gate: private()}, far.url, "", missing)
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(1)), deliver.TryAgain, "NO_ROUTE", "declare the queue", missing)
	far.declare(missing, nil)
	delivertest.MustTake(t, sink, message(1))
	far.mustHold(missing, 1)
}

// Each send must hear of its own return, and of no other's.
func TestReturnsAmongManySendsAreToldApart(t *testing.T) {
	far := newFarEnd(t)
	exchange, queue := far.exchange("direct"), far.queue(nil)
	for lane := range 8 {
		if lane%2 == 0 {
			far.bind(queue, fmt.Sprintf("acc_%d", lane), exchange)
		}
	}
	sink := open(t, amqp.Config{Gate: private()}, far.url, exchange, "{lane}")
	var all sync.WaitGroup
	for lane := range 8 {
		all.Go(func() {
			want := deliver.Taken
			if lane%2 != 0 {
				want = deliver.TryAgain
			}
			for n := range 100 {
				if result := delivertest.Send(t, sink, delivertest.Message(fmt.Sprintf("acc_%d", lane), n)); result.Verdict != want {
					t.Errorf("message %d of lane %d: %+v, want verdict %d", n, lane, result, want)
					return
				}
			}
		})
	}
	all.Wait()
	far.mustHold(queue, 400)
}

func TestAnExchangeThatIsMissingIsNamed(t *testing.T) {
	far := newFarEnd(t)
	sink := open(t, amqp.Config{Gate: private()}, far.url, "carillon-test-missing", "events")
	for range 2 {
		delivertest.WantFailure(t, delivertest.Send(t, sink, message(1)), deliver.TryAgain, "no exchange 'carillon-test-missing'", "declare it")
	}
}

func TestAMessageThatTheBrokerRefusesIsTriedAgain(t *testing.T) {
	far := newFarEnd(t)
	queue := far.queue(amqp091.Table{"x-max-length": 1, "x-overflow": "reject-publish"})
	sink := open(t, amqp.Config{Gate: private()}, far.url, "", queue)
	delivertest.MustTake(t, sink, message(1))
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(2)), deliver.TryAgain, "the broker refused the message", "is its queue full?")
	far.mustHold(queue, 1)
	delivertest.MustTake(t, sink, message(2))
}

func TestAMessageWhoseConfirmWasLostComesAgainWithTheSameID(t *testing.T) {
	far := newFarEnd(t)
	queue := far.queue(nil)
	sink := open(t, amqp.Config{Gate: private()}, far.relayed(), "", queue)
	delivertest.MustTake(t, sink, message(1))

	release := far.relay.HoldAnswers()
	results := make(chan deliver.Result)
	go func() { results <- delivertest.Send(t, sink, message(2)) }()
	if err := far.relay.Held(t.Context()); err != nil {
		t.Fatal(err)
	}
	far.relay.Cut()
	release()
	delivertest.WantFailure(t, <-results, deliver.TryAgain, "connection was lost before the broker confirmed")
	delivertest.MustTake(t, sink, message(2))
	delivertest.MustTake(t, sink, message(3))
	var ids []string
	for _, d := range far.mustHold(queue, 4) {
		ids = append(ids, d.MessageId)
	}
	if want := []string{message(1).ID, message(2).ID, message(2).ID, message(3).ID}; !slices.Equal(ids, want) {
		t.Errorf("the queue holds %v, want %v", ids, want)
	}
}

// method makes a frame that holds a method: class and method ids, then its arguments (AMQP 0-9-1, section 4.2).
func method(channel, class, id uint16, arguments []byte) []byte {
	payload := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, class), id)
	payload = append(payload, arguments...)
	frame := binary.BigEndian.AppendUint16([]byte{1}, channel)
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(payload)))
	return append(append(frame, payload...), 0xCE)
}

func short(text string) []byte { return append([]byte{byte(len(text))}, text...) }

// A broker that is short of memory says so and reads no more.
func TestABlockedBrokerIsWaitedForWithoutSending(t *testing.T) {
	far := newFarEnd(t)
	queue := far.queue(nil)
	sink := open(t, amqp.Config{Gate: private(), Timeout: 100 * time.Millisecond}, far.relayed(), "", queue)
	delivertest.MustTake(t, sink, message(0))
	if err := far.relay.Tell(method(0, 10, 60, short("low on memory"))); err != nil { // connection.blocked
		t.Fatal(err)
	}
	taken := 1
	result := delivertest.Send(t, sink, message(taken))
	for result.Verdict == deliver.Taken && taken < 1000 { // the sink has not heard it yet
		taken++
		result = delivertest.Send(t, sink, message(taken))
	}
	delivertest.WantFailure(t, result, deliver.TryAgain, "takes no messages at the moment: low on memory")

	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan deliver.Result)
	go func() { results <- sink.Send(ctx, message(taken)) }()
	cancel()
	if result := <-results; result.Verdict != deliver.Interrupted {
		t.Errorf("got %+v, want an interruption", result)
	}
	far.mustHold(queue, taken)

	if err := far.relay.Tell(method(0, 10, 61, nil)); err != nil { // connection.unblocked
		t.Fatal(err)
	}
	delivertest.MustTake(t, sink, message(taken))
	far.mustHold(queue, 1)
}

// RabbitMQ closes the channel of a message that is too large; which one it was only its words tell.
func TestAMessageTooLargeForTheBrokerIsADeadLetter(t *testing.T) {
	far := newFarEnd(t)
	queue := far.queue(nil)
	for name, c := range map[string]struct {
		size    int
		verdict deliver.Verdict
	}{
		"this message":    {len(message(1).Body), deliver.Never},
		"another message": {len(message(1).Body) + 1, deliver.TryAgain},
	} {
		t.Run(name, func(t *testing.T) {
			sink := open(t, amqp.Config{Gate: private()}, far.relayed(), "", queue)
			delivertest.MustTake(t, sink, message(0))
			release := far.relay.HoldAnswers()
			defer release()
			results := make(chan deliver.Result)
			go func() { results <- delivertest.Send(t, sink, message(1)) }()
			if err := far.relay.Held(t.Context()); err != nil {
				t.Fatal(err)
			}
			reason := fmt.Sprintf("PRECONDITION_FAILED - message size %d is larger than configured max size 10", c.size)
			answer := append(binary.BigEndian.AppendUint16(nil, 406), short(reason)...)
			if err := far.relay.Tell(method(1, 20, 40, append(answer, 0, 60, 0, 40))); err != nil { // channel.close
				t.Fatal(err)
			}
			delivertest.WantFailure(t, <-results, c.verdict, reason)
			far.relay.Cut()
		})
	}
}

func TestCredentialsAndVirtualHost(t *testing.T) {
	far := newFarEnd(t)
	queue := far.queue(nil)
	u, err := url.Parse(far.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "/", "/%2F"} {
		delivertest.MustTake(t, open(t, amqp.Config{Gate: private()}, "amqp://"+u.User.String()+"@"+u.Host+path, "", queue), message(1))
	}
	for name, text := range map[string]string{
		"a wrong password":        "amqp://guest:wrong-secret@" + u.Host,
		"an unknown virtual host": "amqp://" + u.User.String() + "@" + u.Host + "/missing",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // RabbitMQ takes three seconds to refuse somebody
			result := delivertest.Send(t, open(t, amqp.Config{Gate: private()}, text, "", queue), message(2))
			if name == "an unknown virtual host" {
				delivertest.WantFailure(t, result, deliver.TryAgain, "vhost missing not found")
			} else {
				delivertest.WantFailure(t, result, deliver.TryAgain, "does not let us in")
			}
			if strings.Contains(result.Err.Error(), "wrong-secret") {
				t.Errorf("the reason tells the secret: %v", result.Err)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	far := newFarEnd(t)
	queue := far.queue(nil)
	lender := httptest.NewTLSServer(nil)
	defer lender.Close()
	roots := x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	u, err := url.Parse(far.url)
	if err != nil {
		t.Fatal(err)
	}
	front, err := delivertest.NewRelay(t.Context(), u.Host, &tls.Config{Certificates: lender.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	secured := "amqps://" + u.User.String() + "@" + front.Addr()
	sink := open(t, amqp.Config{Gate: private(), TLS: &tls.Config{RootCAs: roots}}, secured, "", queue)
	delivertest.MustTake(t, sink, message(1))
	if err := sink.Close(); err != nil {
		t.Error(err)
	}
	delivertest.WantFailure(t, delivertest.Send(t, open(t, amqp.Config{Gate: private()}, secured, "", queue), message(2)),
		deliver.TryAgain, "certificate is not valid")
	delivertest.WantFailure(t, delivertest.Send(t, open(t, amqp.Config{Gate: private()}, "amqps://"+u.Host, "", queue), message(2)),
		deliver.TryAgain, "does not speak TLS")
	far.mustHold(queue, 1)
}

func TestWhatIsNotPublicIsRefusedWhenDialled(t *testing.T) {
	resolver := egresstest.Resolver(t, map[string][][]string{"broker.example.com.": {{"127.0.0.1"}}})
	sink := open(t, amqp.Config{Gate: egress.New(egress.Config{Resolver: resolver})}, "amqp://broker.example.com", "", "events")
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(1)), deliver.TryAgain, "address 127.0.0.1 is loopback: refused")
}

// A server that accepts and says nothing.
func TestASilentServerIsNotWaitedForLongerThanTheTimeout(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	sink := open(t, amqp.Config{Gate: private(), Timeout: 50 * time.Millisecond}, "amqp://"+listener.Addr().String(), "", "events")
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(1)), deliver.TryAgain, "did not answer within 50ms")
}

func TestClosingEndsASendThatIsConnecting(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	sink := open(t, amqp.Config{Gate: private()}, "amqp://"+listener.Addr().String(), "", "events")
	results := make(chan deliver.Result)
	go func() { results <- delivertest.Send(t, sink, message(1)) }()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := sink.Close(); err != nil {
		t.Error(err)
	}
	delivertest.WantFailure(t, <-results, deliver.TryAgain, "the sink is closed")
}

// Once its buffers are full a broker that does not read blocks whoever writes; the context must still be heard.
func TestAnInterruptionIsHeardWhileTheBrokerDoesNotRead(t *testing.T) {
	far := newFarEnd(t)
	queue := far.queue(nil)
	sink := open(t, amqp.Config{Gate: private()}, far.relayed(), "", queue)
	delivertest.MustTake(t, sink, message(1))
	release := far.relay.Hang()
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	large := message(2)
	large.Body = make([]byte, 32<<20)
	results := make(chan deliver.Result)
	go func() { results <- sink.Send(ctx, large) }()
	if err := far.relay.Held(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel()
	if result := <-results; result.Verdict != deliver.Interrupted {
		t.Errorf("got %+v, want an interruption", result)
	}
	release()
	delivertest.MustTake(t, sink, message(3))
}

func TestConfigurationIsChecked(t *testing.T) {
	const server, member = "amqp://user:hush@127.0.0.1:1", "/sink/url"
	for name, c := range map[string]struct{ url, exchange, key, member string }{
		"no URL":                           {"", "x", "", member},
		"another scheme":                   {"nats://user:hush@127.0.0.1", "x", "", member},
		"no host":                          {"amqp://user:hush@/vhost", "x", "", member},
		"a query":                          {server + "/?cacertfile=/etc/passwd", "x", "", member},
		"a fragment":                       {server + "/#x", "x", "", member},
		"a user without a password":        {"amqp://hush@127.0.0.1", "x", "", member},
		"a password that is not coded":     {"amqp://user:hu%zzsh@127.0.0.1", "x", "", member},
		"neither exchange nor routing key": {server, "", "", "/sink/routingKey"},
		"a long exchange":                  {server, strings.Repeat("x", 256), "", "/sink/exchange"},
		"a control character":              {server, "a\nb", "", "/sink/exchange"},
		"a long routing key":               {server, "x", strings.Repeat("x", 256), "/sink/routingKey"},
		"a routing key with a control":     {server, "x", "a\x00b", "/sink/routingKey"},
		"an unknown placeholder":           {server, "x", "{id}", "/sink/routingKey"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := amqp.New(amqp.Config{Gate: private()}).Open(subscribed(c.url, c.exchange, c.key))
			delivertest.WantFault(t, err, c.member)
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error repeats the password: %v", err)
			}
		})
	}
	t.Run("a private address, unless allowed", func(t *testing.T) {
		_, err := amqp.New(amqp.Config{}).Open(subscribed(server, "x", ""))
		if reason := delivertest.WantFault(t, err, member); !strings.Contains(reason, "loopback") {
			t.Errorf("the reason is %q", reason)
		}
	})
}
