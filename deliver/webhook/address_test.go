package webhook_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/webhook"
)

// guarded refuses private addresses.
var guarded = webhook.New(webhook.Config{})

func openURL(text string) error {
	_, err := guarded.Open(&carillon.Subscription{
		ID: "sub_1", Secrets: []string{secret}, Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: text},
	})
	return err
}

func TestPublicURLsAreTaken(t *testing.T) {
	for _, text := range []string{
		"https://example.com/hook",
		"http://example.com/hook",
		"https://example.com",
		"https://example.com./hook",
		"HTTPS://EXAMPLE.COM/hook?token=abc",
		"https://example.com:8443/a/b%20c",
		"https://my_host.example.com/",
		"https://8.8.8.8/hook",
		"https://[2606:4700:4700::1111]:443/hook",
		"https://münchen.example/hook",
		"https://1.example.com/",
		"https://127.0.0.1.example.com/", // a name; what it resolves to is checked when it is dialled
		"https://example.com/" + strings.Repeat("a", 2048-len("https://example.com/")),
	} {
		if err := openURL(text); err != nil {
			t.Errorf("%s is refused: %v", text, err)
		}
	}
}

func TestBadURLsAreRefused(t *testing.T) {
	const (
		unusual = "unusual form"
		badName = "not a valid domain name"
	)
	cases := []struct{ text, reason string }{
		{"", "is required"},
		{"example.com/hook", "must begin with"},
		{"//example.com/hook", "must begin with"},
		{"ftp://example.com/", "must begin with"},
		{"file:///etc/passwd", "must begin with"},
		{"gopher://example.com/", "must begin with"},
		{"unix:///var/run/docker.sock", "must begin with"},
		{"https:example.com", "has no host"},
		{"https://", "has no host"},
		{"https:///hook", "has no host"},
		{"https://:443/hook", "has no host"},
		{"https://user:pass@example.com/", "user name or password"},
		{"https://user@example.com/", "user name or password"},
		{"https://@example.com/", "user name or password"},
		{"https://example.com/#part", "fragment"},
		{"https://example.com/#", "fragment"},
		{"https://example.com:0/", "port"},
		{"https://example.com:65536/", "port"},
		{"https://example.com:http/", "not a URL"},
		{"https://exa mple.com/", "not a URL"},
		{"https://example.com/a b", "spaces"},
		{"https://example.com/\r\nHost: other", "not a URL"},
		{"https://example.com\\@10.0.0.1/", "not a URL"},
		{"https://example.com/\\x", "backslashes"},
		{"https://127%2e0.0.1/", "not a URL"},
		{"https://example..com/", badName},
		{"https://.example.com/", badName},
		{"https://example.com../", badName},
		{"https://exa$mple.com/", badName},
		{"https://" + strings.Repeat("a", 64) + ".com/", badName},
		{"https://" + strings.Repeat("a.", 130) + "com/", badName},
		{"https://example.com/" + strings.Repeat("a", 2048), "longer than 2048"},

		{"http://127.0.0.1/", "address 127.0.0.1 is loopback: refused"},
		{"http://127.0.0.1./", "address 127.0.0.1 is loopback: refused"},
		{"http://127.1.2.3:8080/", "loopback"},
		{"http://10.0.0.1/", "address 10.0.0.1 is private: refused"},
		{"http://172.16.0.1/", "private"},
		{"http://192.168.1.1/", "private"},
		{"http://169.254.169.254/latest/meta-data/", "link-local"},
		{"http://100.64.0.1/", "not public"},
		{"http://100.100.100.200/", "not public"}, // a cloud's metadata
		{"http://192.0.2.1/", "not public"},
		{"http://198.18.0.1/", "not public"},
		{"http://224.0.0.1/", "multicast"},
		{"http://255.255.255.255/", "not public"},
		{"http://0.0.0.0/", "unspecified"},
		{"http://[::]/", "unspecified"},
		{"http://[::1]/", "loopback"},
		{"http://[0:0:0:0:0:0:0:1]/", "loopback"},
		{"http://[::ffff:127.0.0.1]/", "loopback"},
		{"http://[::ffff:7f00:1]/", "loopback"},
		{"http://[::ffff:10.0.0.1]/", "private"},
		{"http://[::ffff:0.0.0.0]/", "unspecified"},
		{"http://[::127.0.0.1]/", "not public"},      // IPv4-compatible
		{"http://[64:ff9b::7f00:1]/", "not public"},  // NAT64
		{"http://[2002:7f00:1::]/", "not public"},    // 6to4
		{"http://[2001:0:7f00:1::]/", "not public"},  // Teredo
		{"http://[fd00::1]/", "private"},             // unique local
		{"http://[fd00:ec2::254]/", "private"},       // a cloud's metadata
		{"http://[fe80::1]/", "link-local"},          //
		{"http://[fec0::1]/", "not public"},          // site-local
		{"http://[ff02::1]/", "multicast"},           //
		{"http://[fe80::1%25eth0]/", "network zone"}, //
		{"http://[::1%25lo]/", "network zone"},       //
		{"http://[2606:4700::1%251]/", "network zone"},
		{"http://2130706433/", unusual},
		{"http://2130706433./", unusual},
		{"http://0x7f000001/", unusual},
		{"http://0X7F.0.0.1/", unusual},
		{"http://0x7f.1/", unusual},
		{"http://127.1/", unusual},
		{"http://127.0.1/", unusual},
		{"http://0177.0.0.1/", unusual},
		{"http://017700000001/", unusual},
		{"http://127.0.0.01/", unusual},
		{"http://0/", unusual},
		{"http://134744072/", unusual}, // 8.8.8.8: public, but read differently by different programs
		{"http://256.256.256.256/", "neither a name nor an address"},
		{"http://4294967296/", "neither a name nor an address"},
		{"http://1.2.3.4.5/", "neither a name nor an address"},
		{"http://99999999999999999999/", "neither a name nor an address"},
		{"http://example.0x7f/", "neither a name nor an address"},
		{"http://0x/", unusual},
		{"http://127.0.0.1/", "loopback"},
		{"http://127。0。0。1/", "loopback"},
		{"http://①②⑦.0.0.1/", "loopback"},
		{"http://localhost/", "private"},
		{"http://LocalHost./", "private"},
		{"http://ｌocalhost/", "private"},
		{"http://app.localhost:3000/", "private"},
		{"http://localhost.localdomain/", "private"},
		{"http://printer.local/", "private"},
		{"http://metadata.google.internal/", "private"},
		{"http://router.home.arpa/", "private"},
	}
	for _, c := range cases {
		t.Run(c.text[:min(len(c.text), 60)], func(t *testing.T) {
			reason := wantFault(t, openURL(c.text), "/sink/url")
			if !strings.Contains(reason, c.reason) {
				t.Errorf("the reason is %q, want %q in it", reason, c.reason)
			}
		})
	}
}

func TestErrorsOfURLsDoNotRepeatTokens(t *testing.T) {
	for _, text := range []string{
		"https://user:s3cr3t@example.com/", "https://10.0.0.1/?token=s3cr3t", "https://example.com/\x00?s3cr3t", "s3cr3t://example.com/",
	} {
		if err := openURL(text); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q gives %v", text, err)
		}
	}
}

func TestPrivateAddressesAreTakenWhenAllowed(t *testing.T) {
	sender := webhook.New(dev())
	for _, text := range []string{"http://localhost:1/", "http://127.0.0.1:1/", "http://[::1]:1/", "http://10.0.0.1/", "http://app.internal/"} {
		_, err := sender.Open(&carillon.Subscription{ID: "sub_1", Secrets: []string{secret}, Sink: carillon.Sink{URL: text}})
		if err != nil {
			t.Errorf("%s is refused: %v", text, err)
		}
	}
}

func FuzzURL(f *testing.F) {
	for _, seed := range []string{"https://example.com/", "http://0x7f.1", "http://[::ffff:1.2.3.4%25a]:1", "http://①.1/", "https://a:1#"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if openURL(text) != nil {
			return
		}
		// Whatever is taken is a URL with a host that is a public address, or a name that no program reads as a number.
		u, err := url.Parse(text)
		if err != nil {
			t.Fatalf("%q is taken but is no URL: %v", text, err)
		}
		if addr, err := netip.ParseAddr(strings.TrimSuffix(u.Hostname(), ".")); err == nil {
			if addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsUnspecified() || addr.Is4In6() || addr.Zone() != "" {
				t.Errorf("%q is taken", text)
			}
		}
	})
}

// loopback is allowed where a test needs one reachable address that stands for a public one.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

func TestNamesThatResolveInwardsAreRefused(t *testing.T) {
	var received atomic.Int64
	server := serve(t, func(http.ResponseWriter, *http.Request) { received.Add(1) })
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for addresses, reason := range map[string]string{
		"127.0.0.1":        "address 127.0.0.1 is loopback: refused",
		"::ffff:127.0.0.1": "is loopback: refused",
		"::1":              "is loopback: refused",
		"fd00::1":          "address fd00::1 is private: refused",
		"169.254.169.254":  "is link-local: refused",
		"0.0.0.0":          "is unspecified: refused",
		"::":               "is unspecified: refused",
		"10.0.0.1 fd00::1": "is private: refused",
	} {
		t.Run(addresses, func(t *testing.T) {
			var log bytes.Buffer
			config := webhook.Config{
				Resolver: resolver(t, map[string][][]string{"inward.example.": {strings.Fields(addresses)}}),
				Logger:   slog.New(slog.NewTextHandler(&log, nil)),
			}
			result := send(t, open(t, config, carillon.Sink{URL: "http://inward.example:" + port}), message())
			if result.Verdict != deliver.TryAgain || result.Err == nil || !strings.Contains(result.Err.Error(), reason) {
				t.Errorf("got %+v, want TryAgain because %q", result, reason)
			}
			if !strings.Contains(log.String(), "refused") {
				t.Errorf("the operator is told %q", log.String())
			}
		})
	}
	if n := received.Load(); n != 0 {
		t.Errorf("%d requests reached the inside", n)
	}
}

func TestANameThatChangesItsMindIsRefused(t *testing.T) {
	var received atomic.Int64
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		received.Add(1)
		w.Header().Set("Connection", "close") // so that the next message is dialled anew
	})
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	config := webhook.Config{
		Allow:    loopback,
		Resolver: resolver(t, map[string][][]string{"rebind.example.": {{"127.0.0.1"}, {"127.0.0.2"}}}),
	}
	sink := open(t, config, carillon.Sink{URL: "http://rebind.example:" + port})
	if result := send(t, sink, message()); result.Verdict != deliver.Taken {
		t.Fatalf("the first answer is public, yet: %+v", result)
	}
	result := send(t, sink, message())
	if result.Verdict != deliver.TryAgain || result.Err == nil || !strings.Contains(result.Err.Error(), "127.0.0.2 is loopback: refused") {
		t.Errorf("the second answer is private, yet: %+v", result)
	}
	if received.Load() != 1 {
		t.Errorf("%d requests arrived, want 1", received.Load())
	}
}

func TestAPrivateAddressBehindAPublicOneIsRefused(t *testing.T) {
	// Nobody listens at 127.0.0.9, which stands for a public address, so the dialler goes on to the private one, where somebody does.
	var received atomic.Int64
	server := serve(t, func(http.ResponseWriter, *http.Request) { received.Add(1) })
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	var log bytes.Buffer
	config := webhook.Config{
		Allow:    []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")},
		Resolver: resolver(t, map[string][][]string{"both.example.": {{"127.0.0.9", "127.0.0.1"}}}),
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
	}
	result := send(t, open(t, config, carillon.Sink{URL: "http://both.example:" + port}), message())
	if result.Verdict != deliver.TryAgain || result.Err == nil {
		t.Errorf("got %+v, want TryAgain", result)
	}
	if received.Load() != 0 {
		t.Error("the request reached the inside")
	}
	if !strings.Contains(log.String(), "address=127.0.0.1") {
		t.Errorf("the private address was not tried: %q", log.String())
	}
}

func TestNamesThatDoNotResolve(t *testing.T) {
	config := dev()
	config.Resolver = resolver(t, nil)
	result := send(t, open(t, config, carillon.Sink{URL: "http://nowhere.example/"}), message())
	if result.Verdict != deliver.TryAgain || result.Err == nil || result.Err.Error() != "host nowhere.example does not exist" {
		t.Errorf("got %+v", result)
	}
}
