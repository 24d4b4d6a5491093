package freshsales_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/freshsales"
	"carillon/ledger"
)

// hear decodes a body that must be understood and tell one thing.
func hear(t testing.TB, body string) (dialect.Told, []string) {
	t.Helper()
	decoded, err := freshsales.New().Decode(posted([]byte(body)), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	if len(decoded.Events) != 1 {
		t.Fatalf("%d events\n%s", len(decoded.Events), body)
	}
	return decoded.Events[0], decoded.Mended
}

// statementOf finds what is said of a record.
func statementOf(t testing.TB, told dialect.Told, sort dialect.StatementSort, kind carillon.Kind, id string) dialect.Statement {
	t.Helper()
	for _, s := range told.Statements {
		if s.Sort == sort && s.Kind == kind && s.ID == id {
			return s
		}
	}
	t.Fatalf("there is no %s of %s %s in %+v", sort, kind, id, told.Statements)
	return dialect.Statement{}
}

// said gives the state that a statement tells, and what it keeps for this dialect.
func said(t testing.TB, s dialect.Statement) map[string]any {
	t.Helper()
	return map[string]any{"data": decode(t, s.Data), "extra": decode(t, s.Extra)}
}

// event wraps an object, and what goes with it, as the suite does.
func event(name, object, fields, more string) string {
	return `{"account_id":"1967183444532229946","event":"` + name + `","timestamp":1593015490.2012472,"data":{"` + object + `":{` + fields + `}` + more + `}}`
}

const richDeal = `{
	"id": "9007199254740993", "name": {"label": "Deal name", "type": "text", "value": "Bells"},
	"amount": {"label": "Deal value", "type": "decimal", "value": 1250.50}, "base_currency_amount": {"label": "Base", "type": "decimal", "value": "83.2"},
	"expected_deal_value": {"label": "Expected", "type": "decimal", "value": "1000.0"}, "probability": {"label": "P", "type": "decimal", "value": "80"},
	"deal_stage_id": {"label": "Deal stage", "type": "dropdown", "value": "1061"}, "deal_type_id": 7, "currency_id": {"value": 155, "type": "dropdown"},
	"lead_source_id": {"label": "Source", "type": "dropdown", "value": 3}, "campaign_id": null,
	"owner_id": {"label": "Owner", "type": "dropdown", "value": {"id": 1437, "model": "user"}}, "creator_id": {"label": "C", "type": "dropdown", "value": 39897},
	"sales_account_id": {"label": "Account name", "type": "auto_complete", "value": 1366227}, "contact_ids": [11, "12", 11],
	"tags": {"label": "Tags", "type": "auto_complete", "value": "loud"}, "expected_close": {"label": "E", "type": "date", "value": "2020-03-01T00:00:00+05:30"},
	"closed_date": {"label": "Closed date", "type": "date"}, "mcr_id": 1270375514142703601, "forecast_category": {"label": "Forecast", "type": "dropdown", "value": 2},
	"is_deleted": false, "updated_at": {"label": "U", "type": "date_time", "value": "2019-07-25T01:01:08+05:30"},
	"custom_fields": [
		{"name": "cf_tier", "label": "Tier", "column": "cf_str01", "type": "dropdown", "value": "Gold", "choice_id": 5},
		{"name": "cf_days", "label": "Days", "column": "cf_str02", "type": "multi_select_dropdown", "value": "Mon;Fri"},
		{"name": "cf_count", "label": "Count", "column": "cf_int01", "type": "number", "value": 9007199254740993},
		{"name": "cf_vip", "label": "VIP", "column": "cf_boolean01", "type": "checkbox", "value": true},
		{"name": "cf_buyer", "label": "Buyer", "column": "cf_id01", "type": "auto_complete", "value": {"id": 1, "model": "contact"}},
		{"name": "cf_none", "label": "None", "column": "cf_str03", "type": "text", "value": null}
	]`

const richAssociations = `, "associations": {
	"deal_stage": {"id": 1061, "name": "Won \"big\"", "position": 6, "forecast_type": "Closed Won"}, "currency": {"id": 155, "currency_code": "INR"},
	"owner": {"id": 1437, "name": "Joan Doe", "email": "joan@example.com", "is_active": false, "uuid": "190440313184929466"},
	"sales_account": {"partial": true, "id": 1366227, "name": "Guild", "website": "guild.example", "avatar": "a.png"},
	"contacts": {"partial": true, "id": 11, "first_name": "Ada", "last_name": "Gale", "email": "ada@example.com"},
	"source": null, "lifecycle_stage": {"id": 8, "name": "Customer"}, "products": [{"id": 4, "name": "Rope"}]
}`

func TestADealWithAllThatGoesWithIt(t *testing.T) {
	told, mended := hear(t, event("onDealUpdate", "deal", richDeal[1:], richAssociations+`,"actor":{"id":39897,"name":"Jim Doe","email":"jim@example.com","is_active":true}`))
	if want := (carillon.Ref{Kind: carillon.KindDeal, ID: "freshsales_9007199254740993"}); told.Ref != want || told.Op != carillon.OpUpdated {
		t.Errorf("%s was %s, want %s to be updated", told.Ref, told.Op, want)
	}
	if want := time.Date(2020, 6, 24, 16, 18, 10, 201e6, time.UTC); !told.At.Equal(want) {
		t.Errorf("it is said as of %s, want %s", told.At, want)
	}
	if want := (carillon.Actor{ID: "freshsales_39897", Type: "AGENT", Email: "jim@example.com"}); told.Actor != want {
		t.Errorf("%+v did it, want %+v", told.Actor, want)
	}
	var order []string
	for _, s := range told.Statements {
		order = append(order, fmt.Sprintf("%s %s", s.Sort, s.Ref))
	}
	want := []string{
		"whole user freshsales_39897", "whole user freshsales_1437", "mention contact freshsales_11", "mention account freshsales_1366227", "whole deal freshsales_9007199254740993",
	}
	if !slices.Equal(order, want) {
		t.Errorf("it says %q, want %q", order, want)
	}
	deal := said(t, statementOf(t, told, dialect.Whole, carillon.KindDeal, told.Ref.ID))
	checkMembers(t, deal, map[string]string{
		"data.name": `"Bells"`, "data.amount": `1250.5`, "data.probability": `80`, "data.stage": `"Won \"big\""`, "data.type": `"7"`, "data.currency": `"INR"`,
		"data.source": `"3"`, "data.campaign": `null`, "data.ownerId": `"freshsales_1437"`, "data.accountId": `"freshsales_1366227"`,
		// Of contact 12 only the number is known: the list stays Freshsales'.
		"data.contactIds": `null`, "extra.contact_ids": `[11,"12",11]`, "data.tags": `["loud"]`, "data.expectedCloseDate": `"2020-03-01"`, "data.closedDate": `null`,
		"data.customFields":                      `{"buyer":null,"count":["9007199254740993"],"days":["Mon","Fri"],"none":null,"tier":["Gold"],"vip":["true"]}`,
		"extra.id":                               `9007199254740993`,
		"extra.mcr_id":                           `1270375514142703601`,
		"extra.forecast_category":                `{"label":"Forecast","type":"dropdown","value":2}`,
		"extra.deal_type_id":                     `7`,
		"extra.creator_id":                       `39897`,
		"extra.base_currency_amount":             `"83.2"`,
		"extra.name":                             `null`,
		"extra.associations.deal_stage.position": `6`,
		"extra.associations.lifecycle_stage":     `{"id":8,"name":"Customer"}`,
		"extra.associations.products":            `[{"id":4,"name":"Rope"}]`,
		"extra.associations.owner":               `null`,
		"extra.associations.sales_account":       `null`,
		"extra.associations.contacts":            `[{"email":"ada@example.com","first_name":"Ada","id":11,"last_name":"Gale","partial":true}]`,
	})
	checkMembers(t, said(t, statementOf(t, told, dialect.Whole, carillon.KindUser, "freshsales_1437")), map[string]string{
		"data": `{"email":"joan@example.com","id":"freshsales_1437","name":"Joan Doe","status":"INACTIVE"}`, "extra": `{"id":1437,"uuid":"190440313184929466"}`,
	})
	checkMembers(t, said(t, statementOf(t, told, dialect.Mention, carillon.KindAccount, "freshsales_1366227")), map[string]string{
		"data": `{"id":"freshsales_1366227","name":"Guild","website":"guild.example"}`, "extra": `{"avatar":"a.png","id":1366227}`,
	})
	checkMembers(t, said(t, statementOf(t, told, dialect.Mention, carillon.KindContact, "freshsales_11")), map[string]string{
		"data": `{"accountId":"","email":"ada@example.com","firstName":"Ada","id":"freshsales_11","lastName":"Gale"}`, "extra": `{"id":11}`,
	})
	if len(mended) > 0 {
		t.Errorf("mended: %q", mended)
	}

	h := openHouse(t)
	body := event("onDealCreate", "deal", richDeal[1:], richAssociations)
	back := decode(t, h.told(h.apply([]byte(body)), ``))["data"]
	checkMembers(t, back, map[string]string{
		"deal.id": `9007199254740993`, "deal.mcr_id": `1270375514142703601`, "deal.amount.value": `"1250.5"`, "deal.base_currency_amount.value": `"83.2"`,
		"deal.expected_deal_value.value": `"1000.0"`, "deal.deal_stage_id.value": `1061`, "deal.deal_type_id.value": `7`, "deal.lead_source_id.value": `3`,
		"deal.currency_id.value": `155`, "deal.owner_id.value": `1437`, "deal.creator_id.value": `39897`, "deal.sales_account_id.value": `1366227`,
		"deal.contact_ids": `[11,"12",11]`, "deal.forecast_category": `{"label":"Forecast","type":"dropdown","value":2}`,
		"associations.deal_stage":      `{"forecast_type":"Closed Won","id":1061,"name":"Won \"big\"","position":6}`,
		"associations.currency":        `{"currency_code":"INR","id":155}`,
		"associations.lifecycle_stage": `{"id":8,"name":"Customer"}`,
		"associations.deal_type":       `null`,
		"associations.sales_account":   `{"avatar":"a.png","id":1366227,"name":"Guild","partial":true,"website":"guild.example"}`,
	})
	fields, _ := json.Marshal(at2(back, "deal", "custom_fields"))
	var wanted, given any
	_, list, _ := strings.Cut(richDeal, `"custom_fields": `)
	if json.Unmarshal([]byte(list), &wanted) != nil || json.Unmarshal(fields, &given) != nil || fmt.Sprint(wanted) != fmt.Sprint(given) {
		t.Errorf("custom fields come back as\n%s, want\n%s", fields, list)
	}
}

func TestEveryVersionsEnvelopeIsRead(t *testing.T) {
	const task = `"task":{"id":7,"title":"Ring","due_date":"2020-06-25T14:30:00Z","updated_at":"2020-06-24T14:18:38+00:00"}`
	for name, c := range map[string]struct{ body, at string }{
		"2.2":                        {`{"account_id":"1","domain":"d","event":"onTaskCreate","timestamp":1593008303.3584583,"version":"2.0","data":{` + task + `}}`, "2020-06-24T14:18:23.358Z"},
		"2.3":                        {`{"app_settings":{},"account_id":"1","event":"onTaskCreate","timestamp":1593008303.3,"data":{` + task + `}}`, "2020-06-24T14:18:23.300Z"},
		"3.0":                        {`{"currentHost":{"subscribed_modules":["task"],"endpoint_urls":{"freshworks_crm":"https://d"}},"event":"onTaskCreate","timestamp":1593008303,"data":{` + task + `}}`, "2020-06-24T14:18:23.000Z"},
		"3.0, all inside data":       {`{"currentHost":{},"data":{"event":"onTaskCreate","region":"US","timestamp":"1593008303358",` + task + `}}`, "2020-06-24T14:18:23.358Z"},
		"3.0, associations outside":  {`{"event":"onTaskCreate","timestamp":1593008303358,"associations":{"owner":null},"data":{` + task + `}}`, "2020-06-24T14:18:23.358Z"},
		"2.0, account as a number":   {`{"account_id":13,"event":"onTaskCreate","timestamp":1593008303358,"data":{` + task + `}}`, "2020-06-24T14:18:23.358Z"},
		"a local test, without much": {`{"event":"onTaskCreate","data":{` + task + `}}`, "2020-06-24T14:18:38.000Z"},
		"an exponent":                {`{"event":"onTaskCreate","timestamp":1.5930083033584583e9,"data":{` + task + `}}`, "2020-06-24T14:18:23.358Z"},
		"a list of the one":          {`{"event":"onTaskCreate","timestamp":"2020-06-24T14:18:23.358Z","data":{"task":[{` + strings.TrimPrefix(task, `"task":{`) + `]}}`, "2020-06-24T14:18:23.358Z"},
	} {
		t.Run(name, func(t *testing.T) {
			told, _ := hear(t, c.body)
			if carillon.FormatTime(told.At) != c.at || told.Ref.ID != "freshsales_7" || told.Type != "onTaskCreate" {
				t.Errorf("%s of %s at %s, want %s", told.Type, told.Ref, carillon.FormatTime(told.At), c.at)
			}
			checkMembers(t, said(t, statementOf(t, told, dialect.Whole, carillon.KindTask, told.Ref.ID)), map[string]string{
				"data": `{"accountId":"","dueDate":"2020-06-25T14:30:00.000Z","id":"freshsales_7","title":"Ring"}`,
			})
		})
	}
}

func TestAnEventIsKnownByWhatItSays(t *testing.T) {
	const body = `{"account_id":"1","event":"onTaskCreate","timestamp":1593008303.3584583,"data":{"task":{"id":7,"title":"Ring"}}}`
	told, _ := hear(t, body)
	spaced, _ := hear(t, strings.NewReplacer(`:`, ` : `, `,`, "\n,").Replace(body))
	if told.ID != spaced.ID || !strings.HasPrefix(told.ID, "der_") {
		t.Errorf("the same event is %s and %s", told.ID, spaced.ID)
	}
	for _, other := range []string{
		strings.Replace(body, `"1"`, `"2"`, 1), strings.Replace(body, "Create", "Update", 1), strings.Replace(body, "4583", "4584", 1),
		strings.Replace(body, "Ring", "Sing", 1), strings.Replace(body, `"id":7`, `"id":8`, 1), strings.Replace(body, `"account_id":"1"`, `"currentHost":{}`, 1),
	} {
		if another, _ := hear(t, other); another.ID == told.ID {
			t.Errorf("%s has the id of %s", other, body)
		}
	}
}

func TestDeletionsAreRead(t *testing.T) {
	for name, body := range map[string]string{
		"an update that says so":  event("onContactUpdate", "contact", `"id":5,"is_deleted":true,"first_name":null`, `,"actor":{"id":1,"name":"Ann"}`),
		"in a text":               event("onContactUpdate", "contact", `"id":"5","is_deleted":"true"`, `,"actor":{"id":1,"name":"Ann"}`),
		"in a wrapping":           event("onContactUpdate", "contact", `"id":5,"is_deleted":{"label":"Deleted","type":"checkbox","value":true}`, `,"associations":{"updater":{"id":1,"name":"Ann"}},"actor":{"id":1}`),
		"Classic's event for it":  event("onContactDelete", "contact", `"id":5,"updater_id":1`, `,"users":[{"id":1,"display_name":"Ann"}]`),
		"with nothing but the id": event("onContactDelete", "contact", `"id":5,"updater_id":1,"owner_id":"nobody"`, ``),
	} {
		t.Run(name, func(t *testing.T) {
			told, _ := hear(t, body)
			if told.Op != carillon.OpDeleted || told.Actor.ID != "freshsales_1" {
				t.Errorf("%s was %s by %s", told.Ref, told.Op, told.Actor.ID)
			}
			statementOf(t, told, dialect.Gone, carillon.KindContact, "freshsales_5")
		})
	}
	for _, name := range []string{"onDealDelete", "onSalesAccountDelete"} {
		object := map[string]string{"onDealDelete": "deal", "onSalesAccountDelete": "sales_account"}[name]
		if told, _ := hear(t, event(name, object, `"id":5`, ``)); told.Op != carillon.OpDeleted {
			t.Errorf("%s: %s was %s", name, told.Ref, told.Op)
		}
	}
	h := openHouse(t)
	h.apply([]byte(event("onCustomModuleCreate", "custom_module_record", `"id":5,"name":"Bell","module_name":"bells"`, ``)))
	body := strings.Replace(event("onCustomModuleUpdate", "custom_module_record", `"id":5,"is_deleted":true,"module_name":"bells"`, ``), "1593015490.2", "1593015491.2", 1)
	deleted := decode(t, h.told(h.apply([]byte(body)), ``))
	checkMembers(t, deleted, map[string]string{"event": `"onCustomModuleUpdate"`, "data.custom_module_record.is_deleted": `true`, "data.custom_module_record.name.value": `"Bell"`})
}

func TestOtherEventsArePassedOver(t *testing.T) {
	for name, why := range map[string]string{
		"onLeadCreate": "a lead", "onLeadUpdate": "a lead", "onLeadDelete": "a lead", "onPhoneCallCreate": "a phone call", "onSalesActivityUpdate": "a sales activity",
		"onSalesActivitiesCreate": "a sales activity", "onCpqDocumentDelete": "a quote", "onProductUpdate": "a product", "onUserAgentAvailabilityUpdate": "who is at work",
		"onConversationCreate": "a conversation", "onAppInstall": "an app", "afterAppUpdate": "an app", "onAppUninstall": "an app", "onExternalEvent": "another system",
		"onScheduledEvent": "an app", "onSomethingNew": "is not known", "on" + strings.Repeat("é", 500): "is not known",
	} {
		for _, body := range []string{
			`{"event":"` + name + `","timestamp":1496400354326,"domain":"https://d","account_id":"12345"}`, event(name, "lead", `"id":32`, ``), event(name, "x", `"id":"text"`, `,"actor":{"id":"text"}`),
		} {
			told, _ := hear(t, body)
			if !strings.Contains(told.Ignored, why) || len(told.Statements) > 0 || told.Type != name || told.ID == "" || told.At.IsZero() || len(told.Ignored) > 300 {
				t.Errorf("%s: ignored because %q, says %d things", name, told.Ignored, len(told.Statements))
			}
		}
	}
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	for body, member := range map[string]string{
		`[]`:                              "",
		`"x"`:                             "",
		`{}`:                              "/event",
		`{"event":7}`:                     "/event",
		`{"event":"createAccount"}`:       "/event",
		`{"eventType":"account:created"}`: "/event",
		`{"event":"onTaskCreate"}`:        "/data/task",
		`{"event":"onTaskCreate","data":{"task":"x"}}`:                                                              "/data/task",
		event("onTaskCreate", "task", `"title":"T"`, ``):                                                            "/data/task/id",
		event("onTaskCreate", "task", `"id":1.5,"title":"T"`, ``):                                                   "/data/task/id",
		event("onTaskCreate", "task", `"id":0,"title":"T"`, ``):                                                     "/data/task/id",
		event("onTaskCreate", "task", `"id":18446744073709551616,"title":"T"`, ``):                                  "/data/task/id",
		event("onTaskCreate", "task", `"id":1,"title":null`, ``):                                                    "/data/task/title",
		event("onTaskCreate", "task", `"id":1,"title":{"a":1}`, ``):                                                 "/data/task/title",
		event("onTaskCreate", "task", `"id":1,"title":"T","due_date":"soon"`, ``):                                   "/data/task/due_date",
		event("onTaskCreate", "task", `"id":1,"title":"T","owner_id":"Jim"`, ``):                                    "/data/task/owner_id",
		event("onDealCreate", "deal", `"id":1,"name":"D","amount":"much"`, ``):                                      "/data/deal/amount",
		event("onDealCreate", "deal", `"id":1,"name":"D","probability":{}`, ``):                                     "/data/deal/probability",
		event("onDealCreate", "deal", `"id":1,"name":"D","closed_date":"yesterday"`, ``):                            "/data/deal/closed_date",
		event("onDealCreate", "deal", `"id":1,"name":"D","contact_ids":[1,"x"]`, ``):                                "/data/deal/contact_ids",
		event("onDealCreate", "deal", `"id":1,"name":"D","deal_stage_id":[1]`, ``):                                  "/data/deal/deal_stage_id",
		event("onAppointmentCreate", "appointment", `"id":1,"title":"T","is_allday":"no"`, ``):                      "/data/appointment/is_allday",
		event("onAppointmentCreate", "appointment", `"id":1,"title":"T","from_date":"2020-01-01T00:00:00Z"`, ``):    "/data/appointment/end_date",
		event("onCustomModuleCreate", "custom_module_record", `"id":1,"name":"N"`, ``):                              "/data/custom_module_record/module_name",
		strings.Replace(event("onTaskCreate", "task", `"id":1,"title":"T"`, ``), "1593015490.2012472", `"soon"`, 1): "/timestamp",
	} {
		_, err := freshsales.New().Decode(posted([]byte(body)), nil)
		found := false
		if e, ok := err.(*carillon.Error); ok && e.Code == carillon.CodeInvalid { //nolint:errorlint // the error itself, as the contract says
			found = slices.ContainsFunc(e.Faults, func(f carillon.Fault) bool { return f.Member == member })
		}
		if !found {
			t.Errorf("%s: %v, want a fault at %q", body, err, member)
		}
	}
	envelope, err := freshsales.New().Decode(posted([]byte(`{"event":"value","data":{ //Contains the list }}`)), nil)
	if carillon.ErrorCode(err) != carillon.CodeMalformed {
		t.Errorf("the page's template is read as %+v, %v", envelope, err)
	}
}

func TestWhoDidIt(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want carillon.Actor
	}{
		"a user":                                 {event("onTaskUpdate", "task", `"id":1,"title":"T"`, `,"actor":{"id":"5","name":"Ann","email":"a@example.com"}`), carillon.Actor{ID: "freshsales_5", Type: "AGENT", Email: "a@example.com"}},
		"the vendor itself":                      {event("onTaskUpdate", "task", `"id":1,"title":"T","updater_id":5`, `,"actor":{"id":0,"name":"System","type":"system"}`), carillon.Actor{Type: "system"}},
		"who updated it, where no actor is told": {event("onTaskUpdate", "task", `"id":1,"title":"T","creator_id":4,"updater_id":5`, ``), carillon.Actor{ID: "freshsales_5", Type: "AGENT"}},
		"who created it, where no actor is told": {event("onTaskCreate", "task", `"id":1,"title":"T","creater_id":4,"updater_id":5`, ``), carillon.Actor{ID: "freshsales_4", Type: "AGENT"}}, //nolint:misspell // the vendor's spelling
		"nobody":                                 {event("onTaskUpdate", "task", `"id":1,"title":"T"`, ``), carillon.Actor{}},
	} {
		t.Run(name, func(t *testing.T) {
			if told, _ := hear(t, c.body); told.Actor != c.want {
				t.Errorf("%+v did it, want %+v", told.Actor, c.want)
			}
		})
	}
	h := openHouse(t)
	system := `,"actor":{"id":0,"name":"System","type":"system"}`
	back := h.told(h.apply([]byte(event("onTaskCreate", "task", `"id":1,"title":"T","updater_id":{"id":null}`, system))), ``)
	checkMembers(t, decode(t, back), map[string]string{"data.actor.id": `0`, "data.actor.name": `"System"`, "data.actor.type": `"system"`, "data.task.creator_id": `null`})
}

func TestClassicIsRead(t *testing.T) {
	told, mended := hear(t, classicContact)
	if told.Op != carillon.OpUpdated || told.Ref.ID != "freshsales_24" || told.Actor.ID != "freshsales_1" || carillon.FormatTime(told.At) != "2017-06-02T10:45:54.326Z" {
		t.Errorf("it tells %+v", told)
	}
	if len(mended) != 1 || !strings.Contains(mended[0], "1 texts") {
		t.Errorf("mended: %q", mended)
	}
	checkMembers(t, said(t, statementOf(t, told, dialect.Whole, carillon.KindContact, "freshsales_24")), map[string]string{
		"data.firstName": `"Jane"`, "data.lastName": `"Bell"`, "data.email": `"jane@example.com"`, "data.mobile": `"3333333332"`, "data.status": `"Lost"`,
		"data.ownerId": `"freshsales_3"`, "data.accountId": `"freshsales_1079"`, "data.tags": `null`,
		"data.address":      `{"city":"York","country":"United Kingdom","line1":"1 Main St, Rear","postalCode":"YO1","state":"Yorkshire"}`,
		"data.customFields": `{"decimal":["1.50"],"none":null,"number":["234"],"text":["Flexible"],"timings":["Monday;Friday"],"yes":["true"]}`,
		"extra.name":        `"Jane Ringer"`, "extra.department": `"Sales"`, "extra.creator_id": `1`, "extra.changes": `null`,
		"extra.associations.source": `{"id":3,"name":"Email","partial":true,"position":3}`, "extra.associations.contact_status.id": `4`,
		"extra.associations.campaign.name": `"blog"`, "extra.associations.tiers": `[{"id":1,"name":"Gold"}]`, "extra.associations.lead_reasons": `null`,
	})
	statementOf(t, told, dialect.Mention, carillon.KindAccount, "freshsales_1079")
	checkMembers(t, said(t, statementOf(t, told, dialect.Whole, carillon.KindUser, "freshsales_1")), map[string]string{
		"data": `{"email":"ann@example.com","id":"freshsales_1","mobile":null,"name":"Ann Agent","phone":"+1-555-0100","status":"INACTIVE"}`, "extra": `{"id":1}`,
	})

	h := openHouse(t)
	want := decode(t, []byte(classicContact))
	got := decode(t, h.told(h.apply([]byte(classicContact)), `{"product":"freshsales","accountId":"13"}`))
	for name := range at2(want, "data", "contact").(map[string]any) {
		path := []string{"data", "contact", name}
		if w, g := fmt.Sprint(at2(want, path...)), fmt.Sprint(at2(got, path...)); w != g && name != "changes" && name != "address" && name != "mobile_number" {
			t.Errorf("%s comes back as %s, want %s", name, g, w)
		}
	}
	checkMembers(t, got, map[string]string{
		"data.contact.address": `"1 Main St, Rear"`, "data.contact.mobile_number": `"3333333332"`,
		"data.tiers": `[{"id":1,"name":"Gold"}]`, "data.contact_statuses": `[{"id":4,"name":"Lost","partial":true,"position":4}]`,
	})
}

func TestAContactOfSeveralAccounts(t *testing.T) {
	h := openHouse(t)
	body := event("onContactCreate", "contact", `"id":1,"first_name":"A","last_name":"B","emails":[{"email":"b@example.com"},{"value":"a@example.com","is_primary":true}],"sales_account_ids":[7,8,9]`,
		`,"associations":{"sales_accounts":[{"id":7,"name":"Seven"},{"id":8,"name":"Eight","is_primary":true},{"id":9,"name":"Nine"}]}`)
	d := h.apply([]byte(body))
	contact := h.record(carillon.KindContact, "freshsales_1")
	checkMembers(t, decode(t, contact.Data), map[string]string{"accountId": `"freshsales_8"`, "email": `"a@example.com"`})
	if name := dialect.Unquote(dialect.Member(h.record(carillon.KindAccount, "freshsales_8").Data, "name")); name != "Eight" {
		t.Errorf("the account is %q", name)
	}
	checkMembers(t, decode(t, h.told(d, ``))["data"], map[string]string{
		"contact.sales_account_ids": `[8,7,9]`, "contact.emails.value": `[{"email":"b@example.com"},{"is_primary":true,"value":"a@example.com"}]`,
	})
}

// Nothing is made up of an account that is only numbered: what is on it waits until its own event comes.
func TestWhatIsOnAnAccountThatIsOnlyNumberedWaitsForIt(t *testing.T) {
	h := openHouse(t)
	waiting := h.hear([]byte(event("onContactCreate", "contact", `"id":1,"first_name":"A","last_name":"B","emails":[],"sales_account_ids":[77]`, ``)))
	if want := (carillon.Ref{Kind: carillon.KindAccount, ID: "freshsales_77"}); waiting.State != carillon.InboxQuarantined || waiting.Awaits != want {
		t.Fatalf("the contact is %s and waits for %s: %+v", waiting.State, waiting.Awaits, waiting.Problem)
	}
	h.apply([]byte(event("onSalesAccountUpdate", "sales_account", `"id":77,"name":"Guild","website":null`, ``)))
	select {
	case again := <-h.tried:
		if again.ID != waiting.ID || again.State != carillon.InboxApplied {
			t.Errorf("the contact is %s: %+v", again.State, again.Problem)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the contact is not tried again")
	}
	checkMembers(t, decode(t, h.record(carillon.KindContact, "freshsales_1").Data), map[string]string{"accountId": `"freshsales_77"`})
	d := h.hear([]byte(event("onSalesAccountUpdate", "sales_account", `"id":77,"name":"Guild","website":null`, ``)))
	if d.State != carillon.InboxDuplicate {
		t.Errorf("the same again is %s", d.State)
	}
}

func TestTasksAndAppointmentsAreOnAccountsOrWhateverElse(t *testing.T) {
	for name, c := range map[string]struct{ more, associations, account, id, model, targetable string }{
		"an account":           {`"targetable_id":90,"targetable_type":"SalesAccount"`, `{"targetable":{"id":90,"_model":"SalesAccount"}}`, `"freshsales_90"`, `90`, `"SalesAccount"`, `{"_model":"SalesAccount","id":90}`},
		"by its association":   {`"targetable_id":"90"`, `{"targetable":{"id":90,"_model":"SalesAccount","name":"Guild"}}`, `"freshsales_90"`, `90`, `"SalesAccount"`, `{"_model":"SalesAccount","id":90}`},
		"a contact":            {`"targetable_id":5,"targetable_type":"Contact"`, `{"targetable":{"id":5,"_model":"Contact"}}`, `""`, `5`, `"Contact"`, `{"_model":"Contact","id":5}`},
		"what is not heard of": {`"targetable_id":5,"targetable_type":"Planet"`, `{"targetable":null}`, `""`, `5`, `"Planet"`, `null`},
		"nothing":              {`"targetable_id":null,"targetable_type":null`, `{"targetable":null}`, `""`, `null`, `null`, `null`},
	} {
		t.Run(name, func(t *testing.T) {
			h := openHouse(t)
			if name == "an account" { // the others are not known, or described
				h.apply([]byte(event("onSalesAccountCreate", "sales_account", `"id":90,"name":"Guild"`, ``)))
			}
			d := h.apply([]byte(event("onTaskCreate", "task", `"id":1,"title":"T",`+c.more, `,"associations":`+c.associations)))
			checkMembers(t, decode(t, h.record(carillon.KindTask, "freshsales_1").Data), map[string]string{"accountId": c.account})
			checkMembers(t, decode(t, h.told(d, ``))["data"], map[string]string{"task.targetable_id": c.id, "task.targetable_type": c.model, "associations.targetable": c.targetable})
		})
	}
}

func TestAttendeesKeepTheirPlaces(t *testing.T) {
	const attendees = `[{"_association_id":3,"_model":"Contact","id":12},{"_association_id":1,"_model":"FdMultitenant::User","id":7},{"_association_id":2,"_model":"Lead","id":9}]`
	h := openHouse(t)
	fields := `"id":1,"title":"T","from_date":"2020-01-01T10:00:00Z","end_date":"2020-01-01T11:00:00Z","latitude":"51.50","targetable_id":"5","targetable_type":"Deal"`
	d := h.apply([]byte(event("onAppointmentCreate", "appointment", fields, `,"associations":{"appointment_attendees":`+attendees+`}`)))
	appointment := carillon.Ref{Kind: carillon.KindAppointment, ID: "freshsales_1"}
	checkMembers(t, decode(t, h.record(appointment.Kind, appointment.ID).Data), map[string]string{
		"contactIds": `null`, "attendeeIds": `["freshsales_7"]`, "latitude": `51.50`, "startAt": `"2020-01-01T10:00:00.000Z"`,
	})
	told := h.told(d, ``)
	if !strings.Contains(string(told), `"appointment_attendees":`+attendees) {
		t.Errorf("attendees are not\n%s in\n%s", attendees, told)
	}
	checkMembers(t, decode(t, told)["data"], map[string]string{"appointment.latitude": `"51.50"`, "appointment.targetable_id": `"5"`})
	seq := h.put("usr_1", ledger.Patch, appointment, `{"attendeeIds":[]}`)
	if told := string(h.tell(seq, ``)); strings.Contains(told, "FdMultitenant::User") || !strings.Contains(told, `"_model":"Contact"`) || !strings.Contains(told, `"_model":"Lead"`) {
		t.Errorf("after one has left, it is %s", told)
	}
	if _, err := h.archive.Record(t.Context(), "dev", carillon.Ref{Kind: carillon.KindContact, ID: "freshsales_12"}); !carillon.IsNotFound(err) {
		t.Errorf("a contact is made of its number: %v", err)
	}
}

// Contacts are attendees to the house if the message says who they are, and stay its own if it does not.
func TestAttendingContactsAreTakenIfTheyAreDescribed(t *testing.T) {
	h := openHouse(t)
	fields := `"id":1,"title":"T","from_date":"2020-01-01T10:00:00Z","end_date":"2020-01-01T11:00:00Z"`
	described := event("onAppointmentUpdate", "appointment", fields, `,"associations":{"appointment_attendees":[{"id":12,"_model":"Contact","display_name":"Ada Gale"}]}`)
	d := h.apply([]byte(described))
	appointment := carillon.Ref{Kind: carillon.KindAppointment, ID: "freshsales_1"}
	checkMembers(t, decode(t, h.record(appointment.Kind, appointment.ID).Data), map[string]string{"contactIds": `["freshsales_12"]`})
	checkMembers(t, decode(t, h.record(carillon.KindContact, "freshsales_12").Data), map[string]string{"lastName": `"Ada Gale"`})
	if told := string(h.told(d, ``)); strings.Count(told, `"id":12`) != 1 {
		t.Errorf("it is told as %s", told)
	}

	numbered := strings.NewReplacer(`,"display_name":"Ada Gale"`, ``, `"title":"T"`, `"title":"U"`, `1593015490.2`, `1593015491.2`).Replace(described)
	d = h.apply([]byte(numbered))
	checkMembers(t, decode(t, h.record(appointment.Kind, appointment.ID).Data), map[string]string{"contactIds": `["freshsales_12"]`, "title": `"U"`})
	if told := string(h.told(d, ``)); strings.Count(told, `"id":12`) != 1 {
		t.Errorf("it is told as %s", told)
	}

	h.apply([]byte(strings.NewReplacer(`"title":"T"`, `"title":"V"`, `1593015490.2`, `1593015492.2`).Replace(described)))
	if told := string(h.tell(h.put("usr_1", ledger.Patch, appointment, `{"contactIds":[]}`), ``)); strings.Contains(told, `"id":12`) {
		t.Errorf("after the contact has left, it is %s", told)
	}
}

// The vendor repeats what it was told, with one thing changed: nothing but that is written.
func TestOnlyWhatTheVendorSaysOtherwiseIsWritten(t *testing.T) {
	h := openHouse(t)
	const fields = `"id":1,"first_name":"A","last_name":"B","emails":[],"mobile_number":null,"contact_status_id":null,"address":"1 Main St","city":null,"state":null,"zipcode":null,"country":null,"custom_fields":[{"name":"cf_tier","label":"Tier","column":"c","type":"text","value":"gold"}]`
	h.apply([]byte(event("onContactCreate", "contact", fields, ``)))
	contact := carillon.Ref{Kind: carillon.KindContact, ID: "freshsales_1"}
	h.put("usr_1", ledger.Patch, contact, `{"type":"PARTNER","address":{"line1":"1 Main St","line2":"Rear","county":"Kent"},"metadata":{"a":1}}`)
	later := strings.NewReplacer(`"mobile_number":null`, `"mobile_number":"5"`, `"1 Main St"`, `"1 Main St, Rear"`, `"gold"`, `null`).Replace(event("onContactUpdate", "contact", fields, ``))
	d := h.apply([]byte(strings.Replace(later, "1593015490.2", "1593015491.2", 1)))
	c := h.change(d.Told[0].Seqs[0])
	var changed []string
	for _, m := range c.Changed {
		changed = append(changed, m.String())
	}
	if want := []string{"+mobile", "-customFields.tier", "~extra.freshsales"}; !slices.Equal(changed, want) {
		t.Errorf("it changes %q, want %q", changed, want)
	}
	checkMembers(t, decode(t, c.After), map[string]string{"address": `{"county":"Kent","line1":"1 Main St","line2":"Rear"}`, "type": `"PARTNER"`, "mobile": `"5"`})
}

// What the vendor said of itself holds until the house changes the record.
func TestTheVendorsWordHoldsUntilTheHouseChangesIt(t *testing.T) {
	h := openHouse(t)
	fields := `"id":1,"name":"D","amount":"100.0","probability":50,"expected_deal_value":"70.0","age":170,"updater_id":5,"creator_id":4,"created_at":"2020-01-01T00:00:00Z","updated_at":"2020-02-02T00:00:00Z","owner_id":4`
	users := `,"associations":{"owner":{"id":4,"name":"Four","email":"f@example.com","updated_at":"2019-01-01T00:00:00Z"},"updater":{"id":5,"name":"Five","email":"v@example.com"}}`
	d := h.apply([]byte(event("onDealUpdate", "deal", fields, users)))
	checkMembers(t, decode(t, h.told(d, ``))["data"], map[string]string{
		"deal.expected_deal_value.value": `"70.0"`, "deal.age.value": `170`, "deal.updater_id.value": `5`, "deal.updated_at.value": `"2020-02-02T00:00:00Z"`,
		"associations.owner.updated_at": `"2019-01-01T00:00:00Z"`, "associations.updater.name": `"Five"`, "associations.creator.name": `"Four"`,
	})
	h.put("freshsales_4", ledger.Patch, carillon.Ref{Kind: carillon.KindUser, ID: "freshsales_4"}, `{"jobTitle":"Ringer"}`)
	seq := h.put("freshsales_4", ledger.Patch, carillon.Ref{Kind: carillon.KindDeal, ID: "freshsales_1"}, `{"name":"E"}`)
	told := decode(t, h.tell(seq, ``))["data"]
	checkMembers(t, told, map[string]string{
		"deal.expected_deal_value.value": `"50.0"`, "deal.updater_id.value": `4`, "deal.created_at.value": `"2020-01-01T00:00:00Z"`, "deal.creator_id.value": `4`,
	})
	for _, path := range []string{"deal.age.value", "deal.updated_at.value", "associations.owner.updated_at"} {
		was := map[string]string{"deal.age.value": "170", "deal.updated_at.value": "2020-02-02T00:00:00Z", "associations.owner.updated_at": "2019-01-01T00:00:00Z"}[path]
		if got := fmt.Sprint(at2(told, strings.Split(path, ".")...)); got == was || got == "<nil>" {
			t.Errorf("%s is still %s", path, got)
		}
	}
}

func TestAnIDPrefixIsTheConnectionsChoice(t *testing.T) {
	d := freshsales.New()
	if d.IDPrefix() != "freshsales_" {
		t.Errorf("the default is %q", d.IDPrefix())
	}
	reading, err := d.CheckReading(&carillon.Connection{IDPrefix: "eu."})
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := d.Decode(posted([]byte(event("onTaskCreate", "task", `"id":1,"title":"T","owner_id":2`, ``))), reading)
	if err != nil || decoded.Events[0].Ref.ID != "eu.1" || !strings.Contains(string(decoded.Events[0].Statements[0].Data), `"assignedUserId":"eu.2"`) {
		t.Errorf("it tells %+v, %v", decoded, err)
	}
}
