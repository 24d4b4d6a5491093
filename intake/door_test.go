package intake_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/sign"
)

const oneEvent = `[{"id":"e1","type":"created","record":"1","account":{"name":"Acme","active":true},"parameters":{"token":"s3cret"}}]`

func TestRequestsAreVerified(t *testing.T) {
	h := newHouse(t)
	standard, err := sign.NewStandard("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	smarterpay, err := sign.NewSmarterPay("key-of-the-webhook")
	if err != nil {
		t.Fatal(err)
	}
	headers := func(set func(http.Header)) []string {
		header, list := http.Header{}, []string(nil)
		set(header)
		for name := range header {
			list = append(list, name, header.Get(name))
		}
		return list
	}
	basic := func(user, password string) []string {
		return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
	}
	signed := func(at time.Time, body string) []string {
		return headers(func(header http.Header) { standard.SetHeaders(header, "msg_1", at, []byte(body)) })
	}
	for name, c := range map[string]struct {
		verify  carillon.Verify
		good    []string
		bad     map[string][]string
		refusal int
	}{
		"nothing": {carillon.Verify{Type: carillon.VerifyNone}, nil, nil, 0},
		"Standard Webhooks": {
			carillon.Verify{Type: carillon.VerifyStandard, Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
			signed(time.Now(), oneEvent),
			map[string][]string{"no signature": nil, "another body's": signed(time.Now(), "[]"), "an old one": signed(time.Now().Add(-time.Hour), oneEvent)},
			http.StatusUnauthorized,
		},
		"SmarterPay": {
			carillon.Verify{Type: carillon.VerifySmarterPay, Secret: "key-of-the-webhook"},
			[]string{"Webhook-Signature", smarterpay.Sign([]byte(oneEvent))},
			map[string][]string{"no signature": nil, "another body's": {"Webhook-Signature", smarterpay.Sign([]byte("[]"))}},
			498,
		},
		"basic authentication": {
			carillon.Verify{Type: carillon.VerifyBasic, Username: "neon", Password: "pä:ss"},
			basic("neon", "pä:ss"),
			map[string][]string{"none": nil, "a wrong password": basic("neon", "pass"), "a wrong user": basic("noen", "pä:ss")},
			http.StatusUnauthorized,
		},
		"a header": {
			carillon.Verify{Type: carillon.VerifyHeader, Name: "X-Token", Value: "s3cret"},
			[]string{"X-Token", "s3cret"},
			map[string][]string{"none": nil, "a wrong value": {"X-Token", "s3cre"}},
			http.StatusUnauthorized,
		},
		"a parameter in the body": {
			carillon.Verify{Type: carillon.VerifyParameter, Name: "token", Value: "s3cret"}, nil, nil, 0,
		},
		"a parameter that is wrong": {
			carillon.Verify{Type: carillon.VerifyParameter, Name: "token", Value: "other"},
			[]string{"query", "token=other"},
			map[string][]string{"in the body": nil, "in the URL": {"query", "token=othe"}},
			http.StatusUnauthorized,
		},
	} {
		t.Run(name, func(t *testing.T) {
			connection := h.connect(func(made *carillon.Connection) { made.Verify = c.verify })
			for fault, header := range c.bad {
				status, answer := h.post(withQuery(connection, header), oneEvent, withoutQuery(header)...)
				if status != c.refusal || answer["detail"] == "" || answer["status"] != float64(c.refusal) {
					t.Errorf("%s: %d %v, want %d", fault, status, answer, c.refusal)
				}
				if text, _ := json.Marshal(answer); strings.Contains(string(text), "s3cret") {
					t.Errorf("%s: the answer tells the secret: %s", fault, text)
				}
			}
			status, answer := h.post(withQuery(connection, c.good), oneEvent, withoutQuery(c.good)...)
			if status != http.StatusOK {
				t.Fatalf("a good request: %d %v", status, answer)
			}
			h.want(h.settled(answer["id"].(string)), "applied changed")
		})
	}
	if inbox := h.inbox(); len(inbox) != 7 {
		t.Errorf("the inbox has %d deliveries: refused ones must not be kept", len(inbox))
	}
}

// withQuery makes a "query" among the headers a part of the URL.
func withQuery(c *carillon.Connection, header []string) *carillon.Connection {
	if len(header) == 2 && header[0] == "query" {
		asked := *c
		asked.ID += "?" + header[1]
		return &asked
	}
	return c
}

func withoutQuery(header []string) []string {
	if len(header) == 2 && header[0] == "query" {
		return nil
	}
	return header
}

func TestTheDoorRefusesWhatIsNoWebhook(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	request := func(method, path string, body string, header ...string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, h.door.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		status, _ := h.do(r)
		return status
	}
	for name, c := range map[string]struct{ got, want int }{
		"a connection that does not exist": {request("POST", "/in/conn_none", "[]"), 404},
		"an id that is none":               {request("POST", "/in/a/b", "[]"), 404},
		"no id":                            {request("GET", "/in/", ""), 404},
		"a check of the URL":               {request("GET", "/in/"+c.ID, ""), 200},
		"a check by HEAD":                  {request("HEAD", "/in/"+c.ID, ""), 200},
		"another method":                   {request("PUT", "/in/"+c.ID, "[]"), 405},
		"a body that is too large":         {request("POST", "/in/"+c.ID, string(large)), 413},
		"an encoded body":                  {request("POST", "/in/"+c.ID, "[]", "Content-Encoding", "gzip"), 415},
		"a content type beyond reason":     {request("POST", "/in/"+c.ID, "[]", "Content-Type", strings.Repeat("x", 300)), 415},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", name, c.got, c.want)
		}
	}
	if inbox := h.inbox(); len(inbox) != 0 {
		t.Errorf("the inbox has %d deliveries", len(inbox))
	}
	if err := h.intake.Delete(t.Context(), org, c.ID); err != nil {
		t.Fatal(err)
	}
	if status := request("POST", "/in/"+c.ID, "[]"); status != 404 {
		t.Errorf("after its deletion: %d", status)
	}
}

func TestADeliveryIsAnsweredOnlyWhenItIsKept(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	h.stop()
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	h.intake.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/in/"+c.ID, strings.NewReader("[]")))
	if recorder.Code != http.StatusServiceUnavailable || recorder.Header().Get("Retry-After") == "" {
		t.Errorf("with the store closed the answer is %d", recorder.Code)
	}
}

func TestCredentialsAreNotKept(t *testing.T) {
	h := newHouse(t)
	c := h.connect(func(c *carillon.Connection) {
		c.Verify = carillon.Verify{Type: carillon.VerifyParameter, Name: "token", Value: "s3cret"}
	})
	_, answer := h.post(c, oneEvent, "Authorization", "Bearer s3cret", "Cookie", "s3cret", "User-Agent", "vendor/1", "Ce-Id", "7")
	d, err := h.intake.Inbound(t.Context(), org, answer["id"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if shown, _ := json.Marshal(d.Header); string(shown) != `{"Ce-Id":"7","User-Agent":"vendor/1"}` {
		t.Errorf("the headers kept are %s", shown)
	}
	if strings.Contains(string(d.Body), "s3cret") || !strings.Contains(string(d.Body), `"token":"***"`) {
		t.Errorf("the body shown is %s", d.Body)
	}
	if _, err := h.intake.Inbound(t.Context(), "another", d.ID); !carillon.IsNotFound(err) {
		t.Errorf("another org's delivery: %v", err)
	}
	h.settled(d.ID)
}

func TestBadConnectionsAreRefused(t *testing.T) {
	h := newHouse(t)
	for name, c := range map[string]struct {
		alter  func(*carillon.Connection)
		member string
	}{
		"an unknown dialect":             {func(c *carillon.Connection) { c.Dialect = "klingon" }, "/dialect"},
		"no verification":                {func(c *carillon.Connection) { c.Verify.Type = "" }, "/verify/type"},
		"an unknown verification":        {func(c *carillon.Connection) { c.Verify.Type = "trust" }, "/verify/type"},
		"basic without a password":       {func(c *carillon.Connection) { c.Verify = carillon.Verify{Type: "basic", Username: "u"} }, "/verify/password"},
		"a secret that is of no use":     {func(c *carillon.Connection) { c.Verify.Secret = "x" }, "/verify/secret"},
		"a secret that is none":          {func(c *carillon.Connection) { c.Verify = carillon.Verify{Type: "standard", Secret: "x"} }, "/verify/secret"},
		"a header that is none":          {func(c *carillon.Connection) { c.Verify = carillon.Verify{Type: "header", Name: "a b", Value: "x"} }, "/verify/name"},
		"a topic that is none":           {func(c *carillon.Connection) { c.Verify = carillon.Verify{Type: "sns", TopicARN: "arn:x"} }, "/verify/topicArn"},
		"a topic where none is verified": {func(c *carillon.Connection) { c.Verify.TopicARN = "arn:aws:sns:us-east-1:123456789012:t" }, "/verify/topicArn"},
		"a prefix that is no id":         {func(c *carillon.Connection) { c.IDPrefix = "a/" }, "/idPrefix"},
		"a wait beyond reason":           {func(c *carillon.Connection) { c.OrderWait = time.Hour }, "/orderWaitMs"},
		"a wait back in time":            {func(c *carillon.Connection) { c.OrderWait = -1 }, "/orderWaitMs"},
		"a long name":                    {func(c *carillon.Connection) { c.Name = strings.Repeat("n", 256) }, "/name"},
	} {
		made := &carillon.Connection{Org: org, Dialect: "vendor", Verify: carillon.Verify{Type: carillon.VerifyNone}}
		c.alter(made)
		err := h.intake.Create(t.Context(), made)
		if carillon.ErrorCode(err) != carillon.CodeInvalid || !strings.Contains(err.Error(), c.member+": ") {
			t.Errorf("%s: %v, want a fault of %s", name, err, c.member)
		}
	}
}

func TestConnectionsGetWhatTheyDoNotBring(t *testing.T) {
	h := newHouse(t)
	first, second, third := h.connect(nil), h.connect(nil), h.connect(nil)
	named := h.connect(func(c *carillon.Connection) {
		c.IDPrefix, c.Verify = "crm-", carillon.Verify{Type: carillon.VerifyStandard}
	})
	if first.IDPrefix != "v_" || second.IDPrefix != "v2_" || third.IDPrefix != "v3_" || named.IDPrefix != "crm-" {
		t.Errorf("the prefixes are %q, %q, %q, %q", first.IDPrefix, second.IDPrefix, third.IDPrefix, named.IDPrefix)
	}
	if _, err := sign.ParseSecret(named.Verify.Secret); err != nil {
		t.Errorf("the secret is %q: %v", named.Verify.Secret, err)
	}
	named.Dialect = "neon"
	if err := h.intake.Update(t.Context(), named); carillon.ErrorCode(err) != carillon.CodeInvalid {
		t.Errorf("another dialect: %v", err)
	}
	first.Org = "another"
	if err := h.intake.Update(t.Context(), first); !carillon.IsNotFound(err) {
		t.Errorf("another org's connection: %v", err)
	}
	if err := h.intake.Delete(t.Context(), "another", first.ID); !carillon.IsNotFound(err) {
		t.Errorf("another org's connection: %v", err)
	}
}
