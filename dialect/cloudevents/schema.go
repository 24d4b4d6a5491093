package cloudevents

import (
	"encoding/json"
	"fmt"
	"net/url"
	"sync"

	"carillon/dialect"
	"carillon/dialect/platform"
)

// Types lists the platform's events, each with the schema of its structured form.
func (d *Dialect) Types() []dialect.Type { return types() }

var types = sync.OnceValue(func() []dialect.Type {
	list := append([]dialect.Type(nil), platform.New().Types()...)
	for i := range list {
		list[i].Schema = schemaOf(list[i])
	}
	return list
})

// property is the schema of one attribute: the keywords in use here, in the order in which they read best.
type property struct {
	Description string `json:"description,omitzero"`
	Type        string `json:"type,omitzero"`
	Const       string `json:"const,omitzero"`
	Format      string `json:"format,omitzero"`
	Pattern     string `json:"pattern,omitzero"`
	MinLength   int    `json:"minLength,omitzero"`
}

// properties are a structured event's members, in the order of messages. Those that are json.RawMessage are the platform's.
type properties struct {
	SpecVersion     property        `json:"specversion"`
	ID              json.RawMessage `json:"id"`
	Source          property        `json:"source"`
	Type            json.RawMessage `json:"type"`
	Subject         property        `json:"subject"`
	Time            json.RawMessage `json:"time"`
	DataSchema      property        `json:"dataschema"`
	Sequence        property        `json:"sequence"`
	PartitionKey    property        `json:"partitionkey"`
	ActorID         property        `json:"actorid"`
	DataContentType property        `json:"datacontenttype"`
	Data            json.RawMessage `json:"data"`
}

// schemaOf makes the schema of a structured event from that of the platform's envelope.
func schemaOf(t dialect.Type) json.RawMessage {
	var envelope struct {
		Properties struct {
			EventID   json.RawMessage `json:"eventId"`
			EventType json.RawMessage `json:"eventType"`
			Timestamp json.RawMessage `json:"timestamp"`
			Payload   json.RawMessage `json:"payload"`
		} `json:"properties"`
		Defs json.RawMessage `json:"$defs"`
	}
	if err := json.Unmarshal(t.Schema, &envelope); err != nil {
		panic(fmt.Sprintf("cloudevents: schema of %s: %v", t.Name, err)) // ours
	}
	text, err := json.Marshal(struct {
		Schema               string          `json:"$schema"`
		ID                   string          `json:"$id"`
		Title                string          `json:"title"`
		Description          string          `json:"description"`
		Type                 string          `json:"type"`
		Properties           properties      `json:"properties"`
		Required             []string        `json:"required"`
		AdditionalProperties bool            `json:"additionalProperties"`
		Defs                 json.RawMessage `json:"$defs"`
	}{
		Schema:      "https://json-schema.org/draft/2020-12/schema",
		ID:          "/schemas/" + Name + "/" + url.QueryEscape(t.Name) + ".json",
		Title:       t.Name,
		Description: t.Description,
		Type:        "object",
		Properties: properties{
			SpecVersion: property{Const: "1.0"},
			ID:          envelope.Properties.EventID,
			Source:      property{Type: "string", Format: "uri-reference", MinLength: 1, Description: "The organization, unless the subscription names another source."},
			Type:        envelope.Properties.EventType,
			Subject:     property{Type: "string", MinLength: 1, Description: "The record: kind/id, or custom/module/id."},
			Time:        envelope.Properties.Timestamp,
			DataSchema:  property{Type: "string", Format: "uri", Description: "The schema of data, if the subscription says where schemas are found."},
			Sequence: property{
				Type: "string", Pattern: fmt.Sprintf("^[0-9]{%d}$", sequenceDigits),
				Description: "The seq of the change, padded with zeros so that text sorts as the number. The events of one change share it.",
			},
			PartitionKey:    property{Type: "string", MinLength: 1, Description: "The lane, inside which events are in order: the account's id."},
			ActorID:         property{Type: "string", MinLength: 1, Description: "Who made the change, if known."},
			DataContentType: property{Const: dataType},
			Data:            envelope.Properties.Payload,
		},
		Required: []string{"specversion", "id", "source", "type", "subject", "time", "sequence", "partitionkey", "datacontenttype", "data"},
		Defs:     envelope.Defs,
	})
	if err != nil {
		panic(fmt.Sprintf("cloudevents: schema of %s: %v", t.Name, err)) // the schema is made of strings and JSON only
	}
	return text
}
