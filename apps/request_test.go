package apps_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"carillon"
	"carillon/apps"
)

var scope = apps.Scope{
	IParams: map[string]any{
		"host": "api.example.com", "user": "user", "key": "key", "domain-name": "sample", "limit": 5.0, "big": 1e20, "on": true,
		"list": []any{"a", "b"}, "none": nil, "object": map[string]any{"url": "deep"},
	},
	Context:     map[string]any{"id": int64(9007199254740993), "ticket": map[string]any{"id": 7.0}, "a.b": "dotted", "exact": json.Number("12345678901234567890")},
	AccessToken: "token",
}

func TestTemplatesAreFilledIn(t *testing.T) {
	for template, want := range map[string]string{
		"":                                              "",
		"plain % text":                                  "plain % text",
		"<%= iparam.host %>":                            "api.example.com",
		"https://<%=iparam.domain-name%>.x/":            "https://sample.x/",
		"<%= context.ticket.id %>":                      "7",
		"<%= context.a.b %>":                            "dotted",
		"<%= context.id %>":                             "9007199254740993",
		"<%= context.exact %>":                          "12345678901234567890",
		"<%= iparam.limit %>":                           "5",
		"<%= iparam.big %>":                             "100000000000000000000",
		"<%= iparam.on %>":                              "true",
		"<%= iparam.list %>":                            "a,b",
		"<%= iparam.object.url %>":                      "deep",
		"Bearer <%= access_token %>":                    "Bearer token",
		"Basic <%= encode(iparam.key) %>":               "Basic a2V5",
		"<%= encode(iparam.user + ':' + iparam.key) %>": "dXNlcjprZXk=",
		`<%= encode( 'api_user:' + "x" ) %>`:            "YXBpX3VzZXI6eA==",
		"<%= iparam.user + '@' + iparam.key %>":         "user@key",
	} {
		parsed, err := apps.ParseTemplate(template)
		if err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		if got, err := parsed.Expand(scope); err != nil || got != want {
			t.Errorf("%s: %q, %v", template, got, err)
		}
		if parsed.String() != template {
			t.Errorf("%s is shown as %s", template, parsed)
		}
	}
}

func TestTemplatesThatSayNothing(t *testing.T) {
	for _, template := range []string{
		"<%= iparam.a", "<% run() %>", "<%- iparam.a %>", "<%= %>", "<%= iparam %>", "<%= iparam. %>", "<%= other.a %>", "<%= encode(iparam.a %>",
		"<%= encode() %>", "<%= iparam.a iparam.b %>", "<%= iparam.a + %>", "<%= 'open %>", `<%= 'a\'b' %>`, "<%= iparam['a'] %>",
		"<%= access_tokens %>", "<%= process.env %>", "<%= encode(encode(iparam.a)) %>", strings.Repeat("a", 17<<10),
	} {
		if parsed, err := apps.ParseTemplate(template); err == nil {
			t.Errorf("%.40s: read as %v", template, parsed)
		}
	}
}

func TestEveryNameWithoutAValueIsTold(t *testing.T) {
	parsed, err := apps.ParseTemplate("<%= iparam.nothing %><%= context.ticket.no %><%= iparam.none %><%= iparam.object %><%= access_token %><%= iparam.host %>")
	if err != nil {
		t.Fatal(err)
	}
	_, err = parsed.Expand(apps.Scope{IParams: scope.IParams, Context: scope.Context})
	want := []carillon.Fault{
		{Member: "/iparams/nothing", Reason: "is named by the request template, but has no value"},
		{Member: "/context/ticket/no", Reason: "is named by the request template, but has no value"},
		{Member: "/iparams/none", Reason: "is named by the request template, but has no value"},
		{Member: "/iparams/object", Reason: "is named by the request template, but is no text, number or truth"},
		{Member: "/access_token", Reason: "there is no access token"},
	}
	if e, ok := errors.AsType[*carillon.Error](err); !ok || e.Code != carillon.CodeInvalid || !slices.Equal(e.Faults, want) {
		t.Errorf("%v", err)
	}
}

func TestFilledInTemplatesAreBounded(t *testing.T) {
	parsed, err := apps.ParseTemplate(strings.Repeat("<%= context.a %>", 100))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parsed.Expand(apps.Scope{Context: map[string]any{"a": strings.Repeat("a", 1<<10)}}); carillon.ErrorCode(err) != carillon.CodeInvalid {
		t.Errorf("%v", err)
	}
}

// request is the template "call" of an app with this schema, whose parameters are those of the scope.
func request(t testing.TB, schema string) *apps.Request {
	t.Helper()
	files := small()
	files["manifest.json"] = &fstest.MapFile{Data: []byte(`{"platform-version": "2.3", "product": {"freshworks_crm": {"requests": {"call": {}}}}}`)}
	files["config/requests.json"] = &fstest.MapFile{Data: []byte(`{"call": {"schema": ` + schema + `}}`)}
	app, list := apps.Read(files)
	if len(list) > 0 {
		t.Fatalf("found\n%s", lines(list))
	}
	r, ok := app.Request("call")
	if !ok {
		t.Fatal("there is no request")
	}
	return r
}

func TestRequestsAreFilledIn(t *testing.T) {
	r := request(t, `{
		"method": "post", "host": "<%= iparam.host %>", "path": "/tickets/<%= context.id %>/notes?a=<%= context.text %>",
		"headers": {"authorization": "Basic <%= encode(iparam.user + ':' + iparam.key) %>", "X-Static": 1},
		"query": {"q": "<%= context.text %>", "page": 2}
	}`)
	call, err := r.Expand(apps.Scope{IParams: scope.IParams, Context: map[string]any{"id": "7", "text": "a b&c=d é"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := call.URL.String(), "https://api.example.com/tickets/7/notes?a=a%20b&c=d%20%C3%A9&q=a+b%26c%3Dd+%C3%A9&page=2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if call.Method != "POST" || call.Header.Get("Authorization") != "Basic dXNlcjprZXk=" || call.Header.Get("X-Static") != "1" {
		t.Errorf("%+v", call)
	}
}

func TestNothingCanBeSmuggledIntoARequest(t *testing.T) {
	r := request(t, `{
		"method": "GET", "host": "<%= context.host %>", "path": "/items/<%= context.item %>", "headers": {"X-Note": "note: <%= context.note %>"}
	}`)
	good := map[string]any{"host": "api.example.com", "item": "1", "note": "hello"}
	for _, c := range []struct{ name, value, member string }{
		{"note", "a\r\nX-Admin: true", "headers/X-Note"},
		{"note", "a\nb", "headers/X-Note"},
		{"note", "a\x00", "headers/X-Note"},
		{"host", "evil.example.com/path", "host"},
		{"host", "user@evil.example.com", "host"},
		{"host", "evil.example.com?x", "host"},
		{"host", "evil.example.com#x", "host"},
		{"host", "a b", "host"},
		{"host", "", "host"},
		{"host", "api.example.com:99999", "host"},
		{"host", "::1", "host"},
		{"host", "[fe80::1%25eth0]:80", "host"},
		{"item", "../../admin", "path"},
		{"item", "%2e%2e/admin", "path"},
		{"item", ".", "path"},
	} {
		context := map[string]any{}
		for name, value := range good {
			context[name] = value
		}
		context[c.name] = c.value
		_, err := r.Expand(apps.Scope{Context: context})
		if e, ok := errors.AsType[*carillon.Error](err); !ok || e.Code != carillon.CodeInvalid || e.Faults[0].Member != "/requests/call/schema/"+c.member {
			t.Errorf("%s %q: %v", c.name, c.value, err)
		} else if c.value != "" && strings.Contains(err.Error(), c.value) && len(c.value) > 1 {
			t.Errorf("%s %q is repeated: %v", c.name, c.value, err)
		}
	}
	for value, want := range map[string]string{
		"a/b":       "/items/a/b",
		"a%20b":     "/items/a%20b",
		"50%":       "/items/50%25",
		"a#b\r\nc":  "/items/a%23b%0D%0Ac",
		"x?y=1":     "/items/x?y=1",
		"..a":       "/items/..a",
		"\u00e9\"<": "/items/%C3%A9%22%3C",
	} {
		good["item"] = value
		call, err := r.Expand(apps.Scope{Context: good})
		if err != nil || call.URL.RequestURI() != want {
			t.Errorf("%q: %v, %v", value, call, err)
		}
	}
	for _, host := range []string{"https://sample.example.com/", "127.0.0.1:8080", "localhost:1", "[::1]:8080", "10.0.0.1"} {
		if _, err := r.Expand(apps.Scope{Context: map[string]any{"host": host, "item": "1", "note": ""}}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestOnlyDeclaredRequestsCanBeInvoked(t *testing.T) {
	files := small()
	files["config/requests.json"] = &fstest.MapFile{Data: []byte(`{"call": {"schema": {"method": "GET", "host": "example.com", "path": "/"}}}`)}
	app, _ := apps.Read(files)
	if r, ok := app.Request("call"); ok {
		t.Errorf("%+v", r)
	}
}

func TestRequestsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 101 {
		fmt.Fprintf(&b, `,"r%d": {"schema": {"method": "GET", "host": "example.com", "path": "/"}}`, i)
	}
	files := small()
	files["config/requests.json"] = &fstest.MapFile{Data: []byte("{" + b.String()[1:] + "}")}
	app, list := apps.Read(files)
	if len(app.Requests) != 100 || !tells(list, "config/requests.json", "beyond the 100") {
		t.Errorf("%d requests\n%s", len(app.Requests), lines(list))
	}
}
