package webhook_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/webhook"
	"carillon/egress/egresstest"
)

// What package egress refuses is tested there; here, that webhooks go through it.

func TestURLsAreChecked(t *testing.T) {
	sender := webhook.New(webhook.Config{})
	for text, reason := range map[string]string{
		"":                        "is required",
		"ftp://example.com/":      "must begin with https:// or http://",
		"https://u@example.com/":  "user name or password",
		"http://169.254.169.254/": "link-local",
		"http://localhost/":       "private",
	} {
		_, err := sender.Open(&carillon.Subscription{
			ID: "sub_1", Secrets: []string{secret}, Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: text},
		})
		if got := wantFault(t, err, "/sink/url"); !strings.Contains(got, reason) {
			t.Errorf("%q: the reason is %q, want %q in it", text, got, reason)
		}
	}
}

func TestNamesThatResolveInwardsAreRefused(t *testing.T) {
	var received atomic.Int64
	server := serve(t, func(http.ResponseWriter, *http.Request) { received.Add(1) })
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	config := webhook.Config{
		Resolver: egresstest.Resolver(t, map[string][][]string{"inward.example.": {{"127.0.0.1"}}}),
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
	}
	result := send(t, open(t, config, carillon.Sink{URL: "http://inward.example:" + port}), message())
	if result.Verdict != deliver.TryAgain || result.Err == nil || result.Err.Error() != "address 127.0.0.1 is loopback: refused" {
		t.Errorf("got %+v", result)
	}
	if !strings.Contains(log.String(), "refused") {
		t.Errorf("the operator is told %q", log.String())
	}
	if n := received.Load(); n != 0 {
		t.Errorf("%d requests reached the inside", n)
	}
}

func TestNamesThatDoNotResolve(t *testing.T) {
	config := dev()
	config.Resolver = egresstest.Resolver(t, nil)
	result := send(t, open(t, config, carillon.Sink{URL: "http://nowhere.example/"}), message())
	if result.Verdict != deliver.TryAgain || result.Err == nil || result.Err.Error() != "host nowhere.example does not exist" {
		t.Errorf("got %+v", result)
	}
}
