package api_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"carillon"
)

// packed makes the zip of an app; files are by path.
func packed(t testing.TB, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range files {
		f, err := w.Create(name)
		must(t, err)
		_, err = f.Write([]byte(content))
		must(t, err)
	}
	must(t, w.Close())
	return b.String()
}

// has fails the test unless the body has these texts.
func (a answer) has(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if !strings.Contains(string(a.body), text) {
			a.t.Errorf("the answer lacks %s: %s", text, a.body)
		}
	}
	return a
}

// greeter is an app that says hello, if it is told to whom.
func greeter(server string) map[string]string {
	return map[string]string{
		"manifest.json": `{"platform-version": "2.3", "product": {"platform": {"events": {
			"onAppInstall": {"handler": "onInstall"}, "account:created": {"handler": "onAccount"}}}}, "engines": {"node": "18.20.8", "fdk": "9.7.4"}}`,
		"config/iparams.json": `{"greeting": {"display_name": "Greeting", "type": "text", "required": true},
			"token": {"display_name": "Token", "type": "text", "secure": true}}`,
		"server/server.js": server,
	}
}

const greetings = `exports = {
  onInstall: function (args) {
    if (args.iparams.greeting === 'no') renderData({ message: 'We do not like it here' });
    else renderData();
  },
  onAccount: function (args) {
    console.info(args.iparams.greeting + ', ' + args.payload.account.name + ' ' + args.iparams.token + args.iparams.token.length);
    if (args.payload.account.name === 'Boom') throw new Error('it went off');
  }
};`

// form makes a multipart body and its type.
func form(t testing.TB, fields ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		must(t, w.WriteField(fields[i], fields[i+1]))
	}
	must(t, w.Close())
	return b.String(), w.FormDataContentType()
}

// install sends an app as a form, and gives its id.
func (h *house) install(fields ...string) string {
	h.t.Helper()
	body, contentType := form(h.t, fields...)
	return h.do(http.MethodPost, "/v1/apps", body, with{"Content-Type": contentType}).want(201).member("id")
}

const aPayload = `{"eventId": "evt_000000000000000000000000", "eventType": "account:created", "timestamp": "2026-01-01T00:00:00.000Z", "orgId": "acme",
	"actor": {"id": "usr_1", "type": "AGENT", "email": "a@example.com"}, "payload": {"account": {"id": "acc_1", "name": "%s", "status": "ACTIVE", "health": "Healthy", "classification": "SMB",
	"createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-01T00:00:00.000Z"}}}`

func TestAnAppIsInstalledTriedUpgradedAndRemoved(t *testing.T) {
	h := open(t)
	id := h.install("package", packed(t, greeter(greetings)), "name", "greeter", "iparams", `{"greeting": "Hello", "token": "s3cret-token"}`)

	one := h.get("/v1/apps/" + id).want(200)
	if s := string(one.body); !strings.Contains(s, `"name":"greeter"`) || !strings.Contains(s, `"token":"********"`) || strings.Contains(s, "s3cret-token") {
		t.Errorf("the app is told as %s", s)
	}
	h.get("/v1/subscriptions").want(200).has(`"type":"app"`, id)
	h.get("/v1/apps").want(200).has(id)
	if other := h.get("/v1/apps/"+id, with{"Authorization": "Bearer " + h.key("other", carillon.RightAdmin)}); other.status != 404 {
		t.Errorf("another org gets %d", other.status)
	}

	simulate := func(name string) answer {
		return h.do(http.MethodPost, "/v1/apps/"+id+"/simulate", `{"product": "platform", "event": "account:created", "payload": `+fmt.Sprintf(aPayload, name)+`}`)
	}
	simulate("Zebedee").want(200).has(`"outcome":"success"`, "Hello, Zebedee", `"level":"info"`)
	failed := simulate("Boom").want(200).has(`"outcome":"failed"`, "it went off", `"file":"server/server.js"`, `"line":8`)
	if strings.Contains(string(failed.body), "s3cret-token") {
		t.Errorf("the log tells a secret: %s", failed.body)
	}
	h.do(http.MethodPost, "/v1/apps/"+id+"/simulate", `{"event": "account:created", "payload": {"payload": 1}}`).want(200).has(`"kind":"payload"`, `"member":"/`)
	h.do(http.MethodPost, "/v1/apps/"+id+"/simulate", `{"event": "account:deleted"}`).want(422).has("/event")

	page := h.get("/v1/apps/" + id + "/logs?limit=2").want(200)
	var logs struct {
		Items []struct{ Outcome, Trigger string }
		Next  *string
	}
	page.into(&logs)
	if len(logs.Items) != 2 || logs.Next == nil || logs.Items[0].Outcome != "failed" {
		t.Errorf("the newest are %s", page.body)
	}
	h.get("/v1/apps/" + id + "/logs?limit=500&after=" + *logs.Next).want(200).has(`"trigger":"setup"`)
	if s := string(h.get("/v1/apps/" + id + "/logs?failed=true").want(200).body); strings.Contains(s, `"success"`) {
		t.Errorf("those that failed are %s", s)
	}

	// A form without a package sets the parameters; the masked one keeps its value.
	body, contentType := form(t, "iparams", `{"greeting": "Good day", "token": "********"}`)
	h.do(http.MethodPut, "/v1/apps/"+id, body, with{"Content-Type": contentType}).want(200).has(`"greeting":"Good day"`, `"version":1`)
	simulate("Zebedee").want(200).has("Good day, Zebedee ***12")
	upgraded := packed(t, greeter(strings.ReplaceAll(greetings, "+ ', ' +", "+ '; ' +")))
	h.do(http.MethodPut, "/v1/apps/"+id, upgraded, with{"Content-Type": "application/zip"}).want(200).has(`"version":2`)
	simulate("Zebedee").want(200).has("Good day; Zebedee")

	h.do(http.MethodDelete, "/v1/apps/"+id, "").want(204)
	h.get("/v1/apps/" + id).want(404)
	h.get("/v1/apps/" + id + "/logs").want(404)
	if s := string(h.get("/v1/subscriptions").want(200).body); strings.Contains(s, id) {
		t.Errorf("a subscription is left: %s", s)
	}
}

func TestAppsThatAreNotInstalledSayWhy(t *testing.T) {
	h := open(t)
	good := packed(t, greeter(greetings))
	faulty := greeter(greetings)
	faulty["manifest.json"] = strings.Replace(faulty["manifest.json"], "account:created", "account:invented", 1)
	for name, c := range map[string]struct {
		fields []string
		status int
		says   string
	}{
		"no package":              {[]string{"iparams", "{}"}, 422, "/package"},
		"an unknown field":        {[]string{"package", good, "color", "red"}, 422, "/color"},
		"a field given twice":     {[]string{"package", good, "package", good}, 422, "/package"},
		"no zip":                  {[]string{"package", "not a zip", "iparams", "{}"}, 400, "zip"},
		"a parameter missing":     {[]string{"package", good}, 422, "/iparams/greeting"},
		"parameters not JSON":     {[]string{"package", good, "iparams", "{"}, 422, "/iparams"},
		"findings":                {[]string{"package", packed(t, faulty), "iparams", `{"greeting": "x"}`}, 422, "manifest.json#/product/platform/events/account:invented"},
		"the app refuses":         {[]string{"package", good, "iparams", `{"greeting": "no"}`}, 409, "We do not like it here"},
		"a name that is too long": {[]string{"package", good, "iparams", `{"greeting": "x"}`, "name", strings.Repeat("n", 300)}, 422, "/name"},
	} {
		t.Run(name, func(t *testing.T) {
			body, contentType := form(t, c.fields...)
			h.do(http.MethodPost, "/v1/apps", body, with{"Content-Type": contentType}).want(c.status).has(c.says)
		})
	}
	h.do(http.MethodPost, "/v1/apps", "{}", with{"Content-Type": "application/json"}).want(415)
	h.do(http.MethodPost, "/v1/apps", good, with{"Content-Type": "application/zip", "Authorization": "Bearer " + h.key("acme", carillon.RightWrite)}).want(403)
	if s := string(h.get("/v1/apps").want(200).body); !strings.Contains(s, `"items":[]`) {
		t.Errorf("something was installed: %s", s)
	}
}

func TestLogsAreFollowedAndResumed(t *testing.T) {
	h := open(t)
	id := h.install("package", packed(t, greeter(greetings)), "iparams", `{"greeting": "Hello"}`)
	follow := func(query, last string) *bufio.Reader {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/v1/apps/"+id+"/logs?follow=true"+query, http.NoBody)
		must(t, err)
		request.Header.Set("Authorization", "Bearer dev")
		if last != "" {
			request.Header.Set("Last-Event-ID", last)
		}
		response, err := h.client.Do(request)
		must(t, err)
		t.Cleanup(func() { response.Body.Close() })
		if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("got %d %s", response.StatusCode, response.Header)
		}
		return bufio.NewReader(response.Body)
	}
	next := func(from *bufio.Reader) (position string, told struct{ Event, Trigger, Outcome string }) {
		for {
			line, err := from.ReadString('\n')
			must(t, err)
			if text, ok := strings.CutPrefix(line, "id: "); ok {
				position = strings.TrimSpace(text)
			}
			if text, ok := strings.CutPrefix(line, "data: "); ok {
				must(t, json.Unmarshal([]byte(text), &told))
				return position, told
			}
		}
	}
	begin := follow("&after=0", "")
	first, told := next(begin)
	if told.Event != "onAppInstall" || told.Trigger != "setup" {
		t.Errorf("the first is %+v", told)
	}
	now := follow("", "")
	_, err := now.ReadString('\n') // it has begun
	must(t, err)
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name": "Boom"}`).want(201)
	for _, from := range []*bufio.Reader{begin, now, follow("", first)} {
		if _, told := next(from); told.Event != "account:created" || told.Trigger != "event" || told.Outcome != "failed" {
			t.Errorf("then comes %+v", told)
		}
	}
	h.get("/v1/apps/" + id + "/logs?follow=true&after=x").want(422)
	h.get("/v1/apps/" + id + "/logs?follow=perhaps").want(422)
}
