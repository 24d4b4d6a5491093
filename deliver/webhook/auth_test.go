package webhook_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"carillon"
	"carillon/deliver/webhook"
)

func TestAuthIsSent(t *testing.T) {
	var header http.Header
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) { header = r.Header.Clone() })
	cases := map[string]struct {
		auth        carillon.Auth
		name, value string
	}{
		"basic":                 {carillon.Auth{Type: "basic", Username: "neon", Password: "pa:ss wörd"}, "Authorization", "Basic bmVvbjpwYTpzcyB3w7ZyZA=="},
		"bearer":                {carillon.Auth{Type: "bearer", Token: "abc.DEF-123_~+/="}, "Authorization", "Bearer abc.DEF-123_~+/="},
		"header":                {carillon.Auth{Type: "header", Name: "x-api-key", Value: "k e y"}, "X-Api-Key", "k e y"},
		"header: Authorization": {carillon.Auth{Type: "header", Name: "authorization", Value: "Custom abc"}, "Authorization", "Custom abc"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := message()
			m.Attributes = []carillon.Attribute{{Name: "header:" + c.name, Value: "from the message"}}
			send(t, open(t, dev(), carillon.Sink{URL: server.URL, Auth: &c.auth}), m)
			if got := header.Values(c.name); len(got) != 1 || got[0] != c.value {
				t.Errorf("%s is %q, want %q", c.name, got, c.value)
			}
		})
	}
}

func TestBadAuthIsRefused(t *testing.T) {
	named := func(name string) carillon.Auth { return carillon.Auth{Type: "header", Name: name, Value: "s3cr3t"} }
	cases := map[string]struct {
		auth   carillon.Auth
		member string
	}{
		"no type":                      {carillon.Auth{}, "/sink/auth/type"},
		"unknown type":                 {carillon.Auth{Type: "digest"}, "/sink/auth/type"},
		"basic without user":           {carillon.Auth{Type: "basic", Password: "s3cr3t"}, "/sink/auth/username"},
		"basic, user with colon":       {carillon.Auth{Type: "basic", Username: "a:b", Password: "s3cr3t"}, "/sink/auth/username"},
		"basic without password":       {carillon.Auth{Type: "basic", Username: "a"}, "/sink/auth/password"},
		"basic, password with break":   {carillon.Auth{Type: "basic", Username: "a", Password: "s3cr3t\n"}, "/sink/auth/password"},
		"bearer without token":         {carillon.Auth{Type: "bearer"}, "/sink/auth/token"},
		"bearer with space":            {carillon.Auth{Type: "bearer", Token: "s3cr3t b"}, "/sink/auth/token"},
		"bearer with break":            {carillon.Auth{Type: "bearer", Token: "s3cr3t\r\nHost: b"}, "/sink/auth/token"},
		"header without name":          {named(""), "/sink/auth/name"},
		"header with space":            {named("a b"), "/sink/auth/name"},
		"header with colon":            {named("a:"), "/sink/auth/name"},
		"header with break":            {named("a\r\nb"), "/sink/auth/name"},
		"Host":                         {named("Host"), "/sink/auth/name"},
		"Content-Length":               {named("content-length"), "/sink/auth/name"},
		"Transfer-Encoding":            {named("transfer-encoding"), "/sink/auth/name"},
		"Connection":                   {named("connection"), "/sink/auth/name"},
		"Upgrade":                      {named("upgrade"), "/sink/auth/name"},
		"TE":                           {named("te"), "/sink/auth/name"},
		"Trailer":                      {named("trailer"), "/sink/auth/name"},
		"Expect":                       {named("expect"), "/sink/auth/name"},
		"Proxy-Authorization":          {named("proxy-authorization"), "/sink/auth/name"},
		"Webhook-Signature":            {named("webhook-signature"), "/sink/auth/name"},
		"Carillon-Seq":                 {named("carillon-seq"), "/sink/auth/name"},
		"header without value":         {carillon.Auth{Type: "header", Name: "X-Key"}, "/sink/auth/value"},
		"header, value with break":     {carillon.Auth{Type: "header", Name: "X-Key", Value: "s3cr3t\r\nHost: b"}, "/sink/auth/value"},
		"header, value ends in spaces": {carillon.Auth{Type: "header", Name: "X-Key", Value: "s3cr3t "}, "/sink/auth/value"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := webhook.New(dev()).Open(&carillon.Subscription{
				ID: "sub_1", Secrets: []string{secret}, Sink: carillon.Sink{URL: "https://example.com", Auth: &c.auth},
			})
			wantFault(t, err, c.member)
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

// An endpoint may answer with what it was sent; that ends up in the attempts, which more people see than the secrets.
func TestAnswersDoNotBetrayAuth(t *testing.T) {
	echo := serve(t, func(w http.ResponseWriter, r *http.Request) {
		pad := strings.Repeat("x", len(r.URL.Path)-1)
		if r.URL.Query().Has("redirect") {
			w.Header().Set("Location", "/"+r.Header.Get("Authorization"))
			w.WriteHeader(http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, pad+strings.Repeat(fmt.Sprintf("%s %s|", r.Header.Get("Authorization"), r.Header.Get("X-Key")), 100))
	})
	const token = "s3cr3t-s3cr3t-tok3n"
	for name, a := range map[string]carillon.Auth{
		"basic":  {Type: "basic", Username: "neon", Password: token},
		"bearer": {Type: "bearer", Token: token},
		"header": {Type: "header", Name: "X-Key", Value: token},
	} {
		t.Run(name, func(t *testing.T) {
			for pad := range 64 { // so that the cut falls at every place of the secret
				result := send(t, open(t, dev(), carillon.Sink{URL: echo.URL + "/" + strings.Repeat("p", pad), Auth: &a}), message())
				for _, leak := range []string{"s3cr3t-s", "czNjcjN0", "bmVvbjpz"} {
					if strings.Contains(result.Response, leak) {
						t.Fatalf("with %d bytes before it the answer betrays %q: %q", pad, leak, result.Response)
					}
				}
				if !strings.Contains(result.Response, "***") {
					t.Fatalf("nothing was hidden in %q", result.Response)
				}
			}
			result := send(t, open(t, dev(), carillon.Sink{URL: echo.URL + "/?redirect", Auth: &a}), message())
			if result.Err == nil || strings.Contains(result.Err.Error(), token) || strings.Contains(result.Err.Error(), "czNjcjN0") {
				t.Errorf("the reason betrays the secret: %v", result.Err)
			}
		})
	}
}
