package dialect_test

import (
	"encoding/json"
	"errors"
	"testing"

	"carillon"
	"carillon/dialect"
)

func TestSettingsAreReadByName(t *testing.T) {
	for _, text := range []string{``, `null`, `{}`, `{"mode":null}`} {
		var s struct {
			Mode string `json:"mode"`
		}
		if err := dialect.ReadSettings(json.RawMessage(text), &s); err != nil || s.Mode != "" {
			t.Errorf("%s: mode %q, %v", text, s.Mode, err)
		}
	}
	var s struct {
		Mode string `json:"mode"`
		Many bool   `json:"many"`
	}
	if err := dialect.ReadSettings(json.RawMessage(`{"many": true, "mode": "x"}`), &s); err != nil || s.Mode != "x" || !s.Many {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for text, want := range map[string]carillon.Fault{
		`[]`:                      {Member: "/settings", Reason: "must be an object"},
		`"x"`:                     {Member: "/settings", Reason: "must be an object"},
		`{`:                       {Member: "/settings", Reason: "is not JSON"},
		`{"mode":"a"} x`:          {Member: "/settings", Reason: "is not JSON"},
		`{"moed":"a"}`:            {Member: "/settings/moed", Reason: "is not a setting of this dialect"},
		`{"Mode":"a"}`:            {Member: "/settings/Mode", Reason: "is not a setting of this dialect"},
		`{"a/b~c":null}`:          {Member: "/settings/a~1b~0c", Reason: "is not a setting of this dialect"},
		`{"mode":1}`:              {Member: "/settings/mode", Reason: "must be a string"},
		`{"many":"yes"}`:          {Member: "/settings/many", Reason: "must be a boolean"},
		`{"count":"1"}`:           {Member: "/settings/count", Reason: "must be a number"},
		`{"mode":"a","mode":"b"}`: {Member: "/settings/mode", Reason: "is given twice"},
	} {
		var s struct {
			Mode  string `json:"mode"`
			Many  bool   `json:"many"`
			Count int    `json:"count"`
		}
		err := dialect.ReadSettings(json.RawMessage(text), &s)
		e, ok := errors.AsType[*carillon.Error](err)
		if !ok || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0] != want {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}
