package simulator_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestSecureChoicesAreKept(t *testing.T) {
	l := open(t, map[string]string{
		"manifest.json": `{"platform-version":"2.3","product":{"platform":{"events":{"onExternalEvent":{"handler":"run"}}}},"engines":{"node":"18.20.8","fdk":"9.7.4"}}`,
		"config/iparams.json": `{
  "mode": { "display_name": "Mode", "type": "dropdown", "options": ["fast", "slow"], "secure": true },
  "on": { "display_name": "On", "type": "checkbox", "secure": true }, "n": { "display_name": "N", "type": "number" } }`,
		"server/server.js": `exports = { run(args) { console.log("has " + JSON.stringify([args.iparams.mode === "slow", args.iparams.on === false])); } };`,
	})
	l.do(http.MethodPost, "/custom_configs", "", url.Values{"mode": {"slow"}, "n": {"12345678901"}})
	l.do(http.MethodPost, "/custom_configs", "", url.Values{"keep:mode": {"true"}, "keep:on": {"true"}, "n": {"12345678901"}})
	_, form := l.get("/custom_configs", "")
	if !strings.Contains(form, `name="keep:mode"`) || !strings.Contains(form, `value="12345678901"`) {
		t.Errorf("the form is %s", form)
	}
	if _, page := l.simulate("platform", "onExternalEvent", `{}`); !strings.Contains(page, "has [true,true]") {
		t.Errorf("the handler has other values: %s", page)
	}
}
