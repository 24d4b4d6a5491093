package script_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"carillon/apps/script"

	"github.com/go-json-experiment/json/jsontext"
)

// hostile are handlers that want to harm, and how they may end: the kinds that are right, "" for an end without failure.
var hostile = []struct{ name, body, ends string }{
	// Time.
	{"a loop", `for (;;) {}`, "timeout"},
	{"a loop in a promise's job", `await null; for (;;) {}`, "timeout"},
	{"jobs that feed themselves", `(function again() { Promise.resolve().then(again); })();`, "timeout"},
	{"many jobs that feed themselves", `for (let i = 0; i < 1000; i++) (function again() { Promise.resolve().then(again); })();`, "timeout"},
	{"a caught interrupt", `for (;;) { try { for (;;) {} } catch (e) {} finally { for (;;) {} } }`, "timeout"},
	{"a caught interrupt in async functions", `const spin = async () => { for (;;) {} }; for (;;) { try { await spin(); } catch (e) {} }`, "timeout"},
	{"a generator without end", `function* all() { for (;;) yield 1; } for (const one of all()) {}`, "timeout"},
	{"an async generator without end", `async function* all() { for (;;) yield 1; } for await (const one of all()) {}`, "timeout"},
	{"a regular expression", `/^(a+)+$/.test("a".repeat(40) + "b");`, "timeout"},
	{"another regular expression", `/(x+x+)+y/.exec("x".repeat(5000)); /(.*)*$/u.exec("\u2028".repeat(5000)); for (;;) "x".repeat(1e5).match(/(x*)*y/);`, "timeout memory"},
	{"a getter that loops", `console.log({ get a() { for (;;) {} } }); const o = { get a() { for (;;) {} } }; o.a;`, "timeout"},
	{"a toString that loops", `String({ toString() { for (;;) {} } });`, "timeout"},
	{"a toJSON that loops", `return { toJSON() { for (;;) {} } };`, "timeout"},
	{"a thrown object whose message loops", `throw { get message() { for (;;) {} }, get stack() { for (;;) {} } };`, "timeout"},
	{"a thrown error whose stack loops", `const e = new Error("x"); Object.defineProperty(e, "stack", { get() { for (;;) {} } }); throw e;`, "timeout"},
	{"a stack preparer that loops", `Error.prepareStackTrace = () => { for (;;) {} }; $db.get("x"); null.x;`, "threw"},
	{"a proxy that loops", `new Proxy({}, { get() { for (;;) {} } }).x;`, "timeout"},
	{"one long step over what is not there", `Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);`, "timeout"},
	{"one long step over a sparse array", `const a = []; a.length = 2 ** 32 - 1; a.forEach(() => {});`, "timeout"},
	{"long steps, one after another", `const s = "x".repeat(1e7); for (;;) s.indexOf("xy" + s);`, "timeout memory"},
	{"long sums", `const n = 1n << 500000n; for (;;) n * n;`, "timeout"},
	{"a sort of nonsense", `const a = Array.from({ length: 1e5 }, Math.random); for (;;) a.sort(() => Math.random() - 0.5);`, "timeout"},
	{"waiting where nobody wakes", `new Int32Array(new SharedArrayBuffer(4)); Atomics.wait(new Int32Array(4), 0, 0);`, "threw"},
	{"a promise that never settles", `await new Promise(() => {});`, "stalled"},
	{"a thenable that never calls", `await { then() {} };`, "stalled"},

	// Memory.
	{"a string of half a gigabyte", `return "x".repeat(1 << 29).length;`, "memory threw"},
	{"a doubled string", `let s = "x"; for (;;) s += s;`, "memory threw"},
	{"a padded string", `"x".padStart(1 << 29, "ab") + "x".padEnd(1 << 29);`, "memory threw"},
	{"a joined array", `Array(1 << 28).join("abc");`, "memory threw timeout"},
	{"a replaced string", `"x".repeat(1e6).replaceAll("x", "y".repeat(1e6));`, "memory threw timeout"},
	{"a normalised string", `"\ufdfa".repeat(1e7).normalize("NFKD");`, "memory threw"},
	{"a text made of many pieces", `let s = ""; for (let i = 0; i < 1e6; i++) s = "ab" + s + i; for (;;) s = [s, s, s].join("");`, "memory threw timeout"},
	{"an array that grows", `const a = []; for (;;) a.push({ a });`, "memory"},
	{"an array of all", `Array(2 ** 32 - 1).fill(1);`, "memory timeout"},
	{"objects in objects", `let o = {}; for (;;) o = { o };`, "memory"},
	{"a map that grows", `const m = new Map(); for (let i = 0; ; i++) m.set(i, i);`, "memory"},
	{"symbols and names", `const o = {}; for (let i = 0; ; i++) o["name" + i] = Symbol.for("s" + i);`, "memory"},
	{"a buffer", `new Uint8Array(1 << 30);`, "memory threw"},
	{"buffers", `const a = []; for (;;) a.push(new ArrayBuffer(1 << 20));`, "memory threw"},
	{"closures", `let f = () => 1; for (;;) { const g = f; f = () => g; }`, "memory"},
	{"caught lack of memory", `for (;;) { try { const a = []; for (;;) a.push([1, 2, 3]); } catch (e) {} }`, "memory timeout"},
	{"promises", `const all = []; for (;;) all.push(new Promise(() => {}));`, "memory"},
	{"rejected promises", `for (;;) Promise.reject(new Error("x"));`, "memory threw timeout"},
	{"async recursion", `const f = async () => { await null; await f(); }; await f();`, "memory timeout"},
	{"a big number", `2n ** (1n << 40n);`, "memory threw"},
	{"many functions of much", `const f = (...all) => g.apply(null, all); const g = (...all) => f.bind(null, ...all)(); f(...Array(30000).fill(1));`, "memory stack threw timeout"},
	{"bound functions of bound functions", `let f = () => 1; for (let i = 0; i < 1000; i++) f = f.bind(null, ...Array(60).fill(1)); f(...Array(5000));`, "memory stack threw timeout"},
	{"a thousand calls with many arguments", `const big = Array(60000).fill(1); const h = (...a) => b(...big); const b = h.bind(null, 1, 2, 3); b(...big);`, "memory stack threw timeout"},
	{"an error that holds all", `const a = []; try { for (;;) a.push("x".repeat(1000) + a.length); } catch (e) { throw Object.assign(new Error("y".repeat(100)), { a }); }`, "memory threw"},
	{"spread", `let a = [1]; for (;;) a = [...a, ...a];`, "memory"},
	{"iterators", `new Set(function* () { for (let i = 0; ; i++) yield i; }());`, "memory"},

	// Depth.
	{"recursion", `(function f() { f(); })();`, "stack"},
	{"caught recursion", `(function f() { try { f(); } finally { f(); } })();`, "stack timeout"},
	{"recursion through toString", `const o = { toString() { return "" + o; } }; "" + o;`, "stack"},
	{"recursion through a proxy", `const p = new Proxy({}, { get: (t, k, r) => r[k] }); p.x;`, "stack"},
	{"proxies of proxies", `let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x;`, "stack memory"},
	{"recursion through sort", `(function f() { [2, 1].sort(f); })();`, "stack"},
	{"recursion through replace", `(function f() { "x".replace(/x/, f); })();`, "stack"},
	{"recursion through JSON", `const o = { toJSON() { return JSON.stringify(o); } }; JSON.stringify(o);`, "stack"},
	{"recursion through generators", `function* f() { yield* f(); } [...f()];`, "stack memory"},
	{"deep text of JSON", `JSON.parse("[".repeat(1e6));`, "stack threw"},
	{"deep values as JSON", `let o = []; for (let i = 0; i < 3e4; i++) o = [o]; JSON.stringify(o);`, "stack threw"},
	{"a deep expression", `new RegExp("(".repeat(1e5) + ")".repeat(1e5)).test("x");`, "stack threw memory"},
	{"flattening without end", `const a = []; a.push(a); a.flat(Infinity);`, "stack memory"},
	{"classes of classes", `let C = class {}; for (let i = 0; i < 1e5; i++) C = class extends C {}; new C();`, "stack memory timeout"},
	{"prototypes of prototypes", `let o = {}; for (let i = 0; i < 1e5; i++) o = Object.create(o); for (let i = 0; i < 1e5; i++) o.nothing;`, "timeout memory"},

	// Output.
	{"a flood of lines", `for (;;) console.log("x".repeat(1000));`, "timeout"},
	{"a flood of empty lines", `for (let i = 0; i < 1e5; i++) console.log();`, ""},
	{"a line of megabytes", `console.log("x".repeat(1e6)); console.log("%s%s%s", "y".repeat(1e6), "z".repeat(1e6));`, ""},
	{"a big object in the log", `const wide = (n) => (n ? Array(1000).fill(wide(n - 1)) : 1); console.log(wide(3)); console.log(globalThis);`, ""},
	{"strange things in the log", `console.log(Symbol("x"), -0, 1n, null, undefined, new Proxy({}, {}), new Date(NaN), /x/, new Map([[{}, new Set([1])]]), () => 1, Object.create(null), "\ud800");`, ""},
	{"a deep object in the log", `let o = {}; for (let i = 0; i < 3e4; i++) o = { o }; console.log(o);`, ""},
	{"a cycle in the log", `const o = {}; o.o = o; console.log(o, [o]);`, ""},
	{"a deep result", `let o = []; for (let i = 0; i < 3e4; i++) o = [o]; return o;`, ""},
	{"a result that is a cycle", `const o = {}; o.o = o; return o;`, ""},
	{"a large result", `return "x".repeat(1e6);`, ""},
	{"a large rendering", `renderData(null, { message: "x".repeat(1e6) });`, "output"},
	{"a rendering that is a cycle", `const o = {}; o.o = o; renderData(null, o);`, "threw"},
	{"a large question", `await $db.get("x".repeat(1e6));`, "threw"},
	{"a question that is a cycle", `const o = {}; o.o = o; await $db.get(o);`, "threw"},
	{"many questions", `await Promise.all(Array.from({ length: 1000 }, () => $db.get("x")));`, "threw"},
	{"nothing thrown", `throw undefined;`, "threw"},
	{"a revoked proxy thrown", `const r = Proxy.revocable({}, {}); r.revoke(); throw r.proxy;`, "threw"},

	// What is not there.
	{"require of a module", `require("fs");`, "threw"},
	{"require of a file outside", `require("../../../etc/passwd");`, "threw"},
	{"import of a module", `await import("fs");`, "threw"},
	{"import of a file", `await import("/etc/passwd");`, "threw"},
	{"the process", `process.exit(1);`, "threw"},
	{"the process's modules", `process.binding("fs");`, "threw"},
	{"changing the environment", `"use strict"; process.env.ENV = "x";`, "threw"},
	{"the network", `fetch("http://127.0.0.1/");`, "threw"},
	{"timers", `setTimeout(() => {}, 1);`, "threw"},
	{"the engine's own modules", `await import("os");`, "threw"},
	{"code of text", `eval("1");`, "threw"},
	{"a function of text", `new Function("return 1")();`, "threw"},
	{"a function of text through a constructor", `(() => {}).constructor("return process")();`, "threw"},
	{"an async function of text", `(async () => {}).constructor("return 1")();`, "threw"},
	{"a generator of text", `(function* () {}).constructor("yield 1")();`, "threw"},
	{"weak references", `new WeakRef({});`, "threw"},
	{"finalizers", `new FinalizationRegistry(() => {});`, "threw"},
	{"the callers", `"use strict"; arguments.callee.caller;`, "threw"},
}

func hostileProgram(t testing.TB, c script.Config) *script.Program {
	var source strings.Builder
	source.WriteString("exports = {\nquiet: function () { return 1; },\n")
	for i, h := range hostile {
		fmt.Fprintf(&source, "h%d: async function (args) { %s },\n", i, h.body)
	}
	source.WriteString("};\n")
	return compile(t, c, map[string]string{"server/server.js": source.String()})
}

// What scripts of bad will do is contained: each ends as it should and in time, and takes no more memory than is its due.
func TestHostile(t *testing.T) {
	c := script.Config{Time: time.Minute, Grace: 200 * time.Millisecond, Memory: 8 << 20, Functions: []string{"$db.get"}}
	program := hostileProgram(t, c)
	patient := newPool(t, c)
	c.Time = 200 * time.Millisecond
	hasty := newPool(t, c)
	answer := host(func(context.Context, string, jsontext.Value) (jsontext.Value, error) { return jsontext.Value("1"), nil })
	for i, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			pool := patient // a slow machine must not turn one end into another
			if strings.Contains(h.ends, "timeout") {
				pool = hasty
			}
			peak := watchMemory(t)
			began := time.Now()
			r, err := pool.Invoke(t.Context(), "bad", program, "h"+strconv.Itoa(i), jsontext.Value(`{}`), answer)
			took := time.Since(began)
			if err != nil {
				t.Fatal(err)
			}
			kind := ""
			if r.Failure != nil {
				kind = string(r.Failure.Kind)
			}
			t.Logf("%q in %v, %d MiB more: %v", kind, took.Round(time.Millisecond), peak()>>20, r.Failure)
			if kind == "" && h.ends != "" || kind != "" && !slices.Contains(strings.Fields(h.ends), kind) {
				t.Errorf("it ended with %q, not with %q", kind, h.ends)
			}
			output := 0
			for _, l := range r.Logs {
				output += len(l.Text)
			}
			if output > 65<<10 || len(r.Logs) > 5000 || len(r.Returned) > 257<<10 {
				t.Errorf("%d bytes in %d lines, %d bytes returned", output, len(r.Logs), len(r.Returned))
			}
			if r := invokeWell(t, patient, "good", program, "quiet", jsontext.Value(`{}`)); string(r.Returned) != "1" {
				t.Errorf("others do not work any more: %s", r.Returned)
			}
		})
	}
}

// Several at once do not take more than that many times the bound, and others go on meanwhile.
func TestHostileTogether(t *testing.T) {
	c := script.Config{Time: 2 * time.Second, Grace: 200 * time.Millisecond, Memory: 16 << 20, Engines: 8, PerKey: 3, Functions: []string{"$db.get"}}
	program := hostileProgram(t, c)
	pool := newPool(t, c)
	peak := watchMemory(t)
	var bad sync.WaitGroup
	for worker := range 6 {
		bad.Go(func() {
			for i := 4 * worker; i < len(hostile); i += 4 * 6 {
				key := fmt.Sprintf("bad %d", worker%2)
				if _, err := pool.Invoke(t.Context(), key, program, "h"+strconv.Itoa(i), jsontext.Value(`{}`), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { bad.Wait(); close(done) }()
	calls, slowest := 0, time.Duration(0)
	for running := true; running; calls++ {
		began := time.Now()
		invokeWell(t, pool, "good", program, "quiet", jsontext.Value(`{}`))
		slowest = max(slowest, time.Since(began))
		select {
		case <-done:
			running = false
		default:
		}
	}
	t.Logf("%d calls of another installation meanwhile, the slowest in %v; at most %d MiB more", calls, slowest, peak()>>20)
	if calls < len(hostile)/4 {
		t.Errorf("only %d calls of another installation went through", calls)
	}
	if most := int64(8 * 2 * c.Memory); runtime.GOOS == "linux" && peak() > most {
		t.Errorf("the process took %d MiB more than before; at most %d MiB were expected", peak()>>20, most>>20)
	}
}

// An engine keeps the variables of calls in progress outside of its memory. How many there can be is bounded otherwise.
func TestHostileVariables(t *testing.T) {
	const most = 4000
	names := make([]string, most)
	for i := range names {
		names[i] = fmt.Sprintf("v%d", i)
	}
	a := newApp(t, script.Config{}, "h: function f() { var "+strings.Join(names, ", ")+"; f(); }")
	peak := watchMemory(t)
	r := a.invoke(t, "h", `{}`, nil)
	if r.Failure == nil || r.Failure.Kind != script.KindStack {
		t.Errorf("got %v", r.Failure)
	}
	t.Logf("%d MiB more", peak()>>20)
	if peak() > 200<<20 {
		t.Errorf("the process took %d MiB more than before", peak()>>20)
	}
}

// An engine as small as can be works.
func TestSmallestEngine(t *testing.T) {
	a := newApp(t, script.Config{Memory: 1, Functions: []string{"$db.get"}}, `a: (args) => JSON.stringify(args).length`)
	if r := a.invoke(t, "a", string(contactEvent(t)), nil); r.Failure != nil {
		t.Error(r.Failure)
	}
}

// watchMemory samples the memory that the process has in use, until the test ends; what it gives tells the most so far, in
// bytes more than at first. Elsewhere than on Linux it is 0.
func watchMemory(t *testing.T) (peak func() int64) {
	runtime.GC()
	first := residentMemory()
	var mu sync.Mutex
	most := first
	stop, stopped := make(chan struct{}), make(chan struct{})
	sample := func() int64 {
		mu.Lock()
		defer mu.Unlock()
		most = max(most, residentMemory())
		return most - first
	}
	go func() {
		defer close(stopped)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				sample()
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
	return sample
}

func residentMemory() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
