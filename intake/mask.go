package intake

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
)

// mask stands for a secret.
const mask = "***"

// jsonString is a string of JSON, also of JSON that is broken elsewhere.
var jsonString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// masked gives a body without the secret that proves its request, however the body spells it: it is of no use once the
// request has been verified, and is not kept.
func masked(v carillon.Verify, contentType string, body []byte) []byte {
	if v.Type != carillon.VerifyParameter {
		return body
	}
	if media, _, _ := strings.Cut(contentType, ";"); strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded") {
		if form, err := url.ParseQuery(string(body)); err == nil && form.Has("payload") {
			form.Set("payload", string(maskStrings(v.Value, []byte(form.Get("payload")))))
			return []byte(form.Encode())
		}
	}
	return maskStrings(v.Value, body)
}

func maskStrings(secret string, body []byte) []byte {
	return jsonString.ReplaceAllFunc(body, func(quoted []byte) []byte {
		if text, err := jsontext.AppendUnquote(nil, quoted); err == nil && string(text) == secret {
			return []byte(`"` + mask + `"`)
		}
		return quoted
	})
}
