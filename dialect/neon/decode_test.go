package neon_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
		f.Requests = append(f.Requests, post(published(t, s.file)))
	}
	f.Requests = append(f.Requests, form(published(t, "delete_account.json")))
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

// decode reads a request that tells one event.
func decode(t testing.TB, r dialect.Request, prefix string) (dialect.Told, []string) {
	t.Helper()
	d := neon.New()
	reading, err := d.CheckReading(&carillon.Connection{IDPrefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := d.Decode(r, reading)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.Body)
	}
	if len(decoded.Events) != 1 {
		t.Fatalf("%d events", len(decoded.Events))
	}
	return decoded.Events[0], decoded.Mended
}

// event is a webhook that says account of an account.
func event(trigger, object, account string) dialect.Request {
	return post([]byte(`{"eventTrigger":"` + trigger + `","eventTimestamp":"2013-01-24T03:42:59.000-06:00","organizationId":"test","data":{"` + object + `":` + account + `}}`))
}

func TestTheSamplesAreRead(t *testing.T) {
	for _, s := range samples {
		for name, request := range map[string]dialect.Request{"JSON": post(published(t, s.file)), "a form": form(published(t, s.file))} {
			t.Run(s.file+" as "+name, func(t *testing.T) {
				told, mended := decode(t, request, "")
				if told.Op != s.change.Op || !told.At.Equal(s.change.Time) || told.Actor != (carillon.Actor{}) || told.Ignored != "" {
					t.Errorf("%+v", told)
				}
				statement := told.Statements[0]
				if s.change.Op == carillon.OpDeleted {
					if len(mended) > 0 || statement.Sort != dialect.Gone || statement.Ref != (carillon.Ref{Kind: carillon.KindAccount, ID: "neon_3542"}) {
						t.Errorf("mended %q, %+v", mended, statement)
					}
					return
				}
				if len(mended) != 1 || !strings.HasPrefix(mended[0], `the comma before "consentInformation" was missing (line `) {
					t.Errorf("mended %q", mended)
				}
				want, extra := s.change.After, dialect.Member(s.change.Extra, neon.Name)
				if diff := cmp.Diff(known(t, bytes.ReplaceAll(want, []byte(`"ALABAMA"`), []byte(`"AL"`))), known(t, statement.Data)); diff != "" {
					t.Errorf("the account (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tree(t, extra), tree(t, statement.Extra)); diff != "" {
					t.Errorf("what is kept beside it (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// known is an account without what is null or empty and without what the vendor does not tell.
func known(t testing.TB, account []byte) map[string]any {
	t.Helper()
	members, _ := tree(t, account).(map[string]any)
	for _, name := range []string{"id", "status", "health", "classification", "createdAt", "updatedAt"} {
		delete(members, name)
	}
	var prune func(object map[string]any)
	prune = func(object map[string]any) {
		for name, value := range object {
			if inside, ok := value.(map[string]any); ok {
				prune(inside)
				if len(inside) == 0 {
					value = nil
				}
			}
			if value == nil {
				delete(object, name)
			}
		}
	}
	prune(members)
	return members
}

func tree(t testing.TB, text []byte) any {
	t.Helper()
	var root any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&root); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return root
}

func TestEveryMemberThatNeonCarriesIsSaid(t *testing.T) {
	told, _ := decode(t, event("editAccount", "individualAccount", `{"accountId":1}`), "")
	const address = `{"line1":null,"line2":null,"line3":null,"line4":null,"city":null,"state":null,"postalCode":null,"county":null,"country":null}`
	const want = `{"name":"1","type":"individual","primaryContact":{"title":null,"firstName":null,"middleName":null,"lastName":null,"suffix":null,` +
		`"email":null,"phone":null,"jobTitle":null},"billingAddress":` + address + `,"deliveryAddress":` + address + `,"website":null,"customFields":{}}`
	if got := string(told.Statements[0].Data); got != want {
		t.Errorf("an account without anything says\n%s, want\n%s", got, want)
	}
}

// keep is the change that a request makes of a house that knows nothing of the account.
func keep(t testing.TB, r dialect.Request) *carillon.Change {
	t.Helper()
	told, _ := decode(t, r, "")
	s := told.Statements[0]
	state := append([]byte(`{"id":"`+s.ID+`",`), s.Data[1:]...)
	return &carillon.Change{
		Org: "dev", Seq: 1, Ref: s.Ref, Op: carillon.OpCreated, Number: 1, Version: 1, Lane: s.ID, Time: told.At,
		Origin: "connection:neon:con_1", After: withoutNulls(t, state), Extra: []byte(`{"neon":` + string(s.Extra) + `}`),
	}
}

func withoutNulls(t testing.TB, object []byte) []byte {
	t.Helper()
	b := []byte{'{'}
	for name, value := range dialect.Members(object) {
		if len(value) > 0 && value[0] == '{' {
			value = withoutNulls(t, value)
		}
		if string(value) == "null" || string(value) == "{}" {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}')
}

// What Neon sends comes back in its own form, whatever that was.
func TestTheVendorsFormComesBack(t *testing.T) {
	const times = `"createdDateTime":"2013-01-24T03:42:59.000-06:00","createdBy":"Administrator ","lastModifiedDateTime":"2013-01-24T03:42:59.000-06:00","lastModifiedBy":"x",`
	const id = times + `"accountId":3542`
	const primary = `"isPrimaryAddress":true,"isShippingAddress":false`
	address := func(form string) string {
		return `{` + id + `,"primaryContact":{"lastName":"x","addresses":{"address":` + form + `}}}`
	}
	fields := func(form string) string {
		return `{` + id + `,"primaryContact":{"lastName":"x"},"customFieldDataList":{"customFieldData":` + form + `}}`
	}
	for name, account := range map[string]string{
		"an id as text":                        `{` + times + `"accountId":"3542","primaryContact":{"lastName":"x"}}`,
		"numbers as texts":                     `{` + id + `,"primaryContact":{"lastName":"x","phone1":"422794616","fax":"422794620"}}`,
		"texts as numbers":                     `{` + id + `,"primaryContact":{"firstName":7,"lastName":8,"phone1":422794616},"url":9}`,
		"what is empty or null":                `{` + id + `,"primaryContact":{"firstName":"","lastName":"x","middleName":null,"phone1":"","phone2":null,"email1":""},"url":null}`,
		"texts of several lines":               `{` + id + `,"primaryContact":{"lastName":"two\nlines"}}`,
		"members that nobody has heard of":     `{` + id + `,"primaryContact":{"lastName":"x","pager":17,"a\"b":{"c":[1]}},"household":{"id":7}}`,
		"one address as an object":             address(`{"addressId":1,` + primary + `,"addressLine1":"1 Quay"}`),
		"one address as a list":                address(`[{"addressId":1,` + primary + `,"addressLine1":"1 Quay"}]`),
		"flags as texts":                       address(`{"isPrimaryAddress":"true","isShippingAddress":"false","city":"York"}`),
		"an address that is both":              address(`{"addressId":1,"isPrimaryAddress":true,"isShippingAddress":true,"city":"York"}`),
		"two addresses that are the same":      address(`[{` + primary + `,"city":"York"},{"isPrimaryAddress":false,"isShippingAddress":true,"city":"York"}]`),
		"the shipping address first":           address(`[{"addressId":1,"isPrimaryAddress":false,"isShippingAddress":true,"city":"Hull"},{"addressId":2},{"addressId":3,` + primary + `,"city":"York"}]`),
		"several primary ones":                 address(`[{` + primary + `,"city":"York"},{` + primary + `,"city":"Hull"}]`),
		"an address that is neither":           address(`{"addressId":3,"city":"York","pigeonhole":4}`),
		"members of an address unheard of":     address(`{"addressId":3,` + primary + `,"city":"York","pigeonhole":4}`),
		"a state as text":                      address(`{` + primary + `,"state":"Alabama"}`),
		"a state with a code alone":            address(`{` + primary + `,"state":{"code":"AL"}}`),
		"a state without anything":             address(`{` + primary + `,"city":"York","state":{}}`),
		"a country with its number alone":      address(`{` + primary + `,"city":"York","country":{"id":2}}`),
		"a country that is none":               address(`{` + primary + `,"country":{"id":2,"name":"Middle Earth"}}`),
		"a code with zeros in front":           address(`{` + primary + `,"zipCode":"00501","zipCodeSuffix":"0001"}`),
		"a code as texts":                      address(`{` + primary + `,"zipCode":"39111","zipCodeSuffix":"1355"}`),
		"a code of another country":            address(`{` + primary + `,"zipCode":"YO1 7HH"}`),
		"a custom field":                       fields(`{"fieldId":73,"fieldValue":"gold"}`),
		"a custom field in a list":             fields(`[{"fieldId":73,"fieldValue":"gold"}]`),
		"custom fields in the vendor's order":  fields(`[{"fieldId":73,"fieldOptionId":94},{"fieldId":9,"fieldValue":"b"},{"fieldId":73,"fieldValue":"c"},{"fieldId":9,"fieldValue":"a"},{"fieldId":9,"fieldValue":"b"}]`),
		"custom fields as numbers and numbers": fields(`[{"fieldId":"73","fieldValue":7},{"fieldId":74,"fieldName":"Tier","fieldValue":"two\nlines"},{"fieldValue":"of nothing"},{"fieldId":75,"fieldValue":true}]`),
	} {
		t.Run(name, func(t *testing.T) {
			for object, account := range map[string]string{
				"individualAccount":   account,
				"organizationAccount": strings.TrimSuffix(account, "}") + `,"organizationName":"Guild"}`,
			} {
				var told struct{ Data map[string]json.RawMessage }
				body := render(t, keep(t, event("createAccount", object, account)), ``, nil)
				if err := json.Unmarshal([]byte(body), &told); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tree(t, []byte(account)), tree(t, told.Data[object])); diff != "" {
					t.Errorf("%s (-sent +told):\n%s", object, diff)
				}
			}
		})
	}
}

// What the house changes later is told as the house has it, not as Neon once did.
func TestWhatTheHouseChangesTakesThePlaceOfTheVendorsForm(t *testing.T) {
	c := keep(t, event("createAccount", "individualAccount", `{"accountId":"3542","url":"a\nb","primaryContact":{"lastName":"x","phone1":"422794616","addresses":{"address":`+
		`[{"addressId":1,"isPrimaryAddress":"true","state":{"code":"AL","name":"ALABAMA"},"country":{"id":2,"name":"Canada"},"zipCode":"39111","zipCodeSuffix":"1355"}]}},`+
		`"customFieldDataList":{"customFieldData":[{"fieldId":73,"fieldOptionId":94},{"fieldId":9,"fieldValue":7}]}}`))
	c.Op, c.Origin = carillon.OpUpdated, "api"
	c.After = []byte(`{"id":"neon_3542","name":"x","type":"individual","primaryContact":{"lastName":"x","phone":"7"},` +
		`"billingAddress":{"state":"BC","country":"France","postalCode":"39111"},"customFields":{"9":["8"]},"createdAt":"2020-01-01T00:00:00.000Z","updatedAt":"2020-01-01T00:00:00.000Z"}`)
	got := render(t, c, ``, memory{})
	const want = `"accountId":"3542","primaryContact":{"lastName":"x","phone1":7,"addresses":{"address":` +
		`[{"addressId":1,"isPrimaryAddress":"true","isShippingAddress":false,"state":{"code":"BC"},"country":{"name":"France"},"zipCode":"39111"}]}},` +
		`"customFieldDataList":{"customFieldData":[{"fieldId":73,"fieldOptionId":94},{"fieldId":9,"fieldValue":"8"}]}`
	if !strings.Contains(got, want) {
		t.Errorf("told as\n%s, want\n%s", got, want)
	}
	c.After = []byte(`{"id":"neon_3542","name":"x","type":"individual","primaryContact":{"lastName":"x"},"billingAddress":{"city":"York"},` +
		`"createdAt":"2020-01-01T00:00:00.000Z","updatedAt":"2020-01-01T00:00:00.000Z"}`)
	got = render(t, c, ``, memory{})
	if want := `"accountId":"3542","primaryContact":{"lastName":"x","addresses":{"address":[{"addressId":1,"isPrimaryAddress":"true","isShippingAddress":false,` +
		`"city":"York"}]}},"customFieldDataList":{"customFieldData":{"fieldId":73,"fieldOptionId":94}}`; !strings.Contains(got, want) {
		t.Errorf("what is unset is told as\n%s, want\n%s", got, want)
	}
}

func TestEventsAreKnownByAnyOfTheirNames(t *testing.T) {
	account := `{"accountId":3542,"lastModifiedDateTime":"2013-01-24T03:42:59+0000"}`
	for name, c := range map[string]struct {
		body    string
		op      carillon.Op
		at      string
		ignored string
	}{
		"the name of the API":          {`{"eventTrigger":"CREATE_ACCOUNT","eventTimestamp":"2013-01-24T03:42:59.123-06:00","data":{"individualAccount":` + account + `}}`, carillon.OpCreated, "2013-01-24T09:42:59.123Z", ""},
		"updates by another word":      {`{"event":"updateAccount","eventTimeStamp":"2013-01-24T03:42:59Z","data":{"individualAccount":` + account + `}}`, carillon.OpUpdated, "2013-01-24T03:42:59Z", ""},
		"an organization's number":     {`{"event":"editAccount","organizationId":7,"data":{"organizationAccount":` + account + `}}`, carillon.OpUpdated, "2013-01-24T03:42:59Z", ""},
		"a day for a time":             {`{"event":"editAccount","eventTimestamp":"2013-01-24-06:00","data":{"organizationAccount":` + account + `}}`, carillon.OpUpdated, "2013-01-24T06:00:00Z", ""},
		"a deletion with all it knows": {`{"event":"DELETE_ACCOUNT","data":{"individualAccount":` + account + `}}`, carillon.OpDeleted, "2013-01-24T03:42:59Z", ""},
		"donations":                    {`{"eventTrigger":"createDonation","data":{"donation":{"donationId":"1"}}}`, "", "", "createDonation tells of no account: nothing is kept of it"},
		"memberships, flat":            {`{"eventTrigger":"updateMembership","data":{"id":"1","accountId":"2"}}`, "", "", "updateMembership tells of no account: nothing is kept of it"},
		"what has no data":             {`{"eventTrigger":"createActivity"}`, "", "", "createActivity tells of no account: nothing is kept of it"},
	} {
		t.Run(name, func(t *testing.T) {
			told, _ := decode(t, post([]byte(c.body)), "")
			if told.Op != c.op || told.Ignored != c.ignored || told.ID == "" {
				t.Errorf("%+v", told)
			}
			if at := told.At; c.at != "" && !at.Equal(instant(c.at)) {
				t.Errorf("at %s, want %s", at, c.at)
			}
		})
	}
}

func TestRecordsAreCalledByTheConnectionsPrefix(t *testing.T) {
	r := event("createAccount", "individualAccount", `{"accountId":3542}`)
	for prefix, want := range map[string]string{"": "neon_3542", "crm:": "crm:3542"} {
		if told, _ := decode(t, r, prefix); told.Ref.ID != want || told.Statements[0].ID != want {
			t.Errorf("%q makes %s", prefix, told.Ref.ID)
		}
	}
}

// The vendor gives its events no id.
func TestTheSameEventHasTheSameID(t *testing.T) {
	const body = `{"eventTrigger":"editAccount","eventTimestamp":"2013-01-24T03:42:59.000-06:00","organizationId":"test","data":{"individualAccount":{"accountId":1}},"customParameters":{"token":"a"}}`
	first, _ := decode(t, post([]byte(body)), "")
	for name, replaced := range map[string][2]string{
		"another credential": {`"token":"a"`, `"token":"b"`}, "white space": {`"data":{`, "\"data\" : {\n"}, "the number as text": {`"organizationId":"test"`, `"organizationId": "test"`},
	} {
		if again, _ := decode(t, post([]byte(strings.Replace(body, replaced[0], replaced[1], 1))), ""); again.ID != first.ID {
			t.Errorf("%s makes another event", name)
		}
	}
	seen := map[string]string{first.ID: "the first"}
	for name, replaced := range map[string][2]string{
		"another trigger": {`editAccount`, `createAccount`}, "another time": {`59.000`, `59.001`}, "another instance": {`"test"`, `"live"`},
		"another account": {`"accountId":1`, `"accountId":2`}, "another word": {`"accountId":1`, `"accountId":1,"url":"x"`},
	} {
		told, _ := decode(t, post([]byte(strings.Replace(body, replaced[0], replaced[1], 1))), "")
		if other, taken := seen[told.ID]; taken {
			t.Errorf("%s has the id of %s", name, other)
		}
		seen[told.ID] = name
	}
}

func TestCredentialsAreReadButNotKept(t *testing.T) {
	const body = `{"eventTrigger":"createAccount","data":{"individualAccount":{"accountId":1}} "customParameters":{"webhook_token":"s3cret","version":2,"odd":{"a":"s3cret"}}}`
	d := neon.New()
	for _, r := range []dialect.Request{post([]byte(body)), form([]byte(body))} {
		parameters, err := d.Parameters(r)
		if err != nil || len(parameters) != 2 || parameters["webhook_token"] != "s3cret" || parameters["version"] != "2" {
			t.Errorf("%v, %v", parameters, err)
		}
		told, mended := decode(t, r, "")
		if all := fmt.Sprintf("%+v %s %s %q", told, told.Statements[0].Data, told.Statements[0].Extra, mended); strings.Contains(all, "s3cret") || strings.Contains(all, "webhook_token") {
			t.Errorf("kept: %s", all)
		}
	}
	if _, err := d.Parameters(post([]byte(`{"customParameters":{"webhook_token":"s3cret"}`))); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
	if parameters, err := d.Parameters(post([]byte(`{"customParameters":[]}`))); err != nil || len(parameters) > 0 {
		t.Errorf("%v, %v", parameters, err)
	}
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	account := func(members string) string {
		return `{"event":"editAccount","data":{"individualAccount":{"accountId":1,` + members + `}}}`
	}
	for body, member := range map[string]string{
		`[]`:                            "",
		`{}`:                            "/eventTrigger",
		`{"eventTrigger":{}}`:           "/eventTrigger",
		`{"event":""}`:                  "/event",
		`{"event":"editAccount"}`:       "/data",
		`{"event":"` + long(256) + `"}`: "/event",
		`{"event":"editAccount","data":{"account":{"accountId":1}}}`:                                         "/data",
		`{"event":"editAccount","data":{"individualAccount":[]}}`:                                            "/data/individualAccount",
		`{"event":"editAccount","data":{"individualAccount":{}}}`:                                            "/data/individualAccount/accountId",
		`{"event":"deleteAccount","data":{"account":{"accountId":"a b"}}}`:                                   "/data/account/accountId",
		`{"event":"deleteAccount","data":{"account":{"accountId":{"id":1}}}}`:                                "/data/account/accountId",
		account(`"primaryContact":[]`):                                                                       "/data/individualAccount/primaryContact",
		account(`"primaryContact":{"firstName":{}}`):                                                         "/data/individualAccount/primaryContact/firstName",
		account(`"primaryContact":{"lastName":"` + long(256) + `"}`):                                         "/data/individualAccount/primaryContact/lastName",
		account(`"primaryContact":{"phone1":true}`):                                                          "/data/individualAccount/primaryContact/phone1",
		account(`"primaryContact":{"addresses":[]}`):                                                         "/data/individualAccount/primaryContact/addresses",
		account(`"primaryContact":{"addresses":{"address":"x"}}`):                                            "/data/individualAccount/primaryContact/addresses/address",
		account(`"primaryContact":{"addresses":{"address":[{},7]}}`):                                         "/data/individualAccount/primaryContact/addresses/address/1",
		account(`"primaryContact":{"addresses":{"address":[{},{"isPrimaryAddress":true,"city":[]}]}}`):       "/data/individualAccount/primaryContact/addresses/address/1/city",
		account(`"primaryContact":{"addresses":{"address":{"isShippingAddress":true,"state":[]}}}`):          "/data/individualAccount/primaryContact/addresses/address/0/state",
		account(`"primaryContact":{"addresses":{"address":{"isPrimaryAddress":true,"zipCode":[]}}}`):         "/data/individualAccount/primaryContact/addresses/address/0/zipCode",
		account(`"customFieldDataList":7`):                                                                   "/data/individualAccount/customFieldDataList",
		account(`"customFieldDataList":{"customFieldData":[7]}`):                                             "/data/individualAccount/customFieldDataList/customFieldData",
		account(`"customFieldDataList":{"customFieldData":{"fieldId":1,"fieldValue":"` + long(4097) + `"}}`): "/data/individualAccount/customFieldDataList/customFieldData",
	} {
		_, err := neon.New().Decode(post([]byte(body)), nil)
		e, ok := errors.AsType[*carillon.Error](err)
		if !ok || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Member != member {
			t.Errorf("%.100s: %v, want a fault at %s", body, err, member)
		}
	}
	for _, r := range []dialect.Request{
		post([]byte(`{"event":`)), form([]byte(`{`)),
		{ContentType: "application/x-www-form-urlencoded", Header: func(string) string { return "" }, Body: []byte("payload=%zz")},
	} {
		if _, err := neon.New().Decode(r, nil); carillon.ErrorCode(err) != carillon.CodeMalformed {
			t.Errorf("%s: %v", r.Body, err)
		}
	}
}

// Bodies as HTTP libraries and old systems make them are read all the same.
func TestBodiesOfAnyMakeAreRead(t *testing.T) {
	const account = `{"eventTrigger":"createAccount","data":{"individualAccount":{"accountId":"7","primaryContact":{"lastName":"Lef` + "\xe8" + `vre","phone1":15550100}}}}`
	latin := form([]byte(account))
	latin.ContentType = "application/x-www-form-urlencoded; charset=ISO-8859-1"
	called := post([]byte(" " + account))
	called.ContentType = "application/x-www-form-urlencoded; charset=utf-8"
	typed := post([]byte("\ufeff" + account))
	typed.ContentType = "application/json; charset=iso-8859-1"
	for name, r := range map[string]dialect.Request{"a form": latin, "JSON that is called a form": called, "JSON": typed} {
		told, mended := decode(t, r, "")
		data := told.Statements[0].Data
		if len(mended) != 1 || !strings.HasPrefix(mended[0], "bytes that are not UTF-8 were replaced (line 1, byte ") ||
			string(dialect.Member(data, "name")) != `"Lef`+"\ufffd"+`vre"` || string(dialect.Member(dialect.Member(data, "primaryContact"), "phone")) != `"15550100"` {
			t.Errorf("%s: %q, %s", name, mended, data)
		}
	}
}

// What other vendors add to an account is none of this one's business.
func TestWhatOtherVendorsAddIsNotTold(t *testing.T) {
	c := change(carillon.OpUpdated, `{"id":"acc_1"}`, "")
	for name, told := range map[string]bool{"extra.freshsales": false, "extra.neon": true, "website": true} {
		c.Changed = []carillon.MemberChange{{Name: name, How: carillon.Updated}}
		if got := neon.New().Events(c); (len(got) > 0) != told {
			t.Errorf("a change of %s is %q", name, got)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	d := neon.New()
	for _, s := range samples {
		r := post(published(b, s.file))
		b.Run(strings.TrimSuffix(s.file, ".json"), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(r.Body)))
			for b.Loop() {
				if _, err := d.Decode(r, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
