package workshop_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"carillon/apps/workshop"
)

func TestSecretsAreNotTakenForPlaces(t *testing.T) {
	h := newHouse(t, nil)
	files := appOf("platform", map[string]string{"onExternalEvent": "run"}, `exports = {
  run({ iparams, line }) {
    throw { message: "x", stack: "    at a (" + (line ? "server/server.js:" + iparams.pin : iparams.token + "\u001b[31mPWN:1") + ":1)" };
  }
};`)
	files["config/iparams.json"] = `{
  "token": { "display_name": "Token", "type": "text", "secure": true }, "pin": { "display_name": "PIN", "type": "number", "secure": true }
}`
	a := h.install(files, `{"token":"t0ken-of-the-app","pin":"48151"}`)
	for _, payload := range []string{`{}`, `{"line":true}`} {
		i := h.simulate(a, "onExternalEvent", payload)
		text, err := json.Marshal(i)
		if err != nil || i.Failure == nil || i.Failure.Message != "x" {
			t.Fatalf("%s: %s, %v", payload, text, err)
		}
		for _, secret := range []string{"t0ken", "48151", "PWN"} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s tells %s: %s", payload, secret, text)
			}
		}
	}
}

func TestWhatSecretsBecomeInHeadersIsNotTold(t *testing.T) {
	far := newFarEnd(t)
	h := newHouse(t, func(c *workshop.Config) { c.TLS = far.tls() })
	a := h.install(archive(`
-- manifest.json --
`+manifestOf("platform", map[string]string{"onExternalEvent": "run"}, "ask")+`
-- config/iparams.json --
{ "host": { "display_name": "Host", "type": "text" }, "token": { "display_name": "Token", "type": "text", "secure": true } }
-- config/requests.json --
{ "ask": { "schema": { "method": "GET", "host": "<%= iparam.host %>", "path": "/", "headers": {
  "X-Sign": "v1=<%= encode('user:' + iparam.token) %>", "X-Plain": "plain"
} } } }
-- server/server.js --
exports = { async run() { console.log((await $request.invokeTemplate("ask", {})).response); } };
`), `{"host":"`+far.host+`","token":"t0ken-of-the-app"}`)
	far.answers(func(w http.ResponseWriter, r *http.Request) {
		sign := r.Header.Get("X-Sign")
		_, _ = w.Write([]byte(sign + " " + strings.TrimPrefix(sign, "v1=") + " " + r.Header.Get("X-Plain")))
	})
	i := h.simulate(a, "onExternalEvent", `{}`)
	if len(i.Lines) != 1 || i.Lines[0].Text != "*** *** plain" {
		t.Errorf("it told %+v, %+v", i.Lines, i.Failure)
	}
}

func TestTheTokenOfTargetURLsIsNotTold(t *testing.T) {
	h := newHouse(t, nil)
	a := h.install(appOf("platform", map[string]string{"onAppInstall": "setUp"}, `exports = {
  async setUp() { console.log(await generateTargetUrl()); renderData(); }
};`), "")
	h.awaitSaid(a, "https://carillon.example.com/app-hooks/"+a.ID+"/***")
}
