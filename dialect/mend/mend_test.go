package mend_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect/mend"
)

func TestWhatVendorsGetWrongIsMended(t *testing.T) {
	for name, c := range map[string]struct {
		body, want string
		notes      []string
	}{
		"a comma is missing behind an object": {
			"{\"a\":{\"b\":1}\n  \"c\":2}", `{"a":{"b":1},"c":2}`, []string{`the comma before "c" was missing (line 1, byte 12)`},
		},
		"behind a number, a string, a word and a list": {
			`{"a":1"b":"x" "c":true "d":[1] "e":null}`, `{"a":1,"b":"x","c":true,"d":[1],"e":null}`, []string{
				`the comma before "b" was missing (line 1, byte 6)`, `the comma before "c" was missing (line 1, byte 13)`,
				`the comma before "d" was missing (line 1, byte 22)`, `the comma before "e" was missing (line 1, byte 30)`,
			},
		},
		"on a later line": {"{\n\"a\": 1\n\"b\" : 2}", `{"a":1,"b":2}`, []string{`the comma before "b" was missing (line 2, byte 8)`}},
		"a comma stands behind the last member": {
			`{"a":[1,2,],"b":{"c":1, } , }`, `{"a":[1,2],"b":{"c":1}}`, []string{
				"a comma stood before a closing bracket (line 1, byte 9)", "a comma stood before a closing bracket (line 1, byte 22)",
				"a comma stood before a closing bracket (line 1, byte 26)",
			},
		},
		"typographic quotation marks": {
			`{“a”:“x \u00e9”,"b":"“y”"}`, `{"a":"x é","b":"“y”"}`, []string{
				"typographic quotation marks stood around a string (line 1, byte 1)", "typographic quotation marks stood around a string (line 1, byte 9)",
			},
		},
		"all at once": {
			"{“a”:1\n“b”:2,}", `{"a":1,"b":2}`, []string{
				"typographic quotation marks stood around a string (line 1, byte 1)", "the comma before “b” was missing (line 1, byte 10)",
				"typographic quotation marks stood around a string (line 2, byte 11)", "a comma stood before a closing bracket (line 2, byte 20)",
			},
		},
		"a word without quotation marks": {
			`{"a":GB,"b": 8586bda6-52d6-474a-a31d-86f45b7b86f9 ,"c":[1],"d":2024-04-15T10:28:51Z"e":007}`,
			`{"a":"GB","b":"8586bda6-52d6-474a-a31d-86f45b7b86f9","c":[1],"d":"2024-04-15T10:28:51Z","e":"007"}`,
			[]string{
				"the quotation marks around GB were missing (line 1, byte 5)",
				"the quotation marks around 8586bda6-52d6-474a-a31d-86f45b7b86f9 were missing (line 1, byte 13)",
				"the quotation marks around 2024-04-15T10:28:51Z were missing (line 1, byte 63)",
				`the comma before "e" was missing (line 1, byte 83)`,
				"the quotation marks around 007 were missing (line 1, byte 87)",
			},
		},
		"bytes that are not UTF-8": {
			"{\"a\":\n\"caf\xe9, \xff\",\"b\":GB}", `{"a":"caf` + "\ufffd, \ufffd" + `","b":"GB"}`, []string{
				"the quotation marks around GB were missing (line 2, byte 20)", "bytes that are not UTF-8 were replaced (line 2, byte 10)",
			},
		},
		"a byte order mark is no mistake":        {"\ufeff{\"a\":1}", `{"a":1}`, nil},
		"names in long are not repeated in full": {`{"a":1"` + strings.Repeat("n", 500) + `":2}`, `{"a":1,"` + strings.Repeat("n", 500) + `":2}`, []string{`the comma before "` + strings.Repeat("n", 63) + `… was missing (line 1, byte 6)`}},
	} {
		t.Run(name, func(t *testing.T) {
			kept := strings.Clone(c.body)
			body := []byte(c.body)
			got, notes, err := mend.Read(body, "")
			if err != nil || string(got) != c.want || !slices.Equal(notes, c.notes) {
				t.Errorf("%v\n%s\n%q\nwant\n%s\n%q", err, got, notes, c.want, c.notes)
			}
			if string(body) != kept {
				t.Errorf("the body is now %s", body)
			}
		})
	}
}

func TestManyNotesAreCounted(t *testing.T) {
	_, notes, err := mend.Read([]byte(`[`+strings.Repeat(`{"a":1"b":2},`, 1000)+`0]`), "")
	if err != nil || len(notes) != 9 || notes[8] != "and 992 more of the kind" {
		t.Errorf("%v, %q", err, notes)
	}
}

func TestWhatCannotBeMendedIsRefused(t *testing.T) {
	for body, code := range map[string]carillon.Code{
		``:                        carillon.CodeMalformed,
		`{`:                       carillon.CodeMalformed,
		`{"id":{VALUE},}`:         carillon.CodeMalformed,
		`["a",b]`:                 carillon.CodeMalformed,
		`{"a":James Hetfield}`:    carillon.CodeMalformed,
		`{"a":b:1}`:               carillon.CodeMalformed,
		`{"a":GB//c` + "\n}":      carillon.CodeMalformed,
		`GB`:                      carillon.CodeMalformed,
		"{\"\xff\":1,\"\xfe\":2}": carillon.CodeMalformed,
		"\xff":                    carillon.CodeMalformed,
		`["a" "b"]`:               carillon.CodeMalformed,
		`{"a" "b":1}`:             carillon.CodeMalformed,
		`{,}`:                     carillon.CodeMalformed,
		`{"a":1,"a":2}`:           carillon.CodeMalformed,
		`{"a":“x}`:                carillon.CodeMalformed,
		`{"a":1} {"b":2}`:         carillon.CodeMalformed,
		strings.Repeat("[", 49):   carillon.CodeTooLarge,
		strings.Repeat("[", 49) + strings.Repeat("]", 49): carillon.CodeTooLarge,
	} {
		if got, _, err := mend.Read([]byte(body), ""); carillon.ErrorCode(err) != code || len(err.Error()) > 400 {
			t.Errorf("%.40s is read as %s, %v; want %s", body, got, err, code)
		}
	}
}

func TestWhatIsWrongIsSaidWithItsPlace(t *testing.T) {
	for name, c := range map[string]struct{ body, at, member, reason string }{
		"the first mistake":             {"{\n \"id\":{VALUE}", "", "/id", `line 2, byte 9: invalid character 'V' at start of string (expecting '"')`},
		"behind mistakes that are none": {"{“a”:1,\n “b”:GB\n \"c\":[\"\xff\",],\"d\":?}", "", "/d", `line 3, byte 40: invalid character '?' at start of value`},
		"inside of a text":              {`{"a":1,"a":2}`, "/Message", "/Message/a", `line 1, byte 7: duplicate object member name`},
		"at the end":                    {"{\"a\":", "", "/a", "line 1, byte 5: unexpected EOF"},
		"nothing":                       {"", "", "", "line 1, byte 0: unexpected EOF"},
		"a comment":                     {"{ \"data\" : { //Contains", "", "/data", `line 1, byte 13: invalid character '/' at start of string (expecting '"')`},
		"too deep":                      {`{"a":[0,` + strings.Repeat("[", 60), "", "/a/1" + strings.Repeat("/0", 46), "line 1, byte 55: must be nested at most 48 levels deep"},
	} {
		_, _, err := mend.Read([]byte(c.body), c.at)
		e, ok := errors.AsType[*carillon.Error](err)
		if !ok || !slices.Equal(e.Faults, []carillon.Fault{{Member: c.member, Reason: c.reason}}) {
			t.Errorf("%s: %v, want %s: %s", name, err, c.member, c.reason)
		}
	}
}

func TestWhatIsJSONIsLeftAlone(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			switch n := rapid.IntRange(0, 5).Draw(t, "sort"); {
			case n == 0:
				return nil
			case n == 1:
				return rapid.Float64().Draw(t, "number")
			case n == 2 || depth == 0:
				return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"“x”", `","a":`, `\"`, ",}", `"a" "b":1`})).Draw(t, "text")
			case n == 3:
				return rapid.SliceOfN(value(depth-1), 0, 3).Draw(t, "list")
			default:
				return rapid.MapOfN(rapid.String(), value(depth-1), 0, 4).Draw(t, "object")
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		indent := rapid.SampledFrom([]string{"", " ", "\t"}).Draw(t, "indent")
		body, err := json.MarshalIndent(value(4).Draw(t, "value"), "", indent)
		if err != nil {
			t.Fatal(err)
		}
		if got, notes := mend.JSON(body); len(notes) > 0 || string(got) != string(body) {
			t.Fatalf("%q\n%s\nis now\n%s", notes, body, got)
		}
	})
}

func FuzzMend(f *testing.F) {
	for _, body := range []string{
		`{"a":{"b":1} "c":2}`, `{“a”:“x”}`, `{"a":[1,],}`, `{"a":1"b":"\"}`, `“`, `"`, `,}`, `{"a":"“` + "\xe2\x80", `[[[]]]`, "\ufeff1", `{"a":1 "b" "c":2}`, `{"a":GB}`, `{"a":1:2:3 "b":-}`, "{\"a\":\"\xff\", b}",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		mended, notes := mend.JSON(body)
		switch {
		case len(notes) == 0 && string(mended) != string(body):
			t.Errorf("changed without a note: %q is %q", body, mended)
		case json.Valid(body) && len(notes) > 0:
			t.Errorf("%q is JSON, but %q", body, notes)
		case len(mended) > 2*len(body):
			t.Errorf("%d bytes are %d", len(body), len(mended))
		}
		if json.Valid(mended) {
			if _, notes := mend.JSON(mended); len(notes) > 0 {
				t.Errorf("%q was mended to %q, and yet %q", body, mended, notes)
			}
		}
		got, _, err := mend.Read(body, "")
		if err == nil && !json.Valid(got) {
			t.Errorf("%q is read as %q", body, got)
		}
	})
}
