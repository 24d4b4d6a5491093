package webhook

import (
	"encoding/base64"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"carillon"
)

// auth is the header by which a webhook authenticates itself beside its signature; the zero value is none.
type auth struct {
	name  string // canonical
	value string
	// hidden is what must not be shown should the endpoint repeat it in its answer.
	hidden []string
}

// parseAuth reads a sink's auth. It fails with carillon.CodeInvalid naming members below /sink/auth, without their values.
func parseAuth(a *carillon.Auth) (auth, error) {
	if a == nil {
		return auth{}, nil
	}
	switch a.Type {
	case "basic":
		// RFC 7617: the first colon ends the user name.
		if a.Username == "" || strings.Contains(a.Username, ":") || hasControl(a.Username) {
			return auth{}, carillon.Invalid("/sink/auth/username", "is required, without colons and control characters")
		}
		if a.Password == "" || hasControl(a.Password) {
			return auth{}, carillon.Invalid("/sink/auth/password", "is required, without control characters")
		}
		pair := base64.StdEncoding.EncodeToString([]byte(a.Username + ":" + a.Password))
		return auth{"Authorization", "Basic " + pair, []string{pair, a.Password}}, nil
	case "bearer":
		if a.Token == "" || !httpguts.ValidHeaderFieldValue(a.Token) || strings.ContainsAny(a.Token, " \t") {
			return auth{}, carillon.Invalid("/sink/auth/token", "is required, without spaces and control characters")
		}
		return auth{"Authorization", "Bearer " + a.Token, []string{a.Token}}, nil
	case "header":
		if reason := refuseHeader(a.Name); reason != "" {
			return auth{}, carillon.Invalid("/sink/auth/name", reason)
		}
		if a.Value == "" || !httpguts.ValidHeaderFieldValue(a.Value) || strings.TrimSpace(a.Value) != a.Value {
			return auth{}, carillon.Invalid("/sink/auth/value", "is required, without control characters and spaces at its ends")
		}
		return auth{http.CanonicalHeaderKey(a.Name), a.Value, []string{a.Value}}, nil
	default:
		return auth{}, carillon.Invalid("/sink/auth/type", "must be basic, bearer or header")
	}
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// refuseHeader says why a header of this name must not be set from outside; "" if it may.
func refuseHeader(name string) string {
	if !httpguts.ValidHeaderFieldName(name) {
		return "must be the name of a header"
	}
	switch canonical := http.CanonicalHeaderKey(name); {
	case strings.HasPrefix(canonical, "Webhook-"), strings.HasPrefix(canonical, "Carillon-"),
		strings.HasPrefix(canonical, "Proxy-"), reservedHeaders[canonical]:
		return "must not be " + canonical + ", which is not free to be set"
	}
	return ""
}

// reservedHeaders frame the request or belong to one connection (RFC 9110, section 7.6.1), or we set them.
var reservedHeaders = map[string]bool{
	"Host": true, "Content-Length": true, "Content-Type": true, "Content-Encoding": true, "Transfer-Encoding": true,
	"Connection": true, "Keep-Alive": true, "Te": true, "Trailer": true, "Upgrade": true, "Expect": true,
	"User-Agent": true, "Accept-Encoding": true, "Http2-Settings": true,
}
