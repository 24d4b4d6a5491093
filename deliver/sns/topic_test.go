package sns_test

import (
	"strings"
	"testing"

	"carillon"
	"carillon/deliver/delivertest"
	"carillon/deliver/sns"
)

func openSink(s carillon.Sink) error {
	_, err := sns.New(config()).Open(&carillon.Subscription{ID: "sub_1", Sink: s})
	return err
}

func TestTopicsThatAreTaken(t *testing.T) {
	for _, text := range []string{
		arn,
		"arn:aws:sns:us-east-1:123456789012:a_B-9",
		"arn:aws:sns:us-east-1:123456789012:orders.fifo",
		"arn:aws-cn:sns:cn-north-1:123456789012:x",
		"arn:aws-us-gov:sns:us-gov-west-1:123456789012:x",
		"arn:aws-iso-b:sns:us-isob-east-1:123456789012:x",
		"arn:aws:sns:us-east-1:123456789012:" + strings.Repeat("x", 256),
	} {
		if err := openSink(carillon.Sink{TopicARN: text}); err != nil {
			t.Errorf("%s is refused: %v", text, err)
		}
	}
	if err := openSink(carillon.Sink{TopicARN: arn, Region: region, Endpoint: "https://sns.example/path"}); err != nil {
		t.Error(err)
	}
}

func TestTopicsThatAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		"":                                                               "is required",
		"tickets":                                                        "is not the ARN",
		"arn:aws:sqs:us-east-1:123456789012:x":                           "is not the ARN",
		"arn:aws:sns:us-east-1:12345678901:x":                            "is not the ARN",
		"arn:aws:sns:us-east-1:123456789012:":                            "is not the ARN",
		"arn:aws:sns::123456789012:x":                                    "is not the ARN",
		"arn:aws:sns:us-east-1:123456789012:a.b":                         "is not the ARN",
		"arn:aws:sns:us-east-1:123456789012:.fifo":                       "is not the ARN",
		"arn:aws:sns:us-east-1:123456789012:x:01234567":                  "is not the ARN",
		"arn:aws:sns:us-east-1.example.com/:123456789012:x":              "is not the ARN",
		"arn:aws:sns:us-east-1:123456789012:x\n":                         "is not the ARN",
		"ARN:aws:sns:us-east-1:123456789012:x":                           "is not the ARN",
		"arn:aws:sns:us-east-1:123456789012:" + strings.Repeat("x", 257): "is not the ARN",
		"arn:aws:sns:us-east-1:123456789012:" + strings.Repeat("x", 252) + ".fifo": "is not the ARN",
	} {
		if reason := delivertest.WantFault(t, openSink(carillon.Sink{TopicARN: text}), "/sink/topicArn"); !strings.Contains(reason, says) {
			t.Errorf("%s: the reason is %q", text, reason)
		}
	}
}

func TestTheRegionIsTheTopics(t *testing.T) {
	reason := delivertest.WantFault(t, openSink(carillon.Sink{TopicARN: arn, Region: "us-east-1"}), "/sink/region")
	if reason != "is not the region of the topic, eu-central-1" {
		t.Errorf("the reason is %q", reason)
	}
}

func TestEndpointsThatAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		"sns.example":           "must begin with https:// or http://",
		"ftp://sns.example":     "must begin with https:// or http://",
		"https://a:b@x.example": "user name or password",
		"https://x.example?a=b": "must not have a query",
		"https://x.example?":    "must not have a query",
	} {
		reason := delivertest.WantFault(t, openSink(carillon.Sink{TopicARN: arn, Endpoint: text}), "/sink/endpoint")
		if !strings.Contains(reason, says) {
			t.Errorf("%s: the reason is %q", text, reason)
		}
	}
}

func FuzzTopic(f *testing.F) {
	for _, seed := range []string{arn, arn + ".fifo", "arn:aws-us-gov:sns:us-gov-west-1:123456789012:x", "arn::::::"} {
		f.Add(seed)
	}
	sender := sns.New(config())
	f.Fuzz(func(t *testing.T, text string) {
		_, err := sender.Open(&carillon.Subscription{Sink: carillon.Sink{TopicARN: text}})
		if err != nil {
			delivertest.WantFault(t, err, "/sink/topicArn")
			return
		}
		// The region becomes part of a host name.
		parts := strings.Split(text, ":")
		if len(parts) != 6 || strings.Trim(parts[3], "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%q is taken", text)
		}
	})
}
