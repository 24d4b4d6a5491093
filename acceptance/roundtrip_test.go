package acceptance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// chapter is a vendor's sample, and where what is told of it differs: ids and times that are made anew, and what the vendor's own
// samples make impossible (docs/dialects.md, "Round trip"). Package dialect and its rooms hold the samples to the same
// lists more closely; this is the way through the binary.
type chapter struct {
	file  string
	apart []string
}

var volumes = map[string][][]chapter{
	"neon": {
		{
			{"create_individual_account", []string{"/eventTimestamp"}},
			{"edit_individual_account", []string{"/eventTimestamp"}},
			{"delete_account", []string{"/eventTimestamp"}},
		},
		{
			{"create_organization_account", []string{"/event", "/eventTimestamp", "/eventTrigger"}},
			{"edit_organization_account", []string{"/event", "/eventTimestamp", "/eventTrigger"}},
		},
	},
	"smarterpay": {
		{{"record_creation.webhook", []string{"/events/0/event_id", "/id", "/idempotency_key", "/sent_at"}}},
		{{"record_creation.webhook.2024-11", []string{"/events/0/event_id", "/id", "/idempotency_key", "/sent_at"}}},
	},
	"freshsales": {
		{{"onContactCreate", []string{"/iparams", "/timestamp", "/version"}}},
		{{"onDealCreate", []string{"/timestamp"}}, {"onDealUpdate", []string{"/timestamp"}}},
		{{"onSalesAccountCreate", []string{"/data/associations/creator/email", "/timestamp"}}, {"onSalesAccountUpdate", []string{"/timestamp"}}},
		{{"onCustomModuleCreate", []string{"/timestamp"}}, {"onCustomModuleUpdate", []string{"/timestamp"}}},
		{{"onAppointmentCreate", []string{"/timestamp"}}},
		{{"onTaskCreate", []string{"/timestamp"}}, {"onTaskUpdate", []string{"/timestamp"}}},
	},
}

// Each sample, posted to a connection, applied and told again in the same dialect, is the same JSON but for what is listed.
func TestSamplesComeBack(t *testing.T) {
	for name, volume := range volumes {
		t.Run(name, func(t *testing.T) {
			for _, chapters := range volume {
				s := serve(t, t.TempDir())
				in := s.connect(object{"dialect": name})
				endpoint := collect(t)
				var sub subscription
				for i, c := range chapters {
					body, err := os.ReadFile("../dialect/" + name + "/testdata/" + c.file + ".json")
					if err != nil {
						t.Fatal(err)
					}
					want := tree(t, body)
					if i == 0 {
						s.must("POST", "/v1/subscriptions", object{
							"name": "back", "dialect": name, "echo": true, "settings": settingsOf(name, want),
							"sink": object{"type": "webhook", "url": endpoint.url},
						}, &sub)
					}
					// As Neon's page has it: testdata adds a comma, and an edit must make a difference.
					body = bytes.Replace(body, []byte("},\n         \"consentInformation\""), []byte("}\n         \"consentInformation\""), 1)
					if strings.HasPrefix(c.file, "edit") {
						s.touchAccounts()
						s.caughtUp(sub.ID)
						endpoint.take()
					}
					if err := s.post(in.URL, "application/json", string(body)); err != nil {
						t.Fatal(err)
					}
					s.worked(in.ID)
					s.caughtUp(sub.ID)
					bodies := endpoint.take()
					if len(bodies) != 1 {
						t.Fatalf("%s: told %d times", c.file, len(bodies))
					}
					if got := differences("", want, tree(t, bodies[0])); !slices.Equal(got, c.apart) {
						t.Errorf("%s: told otherwise are %q, want %q\n%s", c.file, got, c.apart, bodies[0])
					}
				}
				s.stop()
			}
		})
	}
}

// touchAccounts has the house change something that the vendor's format carries.
func (s *server) touchAccounts() {
	s.t.Helper()
	var page struct{ Items []struct{ ID string } }
	s.must("GET", "/v1/accounts", nil, &page)
	for _, account := range page.Items {
		s.must("PATCH", "/v1/accounts/"+account.ID, object{"website": "https://example.com/touched"}, nil)
	}
}

// settingsOf are those of a subscription that tells as the sample's own was told.
func settingsOf(dialect string, sample any) object {
	members := sample.(map[string]any)
	switch dialect {
	case "neon":
		return object{"organizationId": members["organizationId"], "customParameters": members["customParameters"]}
	case "freshsales":
		settings := object{
			"accountId": members["account_id"], "domain": members["domain"], "region": members["region"], "productContext": members["productContext"],
		}
		if iparams, ok := members["iparams"]; ok {
			settings["iparams"] = iparams
		}
		return settings
	default:
		return nil
	}
}

func tree(t *testing.T, body []byte) (v any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}

// differences lists where two trees differ, as JSON Pointers.
func differences(at string, a, b any) (list []string) {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			return []string{at}
		}
		names := map[string]bool{}
		for name := range x {
			names[name] = true
		}
		for name := range y {
			names[name] = true
		}
		for name := range names {
			_, inX := x[name]
			_, inY := y[name]
			if inX != inY {
				list = append(list, at+"/"+name)
			} else {
				list = append(list, differences(at+"/"+name, x[name], y[name])...)
			}
		}
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return []string{at}
		}
		for i := range x {
			list = append(list, differences(at+"/"+fmt.Sprint(i), x[i], y[i])...)
		}
	default:
		if !reflect.DeepEqual(a, b) {
			list = append(list, at)
		}
	}
	slices.Sort(list)
	return list
}
