package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"carillon"
	"carillon/client"
	"carillon/deliver"
	"carillon/deliver/webhook"
	"carillon/sign"
)

type listenCmd struct {
	serverFlags `embed:""`
	eventFlags  `embed:""`
	ForwardTo   string        `help:"POST each event to this URL, as the server would: signed in the dialect's way, with its headers." placeholder:"URL"`
	Secret      string        `help:"Sign with this secret (whsec_…; of dialects with a signature of their own any text); a new one is made and shown by default." placeholder:"SECRET"`
	ContentType string        `help:"How bodies are sent: as the dialect has them, or application/x-www-form-urlencoded for a form with the field payload." placeholder:"TYPE"`
	After       int64         `help:"Begin after the change with this seq, instead of now; 0 is the beginning." default:"-1" placeholder:"SEQ"`
	Max         int           `help:"Stop after so many events; 0 means never." placeholder:"N"`
	Timeout     time.Duration `help:"Give up a forwarded request after this time." default:"10s"`
	Body        bool          `help:"Print each event's message under its line."`
	JSON        bool          `help:"Print JSON, one event a line."`
}

// Run follows the server's events and forwards them, in order, each once: what a local program answers is shown, and
// not tried again.
func (c *listenCmd) Run(ctx context.Context, d *desk) error {
	q, err := c.query()
	if err != nil {
		return err
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	forward := func(context.Context, client.StreamEvent) outcome { return outcome{} }
	if c.ForwardTo != "" {
		to, secret, err := c.receiver()
		if err != nil {
			return err
		}
		forward = func(ctx context.Context, e client.StreamEvent) outcome { return send(ctx, to, e) }
		fmt.Fprintf(d.stderr, "forwarding to %s, signed with %s\n", c.ForwardTo, secret)
	}
	if err := beginStream(ctx, d, api); err != nil {
		return err
	}
	fmt.Fprintf(d.stderr, "listening to %s; Ctrl-C ends\n", api.BaseURL())
	lines := printer{w: d.stdout, json: c.JSON, body: c.Body}
	n := 0
	for e, err := range api.Stream(ctx, streamFrom(q, c.After)) {
		if err != nil {
			return err
		}
		if err := lines.event(e, forward(ctx, e)); err != nil {
			return err
		}
		if n++; n == c.Max {
			break
		}
	}
	return nil
}

// receiver opens the sink that the server itself would open for a webhook in the dialect, and tells the secret that signs.
func (c *listenCmd) receiver() (to deliver.Sink, secret string, err error) {
	secret = c.Secret
	if secret == "" {
		secret = sign.NewSecret()
	}
	own := schemes()
	scheme, ok := own[c.Dialect]
	if !ok {
		scheme = webhook.StandardWebhooks
	}
	if _, err := scheme(secret); err != nil {
		return nil, "", wrongUsage("--secret: %v", err)
	}
	sender := webhook.New(webhook.Config{
		AllowPrivate: true, Timeout: c.Timeout, UserAgent: "Carillon/" + programVersion(), Schemes: own,
	})
	to, err = sender.Open(&carillon.Subscription{
		Dialect: c.Dialect, Secrets: []string{secret},
		Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: c.ForwardTo, ContentType: c.ContentType},
	})
	if err != nil {
		return nil, "", wrongUsage("%s", strings.NewReplacer("/sink/url", "--forward-to", "/sink/contentType", "--content-type").Replace(err.Error()))
	}
	return to, secret, nil
}

// send posts one event and says in a word or two how that went.
func send(ctx context.Context, to deliver.Sink, e client.StreamEvent) outcome {
	m := carillon.Message{
		ID: e.ID, Type: e.Type, Seq: e.Seq, Lane: e.Lane, Time: e.Time, ContentType: e.ContentType, Body: e.Message,
	}
	for name := range e.Header {
		m.Attributes = append(m.Attributes, carillon.Attribute{Name: webhook.HeaderAttribute + name, Value: e.Header.Get(name)})
	}
	result := to.Send(ctx, &m)
	if result.Status == 0 {
		return outcome{text: fmt.Sprintf("failed: %v", result.Err), failed: true}
	}
	return outcome{
		text: fmt.Sprintf("%d in %s", result.Status, result.Duration.Round(100*time.Microsecond)), failed: result.Verdict != deliver.Taken,
	}
}
