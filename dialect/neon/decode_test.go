package neon_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/dialecttest"
	"carillon/dialect/neon"
)

// published gives a sample as the vendor's page has it: without the comma that testdata adds.
func published(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	const comma, none = "},\n         \"consentInformation\"", "}\n         \"consentInformation\""
	if has := bytes.Contains(text, []byte(comma)); has == strings.HasPrefix(file, "delete") {
		t.Fatalf("%s has a comma before consentInformation: %v", file, has)
	}
	return bytes.Replace(text, []byte(comma), []byte(none), 1)
}

func post(body []byte) dialect.Request {
	return dialect.Request{ContentType: "application/json", Header: func(string) string { return "" }, Body: body}
}

func form(body []byte) dialect.Request {
	return dialect.Request{
		ContentType: "application/x-www-form-urlencoded; charset=UTF-8", Header: func(string) string { return "" },
		Body: []byte(url.Values{"payload": {string(body)}}.Encode()),
	}
}

func fixtures(t testing.TB) dialecttest.DecoderFixtures {
	t.Helper()
	f := dialecttest.DecoderFixtures{
		Connection: &carillon.Connection{ID: "con_1", Org: "dev", Dialect: neon.Name, IDPrefix: "neon_"},
		Settings:   json.RawMessage(chicago),
		Kinds:      []carillon.Kind{carillon.KindAccount},
		Prepare:    twoTypes,
	}
	for _, s := range samples {
		f.Requests = append(f.Requests, post(published(t, s.file)), form(published(t, s.file)))
	}
	return f
}

// twoTypes makes half of the accounts individuals, whose names are not of blanks only.
func twoTypes(t *rapid.T, c *carillon.Change) {
	individual := rapid.Bool().Draw(t, "individual")
	for _, state := range []*[]byte{&c.Before, &c.After} {
		if *state == nil {
			continue
		}
		members := dialect.ByField(carillon.KindAccount, *state)
		b := []byte{'{'}
		for i, f := range carillon.Fields(carillon.KindAccount) {
			value := members[i]
			if f.Name == "type" && individual {
				value = []byte(`"individual"`)
			}
			if f.Name == "name" && strings.TrimSpace(dialect.Unquote(value)) == "" {
				value = []byte(`"Nameless"`)
			}
			if value == nil {
				continue
			}
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(append(append(append(b, '"'), f.Name...), `":`...), value...)
		}
		*state = append(b, '}')
	}
}

func TestNeonIsUnderstood(t *testing.T) { dialecttest.RunDecoder(t, neon.New(), fixtures(t)) }

func FuzzDecode(f *testing.F) { dialecttest.FuzzDecode(f, neon.New(), fixtures(f)) }
