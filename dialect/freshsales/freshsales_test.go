package freshsales_test

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/dialecttest"
	"carillon/dialect/freshsales"
)

var at = time.Date(2025, 3, 4, 5, 6, 7, 89e6, time.UTC)

func TestFreshsalesIsADialect(t *testing.T) {
	for _, product := range []string{"freshworks_crm", "freshsales"} {
		t.Run(product, func(t *testing.T) {
			var changes []*carillon.Change
			for i, s := range samples {
				c, _ := s.change(t, int64(i+1))
				changes = append(changes, c)
			}
			dialecttest.Run(t, freshsales.New(), dialecttest.Fixtures{Changes: changes, Settings: json.RawMessage(`{"product":"` + product + `"}`)})
		})
	}
}

//go:embed testdata/catalogue.json
var catalogueText []byte

// catalogueField is a field of the vendor's page and samples.
type catalogueField struct {
	Name           string
	InCreateSample bool `json:"in_create_sample"`
	InUpdateSample bool `json:"in_update_sample"`
	Kind           string
	Label          string
	Type           string
	DomType        string `json:"dom_type"`
	TypeKey        string `json:"type_key"`
}

func TestEveryFieldHasTheLabelAndTypeOfTheCatalogue(t *testing.T) {
	var catalogue struct {
		Objects map[string]struct {
			Fields       []catalogueField
			Associations []struct {
				Name     string
				InSample bool `json:"in_sample"`
			}
		}
		Actor, User []string
	}
	if err := json.Unmarshal(catalogueText, &catalogue); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for i, s := range samples {
		c, log := s.change(t, int64(i+1))
		log.records = nil
		payload := decode(t, []byte(render(t, c, `{}`, log)))
		data := payload["data"].(map[string]any)
		name := objectOf(data)
		entry, ok := catalogue.Objects[name]
		if !ok {
			t.Fatalf("the catalogue has no %s", name)
		}
		object := data[name].(map[string]any)
		creating := c.Op == carillon.OpCreated
		for _, f := range entry.Fields {
			told, present := object[f.Name]
			if want := creating && f.InCreateSample || !creating && f.InUpdateSample; present != want {
				t.Errorf("%s: %s is told: %t, want %t", s.event, f.Name, present, want)
				continue
			}
			if !present {
				continue
			}
			seen[name+"."+f.Name] = true
			wrapped, isObject := told.(map[string]any)
			if f.Kind != "wrapped" {
				if isObject && wrapped["label"] != nil {
					t.Errorf("%s: %s is wrapped", s.event, f.Name)
				}
				continue
			}
			sort := f.Type
			if f.TypeKey == "dom_type" {
				sort = f.DomType
			}
			_, hasValue := wrapped["value"]
			if len(wrapped) != 3 || wrapped["label"] != f.Label || wrapped[f.TypeKey] != sort || sort == "" || !hasValue {
				t.Errorf("%s: %s is %v, want label %q and %s %q", s.event, f.Name, told, f.Label, f.TypeKey, sort)
			}
		}
		for name := range object {
			if !slices.ContainsFunc(entry.Fields, func(f catalogueField) bool { return f.Name == name }) {
				t.Errorf("%s: %s is not in the catalogue", s.event, name)
			}
		}
		var associations []string
		for _, a := range entry.Associations {
			if a.InSample {
				associations = append(associations, a.Name)
			}
		}
		if got := keysOf(data["associations"]); !slices.Equal(got, sorted(associations)) {
			t.Errorf("%s: associations are %v, want %v", s.event, got, sorted(associations))
		}
		if got := keysOf(data["actor"]); !slices.Equal(got, sorted(catalogue.Actor)) {
			t.Errorf("%s: the actor has %v, want %v", s.event, got, sorted(catalogue.Actor))
		}
	}
	// What the page lists and no sample has is told of records of which the vendor has sent it.
	rows := 0
	for name, entry := range catalogue.Objects {
		for _, f := range entry.Fields {
			rows++
			if seen[name+"."+f.Name] {
				continue
			}
			if f.InCreateSample || f.InUpdateSample || f.Kind == "wrapped" {
				t.Errorf("%s: %s was not told", name, f.Name)
				continue
			}
			h := openHouse(t)
			fields := `"id":1,"name":"N","` + f.Name + `":"as sent"`
			told := decode(t, h.told(h.apply([]byte(event(eventOf[name], name, fields, ``))), ``))
			if got := at2(told, "data", name, f.Name); got != "as sent" {
				t.Errorf("%s: %s is told as %v", name, f.Name, got)
			}
			seen[name+"."+f.Name] = true
		}
	}
	if rows != 209 || len(seen) != 209 {
		t.Errorf("%d of %d fields were told, want 209", len(seen), rows)
	}
	c, log := samples[0].change(t, 1)
	payload := decode(t, []byte(render(t, c, `{}`, log)))
	if got := keysOf(at2(payload, "data", "associations", "owner")); !slices.Equal(got, sorted(catalogue.User)) {
		t.Errorf("a user has %v, want %v", got, sorted(catalogue.User))
	}
}

// eventOf are the events of objects of which the page lists a field that no sample has.
var eventOf = map[string]string{"deal": "onDealCreate", "sales_account": "onSalesAccountCreate"}

func keysOf(v any) []string {
	m, _ := v.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// at2 goes down by names.
func at2(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func render(t testing.TB, c *carillon.Change, settings string, l dialect.Lookup) string {
	t.Helper()
	d := freshsales.New()
	s, err := d.CheckSettings(json.RawMessage(settings))
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.EncodeWith(t.Context(), carillon.Event{Change: c, Type: d.Events(c)[0]}, s, l)
	if err != nil {
		t.Fatal(err)
	}
	return string(m.Body)
}

// change is one of a record that no Freshsales has seen.
func change(kind carillon.Kind, before, after string, changed ...carillon.MemberChange) *carillon.Change {
	c := &carillon.Change{
		Org: "dev", Seq: 7, Number: 42, Version: 2, Op: carillon.OpUpdated, Lane: "acc_1", Time: at, Origin: "api", Changed: changed,
		Ref: carillon.Ref{Kind: kind, ID: "x_1"}, Actor: carillon.Actor{ID: "usr_jim", Type: "AGENT", Email: "jim.doe@xyz.com"},
	}
	switch {
	case before == "":
		c.Op, c.Version = carillon.OpCreated, 1
	case after == "":
		c.Op = carillon.OpDeleted
	}
	if before != "" {
		c.Before = []byte(before)
	}
	if after != "" {
		c.After = []byte(after)
	}
	return c
}

var log = memory{records: house, creation: createdBy("usr_john"), previous: createdBy("usr_john")}

func TestChangesAreToldAsPairs(t *testing.T) {
	set := func(name string) carillon.MemberChange {
		return carillon.MemberChange{Name: name, How: carillon.Updated}
	}
	for name, c := range map[string]struct {
		change *carillon.Change
		want   string
	}{
		"texts, nothing at all": {
			change(carillon.KindTask, `{"title":"a","accountId":"","status":"Open"}`, `{"title":"b","description":"c","accountId":"","status":"Open"}`),
			`{"description":[null,"c"],"title":["a","b"],"updater_id":[null,39897]}`,
		},
		"decimals are numbers": {
			change(carillon.KindDeal, `{"name":"d","amount":1.50}`, `{"name":"d","amount":2e3,"probability":12.5}`),
			`{"amount":[1.5,2000],"base_currency_amount":[1.5,2000],"expected_deal_value":[1.5,2000],"updater_id":[null,39897],"probability":[100,12.5]}`,
		},
		"the expected value follows the probability": {
			change(carillon.KindDeal, `{"name":"d","amount":10.01,"probability":50}`, `{"name":"d","amount":10.01,"probability":25}`),
			`{"expected_deal_value":[5.005,2.5025],"updater_id":[null,39897],"probability":[50,25]}`,
		},
		"numbers beyond 2^53 stay exact": {
			change(carillon.KindDeal, `{"name":"d","amount":9007199254740993}`, `{"name":"d","amount":9007199254740993.01}`),
			`{"amount":[9007199254740993,9007199254740993.01],"base_currency_amount":[9007199254740993,9007199254740993.01],` +
				`"expected_deal_value":[9007199254740993,9007199254740993.01],"updater_id":[null,39897]}`,
		},
		"people and records are bare numbers": {
			change(carillon.KindCustom, `{"name":"d"}`, `{"name":"d","ownerId":"usr_john"}`),
			`{"owner_id":[null,1437],"updater_id":[null,39897]}`,
		},
		"choices are numbers": {
			change(carillon.KindDeal, `{"name":"d","stage":"New"}`, `{"name":"d","stage":"Won"}`),
			fmt.Sprintf(`{"deal_stage_id":[%d,%d],"updater_id":[null,39897]}`, dialect.StableNumber("deal_stage", "New"), dialect.StableNumber("deal_stage", "Won")),
		},
		"custom fields are one member": {
			change(carillon.KindCustom, `{"name":"d","customFields":{"cf_b":["x"],"tier":["gold"]}}`, `{"name":"d","customFields":{"cf_b":["x","y"],"new":["\"1\""]}}`,
				set("customFields.cf_b"), set("customFields.new"), set("customFields.tier")),
			`{"updater_id":[null,39897],"custom_fields":{"cf_b":["x","x;y"],"cf_new":[null,"\"1\""],"cf_tier":["gold",null]}}`,
		},
		"a deletion": {
			change(carillon.KindTask, `{"title":"a","accountId":"","status":"Open","updatedAt":"2025-01-01T00:00:00.000Z"}`, ``),
			`{"is_deleted":[false,true],"updated_at":["2025-01-01T00:00:00Z","2025-03-04T05:06:07Z"],"updater_id":[null,39897]}`,
		},
		"a deletion of what has a status": {
			change(carillon.KindContact, `{"firstName":"A","lastName":"B","email":"","updatedAt":"2025-01-01T00:00:00.000Z"}`, ``),
			`{"updater_id":[null,39897],"updated_at":["2025-01-01T00:00:00Z","2025-03-04T05:06:07Z"],"is_deleted":[false,true],"status":["Active","Deleted"]}`,
		},
		"contacts and accounts list created_at": {
			change(carillon.KindAccount, `{"name":"a","createdAt":"2025-01-01T00:00:00.000Z"}`, `{"name":"b","createdAt":"2025-01-01T00:00:00.000Z"}`),
			`{"name":["a","b"],"created_at":["2025-01-01T00:00:00Z","2025-01-01T00:00:00Z"],"updater_id":[null,39897]}`,
		},
		"a contact's names, and not the one made of them": {
			change(carillon.KindContact, `{"firstName":"A","lastName":"B","email":"a@b.c"}`, `{"firstName":"A","lastName":"C","email":"a@b.c"}`),
			`{"last_name":["B","C"],"created_at":[null,null],"updater_id":[null,39897]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			body := render(t, c.change, ``, log)
			_, changes, _ := strings.Cut(body, `"changes":{"model_changes":`)
			got, _, _ := strings.Cut(changes, `,"system_changes":{},"misc_changes":{}}`)
			if got != c.want {
				t.Errorf("changes are\n%s, want\n%s", got, c.want)
			}
		})
	}
}

func TestDecimalsAreTextsWithADecimal(t *testing.T) {
	for number, want := range map[string]string{
		"0": "0.0", "-0": "-0.0", "100": "100.0", "1.50": "1.5", "0.00": "0.0", "1000.000100": "1000.0001", "1e3": "1000.0", "1.25E2": "125.0", "12.5e-3": "0.0125",
		"1.5e100": "1.5e100", "1e-100": "1e-100", "9e999999999999999999": "9e999999999999999999", "123456789012345678901234567890.5": "123456789012345678901234567890.5",
	} {
		c := change(carillon.KindAccount, "", `{"name":"A","annualRevenue":`+number+`}`)
		if got := render(t, c, ``, nil); !strings.Contains(got, `"type":"decimal","value":"`+want+`"}`) {
			t.Errorf("%s: wants %q in %s", number, want, got)
		}
	}
}

func TestWhoChangedItBeforeIsKnownFromTheLog(t *testing.T) {
	c := change(carillon.KindTask, `{"title":"a"}`, `{"title":"b"}`)
	for name, tc := range map[string]struct {
		lookup dialect.Lookup
		want   string
		not    string
	}{
		"somebody else": {memory{records: house, previous: &carillon.Change{Op: carillon.OpUpdated, Actor: carillon.Actor{ID: "usr_john"}}}, `"updater_id":[1437,39897]`, ""},
		"the same":      {memory{records: house, previous: &carillon.Change{Op: carillon.OpUpdated, Actor: carillon.Actor{ID: "usr_jim"}}}, `"updater_id":39897`, `"updater_id":[`},
		"not known":     {memory{records: house}, `"updater_id":39897`, `"updater_id":[`},
		"no lookup":     {nil, `"updater_id":null`, `"updater_id":[`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := render(t, c, ``, tc.lookup); !strings.Contains(got, tc.want) || tc.not != "" && strings.Contains(got, tc.not) {
				t.Errorf("rendered as\n%s, wants %s and not %s", got, tc.want, tc.not)
			}
		})
	}
}

func TestADeletionIsAnUpdateOfWhatWas(t *testing.T) {
	for kind, event := range map[carillon.Kind]string{
		carillon.KindContact: "onContactUpdate", carillon.KindDeal: "onDealUpdate", carillon.KindAccount: "onSalesAccountUpdate",
		carillon.KindCustom: "onCustomModuleUpdate", carillon.KindAppointment: "onAppointmentUpdate", carillon.KindTask: "onTaskUpdate",
	} {
		payload := decode(t, []byte(render(t, change(kind, `{"name":"x","title":"x"}`, ``), ``, log)))
		object := at2(payload, "data", objectOf(payload["data"].(map[string]any)))
		if deleted, ok := at2(object, "is_deleted").(bool); payload["event"] != event || !ok || !deleted {
			t.Errorf("a deleted %s is %v with is_deleted %v", kind, payload["event"], at2(object, "is_deleted"))
		}
	}
}

func TestWhatTheHouseSaysIsPutWhereFreshsalesHasIt(t *testing.T) {
	for name, c := range map[string]struct {
		change *carillon.Change
		want   []string
	}{
		"a contact": {
			change(carillon.KindContact, "", `{"id":"x_1","firstName":"Ada","lastName":"Gale","email":"ada@example.com","phone":"1","jobTitle":"Smith","type":"CUSTOMER",`+
				`"status":"Lost","accountId":"acc_9","mobile":"2","address":{"line1":"1 Main St","line3":"Rear","city":"York","postalCode":"YO1"},"tags":["a","b"]}`),
			[]string{
				`"name":{"label":"Name","dom_type":"text","value":"Ada Gale"}`, `"type":"group_field","value":[{"email":"ada@example.com","is_primary":true}]`,
				`"label":"Work","type":"phone_number","value":"1"`, `"label":"Mobile","type":"phone_number","value":"2"`, `"label":"Address","type":"text","value":"1 Main St, Rear"`,
				`"value":["a","b"]`, `"sales_account_ids":[90]`, `"sales_accounts":[{"partial":true,"id":90,"name":"Guild","avatar":null,"website":"https://guild.example"}]`,
				fmt.Sprintf(`"contact_status":{"id":%d,"name":"Lost"}`, dialect.StableNumber("contact_status", "Lost")), `"id":42`, `"creator_id":{"label":"Created by","type":"dropdown","value":39897}`,
				`"updater_id":{"label":"Updated by","type":"dropdown","value":null}`,
			},
		},
		"a deal": {
			change(carillon.KindDeal, "", `{"id":"x_1","name":"D","accountId":"acc_9","stage":"New","amount":-0.5,"currency":"EUR","expectedCloseDate":"2025-04-01","contactIds":["con_9","con_404"]}`),
			[]string{
				`"amount":{"label":"Deal value","type":"decimal","value":"-0.5"}`, `"expected_deal_value":{"label":"Expected deal value","type":"decimal","value":"-0.5"}`,
				`"contact_ids":[1399366]`, `"contacts":[{"partial":true,"id":1399366,"first_name":"Ada","last_name":"Gale","display_name":"Ada Gale"`,
				`"sales_account_id":{"label":"Account name","type":"auto_complete","value":90}`, `"sales_account":{"partial":true,"id":90,`,
				fmt.Sprintf(`"currency":{"id":%d,"currency_code":"EUR"}`, dialect.StableNumber("currency", "EUR")), `"value":"2025-04-01"`,
				`"probability":{"label":"Probability (%)","type":"decimal","value":100}`,
			},
		},
		"an account": {
			change(carillon.KindAccount, "", `{"id":"x_1","name":"A","status":"CHURNED","industry":"Bells","annualRevenue":12345678901234567890.10,"employees":11,"parentAccountId":"acc_9",`+
				`"customFields":{"annual_tier":["gold"],"cf_many":["a","b"]}}`),
			[]string{
				`"status":"Active"`, `"annual_revenue":{"label":"Annual revenue","type":"decimal","value":"12345678901234567890.1"}`,
				`"number_of_employees":{"label":"Number of employees","type":"dropdown","value":11}`, `"parent_sales_account_id":{"label":"Parent account","type":"auto_complete","value":90}`,
				`"custom_fields":[{"name":"cf_annual_tier","label":"Annual tier","column":null,"type":"text","value":"gold"},` +
					`{"name":"cf_many","label":"Many","column":null,"type":"multi_select_dropdown","value":"a;b"}]`,
				fmt.Sprintf(`"industry_type":{"id":%d,"name":"Bells"}`, dialect.StableNumber("industry_type", "Bells")),
			},
		},
		"a task on an account": {
			change(carillon.KindTask, "", `{"id":"x_1","accountId":"acc_9","title":"T","status":"completed","assignedUserId":"usr_john","completedAt":"2025-01-02T03:04:05.678Z"}`),
			[]string{
				`"targetable_id":90`, `"targetable_type":"SalesAccount"`, `"targetable":{"id":90,"_model":"SalesAccount"}`, `"status":"Completed"`,
				`"completed_date":"2025-01-02T03:04:05Z"`, `"due_date":null`,
				fmt.Sprintf(`"task_users":[{"_association_id":%d,"user_id":1437}]`, dialect.StableNumber("association", "x_1", "", "1437")),
			},
		},
		"a task between open and completed": {
			change(carillon.KindTask, "", `{"title":"T","accountId":"","status":"In Progress"}`),
			[]string{`"status":"Open"`, `"targetable_id":null`, `"targetable":null`, `"task_users":[]`},
		},
		"an appointment": {
			change(carillon.KindAppointment, "", `{"id":"x_1","title":"T","accountId":"acc_9","allDay":true,"latitude":-12.5,"outcome":"Met","startAt":"2025-01-02T03:04:05.678Z"}`),
			[]string{`"targetable_id":"90"`, `"latitude":"-12.5"`, `"longitude":null`, `"is_allday":true`, `"from_date":"2025-01-02T03:04:05Z"`, `"name":"Met"`, `"appointment_attendees":[]`},
		},
		"a custom module's record": {
			change(carillon.KindCustom, "", `{"id":"x_1","module":"bells","name":"B","status":"ringing"}`),
			[]string{`"owner_id":{"label":"Sales owner","type":"auto_complete","value":{"id":null,"model":"user"}}`, `"status":1`, `"module_name":"bells"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := render(t, c.change, ``, log)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("wants %s in\n%s", want, got)
				}
			}
		})
	}
}

func TestWhatFreshsalesSentComesBack(t *testing.T) {
	for name, c := range map[string]struct{ state, extra, want, not string }{
		"an id beyond 2^53 stays exact":             {`{}`, `{"id":1270375514142703601,"mcr_id":1275857082467778699}`, `"id":1270375514142703601`, ""},
		"also of the customer record":               {`{}`, `{"mcr_id":1275857082467778699}`, `"mcr_id":1275857082467778699`, ""},
		"fields that the catalogue lacks":           {`{}`, `{"lifecycle_stage_id":{"label":"Lifecycle stage","type":"dropdown","value":7}}`, `"lifecycle_stage_id":{"label":"Lifecycle stage","type":"dropdown","value":7}`, ""},
		"associations that the catalogue lacks":     {`{}`, `{"associations":{"lifecycle_stage":{"id":7}}}`, `"lifecycle_stage":{"id":7}`, ""},
		"fields that only the page lists":           {`{"name":"d","stage":"New"}`, `{"job_title":"Smith"}`, `"job_title":"Smith"`, ""},
		"a stage that the house still says":         {`{"stage":"New"}`, `{"associations":{"deal_stage":{"id":1061,"name":"New","position":1}}}`, `"deal_stage_id":{"label":"Deal stage","type":"dropdown","value":1061}`, ""},
		"but not one that it has changed":           {`{"stage":"Won"}`, `{"associations":{"deal_stage":{"id":1061,"name":"New","position":1}}}`, `"name":"Won"`, `1061`},
		"a base amount of its own":                  {`{"amount":1}`, `{"base_currency_amount":"83.2"}`, `"label":"Deal value in Base Currency","type":"decimal","value":"83.2"`, ""},
		"a creator of its own":                      {`{}`, `{"creator_id":77}`, `"creator_id":{"label":"Created by","type":"dropdown","value":77}`, ""},
		"a custom field's type and column":          {`{"customFields":{"cf_n":["12"]}}`, `{"custom_fields":[{"name":"cf_n","label":"N","column":"cf_int01","type":"number","value":null}]}`, `{"name":"cf_n","label":"N","column":"cf_int01","type":"number","value":12}`, ""},
		"a custom field that no text can say":       {`{}`, `{"custom_fields":[{"name":"cf_u","type":"auto_complete","value":{"id":1,"model":"user"}}]}`, `"custom_fields":[{"name":"cf_u","label":"U","column":null,"type":"auto_complete","value":{"id":1,"model":"user"}}]`, ""},
		"what goes with a custom field's value":     {`{"customFields":{"d":["Red"]}}`, `{"custom_fields":[{"name":"cf_d","label":"D","column":"cf_int01","type":"dropdown","value":"Red","choice_id":7}]}`, `"type":"dropdown","value":"Red","choice_id":7}`, ""},
		"but not with another value":                {`{"customFields":{"d":["Blue"]}}`, `{"custom_fields":[{"name":"cf_d","label":"D","column":"cf_int01","type":"dropdown","value":"Red","choice_id":7}]}`, `"type":"dropdown","value":"Blue"}`, "choice_id"},
		"nor a value that the house has struck out": {`{}`, `{"custom_fields":[{"name":"cf_d","label":"D","column":"cf_int01","type":"dropdown","value":"Red","choice_id":7}]}`, `"type":"dropdown","value":null}`, "Red"},
		"nor a choice":                              {`{}`, `{"associations":{"deal_stage":{"id":1061,"name":"New"}}}`, `"deal_stage":null`, `1061`},
		"a choice that came without a name":         {`{"stage":"1061"}`, `{"deal_stage_id":1061}`, `"deal_stage_id":{"label":"Deal stage","type":"dropdown","value":1061}`, ""},
		"a checkbox":                                {`{"customFields":{"c":["true"]}}`, `{"custom_fields":[{"name":"cf_c","type":"checkbox"}]}`, `"type":"checkbox","value":true`, ""},
		"a checkbox with nonsense, as text":         {`{"customFields":{"c":["1e"]}}`, `{"custom_fields":[{"name":"cf_c","type":"number"}]}`, `"type":"number","value":"1e"`, ""},
		"the time that the vendor says it created":  {`{"createdAt":"2025-01-01T00:00:00.000Z"}`, `{"created_at":"2019-02-04T15:55:03+05:30"}`, `"created_at":{"label":"Created at","type":"date_time","value":"2019-02-04T15:55:03+05:30"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			kind := carillon.KindDeal
			if strings.Contains(c.extra, "mcr_id") {
				kind = carillon.KindContact
			}
			ch := change(kind, `{"name":"d"}`, c.state)
			ch.Extra = []byte(`{"freshsales":` + c.extra + `}`)
			got := render(t, ch, ``, log)
			if !strings.Contains(got, c.want) || c.not != "" && strings.Contains(got, c.not) {
				t.Errorf("rendered as\n%s, wants %s and not %s", got, c.want, c.not)
			}
		})
	}
}

func TestEmailsOfTheVendorStayAsLongAsTheHousesIsAmongThem(t *testing.T) {
	const two = `[{"id":1,"email":"a@example.com","is_primary":true},{"id":2,"email":"b@example.com","is_primary":false}]`
	for email, want := range map[string]string{
		"a@example.com": two,
		"b@example.com": two,
		"c@example.com": `[{"email":"c@example.com","is_primary":true}]`,
		"":              `[]`,
	} {
		c := change(carillon.KindContact, "", `{"firstName":"A","lastName":"B","email":"`+email+`"}`)
		c.Extra = []byte(`{"freshsales":{"emails":` + two + `}}`)
		if got := render(t, c, ``, log); !strings.Contains(got, `"type":"group_field","value":`+want+`}`) {
			t.Errorf("%q is rendered as %s", email, got)
		}
	}
}

func TestWhoIsNoUserIsTheSystem(t *testing.T) {
	for name, tc := range map[string]struct {
		actor carillon.Actor
		want  string
	}{
		"a long number":   {carillon.Actor{ID: "9223372036854775807"}, `"id":9223372036854775807`},
		"a key":           {carillon.Actor{ID: "key_1", Type: "API", Email: "robot@example.com"}, `"name":"robot@example.com"`},
		"nobody":          {carillon.Actor{}, `"name":"System"`},
		"an id alone":     {carillon.Actor{ID: "key_1"}, `"name":"key_1"`},
		"a number of one": {carillon.Actor{ID: "39897"}, `"id":39897`},
	} {
		c := change(carillon.KindTask, "", `{"title":"T"}`)
		c.Actor = tc.actor
		got := render(t, c, ``, log)
		sort := `"type":"system"`
		if strings.Contains(name, "number") {
			sort = `"type":"user"`
		}
		if !strings.Contains(got, tc.want) || !strings.Contains(got, sort) || sort == `"type":"system"` && !strings.Contains(got, `"id":0,`) {
			t.Errorf("%s: wants %s and %s in %s", name, tc.want, sort, got)
		}
	}
}

func TestASnapshotTellsWhoCreatedAndWhoUpdated(t *testing.T) {
	r := &carillon.Record{
		Org: "dev", Ref: carillon.Ref{Kind: carillon.KindTask, ID: "task_1"}, Number: 3, Version: 5, Seq: 41, Lane: "acc_1",
		Data: []byte(`{"id":"task_1","title":"T","accountId":""}`), CreatedAt: at, UpdatedAt: at,
	}
	l := memory{records: house, creation: createdBy("usr_john"), previous: &carillon.Change{Op: carillon.OpUpdated, Actor: carillon.Actor{ID: "usr_jim"}}}
	got := render(t, dialect.SnapshotChange(r, 50), ``, l)
	for _, want := range []string{`"event":"onTaskCreate"`, `"creator_id":1437`, `"updater_id":39897`, `"actor":{"deal_pipeline_id":null,"name":"carillon"`, `"type":"system"`} {
		if !strings.Contains(got, want) {
			t.Errorf("wants %s in %s", want, got)
		}
	}
}

func TestTheClassicForm(t *testing.T) {
	c := change(carillon.KindContact,
		`{"id":"x_1","firstName":"Jane","lastName":"S","email":"a@example.com","accountId":"acc_9","status":"ACTIVE","ownerId":"usr_john","customFields":{"text":["x"]}}`,
		`{"id":"x_1","firstName":"Jane","lastName":"S","email":"b@example.com","accountId":"acc_9","status":"Lost","ownerId":"usr_john","customFields":{"text":["y"]}}`,
		carillon.MemberChange{Name: "customFields.text", How: carillon.Updated})
	payload := decode(t, []byte(render(t, c, `{"product":"freshsales","accountId":"13","iparams":{"a":1}}`, log)))
	data := payload["data"].(map[string]any)
	if got, want := keysOf(data), []string{"contact", "contact_statuses", "sales_accounts", "users"}; !slices.Equal(got, want) {
		t.Errorf("data has %v, want %v", got, want)
	}
	contact := data["contact"].(map[string]any)
	for name, want := range map[string]any{
		"first_name": "Jane", "display_name": "Jane S", "email": "b@example.com", "owner_id": json.Number("1437"),
		"creater_id":       json.Number("1437"), //nolint:misspell // the vendor's spelling
		"sales_account_id": json.Number("90"), "open_deals_amount": "0.0",
	} {
		if contact[name] != want {
			t.Errorf("%s is %v, want %v", name, contact[name], want)
		}
	}
	for _, name := range []string{"creator_id", "custom_fields", "emails", "sales_account_ids", "name"} {
		if _, ok := contact[name]; ok {
			t.Errorf("Classic does not call it %s", name)
		}
	}
	for path, want := range map[string]string{
		"custom_field": `{"cf_text":"y"}`,
		"changes":      fmt.Sprintf(`{"contact_status_id":[null,%d],"created_at":[null,null],"custom_field":{"cf_text":["x","y"]},"email":["a@example.com","b@example.com"],"updater_id":[null,39897]}`, dialect.StableNumber("contact_status", "Lost")),
	} {
		if got, _ := json.Marshal(contact[path]); string(got) != want {
			t.Errorf("%s is\n%s, want\n%s", path, got, want)
		}
	}
	users, _ := json.Marshal(data["users"])
	if want := `[{"display_name":"John Doe","email":"sample@xyz.com","id":1437,"is_active":true,"mobile_number":null,"work_number":null},` +
		`{"display_name":"Jim Doe","email":"jim.doe@xyz.com","id":39897,"is_active":true,"mobile_number":null,"work_number":null}]`; string(users) != want {
		t.Errorf("users are\n%s, want\n%s", users, want)
	}
	if at2(payload, "productContext", "name") != "freshsales" || payload["account_id"] != "13" {
		t.Errorf("the envelope is %v", payload)
	}
}

func TestOnlySixKindsAreTold(t *testing.T) {
	told := []carillon.Kind{
		carillon.KindContact, carillon.KindDeal, carillon.KindAccount, carillon.KindCustom, carillon.KindAppointment, carillon.KindTask,
	}
	for _, kind := range carillon.Kinds {
		names := freshsales.New().Events(&carillon.Change{Ref: carillon.Ref{Kind: kind}, Op: carillon.OpCreated})
		if (len(names) == 1) != slices.Contains(told, kind) {
			t.Errorf("a created %s is %v", kind, names)
		}
	}
}

func TestALogThatCannotBeReadIsAnError(t *testing.T) {
	d := freshsales.New()
	s, err := d.CheckSettings(nil)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no log today")
	for _, c := range []*carillon.Change{
		change(carillon.KindTask, "", `{"title":"T"}`), change(carillon.KindTask, `{"title":"T"}`, `{"title":"U"}`), change(carillon.KindTask, `{"title":"T"}`, ""),
	} {
		ev := carillon.Event{Change: c, Type: d.Events(c)[0]}
		for _, l := range []memory{{broken: broken}, {broken: broken, creation: createdBy("usr_1"), previous: createdBy("usr_1")}} {
			if _, err := d.EncodeWith(t.Context(), ev, s, l); !errors.Is(err, broken) {
				t.Errorf("%s: %v", c.Op, err)
			}
		}
	}
}

func TestARecordIsLookedUpOnce(t *testing.T) {
	reads := 0
	l := log
	l.reads = &reads
	c := change(carillon.KindDeal, `{"name":"a","ownerId":"usr_jim","accountId":"acc_9"}`, `{"name":"b","ownerId":"usr_jim","accountId":"acc_9"}`)
	render(t, c, ``, l)
	if reads != 3 { // two users and an account
		t.Errorf("%d reads", reads)
	}
}

func TestSettings(t *testing.T) {
	d := freshsales.New()
	for text, member := range map[string]string{
		`{"region":"MARS"}`:                       "/settings/region",
		`{"region":3}`:                            "/settings/region",
		`{"product":"freshdesk"}`:                 "/settings/product",
		`{"productContext":{"name":"freshdesk"}}`: "/settings/product",
		`{"product":"freshsales","productContext":{"name":"freshworks_crm"}}`: "/settings/productContext/name",
		`{"productContext":{"nam":"freshsales"}}`:                             "/settings/productContext/nam",
		`{"domain":"https://x.example/"}`:                                     "/settings/domain",
		`{"iparams":[]}`:                                                      "/settings/iparams",
		`{"iparams":"x"}`:                                                     "/settings/iparams",
		`{"iparams":{"a":"` + strings.Repeat("x", 33<<10) + `"}}`:             "/settings/iparams",
		`{"accountId":"` + strings.Repeat("x", 3000) + `"}`:                   "/settings/accountId",
	} {
		_, err := d.CheckSettings(json.RawMessage(text))
		e, ok := errors.AsType[*carillon.Error](err)
		if !ok || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Member != member {
			t.Errorf("%.60s: %v, want a fault at %s", text, err, member)
		}
	}
	got := render(t, change(carillon.KindTask, "", `{"title":"T"}`),
		`{"accountId":"1","domain":"d.example","region":"IND","productContext":{"url":"https://d.example/crm"},"iparams": {"a": [1, 12345678901234567890]} }`, nil)
	const head = `{"iparams":{"a":[1,12345678901234567890]},"region":"IND","productContext":{"url":"https://d.example/crm","name":"freshworks_crm"},"data":{`
	if !strings.HasPrefix(got, head) || !strings.HasSuffix(got, `,"account_id":"1","domain":"d.example","event":"onTaskCreate","timestamp":1741064767.089,"version":"2.0"}`) {
		t.Errorf("rendered as %s", got)
	}
}

func TestAnythingThatFreshsalesSentIsRendered(t *testing.T) {
	d := freshsales.New()
	names := []string{
		"id", "associations", "emails", "email", "custom_fields", "name", "type", "value", "deal_stage", "creator_id", "targetable_id", "appointment_attendees",
		"_association_id", "task_users", "user_id", "sales_account_ids", "unheardOf", "open_deals_amount", "owner_id", "first_name",
	}
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			switch n := rapid.IntRange(0, 6).Draw(t, "sort"); {
			case n == 0:
				return nil
			case n == 1:
				return rapid.Bool().Draw(t, "bool")
			case n == 2:
				return rapid.Int64().Draw(t, "number")
			case n == 3 || depth == 0:
				return rapid.String().Draw(t, "text")
			case n == 4:
				return rapid.SliceOfN(value(depth-1), 0, 3).Draw(t, "list")
			default:
				return rapid.MapOfN(rapid.SampledFrom(names), value(depth-1), 0, 8).Draw(t, "object")
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		extra, err := json.Marshal(map[string]any{"freshsales": value(3).Draw(t, "extra")})
		if err != nil {
			t.Fatal(err)
		}
		s, err := d.CheckSettings(json.RawMessage(rapid.SampledFrom([]string{`{}`, `{"product":"freshsales"}`}).Draw(t, "settings")))
		if err != nil {
			t.Fatal(err)
		}
		c := dialecttest.Changes().Draw(t, "change")
		c.Extra = extra
		l := memory{
			records: house, creation: createdBy("usr_jim"),
			previous: &carillon.Change{Op: carillon.OpUpdated, Extra: extra, Actor: carillon.Actor{ID: "usr_john"}},
		}
		for i, name := range d.Events(c) {
			m, err := d.EncodeWith(t.Context(), carillon.Event{Change: c, Index: i, Type: name}, s, l)
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(m.Body) {
				t.Fatalf("not JSON: %s", m.Body)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	d := freshsales.New()
	for _, product := range []string{"freshworks_crm", "freshsales"} {
		s, err := d.CheckSettings(json.RawMessage(`{"product":"` + product + `"}`))
		if err != nil {
			b.Fatal(err)
		}
		for i := range samples {
			c, l := samples[i].change(b, int64(i+1))
			ev := carillon.Event{Change: c, Type: samples[i].event}
			b.Run(product+"/"+ev.Type, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := d.EncodeWith(b.Context(), ev, s, l); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
