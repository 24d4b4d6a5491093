package workshop_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carillon/apps/workshop"
)

func FuzzArguments(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"iparams":{"x":1},"a":2}`, `{"a":{"iparams":3}, "iparams" : null , "b":[]}`, `{"i\u0070arams":1}`, `[]`, `{`, `{} {}`,
		`{"a":1,"a":2}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `null`, ``,
	} {
		f.Add([]byte(seed))
	}
	iparams := []byte(`{"token":"t","list":[1,2]}`)
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := workshop.Arguments(payload, iparams)
		if err != nil {
			return
		}
		var was, is map[string]any
		if json.Unmarshal(payload, &was) != nil || json.Unmarshal(got, &is) != nil {
			t.Fatalf("%q became %q", payload, got)
		}
		if was == nil {
			was = map[string]any{}
		}
		was["iparams"] = map[string]any{"token": "t", "list": []any{1.0, 2.0}}
		if diff := cmp.Diff(was, is); diff != "" {
			t.Errorf("%q became %q (-want +got):\n%s", payload, got, diff)
		}
	})
}

func FuzzKeptValues(f *testing.F) {
	for _, seed := range []string{`{"":""}`, `{"a":["",{"b":""}],"":{"c":"x"}}`, `{"a":"\u0022\u0022"}`, `[""]`, `""`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var was, is any
		if !json.Valid(value) || json.Unmarshal(value, &was) != nil {
			return
		}
		kept := workshop.WithoutEmpty(value)
		if !bytes.Contains(value, []byte(`""`)) {
			return
		}
		if err := json.Unmarshal(kept, &is); err != nil {
			return // names that are there twice: such a value is refused before
		}
		if diff := cmp.Diff(emptied(was), is); diff != "" {
			t.Errorf("%q is kept as %q (-want +got):\n%s", value, kept, diff)
		}
	})
}

// emptied replaces empty texts with nil.
func emptied(v any) any {
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = emptied(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = emptied(v[name])
		}
	}
	return v
}

func TestSecretsAreTakenOutHoweverTheyAreWritten(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 8)
	for _, c := range []struct {
		secret any
		text   string
		want   string
	}{
		{"t0ken", "a t0ken, t0kent0ken.", "a ***, ******."},
		{"t0ken", "t0ke n", "t0ke n"},
		{"ab", "ab is no secret", "ab is no secret"},
		{`a"b<c>`, `"a\"b<c>" a\"b\u003cc\u003e a%22b%3Cc%3E`, `"***" *** ***`},
		{"user me", "user+me user%20me dXNlciBtZQ==", "*** *** ***"},
		{"a !'()*/%é", "a%20!'()*%2F%25%C3%A9 a%20!'()*%2f%25%c3%a9 a%20!'()*/%25%C3%A9 a%20!'()*/%25%c3%a9", "*** *** *** ***"},
		{"a<b>", "a%3Cb%3E a%3cb%3e", "*** ***"},
		{12345.0, "the number 12345", "the number ***"},
		{[]any{"one-of", "two-of"}, "one-of two-of", "*** ***"},
		{map[string]any{"deep": []any{"inside"}}, "inside", "***"},
		{long, "cut: " + long[:40] + "… and " + long, "cut: ***… and ***"},
		{long, "too little: " + long[:10], "too little: " + long[:10]},
		{nil, "nothing", "nothing"},
	} {
		if got := workshop.Masked(c.text, c.secret); got != c.want {
			t.Errorf("%v in %q: %q, want %q", c.secret, c.text, got, c.want)
		}
	}
}
