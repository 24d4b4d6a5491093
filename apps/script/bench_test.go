package script_test

import (
	"fmt"
	"testing"

	"carillon/apps/script"

	"github.com/go-json-experiment/json/jsontext"
)

// BenchmarkInvoke is one call of a handler with the contact event, in a warm pool: a light one, one that walks the whole
// payload, and the light one while others of other installations are at work.
func BenchmarkInvoke(b *testing.B) {
	program := compile(b, script.Config{}, map[string]string{"server/server.js": `exports = {
	light: function (args) {
		console.log("Hello " + args.data.contact.first_name);
	},
	walk: function (args) {
		const names = [];
		(function walk(value, name) {
			if (value && typeof value === "object") {
				for (const [key, member] of Object.entries(value)) walk(member, name + "/" + key);
			} else {
				names.push(name + "=" + value);
			}
		})(args, "");
		if (names.length < 100) throw new Error("not walked: " + names.length);
		return names.length;
	},
};`})
	event := contactEvent(b)
	for _, handler := range []string{"light", "walk"} {
		b.Run(handler, func(b *testing.B) {
			pool := newPool(b, script.Config{})
			invokeWell(b, pool, "installation", program, handler, event)
			b.ReportAllocs()
			for b.Loop() {
				invokeWell(b, pool, "installation", program, handler, event)
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		pool := newPool(b, script.Config{})
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				invokeWell(b, pool, "installation", program, "light", event)
			}
		})
	})
	b.Run("cold", func(b *testing.B) {
		pool := newPool(b, script.Config{})
		for i := 0; b.Loop(); i++ {
			invokeWell(b, pool, fmt.Sprint("installation ", i), program, "light", event)
			pool.Drop(fmt.Sprint("installation ", i))
		}
	})
}

func invokeWell(tb testing.TB, pool *script.Pool, key string, program *script.Program, handler string, args jsontext.Value) script.Result {
	tb.Helper()
	r, err := pool.Invoke(tb.Context(), key, program, handler, args, nil)
	if err != nil {
		tb.Fatal(err)
	}
	if r.Failure != nil {
		tb.Fatalf("%s failed: %v", handler, r.Failure)
	}
	return r
}
