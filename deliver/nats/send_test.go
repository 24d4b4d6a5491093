package nats_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
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
	"carillon/egress/egresstest"
	"carillon/internal/testenv"
)

func TestWhatAMessageCarries(t *testing.T) {
	server := testenv.NATS(t, "")
	far := newFarEnd(t, server.URL)
	defer far.close()
	sink := open(t, nats.Config{Gate: private()}, server.URL, far.subject("events"))
	m := message(7)
	m.Attributes = []carillon.Attribute{
		{Name: "event_name", Value: "account:updated"}, {Name: "actor", Value: "Zoë\r\nNats-Msg-Id: x"}, {Name: "header:ce-id", Value: "for webhooks"},
	}
	delivertest.MustTake(t, sink, m)
	got := far.mustHold(1)[0]
	want := natsgo.Header{
		"Nats-Msg-Id": {m.ID + "/sub_1"}, "carillon-id": {m.ID}, "carillon-event": {"account:updated"}, "carillon-lane": {"acc_1"},
		"carillon-seq": {"7"}, "content-type": {"application/json"}, "event_name": {"account:updated"}, "actor": {"Zoë  Nats-Msg-Id: x"},
	}
	if !maps.EqualFunc(got.Header, want, slices.Equal) {
		t.Errorf("headers are %v, want %v", got.Header, want)
	}
	if got.Subject != far.subject("events") {
		t.Errorf("came on subject %q", got.Subject)
	}
}

func TestAttributesCannotSteerTheServer(t *testing.T) {
	server := testenv.NATS(t, "")
	far := newFarEnd(t, server.URL)
	defer far.close()
	sink := open(t, nats.Config{Gate: private()}, server.URL, far.subject("events"))
	for _, name := range []string{"Nats-Rollup", "nats-msg-id", "Carillon-Seq", "Content-Type", "two words", "x: y\r\nNats-Rollup", ""} {
		m := message(1)
		m.Attributes = []carillon.Attribute{{Name: name, Value: "all"}}
		delivertest.WantFailure(t, delivertest.Send(t, sink, m), deliver.Never, "cannot be a header")
	}
	far.mustHold(0)
}

func TestSubjectsMayHoldTypeLaneAndOrg(t *testing.T) {
	server := testenv.NATS(t, "")
	far := newFarEnd(t, server.URL)
	defer far.close()
	sink := open(t, nats.Config{Gate: private()}, server.URL, far.subject("{org}.{type}.x{lane}"))
	for i, lane := range []string{"acc_1", "a.b>c*", "deal/9 10", ""} {
		m := message(i)
		m.Lane = lane
		delivertest.MustTake(t, sink, m)
	}
	for i, want := range []string{"acme.account:updated.xacc_1", "acme.account:updated.xa_b_c_", "acme.account:updated.xdeal/9_10", "acme.account:updated.x_"} {
		if got := far.mustHold(4)[i].Subject; got != far.subject(want) {
			t.Errorf("message %d came on subject %q, want %q", i, got, far.subject(want))
		}
	}
}

func TestAMessageWhoseAcknowledgementWasLostIsStoredOnce(t *testing.T) {
	server := testenv.NATS(t, "")
	far := newFarEnd(t, server.URL)
	defer far.close()
	relay := newRelay(t, server)
	defer relay.Close()
	sink := open(t, nats.Config{Gate: private()}, "nats://"+relay.Addr(), far.subject("events"))
	delivertest.MustTake(t, sink, message(1))

	release := relay.HoldAnswers()
	results := make(chan deliver.Result)
	go func() { results <- delivertest.Send(t, sink, message(2)) }()
	if err := relay.Held(t.Context()); err != nil {
		t.Fatal(err)
	}
	far.mustHold(2)
	relay.Cut()
	release()
	delivertest.WantFailure(t, <-results, deliver.TryAgain, "connection was lost before the stream acknowledged")
	delivertest.MustTake(t, sink, message(2))
	delivertest.MustTake(t, sink, message(3))
	var ids []string
	for _, m := range far.mustHold(3) {
		ids = append(ids, m.Header["carillon-id"][0])
	}
	if want := []string{message(1).ID, message(2).ID, message(3).ID}; !slices.Equal(ids, want) {
		t.Errorf("the stream holds %v, want %v", ids, want)
	}
}

func TestSubscriptionsThatShareAStreamLoseNothingToEachOther(t *testing.T) {
	server := testenv.NATS(t, "")
	far := newFarEnd(t, server.URL)
	defer far.close()
	for _, id := range []string{"sub_1", "sub_2"} {
		s := subscribed(server.URL, far.subject("to."+id))
		s.ID = id
		sink, err := nats.New(nats.Config{Gate: private()}).Open(s)
		if err != nil {
			t.Fatal(err)
		}
		delivertest.MustTake(t, sink, message(1))
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	}
	far.mustHold(2)
}

func TestWithoutAStreamAMessageIsTriedAgain(t *testing.T) {
	server := testenv.NATS(t, "")
	far := newFarEnd(t, server.URL)
	defer far.close()
	far.dropStream()
	sink := open(t, nats.Config{Gate: private()}, server.URL, far.subject("events"))
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(1)), deliver.TryAgain, "no stream takes subject "+far.subject("events"), "add one")

	answering, err := far.conn.Subscribe(far.subject("events"), func(m *natsgo.Msg) { m.Respond([]byte("hello")) })
	if err != nil {
		t.Fatal(err)
	}
	if err := far.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(1)), deliver.TryAgain, "is not JetStream")
	if err := answering.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	far.addStream(jetstream.StreamConfig{})
	delivertest.MustTake(t, sink, message(1))
	far.mustHold(1)
}

func TestAFullStreamIsTriedAgainAndATooLargeMessageIsNot(t *testing.T) {
	server := testenv.NATS(t, "max_payload: 4096")
	far := newFarEnd(t, server.URL)
	defer far.close()
	far.dropStream()
	far.addStream(jetstream.StreamConfig{MaxMsgs: 1, Discard: jetstream.DiscardNew, MaxMsgSize: 1024})
	sink := open(t, nats.Config{Gate: private()}, server.URL, far.subject("events"))
	large, larger := message(1), message(2)
	large.Body = make([]byte, 2000)
	larger.Body = make([]byte, 8000)
	delivertest.WantFailure(t, delivertest.Send(t, sink, large), deliver.Never, "the stream answered: message size exceeds maximum allowed")
	delivertest.WantFailure(t, delivertest.Send(t, sink, larger), deliver.Never, "a message of 8000 bytes is more than the server takes")
	delivertest.MustTake(t, sink, message(3))
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(4)), deliver.TryAgain, "the stream answered: maximum messages exceeded")
	far.mustHold(1)
}

func TestARestartOfTheServerIsSurvived(t *testing.T) {
	server := testenv.NATS(t, "")
	far := newFarEnd(t, server.URL, natsgo.MaxReconnects(-1), natsgo.ReconnectWait(10*time.Millisecond))
	defer far.close()
	sink := open(t, nats.Config{Gate: private()}, server.URL, far.subject("events"))
	delivertest.MustTake(t, sink, message(1))
	server.Stop()
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(2)), deliver.TryAgain) // on a connection that ends just now, or on none
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(2)), deliver.TryAgain, "connection refused")
	server.Start()
	delivertest.MustTake(t, sink, message(2))
	far.mustHold(2)
}

func TestCredentials(t *testing.T) {
	server := testenv.NATS(t, `authorization { users: [
		{user: far, password: end}
		{user: carillon, password: "hush hush", permissions: {publish: {allow: ["*.allowed"]}, subscribe: "_INBOX.>"}}
	]}`)
	far := newFarEnd(t, server.URL, natsgo.UserInfo("far", "end"))
	defer far.close()
	withUser := func(user string) string { return strings.Replace(server.URL, "nats://", "nats://"+user+"@", 1) }
	config := nats.Config{Gate: private()}

	delivertest.MustTake(t, open(t, config, withUser("carillon:hush%20hush"), far.subject("allowed")), message(1))
	delivertest.WantFailure(t, delivertest.Send(t, open(t, config, withUser("carillon:hush%20hush"), far.subject("denied")), message(1)),
		deliver.TryAgain, "the server forbids us to publish to subject "+far.subject("denied"))
	for _, user := range []string{"carillon:wrong-secret", "wrong-secret", ""} {
		result := delivertest.Send(t, open(t, config, withUser(user), far.subject("allowed")), message(2))
		delivertest.WantFailure(t, result, deliver.TryAgain, "does not let us in")
		if strings.Contains(result.Err.Error(), "wrong-secret") {
			t.Errorf("the reason tells the secret: %v", result.Err)
		}
	}
	far.mustHold(1)
}

func TestATokenLetsIn(t *testing.T) {
	server := testenv.NATS(t, `authorization { token: "s3cret" }`)
	far := newFarEnd(t, server.URL, natsgo.Token("s3cret"))
	defer far.close()
	delivertest.MustTake(t, open(t, nats.Config{Gate: private()}, strings.Replace(server.URL, "//", "//s3cret@", 1), far.subject("events")), message(1))
	far.mustHold(1)
}

func TestTLS(t *testing.T) {
	config, roots := serverTLS(t)
	server := testenv.NATS(t, config)
	far := newFarEnd(t, server.URL, natsgo.Secure(&tls.Config{RootCAs: roots}))
	defer far.close()
	url := strings.Replace(server.URL, "nats://", "tls://", 1)
	delivertest.MustTake(t, open(t, nats.Config{Gate: private(), TLS: &tls.Config{RootCAs: roots}}, url, far.subject("events")), message(1))
	far.mustHold(1)

	delivertest.WantFailure(t, delivertest.Send(t, open(t, nats.Config{Gate: private()}, url, far.subject("events")), message(2)), deliver.TryAgain, "certificate is not valid")
	plain := testenv.NATS(t, "")
	url = strings.Replace(plain.URL, "nats://", "tls://", 1)
	delivertest.WantFailure(t, delivertest.Send(t, open(t, nats.Config{Gate: private()}, url, far.subject("events")), message(2)), deliver.TryAgain, "does not offer TLS")
}

// serverTLS gives the lines of a server's config for a certificate of its own, and who must be trusted to trust it.
func serverTLS(t *testing.T) (config string, roots *x509.CertPool) {
	t.Helper()
	lender := httptest.NewTLSServer(nil)
	defer lender.Close()
	pair := lender.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, "key.pem": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots = x509.NewCertPool()
	roots.AddCert(lender.Certificate())
	return fmt.Sprintf("tls { cert_file: %q, key_file: %q }", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")), roots
}

func TestWhatIsNotPublicIsRefusedWhenDialled(t *testing.T) {
	resolver := egresstest.Resolver(t, map[string][][]string{"broker.example.com.": {{"127.0.0.1"}}})
	gate := egress.New(egress.Config{Resolver: resolver})
	sink := open(t, nats.Config{Gate: gate}, "nats://broker.example.com", "events")
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(1)), deliver.TryAgain, "address 127.0.0.1 is loopback: refused")
}

// A server that accepts and says nothing.
func TestASilentServerIsNotWaitedForLongerThanTheTimeout(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	sink := open(t, nats.Config{Gate: private(), Timeout: 50 * time.Millisecond}, "nats://"+listener.Addr().String(), "events")
	delivertest.WantFailure(t, delivertest.Send(t, sink, message(1)), deliver.TryAgain, "did not answer within 50ms")
}

func TestClosingEndsASendThatIsConnecting(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	sink := open(t, nats.Config{Gate: private()}, "nats://"+listener.Addr().String(), "events")
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

// Once its buffers are full a server that does not read blocks whoever writes; the context must still be heard.
func TestAnInterruptionIsHeardWhileTheServerDoesNotRead(t *testing.T) {
	server := testenv.NATS(t, "max_payload: 64MB\nmax_pending: 64MB")
	far := newFarEnd(t, server.URL)
	defer far.close()
	relay := newRelay(t, server)
	defer relay.Close()
	sink := open(t, nats.Config{Gate: private()}, "nats://"+relay.Addr(), far.subject("events"))
	delivertest.MustTake(t, sink, message(1))
	release := relay.Hang()
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	large := message(2)
	large.Body = make([]byte, 32<<20)
	results := make(chan deliver.Result)
	go func() { results <- sink.Send(ctx, large) }()
	if err := relay.Held(t.Context()); err != nil {
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
	const url, member = "nats://user:hush@127.0.0.1:1", "/sink/url"
	for name, c := range map[string]struct{ url, subject, member string }{
		"no URL":                       {"", "events", member},
		"no subject":                   {url, "", "/sink/subject"},
		"another scheme":               {"http://user:hush@127.0.0.1", "events", member},
		"no scheme":                    {"user:hush@127.0.0.1:4222", "events", member},
		"a path":                       {url + "/x", "events", member},
		"a query":                      {url + "?tls=false", "events", member},
		"a fragment":                   {url + "#x", "events", member},
		"two servers":                  {url + ",nats://127.0.0.1:2", "events", member},
		"a password that is not coded": {"nats://user:hu%zzsh@127.0.0.1", "events", member},
		"no host":                      {"nats://user:hush@", "events", member},
		"a wildcard":                   {url, "events.*", "/sink/subject"},
		"all that follows":             {url, "events.>", "/sink/subject"},
		"a space":                      {url, "events of ours", "/sink/subject"},
		"an empty word":                {url, "events..x", "/sink/subject"},
		"an empty word at the end":     {url, "events.", "/sink/subject"},
		"the server's API":             {url, "$JS.API.STREAM.DELETE.x", "/sink/subject"},
		"an unknown placeholder":       {url, "events.{name}", "/sink/subject"},
		"a brace left open":            {url, "events.{type", "/sink/subject"},
		"a brace never opened":         {url, "events.type}", "/sink/subject"},
		"a long subject":               {url, strings.Repeat("x", 256), "/sink/subject"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := nats.New(nats.Config{Gate: private()}).Open(subscribed(c.url, c.subject))
			delivertest.WantFault(t, err, c.member)
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error repeats the password: %v", err)
			}
		})
	}
	t.Run("a private address, unless allowed", func(t *testing.T) {
		_, err := nats.New(nats.Config{}).Open(subscribed(url, "events"))
		if reason := delivertest.WantFault(t, err, member); !strings.Contains(reason, "loopback") {
			t.Errorf("the reason is %q", reason)
		}
	})
}
