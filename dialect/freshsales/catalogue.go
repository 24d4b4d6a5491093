package freshsales

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"carillon/dialect"
)

// nouns are the vendor's objects in running text, in the order of its page.
var nouns = []struct {
	object *object
	noun   string
}{
	{contact, "a contact"},
	{deal, "a deal"},
	{salesAccount, "a sales account"},
	{customModuleRecord, "a record of a custom module"},
	{appointment, "an appointment"},
	{task, "a task"},
}

// Types lists the twelve events.
func (d *Dialect) Types() []dialect.Type { return types() }

var types = sync.OnceValue(func() []dialect.Type {
	var list []dialect.Type
	for _, n := range nouns {
		list = append(list,
			n.object.typeOf(n.object.create, fmt.Sprintf("Told when %s is created.", n.noun)),
			n.object.typeOf(n.object.update, fmt.Sprintf("Told when %s is updated or deleted; a deletion says is_deleted.", n.noun)))
	}
	return list
})

func (o *object) typeOf(event, description string) dialect.Type {
	text, err := json.Marshal(map[string]any{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"$id":         "/schemas/" + Name + "/" + event + ".json",
		"title":       event,
		"description": description,
		"type":        "object",
		"properties": map[string]any{
			"iparams": map[string]any{"type": "object", "description": "The installation parameters of the app."},
			"region":  map[string]any{"enum": regions},
			"productContext": exactly(map[string]any{
				"url": stringSchema, "name": map[string]any{"enum": []string{productSuite, productClassic}},
			}),
			"data":       map[string]any{"anyOf": []any{o.dataSchema(event), o.classicSchema(event)}},
			"account_id": stringSchema,
			"domain":     stringSchema,
			"event":      map[string]any{"const": event},
			"timestamp":  map[string]any{"type": "number", "description": "Seconds since 1970, with their fraction."},
			"version":    map[string]any{"const": "2.0"},
		},
		"required": []string{"iparams", "region", "productContext", "data", "account_id", "domain", "event", "timestamp", "version"},
	})
	if err != nil {
		panic(fmt.Sprintf("freshsales: schema of %s: %v", event, err)) // the schema is made of strings and maps only
	}
	return dialect.Type{Name: event, Kind: o.kind, Description: description, Schema: text}
}

var (
	stringSchema = map[string]any{"type": "string"}
	objectSchema = map[string]any{"type": "object"}
	changeSchema = map[string]any{
		"type": "object", "description": "Old and new value of each field.",
		"properties": map[string]any{
			"custom_fields": map[string]any{"type": "object", "additionalProperties": pairSchema},
			"custom_field":  map[string]any{"type": "object", "additionalProperties": pairSchema}, // Classic
		},
		"additionalProperties": pairSchema,
	}
	pairSchema = map[string]any{"type": "array", "minItems": 2, "maxItems": 2}
)

// exactly is an object with all of these members and no others.
func exactly(members map[string]any) map[string]any {
	var names []string
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	return map[string]any{"type": "object", "properties": members, "required": names, "additionalProperties": false}
}

func (o *object) dataSchema(event string) map[string]any {
	members := map[string]any{
		"actor":        actor.fieldsSchema(true),
		o.name:         o.fieldsSchema(event == o.create),
		"associations": o.associationsSchema(),
	}
	if event == o.update {
		members["changes"] = exactly(map[string]any{"model_changes": changeSchema, "system_changes": objectSchema, "misc_changes": objectSchema})
	}
	schema := exactly(members)
	schema["title"] = "The suite's form"
	return schema
}

// fieldsSchema describes what appendFields writes; what the vendor sent beyond the table may come too.
func (o *object) fieldsSchema(created bool) map[string]any {
	properties := make(map[string]any, len(o.fields))
	var required []string
	for _, f := range o.fields {
		schema := f.value.schema
		if schema == nil {
			schema = map[string]any{}
		}
		if f.form != plain {
			schema = exactly(map[string]any{
				"label": map[string]any{"const": f.form.label}, f.form.key: map[string]any{"const": f.form.sort}, "value": schema,
			})
		}
		switch told := f.value.told; {
		case told == onCreate && !created, told == onUpdate && created:
			continue
		case told != whenSent:
			required = append(required, f.name)
		}
		properties[f.name] = schema
	}
	return map[string]any{"type": "object", "properties": properties, "required": required}
}

func (o *object) associationsSchema() map[string]any {
	var names []string
	for _, a := range o.associations {
		names = append(names, a.name)
	}
	return map[string]any{"type": "object", "required": names}
}

// classicSchema describes the Classic form: which of its lists are there depends on what the object refers to.
func (o *object) classicSchema(event string) map[string]any {
	properties := make(map[string]any, len(o.fields))
	for _, f := range o.fields {
		properties[classicName(o.name, f.name)] = map[string]any{}
	}
	if event == o.update {
		properties["changes"] = changeSchema
	}
	return map[string]any{
		"type": "object", "title": "The Classic form",
		"properties":           map[string]any{o.name: map[string]any{"type": "object", "properties": properties}},
		"required":             []string{o.name},
		"not":                  map[string]any{"required": []string{"actor"}},
		"additionalProperties": map[string]any{"type": "array"},
	}
}
