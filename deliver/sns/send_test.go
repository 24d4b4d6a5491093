package sns_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/delivertest"
	"carillon/deliver/sns"
	"carillon/internal/testenv"
)

// A server of SNS and SQS that others wrote tells what really arrives.
func TestWhatArrives(t *testing.T) {
	server := testenv.SNS(t)
	for _, c := range []struct {
		name, topic  string
		subscription map[string]string
		test         func(*testing.T, *farEnd)
	}{
		{"messages reach a queue with their attributes", "attributes", raw(), arrivesWithAttributes},
		{"no more than ten attributes are sent", "ten", raw(), sendsTenAttributes},
		{"a filter policy chooses by attribute", "filtered", map[string]string{"FilterPolicy": `{"event_name": [{"prefix": "account:"}]}`}, isFiltered},
		{"a FIFO topic groups by lane and drops repeats", "grouped.fifo", raw(), groupsByLane},
		{"messages that SNS cannot carry are never sent", "large", raw(), refusesTooLarge},
		{"a missing topic is named, and tried again", "there", raw(), namesMissingTopic},
	} {
		t.Run(c.name, func(t *testing.T) {
			far := newFarEnd(t, server, c.topic, c.subscription)
			defer far.close()
			c.test(t, far)
		})
	}
}

func arrivesWithAttributes(t *testing.T, far *farEnd) {
	sink := open(t, config(), carillon.Sink{TopicARN: far.topic, Region: region, Endpoint: far.url})
	m := delivertest.Message("acc_1", 1)
	m.Attributes = []carillon.Attribute{
		{Name: "event_name", Value: "account:updated"},
		{Name: "context_organization_id", Value: "Zoë & <Söhne>"},
		{Name: "context_user_id", Value: ""}, // SNS takes none without a value
		{Name: "header:ce-id", Value: "for webhooks only"},
		{Name: "AWS.mine", Value: "a name that SNS keeps for itself"},
		{Name: "two..stops", Value: "a name that SNS does not take"},
		{Name: "control", Value: "a\x01b"},
		{Name: "broken", Value: "a\xffb"},
	}
	delivertest.MustTake(t, sink, m)
	got, err := far.messages(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || *got[0].Body != string(m.Body) {
		t.Fatalf("got %d messages, the first is %s", len(got), aws.ToString(got[0].Body))
	}
	attributes := map[string]string{}
	for name, value := range got[0].MessageAttributes {
		attributes[name] = *value.DataType + ": " + *value.StringValue
	}
	want := map[string]string{"event_name": "String: account:updated", "context_organization_id": "String: Zoë & <Söhne>"}
	if diff := cmp.Diff(want, attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

func sendsTenAttributes(t *testing.T, far *farEnd) {
	sink := open(t, config(), carillon.Sink{TopicARN: far.topic, Endpoint: far.url})
	m := delivertest.Message("acc_1", 1)
	m.Attributes = nil
	for i := range 12 {
		m.Attributes = append(m.Attributes, carillon.Attribute{Name: fmt.Sprintf("a%02d", i), Value: "x"})
	}
	delivertest.MustTake(t, sink, m)
	got, err := far.messages(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, ninth := got[0].MessageAttributes["a09"]; len(got[0].MessageAttributes) != 10 || !ninth {
		t.Errorf("got %d attributes, want the first ten", len(got[0].MessageAttributes))
	}
}

func isFiltered(t *testing.T, far *farEnd) {
	sink := open(t, config(), carillon.Sink{TopicARN: far.topic, Endpoint: far.url})
	for i, name := range []string{"customer-contact:created", "account:updated"} {
		m := delivertest.Message("acc_1", i)
		m.Attributes = []carillon.Attribute{{Name: "event_name", Value: name}}
		delivertest.MustTake(t, sink, m)
	}
	got, err := far.messages(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var envelope struct{ Message string }
	if err := json.Unmarshal([]byte(*got[0].Body), &envelope); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || envelope.Message != string(delivertest.Message("acc_1", 1).Body) {
		t.Errorf("%d messages came, the first is %s", len(got), *got[0].Body)
	}
}

func groupsByLane(t *testing.T, far *farEnd) {
	sink := open(t, config(), carillon.Sink{TopicARN: far.topic, Endpoint: far.url})
	for n := range 3 {
		for _, lane := range []string{"acc_1", "acc_2"} {
			delivertest.MustTake(t, sink, delivertest.Message(lane, n))
		}
	}
	delivertest.MustTake(t, sink, delivertest.Message("acc_1", 1)) // as after an answer that was lost
	got, err := far.messages(t.Context(), 6)
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string][]string{}
	for _, m := range got {
		group := m.Attributes["MessageGroupId"]
		groups[group] = append(groups[group], m.Attributes["MessageDeduplicationId"])
	}
	want := map[string][]string{}
	for _, lane := range []string{"acc_1", "acc_2"} {
		for n := range 3 {
			want[lane] = append(want[lane], delivertest.Message(lane, n).ID)
		}
	}
	if diff := cmp.Diff(want, groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

func TestGroupsThatSNSDoesNotTakeAreHashed(t *testing.T) {
	url, asked := answering(t, http.StatusOK, nil, taken)
	sink := open(t, config(), carillon.Sink{TopicARN: arn + ".fifo", Endpoint: url})
	groupOf := func(lane string) string {
		t.Helper()
		m := delivertest.Message("acc_1", 1)
		m.Lane = lane
		delivertest.MustTake(t, sink, m)
		return (<-asked).Form.Get("MessageGroupId")
	}
	for _, lane := range []string{"acc_1", "custom:pet/7", "a!b~c", strings.Repeat("x", 128)} {
		if got := groupOf(lane); got != lane {
			t.Errorf("lane %q is group %q, want it unchanged", lane, got)
		}
	}
	seen := map[string]string{}
	for _, lane := range []string{"", "acc 1", "acc\t1", "kontö", strings.Repeat("x", 129), strings.Repeat("x", 130), groupOf("acc 1")} {
		got := groupOf(lane)
		if again := groupOf(lane); again != got {
			t.Errorf("lane %q is group %q and then %q", lane, got, again)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("lanes %q and %q share group %q", lane, other, got)
		}
		seen[got] = lane
		if got == "" || len(got) > 128 || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789:") != "" {
			t.Errorf("lane %q is group %q", lane, got)
		}
	}
}

func TestAStandardTopicGetsNoGroups(t *testing.T) {
	url, asked := answering(t, http.StatusOK, nil, taken)
	delivertest.MustTake(t, open(t, config(), carillon.Sink{TopicARN: arn, Endpoint: url}), delivertest.Message("acc_1", 1))
	form := (<-asked).Form
	if form.Has("MessageGroupId") || form.Has("MessageDeduplicationId") || form.Get("TopicArn") != arn {
		t.Errorf("asked %v", form)
	}
}

func refusesTooLarge(t *testing.T, far *farEnd) {
	sink := open(t, config(), carillon.Sink{TopicARN: far.topic, Endpoint: far.url})
	m := delivertest.Message("acc_1", 1)
	m.Attributes = []carillon.Attribute{{Name: "event_name", Value: "account:updated"}}
	room := 262_144 - len("event_name"+"String"+"account:updated")
	m.Body = []byte(strings.Repeat("ä", room/2) + strings.Repeat("x", room%2))
	delivertest.MustTake(t, sink, m)

	m.Body = append(m.Body, 'x')
	delivertest.WantFailure(t, delivertest.Send(t, sink, m), deliver.Never, m.ID, "has 262145 bytes", "at most 262144")
	for _, body := range []string{"", "a\xff"} {
		m.Body = []byte(body)
		delivertest.WantFailure(t, delivertest.Send(t, sink, m), deliver.Never, m.ID, "empty or not UTF-8")
	}
	got, err := far.messages(t.Context(), 1)
	if err != nil || len(got) != 1 {
		t.Errorf("%d messages came, %v; want the one that fits", len(got), err)
	}
}

func namesMissingTopic(t *testing.T, far *farEnd) {
	sink := open(t, config(), carillon.Sink{TopicARN: far.topic + "-2", Endpoint: far.url})
	result := delivertest.Send(t, sink, delivertest.Message("acc_1", 1))
	delivertest.WantFailure(t, result, deliver.TryAgain, "404 NotFound", far.topic+"-2 does not exist", "correct the subscription's topicArn")
	if result.Status != http.StatusNotFound || result.Response != "Topic does not exist" {
		t.Errorf("got %+v", result)
	}
}

func TestAnswersBecomeVerdicts(t *testing.T) {
	cases := []struct {
		status        int
		code, message string
		verdict       deliver.Verdict
		says          string
	}{
		{403, "AuthorizationError", "User is not authorized", deliver.TryAgain, "allow the server's role sns:Publish on " + arn},
		{403, "InvalidClientTokenId", "The token is not valid", deliver.TryAgain, "credentials are not valid here: renew them"},
		{403, "ExpiredToken", "The token has expired", deliver.TryAgain, "renew them"},
		{403, "RequestExpired", "Too old", deliver.TryAgain, "clock is wrong"},
		{400, "KMSDisabled", "Key is disabled", deliver.TryAgain, "the key that encrypts the topic cannot be used: Key is disabled"},
		{400, "Throttling", "Rate exceeded", deliver.TryAgain, "SNS answered 400 Throttling: Rate exceeded"},
		{429, "ThrottledException", "Rate exceeded", deliver.TryAgain, "SNS answered 429 ThrottledException: Rate exceeded"},
		{500, "InternalError", "We are sorry", deliver.TryAgain, "SNS answered 500 InternalError: We are sorry"},
		{503, "ServiceUnavailable", "", deliver.TryAgain, "SNS answered 503 ServiceUnavailable"},
		{400, "ValidationError", "", deliver.Never, "SNS answered 400 ValidationError"},
		{400, "InvalidParameter", "Invalid parameter: TopicArn", deliver.TryAgain, "Invalid parameter: TopicArn"},
		{400, "InvalidParameter", "Invalid parameter: Message too long", deliver.Never, "Invalid parameter: Message too long"},
		{400, "InvalidParameterValue", "The message attribute has an invalid type", deliver.Never, "invalid type"},
		{400, "SomethingNew", "Nobody has heard of it", deliver.TryAgain, "SNS answered 400 SomethingNew: Nobody has heard of it"},
	}
	for _, c := range cases {
		t.Run(c.code+" "+c.message, func(t *testing.T) {
			url, _ := answering(t, c.status, nil, refused(c.code, c.message))
			result := delivertest.Send(t, open(t, config(), carillon.Sink{TopicARN: arn, Endpoint: url}), delivertest.Message("acc_1", 1))
			delivertest.WantFailure(t, result, c.verdict, c.says)
			if strings.Contains(result.Err.Error(), "Unknown") || strings.HasSuffix(result.Err.Error(), ": ") {
				t.Errorf("the reason is %q", result.Err)
			}
			if result.Status != c.status || result.Response != c.message {
				t.Errorf("got %+v", result)
			}
		})
	}
}

func TestAnEndpointIsAskedOnceAndLeftAloneAsLongAsItSays(t *testing.T) {
	url, asked := answering(t, 503, http.Header{"Retry-After": {"120"}}, refused("Throttling", "Rate exceeded"))
	result := delivertest.Send(t, open(t, config(), carillon.Sink{TopicARN: arn, Endpoint: url}), delivertest.Message("acc_1", 1))
	delivertest.WantFailure(t, result, deliver.TryAgain)
	if result.RetryAfter != 2*time.Minute {
		t.Errorf("to be left alone for %s, want 2m", result.RetryAfter)
	}
	if len(asked) != 1 {
		t.Errorf("asked %d times, want once: retrying is not the client's business", len(asked))
	}
}

func TestWhatIsNotSNSIsTriedAgain(t *testing.T) {
	huge := "<PublishResponse>" + strings.Repeat("<a>", 1<<20)
	for name, c := range map[string]struct {
		status int
		header http.Header
		body   string
	}{
		"a page":         {200, http.Header{"Content-Type": {"text/html"}}, "<!doctype html><p>hello"},
		"nothing":        {200, nil, ""},
		"no end":         {200, nil, huge},
		"an error page":  {502, nil, "<html><body>Bad Gateway</body></html>"},
		"an empty error": {500, nil, ""},
		"a redirect":     {302, http.Header{"Location": {"http://169.254.169.254/"}}, ""},
		"no end of it":   {500, nil, huge},
	} {
		t.Run(name, func(t *testing.T) {
			url, asked := answering(t, c.status, c.header, c.body)
			result := delivertest.Send(t, open(t, config(), carillon.Sink{TopicARN: arn, Endpoint: url}), delivertest.Message("acc_1", 1))
			delivertest.WantFailure(t, result, deliver.TryAgain, fmt.Sprintf("the endpoint answered %d, and not as SNS does", c.status))
			if len(result.Err.Error()) > 300 || len(result.Response) > 1<<10 {
				t.Errorf("the reason has %d bytes, the response %d", len(result.Err.Error()), len(result.Response))
			}
			if len(asked) != 1 {
				t.Errorf("asked %d times, want once", len(asked))
			}
		})
	}
}

func TestASilentEndpointTimesOut(t *testing.T) {
	relay, err := delivertest.NewRelay(t.Context(), "127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	url, _ := answering(t, http.StatusOK, nil, taken)
	silent, err := delivertest.NewRelay(t.Context(), strings.TrimPrefix(url, "http://"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	release := silent.Hang()
	defer release()
	c := config()
	c.Timeout = 50 * time.Millisecond
	result := delivertest.Send(t, open(t, c, carillon.Sink{TopicARN: arn, Endpoint: "http://" + silent.Addr()}), delivertest.Message("acc_1", 1))
	delivertest.WantFailure(t, result, deliver.TryAgain, "timed out after 50ms")

	result = delivertest.Send(t, open(t, config(), carillon.Sink{TopicARN: arn, Endpoint: "http://" + relay.Addr()}), delivertest.Message("acc_1", 1))
	delivertest.WantFailure(t, result, deliver.TryAgain, "connection")
}

func TestEndpointsThatAreNotPublicAreRefused(t *testing.T) {
	sender := sns.New(sns.Config{})
	_, err := sender.Open(&carillon.Subscription{Sink: carillon.Sink{TopicARN: arn, Endpoint: "http://169.254.169.254/"}})
	if reason := delivertest.WantFault(t, err, "/sink/endpoint"); !strings.Contains(reason, "link-local") {
		t.Errorf("the reason is %q", reason)
	}
}
