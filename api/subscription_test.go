package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// endpoint is a receiver of webhooks.
type endpoint struct {
	*httptest.Server
	failing  atomic.Bool
	received chan string // event ids
}

func receiver(t *testing.T) *endpoint {
	e := &endpoint{received: make(chan string, 100)}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if e.failing.Load() {
			http.Error(w, "out of order", http.StatusBadGateway)
			return
		}
		e.received <- r.Header.Get("webhook-id")
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) next(t *testing.T) string {
	t.Helper()
	select {
	case id := <-e.received:
		return id
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was delivered")
		return ""
	}
}

func TestASubscriptionIsMadeShownChangedAndRemoved(t *testing.T) {
	h := open(t)
	e := receiver(t)
	made := h.do(http.MethodPost, "/v1/subscriptions", fmt.Sprintf(`{
		"name": "crm", "dialect": "platform", "events": ["account:*"], "filter": "event.type != \"x\"",
		"sink": {"type": "webhook", "url": %q, "auth": {"type": "basic", "username": "u", "password": "p4ssw0rd"}},
		"start": "beginning", "batch": {"max": 1, "waitMs": 0}, "concurrency": 8, "ratePerSecond": 0,
		"onGiveUp": "continue", "echo": false, "retry": {"schedule": ["5s", "30m", "1h30m"]}, "settings": {}}`, e.URL)).want(201)
	id := made.member("id")
	at := "/v1/subscriptions/" + id
	if made.header.Get("Location") != at || !strings.HasPrefix(made.member("secret"), "whsec_") {
		t.Errorf("made: %v %s", made.header, made.body)
	}
	shown := h.get(at).want(200)
	if strings.Contains(string(shown.body), "whsec_") || strings.Contains(string(shown.body), "p4ssw0rd") {
		t.Errorf("a secret is shown: %s", shown.body)
	}
	if shown.member("start") != "beginning" || shown.member("retry") != `{"schedule":["5s","30m","90m"]}` || shown.member("state") != "active" {
		t.Errorf("shown: %s", shown.body)
	}
	// What was read can be sent back: nothing of it is lost, masked secrets included.
	h.do(http.MethodPatch, at, string(shown.body)).want(200)
	kept, err := h.store.Subscription(t.Context(), "dev", id)
	must(t, err)
	if kept.Sink.Auth == nil || kept.Sink.Auth.Password != "p4ssw0rd" || kept.Filter == "" || kept.Concurrency != 8 {
		t.Errorf("after sending back what was read: %+v", kept)
	}
	patched := h.do(http.MethodPatch, at, `{"name":"other","filter":null,"sink":{"auth":null},"retry":{"schedule":["1s"]}}`, with{"Content-Type": "application/merge-patch+json"}).want(200)
	if patched.member("name") != "other" || patched.member("filter") != "" || strings.Contains(patched.member("sink"), "auth") || patched.member("events") != `["account:*"]` {
		t.Errorf("patched: %s", patched.body)
	}
	for body, member := range map[string]string{
		`{"start":"now"}`:               "/start",
		`{"sink":{"url":null}}`:         "/sink/url",
		`{"events":["nothing:at-all"]}`: "/events/0",
		`{"filter":"1 +"}`:              "/filter",
		`{"colour":"red"}`:              "/colour",
		`{"settings":{"x":1}}`:          "/settings/x",
		`{"dialect":"klingon"}`:         "/dialect",
	} {
		p := h.do(http.MethodPatch, at, body).refusal(422, "invalid")
		if !p.names(member) {
			t.Errorf("%s: the problem does not name %s: %+v", body, member, p)
		}
	}
	if now, err := h.store.Subscription(t.Context(), "dev", id); err != nil || now.Name != "other" {
		t.Errorf("refused patches changed it: now %+v, %v", now, err)
	}
	if ids := h.page("/v1/subscriptions").ids; len(ids) != 1 || ids[0] != id {
		t.Errorf("list %v", ids)
	}
	h.do(http.MethodDelete, at, "").want(204)
	h.get(at).refusal(404, "not_found")
}

func TestAPasswordInAURLIsMasked(t *testing.T) {
	h := open(t)
	for name, c := range map[string]struct{ sink, url, secret, shown string }{
		"a password": {
			`"type":"amqp","exchange":"crm"`, "amqp://user:p4ssw0rd@127.0.0.1:1/crm", "p4ssw0rd", "amqp://user:********@127.0.0.1:1/crm",
		},
		"a password with colons and at signs": {
			`"type":"amqp","exchange":"crm"`, "amqp://user:p4:ss%40w0@rd@127.0.0.1:1", "p4:ss", "amqp://user:********@127.0.0.1:1",
		},
		"a token": {`"type":"nats","subject":"crm"`, "nats://t0ken@127.0.0.1:1", "t0ken", "nats://********@127.0.0.1:1"},
		"nothing": {`"type":"nats","subject":"crm"`, "nats://127.0.0.1:1", "\x00", "nats://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			made := h.do(http.MethodPost, "/v1/subscriptions", fmt.Sprintf(`{"sink":{%s,"url":%q}}`, c.sink, c.url)).want(201)
			at := "/v1/subscriptions/" + made.member("id")
			stored := func() string {
				s, err := h.store.Subscription(t.Context(), "dev", made.member("id"))
				must(t, err)
				return s.Sink.URL
			}
			shown := h.get(at).want(200)
			if !strings.Contains(string(shown.body), fmt.Sprintf("%q", c.shown)) {
				t.Errorf("shown: %s, want %s", shown.body, c.shown)
			}
			for _, answer := range []answer{made, shown, h.get("/v1/subscriptions").want(200)} {
				if strings.Contains(string(answer.body), c.secret) {
					t.Errorf("a secret is shown: %s", answer.body)
				}
			}
			h.do(http.MethodPatch, at, string(shown.body)).want(200)
			if got := stored(); got != c.url {
				t.Errorf("after sending back what was read the URL is %s, want %s", got, c.url)
			}
			moved := strings.Replace(c.shown, "127.0.0.1", "127.0.0.2", 1)
			if name == "nothing" {
				h.do(http.MethodPatch, at, fmt.Sprintf(`{"sink":{"url":%q}}`, moved)).want(200)
				return
			}
			for _, elsewhere := range []string{moved, strings.Replace(c.shown, ":1", ":2", 1), strings.Replace(c.shown, "//", "//other", 1)} {
				body := fmt.Sprintf(`{"sink":{"url":%q}}`, elsewhere)
				if name == "a token" && strings.Contains(elsewhere, "other") {
					continue // another token
				}
				if p := h.do(http.MethodPatch, at, body).refusal(422, "invalid"); !p.names("/sink/url") {
					t.Errorf("%s: the problem does not name /sink/url: %+v", body, p)
				}
			}
			if got := stored(); got != c.url {
				t.Errorf("a mask sent elsewhere changed the URL to %s", got)
			}
		})
	}
	h.do(http.MethodPost, "/v1/subscriptions", `{"sink":{"type":"nats","subject":"x","url":"nats://u:********@127.0.0.1"}}`).refusal(422, "invalid")
}

func TestASubscriptionIsPausedResumedTestedAndReplayed(t *testing.T) {
	h := open(t)
	h.story()
	e := receiver(t)
	at := "/v1/subscriptions/" + h.do(http.MethodPost, "/v1/subscriptions", fmt.Sprintf(`{"events":["account:created"],"sink":{"type":"webhook","url":%q}}`, e.URL)).want(201).member("id")

	if got := h.do(http.MethodPost, at+"/pause", "").want(200).member("state"); got != "paused" {
		t.Errorf("state %q", got)
	}
	if got := h.do(http.MethodPost, at+"/resume", "").want(200).member("state"); got != "active" {
		t.Errorf("state %q", got)
	}
	tested := h.do(http.MethodPost, at+"/test", "").want(200)
	if tested.member("outcome") != "delivered" || tested.member("eventId") != e.next(t) {
		t.Errorf("test: %s", tested.body)
	}
	first := h.do(http.MethodPost, at+"/rotate-secret", "").want(200).member("secret")
	if !strings.HasPrefix(first, "whsec_") {
		t.Errorf("secret %q", first)
	}
	all := h.events("?types=account:created")
	if got := h.do(http.MethodPost, at+"/replay", `{"fromSeq":1,"toSeq":2}`).want(202); got.member("fromSeq") != "1" || got.member("toSeq") != "2" {
		t.Errorf("replay: %s", got.body)
	}
	for range all.Items {
		if id := e.next(t); id != all.Items[0].EventID && id != all.Items[1].EventID {
			t.Errorf("replayed %s", id)
		}
	}
	for body, member := range map[string]string{
		`{}`: "/fromSeq", `{"fromSeq":1,"fromTime":"2020-01-01T00:00:00Z"}`: "/fromSeq", `{"fromSeq":0}`: "/fromSeq",
		`{"fromSeq":1,"toSeq":1,"toTime":"2020-01-01T00:00:00Z"}`: "/toSeq", `{"fromSeq":99}`: "", `{"fromTime":"now"}`: "/fromTime",
		`{"fromTime":"2020-01-01T00:00:00Z","toTime":"2020-01-02T00:00:00Z"}`: "",
	} {
		if p := h.do(http.MethodPost, at+"/replay", body).refusal(422, "invalid"); !p.names(member) {
			t.Errorf("%s: the problem does not name %q: %+v", body, member, p)
		}
	}
	h.eventually("the first replay to end", func() bool {
		return !strings.Contains(string(h.get(at).want(200).body), `"replay"`)
	})
	h.do(http.MethodPost, at+"/replay", `{"fromTime":"2020-01-01T00:00:00Z"}`).want(202)
	e.next(t)
}

// eventually waits for what happens by itself.
func (h *house) eventually(what string, holds func() bool) {
	h.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			h.t.Fatalf("waited in vain for %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestFailuresAreShownAndDeadLettersReplayed(t *testing.T) {
	h := open(t)
	e := receiver(t)
	e.failing.Store(true)
	at := "/v1/subscriptions/" + h.do(http.MethodPost, "/v1/subscriptions", fmt.Sprintf(`{"events":["account:created"],"sink":{"type":"webhook","url":%q},"retry":{"schedule":["1ms"]}}`, e.URL)).want(201).member("id")
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"One"}`).want(201)
	var letters struct {
		Items []struct {
			ID, EventID, EventType, Lane, LastError string
			Attempts, LastStatus                    int
			Seq                                     int64
		}
	}
	h.eventually("a dead letter", func() bool {
		h.get(at + "/dead-letters").want(200).into(&letters)
		return len(letters.Items) == 1
	})
	letter := letters.Items[0]
	if letter.EventType != "account:created" || letter.LastStatus != 502 || letter.Attempts != 2 || letter.Lane != "acc_1" || letter.Seq != 1 {
		t.Errorf("letter %+v", letter)
	}
	var attempts struct {
		Items []struct {
			Outcome, Response string
			Status, Number    int
		}
	}
	h.eventually("two attempts", func() bool {
		h.get(at + "/attempts").want(200).into(&attempts)
		return len(attempts.Items) == 2
	})
	if a := attempts.Items[0]; a.Outcome != "dead" || a.Status != 502 || !strings.Contains(a.Response, "out of order") {
		t.Errorf("attempts %+v", attempts)
	}
	e.failing.Store(false)
	h.do(http.MethodPost, at+"/resume", "").want(200)
	h.do(http.MethodPost, at+"/dead-letters/replay", `{"ids":[]}`).refusal(422, "invalid")
	if got := h.do(http.MethodPost, at+"/dead-letters/replay", `{"ids":["`+letter.ID+`"]}`).want(202).member("replayed"); got != "1" {
		t.Errorf("replayed %s", got)
	}
	if id := e.next(t); id != letter.EventID {
		t.Errorf("delivered %s, want %s", id, letter.EventID)
	}
	h.eventually("no dead letter", func() bool {
		letters.Items = nil
		h.get(at + "/dead-letters").want(200).into(&letters)
		return len(letters.Items) == 0
	})
	if got := h.do(http.MethodPost, at+"/dead-letters/replay", `{}`).want(202).member("replayed"); got != "0" {
		t.Errorf("replayed %s", got)
	}
}
