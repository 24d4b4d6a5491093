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

// scene is one step of the demo's story: a write, and the events that must come of it in the platform's language.
type scene struct {
	title  string
	method string
	path   string
	body   map[string]any
	lane   string
	events []string
}

// story is what happens in the demo. The last columns are written out here, so that the demo does not ask the program
// what the program should have done.
func story(now time.Time) []scene {
	account, subsidiary := "/v1/accounts/"+demoAccount, "/v1/accounts/"+demoSubsidiary
	field := func(values any) map[string]any {
		return map[string]any{"customFields": map[string]any{"tier": values}}
	}
	return []scene{
		{
			"An account is created", http.MethodPut, account,
			map[string]any{"name": "Example Harbour Ltd", "domain": "harbour.example", "industry": "Shipping", "health": "Healthy", "classification": "ENTERPRISE"},
			demoAccount, []string{"account:created"},
		},
		{
			`The account turns "At Risk"`, http.MethodPatch, account,
			map[string]any{"health": "At Risk"},
			demoAccount, []string{"account:updated", "account-health:changed"},
		},
		{
			"A contact is created", http.MethodPut, "/v1/contacts/con_payable",
			map[string]any{"accountId": demoAccount, "firstName": "Accounts", "lastName": "Payable", "email": "accounts@harbour.example", "jobTitle": "Finance desk"},
			demoAccount, []string{"customer-contact:created"},
		},
		{
			"A high-priority task with a due date", http.MethodPut, "/v1/tasks/task_call",
			map[string]any{"accountId": demoAccount, "title": "Call about the renewal", "priority": "High", "dueDate": carillon.FormatTime(now.Add(48 * time.Hour))},
			demoAccount, []string{"account-task:created"},
		},
		{
			"A comment on the task", http.MethodPut, "/v1/tasks/task_call/comments/com_first",
			map[string]any{"content": "Left a message; they call back tomorrow."},
			demoAccount, []string{"account-task:comment:created"},
		},
		{
			"A subsidiary joins", http.MethodPut, subsidiary,
			map[string]any{"name": "Example Lighthouse Ltd", "domain": "lighthouse.example"},
			demoSubsidiary, []string{"account:created"},
		},
		{
			"The two are related", http.MethodPut, "/v1/relationships/rel_group",
			map[string]any{"parentAccountId": demoAccount, "childAccountId": demoSubsidiary, "relationshipType": "SUBSIDIARY"},
			demoAccount, []string{"account-relationship:created"},
		},
		{
			"A custom field gets a value", http.MethodPatch, account, field([]string{"gold"}),
			demoAccount, []string{"account:updated", "account-custom_field_value:added"},
		},
		{
			"The value changes", http.MethodPatch, account, field([]string{"platinum"}),
			demoAccount, []string{"account:updated", "account-custom_field_value:changed"},
		},
		{
			"The value is removed", http.MethodPatch, account, field(nil),
			demoAccount, []string{"account:updated", "account-custom_field_value:removed"},
		},
		{
			"A deal is opened", http.MethodPut, "/v1/deals/deal_renewal",
			map[string]any{"accountId": demoAccount, "name": "Renewal", "stage": "New", "amount": 48000, "currency": "EUR"},
			demoAccount, []string{"deal:created"},
		},
		{
			"The deal moves to its next stage", http.MethodPatch, "/v1/deals/deal_renewal",
			map[string]any{"stage": "Negotiation"},
			demoAccount, []string{"deal:updated", "deal:stage:changed"},
		},
		{
			"The contact is deleted", http.MethodDelete, "/v1/contacts/con_payable", nil,
			demoAccount, []string{"customer-contact:deleted"},
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
