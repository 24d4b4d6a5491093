package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/client"
)

// vendor posts a body to a connection as a vendor does and gives the delivery once it was tried.
func vendor(t *testing.T, c *client.Client, to *client.Connection, body string) *client.InboxItem {
	t.Helper()
	answer, err := c.Do(t.Context(), http.MethodPost, to.URL, nil, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	_, id, _ := strings.Cut(strings.Trim(string(answer.Body), "{}\n"), ":")
	return tried(t, c, strings.Trim(id, `"`))
}

// tried waits until a delivery has been tried.
func tried(t *testing.T, c *client.Client, id string) *client.InboxItem {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		item, err := c.InboxItem(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if item.State != carillon.InboxReceived {
			return item
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestAConnectionIsManaged(t *testing.T) {
	c := open(t, nil)
	ctx := t.Context()
	made, err := c.CreateConnection(ctx, client.Connection{Dialect: "platform", Verify: carillon.Verify{Type: carillon.VerifyStandard}, OrderWaitMS: 5})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(made.Verify.Secret, "whsec_") || made.URL != "/in/"+made.ID || made.CreatedAt.IsZero() {
		t.Errorf("created %+v", made)
	}
	patched, err := c.PatchConnection(ctx, made.ID, map[string]any{"name": "crm"})
	if err != nil || patched.Name != "crm" || patched.OrderWaitMS != 5 || patched.Verify.Type != carillon.VerifyStandard {
		t.Errorf("patched %+v, %v", patched, err)
	}
	if read, err := c.Connection(ctx, made.ID); err != nil || read.Name != "crm" || strings.HasPrefix(read.Verify.Secret, "whsec_") {
		t.Errorf("read %+v, %v", read, err)
	}
	if err := c.DeleteConnection(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	for left, err := range c.Connections(ctx) {
		t.Errorf("left: %+v, %v", left, err)
	}
}

func TestTheInboxIsReadAndRunAgain(t *testing.T) {
	c := open(t, nil)
	ctx := t.Context()
	var made []*client.Connection
	for _, name := range []string{"one", "two"} {
		one, err := c.CreateConnection(ctx, client.Connection{Name: name, Dialect: "platform", Verify: carillon.Verify{Type: carillon.VerifyNone}})
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, one)
	}
	const account = `{"eventId":"evt_1","eventType":"account:created","timestamp":"2026-01-01T00:00:00Z","payload":{"account":{"id":"acc_1","name":"One"}}}`
	applied := vendor(t, c, made[0], account)
	if applied.State != carillon.InboxApplied || applied.Body != account || len(applied.Events) != 1 {
		t.Fatalf("delivery %+v", applied)
	}
	if e := applied.Events[0]; e.ID != "evt_1" || e.Record != "account/acc_1" || e.Outcome != "changed" || len(e.Seqs) != 1 {
		t.Errorf("event %+v", e)
	}
	odd := vendor(t, c, made[1], "\xff")
	if content, err := odd.Content(); err != nil || string(content) != "\xff" {
		t.Errorf("content %q, %v", content, err)
	}
	if odd.State != carillon.InboxQuarantined || odd.Problem == nil || odd.Problem.Code != carillon.CodeMalformed {
		t.Errorf("delivery %+v", odd)
	}
	if _, err := c.RetryInbox(ctx, odd.ID); err != nil {
		t.Fatal(err)
	}
	if again := tried(t, c, odd.ID); again.Attempts != 2 {
		t.Errorf("run again: %+v", again)
	}
	if _, err := c.RetryInbox(ctx, applied.ID); client.AsProblem(err) == nil || client.AsProblem(err).Code != carillon.CodeConflict {
		t.Errorf("what was applied is run again: %v", err)
	}
	for name, want := range map[string]struct {
		options client.InboxOptions
		ids     []string
	}{
		"all":              {client.InboxOptions{}, []string{odd.ID, applied.ID}},
		"of a connection":  {client.InboxOptions{Connection: made[0].ID}, []string{applied.ID}},
		"in a state":       {client.InboxOptions{State: carillon.InboxQuarantined}, []string{odd.ID}},
		"of both together": {client.InboxOptions{Connection: made[0].ID, State: carillon.InboxQuarantined}, nil},
	} {
		var ids []string
		for item, err := range c.Inbox(ctx, want.options) {
			if err != nil {
				t.Fatal(errors.Join(errors.New(name), err))
			}
			ids = append(ids, item.ID)
		}
		if strings.Join(ids, " ") != strings.Join(want.ids, " ") {
			t.Errorf("%s: %v, want %v", name, ids, want.ids)
		}
	}
}
