package sample_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/cloudevents"
	"carillon/dialect/freshsales"
	"carillon/dialect/neon"
	"carillon/dialect/platform"
	"carillon/dialect/smarterpay"
	"carillon/sample"
)

var now = time.Date(2025, 3, 4, 5, 6, 7, 89_999_999, time.FixedZone("", 3600))

func TestEveryPlatformEventHasAStory(t *testing.T) {
	for _, typ := range platform.New().Types() {
		s, ok := sample.StoryOf(typ.Name)
		if !ok {
			t.Errorf("%s has no story", typ.Name)
			continue
		}
		if want := strings.ReplaceAll(typ.Name, "{module}", "invoices"); s.EventType != want {
			t.Errorf("the story of %s is of %s", typ.Name, s.EventType)
		}
	}
	if got, want := len(sample.EventTypes()), len(platform.New().Types()); got != want {
		t.Errorf("%d stories of %d events", got, want)
	}
}

func TestTheSampleOfAnEventYieldsIt(t *testing.T) {
	d := platform.New()
	for _, name := range append(sample.EventTypes(), "custom:projects:created") {
		c, ok := sample.Change(name, now, "dev")
		if !ok {
			t.Errorf("%s has no sample", name)
			continue
		}
		if names := d.Events(c); !slices.Contains(names, name) {
			t.Errorf("the sample of %s means %v", name, names)
		}
		if c.Org != "dev" || c.Origin != dialect.OriginSample || c.Seq != 0 || !c.Time.Equal(now.Truncate(time.Millisecond)) {
			t.Errorf("%s: org %s, origin %s, seq %d, time %s", name, c.Org, c.Origin, c.Seq, c.Time)
		}
		wantLane := "acc_sample"
		if c.Kind == carillon.KindUser {
			wantLane = "user/usr_sample"
		}
		if c.Lane != wantLane {
			t.Errorf("%s: lane %s, want %s", name, c.Lane, wantLane)
		}
		checkNative(t, name, c.Kind, c.Before, c.Op != carillon.OpCreated)
		checkNative(t, name, c.Kind, c.After, c.Op != carillon.OpDeleted)
	}
	for _, name := range []string{"", "account", "account:*", "custom::created", "custom:a/b:created", "custom:a:b:created", "custom:created"} {
		if c, ok := sample.Change(name, now, "dev"); ok {
			t.Errorf("%q has the sample %s", name, c.Ref)
		}
	}
}

// checkNative holds a state against the promises of Record.Data.
func checkNative(t *testing.T, name string, kind carillon.Kind, state []byte, wanted bool) {
	t.Helper()
	if !wanted {
		if state != nil {
			t.Errorf("%s has the state %s", name, state)
		}
		return
	}
	decoder := json.NewDecoder(strings.NewReader(string(state)))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		t.Fatalf("%s: %s is no object: %v", name, state, err)
	}
	var members []string
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		members = append(members, token.(string))
	}
	if strings.Contains(string(state), `": `) || strings.Contains(string(state), "{}") {
		t.Errorf("%s: %s has white space or an empty object", name, state)
	}
	var want []string
	for _, f := range carillon.Fields(kind) {
		if f.Required && !slices.Contains(members, f.Name) {
			t.Errorf("%s lacks %s", name, f.Name)
		}
		if slices.Contains(members, f.Name) {
			want = append(want, f.Name)
		}
	}
	if !slices.Equal(members, want) {
		t.Errorf("%s has the members %v, in table order %v", name, members, want)
	}
}

func TestEveryEventOfEveryDialectHasAStory(t *testing.T) {
	for _, d := range []dialect.Dialect{platform.New(), cloudevents.New(), freshsales.New(), neon.New(), smarterpay.New()} {
		if got, want := len(sample.EventTypesIn(d)), len(d.Types()); got != want {
			t.Errorf("%d stories of %d events of %s", got, want, d.Name())
		}
		settings, err := d.CheckSettings(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range sample.EventTypesIn(d) {
			s, ok := sample.StoryIn(d, name)
			if !ok || s.EventType != name {
				t.Errorf("%s of %s has the story %+v", name, d.Name(), s)
				continue
			}
			c := s.Change(now, "dev")
			index := slices.Index(d.Events(c), name)
			if index < 0 {
				t.Errorf("the sample of %s means %v", name, d.Events(c))
				continue
			}
			if _, err := dialect.Encode(t.Context(), d, carillon.Event{Change: c, Index: index, Type: name}, settings, sample.PastOf(c)); err != nil {
				t.Errorf("%s of %s: %v", name, d.Name(), err)
			}
		}
	}
	for name, d := range map[string]dialect.Dialect{"account:created": neon.New(), "createAccount": smarterpay.New(), "": platform.New(), "onContactDelete": freshsales.New()} {
		if s, ok := sample.StoryIn(d, name); ok {
			t.Errorf("%q of %s has the story %s", name, d.Name(), s.EventType)
		}
	}
}

// What stood around a sample is what the story's earlier writes made.
func TestThePastOfASampleHasWhatTheStoryNeeds(t *testing.T) {
	c, ok := sample.Change("account-task:updated", now, "dev")
	if !ok {
		t.Fatal("no sample")
	}
	past := sample.PastOf(c)
	account, err := past.RecordAsOf(t.Context(), "dev", carillon.Ref{Kind: carillon.KindAccount, ID: c.Lane}, 0)
	if err != nil || account.Lane != c.Lane || !account.CreatedAt.Before(c.Time) {
		t.Fatalf("the account is %+v, %v", account, err)
	}
	checkNative(t, "account", carillon.KindAccount, account.Data, true)
	creation, err := past.Creation(t.Context(), c)
	if err != nil || creation.Op != carillon.OpCreated || string(creation.After) != string(c.Before) {
		t.Errorf("the creation is %+v, %v", creation, err)
	}
	previous, err := past.Previous(t.Context(), c)
	if err != nil || previous.Op != carillon.OpCreated {
		t.Errorf("before it was %+v, %v", previous, err)
	}
	if _, err := past.Previous(t.Context(), creation); !carillon.IsNotFound(err) {
		t.Errorf("before the creation: %v", err)
	}
	if _, err := past.RecordAsOf(t.Context(), "dev", carillon.Ref{Kind: carillon.KindAccount, ID: "acc_other"}, 0); !carillon.IsNotFound(err) {
		t.Errorf("an account of no story: %v", err)
	}
}

func TestChangedMembersAreThoseThatDiffer(t *testing.T) {
	for name, want := range map[string]string{
		"account-health:changed":             "~health",
		"account-activity:updated":           "~status +completedAt",
		"account-note:comment:updated":       "~content -contentMarkdown",
		"account-custom_field_value:added":   "+customFields.tier",
		"account-custom_field_value:removed": "-customFields.region",
		"account-custom_field_value:changed": "~customFields.region",
		"custom:projects:updated":            "~status",
		"account:created":                    "",
		"account:deleted":                    "",
	} {
		c, ok := sample.Change(name, now, "dev")
		if !ok {
			t.Fatal(name)
		}
		if got := strings.ReplaceAll(carillon.FormatChanged(c.Changed), "\n", " "); got != want {
			t.Errorf("%s changes %s, want %s", name, got, want)
		}
		for _, m := range c.Changed {
			before, after := member(c.Before, m.Name), member(c.After, m.Name)
			if before == after || (before == "") != (m.How == carillon.Added) || (after == "") != (m.How == carillon.Removed) {
				t.Errorf("%s: %s is %s before and %s after", name, m, before, after)
			}
		}
	}
}

// member finds a changed member's value.
func member(state []byte, name string) string {
	if uid, ok := strings.CutPrefix(name, carillon.CustomFieldsPrefix); ok {
		return string(dialect.Member(dialect.Member(state, "customFields"), uid))
	}
	return string(dialect.Member(state, name))
}

func TestStoriesCreateWhatTheyNeedFirst(t *testing.T) {
	s, ok := sample.StoryOf("account-task:comment:deleted")
	if !ok {
		t.Fatal("no story")
	}
	var told []string
	for _, step := range s.Steps("x1") {
		told = append(told, step.Method+" "+step.Path)
		if (step.Body == nil) != (step.Method == http.MethodDelete) {
			t.Errorf("%s %s has the body %s", step.Method, step.Path, step.Body)
		}
	}
	want := []string{
		"PUT /v1/accounts/acc_x1",
		"PUT /v1/tasks/task_x1",
		"PUT /v1/tasks/task_x1/comments/com_x1",
		"DELETE /v1/tasks/task_x1/comments/com_x1",
	}
	if !slices.Equal(told, want) {
		t.Errorf("steps %v, want %v", told, want)
	}
}

func TestStoriesLeaveNoPlaceholder(t *testing.T) {
	for _, name := range append(sample.EventTypes(), "custom:projects:deleted") {
		s, _ := sample.StoryOf(name)
		for _, step := range s.Steps("x1") {
			if strings.ContainsAny(step.Path, "{}") {
				t.Errorf("%s: %s", name, step.Path)
			}
			var text []string
			var body any
			if step.Body != nil {
				if err := json.Unmarshal(step.Body, &body); err != nil {
					t.Errorf("%s: %v in %s", name, err, step.Body)
				}
			}
			for _, s := range gather(body, text) {
				if strings.ContainsAny(s, "{}") {
					t.Errorf("%s: %s", name, s)
				}
			}
		}
	}
}

// gather lists the strings in a JSON value.
func gather(v any, list []string) []string {
	switch v := v.(type) {
	case string:
		list = append(list, v)
	case []any:
		for _, e := range v {
			list = gather(e, list)
		}
	case map[string]any:
		for _, e := range v {
			list = gather(e, list)
		}
	}
	return list
}

func TestSetChangesTheLastWrite(t *testing.T) {
	for _, c := range []struct{ event, path, value, want string }{
		{"account-health:changed", "health", "Healthy", `{"health":"Healthy"}`},
		{"account-health:changed", "health", `"RED"`, `{"health":"RED"}`},
		{"account-health:changed", "employees", "9007199254740993", `{"employees":9007199254740993,"health":"At Risk"}`},
		{"account-health:changed", "customFields.tier", `["gold"]`, `{"customFields":{"tier":["gold"]},"health":"At Risk"}`},
		{"account-health:changed", "metadata.a.b", "null", `{"health":"At Risk","metadata":{"a":{"b":null}}}`},
		{"account-health:changed", "name", "{not json", `{"health":"At Risk","name":"{not json"}`},
		{"account-health:changed", "name", "", `{"health":"At Risk","name":""}`},
		{"user:created", "jobTitle", "Sample", `{"email":"sample.user@example.com","jobTitle":"Sample","name":"Sample User","status":"ACTIVE","userType":"AGENT"}`},
	} {
		s, ok := sample.StoryOf(c.event)
		if !ok {
			t.Fatal(c.event)
		}
		if err := s.Set(c.path, c.value); err != nil {
			t.Errorf("%s=%s: %v", c.path, c.value, err)
			continue
		}
		steps := s.Steps("x1")
		if got := string(steps[len(steps)-1].Body); got != c.want {
			t.Errorf("%s=%s gives %s, want %s", c.path, c.value, got, c.want)
		}
		if again, _ := sample.StoryOf(c.event); strings.Contains(string(again.Steps("x1")[len(steps)-1].Body), c.want) {
			t.Errorf("%s=%s changes the story for everybody", c.path, c.value)
		}
	}
}

func TestSetRefusesWhatCannotBeSet(t *testing.T) {
	for _, c := range []struct{ event, path, want string }{
		{"account:deleted", "name", "a deletion has no members"},
		{"account:created", "name.first", "first cannot be set inside \"Sample Account\""},
		{"account:created", "tags.0", "0 cannot be set inside [\"sample\"]"},
		{"account:created", "customFields.region.x", "x cannot be set inside"},
		{"account:created", "", "names with dots"},
		{"account:created", "a..b", "names with dots"},
	} {
		s, _ := sample.StoryOf(c.event)
		err := s.Set(c.path, "x")
		if carillon.ErrorCode(err) != carillon.CodeInvalid || !strings.Contains(err.Error(), c.path) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %s: %v, want one that says %s", c.path, c.event, err, c.want)
		}
	}
}
