package freshsales_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/dialect/freshsales"
)

// sample is one of the vendor's payloads and the change that tells it. What the house has a place for is written down here
// as the house keeps it; the rest of the vendor's object is put into extra, as its connection would.
type sample struct {
	event         string
	ref           carillon.Ref
	before, after string
	// fromHouse lists the vendor's fields and associations that extra does not get: they must come out of the house.
	fromHouse []string
	actor     string
	previous  *carillon.Change
	apart     []difference
}

// difference is a place where the sample cannot be told to the letter, and why.
type difference struct{ path, reason string }

var ticks = difference{"timestamp", "the house keeps time in milliseconds"}

const (
	unkept     = `"createdAt":"2020-06-24T00:00:00.000Z","updatedAt":"2020-06-24T00:00:00.000Z"}`
	contactEnd = `"type":"CUSTOMER","status":"ACTIVE","accountId":"",`
)

// people are every object's: they come from the log.
var people = []string{"creator_id", "owner_id", "updater_id", "created_at", "updated_at", "is_deleted", "associations.creator", "associations.owner", "associations.updater"}

var samples = []sample{
	{
		event: "onContactCreate", ref: carillon.Ref{Kind: carillon.KindContact, ID: "con_1"}, actor: "usr_john",
		after: `{"id":"con_1","firstName":"fff","lastName":"","email":"",` + contactEnd + `"mobile":"9876543223456789","ownerId":"usr_john","tags":[],` +
			`"createdAt":"2020-06-09T15:21:39.000Z","updatedAt":"2020-06-09T15:21:39.000Z"}`,
		fromHouse: contactFields,
		apart: []difference{
			ticks,
			{"iparams", "this sample alone has none; the page lists them for every event"},
			{"version", "this sample alone has none"},
			{"data.contact.updater_id.value", "the page says that a new contact has no updater"},
			{"data.associations.updater", "the page says that a new contact has no updater"},
		},
	},
	{
		event: "onContactUpdate", ref: carillon.Ref{Kind: carillon.KindContact, ID: "con_1"}, actor: "usr_jim", previous: createdBy("usr_jim"),
		before: `{"id":"con_1","firstName":"Test","lastName":"owner","email":"",` + contactEnd + `"mobile":"1231231230","ownerId":"usr_jim",` +
			`"createdAt":"2020-06-24T18:23:27.000Z","updatedAt":"2020-06-24T18:23:27.000Z"}`,
		after: `{"id":"con_1","firstName":"Test","lastName":"owner Update","email":"",` + contactEnd + `"mobile":"1231231230","ownerId":"usr_jim",` +
			`"createdAt":"2020-06-24T18:23:27.000Z","updatedAt":"2020-06-24T18:27:01.000Z"}`,
		fromHouse: contactFields,
		apart:     []difference{ticks, {"data.associations.creator.email", "one user has two addresses in this sample"}},
	},
	{
		event: "onDealCreate", ref: carillon.Ref{Kind: carillon.KindDeal, ID: "deal_1"}, actor: "usr_jim",
		after: `{"id":"deal_1","name":"Deal with owner","stage":"New","amount":123,"currency":"USD","pipeline":"Default Pipeline","probability":100,"ownerId":"usr_jim",` +
			`"createdAt":"2020-06-24T18:30:54.000Z","updatedAt":"2020-06-24T18:30:54.000Z"}`,
		fromHouse: dealFields,
		apart:     []difference{ticks},
	},
	{
		event: "onDealUpdate", ref: carillon.Ref{Kind: carillon.KindDeal, ID: "deal_1"}, actor: "usr_jim", previous: createdBy("usr_jim"),
		before: `{"id":"deal_1","name":"Deal with owner","stage":"New","amount":123,"currency":"USD","pipeline":"Default Pipeline","probability":100,"ownerId":"usr_jim",` +
			`"createdAt":"2020-06-24T18:30:54.000Z","updatedAt":"2020-06-24T18:30:54.000Z"}`,
		after: `{"id":"deal_1","name":"Deal update with owner","stage":"New","amount":1234,"currency":"USD","pipeline":"Default Pipeline","probability":100,"ownerId":"usr_jim",` +
			`"createdAt":"2020-06-24T18:30:54.000Z","updatedAt":"2020-06-24T18:31:09.000Z"}`,
		fromHouse: dealFields,
		apart:     []difference{ticks},
	},
	{
		event: "onSalesAccountCreate", ref: carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"}, actor: "usr_jim",
		after: `{"id":"acc_1","name":"sales account with owner","status":"ACTIVE","health":"UNKNOWN","classification":"UNCLASSIFIED","ownerId":"usr_jim",` +
			`"createdAt":"2020-06-24T18:31:37.000Z","updatedAt":"2020-06-24T18:31:37.000Z"}`,
		fromHouse: salesAccountFields,
		apart:     []difference{ticks, {"data.associations.creator.email", "one user has two addresses in this sample"}},
	},
	{
		event: "onSalesAccountUpdate", ref: carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"}, actor: "usr_jim", previous: createdBy("usr_jim"),
		before: `{"id":"acc_1","name":"sales account with owner","status":"ACTIVE","health":"UNKNOWN","classification":"UNCLASSIFIED","ownerId":"usr_jim",` +
			`"createdAt":"2020-06-24T18:31:37.000Z","updatedAt":"2020-06-24T18:31:37.000Z"}`,
		after: `{"id":"acc_1","name":"sales account update with owner","status":"ACTIVE","health":"UNKNOWN","classification":"UNCLASSIFIED","phone":"123123123","ownerId":"usr_jim",` +
			`"createdAt":"2020-06-24T18:31:37.000Z","updatedAt":"2020-06-24T18:32:02.000Z"}`,
		fromHouse: salesAccountFields,
		apart:     []difference{ticks},
	},
	{
		event: "onCustomModuleCreate", ref: carillon.Ref{Kind: carillon.KindCustom, Module: "cm_create", ID: "cus_1"}, actor: "usr_jim",
		after: `{"id":"cus_1","module":"cm_create","name":"custom_create","ownerId":"usr_jim",` +
			`"createdAt":"2020-06-24T14:05:16.000Z","updatedAt":"2020-06-24T14:05:16.000Z"}`,
		fromHouse: customModuleFields,
		apart:     []difference{ticks},
	},
	{
		event: "onCustomModuleUpdate", ref: carillon.Ref{Kind: carillon.KindCustom, Module: "cm_create", ID: "cus_1"}, actor: "usr_jim", previous: createdBy("usr_jim"),
		before: `{"id":"cus_1","module":"cm_create","name":"custom_create","ownerId":"usr_jim",` +
			`"createdAt":"2020-06-24T14:05:16.000Z","updatedAt":"2020-06-24T14:05:16.000Z"}`,
		after: `{"id":"cus_1","module":"cm_create","name":"custom_create_update","status":"1","ownerId":"usr_jim",` +
			`"createdAt":"2020-06-24T14:05:16.000Z","updatedAt":"2020-06-24T14:06:21.000Z"}`,
		fromHouse: customModuleFields,
		apart:     []difference{ticks},
	},
	{
		event: "onAppointmentCreate", ref: carillon.Ref{Kind: carillon.KindAppointment, ID: "apt_1"}, actor: "usr_jim",
		after: `{"id":"apt_1","title":"Test","description":"asds","startAt":"2020-06-24T16:30:45.000Z","endAt":"2020-06-24T17:00:45.000Z","timeZone":"UTC",` +
			`"contactIds":["con_9"],"attendeeIds":["usr_jim"],"createdAt":"2020-06-24T16:18:10.000Z","updatedAt":"2020-06-24T16:18:10.000Z"}`,
		fromHouse: appointmentFields,
		apart:     []difference{ticks},
	},
	{
		event: "onAppointmentUpdate", ref: carillon.Ref{Kind: carillon.KindAppointment, ID: "apt_1"}, actor: "usr_jim", previous: createdBy("usr_jim"),
		before: `{"id":"apt_1","title":"Sample Appointment","description":"This is just a sample Appointment.","startAt":"2016-06-20T05:00:00.000Z",` +
			`"endAt":"2016-06-20T06:00:00.000Z","timeZone":"UTC","contactIds":["con_9"],"attendeeIds":["usr_jim"],` +
			`"createdAt":"2020-06-24T14:03:26.000Z","updatedAt":"2020-06-24T14:03:26.000Z"}`,
		after: `{"id":"apt_1","title":"Updated Appointment","description":"This is just an updated version of sample Appointment.","startAt":"2016-06-20T05:00:00.000Z",` +
			`"endAt":"2016-06-20T06:00:00.000Z","timeZone":"UTC","contactIds":["con_9"],"attendeeIds":["usr_jim"],` +
			`"createdAt":"2020-06-24T14:03:26.000Z","updatedAt":"2020-06-24T14:03:27.000Z"}`,
		fromHouse: appointmentFields,
		apart:     []difference{ticks},
	},
	{
		event: "onTaskCreate", ref: carillon.Ref{Kind: carillon.KindTask, ID: "task_1"}, actor: "usr_jim",
		after: `{"id":"task_1","accountId":"","title":"task create","description":"task create","status":"Open","priority":"Medium","dueDate":"2020-06-25T14:30:00.000Z",` +
			`"assignedUserId":"usr_jim","createdAt":"2020-06-24T14:18:23.000Z","updatedAt":"2020-06-24T14:18:23.000Z"}`,
		fromHouse: taskFields,
		apart:     []difference{ticks},
	},
	{
		event: "onTaskUpdate", ref: carillon.Ref{Kind: carillon.KindTask, ID: "task_1"}, actor: "usr_jim", previous: createdBy("usr_jim"),
		before: `{"id":"task_1","accountId":"","title":"task create","description":"task create","status":"Open","priority":"Medium","dueDate":"2020-06-25T14:30:00.000Z",` +
			`"assignedUserId":"usr_jim","createdAt":"2020-06-24T14:18:23.000Z","updatedAt":"2020-06-24T14:18:23.000Z"}`,
		after: `{"id":"task_1","accountId":"","title":"task update","description":"task update","status":"Open","priority":"Medium","dueDate":"2020-06-25T14:30:00.000Z",` +
			`"assignedUserId":"usr_jim","createdAt":"2020-06-24T14:18:23.000Z","updatedAt":"2020-06-24T14:18:38.000Z"}`,
		fromHouse: taskFields,
		apart:     []difference{ticks},
	},
}

// What must come out of the house, beside people.
var (
	contactFields      = []string{"first_name", "last_name", "name", "tags", "job_title", "emails", "work_number", "mobile_number", "contact_status_id", "country", "address", "city", "state", "zipcode", "status", "sales_account_ids", "associations.contact_status", "associations.sales_accounts"}
	dealFields         = []string{"deal_pipeline_id", "deal_product_id", "name", "deal_type_id", "contact_ids", "lead_source_id", "tags", "expected_close", "age", "amount", "deal_stage_id", "base_currency_amount", "deal_reason_id", "territory_id", "sales_account_id", "deal_payment_status_id", "expected_deal_value", "currency_id", "campaign_id", "closed_date", "probability", "associations.contacts", "associations.sales_account"}
	salesAccountFields = []string{"website", "city", "zipcode", "name", "state", "tags", "annual_revenue", "country", "status", "number_of_employees", "industry_type_id", "address", "phone", "parent_sales_account_id", "associations.parent_sales_account", "associations.industry_type"}
	customModuleFields = []string{"name", "status", "module_name"}
	appointmentFields  = []string{"targetable_id", "location", "latitude", "description", "targetable_type", "longitude", "is_allday", "end_date", "outcome_id", "from_date", "title", "time_zone", "checkedin_at", "associations.targetable", "associations.outcome"}
	taskFields         = []string{"targetable_id", "description", "targetable_type", "task_type_id", "status", "completed_date", "due_date", "title", "associations.targetable", "associations.task_type"}
)

// memory is a log of a few records.
type memory struct {
	records            map[string]*carillon.Record
	creation, previous *carillon.Change
	broken             error
	reads              *int
}

func (m memory) RecordAsOf(_ context.Context, _ string, ref carillon.Ref, _ int64) (*carillon.Record, error) {
	if m.reads != nil {
		*m.reads++
	}
	if r, ok := m.records[ref.ID]; ok && r.Kind == ref.Kind {
		return r, nil
	}
	return nil, m.missing(ref.ID)
}

func (m memory) Creation(context.Context, *carillon.Change) (*carillon.Change, error) {
	if m.creation == nil {
		return nil, m.missing("creation")
	}
	return m.creation, nil
}

func (m memory) Previous(context.Context, *carillon.Change) (*carillon.Change, error) {
	if m.previous == nil {
		return nil, m.missing("previous")
	}
	return m.previous, nil
}

func (m memory) missing(id string) error {
	if m.broken != nil {
		return m.broken
	}
	return carillon.NotFound("record", id)
}

func createdBy(user string) *carillon.Change {
	return &carillon.Change{Op: carillon.OpCreated, Actor: carillon.Actor{ID: user}}
}

// house are the records that the samples refer to.
var house = map[string]*carillon.Record{
	"usr_john": {
		Ref: carillon.Ref{Kind: carillon.KindUser, ID: "usr_john"}, Number: 1,
		Data: []byte(`{"id":"usr_john","name":"John Doe","email":"sample@xyz.com","userType":"AGENT","status":"ACTIVE","timeZone":"UTC","language":"en",` +
			`"createdAt":"2020-06-09T12:21:48.000Z","updatedAt":"2020-06-09T12:21:48.000Z"}`),
		Extra: []byte(`{"freshsales":{"id":1437,"deal_pipeline_id":154,"uuid":"190440313184929466"}}`),
	},
	"usr_jim": {
		Ref: carillon.Ref{Kind: carillon.KindUser, ID: "usr_jim"}, Number: 2,
		Data: []byte(`{"id":"usr_jim","name":"Jim Doe","email":"jim.doe@xyz.com","userType":"AGENT","status":"ACTIVE","jobTitle":"Engineer","timeZone":"UTC",` +
			`"createdAt":"2020-06-24T08:32:11.000Z","updatedAt":"2020-06-24T08:34:20.000Z"}`),
		Extra: []byte(`{"freshsales":{"id":39897,"deal_pipeline_id":27149,"uuid":"195818342547907164"}}`),
	},
	"con_9": {
		Ref: carillon.Ref{Kind: carillon.KindContact, ID: "con_9"}, Number: 9,
		Data:  []byte(`{"id":"con_9","firstName":"Ada","lastName":"Gale","email":"ada@example.com","type":"CUSTOMER","status":"ACTIVE","accountId":"acc_9",` + unkept),
		Extra: []byte(`{"freshsales":{"id":1399366}}`),
	},
	"acc_9": {
		Ref: carillon.Ref{Kind: carillon.KindAccount, ID: "acc_9"}, Number: 90,
		Data: []byte(`{"id":"acc_9","name":"Guild","website":"https://guild.example",` + unkept),
	},
}

// change makes the change of a sample, and the log around it.
func (s *sample) change(t testing.TB, seq int64) (*carillon.Change, memory) {
	t.Helper()
	payload := s.payload(t)
	data := payload["data"].(map[string]any)
	object := data[objectOf(data)].(map[string]any)
	extra := make(map[string]any)
	for name, value := range object {
		if slices.Contains(s.fromHouse, name) || slices.Contains(people, name) {
			continue
		}
		if wrapped, ok := value.(map[string]any); ok && wrapped["label"] != nil {
			value = wrapped["value"]
		}
		extra[name] = value
	}
	associations := make(map[string]any)
	for name, value := range data["associations"].(map[string]any) {
		if path := "associations." + name; !slices.Contains(s.fromHouse, path) && !slices.Contains(people, path) {
			associations[name] = value
		}
	}
	extra["associations"] = associations
	text, err := json.Marshal(map[string]any{"freshsales": extra})
	if err != nil {
		t.Fatal(err)
	}
	seconds, err := payload["timestamp"].(json.Number).Float64()
	if err != nil {
		t.Fatal(err)
	}
	c := &carillon.Change{
		Org: "dev", Seq: seq, Number: 1, Version: 1, Ref: s.ref, Op: carillon.OpCreated, Lane: "acc_1", Origin: "connection:freshsales:con_1",
		Time: time.UnixMilli(int64(seconds * 1000)).UTC(), Actor: carillon.Actor{ID: s.actor, Type: "AGENT"},
		After: []byte(s.after), Extra: text,
	}
	log := memory{records: house}
	if s.before != "" {
		c.Op, c.Before, c.Version = carillon.OpUpdated, []byte(s.before), 2
		previous := *s.previous
		previous.Extra = text
		log.creation, log.previous = &previous, &previous
	}
	return c, log
}

func (s *sample) payload(t testing.TB) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", s.event+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, text)
}

func decode(t testing.TB, text []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m
}

// objectOf finds the member of data that the event is about.
func objectOf(data map[string]any) string {
	for name := range data {
		if name != "actor" && name != "associations" && name != "changes" {
			return name
		}
	}
	return ""
}

// settingsOf are those that the sample shows.
func settingsOf(t testing.TB, payload map[string]any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"accountId": payload["account_id"], "domain": payload["domain"], "region": payload["region"], "productContext": payload["productContext"],
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheVendorsSamplesAreRenderedMemberByMember(t *testing.T) {
	d := freshsales.New()
	for i, s := range samples {
		t.Run(s.event, func(t *testing.T) {
			want := s.payload(t)
			c, log := s.change(t, int64(i+1))
			settings, err := d.CheckSettings(settingsOf(t, want))
			if err != nil {
				t.Fatal(err)
			}
			m, err := d.EncodeWith(t.Context(), carillon.Event{Change: c, Type: s.event}, settings, log)
			if err != nil {
				t.Fatal(err)
			}
			got := decode(t, m.Body)
			different := make(map[string]string)
			compare("", want, got, different)
			for _, apart := range s.apart {
				if _, ok := different[apart.path]; !ok {
					t.Errorf("%s is listed as different (%s), and is the same", apart.path, apart.reason)
				}
				delete(different, apart.path)
			}
			for path, how := range different {
				t.Errorf("%s: %s", path, how)
			}
			if w, g := want["timestamp"].(json.Number).String(), got["timestamp"].(json.Number).String(); !strings.HasPrefix(w, g) {
				t.Errorf("the timestamp is %s, want %s", g, w)
			}
		})
	}
}

// compare notes where two JSON values differ.
func compare(path string, want, got any, different map[string]string) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		for name := range w {
			below := strings.TrimPrefix(path+"."+name, ".")
			if _, ok := g[name]; !ok {
				different[below] = "is missing"
				continue
			}
			compare(below, w[name], g[name], different)
		}
		for name := range g {
			if _, ok := w[name]; !ok {
				different[strings.TrimPrefix(path+"."+name, ".")] = fmt.Sprintf("is %v, and not in the sample", g[name])
			}
		}
		return
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			break
		}
		for i := range w {
			compare(fmt.Sprintf("%s.%d", path, i), w[i], g[i], different)
		}
		return
	default:
		if want == got {
			return
		}
	}
	different[path] = fmt.Sprintf("is %v, want %v", got, want)
}
