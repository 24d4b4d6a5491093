package workshop_test

import (
	"encoding/json"
	"testing"

	"carillon/apps/workshop"
)

func TestInstallationsThatGaveWayAreReadAgain(t *testing.T) {
	h := newHouse(t, func(c *workshop.Config) { c.Room = 1 })
	files := archive(`
-- config/iparams.json --
{ "name": { "display_name": "Name", "type": "text" }, "key": { "display_name": "Key", "type": "text", "secure": true } }
-- server/server.js --
exports = { take(args) { console.log(args.iparams.name, args.iparams.key.length); } };
`)
	files["manifest.json"] = manifestOf("platform", map[string]string{"account:created": "take"})
	one := h.install(files, `{"name":"one","key":"sealed"}`)
	two := h.install(files, `{"name":"two","key":"shut"}`)
	if n := h.shop.Ready(); n != 1 {
		t.Errorf("%d are ready, want the last", n)
	}
	h.write(account("a", ""))
	h.awaitSaid(one, "one 6")
	h.awaitSaid(two, "two 4")
	if _, err := h.shop.SetIParams(t.Context(), org, one.ID, json.RawMessage(`{"name":"uno","key":"********"}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.shop.Upgrade(t.Context(), org, two.ID, workshop.Installation{Package: pack(t, files)}); err != nil {
		t.Fatal(err)
	}
	h.write(account("b", ""))
	h.awaitSaid(one, "one 6", "uno 6")
	h.awaitSaid(two, "two 4", "two 4")
	if n := h.shop.Ready(); n != 1 {
		t.Errorf("%d are ready, want the one that was used last", n)
	}
}
