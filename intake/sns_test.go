package intake_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"carillon"
)

// aws plays SNS: it signs messages, serves its certificate and hears confirmations. It is the transport of the intake's client.
type aws struct {
	key         *rsa.PrivateKey
	certificate []byte // PEM

	mu        sync.Mutex
	tries     int // of confirmations while it was down
	fetched   int
	confirmed []string
	down      bool
}

const (
	topic   = "arn:aws:sns:eu-west-1:123456789012:tickets"
	certURL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem"
)

func newAWS(t *testing.T) *aws {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &aws{key: key, certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *aws) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down {
		a.tries++
		return nil, errors.New("the test took SNS down")
	}
	body := a.certificate
	switch {
	case r.URL.String() == certURL:
		a.fetched++
	case r.URL.Query().Get("Action") == "ConfirmSubscription":
		a.confirmed = append(a.confirmed, r.URL.String())
		body = []byte("<ConfirmSubscriptionResponse/>")
	default:
		return &http.Response{StatusCode: http.StatusNotFound, Status: "404 Not Found", Body: http.NoBody, Request: r}, nil
	}
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// awaitTry waits until somebody has tried in vain.
func (a *aws) awaitTry(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		a.mu.Lock()
		tries := a.tries
		a.mu.Unlock()
		if tries > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody tried")
		}
		<-time.After(time.Millisecond)
	}
}

// sign makes a message of SNS; names of its members and what is signed of them are those of AWS's developer guide.
func (a *aws) sign(t *testing.T, version string, members map[string]string) string {
	t.Helper()
	defaults := map[string]string{
		"MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": topic, "Timestamp": "2026-03-01T12:00:00.000Z",
		"SignatureVersion": version, "SigningCertURL": certURL,
	}
	for name, value := range defaults {
		if _, ok := members[name]; !ok {
			members[name] = value
		}
	}
	covered := []string{"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	var text strings.Builder
	for _, name := range covered {
		if value, ok := members[name]; ok {
			text.WriteString(name + "\n" + value + "\n")
		}
	}
	hash, sum := crypto.SHA256, sha256.Sum256([]byte(text.String()))
	digest := sum[:]
	if version == "1" {
		old := sha1.Sum([]byte(text.String()))
		hash, digest = crypto.SHA1, old[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.key, hash, digest)
	if err != nil {
		t.Fatal(err)
	}
	members["Signature"] = base64.StdEncoding.EncodeToString(signature)
	if members["Type"] == "Notification" {
		members["UnsubscribeURL"] = "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe"
	}
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func (a *aws) notification(t *testing.T, version string, members map[string]string) string {
	if members == nil {
		members = map[string]string{}
	}
	members["Type"] = "Notification"
	if members["Message"] == "" {
		members["Message"] = `{"eventId":"evt_1","eventType":"account:created","timestamp":"2026-03-01T12:00:00Z","orgId":"o",` +
			`"actor":{"id":"u","type":"AGENT","email":"u@example.com"},"payload":{"account":{"id":"ACC1","name":"Acme"}}}`
	}
	return a.sign(t, version, members)
}

func (a *aws) confirmation(t *testing.T, url string) string {
	return a.sign(t, "1", map[string]string{
		"Type": "SubscriptionConfirmation", "Token": "2336412f37", "SubscribeURL": url, "Message": "You have chosen to subscribe to the topic",
	})
}

func TestATopicIsConfirmedAndItsMessagesVerified(t *testing.T) {
	sns := newAWS(t)
	h := newHouse(t)
	h.stop()
	h.client = &http.Client{Transport: sns}
	h.open()
	h.start()
	c := h.connect(func(c *carillon.Connection) {
		c.Dialect, c.Verify = "platform", carillon.Verify{Type: carillon.VerifySNS}
	})
	refused := func(why, body string) {
		t.Helper()
		if status, answer := h.post(c, body, "Content-Type", "text/plain; charset=UTF-8"); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %v", why, status, answer)
		}
	}
	taken := func(body string) *carillon.Inbound {
		t.Helper()
		status, answer := h.post(c, body, "Content-Type", "text/plain; charset=UTF-8")
		if status != http.StatusOK {
			t.Fatalf("%d %v", status, answer)
		}
		return h.settled(answer["id"].(string))
	}
	confirmURL := "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=2336412f37"

	refused("a message before any subscription", sns.notification(t, "1", nil))
	d := taken(sns.confirmation(t, confirmURL))
	h.want(d, "applied")
	if len(sns.confirmed) != 1 || sns.confirmed[0] != confirmURL || len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "was confirmed") {
		t.Errorf("confirmed %q, notes %q", sns.confirmed, d.Notes)
	}
	if kept, err := h.store.Connection(t.Context(), org, c.ID); err != nil || kept.Verify.TopicARN != topic {
		t.Errorf("the connection's topic is %q, %v", kept.Verify.TopicARN, err)
	}
	h.want(taken(sns.notification(t, "1", nil)), "applied changed")
	h.want(taken(sns.notification(t, "2", map[string]string{"Subject": "A subject"})), "duplicate repeated")
	h.want(taken(sns.sign(t, "2", map[string]string{
		"Type": "UnsubscribeConfirmation", "Token": "x", "SubscribeURL": confirmURL, "Message": "You have chosen to deactivate the subscription",
	})), "applied")
	if sns.fetched != 1 {
		t.Errorf("the certificate was got %d times", sns.fetched)
	}

	good := sns.notification(t, "2", nil)
	refused("another text", strings.Replace(good, "Acme", "Evil", 1))
	refused("no signature", `{"Type":"Notification","TopicArn":"`+topic+`"}`)
	refused("no SNS", oneEvent)
	refused("another topic", sns.notification(t, "2", map[string]string{"TopicArn": topic + "2"}))
	for _, url := range []string{
		"https://sns.eu-west-1.amazonaws.com.evil.example/a.pem", "http://sns.eu-west-1.amazonaws.com/a.pem",
		"https://evil.example/sns.eu-west-1.amazonaws.com/a.pem", "https://u@sns.eu-west-1.amazonaws.com/a.pem",
		"https://sns.eu-west-1.amazonaws.com:8443/a.pem", "https://s3.eu-west-1.amazonaws.com/a.pem", "",
		"https://sns.s3-us-west-2.amazonaws.com/SimpleNotificationService-0123.pem", "https://sns.eu-west-1.amazonaws.com/a.pem",
	} {
		refused("a certificate at "+url, sns.notification(t, "2", map[string]string{"SigningCertURL": url}))
	}
	stranger := newAWS(t)
	refused("a stranger's key", stranger.notification(t, "2", nil))
	refused("a version that does not exist", sns.notification(t, "3", nil))
	h.want(taken(sns.confirmation(t, "https://evil.example/?Action=ConfirmSubscription")), "quarantined")
	if len(sns.confirmed) != 1 {
		t.Errorf("a stranger's URL was called: %q", sns.confirmed)
	}
}

func TestSNSOutOfReachIsTriedAgain(t *testing.T) {
	sns := newAWS(t)
	h := newHouse(t)
	h.stop()
	h.client = &http.Client{Transport: sns}
	h.open()
	h.start()
	c := h.connect(func(c *carillon.Connection) {
		c.Dialect, c.Verify = "platform", carillon.Verify{Type: carillon.VerifySNS, TopicARN: topic}
	})
	sns.down = true
	if status, _ := h.post(c, sns.notification(t, "1", nil)); status != http.StatusServiceUnavailable {
		t.Errorf("without the certificate nothing can be said of a message, but the answer is %d", status)
	}
	sns.mu.Lock()
	sns.down = false
	sns.mu.Unlock()
	status, answer := h.post(c, sns.notification(t, "1", nil))
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	sns.mu.Lock()
	sns.down, sns.tries = true, 0
	sns.mu.Unlock()
	_, answer = h.post(c, sns.confirmation(t, "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=x"))
	sns.awaitTry(t)
	sns.mu.Lock()
	sns.down = false
	sns.mu.Unlock()
	h.want(h.settled(answer["id"].(string)), "applied")
	if len(sns.confirmed) != 1 {
		t.Errorf("confirmed %q", sns.confirmed)
	}
}
