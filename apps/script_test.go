package apps_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"carillon/apps"
)

// exports answers what it was told to.
type exports struct {
	answer apps.Exports
	err    error
	asked  int
}

func (e *exports) Exports(context.Context, *apps.App) (apps.Exports, error) {
	e.asked++
	return e.answer, e.err
}

func TestEveryRegistrationLeadsToItsHandler(t *testing.T) {
	for _, c := range []struct {
		fixture, product, event string
		handler                 string // "" for none
	}{
		{"omni", "freshworks_crm", "onContactUpdate", "onContact"},
		{"omni", "freshsales", "onContactCreate", "onContact"},
		{"omni", "freshsales", "onContactUpdate", ""},
		{"omni", "freshworks_crm", apps.OnAppInstall, "onInstall"},
		{"omni", "freshsales", apps.OnAppInstall, ""},
		{"omni", apps.PlatformProduct, "account-health:changed", "onHealth"},
		{"omni", "freshworks_crm", "account-health:changed", ""},
		{"modules", "deal", "onDealCreate", "onDeal"},
		{"modules", "contact", "onDealCreate", ""},
		{"modules", "deal", apps.OnScheduledEvent, "onTime"},
		{"modules", apps.CommonModule, apps.OnAppInstall, "onInstall"},
		{"legacy", "freshsales", "onContactCreate", "onContact"},
		{"legacy", "freshsales", "onContactUpdate", "onContact"},
		{"legacy", "freshsales", "onDealCreate", ""},
	} {
		_, files := fixture(t, "testdata/valid/"+c.fixture+".txtar")
		app, _ := validate(t, files)
		if handler, ok := app.Handler(c.product, c.event); handler != c.handler || ok != (c.handler != "") {
			t.Errorf("%s: %s of %s is handled by %q", c.fixture, c.event, c.product, handler)
		}
	}
}

func TestAScriptIsAskedOnce(t *testing.T) {
	_, files := fixture(t, "testdata/valid/legacy.txtar")
	script := &exports{answer: apps.Exports{Functions: []string{"onContact"}, Events: json.RawMessage(`[{"event":"onContactCreate","callback":"onContact"}]`)}}
	app, _ := apps.Read(files)
	for range 2 {
		if list, err := apps.Validate(t.Context(), app, apps.Checks{Script: script}); err != nil || len(list) > 0 {
			t.Fatalf("%v, found\n%s", err, lines(list))
		}
	}
	if script.asked != 1 || len(app.Products[0].Events) != 1 {
		t.Errorf("asked %d times: %+v", script.asked, app.Products)
	}
}

func TestAScriptThatWasNotTriedIsAnError(t *testing.T) {
	app, _ := apps.Read(small())
	script := &exports{err: context.DeadlineExceeded}
	if _, err := apps.Validate(t.Context(), app, apps.Checks{Script: script}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	script.err, script.answer.Functions = nil, []string{"onDeal"}
	if list, err := apps.Validate(t.Context(), app, apps.Checks{Script: script}); err != nil || len(list) > 0 {
		t.Errorf("%v, found\n%s", err, lines(list))
	}
}

func TestListsOfRegistrationsAreBounded(t *testing.T) {
	_, files := fixture(t, "testdata/valid/legacy.txtar")
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, `,{"event":"e%d","callback":"c"}`, i)
	}
	for _, events := range []string{`{}`, `null`, `[`, "[" + b.String()[1:] + "]", "[" + strings.Repeat(`[`, 100) + strings.Repeat("]", 101)} {
		app, _ := apps.Read(files)
		list, err := app.Inspect(t.Context(), &exports{answer: apps.Exports{Events: json.RawMessage(events)}})
		if err != nil || apps.Refusal(list) == nil || len(app.Products[0].Events) > 100 {
			t.Errorf("%.20s: %v, found\n%s", events, err, lines(list))
		}
	}
}

func TestRequiredFilesAreFoundAsNodeFindsThem(t *testing.T) {
	files := small()
	for _, name := range []string{"server/lib/a.js", "server/lib/data.json", "server/lib/b/index.js", "server/test_data/onDealCreate.json"} {
		files[name] = &fstest.MapFile{Data: []byte("{}")}
	}
	app, _ := apps.Read(files)
	for _, c := range []struct{ from, name, want string }{
		{"server/server.js", "./lib/a", "server/lib/a.js"},
		{"server/server.js", "./lib/a.js", "server/lib/a.js"},
		{"server/server.js", "./lib/data", "server/lib/data.json"},
		{"server/server.js", "./lib/b", "server/lib/b/index.js"},
		{"server/lib/b/index.js", "../a", "server/lib/a.js"},
		{"server/lib/a.js", "../server", "server/server.js"},
		{"server/server.js", "lib/a", ""},
		{"server/server.js", "/server/lib/a", ""},
		{"server/server.js", "./lib/none", ""},
		{"server/server.js", "../config/iparams.json", ""},
		{"server/server.js", "../../server/server.js", ""},
		{"server/server.js", "../manifest", ""},
	} {
		if got, ok := app.Resolve(c.from, c.name); got != c.want || ok != (c.want != "") {
			t.Errorf("require(%q) in %s is %q", c.name, c.from, got)
		}
	}
	var names []string
	for name := range app.Sources() {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"server/lib/a.js", "server/lib/b/index.js", "server/lib/data.json", "server/server.js"}; !slices.Equal(names, want) {
		t.Errorf("sources are %v", names)
	}
}

func TestTestDataIsFoundInBothLayouts(t *testing.T) {
	files := small()
	for name, content := range map[string]string{
		"deal/onDealCreate": `{"in":"module"}`, "onDealCreate": `{"in":"root"}`, "common/onAppInstall": `{"in":"common"}`,
		"common/onDealUpdate": `{"in":"common"}`, "account-health.changed": `{"in":"root"}`, "onTaskCreate": `[]`,
	} {
		files["server/test_data/"+name+".json"] = &fstest.MapFile{Data: []byte(content)}
	}
	app, _ := apps.Read(files)
	for _, c := range []struct{ product, event, want string }{
		{"deal", "onDealCreate", `{"in":"module"}`},
		{"freshworks_crm", "onDealCreate", `{"in":"root"}`},
		{"deal", apps.OnAppInstall, `{"in":"common"}`},
		{"deal", "onDealUpdate", ""},
		{apps.PlatformProduct, "account-health:changed", `{"in":"root"}`},
		{"deal", "onTaskCreate", ""},
		{"..", "onDealCreate", `{"in":"root"}`},
		{"deal", "../../../manifest", ""},
	} {
		if got, ok := app.TestData(c.product, c.event); string(got) != c.want || ok != (c.want != "") {
			t.Errorf("%s of %s: %s", c.event, c.product, got)
		}
	}
}

func TestClassesOfEvents(t *testing.T) {
	for event, want := range map[string]apps.Class{
		apps.OnAppInstall: apps.ClassSetUp, apps.AfterAppUpdate: apps.ClassSetUp, apps.OnAppUninstall: apps.ClassSetUp,
		apps.OnExternalEvent: apps.ClassExternal, apps.OnScheduledEvent: apps.ClassScheduled,
		"account:created": apps.ClassPlatform, "onContactCreate": apps.ClassProduct,
	} {
		if got := apps.ClassOf(event); got != want {
			t.Errorf("%s is %s", event, got)
		}
	}
}

func TestTheVendorsTwelveEventsAreKnown(t *testing.T) {
	known := apps.ProductEvents()
	for _, object := range []string{"Contact", "Deal", "SalesAccount", "CustomModule", "Appointment", "Task"} {
		for _, act := range []string{"Create", "Update"} {
			if !slices.Contains(known, "on"+object+act) {
				t.Errorf("on%s%s is not known", object, act)
			}
		}
	}
}
