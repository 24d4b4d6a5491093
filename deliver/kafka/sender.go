package kafka

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/broker"
)

// Config is how records are produced. The zero value is safe to use.
type Config = broker.Access

// Sender opens sinks for Kafka subscriptions.
type Sender struct{ config Config }

const (
	defaultPort = "9092"
	maxBrokers  = 64
	maxTopic    = 249
)

// New makes a Sender.
func New(c Config) *Sender { return &Sender{config: c.WithDefaults()} }

// Open makes the sink of a subscription; it is a deliver.OpenSink. It reads the subscription's ID, Sink.Brokers (host or
// host:port), Sink.Topic, Sink.TLS and Sink.Auth (of type basic: SASL PLAIN), and does not connect. It fails with
// carillon.CodeInvalid naming /sink/brokers, /sink/topic or members of /sink/auth.
func (s *Sender) Open(sub *carillon.Subscription) (deliver.Sink, error) {
	brokers, err := s.parseBrokers(sub.Sink.Brokers)
	if err != nil {
		return nil, err
	}
	if err := checkTopic(sub.Sink.Topic); err != nil {
		return nil, err
	}
	login, hide, err := parseAuth(sub.Sink.Auth)
	if err != nil {
		return nil, err
	}
	d := &dialer{config: s.config, brokers: brokers, topic: sub.Sink.Topic, secured: sub.Sink.TLS, login: login, subscription: sub.ID}
	return broker.NewSink(broker.Config{
		Dial: d.dial, Timeout: s.config.Timeout, IdleTimeout: s.config.IdleTimeout, Hide: hide,
	}), nil
}

func (s *Sender) parseBrokers(list []string) ([]string, error) {
	if len(list) == 0 {
		return nil, carillon.Invalid("/sink/brokers", "is required")
	}
	if len(list) > maxBrokers {
		return nil, carillon.Invalid("/sink/brokers", fmt.Sprintf("must be at most %d", maxBrokers))
	}
	brokers := make([]string, len(list))
	for i, text := range list {
		member := "/sink/brokers/" + strconv.Itoa(i)
		host, port, err := net.SplitHostPort(text)
		if err != nil { // no port, unless it is nonsense, which CheckHost will find
			host, port = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), defaultPort
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, carillon.Invalid(member, "has a port that is not between 1 and 65535")
		}
		if host, err = s.config.Gate.CheckHost(host, member); err != nil {
			return nil, err
		}
		brokers[i] = net.JoinHostPort(host, port)
	}
	return brokers, nil
}

// checkTopic applies Kafka's own rule.
func checkTopic(topic string) error {
	legal := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-'
	}
	switch {
	case topic == "":
		return carillon.Invalid("/sink/topic", "is required")
	case len(topic) > maxTopic, topic == ".", topic == "..", strings.ContainsFunc(topic, func(r rune) bool { return !legal(r) }):
		return carillon.Invalid("/sink/topic", fmt.Sprintf("must be the name of a topic: letters, digits, full stops, _ and -, at most %d", maxTopic))
	}
	return nil
}

// parseAuth reads SASL credentials; hide is what must not be shown. It fails with carillon.CodeInvalid naming members below
// /sink/auth, without their values.
func parseAuth(a *carillon.Auth) (login sasl.Mechanism, hide []string, err error) {
	if a == nil {
		return nil, nil, nil
	}
	usable := func(s string) bool { return s != "" && !strings.Contains(s, "\x00") } // RFC 4616 puts zeros between them
	switch {
	case a.Type != "basic":
		return nil, nil, carillon.Invalid("/sink/auth/type", "must be basic")
	case !usable(a.Username):
		return nil, nil, carillon.Invalid("/sink/auth/username", "is required, without zero bytes")
	case !usable(a.Password):
		return nil, nil, carillon.Invalid("/sink/auth/password", "is required, without zero bytes")
	}
	return plain.Auth{User: a.Username, Pass: a.Password}.AsMechanism(), []string{a.Password}, nil
}
