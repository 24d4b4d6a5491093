package egress_test

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"carillon"
	"carillon/egress"
)

// parse reads a URL where private addresses are refused.
func parse(text string) error {
	_, err := egress.New(egress.Config{}).ParseURL(text, "/sink/url", "https", "http")
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
		if err := parse(text); err != nil {
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
			reason := wantFault(t, parse(c.text))
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
		if err := parse(text); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q gives %v", text, err)
		}
	}
}

func TestPrivateAddressesAreTakenWhenAllowed(t *testing.T) {
	gate := egress.New(egress.Config{AllowPrivate: true})
	for _, text := range []string{"http://localhost:1/", "http://127.0.0.1:1/", "http://[::1]:1/", "http://10.0.0.1/", "http://app.internal/"} {
		if _, err := gate.ParseURL(text, "/sink/url", "http"); err != nil {
			t.Errorf("%s is refused: %v", text, err)
		}
	}
}

func TestOnlyTheSchemesAskedForAreTaken(t *testing.T) {
	gate := egress.New(egress.Config{})
	if _, err := gate.ParseURL("nats://nats.example:4222", "/sink/url", "nats", "tls"); err != nil {
		t.Error(err)
	}
	_, err := gate.ParseURL("https://nats.example", "/sink/url", "nats", "tls")
	if reason := wantFault(t, err); reason != "must begin with nats:// or tls://" {
		t.Errorf("the reason is %q", reason)
	}
}

func TestHostsAreTakenInASCIIAndLowerCase(t *testing.T) {
	gate := egress.New(egress.Config{})
	for host, want := range map[string]string{
		"Broker.Example": "broker.example", "broker.example.": "broker.example", "münchen.example": "xn--mnchen-3ya.example",
		"8.8.8.8": "8.8.8.8", "2606:4700:4700::1111": "2606:4700:4700::1111",
	} {
		if got, err := gate.CheckHost(host, "/sink/url"); err != nil || got != want {
			t.Errorf("%s gives %q, %v, want %q", host, got, err, want)
		}
	}
	for _, host := range []string{"", "localhost", "10.0.0.1", "::1", "a b", "127.1", "[8.8.8.8]", "host:1"} {
		_, err := gate.CheckHost(host, "/sink/url")
		wantFault(t, err)
	}
}

func FuzzURL(f *testing.F) {
	for _, seed := range []string{"https://example.com/", "http://0x7f.1", "http://[::ffff:1.2.3.4%25a]:1", "http://①.1/", "https://a:1#"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if parse(text) != nil {
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

// wantFault checks that err is CodeInvalid with one fault at the member, and gives the reason.
func wantFault(t *testing.T, err error) string {
	t.Helper()
	var e *carillon.Error
	if !errors.As(err, &e) || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Member != "/sink/url" {
		t.Fatalf("got %v, want one fault at /sink/url", err)
	}
	return e.Faults[0].Reason
}
