package dialect

import (
	stdjson "encoding/json"
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"carillon"
)

// ReadSettings reads a subscription's settings into a struct, by the names of its json tags; nothing, and null, set
// nothing. It fails with carillon.CodeInvalid naming the member below /settings that is unknown, given twice or of the
// wrong sort.
func ReadSettings(settings stdjson.RawMessage, into any) error {
	if len(settings) == 0 {
		return nil
	}
	err := json.Unmarshal(settings, into, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	var wrong *json.SemanticError
	var broken *jsontext.SyntacticError
	switch {
	case errors.Is(err, json.ErrUnknownName) && errors.As(err, &wrong):
		return carillon.Invalid("/settings"+string(wrong.JSONPointer), "is not a setting of this dialect")
	case errors.As(err, &wrong) && wrong.JSONPointer == "":
		return carillon.Invalid("/settings", "must be an object")
	case errors.As(err, &wrong):
		return carillon.Invalid("/settings"+string(wrong.JSONPointer), "must be a "+sort(wrong))
	case errors.As(err, &broken) && errors.Is(err, jsontext.ErrDuplicateName):
		return carillon.Invalid("/settings"+string(broken.JSONPointer), "is given twice")
	default:
		return carillon.Invalid("/settings", "is not JSON")
	}
}

// sort is what JSON calls the Go type that a value did not fit in.
func sort(e *json.SemanticError) string {
	switch name := e.GoType.String(); {
	case name == "bool":
		return "boolean"
	case strings.HasPrefix(name, "int"), strings.HasPrefix(name, "uint"), strings.HasPrefix(name, "float"):
		return "number"
	default:
		return name
	}
}
