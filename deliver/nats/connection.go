package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"carillon"
	"carillon/deliver/broker"
)

// pingInterval is how often a silent server is asked for a sign of life; after two without an answer it is lost.
const pingInterval = 20 * time.Second

// dialer makes the connections of one subscription.
type dialer struct {
	config       Config
	server       broker.Server
	subject      *broker.Address
	subscription string
}

// connection is one connection to a NATS server. It does not mend itself: whoever needs another one dials.
type connection struct {
	*dialer
	conn   *natsgo.Conn
	stream jetstream.JetStream
	socket net.Conn
	lost   chan struct{}

	mu      sync.Mutex // guards waiting
	waiting map[*publish]struct{}
}

// publish is a message whose acknowledgement is waited for.
type publish struct {
	subject string
	refuse  context.CancelCauseFunc
}

func (d *dialer) dial(ctx context.Context) (broker.Connection, error) {
	c := &connection{dialer: d, lost: make(chan struct{}), waiting: map[*publish]struct{}{}}
	deadline, _ := ctx.Deadline()
	unwatch := func() bool { return true }
	var unreachable error
	options := []natsgo.Option{
		natsgo.Name("carillon " + d.subscription),
		natsgo.SetCustomDialer(dialFunc(func(network, address string) (net.Conn, error) {
			socket, err := d.config.Gate.Dialer(0).DialContext(ctx, network, address)
			if err != nil {
				unreachable = err // the library would say no more than that it found no server
				return nil, err
			}
			c.socket = socket
			unwatch = context.AfterFunc(ctx, c.Cut) // the handshake that follows knows no context
			return socket, nil
		})),
		natsgo.SkipHostLookup(), // the gate's dialer looks up, and checks what it finds
		natsgo.IgnoreDiscoveredServers(),
		natsgo.NoReconnect(),
		natsgo.Timeout(time.Until(deadline)),
		natsgo.PingInterval(pingInterval),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) { c.heard(err) }),
		natsgo.ClosedHandler(func(*natsgo.Conn) { close(c.lost) }),
	}
	if d.server.User != nil {
		if password, ok := d.server.User.Password(); ok {
			options = append(options, natsgo.UserInfo(d.server.User.Username(), password))
		} else {
			options = append(options, natsgo.Token(d.server.User.Username()))
		}
	}
	if d.server.URL.Scheme == "tls" {
		options = append(options, natsgo.Secure(d.config.Trust()))
	}
	var err error
	c.conn, err = natsgo.Connect(d.server.URL.String(), options...)
	unwatch()
	switch {
	case unreachable != nil:
		return nil, unreachable
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, connectFailure(err)
	}
	if c.stream, err = jetstream.New(c.conn); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// dialFunc is a natsgo.CustomDialer.
type dialFunc func(network, address string) (net.Conn, error)

func (f dialFunc) Dial(network, address string) (net.Conn, error) { return f(network, address) }

func connectFailure(err error) error {
	switch {
	case errors.Is(err, natsgo.ErrAuthorization), errors.Is(err, natsgo.ErrAuthExpired):
		return &broker.Failure{Text: "the server does not let us in", Hint: "check user and password or the token in the URL", Cause: err}
	case errors.Is(err, natsgo.ErrSecureConnWanted):
		return &broker.Failure{Text: "the server does not offer TLS", Hint: "use nats:// if that is meant", Cause: err}
	default:
		return err
	}
}

// Lost implements broker.Connection.
func (c *connection) Lost() <-chan struct{} { return c.lost }

// Close implements broker.Connection.
func (c *connection) Close() {
	c.conn.Close()
	<-c.lost
}

// Cut implements broker.Connection.
func (c *connection) Cut() { _ = c.socket.Close() } // it is given up either way

// Publish implements broker.Connection: it waits until the stream has stored the message.
func (c *connection) Publish(ctx context.Context, m *carillon.Message) error {
	headers, err := broker.Headers(m)
	if err != nil {
		return err
	}
	header := make(natsgo.Header, len(headers)+2)
	for _, h := range headers {
		header[h.Name] = []string{h.Value}
	}
	header[broker.HeaderContentType] = []string{m.ContentType}
	header[natsgo.MsgIdHdr] = []string{messageID(m, c.subscription)}
	subject := c.subject.For(m)
	ctx, done := c.await(ctx, subject)
	defer done()
	_, err = c.stream.PublishMsg(ctx, &natsgo.Msg{Subject: subject, Header: header, Data: m.Body}, jetstream.WithRetryAttempts(0))
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, natsgo.ErrPermissionViolation) {
		err = cause
	}
	if lost(err) {
		<-c.lost // else the next message could find this connection once more
	}
	return publishFailure(subject, len(m.Body), err)
}

// messageID is what a stream knows repeats by, whatever their subject; so subscriptions that share a stream and tell the
// same event must not share the id.
func messageID(m *carillon.Message, subscription string) string { return m.ID + "/" + subscription }

// await registers a message, so that its context ends should the server say that its subject is forbidden.
func (c *connection) await(ctx context.Context, subject string) (waiting context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &publish{subject: subject, refuse: cancel}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[p] = struct{}{}
	return ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, p)
		cancel(nil)
	}
}

// heard takes what the server says out of turn. It refuses a publish with the subject in quotes, and no other answer comes.
func (c *connection) heard(err error) {
	if !errors.Is(err, natsgo.ErrPermissionViolation) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.waiting {
		if strings.Contains(err.Error(), `"`+p.subject+`"`) {
			p.refuse(err)
		}
	}
}

func publishFailure(subject string, size int, err error) error {
	var answer *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return &broker.Failure{Text: "no stream takes subject " + subject, Hint: "add one with this subject, or enable JetStream", Cause: err}
	case errors.Is(err, jetstream.ErrInvalidJSAck):
		return &broker.Failure{
			Text: "who answered on subject " + subject + " is not JetStream", Hint: "publish to a subject that only a stream listens to", Cause: err,
		}
	case errors.Is(err, natsgo.ErrPermissionViolation):
		return &broker.Failure{Text: "the server forbids us to publish to subject " + subject, Cause: err}
	case errors.Is(err, natsgo.ErrMaxPayload):
		return &broker.Failure{Text: fmt.Sprintf("a message of %d bytes is more than the server takes (max_payload)", size), Never: true, Cause: err}
	case errors.As(err, &answer):
		tooLarge := answer.ErrorCode == jetstream.JSErrCodeStreamMessageExceedsMaximum
		return &broker.Failure{Text: "the stream answered: " + answer.Description, Never: tooLarge, Cause: err}
	case lost(err):
		return &broker.Failure{Text: "the connection was lost before the stream acknowledged", Cause: err}
	default:
		return err
	}
}

func lost(err error) bool { return errors.Is(err, natsgo.ErrConnectionClosed) }
