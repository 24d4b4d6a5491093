package smarterpay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/dialecttest"
	"carillon/dialect/smarterpay"
	"carillon/sample"
)

var at = time.Date(2024, 4, 15, 10, 28, 51, 0, time.UTC)

// customer is a change of the account in the vendor's sample.
func customer(op carillon.Op) *carillon.Change {
	state := []byte(`{"id":"acc_1","name":"James Hetfield","status":"ACTIVE","health":"Healthy","classification":"SMB","type":"individual",` +
		`"primaryContact":{"title":"Mr","firstName":"James","lastName":"Hetfield","email":"james.hetfield@email.com"},` +
		`"billingAddress":{"line1":"Utility House","line2":"32-36 Prospect Street","city":"Hull","postalCode":"HU2 8PX","country":"United Kingdom"},` +
		`"createdAt":"2024-04-15T10:28:51.000Z","updatedAt":"2024-04-15T10:28:51.000Z"}`)
	c := &carillon.Change{
		Org: "dev", Seq: 7, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"}, Op: op, Number: 3, Version: 1, Lane: "acc_1",
		Time: at, Actor: carillon.Actor{ID: "usr_1", Type: "AGENT"}, Origin: "api",
	}
	if op != carillon.OpCreated {
		c.Before = state
	}
	if op != carillon.OpDeleted {
		c.After = state
	}
	return c
}

// with puts a value in place of a member of the account's state after the change.
func with(c *carillon.Change, member, value string) *carillon.Change {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(c.After, &members); err != nil {
		panic(err)
	}
	delete(members, member)
	if value != "" {
		members[member] = json.RawMessage(value)
	}
	state, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	c.After = state
	return c
}

func eventOf(c *carillon.Change) carillon.Event {
	return carillon.Event{Change: c, Type: smarterpay.New().Events(c)[0]}
}

func settings(t testing.TB, text string) dialect.Settings {
	t.Helper()
	s, err := smarterpay.New().CheckSettings(json.RawMessage(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// webhook is a message's body.
type webhook struct {
	ID             string                       `json:"id"`
	IdempotencyKey string                       `json:"idempotency_key"`
	SentAt         string                       `json:"sent_at"`
	Client         json.RawMessage              `json:"client"`
	Events         []map[string]json.RawMessage `json:"events"`
}

func read(t testing.TB, m carillon.Message) webhook {
	t.Helper()
	var w webhook
	if err := json.Unmarshal(m.Body, &w); err != nil {
		t.Fatalf("%v\n%s", err, m.Body)
	}
	return w
}

// told is the one event of a change as the vendor would tell it.
func told(t testing.TB, c *carillon.Change, s dialect.Settings) map[string]json.RawMessage {
	t.Helper()
	m, err := smarterpay.New().Encode(eventOf(c), s)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, m).Events[0]
}

// samples are the changes of every story, numbered as in a log.
func samples(t testing.TB) []*carillon.Change {
	t.Helper()
	var list []*carillon.Change
	for i, name := range sample.EventTypes() {
		c, ok := sample.Change(name, at, "dev")
		if !ok {
			t.Fatalf("no sample of %s", name)
		}
		c.Seq, c.Origin = int64(i+1), "api"
		list = append(list, c)
	}
	return list
}

func TestSmarterPayIsADialect(t *testing.T) {
	for name, text := range map[string]string{
		"without settings": ``, "with all": `{"clientId":"CL01LG420EJ9DP1VQWR9","eventSource":"Portal","giftAid":true}`,
	} {
		t.Run(name, func(t *testing.T) {
			dialecttest.Run(t, smarterpay.New(), dialecttest.Fixtures{Changes: samples(t), Settings: json.RawMessage(text)})
		})
	}
}

func TestOnlyAccountsAreTold(t *testing.T) {
	for _, c := range samples(t) {
		want := map[carillon.Op]string{
			carillon.OpCreated: "customer_account.create", carillon.OpUpdated: "customer_account.update", carillon.OpDeleted: "customer_account.update",
		}[c.Op]
		if c.Kind != carillon.KindAccount {
			want = ""
		}
		if got := strings.Join(smarterpay.New().Events(c), " "); got != want {
			t.Errorf("%s of %s is %q, want %q", c.Op, c.Kind, got, want)
		}
	}
}

func TestWhatTheAccountSays(t *testing.T) {
	for name, c := range map[string]struct {
		member, value string // of the account; "" is absent
		want          map[string]string
	}{
		"an organization has a company name": {"type", `"organization"`, map[string]string{"company_name": `"James Hetfield"`, "first_name": `"James"`}},
		"so has what has no type":            {"type", ``, map[string]string{"company_name": `"James Hetfield"`}},
		"an individual has none":             {"type", `"Individual"`, map[string]string{"company_name": `null`}},
		"an individual without a contact is known by the account's name": {"primaryContact", ``, map[string]string{
			"first_name": `"James"`, "last_name": `"Hetfield"`, "email": `null`, "title": `null`,
		}},
		"half a contact's name is not made up": {"primaryContact", `{"firstName":"Jim"}`, map[string]string{
			"first_name": `"Jim"`, "last_name": `null`,
		}},
		"a prospect is active":             {"status", `"PROSPECT"`, map[string]string{"status": `"active"`}},
		"a trial is active":                {"status", `"TRIAL"`, map[string]string{"status": `"active"`}},
		"who has churned is inactive":      {"status", `"CHURNED"`, map[string]string{"status": `"inactive"`}},
		"who was acquired is inactive":     {"status", `"ACQUIRED"`, map[string]string{"status": `"inactive"`}},
		"inactive is inactive in any case": {"status", `"Inactive"`, map[string]string{"status": `"inactive"`}},
		"any other status is active":       {"status", `"VIP"`, map[string]string{"status": `"active"`}},
		"countries by code": {"deliveryAddress", `{"line1":"1 Rue","city":"Paris","state":"IDF","country":"fr"}`, map[string]string{
			"delivery_country_code": `"FR"`, "delivery_address_line_1": `"1 Rue"`, "delivery_city": `"Paris"`, "delivery_state": `"IDF"`,
			"delivery_address_line_2": `null`, "billing_country_code": `"GB"`,
		}},
		"countries that are none":     {"billingAddress", `{"line1":"1 Road","country":"Exampleland","state":"Sample"}`, map[string]string{"billing_country_code": `null`, "billing_state": `"Sample"`}},
		"metadata is told as text":    {"metadata", `{"a":{"b":1.50},"c":"\"é\""}`, map[string]string{"metadata": `"{\"a\":{\"b\":1.50},\"c\":\"\\\"é\\\"\"}"`}},
		"references":                  {"customReference", `"REF-1"`, map[string]string{"custom_reference": `"REF-1"`}},
		"legacy ids":                  {"legacyId", `"CUST00032423"`, map[string]string{"legacy_id": `"CUST00032423"`}},
		"what has no place is silent": {"website", `"https://example.com"`, map[string]string{"website": ``}},
		"times are whole seconds":     {"createdAt", `"2023-01-02T03:04:05.999Z"`, map[string]string{"created_at": `"2023-01-02T03:04:05Z"`, "edited_at": `"2024-04-15T10:28:51Z"`}},
	} {
		t.Run(name, func(t *testing.T) {
			got := told(t, with(customer(carillon.OpCreated), c.member, c.value), nil)
			for member, want := range c.want {
				if string(got[member]) != want {
					t.Errorf("%s is %s, want %s", member, got[member], want)
				}
			}
		})
	}
}

func TestASingleNameIsALastName(t *testing.T) {
	got := told(t, with(with(customer(carillon.OpCreated), "primaryContact", ""), "name", `"Madonna"`), nil)
	if string(got["first_name"]) != "null" || string(got["last_name"]) != `"Madonna"` {
		t.Errorf("%s %s", got["first_name"], got["last_name"])
	}
}

func TestADeletedAccountIsInactive(t *testing.T) {
	got := told(t, customer(carillon.OpDeleted), nil)
	if string(got["event_type"]) != `"customer_account.update"` || string(got["status"]) != `"inactive"` || string(got["email"]) != `"james.hetfield@email.com"` {
		t.Errorf("%s", got)
	}
}

// What the vendor sent comes back; what it sent of an earlier change does not stand in for this one.
func TestExtraGoesOutAgain(t *testing.T) {
	extra := `{"neon":{"id":"no"},"smarterpay":{"id":"CUST1","created_at":"2020-01-01T00:00:00Z","created_by":null,"edited_by":{"id":"CU0"},` +
		`"event_source":"Portal","gift_aid":true,"metadata":"free text","status":"odd","vip":{"since":[1]},"gift_aid_note":"\"x\""}}`
	for name, c := range map[string]struct {
		origin, settings string
		metadata         string // the record's
		want             map[string]string
	}{
		"with what just came": {"connection:smarterpay:con_1", ``, ``, map[string]string{
			"id": `"CUST1"`, "created_at": `"2020-01-01T00:00:00Z"`, "created_by": `null`, "edited_by": `{"id":"CU0"}`, "event_source": `"Portal"`,
			"gift_aid": `true`, "metadata": `"free text"`, "status": `"active"`, "vip": `{"since":[1]}`, "gift_aid_note": `"\"x\""`,
		}},
		"with what was changed here": {"api", ``, `{"a":1}`, map[string]string{
			"id": `"CUST1"`, "created_by": `null`, "event_source": `"API"`, "gift_aid": `true`, "metadata": `"{\"a\":1}"`, "vip": `{"since":[1]}`,
			"edited_by": `{"id":"` + user + `"}`,
		}},
		"in the subscription's words": {"connection:smarterpay:con_1", `{"eventSource":"Feed \"7\""}`, ``, map[string]string{"event_source": `"Feed \"7\""`}},
	} {
		t.Run(name, func(t *testing.T) {
			change := with(customer(carillon.OpUpdated), "metadata", c.metadata)
			change.Extra, change.Origin = []byte(extra), c.origin
			got := told(t, change, settings(t, c.settings))
			for member, want := range c.want {
				if string(got[member]) != want {
					t.Errorf("%s is %s, want %s", member, got[member], want)
				}
			}
		})
	}
}

// user is the id of usr_1 in the vendor's shape. It is in receivers' databases: a change here is a change of every id ever sent.
const user = "CUTPPT9DBGSHWJF86PHH"

func TestTheVendorsTextOfMetadataStandsWhileItSaysTheSame(t *testing.T) {
	c := with(customer(carillon.OpUpdated), "metadata", `{"a":[1,2],"b":"é"}`)
	c.Extra = []byte(`{"smarterpay":{"metadata":"{ \"b\": \"\\u00e9\", \"a\": [1, 2] }"}}`)
	if got := told(t, c, nil)["metadata"]; string(got) != `"{ \"b\": \"\\u00e9\", \"a\": [1, 2] }"` {
		t.Errorf("the same: %s", got)
	}
	with(c, "metadata", `{"a":[1,2],"b":"è"}`)
	if got := told(t, c, nil)["metadata"]; string(got) != `"{\"a\":[1,2],\"b\":\"è\"}"` {
		t.Errorf("changed since: %s", got)
	}
}

func TestGiftAidIsToldWhereItIsAskedForOrKnown(t *testing.T) {
	c := customer(carillon.OpCreated)
	if got, ok := told(t, c, nil)["gift_aid"]; ok {
		t.Errorf("told as %s", got)
	}
	if got := told(t, c, settings(t, `{"giftAid":true}`))["gift_aid"]; string(got) != "false" {
		t.Errorf("asked for, and told as %s", got)
	}
	c.Extra = []byte(`{"smarterpay":{"gift_aid":true}}`)
	if got := told(t, c, settings(t, `{"giftAid":true}`))["gift_aid"]; string(got) != "true" {
		t.Errorf("known, and told as %s", got)
	}
}

var vendorID = regexp.MustCompile(`^"[A-Z]{2}[0-9A-Z]{18}"$`)

func TestIDsAreShapedLikeTheVendors(t *testing.T) {
	c := customer(carillon.OpCreated)
	got := told(t, c, nil)
	for member, prefix := range map[string]string{"id": `"CA`, "event_id": `"HI`} {
		if id := string(got[member]); !vendorID.MatchString(id) || !strings.HasPrefix(id, prefix) {
			t.Errorf("%s is %s", member, id)
		}
	}
	for member, prefix := range map[string]string{"created_by": `"CU`, "edited_by": `"CU`, "client": `"CL`} {
		id := string(dialect.Member(got[member], "id"))
		if !vendorID.MatchString(id) || !strings.HasPrefix(id, prefix) {
			t.Errorf("%s is %s", member, got[member])
		}
	}

	other := customer(carillon.OpUpdated)
	other.Seq = 8
	again := told(t, other, nil)
	if string(again["id"]) != string(got["id"]) || string(again["event_id"]) == string(got["event_id"]) {
		t.Errorf("of the next change of the same account, id %s (was %s), event_id %s (was %s)", again["id"], got["id"], again["event_id"], got["event_id"])
	}
	other.Org = "acme"
	if elsewhere := told(t, other, nil); string(elsewhere["id"]) == string(got["id"]) || string(elsewhere["client"]) == string(got["client"]) {
		t.Error("two organizations have the same ids")
	}

	c.ID, c.Actor.ID = "CA01G420EJ9D44P1VQWR", "CU01LG420EJ9VWP1VQWR"
	got = told(t, c, settings(t, `{"clientId":"CL01LG420EJ9DP1VQWR9"}`))
	if string(got["id"]) != `"CA01G420EJ9D44P1VQWR"` || string(got["created_by"]) != `{"id":"CU01LG420EJ9VWP1VQWR"}` || string(got["client"]) != `{"id":"CL01LG420EJ9DP1VQWR9"}` {
		t.Errorf("the vendor's own ids are told as %s, %s, %s", got["id"], got["created_by"], got["client"])
	}
}

func TestNobodyIsNamedForASnapshot(t *testing.T) {
	c := customer(carillon.OpCreated)
	c.Origin, c.Actor = dialect.OriginSnapshot, dialect.SnapshotActor
	if got := told(t, c, nil); string(got["created_by"]) != "null" || string(got["edited_by"]) != "null" {
		t.Errorf("created by %s, edited by %s", got["created_by"], got["edited_by"])
	}
}

// past is a log of one creation.
type past struct {
	dialect.Lookup
	creator carillon.Actor
	err     error
}

func (p past) Creation(context.Context, *carillon.Change) (*carillon.Change, error) {
	if p.err != nil {
		return nil, p.err
	}
	return &carillon.Change{Op: carillon.OpCreated, Actor: p.creator}, nil
}

func TestTheLogTellsWhoCreatedAnAccount(t *testing.T) {
	c := customer(carillon.OpUpdated)
	for name, by := range map[string]struct {
		log     past
		created string
	}{
		"known":   {past{creator: carillon.Actor{ID: "CU01LG420EJ9VWP1VQWR"}}, `{"id":"CU01LG420EJ9VWP1VQWR"}`},
		"unknown": {past{err: carillon.NotFound("the creation of", "account acc_1")}, `null`},
	} {
		single, err := smarterpay.New().EncodeWith(t.Context(), eventOf(c), nil, by.log)
		if err != nil {
			t.Fatal(err)
		}
		batch, err := smarterpay.New().EncodeBatchWith(t.Context(), []carillon.Event{eventOf(c)}, nil, by.log)
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, single).Events[0]
		if string(got["created_by"]) != by.created || string(got["edited_by"]) != `{"id":"`+user+`"}` {
			t.Errorf("%s: created by %s, edited by %s", name, got["created_by"], got["edited_by"])
		}
		if string(single.Body) != string(batch.Body) {
			t.Errorf("%s: a batch of one says\n%s, the single one\n%s", name, batch.Body, single.Body)
		}
	}
	broken := errors.New("the disk is gone")
	if _, err := smarterpay.New().EncodeWith(t.Context(), eventOf(c), nil, past{err: broken}); !errors.Is(err, broken) {
		t.Errorf("a log that cannot be read: %v", err)
	}
}

func TestABatchIsOneWebhook(t *testing.T) {
	var events []carillon.Event
	for i, op := range []carillon.Op{carillon.OpCreated, carillon.OpUpdated, carillon.OpDeleted, carillon.OpUpdated} {
		c := customer(op)
		c.Seq, c.ID = int64(i+1), fmt.Sprintf("acc_%d", i%3)
		c.Lane, c.Time = c.ID, at.Add(time.Duration([]int{0, 3, 2, 1}[i])*time.Second)
		events = append(events, eventOf(c))
	}
	m, err := smarterpay.New().EncodeBatch(events, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := read(t, m)
	if m.Type != smarterpay.BatchType || m.Seq != 4 || m.Lane != "acc_0" || w.SentAt != "2024-04-15T10:28:54Z" {
		t.Errorf("type %s, seq %d, lane %s, sent at %s", m.Type, m.Seq, m.Lane, w.SentAt)
	}
	if len(w.Events) != len(events) {
		t.Fatalf("%d events of %d", len(w.Events), len(events))
	}
	for i, ev := range events {
		one := told(t, ev.Change, nil)
		if diff := cmp.Diff(one, w.Events[i]); diff != "" {
			t.Errorf("event %d is not what it is alone:\n%s", i, diff)
		}
	}
	if same, err := smarterpay.New().EncodeBatch(events[1:2], nil); err != nil || same.Type != "customer_account.update" {
		t.Errorf("a batch of one type is %s, %v", same.Type, err)
	}
}

// The key of a batch depends on its events and their order, and on nothing else.
func TestIdempotencyKeys(t *testing.T) {
	d := smarterpay.New()
	rapid.Check(t, func(t *rapid.T) {
		var events []carillon.Event
		for i, change := range rapid.SliceOfNDistinct(rapid.Int64Range(1, 1<<40), 2, 20, rapid.ID).Draw(t, "seqs") {
			c := customer([]carillon.Op{carillon.OpCreated, carillon.OpUpdated, carillon.OpDeleted}[i%3])
			c.Seq = change
			events = append(events, eventOf(c))
		}
		body := func(list []carillon.Event, s string) webhook {
			of, err := d.CheckSettings(json.RawMessage(s))
			if err != nil {
				t.Fatal(err)
			}
			m, err := d.EncodeBatch(list, of)
			if err != nil {
				t.Fatal(err)
			}
			var w webhook
			if err := json.Unmarshal(m.Body, &w); err != nil {
				t.Fatal(err)
			}
			return w
		}
		first := body(events, ``)
		if len(first.Events) != len(events) {
			t.Errorf("%d events of %d", len(first.Events), len(events))
		}
		for i, ev := range events {
			one := body([]carillon.Event{ev}, ``)
			if string(one.Events[0]["event_id"]) != string(first.Events[i]["event_id"]) {
				t.Errorf("event %d is out of order", i)
			}
		}
		if key, err := uuid.Parse(first.IdempotencyKey); err != nil || key.Version() != 5 || key.Variant() != uuid.RFC4122 {
			t.Errorf("%s is no UUID of version 5: %v", first.IdempotencyKey, err)
		}
		if again := body(slices.Clone(events), `{"eventSource":"Portal"}`); again.IdempotencyKey != first.IdempotencyKey || again.ID != first.ID {
			t.Error("the same events have two keys")
		}
		reversed := slices.Clone(events)
		slices.Reverse(reversed)
		for name, list := range map[string][]carillon.Event{"fewer": events[1:], "in another order": reversed} {
			if other := body(list, ``); other.IdempotencyKey == first.IdempotencyKey || other.ID == first.ID {
				t.Errorf("%s events have the same key", name)
			}
		}
	})
}

func TestEncodeRefusesWhatIsNoEventOfTheChange(t *testing.T) {
	c := customer(carillon.OpUpdated)
	for name, ev := range map[string]carillon.Event{
		"another type":  {Change: c, Type: "customer_account.create"},
		"another index": {Change: c, Index: 1, Type: "customer_account.update"},
		"below zero":    {Change: c, Index: -1, Type: "customer_account.update"},
		"another kind":  {Change: &carillon.Change{Ref: carillon.Ref{Kind: carillon.KindDeal}, Op: carillon.OpUpdated}, Type: "customer_account.update"},
		"no state":      {Change: &carillon.Change{Ref: c.Ref, Op: carillon.OpUpdated, Before: c.Before}, Type: "customer_account.update"},
	} {
		if m, err := smarterpay.New().Encode(ev, nil); err == nil {
			t.Errorf("%s: encoded as %s", name, m.Body)
		}
		if m, err := smarterpay.New().EncodeBatch([]carillon.Event{eventOf(c), ev}, nil); err == nil {
			t.Errorf("%s, in a batch: encoded as %s", name, m.Body)
		}
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for text, member := range map[string]string{
		`{"clientId":"a b"}`:     "/settings/clientId",
		`{"clientId":7}`:         "/settings/clientId",
		`{"eventSource":"a\nb"}`: "/settings/eventSource",
		`{"eventSource":"` + strings.Repeat("é", 51) + `"}`: "/settings/eventSource",
		`{"giftAid":"yes"}`: "/settings/giftAid",
		`{"clientID":"CL"}`: "/settings/clientID",
	} {
		_, err := smarterpay.New().CheckSettings(json.RawMessage(text))
		e, ok := errors.AsType[*carillon.Error](err)
		if !ok || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Member != member {
			t.Errorf("%s: %v, want one fault at %s", text, err, member)
		}
	}
}

func TestTenFurtherAttemptsAtGrowingIntervals(t *testing.T) {
	schedule := smarterpay.New().RetrySchedule()
	if len(schedule) != 10 || !slices.IsSorted(schedule) || len(slices.Compact(slices.Clone(schedule))) != 10 {
		t.Errorf("%v", schedule)
	}
}

// kilobyte is an update of a record of a kilobyte, before and after.
func kilobyte() *carillon.Change {
	c := with(customer(carillon.OpUpdated), "metadata", `{"padding":"`+strings.Repeat("x", 400)+`"}`)
	c.Before = c.After
	return c
}

func BenchmarkEncode(b *testing.B) {
	d, ev := smarterpay.New(), eventOf(kilobyte())
	s := settings(b, `{"clientId":"CL01LG420EJ9DP1VQWR9"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Encode(ev, s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeBatchOf100(b *testing.B) {
	d, s := smarterpay.New(), settings(b, ``)
	var events []carillon.Event
	for i := range 100 {
		c := kilobyte()
		c.Seq = int64(i + 1)
		events = append(events, eventOf(c))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.EncodeBatch(events, s); err != nil {
			b.Fatal(err)
		}
	}
}
