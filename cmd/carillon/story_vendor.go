package main

import (
	"crypto/rand"
	"net/http"

	"carillon"
	"carillon/dialect/neon"
	"carillon/dialect/smarterpay"
)

// vendor is a system beside the house that posts webhooks to a connection of its own.
type vendor struct {
	dialect string
	verify  carillon.Verify
	sign    func(h http.Header, body []byte) // nil if the body says who it is from
}

// posting is a webhook that a vendor posts in a scene, and what the inbox must say of it.
type posting struct {
	from   *vendor
	event  string // the vendor's name
	body   string
	state  carillon.InboxState
	mended string // how the only note begins; "" if nothing is mended
}

// Accounts that vendors tell of, by their ids in the house.
const (
	demoNeonAccount       = "neon_4711"
	demoSmarterPayAccount = "CA01J8QUAYS1DEFERRY2"
)

// vendorStory is the other direction: what vendors tell the house, which tells all others.
func vendorStory() []scene {
	fundraiser := &vendor{
		dialect: neon.Name,
		verify:  carillon.Verify{Type: carillon.VerifyParameter, Name: "house", Value: "harbour bell"},
	}
	key := rand.Text()
	bank := &vendor{
		dialect: smarterpay.Name,
		verify:  carillon.Verify{Type: carillon.VerifySmarterPay, Secret: key},
		sign:    func(h http.Header, body []byte) { h.Set("Webhook-Signature", smarterPaySignature(key, body)) },
	}
	return []scene{
		{
			title: "Neon tells of an account, in what is not quite JSON",
			posting: &posting{
				from: fundraiser, event: "createAccount", body: neonWebhook,
				state: carillon.InboxApplied, mended: `the comma before "consentInformation" was missing`,
			},
			lane: demoNeonAccount, events: []string{"account:created"},
		},
		{
			title: "Neon sends the same again",
			posting: &posting{
				from: fundraiser, event: "createAccount", body: neonWebhook,
				state: carillon.InboxDuplicate, mended: `the comma before "consentInformation" was missing`,
			},
		},
		{
			title: "SmarterPay tells of another, and signs it",
			posting: &posting{
				from: bank, event: "customer_account.create", body: smarterPayWebhook,
				state: carillon.InboxApplied,
			},
			lane: demoSmarterPayAccount, events: []string{"account:created"},
		},
	}
}

// neonWebhook is as Neon's own samples are: without the comma before consentInformation.
const neonWebhook = `{
   "eventTrigger":"createAccount",
   "eventTimestamp":"2026-03-02T09:15:04.000-06:00",
   "organizationId":"quayside",
   "data":{
      "organizationAccount":{
         "createdDateTime":"2026-03-02T09:15:04.000-06:00",
         "createdBy":"Front desk",
         "lastModifiedDateTime":"2026-03-02T09:15:04.000-06:00",
         "lastModifiedBy":"Front desk",
         "accountId":4711,
         "primaryContact":{
            "contactId":5180,
            "firstName":"Front",
            "lastName":"Desk",
            "email1":"desk@quayside.example",
            "phone1":5550100,
            "phone1Type":"Work",
            "deceased":false,
            "addresses":{
               "address":{
                  "addressId":3438,
                  "isPrimaryAddress":true,
                  "isShippingAddress":false,
                  "addressType":{
                     "id":2,
                     "name":"Work"
                  },
                  "addressLine1":"1 Quay Street",
                  "city":"Chicago",
                  "state":{
                     "code":"IL",
                     "name":"Illinois"
                  },
                  "country":{
                     "id":1,
                     "name":"United States of America"
                  },
                  "zipCode":60601,
                  "startDate":"2026-03-02-06:00"
               }
            },
            "department":"Reception"
         },
         "noSolicitation":false,
         "url":"www.quayside.example",
         "source":{
            "id":43,
            "name":"Regatta"
         },
         "organizationName":"Example Quayside Fund",
         "organizationTypes":{
            "organizationType":{
               "id":3,
               "name":"Foundation"
            }
         }
         "consentInformation": {
           "emailConsentStatus": "GIVEN",
           "phoneConsentStatus": "NOT_ASKED",
           "mailConsentStatus": "NOT_ASKED",
           "smsConsentStatus": "NOT_ASKED",
           "dataSharingConsentStatus": "NOT_ASKED"
         }
      }
   },
   "customParameters":{
      "house":"harbour bell"
   }
}
`

// smarterPayWebhook is one event in SmarterPay's envelope.
const smarterPayWebhook = `{
  "id": "OM01J8QUAYS1DEFERRY2",
  "idempotency_key": "2f1f9a52-6f0e-4a57-9d0b-6f5a5a3d8c11",
  "sent_at": "2026-03-02T15:20:31Z",
  "client": {
    "id": "CL01J8QUAYS1DEFERRY2"
  },
  "events": [
    {
      "email": "office@ferry.example",
      "company_name": "Example Ferry Ltd",
      "first_name": "Ticket",
      "last_name": "Office",
      "billing_address_line_1": "2 Quay Street",
      "billing_address_line_2": null,
      "billing_city": "Hull",
      "billing_postal_code": "HU1 1AA",
      "billing_country_code": "GB",
      "id": "CA01J8QUAYS1DEFERRY2",
      "event_id": "HI01J8QUAYS1DEFERRY2",
      "legacy_id": null,
      "created_at": "2026-03-02T15:20:30Z",
      "status": "active",
      "title": null,
      "edited_at": "2026-03-02T15:20:30Z",
      "delivery_address_line_1": null,
      "delivery_address_line_2": null,
      "delivery_city": null,
      "delivery_postal_code": null,
      "delivery_country_code": null,
      "custom_reference": "ferry",
      "event_type": "customer_account.create",
      "event_source": "Portal",
      "billing_state": null,
      "delivery_state": null,
      "metadata": null,
      "gift_aid": false,
      "created_by": {
        "id": "CU01J8QUAYS1DEFERRY2"
      },
      "edited_by": {
        "id": "CU01J8QUAYS1DEFERRY2"
      },
      "client": {
        "id": "CL01J8QUAYS1DEFERRY2"
      }
    }
  ]
}
`
