package kafka_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/delivertest"
	"carillon/deliver/kafka"
	"carillon/egress"
	"carillon/egress/egresstest"
)

func TestWhatARecordCarries(t *testing.T) {
	far := newFarEnd(t)
	defer far.close()
	sink := open(t, kafka.Config{Gate: private()}, subscribed(far.relay.Addr()))
	m := message(7)
	m.Attributes = []carillon.Attribute{{Name: "ce_id", Value: "x"}, {Name: "header:ce-id", Value: "for webhooks"}}
	before := time.Now().Truncate(time.Millisecond)
	delivertest.MustTake(t, sink, m)
	got := far.mustHold(1)[0]
	headers := map[string]string{}
	for _, h := range got.Headers {
		headers[h.Key] = string(h.Value)
	}
	want := map[string]string{
		"carillon-id": m.ID, "carillon-event": m.Type, "carillon-lane": "acc_1", "carillon-seq": "7", "content-type": "application/json", "ce_id": "x",
	}
	if !maps.Equal(headers, want) {
		t.Errorf("headers are %v, want %v", headers, want)
	}
	if string(got.Key) != "acc_1" {
		t.Errorf("the key is %q, want the lane", got.Key)
	}
	if got.Timestamp.Before(before) {
		t.Errorf("the record's time is %s, want that of producing it", got.Timestamp)
	}
}

func TestALaneStaysInOnePartitionAndInOrder(t *testing.T) {
	far := newFarEnd(t)
	defer far.close()
	sink := open(t, kafka.Config{Gate: private()}, subscribed(far.relay.Addr()))
	const lanes, count = 9, 30
	var all sync.WaitGroup
	for lane := range lanes {
		all.Go(func() {
			for n := range count {
				delivertest.MustTake(t, sink, delivertest.Message(fmt.Sprintf("acc_%d", lane), n))
			}
		})
	}
	all.Wait()
	partitions, ids := map[string]map[int32]bool{}, map[string][]string{}
	used := map[int32]bool{}
	for _, r := range far.mustHold(lanes * count) {
		lane := string(r.Key)
		if partitions[lane] == nil {
			partitions[lane] = map[int32]bool{}
		}
		partitions[lane][r.Partition], used[r.Partition] = true, true
		ids[lane] = append(ids[lane], string(r.Headers[0].Value))
	}
	for lane, in := range partitions {
		if len(in) != 1 {
			t.Errorf("lane %s is in partitions %v", lane, in)
		}
		if !slices.IsSorted(ids[lane]) {
			t.Errorf("lane %s came as %v", lane, ids[lane])
		}
	}
	if len(used) < 2 {
		t.Errorf("all lanes are in partition %v", used)
	}
}

func TestARecordWhoseAcknowledgementWasLostIsStoredOnce(t *testing.T) {
	far := newFarEnd(t)
	defer far.close()
	sink := open(t, kafka.Config{Gate: private()}, subscribed(far.relay.Addr()))
	delivertest.MustTake(t, sink, message(1))
	release := far.relay.HoldAnswers()
	results := make(chan deliver.Result)
	go func() { results <- delivertest.Send(t, sink, message(2)) }()
	if err := far.relay.Held(t.Context()); err != nil {
		t.Fatal(err)
	}
	far.relay.Cut()
	release()
	if result := <-results; result.Verdict != deliver.Taken {
		t.Errorf("got %+v, want the producer to have found out by itself", result)
	}
	far.mustHold(2)
}

func TestAHungBrokerIsNotWaitedForLongerThanTheTimeout(t *testing.T) {
	far := newFarEnd(t)
	defer far.close()
	sink := open(t, kafka.Config{Gate: private(), Timeout: 500 * time.Millisecond}, subscribed(far.relay.Addr()))
	delivertest.MustTake(t, sink, message(1))
	release := far.relay.Hang()
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(2)), deliver.TryAgain, "did not answer within 500ms")

	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan deliver.Result)
	go func() { results <- sink.Send(ctx, message(2)) }()
	if err := far.relay.Held(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel()
	if result := <-results; result.Verdict != deliver.Interrupted {
		t.Errorf("got %+v, want an interruption", result)
	}
	release()
	result := delivertest.Send(t, sink, message(2))
	for try := 1; result.Verdict == deliver.TryAgain && try < 20; try++ { // it recovers, if not always within its short timeout
		result = delivertest.Send(t, sink, message(2))
	}
	delivertest.MustTake(t, sink, message(3))
	// The second one may have been stored by each of its attempts.
	first := map[string]int{}
	records, err := far.read(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range records {
		if id := string(r.Headers[0].Value); first[id] == 0 {
			first[id] = i + 1
		}
	}
	if !(first[message(1).ID] < first[message(2).ID] && first[message(2).ID] < first[message(3).ID]) {
		t.Errorf("messages first came at %v, want the order in which they were sent", first)
	}
}

func TestAMissingTopicIsNamedAndTriedAgain(t *testing.T) {
	far := newFarEnd(t)
	defer far.close()
	s := subscribed(far.relay.Addr())
	s.Sink.Topic = "missing"
	sink := open(t, kafka.Config{Gate: private()}, s)
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(1)), deliver.TryAgain, "topic missing does not exist", "create it")
}

func TestAMomentWithoutALeaderIsBridgedByTheProducer(t *testing.T) {
	far := newFarEnd(t)
	defer far.close()
	sink := open(t, kafka.Config{Gate: private()}, subscribed(far.relay.Addr()))
	moved := far.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 2})
	delivertest.MustTake(t, sink, message(1))
	if err := moved.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	far.mustHold(1)
}

func TestWhatTheBrokerAnswersIsTheReason(t *testing.T) {
	far := newFarEnd(t)
	defer far.close()
	sink := open(t, kafka.Config{Gate: private()}, subscribed(far.relay.Addr()))
	for _, answer := range []*kerr.Error{kerr.NotEnoughReplicas, kerr.TopicAuthorizationFailed, kerr.PolicyViolation} {
		broken := far.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: answer, Count: -1})
		delivertest.WantFailure(t, delivertest.Send(t, sink, message(1)), deliver.TryAgain, "the broker answered: "+answer.Message)
		broken.Remove()
	}
	delivertest.MustTake(t, sink, message(1))
	far.mustHold(1)
}

// noise cannot be compressed.
func noise(n int) []byte {
	body := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(body)
	return body
}

func TestAMessageTooLargeForTheTopicIsADeadLetter(t *testing.T) {
	far := newFarEnd(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "4000"}))
	defer far.close()
	sink := open(t, kafka.Config{Gate: private()}, subscribed(far.relay.Addr()))
	for _, size := range []int{5000, 20 << 20} { // more than the topic takes, more than the producer does
		m := message(1)
		m.Body = noise(size)
		delivertest.WantFailure(t, delivertest.Send(t, sink, m), deliver.Never, fmt.Sprintf("a message of %d bytes is more than topic %s takes", size, topic))
	}
	delivertest.MustTake(t, sink, message(2))
	far.mustHold(1)
}

// While the first one is on its way the others gather in a batch, which is more than the topic takes.
func TestMessagesThatAreTooLargeTogetherGoOneByOne(t *testing.T) {
	far := newFarEnd(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "4000"}))
	defer far.close()
	sink := open(t, kafka.Config{Gate: private()}, subscribed(far.relay.Addr()))
	delivertest.MustTake(t, sink, message(0))
	release := far.relay.Hang()
	var all sync.WaitGroup
	const count = 24
	for i := range count {
		all.Go(func() {
			m := delivertest.Message(fmt.Sprintf("acc_%d", i), 1)
			m.Body = noise(1500)
			delivertest.MustTake(t, sink, m)
		})
	}
	if err := far.relay.Held(t.Context()); err != nil {
		t.Fatal(err)
	}
	release()
	all.Wait()
	far.mustHold(1 + count)
}

func TestCredentials(t *testing.T) {
	far := newFarEnd(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "carillon", "hush hush"))
	defer far.close()
	// Kafka says why before it closes the connection; this one would only close it.
	far.cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(request kmsg.Request) (kmsg.Response, error, bool) {
		far.cluster.KeepControl()
		asked, _ := request.(*kmsg.SASLAuthenticateRequest)
		if !strings.Contains(string(asked.SASLAuthBytes), "wrong-secret") {
			return nil, nil, false
		}
		answer, _ := asked.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return answer, nil, true
	})
	for name, auth := range map[string]*carillon.Auth{
		"the password":     {Type: "basic", Username: "carillon", Password: "hush hush"},
		"another password": {Type: "basic", Username: "carillon", Password: "wrong-secret"},
	} {
		t.Run(name, func(t *testing.T) {
			s := subscribed(far.relay.Addr())
			s.Sink.Auth = auth
			result := delivertest.Send(t, open(t, kafka.Config{Gate: private()}, s), message(1))
			if name == "the password" {
				if result.Verdict != deliver.Taken {
					t.Errorf("got %+v, want it taken", result)
				}
				return
			}
			delivertest.WantFailure(t, result, deliver.TryAgain, "does not let us in")
			if strings.Contains(result.Err.Error(), "wrong-secret") {
				t.Errorf("the reason tells the secret: %v", result.Err)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	lender := httptest.NewTLSServer(nil)
	defer lender.Close()
	roots := x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	far := newFarEnd(t, kfake.TLS(&tls.Config{Certificates: lender.TLS.Certificates}))
	defer far.close()
	s := subscribed(far.relay.Addr())
	s.Sink.TLS = true
	delivertest.MustTake(t, open(t, kafka.Config{Gate: private(), TLS: &tls.Config{RootCAs: roots}}, s), message(1))
	delivertest.WantFailure(t, delivertest.Send(t, open(t, kafka.Config{Gate: private()}, s), message(2)), deliver.TryAgain, "certificate is not valid")

	plain := newFarEnd(t)
	defer plain.close()
	s.Sink.Brokers = []string{plain.relay.Addr()}
	result := delivertest.Send(t, open(t, kafka.Config{Gate: private(), Timeout: 500 * time.Millisecond}, s), message(2))
	delivertest.WantFailure(t, result, deliver.TryAgain)
}

func TestWhatIsNotPublicIsRefusedWhenDialled(t *testing.T) {
	resolver := egresstest.Resolver(t, map[string][][]string{"broker.example.com.": {{"127.0.0.1"}}})
	sink := open(t, kafka.Config{Gate: egress.New(egress.Config{Resolver: resolver})}, subscribed("broker.example.com"))
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(1)), deliver.TryAgain, "address 127.0.0.1 is loopback: refused")
}

// Brokers tell of each other, and so could send us anywhere.
func TestBrokersThatAreToldOfPassTheGateToo(t *testing.T) {
	listen := func(network, _ string) (net.Listener, error) { return net.Listen(network, "127.0.0.2:0") }
	inside, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic), kfake.ListenFn(listen))
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	relay, err := delivertest.NewRelay(t.Context(), inside.ListenAddrs()[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	gate := egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	sink := open(t, kafka.Config{Gate: gate}, subscribed(relay.Addr()))
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(1)), deliver.TryAgain, "address 127.0.0.2 is loopback: refused")
}

func TestClosingEndsASendThatIsConnecting(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	sink := open(t, kafka.Config{Gate: private()}, subscribed(listener.Addr().String()))
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
	delivertest.WantFailure(t, <-results, deliver.TryAgain)
}

func TestConfigurationIsChecked(t *testing.T) {
	auth := func(kind, username, password string) func(*carillon.Sink) {
		return func(s *carillon.Sink) { s.Auth = &carillon.Auth{Type: kind, Username: username, Password: password} }
	}
	brokers := func(list ...string) func(*carillon.Sink) { return func(s *carillon.Sink) { s.Brokers = list } }
	named := func(topic string) func(*carillon.Sink) { return func(s *carillon.Sink) { s.Topic = topic } }
	for name, c := range map[string]struct {
		alter  func(*carillon.Sink)
		member string
	}{
		"no brokers":             {brokers(), "/sink/brokers"},
		"too many brokers":       {brokers(slices.Repeat([]string{"127.0.0.1:1"}, 65)...), "/sink/brokers"},
		"an empty broker":        {brokers("127.0.0.1:1", ""), "/sink/brokers/1"},
		"a URL":                  {brokers("kafka://127.0.0.1:1"), "/sink/brokers/0"},
		"a port that is not one": {brokers("127.0.0.1:0"), "/sink/brokers/0"},
		"a port of letters":      {brokers("127.0.0.1:kafka"), "/sink/brokers/0"},
		"a path":                 {brokers("127.0.0.1/x"), "/sink/brokers/0"},
		"no topic":               {named(""), "/sink/topic"},
		"a topic with a space":   {named("a b"), "/sink/topic"},
		"a topic of two dots":    {named(".."), "/sink/topic"},
		"a long topic":           {named(strings.Repeat("x", 250)), "/sink/topic"},
		"a bearer token":         {auth("bearer", "user", "hush"), "/sink/auth/type"},
		"no user name":           {auth("basic", "", "hush"), "/sink/auth/username"},
		"no password":            {auth("basic", "user", ""), "/sink/auth/password"},
		"a zero in the password": {auth("basic", "user", "hush\x00"), "/sink/auth/password"},
	} {
		t.Run(name, func(t *testing.T) {
			s := subscribed("127.0.0.1:1")
			c.alter(&s.Sink)
			_, err := kafka.New(kafka.Config{Gate: private()}).Open(s)
			delivertest.WantFault(t, err, c.member)
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error repeats the password: %v", err)
			}
		})
	}
	for _, text := range []string{"broker-1.example.com", "[::1]:9092", "::1", "[::1]", "127.0.0.1:9092", "BROKER.example.com:9092"} {
		t.Run(text+" is a broker", func(t *testing.T) { open(t, kafka.Config{Gate: private()}, subscribed(text)) })
	}
	t.Run("a private address, unless allowed", func(t *testing.T) {
		_, err := kafka.New(kafka.Config{}).Open(subscribed("example.com", "127.0.0.1:9092"))
		if reason := delivertest.WantFault(t, err, "/sink/brokers/1"); !strings.Contains(reason, "loopback") {
			t.Errorf("the reason is %q", reason)
		}
	})
}
