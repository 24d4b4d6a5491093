package dialect_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect"
)

func TestOnlyWhatDiffersIsWritten(t *testing.T) {
	for name, c := range map[string]struct{ heard, echo, want string }{
		"nothing":                      {`{"name":"a","website":null}`, `{"name":"a"}`, ``},
		"a member":                     {`{"name":"a","website":"x"}`, `{"name":"a","website":"y"}`, `{"website":"x"}`},
		"what is no more":              {`{"website":null}`, `{"website":"y"}`, `{"website":null}`},
		"what was not told":            {`{"name":"a"}`, `{"name":"a","website":"y"}`, ``},
		"a member of an address":       {`{"billingAddress":{"city":"York","line1":null}}`, `{"billingAddress":{"city":"Hull","line1":"1 Quay"}}`, `{"billingAddress":{"city":"York","line1":null}}`},
		"a custom field that is gone":  {`{"customFields":{"b":["2"]}}`, `{"customFields":{"a":["1"],"b":["2"]}}`, `{"customFields":{"a":null}}`},
		"metadata in another order":    {`{"metadata":{"a":1,"b":2}}`, `{"metadata":{"b":2,"a":1}}`, ``},
		"metadata that has lost one":   {`{"metadata":{"a":1}}`, `{"metadata":{"a":1,"b":2}}`, `{"metadata":{"b":null}}`},
		"metadata that has lost below": {`{"metadata":{"a":{"x":1}}}`, `{"metadata":{"a":{"x":1,"y":2}}}`, `{"metadata":{"a":{"y":null}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := dialect.Difference(carillon.KindAccount, []byte(c.heard), []byte(c.echo)); string(got) != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestCustomFieldsThatAVendorDoesNotKnowStay(t *testing.T) {
	for name, c := range map[string]struct{ heard, want string }{
		"one is not listed": {`{"customFields":{"b":["3"]}}`, `{"customFields":{"b":["3"]}}`},
		"one is empty":      {`{"customFields":{"a":null,"b":["2"]}}`, `{"customFields":{"a":null}}`},
		"none is listed":    {`{"customFields":{}}`, ``},
	} {
		s := dialect.Statement{Ref: carillon.Ref{Kind: carillon.KindAccount}, Data: []byte(c.heard), LeavesCustomFields: true}
		if got := s.Difference([]byte(`{"customFields":{"a":["1"],"b":["2"]}}`)); string(got) != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// What is written of metadata makes it what was heard, by the rules of merge patches.
func TestADifferenceMakesOneOfTheOther(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			if depth == 0 || rapid.Bool().Draw(t, "scalar") {
				return rapid.SampledFrom([]any{"x", true, 1.5, []any{"a"}}).Draw(t, "value")
			}
			return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c\""}), value(depth-1), 0, 3).Draw(t, "object")
		})
	}
	metadata := rapid.Custom(func(t *rapid.T) any {
		return map[string]any{"metadata": rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c\""}), value(3), 0, 3).Draw(t, "metadata")}
	})
	rapid.Check(t, func(t *rapid.T) {
		heard, echo := metadata.Draw(t, "heard"), metadata.Draw(t, "echo")
		text := func(of any) []byte {
			b, err := json.Marshal(of)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		difference := dialect.Difference(carillon.KindAccount, text(heard), text(echo))
		if difference == nil {
			difference = []byte("{}")
		}
		var patch any
		if err := json.Unmarshal(difference, &patch); err != nil {
			t.Fatalf("%v: %s", err, difference)
		}
		if diff := cmp.Diff(heard, merged(echo, patch)); diff != "" {
			t.Fatalf("%s makes (-heard +made):\n%s", difference, diff)
		}
	})
}

// merged is RFC 7396.
func merged(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	of := map[string]any{}
	if was, ok := target.(map[string]any); ok {
		for name, value := range was {
			of[name] = value
		}
	}
	for name, value := range members {
		if value == nil {
			delete(of, name)
		} else {
			of[name] = merged(of[name], value)
		}
	}
	return of
}

func TestAPayloadIsFoundInFormsAndOutside(t *testing.T) {
	const form = "application/x-www-form-urlencoded; charset=UTF-8"
	for name, c := range map[string]struct{ contentType, body, want string }{
		"JSON":                       {"application/json", `{"a":1}`, `{"a":1}`},
		"no content type":            {"", `{"a":1}`, `{"a":1}`},
		"a form":                     {form, `payload=%7B%22a%22%3A+1%7D&other=x`, `{"a": 1}`},
		"JSON that is called a form": {form, " \n" + `[{"a":"b=c&d"}]`, " \n" + `[{"a":"b=c&d"}]`},
	} {
		got, err := dialect.FormPayload(dialect.Request{ContentType: c.contentType, Body: []byte(c.body)})
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for body, code := range map[string]carillon.Code{"a=b": carillon.CodeInvalid, "": carillon.CodeInvalid, "payload=%zz": carillon.CodeMalformed} {
		if _, err := dialect.FormPayload(dialect.Request{ContentType: form, Body: []byte(body)}); carillon.ErrorCode(err) != code {
			t.Errorf("%q: %v, want %s", body, err, code)
		}
	}
}
