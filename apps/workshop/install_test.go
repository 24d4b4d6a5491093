package workshop_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carillon"
	"carillon/apps"
	"carillon/apps/workshop"
	"carillon/store"
)

func TestAnOrgHasSoManyAppsAndNoMore(t *testing.T) {
	h := newHouse(t, func(c *workshop.Config) { c.PerOrg = 2 })
	files := appOf("platform", map[string]string{"account:created": "take"}, `exports = { take() {} };`)
	another := func(org string) error {
		_, err := h.shop.Install(t.Context(), org, workshop.Installation{Package: pack(t, files)})
		return err
	}
	first := h.install(files, "")
	var at sync.WaitGroup
	var refused atomic.Int32
	for range 3 { // of which one has room
		at.Go(func() {
			if err := another(org); carillon.ErrorCode(err) == carillon.CodeConflict {
				refused.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	at.Wait()
	if n := refused.Load(); n != 2 {
		t.Errorf("%d were refused, want 2", n)
	}
	if err := another("globex"); err != nil {
		t.Errorf("another org: %v", err)
	}
	if _, err := h.shop.Upgrade(t.Context(), org, first.ID, workshop.Installation{Package: pack(t, files)}); err != nil {
		t.Errorf("an upgrade: %v", err)
	}
}

const omni = `
-- manifest.json --
{
  "platform-version": "2.3",
  "product": {
    "freshworks_crm": { "events": {
      "onAppInstall": { "handler": "setUp" }, "afterAppUpdate": { "handler": "setUp" }, "onAppUninstall": { "handler": "setUp" },
      "onContactCreate": { "handler": "tell" }, "onLeadCreate": { "handler": "tell" }
    } },
    "platform": { "events": { "onAppInstall": { "handler": "setUp" }, "account:created": { "handler": "tell" } } }
  },
  "engines": { "node": "18.20.8", "fdk": "9.7.4" }
}
-- config/iparams.json --
{
  "mood": { "display_name": "Mood", "type": "text", "required": true },
  "token": { "display_name": "Token", "type": "text", "secure": true }
}
-- server/server.js --
exports = {
  setUp(args) {
    console.log(args.event, args.iparams.mood);
    if (args.iparams.mood === "bad") { renderData({ message: "Not today: the mood is bad, and will be for some time to come" }); return; }
    if (args.iparams.mood === "broken") { throw new Error("no mood for this"); }
    renderData();
  },
  tell(args) { console.log(args.event || args.eventType, args.iparams.token); }
};
`

func TestAnAppIsInstalledWithItsSubscriptions(t *testing.T) {
	h := newHouse(t, nil)
	a := h.install(archive(omni), `{"mood":"good","token":"t0ps3cret"}`)
	if a.State != carillon.AppInstalled || a.Error != "" || a.Version != 1 || a.PlatformVersion != "2.3" || a.Package != nil || a.ExternalToken != "" {
		t.Errorf("installed as %+v", a)
	}
	if string(a.IParams) != `{"mood":"good","token":"********"}` {
		t.Errorf("the parameters are shown as %s", a.IParams)
	}
	want := map[string][]string{"freshsales": {"onContactCreate"}, "platform": {"account:created"}} // no record makes onLeadCreate
	for _, id := range a.Subscriptions {
		s, err := h.store.Subscription(t.Context(), org, id)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.Events, want[s.Dialect]) || s.Sink.Type != carillon.SinkApp || s.Sink.App != a.ID {
			t.Errorf("%s is fed by %+v", s.Dialect, s)
		}
		delete(want, s.Dialect)
	}
	if len(want) > 0 {
		t.Errorf("nothing feeds it %v", want)
	}
	h.awaitSaid(a, "onAppInstall good") // the two products share the handler, which is asked once
	h.write(account("a1", ""))
	h.awaitSaid(a, "onAppInstall good", "account:created ***")

	list, err := h.shop.Apps(t.Context(), org)
	if err != nil || len(list) != 1 || !reflect.DeepEqual(list[0], a) {
		t.Errorf("listed as %+v, %v; want %+v", list, err, a)
	}
	for _, other := range []string{"", "other"} {
		if _, err := h.shop.App(t.Context(), "other", a.ID+other); !carillon.IsNotFound(err) {
			t.Errorf("another org's app: %v", err)
		}
	}
	parsed, err := h.shop.Package(t.Context(), org, a.ID)
	if err != nil || len(parsed.Products) != 2 {
		t.Errorf("the package: %v, %v", parsed, err)
	}
}

func TestAnAppMayRefuseToBeInstalled(t *testing.T) {
	h := newHouse(t, nil)
	for mood, want := range map[string]string{
		"bad":    "the app refuses: Not today: the mood is bad, and will be for some time to co…",
		"broken": "setUp failed: Error: no mood for this (server/server.js:5:58)",
	} {
		_, err := h.shop.Install(t.Context(), org, workshop.Installation{Package: pack(t, archive(omni)), IParams: json.RawMessage(`{"mood":"` + mood + `"}`)})
		if carillon.ErrorCode(err) != carillon.CodeConflict || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", mood, err)
		}
	}
	installed, err := h.store.Apps(t.Context(), "")
	subscriptions, err2 := h.store.Subscriptions(t.Context(), "")
	if err != nil || err2 != nil || len(installed) > 0 || len(subscriptions) > 0 {
		t.Errorf("left are %d apps and %d subscriptions", len(installed), len(subscriptions))
	}
}

func TestWhatIsWrongWithAnInstallationIsNamed(t *testing.T) {
	h := newHouse(t, nil)
	broken := archive(omni)
	broken["server/server.js"] = "exports = {\n  setUp() {},\n  tell( {}\n};"
	unknown := archive(omni)
	unknown["manifest.json"] = strings.ReplaceAll(unknown["manifest.json"], "account:created", "account:bought")
	for name, c := range map[string]struct {
		install workshop.Installation
		code    carillon.Code
		member  string
	}{
		"no zip":                      {workshop.Installation{Package: []byte("PK?")}, carillon.CodeMalformed, ""},
		"a script that does not run":  {workshop.Installation{Package: pack(t, broken)}, carillon.CodeInvalid, "server/server.js"},
		"an event that nobody knows":  {workshop.Installation{Package: pack(t, unknown)}, carillon.CodeInvalid, "manifest.json#/product/platform/events/account:bought"},
		"a parameter that is missing": {workshop.Installation{Package: pack(t, archive(omni))}, carillon.CodeInvalid, "/iparams/mood"},
		"parameters that are none":    {workshop.Installation{Package: pack(t, archive(omni)), IParams: json.RawMessage(`[]`)}, carillon.CodeInvalid, "/iparams"},
		"a parameter too many": {
			workshop.Installation{Package: pack(t, archive(omni)), IParams: json.RawMessage(`{"mood":"good","modo":"good"}`)},
			carillon.CodeInvalid, "/iparams/modo",
		},
		"a name that is too long": {
			workshop.Installation{Name: strings.Repeat("x", 300), Package: pack(t, archive(omni)), IParams: json.RawMessage(`{"mood":"good"}`)},
			carillon.CodeInvalid, "/name",
		},
	} {
		_, err := h.shop.Install(t.Context(), org, c.install)
		var e *carillon.Error
		if carillon.ErrorCode(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		} else if e, _ = err.(*carillon.Error); c.member != "" && (e == nil || len(e.Faults) == 0 || e.Faults[0].Member != c.member) { //nolint:errorlint // it is this one
			t.Errorf("%s: %+v, want a fault of %s", name, e, c.member)
		}
	}
}

func TestAnUpgradeKeepsWhatIsSetAndMayBeRefused(t *testing.T) {
	h := newHouse(t, nil)
	a := h.install(archive(omni), `{"mood":"good","token":"t0ps3cret"}`)
	next := archive(omni)
	next["manifest.json"] = strings.ReplaceAll(next["manifest.json"], "account:created", "account:updated")
	next["server/server.js"] = strings.ReplaceAll(next["server/server.js"], "tell(args) {", "tell(args) { console.log('second');")

	_, err := h.shop.Upgrade(t.Context(), org, a.ID, workshop.Installation{Package: pack(t, next), IParams: json.RawMessage(`{"mood":"bad"}`)})
	if carillon.ErrorCode(err) != carillon.CodeConflict {
		t.Fatalf("an upgrade that the app refuses: %v", err)
	}
	h.write(account("a1", ""))
	h.awaitSaid(a, "onAppInstall good", "afterAppUpdate bad", "account:created ***")

	b, err := h.shop.Upgrade(t.Context(), org, a.ID, workshop.Installation{Package: pack(t, next)})
	if err != nil {
		t.Fatal(err)
	}
	if b.Version != 2 || b.ID != a.ID || b.Name != a.Name || string(b.IParams) != string(a.IParams) || b.State != carillon.AppInstalled ||
		!slices.Equal(b.Subscriptions, a.Subscriptions) {
		t.Errorf("upgraded to %+v, was %+v", b, a)
	}
	h.write(touch("a1", `{"domain":"a.example.com"}`))
	h.awaitSaid(a, "onAppInstall good", "afterAppUpdate bad", "account:created ***", "afterAppUpdate good", "second", "account:updated ***")

	only := archive(omni) // no platform any more
	only["manifest.json"] = manifestOf("freshworks_crm", map[string]string{"onContactCreate": "tell"})
	c, err := h.shop.Upgrade(t.Context(), org, a.ID, workshop.Installation{Package: pack(t, only), Name: "renamed"})
	if err != nil || len(c.Subscriptions) != 1 || c.Name != "renamed" {
		t.Fatalf("upgraded to %+v, %v", c, err)
	}
	if left, err := h.store.Subscriptions(t.Context(), org); err != nil || len(left) != 1 {
		t.Errorf("%d subscriptions are left, %v", len(left), err)
	}
}

func TestParametersAreSetAnewAndMaskedOnesStay(t *testing.T) {
	h := newHouse(t, nil)
	a := h.install(archive(omni), `{"mood":"good","token":"t0ps3cret"}`)
	b, err := h.shop.SetIParams(t.Context(), org, a.ID, json.RawMessage(`{"mood":"fine","token":"`+apps.Masked+`"}`))
	if err != nil || string(b.IParams) != `{"mood":"fine","token":"********"}` {
		t.Fatalf("set to %s, %v", b.IParams, err)
	}
	kept, err := h.store.App(t.Context(), org, a.ID)
	if err != nil || string(kept.IParams) != `{"mood":"fine","token":"t0ps3cret"}` {
		t.Errorf("kept is %s, %v", kept.IParams, err)
	}
	if _, err := h.shop.SetIParams(t.Context(), org, a.ID, json.RawMessage(`{"token":"x"}`)); carillon.ErrorCode(err) != carillon.CodeInvalid {
		t.Errorf("without what is required: %v", err)
	}
	i := h.simulate(a, "afterAppUpdate", `{}`)
	if i.Lines[0].Text != "undefined fine" {
		t.Errorf("the handler has %q", i.Lines)
	}
}

func TestAnAppIsRemovedWithAllThatIsItsAndMayRefuse(t *testing.T) {
	h := newHouse(t, nil)
	a, other := h.install(archive(omni), `{"mood":"good"}`), h.install(archive(omni), `{"mood":"good"}`)
	mine := &carillon.Subscription{
		Org: org, Name: "a person's own", Dialect: "platform", Filter: `false`, Sink: carillon.Sink{Type: carillon.SinkApp, App: a.ID},
	}
	if err := h.engine.Create(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	if _, err := h.shop.SetIParams(t.Context(), org, a.ID, json.RawMessage(`{"mood":"bad"}`)); err != nil {
		t.Fatal(err)
	}
	if err := h.shop.Uninstall(t.Context(), org, a.ID, false); carillon.ErrorCode(err) != carillon.CodeConflict {
		t.Fatalf("an app that refuses: %v", err)
	}
	if _, err := h.shop.SetIParams(t.Context(), org, a.ID, json.RawMessage(`{"mood":"good"}`)); err != nil {
		t.Fatal(err)
	}
	if err := h.shop.Uninstall(t.Context(), "other", a.ID, false); !carillon.IsNotFound(err) {
		t.Errorf("another org's app: %v", err)
	}
	if err := h.shop.Uninstall(t.Context(), org, a.ID, false); err != nil {
		t.Fatal(err)
	}
	if err := h.shop.Uninstall(t.Context(), org, a.ID, false); !carillon.IsNotFound(err) {
		t.Errorf("again: %v", err)
	}
	left, err := h.store.Subscriptions(t.Context(), org)
	if err != nil || len(left) != 2 || left[0].Sink.App != other.ID || left[1].Sink.App != other.ID {
		t.Errorf("left are %+v, %v", left, err)
	}
	if rows, err := h.store.Invocations(t.Context(), store.InvocationQuery{Org: org, App: a.ID, Limit: 9}); err != nil || len(rows) > 0 {
		t.Errorf("left are %d invocations, %v", len(rows), err)
	}
}

func TestAnAppThatCannotSayGoodbyeIsRemoved(t *testing.T) {
	h := newHouse(t, func(c *workshop.Config) { c.Script.Time = 300 * time.Millisecond })
	for name, c := range map[string]struct {
		body  string
		force bool
	}{
		"it throws":             {`throw new Error("no")`, false},
		"it never ends":         {`for (;;) {}`, false},
		"it refuses and throws": {`renderData({ message: "no" }); throw new Error("no")`, false},
		"it is not asked":       {`renderData({ message: "no" })`, true},
	} {
		a := h.install(appOf("platform", map[string]string{"onAppUninstall": "leave", "account:created": "leave"}, "exports = { leave() { "+c.body+" } };"), "")
		if err := h.shop.Uninstall(t.Context(), org, a.ID, c.force); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := h.store.App(t.Context(), org, a.ID); !carillon.IsNotFound(err) {
			t.Errorf("%s: it is still there, %v", name, err)
		}
	}
}

func TestASubscriptionThatIsDisabledOrGoneShows(t *testing.T) {
	h := newHouse(t, nil)
	a := h.install(archive(omni), `{"mood":"good"}`)
	if err := h.engine.Delete(t.Context(), org, a.Subscriptions[0]); err != nil {
		t.Fatal(err)
	}
	b, err := h.shop.App(t.Context(), org, a.ID)
	if err != nil || b.State != carillon.AppDisabled || !strings.Contains(b.Error, a.Subscriptions[0]) {
		t.Errorf("shown as %+v, %v", b, err)
	}
	if b, err = h.shop.Upgrade(t.Context(), org, a.ID, workshop.Installation{Package: pack(t, archive(omni))}); err != nil {
		t.Fatal(err)
	}
	if b.State != carillon.AppInstalled || len(b.Subscriptions) != 2 {
		t.Errorf("after an upgrade it is shown as %+v", b)
	}
}

func TestAPackageThatNoLongerRunsShowsAndItsEventsAreNotLost(t *testing.T) {
	source := 0 // the bound of an app's files
	h := newHouse(t, func(c *workshop.Config) { c.Script.Source = source })
	a := h.install(archive(omni), `{"mood":"good"}`)
	h.stop()
	source = 100
	h.start()
	list, err := h.shop.Apps(t.Context(), org)
	if err != nil || len(list) != 1 || list[0].State != carillon.AppDisabled || !strings.Contains(list[0].Error, "at most 100 are read") {
		t.Fatalf("listed as %+v, %v", list[0], err)
	}
	h.write(account("a1", ""))
	h.await("the event is given up", func() bool {
		n := 0
		for _, id := range a.Subscriptions {
			letters, err := h.store.CountDeadLetters(t.Context(), org, id)
			if err != nil {
				t.Fatal(err)
			}
			n += letters
		}
		return n == 1
	})
	if _, err := h.shop.Upgrade(t.Context(), org, a.ID, workshop.Installation{Package: pack(t, archive(omni))}); carillon.ErrorCode(err) != carillon.CodeInvalid {
		t.Errorf("an upgrade to what does not run either: %v", err)
	}
	h.stop()
	source = 0
	h.start()
	for _, id := range a.Subscriptions { // as a person would
		h.await("its subscriptions are up", func() bool {
			_, err := h.engine.ReplayDeadLetters(t.Context(), org, id, nil)
			return err == nil
		})
	}
	h.await("the event has come", func() bool { return slices.Contains(h.said(a), "account:created ") })
	if b, err := h.shop.App(t.Context(), org, a.ID); err != nil || b.State != carillon.AppInstalled {
		t.Errorf("shown as %+v, %v", b, err)
	}
	if err := h.shop.Uninstall(t.Context(), org, a.ID, false); err != nil {
		t.Error(err)
	}
}

// What is secret is in no file of the archive, in no log and in nothing that people are shown.
func TestSecureParametersAreNeverSeen(t *testing.T) {
	const secret = `s3cr"et&token/of <mine>`
	h := newHouse(t, nil)
	files := archive(omni)
	files["manifest.json"] = manifestOf("platform", map[string]string{"account:created": "leak", "onExternalEvent": "leak"})
	files["server/server.js"] = `
exports = {
  async leak(args) {
    const { token } = args.iparams;
    console.log(token, [token], { token }, JSON.stringify(args), encodeURIComponent(token), btoa(token));
    renderData({ message: token });
    try { await $request.invokeTemplate(token); } catch (e) { console.log(e.message); }
    await $db.set("token", { token });
    throw new Error("with " + token);
  }
};`
	iparams, err := json.Marshal(map[string]string{"mood": "good", "token": secret})
	if err != nil {
		t.Fatal(err)
	}
	a := h.install(files, string(iparams))
	h.write(account("a1", ""))
	h.await("the message is given up", func() bool {
		n, err := h.store.CountDeadLetters(t.Context(), org, a.Subscriptions[0])
		return err == nil && n == 1
	})
	h.await("all is written", func() bool { return len(h.did(a)) == 3 })
	letters, err := h.store.DeadLetters(t.Context(), org, a.Subscriptions[0], "", 9)
	if err != nil || !strings.Contains(letters[0].LastError, "with ***") {
		t.Errorf("the letter says %q, %v", letters[0].LastError, err)
	}
	attempts, err := h.engine.Attempts(t.Context(), org, a.Subscriptions[0], 9)
	if err != nil {
		t.Fatal(err)
	}
	h.stop() // so that all of it is in the files
	told, err := json.Marshal([]any{letters, attempts})
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"the log": h.log.String(), "letters and attempts": string(told)}
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(h.dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		texts[e.Name()] = string(content)
	}
	if !strings.Contains(texts["carillon.db"], "with ***") {
		t.Error("the failure is not in the archive: the test looks in the wrong place")
	}
	for where, text := range texts {
		for _, form := range []string{secret, `s3cr\"et`, "s3cr%22et", "czNjciJldCZ0b2tlbi9vZiA8bWluZT4", "s3cr"} {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%q is in %s: %q", form, where, text[max(0, at-40):min(len(text), at+60)])
			}
		}
	}
}
