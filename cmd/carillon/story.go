package main

import (
	"context"
	"net/http"
	"time"

	"carillon"
	"carillon/client"
)

// Records of the demo's story.
const (
	demoAccount    = "acc_harbour"
	demoSubsidiary = "acc_lighthouse"
)

// scene is one step of the demo's story: a write or a vendor's webhook, and the events that must come of it in the
// platform's language.
type scene struct {
	title   string
	method  string
	path    string
	body    map[string]any
	posting *posting // instead of method, path and body
	lane    string
	events  []string
}

// story is what is written through the API in the demo. The events are written out here, so that the demo does not ask the program
// what the program should have done.
func story(now time.Time) []scene {
	account, subsidiary := "/v1/accounts/"+demoAccount, "/v1/accounts/"+demoSubsidiary
	field := func(values any) map[string]any {
		return map[string]any{"customFields": map[string]any{"tier": values}}
	}
	return []scene{
		{
			title: "An account is created", method: http.MethodPut, path: account,
			body: map[string]any{"name": "Example Harbour Ltd", "domain": "harbour.example", "industry": "Shipping", "health": "Healthy", "classification": "ENTERPRISE"},
			lane: demoAccount, events: []string{"account:created"},
		},
		{
			title: `The account turns "At Risk"`, method: http.MethodPatch, path: account,
			body: map[string]any{"health": "At Risk"},
			lane: demoAccount, events: []string{"account:updated", "account-health:changed"},
		},
		{
			title: "A contact is created", method: http.MethodPut, path: "/v1/contacts/con_payable",
			body: map[string]any{"accountId": demoAccount, "firstName": "Accounts", "lastName": "Payable", "email": "accounts@harbour.example", "jobTitle": "Finance desk"},
			lane: demoAccount, events: []string{"customer-contact:created"},
		},
		{
			title: "A high-priority task with a due date", method: http.MethodPut, path: "/v1/tasks/task_call",
			body: map[string]any{"accountId": demoAccount, "title": "Call about the renewal", "priority": "High", "dueDate": carillon.FormatTime(now.Add(48 * time.Hour))},
			lane: demoAccount, events: []string{"account-task:created"},
		},
		{
			title: "A comment on the task", method: http.MethodPut, path: "/v1/tasks/task_call/comments/com_first",
			body: map[string]any{"content": "Left a message; they call back tomorrow."},
			lane: demoAccount, events: []string{"account-task:comment:created"},
		},
		{
			title: "A subsidiary joins", method: http.MethodPut, path: subsidiary,
			body: map[string]any{"name": "Example Lighthouse Ltd", "domain": "lighthouse.example"},
			lane: demoSubsidiary, events: []string{"account:created"},
		},
		{
			title: "The two are related", method: http.MethodPut, path: "/v1/relationships/rel_group",
			body: map[string]any{"parentAccountId": demoAccount, "childAccountId": demoSubsidiary, "relationshipType": "SUBSIDIARY"},
			lane: demoAccount, events: []string{"account-relationship:created"},
		},
		{
			title: "A custom field gets a value", method: http.MethodPatch, path: account,
			body: field([]string{"gold"}),
			lane: demoAccount, events: []string{"account:updated", "account-custom_field_value:added"},
		},
		{
			title: "The value changes", method: http.MethodPatch, path: account,
			body: field([]string{"platinum"}),
			lane: demoAccount, events: []string{"account:updated", "account-custom_field_value:changed"},
		},
		{
			title: "The value is removed", method: http.MethodPatch, path: account,
			body: field(nil),
			lane: demoAccount, events: []string{"account:updated", "account-custom_field_value:removed"},
		},
		{
			title: "A deal is opened", method: http.MethodPut, path: "/v1/deals/deal_renewal",
			body: map[string]any{"accountId": demoAccount, "name": "Renewal", "stage": "New", "amount": 48000, "currency": "EUR"},
			lane: demoAccount, events: []string{"deal:created"},
		},
		{
			title: "The deal moves to its next stage", method: http.MethodPatch, path: "/v1/deals/deal_renewal",
			body: map[string]any{"stage": "Negotiation"},
			lane: demoAccount, events: []string{"deal:updated", "deal:stage:changed"},
		},
		{
			title: "The contact is deleted", method: http.MethodDelete, path: "/v1/contacts/con_payable",
			lane: demoAccount, events: []string{"customer-contact:deleted"},
		},
	}
}

// play makes the scene's write and gives the change's seq.
func (s scene) play(ctx context.Context, api *client.Client) (client.Answer, error) {
	var body any
	if s.body != nil {
		body = s.body
	}
	return api.Do(ctx, s.method, s.path, nil, body)
}
