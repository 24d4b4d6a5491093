package sns_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/sns"
	"carillon/egress"
)

const (
	region = "eu-central-1"
	arn    = "arn:aws:sns:eu-central-1:000000000000:tickets"
)

// environment is an operator's AWS configuration.
func environment(endpoint string) aws.Config {
	c := aws.Config{Region: "us-west-2", Credentials: credentials.NewStaticCredentialsProvider("OPERATOR", "secret", "token")}
	if endpoint != "" {
		c.BaseEndpoint = aws.String(endpoint)
	}
	return c
}

// config allows private addresses.
func config() sns.Config {
	return sns.Config{
		AWS:  func() (aws.Config, error) { return environment(""), nil },
		Gate: egress.New(egress.Config{AllowPrivate: true}),
	}
}

// open makes a sink; the sender's connections end with the test.
func open(t *testing.T, c sns.Config, s carillon.Sink) deliver.Sink {
	t.Helper()
	sender := sns.New(c)
	t.Cleanup(func() { sender.Close() })
	s.Type = carillon.SinkSNS
	sink, err := sender.Open(&carillon.Subscription{ID: "sub_1", Sink: s})
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

// farEnd is a topic with a queue, seen through AWS's own clients.
type farEnd struct {
	url          string
	topic, queue string // ARN, URL
	topics       *awssns.Client
	queues       *awssqs.Client
	transport    *http.Transport
	arrived      []types.Message
}

// newFarEnd makes a topic, a queue of its kind and between them a subscription with the attributes.
func newFarEnd(t *testing.T, url, name string, attributes map[string]string) *farEnd {
	t.Helper()
	f := &farEnd{url: url, transport: &http.Transport{}}
	c := environment(url)
	c.Region, c.HTTPClient = region, &http.Client{Transport: f.transport}
	f.topics, f.queues = awssns.NewFromConfig(c), awssqs.NewFromConfig(c)
	var topic, queue map[string]string
	if strings.HasSuffix(name, ".fifo") {
		topic, queue = map[string]string{"FifoTopic": "true"}, map[string]string{"FifoQueue": "true"}
	}
	made, err := f.topics.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: &name, Attributes: topic})
	if err != nil {
		t.Fatal(err)
	}
	f.topic = *made.TopicArn
	filled, err := f.queues.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: queue})
	if err != nil {
		t.Fatal(err)
	}
	f.queue = *filled.QueueUrl
	_, err = f.topics.Subscribe(t.Context(), &awssns.SubscribeInput{
		TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Attributes: attributes,
		Endpoint: aws.String(fmt.Sprintf("arn:aws:sqs:%s:000000000000:%s", region, name)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// raw hands messages to the queue as they are, attributes beside them.
func raw() map[string]string { return map[string]string{"RawMessageDelivery": "true"} }

// messages takes messages from the queue until n have come, and gives all that came so far.
func (f *farEnd) messages(ctx context.Context, n int) ([]types.Message, error) {
	for len(f.arrived) < n {
		if err := f.take(ctx); err != nil {
			return f.arrived, err
		}
	}
	return f.arrived, f.take(ctx) // what came beyond n is there as well
}

func (f *farEnd) take(ctx context.Context) error {
	got, err := f.queues.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
		QueueUrl: &f.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 0, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		return err
	}
	for _, m := range got.Messages {
		f.arrived = append(f.arrived, m)
		_, err := f.queues.DeleteMessage(ctx, &awssqs.DeleteMessageInput{QueueUrl: &f.queue, ReceiptHandle: m.ReceiptHandle})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *farEnd) close() { f.transport.CloseIdleConnections() }

// answering stands for an SNS that answers every publish alike, and tells what it was asked.
func answering(t *testing.T, status int, header http.Header, body string) (url string, asked <-chan *http.Request) {
	t.Helper()
	requests := make(chan *http.Request, 16)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Errorf("read the request: %v", err)
		}
		requests <- r
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

// taken is the answer of a publish, as the API's reference has it.
const taken = `<PublishResponse xmlns="https://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>567910cd-659e-55d4-8ccb-5aaf14679dc0</MessageId></PublishResult><ResponseMetadata><RequestId>d74b8436-ae13-5ab4-a9ff-ce54dfea72a0</RequestId></ResponseMetadata></PublishResponse>`

// refused is an error's answer, as the API's reference has it.
func refused(code, message string) string {
	return `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>` + code +
		`</Code><Message>` + message + `</Message></Error><RequestId>9dd01905-5012-5f99-8663-4b3ecd0dfaef</RequestId></ErrorResponse>`
}
