package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carillon"
	"carillon/client"
)

func TestRecordsAreWrittenAndRead(t *testing.T) {
	c := open(t, nil)
	ctx := t.Context()
	accounts := c.Records(carillon.KindAccount)

	made, err := accounts.Create(ctx, map[string]any{"id": "acc_1", "name": "Example Ltd"})
	if err != nil {
		t.Fatal(err)
	}
	if made.ID != "acc_1" || made.Version != 1 || made.Seq != 1 || made.CreatedAt.IsZero() {
		t.Errorf("created %+v", made)
	}
	patched, err := accounts.Patch(ctx, "acc_1", map[string]any{"health": "At Risk"}, client.IfMatch(1))
	if err != nil {
		t.Fatal(err)
	}
	if patched.Version != 2 || patched.Seq != 2 {
		t.Errorf("patched %+v", patched)
	}
	again, err := accounts.Patch(ctx, "acc_1", map[string]any{"health": "At Risk"})
	if err != nil {
		t.Fatal(err)
	}
	if again.Version != 2 || again.Seq != 0 {
		t.Errorf("a write that changes nothing gave %+v", again)
	}

	var account struct{ Name, Health string }
	now, err := accounts.Get(ctx, "acc_1")
	if err != nil {
		t.Fatal(err)
	}
	if err := now.Decode(&account); err != nil || account.Health != "At Risk" {
		t.Errorf("read %+v, %v", account, err)
	}
	then, err := accounts.GetAsOf(ctx, "acc_1", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := then.Decode(&account); err != nil || account.Health != "UNKNOWN" {
		t.Errorf("as of change 1: %+v, %v", account, err)
	}

	if _, err := c.Custom("invoices").Put(ctx, "inv_1", map[string]any{"name": "First", "accountId": "acc_1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Records(carillon.KindTask).Put(ctx, "task_1", map[string]any{"accountId": "acc_1", "title": "Call"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Comments(carillon.KindTask, "task_1").Create(ctx, map[string]any{"content": "Done"}); err != nil {
		t.Fatal(err)
	}

	err = accounts.Delete(ctx, "acc_1")
	if p := client.AsProblem(err); p == nil || p.Code != carillon.CodeConflict {
		t.Errorf("deleting an account with records of its own: %v", err)
	}
	if err := accounts.DeleteCascade(ctx, "acc_1"); err != nil {
		t.Fatal(err)
	}
	_, err = accounts.Get(ctx, "acc_1")
	if p := client.AsProblem(err); p == nil || p.Code != carillon.CodeNotFound || p.Status != http.StatusNotFound {
		t.Errorf("reading a deleted account: %v", err)
	}
}

func TestIdempotencyKeyMakesAPostSafeToRepeat(t *testing.T) {
	c := open(t, nil)
	accounts := c.Records(carillon.KindAccount)
	body := map[string]any{"name": "Example Ltd"}
	first, err := accounts.Create(t.Context(), body, client.IdempotencyKey("once"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := accounts.Create(t.Context(), body, client.IdempotencyKey("once"))
	if err != nil {
		t.Fatal(err)
	}
	if first.ID != second.ID {
		t.Errorf("two accounts: %s and %s", first.ID, second.ID)
	}
}

func TestListsAreWalkedToTheirEnd(t *testing.T) {
	c := open(t, nil)
	writes := make([]client.Write, 7)
	for i := range writes {
		writes[i] = client.Write{Op: "put", Kind: carillon.KindAccount, ID: fmt.Sprintf("acc_%d", i), Data: map[string]any{"name": "n"}}
	}
	if _, err := c.Batch(t.Context(), writes); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for r, err := range c.Records(carillon.KindAccount).All(t.Context(), client.ListOptions{Limit: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	if want := "acc_0 acc_1 acc_2 acc_3 acc_4 acc_5 acc_6"; strings.Join(ids, " ") != want {
		t.Errorf("walked %v, want %s", ids, want)
	}
}

func TestABadLineOfABatchFailsAlone(t *testing.T) {
	c := open(t, nil)
	results, err := c.Batch(t.Context(), []client.Write{
		{Op: "put", Kind: carillon.KindAccount, ID: "acc_1", Data: map[string]any{"name": "One"}},
		{Op: "put", Kind: carillon.KindAccount, ID: "acc_2", Data: map[string]any{"name": 2}},
		{Op: "delete", Kind: carillon.KindAccount, ID: "acc_1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 3 || results[0].Problem != nil || results[0].Seq != 1 || results[2].Problem != nil || results[2].Seq != 2 {
		t.Errorf("results %+v", results)
	}
	if p := results[1].Problem; p == nil || p.Code != carillon.CodeInvalid || len(p.Faults) != 1 {
		t.Errorf("the bad line: %+v", p)
	}
	// The connection is as good as before.
	if _, err := c.Records(carillon.KindAccount).Put(t.Context(), "acc_3", map[string]any{"name": "Three"}); err != nil {
		t.Error(err)
	}
}

func TestAProblemSaysWhatAndWhere(t *testing.T) {
	c := open(t, nil)
	_, err := c.Records(carillon.KindAccount).Create(t.Context(), map[string]any{"name": "x", "colour": "red"})
	p := client.AsProblem(err)
	if p == nil {
		t.Fatalf("an unknown member: %v", err)
	}
	if p.Code != carillon.CodeInvalid || p.Status != http.StatusUnprocessableEntity || len(p.Faults) != 1 || p.Faults[0].Member != "/colour" {
		t.Errorf("problem %+v", p)
	}
	if !strings.Contains(err.Error(), "/colour") {
		t.Errorf("in words: %s", err)
	}
}

func TestAnswersThatAreNoProblemsStillFail(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway)
	}))
	defer server.Close()
	c, err := client.New(server.URL, "dev")
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP = server.Client()
	_, err = c.Records(carillon.KindAccount).Get(t.Context(), "acc_1")
	if p := client.AsProblem(err); p == nil || p.Status != http.StatusBadGateway {
		t.Errorf("got %v", err)
	}
}

func TestNewRefusesWhatIsNoURL(t *testing.T) {
	for _, url := range []string{"", "localhost:8080", "ftp://example.com", "http://", "http://[::1"} {
		if _, err := client.New(url, "dev"); err == nil {
			t.Errorf("New(%q) did not fail", url)
		}
	}
}

func TestKeysAndFieldsAreManaged(t *testing.T) {
	c := open(t, nil)
	ctx := t.Context()
	key, err := c.CreateKey(ctx, "reader", carillon.RightRead)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := client.New(c.BaseURL(), key.Secret)
	if err != nil {
		t.Fatal(err)
	}
	reader.HTTP = c.HTTP
	_, err = reader.Records(carillon.KindAccount).Create(ctx, map[string]any{"name": "x"})
	if p := client.AsProblem(err); p == nil || p.Code != carillon.CodeForbidden {
		t.Errorf("a reader's write: %v", err)
	}
	var names []string
	for k, err := range c.Keys(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if k.Secret != "" {
			t.Error("a listed key shows its secret")
		}
		names = append(names, k.Name)
	}
	if diff := cmp.Diff([]string{"reader"}, names); diff != "" {
		t.Error(diff)
	}
	if err := c.DeleteKey(ctx, key.ID); err != nil {
		t.Error(err)
	}

	field := carillon.CustomField{UID: "tier", Label: "Tier", Type: carillon.CustomDropdown, Options: []string{"gold", "silver"}}
	if err := c.CreateField(ctx, carillon.KindAccount, field); err != nil {
		t.Fatal(err)
	}
	got, err := c.Field(ctx, carillon.KindAccount, "tier")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(field, *got); diff != "" {
		t.Error(diff)
	}
	if err := c.DeleteField(ctx, carillon.KindAccount, "tier"); err != nil {
		t.Error(err)
	}
}

func TestASubscriptionIsSteered(t *testing.T) {
	c := open(t, nil)
	ctx := t.Context()
	got := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Webhook-Id")
	}))
	defer hook.Close()
	s, err := c.CreateSubscription(ctx, client.Subscription{
		Name: "crm", Events: []string{"account:*"}, Start: "beginning", Retry: &client.Retry{Schedule: []string{"1s"}},
		Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: hook.URL},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.ID == "" || !strings.HasPrefix(s.Secret, "whsec_") || s.State != carillon.StateActive {
		t.Errorf("created %+v", s)
	}
	if _, err := c.Records(carillon.KindAccount).Put(ctx, "acc_1", map[string]any{"name": "x"}); err != nil {
		t.Fatal(err)
	}
	first := <-got
	if err := c.Replay(ctx, s.ID, client.Range{FromSeq: 1, ToSeq: 1}); err != nil {
		t.Fatal(err)
	}
	if again := <-got; again != first {
		t.Errorf("replayed as %s, was %s", again, first)
	}
	if a, err := c.TestSubscription(ctx, s.ID); err != nil || a.Outcome != carillon.OutcomeDelivered || a.Status != 200 {
		t.Errorf("test send: %+v, %v", a, err)
	}
	<-got
	if err := c.PauseSubscription(ctx, s.ID); err != nil {
		t.Fatal(err)
	}
	if p, err := c.Subscription(ctx, s.ID); err != nil || p.State != carillon.StatePaused || p.Secret != "" {
		t.Errorf("paused: %+v, %v", p, err)
	}
	if err := c.ResumeSubscription(ctx, s.ID); err != nil {
		t.Fatal(err)
	}
	if r, err := c.RotateSecret(ctx, s.ID); err != nil || r.Secret == s.Secret || r.Secret == "" {
		t.Errorf("rotated: %+v, %v", r, err)
	}
	if p, err := c.PatchSubscription(ctx, s.ID, map[string]any{"name": "other"}); err != nil || p.Name != "other" {
		t.Errorf("patched: %+v, %v", p, err)
	}
	if attempts, err := c.Attempts(ctx, s.ID, 5); err != nil || len(attempts) == 0 {
		t.Errorf("attempts: %+v, %v", attempts, err)
	}
	for _, err := range c.DeadLetters(ctx, s.ID) {
		t.Errorf("dead letters: %v", err)
	}
	if err := c.DeleteSubscription(ctx, s.ID); err != nil {
		t.Fatal(err)
	}
	for s, err := range c.Subscriptions(ctx) {
		t.Errorf("left: %+v, %v", s, err)
	}
}

func TestEventsOfOtherDialectsAreKeptWhole(t *testing.T) {
	const text = `{"seq":7,"eventType":"x","timestamp":1593015490.2,"data":{"n":9007199254740993}}`
	var e client.Event
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	if e.Seq != 7 || e.EventType != "" || string(e.JSON) != text {
		t.Errorf("%+v", e)
	}
	if err := json.Unmarshal([]byte(`{"seq":"7"}`), &e); err == nil {
		t.Error("a seq that is no number is taken")
	}
}

func TestEventsAreReadPageByPage(t *testing.T) {
	c := open(t, nil)
	ctx := t.Context()
	accounts := c.Records(carillon.KindAccount)
	for _, health := range []string{"Healthy", "At Risk", "Healthy"} {
		if _, err := accounts.Put(ctx, "acc_1", map[string]any{"name": "x", "health": health}); err != nil {
			t.Fatal(err)
		}
	}
	var told []string
	for e, err := range c.AllEvents(ctx, client.EventQuery{Limit: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, fmt.Sprint(e.Seq, " ", e.EventType))
		one, err := c.Event(ctx, e.EventID, "")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(e.JSON), strings.TrimSpace(string(one.JSON))); diff != "" {
			t.Error(diff)
		}
	}
	want := []string{"1 account:created", "2 account:updated", "2 account-health:changed", "3 account:updated", "3 account-health:changed"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
	page, err := c.Events(ctx, client.EventQuery{After: 1, Types: []string{"account-*"}, Account: "acc_1"})
	if err != nil || len(page.Items) != 2 {
		t.Errorf("filtered: %+v, %v", page, err)
	}
}

func TestAnUnreachableServerIsNamed(t *testing.T) {
	c, err := client.New("http://127.0.0.1:1", "dev")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Records(carillon.KindAccount).Get(t.Context(), "acc_1")
	if err == nil || client.AsProblem(err) != nil || !strings.Contains(err.Error(), "http://127.0.0.1:1") {
		t.Errorf("got %v", err)
	}
	if errors.Unwrap(err) == nil {
		t.Error("the cause is lost")
	}
}
