package script_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"carillon/apps/script"
)

// Sources that nest deeper than any person's end with a word to the person, not with the house.
func TestHostileSources(t *testing.T) {
	const n = 15_000
	nest := func(open, middle, shut string) string {
		return strings.Repeat(open, n) + middle + strings.Repeat(shut, n)
	}
	for name, source := range map[string]string{
		"parentheses":           nest("(", "1", ")"),
		"arrays":                nest("[", "", "]"),
		"objects":               nest("({a:", "1", "})"),
		"blocks":                nest("{", "", "}"),
		"functions":             nest("(function(){", "", "})"),
		"arrows":                nest("x=>", "1", ""),
		"async arrows":          nest("async x=>", "1", ""),
		"arrows in arguments":   nest("(x=", "1", ")=>1"),
		"classes":               nest("(class{a=", "1", "})"),
		"class heritage":        nest("(class extends ", "Object{}", "{})"),
		"methods":               nest("({a(){", "", "}})"),
		"getters":               nest("({get a(){", "", "}})"),
		"templates":             nest("`${", "1", "}`"),
		"unary operators":       nest("!", "1", ""),
		"minus":                 nest("- ", "1", ""),
		"typeof":                nest("typeof ", "1", ""),
		"void":                  nest("void ", "1", ""),
		"await":                 "(async function(){" + nest("await ", "1", "") + "})",
		"yield":                 "(function*(){" + nest("yield ", "1", "") + "})",
		"powers":                nest("2**", "1", ""),
		"sums":                  nest("1+", "1", ""),
		"commas":                nest("1,", "1", ""),
		"conditions":            nest("1?1:", "1", ""),
		"conditions inside":     nest("1?", "1", ":1"),
		"assignments":           "var a;" + nest("a=", "1", ""),
		"new":                   nest("new ", "Object", ""),
		"calls":                 nest("f(", "1", ")"),
		"calls of calls":        nest("", "f", "()"),
		"members":               nest("", "a", ".a"),
		"optional members":      nest("", "a", "?.a"),
		"indexes":               nest("a[", "1", "]"),
		"if":                    nest("if(1)", ";", ""),
		"else":                  nest("if(1);else ", ";", ""),
		"loops":                 nest("for(;;)", ";", ""),
		"while":                 nest("while(1)", ";", ""),
		"do":                    nest("do ", ";", " while(1);"),
		"with":                  nest("with(1)", ";", ""),
		"try":                   nest("try{", "", "}finally{}"),
		"switch":                nest("switch(1){case 1:", "", "}"),
		"patterns":              "var " + nest("[", "a", "]") + "=1",
		"object patterns":       "var " + nest("{a:", "a", "}") + "=1",
		"patterns in arguments": "(function(" + nest("[", "a", "]") + "){})",
		"nullish":               nest("a??", "1", ""),
		"spread":                nest("[...", "1", "]"),
		"regular expressions":   "/" + nest("(?:", "a", ")") + "/",
		"lookaheads":            "/" + nest("(?=", "a", ")") + "/",
		"classes of characters": "/" + nest("[", "a", "]") + "/v",
		"alternatives":          "/" + nest("a|", "a", "") + "/",
		"repetitions":           "/" + nest("(?:", "a", "){1,9}") + "/",
		"labels":                nest("a:", ";", ""),
		"strings":               nest("'a'+", "1", ""),
		"let":                   nest("let a;{", "", "}"),
		"variables":             "var " + strings.TrimSuffix(strings.Repeat("abc,", n), ","),
		"in":                    nest("1 in ", "a", ""),
		"import":                nest("import(", "1", ")"),
		"super":                 "({a(){" + nest("super[", "1", "]") + "}})",
		"private":               nest("class A{#a=class B{", "", "}}"),
		"static blocks":         nest("class A{static{", "", "}}"),
		"tagged templates":      nest("a`${", "1", "}`"),
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			// Inside a function that is never called: what matters is reading it.
			_, err := script.Compile(t.Context(), map[string]string{"server/server.js": "exports={f(){" + source + "\n}}"}, "server/server.js", script.Config{})
			t.Logf("%v: %.120v", time.Since(began).Round(time.Millisecond), err)
			var failures script.Failures
			if err != nil && !errors.As(err, &failures) {
				t.Fatal(err)
			}
			for _, f := range failures {
				if f.Kind == script.KindEngine {
					t.Error(f)
				}
			}
		})
	}
}
