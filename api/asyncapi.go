package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"carillon/dialect"
	"carillon/sample"
)

// asyncAPI is an AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0): what is told, as
// /openapi.json is what can be asked. Its objects are maps, which are written in the order of their names.
type asyncAPI struct {
	Version            string     `json:"asyncapi"`
	Info               object     `json:"info"`
	DefaultContentType string     `json:"defaultContentType"`
	Channels           object     `json:"channels"`
	Operations         object     `json:"operations"`
	Components         components `json:"components"`
}

type object = map[string]any

type components struct {
	Messages object `json:"messages"`
	Schemas  object `json:"schemas"`
}

// The servers of the document, and the channel and message of the stream.
const (
	serverHere     = "carillon"
	serverReceiver = "receiver"
	streamChannel  = "events.stream"
	webhookChannel = "webhooks."
)

// exampleTime is when the samples in the document happen, so that the document is the same whenever it is made.
var exampleTime = time.Date(2030, time.January, 15, 10, 0, 0, 0, time.UTC)

// exampleOrg is the org of the samples in the document.
const exampleOrg = "acme"

// rendered is the AsyncAPI document up to its servers, which depend on who asks: made when it is first asked for, since few
// ask and it takes some milliseconds.
type rendered struct {
	once sync.Once
	body []byte
	err  error
}

// asyncDocument describes all events of all dialects.
func (s *server) asyncDocument(ctx context.Context) ([]byte, error) {
	doc := asyncAPI{
		Version: "3.0.0",
		Info: object{
			"title": "Carillon", "version": s.version,
			"description": "Every change to an account and what belongs to it, told as events, in order per account (the lane) and at least once. " +
				"A retry is the same message: the same id, the same body.",
			"license": object{"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
		},
		DefaultContentType: typeJSON,
		Channels:           object{},
		Operations:         object{},
		Components:         components{Messages: object{}, Schemas: webhookHeaders()},
	}
	stream := object{}
	for _, name := range sorted(s.dialects) {
		told, err := doc.addDialect(ctx, s.dialects[name], s.schemes[name])
		if err != nil {
			return nil, fmt.Errorf("describe the events of %s: %w", name, err)
		}
		stream[name] = doc.streamed(name, told)
	}
	doc.addStream(stream)
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode the AsyncAPI document: %w", err)
	}
	return bytes.TrimSuffix(body, []byte("}")), nil
}

// webhookHeaders are the headers that a webhook carries: one schema for those signed as Standard Webhooks, one for those
// signed in a vendor's way.
func webhookHeaders() object {
	common := func() object {
		return object{
			"carillon-seq":   object{"type": "string", "pattern": "^[0-9]+$", "description": "The seq of the change, by which its events sort."},
			"carillon-lane":  object{"type": "string", "description": "The order key: the account that the record belongs to."},
			"carillon-event": object{"type": "string", "description": "The event type."},
		}
	}
	standard, vendor := common(), common()
	standard["webhook-id"] = object{"type": "string", "description": "The event's id, the same on every retry."}
	standard["webhook-timestamp"] = object{"type": "string", "pattern": "^[0-9]+$", "description": "When this attempt was made, in seconds since 1970."}
	standard["webhook-signature"] = object{"type": "string", "description": "v1, and the signature, for each live secret; with spaces between (Standard Webhooks)."}
	vendor["webhook-signature"] = object{"type": "string", "description": "The vendor's own signature."}
	seal := func(properties object) object {
		return object{"type": "object", "properties": properties, "required": sorted(properties)}
	}
	return object{"headers.standard": seal(standard), "headers.vendor": seal(vendor)}
}

// addDialect adds a dialect's messages with their schemas, and the channel and operation of its webhooks. It gives the
// names of the messages. signature is how the vendor signs; "" means as Standard Webhooks.
func (doc *asyncAPI) addDialect(ctx context.Context, d dialect.Dialect, signature string) (told []string, err error) {
	settings, err := d.CheckSettings(nil)
	if err != nil {
		return nil, err
	}
	headers := "headers.standard"
	description := "Signed as Standard Webhooks (https://www.standardwebhooks.com)."
	if signature != "" {
		headers, description = "headers.vendor", "Webhook-Signature is "+signature+"."
	}
	messages, refs := object{}, []object{}
	channel := webhookChannel + d.Name()
	for _, t := range d.Types() {
		name := componentName(d.Name(), t.Name)
		if err := doc.addSchema(d.Name(), name, t.Schema); err != nil {
			return nil, err
		}
		message := object{
			"name": t.Name, "title": t.Name, "summary": t.Description,
			"headers": reference("schemas", headers), "payload": reference("schemas", name),
			"tags":     []object{{"name": string(t.Kind)}},
			"x-schema": schemaPath(d.Name(), t.Name),
		}
		if err := addExample(ctx, message, d, t.Name, settings); err != nil {
			return nil, err
		}
		doc.Components.Messages[name] = message
		messages[name] = reference("messages", name)
		refs = append(refs, object{"$ref": "#/channels/" + channel + "/messages/" + name})
		told = append(told, name)
	}
	doc.Channels[channel] = object{
		"address": nil, "title": "Webhooks in the dialect " + d.Name(), "messages": messages,
		"description": "A subscription with the dialect " + d.Name() + " and a sink of type webhook. The address is the subscription's sink.url. " + description,
		"servers":     []object{{"$ref": "#/servers/" + serverReceiver}},
	}
	doc.Operations[channel] = object{
		"action": "send", "channel": object{"$ref": "#/channels/" + channel}, "messages": refs,
		"summary":  "A POST for each event, or for each batch. A 2xx answer is success.",
		"bindings": object{"http": object{"method": http.MethodPost, "bindingVersion": "0.3.0"}},
	}
	return told, nil
}

// addExample adds the sample of an event to its message, as it is told with a dialect's settings.
func addExample(ctx context.Context, message object, d dialect.Dialect, eventType string, settings dialect.Settings) error {
	m, ok, err := sample.Message(ctx, d, eventType, settings, exampleTime, exampleOrg)
	if err != nil || !ok {
		return err
	}
	message["contentType"] = m.ContentType
	if media, _, _ := mime.ParseMediaType(m.ContentType); media == typeJSON || strings.HasSuffix(media, "+json") {
		message["examples"] = []object{{"name": "sample", "summary": "With an account made up", "payload": json.RawMessage(m.Body)}}
	}
	return nil
}

// addSchema adds the schema of a message under a name, and its definitions under theirs. What makes it a document of its
// own is left out: references lead to components instead.
func (doc *asyncAPI) addSchema(dialectName, name string, schema []byte) error {
	const definitions = `"#/$defs/`
	schema = bytes.ReplaceAll(schema, []byte(definitions), []byte(`"#/components/schemas/`+dialectName+"."))
	embedded := []byte{'{'}
	for quoted, value := range dialect.Members(schema) {
		switch dialect.Unquote(quoted) {
		case "$schema", "$id":
		case "$defs":
			for definition, value := range dialect.Members(value) {
				if err := doc.define(dialectName+"."+dialect.Unquote(definition), value); err != nil {
					return err
				}
			}
		default:
			if len(embedded) > 1 {
				embedded = append(embedded, ',')
			}
			embedded = append(append(append(embedded, quoted...), ':'), value...)
		}
	}
	return doc.define(name, append(embedded, '}'))
}

// define gives a name to a schema. Two of one name must be the same.
func (doc *asyncAPI) define(name string, schema []byte) error {
	if known, ok := doc.Components.Schemas[name].(json.RawMessage); ok && !bytes.Equal(known, schema) {
		return errors.New("two schemas have the name " + name)
	}
	doc.Components.Schemas[name] = json.RawMessage(schema)
	return nil
}

// streamed is the message of the stream in one dialect: any of those told, with the fields of server-sent events around it.
func (doc *asyncAPI) streamed(dialectName string, told []string) object {
	bodies := make([]object, len(told))
	for i, name := range told {
		bodies[i] = reference("schemas", name)
	}
	name := "stream." + dialectName
	doc.Components.Messages[name] = object{
		"name": name, "title": "An event of the stream in the dialect " + dialectName,
		"summary": "data is the body that a webhook would carry; the other fields are told as headers here.",
		"headers": object{"type": "object", "required": []string{"id", "event", "message", "lane", "time"}, "properties": object{
			"id":      object{"type": "string", "description": "The position after the event. Sent back as Last-Event-ID, the stream goes on with the next one."},
			"event":   object{"type": "string", "description": "The event type."},
			"message": object{"type": "string", "description": "The event's id, a webhook's webhook-id."},
			"lane":    object{"type": "string", "description": "The order key, a webhook's carillon-lane."},
			"time":    object{"type": "string", "format": "date-time", "description": "When the change was made."},
		}},
		"payload": object{"anyOf": bodies},
	}
	return reference("messages", name)
}

// addStream adds the channel and operation of the server-sent events.
func (doc *asyncAPI) addStream(messages object) {
	refs := []object{}
	for _, name := range sorted(messages) {
		refs = append(refs, object{"$ref": "#/channels/" + streamChannel + "/messages/" + name})
	}
	doc.Channels[streamChannel] = object{
		"address": "/v1/events/stream", "title": "Events as they happen", "messages": messages,
		"description": "Server-sent events. Authorization: Bearer KEY. Last-Event-ID resumes without a gap.",
		"servers":     []object{{"$ref": "#/servers/" + serverHere}},
	}
	text := func(description string) object { return object{"type": "string", "description": description} }
	doc.Operations[streamChannel] = object{
		"action": "send", "channel": object{"$ref": "#/channels/" + streamChannel}, "messages": refs,
		"summary": "Tells events from now on, or from where the reader says.",
		"bindings": object{"http": object{"method": http.MethodGet, "bindingVersion": "0.3.0", "query": object{
			"type": "object", "additionalProperties": false, "properties": object{
				"after": text("a seq; the events after it are told"), typesParam.name: text(typesParam.description),
				accountParam.name: text(accountParam.description), dialectParam.name: text(dialectParam.description),
				settingsParam.name: text(settingsParam.description),
			},
		}}},
	}
}

// getAsyncAPI answers the document with the servers as the caller sees them.
func (s *server) getAsyncAPI(w http.ResponseWriter, r *request) error {
	s.asyncapi.once.Do(func() { s.asyncapi.body, s.asyncapi.err = s.asyncDocument(context.WithoutCancel(r.Context())) })
	if s.asyncapi.err != nil {
		return s.asyncapi.err
	}
	protocol := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		protocol = "https"
	}
	servers, err := json.Marshal(object{
		serverHere: object{"host": r.Host, "protocol": protocol, "description": "This server"},
		serverReceiver: object{
			"host": "{receiver}", "protocol": "https", "description": "Whoever is told: the host of a subscription's sink.url",
			"variables": object{"receiver": object{"default": "example.com", "description": "the host and port of sink.url"}},
		},
	})
	if err != nil {
		return fmt.Errorf("encode the servers: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", typeJSON)
	h.Set("Vary", "Host, X-Forwarded-Proto")
	for _, part := range [][]byte{s.asyncapi.body, []byte(`,"servers":`), servers, []byte("}\n")} {
		_, _ = w.Write(part) // the caller has gone: nothing to tell it
	}
	return nil
}

// componentName is a name that the components of an AsyncAPI document may have: letters, digits and . - _ only.
func componentName(dialectName, eventType string) string {
	return dialectName + "." + strings.NewReplacer(":", ".", "{", "", "}", "").Replace(eventType)
}

func reference(sort, name string) object { return object{"$ref": "#/components/" + sort + "/" + name} }

// schemaPath is where the JSON Schema of an event type is found.
func schemaPath(dialectName, eventType string) string {
	return "/schemas/" + dialectName + "/" + url.PathEscape(eventType) + ".json"
}
