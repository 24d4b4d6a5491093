package workshop_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/apps/workshop"
	"carillon/store"
)

// schedule asks $schedule.
func schedule(h *house, a *carillon.App, call string, arg any) string {
	h.t.Helper()
	return step(h, a, "schedule", obj{"call": call, "arg": arg})
}

// called lists what the schedules of an interpreter have told, as "data".
func called(h *house, a *carillon.App) (list []string) {
	for _, i := range h.did(a) {
		if i.Trigger == carillon.TriggerSchedule {
			list = append(list, i.Lines[0].Text)
		}
	}
	return list
}

func TestSchedulesAreMadeAsTheVendorsRulesSay(t *testing.T) {
	h := newHouse(t, nil)
	a := interpreter(h, "")
	daily := obj{"time_unit": "days", "frequency": 1}
	for _, c := range []struct {
		name, call string
		arg        any
		want       string
	}{
		{"one", "create", obj{"name": "one", "data": obj{"a": 1}, "schedule_at": "2026-05-04T12:05:00Z"}, `{"status":200,"message":"The schedule was created"}`},
		{"the same name", "create", obj{"name": "one", "schedule_at": "2026-05-04T13:00:00Z"}, `{"status":409,"message":"there is a schedule of this name already"`},
		{"fetch", "fetch", obj{"name": "one"}, `{"name":"one","schedule_at":"2026-05-04T12:05:00.000Z","data":{"a":1}}`},
		{"fetch what is not there", "fetch", obj{"name": "two"}, `{"status":404,"message":"there is no schedule of this name"`},
		{"too soon", "create", obj{"name": "two", "schedule_at": "2026-05-04T12:04:59Z"}, `{"status":400,"message":"schedule_at must be at least 5 minutes ahead"`},
		{"an offset counts", "create", obj{"name": "two", "schedule_at": "2026-05-04T13:30:00+02:00"}, `{"status":400,"message":"schedule_at must be at least 5 minutes ahead"`},
		{"never", "create", obj{"name": "two", "schedule_at": "soon"}, `{"status":400,"message":"schedule_at must be a time`},
		{"too far", "create", obj{"name": "two", "schedule_at": "2999-05-04T12:05:00Z"}, `{"status":400,"message":"schedule_at is too far ahead"`},
		{"no time", "create", obj{"name": "two"}, `{"status":400,"message":"schedule_at is missing"`},
		{"no name", "create", obj{"schedule_at": "2026-05-04T13:00:00Z"}, `{"status":400,"message":"the name of a schedule must be a text of 1 to 128 characters"`},
		{"a name of two lines", "create", obj{"name": "a\nb", "schedule_at": "2026-05-04T13:00:00Z"}, `{"status":400,"message":"the name of a schedule has control characters"`},
		{"no object", "create", "two", `{"status":400,"message":"$schedule.create takes an object`},
		{"too much data", "create", obj{"name": "two", "schedule_at": "2026-05-04T13:00:00Z", "data": obj{"a": strings.Repeat("x", 4<<10)}}, `{"status":400,"message":"data has more than 4 KB"`},
		{"data that is no object", "create", obj{"name": "two", "schedule_at": "2026-05-04T13:00:00Z", "data": []any{}}, `{"status":400,"message":"data must be an object"`},
		{"a unit that is none", "create", obj{"name": "two", "schedule_at": "2026-05-04T13:00:00Z", "repeat": obj{"time_unit": "weeks", "frequency": 1}}, `{"status":400,"message":"repeat.time_unit`},
		{"too often", "create", obj{"name": "two", "schedule_at": "2026-05-04T13:00:00Z", "repeat": obj{"time_unit": "minutes", "frequency": 4}}, `{"status":400,"message":"repeat.frequency`},
		{"half as often", "create", obj{"name": "two", "schedule_at": "2026-05-04T13:00:00Z", "repeat": obj{"time_unit": "hours", "frequency": 0.5}}, `{"status":400,"message":"repeat.frequency`},
		{"hardly ever", "create", obj{"name": "two", "schedule_at": "2026-05-04T13:00:00Z", "repeat": obj{"time_unit": "days", "frequency": 1e9}}, `{"status":400,"message":"repeat.frequency`},
		{"a recurring one; without an offset it is UTC", "create", obj{"name": "two", "schedule_at": "2026-05-04T13:00:00", "repeat": daily}, `{"status":200`},
		{"a second recurring one", "create", obj{"name": "three", "schedule_at": "2026-05-04T13:00:00Z", "repeat": daily}, `{"status":400,"message":"an app may have 1 recurring schedule"`},
		{"one that comes to recur", "update", obj{"name": "one", "repeat": daily}, `{"status":400,"message":"an app may have 1 recurring schedule"`},
		{"update", "update", obj{"name": "two", "repeat": obj{"time_unit": "hours", "frequency": 2}, "data": obj{"b": 2}}, `{"status":200,"message":"The schedule was updated"}`},
		{"fetch it", "fetch", obj{"name": "two"}, `{"name":"two","schedule_at":"2026-05-04T13:00:00.000Z","data":{"b":2},"repeat":{"time_unit":"hours","frequency":2}}`},
		{"update what is not there", "update", obj{"name": "gone"}, `{"status":404`},
		{"delete", "delete", obj{"name": "two"}, `{"status":200,"message":"The schedule was deleted"}`},
		{"delete again", "delete", obj{"name": "two"}, `{"status":404`},
	} {
		if got := schedule(h, a, c.call, c.arg); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	err := h.store.Update(t.Context(), func(ctx context.Context, tx store.Tx) error {
		for n := range 998 {
			s := &carillon.AppSchedule{Org: org, App: a.ID, Name: fmt.Sprint("n", n), At: noon.Add(time.Hour)}
			if err := tx.PutAppSchedule(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{"status":200`, `{"status":400,"message":"an app may have 1000 schedules`} {
		if got := schedule(h, a, "create", obj{"name": want, "schedule_at": "2026-05-04T13:00:00Z"}); !strings.HasPrefix(got, want) {
			t.Errorf("one more: %s, want %s", got, want)
		}
	}
}

func TestSchedulesComeRoundOnceEach(t *testing.T) {
	h := newHouse(t, nil)
	a, b := interpreter(h, ""), interpreter(h, "")
	for n := range 5 {
		schedule(h, a, "create", obj{"name": fmt.Sprint("s", n), "data": obj{"n": n}, "schedule_at": fmt.Sprintf("2026-05-04T12:1%d:00Z", n)})
	}
	schedule(h, b, "create", obj{"name": "s", "data": obj{"of": "b"}, "schedule_at": "2026-05-04T12:10:00Z"})
	h.pass(10 * time.Minute)
	h.await("the first of each", func() bool { return len(called(h, a)) >= 1 && len(called(h, b)) >= 1 })
	h.pass(10 * time.Minute)
	h.await("the others", func() bool { return len(called(h, a)) >= 5 })
	var want []string
	for n := range 5 {
		want = append(want, fmt.Sprintf(`["onScheduledEvent",{"n":%d},"acme"]`, n))
	}
	if got := called(h, a); !slices.Equal(got, want) {
		t.Errorf("called with %q", got)
	}
	if left, err := h.store.AppSchedules(t.Context(), org, a.ID); err != nil || len(left) > 0 {
		t.Errorf("left are %d, %v", len(left), err)
	}
	if got := called(h, b); !slices.Equal(got, []string{`["onScheduledEvent",{"of":"b"},"acme"]`}) {
		t.Errorf("the other was called with %q", got)
	}
}

func TestSchedulesSurviveARestartAndMissedOnesComeAtOnce(t *testing.T) {
	h := newHouse(t, nil)
	a := interpreter(h, "")
	schedule(h, a, "create", obj{"name": "once", "data": obj{"once": true}, "schedule_at": "2026-05-04T12:30:00Z"})
	schedule(h, a, "create", obj{"name": "often", "schedule_at": "2026-05-04T13:00:00Z", "repeat": obj{"time_unit": "hours", "frequency": 1}})
	h.stop()
	h.pass(3*time.Hour + 20*time.Minute)
	h.start()
	h.await("both are called", func() bool { return len(called(h, a)) == 2 })
	left, err := h.store.AppSchedules(t.Context(), org, a.ID)
	if err != nil || len(left) != 1 || !left[0].At.Equal(noon.Add(4*time.Hour)) {
		t.Fatalf("left are %+v, %v", left, err)
	}
	h.pass(time.Hour)
	h.await("the recurring one is called again", func() bool { return len(called(h, a)) == 3 })
	if got := called(h, a); got[0] != `["onScheduledEvent",{"once":true},"acme"]` || got[2] != `["onScheduledEvent",{},"acme"]` {
		t.Errorf("called with %q", got)
	}
	h.restart()
	h.write(account("a1", "")) // something that comes after a look for schedules
	h.await("the event", func() bool {
		did := h.did(a)
		return did[len(did)-1].Trigger == carillon.TriggerEvent
	})
	if got := called(h, a); len(got) != 3 {
		t.Errorf("a call was repeated: %q", got)
	}
}

func TestAnAppThatKeepsItsSchedulesBusyDoesNotHoldUpOthers(t *testing.T) {
	h := newHouse(t, func(c *workshop.Config) { c.Script.Time = 300 * time.Millisecond })
	endless := h.install(appOf("platform", map[string]string{"onExternalEvent": "plan"}, `
exports = {
  async plan() { for (let n = 0; n < 30; n++) await $schedule.create({ name: "s" + n, schedule_at: "2026-05-04T12:10:00Z" }); },
  onScheduledEvent() { for (;;) {} }
};`), "")
	calm := interpreter(h, "")
	h.simulate(endless, "onExternalEvent", `{}`)
	schedule(h, calm, "create", obj{"name": "s", "schedule_at": "2026-05-04T12:10:01Z"})
	h.pass(11 * time.Minute)
	h.await("the calm one is called", func() bool { return len(called(h, calm)) == 1 })
	h.await("the endless one is stopped", func() bool { return len(h.did(endless)) > 1 })
	if n := len(h.did(endless)); n > 10 {
		t.Errorf("the endless one was called %d times before", n)
	}
	for _, i := range h.did(endless)[1:] {
		if i.Trigger != carillon.TriggerSchedule || i.Failure == nil || i.Failure.Kind != "timeout" {
			t.Errorf("the endless one: %+v", i)
		}
	}
}

func TestOthersPostToTheTargetURL(t *testing.T) {
	h := newHouse(t, nil)
	a := h.install(appOf("freshworks_crm", map[string]string{"onAppInstall": "setUp", "onExternalEvent": "take", "onContactCreate": "take"}, `
exports = {
  async setUp() { $db.set("url", { url: await generateTargetUrl() }).then(() => renderData()); },
  async take(args) {
    if (args.data === "fail") throw new Error("no");
    let url = "";
    try { url = await generateTargetUrl(); } catch (e) { url = e.message; }
    console.log(JSON.stringify([args.data, args.options, args.headers["content-type"], args.headers["x-custom"], args.iparams]), url);
  }
};`), "")
	v, err := h.store.AppValue(t.Context(), org, a.ID, "url")
	if err != nil {
		t.Fatal(err)
	}
	url := string(v.Value)
	path := url[strings.Index(url, "/app-hooks/"):strings.LastIndex(url, `"`)]
	if !strings.HasPrefix(url, `{"url":"https://carillon.example.com/app-hooks/`+a.ID+"/") || len(path) < 50 {
		t.Fatalf("the URL is %s", url)
	}
	const end = ` generateTargetUrl is for set-up events and events of products`
	for _, c := range []struct{ media, body, told string }{
		{"application/json; charset=utf-8", `{"a":[1]}`, `[{"a":[1]},"freshworks_crm.onExternalEvent","application/json; charset=utf-8",null,{}]`},
		{"application/x-www-form-urlencoded", `b=1&a=%C3%A4&b=2`, `[{"a":"ä","b":["1","2"]},"freshworks_crm.onExternalEvent","application/x-www-form-urlencoded",null,{}]`},
		{"text/xml", `<a>"ä"</a>`, `["<a>\"ä\"</a>","freshworks_crm.onExternalEvent","text/xml",null,{}]`},
	} {
		if w := h.post(path, c.media, c.body); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", c.media, w.Code, w.Body)
		}
		h.await("it is told", func() bool { return slices.Contains(h.said(a), c.told+end) })
	}
	for _, c := range []struct {
		name, path, media, body string
		status                  int
	}{
		{"the handler fails", path, "application/json", `"fail"`, 500},
		{"another token", path + "x", "application/json", `{}`, 404},
		{"no token", path[:strings.LastIndex(path, "/")+1], "application/json", `{}`, 404},
		{"no such app", "/app-hooks/app_gone/x", "application/json", `{}`, 404},
		{"no app at all", "/app-hooks/", "application/json", `{}`, 404},
		{"not JSON", path, "application/json", `{"a":`, 400},
		{"XML that is not UTF-8", path, "application/xml", "<a>\xff</a>", 400},
		{"another media type", path, "text/plain", "hello", 415},
		{"no media type", path, "", "hello", 415},
		{"too large", path, "application/json", `"` + strings.Repeat("x", 100<<10) + `"`, 413},
	} {
		if w := h.post(c.path, c.media, c.body); w.Code != c.status || !strings.HasPrefix(w.Body.String(), `{"message":`) {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.status)
		}
	}
	limited := false
	for range 250 {
		if w := h.post(path, "application/json", `null`); w.Code == http.StatusTooManyRequests {
			limited = w.Header().Get("Retry-After") == "60"
			break
		}
	}
	if !limited {
		t.Error("any number of events is taken")
	}
}
