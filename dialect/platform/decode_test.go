package platform_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/dialecttest"
	"carillon/dialect/platform"
)

func request(body string) dialect.Request {
	return dialect.Request{ContentType: "application/json", Header: func(string) string { return "" }, Body: []byte(body)}
}

// decode reads a body that must be understood.
func decode(t testing.TB, body string) []dialect.Told {
	t.Helper()
	decoded, err := platform.New().Decode(request(body), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return decoded.Events
}

// only reads a body that must tell one event.
func only(t testing.TB, body string) dialect.Told {
	t.Helper()
	events := decode(t, body)
	if len(events) != 1 {
		t.Fatalf("%d events, want one\n%s", len(events), body)
	}
	return events[0]
}

// accountEvent is an account's creation with these members of the record.
func accountEvent(members string) string {
	return `{"eventId":"e_1","eventType":"account:created","timestamp":"2025-03-04T05:06:07.089Z","orgId":"o","actor":{"id":"U1","type":"AGENT","email":"a@example.com"},` +
		`"payload":{"account":{"id":"ACC1"` + members + `}}}`
}

func decoderFixtures() dialecttest.DecoderFixtures {
	return dialecttest.DecoderFixtures{
		Generated: []string{"/payload/*/createdAt", "/payload/*/updatedAt"},
		Requests: []dialect.Request{
			request(accountEvent(`,"name":"A","primaryDomain":"a.example","statusId":"S1","status":"TRIAL","customFieldValues":{"tier":"gold"},"isActive":true`)),
			request(`{"Type":"Notification","Message":` + string(dialect.AppendString(nil, accountEvent(`,"name":"A","billingAddress":{"city":"B","plot":7}`))) + `}`),
			request(`{"message":{"eventType":"account-note:comment:created","timestamp":1741064767,"payload":{"comment":{"id":"C1","contentMarkdown":"*x*","noteId":"N1"}}},"messageAttributes":{}}`),
			request(`{"eventType":"organization:created","payload":{"organization":{"id":"1"}}}`),
			request(`[{"eventType":"custom:invoices:created","eventId":7,"payload":{"customRecord":{"id":9,"name":"x","tags":"a"}}}]`),
		},
	}
}

func TestPlatformIsADecoder(t *testing.T) {
	dialecttest.RunDecoder(t, platform.New(), decoderFixtures())
}

func FuzzDecode(f *testing.F) { dialecttest.FuzzDecode(f, platform.New(), decoderFixtures()) }

func TestEveryEventIsReadAsItIsRendered(t *testing.T) {
	for _, typ := range platform.New().Types() {
		name := strings.ReplaceAll(typ.Name, "{module}", "invoices")
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(goldenFile(name))
			if err != nil {
				t.Fatal(err)
			}
			var rendered struct {
				EventID   string
				Timestamp time.Time
				Actor     carillon.Actor
				Payload   map[string]json.RawMessage
			}
			if err := json.Unmarshal(body, &rendered); err != nil {
				t.Fatal(err)
			}
			told := only(t, string(body))
			if told.ID != rendered.EventID || told.Type != name || !told.At.Equal(rendered.Timestamp) || told.Actor != rendered.Actor || told.Ignored != "" {
				t.Errorf("read as %+v\n%s", told, body)
			}
			op := carillon.OpUpdated
			switch {
			case strings.HasSuffix(name, ":created"):
				op = carillon.OpCreated
			case strings.HasSuffix(name, ":deleted"):
				op = carillon.OpDeleted
			}
			if told.Op != op || told.Ref.Kind != typ.Kind || len(told.Statements) != 1 || told.Statements[0].Ref != told.Ref {
				t.Fatalf("read as %+v\n%s", told, body)
			}
			statement := told.Statements[0]
			if op == carillon.OpDeleted {
				if statement.Sort != dialect.Gone {
					t.Errorf("a deletion is %s", statement.Sort)
				}
				return
			}
			if statement.Sort != dialect.Whole || string(statement.Extra) != "null" {
				t.Errorf("%s, extra %s", statement.Sort, statement.Extra)
			}
			var want, got map[string]any
			if err := json.Unmarshal(rendered.Payload[typ.Kind.PayloadKey()], &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(statement.Data, &got); err != nil {
				t.Fatal(err)
			}
			for _, f := range carillon.Fields(typ.Kind) {
				if value, there := got[f.Name]; f.ReadOnly == there {
					t.Errorf("%s: read-only is %t, told as %v", f.Name, f.ReadOnly, value)
				} else if there && !cmp.Equal(value, want[f.Name]) {
					t.Errorf("%s is %v, want %v", f.Name, value, want[f.Name])
				}
			}
		})
	}
}

// The documents' own record types, with no more than they list.
func TestTheRecordsOfTheDocumentsAreRead(t *testing.T) {
	for kind, c := range map[carillon.Kind]struct{ event, record string }{
		carillon.KindAccount:      {"account:created", `{"id":"R","name":"Acme","status":"ACTIVE","health":"Healthy","classification":"SMB","createdAt":"2025-01-01T00:00:00Z","updatedAt":"2025-01-01T00:00:00Z"}`},
		carillon.KindContact:      {"customer-contact:created", `{"id":"R","firstName":"A","lastName":"B","email":"a@example.com","type":"CUSTOMER","status":"ACTIVE","accountId":"A1"}`},
		carillon.KindRelationship: {"account-relationship:created", `{"id":"R","parentAccountId":"A1","childAccountId":"A2","relationshipType":"PARENT"}`},
		carillon.KindActivity:     {"account-activity:created", `{"id":"R","accountId":"A1","title":"T","activityType":"CALL","status":"Planned","scheduledAt":"2025-01-01T00:00:00.000Z"}`},
		carillon.KindNote:         {"account-note:created", `{"id":"R","accountId":"A1","title":"T","content":"C","visibility":"internal","authorId":"U1"}`},
		carillon.KindTask:         {"account-task:created", `{"id":"R","accountId":"A1","title":"T","status":"Open","priority":"High","dueDate":"2025-01-01T00:00:00.000Z"}`},
		carillon.KindUser:         {"user:created", `{"id":"R","email":"a@example.com","name":"A","userType":"AGENT","status":"ACTIVE"}`},
	} {
		told := only(t, `{"eventId":"e","eventType":"`+c.event+`","timestamp":"2025-01-01T00:00:00Z","orgId":"o","payload":{"`+kind.PayloadKey()+`":`+c.record+`}}`)
		var want, got map[string]any
		if err := json.Unmarshal([]byte(c.record), &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(told.Statements[0].Data, &got); err != nil {
			t.Fatal(err)
		}
		for _, f := range carillon.Fields(kind) {
			if !f.ReadOnly && !cmp.Equal(got[f.Name], want[f.Name]) {
				t.Errorf("%s of %s is %v, want %v", f.Name, kind, got[f.Name], want[f.Name])
			}
		}
		if told.Ref.ID != "R" || told.Ref.Kind != kind {
			t.Errorf("%s is read as %s", c.event, told.Ref)
		}
	}
}

func TestEventsAreUnwrapped(t *testing.T) {
	event := accountEvent(`,"name":"A"`)
	quote := func(s string) string { return string(dialect.AppendString(nil, s)) }
	want := decode(t, event)
	for name, body := range map[string]string{
		"white space":               "\n { " + event[1:] + "\n",
		"a list of one":             `[` + event + `]`,
		"an app's webhook":          `{"message":` + event + `,"messageAttributes":{"eventName":"x","eventType":"y"}}`,
		"an app's webhook, as text": `{"message":` + quote(event) + `}`,
		"a notification":            `{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:x","Message":` + quote(event) + `,"MessageAttributes":{"event_name":{"Type":"String","Value":"x"}}}`,
		"a notification of an app":  `{"Type":"Notification","Message":` + quote(`{"message":`+event+`}`) + `}`,
		"with metadata":             event[:len(event)-1] + `,"metadata":{"a":1}}`,
		"a notification not quoted": `{"Type":"Notification","Message":` + event + `}`,
	} {
		if got := decode(t, body); !cmp.Equal(got, want) {
			t.Errorf("%s tells something else:\n%s", name, cmp.Diff(want, got))
		}
	}
	if got := decode(t, `[`+event+`,`+event+`]`); len(got) != 2 {
		t.Errorf("a list of two tells %d events", len(got))
	}
}

func TestNamesAreKnownWhateverSeparatesTheirWords(t *testing.T) {
	for _, name := range []string{
		"account-health:changed", "account:health:changed", "account.health.changed", "Account-Health:Changed", "ACCOUNT_HEALTH:CHANGED",
		"account-custom_field_value:added", "account:custom_field_value:added", "account:custom-field-value:added",
	} {
		body := strings.Replace(accountEvent(`,"name":"A"`), "account:created", name, 1)
		if told := only(t, body); told.Op != carillon.OpUpdated || told.Ref.Kind != carillon.KindAccount || told.Type != name {
			t.Errorf("%s is read as %+v", name, told)
		}
	}
	for name, module := range map[string]string{
		"custom:invoices:created": "invoices", "custom:a:b:created": "a:b", "custom:invoices:custom_field_value:changed": "invoices",
		"custom:custom_field_value:updated": "custom_field_value",
	} {
		told := only(t, `{"eventType":"`+name+`","payload":{"customRecord":{"id":"1","name":"x"}}}`)
		if want := (carillon.Ref{Kind: carillon.KindCustom, Module: module, ID: "1"}); told.Ref != want {
			t.Errorf("%s is of %s, want %s", name, told.Ref, want)
		}
	}
}

func TestWhatIsIgnored(t *testing.T) {
	for body, reason := range map[string]string{
		`{"eventId":"e","eventType":"ticket:created","payload":{"ticket":{"id":"1"}}}`:                                       "ticket:created is not about",
		`{"eventId":"e","eventType":"ticket:comment:reaction:added","timestamp":"soon","payload":7}`:                         "is not about",
		`{"eventId":"e","eventType":"organization:member-joined","payload":{"organization":{}}}`:                             "is not about",
		`{"eventId":"e","eventType":"user:mentioned","payload":{"user":{"id":"1"}}}`:                                         "is not about",
		`{"eventType":"platform:custom-object:invoice:created","timestamp":1741064767089,"eventData":{"id":"1"}}`:            "is not about",
		`{"eventId":"e","eventType":"account-health:changed","payload":{}}`:                                                  "carries no record",
		`{"eventId":"e","eventType":"account-status:changed"}`:                                                               "carries no record",
		`{"eventId":"e","eventType":"account-custom_field_value:added","payload":{"changedCustomFields":[]}}`:                "carries no record",
		`{"eventId":"e","eventType":"account-task:comment:deleted","payload":{}}`:                                            "carries no record",
		`{"eventId":"e","eventType":"account-task:comment:created"}`:                                                         "carries no record",
		`{"Type":"SubscriptionConfirmation","MessageId":"m","Message":"You have chosen","SubscribeURL":"https://x.example"}`: "is about the subscription",
		`{"Type":"UnsubscribeConfirmation","MessageId":"m","Message":"You have chosen"}`:                                     "is about the subscription",
		`{"event_type":"app:installation","installation_id":"i","bot_token":"t"}`:                                            "is about the installation",
	} {
		told := only(t, body)
		if !strings.Contains(told.Ignored, reason) || told.Statements != nil || told.ID == "" || told.Type == "" {
			t.Errorf("%s: %+v, want a reason with %q", body, told, reason)
		}
	}
	if id := only(t, `{"Type":"SubscriptionConfirmation","MessageId":"m-1","Message":""}`).ID; id != "m-1" {
		t.Errorf("the id of a message of SNS is %s", id)
	}
}

func TestEventsWithoutIDsGetOneOfWhatTheySay(t *testing.T) {
	body := strings.Replace(accountEvent(`,"name":"A"`), `"eventId":"e_1",`, "", 1)
	first, second := only(t, body), only(t, " "+body)
	other := only(t, strings.Replace(body, `"A"`, `"B"`, 1))
	if !strings.HasPrefix(first.ID, "der_") || first.ID != second.ID || first.ID == other.ID {
		t.Errorf("ids %s, %s and %s", first.ID, second.ID, other.ID)
	}
	if told := only(t, strings.Replace(accountEvent(``), `"e_1"`, `17`, 1)); told.ID != "17" {
		t.Errorf("a number as id is %s", told.ID)
	}
}

func TestTimesOfEveryStyle(t *testing.T) {
	for text, want := range map[string]string{
		`"2025-03-04T05:06:07.089Z"`:      "2025-03-04T05:06:07.089Z",
		`"2025-03-04T06:06:07.089+01:00"`: "2025-03-04T05:06:07.089Z",
		`"2025-03-04T05:06:07.089+0000"`:  "2025-03-04T05:06:07.089Z",
		`"2025-03-04T05:06:07"`:           "2025-03-04T05:06:07.000Z",
		`"2025-03-04 05:06:07"`:           "2025-03-04T05:06:07.000Z",
		`"2025-03-04"`:                    "2025-03-04T00:00:00.000Z",
		`1741064767`:                      "2025-03-04T05:06:07.000Z",
		`1741064767.0894`:                 "2025-03-04T05:06:07.089Z",
		`1741064767089`:                   "2025-03-04T05:06:07.089Z",
		`"1741064767089"`:                 "2025-03-04T05:06:07.089Z",
		`0`:                               "1970-01-01T00:00:00.000Z",
	} {
		told := only(t, strings.Replace(accountEvent(``), `"2025-03-04T05:06:07.089Z"`, text, 1))
		if got := carillon.FormatTime(told.At); got != want {
			t.Errorf("%s is read as %s, want %s", text, got, want)
		}
	}
	if told := only(t, `{"eventType":"account:deleted","payload":{"previousAccount":{"id":"A"}}}`); !told.At.IsZero() {
		t.Errorf("no timestamp is read as %s", told.At)
	}
}

// member gives a member of what an event says of its record.
func member(t testing.TB, told dialect.Told, name string) string {
	t.Helper()
	if len(told.Statements) != 1 {
		t.Fatalf("%+v", told)
	}
	return string(dialect.Member(told.Statements[0].Data, name))
}

func TestOddValuesAreReadAsWhatTheyMean(t *testing.T) {
	for _, c := range []struct{ given, name, want string }{
		{`"name":17`, "name", `"17"`},
		{`"name":"caf\u00e9"`, "name", `"café"`},
		{`"domain":true`, "domain", `"true"`},
		{`"employees":"250"`, "employees", `250`},
		{`"employees":250.0`, "employees", `250`},
		{`"employees":""`, "employees", `null`},
		{`"annualRevenue":"1200.50"`, "annualRevenue", `1200.50`},
		{`"tags":"one"`, "tags", `["one"]`},
		{`"tags":[1,null,"b"]`, "tags", `["1","b"]`},
		{`"tags":[]`, "tags", `null`},
		{`"ownerId":17`, "ownerId", `"17"`},
		{`"parentAccountId":""`, "parentAccountId", `null`},
		{`"metadata":{"b":1,"a":2}`, "metadata", `{"a":2,"b":1}`},
		{`"customFields":{"b":"x","a":[1],"c":null,"d":[]}`, "customFields", `{"a":["1"],"b":["x"]}`},
		{`"customFieldValues":{"tier":["gold"]}`, "customFields", `{"tier":["gold"]}`},
		{`"customFieldValues":{"tier":["gold"]},"customFields":{"tier":["tin"]}`, "customFields", `{"tier":["tin"]}`},
		{`"primaryDomain":"a.example"`, "domain", `"a.example"`},
		{`"primaryDomain":"a.example","domain":"b.example"`, "domain", `"b.example"`},
		{`"billingAddress":[{"city":"B","line1":1}]`, "billingAddress", `{"line1":"1","city":"B"}`},
		{`"billingAddress":{}`, "billingAddress", `null`},
		{`"health":null`, "health", `null`},
	} {
		if got := member(t, only(t, accountEvent(","+c.given)), c.name); got != c.want {
			t.Errorf("%s: %s is %s, want %s", c.given, c.name, got, c.want)
		}
	}
	task := only(t, `{"eventType":"account-task:updated","payload":{"task":{"id":17,"title":"T","dueDate":1741064767}}}`)
	if member(t, task, "dueDate") != `"2025-03-04T05:06:07.000Z"` || member(t, task, "accountId") != `""` || task.Ref.ID != "17" {
		t.Errorf("%+v", task)
	}
	deal := only(t, `{"eventType":"deal:created","payload":{"deal":{"id":"D","name":"N","expectedCloseDate":"2025-03-04T00:00:00Z","contactIds":["C1",2,"C1"]}}}`)
	if member(t, deal, "expectedCloseDate") != `"2025-03-04"` || member(t, deal, "contactIds") != `["C1","2"]` {
		t.Errorf("%+v", deal)
	}
	visit := only(t, `{"eventType":"appointment:created","payload":{"appointment":{"id":"P","allDay":"true"}}}`)
	if member(t, visit, "allDay") != `true` {
		t.Errorf("%+v", visit)
	}
}

func TestWrongValuesAreNamed(t *testing.T) {
	sns := func(s string) string {
		return `{"Type":"Notification","Message":` + string(dialect.AppendString(nil, s)) + `}`
	}
	for body, members := range map[string]string{
		accountEvent(`,"name":{},"employees":"many","tags":[{}],"metadata":"x"`):        "/payload/account/name /payload/account/employees /payload/account/tags /payload/account/metadata",
		accountEvent(`,"parentAccountId":"a/b"`):                                        "/payload/account/parentAccountId",
		accountEvent(`,"customFields":{"tier":{"a":1}}`):                                "/payload/account/customFields",
		accountEvent(`,"billingAddress":{"city":[]}`):                                   "/payload/account/billingAddress",
		sns(accountEvent(`,"phone":{}`)):                                                "/Message/payload/account/phone",
		`[` + accountEvent(``) + `,{"message":` + accountEvent(`,"phone":{}`) + `}]`:    "/1/message/payload/account/phone",
		`{"eventType":"account:created"}`:                                               "/payload",
		`{"eventType":"account:created","payload":[]}`:                                  "/payload",
		`{"eventType":"account:created","payload":{"previousAccount":{"id":"A"}}}`:      "/payload/account",
		`{"eventType":"account:deleted","payload":{}}`:                                  "/payload/account",
		`{"eventType":"account:updated","payload":{"account":"A"}}`:                     "/payload/account",
		`{"eventType":"account:created","payload":{"account":{"id":"a b"}}}`:            "/payload/account/id",
		`{"eventType":"account:created","payload":{"account":{}}}`:                      "/payload/account/id",
		`{"eventType":"custom:a b:created","payload":{"customRecord":{"id":"1"}}}`:      "/eventType",
		`{"eventType":{},"payload":{}}`:                                                 "/eventType",
		`{"payload":{"account":{"id":"A"}}}`:                                            "/eventType",
		`{}`:                                                                            "/eventType",
		`{"message":{}}`:                                                                "/message/eventType",
		`[]`:                                                                            "",
		`7`:                                                                             "",
		`[[[[[[{}]]]]]]`:                                                                "/0/0/0/0/0",
		strings.Replace(accountEvent(``), `"2025-03-04T05:06:07.089Z"`, `"soon"`, 1):    "/timestamp",
		strings.Replace(accountEvent(``), `"e_1"`, `"a\nb"`, 1):                         "/eventId",
		strings.Replace(accountEvent(``), `"2025-03-04T05:06:07.089Z"`, `9e99`, 1):      "/timestamp",
		strings.Replace(accountEvent(``), `"e_1"`, `"`+strings.Repeat("x", 256)+`"`, 1): "/eventId",
	} {
		err := complaint(platform.New().Decode(request(body), nil))
		var e *carillon.Error
		if !errors.As(err, &e) || e.Code != carillon.CodeInvalid {
			t.Errorf("%s: %v", body, err)
			continue
		}
		var got []string
		for _, fault := range e.Faults {
			got = append(got, fault.Member)
		}
		if strings.Join(got, " ") != members {
			t.Errorf("%s: faults at %v, want %s", body, got, members)
		}
	}
	for _, body := range []string{``, `{`, `hello`, `{"eventType":"x","eventType":"y"}`, sns(`no JSON`), `{"message":"{"}`} {
		if _, err := platform.New().Decode(request(body), nil); carillon.ErrorCode(err) != carillon.CodeMalformed {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// complaint is why a request, or the last of its events, cannot be read.
func complaint(decoded dialect.Decoded, err error) error {
	if err == nil && len(decoded.Events) > 0 {
		return decoded.Events[len(decoded.Events)-1].Err
	}
	return err
}

// One event that cannot be read does not keep the others of its request.
func TestTheOtherEventsOfAListAreRead(t *testing.T) {
	good := accountEvent(`,"name":"A"`)
	events := decode(t, `[`+strings.Replace(accountEvent(`,"name":{}`), "e_1", "e_0", 1)+`,{"message":`+good+`},7,{"message":"{"},`+good+`]`)
	for i, want := range []struct {
		id, eventType string
		unread        bool
	}{{"e_0", "account:created", true}, {"e_1", "account:created", false}, {"", "", true}, {"", "", true}, {"e_1", "account:created", false}} {
		told := events[i]
		if (told.Err != nil) != want.unread || (len(told.Statements) == 0) != want.unread || told.Type != want.eventType || want.id != "" && told.ID != want.id || told.ID == "" {
			t.Errorf("event %d is %+v", i, told)
		}
	}
	if _, err := platform.New().Decode(request(`[`+strings.Repeat(`{},`, 200)+good+`]`), nil); carillon.ErrorCode(err) != carillon.CodeInvalid {
		t.Errorf("200 things that are no events: %v", err)
	}
}

// What is nearly JSON is mended, also inside a notification, and what is not is told with its place.
func TestTextThatIsNearlyJSONIsRead(t *testing.T) {
	inside := strings.Replace(accountEvent(`,"name":"A`+"\xe9"+`","domain":acme.example,`), "AGENT", "agent", 1)
	decoded, err := platform.New().Decode(request(`{"Type":"Notification","Message":"`+strings.ReplaceAll(inside, `"`, `\"`)+`"}`), nil)
	if err != nil || len(decoded.Events) != 1 || len(decoded.Mended) != 3 {
		t.Fatalf("%+v, %v", decoded, err)
	}
	if told := decoded.Events[0]; member(t, told, "name") != `"A`+"\ufffd"+`"` || member(t, told, "domain") != `"acme.example"` || !strings.Contains(decoded.Mended[1], "(/Message, line 1, byte ") {
		t.Errorf("%q, %+v", decoded.Mended, told)
	}
	_, err = platform.New().Decode(request(`{"Type":"Notification","Message":"{\"eventType\": ?}"}`), nil)
	e, ok := errors.AsType[*carillon.Error](err)
	if !ok || e.Code != carillon.CodeMalformed || e.Faults[0].Member != "/Message/eventType" || !strings.HasPrefix(e.Faults[0].Reason, "line 1, byte 14: ") {
		t.Errorf("%v", err)
	}
}

func TestCommentsAreOnWhatTheyName(t *testing.T) {
	on := carillon.Ref{Kind: carillon.KindTask, ID: "T1"}
	for payload, want := range map[string]carillon.Ref{
		`{"comment":{"id":"C","content":"x","entityId":"T1","entityType":"ACCOUNT_TASK"}}`: on,
		`{"comment":{"id":"C","content":"x","taskId":"T1"}}`:                               on,
		`{"comment":{"id":"C","content":"x"},"task":{"id":"T1"}}`:                          on,
		`{"comment":{"id":"C","content":"x"},"entityId":"T1"}`:                             on,
		`{"comment":{"id":"C","content":"x"}}`:                                             {},
	} {
		told := only(t, `{"eventType":"account-task:comment:created","payload":`+payload+`}`)
		if told.Statements[0].On != want {
			t.Errorf("%s is on %s, want %s", payload, told.Statements[0].On, want)
		}
	}
	for key, sort := range map[string]dialect.StatementSort{"comment": dialect.Gone, "previousComment": dialect.Gone} {
		told := only(t, `{"eventType":"account-note:comment:deleted","payload":{"`+key+`":{"id":"C"}}}`)
		if told.Statements[0].Sort != sort || told.Ref.ID != "C" {
			t.Errorf("%s: %+v", key, told)
		}
	}
	withheld := only(t, `{"eventType":"account-note:comment:created","payload":{"comment":{"id":"C","contentHtml":"<b>x</b>","commentType":"note"}}}`)
	if got := member(t, withheld, "content"); got != `"<b>x</b>"` {
		t.Errorf("the content of a comment in HTML alone is %s", got)
	}
}

func TestWhatTheHouseHasNoPlaceForComesBack(t *testing.T) {
	d := platform.New()
	record := `{"id":"ACC1","name":"A","status":"TRIAL","health":"RED","classification":"SMB",` +
		`"billingAddress":{"city":"B","plot":7},"customFields":{"tier":["gold"],"no uid":["x"]},"createdAt":"2025-03-04T05:06:07.089Z","updatedAt":"2025-03-04T05:06:07.089Z",` +
		`"deliveryAddress":{"gate":"north"},"logo":null,"ratings":[1,{"b":1,"a":2}]}`
	told := only(t, accountEvent(`,`+record[len(`{"id":"ACC1",`):len(record)-1]))
	want := `{"billingAddress":{"plot":7},"deliveryAddress":{"gate":"north"},"customFields":{"no uid":["x"]},"logo":null,"ratings":[1,{"b":1,"a":2}]}`
	statement := told.Statements[0]
	if string(statement.Extra) != want {
		t.Fatalf("extra is\n%s, want\n%s", statement.Extra, want)
	}
	state := []byte(`{"id":"ACC1","name":"A","status":"TRIAL","health":"RED","classification":"SMB","billingAddress":{"city":"B"},` +
		`"customFields":{"tier":["gold"]},"createdAt":"2025-03-04T05:06:07.089Z","updatedAt":"2025-03-04T05:06:07.089Z"}`)
	extra := []byte(`{"neon":{"name":"no"},"platform":` + want + `}`)
	for _, c := range []struct {
		change  *carillon.Change
		payload string
	}{
		{&carillon.Change{Op: carillon.OpCreated, After: state, Extra: extra}, `{"account":` + record + `}`},
		{&carillon.Change{Op: carillon.OpUpdated, Before: state, After: state, Extra: extra}, `{"account":` + record + `,"previousAccount":` + string(state) + `}`},
		{&carillon.Change{Op: carillon.OpDeleted, Before: state, Extra: extra}, `{"previousAccount":` + record + `}`},
		{&carillon.Change{Op: carillon.OpCreated, After: state, Extra: []byte(`{"neon":{"name":"no"}}`)}, `{"account":` + string(state) + `}`},
		{&carillon.Change{Op: carillon.OpCreated, After: state, Extra: []byte(`{"platform":[1]}`)}, `{"account":` + string(state) + `}`},
		{&carillon.Change{Op: carillon.OpCreated, After: state, Extra: []byte(`{"platform":{}}`)}, `{"account":` + string(state) + `}`},
		{&carillon.Change{Op: carillon.OpCreated, After: []byte(`{}`), Extra: []byte(`{"platform":{"logo":1}}`)}, `{"account":{"logo":1}}`},
	} {
		c.change.Org, c.change.Ref = "dev", carillon.Ref{Kind: carillon.KindAccount, ID: "ACC1"}
		m, err := d.Encode(carillon.Event{Change: c.change, Type: d.Events(c.change)[0]}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got, want bytes.Buffer
		var body struct{ Payload json.RawMessage }
		if err := errors.Join(json.Unmarshal(m.Body, &body), json.Compact(&got, body.Payload), json.Compact(&want, []byte(c.payload))); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tree(t, want.Bytes()), tree(t, got.Bytes())); diff != "" {
			t.Errorf("%s with %s (-want +got):\n%s", c.change.Op, c.change.Extra, diff)
		}
		if err := accountSchema(t, m.Type).Validate(tree(t, m.Body)); err != nil && len(c.change.After) != len(`{}`) {
			t.Errorf("the schema does not know it: %v", err)
		}
		if batch, err := d.EncodeBatch([]carillon.Event{{Change: c.change, Type: m.Type}}, nil); err != nil || string(batch.Body) != "["+string(m.Body)+"]" {
			t.Errorf("in a batch it is %s, %v", batch.Body, err)
		}
	}
}

func accountSchema(t testing.TB, event string) *jsonschema.Schema {
	t.Helper()
	types := platform.New().Types()
	typ := types[slices.IndexFunc(types, func(typ dialect.Type) bool { return typ.Name == event })]
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", tree(t, typ.Schema)); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func tree(t testing.TB, body []byte) any {
	t.Helper()
	var root any
	if err := json.Unmarshal(body, &root); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return root
}

func TestConnectionsHaveNothingToChoose(t *testing.T) {
	_, err := platform.New().CheckReading(&carillon.Connection{IDPrefix: "x_"})
	var e *carillon.Error
	if !errors.As(err, &e) || e.Code != carillon.CodeInvalid || e.Faults[0].Member != "/idPrefix" {
		t.Errorf("a prefix: %v", err)
	}
}

func BenchmarkDecode(b *testing.B) {
	d := platform.New()
	c := kilobyte(change(carillon.KindAccount, carillon.OpUpdated, tilde("health")))
	m, err := d.Encode(carillon.Event{Change: c, Type: d.Events(c)[0]}, nil)
	if err != nil {
		b.Fatal(err)
	}
	r := dialect.RequestOf(&m)
	b.ReportAllocs()
	b.SetBytes(int64(len(m.Body)))
	for b.Loop() {
		if _, err := d.Decode(r, nil); err != nil {
			b.Fatal(err)
		}
	}
}
