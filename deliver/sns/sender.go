package sns

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"

	"carillon"
	"carillon/deliver"
	"carillon/egress"
)

// Config is how messages are published. The zero value is safe to use.
type Config struct {
	// AWS gives what the operator says of AWS: credentials, and where SNS is if not at AWS (AWS_ENDPOINT_URL_SNS). It is
	// asked once, when the first sink is opened. Default: the environment and the shared files, as AWS's own tools read them.
	AWS func() (aws.Config, error)
	// Gate says where connections to endpoints that subscriptions name may go. Default: public addresses only.
	Gate *egress.Gate
	// Timeout bounds a send from dialling, or finding credentials, to the answer. Default 15 s.
	Timeout time.Duration
}

// Sender opens sinks for SNS subscriptions. All of them share its connections.
type Sender struct {
	config   Config
	operator func() (operator, error)
	outside  *http.Transport // to endpoints that subscriptions name

	mu    sync.Mutex      // guards trust
	trust *http.Transport // to AWS and to the operator's endpoint; nil until a sink wants it
}

// operator is what the operator says of AWS.
type operator struct {
	aws       aws.Config
	transport *http.Transport
}

const (
	defaultTimeout   = 15 * time.Second
	idleConns        = 1024
	idleConnsPerHost = 256
	// maxAnswer bounds an answer in bytes; those of SNS have a few hundred.
	maxAnswer = 64 << 10
)

// New makes a Sender.
func New(c Config) *Sender {
	if c.AWS == nil {
		// It reads variables and files, and connects to nobody: there is nothing to interrupt.
		c.AWS = func() (aws.Config, error) { return awsconfig.LoadDefaultConfig(context.Background()) }
	}
	if c.Gate == nil {
		c.Gate = egress.New(egress.Config{})
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	s := &Sender{config: c, outside: keepMany(c.Gate.Transport())}
	s.operator = sync.OnceValues(s.askOperator)
	return s
}

// askOperator reads the operator's configuration. Connections to AWS go as it says, through a proxy if it names one:
// where they lead is not for subscriptions to choose.
func (s *Sender) askOperator() (operator, error) {
	config, err := s.config.AWS()
	if err != nil {
		return operator{}, &carillon.Error{
			Code: carillon.CodeUnavailable, Message: "the server's AWS configuration cannot be read", Err: err,
			Hint: "mend the server's AWS_ variables or its shared AWS files, and restart it",
		}
	}
	transport := egress.New(egress.Config{AllowPrivate: true}).Transport()
	if client, ok := config.HTTPClient.(*awshttp.BuildableClient); ok {
		transport = client.GetTransport()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trust = keepMany(transport)
	return operator{aws: config, transport: s.trust}, nil
}

// keepMany keeps as many idle connections as subscriptions may want at a time.
func keepMany(t *http.Transport) *http.Transport {
	t.MaxIdleConns, t.MaxIdleConnsPerHost = idleConns, idleConnsPerHost
	return t
}

// Close closes idle connections. The sinks stay usable.
func (s *Sender) Close() error {
	s.outside.CloseIdleConnections()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trust != nil {
		s.trust.CloseIdleConnections()
	}
	return nil
}

// Open makes the sink of a subscription; it is a deliver.OpenSink. It reads the subscription's Sink.TopicARN, Region and
// Endpoint, and does not connect. It fails with carillon.CodeInvalid naming /sink/topicArn, /sink/region or
// /sink/endpoint, and with carillon.CodeUnavailable if the operator's AWS configuration cannot be read.
func (s *Sender) Open(sub *carillon.Subscription) (deliver.Sink, error) {
	place, err := parseTopic(sub.Sink.TopicARN, sub.Sink.Region)
	if err != nil {
		return nil, err
	}
	endpoint, err := s.parseEndpoint(sub.Sink.Endpoint)
	if err != nil {
		return nil, err
	}
	operator, err := s.operator()
	if err != nil {
		return nil, err
	}
	client := awssns.NewFromConfig(operator.aws, func(o *awssns.Options) {
		o.Region = place.region
		o.Retryer = aws.NopRetryer{} // the subscription's schedule decides
		transport := operator.transport
		o.Credentials = keys{operator.aws.Credentials}
		if endpoint != nil {
			o.BaseEndpoint = aws.String(endpoint.String())
			transport = s.outside
			if !isAWS(endpoint, place.region) {
				o.Credentials = strangersKeys
			}
		}
		o.HTTPClient = &http.Client{Transport: bounded{transport}, CheckRedirect: stay}
	})
	return &sink{topic: place, client: client, timeout: s.config.Timeout}, nil
}

// strangersKeys sign for endpoints that subscriptions name and that are not AWS's. Stand-ins for SNS take any; the
// server's own keys and session tokens are not theirs to see.
var strangersKeys = credentials.NewStaticCredentialsProvider("carillon", "carillon", "")

// keys are the operator's credentials, whose errors can be told from others.
type keys struct{ aws.CredentialsProvider }

// noKeys is why there are no credentials.
type noKeys struct{ cause error }

func (e *noKeys) Error() string { return "find AWS credentials: " + e.cause.Error() }
func (e *noKeys) Unwrap() error { return e.cause }

// Retrieve implements aws.CredentialsProvider.
func (k keys) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if k.CredentialsProvider == nil {
		return aws.Credentials{}, &noKeys{errNoProvider}
	}
	found, err := k.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return found, &noKeys{err}
	}
	return found, nil
}

// bounded is a transport whose answers end after maxAnswer bytes.
type bounded struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

// stay follows no redirects: what is signed is for one host.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
