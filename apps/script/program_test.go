package script_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"carillon/apps/script"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestExports(t *testing.T) {
	for name, source := range map[string]string{
		"the platform's way":        `exports = { onA: function (args) {}, limit: 5, onB() {}, onC: async (args) => {} };`,
		"with declarations after":   "exports = { onA, onB: function () {}, onC: function () {} };\nfunction onA() {}",
		"with a trailing comment":   "exports = { onA() {}, onB() {}, onC() {} } // without an end of line",
		"one by one":                `exports.onA = () => {}; exports.onB = function () {}; exports.limit = 5; exports.onC = async function () {};`,
		"as Node has it":            `module.exports = { onA() {}, onB() {}, onC() {} };`,
		"a class's":                 `class App { onA = () => {}; onB = () => {}; onC = () => {}; onD() {} } exports = new App();`,
		"strict":                    `"use strict"; exports = { onA() {}, onB() {}, onC() {} };`,
		"with a byte order mark":    "\ufeffexports = { onA() {}, onB() {}, onC() {} };",
		"both ways, the later wins": `exports = { onX() {} }; module.exports = { onA() {}, onB() {}, onC() {} };`,
	} {
		t.Run(name, func(t *testing.T) {
			p := compile(t, script.Config{}, map[string]string{"server/server.js": source})
			if diff := cmp.Diff([]string{"onA", "onB", "onC"}, p.Exports()); diff != "" {
				t.Error(diff)
			}
			if p.Events() != nil {
				t.Errorf("events: %s", p.Events())
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		for _, source := range []string{``, `exports = null;`, `module.exports = 5;`, `const a = 1;`, `exports = function () {};`} {
			if got := compile(t, script.Config{}, map[string]string{"server/server.js": source}).Exports(); len(got) != 0 {
				t.Errorf("%s: %v", source, got)
			}
		}
	})
	t.Run("the list of old", func(t *testing.T) {
		p := compile(t, script.Config{}, map[string]string{"server/server.js": `exports = {
	events: [{ event: "onDealCreate", callback: "onDeal" }, { event: "onDealUpdate", callbak: "onDeal" }],
	onDeal: function (args) {},
};`})
		const want = `[{"event":"onDealCreate","callback":"onDeal"},{"event":"onDealUpdate","callbak":"onDeal"}]`
		if got := string(p.Events()); got != want {
			t.Errorf("events:\n%s\nwant\n%s", got, want)
		}
		if diff := cmp.Diff([]string{"onDeal"}, p.Exports()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRequire(t *testing.T) {
	files := map[string]string{
		"server/server.js": `
const text = require("./lib/text");
exports = {
	all: () => [text.shout("a"), require("./lib/text.js") === text, require("./lib").name, require("./lib/table.json").rows[1],
		require("./lib/table") === require("./lib/table.json"), require("./lib/one").two.one.name, require("../server/lib/text") === text],
	missing: () => require("./lib/missing"),
	outside: () => require("../../secret"),
	builtin: () => require("fs"),
	npm: () => require("lodash"),
	number: () => require(5),
	bad: () => require("./lib/bad"),
	paths: () => require("./lib/paths"),
};`,
		"server/lib/text.js":    `exports = { shout: (s) => s.toUpperCase() + "!" };`,
		"server/lib/index.js":   `module.exports.name = "the index";`,
		"server/lib/table.json": `{"rows": [1, 2]}`,
		"server/lib/one.js":     `exports.name = "one"; exports.two = require("./two");`,
		"server/lib/two.js":     `exports.one = require("./one");`,
		"server/lib/bad.js":     "let a = 1;\n\nthrow new Error('not today');",
		"server/lib/paths.js":   `module.exports = [__filename, __dirname];`,
	}
	p := compile(t, script.Config{}, files)
	pool := newPool(t, script.Config{})
	for handler, want := range map[string]string{
		"all":     `["A!",true,"the index",2,true,"one",true]`,
		"paths":   `["server/lib/paths.js","server/lib"]`,
		"missing": `server/server.js:6:24: TypeError: cannot require "./lib/missing": the app has no such file`,
		"outside": `server/server.js:7:24: TypeError: cannot require "../../secret": the app has no such file`,
		"builtin": `server/server.js:8:24: TypeError: cannot require "fs": an app's own files only, by a path that begins with ./ or ../`,
		"npm":     `server/server.js:9:20: TypeError: cannot require "lodash": an app's own files only, by a path that begins with ./ or ../`,
		"number":  `server/server.js:10:23: TypeError: cannot require "5": an app's own files only, by a path that begins with ./ or ../`,
		"bad":     `server/lib/bad.js:3:16: Error: not today`,
	} {
		r, err := pool.Invoke(t.Context(), "one", p, handler, []byte(`{}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := string(r.Returned)
		if r.Failure != nil {
			got = r.Failure.Error()
		}
		if got != want {
			t.Errorf("%s:\n%s\nwant\n%s", handler, got, want)
		}
	}
}

func TestCompileFails(t *testing.T) {
	server := func(source string) map[string]string { return map[string]string{"server/server.js": source} }
	for name, c := range map[string]struct {
		files map[string]string
		want  []script.Failure
	}{
		"on the first line": {server("exports = { a: function ( {} };"), []script.Failure{
			{Kind: "syntax", Message: "SyntaxError: expecting ','", File: "server/server.js", Line: 1, Column: 30},
		}},
		"on a later line": {server("exports = {\n\ta() {\n\t\tlet 5;\n\t},\n};"), []script.Failure{
			{Kind: "syntax", Message: "SyntaxError: expecting ';'", File: "server/server.js", Line: 3, Column: 7},
		}},
		"an end that is missing": {server("exports = {\n\ta() {"), []script.Failure{
			{Kind: "syntax", Message: "SyntaxError: the file ends in the middle of something", File: "server/server.js", Line: 2, Column: 7},
		}},
		"in several files": {
			map[string]string{"server/server.js": "exports = {", "server/lib/a.js": "\n)", "server/lib/b.js": "exports = {}", "server/lib/c.json": "{\n  \"a\": 1,\n}"},
			[]script.Failure{
				{Kind: "syntax", Message: "SyntaxError: unexpected token in expression: ')'", File: "server/lib/a.js", Line: 2, Column: 1},
				{Kind: "syntax", Message: "this is not JSON: invalid character ',' at start of value", File: "server/lib/c.json", Line: 2, Column: 9},
				{Kind: "syntax", Message: "SyntaxError: the file ends in the middle of something", File: "server/server.js", Line: 1, Column: 12},
			},
		},
		"an import": {server("import fs from 'fs';"), []script.Failure{
			{Kind: "syntax", Message: "SyntaxError: expecting '('", File: "server/server.js", Line: 1, Column: 8},
		}},
		"no entry": {map[string]string{"server/lib/a.js": ""}, []script.Failure{
			{Kind: "syntax", Message: "server/server.js is missing", File: "server/server.js", Line: 1, Column: 1},
		}},
		"a name that is nowhere": {server("\nexports = { a: nowhere };"), []script.Failure{
			{Kind: "threw", Message: "ReferenceError: 'nowhere' is not defined", File: "server/server.js", Line: 2, Column: 16, Stack: "<anonymous> (server/server.js:2:16)"},
		}},
		"a loop": {server("for (;;)\n\t;"), []script.Failure{
			{Kind: "timeout", Message: "not done within 2s", File: "server/server.js", Line: 1, Column: 1, Stack: "<anonymous> (server/server.js:1:1)"},
		}},
		"a rejected promise": {server("Promise.reject(new Error('no'));"), []script.Failure{
			{Kind: "threw", Message: "Error: no", File: "server/server.js", Line: 1, Column: 25, Stack: "<anonymous> (server/server.js:1:25)"},
		}},
		"too much": {server(strings.Repeat("1;", 600_000)), []script.Failure{
			{Kind: "syntax", Message: "the files have 1200000 bytes together; at most 1048576 are read"},
		}},
		"too many variables": {server("exports.a = function () {\n" + variables(5000) + "};"), []script.Failure{
			{Kind: "syntax", Message: "a function has 5000 variables and temporaries; at most 4096 can be had", File: "server/server.js", Line: 1, Column: 1},
		}},
		"exports that cannot be told": {server("exports = { get a() { throw new Error('mine'); } };"), []script.Failure{
			{Kind: "threw", Message: "Error: mine", File: "server/server.js", Line: 1, Column: 38, Stack: "get a (server/server.js:1:38)"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			config := script.Config{Loading: time.Minute}
			if c.want[0].Kind == script.KindTimeout {
				config.Loading = 2 * time.Second
			}
			_, err := script.Compile(t.Context(), c.files, "server/server.js", config)
			var failures script.Failures
			if !errors.As(err, &failures) {
				t.Fatal(err)
			}
			got := make([]script.Failure, len(failures))
			for i, f := range failures {
				got[i] = *f
			}
			if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(script.Failure{}, "Stack")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func variables(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "var v%d;\n", i)
	}
	return b.String()
}

func TestCompileStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := script.Compile(ctx, map[string]string{"server/server.js": "for (;;);"}, "server/server.js", script.Config{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
