package apps_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"carillon/apps"
	"carillon/apps/script"
)

// office is the house as an example meets it: a store in memory, and requests that are written down instead of sent.
type office struct {
	app   *apps.App
	store map[string]jsontext.Value
	scope apps.Scope
	calls []string // "POST https://host/path body"
}

func (o *office) Call(_ context.Context, function string, args jsontext.Value) (jsontext.Value, error) {
	var list []jsontext.Value
	if err := json.Unmarshal(args, &list); err != nil {
		return nil, err
	}
	var name string
	if err := json.Unmarshal(list[0], &name); err != nil {
		return nil, err
	}
	switch function {
	case "$db.set":
		o.store[name] = list[1].Clone()
		return jsontext.Value(`{"Created":true}`), nil
	case "$db.delete":
		delete(o.store, name)
		return jsontext.Value(`{"Deleted":true}`), nil
	case "$db.get":
		if value, ok := o.store[name]; ok {
			return value, nil
		}
		return nil, &script.Rejection{Status: 404, Message: "Record not found"}
	}
	request, ok := o.app.Request(name)
	if !ok {
		return nil, &script.Rejection{Status: 400, Message: "no template " + name}
	}
	var given struct {
		Context map[string]any `json:"context"`
		Body    string         `json:"body"`
	}
	if err := json.Unmarshal(list[1], &given); err != nil {
		return nil, err
	}
	call, err := request.Expand(apps.Scope{IParams: o.scope.IParams, Context: given.Context})
	if err != nil {
		return nil, &script.Rejection{Status: 400, Message: err.Error()}
	}
	if call.Header.Get("Authorization") == "" {
		return nil, &script.Rejection{Status: 401, Message: "who is this?"}
	}
	o.calls = append(o.calls, strings.TrimSpace(call.Method+" "+call.URL.String()+" "+given.Body))
	return jsontext.Value(`{"status":200,"headers":{},"response":"{}"}`), nil
}

func TestExamplesDoTheirWork(t *testing.T) {
	pool := script.NewPool(script.Config{Functions: []string{"$db.get", "$db.set", "$db.delete", "$request.invokeTemplate"}})
	defer pool.Close()
	type step struct {
		event    string
		change   func(string) string // makes another payload of the one for trying; nil to leave it
		calls    []string
		log      string // a line that is told; "" for any
		rendered bool
	}
	turned := strings.NewReplacer(`"health": "At Risk"`, `"health": "Healthy"`, `"health": "Healthy"`, `"health": "At Risk"`,
		`"timestamp": "2026-01-15T09:30`, `"timestamp": "2026-01-15T13:30`).Replace
	for name, steps := range map[string][]step{
		"health-monitoring": {
			{event: "account-health:changed", change: turned, log: "Sample Account recovered; it turned bad before this app was installed"},
			{event: "account-health:changed", calls: []string{
				`POST https://reviews.example.com/accounts/acc_sample/reviews {"name":"Sample Account","health":"At Risk"}`,
				`POST https://reviews.example.com/notifications {"accountId":"acc_sample","text":"Sample Account went from Healthy to At Risk"}`,
			}},
			{event: "account-health:changed", change: turned, log: "Sample Account recovered after 4 h"},
			{event: apps.OnAppInstall, change: func(string) string { return `{"event":"onAppInstall"}` }, rendered: true},
		},
		"contact-sync": {
			{event: "customer-contact:created", calls: []string{
				`PUT https://crm.example.com/contacts/con_sample {"type":"contact","id":"con_sample","email":"sample.contact@example.com","name":"Sample Contact","accountId":"acc_sample"}`,
				`PUT https://crm.example.com/segments/type-customer/members/con_sample`,
				`PUT https://crm.example.com/segments/language-en/members/con_sample`,
			}},
			{event: "customer-contact:updated", change: func(payload string) string {
				return strings.Replace(payload, `"CUSTOMER"`, `"PARTNER"`, 1) // the contact; what it was comes after
			}, calls: []string{
				`PUT https://crm.example.com/contacts/con_sample {"type":"contact","id":"con_sample","email":"sample.contact@example.com","name":"Sample Contact","accountId":"acc_sample"}`,
				`PUT https://crm.example.com/segments/type-partner/members/con_sample`,
				`DELETE https://crm.example.com/segments/type-customer/members/con_sample`,
			}},
		},
		"task-management": {
			{event: "account-task:created", calls: []string{
				`POST https://calendar.example.com/events {"title":"Sample task","date":"2030-01-31T17:00:00.000Z","assignee":"usr_sample"}`,
				`PUT https://projects.example.com/tasks/task_sample {"project":"accounts","title":"Sample task","description":"Send the renewal offer.","status":"Open","due":"2030-01-31T17:00:00.000Z"}`,
			}},
			{event: "account-task:created", log: "task task_sample is in the calendar already", calls: []string{
				`PUT https://projects.example.com/tasks/task_sample {"project":"accounts","title":"Sample task","description":"Send the renewal offer.","status":"Open","due":"2030-01-31T17:00:00.000Z"}`,
			}},
			{event: "account-task:created", change: func(payload string) string {
				return strings.ReplaceAll(strings.ReplaceAll(payload, `"High"`, `"Low"`), "task_sample", "task_2")
			}, calls: []string{
				`PUT https://projects.example.com/tasks/task_2 {"project":"accounts","title":"Sample task","description":"Send the renewal offer.","status":"Open","due":"2030-01-31T17:00:00.000Z"}`,
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			app, _ := apps.Read(os.DirFS(filepath.Join(examples, name)))
			program, err := script.Compile(t.Context(), app.Sources(), "server/server.js", script.Config{})
			if err != nil {
				t.Fatal(err)
			}
			raw, err := json.Marshal(app.TestIParams)
			if err != nil {
				t.Fatal(err)
			}
			values, err := app.CheckIParams(raw)
			if err != nil {
				t.Fatal(err)
			}
			iparams, err := json.Marshal(values)
			if err != nil {
				t.Fatal(err)
			}
			o := &office{app: app, store: map[string]jsontext.Value{}, scope: apps.Scope{IParams: values}}
			for i, s := range steps {
				o.calls = nil
				payload, _ := app.TestData(apps.PlatformProduct, s.event)
				text := string(payload)
				if s.change != nil {
					text = s.change(text)
				}
				args := append(bytes.TrimSuffix(bytes.TrimSpace([]byte(text)), []byte("}")), `,"iparams":`+string(iparams)+"}"...)
				handler, ok := app.Handler(apps.PlatformProduct, s.event)
				if !ok {
					t.Fatalf("nobody handles %s", s.event)
				}
				result, err := pool.Invoke(t.Context(), name, program, handler, args, o)
				if err != nil || result.Failure != nil {
					t.Fatalf("step %d: %v, %v, %v", i, err, result.Failure, result.Logs)
				}
				if !slices.Equal(o.calls, s.calls) {
					t.Errorf("step %d: called\n%s\nwant\n%s", i, strings.Join(o.calls, "\n"), strings.Join(s.calls, "\n"))
				}
				if s.log != "" && !slices.ContainsFunc(result.Logs, func(l script.LogLine) bool { return l.Text == s.log }) {
					t.Errorf("step %d: %v", i, result.Logs)
				}
				if s.rendered != (result.Rendered != nil) {
					t.Errorf("step %d: rendered %v", i, result.Rendered)
				}
			}
		})
	}
}
