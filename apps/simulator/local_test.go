package simulator_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"carillon/apps/simulator"
	"carillon/internal/testenv/browser"
)

// holds fails unless a page has all of these and none of those after "but not".
func holds(t *testing.T, page string, texts ...string) {
	t.Helper()
	wanted := true
	for _, text := range texts {
		if text == "but not" {
			wanted = false
			continue
		}
		if strings.Contains(page, text) != wanted {
			t.Errorf("the page has %q: %v\n%s", text, !wanted, page)
		}
	}
}

func TestTheParametersOfAnAppAreAskedForByTheirTypes(t *testing.T) {
	app := listener([]string{"onContactCreate"}, "console.info(JSON.stringify(args.iparams))")
	app["config/iparams.json"] = `{
		"text": {"display_name": "A text", "description": "Anything <b>", "type": "text", "default_value": "d"},
		"long": {"display_name": "Lines", "type": "paragraph"},
		"count": {"display_name": "How many", "type": "number"},
		"on": {"display_name": "On", "type": "checkbox", "default_value": true},
		"one": {"display_name": "One of", "type": "radio", "options": ["north", "south"], "default_value": "north"},
		"pick": {"display_name": "Pick", "type": "dropdown", "options": ["a", "b"], "default_value": "a"},
		"some": {"display_name": "Some of", "type": "multiselect", "options": ["x", "y", "z"]},
		"mail": {"display_name": "Mail", "type": "email"},
		"key": {"display_name": "Key", "type": "text", "secure": true}}`
	l := open(t, app)
	_, form := l.get("/custom_configs", "")
	holds(t, form, `type="number"`, `type="checkbox" id="iparam-3" name="on" value="true" checked`, `type="email"`, `type="password"`, "<textarea", "multiple",
		`value="north" checked`, `<option value="a" selected>`, "Anything &lt;b&gt;", "Install")

	set := url.Values{
		"text": {"t<"}, "long": {"two\r\nlines"}, "count": {"7"}, "one": {"south"}, "pick": {"b"}, "some": {"x", "z"}, "mail": {""}, "key": {"s3cret-key"},
	}
	if status, page := l.do(http.MethodPost, "/custom_configs", "", set); status != http.StatusOK {
		t.Fatalf("saving answers %d: %s", status, page)
	}
	_, form = l.get("/custom_configs", "")
	holds(t, form, `value="t&lt;"`, "two\nlines", `value="7"`, `value="south" checked`, `<option value="b" selected>`, `<option value="x" selected>`,
		`<option value="z" selected>`, "is set; leave empty to keep it", "but not", "s3cret-key", `name="on" value="true" checked`, `<option value="y" selected>`)

	// An empty password keeps what is set; a wrong value is told beside its field and what was typed stays.
	set["key"], set["mail"], set["text"] = []string{""}, []string{"no address"}, []string{"typed"}
	status, form := l.do(http.MethodPost, "/custom_configs", "", set)
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong address answers %d", status)
	}
	holds(t, form, `aria-invalid="true"`, `value="no address"`, `value="typed"`, `id="iparam-7-fault"`, "but not", "s3cret-key")
	set["mail"] = []string{"a@example.com"}
	l.do(http.MethodPost, "/custom_configs", "", set)
	payload, _ := l.Shop.TestPayload(t.Context(), "local", l.Folder.State().App, "freshworks_crm", "onContactCreate")
	_, outcome := l.simulate("freshworks_crm", "onContactCreate", string(payload))
	holds(t, outcome, "Success", "&#34;mail&#34;:&#34;a@example.com&#34;", "&#34;text&#34;:&#34;typed&#34;", "&#34;key&#34;:", "but not", "s3cret-key", "********")
}

func TestAnAppWithAPageOfItsOwnTakesAnyObject(t *testing.T) {
	app := listener([]string{"onContactCreate"}, "")
	delete(app, "config/iparams.json")
	app["config/iparams.html"], app["config/assets/iparams.js"] = "<p></p>", "function postConfigs() {}"
	l := open(t, app)
	_, form := l.get("/custom_configs", "")
	holds(t, form, `id="values"`, "{}")
	status, form := l.do(http.MethodPost, "/custom_configs", "", url.Values{"values": {"{\n\"a\": }"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("what is no JSON answers %d", status)
	}
	holds(t, form, "line 2", "&#34;a&#34;: }")
	l.do(http.MethodPost, "/custom_configs", "", url.Values{"values": {`{"a": {"b": ["kept as it is"]}}`}})
	_, form = l.get("/custom_configs", "")
	holds(t, form, "kept as it is")
}

func TestTheAccountIsThatOfCarillonsPayloads(t *testing.T) {
	l := open(t, listener([]string{"onDealUpdate"}, ""))
	status, page := l.do(http.MethodPost, "/system_settings", "", url.Values{"domain": {"https://x/"}, "region": {"MOON"}, "url": {"crm"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("wrong settings answer %d", status)
	}
	holds(t, page, `id="domain-fault"`, `id="region-fault"`, `id="url-fault"`, `value="https://x/"`, "<code>freshworks_crm</code>")
	l.do(http.MethodPost, "/system_settings", "", url.Values{
		"domain": {"harbour.myfreshworks.com"}, "account": {"4711"}, "region": {"EUC"}, "url": {"https://harbour.myfreshworks.com/crm/here"},
	})
	_, page = l.get("/web/test", "")
	for _, member := range []string{
		"&#34;domain&#34;: &#34;harbour.myfreshworks.com&#34;", "&#34;account_id&#34;: &#34;4711&#34;", "&#34;region&#34;: &#34;EUC&#34;",
		"&#34;url&#34;: &#34;https://harbour.myfreshworks.com/crm/here&#34;",
	} {
		holds(t, page, member)
	}
}

func TestStrangersCannotReachThePages(t *testing.T) {
	l := open(t, listener([]string{"onDealUpdate"}, ""))
	send := func(method, host string, headers ...string) (int, http.Header) {
		r, err := http.NewRequestWithContext(t.Context(), method, l.URL+"/web/test", http.NoBody)
		l.must(err)
		r.Host = host
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(r)
		l.must(err)
		resp.Body.Close()
		return resp.StatusCode, resp.Header
	}
	for host, want := range map[string]int{
		"localhost:10001": 200, "LOCALHOST": 200, "127.0.0.1": 200, "[::1]:10001": 200, "127.8.8.8:1": 200,
		"stranger.example": 421, "localhost.stranger.example:10001": 421, "192.0.2.1": 421,
	} {
		if status, header := send(http.MethodGet, host); status != want || header.Get("Content-Security-Policy") == "" {
			t.Errorf("addressed as %q: %d %v, want %d", host, status, header, want)
		}
	}
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://stranger.example"}} {
		if status, _ := send(http.MethodPost, "localhost", headers...); status != http.StatusForbidden {
			t.Errorf("a form of another site (%v) is answered %d", headers, status)
		}
	}
}

func TestTheAppIsInstalledAnewWhenItsFilesChange(t *testing.T) {
	l := open(t, listener([]string{"onDealUpdate"}, "console.info('first')"))
	try := func() string {
		_, outcome := l.simulate("freshworks_crm", "onDealUpdate", l.payload("onDealUpdate"))
		return outcome
	}
	holds(t, try(), "first")
	l.write(map[string]string{"server/server.js": "exports = { handleonDealUpdate: function () { console.info('second, longer') } };"})
	l.until("the new handler runs", func() bool { return strings.Contains(try(), "second, longer") })

	// Faults are told, and the app goes on as it was.
	l.write(map[string]string{"server/server.js": "exports = { handleonDealUpdate: function () { oh no } };"})
	l.until("the fault is told", func() bool { return l.Folder.State().Err != "" })
	_, page := l.get("/web/test", "")
	holds(t, page, "server/server.js:1", "The files have faults")
	holds(t, try(), "second, longer")
	l.write(map[string]string{"server/server.js": "exports = { handleonDealUpdate: function () { console.info('third') } };"})
	l.until("the third handler runs", func() bool { return strings.Contains(try(), "third") })
	_, page = l.get("/web/test", "")
	holds(t, page, "but not", "The files have faults")
}

// payload is one for trying an event.
func (l *laptop) payload(event string) string {
	l.t.Helper()
	payload, err := l.Shop.TestPayload(l.t.Context(), "local", l.Folder.State().App, "freshworks_crm", event)
	l.must(err)
	return string(payload)
}

func TestAPageFollowsTheFiles(t *testing.T) {
	app := listener([]string{"onDealUpdate", "onDealCreate"}, "console.info('first')")
	manifest := app["manifest.json"]
	app["manifest.json"] = "{"
	l := open(t, app)
	p := browser.Start(t)
	p.Size(1280, 860, false)
	p.Do(chromedp.Navigate(l.URL + "/web/test"))
	p.Until(`document.body.innerText.includes("cannot be installed yet") && document.body.innerText.includes("manifest.json:1")`)
	p.Picture("simulator-waiting")

	// Mended, the page goes on by itself.
	l.write(map[string]string{"manifest.json": manifest})
	p.Do(chromedp.WaitVisible(chromedp.CSS(`#payload`)))
	p.Until(`document.getElementById("gutter").childElementCount > 20`)
	p.Do(chromedp.Evaluate[chromedp.Void](`(() => {
		const area = document.getElementById("payload");
		area.focus();
		area.setSelectionRange(1, 1);
		document.execCommand("insertText", false, '\n  "typed": 12345678901234567890,');
	})()`))

	// Faults appear above what was typed, which stays; the numbers stay as they are when it is formatted.
	l.write(map[string]string{"server/server.js": "exports = {"})
	p.Until(`document.querySelector("#state .broken li")?.innerText.includes("server/server.js")`)
	p.Picture("simulator-broken")
	p.Until(`document.getElementById("payload").value.includes('"typed": 12345678901234567890,') && !document.getElementById("reset").hidden`)
	l.write(map[string]string{"server/server.js": "exports = { handleonDealUpdate: () => console.info('second'), handleonDealCreate: () => 1 };"})
	p.Until(`!document.querySelector("#state .broken")`)
	p.Do(chromedp.Click(chromedp.CSS(`#format`)))
	p.Until(`document.getElementById("payload").value.startsWith('{\n  "typed": 12345678901234567890,\n')`)
	p.Do(chromedp.Click(chromedp.CSS(`#reset`)))
	p.Until(`!document.getElementById("payload").value.includes("typed") && document.getElementById("reset").hidden`)
	p.Do(chromedp.Click(chromedp.CSS(`#go`)))
	p.Until(`document.getElementById("go-text").textContent === "Success" && document.getElementById("outcome").innerText.includes("second")`)
	p.Size(380, 780, true)
	p.NoSideways()
	p.Picture("simulator-narrow")
	p.Quiet()
}

func TestWhichHandlersRanIsCounted(t *testing.T) {
	l := open(t, moody)
	l.simulate("freshworks_crm", "onContactCreate", l.payload("onContactCreate"))
	l.simulate("freshworks_crm", "onContactUpdate", l.payload("onContactUpdate"))
	l.simulate("freshworks_crm", "onDealCreate", l.payload("onDealCreate")) // fails, but it ran
	l.simulate("freshworks_crm", "onDealUpdate", `{"wrong": true}`)         // was not called
	l.stop()
	c, err := l.Folder.Coverage(t.Context())
	l.must(err)
	got := map[string]int{}
	for _, h := range c.Handlers {
		got[h.Handler] = h.Runs
	}
	if got["onContact"] != 2 || got["onDeal"] != 1 || got["forEver"] != 0 || got["onHealth"] != 0 || len(got) != 4 || c.Ran() != 2 {
		t.Errorf("ran %+v", c.Handlers)
	}
	if first := c.Handlers[0]; first.Handler != "onContact" || strings.Join(first.Events, ", ") != "freshworks_crm onContactCreate, freshworks_crm onContactUpdate" {
		t.Errorf("the first is %+v", first)
	}
}

func TestOnePortSpeaksTLSAndSendsPlainRequestsThere(t *testing.T) {
	certificate, err := simulator.NewCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	inner, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secure := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	server := &http.Server{TLSConfig: secure, ReadHeaderTimeout: time.Minute, Handler: simulator.ToHTTPS(nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))}
	served := make(chan error, 1)
	l := simulator.NewListener(inner, secure)
	go func() { served <- server.Serve(l) }()
	address := inner.Addr().String()

	// Somebody who connects and says nothing keeps nobody waiting.
	var dialer net.Dialer
	silent, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()

	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	_, port, _ := net.SplitHostPort(address)
	for _, host := range []string{"localhost", "127.0.0.1"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+":"+port+"/web/test?x=1", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := resp.Request.URL.String(); got != "https://"+host+":"+port+"/web/test?x=1" || string(body) != "HTTP/2.0" {
			t.Errorf("a plain request ends at %s and is answered %q", got, body)
		}
	}
	transport.CloseIdleConnections()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("the server ended with %v", err)
	}
	if _, err := bufio.NewReader(silent).ReadByte(); err == nil {
		t.Error("the silent connection outlives the listener")
	}
}

func TestPlainRequestsForOtherHostsAreNotSentThere(t *testing.T) {
	h := simulator.ToHTTPS([]string{"tunnel.example"}, http.NotFoundHandler())
	for host, want := range map[string]int{
		"localhost:1": http.StatusTemporaryRedirect, "tunnel.example": http.StatusTemporaryRedirect, "other.example": http.StatusMisdirectedRequest,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/web/test", http.NoBody)
		r.Host = host
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s: %d, want %d", host, w.Code, want)
		}
	}
}
