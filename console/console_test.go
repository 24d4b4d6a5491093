package console_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon"
	"carillon/console"
	"carillon/deliver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client keeps cookies and does not follow redirects.
func client(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func get(t *testing.T, c *http.Client, url string, header ...string) (*http.Response, string) {
	t.Helper()
	return ask(t, c, http.MethodGet, url, nil, header...)
}

// ask sends a request with headers given as name, value, … and reads the answer.
func ask(t *testing.T, c *http.Client, method, url string, form url.Values, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func signIn(t *testing.T, c *http.Client, server *httptest.Server, key string) *http.Response {
	t.Helper()
	response, _ := ask(t, c, http.MethodPost, server.URL+"/console/signin", url.Values{"key": {key}})
	return response
}

func TestStrangersAreAskedToSignIn(t *testing.T) {
	a := newArchive()
	a.add(account("acme", "acc_1", "Secretive", carillon.OpCreated, time.Now()))
	server := open(t, a, nil)

	for _, path := range []string{"/", "/console/events/1/0"} {
		response, body := get(t, client(t), server.URL+path)
		if response.StatusCode != http.StatusSeeOther || response.Header.Get("Location") != "/console/signin" {
			t.Errorf("GET %s: %s to %q, want 303 to the sign-in page", path, response.Status, response.Header.Get("Location"))
		}
		if strings.Contains(body, "Secretive") {
			t.Errorf("GET %s shows a stranger a record", path)
		}
	}
	for _, script := range [][]string{{"Accept", "text/event-stream"}, {"Carillon-Fragment", "1"}} {
		if response, _ := get(t, client(t), server.URL+"/console/live?after=0", script...); response.StatusCode != http.StatusUnauthorized {
			t.Errorf("live feed with %s: %s, want 401", script, response.Status)
		}
	}
}

func TestAKeyOpensASession(t *testing.T) {
	a := newArchive()
	a.add(account("acme", "acc_1", "Ours & Co", carillon.OpCreated, time.Now()))
	server := open(t, a, nil)
	c := client(t)

	response := signIn(t, c, server, "acme-key")
	if response.StatusCode != http.StatusSeeOther || response.Header.Get("Location") != "/" {
		t.Fatalf("signing in: %s to %q", response.Status, response.Header.Get("Location"))
	}
	cookies := response.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("signing in set the cookies %v, want one", cookies)
	}
	if k := cookies[0]; !k.HttpOnly || k.SameSite != http.SameSiteStrictMode || k.Path != "/" || k.MaxAge <= 0 || strings.Contains(k.Value, "acme") || len(k.Value) < 26 {
		t.Errorf("the cookie is %q: want HttpOnly, SameSite=Strict, an age, and a value that is not the key", k.Raw)
	}
	response, body := get(t, c, server.URL+"/")
	if response.StatusCode != http.StatusOK || !strings.Contains(body, "Ours &amp; Co") {
		t.Errorf("the first page: %s, without the account:\n%s", response.Status, body)
	}

	response, _ = ask(t, c, http.MethodPost, server.URL+"/console/signout", url.Values{})
	if response.StatusCode != http.StatusSeeOther {
		t.Errorf("signing out: %s", response.Status)
	}
	response, _ = get(t, client(t), server.URL+"/", "Cookie", cookies[0].Name+"="+cookies[0].Value)
	if response.StatusCode != http.StatusSeeOther {
		t.Errorf("the session goes on after signing out: %s", response.Status)
	}
}

func TestTheCookieIsSecureBehindHTTPS(t *testing.T) {
	server := open(t, newArchive(), nil)
	response, _ := ask(t, client(t), http.MethodPost, server.URL+"/console/signin", url.Values{"key": {"acme-key"}}, "X-Forwarded-Proto", "https")
	if cookies := response.Cookies(); len(cookies) != 1 || !cookies[0].Secure {
		t.Errorf("cookies %v, want one that is Secure", cookies)
	}
}

func TestUnknownKeysOpenNothing(t *testing.T) {
	server := open(t, newArchive(), nil)
	for name, form := range map[string]url.Values{
		"a wrong key": {"key": {"wrong"}}, "no key": {}, "a body too large": {"key": {strings.Repeat("x", 10_000)}},
	} {
		response, body := ask(t, client(t), http.MethodPost, server.URL+"/console/signin", form)
		if response.StatusCode != http.StatusUnauthorized || len(response.Cookies()) != 0 || !strings.Contains(body, "Nobody knows this key") {
			t.Errorf("%s: %s with %d cookies", name, response.Status, len(response.Cookies()))
		}
	}
}

func TestASessionEndsWithItsTimeAndWithItsKey(t *testing.T) {
	now := time.Now()
	gate := keys{"acme-key": {Org: "acme"}, "short-lived": {Org: "acme"}}
	server := open(t, newArchive(), func(cfg *console.Config) {
		cfg.Gate = gate
		cfg.Now = func() time.Time { return now }
	})

	c := client(t)
	signIn(t, c, server, "short-lived")
	if response, _ := get(t, c, server.URL+"/"); response.StatusCode != http.StatusOK {
		t.Fatalf("signed in: %s", response.Status)
	}
	delete(gate, "short-lived")
	if response, _ := get(t, c, server.URL+"/"); response.StatusCode != http.StatusSeeOther {
		t.Errorf("with the key gone: %s, want 303", response.Status)
	}

	c = client(t)
	signIn(t, c, server, "acme-key")
	now = now.Add(11 * time.Hour)
	if response, _ := get(t, c, server.URL+"/"); response.StatusCode != http.StatusOK {
		t.Errorf("after eleven hours: %s, want 200", response.Status)
	}
	now = now.Add(2 * time.Hour)
	if response, _ := get(t, c, server.URL+"/"); response.StatusCode != http.StatusSeeOther {
		t.Errorf("after thirteen hours: %s, want 303", response.Status)
	}
}

func TestDevLetsThisMachineIn(t *testing.T) {
	server := open(t, newArchive(), dev)
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost:8080": 200, "[::1]:8080": 200, "localhost": 200, "[::1]": 200,
		"stranger.example:8080": 303, "127.0.0.1.stranger.example": 303, "192.0.2.1": 303, "localhost.stranger.example": 303,
	} {
		if response, _ := get(t, client(t), server.URL+"/", "Host", host); response.StatusCode != want {
			t.Errorf("addressed as %s: %s, want %d", host, response.Status, want)
		}
	}

	handler, err := console.New(console.Config{Gate: knownKeys, Store: newArchive(), Desk: newArchive(), Intake: newArchive(), Workshop: noApps{}, Dialects: tongues, Dev: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost:8080/", nil)
	r.RemoteAddr = "192.0.2.77:4711"
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusSeeOther {
		t.Errorf("from another machine: %d, want 303", w.Code)
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	server := open(t, newArchive(), nil)
	c := client(t)
	signIn(t, c, server, "acme-key")
	for _, path := range []string{"/console/signin", "/console/signout"} {
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://stranger.example"}} {
			response, body := ask(t, c, http.MethodPost, server.URL+path, url.Values{"key": {"acme-key"}}, header...)
			if response.StatusCode != http.StatusForbidden || len(response.Cookies()) > 0 || !strings.Contains(body, "another site") {
				t.Errorf("POST %s with %s: %s", path, header, response.Status)
			}
		}
	}
	if response, _ := get(t, c, server.URL+"/"); response.StatusCode != http.StatusOK {
		t.Errorf("a refused form ended the session: %s", response.Status)
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	a := newArchive()
	a.add(account("dev", "acc_1", "Acme", carillon.OpCreated, time.Now()))
	server := open(t, a, dev)
	for _, path := range []string{"/", "/console/signin", "/console/events/1/0", "/console/assets/console.css", "/favicon.ico", "/nowhere", "/console/assets/nothing.js"} {
		response, body := get(t, client(t), server.URL+path)
		policy := response.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("GET %s: the policy %q lacks %s", path, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("GET %s: the policy %q is loose", path, policy)
		}
		if response.Header.Get("X-Content-Type-Options") != "nosniff" || response.Header.Get("X-Frame-Options") != "DENY" || response.Header.Get("Referrer-Policy") == "" {
			t.Errorf("GET %s: headers %v", path, response.Header)
		}
		if strings.Contains(response.Header.Get("Content-Type"), "text/html") {
			if response.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("GET %s may be cached: %q", path, response.Header.Get("Cache-Control"))
			}
			for _, inline := range []string{" onclick=", " onload=", " style=", "<style", "<script>", "javascript:"} {
				if strings.Contains(body, inline) {
					t.Errorf("GET %s holds %q", path, inline)
				}
			}
		}
	}
}

func TestAssetsAreKeptForEverUnderTheirOwnAddress(t *testing.T) {
	server := open(t, newArchive(), dev)
	_, body := get(t, client(t), server.URL+"/console/signin")
	_, rest, _ := strings.Cut(body, `<script src="`)
	address, _, found := strings.Cut(rest, `"`)
	if !found {
		t.Fatalf("no script on the page:\n%s", body)
	}
	for path, want := range map[string]string{address: "immutable", "/console/assets/console.js": "max-age=3600", "/console/assets/console.js?v=other": "max-age=3600"} {
		response, _ := get(t, client(t), server.URL+path)
		if response.StatusCode != http.StatusOK || !strings.Contains(response.Header.Get("Cache-Control"), want) || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/javascript") {
			t.Errorf("GET %s: %s, %q, %q; want %s", path, response.Status, response.Header.Get("Content-Type"), response.Header.Get("Cache-Control"), want)
		}
	}
}

const hostile = `<script>alert("x")</script>'"&`

func TestHostileTextStaysText(t *testing.T) {
	a := newArchive()
	change := account("dev", "acc_1", hostile, carillon.OpUpdated, time.Now(), carillon.MemberChange{Name: "customFields." + hostile, How: carillon.Added})
	change.Actor = carillon.Actor{ID: hostile, Email: hostile}
	change.Origin = hostile
	a.add(change)
	a.subscribe(
		carillon.Subscription{Org: "dev", ID: "sub_1", Name: hostile, Dialect: "platform", DisabledReason: hostile, Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: "https://example.com/" + hostile}},
		deliver.Status{State: carillon.StateDisabled, LastError: hostile})
	server := open(t, a, dev)

	_, first := get(t, client(t), server.URL+"/")
	_, event := get(t, client(t), server.URL+"/console/events/1/0")
	feed := readFeed(t, server.URL+"/console/live?after=0", 2)
	for name, html := range map[string]string{"first page": first, "event": event, "live feed": strings.Join(feed, "\n")} {
		if !strings.Contains(html, "&lt;script&gt;") {
			t.Errorf("the %s does not show the name:\n%s", name, html)
		}
		if strings.Contains(html, "<script>") {
			t.Errorf("the %s holds the name as markup:\n%s", name, html)
		}
	}
	if _, page := get(t, client(t), server.URL+"/"+url.PathEscape(hostile)); strings.Contains(page, "<script>") {
		t.Errorf("the page for unknown paths holds the path as markup:\n%s", page)
	}
}

// readFeed reads server-sent events, n of them, each as its lines.
func readFeed(t *testing.T, url string, n int, header ...string) []string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	c := client(t)
	response, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("GET %s: %s, %s", url, response.Status, response.Header.Get("Content-Type"))
	}
	timer := time.AfterFunc(20*time.Second, func() { response.Body.Close() })
	defer timer.Stop()
	var events []string
	var event strings.Builder
	for lines := bufio.NewScanner(response.Body); len(events) < n && lines.Scan(); {
		switch line := lines.Text(); {
		case line != "":
			event.WriteString(line + "\n")
		case strings.HasPrefix(event.String(), "event:"):
			events = append(events, event.String())
			event.Reset()
		default:
			event.Reset()
		}
	}
	if len(events) < n {
		t.Fatalf("the feed ended after %d of %d events: %q", len(events), n, events)
	}
	return events
}

func TestTheLiveFeedGoesOnWhereItWasLeft(t *testing.T) {
	a := newArchive()
	for i := range 5 {
		a.add(account("dev", fmt.Sprintf("acc_%d", i+1), fmt.Sprintf("Number %d", i+1), carillon.OpCreated, time.Now()))
	}
	server := open(t, a, dev)

	for name, feed := range map[string][]string{
		"by address": readFeed(t, server.URL+"/console/live?after=3", 1),
		"by header":  readFeed(t, server.URL+"/console/live?after=0", 1, "Last-Event-ID", "3"),
	} {
		if !strings.HasPrefix(feed[0], "event: rows\nid: 5\n") || strings.Contains(feed[0], "Number 3") {
			t.Errorf("%s: the feed after 3 begins with %s", name, feed[0])
		}
		if four, five := strings.Index(feed[0], "Number 4"), strings.Index(feed[0], "Number 5"); four < 0 || five < 0 || five > four {
			t.Errorf("%s: 4 and 5 are not there, the newest first: %s", name, feed[0])
		}
	}
	for _, after := range []string{"", "x", "-1", "99999999999999999999"} {
		if response, _ := get(t, client(t), server.URL+"/console/live?after="+after); response.StatusCode != http.StatusNotFound {
			t.Errorf("a feed after %q: %s, want 404", after, response.Status)
		}
	}
}

func TestABurstIsCountedNotListed(t *testing.T) {
	a := newArchive()
	for range 500 {
		a.add(account("dev", "acc_1", "Busy", carillon.OpCreated, time.Now()))
	}
	server := open(t, a, dev)
	feed := readFeed(t, server.URL+"/console/live?after=0", 1)
	if rows := strings.Count(feed[0], "data-event="); rows != 20 || !strings.Contains(feed[0], "480 changes more") || !strings.Contains(feed[0], "id: 500\n") {
		t.Errorf("500 changes at once gave %d rows: %s", rows, feed[0])
	}
}

func TestACarriageReturnCannotBeginAField(t *testing.T) {
	a := newArchive()
	a.add(account("dev", "acc_1", "x", carillon.OpCreated, time.Now()))
	change := account("dev", "acc_1", "x", carillon.OpUpdated, time.Now())
	change.Actor = carillon.Actor{ID: "a\revent: overview\rdata: taken"}
	a.add(change)
	server := open(t, a, dev)
	if feed := readFeed(t, server.URL+"/console/live?after=0", 1); strings.Contains(feed[0], "\r") {
		t.Errorf("the feed holds a carriage return: %q", feed[0])
	}
}

func TestALiveFeedEndsWithItsReader(t *testing.T) {
	a := newArchive()
	server := open(t, a, dev)
	readFeed(t, server.URL+"/console/live?after=0", 1) // closes the connection when it has read enough
	deadline := time.Now().Add(20 * time.Second)
	for a.watching() > 0 {
		if time.Now().After(deadline) {
			t.Fatal("the feed goes on watching")
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestALiveFeedEndsWhenTheServerStops(t *testing.T) {
	stopping := make(chan struct{})
	server := open(t, newArchive(), func(cfg *console.Config) { cfg.Dev, cfg.Stopping = true, stopping })
	time.AfterFunc(50*time.Millisecond, func() { close(stopping) })
	if _, body := get(t, client(t), server.URL+"/console/live?after=0"); !strings.HasPrefix(body, "retry: ") {
		t.Errorf("the feed was %q", body)
	}
}

func TestAnEventIsShownWhole(t *testing.T) {
	a := newArchive()
	a.add(account("dev", "acc_1", "Acme", carillon.OpUpdated, time.Now(), carillon.MemberChange{Name: "health", How: carillon.Updated}))
	server := open(t, a, dev)

	response, page := get(t, client(t), server.URL+"/console/events/1/1")
	if response.StatusCode != http.StatusOK || !strings.Contains(page, "<title>account-health:changed") || !strings.Contains(page, "agent@example.com") {
		t.Errorf("the event's page: %s\n%s", response.Status, page)
	}
	_, part := get(t, client(t), server.URL+"/console/events/1/1", "Carillon-Fragment", "1")
	if strings.Contains(part, "<html") || !strings.Contains(part, "account-health:changed") {
		t.Errorf("the event as a part:\n%s", part)
	}
	for _, path := range []string{"1/2", "2/0", "0/0", "-1/0", "1/-1", "x/0", "1/x", "99999999999999999999/0"} {
		if response, _ := get(t, client(t), server.URL+"/console/events/"+path); response.StatusCode != http.StatusNotFound {
			t.Errorf("event %s: %s, want 404", path, response.Status)
		}
	}
}

func TestAnEventIsShownInEveryDialect(t *testing.T) {
	a := newArchive()
	created := account("dev", "acc_1", "Acme", carillon.OpCreated, time.Now())
	created.Actor = carillon.Actor{ID: "usr_first"}
	a.add(created)
	a.add(account("dev", "acc_1", "Acme", carillon.OpUpdated, time.Now(), carillon.MemberChange{Name: "health", How: carillon.Updated}))
	task := account("dev", "task_1", "", carillon.OpDeleted, time.Now())
	task.Ref, task.Lane, task.Before = carillon.Ref{Kind: carillon.KindTask, ID: "task_1"}, "acc_1", []byte(`{"id":"task_1","accountId":"acc_1","title":"Call","status":"Open"}`)
	a.add(task)
	server := open(t, a, dev)

	for in, wanted := range map[string][]string{
		"":            {"&#34;eventType&#34;", "account-health:changed"},
		"platform":    {"&#34;eventType&#34;", "account-health:changed"},
		"cloudevents": {"&#34;specversion&#34;", "account-health:changed", "application/cloudevents&#43;json"},
		"neon":        {"&#34;eventTrigger&#34;", "editAccount", "usr_first"}, // whom only the log knows
		"freshsales":  {"&#34;productContext&#34;", "onSalesAccountUpdate"},
		"smarterpay":  {"&#34;idempotency_key&#34;", "customer_account.update"},
		"all":         {"&#34;eventType&#34;", "&#34;specversion&#34;", "&#34;eventTrigger&#34;", "&#34;productContext&#34;", "&#34;idempotency_key&#34;"},
	} {
		_, page := get(t, client(t), server.URL+"/console/events/2/1?in="+in)
		for _, text := range wanted {
			if !strings.Contains(page, text) {
				t.Errorf("in %q the page lacks %s", in, text)
			}
		}
		messages, current := 1, strings.Count(page, `aria-current="true"`)
		if in == "all" {
			messages = 5
		}
		if got := strings.Count(page, "<pre id="); got != messages || current != 1 {
			t.Errorf("in %q the page has %d messages and %d chosen dialects, want %d and 1", in, got, current, messages)
		}
	}

	_, page := get(t, client(t), server.URL+"/console/events/3/0?in=neon")
	if strings.Contains(page, "<pre") || !strings.Contains(page, "means nothing in this language") || strings.Count(page, "tongue silent") != 2 {
		t.Errorf("a task's deletion in neon:\n%s", page)
	}
	for _, in := range []string{"klingon", "%3Cscript%3E"} {
		if response, page := get(t, client(t), server.URL+"/console/events/2/0?in="+in); response.StatusCode != http.StatusNotFound || strings.Contains(page, "<script>") {
			t.Errorf("in %s: %s, want 404", in, response.Status)
		}
	}
}

func TestAnOrgSeesNothingOfAnother(t *testing.T) {
	a := newArchive()
	a.add(account("other", "acc_1", "Secretive", carillon.OpCreated, time.Now()))
	a.subscribe(carillon.Subscription{Org: "other", ID: "sub_1", Name: "hush-hush", Sink: carillon.Sink{URL: "https://example.com/under-wraps"}}, deliver.Status{})
	server := open(t, a, nil)
	c := client(t)
	signIn(t, c, server, "acme-key")

	_, page := get(t, c, server.URL+"/")
	for _, secret := range []string{"Secretive", "hush-hush", "under-wraps"} {
		if strings.Contains(page, secret) {
			t.Errorf("acme's page shows %s of other", secret)
		}
	}
	if !strings.Contains(page, "Nothing has happened yet") {
		t.Errorf("acme's page counts what is not acme's:\n%s", page)
	}
	if response, _ := get(t, c, server.URL+"/console/events/1/0"); response.StatusCode != http.StatusNotFound {
		t.Errorf("an event of other: %s, want 404", response.Status)
	}
}

func TestSubscriptionsThatNeedAPersonComeFirst(t *testing.T) {
	a := newArchive()
	for name, status := range map[string]deliver.Status{
		"a-well":     {State: carillon.StateActive},
		"b-parked":   {State: carillon.StateActive, ParkedLanes: 2, LastError: "HTTP 503"},
		"c-disabled": {State: carillon.StateDisabled},
		"d-lagging":  {State: carillon.StateActive, Lag: 1234},
		"e-degraded": {State: carillon.StateDegraded},
		"f-letters":  {State: carillon.StateActive, DeadLetters: 1},
	} {
		a.subscribe(carillon.Subscription{Org: "dev", ID: name, Name: name, Dialect: "platform", Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: "https://user:password@example.com/" + name + "?token=under-wraps"}}, status)
	}
	server := open(t, a, dev)
	_, page := get(t, client(t), server.URL+"/")
	last := 0
	for _, name := range []string{"c-disabled", "e-degraded", "b-parked", "f-letters", "d-lagging", "a-well"} {
		at := strings.Index(page, "<strong>"+name)
		if at < last {
			t.Errorf("%s is not in its place", name)
		}
		last = at
	}
	for _, wanted := range []string{"4 need attention", "1,234", "HTTP 503", "example.com/d-lagging"} {
		if !strings.Contains(page, wanted) {
			t.Errorf("the page lacks %q", wanted)
		}
	}
	for _, secret := range []string{"password", "under-wraps"} {
		if strings.Contains(page, secret) {
			t.Errorf("the page shows %q of a sink's URL", secret)
		}
	}
}

func TestManySubscriptionsAreBounded(t *testing.T) {
	a := newArchive()
	for i := range 600 {
		id := fmt.Sprintf("sub_%03d", i)
		a.subscribe(carillon.Subscription{Org: "dev", ID: id, Name: id}, deliver.Status{State: carillon.StateActive})
	}
	_, page := get(t, client(t), open(t, a, dev).URL+"/")
	if n := strings.Count(page, `class="subscription active"`); n != 50 || !strings.Contains(page, "50 of 600") {
		t.Errorf("%d of 600 subscriptions are shown", n)
	}
}

func TestTheChartCountsTheLastHour(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 0, 30, 0, time.UTC)
	a := newArchive()
	at := func(before time.Duration, n int) {
		for range n {
			a.add(account("dev", "acc_1", "Acme", carillon.OpUpdated, now.Add(-before), carillon.MemberChange{Name: "tags", How: carillon.Updated}))
		}
	}
	at(2*time.Hour, 7)
	at(30*time.Minute, 5)
	at(time.Minute, 12)
	at(10*time.Second, 3)
	server := open(t, a, func(cfg *console.Config) { cfg.Dev, cfg.Now = true, func() time.Time { return now } })

	_, page := get(t, client(t), server.URL+"/")
	for _, wanted := range []string{"5 changes at 11:30 UTC", "12 changes at 11:59 UTC", "3 changes at 12:00 UTC", "0 changes at 11:31 UTC", "20 in all, at most 12 in a minute", "20 in the last hour", "12 last minute"} {
		if !strings.Contains(page, wanted) {
			t.Errorf("the page lacks %q", wanted)
		}
	}
	if strings.Contains(page, "7 changes") {
		t.Error("the chart shows what is older than an hour")
	}

	// What has settled is not asked for again.
	asked := a.seqAts
	now = now.Add(2 * time.Second)
	get(t, client(t), server.URL+"/")
	if again := a.seqAts - asked; again > 1 {
		t.Errorf("a refresh looked up %d times, want 1 at most", again)
	}
}

func TestAFailingStoreTellsStrangersNothing(t *testing.T) {
	a := newArchive()
	server := open(t, a, dev)
	a.fail(errors.New("disk /dev/sdz9 is on fire"))
	response, body := get(t, client(t), server.URL+"/")
	if response.StatusCode != http.StatusInternalServerError || strings.Contains(body, "sdz9") {
		t.Errorf("%s\n%s", response.Status, body)
	}
	a.fail(&carillon.Error{Code: carillon.CodeUnavailable, Message: "the store is shutting down"})
	if response, _ := get(t, client(t), server.URL+"/"); response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%s, want 503", response.Status)
	}
}

func TestNewWantsWhatItNeeds(t *testing.T) {
	if _, err := console.New(console.Config{Gate: knownKeys}); err == nil {
		t.Error("a console without a store was made")
	}
}
