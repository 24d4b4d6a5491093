package smarterpay

import (
	"encoding/json"
	"fmt"
	"net/url"
	"sync"

	"carillon"
	"carillon/dialect"
)

// Types lists the vendor's two events.
func (Dialect) Types() []dialect.Type { return types() }

var types = sync.OnceValue(func() []dialect.Type {
	list := []dialect.Type{
		{Name: createEvent, Kind: carillon.KindAccount, Description: "Told when an account is created."},
		{Name: updateEvent, Kind: carillon.KindAccount, Description: "Told when an account is updated, and when it is deleted: then its status is inactive."},
	}
	for i := range list {
		list[i].Schema = schemaOf(list[i])
	}
	return list
})

// object is a JSON object, its members in the order of their names.
type object = map[string]any

// schemaOf describes a webhook whose events are all of one type.
func schemaOf(t dialect.Type) json.RawMessage {
	members, required := object{}, []string{}
	for _, m := range customerAccount {
		schema := memberSchema(m.name)
		if m.from != "" {
			schema["description"] = "The account's " + m.from + "."
		}
		members[m.name] = schema
		if m.name != "gift_aid" {
			required = append(required, m.name)
		}
	}
	members["event_type"] = object{"const": t.Name}
	event := object{
		"type": "object", "properties": members, "required": required,
		"description": "Members that the vendor sent and that are not listed here go out as they came.",
	}
	text, err := json.Marshal(object{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"$id":         "/schemas/" + Name + "/" + url.QueryEscape(t.Name) + ".json",
		"title":       t.Name,
		"description": t.Description,
		"type":        "object",
		"properties": object{
			"id":              idSchema(prefixWebhook),
			"idempotency_key": object{"type": "string", "format": "uuid", "description": "The same for every delivery of the same events."},
			"sent_at":         object{"type": "string", "format": "date-time", "description": "When the newest of the changes was made."},
			"client":          reference(),
			"events":          object{"type": "array", "minItems": 1, "items": event},
		},
		"required":             []string{"id", "idempotency_key", "sent_at", "client", "events"},
		"additionalProperties": false,
	})
	if err != nil {
		panic(fmt.Sprintf("smarterpay: schema of %s: %v", t.Name, err)) // the schema is made of strings and lists only
	}
	return text
}

// memberSchema describes what the rules of the table write.
func memberSchema(name string) object {
	switch name {
	case "id", "event_source":
		return object{"type": "string", "minLength": 1}
	case "event_id":
		return idSchema(prefixEvent)
	case "created_at", "edited_at":
		return object{"type": "string", "format": "date-time"}
	case "status":
		return object{"type": "string", "minLength": 1, "description": "active or inactive; another word only where the vendor has said it of the account."}
	case "billing_country_code", "delivery_country_code":
		return object{"type": []string{"string", "null"}, "pattern": "^[A-Z]{2}$"}
	case "gift_aid":
		return object{"type": "boolean"}
	case "created_by", "edited_by":
		return object{"anyOf": []object{reference(), {"type": "null"}}}
	case "client":
		return reference()
	default:
		return object{"type": []string{"string", "null"}}
	}
}

func idSchema(prefix string) object {
	return object{"type": "string", "pattern": fmt.Sprintf("^%s[0-9A-Z]{%d}$", prefix, idCharacters)}
}

// reference is an object with an id.
func reference() object {
	return object{
		"type": "object", "properties": object{"id": object{"type": "string", "minLength": 1}}, "required": []string{"id"},
	}
}
