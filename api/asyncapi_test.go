package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"carillon/internal/testenv"
)

// asyncDocument is the part of the AsyncAPI document that these tests look at.
type asyncDocument struct {
	AsyncAPI string
	Servers  map[string]struct{ Host, Protocol string }
	Channels map[string]struct {
		Address  *string
		Messages map[string]struct {
			Ref string `json:"$ref"`
		}
	}
	Components struct {
		Messages map[string]struct {
			Name, ContentType string
			Headers, Payload  struct {
				Ref string `json:"$ref"`
			}
			Examples []struct{ Payload json.RawMessage }
		}
		Schemas map[string]json.RawMessage
	}
}

func TestTheAsyncAPIDocumentDescribesEveryEventOfEveryDialect(t *testing.T) {
	h := open(t)
	a := h.get("/asyncapi.json", with{"Authorization": ""}).want(200)
	var document asyncDocument
	a.into(&document)
	if document.AsyncAPI != "3.0.0" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("AsyncAPI %s as %s", document.AsyncAPI, a.header.Get("Content-Type"))
	}
	for dialect := range spoken {
		channel := document.Channels["webhooks."+dialect]
		if channel.Address != nil {
			t.Errorf("the webhooks of %s have the address %s; only subscriptions know it", dialect, *channel.Address)
		}
		described := map[string]bool{}
		for key := range channel.Messages {
			message := document.Components.Messages[key]
			described[message.Name] = true
			if len(message.Examples) != 1 || message.ContentType == "" {
				t.Errorf("%s of %s has %d examples and the content type %q", message.Name, dialect, len(message.Examples), message.ContentType)
			}
			headers := "headers.standard"
			if dialect == "smarterpay" {
				headers = "headers.vendor"
			}
			if message.Headers.Ref != "#/components/schemas/"+headers {
				t.Errorf("%s of %s has the headers %s", message.Name, dialect, message.Headers.Ref)
			}
		}
		for _, item := range h.catalogue(dialect) {
			if !described[item.Name] {
				t.Errorf("%s of %s is not described", item.Name, dialect)
			}
		}
	}
	stream := document.Channels["events.stream"]
	if stream.Address == nil || *stream.Address != "/v1/events/stream" || len(stream.Messages) != len(spoken) {
		t.Errorf("the stream is %+v", stream)
	}
	var plain any
	a.into(&plain)
	for _, ref := range regexp.MustCompile(`"\$ref":"(#[^"]*)"`).FindAllSubmatch(a.body, -1) {
		if !resolves(plain, string(ref[1])) {
			t.Errorf("%s leads nowhere", ref[1])
		}
	}
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature", "carillon-seq", "carillon-lane"} {
		if !strings.Contains(string(document.Components.Schemas["headers.standard"]), `"`+name+`"`) {
			t.Errorf("the header %s is not described", name)
		}
	}
}

// resolves reports whether a reference leads to something in a document.
func resolves(document any, ref string) bool {
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		members, _ := document.(map[string]any)
		if document = members[name]; document == nil {
			return false
		}
	}
	return true
}

func TestSamplesInTheAsyncAPIDocumentHoldToItsSchemas(t *testing.T) {
	h := open(t)
	a := h.get("/asyncapi.json").want(200)
	var document asyncDocument
	a.into(&document)
	plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
	must(t, err)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7) // of which AsyncAPI's schemas are a superset
	compiler.AssertFormat()
	must(t, compiler.AddResource("https://example.com/asyncapi.json", plain))
	for key, message := range document.Components.Messages {
		if strings.HasPrefix(key, "stream.") {
			continue
		}
		schema, err := compiler.Compile("https://example.com/asyncapi.json" + message.Payload.Ref)
		must(t, err)
		sample, err := jsonschema.UnmarshalJSON(bytes.NewReader(message.Examples[0].Payload))
		must(t, err)
		if err := schema.Validate(sample); err != nil {
			t.Errorf("the sample of %s: %v", key, err)
		}
		if err := schema.Validate(map[string]any{"type": 1, "event": 1}); err == nil {
			t.Errorf("the schema of %s takes anything", key)
		}
	}
}

func TestTheAsyncAPIDocumentIsTheSameFromEveryServerButForItsHost(t *testing.T) {
	var bodies [2]string
	for i := range bodies {
		h := open(t)
		a := h.get("/asyncapi.json").want(200)
		bodies[i] = strings.ReplaceAll(string(a.body), strings.TrimPrefix(h.url, "http://"), "HOST")
	}
	if bodies[0] != bodies[1] || !strings.Contains(bodies[0], `"host":"HOST","protocol":"http"`) {
		t.Error("two servers publish different documents")
	}
}

func TestTheAsyncAPIDocumentNamesTheHostThatWasAsked(t *testing.T) {
	h := open(t)
	for _, c := range []struct{ host, forwarded, protocol string }{
		{"events.example.com", "https", "https"},
		{"events.example.com:8080", "", "http"},
		{"events.example.com", "gopher", "http"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/asyncapi.json", nil)
		must(t, err)
		req.Host = c.host
		req.Header.Set("X-Forwarded-Proto", c.forwarded)
		resp, err := h.client.Do(req)
		must(t, err)
		var document asyncDocument
		must(t, json.Unmarshal(readAll(t, resp), &document))
		if here := document.Servers["carillon"]; here.Host != c.host || here.Protocol != c.protocol {
			t.Errorf("asked as %+v, the server is %+v", c, here)
		}
	}
}

// asyncReader reads a document on stdin with AsyncAPI's own parser and says what it has against it: errors and warnings.
const asyncReader = `
const { Parser } = require("@asyncapi/parser");
const text = require("fs").readFileSync(0, "utf8");
new Parser().parse(text).then(({ document, diagnostics }) => {
  const complaints = diagnostics.filter((d) => d.severity < 2).map((d) => d.path.join("/") + ": " + d.message);
  console.log(JSON.stringify({ read: document !== undefined, messages: document?.allMessages().length, complaints }));
});
`

func TestTheAsyncAPIDocumentIsReadByAParserThatIsNotOurs(t *testing.T) {
	modules := testenv.Node(t)
	h := open(t)
	body := string(h.get("/asyncapi.json").want(200).body)
	var verdict struct {
		Read       bool
		Messages   int
		Complaints []string
	}
	read := func(document string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "node", "-e", asyncReader)
		cmd.Dir, cmd.Stdin = modules, strings.NewReader(document)
		out, err := cmd.Output()
		must(t, err)
		must(t, json.Unmarshal(out, &verdict))
	}

	types := 0
	for dialect := range spoken {
		types += len(h.catalogue(dialect))
	}
	read(body)
	if !verdict.Read || len(verdict.Complaints) > 0 || verdict.Messages != types+len(spoken) {
		t.Errorf("of %d event types the parser reads %d messages, and complains: %s", types, verdict.Messages, strings.Join(verdict.Complaints, "\n"))
	}

	read(strings.Replace(body, `"action":"send"`, `"action":"shout"`, 1)) // it does look
	if len(verdict.Complaints) == 0 {
		t.Error("the parser has nothing against a document that is wrong")
	}
}
