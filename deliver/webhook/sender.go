package webhook

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"carillon"
	"carillon/deliver"
	"carillon/egress"
)

// Config is how webhooks are sent. The zero value is safe to use.
type Config struct {
	// AllowPrivate lets webhooks go to addresses that are not public: for development and tests only.
	AllowPrivate bool
	// Allow lists addresses that webhooks may go to although they are not public, in forms like 10.1.0.0/16. Names
	// that are private by themselves (localhost, *.internal) stay refused.
	Allow []netip.Prefix
	// Timeout bounds a request from dialling to the head of the answer. Default 15 s.
	Timeout time.Duration
	// UserAgent is sent with every request. Default "Carillon".
	UserAgent string
	// MaxResponseBytes is how much of a failing answer is kept. Default 1024.
	MaxResponseBytes int
	// Schemes are vendors' own ways to sign, by the dialect of a subscription. The others' webhooks are signed as
	// Standard Webhooks.
	Schemes map[string]Scheme
	// Resolver looks names up; nil is the system's.
	Resolver *net.Resolver
	// TLS is nil for the system's roots. It is there for private certificate authorities.
	TLS *tls.Config
	// Now is the clock of timestamps and of expiring secrets. Default time.Now.
	Now func() time.Time
	// Logger hears of refused addresses, which an operator wants to know of. Default: nobody does.
	Logger *slog.Logger
}

// Sender opens sinks for webhook subscriptions. All of them share its connections.
type Sender struct {
	config    Config
	transport *http.Transport
	gate      *egress.Gate
}

// The bounds of answers and of connections kept.
const (
	defaultTimeout       = 15 * time.Second
	defaultResponseBytes = 1 << 10
	idleConns            = 4096
	idleConnsPerHost     = 256
)

// New makes a Sender.
func New(c Config) *Sender {
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.UserAgent == "" {
		c.UserAgent = "Carillon"
	}
	if c.MaxResponseBytes <= 0 {
		c.MaxResponseBytes = defaultResponseBytes
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	gate := egress.New(egress.Config{AllowPrivate: c.AllowPrivate, Allow: c.Allow, Resolver: c.Resolver, Logger: c.Logger})
	s := &Sender{config: c, gate: gate, transport: gate.Transport()}
	s.transport.TLSClientConfig = c.TLS
	s.transport.MaxIdleConns, s.transport.MaxIdleConnsPerHost = idleConns, idleConnsPerHost
	return s
}

// Close closes idle connections. The sinks stay usable.
func (s *Sender) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// Open makes the sink of a webhook subscription; it is a deliver.OpenSink. It reads the subscription's Sink, Dialect,
// Secrets and SecretExpiresAt. It fails with carillon.CodeInvalid naming /sink/url, /sink/contentType or members of /sink/auth.
func (s *Sender) Open(sub *carillon.Subscription) (deliver.Sink, error) {
	target, err := s.parseURL(sub.Sink.URL)
	if err != nil {
		return nil, err
	}
	if err := checkContentType(sub.Sink.ContentType); err != nil {
		return nil, err
	}
	auth, err := parseAuth(sub.Sink.Auth)
	if err != nil {
		return nil, err
	}
	signer, newest, err := s.signers(sub)
	if err != nil {
		return nil, err
	}
	e := &endpoint{
		sender:  s,
		request: http.Request{Method: http.MethodPost, URL: target, Host: target.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1},
		auth:    auth,
		signer:  signer,
		newest:  newest,
		expires: sub.SecretExpiresAt,
		agent:   []string{s.config.UserAgent},
		form:    sub.Sink.ContentType == formContentType,
	}
	return e, nil
}

// parseURL reads the URL of an endpoint. Plain http is allowed because the signature, not the channel, proves who sent a
// message; what it says can be read on the way, so docs/webhooks.md advises https.
func (s *Sender) parseURL(text string) (*url.URL, error) {
	return s.gate.ParseURL(text, "/sink/url", "https", "http")
}

func checkContentType(s string) error {
	switch s {
	case "", "application/json", formContentType:
		return nil
	default:
		return carillon.Invalid("/sink/contentType", "must be application/json or "+formContentType)
	}
}
