package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"carillon"
	"carillon/client"
)

// hear has a vendor post its webhook and waits until the inbox says what became of it. It gives the seq of the change that
// was made; 0 if none was.
func (p *play) hear(ctx context.Context, title string, w *posting) (seq int64, err error) {
	path, err := p.connection(ctx, w.from)
	if err != nil {
		return 0, err
	}
	id, err := p.post(ctx, path, w)
	if err != nil {
		return 0, err
	}
	var item *client.InboxItem
	err = until(ctx, func() (done bool, err error) {
		item, err = p.api.InboxItem(ctx, id)
		return err == nil && item.State != carillon.InboxReceived, err
	})
	if err != nil {
		return 0, fmt.Errorf("wait for what becomes of delivery %s: %w", id, err)
	}
	var seqs []int64
	for _, e := range item.Events {
		seqs = append(seqs, e.Seqs...)
	}
	p.page.inbox(item, seqs)
	if item.State != w.state {
		p.wrong = append(p.wrong, fmt.Sprintf("%s: %s was expected, the inbox says %s", title, w.state, item.State))
	}
	mended := strings.Join(item.Notes, "; ")
	if (w.mended == "") != (mended == "") || !strings.HasPrefix(mended, w.mended) || len(item.Notes) > 1 {
		p.wrong = append(p.wrong, fmt.Sprintf("%s: %q was expected to be mended, the inbox says %q", title, w.mended, mended))
	}
	switch len(seqs) {
	case 0:
		return 0, nil
	case 1:
		return seqs[0], nil
	default:
		return 0, fmt.Errorf("one change was expected, there are %d", len(seqs))
	}
}

// connection gives the path that a vendor posts to, and makes the connection first if there is none.
func (p *play) connection(ctx context.Context, v *vendor) (string, error) {
	if path := p.connections[v.dialect]; path != "" {
		return path, nil
	}
	c, err := p.api.CreateConnection(ctx, client.Connection{Name: "demo " + v.dialect, Dialect: v.dialect, Verify: v.verify})
	if err != nil {
		return "", fmt.Errorf("connect %s: %w", v.dialect, err)
	}
	p.page.connected(c)
	p.connections[v.dialect] = c.URL
	return c.URL, nil
}

// post sends a webhook as its vendor does, without the API's key, and gives the id of the delivery in the inbox.
func (p *play) post(ctx context.Context, path string, w *posting) (id string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.api.BaseURL()+path, strings.NewReader(w.body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	if w.from.sign != nil {
		w.from.sign(req.Header, []byte(w.body))
	}
	resp, err := p.api.HTTP.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", fmt.Errorf("read the answer to the webhook: %w", err)
	}
	p.page.posted(path, resp.StatusCode, w)
	var answer struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || resp.StatusCode != http.StatusOK || answer.ID == "" {
		return "", fmt.Errorf("the webhook was answered with %d: %s", resp.StatusCode, text)
	}
	return answer.ID, nil
}

// silence waits until a dialect's subscription has done with a change, and reports whether nothing has arrived that was
// not awaited.
func (p *play) silence(ctx context.Context, dialect string, seq int64) (quiet bool, err error) {
	err = until(ctx, func() (done bool, err error) {
		s, err := p.api.Subscription(ctx, p.subscriptions[dialect])
		return err == nil && s.Cursor >= seq, err
	})
	if err != nil {
		return false, fmt.Errorf("wait for the subscription in the dialect %s: %w", dialect, err)
	}
	for quiet = true; ; quiet = false {
		select {
		case extra := <-p.receiver.arrivals[dialect]:
			p.wrong = append(p.wrong, fmt.Sprintf("%s: %s of change %s arrived without being expected%s", dialect, extra.event, extra.seq, extra.fault))
		default:
			return quiet, nil
		}
	}
}

// until asks again and again until it is done, the question fails or ctx ends.
func until(ctx context.Context, ask func() (done bool, err error)) error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		if done, err := ask(); done || err != nil {
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *stage) connected(c *client.Connection) {
	fmt.Fprintf(p.out, "    %s\n", p.styles.faint.Render(fmt.Sprintf("POST /v1/connections → %s: dialect %s, verify %s", c.ID, c.Dialect, c.Verify.Type)))
}

func (p *stage) posted(path string, status int, w *posting) {
	words := fmt.Sprintf("POST %s → %d, %s in %d bytes", path, status, w.event, len(w.body))
	if w.from.sign != nil {
		words += ", signed"
	}
	fmt.Fprintf(p.out, "    %s\n", p.styles.faint.Render(words))
}

// inbox says what became of a delivery.
func (p *stage) inbox(item *client.InboxItem, seqs []int64) {
	style, words := p.styles.good, string(item.State)
	for _, seq := range seqs {
		words += fmt.Sprintf(", change %d", seq)
	}
	switch {
	case item.Problem != nil:
		style, words = p.styles.bad, words+": "+item.Problem.Message
	case item.State == carillon.InboxDuplicate:
		words += ": all that it tells has been applied before; no change, so nobody is told"
	case len(item.Notes) > 0:
		words += "; mended: " + strings.Join(item.Notes, "; ")
	}
	fmt.Fprintf(p.out, "    inbox: %s\n", style.Render(words))
}

// untold is the line of a dialect that must not be told of a change.
func (p *stage) untold(dialect string, quiet bool) {
	words := p.styles.faint.Render("is not told: it came from there")
	if !quiet {
		words = p.styles.bad.Render("was told, though it came from there")
	}
	fmt.Fprintf(p.out, "  ↳ %-11s  %s\n", dialect, words)
}
