package workshop_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"carillon"
	"carillon/apps/workshop"
	"carillon/ledger"
	"carillon/store"
)

func TestRealEventsComeInOrderPerAccount(t *testing.T) {
	h := newHouse(t, func(c *workshop.Config) { c.Limits.Values = -1 })
	a := h.install(appOf("platform", map[string]string{"account:created": "note", "account:updated": "note"}, `
exports = {
  async note(args) {
    const account = args.payload.account, key = "seen:" + account.id;
    let seen = [];
    try { seen = (await $db.get(key)).list; } catch (e) { if (e.status !== 404) throw e; }
    await $db.set(key, { list: seen.concat(account.domain || "new") });
  }
};`), "")
	const accounts, changes = 6, 25
	want := map[string][]string{}
	for n := range changes {
		for k := range accounts {
			id := fmt.Sprint("acc", k)
			if n == 0 {
				h.write(account(id, ""))
				want[id] = []string{"new"}
				continue
			}
			domain := fmt.Sprintf("d%d.example.com", n)
			h.write(touch(id, `{"domain":"`+domain+`"}`))
			want[id] = append(want[id], domain)
		}
	}
	h.await("every change is told", func() bool { return len(h.did(a)) == accounts*changes })
	for id, list := range want {
		v, err := h.store.AppValue(t.Context(), org, a.ID, "seen:"+id)
		if err != nil {
			t.Fatal(err, h.failures(a))
		}
		var seen struct{ List []string }
		if err := json.Unmarshal(v.Value, &seen); err != nil || !slices.Equal(seen.List, list) {
			t.Errorf("%s came as %v, want %v", id, seen.List, list)
		}
	}
	for _, i := range h.did(a) {
		if i.Trigger != carillon.TriggerEvent || i.Product != "platform" || i.Handler != "note" || i.EventID == "" || i.Duration <= 0 || i.Failed() {
			t.Fatalf("an invocation is %+v", i)
		}
	}
}

func TestWhatAnAppKeepsSurvivesARestart(t *testing.T) {
	h := newHouse(t, nil)
	a := h.install(appOf("freshworks_crm", map[string]string{"onSalesAccountCreate": "count"}, `
exports = {
  async count(args) {
    try { await $db.update("count", "increment", { n: 1 }); } catch (e) { await $db.set("count", { n: 1 }); }
    console.log(args.data.sales_account.name.value, (await $db.get("count")).n);
  }
};`), "")
	h.write(account("a1", ""))
	h.awaitSaid(a, "Account a1 1")
	h.restart()
	h.write(account("a2", ""))
	h.awaitSaid(a, "Account a1 1", "Account a2 2")
}

func TestAFailingHandlerIsTriedAgainAndThenADeadLetterWhichCanBeReplayed(t *testing.T) {
	h := newHouse(t, nil)
	a := h.install(appOf("platform", map[string]string{"account:created": "fail"}, `
exports = {
  async fail(args) {
    const id = args.payload.account.id;
    let mended = true;
    if (id === "a1") { try { await $db.get("mended"); } catch (e) { mended = false; } }
    console.log(id, mended);
    if (!mended) throw new TypeError("not yet");
  },
};`), "")
	sub := a.Subscriptions[0]
	h.write(account("a1", ""), account("a2", ""))
	h.await("the message is given up", func() bool {
		n, err := h.store.CountDeadLetters(t.Context(), org, sub)
		return err == nil && n == 1
	})
	letters, err := h.store.DeadLetters(t.Context(), org, sub, "", 9)
	if err != nil {
		t.Fatal(err)
	}
	l := letters[0]
	if l.Attempts != 3 || l.Lane != "a1" || l.EventType != "account:created" || l.LastError != "fail failed: TypeError: not yet (server/server.js:8:37)" {
		t.Errorf("the letter is %+v", l)
	}
	h.await("all is written", func() bool { return len(h.did(a)) == 4 })
	var failed []*carillon.Invocation
	if failed, err = h.shop.Invocations(t.Context(), store.InvocationQuery{Org: org, App: a.ID, Failed: true, Limit: 9}); err != nil {
		t.Fatal(err)
	}
	if len(failed) != 3 || failed[0].Failure.Kind != "threw" || failed[0].Failure.Line != 8 || failed[0].EventID != l.EventID {
		t.Errorf("failed are %+v", failed)
	}
	if err := h.store.Update(t.Context(), mend(a)); err != nil {
		t.Fatal(err)
	}
	if n, err := h.engine.ReplayDeadLetters(t.Context(), org, sub, nil); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	h.await("the letter is taken", func() bool {
		n, err := h.store.CountDeadLetters(t.Context(), org, sub)
		return err == nil && n == 0
	})
	h.await("that is written", func() bool { return slices.Contains(h.said(a), "a1 true") })
}

func TestAHandlerThatNeverEndsIsStoppedAndOthersGoOn(t *testing.T) {
	h := newHouse(t, func(c *workshop.Config) { c.Script.Time = 200e6 })
	server := `
exports = { run(args) { if (args.iparams.loop) { for (;;) {} } console.log(args.payload.account.id); } };`
	files := appOf("platform", map[string]string{"account:created": "run"}, server)
	files["config/iparams.json"] = `{"loop":{"display_name":"Loop","type":"checkbox"}}`
	endless, calm := h.install(files, `{"loop":true}`), h.install(files, "")
	var want []string
	for n := range 20 {
		id := fmt.Sprintf("a%02d", n)
		h.write(account(id, ""))
		want = append(want, id)
	}
	h.await("the calm one is told", func() bool { return len(h.said(calm)) == len(want) })
	got := h.said(calm)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the calm one said %v", got)
	}
	h.await("the endless one is stopped", func() bool { return len(h.did(endless)) > 0 })
	for _, i := range h.did(endless) {
		if i.Failure == nil || i.Failure.Kind != "timeout" {
			t.Errorf("the endless one: %+v", i)
		}
	}
}

func TestTwoInstallationsOfOnePackageShareNothing(t *testing.T) {
	h := newHouse(t, nil)
	files := appOf("platform", map[string]string{"onExternalEvent": "run"}, `
globalThis.runs = 0;
exports = {
  async run(args) {
    runs++; Array.prototype.mark = (Array.prototype.mark || "") + args.iparams.who;
    let kept = "nothing";
    try { kept = (await $db.get("k")).who; } catch (e) {}
    await $db.set("k", { who: args.iparams.who });
    console.log(args.iparams.who, runs, [].mark, kept);
    await $schedule.create({ name: "s", data: { who: args.iparams.who }, schedule_at: "2026-05-05T00:00:00Z" }).catch((e) => console.log(e.message));
  }
};`)
	files["config/iparams.json"] = `{"who":{"display_name":"Who","type":"text"}}`
	one, two := h.install(files, `{"who":"one"}`), h.install(files, `{"who":"two"}`)
	for _, a := range []*carillon.App{one, two, one} {
		h.simulate(a, "onExternalEvent", `{}`)
	}
	h.awaitSaid(one, "one 1 one nothing", "one 1 one one", "there is a schedule of this name already")
	h.awaitSaid(two, "two 1 two nothing")
}

func TestExamplesWorkOnRealWrites(t *testing.T) {
	far := newFarEnd(t)
	h := newHouse(t, func(c *workshop.Config) { c.TLS = far.tls() })
	install := func(name, iparams string) *carillon.App {
		return h.install(folder(t, os.DirFS(filepath.Join("..", "..", "examples", name))), iparams)
	}
	health := install("health-monitoring", `{"host":"`+far.host+`","token":"t0ken"}`)
	contacts := install("contact-sync", `{"host":"`+far.host+`","user":"me","password":"p4ss"}`)
	tasks := install("task-management", `{"calendarHost":"`+far.host+`","projectHost":"`+far.host+`","token":"t0ken"}`)

	h.write(account("a1", `,"health":"Healthy"`))
	h.write(touch("a1", `{"health":"At Risk"}`))
	far.await(h, "POST /accounts/a1/reviews Bearer t0ken", "POST /notifications Bearer t0ken")
	h.write(touch("a1", `{"health":"Healthy"}`))
	h.await("the recovery is told", func() bool { return slices.Contains(h.said(health), "Account a1 recovered after 0 h") })

	h.write(contact("c1", "a1"))
	far.await(h, "PUT /contacts/c1 Basic bWU6cDRzcw==", "PUT /segments/type-customer/members/c1 Basic bWU6cDRzcw==")
	h.await("that is told", func() bool { return slices.Contains(h.said(contacts), "contact c1 written to the CRM") })

	h.write(ledger.Write{Op: ledger.Put, Ref: carillon.Ref{Kind: carillon.KindTask, ID: "t1"}, Data: []byte(
		`{"title":"Call","accountId":"a1","status":"Open","priority":"High","dueDate":"2030-01-31T17:00:00.000Z","assignedUserId":"u1"}`)})
	far.await(h, "POST /events Bearer t0ken", "PUT /tasks/t1 Bearer t0ken")
	h.await("that is told", func() bool { return len(h.said(tasks)) == 1 })
	for _, a := range []*carillon.App{health, contacts, tasks} {
		if failed := h.failures(a); failed != "" {
			t.Error(failed)
		}
	}
	for _, line := range append(h.said(contacts), h.said(health)...) {
		if strings.Contains(line, "p4ss") || strings.Contains(line, "t0ken") {
			t.Errorf("a secret is told: %q", line)
		}
	}
}

func TestASubscriptionToAnAppThatIsNoMoreIsDisabled(t *testing.T) {
	h := newHouse(t, nil)
	s := &carillon.Subscription{Org: org, Name: "lost", Dialect: "platform", Sink: carillon.Sink{Type: carillon.SinkApp, App: "app_gone"}}
	if err := h.engine.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	h.write(account("a1", ""))
	h.await("it is disabled", func() bool {
		found, err := h.store.Subscription(t.Context(), org, s.ID)
		return err == nil && found.Disabled
	})
}
