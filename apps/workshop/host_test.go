package workshop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"carillon"
	"carillon/apps/workshop"
	"carillon/egress"
)

// interpreter is an app whose one handler does what its payload says.
func interpreter(h *house, iparams string) *carillon.App {
	files := archive(`
-- manifest.json --
{
  "platform-version": "2.3",
  "product": { "platform": {
    "events": { "onExternalEvent": { "handler": "run" }, "onScheduledEvent": { "handler": "called" }, "account:created": { "handler": "run" } },
    "requests": { "ask": {}, "patient": {}, "get": {} }
  } },
  "engines": { "node": "18.20.8", "fdk": "9.7.4" }
}
-- config/iparams.json --
{ "host": { "display_name": "Host", "type": "text" }, "key": { "display_name": "Key", "type": "text", "secure": true } }
-- config/requests.json --
{
  "ask": { "schema": { "method": "POST", "host": "<%= iparam.host %>", "path": "/ask/<%= context.what %>", "headers": { "X-Key": "<%= iparam.key %>" } } },
  "patient": { "schema": { "method": "PUT", "host": "<%= iparam.host %>", "path": "/patient" }, "options": { "maxAttempts": 3, "retryDelay": 0 } },
  "get": { "schema": { "method": "GET", "protocol": "http", "host": "<%= context.host %>", "path": "/" } }
}
-- server/server.js --
const steps = {
  async db({ call, args }) { return $db[call](...args); },
  async all(list) { const results = []; for (const step of list) { results.push(await one(step)); } return results; },
  async request({ name, options }) { return $request.invokeTemplate(name, options); },
  async schedule({ call, arg }) { return $schedule[call](arg); },
  async url() { return generateTargetUrl(); },
  async nan() { return $db.set("nan", { a: NaN, b: Infinity, c: "", d: ["", { e: "" }] }); },
  async many({ step, n }) { let done = 0; for (; done < n; done++) { await steps[step[0]](step[1]); } return done; }
};

async function one([name, arg]) {
  try { return await steps[name](arg); } catch (e) { return { status: e.status, message: e.message, ...e }; }
}

exports = {
  async run(args) { console.log(JSON.stringify(await one(args.step || ["url"]))); },
  called(args) { console.log(JSON.stringify([args.event, args.data, args.account_id])); }
};
`)
	return h.install(files, iparams)
}

// step runs one step in the interpreter's handler and gives what it resulted in.
func step(h *house, a *carillon.App, name string, arg any) string {
	h.t.Helper()
	payload, err := json.Marshal(map[string]any{"step": []any{name, arg}})
	if err != nil {
		h.t.Fatal(err)
	}
	i := h.simulate(a, "onExternalEvent", string(payload))
	if i.Failure != nil {
		h.t.Fatalf("%s: %+v", payload, *i.Failure)
	}
	return i.Lines[len(i.Lines)-1].Text
}

// dbCall asks $db.
func dbCall(h *house, a *carillon.App, call string, args ...any) string {
	h.t.Helper()
	return step(h, a, "db", map[string]any{"call": call, "args": args})
}

type obj = map[string]any

// attributes makes n attributes, and some more.
func attributes(n int, more ...string) obj {
	o := obj{}
	for i := range n {
		o[fmt.Sprint("attribute", i)] = i
	}
	for _, name := range more {
		o[name] = n
	}
	return o
}

// nested makes objects in objects.
func nested(n int) obj {
	if n == 0 {
		return obj{"end": true}
	}
	return obj{"a": nested(n - 1)}
}

func TestTheStoreOfAnApp(t *testing.T) {
	h := newHouse(t, func(c *workshop.Config) { c.Limits.Values = -1 })
	a := interpreter(h, "")
	const created, updated = `{"Created":true}`, `{"Updated":true}`
	long := strings.Repeat("ä", 60)
	for _, c := range []struct {
		name string
		call string
		args []any
		want string // its beginning
	}{
		{"what is not there", "get", []any{"k"}, `{"status":404,"message":"Record not found"`},
		{"set", "set", []any{"k", obj{"b": 1, "a": "", "list": []any{"", 1.5}}}, created},
		{"empty texts become null, and the order stays as it was sent", "get", []any{"k"}, `{"a":null,"b":1,"list":[null,1.5]}`},
		{"a long key", "set", []any{long, obj{"a": 1}}, created},
		{"the long key again", "get", []any{long}, `{"a":1}`},
		{"a key that is too long", "set", []any{long + "x", obj{"a": 1}}, `{"status":400,"message":"the key has more than 60 characters"`},
		{"a blank key", "set", []any{" ", obj{"a": 1}}, `{"status":400,"message":"the key must be a text that is not blank"`},
		{"a key that ends early", "set", []any{"k\x00", obj{"a": 1}}, `{"status":400,"message":"the key has control characters"`},
		{"no key", "get", []any{}, `{"status":400,"message":"the key must be a text that is not blank"`},
		{"a value that is no object", "set", []any{"k", []any{1}}, `{"status":400,"message":"the value must be an object that is not empty"`},
		{"an empty value", "set", []any{"k", obj{}}, `{"status":400,"message":"the value must be an object that is not empty"`},
		{"a value that is too large", "set", []any{"k", obj{"a": strings.Repeat("x", 40<<10)}}, `{"status":400,"message":"key and value have more than 40 KB"`},
		{"a value that just fits", "set", []any{"large", obj{"a": strings.Repeat("x", 40<<10-5-len(`{"a":""}`))}}, created},
		{"one more does not fit", "update", []any{"large", "set", obj{"b": 1}}, `{"status":400,"message":"key and value have more than 40 KB"`},
		{"setIf exist", "set", []any{"k", obj{"n": 1}, obj{"setIf": "exist"}}, created},
		{"setIf exist of what is not", "set", []any{"new", obj{"n": 1}, obj{"setIf": "exist"}}, `{"status":400,"message":"the condition of setIf (exist) is not met"`},
		{"setIf not_exist of what is", "set", []any{"k", obj{"n": 2}, obj{"setIf": "not_exist"}}, `{"status":400,"message":"the condition of setIf (not_exist) is not met"`},
		{"setIf not_exist", "set", []any{"new", obj{"n": 1}, obj{"setIf": "not_exist"}}, created},
		{"setIf something", "set", []any{"k", obj{"n": 2}, obj{"setIf": "sometimes"}}, `{"status":400,"message":"setIf must be exist or not_exist"`},
		{"a ttl that is none", "set", []any{"k", obj{"n": 2}, obj{"ttl": "soon"}}, `{"status":400,"message":"ttl must be a number of seconds`},
		{"a ttl of nothing", "set", []any{"k", obj{"n": 2}, obj{"ttl": 0}}, `{"status":400,"message":"ttl must be a number of seconds`},
		{"options that are none", "set", []any{"k", obj{"n": 2}, "soon"}, `{"status":400,"message":"the options must be an object`},
		{"nothing of these was written", "get", []any{"k"}, `{"n":1}`},

		{"increment", "update", []any{"k", "increment", obj{"n": 2.5, "new": -1}}, updated},
		{"set, with a path", "update", []any{"k", "set", obj{"deep": obj{"er": 1}, "text": "t"}}, updated},
		{"set inside", "update", []any{"k", "set", obj{"deep.er": 2, "deep.est": "x", "no.where": 3}}, updated},
		{"append", "update", []any{"k", "append", obj{"list": []any{1, "two"}}}, updated},
		{"append again", "update", []any{"k", "append", obj{"list": []any{nil}}}, updated},
		{"remove", "update", []any{"k", "remove", []any{"text", "deep.er"}}, updated},
		{"all of it", "get", []any{"k"}, `{"n":3.5,"new":-1,"deep":{"est":"x"},"no.where":3,"list":[1,"two",null]}`},
		{"increment a text", "update", []any{"k", "increment", obj{"deep": 1}}, `{"status":400,"message":"\"deep\" is no number, and cannot be incremented"`},
		{"increment by a text", "update", []any{"k", "increment", obj{"n": "1"}}, `{"status":400,"message":"\"n\" can be incremented by a number only"`},
		{"append to a number", "update", []any{"k", "append", obj{"n": []any{1}}}, `{"status":400,"message":"\"n\" is no list, and cannot be appended to"`},
		{"append what is no list", "update", []any{"k", "append", obj{"list": 1}}, `{"status":400,"message":"\"list\" can be appended to by a list only"`},
		{"remove what is not there", "update", []any{"k", "remove", []any{"gone"}}, `{"status":400,"message":"there is no attribute \"gone\" to remove"`},
		{"remove nothing", "update", []any{"k", "remove", []any{}}, `{"status":400,"message":"remove needs a list of attributes that is not empty"`},
		{"an attribute without a name", "update", []any{"k", "set", obj{" ": 1}}, `{"status":400,"message":"an attribute's name is blank"`},
		{"too many attributes", "update", []any{"k", "set", attributes(101)}, `{"status":400,"message":"an update takes at most 100 attributes"`},
		{"too many to remove", "update", []any{"k", "remove", make([]string, 101)}, `{"status":400,"message":"an update takes at most 100 attributes"`},
		{"too deep", "update", []any{"k", "set", obj{"a" + strings.Repeat(".a", 32): 1}}, `{"status":400,"message":"\"a.a`},
		{"too deep to remove", "update", []any{"k", "remove", []any{"a" + strings.Repeat(".a", 32)}}, `{"status":400,"message":"\"a.a`},
		{"deep enough", "set", []any{"tree", nested(32)}, created},
		{"set deep inside, many at once", "update", []any{"tree", "set", attributes(99, "a"+strings.Repeat(".a", 31))}, updated},
		{"removed deep inside", "update", []any{"tree", "remove", []any{"a" + strings.Repeat(".a", 31)}}, updated},
		{"no attributes", "update", []any{"k", "set", obj{}}, `{"status":400,"message":"set needs an object of attributes that is not empty"`},
		{"another act", "update", []any{"k", "multiply", obj{"n": 2}}, `{"status":400,"message":"update takes increment, append, set or remove"`},
		{"an update of what is not there", "update", []any{"gone", "set", obj{"a": 1}}, `{"status":404,"message":"Record not found"`},
		{"all of it, unchanged", "get", []any{"k"}, `{"n":3.5,"new":-1,"deep":{"est":"x"},"no.where":3,"list":[1,"two",null]}`},
		{"delete", "delete", []any{"k"}, `{"Deleted":true}`},
		{"delete again", "delete", []any{"k"}, `{"status":404,"message":"Record not found"`},
	} {
		if got := dbCall(h, a, c.call, c.args...); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	step(h, a, "nan", nil)
	if got := dbCall(h, a, "get", "nan"); got != `{"a":null,"b":null,"c":null,"d":[null,{"e":null}]}` {
		t.Errorf("what is no number is kept as %s", got)
	}
}

func TestValuesExpire(t *testing.T) {
	h := newHouse(t, nil)
	a := interpreter(h, "")
	dbCall(h, a, "set", "k", obj{"n": 1}, obj{"ttl": 90})
	dbCall(h, a, "update", "k", "increment", obj{"n": 1})
	h.pass(89 * time.Second)
	if got := dbCall(h, a, "get", "k"); got != `{"n":2}` {
		t.Errorf("before its time it is %s", got)
	}
	h.pass(time.Second)
	for _, got := range []string{
		dbCall(h, a, "get", "k"), dbCall(h, a, "update", "k", "increment", obj{"n": 1}), dbCall(h, a, "delete", "k"),
	} {
		if !strings.HasPrefix(got, `{"status":404`) {
			t.Errorf("after its time: %s", got)
		}
	}
	if got := dbCall(h, a, "set", "k", obj{"n": 9}, obj{"setIf": "not_exist"}); got != `{"Created":true}` {
		t.Errorf("set anew: %s", got)
	}
}

func TestIncrementsAtTheSameTimeAllCount(t *testing.T) {
	h := newHouse(t, func(c *workshop.Config) { c.Limits.Values = -1 })
	a := h.install(appOf("platform", map[string]string{"account:created": "count"}, `
exports = { async count(args) { await Promise.all([1, 2, 3].map((n) => $db.update("k", "increment", { n }))); } };`), "")
	err := h.store.Update(t.Context(), mend(a))
	if err != nil {
		t.Fatal(err)
	}
	files := appOf("platform", map[string]string{"account:created": "count"}, `
exports = { async count(args) { await Promise.all([1, 2, 3].map((n) => $db.update("mended", "increment", { n }))); } };`)
	if _, err := h.shop.Upgrade(t.Context(), org, a.ID, workshop.Installation{Package: pack(t, files)}); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		h.write(account(fmt.Sprint("a", n), ""))
	}
	h.await("all are told", func() bool { return len(h.did(a)) == 20 })
	v, err := h.store.AppValue(t.Context(), org, a.ID, "mended")
	if err != nil || string(v.Value) != `{"yes":true,"n":120}` {
		t.Errorf("counted %s, %v\n%s", v.Value, err, h.failures(a))
	}
}

func TestLimitsAreThoseOfEachInstallation(t *testing.T) {
	far := newFarEnd(t)
	h := newHouse(t, func(c *workshop.Config) { c.TLS = far.tls() })
	iparams := `{"host":"` + far.host + `"}`
	a, b := interpreter(h, iparams), interpreter(h, iparams)
	many := obj{"step": []any{"db", obj{"call": "set", "args": []any{"k", obj{"a": 1}}}}, "n": 51}
	if got := step(h, a, "many", many); !strings.HasPrefix(got, `{"status":429,"message":"more than 50 operations of $db in a minute"`) {
		t.Errorf("51 operations: %s", got)
	}
	if got := dbCall(h, b, "get", "k"); !strings.HasPrefix(got, `{"status":404`) {
		t.Errorf("the other one: %s", got)
	}
	h.pass(time.Minute)
	if got := dbCall(h, a, "get", "k"); got != `{"a":1}` {
		t.Errorf("a minute later: %s", got)
	}
	ask := obj{"step": []any{"request", obj{"name": "patient"}}, "n": 51}
	if got := step(h, a, "many", ask); !strings.HasPrefix(got, `{"status":429,"message":"more than 50 requests in a minute"`) || len(far.list()) != 50 {
		t.Errorf("51 requests: %s, %d came", got, len(far.list()))
	}
}

func TestRequestsAreSentFromTemplates(t *testing.T) {
	far := newFarEnd(t)
	h := newHouse(t, func(c *workshop.Config) { c.TLS, c.Limits.Requests = far.tls(), -1 })
	a := interpreter(h, `{"host":"`+far.host+`","key":"k3y-k3y"}`)
	request := func(name string, options any) string {
		return step(h, a, "request", obj{"name": name, "options": options})
	}
	var key string
	far.answers(func(w http.ResponseWriter, r *http.Request) {
		key = r.Header.Get("X-Key")
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("{\"ok\":\xff}"))
	})
	got := request("ask", obj{"context": obj{"what": "a b"}, "body": `{"q":1}`})
	for _, want := range []string{`"status":201`, `"x-answer":"yes"`, `"response":"{\"ok\":�}"`, `"attempts":1`} {
		if !strings.Contains(got, want) {
			t.Errorf("answered %s, want %s", got, want)
		}
	}
	if key != "k3y-k3y" || !slices.Equal(far.list(), []string{"POST /ask/a%20b"}) || far.bodies[0] != `{"q":1}` {
		t.Errorf("sent %q with %q %q", far.list(), key, far.bodies)
	}

	far.answers(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "https://"+far.host+"/elsewhere")
		w.WriteHeader(http.StatusFound)
	})
	if got := request("ask", obj{"context": obj{"what": "x"}}); !strings.Contains(got, `"status":302`) || len(far.list()) != 1 {
		t.Errorf("a redirect: %s after %q", got, far.list())
	}

	far.answers(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader([]int{500, 429, 200}[len(far.list())-1])
	})
	if got := request("patient", nil); !strings.Contains(got, `"status":200`) || !strings.Contains(got, `"attempts":3`) {
		t.Errorf("the third time: %s", got)
	}
	far.answers(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "never k3y-k3y", http.StatusServiceUnavailable)
	})
	got = request("patient", nil)
	for _, want := range []string{`"status":503`, `"attempts":3`, `"response":"never ***\n"`} {
		if !strings.Contains(got, want) {
			t.Errorf("given up: %s, want %s", got, want)
		}
	}
	far.answers(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusNotFound) })
	if got := request("patient", nil); !strings.Contains(got, `"status":404`) || len(far.list()) != 1 {
		t.Errorf("what will not pass is tried again: %s after %q", got, far.list())
	}
	far.answers(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 6<<20+1))
	})
	if got := request("patient", nil); !strings.Contains(got, `"status":413`) {
		t.Errorf("an answer that is too large: %.200s", got)
	}
	far.answers(nil)
	for _, c := range []struct {
		name    string
		options any
		want    string
	}{
		{"ask", nil, `{"status":400,"message":"the request template cannot be filled in: /context/what: is named by the request template, but has no value"`},
		{"ask", obj{"context": obj{"what": "x"}, "body": strings.Repeat("x", 100<<10+1)}, `{"status":413,"message":"the body has more than 100 KB"`},
		{"ask", obj{"context": obj{"what": "../x"}}, `{"status":400,"message":"the request template \"ask\" cannot be filled in: `},
		{"ask", "x", `{"status":400,"message":"what goes with a request must be an object`},
		{"constructor", nil, `{"status":400,"message":"there is no request template \"constructor\"`},
		{"get", obj{"context": obj{"host": "127.0.0.1:1"}}, `{"status":502,"message":"connection refused"`},
	} {
		if got := request(c.name, c.options); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if len(far.list()) > 0 {
		t.Errorf("sent %q", far.list())
	}
}

func TestWhatAnswersTakeIsBounded(t *testing.T) {
	far := newFarEnd(t)
	var atOnce atomic.Int32
	var tooMany atomic.Bool
	large := bytes.Repeat([]byte("x"), 3<<20)
	far.answers(func(w http.ResponseWriter, r *http.Request) {
		if atOnce.Add(1) > 5 {
			tooMany.Store(true)
		}
		defer atOnce.Add(-1)
		_, _ = w.Write(large)
	})
	h := newHouse(t, func(c *workshop.Config) { c.TLS, c.Limits.Requests = far.tls(), -1 })
	files := archive(`
-- config/iparams.json --
{ "host": { "display_name": "Host", "type": "text" } }
-- config/requests.json --
{ "get": { "schema": { "method": "GET", "host": "<%= iparam.host %>", "path": "/" } } }
-- server/server.js --
exports = {
  async run(args) {
    const all = [];
    for (let n = 0; n < args.n; n++) { all.push($request.invokeTemplate("get").then((a) => a.response.length, (e) => e.status + " " + e.message)); }
    console.log(JSON.stringify((await Promise.all(all)).sort()));
  }
};
`)
	files["manifest.json"] = manifestOf("platform", map[string]string{"onExternalEvent": "run"}, "get")
	a := h.install(files, `{"host":"`+far.host+`"}`)
	const size, refused = `3145728`, `"413 the answers to the requests of one invocation have more than 16 MB"`
	five := strings.Join([]string{size, size, size, size, size}, ",")
	if got := h.simulate(a, "onExternalEvent", `{"n":7}`).Lines[0].Text; got != "["+five+","+refused+","+refused+"]" {
		t.Errorf("of seven large answers came %s", got)
	}
	if tooMany.Load() {
		t.Error("more than 5 requests were under way at once")
	}
	for range 9 { // in all more than the house has for answers at one time
		if got := h.simulate(a, "onExternalEvent", `{"n":5}`).Lines[0].Text; got != "["+five+"]" {
			t.Fatalf("later came %s", got)
		}
	}
}

func TestRequestsGoToPublicAddressesOnly(t *testing.T) {
	far := newFarEnd(t)
	h := newHouse(t, func(c *workshop.Config) { c.TLS, c.Gate = far.tls(), egress.New(egress.Config{}) })
	a := interpreter(h, `{"host":"`+far.host+`","key":"k"}`)
	for _, host := range []string{"127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "metadata.google.internal"} {
		got := step(h, a, "request", obj{"name": "get", "options": obj{"context": obj{"host": host}}})
		if !strings.Contains(got, "refused") {
			t.Errorf("%s: %s", host, got)
		}
	}
	step(h, a, "request", obj{"name": "ask", "options": obj{"context": obj{"what": "x"}}})
	if len(far.list()) > 0 {
		t.Errorf("came %q", far.list())
	}
}
