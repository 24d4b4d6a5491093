package egress_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon/egress"
	"carillon/egress/egresstest"
)

func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy"} {
		if err := os.Setenv(name, "http://127.0.0.1:1"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// serve runs a handler until the test ends and gives its port.
func serve(t *testing.T, handler http.HandlerFunc) (port string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// get makes a client behind a gate; its connections end with the test.
func get(t *testing.T, c egress.Config) func(url string) error {
	t.Helper()
	transport := egress.New(c).Transport()
	t.Cleanup(transport.CloseIdleConnections)
	return func(url string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
}

// loopback is allowed where a test needs one reachable address that stands for a public one.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

func TestNamesThatResolveInwardsAreRefused(t *testing.T) {
	var received atomic.Int64
	port := serve(t, func(http.ResponseWriter, *http.Request) { received.Add(1) })
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
			config := egress.Config{
				Resolver: egresstest.Resolver(t, map[string][][]string{"inward.example.": {strings.Fields(addresses)}}),
				Logger:   slog.New(slog.NewTextHandler(&log, nil)),
			}
			err := get(t, config)("http://inward.example:" + port)
			if why, ok := egress.Refused(err); !ok || !strings.Contains(why, reason) {
				t.Errorf("got %v, want it refused because %q", err, reason)
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
	port := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		received.Add(1)
		w.Header().Set("Connection", "close") // so that the next request is dialled anew
	})
	config := egress.Config{
		Allow:    loopback,
		Resolver: egresstest.Resolver(t, map[string][][]string{"rebind.example.": {{"127.0.0.1"}, {"127.0.0.2"}}}),
	}
	request := get(t, config)
	if err := request("http://rebind.example:" + port); err != nil {
		t.Fatalf("the first answer is public, yet: %v", err)
	}
	err := request("http://rebind.example:" + port)
	if why, ok := egress.Refused(err); !ok || why != "address 127.0.0.2 is loopback: refused" {
		t.Errorf("the second answer is private, yet: %v", err)
	}
	if received.Load() != 1 {
		t.Errorf("%d requests arrived, want 1", received.Load())
	}
}

func TestAPrivateAddressBehindAPublicOneIsRefused(t *testing.T) {
	// Nobody listens at 127.0.0.9, which stands for a public address, so the dialler goes on to the private one, where somebody does.
	var received atomic.Int64
	port := serve(t, func(http.ResponseWriter, *http.Request) { received.Add(1) })
	var log bytes.Buffer
	config := egress.Config{
		Allow:    []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")},
		Resolver: egresstest.Resolver(t, map[string][][]string{"both.example.": {{"127.0.0.9", "127.0.0.1"}}}),
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
	}
	if err := get(t, config)("http://both.example:" + port); err == nil {
		t.Error("it was let through")
	}
	if received.Load() != 0 {
		t.Error("the request reached the inside")
	}
	if !strings.Contains(log.String(), "address=127.0.0.1") {
		t.Errorf("the private address was not tried: %q", log.String())
	}
}

func TestPrivateAddressesAreDialledWhenAllowed(t *testing.T) {
	port := serve(t, func(http.ResponseWriter, *http.Request) {})
	if err := get(t, egress.Config{AllowPrivate: true})("http://127.0.0.1:" + port); err != nil {
		t.Error(err)
	}
	if err := get(t, egress.Config{Allow: loopback})("http://127.0.0.1:" + port); err != nil {
		t.Errorf("allowed by its prefix, yet: %v", err)
	}
}

func TestFailuresAreExplained(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	listener.Close()
	plain := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	request := get(t, egress.Config{AllowPrivate: true, Resolver: egresstest.Resolver(t, nil)})
	for url, want := range map[string]string{
		"http://" + nobody:           "connection refused",
		"http://nowhere.example":     "host nowhere.example does not exist",
		"http://127.0.0.1:" + plain:  "connection closed before an answer came",
		"https://127.0.0.1:" + plain: "the endpoint does not speak TLS",
	} {
		if why, ok := egress.Explain(request(url)); !ok || why != want {
			t.Errorf("%s gives %q, want %q", url, why, want)
		}
	}
	if why, ok := egress.Explain(io.ErrShortWrite); ok {
		t.Errorf("another error is explained as %q", why)
	}
	secure := httptest.NewTLSServer(nil)
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if why, _ := egress.Explain(request(secure.URL)); !strings.HasPrefix(why, "certificate is not valid: ") {
		t.Errorf("an unknown authority gives %q", why)
	}
	transport := egress.New(egress.Config{AllowPrivate: true}).Transport()
	t.Cleanup(transport.CloseIdleConnections)
	transport.TLSClientConfig = &tls.Config{RootCAs: secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "other.example", MinVersion: tls.VersionTLS12}
	if _, err := transport.RoundTrip(httptest.NewRequest(http.MethodGet, secure.URL, nil)); err == nil {
		t.Error("a certificate for another host is accepted")
	} else if why, _ := egress.Explain(err); why != "certificate is not valid: it is not for other.example" {
		t.Errorf("another host's certificate gives %q", why)
	}
}
