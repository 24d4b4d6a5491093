package webhook_test

import (
	"net/http"
	"testing"
	"time"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/webhook"
	"carillon/sign"
)

// sealed says which secrets it was made of.
type sealed struct{ secrets []string }

func (s sealed) SetHeaders(h http.Header, id string, _ time.Time, body []byte) {
	h["Vendor-Seal"] = []string{id, string(body)}
	h["Vendor-Secrets"] = s.secrets
}

func TestADialectsOwnSchemeTakesThePlaceOfStandardWebhooks(t *testing.T) {
	var got http.Header
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header })
	config := dev()
	config.Now = func() time.Time { return message().Time }
	config.Schemes = map[string]webhook.Scheme{
		"vendor": func(secrets ...string) (webhook.Signer, error) { return sealed{secrets}, nil },
	}
	standard, err := sign.ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dialect string
		expires time.Time
		secrets []string // that the vendor's scheme was given; nil: Standard Webhooks
	}{
		{"vendor", message().Time.Add(time.Second), []string{secret, "older"}},
		{"vendor", message().Time, []string{secret}},
		{"platform", message().Time, nil},
	} {
		sub := &carillon.Subscription{
			ID: "sub_1", Dialect: c.dialect, Secrets: []string{secret}, SecretExpiresAt: c.expires, Sink: carillon.Sink{URL: server.URL},
		}
		if c.dialect == "vendor" {
			sub.Secrets = append(sub.Secrets, "older")
		}
		sink := openSubscription(t, config, sub)
		if result := send(t, sink, message()); result.Verdict != deliver.Taken {
			t.Fatal(result.Err)
		}
		if seq, lane, event := got.Get("carillon-seq"), got.Get("carillon-lane"), got.Get("carillon-event"); seq != "7" || lane != "acc_1" || event != message().Type {
			t.Errorf("%s: seq %s, lane %s, event %s", c.dialect, seq, lane, event)
		}
		verified := sign.Verify(got, message().Body, []*sign.Secret{standard}, message().Time)
		if c.secrets == nil {
			if verified != nil || got.Get("vendor-seal") != "" {
				t.Errorf("%s is not signed as Standard Webhooks: %v", c.dialect, verified)
			}
			continue
		}
		if seal := got["Vendor-Seal"]; len(seal) != 2 || seal[0] != message().ID || seal[1] != string(message().Body) {
			t.Errorf("the seal is %q", seal)
		}
		if made := got["Vendor-Secrets"]; len(made) != len(c.secrets) || made[0] != c.secrets[0] {
			t.Errorf("the secrets in use are %q, want %q", made, c.secrets)
		}
		for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
			if got.Get(name) != "" {
				t.Errorf("%s is sent beside the vendor's seal", name)
			}
		}
	}
}

func TestASchemeThatTakesNoSecretIsOurFault(t *testing.T) {
	config := dev()
	config.Schemes = map[string]webhook.Scheme{"smarterpay": func(secrets ...string) (webhook.Signer, error) { return sign.NewSmarterPay(secrets...) }}
	_, err := webhook.New(config).Open(&carillon.Subscription{ID: "sub_1", Dialect: "smarterpay", Sink: carillon.Sink{URL: "https://example.com"}})
	if carillon.ErrorCode(err) != carillon.CodeInternal {
		t.Errorf("%v, want one of code %s", err, carillon.CodeInternal)
	}
}
