package nats

import (
	"strings"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/broker"
)

// Config is how messages are published. The zero value is safe to use.
type Config = broker.Access

// Sender opens sinks for NATS subscriptions.
type Sender struct{ config Config }

const (
	defaultPort   = "4222"
	subjectMember = "/sink/subject"
	maxSubject    = 255
)

// New makes a Sender.
func New(c Config) *Sender { return &Sender{config: c.WithDefaults()} }

// Open makes the sink of a subscription; it is a deliver.OpenSink. It reads the subscription's ID, Org, Sink.URL (nats:// or
// tls://, with user:password@ or token@ if need be) and Sink.Subject, and does not connect. It fails with
// carillon.CodeInvalid naming /sink/url or /sink/subject.
func (s *Sender) Open(sub *carillon.Subscription) (deliver.Sink, error) {
	server, err := broker.ParseServer(s.config.Gate, sub.Sink.URL, "nats", "tls")
	if err != nil {
		return nil, err
	}
	if server.URL.Path != "" && server.URL.Path != "/" {
		return nil, carillon.Invalid("/sink/url", "must not have a path")
	}
	if server.URL.Port() == "" {
		server.URL.Host += ":" + defaultPort
	}
	subject, err := parseSubject(sub)
	if err != nil {
		return nil, err
	}
	d := &dialer{config: s.config, server: server, subject: subject, subscription: sub.ID}
	return broker.NewSink(broker.Config{
		Dial: d.dial, Timeout: s.config.Timeout, IdleTimeout: s.config.IdleTimeout, Hide: server.Secrets(),
	}), nil
}

// parseSubject reads a subject to publish to: words between full stops, without wildcards. Subjects that begin with $ are
// the server's own API.
func parseSubject(sub *carillon.Subscription) (*broker.Address, error) {
	text := sub.Sink.Subject
	switch {
	case text == "":
		return nil, carillon.Invalid(subjectMember, "is required")
	case len(text) > maxSubject:
		return nil, carillon.Invalid(subjectMember, "is longer than 255 bytes")
	case strings.HasPrefix(text, "$"):
		return nil, carillon.Invalid(subjectMember, "must not begin with $: such subjects are the server's own")
	case strings.ContainsAny(text, "*>"):
		return nil, carillon.Invalid(subjectMember, "must not have wildcards")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return nil, carillon.Invalid(subjectMember, "must not contain spaces or control characters")
	case strings.HasPrefix(text, "."), strings.HasSuffix(text, "."), strings.Contains(text, ".."):
		return nil, carillon.Invalid(subjectMember, "must not have empty words")
	}
	return broker.ParseAddress(text, subjectMember, sub.Org)
}
