package intake

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"sync"
	"time"

	"carillon"
	"carillon/sign"
	"carillon/store"
)

// topicPattern is the shape of a topic's ARN in any of AWS's partitions.
var topicPattern = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]{3,64}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$`)

func validTopic(arn string) bool { return topicPattern.MatchString(arn) }

// Bounds of talking to SNS.
const (
	snsTimeout          = 10 * time.Second
	maxCertificateBytes = 64 << 10
	maxCertificates     = 64
	certificateLife     = 24 * time.Hour
)

// topics knows SNS by its certificates, and confirms subscriptions of topics.
type topics struct {
	client *http.Client
	now    func() time.Time

	mu           sync.Mutex
	certificates map[string]heldCertificate // by URL
}

type heldCertificate struct {
	*x509.Certificate
	until time.Time
}

func newTopics(client *http.Client, now func() time.Time) *topics {
	bounded := *client
	bounded.Timeout = snsTimeout
	bounded.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &topics{client: &bounded, now: now, certificates: map[string]heldCertificate{}}
}

func (t *topics) close() { t.client.CloseIdleConnections() }

// verifyTopic proves that a request comes from SNS and from the connection's topic.
func (in *Intake) verifyTopic(ctx context.Context, c *carillon.Connection, body []byte) error {
	refuse := func(format string, args ...any) error {
		return &refusal{status: http.StatusUnauthorized, reason: fmt.Sprintf(format, args...)}
	}
	m, err := sign.ParseSNS(body)
	if err != nil {
		return refuse("%v", err)
	}
	if c.Verify.TopicARN != "" && m.TopicARN != c.Verify.TopicARN {
		return refuse("the topic is not the one that is expected")
	}
	if !validTopic(m.TopicARN) {
		return refuse("the body is not a message of SNS")
	}
	if err := sign.CheckSNSCertificateURL(m.SigningCertURL); err != nil {
		return refuse("the signing certificate cannot be trusted: %v", err)
	}
	certificate, err := in.topics.certificate(ctx, m.SigningCertURL)
	if err != nil {
		return err
	}
	if err := m.Verify(certificate); err != nil {
		return refuse("%v", err)
	}
	if c.Verify.TopicARN == "" && m.Type != sign.SNSSubscriptionConfirmation {
		return refuse("no subscription of a topic has been confirmed yet")
	}
	return nil
}

// certificate gets a certificate whose URL CheckSNSCertificateURL has passed, from memory if it can.
func (t *topics) certificate(ctx context.Context, url string) (*x509.Certificate, error) {
	t.mu.Lock()
	held, ok := t.certificates[url]
	t.mu.Unlock()
	if ok && t.now().Before(held.until) {
		return held.Certificate, nil
	}
	text, err := t.get(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("get the signing certificate: %w", err)
	}
	certificate, err := sign.ParseSNSCertificate(text)
	if err != nil {
		return nil, &refusal{status: http.StatusUnauthorized, reason: err.Error()}
	}
	now := t.now()
	if now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return nil, &refusal{status: http.StatusUnauthorized, reason: "the signing certificate is not valid at this time"}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.certificates) >= maxCertificates {
		clear(t.certificates) // there are a few at any time: somebody plays with names
	}
	t.certificates[url] = heldCertificate{certificate, now.Add(certificateLife)}
	return certificate, nil
}

func (t *topics) get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := t.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxCertificateBytes))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("SNS answered %s", response.Status)
	}
	return body, nil
}

// confirm does what a verified message about the subscription to the topic asks for. It fails with errUnreachable where trying
// again may help.
func (in *Intake) confirm(ctx context.Context, c *carillon.Connection, m *sign.SNS) (note string, err error) {
	if m.Type == sign.SNSUnsubscribeConfirmation {
		return "the subscription to " + m.TopicARN + " has ended", nil
	}
	if err := sign.CheckSNSURL(m.SubscribeURL); err != nil {
		return "", &carillon.Error{Code: carillon.CodeInvalid, Message: "the subscription cannot be confirmed", Faults: []carillon.Fault{
			{Member: "/SubscribeURL", Reason: err.Error()},
		}}
	}
	// First the topic is taken for the connection's own, so that two that come at once cannot both be.
	err = in.store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		kept, err := tx.Connection(ctx, c.Org, c.ID)
		if err != nil {
			return err
		}
		if kept.Verify.TopicARN == m.TopicARN {
			return nil
		}
		if kept.Verify.TopicARN != "" {
			return carillon.Conflict("the connection belongs to another topic")
		}
		kept.Verify.TopicARN = m.TopicARN
		return tx.PutConnection(ctx, kept)
	})
	if err != nil {
		return "", err
	}
	if _, err := in.topics.get(ctx, m.SubscribeURL); err != nil {
		return "", errors.Join(errUnreachable, fmt.Errorf("confirm the subscription to %s: %w", m.TopicARN, err))
	}
	return "the subscription to " + m.TopicARN + " was confirmed", nil
}

// errUnreachable says that trying again may help.
var errUnreachable = errors.New("SNS is out of reach")
