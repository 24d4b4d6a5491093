package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"

	"carillon"
	"carillon/deliver/broker"
)

const (
	heartbeat    = 10 * time.Second
	closeTimeout = 2 * time.Second
	maxFrame     = 128 << 10
)

// dialer makes the connections of one subscription.
type dialer struct {
	config       Config
	server       broker.Server
	exchange     string
	key          *broker.Address
	subscription string
}

// connection is one connection to a broker with one channel in confirm mode. It does not mend itself: whoever needs another
// one dials.
type connection struct {
	*dialer
	socket  net.Conn
	conn    *amqp091.Connection
	channel *amqp091.Channel
	writing chan struct{} // holds a token while somebody writes: a lock that a context can give up on
	heard   chan struct{} // gives a token once watch has heard all that came before
	lost    chan struct{}
	reason  *amqp091.Error // why it was lost; nil if we closed it. Set before lost is closed

	mu      sync.Mutex // guards what follows
	waiting map[string]*publish
	blocked string        // why the broker takes no messages; empty: it does
	resumed chan struct{} // closed when blocked ends
}

// publish is a message whose confirm is waited for.
type publish struct{ returned string } // why the broker gave it back

func (d *dialer) dial(ctx context.Context) (broker.Connection, error) {
	c := &connection{
		dialer: d, writing: make(chan struct{}, 1), heard: make(chan struct{}), lost: make(chan struct{}), waiting: map[string]*publish{},
	}
	var err error
	if c.socket, err = d.config.Gate.Dialer(0).DialContext(ctx, "tcp", d.server.URL.Host); err != nil {
		return nil, err
	}
	unwatch := context.AfterFunc(ctx, c.Cut) // the handshakes know no context
	defer unwatch()
	if err := c.open(ctx); err != nil {
		c.Cut()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, connectFailure(err)
	}
	return c, nil
}

// open speaks to the broker until the channel is ready.
func (c *connection) open(ctx context.Context) error {
	transport := c.socket
	if c.server.URL.Scheme == schemeTLS {
		trust := c.config.Trust()
		if trust.ServerName == "" {
			trust.ServerName = c.server.URL.Hostname()
		}
		secured := tls.Client(c.socket, trust)
		if err := secured.HandshakeContext(ctx); err != nil {
			return err
		}
		transport = secured
	}
	us := &amqp091.PlainAuth{Username: "guest", Password: "guest"} // as the library and the broker have it
	if c.server.User != nil {
		us.Username = c.server.User.Username()
		us.Password, _ = c.server.User.Password()
	}
	about := amqp091.NewConnectionProperties()
	about.SetClientConnectionName("carillon " + c.subscription)
	var err error
	c.conn, err = amqp091.Open(transport, amqp091.Config{
		SASL: []amqp091.Authentication{us}, Vhost: virtualHost(c.server.URL.Path), Properties: about,
		Heartbeat: heartbeat, ChannelMax: 1, FrameSize: maxFrame, Locale: "en_US",
	})
	if err != nil {
		return err
	}
	blocks := c.conn.NotifyBlocked(make(chan amqp091.Blocking))
	if c.channel, err = c.conn.Channel(); err != nil {
		return err
	}
	closes := c.channel.NotifyClose(make(chan *amqp091.Error, 1))
	returns := c.channel.NotifyReturn(make(chan amqp091.Return))
	go c.watch(blocks, closes, returns)
	return c.channel.Confirm(false)
}

func connectFailure(err error) error {
	var answer *amqp091.Error
	if !errors.As(err, &answer) {
		return err
	}
	switch {
	case answer.Code == amqp091.AccessRefused:
		return &broker.Failure{Text: "the broker does not let us in", Hint: "check user, password and virtual host in the URL", Cause: err}
	case answer.Server:
		return &broker.Failure{Text: "the broker answered: " + answer.Reason, Cause: err}
	default:
		return &broker.Failure{Text: "the connection was lost before the broker let us in: " + answer.Reason, Cause: err}
	}
}

// watch hears what the broker says out of turn, until the channel ends.
func (c *connection) watch(blocks <-chan amqp091.Blocking, closes <-chan *amqp091.Error, returns <-chan amqp091.Return) {
	for {
		select {
		case b, ok := <-blocks:
			if !ok {
				blocks = nil
				break
			}
			c.block(b)
		case r, ok := <-returns:
			if !ok { // the library tells closes before it closes returns
				c.reason = <-closes
				close(c.lost)
				return
			}
			c.giveBack(&r)
		case c.heard <- struct{}{}:
		}
	}
}

func (c *connection) block(b amqp091.Blocking) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !b.Active && c.blocked != "" {
		c.blocked = ""
		close(c.resumed)
	}
	if b.Active && c.blocked == "" {
		if c.blocked = b.Reason; c.blocked == "" {
			c.blocked = "no reason given"
		}
		c.resumed = make(chan struct{})
	}
}

func (c *connection) giveBack(r *amqp091.Return) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.waiting[r.MessageId]; p != nil {
		p.returned = r.ReplyText
	}
}

// Lost implements broker.Connection.
func (c *connection) Lost() <-chan struct{} { return c.lost }

// Close implements broker.Connection.
func (c *connection) Close() {
	_ = c.conn.CloseDeadline(time.Now().Add(closeTimeout)) // it is closed either way
	<-c.lost
}

// Cut implements broker.Connection.
func (c *connection) Cut() { _ = c.socket.Close() } // it is given up either way

// Publish implements broker.Connection: it waits until the broker has confirmed the message, and for a queue on disk has
// it there.
func (c *connection) Publish(ctx context.Context, m *carillon.Message) error {
	publishing, err := prepare(m)
	if err != nil {
		return err
	}
	key := c.key.For(m)
	if len(key) > maxShort {
		return &broker.Failure{Text: fmt.Sprintf("message %s has a routing key longer than %d bytes", m.ID, maxShort), Never: true}
	}
	if err := c.turn(ctx); err != nil {
		return err
	}
	p, done := c.await(m.ID)
	defer done()
	confirm, err := c.channel.PublishWithDeferredConfirm(c.exchange, key, true, false, publishing)
	<-c.writing
	if err != nil { // the library gives up the connection
		return c.ended(ctx, m)
	}
	select {
	case <-confirm.Done():
	case <-ctx.Done():
		return c.late(ctx)
	}
	if !confirm.Acked() {
		if c.channel.IsClosed() { // all that is unconfirmed counts as refused then
			return c.ended(ctx, m)
		}
		return &broker.Failure{Text: "the broker refused the message", Hint: "is its queue full?"}
	}
	return c.routed(p, key)
}

// prepare makes the publishing of a message.
func prepare(m *carillon.Message) (amqp091.Publishing, error) {
	headers, err := broker.Headers(m)
	if err != nil {
		return amqp091.Publishing{}, err
	}
	table := make(amqp091.Table, len(headers))
	for _, h := range headers {
		if len(h.Name) > maxShort {
			return amqp091.Publishing{}, &broker.Failure{Text: fmt.Sprintf("message %s has an attribute with a name longer than %d bytes", m.ID, maxShort), Never: true}
		}
		table[h.Name] = h.Value
	}
	if max(len(m.ID), len(m.Type), len(m.ContentType)) > maxShort {
		return amqp091.Publishing{}, &broker.Failure{Text: fmt.Sprintf("a message has an id, type or content type longer than %d bytes", maxShort), Never: true}
	}
	return amqp091.Publishing{
		Headers: table, ContentType: m.ContentType, DeliveryMode: amqp091.Persistent,
		MessageId: m.ID, Type: m.Type, Timestamp: m.Time, AppId: "carillon", Body: m.Body,
	}, nil
}

// turn waits until the broker takes messages and nobody else writes.
func (c *connection) turn(ctx context.Context) error {
	for {
		c.mu.Lock()
		blocked, resumed := c.blocked != "", c.resumed
		c.mu.Unlock()
		if !blocked {
			break
		}
		select {
		case <-resumed:
		case <-c.lost:
			return c.ended(ctx, nil)
		case <-ctx.Done():
			return c.late(ctx)
		}
	}
	select {
	case c.writing <- struct{}{}:
		return nil
	case <-c.lost:
		return c.ended(ctx, nil)
	case <-ctx.Done():
		return c.late(ctx)
	}
}

// await registers a message, so that it is known should the broker return it.
func (c *connection) await(id string) (p *publish, done func()) {
	p = &publish{}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[id] = p
	return p, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.waiting[id] == p {
			delete(c.waiting, id)
		}
	}
}

// routed says whether a confirmed message went to a queue. The broker returns one that did not before it confirms it, so
// watch has heard of it once it has come round.
func (c *connection) routed(p *publish, key string) error {
	select {
	case <-c.heard:
	case <-c.lost:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.returned == "" {
		return nil
	}
	if c.exchange == "" {
		return &broker.Failure{Text: fmt.Sprintf("the broker returned the message (%s)", p.returned), Hint: fmt.Sprintf("declare the queue %q", key)}
	}
	return &broker.Failure{
		Text: fmt.Sprintf("the broker returned the message (%s)", p.returned),
		Hint: fmt.Sprintf("bind a queue to exchange %q for routing key %q", c.exchange, key),
	}
}

// late is the failure of a message whose context ended.
func (c *connection) late(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocked != "" {
		return &broker.Failure{Text: "the broker takes no messages at the moment: " + c.blocked, Cause: ctx.Err()}
	}
	return ctx.Err()
}

// ended is the failure of a message whose connection is lost, or will be in a moment. m is nil if it was not sent.
func (c *connection) ended(ctx context.Context, m *carillon.Message) error {
	select {
	case <-c.lost:
	case <-ctx.Done():
		return ctx.Err()
	}
	switch {
	case c.reason == nil || !c.reason.Server:
		return &broker.Failure{Text: "the connection was lost before the broker confirmed"}
	case m != nil && c.reason.Code == amqp091.PreconditionFailed && tooLarge(c.reason.Reason, m):
		return &broker.Failure{Text: "the broker answered: " + c.reason.Reason, Never: true, Cause: c.reason}
	case c.reason.Code == amqp091.NotFound:
		return &broker.Failure{Text: "the broker answered: " + c.reason.Reason, Hint: "declare it", Cause: c.reason}
	default:
		return &broker.Failure{Text: "the broker answered: " + c.reason.Reason, Cause: c.reason}
	}
}

// tooLarge reports whether the broker closed the channel because of this message. Its words are all that tells which of
// those on their way it was.
func tooLarge(reason string, m *carillon.Message) bool {
	var size, limit int
	_, err := fmt.Sscanf(reason, "PRECONDITION_FAILED - message size %d is larger than configured max size %d", &size, &limit)
	return err == nil && size == len(m.Body)
}
