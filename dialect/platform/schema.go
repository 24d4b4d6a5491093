package platform

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"carillon"
	"carillon/dialect"
)

// schema is a JSON Schema (draft 2020-12): the keywords in use here, in the order in which they read best.
type schema struct {
	Schema      string   `json:"$schema,omitzero"`
	ID          string   `json:"$id,omitzero"`
	Ref         string   `json:"$ref,omitzero"`
	Title       string   `json:"title,omitzero"`
	Description string   `json:"description,omitzero"`
	Type        string   `json:"type,omitzero"`
	Const       string   `json:"const,omitzero"`
	Pattern     string   `json:"pattern,omitzero"`
	Format      string   `json:"format,omitzero"`
	MinLength   int      `json:"minLength,omitzero"`
	MaxLength   int      `json:"maxLength,omitzero"`
	Examples    []string `json:"examples,omitzero"`

	Properties properties `json:"properties,omitzero"`
	Required   []string   `json:"required,omitzero"`
	// AdditionalProperties is false, or the schema of members whose names are free; nil: any other members.
	AdditionalProperties any        `json:"additionalProperties,omitzero"`
	Items                *schema    `json:"items,omitzero"`
	MinItems             int        `json:"minItems,omitzero"`
	Defs                 properties `json:"$defs,omitzero"`
}

// properties are members in the order in which messages have them.
type properties []property

type property struct {
	name string
	schema
}

// MarshalJSON writes an object in the order of the list.
func (p properties) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, member := range p {
		if i > 0 {
			b = append(b, ',')
		}
		b = dialect.AppendString(b, member.name)
		b = append(b, ':')
		value, err := json.Marshal(member.schema)
		if err != nil {
			return nil, fmt.Errorf("write schema of %s: %w", member.name, err)
		}
		b = append(b, value...)
	}
	return append(b, '}'), nil
}

// object is an object with exactly these members, of which the required ones are always there.
func object(members properties, required []string) schema {
	return schema{Type: "object", Properties: members, Required: required, AdditionalProperties: false}
}

// exact is an object with all of these members and no others.
func exact(members ...property) schema {
	var required []string
	for _, m := range members {
		required = append(required, m.name)
	}
	return object(members, required)
}

const (
	idPattern        = `^(evt|snap|test)_[0-9a-hjkmnp-tv-z]{24}$`
	timestampPattern = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$`
)

// schema describes the body of an event's message.
func (v vocabulary) schema(t dialect.Type) json.RawMessage {
	envelope := exact(
		property{"eventId", schema{
			Type: "string", Pattern: idPattern,
			Description: "The same for every delivery of the event. Ids of one organization sort in the order of its changes.",
		}},
		property{"eventType", typeSchema(t.Name)},
		property{"timestamp", schema{
			Type: "string", Format: "date-time", Pattern: timestampPattern, Description: "When the change was made, in UTC.",
		}},
		property{"orgId", schema{Type: "string", MinLength: 1, Description: "The organization that the record belongs to."}},
		property{"actor", actorSchema()},
		property{"payload", v.payload(t.Name)},
	)
	envelope.Schema = "https://json-schema.org/draft/2020-12/schema"
	envelope.ID = "/schemas/" + Name + "/" + url.QueryEscape(t.Name) + ".json"
	envelope.Title = t.Name
	envelope.Description = t.Description
	envelope.Defs = properties{{v.kind.PayloadKey(), recordSchema(v.kind)}}
	text, err := json.Marshal(envelope)
	if err != nil {
		panic(fmt.Sprintf("platform: schema of %s: %v", t.Name, err)) // the schema is made of strings and numbers only
	}
	return text
}

// typeSchema allows one event type, or those of any custom module.
func typeSchema(name string) schema {
	before, after, custom := strings.Cut(name, modulePlaceholder)
	if !custom {
		return schema{Type: "string", Const: name}
	}
	return schema{Type: "string", Pattern: "^" + regexp.QuoteMeta(before) + ".+" + regexp.QuoteMeta(after) + "$"}
}

func actorSchema() schema {
	s := exact(
		property{"id", schema{Type: "string"}},
		property{"type", schema{Type: "string", Examples: []string{"AGENT", "CUSTOMER", "ORG_ADMIN"}}},
		property{"email", schema{Type: "string", Description: "Empty if it is not known."}},
	)
	s.Description = "Who made the change."
	return s
}

// payload describes what appendPayload writes.
func (v vocabulary) payload(eventType string) schema {
	ref := "#/$defs/" + v.kind.PayloadKey()
	current := property{v.kind.PayloadKey(), schema{Ref: ref, Description: "The record after the change."}}
	previous := property{v.kind.PreviousPayloadKey(), schema{Ref: ref, Description: "The record before the change."}}
	switch {
	case eventType == v.created:
		return exact(current)
	case eventType == v.deleted && v.kind == carillon.KindComment:
		current.Description = "The comment as it stood before it was deleted."
		return exact(current)
	case eventType == v.deleted:
		return exact(previous)
	case eventType == v.valueAdded:
		return exact(current, previous, changedSchema(carillon.Added))
	case eventType == v.valueRemoved:
		return exact(current, previous, changedSchema(carillon.Removed))
	case eventType == v.valueChanged:
		return exact(current, previous, changedSchema(carillon.Updated))
	default:
		return exact(current, previous)
	}
}

// changedSchema describes what appendChangedCustomFields writes.
func changedSchema(how carillon.How) property {
	values := schema{Type: "array", Items: &schema{Type: "string"}}
	members := []property{{"fieldUid", schema{Type: "string"}}}
	if how != carillon.Added {
		members = append(members, property{"previousValues", values})
	}
	if how != carillon.Removed {
		members = append(members, property{"newValues", values})
	}
	item := exact(append(members, property{"changeType", schema{Const: changeTypes[how]}})...)
	return property{"changedCustomFields", schema{
		Type: "array", Items: &item, MinItems: 1, Description: "Every custom field that the update changed in this way.",
	}}
}

// recordSchema describes a kind's native JSON by its field table. Records that came in through a connection may have
// more members, which the house keeps as they came (see appendRecord).
func recordSchema(kind carillon.Kind) schema {
	return open(membersSchema(carillon.Fields(kind)))
}

// open is an object with these members, of which the required ones are always there, and any others.
func open(members properties, required []string) schema {
	s := object(members, required)
	s.AdditionalProperties = nil
	return s
}

func membersSchema(fields []carillon.Field) (members properties, required []string) {
	for _, f := range fields {
		members = append(members, property{f.Name, fieldSchema(f)})
		if f.Required {
			required = append(required, f.Name)
		}
	}
	return members, required
}

func fieldSchema(f carillon.Field) schema {
	s := valueSchema(f)
	s.Title = f.Label
	if s.Type == "string" && f.NonEmpty {
		s.MinLength = 1
	}
	if f.ValueList != "" {
		s.Examples = carillon.ValueLists[f.ValueList]
	}
	return s
}

func valueSchema(f carillon.Field) schema {
	switch f.Type {
	case carillon.TypeBool:
		return schema{Type: "boolean"}
	case carillon.TypeInteger:
		return schema{Type: "integer"}
	case carillon.TypeNumber:
		return schema{Type: "number"}
	case carillon.TypeTime:
		return schema{Type: "string", Format: "date-time", Pattern: timestampPattern}
	case carillon.TypeDate:
		return schema{Type: "string", Format: "date"}
	case carillon.TypeRef:
		return schema{Type: "string", MaxLength: f.Limit(), Description: "The id of " + nounOf(f.Ref) + "."}
	case carillon.TypeRefs:
		return schema{Type: "array", Items: &schema{Type: "string"}, Description: "Ids, each of " + nounOf(f.Ref) + "."}
	case carillon.TypeStrings:
		return schema{Type: "array", Items: &schema{Type: "string"}}
	case carillon.TypeObject:
		return open(membersSchema(f.Members))
	case carillon.TypeMap:
		return schema{Type: "object", Description: "Free members."}
	case carillon.TypeJSON:
		return schema{Description: "Any JSON value."}
	case carillon.TypeCustomFields:
		return schema{
			Type:                 "object",
			AdditionalProperties: schema{Type: "array", Items: &schema{Type: "string"}},
			Description:          "Values by the uid of their custom field.",
		}
	default:
		return schema{Type: "string", MaxLength: f.Limit()}
	}
}

func nounOf(kind carillon.Kind) string {
	if kind == carillon.KindComment {
		return "a comment"
	}
	return nouns[kind]
}
