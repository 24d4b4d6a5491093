package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// FuzzRequest sends what strangers might: nothing may be answered 500, and every refusal is a problem.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][4]string{
		{"POST", "/v1/accounts", `{"name":"A","customFields":{"a":["b"]},"metadata":{"x":[1,{"y":null}]}}`, ""},
		{"PUT", "/v1/accounts/acc_1", `{"name":"A","billingAddress":{"city":"B"}}`, `{"id":"U1"}`},
		{"PATCH", "/v1/accounts/acc_1", `{"name":null,"health":"RED"}`, "U1"},
		{"GET", "/v1/accounts?status=A&limit=1&after=YWNjXzE", "", ""},
		{"GET", "/v1/accounts/acc_1?asOf=1", "", ""},
		{"GET", "/v1/events?after=1.1&types=account:*,*&account=acc_1", "", ""},
		{"GET", "/v1/events/evt_00000000000000000000000", "", ""},
		{"POST", "/v1/subscriptions", `{"sink":{"type":"webhook","url":"http://[::1]:9/"},"start":5,"retry":{"schedule":["-1s"]},"filter":"a."}`, ""},
		{"POST", "/v1/subscriptions/sub_1/replay", `{"fromTime":"2026-01-01T00:00:00Z"}`, ""},
		{"POST", "/v1/batch", "{\"op\":\"put\",\"kind\":\"account\",\"id\":\"a\",\"data\":{\"name\":\"A\"}}\n[]\n\n{", ""},
		{"PUT", "/v1/fields/account/tier", `{"uid":"tier","label":"T","type":"radio","options":["a"]}`, ""},
		{"POST", "/v1/notes/n_1/comments", `{"content":"c","contentJson":[]}`, ""},
		{"DELETE", "/v1/custom/m/x?cascade=true", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	h := open(f)
	f.Fuzz(func(t *testing.T, method, path, body, actor string) {
		if strings.Contains(path, "/stream") || !strings.HasPrefix(path, "/v1/") {
			return // a stream has no end
		}
		req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Authorization", "Bearer dev")
		req.Header.Set("Content-Type", "application/json")
		if strings.HasPrefix(path, "/v1/batch") {
			req.Header.Set("Content-Type", "application/x-ndjson")
		}
		if actor != "" {
			req.Header.Set("Carillon-Actor", actor)
		}
		resp, err := h.client.Do(req)
		if err != nil {
			return // not sent: no method, or no header that HTTP allows
		}
		a := answer{t: t, status: resp.StatusCode, header: resp.Header, body: readAll(t, resp)}
		if a.status >= 500 {
			t.Fatalf("%s %q answers %d: %s", method, path, a.status, a.body)
		}
		if a.status >= 400 && method != http.MethodHead {
			var p problem
			if json.Unmarshal(a.body, &p) != nil || p.Code == "" || p.Status != a.status || a.header.Get("Content-Type") != "application/problem+json" {
				// The mux itself answers a path such as //x or /.. with a redirect, net/http a target it cannot read with 400.
				if p.Code == "" && a.header.Get("X-Request-Id") == "" {
					return
				}
				t.Fatalf("%s %q answers %d without a problem: %s", method, path, a.status, a.body)
			}
		}
	})
}
