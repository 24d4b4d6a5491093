package neon_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"carillon"
	"carillon/dialect/neon"
)

// The samples of Neon's API v1 reference, "Account Webhooks", with the comma before consentInformation that four of them
// lack. Each is rendered from the change that a Neon connection would have made of it.
var samples = []struct {
	file     string
	change   carillon.Change
	settings string
	// apart lists what the sample says otherwise, and why no rendering can.
	apart []difference
}{
	{
		file: "create_individual_account.json", settings: chicago,
		change: carillon.Change{Op: carillon.OpCreated, Time: instant("2013-01-24T09:42:59Z"), After: individual, Extra: individualExtra},
	},
	{
		file: "edit_individual_account.json", settings: chicago,
		change: carillon.Change{Op: carillon.OpUpdated, Time: instant("2013-01-24T09:42:59Z"), Before: individual, After: individual, Extra: individualExtra},
	},
	{
		file: "create_organization_account.json", settings: sixHoursBehind,
		change: carillon.Change{Op: carillon.OpCreated, Time: instant("2017-05-04T09:42:59Z"), After: organization, Extra: organizationExtra},
		apart: []difference{{
			`"event":"createAccount"`, `"eventTrigger":"createAccount"`, "the common format of all webhooks says eventTrigger, as the other samples do",
		}},
	},
	{
		file: "edit_organization_account.json", settings: sixHoursBehind,
		change: carillon.Change{Op: carillon.OpUpdated, Time: instant("2017-05-04T09:42:59Z"), Before: organization, After: organization, Extra: organizationExtra},
		apart: []difference{{
			`"event":"editAccount"`, `"eventTrigger":"editAccount"`, "the common format of all webhooks says eventTrigger, as the other samples do",
		}},
	},
	{
		file: "delete_account.json", settings: sixHoursBehind,
		change: carillon.Change{
			Op: carillon.OpDeleted, Time: instant("2017-05-04T09:42:59Z"), Before: individual, Extra: individualExtra,
			Actor: carillon.Actor{ID: "Administrator "},
		},
		apart: []difference{{
			`"deletedDateTime":"2013-01-24T03:42:59.000-06:00"`, `"deletedDateTime":"2017-05-04T03:42:59.000-06:00"`,
			"the sample's event comes four years after its deletion; ours at the same moment",
		}},
	},
}

// difference replaces what a sample says by what is rendered.
type difference struct{ sample, rendered, reason string }

const (
	parameters     = `"organizationId":"test","customParameters":{"customParameterA":"value","customParameterB":"other value"}`
	chicago        = `{` + parameters + `,"timeZone":"America/Chicago"}`
	sixHoursBehind = `{` + parameters + `,"timeZone":"Etc/GMT+6"}` // a summer's day in the sample, at winter's offset
)

var individual = []byte(`{"id":"acc_1","name":"Jason weng","status":"ACTIVE","health":"UNKNOWN","classification":"UNCLASSIFIED","type":"individual",` +
	`"primaryContact":{"title":"Mr.","firstName":"Jason","middleName":"mid","lastName":"weng","suffix":"test",` +
	`"email":"kl@z2systems.com","phone":"422794616","jobTitle":"SoftwareEngineer"},` +
	`"billingAddress":{"line1":"street1","city":"city","state":"ALABAMA","postalCode":"111-222","county":"county","country":"Canada"},` +
	`"website":"www.z2systems.com","createdAt":"2020-01-01T00:00:00.000Z","updatedAt":"2020-01-01T00:00:00.000Z"}`)

var organization = []byte(`{"id":"acc_2","name":"kliOrganizationName","status":"ACTIVE","health":"UNKNOWN","classification":"UNCLASSIFIED","type":"organization",` +
	`"primaryContact":{"title":"Mr.","firstName":"kevin","middleName":"mid","lastName":"lee","suffix":"test",` +
	`"phone":"422794616","jobTitle":"SoftwareEngineer"},` +
	`"billingAddress":{"line1":"street1","city":"city","state":"ALABAMA","postalCode":"111-222","county":"county","country":"Canada"},` +
	`"website":"www.z2systems.com","createdAt":"2020-01-01T00:00:00.000Z","updatedAt":"2020-01-01T00:00:00.000Z"}`)

const (
	contactExtra = `"salutation":"brother","preferredName":"kevin","phone1Type":"Home","phone2":422794617,"phone2Type":"Work",` +
		`"phone3":422794618,"phone3Type":"Mobile","fax":422794620,"dob":"1988-10-16-05:00","gender":{"code":"M","name":"Male"},` +
		`"deceased":false,"department":"dep"`
	firstAddressExtra = `"isPrimaryAddress":true,"isShippingAddress":false,"addressType":{"id":1,"name":"Home"},` +
		`"state":{"code":"AL","name":"ALABAMA"},"country":{"id":2,"name":"Canada"},"startDate":"2012-01-01-06:00","endDate":"2013-01-01-06:00"`
	otherAddress = `{"addressId":3437,"isPrimaryAddress":false,"addressType":{"id":1,"name":"Home"},"addressLine1":"aaa","addressLine2":"bbb",` +
		`"addressLine3":"ccc","addressLine4":"ddd","city":"city","state":{"code":"AL","name":"ALABAMA"},"county":"county",` +
		`"country":{"id":1,"name":"United States"},"zipCode":39111,"zipCodeSuffix":1355,"startDate":"1990-03-16-06:00","endDate":"1990-03-17-06:00"}`
	restExtra = `"noSolicitation":false,"customFieldDataList":{"customFieldData":{"fieldId":73,"fieldOptionId":94}},"source":{"id":43,"name":"J. Starr"},` +
		`"consentInformation":{"emailConsentStatus":"NOT_ASKED","phoneConsentStatus":"GIVEN","mailConsentStatus":"NOT_ASKED",` +
		`"smsConsentStatus":"NOT_ASKED","dataSharingConsentStatus":"NOT_ASKED"}`
)

var individualExtra = []byte(`{"neon":{"createdDateTime":"2013-01-24T03:42:59.000-06:00","createdBy":"Administrator ",` +
	`"lastModifiedDateTime":"2013-01-24T03:42:59.000-06:00","lastModifiedBy":"Administrator ","accountId":3542,` +
	`"primaryContact":{"contactId":5178,"email2":"email2@z2systems.com","email3":"email3@z2systems.com",` + contactExtra + `,` +
	`"addresses":{"address":[{"addressId":3436,` + firstAddressExtra + `},` + otherAddress + `]}},` +
	`"login":{"username":"admin123456"},"individualTypes":{"individualType":{"id":1,"name":"Organization"}},` + restExtra + `}}`)

var organizationExtra = []byte(`{"neon":{"createdDateTime":"2013-01-24T03:55:38.000-06:00","createdBy":"Administrator ",` +
	`"lastModifiedDateTime":"2013-01-24T03:55:38.000-06:00","lastModifiedBy":"Administrator ","accountId":3543,` +
	`"primaryContact":{"contactId":5180,` + contactExtra + `,"addresses":{"address":{"addressId":3438,` + firstAddressExtra + `}}},` +
	`"organizationTypes":{"organizationType":{"id":1,"name":"Church"}},` + restExtra + `}}`)

func instant(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestTheVendorsSamplesAreRenderedToTheLetter(t *testing.T) {
	d := neon.New()
	for i, s := range samples {
		t.Run(s.file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", s.file))
			if err != nil {
				t.Fatal(err)
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, text); err != nil {
				t.Fatal(err)
			}
			want := compact.String()
			for _, apart := range s.apart {
				if !bytes.Contains([]byte(want), []byte(apart.sample)) {
					t.Errorf("the sample does not say %s", apart.sample)
				}
				want = string(bytes.Replace([]byte(want), []byte(apart.sample), []byte(apart.rendered), 1))
			}
			settings, err := d.CheckSettings(json.RawMessage(s.settings))
			if err != nil {
				t.Fatal(err)
			}
			c := s.change
			c.Org, c.Seq, c.Ref, c.Origin = "dev", int64(i+1), carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"}, "connection:neon:con_1"
			m, err := d.Encode(carillon.Event{Change: &c, Type: d.Events(&c)[0]}, settings)
			if err != nil {
				t.Fatal(err)
			}
			if string(m.Body) != want {
				t.Errorf("rendered as\n%s, want\n%s", m.Body, want)
			}
		})
	}
}
