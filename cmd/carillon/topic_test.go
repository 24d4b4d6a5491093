package main_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"carillon"
	"carillon/client"
	"carillon/internal/testenv"
)

// topics is an AWS that has topics and queues, for servers and for the test.
type topics struct {
	sns *awssns.Client
	sqs *awssqs.Client
}

// newTopics starts one, and points the environment of the test's servers at it.
func newTopics(t *testing.T) *topics {
	t.Helper()
	url := testenv.SNS(t)
	t.Setenv("AWS_ENDPOINT_URL_SNS", url)
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	nowhere := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_CONFIG_FILE", nowhere)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
	c := aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, HTTPClient: browser, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
	return &topics{sns: awssns.NewFromConfig(c), sqs: awssqs.NewFromConfig(c)}
}

// add makes a topic and a queue that gets all it is told; FIFO ones if the name ends so.
func (a *topics) add(t *testing.T, name string) (arn, queue string) {
	t.Helper()
	var topicAttributes, queueAttributes map[string]string
	if strings.HasSuffix(name, ".fifo") {
		topicAttributes, queueAttributes = map[string]string{"FifoTopic": "true"}, map[string]string{"FifoQueue": "true"}
	}
	topic, err := a.sns.CreateTopic(t.Context(), &awssns.CreateTopicInput{Name: &name, Attributes: topicAttributes})
	if err != nil {
		t.Fatal(err)
	}
	made, err := a.sqs.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: queueAttributes})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.sns.Subscribe(t.Context(), &awssns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:us-east-1:000000000000:" + name),
		Attributes: map[string]string{"RawMessageDelivery": "true"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *topic.TopicArn, *made.QueueUrl
}

// take takes the next n messages from a queue.
func (a *topics) take(t *testing.T, queue string, n int) []types.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var list []types.Message
	for len(list) < n {
		got, err := a.sqs.ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
			QueueUrl: &queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, MessageAttributeNames: []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		})
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(list), n, err)
		}
		for _, m := range got.Messages {
			list = append(list, m)
			if _, err := a.sqs.DeleteMessage(ctx, &awssqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return list
}

// devAPI is the API of a server, as its key dev sees it.
func devAPI(t *testing.T, url string) *client.Client {
	t.Helper()
	api, err := client.New(url, "dev")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.HTTP.CloseIdleConnections)
	return api
}

func rename(t *testing.T, api *client.Client, id, name string) {
	t.Helper()
	if _, err := api.Records(carillon.KindAccount).Put(t.Context(), id, map[string]any{"name": name}); err != nil {
		t.Fatal(err)
	}
}

// ticketSubscriptions are the subscriptions that the server made.
func ticketSubscriptions(t *testing.T, api *client.Client) []client.Subscription {
	t.Helper()
	var list []client.Subscription
	for s, err := range api.Subscriptions(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if s.Name == "sns-ticket-topic" {
			list = append(list, *s)
		}
	}
	return list
}

func stopServer(t *testing.T, server *exec.Cmd) {
	t.Helper()
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(server); err != nil {
		t.Fatalf("the server ended badly: %v", err)
	}
}

func TestTheTicketTopicGetsWhatHappens(t *testing.T) {
	topics := newTopics(t)
	arn, queue := topics.add(t, "tickets.fifo")
	t.Setenv("AWS_SNS_TICKET_TOPIC_ARN", arn)
	data := t.TempDir()
	server, url := startServer(t, "--data", data)
	api := devAPI(t, url)
	rename(t, api, "acc_1", "one")
	rename(t, api, "acc_1", "two")

	got := topics.take(t, queue, 2)
	for i, want := range []string{"account:created", "account:updated"} {
		var envelope struct{ EventID, EventType, OrgID string }
		if err := json.Unmarshal([]byte(*got[i].Body), &envelope); err != nil {
			t.Fatal(err)
		}
		if envelope.EventType != want || envelope.OrgID != "dev" {
			t.Errorf("message %d is %s", i+1, *got[i].Body)
		}
		if got[i].Attributes["MessageGroupId"] != "acc_1" || got[i].Attributes["MessageDeduplicationId"] != envelope.EventID {
			t.Errorf("message %d has the attributes %v", i+1, got[i].Attributes)
		}
		attributes := map[string]string{}
		for name, value := range got[i].MessageAttributes {
			attributes[name] = *value.StringValue
		}
		timestamp := attributes["event_timestamp"]
		if _, err := time.Parse(time.RFC3339, timestamp); err != nil {
			t.Errorf("event_timestamp is %q", timestamp)
		}
		delete(attributes, "event_timestamp")
		known := map[string]string{
			"event_name": want, "event_id": envelope.EventID, "context_organization_id": "dev", "context_user_id": "dev",
			"context_user_type": "ORG_ADMIN",
		}
		if diff := cmp.Diff(known, attributes); diff != "" {
			t.Errorf("attributes of message %d (-want +got):\n%s", i+1, diff)
		}
	}

	// Started again, it is the same subscription, and goes on where it was.
	before := ticketSubscriptions(t, api)
	stopServer(t, server)
	server, url = startServer(t, "--data", data)
	api = devAPI(t, url)
	after := ticketSubscriptions(t, api)
	if len(before) != 1 || len(after) != 1 || after[0].ID != before[0].ID || !after[0].UpdatedAt.Equal(before[0].UpdatedAt) {
		t.Errorf("started again there is %+v, before %+v", after, before)
	}
	stopServer(t, server)

	// Another topic: the subscription moves there, and nothing is told twice or left out.
	second, secondQueue := topics.add(t, "tickets2.fifo")
	t.Setenv("AWS_SNS_TICKET_TOPIC_ARN", second)
	_, url = startServer(t, "--data", data)
	api = devAPI(t, url)
	rename(t, api, "acc_1", "three")
	if body := *topics.take(t, secondQueue, 1)[0].Body; !strings.Contains(body, `"three"`) {
		t.Errorf("the first message on the second topic is %s", body)
	}
	moved := ticketSubscriptions(t, api)
	if len(moved) != 1 || moved[0].ID != before[0].ID || moved[0].Sink.TopicARN != second {
		t.Errorf("with another topic there is %+v", moved)
	}
}

func TestTheTicketTopicLeavesOthersSubscriptionsAlone(t *testing.T) {
	topics := newTopics(t)
	arn, queue := topics.add(t, "tickets")
	data := t.TempDir()
	server, url := startServer(t, "--data", data)
	namesake := client.Subscription{
		Name: "sns-ticket-topic", Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: "http://127.0.0.1:1/"},
	}
	if _, err := devAPI(t, url).CreateSubscription(t.Context(), namesake); err != nil {
		t.Fatal(err)
	}
	stopServer(t, server)
	t.Setenv("AWS_SNS_TICKET_TOPIC_ARN", arn)
	_, url = startServer(t, "--data", data)
	api := devAPI(t, url)
	rename(t, api, "acc_1", "one")
	topics.take(t, queue, 1)
	kinds := map[carillon.SinkType]int{}
	for _, s := range ticketSubscriptions(t, api) {
		kinds[s.Sink.Type]++
	}
	if diff := cmp.Diff(map[carillon.SinkType]int{carillon.SinkWebhook: 1, carillon.SinkSNS: 1}, kinds); diff != "" {
		t.Errorf("sinks of the subscriptions with that name (-want +got):\n%s", diff)
	}
}

func TestTheTicketTopicIsOfTheDefaultOrg(t *testing.T) {
	topics := newTopics(t)
	arn, _ := topics.add(t, "tickets")
	t.Setenv("AWS_SNS_TICKET_TOPIC_ARN", arn)
	program, err := exec.LookPath("carillon")
	if err != nil {
		t.Fatal(err)
	}
	for org, flags := range map[string][]string{"default": {"--dev=false"}, "acme": {"--default-org", "acme"}} {
		t.Run(org, func(t *testing.T) {
			data := t.TempDir()
			_, url := startServer(t, append(flags, "--data", data)...)
			key, err := exec.Command(program, "key", "create", "--data", data, "--org", org, "--name", "test", "--right", "admin").Output()
			if err != nil {
				t.Fatal(err)
			}
			api, err := client.New(url, strings.TrimSpace(string(key)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(api.HTTP.CloseIdleConnections)
			if list := ticketSubscriptions(t, api); len(list) != 1 || list[0].Sink.TopicARN != arn {
				t.Errorf("the org has %+v", list)
			}
		})
	}
}

func TestATicketTopicThatIsNoneIsWrongUsage(t *testing.T) {
	t.Setenv("AWS_SNS_TICKET_TOPIC_ARN", "tickets")
	program, err := exec.LookPath("carillon")
	if err != nil {
		t.Fatal(err)
	}
	for says, flags := range map[string][]string{
		"carillon: AWS_SNS_TICKET_TOPIC_ARN is not the ARN of a topic": nil,
		"carillon: --default-org is not an id":                         {"--default-org", "a/b"},
	} {
		server := exec.Command(program, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, flags...)...)
		server.Env = os.Environ()
		out, err := server.CombinedOutput()
		if server.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), says) {
			t.Errorf("ended with %v, saying %q", err, out)
		}
	}
}

func TestSubscriptionsToTopicsAreMadeThroughTheAPI(t *testing.T) {
	topics := newTopics(t)
	arn, queue := topics.add(t, "crm")
	_, url := startServer(t)
	api := devAPI(t, url)
	s, err := api.CreateSubscription(t.Context(), client.Subscription{
		Name: "crm", Events: []string{"account:created"},
		Sink: carillon.Sink{Type: carillon.SinkSNS, TopicARN: arn, Region: "us-east-1", Endpoint: os.Getenv("AWS_ENDPOINT_URL_SNS")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.Sink.TopicARN != arn || s.Sink.Region != "us-east-1" || s.Sink.Endpoint == "" {
		t.Errorf("the answer has the sink %+v", s.Sink)
	}
	attempt, err := api.TestSubscription(t.Context(), s.ID)
	if err != nil || attempt.Outcome != carillon.OutcomeDelivered || attempt.Status != 200 {
		t.Errorf("a test send gives %+v, %v", attempt, err)
	}
	rename(t, api, "acc_1", "one")
	for _, m := range topics.take(t, queue, 2) {
		if *m.MessageAttributes["event_name"].StringValue != "account:created" {
			t.Errorf("got %v", m.MessageAttributes)
		}
	}
	for member, sink := range map[string]carillon.Sink{
		"/sink/topicArn": {Type: carillon.SinkSNS},
		"/sink/region":   {Type: carillon.SinkSNS, TopicARN: arn, Region: "eu-west-1"},
		"/sink/endpoint": {Type: carillon.SinkSNS, TopicARN: arn, Endpoint: "ftp://x"},
	} {
		_, err := api.CreateSubscription(t.Context(), client.Subscription{Name: "bad", Sink: sink})
		if err == nil || !strings.Contains(err.Error(), member) {
			t.Errorf("%+v gives %v, want a fault at %s", sink, err, member)
		}
	}
}
