package amqp

import (
	"fmt"
	"strings"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/broker"
)

// Config is how messages are published. The zero value is safe to use.
type Config = broker.Access

// Sender opens sinks for AMQP subscriptions.
type Sender struct{ config Config }

const (
	schemePlain = "amqp"
	schemeTLS   = "amqps"
	// maxShort bounds names, keys and properties: a length byte stands before them.
	maxShort = 255
)

// New makes a Sender.
func New(c Config) *Sender { return &Sender{config: c.WithDefaults()} }

// Open makes the sink of a subscription; it is a deliver.OpenSink. It reads the subscription's ID, Org, Sink.URL (amqp:// or
// amqps://, with user:password@ if need be, and the virtual host as path), Sink.Exchange (empty: the default exchange) and
// Sink.RoutingKey (for the default exchange the queue's name), and does not connect. It fails with carillon.CodeInvalid
// naming /sink/url, /sink/exchange or /sink/routingKey.
func (s *Sender) Open(sub *carillon.Subscription) (deliver.Sink, error) {
	server, err := broker.ParseServer(s.config.Gate, sub.Sink.URL, schemePlain, schemeTLS)
	if err != nil {
		return nil, err
	}
	if len(server.Secrets()) == 1 {
		return nil, carillon.Invalid("/sink/url", "has a user name without a password")
	}
	if server.URL.Port() == "" {
		port := ":5672"
		if server.URL.Scheme == schemeTLS {
			port = ":5671"
		}
		server.URL.Host += port
	}
	if err := checkName(sub.Sink.Exchange, "/sink/exchange"); err != nil {
		return nil, err
	}
	if err := checkName(sub.Sink.RoutingKey, "/sink/routingKey"); err != nil {
		return nil, err
	}
	if sub.Sink.Exchange == "" && sub.Sink.RoutingKey == "" {
		return nil, carillon.Invalid("/sink/routingKey", "is required: without an exchange it names the queue")
	}
	key, err := broker.ParseAddress(sub.Sink.RoutingKey, "/sink/routingKey", sub.Org)
	if err != nil {
		return nil, err
	}
	d := &dialer{config: s.config, server: server, exchange: sub.Sink.Exchange, key: key, subscription: sub.ID}
	return broker.NewSink(broker.Config{
		Dial: d.dial, Timeout: s.config.Timeout, IdleTimeout: s.config.IdleTimeout, Hide: server.Secrets(),
	}), nil
}

func checkName(name, member string) error {
	switch {
	case len(name) > maxShort:
		return carillon.Invalid(member, fmt.Sprintf("is longer than %d bytes", maxShort))
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return carillon.Invalid(member, "must not contain control characters")
	}
	return nil
}

// virtualHost is a URL's path without the slash before it; no path means the virtual host "/".
func virtualHost(path string) string {
	if path == "" || path == "/" {
		return "/"
	}
	return path[1:]
}
