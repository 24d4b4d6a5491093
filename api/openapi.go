package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"carillon"
)

// operation is what the OpenAPI document says of a route.
type operation struct {
	id      string
	tag     string
	summary string
	// query are the parameters that the route knows; all others are refused.
	query   []param
	headers []param
	bodies  map[string]*huma.Schema // by media type; nil: no body
	answers []reply
}

// param is a query parameter or request header.
type param struct {
	name        string
	description string
	schema      *huma.Schema
}

// reply is one answer that is not a problem.
type reply struct {
	status  int
	media   string // "" means no body
	schema  *huma.Schema
	headers []string
}

func op(tag, id, summary string) operation {
	return operation{tag: tag, id: id, summary: summary}
}

// asks adds query parameters.
func (o operation) asks(params ...param) operation {
	o.query = append(o.query[:len(o.query):len(o.query)], params...)
	return o
}

// hears adds request headers.
func (o operation) hears(params ...param) operation {
	o.headers = append(o.headers[:len(o.headers):len(o.headers)], params...)
	return o
}

// takes sets the body, under each of the media types.
func (o operation) takes(schema *huma.Schema, media ...string) operation {
	if len(media) == 0 {
		media = []string{typeJSON}
	}
	o.bodies = map[string]*huma.Schema{}
	for _, m := range media {
		o.bodies[m] = schema
	}
	return o
}

// alsoTakes adds a body of another media type.
func (o operation) alsoTakes(schema *huma.Schema, media string) operation {
	o.bodies = maps.Clone(o.bodies)
	o.bodies[media] = schema
	return o
}

// answersWith adds an answer of JSON.
func (o operation) answersWith(status int, schema *huma.Schema, headers ...string) operation {
	return o.answersAs(status, typeJSON, schema, headers...)
}

// answersAs adds an answer of another media type.
func (o operation) answersAs(status int, media string, schema *huma.Schema, headers ...string) operation {
	o.answers = append(o.answers[:len(o.answers):len(o.answers)], reply{status, media, schema, headers})
	return o
}

// answersEmpty adds an answer without a body.
func (o operation) answersEmpty(status int, headers ...string) operation {
	return o.answersAs(status, "", nil, headers...)
}

func text(name, description string) param {
	return param{name, description, &huma.Schema{Type: huma.TypeString}}
}

func number(name, description string) param {
	return param{name, description, &huma.Schema{Type: huma.TypeInteger, Format: "int64"}}
}

func flag(name, description string) param {
	return param{name, description, &huma.Schema{Type: huma.TypeBoolean}}
}

// pathDescriptions say what the parts of paths are.
var pathDescriptions = map[string]string{
	"id": "the record's or thing's id", "commentId": "the comment's id", "module": "the custom module", "kind": "a kind: account, contact, …",
	"uid": "the custom field's uid, or the name of a value list", "eventId": "the event's id", "dialect": "a dialect: platform, …",
	"eventType": "an event type, percent-encoded",
}

// headerDescriptions say what answers carry beside their body.
var headerDescriptions = map[string]string{
	"ETag":                 "the record's version in quotes",
	"Location":             "where the new thing is found",
	"Carillon-Seq":         "the seq of the change that the write made; absent if it made none",
	"Idempotency-Replayed": "true if this is the answer to an earlier request with the same Idempotency-Key",
}

// document makes the OpenAPI 3.1 document of the routes.
func (s *server) document(routes []route) ([]byte, error) {
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Carillon", Version: s.version,
			Description: "Accounts and all that belongs to them; every change told to subscribers as events, in order.",
			License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Servers: []*huma.Server{{URL: "/", Description: "this server"}},
		Components: &huma.Components{
			Schemas:         s.schemas.registry,
			SecuritySchemes: map[string]*huma.SecurityScheme{"key": {Type: "http", Scheme: "bearer", Description: "an API key"}},
			Responses:       map[string]*huma.Response{"Problem": problemResponse(s.schemas)},
		},
		Security: []map[string][]string{{"key": {}}},
	}
	tags := map[string]bool{}
	for _, rt := range routes {
		doc.AddOperation(rt.document())
		if !tags[rt.tag] {
			tags[rt.tag] = true
			doc.Tags = append(doc.Tags, &huma.Tag{Name: rt.tag, Description: tagDescriptions[rt.tag]})
		}
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	return body, nil
}

func problemResponse(s *schemas) *huma.Response {
	return &huma.Response{
		Description: "What went wrong, and where",
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: of[Problem](s)}},
	}
}

func (rt route) document() *huma.Operation {
	o := &huma.Operation{
		Method: rt.method, Path: rt.path, OperationID: rt.id, Summary: rt.summary, Tags: []string{rt.tag},
		Responses: map[string]*huma.Response{},
	}
	if rt.right == "" {
		o.Security = []map[string][]string{}
	} else {
		o.Description = "Needs the right " + string(rt.right) + "."
	}
	for segment := range strings.SplitSeq(rt.path, "/") {
		_, name, found := strings.Cut(segment, "{")
		if !found {
			continue
		}
		name, _, _ = strings.Cut(name, "}")
		o.Parameters = append(o.Parameters, &huma.Param{
			Name: name, In: "path", Required: true, Description: pathDescriptions[name], Schema: &huma.Schema{Type: huma.TypeString},
		})
	}
	for _, p := range rt.query {
		o.Parameters = append(o.Parameters, &huma.Param{Name: p.name, In: "query", Description: p.description, Schema: p.schema})
	}
	for _, p := range rt.headers {
		o.Parameters = append(o.Parameters, &huma.Param{Name: p.name, In: "header", Description: p.description, Schema: p.schema})
	}
	if rt.bodies != nil {
		o.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
		for media, schema := range rt.bodies {
			o.RequestBody.Content[media] = &huma.MediaType{Schema: schema}
		}
	}
	for _, a := range rt.answers {
		response := o.Responses[strconv.Itoa(a.status)]
		if response == nil {
			response = &huma.Response{Description: http.StatusText(a.status)}
		}
		if a.media != "" {
			if response.Content == nil {
				response.Content = map[string]*huma.MediaType{}
			}
			response.Content[a.media] = &huma.MediaType{Schema: a.schema}
		}
		for _, name := range a.headers {
			if response.Headers == nil {
				response.Headers = map[string]*huma.Param{}
			}
			response.Headers[name] = &huma.Param{Description: headerDescriptions[name], Schema: &huma.Schema{Type: huma.TypeString}}
		}
		o.Responses[strconv.Itoa(a.status)] = response
	}
	o.Responses["4XX"] = &huma.Response{Ref: "#/components/responses/Problem"}
	o.Responses["5XX"] = &huma.Response{Ref: "#/components/responses/Problem"}
	return o
}

// rights of routes, in the words of the route list.
const (
	public = carillon.Right("")
	read   = carillon.RightRead
	write  = carillon.RightWrite
	admin  = carillon.RightAdmin
)
