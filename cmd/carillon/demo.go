package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"charm.land/lipgloss/v2"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"golang.org/x/sync/errgroup"

	"carillon"
	"carillon/client"
	"carillon/dialect/platform"
	"carillon/dialect/smarterpay"
)

// demoTime bounds how long the demo waits for what must arrive.
const demoTime = 30 * time.Second

type demoCmd struct {
	Once   bool   `help:"End when every event has arrived, in order and verified; fail if one has not within 30 seconds."`
	Listen string `help:"Answer HTTP on this loopback address; port 0 picks a free one." default:"127.0.0.1:0" placeholder:"HOST:PORT"`
}

// Run builds a whole server on a fresh directory, subscribes a receiver of its own in every dialect, and tells a story
// through the API and through webhooks of vendors.
func (c *demoCmd) Run(ctx context.Context, d *desk) (err error) {
	dir, err := os.MkdirTemp("", "carillon-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	listener, err := listenOn(ctx, c.Listen, true)
	if err != nil {
		return err
	}
	flags := houseFlags{dataFlags: dataFlags{Data: dir}, Dev: true, AppLimits: "vendor", Grace: 5 * time.Second, retention: retention{time.Hour, time.Hour, time.Hour, time.Hour}}
	// The demo's page is its own output; only what went wrong is worth a log line.
	log := slog.New(slog.NewTextHandler(d.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	house, err := openHouse(ctx, flags, log)
	if err != nil {
		_ = listener.Close()
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready := make(chan struct{})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return house.run(ctx, listener, func() { close(ready) }) })
	group.Go(func() error {
		defer stop()
		select {
		case <-ready:
		case <-ctx.Done():
			return nil
		}
		return c.show(ctx, &stage{out: d.stdout, styles: stylesFor(d.stdout)}, "http://"+listener.Addr().String(), dir)
	})
	return group.Wait()
}

// show tells the story to the server at url and says what arrived.
func (c *demoCmd) show(ctx context.Context, page *stage, url, dir string) error {
	api, err := client.New(url, "dev")
	if err != nil {
		return err
	}
	receiver, err := openReceiver(ctx)
	if err != nil {
		return err
	}
	defer receiver.close()
	page.head(url, receiver.url(""), dir)
	playing := &play{
		api: api, receiver: receiver, page: page, dialects: slices.Sorted(maps.Keys(dialects())),
		subscriptions: map[string]string{}, connections: map[string]string{}, missing: map[string][]delivery{},
	}
	for _, name := range playing.dialects {
		s, err := api.CreateSubscription(ctx, client.Subscription{
			Name: "demo " + name, Dialect: name, Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: receiver.url(name)},
		})
		if err == nil {
			playing.subscriptions[name] = s.ID
			err = receiver.expect(name, s.Secret)
		}
		if err != nil {
			return fmt.Errorf("subscribe in the dialect %s: %w", name, err)
		}
	}
	deadline, cancel := context.WithTimeout(ctx, demoTime)
	defer cancel()
	for i, s := range slices.Concat(story(time.Now()), vendorStory()) {
		err := playing.scene(deadline, i+1, s)
		if errors.Is(err, context.DeadlineExceeded) {
			playing.wrong = append(playing.wrong, fmt.Sprintf("%s: the time was up: %v", s.title, err))
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
	}
	if err := playing.verdict(deadline); err != nil || c.Once {
		return err
	}
	page.foot(url)
	<-ctx.Done()
	return nil
}

// delivery is one message as it is expected or as it arrived.
type delivery struct {
	event string
	lane  string
	seq   string
	id    string
	body  []byte
	fault string // why it is not verified; "" if it is
}

// same reports whether an arrival is what was expected; without a lane or body, either will do.
func (d delivery) same(want delivery) bool {
	return d.fault == "" && d.event == want.event && d.seq == want.seq &&
		(want.lane == "" || d.lane == want.lane) && (want.body == nil || bytes.Equal(d.body, want.body))
}

// play is the story under way.
type play struct {
	api      *client.Client
	receiver *receiver
	page     *stage
	dialects []string
	told     int
	seq      int64 // of the last change

	subscriptions map[string]string     // their ids, by dialect
	connections   map[string]string     // the paths that vendors post to, by dialect
	missing       map[string][]delivery // by dialect
	wrong         []string
}

// scene has one thing happen and waits until its events have arrived in every dialect that is told.
func (p *play) scene(ctx context.Context, number int, s scene) error {
	p.page.scene(number, s)
	seq, err := p.act(ctx, s)
	if err != nil {
		return err
	}
	if made := seq != 0; made != (len(s.events) > 0) {
		p.wrong = append(p.wrong, fmt.Sprintf("%s: %d events were expected, the change is %d", s.title, len(s.events), seq))
		return nil
	}
	if seq == 0 {
		return nil
	}
	p.seq = seq
	for _, dialect := range p.dialects {
		if s.posting != nil && s.posting.from.dialect == dialect {
			quiet, err := p.silence(ctx, dialect, seq)
			if err != nil {
				return err
			}
			p.page.untold(dialect, quiet)
			continue
		}
		want, err := p.expected(ctx, dialect, s, seq)
		if err != nil {
			return err
		}
		for _, w := range want {
			if err := p.await(ctx, dialect, w); err != nil {
				return err
			}
		}
	}
	return nil
}

// act makes the scene's write, or has a vendor tell what it tells. It gives the change's seq; 0 if there is none.
func (p *play) act(ctx context.Context, s scene) (seq int64, err error) {
	if s.posting != nil {
		return p.hear(ctx, s.title, s.posting)
	}
	answer, err := s.play(ctx, p.api)
	if err != nil {
		return 0, err
	}
	p.page.answer(s, answer)
	return answer.Seq, nil
}

// expected is what must arrive of a change: in the platform's language what the story says, in others the bytes that
// the server's own stream tells.
func (p *play) expected(ctx context.Context, dialect string, s scene, seq int64) ([]delivery, error) {
	var want []delivery
	if dialect == platform.Name {
		for _, event := range s.events {
			want = append(want, delivery{event: event, lane: s.lane, seq: fmt.Sprint(seq)})
		}
		return want, nil
	}
	page, err := p.api.Events(ctx, client.EventQuery{After: seq - 1, Dialect: dialect})
	if err != nil || len(page.Items) == 0 {
		return nil, err
	}
	stream := p.api.Stream(ctx, client.StreamQuery{EventQuery: client.EventQuery{After: seq - 1, Dialect: dialect}})
	for e, err := range stream {
		if err != nil {
			return nil, err
		}
		want = append(want, delivery{event: e.Type, seq: fmt.Sprint(seq), body: e.Message})
		if len(want) == len(page.Items) {
			break
		}
	}
	return want, nil
}

// await takes the dialect's next arrival and compares it. Once the time is up, what is expected counts as missing.
func (p *play) await(ctx context.Context, dialect string, want delivery) error {
	var got delivery
	select {
	case got = <-p.receiver.arrivals[dialect]:
	case <-ctx.Done():
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return ctx.Err()
		}
		select {
		case got = <-p.receiver.arrivals[dialect]: // it was in time, another dialect's was not
		default:
			p.missing[dialect] = append(p.missing[dialect], want)
			return nil
		}
	}
	p.told++
	if want.body != nil && bytes.Equal(got.body, want.body) {
		got.event = want.event
	}
	p.page.delivery(dialect, got)
	if !got.same(want) {
		p.wrong = append(p.wrong, fmt.Sprintf("%s: %s of change %s was expected, %s of change %s arrived%s",
			dialect, want.event, want.seq, got.event, got.seq, got.fault))
	}
	return nil
}

// verdict says whether all has arrived.
func (p *play) verdict(ctx context.Context) error {
	for dialect, list := range p.missing {
		for _, m := range list {
			p.wrong = append(p.wrong, fmt.Sprintf("%s: %s of change %s has not arrived", dialect, m.event, m.seq))
		}
	}
	for _, dialect := range p.dialects {
		_, err := p.silence(ctx, dialect, p.seq)
		if err != nil && len(p.wrong) == 0 { // else it is for the same reason
			p.wrong = append(p.wrong, err.Error())
		}
		if err != nil {
			break
		}
	}
	if len(p.wrong) > 0 {
		slices.Sort(p.wrong)
		return fmt.Errorf("the story did not arrive as it was told:\n  %s", strings.Join(p.wrong, "\n  "))
	}
	p.page.done(p.told)
	return nil
}

// receiver is a program as a customer would write it: it takes webhooks at /DIALECT and verifies them with libraries
// that are not ours.
type receiver struct {
	server   *http.Server
	listener net.Listener
	done     chan struct{}
	arrivals map[string]chan delivery // by dialect

	mu     sync.RWMutex
	verify map[string]verification
}

// verification reports why a webhook is not from whom it says it is from.
type verification func(body []byte, header http.Header) error

// verifications lists how a customer verifies webhooks in the dialects whose vendors sign in a way of their own; those of
// all others are verified by the library of Standard Webhooks.
func verifications() map[string]func(secret string) verification {
	return map[string]func(secret string) verification{smarterpay.Name: verifySmarterPay}
}

// verifySmarterPay does what the vendor's documentation tells receivers to do.
func verifySmarterPay(secret string) verification {
	return func(body []byte, header http.Header) error {
		if !hmac.Equal([]byte(header.Get("Webhook-Signature")), []byte(smarterPaySignature(secret, body))) {
			return errors.New("no signature matches")
		}
		return nil
	}
}

func smarterPaySignature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func openReceiver(ctx context.Context) (*receiver, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the receiver: %w", err)
	}
	r := &receiver{
		listener: listener, done: make(chan struct{}),
		arrivals: map[string]chan delivery{}, verify: map[string]verification{},
	}
	for name := range dialects() {
		r.arrivals[name] = make(chan delivery, 1000)
	}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		defer close(r.done)
		_ = r.server.Serve(listener) // ends with close
	}()
	return r, nil
}

func (r *receiver) close() {
	_ = r.server.Close()
	<-r.done
}

func (r *receiver) url(dialect string) string {
	return "http://" + r.listener.Addr().String() + "/" + dialect
}

// expect gives the receiver the secret that a dialect's webhooks are signed with.
func (r *receiver) expect(dialect, secret string) error {
	var verify verification
	if own := verifications()[dialect]; own != nil {
		verify = own(secret)
	} else {
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return err
		}
		verify = verifier.Verify
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verify[dialect] = verify
	return nil
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	dialect := strings.TrimPrefix(req.URL.Path, "/")
	r.mu.RLock()
	verify := r.verify[dialect]
	r.mu.RUnlock()
	body, err := io.ReadAll(io.LimitReader(req.Body, 8<<20))
	if verify == nil || err != nil {
		http.Error(w, "not expected", http.StatusBadRequest)
		return
	}
	got := delivery{
		event: req.Header.Get("Carillon-Event"), body: body, id: req.Header.Get("Webhook-Id"),
		lane: req.Header.Get("Carillon-Lane"), seq: req.Header.Get("Carillon-Seq"),
	}
	if err := verify(body, req.Header); err != nil {
		got.fault = ", not verified: " + err.Error()
	}
	var envelope client.Envelope
	if err := json.Unmarshal(body, &envelope); err == nil && envelope.EventType != "" {
		got.event = envelope.EventType // of the platform's language; others are known by their bytes
	}
	select {
	case r.arrivals[dialect] <- got:
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, "too many", http.StatusServiceUnavailable)
	}
}

// stage is the page that the demo writes.
type stage struct {
	out    io.Writer
	styles styles
}

type styles struct{ title, faint, good, bad, event lipgloss.Style }

// stylesFor gives colours where a person looks on.
func stylesFor(w io.Writer) styles {
	plain := lipgloss.NewStyle()
	if !isTerminal(w) {
		return styles{plain, plain, plain, plain, plain}
	}
	return styles{
		title: plain.Bold(true), faint: plain.Faint(true), event: plain.Foreground(lipgloss.Color("6")),
		good: plain.Foreground(lipgloss.Color("2")), bad: plain.Foreground(lipgloss.Color("1")).Bold(true),
	}
}

func (p *stage) head(server, receiver, dir string) {
	fmt.Fprintf(p.out, "%s\n\n", p.styles.title.Render("Carillon: one change to a customer account, rung on every bell"))
	for _, line := range [][2]string{
		{"console", server + "/"}, {"API docs", server + "/docs"}, {"API key", "dev"}, {"receiver", receiver}, {"data", dir},
	} {
		fmt.Fprintf(p.out, "  %-9s %s\n", line[0], line[1])
	}
	fmt.Fprintf(p.out, "\n%s\n", p.styles.faint.Render(fmt.Sprintf("    %-11s  %-34s  %-28s  %-20s  %3s  signature", "dialect", "event", "id", "lane", "seq")))
}

func (p *stage) scene(number int, s scene) {
	fmt.Fprintf(p.out, "%2d  %s\n", number, p.styles.title.Render(s.title))
}

func (p *stage) answer(s scene, a client.Answer) {
	fmt.Fprintf(p.out, "    %s\n", p.styles.faint.Render(fmt.Sprintf("%s %s → %d, change %d", s.method, s.path, a.Status, a.Seq)))
}

func (p *stage) delivery(dialect string, d delivery) {
	seal := p.styles.good.Render("verified")
	if d.fault != "" {
		seal = p.styles.bad.Render(strings.TrimPrefix(d.fault, ", "))
	}
	fmt.Fprintf(p.out, "  ↳ %-11s  %s  %-28s  %-20s  %3s  %s\n",
		dialect, p.styles.event.Render(fmt.Sprintf("%-34s", d.event)), d.id, d.lane, d.seq, seal)
}

func (p *stage) done(n int) {
	fmt.Fprintf(p.out, "\n%s\n", p.styles.good.Render(fmt.Sprintf("All %d events arrived, in order, each signature verified by code of the receiver's own.", n)))
}

func (p *stage) foot(server string) {
	fmt.Fprintf(p.out, `
The server keeps running. Try, in another terminal:

  open %[1]s/                                     the console
  open %[1]s/docs                                 the API
  CARILLON_URL=%[1]s carillon trigger account-health:changed
  CARILLON_URL=%[1]s carillon events list

Ctrl-C ends it and removes its data.
`, server)
}
