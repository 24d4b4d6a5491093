package freshsales_test

import (
	_ "embed"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/dialecttest"
	"carillon/dialect/freshsales"
)

// posted is a body as the vendor's apps post it.
func posted(body []byte) dialect.Request {
	return dialect.Request{ContentType: "application/json", Header: func(string) string { return "" }, Body: body}
}

func published(t testing.TB, event string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", event+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// classicContact is a message of the Classic form (platform version 2.0) with its oddities: lists in the singular, members that no table
// knows, an offset, names that do not agree, a timestamp in milliseconds.
//
//go:embed testdata/classicContactUpdate.json
var classicContact string

func fixtures(t testing.TB, product string) dialecttest.DecoderFixtures {
	t.Helper()
	f := dialecttest.DecoderFixtures{
		Connection: &carillon.Connection{ID: "con_1", Org: "dev", Dialect: freshsales.Name, IDPrefix: "fresh_"},
		Settings:   json.RawMessage(`{"product":"` + product + `"}`),
		Kinds: []carillon.Kind{
			carillon.KindContact, carillon.KindDeal, carillon.KindAccount, carillon.KindCustom, carillon.KindAppointment, carillon.KindTask,
		},
		// A user's uuid is made of the house's id where the vendor's is not known.
		Generated: []string{"/data/actor/uuid", "/data/associations/*/uuid"},
		Prepare:   asKept,
	}
	if product == "freshsales" {
		f.Requests = append(f.Requests, posted([]byte(classicContact)))
		return f
	}
	// A small one first: vast values take their time. roundtrip_test.go has all.
	f.Requests = append(f.Requests, posted(published(t, "onCustomModuleUpdate")), posted(published(t, "onContactUpdate")))
	return f
}

// asKept makes a record what the ledger would keep: with texts of one line where it wants those. The suite's log has one contact only,
// so that a deal can name no more.
func asKept(_ *rapid.T, c *carillon.Change) {
	for _, state := range []*[]byte{&c.Before, &c.After} {
		if *state == nil {
			continue
		}
		var members map[string]any
		if err := json.Unmarshal(*state, &members); err != nil {
			panic(err)
		}
		b := []byte{'{'}
		for name, value := range dialect.Members(*state) {
			place, _ := carillon.FieldNumber(c.Kind, dialect.Unquote(name))
			f := carillon.Fields(c.Kind)[place]
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(append(b, name...), ':')
			b = append(b, keptValue(f, value)...)
		}
		*state = append(b, '}')
	}
}

func keptValue(f carillon.Field, value []byte) []byte {
	switch {
	case f.Type == carillon.TypeObject:
		b := []byte{'{'}
		for name, of := range dialect.Members(value) {
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(append(b, name...), ':')
			b = append(b, keptValue(carillon.Field{}, of)...)
		}
		return append(b, '}')
	case f.Type == carillon.TypeStrings, f.Type == carillon.TypeRefs && f.Ref == carillon.KindContact:
		b := []byte{'['}
		for element := range dialect.Elements(value) {
			if f.Ref != "" && len(b) > 1 {
				break
			}
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(b, keptValue(carillon.Field{}, element)...)
		}
		return append(b, ']')
	case value[0] != '"' || f.Type == carillon.TypeText:
		return value
	}
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, dialect.Unquote(value))
	if text == "" && f.NonEmpty {
		text = "x"
	}
	return dialect.AppendString(nil, text)
}

func TestFreshsalesIsUnderstood(t *testing.T) {
	for _, product := range []string{"freshworks_crm", "freshsales"} {
		t.Run(product, func(t *testing.T) { dialecttest.RunDecoder(t, freshsales.New(), fixtures(t, product)) })
	}
}

func FuzzDecode(f *testing.F) {
	dialecttest.FuzzDecode(f, freshsales.New(), fixtures(f, "freshworks_crm"))
}

func BenchmarkDecode(b *testing.B) {
	d := freshsales.New()
	for _, event := range []string{"onContactCreate", "onDealUpdate", "onTaskCreate"} {
		body := published(b, event)
		b.Run(event, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := d.Decode(posted(body), nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
