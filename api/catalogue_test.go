package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"carillon/sample"
)

// spoken are the dialects and how many event types each has at least: as many as its vendor's page.
var spoken = map[string]int{"platform": 38, "cloudevents": 38, "freshsales": 12, "neon": 3, "smarterpay": 2}

// eventType is one line of a dialect's catalogue, with its schema compiled.
type eventType struct {
	Name, Kind, Description, Schema string

	schema *jsonschema.Schema
}

// catalogue reads a dialect's event types and their schemas as anybody can.
func (h *house) catalogue(dialect string) []*eventType {
	h.t.Helper()
	var list struct{ Items []*eventType }
	h.get("/v1/event-types?dialect=" + dialect).want(200).into(&list)
	for _, item := range list.Items {
		a := h.get(item.Schema, with{"Authorization": ""}).want(200)
		if got := a.header.Get("Content-Type"); got != "application/schema+json" {
			h.t.Errorf("%s has the content type %s", item.Schema, got)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
		must(h.t, err)
		compiler := jsonschema.NewCompiler()
		compiler.AssertFormat()
		must(h.t, compiler.AddResource(h.url+item.Schema, document))
		item.schema, err = compiler.Compile(h.url + item.Schema)
		must(h.t, err)
	}
	prove(http.MethodGet, "/schemas/{dialect}/{eventType}.json") // kin-openapi's router cannot tell this path
	return list.Items
}

// covers reports whether an event type of the catalogue, which may have placeholders, is that of an event.
func (e *eventType) covers(name string) bool {
	pattern := regexp.QuoteMeta(e.Name)
	pattern = strings.ReplaceAll(pattern, `\{module\}`, `.+`)
	return regexp.MustCompile("^" + pattern + "$").MatchString(name)
}

func TestEveryEventTypeOfEveryDialectHasItsSchema(t *testing.T) {
	h := open(t)
	for dialect, least := range spoken {
		types := h.catalogue(dialect)
		if len(types) < least {
			t.Errorf("%s has %d event types, want %d", dialect, len(types), least)
		}
		for _, item := range types {
			if item.Name == "" || item.Kind == "" || item.Description == "" || !strings.HasPrefix(item.Schema, "/schemas/"+dialect+"/") {
				t.Errorf("%s: %+v", dialect, item)
			}
		}
	}
}

// Every story is told for real; then each dialect tells the log, and every message holds to the schema of its type.
func TestWhatEveryDialectTellsOfTheStoriesHoldsToItsSchemas(t *testing.T) {
	h := open(t)
	for i, name := range sample.EventTypes() {
		story, _ := sample.StoryOf(name)
		for _, step := range story.Steps("x" + string(rune('a'+i/26)) + string(rune('a'+i%26))) {
			if a := h.do(step.Method, step.Path, string(step.Body)); a.status >= 300 {
				t.Fatalf("%s %s: %d %s", step.Method, step.Path, a.status, a.body)
			}
		}
	}
	for dialect := range spoken {
		t.Run(dialect, func(t *testing.T) {
			types := h.catalogue(dialect)
			told := map[string]int{}
			for _, event := range h.tell("?dialect=" + dialect) {
				var of *eventType
				for _, item := range types {
					if item.covers(event.event) {
						of = item
					}
				}
				if of == nil {
					t.Fatalf("%s is not in the catalogue", event.event)
				}
				told[of.Name]++
				value, err := jsonschema.UnmarshalJSON(strings.NewReader(event.data))
				must(t, err)
				if err := of.schema.Validate(value); err != nil {
					t.Errorf("%s: %v\n%s", event.event, err, event.data)
				}
			}
			for _, item := range types {
				if told[item.Name] == 0 {
					t.Errorf("no story tells %s", item.Name)
				}
			}
		})
	}
}

func TestEventsAreToldWithTheSettingsThatAreAskedFor(t *testing.T) {
	h := open(t)
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"One"}`).want(201)
	settings := func(text string) string { return "&settings=" + url.QueryEscape(text) }

	neon := "dialect=neon" + settings(`{"organizationId":"theirs","customParameters":{"token":"t"}}`)
	var page struct{ Items []map[string]json.RawMessage }
	h.get("/v1/events?" + neon).want(200).into(&page)
	if string(page.Items[0]["organizationId"]) != `"theirs"` || string(page.Items[0]["customParameters"]) != `{"token":"t"}` {
		t.Errorf("neon tells %s", page.Items[0])
	}

	binary := h.tell("?dialect=cloudevents" + settings(`{"mode":"binary","source":"/here"}`))[0]
	if !slices.Contains(binary.header, "ce-source: /here") || !slices.Contains(binary.header, "ce-type: account:created") || !strings.HasPrefix(binary.data, `{"account":`) {
		t.Errorf("the binary event is %+v", binary)
	}
	structured := h.tell("?dialect=cloudevents")[0]
	if structured.contentType != "application/cloudevents+json" || len(structured.header) > 0 || !strings.Contains(structured.data, `"time":"`+structured.time+`"`) {
		t.Errorf("the structured event is %+v", structured)
	}
	one := h.get("/v1/events/" + structured.message + "?dialect=cloudevents" + settings(`{"source":"/there"}`)).want(200)
	if one.member("source") != "/there" {
		t.Errorf("the event says %s", one.body)
	}
}

// tell reads a stream from the beginning of the log to its head.
func (h *house) tell(query string) []told {
	h.t.Helper()
	var list []told
	stream := h.stream(h.t.Context(), query+"&after=0")
	for after := "0"; after != "null"; {
		var page struct {
			Items []json.RawMessage
			Next  json.RawMessage
		}
		h.get("/v1/events" + query + "&limit=500&after=" + url.QueryEscape(strings.Trim(after, `"`))).want(200).into(&page)
		after = string(page.Next)
		for range page.Items {
			event, ok := stream.next()
			if !ok {
				h.t.Fatalf("the stream ends after %d events", len(list))
			}
			list = append(list, event)
		}
	}
	return list
}
