package api

import (
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"carillon"
)

// schemas are the components of the OpenAPI document: those of Go types, made by huma, and those of records, made
// from the field tables.
type schemas struct {
	registry huma.Registry
}

const schemaPrefix = "#/components/schemas/"

func newSchemas() *schemas {
	s := &schemas{registry: huma.NewMapRegistry(schemaPrefix, huma.DefaultSchemaNamer)}
	for _, kind := range carillon.Kinds {
		s.addRecord(kind)
	}
	components := s.registry.Map()
	components["EventMessage"] = &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true, Required: []string{"seq"},
		Description: "A message as the dialect writes it, with the seq of its change put in.",
		Properties:  map[string]*huma.Schema{"seq": {Type: huma.TypeInteger, Format: "int64"}},
	}
	components["EventList"] = listOf(ref("EventMessage"))
	of[BatchLine](s)
	return s
}

// of is the schema of a Go type, as a reference where it is a struct. It must have been asked for once while the
// document was built; later calls only read.
func of[T any](s *schemas) *huma.Schema {
	return s.registry.Schema(reflect.TypeFor[T](), true, "")
}

func ref(name string) *huma.Schema { return &huma.Schema{Ref: schemaPrefix + name} }

// Names of a kind's three schemas: as it is answered, as POST and PUT take it, as PATCH takes it.
func recordName(kind carillon.Kind) string {
	name := string(kind)
	name = strings.ToUpper(name[:1]) + name[1:]
	if kind == carillon.KindCustom {
		name += "Record"
	}
	return name
}

func writeName(kind carillon.Kind) string { return recordName(kind) + "Write" }
func patchName(kind carillon.Kind) string { return recordName(kind) + "Patch" }

func (s *schemas) addRecord(kind carillon.Kind) {
	components := s.registry.Map()
	answer := recordObject("A record of the kind " + string(kind) + " as it stands.")
	write := recordObject("What POST and PUT take. Members that are not named are unset or get their default.")
	patch := recordObject("A JSON merge patch (RFC 7396): null unsets a member, absent members stay.")
	for _, f := range carillon.Fields(kind) {
		answer.Properties[f.Name] = fieldSchema(f)
		if f.Required {
			answer.Required = append(answer.Required, f.Name)
		}
		if f.Required && f.Default == "" && !f.ReadOnly {
			write.Required = append(write.Required, f.Name)
		}
		in := nullable(fieldSchema(f))
		switch {
		case f.Name == "id":
			in = &huma.Schema{Type: huma.TypeString, Nullable: true, Description: "POST takes it as the id of the new record; elsewhere it must be the id in the path."}
		case f.ReadOnly:
			in = &huma.Schema{Description: "Set by the house; ignored in writes."}
		}
		patch.Properties[f.Name], write.Properties[f.Name] = in, in
		if slices.Contains(write.Required, f.Name) {
			write.Properties[f.Name] = fieldSchema(f)
		}
	}
	version := &huma.Schema{Type: huma.TypeInteger, Format: "int64", Description: "Counts the changes of the record from 1; the ETag carries it."}
	answer.Properties["version"] = version
	answer.Required = append(answer.Required, "version")
	for _, in := range []*huma.Schema{write, patch} {
		for _, name := range []string{"version", "number"} {
			in.Properties[name] = &huma.Schema{Description: "Ignored, so that what was read can be sent back; see If-Match."}
		}
	}
	for name, schema := range map[string]*huma.Schema{recordName(kind): answer, writeName(kind): write, patchName(kind): patch} {
		schema.PrecomputeMessages()
		components[name] = schema
	}
	components[recordName(kind)+"List"] = listOf(ref(recordName(kind)))
}

func recordObject(description string) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Description: description, AdditionalProperties: false, Properties: map[string]*huma.Schema{},
	}
}

func listOf(item *huma.Schema) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false, Required: []string{"items", "next"},
		Properties: map[string]*huma.Schema{
			"items": {Type: huma.TypeArray, Items: item},
			"next":  {Type: huma.TypeString, Nullable: true, Description: "the cursor of the next page (?after=), or null at the end"},
		},
	}
}

// nullable is a schema that takes null as well, where a write then unsets, in the members of objects too.
func nullable(s *huma.Schema) *huma.Schema {
	if s.Type == "" { // takes anything
		return s
	}
	n := *s
	n.Nullable = true
	if values, ok := n.AdditionalProperties.(*huma.Schema); ok {
		n.AdditionalProperties = nullable(values)
	}
	if n.Properties != nil {
		n.Properties = map[string]*huma.Schema{}
		for name, member := range s.Properties {
			n.Properties[name] = nullable(member)
		}
	}
	return &n
}

// fieldSchema describes a member by its field table.
func fieldSchema(f carillon.Field) *huma.Schema {
	s := &huma.Schema{Title: f.Label, ReadOnly: f.ReadOnly}
	text := func(format string) {
		limit := f.Limit()
		s.Type, s.Format, s.MaxLength = huma.TypeString, format, &limit
		if f.NonEmpty {
			one := 1
			s.MinLength = &one
		}
	}
	array := func(item *huma.Schema) { s.Type, s.Items = huma.TypeArray, item }
	switch f.Type {
	case carillon.TypeBool:
		s.Type = huma.TypeBoolean
	case carillon.TypeInteger:
		s.Type, s.Format = huma.TypeInteger, "int64"
	case carillon.TypeNumber:
		s.Type = huma.TypeNumber
	case carillon.TypeTime:
		s.Type, s.Format = huma.TypeString, "date-time"
	case carillon.TypeDate:
		s.Type, s.Format = huma.TypeString, "date"
	case carillon.TypeRefs, carillon.TypeStrings:
		array(&huma.Schema{Type: huma.TypeString})
	case carillon.TypeObject:
		s.Type, s.AdditionalProperties, s.Properties = huma.TypeObject, false, map[string]*huma.Schema{}
		for _, m := range f.Members {
			s.Properties[m.Name] = fieldSchema(m)
		}
	case carillon.TypeMap:
		s.Type, s.AdditionalProperties = huma.TypeObject, true
	case carillon.TypeCustomFields:
		s.Type = huma.TypeObject
		s.AdditionalProperties = &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}}
		s.Description = "custom field uid → values"
	case carillon.TypeJSON: // anything
	default:
		text("")
	}
	if f.Ref != "" {
		s.Description = "id of a record of kind " + string(f.Ref)
	}
	if f.ValueList != "" {
		s.Description = "an open list: see valueLists." + f.ValueList + " at /v1/fields/{kind}"
		if values := carillon.ValueLists[f.ValueList]; len(values) > 0 {
			s.Examples = []any{values[0]}
		}
	}
	return s
}

// sorted gives a map's keys in order.
func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
