package workshop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"carillon"
	"carillon/apps/workshop"
	"carillon/dialect/freshsales"
)

// twelve is an app that registers all that the freshsales dialect tells.
func twelve() map[string]string {
	handlers := map[string]string{}
	for _, typ := range freshsales.New().Types() {
		handlers[typ.Name] = "tell"
	}
	return appOf("freshworks_crm", handlers, `exports = { tell(args) { console.log(args.event, Object.keys(args.data).includes("associations"), args.iparams); } };`)
}

func TestTheVendorsOwnBodiesAreSimulated(t *testing.T) {
	h := newHouse(t, nil)
	a := h.install(twelve(), "")
	types := freshsales.New().Types()
	if len(types) != 12 {
		t.Fatalf("there are %d events", len(types))
	}
	for _, typ := range types {
		body, err := os.ReadFile(filepath.Join("..", "..", "dialect", "freshsales", "testdata", typ.Name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		i := h.simulate(a, typ.Name, string(body))
		if i.Failure != nil || len(i.Lines) != 1 || i.Lines[0].Text != typ.Name+" true {  }" || i.Product != "freshworks_crm" || i.Trigger != carillon.TriggerSimulate {
			t.Errorf("%s: %+v, %+v", typ.Name, i, i.Failure)
		}
		if i.Position == 0 {
			t.Errorf("%s: it was not kept", typ.Name)
		}
	}
	if n := len(h.did(a)); n != 12 {
		t.Errorf("%d are kept", n)
	}
}

func TestAPayloadThatIsNotTheEventsIsNamed(t *testing.T) {
	h := newHouse(t, nil)
	a := h.install(twelve(), "")
	body, err := os.ReadFile(filepath.Join("..", "..", "dialect", "freshsales", "testdata", "onDealUpdate.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		alter          func(map[string]any)
		member, reason string
	}{
		"a text for a number": {func(m map[string]any) { m["timestamp"] = "now" }, "/timestamp", "got string, want number"},
		"no data":             {func(m map[string]any) { delete(m, "data") }, "", "missing property 'data'"},
		"no actor":            {func(m map[string]any) { delete(m["data"].(map[string]any), "actor") }, "/data", "missing property 'actor'"},
		"another event":       {func(m map[string]any) { m["event"] = "onDealCreate" }, "/event", "value must be 'onDealUpdate'"},
		"changes of one value": {
			func(m map[string]any) {
				m["data"].(map[string]any)["changes"].(map[string]any)["model_changes"] = map[string]any{"name": []any{"a"}}
			},
			"/data/changes/model_changes/name", "minItems: got 1, want 2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var payload map[string]any
			if err := json.Unmarshal(body, &payload); err != nil {
				t.Fatal(err)
			}
			c.alter(payload)
			text, err := json.Marshal(payload)
			if err != nil {
				t.Fatal(err)
			}
			i := h.simulate(a, "onDealUpdate", string(text))
			if i.Failure == nil || i.Failure.Kind != "payload" || len(i.Failure.Faults) == 0 ||
				i.Failure.Faults[0].Member != c.member || !strings.Contains(i.Failure.Faults[0].Reason, c.reason) {
				t.Errorf("got %+v", i.Failure)
			}
		})
	}
	for text, reason := range map[string]string{`{"a":`: "is not JSON", `[]`: "must be an object", `{} {}`: "is not JSON"} {
		i := h.simulate(a, "onDealUpdate", text)
		if i.Failure == nil || i.Failure.Kind != "payload" || !strings.HasPrefix(i.Failure.Faults[0].Reason, reason) {
			t.Errorf("%s: %+v", text, i.Failure)
		}
	}
}

func TestFailuresOfHandlersAreToldWithTheirPlace(t *testing.T) {
	h := newHouse(t, func(c *workshop.Config) { c.Script.Time = 300e6 })
	a := h.install(appOf("platform", map[string]string{"onExternalEvent": "run"}, `exports = {
  run(args) {
    if (args.how === "throw") null.x;
    if (args.how === "loop") for (;;) {}
    return 1;
  }
};`), "")
	for how, want := range map[string]carillon.AppFailure{
		"throw": {Kind: "threw", File: "server/server.js", Line: 3},
		"loop":  {Kind: "timeout", File: "server/server.js", Line: 4},
	} {
		i := h.simulate(a, "onExternalEvent", fmt.Sprintf(`{"how":%q}`, how))
		if f := i.Failure; f == nil || f.Kind != want.Kind || f.File != want.File || f.Line != want.Line || f.Message == "" {
			t.Errorf("%s: %+v", how, f)
		}
	}
	if i := h.simulate(a, "onExternalEvent", `{}`); i.Failure != nil {
		t.Errorf("afterwards: %+v", i.Failure)
	}
	huge := fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", 256<<10))
	if i := h.simulate(a, "onExternalEvent", huge); i.Failure == nil || i.Failure.Kind != "payload" {
		t.Errorf("a payload that is too large: %+v", i.Failure)
	}
}

func TestWhoeverSimulatesMustNameWhatIsThere(t *testing.T) {
	h := newHouse(t, nil)
	a := h.install(archive(omni), `{"mood":"good"}`)
	for _, c := range []struct{ product, event, member string }{
		{"freshdesk", "onContactCreate", "/product"},
		{"", "onContactUpdate", "/event"},
		{"platform", "onContactCreate", "/event"},
		{"", "", "/event"},
	} {
		_, err := h.shop.Simulate(t.Context(), org, a.ID, workshop.Simulation{Product: c.product, Event: c.event, Payload: json.RawMessage(`{}`)})
		e, ok := err.(*carillon.Error) //nolint:errorlint // it is this one
		if !ok || e.Code != carillon.CodeInvalid || e.Faults[0].Member != c.member {
			t.Errorf("%+v: %v", c, err)
		}
		if _, err := h.shop.TestPayload(t.Context(), org, a.ID, c.product, c.event); carillon.ErrorCode(err) != carillon.CodeInvalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := h.shop.Simulate(t.Context(), "other", a.ID, workshop.Simulation{Event: "onContactCreate"}); !carillon.IsNotFound(err) {
		t.Errorf("another org's app: %v", err)
	}
}

func TestAPayloadForTryingIsTheAppsOwnOrTheHouses(t *testing.T) {
	h := newHouse(t, func(c *workshop.Config) {
		c.Sample = func(_ context.Context, dialect, event string, settings json.RawMessage) (json.RawMessage, bool) {
			return json.RawMessage(`{"of":"` + dialect + ` ` + event + `"}`), event != "onLeadCreate"
		}
	})
	files := archive(omni)
	files["server/test_data/onContactCreate.json"] = `{"own":true}`
	a := h.install(files, `{"mood":"good"}`)
	for event, want := range map[string]string{
		"onContactCreate": `{"own":true}`, "account:created": `{"of":"platform account:created"}`,
		"onAppInstall": `{"account_id":"acme","domain":"sample.myfreshworks.com","event":"onAppInstall","region":"US","timestamp":1777896000.000,"version":"1.0.0"}`,
	} {
		got, err := h.shop.TestPayload(t.Context(), org, a.ID, "", event)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", event, got, err)
		}
	}
	if _, err := h.shop.TestPayload(t.Context(), org, a.ID, "", "onLeadCreate"); !carillon.IsNotFound(err) {
		t.Errorf("an event without a payload: %v", err)
	}
	i, err := h.shop.Simulate(t.Context(), org, a.ID, workshop.Simulation{Event: "onAppInstall"})
	if err != nil || i.Failure != nil || i.Lines[0].Text != "onAppInstall good" || string(i.Rendered) != `{}` {
		t.Errorf("simulated on the house's payload: %+v, %v", i, err)
	}
}

// Trying an app on a laptop asks for nothing: parameters are those for trying, and no set-up event runs.
func TestATrialNeedsNothing(t *testing.T) {
	h := newHouse(t, func(c *workshop.Config) { c.Feeder = nil })
	files := archive(omni)
	a := h.install(files, "")
	if len(a.Subscriptions) > 0 || a.State != carillon.AppInstalled || string(a.IParams) != `{"mood":"","token":""}` {
		t.Errorf("installed as %+v", a)
	}
	files["config/iparam_test_data.json"] = `{"mood":"test"}`
	if _, err := h.shop.Upgrade(t.Context(), org, a.ID, workshop.Installation{Package: pack(t, files)}); err != nil {
		t.Fatal(err)
	}
	if i := h.simulate(a, "onAppInstall", `{}`); i.Lines[0].Text != "undefined test" {
		t.Errorf("the handler said %q", i.Lines)
	}
	if len(h.did(a)) != 1 {
		t.Errorf("%d handlers have run", len(h.did(a)))
	}
	if err := h.shop.Uninstall(t.Context(), org, a.ID, false); err != nil {
		t.Error(err)
	}
}

func TestWatchersHearOfInvocations(t *testing.T) {
	h := newHouse(t, nil)
	a := h.install(archive(omni), `{"mood":"good"}`)
	nudges, stop := h.shop.Watch(org, a.ID)
	h.write(account("a1", ""))
	<-nudges
	h.awaitSaid(a, "onAppInstall good", "account:created ")
	stop()
	h.simulate(a, "onAppInstall", `{}`)
	select {
	case <-nudges:
		t.Error("a watcher that has left hears")
	default:
	}
}
