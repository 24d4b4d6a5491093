package neon_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/dialecttest"
	"carillon/dialect/neon"
)

var at = time.Date(2025, 3, 4, 5, 6, 7, 89e6, time.UTC)

func change(op carillon.Op, state, extra string) *carillon.Change {
	c := &carillon.Change{
		Org: "dev", Seq: 7, Number: 42, Op: op, Lane: "acc_1", Time: at, Origin: "api",
		Ref:   carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"},
		Actor: carillon.Actor{ID: "usr_1", Type: "AGENT", Email: "agent@example.com"},
	}
	if op != carillon.OpCreated {
		c.Before = []byte(state)
	}
	if op != carillon.OpDeleted {
		c.After = []byte(state)
	}
	if extra != "" {
		c.Extra = []byte(`{"neon":` + extra + `}`)
	}
	return c
}

func render(t testing.TB, c *carillon.Change, settings string, l dialect.Lookup) string {
	t.Helper()
	d := neon.New()
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

func TestNeonIsADialect(t *testing.T) {
	var changes []*carillon.Change
	for i, s := range samples {
		c := s.change
		c.Org, c.Seq, c.Ref, c.Lane = "dev", int64(i+1), carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"}, "acc_1"
		c.Origin, c.Number, c.Version = "connection:neon:con_1", 1, 1
		changes = append(changes, &c)
	}
	dialecttest.Run(t, neon.New(), dialecttest.Fixtures{Changes: changes, Settings: json.RawMessage(chicago)})
}

func TestOnlyAccountsAreTold(t *testing.T) {
	for _, kind := range carillon.Kinds {
		told := neon.New().Events(&carillon.Change{Ref: carillon.Ref{Kind: kind}, Op: carillon.OpCreated})
		if (len(told) > 0) != (kind == carillon.KindAccount) {
			t.Errorf("a created %s is %v", kind, told)
		}
	}
}

// What an account of the house, which no Neon has seen, looks like.
func TestWhatTheHouseSaysIsPutWhereNeonHasIt(t *testing.T) {
	const before, after = `{"id":"acc_1","name":"Ada Marie Gale",`, `"createdAt":"2025-01-02T03:04:05.006Z","updatedAt":"2025-03-04T05:06:07.089Z"}`
	const told = `"createdDateTime":"2025-01-02T03:04:05.006+00:00","createdBy":"agent@example.com",` +
		`"lastModifiedDateTime":"2025-03-04T05:06:07.089+00:00","lastModifiedBy":"agent@example.com","accountId":42`
	for name, c := range map[string]struct{ members, want string }{
		"an account that does not say what it is is an organization": {
			``, `{"organizationAccount":{` + told + `,"organizationName":"Ada Marie Gale"}}`,
		},
		"an unknown type is an organization": {
			`"type":"household",`, `{"organizationAccount":{` + told + `,"organizationName":"Ada Marie Gale"}}`,
		},
		"a person without a primary contact is named by the account": {
			`"type":"individual",`, `{"individualAccount":{` + told + `,"primaryContact":{"firstName":"Ada Marie","lastName":"Gale"}}}`,
		},
		"a person with one name is named by the primary contact": {
			`"type":"Individual","primaryContact":{"lastName":"Ada"},`, `{"individualAccount":{` + told + `,"primaryContact":{"lastName":"Ada"}}}`,
		},
		"an organization's contact has no address for e-mail": {
			`"primaryContact":{"firstName":"Bo","email":"bo@example.com"},`,
			`{"organizationAccount":{` + told + `,"primaryContact":{"firstName":"Bo"},"organizationName":"Ada Marie Gale"}}`,
		},
		"a person's has": {
			`"type":"individual","primaryContact":{"firstName":"Bo","email":"bo@example.com"},`,
			`{"individualAccount":{` + told + `,"primaryContact":{"firstName":"Bo","email1":"bo@example.com"}}}`,
		},
		"a phone that is a number is told as one": {
			`"phone":"15551234567",`, `{"organizationAccount":{` + told + `,"primaryContact":{"phone1":15551234567},"organizationName":"Ada Marie Gale"}}`,
		},
		"a phone that would lose something is not": {
			`"phone":"0155",`, `{"organizationAccount":{` + told + `,"primaryContact":{"phone1":"0155"},"organizationName":"Ada Marie Gale"}}`,
		},
		"two addresses are a list": {
			`"billingAddress":{"line1":"1 Main St","state":"AL","postalCode":"39111-1355"},"deliveryAddress":{"city":"York","state":"Yorks","postalCode":"YO1 7HH","country":"GB"},`,
			`{"organizationAccount":{` + told + `,"primaryContact":{"addresses":{"address":[` +
				`{"isPrimaryAddress":true,"isShippingAddress":false,"addressLine1":"1 Main St","state":{"code":"AL"},"zipCode":39111,"zipCodeSuffix":1355},` +
				`{"isPrimaryAddress":false,"isShippingAddress":true,"city":"York","state":{"name":"Yorks"},"country":{"name":"United Kingdom"},"zipCode":"YO1 7HH"}` +
				`]}},"organizationName":"Ada Marie Gale"}}`,
		},
		"one address is an object, also where it is both": {
			`"billingAddress":{"city":"York"},"deliveryAddress":{"city":"York"},`,
			`{"organizationAccount":{` + told + `,"primaryContact":{"addresses":{"address":` +
				`{"isPrimaryAddress":true,"isShippingAddress":true,"city":"York"}}},"organizationName":"Ada Marie Gale"}}`,
		},
		"one custom field is an object": {
			`"customFields":{"73":["a"]},`,
			`{"organizationAccount":{` + told + `,"customFieldDataList":{"customFieldData":{"fieldId":73,"fieldValue":"a"}},"organizationName":"Ada Marie Gale"}}`,
		},
		"several values are a list": {
			`"customFields":{"73":["a","b"],"tier":["gold"]},`,
			`{"organizationAccount":{` + told + `,"customFieldDataList":{"customFieldData":[{"fieldId":73,"fieldValue":"a"},{"fieldId":73,"fieldValue":"b"},` +
				fmt.Sprintf(`{"fieldId":%d,"fieldValue":"gold"}`, dialect.StableNumber("customField", "tier")) + `]},"organizationName":"Ada Marie Gale"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			members := c.members
			want := `{"eventTrigger":"createAccount","eventTimestamp":"2025-03-04T05:06:07.089+00:00","organizationId":"dev","data":` + c.want + `,"customParameters":{}}`
			// The members of the cases stand in the order of the field table, but for custom fields and the times, which end it.
			if got := render(t, change(carillon.OpCreated, before+members+after, ""), ``, nil); got != want {
				t.Errorf("rendered as\n%s, want\n%s", got, want)
			}
		})
	}
}

func TestWhatNeonSentComesBack(t *testing.T) {
	const state = `{"id":"acc_1","name":"Guild","billingAddress":{"city":"York","state":"Yorks","country":"GB"},"createdAt":"2025-01-02T03:04:05.006Z","updatedAt":"2025-03-04T05:06:07.089Z"}`
	for name, c := range map[string]struct{ state, extra, want, not string }{
		"an id beyond 2^53 stays exact":            {state, `{"accountId":9007199254740993}`, `"accountId":9007199254740993`, `42`},
		"members that no sample has":               {state, `{"unheardOf":{"a":[1]},"primaryContact":{"pager":17}}`, `"unheardOf":{"a":[1]}`, ``},
		"also of the contact":                      {state, `{"primaryContact":{"pager":17}}`, `"pager":17`, ``},
		"a country that the house still says":      {state, `{"primaryContact":{"addresses":{"address":{"isPrimaryAddress":true,"country":{"id":9,"name":"GB"}}}}}`, `"country":{"id":9,"name":"GB"}`, ``},
		"but not one that it has changed":          {state, `{"primaryContact":{"addresses":{"address":{"isPrimaryAddress":true,"country":{"id":2,"name":"Canada"}}}}}`, `"country":{"name":"United Kingdom"}`, `Canada`},
		"a country that the house has the code of": {state, `{"primaryContact":{"addresses":{"address":{"isPrimaryAddress":true,"country":{"id":9,"name":"United Kingdom"}}}}}`, `"country":{"id":9,"name":"United Kingdom"}`, ``},
		"an address that the house has dropped is gone": {
			`{"id":"acc_1","name":"Guild"}`, `{"primaryContact":{"addresses":{"address":[{"isPrimaryAddress":true,"addressId":1},{"addressId":2}]}}}`,
			`"address":{"addressId":2}`, `"addressId":1`,
		},
		"who modified it last is the house's own when the house modified it": {state, `{"lastModifiedBy":"Somebody Else","createdBy":"Founder"}`, `"createdBy":"Founder"`, `Somebody Else`},
		"custom fields of Neon's stand before the house's": {
			`{"id":"acc_1","name":"Guild","customFields":{"5":["x"]}}`, `{"customFieldDataList":{"customFieldData":[{"fieldId":73,"fieldOptionId":94}]}}`,
			`[{"fieldId":73,"fieldOptionId":94},{"fieldId":5,"fieldValue":"x"}]`, ``,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := render(t, change(carillon.OpUpdated, c.state, c.extra), ``, nil)
			if !strings.Contains(got, c.want) || c.not != "" && strings.Contains(got, c.not) {
				t.Errorf("rendered as\n%s, wants %s and not %s", got, c.want, c.not)
			}
		})
	}
}

// memory is a log of users and one creation.
type memory struct {
	users    map[string]string
	creation *carillon.Change
	broken   error
}

func (m memory) RecordAsOf(_ context.Context, _ string, ref carillon.Ref, _ int64) (*carillon.Record, error) {
	if name, ok := m.users[ref.ID]; ok && ref.Kind == carillon.KindUser {
		return &carillon.Record{Ref: ref, Data: []byte(`{"id":"` + ref.ID + `","name":"` + name + `"}`)}, nil
	}
	return nil, cmpOr(m.broken, carillon.NotFound("record", ref.ID))
}

func (m memory) Creation(context.Context, *carillon.Change) (*carillon.Change, error) {
	if m.creation == nil {
		return nil, cmpOr(m.broken, carillon.NotFound("creation", ""))
	}
	return m.creation, nil
}

func (m memory) Previous(context.Context, *carillon.Change) (*carillon.Change, error) {
	return nil, cmpOr(m.broken, carillon.NotFound("change", ""))
}

func cmpOr(err error, otherwise *carillon.Error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func TestPeopleAreNamedAsOfTheChange(t *testing.T) {
	const state = `{"id":"acc_1","name":"Guild"}`
	l := memory{
		users:    map[string]string{"usr_1": "Agent One", "usr_2": "Agent Two"},
		creation: &carillon.Change{Actor: carillon.Actor{ID: "usr_2"}},
	}
	if got := render(t, change(carillon.OpUpdated, state, ""), ``, l); !strings.Contains(got, `"createdBy":"Agent Two","lastModifiedBy":"Agent One"`) {
		t.Errorf("rendered as %s", got)
	}
	if got := render(t, change(carillon.OpDeleted, state, ""), ``, l); !strings.Contains(got, `"deletedBy":"Agent One"`) {
		t.Errorf("rendered as %s", got)
	}
	// Nobody knows: the address stands for the name, and the creator stays unsaid.
	got := render(t, change(carillon.OpUpdated, state, ""), ``, memory{})
	if !strings.Contains(got, `"lastModifiedBy":"agent@example.com"`) || strings.Contains(got, "createdBy") {
		t.Errorf("rendered as %s", got)
	}
}

func TestALogThatCannotBeReadIsAnError(t *testing.T) {
	d := neon.New()
	s, err := d.CheckSettings(nil)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no log today")
	for _, op := range []carillon.Op{carillon.OpCreated, carillon.OpUpdated, carillon.OpDeleted} {
		c := change(op, `{"id":"acc_1"}`, "")
		if _, err := d.EncodeWith(t.Context(), carillon.Event{Change: c, Type: d.Events(c)[0]}, s, memory{broken: broken}); !errors.Is(err, broken) {
			t.Errorf("%s: %v", op, err)
		}
	}
}

func TestSettings(t *testing.T) {
	d := neon.New()
	for text, member := range map[string]string{
		`{"organizationId":7}`:                              "/settings/organizationId",
		`{"customParameters":[]}`:                           "/settings/customParameters",
		`{"customParameters":{"a":1}}`:                      "/settings/customParameters/a",
		`{"customParameters":{"":"x"}}`:                     "/settings/customParameters",
		`{"timeZone":"Middle/Earth"}`:                       "/settings/timeZone",
		`{"timeZone":"Local"}`:                              "/settings/timeZone",
		`{"timeZone":"../../etc/passwd"}`:                   "/settings/timeZone",
		`{"customParameters":{` + many(51) + `}}`:           "/settings/customParameters",
		`{"customParameters":{"a":"` + long(1025) + `"}}`:   "/settings/customParameters",
		`{"customParameters":{"` + long(1025) + `":"a"}}`:   "/settings/customParameters",
		`{"customparameters":{}}`:                           "/settings/customparameters",
		`{"customParameters":{"a":"1","a":"2"}}`:            "/settings/customParameters/a",
		`{"organizationId":"x","organizationId":"y"}`:       "/settings/organizationId",
		`{"customParameters":{"a":{"deep":["and wrong"]}}}`: "/settings/customParameters/a",
	} {
		_, err := d.CheckSettings(json.RawMessage(text))
		e, ok := errors.AsType[*carillon.Error](err)
		if !ok || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Member != member {
			t.Errorf("%.60s: %v, want a fault at %s", text, err, member)
		}
	}
	got := render(t, change(carillon.OpCreated, `{"id":"acc_1"}`, ""), `{"organizationId":"org\"1","customParameters":{"b":"\"2\"","a":"1"}}`, nil)
	if !strings.Contains(got, `"organizationId":"org\"1"`) || !strings.HasSuffix(got, `"customParameters":{"a":"1","b":"\"2\""}}`) {
		t.Errorf("rendered as %s", got)
	}
}

func many(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"p%d":"v"`, i)
	}
	return strings.Join(list, ",")
}

func long(n int) string { return strings.Repeat("x", n) }

func TestAnythingThatNeonSentIsRendered(t *testing.T) {
	d := neon.New()
	s, err := d.CheckSettings(nil)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{
		"accountId", "primaryContact", "addresses", "address", "isPrimaryAddress", "isShippingAddress", "state", "name", "createdBy",
		"customFieldDataList", "customFieldData", "unheardOf",
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
				return rapid.MapOfN(rapid.SampledFrom(names), value(depth-1), 0, 6).Draw(t, "object")
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		extra, err := json.Marshal(map[string]any{"neon": value(4).Draw(t, "extra")})
		if err != nil {
			t.Fatal(err)
		}
		c := dialecttest.Changes().Draw(t, "change")
		c.Kind, c.Extra = carillon.KindAccount, extra
		m, err := d.Encode(carillon.Event{Change: c, Type: d.Events(c)[0]}, s)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(m.Body) {
			t.Fatalf("not JSON: %s", m.Body)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	d := neon.New()
	s, err := d.CheckSettings(json.RawMessage(chicago))
	if err != nil {
		b.Fatal(err)
	}
	l := memory{users: map[string]string{"usr_1": "Agent One"}, creation: &carillon.Change{Actor: carillon.Actor{ID: "usr_1"}}}
	for _, sample := range samples {
		c := sample.change
		c.Org, c.Seq, c.Ref, c.Actor = "dev", 7, carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"}, carillon.Actor{ID: "usr_1"}
		ev := carillon.Event{Change: &c, Type: d.Events(&c)[0]}
		b.Run(strings.TrimSuffix(sample.file, ".json"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.EncodeWith(b.Context(), ev, s, l); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
