package dialect_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"carillon/dialect"
)

func TestMemberFindsTopLevelMembersOnly(t *testing.T) {
	const object = `{"id":"a","text":"say \"entityType\":\"note\" \\","deep":{"entityType":"task","list":[1,{"x":"]}"}]},` +
		`"entityType":"activity","n":-1.5e3,"yes":true,"none":null,"caf\u00e9":["x"],"last":[]}`
	for name, want := range map[string]string{
		"id":         `"a"`,
		"text":       `"say \"entityType\":\"note\" \\"`,
		"deep":       `{"entityType":"task","list":[1,{"x":"]}"}]}`,
		"entityType": `"activity"`,
		"n":          `-1.5e3`,
		"yes":        `true`,
		"none":       `null`,
		"café":       `["x"]`,
		"last":       `[]`,
		"list":       ``,
		"":           ``,
	} {
		if got := string(dialect.Member([]byte(object), name)); got != want {
			t.Errorf("Member(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestMemberSurvivesWhatIsNoRecord(t *testing.T) {
	for _, object := range []string{
		"", "{", "{}", "[]", "null", `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":}`, `{"a":"`, `{"a":"\"}`, `{"a":[1,{"b"`, `{"a":1`, `{"b":1}`,
		`{"a"1}`, `{ "a":1}`, `{"\":1}`, `{"\ud800":1,"b":2,`,
	} {
		if got := dialect.Member([]byte(object), "a"); len(got) > 0 && !strings.Contains(object, string(got)) {
			t.Errorf("Member(%s) = %s", object, got)
		}
	}
}

func TestElementsWalksArraysOnly(t *testing.T) {
	for array, want := range map[string][]string{
		`[]`:                        nil,
		`[1]`:                       {`1`},
		`["a,]",[2,{"b":3}],{},""]`: {`"a,]"`, `[2,{"b":3}]`, `{}`, `""`},
		`{"a":1}`:                   nil,
		`"[1]"`:                     nil,
		``:                          nil,
		`[`:                         nil,
		`[1,`:                       {`1`},
		`["a`:                       nil,
	} {
		var got []string
		for element := range dialect.Elements([]byte(array)) {
			got = append(got, string(element))
		}
		if !slices.Equal(got, want) {
			t.Errorf("Elements(%s) = %q, want %q", array, got, want)
		}
	}
}

func TestAppendStringWritesJSON(t *testing.T) {
	for _, s := range []string{"", "plain", `"\` + "\n\x00\x1f", "é漢😀\u2028", "<&>"} {
		var back string
		if err := json.Unmarshal(dialect.AppendString(nil, s), &back); err != nil || back != s {
			t.Errorf("AppendString(%q) reads back as %q, %v", s, back, err)
		}
	}
	if got := string(dialect.AppendString(nil, "a\xffb")); got != `"a`+"\ufffd"+`b"` {
		t.Errorf("not UTF-8: %s", got)
	}
}

func FuzzMembersAgreesWithADecoder(f *testing.F) {
	f.Add(`{"id":"a","b":{"c":[1,"}"]},"d\"":null}`)
	f.Add(`{"a":"\\\"","a\u0041":[]}`)
	f.Add(`{"a":`)
	f.Fuzz(func(t *testing.T, object string) {
		seen := 0
		for range dialect.Members([]byte(object)) {
			seen++
		}
		var want map[string]json.RawMessage
		if json.Unmarshal([]byte(object), &want) != nil {
			return
		}
		compact, err := json.Marshal(want) // without white space, every name once
		if err != nil {
			return
		}
		got := make(map[string]string)
		for name, value := range dialect.Members(compact) {
			got[dialect.Unquote(name)] = string(value)
		}
		if len(got) != len(want) {
			t.Fatalf("%d members of %d in %s", len(got), len(want), compact)
		}
		if err := json.Unmarshal(compact, &want); err != nil {
			t.Fatal(err)
		}
		for name, value := range want {
			if got[name] != string(value) {
				t.Errorf("%q is %s, want %s", name, got[name], value)
			}
		}
	})
}
