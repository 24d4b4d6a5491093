package api_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"carillon"
)

// settle makes a few things in two orgs that requests may run into.
func (h *house) settle() {
	h.t.Helper()
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"One"}`).want(201)
	h.do(http.MethodPut, "/v1/notes/n_1", `{"accountId":"acc_1","title":"N","content":"c"}`).want(201)
	h.do(http.MethodPost, "/v1/fields/account", `{"uid":"tier","label":"Tier","type":"dropdown","options":["gold","silver"]}`).want(201)
	other := with{"Authorization": "Bearer " + h.key("other", carillon.RightAdmin)}
	h.do(http.MethodPut, "/v1/accounts/acc_other", `{"name":"Theirs"}`, other).want(201)
	h.do(http.MethodPost, "/v1/fields/account", `{"uid":"theirs","label":"T","type":"text"}`, other).want(201)
}

func TestBadInputIsRefusedByNameAndWritesNothing(t *testing.T) {
	h := open(t)
	h.settle()
	deep := strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200)
	large := `{"name":"` + strings.Repeat("x", 1<<20) + `"}`
	for _, c := range []struct {
		name, method, path, body string
		headers                  with
		status                   int
		code                     carillon.Code
		member                   string // "-" where the problem is about no member
	}{
		{"not JSON", "POST", "/v1/accounts", `{"name":`, nil, 400, "malformed", "/name"},
		{"not an object", "POST", "/v1/accounts", `["name"]`, nil, 422, "invalid", ""},
		{"two values", "POST", "/v1/accounts", `{"name":"A"} {"name":"B"}`, nil, 400, "malformed", "-"},
		{"a name twice", "POST", "/v1/accounts", `{"name":"A","name":"B"}`, nil, 400, "malformed", "/name"},
		{"bytes that are not UTF-8", "POST", "/v1/accounts", "{\"name\":\"\xff\"}", nil, 400, "malformed", "-"},
		{"a lone surrogate", "POST", "/v1/accounts", `{"name":"\ud800"}`, nil, 400, "malformed", "-"},
		{"an empty body", "POST", "/v1/accounts", ``, with{"Content-Type": "application/json"}, 400, "malformed", ""},
		{"a wrong type", "POST", "/v1/accounts", `{"name":5}`, nil, 422, "invalid", "/name"},
		{"a wrong type inside", "POST", "/v1/accounts", `{"name":"A","billingAddress":{"city":["x"]}}`, nil, 422, "invalid", "/billingAddress/city"},
		{"a required member missing", "POST", "/v1/accounts", `{}`, nil, 422, "invalid", "/name"},
		{"a required member unset", "PATCH", "/v1/accounts/acc_1", `{"name":null}`, nil, 422, "invalid", "/name"},
		{"an unknown member", "POST", "/v1/accounts", `{"name":"A","colour":"red"}`, nil, 422, "invalid", "/colour"},
		{"the wrong case", "POST", "/v1/accounts", `{"Name":"A"}`, nil, 422, "invalid", "/Name"},
		{"a string too long", "POST", "/v1/accounts", `{"name":"` + strings.Repeat("x", 256) + `"}`, nil, 422, "invalid", "/name"},
		{"a body too large", "POST", "/v1/accounts", large, nil, 413, "too_large", ""},
		{"a body too deep", "POST", "/v1/accounts", `{"name":"A","metadata":` + deep + `}`, nil, 413, "too_large", "-"},
		{"a time that is none", "POST", "/v1/tasks", `{"accountId":"acc_1","title":"T","dueDate":"tomorrow"}`, nil, 422, "invalid", "/dueDate"},
		{"an unknown account", "POST", "/v1/tasks", `{"accountId":"acc_9","title":"T"}`, nil, 422, "invalid", "/accountId"},
		{"another org's account", "POST", "/v1/tasks", `{"accountId":"acc_other","title":"T"}`, nil, 422, "invalid", "/accountId"},
		{"an option that is none", "PATCH", "/v1/accounts/acc_1", `{"customFields":{"tier":["brass"]}}`, nil, 422, "invalid", "/customFields/tier/0"},
		{"custom values that are no list", "PATCH", "/v1/accounts/acc_1", `{"customFields":{"tier":"gold"}}`, nil, 422, "invalid", "/customFields/tier"},
		{"an id that is none in the body", "POST", "/v1/accounts", `{"id":"a/b","name":"A"}`, nil, 422, "invalid", "/id"},
		{"an id that is none in the path", "PUT", "/v1/accounts/a%20b", `{"name":"A"}`, nil, 422, "invalid", "id"},
		{"an id with a slash", "PUT", "/v1/accounts/a%2Fb", `{"name":"A"}`, nil, 422, "invalid", "id"},
		{"an id of NUL", "GET", "/v1/accounts/a%00b", ``, nil, 404, "not_found", "id"},
		{"a module that is none", "GET", "/v1/custom/a%20b", ``, nil, 404, "not_found", "module"},
		{"another id in the body", "PUT", "/v1/accounts/acc_1", `{"id":"acc_2","name":"A"}`, nil, 422, "invalid", "/id"},
		{"an id that is taken", "POST", "/v1/accounts", `{"id":"acc_1","name":"A"}`, nil, 409, "conflict", "-"},
		{"a stale version", "PUT", "/v1/accounts/acc_1", `{"name":"A"}`, with{"If-Match": `"7"`}, 412, "stale_version", "-"},
		{"no such record", "PATCH", "/v1/accounts/acc_9", `{"name":"A"}`, nil, 404, "not_found", "-"},
		{"another org's record", "PATCH", "/v1/accounts/acc_other", `{"name":"A"}`, nil, 404, "not_found", "-"},
		{"another org's record deleted", "DELETE", "/v1/accounts/acc_other", ``, nil, 404, "not_found", "-"},
		{"another org's record read", "GET", "/v1/accounts/acc_other", ``, nil, 404, "not_found", "-"},
		{"another org's timeline", "GET", "/v1/accounts/acc_other/timeline", ``, nil, 404, "not_found", "-"},
		{"another org's hierarchy", "GET", "/v1/accounts/acc_other/hierarchy", ``, nil, 404, "not_found", "-"},
		{"another org's field", "GET", "/v1/fields/account/theirs", ``, nil, 404, "not_found", "-"},
		{"a form", "POST", "/v1/accounts", `name=A`, with{"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported", "Content-Type"},
		{"no media type", "POST", "/v1/accounts", `{"name":"A"}`, with{"Content-Type": ""}, 415, "unsupported", "Content-Type"},
		{"another charset", "POST", "/v1/accounts", `{"name":"A"}`, with{"Content-Type": "application/json; charset=latin1"}, 415, "unsupported", "Content-Type"},
		{"a merge patch where none is taken", "PUT", "/v1/accounts/acc_1", `{"name":"A"}`, with{"Content-Type": "application/merge-patch+json"}, 415, "unsupported", "Content-Type"},
		{"a compressed body", "POST", "/v1/accounts", `{"name":"A"}`, with{"Content-Encoding": "gzip"}, 415, "unsupported", "Content-Encoding"},
		{"an unknown parameter", "GET", "/v1/accounts?colour=red", ``, nil, 422, "invalid", "colour"},
		{"a filter that the kind lacks", "GET", "/v1/notes?health=RED", ``, nil, 422, "invalid", "health"},
		{"a parameter twice", "GET", "/v1/accounts?limit=1&limit=2", ``, nil, 422, "invalid", "limit"},
		{"a parameter on a write", "POST", "/v1/accounts?limit=1", `{"name":"A"}`, nil, 422, "invalid", "limit"},
		{"a query that cannot be read", "GET", "/v1/accounts?a=%zz", ``, nil, 400, "malformed", ""},
		{"a parameter with NUL", "GET", "/v1/accounts?name=a%00", ``, nil, 422, "invalid", "name"},
		{"no limit", "GET", "/v1/accounts?limit=0", ``, nil, 422, "invalid", "limit"},
		{"a limit too high", "GET", "/v1/accounts?limit=501", ``, nil, 422, "invalid", "limit"},
		{"a limit that is no number", "GET", "/v1/accounts?limit=ten", ``, nil, 422, "invalid", "limit"},
		{"a cursor that is none", "GET", "/v1/accounts?after=!", ``, nil, 422, "invalid", "after"},
		{"a time that is none in the query", "GET", "/v1/accounts?updatedSince=now", ``, nil, 422, "invalid", "updatedSince"},
		{"a moment that is none", "GET", "/v1/accounts/acc_1?asOf=now", ``, nil, 422, "invalid", "asOf"},
		{"a moment that is negative", "GET", "/v1/accounts/acc_1?asOf=-1", ``, nil, 422, "invalid", "asOf"},
		{"an event cursor that is none", "GET", "/v1/events?after=x", ``, nil, 422, "invalid", "after"},
		{"an event cursor inside no change", "GET", "/v1/events?after=1.0", ``, nil, 422, "invalid", "after"},
		{"a dialect that is none", "GET", "/v1/events?dialect=klingon", ``, nil, 422, "invalid", "dialect"},
		{"settings of no dialect", "GET", "/v1/events?dialect=cloudevents&settings=%7B%22mode%22:%22loud%22%7D", ``, nil, 422, "invalid", "/settings/mode"},
		{"settings that are no JSON", "GET", "/v1/events/stream?dialect=neon&settings=%7B", ``, nil, 422, "invalid", "/settings"},
		{"settings where none are taken", "GET", "/v1/events/evt_1?settings=%7B%22a%22:1%7D", ``, nil, 422, "invalid", "/settings/a"},
		{"a pattern that is none", "GET", "/v1/events?types=account:created,nothing:*", ``, nil, 422, "invalid", "types"},
		{"an empty pattern", "GET", "/v1/events?types=account:created,", ``, nil, 422, "invalid", "types"},
		{"an account that is none", "GET", "/v1/events?account=a%2Fb", ``, nil, 422, "invalid", "account"},
		{"a place in the stream that is none", "GET", "/v1/events/stream", ``, with{"Last-Event-ID": "x"}, 422, "invalid", "Last-Event-ID"},
		{"an event that is none", "GET", "/v1/events/evt_1", ``, nil, 404, "not_found", "-"},
		{"a field without a label", "POST", "/v1/fields/account", `{"uid":"x","type":"text"}`, nil, 422, "invalid", "/label"},
		{"a field of no type", "POST", "/v1/fields/account", `{"uid":"x","label":"X","type":"colour"}`, nil, 422, "invalid", "/type"},
		{"a field with an unknown member", "POST", "/v1/fields/account", `{"uid":"x","label":"X","type":"text","size":1}`, nil, 422, "invalid", "/size"},
		{"a field in the wrong case", "POST", "/v1/fields/account", `{"UID":"x","label":"X","type":"text"}`, nil, 422, "invalid", "/UID"},
		{"a field's uid that is none", "POST", "/v1/fields/account", `{"uid":"a b","label":"X","type":"text"}`, nil, 422, "invalid", "/uid"},
		{"a field that exists", "POST", "/v1/fields/account", `{"uid":"tier","label":"X","type":"text"}`, nil, 409, "conflict", "-"},
		{"a field named as a value list", "POST", "/v1/fields/account", `{"uid":"account_status","label":"X","type":"text"}`, nil, 422, "invalid", "/uid"},
		{"another uid in the body", "PUT", "/v1/fields/account/x", `{"uid":"y","label":"X","type":"text"}`, nil, 422, "invalid", "/uid"},
		{"fields of no kind", "GET", "/v1/fields/unicorn", ``, nil, 404, "not_found", "kind"},
		{"fields of a kind without them", "POST", "/v1/fields/note", `{"uid":"x","label":"X","type":"text"}`, nil, 422, "invalid", "/kind"},
		{"a value list with a repeat", "PUT", "/v1/fields/account/account_status", `{"values":["A","A"]}`, nil, 422, "invalid", "/values/1"},
		{"a value list of no list", "PUT", "/v1/fields/account/account_status", `{"values":"A"}`, nil, 422, "invalid", "/values"},
		{"a built-in value list deleted", "DELETE", "/v1/fields/account/account_status", ``, nil, 404, "not_found", "-"},
		{"no such field deleted", "DELETE", "/v1/fields/account/x", ``, nil, 404, "not_found", "-"},
		{"a key without a right", "POST", "/v1/keys", `{"name":"k"}`, nil, 422, "invalid", "/right"},
		{"a key with another right", "POST", "/v1/keys", `{"name":"k","right":"root"}`, nil, 422, "invalid", "/right"},
		{"a key with a blank name", "POST", "/v1/keys", `{"name":" ","right":"read"}`, nil, 422, "invalid", "/name"},
		{"a key whose actor is none", "POST", "/v1/keys", `{"name":"k","right":"read","actor":{"id":"a b"}}`, nil, 422, "invalid", "/actor/id"},
		{"no such key", "DELETE", "/v1/keys/key_9", ``, nil, 404, "not_found", "-"},
		{"no key named", "DELETE", "/v1/keys", ``, nil, 422, "invalid", "id"},
		{"a subscription body that is not JSON", "POST", "/v1/subscriptions", `{"sink":}`, nil, 400, "malformed", "/sink"},
		{"a subscription body that names twice", "POST", "/v1/subscriptions", `{"name":"a","name":"b"}`, nil, 400, "malformed", "/name"},
		{"a subscription body too deep", "POST", "/v1/subscriptions", `{"settings":` + deep + `}`, nil, 413, "too_large", "-"},
		{"a subscription of two values", "POST", "/v1/subscriptions", `{} {}`, nil, 400, "malformed", ""},
		{"a subscription without a sink", "POST", "/v1/subscriptions", `{"name":"a"}`, nil, 422, "invalid", "/sink"},
		{"a sink of no type", "POST", "/v1/subscriptions", `{"sink":{"type":"pigeon"}}`, nil, 422, "invalid", "/sink/type"},
		{"a sink without its URL", "POST", "/v1/subscriptions", `{"sink":{"type":"webhook"}}`, nil, 422, "invalid", "/sink/url"},
		{"an unknown sink member", "POST", "/v1/subscriptions", `{"sink":{"type":"webhook","url":"https://example.com","colour":1}}`, nil, 422, "invalid", "/sink/colour"},
		{"a start that is none", "POST", "/v1/subscriptions", `{"sink":{"type":"webhook","url":"https://example.com"},"start":"yesterday"}`, nil, 422, "invalid", "/start"},
		{"a start before the beginning", "POST", "/v1/subscriptions", `{"sink":{"type":"webhook","url":"https://example.com"},"start":-1}`, nil, 422, "invalid", "/start"},
		{"a duration that is none", "POST", "/v1/subscriptions", `{"sink":{"type":"webhook","url":"https://example.com"},"retry":{"schedule":["5s","soon"]}}`, nil, 422, "invalid", "/retry/schedule/1"},
		{"settings that are no object", "POST", "/v1/subscriptions", `{"sink":{"type":"webhook","url":"https://example.com"},"settings":[1]}`, nil, 422, "invalid", "/settings"},
		{"a mask for a secret", "POST", "/v1/subscriptions", `{"sink":{"type":"webhook","url":"https://example.com","auth":{"type":"bearer","token":"********"}}}`, nil, 422, "invalid", "/sink/auth/token"},
		{"concurrency beyond its bound", "POST", "/v1/subscriptions", `{"sink":{"type":"webhook","url":"https://example.com"},"concurrency":100000}`, nil, 422, "invalid", "/concurrency"},
		{"no such subscription", "GET", "/v1/subscriptions/sub_9", ``, nil, 404, "not_found", "-"},
		{"no such subscription paused", "POST", "/v1/subscriptions/sub_9/pause", ``, nil, 404, "not_found", "-"},
		{"no such subscription's dead letters", "GET", "/v1/subscriptions/sub_9/dead-letters", ``, nil, 404, "not_found", "-"},
		{"a connection without a dialect", "POST", "/v1/connections", `{"verify":{"type":"none"}}`, nil, 422, "invalid", "/dialect"},
		{"a connection of no dialect", "POST", "/v1/connections", `{"dialect":"klingon","verify":{"type":"none"}}`, nil, 422, "invalid", "/dialect"},
		{"a connection that verifies nothing", "POST", "/v1/connections", `{"dialect":"neon"}`, nil, 422, "invalid", "/verify"},
		{"a verification without a type", "POST", "/v1/connections", `{"dialect":"neon","verify":{}}`, nil, 422, "invalid", "/verify/type"},
		{"a verification of no type", "POST", "/v1/connections", `{"dialect":"neon","verify":{"type":"oath"}}`, nil, 422, "invalid", "/verify/type"},
		{"a verification with an unknown member", "POST", "/v1/connections", `{"dialect":"neon","verify":{"type":"none","colour":1}}`, nil, 422, "invalid", "/verify/colour"},
		{"a secret where none is used", "POST", "/v1/connections", `{"dialect":"neon","verify":{"type":"none","secret":"s"}}`, nil, 422, "invalid", "/verify/secret"},
		{"a standard secret that is none", "POST", "/v1/connections", `{"dialect":"neon","verify":{"type":"standard","secret":"swordfish"}}`, nil, 422, "invalid", "/verify/secret"},
		{"a SmarterPay connection without its key", "POST", "/v1/connections", `{"dialect":"smarterpay","verify":{"type":"smarterpay"}}`, nil, 422, "invalid", "/verify/secret"},
		{"basic without a password", "POST", "/v1/connections", `{"dialect":"neon","verify":{"type":"basic","username":"u"}}`, nil, 422, "invalid", "/verify/password"},
		{"a header without a value", "POST", "/v1/connections", `{"dialect":"neon","verify":{"type":"header","name":"X-Key"}}`, nil, 422, "invalid", "/verify/value"},
		{"a header that cannot be", "POST", "/v1/connections", `{"dialect":"neon","verify":{"type":"header","name":"X Key","value":"v"}}`, nil, 422, "invalid", "/verify/name"},
		{"a parameter without a name", "POST", "/v1/connections", `{"dialect":"neon","verify":{"type":"parameter","value":"v"}}`, nil, 422, "invalid", "/verify/name"},
		{"a topic that is none", "POST", "/v1/connections", `{"dialect":"platform","verify":{"type":"sns","topicArn":"arn:aws:sqs:x"}}`, nil, 422, "invalid", "/verify/topicArn"},
		{"a mask for a secret of a connection", "POST", "/v1/connections", `{"dialect":"neon","verify":{"type":"header","name":"X-Key","value":"********"}}`, nil, 422, "invalid", "/verify/value"},
		{"an id prefix that cannot begin ids", "POST", "/v1/connections", `{"dialect":"neon","verify":{"type":"none"},"idPrefix":"a/b"}`, nil, 422, "invalid", "/idPrefix"},
		{"a wait that is too long", "POST", "/v1/connections", `{"dialect":"neon","verify":{"type":"none"},"orderWaitMs":600001}`, nil, 422, "invalid", "/orderWaitMs"},
		{"a connection's settings that are no object", "POST", "/v1/connections", `{"dialect":"neon","verify":{"type":"none"},"settings":"x"}`, nil, 422, "invalid", "/settings"},
		{"a connection's settings that the dialect lacks", "POST", "/v1/connections", `{"dialect":"neon","verify":{"type":"none"},"settings":{"colour":1}}`, nil, 422, "invalid", "/settings/colour"},
		{"no such connection", "GET", "/v1/connections/conn_9", ``, nil, 404, "not_found", "-"},
		{"no such connection changed", "PATCH", "/v1/connections/conn_9", `{"name":"x"}`, nil, 404, "not_found", "-"},
		{"no such connection removed", "DELETE", "/v1/connections/conn_9", ``, nil, 404, "not_found", "-"},
		{"no such delivery", "GET", "/v1/inbox/inb_9", ``, nil, 404, "not_found", "-"},
		{"no such delivery run again", "POST", "/v1/inbox/inb_9/retry", ``, nil, 404, "not_found", "-"},
		{"a delivery's state that is none", "GET", "/v1/inbox?state=lost", ``, nil, 422, "invalid", "state"},
		{"a connection's id that is none", "GET", "/v1/inbox?connection=a%20b", ``, nil, 422, "invalid", "connection"},
		{"a cursor of another list", "GET", "/v1/inbox?after=YWNjXzE", ``, nil, 422, "invalid", "after"},
		{"no such path", "GET", "/v1/nothing", ``, nil, 404, "not_found", "-"},
		{"no such path at all", "GET", "/nothing", ``, nil, 404, "not_found", "-"},
		{"no such schema", "GET", "/schemas/platform/nothing.json", ``, nil, 404, "not_found", "-"},
		{"a batch under one key", "POST", "/v1/batch", `{}`, with{"Content-Type": "application/x-ndjson", "Idempotency-Key": "k"}, 422, "invalid", "Idempotency-Key"},
		{"a batch of another media type", "POST", "/v1/batch", `{}`, with{"Content-Type": "text/csv"}, 415, "unsupported", "Content-Type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := *h
			h.t = t
			before := h.state("dev", "other")
			p := h.do(c.method, c.path, c.body, c.headers).refusal(c.status, c.code)
			if c.member != "-" && !p.names(c.member) {
				t.Errorf("the problem does not name %q: %+v", c.member, p)
			}
			if after := h.state("dev", "other"); after != before {
				t.Errorf("it wrote:\n%s\n%s", before, after)
			}
		})
	}
}

func TestAMethodThatAPathLacksIsNamedWithThoseItHas(t *testing.T) {
	h := open(t)
	for path, allow := range map[string]string{
		"/v1/accounts":              "GET, HEAD, POST",
		"/v1/accounts/acc_1":        "DELETE, GET, HEAD, PATCH, PUT",
		"/v1/batch":                 "POST",
		"/healthz":                  "GET, HEAD",
		"/v1/subscriptions/s/pause": "POST",
	} {
		a := h.do("TRACE", path, "")
		a.refusal(405, "unsupported")
		if got := a.header.Get("Allow"); got != allow {
			t.Errorf("%s allows %q, want %q", path, got, allow)
		}
	}
}

func TestAccessNeedsAKeyWithTheRight(t *testing.T) {
	h := open(t)
	for _, auth := range []string{"", "Bearer", "Bearer ", "Bearer nobody", "Basic dev", "Bearer " + strings.Repeat("x", 5000), "Bearer \xff"} {
		a := h.get("/v1/accounts", with{"Authorization": auth})
		a.refusal(401, "unauthorized")
		if a.header.Get("WWW-Authenticate") == "" {
			t.Error("no WWW-Authenticate")
		}
	}
	as := func(right carillon.Right) with {
		return with{"Authorization": "Bearer " + h.key("acme", right)}
	}
	for _, c := range []struct {
		method, path, body string
		need               carillon.Right
	}{
		{"GET", "/v1/accounts", "", "read"},
		{"GET", "/v1/events", "", "read"},
		{"GET", "/v1/event-types", "", "read"},
		{"GET", "/v1/fields/account", "", "read"},
		{"PUT", "/v1/accounts/acc_1", `{"name":"A"}`, "write"},
		{"POST", "/v1/batch", "\n", "write"},
		{"GET", "/v1/subscriptions", "", "admin"},
		{"GET", "/v1/connections", "", "admin"},
		{"GET", "/v1/inbox", "", "admin"},
		{"GET", "/v1/keys", "", "admin"},
		{"POST", "/v1/fields/account", `{"uid":"x","label":"X","type":"text"}`, "admin"},
	} {
		for _, right := range []carillon.Right{"read", "write", "admin"} {
			headers := as(right)
			if c.path == "/v1/batch" {
				headers["Content-Type"] = "application/x-ndjson"
			}
			a := h.do(c.method, c.path, c.body, headers)
			if right.Allows(c.need) {
				if a.status >= 300 {
					t.Errorf("%s %s as %s: %d %s", c.method, c.path, right, a.status, a.body)
				}
			} else {
				a.refusal(403, "forbidden")
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json", "/asyncapi.json", "/docs", "/docs/swagger-ui.css", "/schemas/platform/account:created.json"} {
		h.get(path, with{"Authorization": ""}).want(200)
	}
}

func TestOneOrgDoesNotSeeAnother(t *testing.T) {
	h := open(t)
	h.settle()
	other := with{"Authorization": "Bearer " + h.key("other", carillon.RightAdmin)}
	sub := h.do(http.MethodPost, "/v1/subscriptions", `{"sink":{"type":"webhook","url":"https://example.com/hook"}}`).want(201).member("id")
	key := h.do(http.MethodPost, "/v1/keys", `{"name":"k","right":"read"}`).want(201).member("id")
	connection := h.connect(`{"dialect":"platform","verify":{"type":"none"}}`)
	delivery := h.post(connection, "{", nil)
	var events struct {
		Items []struct{ EventID string }
	}
	h.get("/v1/events").want(200).into(&events)
	event := events.Items[0].EventID
	before := h.state("dev")
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v1/accounts/acc_1", ""},
		{"PATCH", "/v1/accounts/acc_1", `{"name":"x"}`},
		{"DELETE", "/v1/accounts/acc_1", ""},
		{"GET", "/v1/notes/n_1/comments", ""},
		{"POST", "/v1/notes/n_1/comments", `{"content":"x"}`},
		{"GET", "/v1/accounts/acc_1/timeline", ""},
		{"GET", "/v1/accounts/acc_1/hierarchy", ""},
		{"GET", "/v1/events/" + event, ""},
		{"GET", "/v1/fields/account/tier", ""},
		{"DELETE", "/v1/fields/account/tier", ""},
		{"GET", "/v1/keys/" + key, ""},
		{"DELETE", "/v1/keys/" + key, ""},
		{"GET", "/v1/subscriptions/" + sub, ""},
		{"PATCH", "/v1/subscriptions/" + sub, `{"name":"x"}`},
		{"DELETE", "/v1/subscriptions/" + sub, ""},
		{"POST", "/v1/subscriptions/" + sub + "/pause", ""},
		{"POST", "/v1/subscriptions/" + sub + "/resume", ""},
		{"POST", "/v1/subscriptions/" + sub + "/test", ""},
		{"POST", "/v1/subscriptions/" + sub + "/rotate-secret", ""},
		{"POST", "/v1/subscriptions/" + sub + "/replay", `{"fromSeq":1}`},
		{"GET", "/v1/subscriptions/" + sub + "/attempts", ""},
		{"GET", "/v1/subscriptions/" + sub + "/dead-letters", ""},
		{"POST", "/v1/subscriptions/" + sub + "/dead-letters/replay", `{}`},
		{"GET", "/v1/connections/" + connection, ""},
		{"PATCH", "/v1/connections/" + connection, `{"name":"x"}`},
		{"DELETE", "/v1/connections/" + connection, ""},
		{"GET", "/v1/inbox/" + delivery, ""},
		{"POST", "/v1/inbox/" + delivery + "/retry", ""},
	} {
		h.do(c.method, c.path, c.body, other).refusal(404, "not_found")
	}
	for _, path := range []string{"/v1/subscriptions", "/v1/notes", "/v1/connections", "/v1/inbox", "/v1/inbox?connection=" + connection} {
		if ids := h.pageAs(path, other).ids; len(ids) > 0 {
			t.Errorf("%s shows %v", path, ids)
		}
	}
	if ids := h.pageAs("/v1/accounts", other).ids; len(ids) != 1 || ids[0] != "acc_other" {
		t.Errorf("accounts %v", ids)
	}
	if after := h.state("dev"); after != before {
		t.Errorf("another org wrote:\n%s\n%s", before, after)
	}
	h.get("/v1/subscriptions/" + sub).want(200)
}

func TestKeysAreMadeShownOnceAndEnded(t *testing.T) {
	h := open(t)
	made := h.do(http.MethodPost, "/v1/keys", `{"name":"reader","right":"read","actor":{"id":"U1","type":"AGENT"}}`).want(201)
	secret, id := made.member("secret"), made.member("id")
	if !strings.HasPrefix(secret, "ck_") || len(secret) < 50 {
		t.Errorf("secret %q", secret)
	}
	auth := with{"Authorization": "Bearer " + secret}
	h.get("/v1/accounts", auth).want(200)
	for _, path := range []string{"/v1/keys", "/v1/keys/" + id} {
		if shown := h.get(path).want(200); strings.Contains(string(shown.body), "secret") || strings.Contains(string(shown.body), secret) {
			t.Errorf("%s shows the secret: %s", path, shown.body)
		}
	}
	h.do(http.MethodDelete, "/v1/keys/"+id, "").want(204)
	h.get("/v1/accounts", auth).refusal(401, "unauthorized")
	second := h.do(http.MethodPost, "/v1/keys", `{"name":"x","right":"admin"}`).want(201)
	h.do(http.MethodDelete, "/v1/keys?id="+second.member("id"), "").want(204)
	if ids := h.page("/v1/keys").ids; len(ids) != 0 {
		t.Errorf("keys left: %v", ids)
	}
}

func TestFieldsAndValueListsAreDefinedPerOrg(t *testing.T) {
	h := open(t)
	field := `{"uid":"tier","label":"Tier","type":"dropdown","options":["gold","silver"]}`
	if at := h.do(http.MethodPost, "/v1/fields/account", field).want(201).header.Get("Location"); at != "/v1/fields/account/tier" {
		t.Errorf("Location %q", at)
	}
	if got := strings.TrimSpace(string(h.get("/v1/fields/accounts/tier").want(200).body)); got != field {
		t.Errorf("field %s", got)
	}
	h.do(http.MethodPut, "/v1/fields/account/size", `{"uid":"size","label":"Size","type":"text"}`).want(201)
	h.do(http.MethodPut, "/v1/fields/account/size", `{"uid":"size","label":"Größe","type":"text"}`).want(200)
	h.do(http.MethodPut, "/v1/fields/account/account_status", `{"values":["NEW","OLD"]}`).want(200)
	var all struct {
		Items      []struct{ UID, Label string }
		Standard   []struct{ Name string }
		ValueLists map[string][]string
	}
	h.get("/v1/fields/account").want(200).into(&all)
	if len(all.Items) != 2 || all.Items[0].UID != "size" || all.Items[0].Label != "Größe" || len(all.Standard) != len(carillon.Fields("account")) ||
		fmt.Sprint(all.ValueLists["account_status"]) != "[NEW OLD]" || len(all.ValueLists["account_health"]) == 0 {
		t.Errorf("fields: %+v", all)
	}
	if got := h.get("/v1/fields/account/account_status").want(200).member("values"); got != `["NEW","OLD"]` {
		t.Errorf("values %s", got)
	}
	h.do(http.MethodDelete, "/v1/fields/account/account_status", "").want(204)
	if got := h.get("/v1/fields/account/account_status").want(200).member("values"); !strings.Contains(got, "CHURNED") {
		t.Errorf("values %s", got)
	}
	h.do(http.MethodDelete, "/v1/fields/account/tier", "").want(204)
	h.get("/v1/fields/account/tier").refusal(404, "not_found")
}

func TestHEADAnswersAsGETWithoutTheBody(t *testing.T) {
	h := open(t)
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"One"}`).want(201)
	if a := h.do(http.MethodHead, "/v1/accounts/acc_1", "").want(200); a.header.Get("ETag") != `"1"` || len(a.body) > 0 {
		t.Errorf("HEAD: %v %s", a.header, a.body)
	}
	h.do(http.MethodHead, "/v1/accounts/acc_9", "").want(404)
}

func TestRequestsAreNamed(t *testing.T) {
	h := open(t)
	if got := h.get("/v1/accounts", with{"X-Request-Id": "trace-1.2"}).header.Get("X-Request-Id"); got != "trace-1.2" {
		t.Errorf("X-Request-Id %q", got)
	}
	for _, bad := range []string{strings.Repeat("x", 65), "two words", "<script>"} {
		if got := h.get("/v1/accounts", with{"X-Request-Id": bad}).header.Get("X-Request-Id"); got == bad || got == "" {
			t.Errorf("X-Request-Id %q for %q", got, bad)
		}
	}
	if got := h.get("/v1/accounts").header.Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options %q", got)
	}
}

func TestABodyThatIsLongerThanItSaysOrChunkedIsBoundedToo(t *testing.T) {
	h := open(t)
	before := h.state("dev")
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	must(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "POST /v1/accounts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer dev\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
	must(t, err)
	chunk := strings.Repeat("x", 1<<16)
	for range 17 {
		if _, err = fmt.Fprintf(conn, "%x\r\n%s\r\n", len(chunk), chunk); err != nil {
			break // the server has answered and closed
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	answer{t: t, status: resp.StatusCode, header: resp.Header, body: readAll(t, resp)}.refusal(413, "too_large")
	if after := h.state("dev"); after != before {
		t.Errorf("it wrote:\n%s\n%s", before, after)
	}
}
