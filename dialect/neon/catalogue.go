package neon

import (
	"encoding/json"
	"fmt"
	"sync"

	"carillon"
	"carillon/dialect"
)

// Types lists the three events. A created and an edited account come in two forms, for individuals and organizations.
func (d *Dialect) Types() []dialect.Type { return types() }

var types = sync.OnceValue(func() []dialect.Type {
	list := []dialect.Type{
		{Name: createAccount, Description: "Told when an account is created."},
		{Name: editAccount, Description: "Told when an account is edited."},
		{Name: deleteAccount, Description: "Told when an account is deleted."},
	}
	for i := range list {
		list[i].Kind = carillon.KindAccount
		list[i].Schema = envelopeSchema(list[i])
	}
	return list
})

func envelopeSchema(t dialect.Type) json.RawMessage {
	account := map[string]any{"oneOf": []any{
		dataSchema(objectIndividual, individualAccount), dataSchema(objectOrganization, organizationAccount),
	}}
	if t.Name == deleteAccount {
		account = dataSchema(objectDeleted, deletedAccount)
	}
	text, err := json.Marshal(map[string]any{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"$id":         "/schemas/" + Name + "/" + t.Name + ".json",
		"title":       t.Name,
		"description": t.Description,
		"type":        "object",
		"properties": map[string]any{
			"eventTrigger":     map[string]any{"const": t.Name},
			"eventTimestamp":   timeSchema,
			"organizationId":   map[string]any{"type": "string", "description": "The id of the Neon instance."},
			"data":             account,
			"customParameters": map[string]any{"type": "object", "additionalProperties": textSchema},
		},
		"required":             []string{"eventTrigger", "eventTimestamp", "organizationId", "data", "customParameters"},
		"additionalProperties": false,
	})
	if err != nil {
		panic(fmt.Sprintf("neon: schema of %s: %v", t.Name, err)) // the schema is made of strings and maps only
	}
	return text
}

// dataSchema is an object with an account as its only member.
func dataSchema(object string, t *table) map[string]any {
	schema := t.schema()
	schema["required"] = []string{"accountId"}
	return map[string]any{
		"type": "object", "properties": map[string]any{object: schema}, "required": []string{object}, "additionalProperties": false,
	}
}

// schema describes what appendMembers writes: the rows, any of which may be absent, and whatever else the vendor sent.
func (t *table) schema() map[string]any {
	properties := make(map[string]any, len(t.rows))
	for _, r := range t.rows {
		properties[r.name] = r.value.schema
	}
	return map[string]any{"type": "object", "properties": properties}
}

// oneOrSeveral is an object whose only member is an element, or a list of at least two: what becomes of repeated elements of XML.
func oneOrSeveral(name string, element map[string]any) map[string]any {
	return map[string]any{"type": "object", "properties": map[string]any{name: map[string]any{"oneOf": []any{
		element, map[string]any{"type": "array", "items": element, "minItems": 2},
	}}}, "required": []string{name}}
}
