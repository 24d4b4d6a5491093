package acceptance_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// collector is an endpoint that keeps what it is sent.
type collector struct {
	url string

	mu     sync.Mutex
	bodies [][]byte
}

func collect(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	ts := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bodies = append(c.bodies, body)
	}))
	t.Cleanup(ts.Close)
	c.url = ts.URL
	return c
}

// take gives what has come since it was last asked.
func (c *collector) take() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	bodies := c.bodies
	c.bodies = nil
	return bodies
}

// speaker is a vendor's way to tell the life of one account: the same facts, as far as its format knows them.
type speaker struct {
	dialect string
	told    [3]string // created, updated, deleted
	note    string
}

var speakers = []speaker{
	{
		dialect: "platform",
		told: [3]string{
			`{"eventId":"p1","eventType":"account:created","timestamp":"2026-03-01T12:00:00Z","orgId":"their-org","actor":{"id":"U1","type":"AGENT","email":"ada@example.com"},
			 "payload":{"account":{"id":"ACC1","name":"Harbour Bells Ltd","status":"TRIAL","website":"https://bells.example","phone":"+441482555010",
			 "billingAddress":{"line1":"1 Quay Street","city":"Hull","postalCode":"HU1 2AB","country":"GB"}}}}`,
			`{"eventId":"p2","eventType":"account:updated","timestamp":"2026-03-01T13:00:00Z","orgId":"their-org","actor":{"id":"U1","type":"AGENT","email":"ada@example.com"},
			 "payload":{"account":{"id":"ACC1","name":"Harbour Bells Ltd","status":"CHURNED","website":"https://bells.example","phone":"+441482555010",
			 "billingAddress":{"line1":"7 Minster Yard","city":"York","postalCode":"YO1 7HH","country":"GB"}},
			 "previousAccount":{"id":"ACC1","name":"Harbour Bells Ltd"}}}`,
			`{"eventId":"p3","eventType":"account:deleted","timestamp":"2026-03-01T14:00:00Z","orgId":"their-org","actor":{"id":"U1","type":"AGENT","email":"ada@example.com"},
			 "payload":{"previousAccount":{"id":"ACC1","name":"Harbour Bells Ltd"}}}`,
		},
	},
	{
		dialect: "smarterpay",
		told: [3]string{
			smarterpayAccount("HI00000000000000001A", "create", "2026-03-01T12:00:00Z", "active", "1 Quay Street", "Hull", "HU1 2AB"),
			smarterpayAccount("HI00000000000000002A", "update", "2026-03-01T13:00:00Z", "active", "7 Minster Yard", "York", "YO1 7HH"),
			smarterpayAccount("HI00000000000000003A", "update", "2026-03-01T14:00:00Z", "inactive", "7 Minster Yard", "York", "YO1 7HH"),
		},
		note: "SmarterPay tells of no deletion: what it says instead is that the account is inactive, and that is an update everywhere.",
	},
	{
		dialect: "neon",
		told: [3]string{
			neonAccount("createAccount", "2026-03-01T12:00:00.000+00:00", "1 Quay Street", "Hull", "HU1 2AB"),
			neonAccount("editAccount", "2026-03-01T13:00:00.000+00:00", "7 Minster Yard", "York", "YO1 7HH"),
			`{"eventTrigger":"deleteAccount","eventTimestamp":"2026-03-01T14:00:00.000+00:00","organizationId":"harbour",
			 "data":{"account":{"accountId":3543,"deletedDateTime":"2026-03-01T14:00:00.000+00:00","deletedBy":"Administrator "}}}`,
		},
	},
	{
		dialect: "freshsales",
		told: [3]string{
			freshsalesAccount("onSalesAccountCreate", "1772366400.5", false, "1 Quay Street", "Hull", "HU1 2AB"),
			freshsalesAccount("onSalesAccountUpdate", "1772370000.5", false, "7 Minster Yard", "York", "YO1 7HH"),
			freshsalesAccount("onSalesAccountUpdate", "1772373600.5", true, "7 Minster Yard", "York", "YO1 7HH"),
		},
	},
}

func smarterpayAccount(id, op, at, status, street, city, postcode string) string {
	return fmt.Sprintf(`{"id":"OM%[1]s","idempotency_key":"%[1]s","sent_at":%[3]q,"client":{"id":"CL01LG420EJ9DP1VQWR9"},"events":[{
		"email":"ada@bells.example","company_name":"Harbour Bells Ltd","first_name":"Ada","last_name":"Gale","billing_address_line_1":%[5]q,
		"billing_address_line_2":null,"billing_city":%[6]q,"billing_postal_code":%[7]q,"billing_country_code":"GB","id":"CA01G420EJ9D44P1VQWR",
		"event_id":%[1]q,"legacy_id":null,"created_at":"2026-03-01T12:00:00Z","status":%[4]q,"title":"Ms","edited_at":%[3]q,
		"delivery_address_line_1":null,"delivery_address_line_2":null,"delivery_city":null,"delivery_postal_code":null,"delivery_country_code":null,
		"custom_reference":null,"event_type":"customer_account.%[2]s","event_source":"Portal","billing_state":null,"delivery_state":null,"metadata":null,
		"created_by":{"id":"CU01LG420EJ9VWP1VQWR"},"edited_by":{"id":"CU01LG420EJ9VWP1VQWR"},"client":{"id":"CL01LG420EJ9DP1VQWR9"}}]}`,
		id, op, at, status, street, city, postcode)
}

func neonAccount(trigger, at, street, city, postcode string) string {
	return fmt.Sprintf(`{"event":%q,"eventTimestamp":%q,"organizationId":"harbour","data":{"organizationAccount":{
		"createdDateTime":"2026-03-01T12:00:00.000+00:00","createdBy":"Administrator ","lastModifiedDateTime":%[2]q,"lastModifiedBy":"Administrator ",
		"accountId":3543,"primaryContact":{"contactId":5180,"firstName":"Ada","lastName":"Gale","prefix":"Ms","phone1":441482555010,"phone1Type":"Work",
		"addresses":{"address":{"addressId":3438,"isPrimaryAddress":true,"isShippingAddress":false,"addressLine1":%q,"city":%q,
		"country":{"id":222,"name":"United Kingdom"},"zipCode":%q}}},"url":"https://bells.example","organizationName":"Harbour Bells Ltd"
		"consentInformation":{"emailConsentStatus":"NOT_ASKED"}}},"customParameters":{"token":"s3cret"}}`,
		trigger, at, street, city, postcode)
}

func freshsalesAccount(event, at string, deleted bool, street, city, postcode string) string {
	text := func(label, value string) string {
		return fmt.Sprintf(`{"label":%q,"type":"text","value":%q}`, label, value)
	}
	return fmt.Sprintf(`{"iparams":{},"region":"EU","productContext":{"url":"https://bells.myfreshworks.com/crm","name":"freshworks_crm"},"data":{
		"actor":{"id":39897,"name":"Ada Gale","email":"ada@example.com","type":"user"},"sales_account":{"id":1100844,"is_deleted":%v,"name":%s,
		"website":{"label":"Website","type":"url","value":"https://bells.example"},"phone":{"label":"Phone","type":"phone_number","value":"+441482555010"},
		"address":%s,"city":%s,"zipcode":%s,"country":%s,"custom_fields":[],"tags":{"label":"Tags","type":"auto_complete","value":["bells"]}},
		"associations":{}%s},"account_id":"195818342531129946","domain":"bells.myfreshworks.com","event":%q,"timestamp":%s,"version":"2.0"}`,
		deleted, text("Name", "Harbour Bells Ltd"), text("Address", street), text("City", city), text("Zipcode", postcode), text("Country", "United Kingdom"),
		map[bool]string{true: `,"changes":{"model_changes":{},"system_changes":{},"misc_changes":{}}`}[event == "onSalesAccountUpdate"], event, at)
}

// hearer is a dialect of the other side: where its messages say what.
type hearer struct {
	dialect, event string
	values         []string // pointers into the message; * is any member
}

var hearers = []hearer{
	{"platform", "eventType", accountValues("payload/account")},
	{"cloudevents", "type", accountValues("data/account")},
	{"smarterpay", "events/0/event_type", []string{
		"events/0/company_name", "events/0/billing_address_line_1", "events/0/billing_city", "events/0/billing_postal_code",
		"events/0/billing_country_code", "events/0/status",
	}},
	{"neon", "eventTrigger", []string{
		"data/*/organizationName", "data/*/primaryContact/addresses/address/addressLine1", "data/*/primaryContact/addresses/address/city",
		"data/*/primaryContact/addresses/address/zipCode", "data/*/primaryContact/addresses/address/country/name", "data/*/primaryContact/phone1",
		"data/*/url", "data/account/accountId",
	}},
	{"freshsales", "event", []string{
		"data/sales_account/name/value", "data/sales_account/address/value", "data/sales_account/city/value", "data/sales_account/zipcode/value",
		"data/sales_account/country/value", "data/sales_account/phone/value", "data/sales_account/website/value", "data/sales_account/is_deleted",
	}},
}

func accountValues(at string) (pointers []string) {
	for _, name := range []string{"name", "billingAddress/line1", "billingAddress/city", "billingAddress/postalCode", "billingAddress/country", "phone", "website", "status"} {
		pointers = append(pointers, at+"/"+name)
	}
	previous := strings.Replace(at, "account", "previousAccount", 1)
	return append(pointers, previous+"/name")
}

// at gives the value at a path; nil if there is none.
func at(v any, path string) any {
	name, rest, more := strings.Cut(path, "/")
	var inside []any
	switch v := v.(type) {
	case map[string]any:
		if name == "*" {
			for _, value := range v {
				inside = append(inside, value)
			}
		} else if value, ok := v[name]; ok {
			inside = append(inside, value)
		}
	case []any:
		if name == "0" && len(v) > 0 {
			inside = append(inside, v[0])
		}
	}
	for _, value := range inside {
		if more {
			value = at(value, rest)
		}
		if value != nil {
			return value
		}
	}
	return nil
}

// cell writes messages for a reader: the names of the events, and what the first says.
func (h *hearer) cell(t *testing.T, bodies [][]byte) string {
	t.Helper()
	// Users have a lane of their own: their events come before or after.
	slices.SortStableFunc(bodies, func(a, b []byte) int {
		return strings.Compare(fmt.Sprint(bytes.Contains(a, []byte(`"user:`))), fmt.Sprint(bytes.Contains(b, []byte(`"user:`))))
	})
	var names, values []string
	for i, body := range bodies {
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		var message any
		if err := decoder.Decode(&message); err != nil {
			t.Fatalf("%s: %v in %s", h.dialect, err, body)
		}
		names = append(names, fmt.Sprintf("`%v`", at(message, h.event)))
		if i > 0 {
			continue
		}
		for _, path := range h.values {
			value := at(message, path)
			if value == nil || strings.Contains(path, "previous") && len(values) > 0 {
				continue
			}
			parts := strings.Split(path, "/")
			last := parts[len(parts)-1]
			if last == "value" || last == "name" && parts[len(parts)-2] == "country" {
				last = parts[len(parts)-2]
			}
			values = append(values, fmt.Sprintf("%s: %v", last, value))
		}
	}
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ") + "<br>" + strings.Join(values, "<br>")
}

// An account is created, updated and deleted through each vendor's webhooks, and observed in every dialect.
func TestEveryDialectInEveryDialectOut(t *testing.T) {
	var doc strings.Builder
	doc.WriteString(matrixIntroduction)
	for _, in := range speakers {
		s := serve(t, t.TempDir())
		c := s.connect(object{"dialect": in.dialect})
		endpoints := map[string]*collector{}
		subscriptions := map[string]string{}
		for _, out := range hearers {
			endpoints[out.dialect] = collect(t)
			var made subscription
			s.must("POST", "/v1/subscriptions", object{
				"name": out.dialect, "dialect": out.dialect, "echo": true, "sink": object{"type": "webhook", "url": endpoints[out.dialect].url},
			}, &made)
			subscriptions[out.dialect] = made.ID
		}
		cells := map[string][3]string{}
		for n, body := range in.told {
			if err := s.post(c.URL, "application/json", body); err != nil {
				t.Fatal(err)
			}
			s.worked(c.ID)
			for _, out := range hearers {
				s.caughtUp(subscriptions[out.dialect])
				row := cells[out.dialect]
				row[n] = out.cell(t, endpoints[out.dialect].take())
				cells[out.dialect] = row
			}
		}
		fmt.Fprintf(&doc, "\n## From %s\n\n", in.dialect)
		if in.note != "" {
			doc.WriteString(in.note + "\n\n")
		}
		doc.WriteString("| told in | created | updated | deleted |\n|---|---|---|---|\n")
		for _, out := range hearers {
			row := cells[out.dialect]
			fmt.Fprintf(&doc, "| **%s** | %s | %s | %s |\n", out.dialect, row[0], row[1], row[2])
		}
		s.stop()
	}
	golden(t, "../docs/matrix.md", doc.String())
}

const matrixIntroduction = `# One account, four vendors in, five dialects out

The same account is created, moved from Hull to York and deleted, each time through another vendor's webhooks, and
observed by five subscriptions (with ` + "`echo`" + `, so that the vendor's own dialect is there as well). Each cell has the names of the events
and what the first of them says. This table is what the binary does: ` + "`go test ./acceptance -run EveryDialect`" + ` holds it to every cell.
`

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			t.Errorf("%s, line %d:\n%s\nwant\n%s", path, i+1, gotLines[i], wantLines[i])
		}
	}
	if len(gotLines) != len(wantLines) {
		t.Errorf("%s: %d lines, want %d", path, len(gotLines), len(wantLines))
	}
}
