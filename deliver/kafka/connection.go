package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"golang.org/x/sync/semaphore"

	"carillon"
	"carillon/deliver/broker"
)

const (
	// The producer's own tries, for what mends itself in moments (a partition that gets another leader). All else is left
	// to the schedule.
	recordRetries  = 3
	unknownRetries = 1
	minBackoff     = 50 * time.Millisecond
	maxBackoff     = time.Second
	dialTimeout    = 5 * time.Second
	// maxBatch is more than Kafka takes by default, for topics that take more.
	maxBatch = 16 << 20
	// everybody is the weight of all sends together.
	everybody = 1 << 20
)

// dialer makes the producers of one subscription.
type dialer struct {
	config       Config
	brokers      []string
	topic        string
	secured      bool
	login        sasl.Mechanism // nil: none
	subscription string
}

// connection is a producer. It looks after its connections by itself.
type connection struct {
	*dialer
	client *kgo.Client
	cut    context.CancelFunc
	// turns is shared by all sends; one takes it whole to be alone in its batch.
	turns *semaphore.Weighted
	// unreachable is how the last attempt to connect failed; nil if it did not.
	unreachable atomic.Pointer[error]
}

// dial makes a producer. It connects when it is used.
func (d *dialer) dial(context.Context) (broker.Connection, error) {
	ctx, cut := context.WithCancel(context.Background()) // it lives until it is closed, not as long as dialling may take
	c := &connection{dialer: d, cut: cut, turns: semaphore.NewWeighted(everybody)}
	options := []kgo.Opt{
		kgo.WithContext(ctx), //nolint:contextcheck // see above
		kgo.WithHooks(c),
		kgo.ClientID("carillon-" + d.subscription),
		kgo.SeedBrokers(d.brokers...),
		kgo.Dialer(c.connect),
		kgo.DefaultProduceTopic(d.topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0), // records gather while the ones before them are on their way
		kgo.ProducerBatchMaxBytes(maxBatch),
		kgo.RecordRetries(recordRetries),
		kgo.UnknownTopicRetries(unknownRetries),
		kgo.RetryBackoffFn(func(tries int) time.Duration { return min(minBackoff<<min(tries, 10), maxBackoff) }),
		kgo.MetadataMinAge(minBackoff),
		// A send whose context ends must return. The record may have been stored all the same; its retry says the same id.
		kgo.AllowIdempotentProduceCancellation(),
		kgo.DisableClientMetrics(),
	}
	if d.login != nil {
		options = append(options, kgo.SASL(d.login))
	}
	var err error
	if c.client, err = kgo.NewClient(options...); err != nil {
		cut()
		return nil, err
	}
	return c, nil
}

// connect connects to one broker, through the gate.
func (c *connection) connect(ctx context.Context, network, address string) (net.Conn, error) {
	socket, err := c.config.Gate.Dialer(dialTimeout).DialContext(ctx, network, address)
	if err != nil || !c.secured {
		return socket, err
	}
	trust := c.config.Trust()
	if trust.ServerName == "" {
		trust.ServerName, _, _ = net.SplitHostPort(address)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	secured := tls.Client(socket, trust)
	if err := secured.HandshakeContext(ctx); err != nil {
		socket.Close()
		return nil, err
	}
	return secured, nil
}

// OnBrokerConnect implements kgo.HookBrokerConnect: the library's own errors do not say why a broker cannot be reached.
func (c *connection) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err == nil {
		c.unreachable.Store(nil)
		return
	}
	c.unreachable.Store(&err)
}

// Lost implements broker.Connection.
func (c *connection) Lost() <-chan struct{} { return nil }

// Close implements broker.Connection.
func (c *connection) Close() {
	c.client.Close()
	c.cut()
}

// Cut implements broker.Connection.
func (c *connection) Cut() { c.cut() }

// Publish implements broker.Connection: it waits until all in-sync replicas have the record. A batch that is too large may
// be so because of the others in it, so its records are sent again one by one.
func (c *connection) Publish(ctx context.Context, m *carillon.Message) error {
	record, err := prepare(m)
	if err != nil {
		return err
	}
	err = c.produce(ctx, record, 1)
	if errors.Is(err, kerr.MessageTooLarge) {
		err = c.produce(ctx, record, everybody)
	}
	return c.failure(err, len(m.Body))
}

func (c *connection) produce(ctx context.Context, record *kgo.Record, weight int64) error {
	if err := c.turns.Acquire(ctx, weight); err != nil {
		return err
	}
	defer c.turns.Release(weight)
	produced := make(chan error, 1)
	fresh := *record // the library writes into it
	c.client.Produce(ctx, &fresh, func(_ *kgo.Record, err error) { produced <- err })
	return <-produced
}

// prepare makes the record of a message. Its time is that of producing: a topic's retention counts from it, and what is
// told again from the log may be old.
func prepare(m *carillon.Message) (*kgo.Record, error) {
	headers, err := broker.Headers(m)
	if err != nil {
		return nil, err
	}
	record := &kgo.Record{Key: []byte(m.Lane), Value: m.Body, Headers: make([]kgo.RecordHeader, 0, len(headers)+1)}
	for _, h := range headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Name, Value: []byte(h.Value)})
	}
	record.Headers = append(record.Headers, kgo.RecordHeader{Key: broker.HeaderContentType, Value: []byte(m.ContentType)})
	return record, nil
}

func (c *connection) failure(err error, size int) error {
	var answer *kerr.Error
	unreachable := c.unreachable.Load()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.MessageTooLarge):
		return &broker.Failure{Text: fmt.Sprintf("a message of %d bytes is more than topic %s takes (max.message.bytes)", size, c.topic), Never: true, Cause: err}
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return &broker.Failure{Text: fmt.Sprintf("topic %s does not exist", c.topic), Hint: "create it", Cause: err}
	case unreachable != nil && errors.Is(*unreachable, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.SaslAuthenticationFailed):
		return &broker.Failure{Text: "the broker does not let us in", Hint: "check user name and password", Cause: err}
	case errors.As(err, &answer):
		return &broker.Failure{Text: "the broker answered: " + answer.Message + ": " + strings.TrimSuffix(answer.Description, "."), Cause: err}
	case unreachable != nil:
		return *unreachable
	default:
		return err
	}
}
