package freshsales_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"carillon"
)

// back are the places where a sample, posted to a connection, applied and told again, is another; all of them.
var back = map[string][]difference{
	"": {{"timestamp", "it is when the house made the change"}},
	"onContactCreate": {
		{"iparams", "this sample alone has none; the page lists them for every event"},
		{"version", "this sample alone has none"},
	},
	"onContactUpdate":      {{"data.associations.creator.email", "one user has two addresses in this sample"}},
	"onSalesAccountCreate": {{"data.associations.creator.email", "one user has two addresses in this sample"}},
}

// backAlone are the places where an update of what the house does not know yet is told otherwise: as a creation.
var backAlone = []difference{
	{"event", "the house has not known the record"},
	{"data.changes", "there was nothing before"},
}

// backOf are the places where a creation is told otherwise than an update, object by object.
var backOf = map[string][]difference{
	"onContactUpdate":     {{"data.contact.phone_numbers", "creations have none"}},
	"onAppointmentUpdate": {{"data.appointment.source_additional_info", "updates have none"}},
}

// backThroughClassic are the places where it is another if it went through the Classic form: by sample, and of users wherever they are.
var (
	backThroughClassic = map[string][]difference{
		"onCustomModuleCreate": customThroughClassic,
		"onCustomModuleUpdate": customThroughClassic,
	}
	customThroughClassic = []difference{
		{"data.custom_module_record.custom_fields.0.label", "Classic has the names and values of custom fields only"},
		{"data.custom_module_record.custom_fields.0.column", "Classic has the names and values of custom fields only"},
	}
	usersThroughClassic = []string{"job_title", "time_zone", "deal_pipeline_id", "uuid", "created_at", "updated_at"}
)

// Every sample of the vendor, posted to a connection, applied and told again, is the same but for what is listed.
func TestTheVendorsSamplesComeBack(t *testing.T) {
	for _, s := range samples {
		t.Run(s.event, func(t *testing.T) {
			h := openHouse(t)
			body := published(t, s.event)
			if strings.HasSuffix(s.event, "Update") {
				h.apply(asCreated(t, body))
			}
			want := decode(t, body)
			got := decode(t, h.told(h.apply(body), string(settingsOf(t, want))))
			checkDifferences(t, want, got, slices.Concat(back[""], back[s.event]))
		})
	}
}

// Where they can follow one another, the creation and the update of a page are of one record.
func TestTheVendorsUpdatesFollowItsCreations(t *testing.T) {
	for _, object := range []string{"Deal", "SalesAccount", "CustomModule", "Task"} {
		t.Run(object, func(t *testing.T) {
			h := openHouse(t)
			h.apply(published(t, "on"+object+"Create"))
			body := published(t, "on"+object+"Update")
			want := decode(t, body)
			d := h.apply(body)
			if len(d.Told[0].Seqs) != 1 { // that of the record: the users are as they were
				t.Errorf("the update makes the changes %v", d.Told[0].Seqs)
			}
			checkDifferences(t, want, decode(t, h.told(d, string(settingsOf(t, want)))), back[""])
		})
	}
}

func TestWhatIsSaidAgainLaterMakesNoDifference(t *testing.T) {
	for _, s := range samples {
		t.Run(s.event, func(t *testing.T) {
			h := openHouse(t)
			h.apply(published(t, s.event))
			again := decode(t, published(t, s.event))
			again["timestamp"] = json.Number("1700000000.5")
			body, err := json.Marshal(again)
			if err != nil {
				t.Fatal(err)
			}
			if d := h.hear(body); d.State != carillon.InboxApplied || d.Told[0].Outcome != "unchanged" {
				t.Errorf("it is %s: %+v", d.State, d.Told)
			}
		})
	}
}

func TestAnUpdateOfWhatIsNotKnownIsACreation(t *testing.T) {
	for _, s := range samples {
		if strings.HasSuffix(s.event, "Create") {
			continue
		}
		t.Run(s.event, func(t *testing.T) {
			h := openHouse(t)
			body := published(t, s.event)
			want := decode(t, body)
			got := decode(t, h.told(h.apply(body), string(settingsOf(t, want))))
			checkDifferences(t, want, got, slices.Concat(back[""], back[s.event], backAlone, backOf[s.event]))
			if want := strings.Replace(s.event, "Update", "Create", 1); got["event"] != want {
				t.Errorf("the event is %v, want %s", got["event"], want)
			}
		})
	}
}

// What the suite says, told in the Classic form to another house, read there and told as the suite does.
func TestTheClassicFormCarriesWhatTheSuiteSays(t *testing.T) {
	for _, s := range samples {
		t.Run(s.event, func(t *testing.T) {
			suite, classic := openHouse(t), openHouse(t)
			body := published(t, s.event)
			want := decode(t, body)
			settings := string(settingsOf(t, want))
			plain := strings.ReplaceAll(settings, "freshworks_crm", "freshsales")
			if strings.HasSuffix(s.event, "Update") {
				classic.apply(suite.told(suite.apply(asCreated(t, body)), plain))
			}
			passed := suite.told(suite.apply(body), plain)
			if data := decode(t, passed)["data"].(map[string]any); data["actor"] != nil || data["associations"] != nil {
				t.Fatalf("this is not Classic: %s", passed)
			}
			got := decode(t, classic.told(classic.apply(passed), settings))
			apart := slices.Concat(back[""], back[s.event], backThroughClassic[s.event])
			for _, user := range []string{"data.actor", "data.associations.owner", "data.associations.creator", "data.associations.updater"} {
				for _, member := range usersThroughClassic {
					if told := at2(want, append(strings.Split(user, "."), member)...); told != nil {
						apart = append(apart, difference{user + "." + member, "Classic says less of users"})
					}
				}
			}
			checkDifferences(t, want, got, apart)
		})
	}
}

// checkDifferences wants a body to be another in all these places, and nowhere else.
func checkDifferences(t *testing.T, want, got map[string]any, apart []difference) {
	t.Helper()
	different := make(map[string]string)
	compare("", want, got, different)
	for _, a := range apart {
		if _, ok := different[a.path]; !ok {
			t.Errorf("%s is listed as different (%s), and is the same", a.path, a.reason)
		}
		delete(different, a.path)
	}
	for _, path := range slices.Sorted(maps.Keys(different)) {
		t.Errorf("%s: %s", path, different[path])
	}
}

// asCreated makes an update the creation of what was before.
func asCreated(t testing.TB, body []byte) []byte {
	t.Helper()
	payload := decode(t, body)
	payload["event"] = strings.Replace(payload["event"].(string), "Update", "Create", 1)
	payload["timestamp"] = json.Number("1590000000.5")
	data := payload["data"].(map[string]any)
	object := data[objectOf(data)].(map[string]any)
	for name, pair := range at2(data, "changes", "model_changes").(map[string]any) {
		old := pair.([]any)[0]
		value, wrapped := object[name].(map[string]any)
		if !wrapped {
			object[name] = old
			continue
		}
		if _, model := value["value"].(map[string]any); model {
			old = map[string]any{"id": old, "model": "user"}
		}
		value["value"] = old
	}
	delete(data, "changes")
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The documentation lists all that comes back otherwise.
func TestTheDocumentationListsWhatComesBackOtherwise(t *testing.T) {
	section := documentation(t)
	_, section, found := strings.Cut(section, "\n### Round trip\n")
	if !found {
		t.Fatal("there is no such section")
	}
	lists := [][]difference{backAlone}
	for _, list := range []map[string][]difference{back, backOf, backThroughClassic} {
		lists = append(lists, slices.Collect(maps.Values(list))...)
	}
	for _, list := range lists {
		for _, d := range list {
			path := d.path[strings.LastIndexByte(d.path, '.')+1:]
			if !strings.Contains(section, "`"+d.path+"`") && !strings.Contains(section, "`"+path+"`") {
				t.Errorf("%s is not listed", d.path)
			}
		}
	}
	for _, member := range usersThroughClassic {
		if !strings.Contains(section, "`"+member+"`") {
			t.Errorf("%s of users is not listed", member)
		}
	}
}

// checkMembers wants the members at these paths to be this JSON.
func checkMembers(t testing.TB, root any, paths map[string]string) {
	t.Helper()
	for path, want := range paths {
		got, err := json.Marshal(at2(root, strings.Split(path, ".")...))
		if err != nil || string(got) != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}
