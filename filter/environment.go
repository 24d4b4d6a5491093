package filter

import (
	"github.com/expr-lang/expr/types"

	"carillon"
)

// functions are the built-in functions of expr that the language keeps. The others could run long, make large values, or
// give different answers for the same event.
var functions = map[string]bool{
	"all": true, "any": true, "none": true, "one": true, "count": true,
	"len": true, "lower": true, "upper": true, "trim": true, "abs": true,
}

// environment is what expressions can name, by type: what the checker knows.
var environment = types.Map{
	"event": types.Map{
		"id":        types.String,
		"type":      types.String,
		"timestamp": types.String,
		"seq":       types.Int,
		"lane":      types.String,
		"kind":      types.String,
		"module":    types.String,
		"op":        types.String,
		"origin":    types.String,
		"orgId":     types.String,
		"changed":   types.Array(types.String),
		"actor":     types.Map{"id": types.String, "type": types.String, "email": types.String},
	},
	"payload": payloadType(),
}

// eventMembers are the members of event, as a run finds them.
var eventMembers = map[string]evaluate{
	"id":        func(r *run) any { return r.eventID },
	"type":      func(r *run) any { return r.eventType },
	"timestamp": func(r *run) any { return carillon.FormatTime(r.subject.change.Time) },
	"seq":       func(r *run) any { return r.subject.change.Seq },
	"lane":      func(r *run) any { return r.subject.change.Lane },
	"kind":      func(r *run) any { return string(r.subject.change.Kind) },
	"module":    func(r *run) any { return r.subject.change.Module },
	"op":        func(r *run) any { return string(r.subject.change.Op) },
	"origin":    func(r *run) any { return r.subject.change.Origin },
	"orgId":     func(r *run) any { return r.subject.change.Org },
	"changed":   func(r *run) any { return r.subject.changed() },
	"actor":     func(r *run) any { return r.subject.actor() },
}

func payloadType() types.Type {
	payload := types.Map{}
	for _, kind := range carillon.Kinds {
		record := objectType(carillon.Fields(kind))
		payload[kind.PayloadKey()] = record
		payload[kind.PreviousPayloadKey()] = record
	}
	return payload
}

func objectType(fields []carillon.Field) types.Type {
	object := types.Map{}
	for _, f := range fields {
		object[f.Name] = memberType(f)
	}
	return object
}

func memberType(f carillon.Field) types.Type {
	switch f.Type {
	case carillon.TypeBool:
		return types.Bool
	case carillon.TypeInteger:
		return types.Int
	case carillon.TypeNumber:
		return types.Float64
	case carillon.TypeStrings, carillon.TypeRefs:
		return types.Array(types.String)
	case carillon.TypeObject:
		return objectType(f.Members)
	case carillon.TypeMap:
		return types.Map{types.Extra: types.Any}
	case carillon.TypeCustomFields:
		return types.Map{types.Extra: types.Array(types.String)}
	case carillon.TypeJSON:
		return types.Any
	default:
		return types.String
	}
}
