package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"carillon/client"
	"carillon/sign"
)

type listenCmd struct {
	serverFlags `embed:""`
	eventFlags  `embed:""`
	ForwardTo   string        `help:"POST each event to this URL, signed as a webhook." placeholder:"URL"`
	Secret      string        `help:"Sign with this secret (whsec_…); a new one is made and shown by default." placeholder:"SECRET"`
	After       int64         `help:"Begin after the change with this seq, instead of now; 0 is the beginning." default:"-1" placeholder:"SEQ"`
	Max         int           `help:"Stop after so many events; 0 means never." placeholder:"N"`
	Timeout     time.Duration `help:"Give up a forwarded request after this time." default:"10s"`
	JSON        bool          `help:"Print JSON, one event a line."`
}

// Run follows the server's events and forwards them, in order, each once: what a local program answers is shown, and
// not tried again.
func (c *listenCmd) Run(ctx context.Context, d *desk) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	var to *forwarder
	if c.ForwardTo != "" {
		if to, err = c.forwarder(); err != nil {
			return err
		}
		fmt.Fprintf(d.stderr, "forwarding to %s, signed with %s\n", c.ForwardTo, to.secret)
	}
	if err := beginStream(ctx, d, api); err != nil {
		return err
	}
	fmt.Fprintf(d.stderr, "listening to %s; Ctrl-C ends\n", api.BaseURL())
	n := 0
	for e, err := range api.Stream(ctx, streamFrom(c.query(), c.After)) {
		if err != nil {
			return err
		}
		outcome := ""
		if to != nil {
			outcome = to.forward(ctx, e)
		}
		if err := printStreamed(d.stdout, e, c.JSON, outcome); err != nil {
			return err
		}
		if n++; n == c.Max {
			break
		}
	}
	return nil
}

// forwarder posts events to a local program as the server would.
type forwarder struct {
	url    string
	secret string
	signer *sign.Standard
	http   *http.Client
}

func (c *listenCmd) forwarder() (*forwarder, error) {
	u, err := url.Parse(c.ForwardTo)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, wrongUsage("--forward-to: %q is not an absolute http or https URL", c.ForwardTo)
	}
	secret := c.Secret
	if secret == "" {
		secret = sign.NewSecret()
	}
	signer, err := sign.NewStandard(secret)
	if err != nil {
		return nil, wrongUsage("--secret: %v", err)
	}
	return &forwarder{
		url: c.ForwardTo, secret: secret, signer: signer,
		http: &http.Client{
			Timeout:       c.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// forward posts one event and says in a word or two how that went.
func (f *forwarder) forward(ctx context.Context, e client.StreamEvent) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, bytes.NewReader(e.Message))
	if err != nil {
		return err.Error()
	}
	id := e.ID
	if envelope, err := e.Envelope(); err == nil {
		id = envelope.EventID
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Carillon")
	req.Header.Set("Carillon-Seq", strconv.FormatInt(e.Seq, 10))
	if e.Lane != "" {
		req.Header.Set("Carillon-Lane", e.Lane)
	}
	f.signer.SetHeaders(req.Header, id, time.Now(), e.Message)
	start := time.Now()
	resp, err := f.http.Do(req)
	if err != nil {
		return "failed: " + err.Error()
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	_ = resp.Body.Close()
	return fmt.Sprintf("%d in %s", resp.StatusCode, time.Since(start).Round(100*time.Microsecond))
}
