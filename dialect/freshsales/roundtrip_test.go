package freshsales_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// Every sample of the vendor, posted to a connection, applied and told again, is the same but for what is listed: all of it.
func TestTheVendorsSamplesComeBack(t *testing.T) {
	for _, s := range samples {
		t.Run(s.event, func(t *testing.T) {
			h := openHouse(t)
			body := published(t, s.event)
			want := decode(t, body)
			if strings.HasSuffix(s.event, "Update") {
				h.apply(asCreated(t, body))
			}
			got := decode(t, h.told(h.apply(body), string(settingsOf(t, want))))
			different := make(map[string]string)
			compare("", want, got, different)
			for path, how := range different {
				t.Errorf("%s: %s", path, how)
			}
		})
	}
}

// asCreated makes an update the creation of what was before.
func asCreated(t testing.TB, body []byte) []byte {
	t.Helper()
	payload := decode(t, body)
	payload["event"] = strings.Replace(payload["event"].(string), "Update", "Create", 1)
	payload["timestamp"] = json.Number("1590000000.5")
	data := payload["data"].(map[string]any)
	object := data[objectOf(data)].(map[string]any)
	for name, pair := range at2(data, "changes", "model_changes").(map[string]any) {
		old := pair.([]any)[0]
		switch value := object[name].(type) {
		case map[string]any:
			if _, model := at2(value, "value").(map[string]any); model {
				old = map[string]any{"id": old, "model": "user"}
			}
			value["value"] = old
		default:
			object[name] = old
		}
	}
	delete(data, "changes")
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
