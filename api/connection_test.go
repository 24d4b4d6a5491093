package api_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"carillon/sign"
)

// connect makes a connection and gives its id.
func (h *house) connect(body string) string {
	h.t.Helper()
	return h.do(http.MethodPost, "/v1/connections", body).want(201).member("id")
}

// post sends a body to a connection as a vendor does, which must be taken, and gives the id of the delivery.
func (h *house) post(connection, body string, headers with) string {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url+"/in/"+connection, strings.NewReader(body))
	must(h.t, err)
	request.Header.Set("Content-Type", "application/json")
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := h.client.Do(request)
	must(h.t, err)
	return answer{t: h.t, status: response.StatusCode, header: response.Header, body: readAll(h.t, response)}.want(200).member("id")
}

// delivery is an item of the inbox as programs read it.
type delivery struct {
	ID, Connection, State, ContentType, Awaits, Body, BodyEncoding string
	ReceivedAt, ProcessedAt                                        time.Time
	Attempts                                                       int
	Events                                                         []struct {
		ID, Type, Record, Outcome string
		Seqs                      []int64
	}
	Notes   []string
	Headers map[string]string
	Problem *struct {
		Code, Message, Hint string
		Faults              []struct{ Member, Reason string }
	}
}

func (h *house) delivery(id string) (d delivery) {
	h.t.Helper()
	h.get("/v1/inbox/" + id).want(200).into(&d)
	return d
}

// settled waits until a delivery has been tried.
func (h *house) settled(id string) (d delivery) {
	h.t.Helper()
	h.eventually("the delivery to be tried", func() bool {
		d = h.delivery(id)
		return d.State != "received"
	})
	return d
}

func TestAConnectionIsMadeShownChangedAndRemoved(t *testing.T) {
	h := open(t)
	made := h.do(http.MethodPost, "/v1/connections", `{
		"name": "shop", "dialect": "neon", "verify": {"type": "basic", "username": "u", "password": "p4ssw0rd"},
		"idPrefix": "shop_", "orderWaitMs": 250}`).want(201)
	id := made.member("id")
	at := "/v1/connections/" + id
	if made.header.Get("Location") != at || made.member("url") != "/in/"+id || made.member("createdAt") == "" {
		t.Errorf("made: %v %s", made.header, made.body)
	}
	shown := h.get(at).want(200)
	for _, answer := range []answer{made, shown, h.get("/v1/connections").want(200)} {
		if strings.Contains(string(answer.body), "p4ssw0rd") || !strings.Contains(string(answer.body), `"password":"********"`) {
			t.Errorf("the password is shown: %s", answer.body)
		}
	}
	if shown.member("idPrefix") != "shop_" || shown.member("orderWaitMs") != "250" {
		t.Errorf("shown: %s", shown.body)
	}
	kept := func() string {
		c, err := h.store.Connection(t.Context(), "dev", id)
		must(t, err)
		return fmt.Sprintf("%s %s %+v", c.Name, c.OrderWait, c.Verify)
	}
	// What was read can be sent back: nothing of it is lost, masked secrets included.
	before := kept()
	h.do(http.MethodPatch, at, string(shown.body)).want(200)
	if after := kept(); after != before {
		t.Errorf("after sending back what was read: %s, was %s", after, before)
	}
	patched := h.do(http.MethodPatch, at, `{"name":null,"orderWaitMs":null,"verify":{"username":"v"}}`, with{"Content-Type": "application/merge-patch+json"}).want(200)
	if patched.member("name") != "" || patched.member("idPrefix") != "shop_" || strings.Contains(string(patched.body), "p4ssw0rd") {
		t.Errorf("patched: %s", patched.body)
	}
	if got := kept(); !strings.HasPrefix(got, " 0s {Type:basic Secret: Username:v Password:p4ssw0rd") {
		t.Errorf("patched: %s", got)
	}
	h.do(http.MethodPatch, at, `{"verify":{"password":"s3cret"}}`).want(200)
	if got := kept(); !strings.Contains(got, "Password:s3cret") {
		t.Errorf("after a new password: %s", got)
	}
	before = kept()
	for body, member := range map[string]string{
		`{"verify":null}`:                                "/verify",
		`{"verify":{"password":null}}`:                   "/verify/password",
		`{"verify":{"type":"none"}}`:                     "/verify/username",
		`{"verify":{"type":"oath"}}`:                     "/verify/type",
		`{"verify":{"value":"********"}}`:                "/verify/value",
		`{"dialect":"platform"}`:                         "/dialect",
		`{"dialect":null}`:                               "/dialect",
		`{"settings":{"colour":1}}`:                      "/settings/colour",
		`{"colour":"red"}`:                               "/colour",
		`{"orderWaitMs":-1}`:                             "/orderWaitMs",
		`{"verify":{"type":"standard","secret":"x"}}`:    "/verify/username",
		`{"idPrefix":"` + strings.Repeat("x", 65) + `"}`: "/idPrefix",
	} {
		if p := h.do(http.MethodPatch, at, body).refusal(422, "invalid"); !p.names(member) {
			t.Errorf("%s: the problem does not name %s: %+v", body, member, p)
		}
	}
	h.do(http.MethodPatch, at, `[]`).refusal(422, "invalid")
	if after := kept(); after != before {
		t.Errorf("refused patches changed it: %s, was %s", after, before)
	}
	h.do(http.MethodPatch, at, `{"verify":{"type":"none","username":null,"password":null}}`).want(200)
	if got := h.get(at).want(200).member("verify"); got != `{"type":"none"}` {
		t.Errorf("verify %s", got)
	}
	h.post(id, `{}`, nil)
	h.do(http.MethodDelete, at, "").want(204)
	h.get(at).refusal(404, "not_found")
	if ids := h.page("/v1/inbox").ids; len(ids) != 0 {
		t.Errorf("the inbox of what was removed: %v", ids)
	}
}

func TestASecretThatTheHouseMadeIsShownOnce(t *testing.T) {
	h := open(t)
	secret := func(a answer) string {
		var c struct{ Verify struct{ Secret string } }
		a.into(&c)
		return c.Verify.Secret
	}
	made := h.do(http.MethodPost, "/v1/connections", `{"dialect":"platform","verify":{"type":"standard"}}`).want(201)
	if !strings.HasPrefix(secret(made), "whsec_") {
		t.Errorf("made: %s", made.body)
	}
	if got := secret(h.get("/v1/connections/" + made.member("id")).want(200)); got != "********" {
		t.Errorf("shown again: %q", got)
	}
	given := h.do(http.MethodPost, "/v1/connections", `{"dialect":"platform","verify":{"type":"standard","secret":"`+sign.NewSecret()+`"}}`).want(201)
	if got := secret(given); got != "********" {
		t.Errorf("a given secret is shown: %q", got)
	}
}

func TestConnectionsOfNumberingVendorsGetPrefixesOfTheirOwn(t *testing.T) {
	h := open(t)
	for _, want := range []string{"neon_", "neon2_"} {
		if got := h.do(http.MethodPost, "/v1/connections", `{"dialect":"neon","verify":{"type":"none"}}`).want(201).member("idPrefix"); got != want {
			t.Errorf("prefix %q, want %q", got, want)
		}
	}
	first := h.page("/v1/connections?limit=1")
	second := h.page("/v1/connections?limit=1&after=" + first.next)
	if len(first.ids) != 1 || len(second.ids) != 1 || first.ids[0] == second.ids[0] || second.next != "" {
		t.Errorf("pages %+v, %+v", first, second)
	}
}

func TestWhatVendorsPostIsInTheInboxAndTheRecords(t *testing.T) {
	smarterPay, err := sign.NewSmarterPay("key")
	must(t, err)
	event, err := os.ReadFile("../dialect/platform/testdata/events/account.created.json")
	must(t, err)
	payment, err := os.ReadFile("../dialect/smarterpay/testdata/record_creation.webhook.json")
	must(t, err)
	donor, err := os.ReadFile("../dialect/neon/testdata/create_organization_account.json")
	must(t, err)
	sale, err := os.ReadFile("../dialect/freshsales/testdata/onSalesAccountCreate.json")
	must(t, err)
	const cloud = `{"specversion":"1.0","id":"evt_1","source":"https://crm.example.com","type":"account:created","time":"2026-01-01T00:00:00Z",
		"data":{"account":{"id":"acc_cloud","name":"Cloud","status":"ACTIVE","health":"Healthy","classification":"UNCLASSIFIED"}}}`
	for name, c := range map[string]struct {
		connection, body string
		headers          func(secret string) with
		query            string // of the URL
	}{
		"platform": {`{"dialect":"platform","verify":{"type":"standard"}}`, string(event), func(secret string) with {
			signer, err := sign.NewStandard(secret)
			must(t, err)
			header := http.Header{}
			signer.SetHeaders(header, "msg_1", time.Now(), event)
			return with{"webhook-id": header.Get("webhook-id"), "webhook-timestamp": header.Get("webhook-timestamp"), "webhook-signature": header.Get("webhook-signature")}
		}, ""},
		"cloudevents": {`{"dialect":"cloudevents","verify":{"type":"header","name":"X-Key","value":"v"}}`, cloud, func(string) with {
			return with{"Content-Type": "application/cloudevents+json", "X-Key": "v"}
		}, ""},
		"smarterpay": {`{"dialect":"smarterpay","verify":{"type":"smarterpay","secret":"key"}}`, string(payment), func(string) with {
			return with{"Webhook-Signature": smarterPay.Sign(payment)}
		}, ""},
		"freshsales": {`{"dialect":"freshsales","verify":{"type":"parameter","name":"key","value":"k3y-of-ours"}}`, string(sale), func(string) with { return nil }, "?key=k3y-of-ours"},
		"neon": {`{"dialect":"neon","verify":{"type":"basic","username":"u","password":"p"}}`, string(donor), func(string) with {
			return with{"Authorization": "Basic dTpw"}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			made := h.do(http.MethodPost, "/v1/connections", c.connection).want(201)
			var shown struct{ Verify struct{ Secret string } }
			made.into(&shown)
			secret := shown.Verify.Secret
			id := h.post(made.member("id")+c.query, c.body, c.headers(secret))
			d := h.settled(id)
			if d.ID != id || d.Connection != made.member("id") || d.State != "applied" || d.Problem != nil || d.Attempts != 1 || d.ReceivedAt.IsZero() || d.ProcessedAt.IsZero() {
				t.Errorf("delivery %+v", d)
			}
			if d.Body != c.body || d.BodyEncoding != "" || !strings.HasPrefix(d.ContentType, "application/") {
				t.Errorf("body %s as %s in %q", d.Body, d.ContentType, d.BodyEncoding)
			}
			changed := false
			for _, e := range d.Events {
				kind, record, ok := strings.Cut(e.Record, "/")
				if e.ID == "" || e.Type == "" || !ok || kind != "account" {
					t.Errorf("event %+v", e)
					continue
				}
				h.get("/v1/accounts/" + record).want(200)
				if n := len(e.Seqs); n > 0 { // the last is the account's; before it come records that it refers to
					changed = true
					h.get(fmt.Sprintf("/v1/accounts/%s?asOf=%d", record, e.Seqs[n-1])).want(200)
				}
			}
			if !changed {
				t.Errorf("nothing was changed: %+v", d.Events)
			}
			again := h.settled(h.post(made.member("id")+c.query, c.body, c.headers(secret)))
			if again.State != "duplicate" {
				t.Errorf("the repeat is %s", again.State)
			}
			h.do(http.MethodPost, "/v1/inbox/"+id+"/retry", "").refusal(409, "conflict")
		})
	}
}

func TestWhatCannotBeReadIsShownAndRunAgain(t *testing.T) {
	h := open(t)
	connection := h.connect(`{"dialect":"platform","verify":{"type":"none"}}`)
	d := h.settled(h.post(connection, `{"eventId":"evt_1","eventType":"account:created","timestamp":"2026-01-01T00:00:00Z","payload":{"account":{"id":"acc_1","name":5.5,"health":[]}}}`, with{"User-Agent": "shop/1"}))
	if d.State != "quarantined" || d.Problem == nil || d.Problem.Message == "" || d.Problem.Code != "invalid" || len(d.Problem.Faults) == 0 || d.Problem.Faults[0].Member == "" {
		t.Fatalf("delivery %+v", d)
	}
	if d.Headers["User-Agent"] != "shop/1" {
		t.Errorf("headers %v", d.Headers)
	}
	var again delivery
	h.do(http.MethodPost, "/v1/inbox/"+d.ID+"/retry", "").want(202).into(&again)
	if again.State != "received" && again.State != "quarantined" || again.Body != d.Body {
		t.Errorf("run again: %+v", again)
	}
	if again = h.settled(d.ID); again.State != "quarantined" || again.Attempts != 2 {
		t.Errorf("after it was run again: %+v", again)
	}
	binary := h.settled(h.post(connection, "\xff\x00", nil))
	if binary.Body != "/wA=" || binary.BodyEncoding != "base64" || binary.State != "quarantined" {
		t.Errorf("bytes that are no text: %+v", binary)
	}
}

func TestADeliveryAwaitsTheRecordThatItNeeds(t *testing.T) {
	h := open(t)
	connection := h.connect(`{"dialect":"platform","verify":{"type":"none"}}`)
	d := h.settled(h.post(connection, `{"eventId":"evt_1","eventType":"account-note:created","timestamp":"2026-01-01T00:00:00Z","payload":{"note":{"id":"n_1","accountId":"acc_1","title":"T","content":"c"}}}`, nil))
	if d.State != "quarantined" || d.Awaits != "account/acc_1" {
		t.Fatalf("delivery %+v", d)
	}
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"One"}`).want(201)
	h.eventually("the delivery to be applied", func() bool { return h.delivery(d.ID).State == "applied" })
	if now := h.delivery(d.ID); now.Awaits != "" || now.Problem != nil || len(now.Events) != 1 || now.Events[0].Record != "note/n_1" {
		t.Errorf("delivery %+v", now)
	}
	h.get("/v1/notes/n_1").want(200)
}

func TestAParameterThatProvesRequestsIsMasked(t *testing.T) {
	h := open(t)
	donor, err := os.ReadFile("../dialect/neon/testdata/create_organization_account.json")
	must(t, err)
	const secret = "other value"
	if !strings.Contains(string(donor), secret) {
		t.Fatal("the sample has another parameter")
	}
	id := h.post(h.connect(`{"dialect":"neon","verify":{"type":"parameter","name":"customParameterB","value":"other value"}}`), string(donor), nil)
	for _, shown := range []answer{h.get("/v1/inbox/" + id).want(200), h.get("/v1/inbox").want(200)} {
		if strings.Contains(string(shown.body), secret) {
			t.Errorf("the parameter is shown: %s", shown.body)
		}
	}
	if d := h.delivery(id); !strings.Contains(d.Body, `"customParameterB":"***"`) {
		t.Errorf("body %s", d.Body)
	}
}

func TestTheInboxIsPagedNewestFirst(t *testing.T) {
	h := open(t)
	one, two := h.connect(`{"dialect":"platform","verify":{"type":"none"}}`), h.connect(`{"dialect":"neon","verify":{"type":"none"}}`)
	var ids []string // newest first
	for i := range 5 {
		ids = append([]string{h.post(one, fmt.Sprintf(`{"n":%d`, i), nil)}, ids...)
	}
	other := h.post(two, "{", nil)
	for _, id := range append(ids, other) {
		h.settled(id)
	}
	var walked []string
	next := ""
	for pages := 0; pages == 0 || next != ""; pages++ {
		p := h.page("/v1/inbox?connection=" + one + "&limit=2" + next)
		if len(p.ids) > 2 || pages > 2 {
			t.Fatalf("page %d: %+v", pages, p)
		}
		walked, next = append(walked, p.ids...), ""
		if p.next != "" {
			next = "&after=" + p.next
		}
	}
	if fmt.Sprint(walked) != fmt.Sprint(ids) {
		t.Errorf("walked %v, want %v", walked, ids)
	}
	if all := h.page("/v1/inbox").ids; len(all) != 6 || all[0] != other {
		t.Errorf("all %v", all)
	}
	if got := h.page("/v1/inbox?state=quarantined&connection=" + two).ids; len(got) != 1 || got[0] != other {
		t.Errorf("quarantined %v", got)
	}
	for _, state := range []string{"received", "applied", "duplicate"} {
		if got := h.page("/v1/inbox?state=" + state).ids; len(got) != 0 {
			t.Errorf("%s %v", state, got)
		}
	}
}
