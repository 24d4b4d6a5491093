package freshsales_test

import (
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

// classicContact is a message of the Classic form (platform version 2.0), with its oddities: lists in the singular, members that no table
// knows, an offset, names that do not agree, a timestamp in milliseconds.
const classicContact = `{
	"data": {
		"users": [
			{"id": 3, "display_name": "Owen Owner", "email": "owen@example.com", "is_active": true, "work_number": null, "mobile_number": null},
			{"id": 1, "display_name": "Ann Agent", "email": "ann@example.com", "is_active": false, "work_number": "+1-555-0100", "mobile_number": null}
		],
		"lead_source": [{"partial": true, "id": 3, "name": "Email", "position": 3}],
		"contact_status": [{"partial": true, "id": 4, "name": "Lost", "position": 4}],
		"campaigns": [{"partial": true, "id": 2, "name": "blog", "position": 2}],
		"sales_accounts": [{"partial": true, "id": 1079, "name": "Guild", "avatar": null, "website": "guild.example"}],
		"lead_reasons": [],
		"tiers": [{"id": 1, "name": "Gold"}],
		"contact": {
			"id": 24, "first_name": "Jane", "last_name": "Bell", "display_name": "Jane Ringer", "avatar": null, "job_title": "Manager",
			"city": "York", "state": "Yorkshire", "zipcode": "YO1", "country": "United Kingdom", "email": "jane@example.com", "do_not_disturb": true,
			"has_authority": true, "time_zone": "London", "department": "Sales", "work_number": "2222222221", "mobile_number": 3333333332,
			"address": "1 Main St\r\nRear", "last_seen": "2018-01-11T03:49:28+05:30", "lead_score": 0, "open_deals_amount": "0.0",
			"links": {"notes": "/contacts/24/notes?include=creater"},
			"custom_field": {"cf_text": "Flexible", "cf_none": null, "cf_number": 234, "cf_decimal": 1.50, "cf_yes": true, "cf_timings": "Monday;Friday"},
			"created_at": "2018-01-11T03:33:28+05:30", "updated_at": "2018-01-11T03:36:03+05:30", "recent_note": "pays well",
			"owner_id": 3, "lead_source_id": 3, "contact_status_id": 4, "updater_id": 1, "campaign_id": 2, "creater_id": 1, "sales_account_id": 1079,
			"changes": {"department": ["Support", "Sales"], "work_number": ["2222222222", "2222222221"]}
		}
	},
	"timestamp": 1496400354326,
	"account_id": 13,
	"domain": "sample.freshsales.com",
	"event": "onContactUpdate",
	"region": "US"
}` //nolint:misspell // the vendor's spelling

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
		// A record that is mentioned by its number alone makes a hundred bytes of four.
		Growth: 32,
	}
	if product == "freshsales" {
		f.Requests = append(f.Requests, posted([]byte(classicContact)))
		return f
	}
	for _, s := range samples {
		if strings.HasSuffix(s.event, "Update") { // the same fields and more
			f.Requests = append(f.Requests, posted(published(t, s.event)))
		}
	}
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
