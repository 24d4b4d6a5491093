package script_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"carillon/apps/script"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// app is a pool and a program in it.
type app struct {
	pool    *script.Pool
	program *script.Program
}

// newApp makes an app of the members of its exports.
func newApp(tb testing.TB, c script.Config, handlers string) app {
	tb.Helper()
	source := "exports = {\n" + handlers + "\n};\n"
	return app{newPool(tb, c), compile(tb, c, map[string]string{"server/server.js": source})}
}

func (a app) invoke(tb testing.TB, handler, args string, h script.Host) script.Result {
	tb.Helper()
	r, err := a.pool.Invoke(tb.Context(), "installation", a.program, handler, jsontext.Value(args), h)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func texts(r script.Result) (lines []string) {
	for _, l := range r.Logs {
		lines = append(lines, l.Level+" "+l.Text)
	}
	return lines
}

func TestInvoke(t *testing.T) {
	a := newApp(t, script.Config{}, `
	plain: function (args) { return args.data.contact.first_name + " of " + args.iparams.city; },
	nothing: function () {},
	later: async function (args) { await null; return { n: args.n + 1 }; },
	promise: (args) => Promise.resolve(7).then((n) => n + args.n),
	self: function () { return this === undefined || this === globalThis; },
	one: function () { return arguments.length; },
	env: () => process.env,
	time: () => Math.abs(Date.now() - Date.parse(new Date().toISOString())) < 1000,
	base64: (args) => [btoa(args.text), atob(btoa(args.text)) === args.text, atob(" aGk ")],
	intl: () => encodeURIComponent("Zürich & more"),
	modern: (args) => { const { a, ...rest } = args; return [rest?.b ?? 1, [3, 1, 2].toSorted(), Object.groupBy([1, 2, 3], (n) => n % 2 ? "odd" : "even"), /(?<year>\d+)/.exec("in 2026").groups.year, 2n ** 64n > 1]; },
	module: () => typeof module + typeof exports + typeof require,`)
	for _, c := range []struct{ handler, args, want string }{
		{"plain", `{"data":{"contact":{"first_name":"Jane"}},"iparams":{"city":"Bern"}}`, `"Jane of Bern"`},
		{"nothing", `{}`, ``},
		{"later", `{"n":1}`, `{"n":2}`},
		{"promise", `{"n":1}`, `8`},
		{"self", `{}`, `true`},
		{"one", `{}`, `1`},
		{"env", `{}`, `{"ENV":"production"}`},
		{"time", `{}`, `true`},
		{"base64", `{"text":"a\u00ff"}`, `["Yf8=",true,"hi"]`},
		{"intl", `{}`, `"Z%C3%BCrich%20%26%20more"`},
		{"modern", `{"a":1,"b":2}`, `[2,[1,2,3],{"odd":[1,3],"even":[2]},"2026",true]`},
		{"module", `{}`, `"objectobjectfunction"`},
	} {
		r := a.invoke(t, c.handler, c.args, nil)
		if r.Failure != nil || string(r.Returned) != c.want && !(c.want == "" && r.Returned == nil) {
			t.Errorf("%s: %s, %v; want %s", c.handler, r.Returned, r.Failure, c.want)
		}
		if r.Duration <= 0 {
			t.Errorf("%s took %v", c.handler, r.Duration)
		}
	}
}

func TestEnvironment(t *testing.T) {
	a := newApp(t, script.Config{Env: "test"}, `env: () => process.env.ENV`)
	if r := a.invoke(t, "env", `{}`, nil); string(r.Returned) != `"test"` {
		t.Errorf("got %s", r.Returned)
	}
}

// Failures tell kind, message and place, counted in the app's own file.
func TestFailures(t *testing.T) {
	c := script.Config{Payload: 1000, Functions: []string{"$db.get", "$request.invokeTemplate"}}
	a := newApp(t, c, `
	throws: function (args) {
		return args.data.contact.name;
	},
	inside: function () { helper(1); },
	later: async function () {
		await null;
		null.x;
	},
	floating: function () {
		(async () => {
			throw new RangeError("nobody sees me");
		})();
	},
	first: async function () { Promise.reject(new Error("first")); Promise.reject(new Error("second")); },
	heeded: async function () { const p = Promise.reject(new Error("x")); await null; await null; try { await p; } catch (e) { return e.message; } },
	text: function () { throw "just a text"; },
	object: function () { throw { status: 400, message: "not like this" }; },
	strange: function () { throw { a: [1, { b: 2 }] }; },
	named: function () { class MyError extends Error { constructor(m) { super(m); this.name = "MyError"; } } throw new MyError("mine"); },
	asked: async function () {
		const found = await $db.get("nothing");
	},
	waits: async function () {
		await $request.invokeTemplate("slow", {});
	},
	spins: function () {
		let n = 0;
		while (true) {
			n++;
		}
	},
	cause: function () { try { null.x; } catch (e) { throw new Error("outer", { cause: e }); } },
	lies: function () { throw { message: "made up", stack: "    at a (elsewhere\u001b[31m:1:1)\n    at b (server/server.js:3:4)" }; },
};
function helper(n) {
	if (n > 3) throw new TypeError("deep");
	helper(n + 1);
}
exports = { ...exports,`)
	c.Time = 300 * time.Millisecond
	hasty := app{newPool(t, c), a.program}
	answers := host(func(ctx context.Context, function string, args jsontext.Value) (jsontext.Value, error) {
		if function == "$db.get" {
			return nil, fmt.Errorf("look up: %w", &script.Rejection{Status: 404, Message: "Record not found"})
		}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	for _, c := range []struct {
		handler, args string
		want          *script.Failure
	}{
		{"throws", `{"data":{}}`, &script.Failure{
			Kind: "threw", Message: "TypeError: cannot read property 'name' of undefined",
			File: "server/server.js", Line: 4, Column: 27, Stack: "throws (server/server.js:4:27)",
		}},
		{"inside", `{}`, &script.Failure{
			Kind: "threw", Message: "TypeError: deep", File: "server/server.js", Line: 38, Column: 32,
			Stack: "helper (server/server.js:38:32)\nhelper (server/server.js:39:8)\nhelper (server/server.js:39:8)\nhelper (server/server.js:39:8)\ninside (server/server.js:6:30)",
		}},
		{"later", `{}`, &script.Failure{
			Kind: "threw", Message: "TypeError: cannot read property 'x' of null", File: "server/server.js", Line: 9, Column: 7, Stack: "later (server/server.js:9:7)",
		}},
		{"floating", `{}`, &script.Failure{
			Kind: "threw", Message: "RangeError: nobody sees me", File: "server/server.js", Line: 13, Column: 24,
			Stack: "<anonymous> (server/server.js:13:24)\nfloating (server/server.js:14:5)",
		}},
		{"first", `{}`, &script.Failure{
			Kind: "threw", Message: "Error: first", File: "server/server.js", Line: 16, Column: 53, Stack: "first (server/server.js:16:53)",
		}},
		{"heeded", `{}`, nil},
		{"text", `{}`, &script.Failure{Kind: "threw", Message: `"just a text"`}},
		{"object", `{}`, &script.Failure{Kind: "threw", Message: "not like this (status 400)"}},
		{"lies", `{}`, &script.Failure{Kind: "threw", Message: "made up", File: "server/server.js", Line: 3, Column: 4, Stack: "b (server/server.js:3:4)"}},
		{"strange", `{}`, &script.Failure{Kind: "threw", Message: "{ a: [ 1, { b: 2 } ] }"}},
		{"named", `{}`, &script.Failure{
			Kind: "threw", Message: "MyError: mine", File: "server/server.js", Line: 21, Column: 75, Stack: "MyError (server/server.js:21:75)\nnamed (server/server.js:21:124)",
		}},
		{"asked", `{}`, &script.Failure{
			Kind: "threw", Message: "Record not found (status 404)", File: "server/server.js", Line: 23, Column: 30, Stack: "asked (server/server.js:23:30)",
		}},
		{"waits", `{}`, &script.Failure{
			Kind: "timeout", Message: "not done within 300ms: $request.invokeTemplate has not answered", File: "server/server.js", Line: 26, Column: 32,
			Stack: "waits (server/server.js:26:32)",
		}},
		{"spins", `{}`, &script.Failure{
			Kind: "timeout", Message: "not done within 300ms", File: "server/server.js", Line: 29, Column: 9, Stack: "spins (server/server.js:29:9)",
		}},
		{"cause", `{}`, &script.Failure{Kind: "threw", Message: "Error: outer", File: "server/server.js", Line: 34, Column: 66, Stack: "cause (server/server.js:34:66)"}},
		{"missing", `{}`, &script.Failure{Kind: "missing", Message: `server/server.js exports no function named "missing"`}},
		{"toString", `{}`, &script.Failure{Kind: "missing", Message: `server/server.js exports no function named "toString"`}},
		{"throws", `{"data":`, &script.Failure{Kind: "payload", Message: "the payload cannot be read: SyntaxError: Unexpected end of JSON input"}},
		{"throws", `"` + strings.Repeat("x", 1000) + `"`, &script.Failure{Kind: "payload", Message: "the payload has 1002 bytes; a handler takes at most 1000"}},
		{"throws", strings.Repeat("[", 999), &script.Failure{Kind: "payload", Message: "the payload cannot be read: SyntaxError: stack overflow"}},
	} {
		in := a
		if c.want != nil && c.want.Kind == script.KindTimeout {
			in = hasty
		}
		r := in.invoke(t, c.handler, c.args, answers)
		if diff := cmp.Diff(c.want, r.Failure); diff != "" {
			t.Errorf("%s %.20s:\n%s", c.handler, c.args, diff)
		}
		if c.want != nil && r.Returned != nil {
			t.Errorf("%s gave %s besides failing", c.handler, r.Returned)
		}
	}
}

func TestConsole(t *testing.T) {
	a := newApp(t, script.Config{}, `
	levels: () => { console.log("a"); console.info("b"); console.warn("c"); console.error("d"); console.debug("e"); console.trace("f"); console.dir({ g: 1 }); },
	values: () => {
		console.log("text", 1, -0, 1.5, true, null, undefined, 10n, Symbol("s"));
		console.log({ a: 1, "b c": [1, "x", { d: null }] }, [], {}, [undefined, , 1]);
		console.log(new Map([["k", { v: 1 }]]), new Set([1]), new Date(0), /x/gi);
		console.log(function named() {}, () => 1, class Named {});
		console.log({ a: { b: { c: { d: { e: 1 } } } } });
		console.log(Array(60).fill(0).length, "x".repeat(5));
		console.log();
	},
	formats: () => {
		console.log("%s is %d years, %i, %f, %j, 100%%, %o %x", "Jo", 5, 6, 1.5, { a: 1 }, [1], "rest");
		console.log("%s", "only", { more: 1 });
		console.log("100%", 5);
		console.log("%s and %s", "one");
		console.log("%s");
	},
	surrogates: () => console.log("\ud83d\ude00 \ud83d"),
	errors: () => console.error(new TypeError("wrong")),
	flood: () => { for (let i = 0; i < 10000; i++) console.log("line " + i); return "done"; },`)
	for handler, want := range map[string][]string{
		"levels": {"info a", "info b", "warn c", "error d", "debug e", "debug f", "info { g: 1 }"},
		"values": {
			"info text 1 -0 1.5 true null undefined 10n Symbol(s)",
			`info { a: 1, "b c": [ 1, "x", { d: null } ] } [  ] {  } [ 0: undefined, 2: 1 ]`,
			`info Map(1) { "k" => { v: 1 } } Set(1) { 1 } 1970-01-01T00:00:00.000Z /x/gi`,
			"info [Function named] [Function (anonymous)] [Function Named]",
			"info { a: { b: { c: { d: [Object] } } } }",
			"info 60 xxxxx",
			"info ",
		},
		"formats": {
			`info Jo is 5 years, 6, 1.5, { a: 1 }, 100%, [ 1 ] %x rest`,
			"info only { more: 1 }",
			"info 100% 5",
			"info one and %s",
			"info %s",
		},
		"surrogates": {"info 😀 \ufffd"},
		"errors":     {"error TypeError: wrong\n    at errors (server/server.js:21:43)"},
	} {
		if diff := cmp.Diff(want, texts(a.invoke(t, handler, `{}`, nil))); diff != "" {
			t.Errorf("%s:\n%s", handler, diff)
		}
	}
	t.Run("a flood is cut", func(t *testing.T) {
		r := a.invoke(t, "flood", `{}`, nil)
		size := 0
		for _, l := range r.Logs {
			size += len(l.Text)
		}
		last := r.Logs[len(r.Logs)-1]
		if string(r.Returned) != `"done"` || size > 65<<10 || last.Level != "warn" || !strings.Contains(last.Text, "cut") {
			t.Errorf("%s, %d bytes, at last %+v", r.Returned, size, last)
		}
		if r.Logs[0].Text != "line 0" || r.Logs[0].Time.IsZero() {
			t.Errorf("at first %+v", r.Logs[0])
		}
	})
}

func TestHost(t *testing.T) {
	c := script.Config{Functions: []string{"$db.get", "$db.set", "generateTargetUrl"}, Payload: 2000}
	a := newApp(t, c, `
	echo: async (args) => $db.get(args.key, { n: 1 }, undefined),
	single: () => generateTargetUrl(),
	both: async () => (await Promise.all([$db.get("a"), $db.get("b")])).map((r) => r.key),
	fails: async () => { try { await $db.get("fails"); } catch (e) { return [e.status, e.message, e.errorSource, JSON.stringify(e), e instanceof Error, typeof e.stack]; } },
	breaks: async () => { try { await $db.get("breaks"); } catch (e) { return e; } },
	garbage: async () => { try { await $db.get("garbage"); } catch (e) { return e.name; } },
	large: async () => { try { await $db.set("x".repeat(3000)); } catch (e) { return e; } },
	cycle: () => { const o = {}; o.o = o; return $db.set(o).catch((e) => e.name); },
	unawaited: function () { $db.set("k").then(() => console.log("stored")); },
	afterThrowing: function () { $db.set("k").then(() => console.log("stored")); throw new Error("late"); },
	chain: function () { let n = 0; (function next() { if (n++ < 20) $db.set(n).then(next); else console.log(n); })(); },`)
	var mu sync.Mutex
	together := sync.NewCond(&mu)
	waiting := 0
	answers := host(func(ctx context.Context, function string, args jsontext.Value) (jsontext.Value, error) {
		switch {
		case function == "generateTargetUrl":
			return jsontext.Value(`"https://example.com/in/1"`), nil
		case function == "$db.set":
			return nil, nil
		}
		switch string(args) {
		case `["fails"]`:
			return nil, &script.Rejection{Status: 404, Message: "Record not found", Members: map[string]any{"errorSource": "APP"}}
		case `["breaks"]`:
			return nil, errors.New("secret detail")
		case `["garbage"]`:
			return jsontext.Value("{"), nil
		case `["a"]`, `["b"]`: // each is answered when the other has been asked
			mu.Lock()
			defer mu.Unlock()
			waiting++
			together.Broadcast()
			for waiting < 2 && ctx.Err() == nil {
				together.Wait()
			}
			return jsontext.Value(`{"key":` + string(args[1:len(args)-1]) + `}`), nil
		}
		return args, nil
	})
	for _, c := range []struct{ handler, want string }{
		{"echo", `["k",{"n":1},null]`},
		{"single", `"https://example.com/in/1"`},
		{"both", `["a","b"]`},
		{"fails", `[404,"Record not found","APP","{\"errorSource\":\"APP\",\"message\":\"Record not found\",\"status\":404}",false,"string"]`},
		{"breaks", `{"message":"the call failed; the cause is in the log of the house","status":500}`},
		{"garbage", `"SyntaxError"`},
		{"large", `{"message":"$db.set takes at most 2000 bytes","status":413}`},
		{"cycle", `"TypeError"`},
	} {
		r := a.invoke(t, c.handler, `{"key":"k"}`, answers)
		if r.Failure != nil || string(r.Returned) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.handler, r.Returned, r.Failure, c.want)
		}
	}
	for handler, want := range map[string]string{"unawaited": "info stored", "afterThrowing": "info stored", "chain": "info 21"} {
		r := a.invoke(t, handler, `{}`, answers)
		if got := strings.Join(texts(r), "; "); got != want {
			t.Errorf("%s: %s; want %s", handler, got, want)
		}
		if (r.Failure != nil) != (handler == "afterThrowing") {
			t.Errorf("%s: %v", handler, r.Failure)
		}
	}
	t.Run("without one", func(t *testing.T) {
		r := a.invoke(t, "single", `{}`, nil)
		if r.Failure == nil || r.Failure.Message != "generateTargetUrl is not available here (status 501)" {
			t.Errorf("got %v", r.Failure)
		}
	})
}

func TestRenderData(t *testing.T) {
	a := newApp(t, script.Config{Answer: 1000}, `
	fine: () => { renderData(); },
	refuses: () => { renderData({ message: "not here" }); },
	gives: () => { renderData(null, { a: [1] }); },
	twice: () => { renderData(null, 1); renderData(null, 2); },
	never: () => {},
	large: () => { renderData(null, "x".repeat(1000)); },
	caught: () => { try { renderData(null, "x".repeat(1000)); } catch (e) { return e.message; } },`)
	for handler, want := range map[string]*script.Rendered{
		"fine":    {},
		"refuses": {Error: jsontext.Value(`{"message":"not here"}`)},
		"gives":   {Data: jsontext.Value(`{"a":[1]}`)},
		"twice":   {Data: jsontext.Value(`1`)},
		"never":   nil,
	} {
		r := a.invoke(t, handler, `{}`, nil)
		if diff := cmp.Diff(want, r.Rendered); diff != "" || r.Failure != nil {
			t.Errorf("%s: %v\n%s", handler, r.Failure, diff)
		}
	}
	if got := texts(a.invoke(t, "twice", `{}`, nil)); len(got) != 1 {
		t.Errorf("the second call is not mentioned: %q", got)
	}
	for _, handler := range []string{"large", "caught"} {
		if f := a.invoke(t, handler, `{}`, nil).Failure; f == nil || f.Kind != script.KindOutput || f.Line == 0 {
			t.Errorf("%s: %v", handler, f)
		}
	}
}

// What an invocation does to the language, to the app's own state, or to what the house has put there, none sees after it.
func TestInvocationsDoNotMeet(t *testing.T) {
	c := script.Config{Engines: 1, Functions: []string{"$db.get"}}
	files := map[string]string{
		"server/server.js": `
const lib = require("./lib/state");
let count = 0;
globalThis.early = { list: [] };
exports = {
	tamper: function (args) {
		count++;
		lib.count++;
		early.list.push(1);
		globalThis.leak = args;
		Array.prototype.map = () => "stolen";
		Object.prototype.polluted = 1;
		Object.prototype.toJSON = () => "stolen";
		Object.prototype.then = undefined;
		Promise.prototype.then = () => { throw new Error("no"); };
		JSON.parse = JSON.stringify = () => "stolen";
		String.prototype.toString = Function.prototype.call = () => "stolen";
		RegExp.prototype.exec = () => null;
		Symbol.iterator.toString = 1;
		console.log = () => {};
		$db.get = () => "stolen";
		$db = renderData = process = undefined;
		Error = function () {};
		Math.random = () => 4;
		Date.now = () => 0;
		exports.look = () => "stolen";
		Object.freeze(Array.prototype);
		delete globalThis.Map;
		Reflect.ownKeys = Object.hasOwn = Array.isArray = null;
		return count;
	},
	look: async function () {
		console.log("seen");
		const seen = [count, lib.count, early.list.length, typeof leak, [1].map((n) => n + 1), ({}).polluted, typeof Map, Math.random() < 1, Date.now() > 0,
			Object.isFrozen(Array.prototype), process.env.ENV, /a/.test("a"), await $db.get("k"), Object.getOwnPropertyNames(globalThis).length];
		renderData(null, seen);
		return seen;
	},
	random: () => Math.random(),
};`,
		"server/lib/state.js": `exports = { count: 0 };`,
	}
	p, pool := compile(t, c, files), newPool(t, c)
	a := app{pool, p}
	answers := host(func(context.Context, string, jsontext.Value) (jsontext.Value, error) {
		return jsontext.Value(`"v"`), nil
	})
	before := a.invoke(t, "look", `{}`, answers)
	for range 3 {
		if r := a.invoke(t, "tamper", `{"secret":1}`, answers); r.Failure != nil || string(r.Returned) != `1` && string(r.Returned) != `"stolen"` {
			t.Fatalf("%s, %v", r.Returned, r.Failure)
		}
		after := a.invoke(t, "look", `{}`, answers)
		if after.Failure != nil {
			t.Fatal(after.Failure)
		}
		if diff := cmp.Diff(string(before.Returned), string(after.Returned)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(texts(before), texts(after)); diff != "" {
			t.Error(diff)
		}
	}
	if s := pool.Stats(); s.Live != 1 {
		t.Errorf("this was to be seen in one engine, not in %d", s.Live)
	}
	if one, other := a.invoke(t, "random", `{}`, nil), a.invoke(t, "random", `{}`, nil); string(one.Returned) == string(other.Returned) {
		t.Errorf("twice the same random number: %s", one.Returned)
	}
}

// What an app says while it is loaded stands before what its handlers say.
func TestLoadingTalks(t *testing.T) {
	c := script.Config{}
	p := compile(t, c, map[string]string{"server/server.js": `console.log("loaded"); exports = { a: () => console.log("called") };`})
	a := app{newPool(t, c), p}
	for range 2 {
		if diff := cmp.Diff([]string{"info loaded", "info called"}, texts(a.invoke(t, "a", `{}`, nil))); diff != "" {
			t.Error(diff)
		}
	}
}

func FuzzInvoke(f *testing.F) {
	for i := 0; i < len(hostile); i += 5 {
		f.Add(hostile[i].body, `{}`)
	}
	f.Add(`return args.a.map((x) => x.b).join()`, `{"a":[{"b":1},{"b":"\ud800"}]}`)
	f.Add("console.log('%s', args, `${args}`); renderData(args, args); await $db.get(args)", base64.StdEncoding.EncodeToString([]byte("not JSON")))
	c := script.Config{Time: 50 * time.Millisecond, Grace: 50 * time.Millisecond, Memory: 8 << 20, Functions: []string{"$db.get"}}
	f.Fuzz(func(t *testing.T, body, args string) {
		p, err := script.Compile(t.Context(), map[string]string{"server/server.js": "exports = { async h(args) {\n" + body + "\n} };"}, "server/server.js", c)
		var failures script.Failures
		if err != nil && !errors.As(err, &failures) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		pool := newPool(t, c)
		echo := host(func(_ context.Context, _ string, args jsontext.Value) (jsontext.Value, error) { return args, nil })
		r, err := pool.Invoke(t.Context(), "k", p, "h", jsontext.Value(args), echo)
		if err != nil {
			t.Fatal(err)
		}
		if r.Failure != nil && r.Failure.Kind == script.KindEngine {
			t.Error(r.Failure)
		}
		if r.Returned != nil && !r.Returned.IsValid() {
			t.Errorf("returned %s", r.Returned)
		}
	})
}
