package workshop_test

import (
	"encoding/json"
	"strings"
	"testing"
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
