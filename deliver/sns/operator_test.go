package sns_test

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/delivertest"
	"carillon/deliver/sns"
	"carillon/egress"
	"carillon/egress/egresstest"
)

func TestTheOperatorsCredentialsSignForTheOperatorsEndpoint(t *testing.T) {
	url, asked := answering(t, http.StatusOK, nil, taken)
	c := sns.Config{AWS: func() (aws.Config, error) { return environment(url), nil }} // the gate lets nobody to loopback
	delivertest.MustTake(t, open(t, c, carillon.Sink{TopicARN: arn}), delivertest.Message("acc_1", 1))
	r := <-asked
	if got := r.Header.Get("Authorization"); !strings.Contains(got, "Credential=OPERATOR/") || !strings.Contains(got, "/eu-central-1/sns/") {
		t.Errorf("signed %q, want the operator's key and the topic's region", got)
	}
	if r.Header.Get("X-Amz-Security-Token") != "token" {
		t.Error("the operator's session token is missing")
	}
}

func TestTheOperatorsCredentialsAreNotShownToOthers(t *testing.T) {
	url, asked := answering(t, http.StatusOK, nil, taken)
	delivertest.MustTake(t, open(t, config(), carillon.Sink{TopicARN: arn, Endpoint: url}), delivertest.Message("acc_1", 1))
	r := <-asked
	for name, values := range r.Header {
		if text := strings.Join(values, " "); strings.Contains(text, "OPERATOR") || strings.Contains(text, "token") {
			t.Errorf("%s is %q", name, text)
		}
	}
	if r.Header.Get("Authorization") == "" {
		t.Error("the request is not signed, which stand-ins for SNS want")
	}
}

func TestWhichEndpointsAreAWS(t *testing.T) {
	for text, want := range map[string]bool{
		"https://sns.eu-central-1.amazonaws.com":                                 true,
		"https://sns.eu-central-1.amazonaws.com:443/":                            true,
		"https://sns-fips.eu-central-1.amazonaws.com":                            true,
		"https://sns.eu-central-1.api.aws":                                       true,
		"https://sns.eu-central-1.amazonaws.com.cn":                              true,
		"https://vpce-0a1b2c-3d4e.sns.eu-central-1.vpce.amazonaws.com":           true,
		"http://sns.eu-central-1.amazonaws.com":                                  false,
		"https://sns.us-east-1.amazonaws.com":                                    false,
		"https://sns.eu-central-1.amazonaws.com.example.com":                     false,
		"https://bucket.s3.eu-central-1.amazonaws.com":                           false,
		"https://x.execute-api.eu-central-1.amazonaws.com":                       false,
		"https://sns.x.eu-central-1.amazonaws.com":                               false,
		"https://vpce-0a1b2c-3d4e.vpce-svc-0a1b.eu-central-1.vpce.amazonaws.com": false,
		"https://example.com/sns.eu-central-1.amazonaws.com":                     false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := sns.IsAWS(u, region); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
}

// unsetAWS leaves an environment without anything of AWS, and without a network to look for it.
func unsetAWS(t *testing.T) {
	t.Helper()
	nowhere := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "",
		"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_SNS": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
		"AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
}

func TestTheUsualVariablesAreRead(t *testing.T) {
	unsetAWS(t)
	url, asked := answering(t, http.StatusOK, nil, taken)
	t.Setenv("AWS_ENDPOINT_URL_SNS", url)
	t.Setenv("AWS_ACCESS_KEY_ID", "VARIABLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	delivertest.MustTake(t, open(t, sns.Config{}, carillon.Sink{TopicARN: arn}), delivertest.Message("acc_1", 1))
	if got := (<-asked).Header.Get("Authorization"); !strings.Contains(got, "Credential=VARIABLE/") {
		t.Errorf("signed %q", got)
	}
}

func TestMissingCredentialsAreNamed(t *testing.T) {
	unsetAWS(t)
	sink := open(t, sns.Config{}, carillon.Sink{TopicARN: arn})
	result := delivertest.Send(t, sink, delivertest.Message("acc_1", 1))
	delivertest.WantFailure(t, result, deliver.TryAgain, "the server has no AWS credentials: set AWS_ACCESS_KEY_ID")
	none := sns.Config{AWS: func() (aws.Config, error) { return aws.Config{}, nil }}
	result = delivertest.Send(t, open(t, none, carillon.Sink{TopicARN: arn}), delivertest.Message("acc_1", 1))
	delivertest.WantFailure(t, result, deliver.TryAgain, "the server has no AWS credentials")
}

func TestABrokenConfigurationIsTheServersFault(t *testing.T) {
	unsetAWS(t)
	t.Setenv("AWS_PROFILE", "nobody")
	_, err := sns.New(sns.Config{}).Open(&carillon.Subscription{Sink: carillon.Sink{TopicARN: arn}})
	var e *carillon.Error
	if !errors.As(err, &e) || e.Code != carillon.CodeUnavailable || e.Hint == "" {
		t.Errorf("got %v", err)
	}
}

func TestAnEndpointThatResolvesInwardsIsRefused(t *testing.T) {
	far, asked := answering(t, http.StatusOK, nil, taken)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(far, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	c := config()
	resolver := egresstest.Resolver(t, map[string][][]string{"inward.example.": {{"127.0.0.1"}}})
	c.Gate = egress.New(egress.Config{Resolver: resolver})
	sink := open(t, c, carillon.Sink{TopicARN: arn, Endpoint: "http://inward.example:" + port})
	delivertest.WantFailure(t, delivertest.Send(t, sink, delivertest.Message("acc_1", 1)), deliver.TryAgain, "address 127.0.0.1 is loopback: refused")
	if len(asked) != 0 {
		t.Error("a request reached the inside")
	}
	c.Gate = egress.New(egress.Config{Resolver: resolver, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	delivertest.MustTake(t, open(t, c, carillon.Sink{TopicARN: arn, Endpoint: "http://inward.example:" + port}), delivertest.Message("acc_1", 1))
}
