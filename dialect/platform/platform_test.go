package platform_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/dialecttest"
	"carillon/dialect/platform"
	"carillon/sample"
)

var at = time.Date(2025, 3, 4, 5, 6, 7, 89e6, time.UTC)

// samples has one change per event type, numbered as in a log.
func samples(t testing.TB) map[string]*carillon.Change {
	t.Helper()
	m := make(map[string]*carillon.Change)
	for i, name := range sample.EventTypes() {
		c, ok := sample.Change(name, at, "dev")
		if !ok {
			t.Fatalf("no sample of %s", name)
		}
		c.Seq, c.Origin = int64(i+1), "api"
		m[name] = c
	}
	return m
}

// eventOf finds an event of a change by its name.
func eventOf(t testing.TB, d *platform.Dialect, c *carillon.Change, name string) carillon.Event {
	t.Helper()
	names := d.Events(c)
	i := slices.Index(names, name)
	if i < 0 {
		t.Fatalf("%s is not among %v", name, names)
	}
	return carillon.Event{Change: c, Index: i, Type: name}
}

func TestPlatformIsADialect(t *testing.T) {
	var changes []*carillon.Change
	for _, c := range samples(t) {
		changes = append(changes, c)
	}
	dialecttest.Run(t, platform.New(), dialecttest.Fixtures{Changes: changes})
}

func change(kind carillon.Kind, op carillon.Op, changed ...carillon.MemberChange) *carillon.Change {
	c := &carillon.Change{
		Org: "dev", Seq: 7, Op: op, Lane: "acc_1", Time: at, Changed: changed,
		Ref:   carillon.Ref{Kind: kind, ID: "x_1"},
		Actor: carillon.Actor{ID: "usr_1", Type: "AGENT", Email: "agent@example.com"},
	}
	if op != carillon.OpCreated {
		c.Before = []byte(`{"id":"x_1","customFields":{"gone":["1","2"],"other":["o"],"swapped":["old"],"swapped2":[]}}`)
	}
	if op != carillon.OpDeleted {
		c.After = []byte(`{"id":"x_1","customFields":{"new":["n"],"other":["o"],"swapped":["new"],"swapped2":["\"é\""]}}`)
	}
	return c
}

var (
	plus  = func(name string) carillon.MemberChange { return carillon.MemberChange{Name: name, How: carillon.Added} }
	minus = func(name string) carillon.MemberChange {
		return carillon.MemberChange{Name: name, How: carillon.Removed}
	}
	tilde = func(name string) carillon.MemberChange {
		return carillon.MemberChange{Name: name, How: carillon.Updated}
	}
)

func TestEventsInOrder(t *testing.T) {
	for name, c := range map[string]struct {
		change *carillon.Change
		want   string
	}{
		"a creation is its lifecycle event alone": {
			change(carillon.KindAccount, carillon.OpCreated),
			"account:created",
		},
		"a deletion is its lifecycle event alone": {
			change(carillon.KindAccount, carillon.OpDeleted),
			"account:deleted",
		},
		"lifecycle, then attributes in table order, then custom fields": {
			change(carillon.KindAccount, carillon.OpUpdated,
				plus("industry"), tilde("status"), tilde("health"), minus("classification"),
				tilde("customFields.swapped"), minus("customFields.gone"), plus("customFields.new")),
			"account:updated account-health:changed account-status:changed account-classification:changed account-industry:changed " +
				"account-custom_field_value:added account-custom_field_value:removed account-custom_field_value:changed",
		},
		"many fields of a sort are one event": {
			change(carillon.KindAccount, carillon.OpUpdated, tilde("health"), tilde("customFields.swapped"), tilde("customFields.swapped2")),
			"account:updated account-health:changed account-custom_field_value:changed",
		},
		"an attribute set for the first time has changed": {
			change(carillon.KindAccount, carillon.OpUpdated, plus("industry")),
			"account:updated account-industry:changed",
		},
		"unwatched members have no event of their own": {
			change(carillon.KindAccount, carillon.OpUpdated, tilde("name"), tilde("metadata")),
			"account:updated",
		},
		"only what the platform itself sent beside the record": {
			change(carillon.KindAccount, carillon.OpUpdated, tilde("extra.neon"), tilde("extra.platform")),
			"account:updated",
		},
		"only what other vendors sent beside the record": {
			change(carillon.KindAccount, carillon.OpUpdated, tilde("extra.neon"), plus("extra.platformer")),
			"",
		},
		"what other vendors sent, among others": {
			change(carillon.KindAccount, carillon.OpUpdated, tilde("health"), tilde("extra.neon")),
			"account:updated account-health:changed",
		},
		"a custom field with the name of a watched attribute is none": {
			change(carillon.KindAccount, carillon.OpUpdated, tilde("customFields.health")),
			"account:updated account-custom_field_value:changed",
		},
		"a contact's type, but not its status": {
			change(carillon.KindContact, carillon.OpUpdated, tilde("type"), tilde("status"), plus("customFields.new")),
			"customer-contact:updated customer-contact:type:changed customer-contact:custom_field_value:added",
		},
		"a deal's stage": {
			change(carillon.KindDeal, carillon.OpUpdated, tilde("stage")),
			"deal:updated deal:stage:changed",
		},
		"kinds without custom fields tell none": {
			change(carillon.KindTask, carillon.OpUpdated, plus("customFields.new"), tilde("status")),
			"account-task:updated",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(platform.New().Events(c.change), " "); got != c.want {
				t.Errorf("events are\n%s, want\n%s", got, c.want)
			}
		})
	}
}

func TestCommentsAreNamedByWhatTheyAreOn(t *testing.T) {
	d := platform.New()
	for _, on := range []string{"activity", "note", "task"} {
		state := fmt.Appendf(nil, `{"id":"com_1","content":"\"entityType\":\"deal\"","contentJson":{"entityType":"user"},"entityType":%q}`, on)
		c := &carillon.Change{Ref: carillon.Ref{Kind: carillon.KindComment}, Op: carillon.OpCreated, After: state}
		if got, want := d.Events(c), []string{"account-" + on + ":comment:created"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		c = &carillon.Change{Ref: carillon.Ref{Kind: carillon.KindComment}, Op: carillon.OpDeleted, Before: state}
		if got, want := d.Events(c), []string{"account-" + on + ":comment:deleted"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	c := &carillon.Change{Ref: carillon.Ref{Kind: carillon.KindComment}, Op: carillon.OpCreated, After: []byte(`{"entityType":"deal"}`)}
	if got := d.Events(c); got != nil {
		t.Errorf("a comment on a deal is %v", got)
	}
}

func TestChangedCustomFieldsOfEachSort(t *testing.T) {
	d := platform.New()
	c := change(carillon.KindAccount, carillon.OpUpdated,
		minus("customFields.gone"), plus("customFields.new"), tilde("customFields.swapped"), tilde("customFields.swapped2"))
	many := change(carillon.KindAccount, carillon.OpUpdated, c.Changed...)
	for i := range 20 { // enough for the index
		many.Changed = append(many.Changed, tilde(fmt.Sprintf("member%d", i)))
	}
	for event, want := range map[string]string{
		"account-custom_field_value:added":   `[{"fieldUid":"new","newValues":["n"],"changeType":"added"}]`,
		"account-custom_field_value:removed": `[{"fieldUid":"gone","previousValues":["1","2"],"changeType":"removed"}]`,
		"account-custom_field_value:changed": `[{"fieldUid":"swapped","previousValues":["old"],"newValues":["new"],"changeType":"updated"},` +
			`{"fieldUid":"swapped2","previousValues":[],"newValues":["\"é\""],"changeType":"updated"}]`,
	} {
		for _, c := range []*carillon.Change{c, many} {
			m, err := d.Encode(eventOf(t, d, c, event), nil)
			if err != nil {
				t.Fatal(err)
			}
			var body struct{ Payload map[string]json.RawMessage }
			if err := json.Unmarshal(m.Body, &body); err != nil {
				t.Fatal(err)
			}
			if got := string(body.Payload["changedCustomFields"]); got != want {
				t.Errorf("%s: %s, want %s", event, got, want)
			}
			if string(body.Payload["account"]) != string(c.After) || string(body.Payload["previousAccount"]) != string(c.Before) {
				t.Errorf("%s lacks the record before and after: %s", event, m.Body)
			}
		}
	}
}

func TestTheEnvelopeIsSplicedInOrder(t *testing.T) {
	d := platform.New()
	c := change(carillon.KindContact, carillon.OpUpdated, tilde("type"))
	c.Actor.Email = `"quoted"@example.com`
	m, err := d.Encode(eventOf(t, d, c, "customer-contact:type:changed"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"eventId":"` + dialect.EventID(c, 1) + `","eventType":"customer-contact:type:changed","timestamp":"2025-03-04T05:06:07.089Z",` +
		`"orgId":"dev","actor":{"id":"usr_1","type":"AGENT","email":"\"quoted\"@example.com"},` +
		`"payload":{"customerContact":` + string(c.After) + `,"previousCustomerContact":` + string(c.Before) + `}}`
	if string(m.Body) != want {
		t.Errorf("body\n%s, want\n%s", m.Body, want)
	}
}

func TestAttributesAreThoseOfTheTopic(t *testing.T) {
	d := platform.New()
	c := change(carillon.KindAccount, carillon.OpCreated)
	m, err := d.Encode(eventOf(t, d, c, "account:created"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []carillon.Attribute{
		{Name: "event_name", Value: "account:created"},
		{Name: "event_id", Value: m.ID},
		{Name: "event_timestamp", Value: "2025-03-04T05:06:07.089Z"},
		{Name: "context_user_id", Value: "usr_1"},
		{Name: "context_user_type", Value: "AGENT"},
		{Name: "context_organization_id", Value: "dev"},
	}
	if !slices.Equal(m.Attributes, want) {
		t.Errorf("attributes %v, want %v", m.Attributes, want)
	}

	c.Actor = carillon.Actor{} // SNS refuses empty values
	if m, err = d.Encode(eventOf(t, d, c, "account:created"), nil); err != nil {
		t.Fatal(err)
	}
	if want := slices.Concat(want[:3], want[5:]); !slices.Equal(m.Attributes, want) {
		t.Errorf("attributes of an unknown actor %v, want %v", m.Attributes, want)
	}
}

func TestABatchIsAnArrayOfEnvelopes(t *testing.T) {
	d := platform.New()
	created, updated := change(carillon.KindAccount, carillon.OpCreated), change(carillon.KindAccount, carillon.OpUpdated, tilde("health"))
	updated.Seq, updated.Lane, updated.Time = 8, "acc_2", at.Add(time.Second)
	events := []carillon.Event{
		eventOf(t, d, created, "account:created"), eventOf(t, d, updated, "account:updated"), eventOf(t, d, updated, "account-health:changed"),
	}
	m, err := d.EncodeBatch(events, nil)
	if err != nil {
		t.Fatal(err)
	}
	var single, ids []string
	for _, ev := range events {
		one, err := d.Encode(ev, nil)
		if err != nil {
			t.Fatal(err)
		}
		single, ids = append(single, string(one.Body)), append(ids, one.ID)
	}
	if want := "[" + strings.Join(single, ",") + "]"; string(m.Body) != want {
		t.Errorf("body\n%s, want\n%s", m.Body, want)
	}
	if m.ID != dialect.BatchID(ids) || m.Type != platform.BatchType || m.Seq != 8 || m.Lane != "acc_1" {
		t.Errorf("id %s, type %s, seq %d, lane %s", m.ID, m.Type, m.Seq, m.Lane)
	}
	shared := []carillon.Attribute{
		{Name: "context_user_id", Value: "usr_1"}, {Name: "context_user_type", Value: "AGENT"}, {Name: "context_organization_id", Value: "dev"},
	}
	if !slices.Equal(m.Attributes, shared) {
		t.Errorf("attributes %v, want %v", m.Attributes, shared)
	}
	if m, err = d.EncodeBatch(events[1:2], nil); err != nil || m.Type != "account:updated" {
		t.Errorf("a batch of one type is %s, %v", m.Type, err)
	}
}

func TestASnapshotIsToldAsCreations(t *testing.T) {
	r := &carillon.Record{
		Org: "dev", Ref: carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"}, Number: 3, Version: 5, Seq: 41, Lane: "acc_1",
		Data: []byte(`{"id":"acc_1"}`), CreatedAt: at, UpdatedAt: at.Add(time.Hour),
	}
	c := dialect.SnapshotChange(r, 50)
	d := platform.New()
	m, err := d.Encode(eventOf(t, d, c, "account:created"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"eventId":"` + m.ID + `","eventType":"account:created","timestamp":"2025-03-04T06:06:07.089Z","orgId":"dev",` +
		`"actor":{"id":"carillon","type":"system","email":""},"payload":{"account":{"id":"acc_1"}}}`
	if string(m.Body) != want {
		t.Errorf("body\n%s, want\n%s", m.Body, want)
	}
	if m.Seq != 41 || !strings.HasPrefix(m.ID, "snap_") {
		t.Errorf("seq %d, id %s", m.Seq, m.ID)
	}
	if c := dialect.SnapshotChange(r, 40); c != nil {
		t.Errorf("a record younger than the snapshot is told as %v", c)
	}
}

func TestSettingsAreRefusedByName(t *testing.T) {
	d := platform.New()
	for _, settings := range []string{``, `null`, `{}`} {
		if _, err := d.CheckSettings(json.RawMessage(settings)); err != nil {
			t.Errorf("%q: %v", settings, err)
		}
	}
	_, err := d.CheckSettings(json.RawMessage(`{"source":"x","a/b":1}`))
	var e *carillon.Error
	if !errors.As(err, &e) || e.Code != carillon.CodeInvalid || len(e.Faults) != 2 ||
		e.Faults[0].Member != "/settings/a~1b" || e.Faults[1].Member != "/settings/source" {
		t.Errorf("%#v", err)
	}
}

func TestEncodeRefusesWhatIsNoEventOfTheChange(t *testing.T) {
	d := platform.New()
	c := change(carillon.KindAccount, carillon.OpUpdated, tilde("health"))
	for name, ev := range map[string]carillon.Event{
		"another type":     {Change: c, Index: 0, Type: "account:created"},
		"another index":    {Change: c, Index: 0, Type: "account-health:changed"},
		"too high":         {Change: c, Index: 2, Type: "account-health:changed"},
		"below zero":       {Change: c, Index: -1, Type: "account:updated"},
		"a state missing":  {Change: &carillon.Change{Ref: c.Ref, Op: carillon.OpUpdated, After: c.After}, Index: 0, Type: "account:updated"},
		"an unknown kind":  {Change: &carillon.Change{Ref: carillon.Ref{Kind: "planet"}, Op: carillon.OpCreated}, Index: 0, Type: "planet:created"},
		"an unknown op":    {Change: &carillon.Change{Ref: c.Ref, Op: "moved"}, Index: 0, Type: "account:moved"},
		"a comment on air": {Change: &carillon.Change{Ref: carillon.Ref{Kind: carillon.KindComment}, Op: carillon.OpCreated}, Index: 0, Type: "x"},
	} {
		if m, err := d.Encode(ev, nil); err == nil {
			t.Errorf("%s: encoded as %s", name, m.Body)
		}
	}
}

func TestNamesOfManyModulesStayRight(t *testing.T) {
	d := platform.New()
	for i := range 5000 { // more than are kept ready
		module := fmt.Sprintf("m%d", i)
		c := &carillon.Change{Ref: carillon.Ref{Kind: carillon.KindCustom, Module: module}, Op: carillon.OpDeleted}
		if got, want := d.Events(c), []string{"custom:" + module + ":deleted"}; !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

// kilobyte pads a change's states to a kilobyte each.
func kilobyte(c *carillon.Change) *carillon.Change {
	pad := func(state []byte) []byte {
		head := `{"id":"acc_1","name":"Sample","metadata":{"padding":"`
		tail := `"},` + string(state[len(`{"id":"x_1",`):])
		return []byte(head + strings.Repeat("x", 1024-len(head)-len(tail)) + tail)
	}
	c.Before, c.After = pad(c.Before), pad(c.After)
	return c
}

func BenchmarkEvents(b *testing.B) {
	d := platform.New()
	for name, c := range map[string]*carillon.Change{
		"updated":       change(carillon.KindAccount, carillon.OpUpdated, tilde("name"), tilde("health"), tilde("customFields.swapped")),
		"created":       change(carillon.KindAccount, carillon.OpCreated),
		"custom module": {Ref: carillon.Ref{Kind: carillon.KindCustom, Module: "invoices"}, Op: carillon.OpUpdated},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if len(d.Events(c)) == 0 {
					b.Fatal("no events")
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	d := platform.New()
	c := kilobyte(change(carillon.KindAccount, carillon.OpUpdated, tilde("health"), tilde("customFields.swapped")))
	for i, name := range d.Events(c) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Encode(carillon.Event{Change: c, Index: i, Type: name}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
