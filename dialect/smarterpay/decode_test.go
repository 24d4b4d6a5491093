package smarterpay_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/dialecttest"
	"carillon/dialect/smarterpay"
)

func post(body []byte) dialect.Request {
	return dialect.Request{ContentType: "application/json", Header: func(string) string { return "" }, Body: body}
}

func fixtures() dialecttest.DecoderFixtures {
	return dialecttest.DecoderFixtures{
		Connection: &carillon.Connection{ID: "con_1", Org: "dev", Dialect: smarterpay.Name},
		Settings:   json.RawMessage(`{"giftAid":true}`),
		Kinds:      []carillon.Kind{carillon.KindAccount},
		Deletion:   dialect.Whole, // the vendor has no other word for it than inactive
		Prepare:    twoTypes,
		Requests:   []dialect.Request{post(recordCreation), post(recordCreationWithGiftAid)},
	}
}

// twoTypes makes half of the accounts individuals.
func twoTypes(t *rapid.T, c *carillon.Change) {
	if !rapid.Bool().Draw(t, "individual") {
		return
	}
	for _, state := range []*[]byte{&c.Before, &c.After} {
		if *state != nil {
			change := with(&carillon.Change{After: *state}, "type", `"individual"`)
			*state = change.After
		}
	}
}

func TestSmarterPayIsUnderstood(t *testing.T) {
	dialecttest.RunDecoder(t, smarterpay.New(), fixtures())
}

func FuzzDecode(f *testing.F) { dialecttest.FuzzDecode(f, smarterpay.New(), fixtures()) }

// decode reads a request of one event.
func decode(t testing.TB, body string, c *carillon.Connection) (dialect.Told, []string) {
	t.Helper()
	reading, err := smarterpay.New().CheckReading(c)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := smarterpay.New().Decode(post([]byte(body)), reading)
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	if len(decoded.Events) != 1 {
		t.Fatalf("%d events\n%s", len(decoded.Events), body)
	}
	return decoded.Events[0], decoded.Mended
}

var nowhere = &carillon.Connection{ID: "con_1", Org: "dev", Dialect: smarterpay.Name}

func TestTheSampleIsRead(t *testing.T) {
	told, mended := decode(t, string(recordCreationWithGiftAid), nowhere)
	ref := carillon.Ref{Kind: carillon.KindAccount, ID: "CA01G420EJ9D44P1VQWR"}
	want := dialect.Told{
		ID: "HI02KL45YJ6ZR7JZ2DQR", Type: "customer_account.create", Op: carillon.OpCreated, Ref: ref, At: at,
		Actor: carillon.Actor{ID: "CU01LG420EJ9VWP1VQWR"},
		Statements: []dialect.Statement{{
			Sort: dialect.Whole, Ref: ref,
			Data: []byte(`{"name":"James Hetfield","status":"ACTIVE","type":"individual",` +
				`"primaryContact":{"title":"Mr","firstName":"James","lastName":"Hetfield","email":"james.hetfield@email.com"},` +
				`"billingAddress":{"line1":"Utility House","line2":"32-36 Prospect Street","city":"Hull","state":null,"postalCode":"HU2 8PX","country":"GB"},` +
				`"deliveryAddress":{"line1":null,"line2":null,"city":null,"state":null,"postalCode":null,"country":null},` +
				`"legacyId":null,"customReference":null,"metadata":null}`),
			Extra: []byte(`{"id":"CA01G420EJ9D44P1VQWR","created_at":"2024-04-15T10:28:51Z","edited_at":"2024-04-15T10:28:51Z","event_source":"Portal","gift_aid":false,` +
				`"created_by":{"id":"CU01LG420EJ9VWP1VQWR"},"edited_by":{"id":"CU01LG420EJ9VWP1VQWR"},"client":{"id":"CL01LG420EJ9DP1VQWR9"}}`),
		}},
	}
	if diff := cmp.Diff(want, told); diff != "" || mended != nil {
		t.Errorf("mended %q (-want +got):\n%s", mended, diff)
	}
}

func TestAnyOfTheVendorsShapesIsRead(t *testing.T) {
	const event = `{"event_type":"customer_account.update","event_id":"HI1","id":"CA1","edited_at":"2024-04-15T10:28:51Z","company_name":"Acme"}`
	want, _ := decode(t, `{"events":[`+event+`]}`, nowhere)
	for name, body := range map[string]string{
		"one event":               event,
		"a list of events":        `[` + event + `]`,
		"a list of envelopes":     `[{"id":"OM1","events":[` + event + `]}]`,
		"one event in its place":  `{"events":` + event + `}`,
		"members in other order":  `{"events":[{"company_name":"Acme","edited_at":"2024-04-15T10:28:51Z","id":"CA1","event_id":"HI1","event_type":"customer_account.update"}],"client":"CL1","id":"OM1"}`,
		"with a byte order mark":  "\ufeff" + event,
		"in typographic quotes":   strings.ReplaceAll(event, `"Acme"`, `“Acme”`),
		"with words unquoted":     strings.NewReplacer(`"HI1"`, `HI1`, `"2024-04-15T10:28:51Z"`, ` 2024-04-15T10:28:51Z `).Replace(event),
		"with a comma at the end": strings.ReplaceAll(event, `}`, `,}`),
	} {
		t.Run(name, func(t *testing.T) {
			got, mended := decode(t, body, nowhere)
			if got.ID != want.ID || got.Ref != want.Ref || string(got.Statements[0].Data) != string(want.Statements[0].Data) {
				t.Errorf("%+v, want %+v", got, want)
			}
			if touched := strings.Contains(body, "“") || strings.Contains(body, ",}") || strings.Contains(body, ":HI1"); touched != (len(mended) > 0) {
				t.Errorf("mended %q", mended)
			}
		})
	}
}

func TestSeveralEventsAreReadInTheirOrder(t *testing.T) {
	decoded, err := smarterpay.New().Decode(post([]byte(`{"sent_at":"2024-04-15T10:28:52Z","events":[`+
		`{"event_type":"customer_account.create","event_id":"HI1","id":"CA1","created_at":"2024-04-15T10:28:50Z"},`+
		`{"event_type":"payment.created","event_id":"HI2","id":"P1","amount":100},`+
		`{"event_type":"customer_account.merge","event_id":"HI3","id":"CA1"},`+
		`{"event_type":"customer_account.update","id":"CA2","edited_at":null}]}`)), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, told := range decoded.Events {
		id := told.ID
		if strings.HasPrefix(id, "der_") {
			id = "derived"
		}
		got = append(got, strings.Join([]string{id, told.Type, string(told.Op), told.Ref.ID, told.At.Format(time.TimeOnly), told.Ignored}, "|"))
	}
	if diff := cmp.Diff([]string{
		"HI1|customer_account.create|created|CA1|10:28:50|",
		"HI2|payment.created|||00:00:00|payment.created does not tell of a customer account: nothing is kept of it",
		"HI3|customer_account.merge|||00:00:00|customer_account.merge is not an event that is known",
		"derived|customer_account.update|updated|CA2|10:28:52|",
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if empty, err := smarterpay.New().Decode(post([]byte(`{"events":[]}`)), nil); err != nil || len(empty.Events) > 0 {
		t.Errorf("no events are %+v, %v", empty, err)
	}
}

func TestRecordsAreCalledByTheConnectionsPrefix(t *testing.T) {
	told, _ := decode(t, string(recordCreation), &carillon.Connection{IDPrefix: "sp:"})
	if told.Ref.ID != "sp:CA01G420EJ9D44P1VQWR" || told.Statements[0].Ref != told.Ref || told.Actor.ID != "sp:CU01LG420EJ9VWP1VQWR" {
		t.Errorf("%+v", told)
	}
}

func TestWhatTheVendorSays(t *testing.T) {
	for name, c := range map[string]struct{ members, data, extra string }{
		"a company is an organization": {`"company_name":"Acme","first_name":"Jo","last_name":"Oak"`, `"name":"Acme"`, ``},
		"which is said":                {`"company_name":"Acme"`, `"type":"organization"`, ``},
		"a person is an individual":    {`"company_name":null,"first_name":"Jo","last_name":"Oak"`, `"name":"Jo Oak","type":"individual"`, ``},
		"an empty company is none":     {`"company_name":"","last_name":"Oak"`, `"name":"Oak","type":"individual"`, ``},
		"a person without a name":      {`"email":"jo@example.com"`, `"name":"jo@example.com"`, ``},
		"or anything":                  {`"email":null`, `"name":"CA1"`, ``},
		"inactive":                     {`"status":"Inactive"`, `"status":"INACTIVE"`, ``},
		"a status of the vendor's own": {`"status":"Suspended"`, `"status":"Suspended"`, `"status":"Suspended"`},
		"a status that is a number":    {`"status":3`, `"status":"3"`, `"status":"3"`},
		"an empty text stays empty":    {`"title":""`, `"title":""`, ``},
		"numbers for texts":            {`"billing_postal_code":39111`, `"postalCode":"39111"`, ``},
		"texts of several lines":       {`"title":"a\nb"`, `"title":"a b"`, `"title":"a\nb"`},
		"countries in any form":        {`"billing_country_code":"gbr"`, `"country":"GB"`, ``},
		"countries that are none":      {`"billing_country_code":"Middle Earth"`, `"country":"Middle Earth"`, ``},
		"legacy ids":                   {`"legacy_id":"CUST00032423"`, `"legacyId":"CUST00032423"`, ``},
		"metadata that is an object":   {`"metadata":"{ \"b\":1,\"a\":[true]}"`, `"metadata":{"a":[true],"b":1}`, `"metadata":"{ \"b\":1,\"a\":[true]}"`},
		"as the house would write it":  {`"metadata":"{\"a\":1}"`, `"metadata":{"a":1}`, ``},
		"metadata that is no object":   {`"metadata":"free text"`, `"metadata":null`, `"metadata":"free text"`},
		"metadata out of bounds":       {`"metadata":"` + strings.Repeat(`{\"a\":`, 17) + `1` + strings.Repeat(`}`, 17) + `"`, `"metadata":null`, `"metadata":"{`},
		"metadata with a NUL":          {`"metadata":"{\"a\":\"\\u0000\"}"`, `"metadata":null`, `"metadata":"{\"a\":\"\\u0000\"}"`},
		"metadata not as text":         {`"metadata":{"b":1}`, `"metadata":{"b":1}`, `"metadata":{"b":1}`},
		"gift aid":                     {`"gift_aid":true`, ``, `"gift_aid":true`},
		"gift aid as text":             {`"gift_aid":"False"`, ``, `"gift_aid":false`},
		"people who are not known":     {`"created_by":null`, ``, `"created_by":null`},
		"what nobody has heard of":     {`"vip":{"since":[1]}`, ``, `"vip":{"since":[1]}`},
		"a client as text":             {`"client":"CL01LG420EJ9DP1VQWR9"`, ``, `"client":"CL01LG420EJ9DP1VQWR9"`},
	} {
		t.Run(name, func(t *testing.T) {
			told, _ := decode(t, `{"event_type":"customer_account.update","event_id":"HI1","id":"CA1",`+c.members+`}`, nowhere)
			s := told.Statements[0]
			if !strings.Contains(string(s.Data), c.data) {
				t.Errorf("says %s, want %s", s.Data, c.data)
			}
			if c.extra == "" && string(s.Extra) != `{"id":"CA1"}` || !strings.Contains(string(s.Extra), c.extra) {
				t.Errorf("keeps %s, want %s", s.Extra, c.extra)
			}
		})
	}
	told, _ := decode(t, `{"event_type":"customer_account.update","id":"CA1"}`, nowhere)
	if data := string(told.Statements[0].Data); strings.Contains(data, "status") || !told.At.IsZero() || told.Actor != (carillon.Actor{}) {
		t.Errorf("what is not said is said: %s, %+v", data, told)
	}
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	event := func(members string) string {
		return `{"events":[{"event_type":"customer_account.update","id":"CA1"},{"event_type":"customer_account.update","id":"CA1",` + members + `}]}`
	}
	for body, member := range map[string]string{
		`7`:                           "",
		`{}`:                          "/events",
		`{"events":null}`:             "/events",
		`{"events":[7]}`:              "/events/0",
		`[7]`:                         "/0",
		`[{"events":[{"id":"CA1"}]}]`: "/0/events/0/event_type",
		`{"event_type":"customer_account.create"}`:                              "/id",
		`{"event_type":"customer_account.create","id":"a b"}`:                   "/id",
		`{"event_type":"` + strings.Repeat("x", 256) + `"}`:                     "/event_type",
		`{"events":[{"id":"EV1","resource_type":"Customer","reference":"C1"}]}`: "/events/0/event_type",
		event(`"email":{}`): "/events/1/email",
		event(`"first_name":"` + strings.Repeat("x", 256) + `"`):                                                "/events/1/first_name",
		event(`"first_name":"` + strings.Repeat("x", 200) + `","last_name":"` + strings.Repeat("x", 200) + `"`): "/events/1/last_name",
		event(`"company_name":"` + strings.Repeat("x", 256) + `"`):                                              "/events/1/company_name",
		event(`"company_name":[]`):                           "/events/1/company_name",
		event(`"status":{}`):                                 "/events/1/status",
		event(`"status":"` + strings.Repeat("x", 256) + `"`): "/events/1/status",
		event(`"edited_at":"yesterday"`):                     "/events/1/edited_at",
		event(`"created_at":7`):                              "/events/1/created_at",
		event(`"billing_country_code":{}`):                   "/events/1/billing_country_code",
		event(`"metadata":7`):                                "/events/1/metadata",
		event(`"gift_aid":"perhaps"`):                        "/events/1/gift_aid",
		event(`"created_by":7`):                              "/events/1/created_by",
		event(`"client":[]`):                                 "/events/1/client",
		event(`"event_source":{}`):                           "/events/1/event_source",
	} {
		err := complaint(smarterpay.New().Decode(post([]byte(body)), nil))
		e, ok := errors.AsType[*carillon.Error](err)
		if !ok || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Member != member {
			t.Errorf("%.100s: %v, want a fault at %s", body, err, member)
		}
	}
	if err := complaint(smarterpay.New().Decode(post([]byte(`{"events":[{"id":"EV1","resource_type":"Customer","reference":"C1"}]}`)), nil)); err == nil || !strings.Contains(err.Error(), "version 1, which is not read") {
		t.Errorf("a webhook of version 1: %v", err)
	}
	_, err := smarterpay.New().Decode(post([]byte("{\n   \"id\":{VALUE},\n   \"client\":\n   {\n      \"id\":{VALUE}\n   },\n}\n")), nil)
	if carillon.ErrorCode(err) != carillon.CodeMalformed || !strings.Contains(err.Error(), "/id: line 2, byte 11: invalid character 'V'") {
		t.Errorf("the vendor's template: %v", err)
	}
}

// complaint is why a webhook, or the last of its events, cannot be read.
func complaint(decoded dialect.Decoded, err error) error {
	if err == nil && len(decoded.Events) > 0 {
		return decoded.Events[len(decoded.Events)-1].Err
	}
	return err
}

// One event that cannot be read does not keep the others of its webhook.
func TestTheOtherEventsOfAWebhookAreRead(t *testing.T) {
	decoded, err := smarterpay.New().Decode(post([]byte(`{"events":[
		{"event_type":"customer_account.create","event_id":"HI1","id":"CA1","company_name":7},
		{"event_type":"customer_account.create","event_id":"HI2","id":"CA2","company_name":"Acme","status":[]},
		{"event_type":"customer_account.create","event_id":"HI3","id":"CA3","company_name":"Acme"}]}`)), nil)
	if err != nil || len(decoded.Events) != 3 {
		t.Fatalf("%d events, %v", len(decoded.Events), err)
	}
	for i, e := range decoded.Events {
		if bad := i == 1; (e.Err != nil) != bad || (len(e.Statements) == 0) != bad || e.ID != fmt.Sprint("HI", i+1) {
			t.Errorf("event %d is %+v", i+1, e)
		}
	}
}

// A status that the vendor's pages do not know is told as the vendor said it, until the account's is another.
func TestTheVendorsOwnStatusGoesOutAgain(t *testing.T) {
	c := customer(carillon.OpUpdated)
	c.Extra = []byte(`{"smarterpay":{"status":"Suspended"}}`)
	for _, s := range []struct{ ours, want string }{{"Suspended", "Suspended"}, {"CHURNED", "inactive"}, {"SUSPENDED", "active"}} {
		with(c, "status", `"`+s.ours+`"`)
		if got := told(t, c, nil); string(got["status"]) != `"`+s.want+`"` {
			t.Errorf("%s is told as %s, want %s", s.ours, got["status"], s.want)
		}
	}
	deleted := customer(carillon.OpDeleted)
	deleted.Extra = c.Extra
	if got := told(t, deleted, nil); string(got["status"]) != `"inactive"` {
		t.Errorf("a deleted account is %s", got["status"])
	}
}

// What comes from the vendor goes out as it came; what is changed here, as it is here.
func TestTheVendorsOwnTimesAndClientGoOutAgain(t *testing.T) {
	c := customer(carillon.OpUpdated)
	c.Origin = "connection:smarterpay:con_1"
	c.Extra = []byte(`{"smarterpay":{"edited_at":"2020-01-01T00:00:00Z","client":{"id":"CL01LG420EJ9DP1VQWR9"}}}`)
	m, err := smarterpay.New().Encode(eventOf(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if w := read(t, m); string(w.Events[0]["edited_at"]) != `"2020-01-01T00:00:00Z"` || string(w.Events[0]["client"]) != `{"id":"CL01LG420EJ9DP1VQWR9"}` || string(w.Client) != `{"id":"CL01LG420EJ9DP1VQWR9"}` {
		t.Errorf("%s", m.Body)
	}
	if got := told(t, c, settings(t, `{"clientId":"CL2"}`)); string(got["client"]) != `{"id":"CL2"}` {
		t.Errorf("client %s, where the subscription names another", got["client"])
	}
	for _, origin := range []string{"api", "connection:neon:con_1", "connection:smarterpay2:con_1"} {
		c.Origin = origin
		if got := told(t, c, nil); string(got["edited_at"]) != `"2024-04-15T10:28:51Z"` {
			t.Errorf("edited at %s by %s", got["edited_at"], origin)
		}
	}
}

// What other vendors add to an account is none of this one's business.
func TestWhatOtherVendorsAddIsNotTold(t *testing.T) {
	c := customer(carillon.OpUpdated)
	for name, told := range map[string]bool{"extra.freshsales": false, "extra.smarterpay": true, "website": true} {
		c.Changed = []carillon.MemberChange{{Name: name, How: carillon.Updated}}
		if got := smarterpay.New().Events(c); (len(got) > 0) != told {
			t.Errorf("a change of %s is %q", name, got)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	r := post(recordCreationWithGiftAid)
	b.ReportAllocs()
	b.SetBytes(int64(len(r.Body)))
	for b.Loop() {
		if _, err := smarterpay.New().Decode(r, nil); err != nil {
			b.Fatal(err)
		}
	}
}
