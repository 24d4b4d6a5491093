package webhook_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/webhook"
	"carillon/egress/egresstest"
)

func TestRequestCarriesWhatReceiversRelyOn(t *testing.T) {
	var got *http.Request
	var body []byte
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
	})
	now := time.Now()
	config := dev()
	config.UserAgent = "Carillon/1.2.3"
	config.Now = func() time.Time { return now }
	m := message()
	m.Attributes = []carillon.Attribute{{Name: "eventType", Value: "x"}, {Name: "header:ce-id", Value: "evt_1"}, {Name: "header:X-Plain", Value: "Zoë"}}
	result := send(t, open(t, config, carillon.Sink{URL: server.URL + "/hook?a=1&b=%20"}), m)
	if result.Verdict != deliver.Taken || result.Err != nil || result.Status != http.StatusNoContent || result.Duration <= 0 {
		t.Fatalf("got %+v, want it taken with 204", result)
	}
	if got.Method != http.MethodPost || got.RequestURI != "/hook?a=1&b=%20" || got.Host != server.Listener.Addr().String() {
		t.Errorf("got %s %s to host %s", got.Method, got.RequestURI, got.Host)
	}
	if !bytes.Equal(body, m.Body) || got.ContentLength != int64(len(m.Body)) {
		t.Errorf("the body is %q (%d bytes told), want %q", body, got.ContentLength, m.Body)
	}
	want := map[string]string{
		"Content-Type": "application/json", "User-Agent": "Carillon/1.2.3", "Content-Length": "7",
		"Webhook-Id": "evt_1", "Webhook-Timestamp": strconv.FormatInt(now.Unix(), 10),
		"Webhook-Signature": got.Header.Get("Webhook-Signature"), // verified below
		"Carillon-Seq":      "7", "Carillon-Lane": "acc_1", "Carillon-Event": "account-health:changed",
		"Ce-Id": "evt_1", "X-Plain": "Zoë",
	}
	for name, values := range got.Header {
		if want[name] != values[0] || len(values) != 1 {
			t.Errorf("header %s is %q, want %q", name, values, want[name])
		}
		delete(want, name)
	}
	if len(want) != 0 {
		t.Errorf("headers are missing: %v", want)
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify(body, got.Header); err != nil {
		t.Error(err)
	}
}

func TestSecondSecretSignsUntilItExpires(t *testing.T) {
	var header http.Header
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) { header = r.Header.Clone() })
	expires := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := expires.Add(-time.Second)
	config := dev()
	config.Now = func() time.Time { return now }
	sink := openSubscription(t, config, &carillon.Subscription{
		ID: "sub_1", Sink: carillon.Sink{URL: server.URL}, SecretExpiresAt: expires,
		Secrets: []string{secret, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"},
	})
	for want, at := range map[int]time.Time{2: now, 1: expires} {
		now = at
		if result := send(t, sink, message()); result.Verdict != deliver.Taken {
			t.Fatalf("got %+v", result)
		}
		if list := strings.Split(header.Get("webhook-signature"), " "); len(list) != want {
			t.Errorf("at %s there are %d signatures, want %d", at, len(list), want)
		}
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := verifier.VerifyIgnoringTimestamp(message().Body, header); err != nil {
			t.Error(err)
		}
	}
}

func TestABodyTravelsInAForm(t *testing.T) {
	var contentType, payload string
	var fields int
	var body []byte
	var header http.Header
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		contentType, header = r.Header.Get("Content-Type"), r.Header.Clone()
		body, _ = io.ReadAll(r.Body)
		values, err := url.ParseQuery(string(body))
		if err != nil {
			t.Error(err)
		}
		payload, fields = values.Get("payload"), len(values)
	})
	m := message()
	m.Body = []byte(`{"name":"A & B = 100% + \u00e9é😀;","n":9007199254740993}`)
	kept := bytes.Clone(m.Body)
	sink := open(t, dev(), carillon.Sink{URL: server.URL, ContentType: "application/x-www-form-urlencoded"})
	if result := send(t, sink, m); result.Verdict != deliver.Taken {
		t.Fatalf("got %+v", result)
	}
	if contentType != "application/x-www-form-urlencoded" || payload != string(kept) || fields != 1 {
		t.Errorf("a %s with %d fields arrived, the payload being %s", contentType, fields, payload)
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.VerifyIgnoringTimestamp(body, header); err != nil {
		t.Errorf("what arrived is not what was signed: %v", err)
	}
	if m.ContentType == contentType || !bytes.Equal(m.Body, kept) {
		t.Error("sending changes the message, which subscriptions share")
	}
}

func TestAnswersAreJudged(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		status  int
		headers map[string]string
		body    string
		want    deliver.Result
		err     string
	}{
		"200":                           {status: 200, body: "ok", want: deliver.Result{Verdict: deliver.Taken}},
		"201":                           {status: 201, want: deliver.Result{Verdict: deliver.Taken}},
		"299":                           {status: 299, want: deliver.Result{Verdict: deliver.Taken}},
		"300":                           {status: 300, want: deliver.Result{Verdict: deliver.TryAgain}, err: "the endpoint answered 300 Multiple Choices"},
		"400 keeps its answer":          {status: 400, body: "no such \xff thing", want: deliver.Result{Verdict: deliver.TryAgain, Response: "no such \uFFFD thing"}, err: "the endpoint answered 400 Bad Request"},
		"401":                           {status: 401, want: deliver.Result{Verdict: deliver.TryAgain}, err: "the endpoint answered 401 Unauthorized"},
		"404":                           {status: 404, want: deliver.Result{Verdict: deliver.TryAgain}, err: "the endpoint answered 404 Not Found"},
		"410 is gone":                   {status: 410, body: "bye", want: deliver.Result{Verdict: deliver.Gone, Response: "bye"}, err: "the endpoint answered 410 Gone"},
		"429 in seconds":                {status: 429, headers: map[string]string{"Retry-After": "120"}, want: deliver.Result{Verdict: deliver.TryAgain, RetryAfter: 2 * time.Minute}, err: "the endpoint answered 429 Too Many Requests"},
		"503 by date":                   {status: 503, headers: map[string]string{"Retry-After": now.Add(90 * time.Second).Format(http.TimeFormat)}, want: deliver.Result{Verdict: deliver.TryAgain, RetryAfter: 90 * time.Second}, err: "the endpoint answered 503 Service Unavailable"},
		"503 by a date gone by":         {status: 503, headers: map[string]string{"Retry-After": now.Add(-time.Hour).Format(http.TimeFormat)}, want: deliver.Result{Verdict: deliver.TryAgain}, err: "the endpoint answered 503 Service Unavailable"},
		"503 for ever":                  {status: 503, headers: map[string]string{"Retry-After": "99999999999999999999"}, want: deliver.Result{Verdict: deliver.TryAgain, RetryAfter: 24 * time.Hour}, err: "the endpoint answered 503 Service Unavailable"},
		"503 for a year":                {status: 503, headers: map[string]string{"Retry-After": "31536000"}, want: deliver.Result{Verdict: deliver.TryAgain, RetryAfter: 24 * time.Hour}, err: "the endpoint answered 503 Service Unavailable"},
		"503 next century":              {status: 503, headers: map[string]string{"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}, want: deliver.Result{Verdict: deliver.TryAgain, RetryAfter: 24 * time.Hour}, err: "the endpoint answered 503 Service Unavailable"},
		"503 with nonsense":             {status: 503, headers: map[string]string{"Retry-After": "-5"}, want: deliver.Result{Verdict: deliver.TryAgain}, err: "the endpoint answered 503 Service Unavailable"},
		"500 may not ask for a pause":   {status: 500, headers: map[string]string{"Retry-After": "120"}, want: deliver.Result{Verdict: deliver.TryAgain}, err: "the endpoint answered 500 Internal Server Error"},
		"a status without a name":       {status: 799, want: deliver.Result{Verdict: deliver.TryAgain}, err: "the endpoint answered 799"},
		"301 tells where it pointed":    {status: 301, headers: map[string]string{"Location": "https://example.com/new?token=abc#x"}, want: deliver.Result{Verdict: deliver.TryAgain}, err: "the endpoint answered 301: redirects are not followed: https://example.com/new"},
		"307 to a private address":      {status: 307, headers: map[string]string{"Location": "http://a:b@169.254.169.254/latest"}, want: deliver.Result{Verdict: deliver.TryAgain}, err: "the endpoint answered 307: redirects are not followed: http://169.254.169.254/latest"},
		"308 relative":                  {status: 308, headers: map[string]string{"Location": "/other"}, want: deliver.Result{Verdict: deliver.TryAgain}, err: "the endpoint answered 308: redirects are not followed: /other"},
		"302 to nonsense":               {status: 302, headers: map[string]string{"Location": "http://%zz"}, want: deliver.Result{Verdict: deliver.TryAgain}, err: "the endpoint answered 302: redirects are not followed: an address that is not a URL"},
		"302 to somewhere long":         {status: 302, headers: map[string]string{"Location": "/" + strings.Repeat("a", 5000)}, want: deliver.Result{Verdict: deliver.TryAgain}, err: "the endpoint answered 302: redirects are not followed: /" + strings.Repeat("a", 299)},
		"a long answer is cut":          {status: 500, body: strings.Repeat("x", 5000), want: deliver.Result{Verdict: deliver.TryAgain, Response: strings.Repeat("x", 1024)}, err: "the endpoint answered 500 Internal Server Error"},
		"it is cut between characters":  {status: 500, body: strings.Repeat("€", 2000), want: deliver.Result{Verdict: deliver.TryAgain, Response: strings.Repeat("€", 341)}, err: "the endpoint answered 500 Internal Server Error"},
		"an answer of exactly one page": {status: 500, body: strings.Repeat("x", 1024), want: deliver.Result{Verdict: deliver.TryAgain, Response: strings.Repeat("x", 1024)}, err: "the endpoint answered 500 Internal Server Error"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int64
			server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				for name, value := range c.headers {
					w.Header().Set(name, value)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			config := dev()
			config.Now = func() time.Time { return now }
			got := send(t, open(t, config, carillon.Sink{URL: server.URL}), message())
			text := ""
			if got.Err != nil {
				text = got.Err.Error()
			}
			if text != c.err {
				t.Errorf("the reason is %q, want %q", text, c.err)
			}
			got.Err, got.Duration, c.want.Status = nil, 0, c.status
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if requests.Load() != 1 {
				t.Errorf("%d requests arrived, want 1", requests.Load())
			}
		})
	}
}

func TestConnectionsAreKept(t *testing.T) {
	for name, body := range map[string]string{"without a body": "", "with a small body": "ok", "with a body of a page": strings.Repeat("x", 20_000)} {
		for _, status := range []int{200, 500} {
			t.Run(fmt.Sprintf("%d %s", status, name), func(t *testing.T) {
				var opened atomic.Int64
				server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(status)
					_, _ = io.WriteString(w, body)
				}))
				server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateNew {
						opened.Add(1)
					}
				}
				server.Start()
				t.Cleanup(server.Close)
				sink := open(t, dev(), carillon.Sink{URL: server.URL})
				for range 10 {
					send(t, sink, message())
				}
				if opened.Load() != 1 {
					t.Errorf("%d connections were opened for ten messages, want 1", opened.Load())
				}
			})
		}
	}
}

func TestSilentEndpointsTimeOut(t *testing.T) {
	url := answerRaw(t, untilClosed)
	config := dev()
	config.Timeout = 50 * time.Millisecond
	result := send(t, open(t, config, carillon.Sink{URL: url}), message())
	if result.Verdict != deliver.TryAgain || result.Err == nil || result.Err.Error() != "timed out after 50ms" {
		t.Errorf("got %+v", result)
	}
}

// An answer that trickles in is bounded by the same time-out.
func TestTricklingHeadersTimeOut(t *testing.T) {
	url := answerRaw(t, func(conn net.Conn) {
		pace := time.NewTicker(5 * time.Millisecond)
		defer pace.Stop()
		for line := "HTTP/1.1 200 OK\r\n"; ; line = "X-A: b\r\n" {
			if _, err := io.WriteString(conn, line); err != nil {
				return
			}
			<-pace.C
		}
	})
	config := dev()
	config.Timeout = 100 * time.Millisecond
	result := send(t, open(t, config, carillon.Sink{URL: url}), message())
	if result.Verdict != deliver.TryAgain || result.Err == nil || result.Err.Error() != "timed out after 100ms" {
		t.Errorf("got %+v", result)
	}
}

func TestEndlessAnswersAreCutOff(t *testing.T) {
	flood := bytes.Repeat([]byte("x"), 32<<10)
	pour := func(conn net.Conn) {
		for {
			if _, err := conn.Write(flood); err != nil {
				return
			}
		}
	}
	cases := map[string]struct {
		answer  func(net.Conn)
		verdict deliver.Verdict
		err     string
	}{
		"a 200 whose body never ends": {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); pour(c) }, deliver.Taken, ""},
		"a 200 whose body never comes": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
			untilClosed(c)
		}, deliver.Taken, ""},
		"a 500 whose body never ends": {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 500 Oops\r\n\r\n"); pour(c) }, deliver.TryAgain, "answered 500"},
		"a 500 whose body never comes": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 500 Oops\r\nContent-Length: 9\r\n\r\n")
			untilClosed(c)
		}, deliver.TryAgain, "answered 500"},
		"a header that never ends":   {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "); pour(c) }, deliver.TryAgain, "headers exceeded 32768 bytes"},
		"something that is not HTTP": {func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH\r\n") }, deliver.TryAgain, "malformed HTTP"},
		"nothing":                    {func(net.Conn) {}, deliver.TryAgain, "connection closed before an answer came"},
		"half a head":                {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 O") }, deliver.TryAgain, "connection closed before an answer came"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := dev()
			config.Timeout = time.Hour // the answer begins at once; its body gets less time than that
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			result := open(t, config, carillon.Sink{URL: answerRaw(t, c.answer)}).Send(ctx, message())
			if ctx.Err() != nil {
				t.Error("Send came back only because its context ended")
			}
			text := ""
			if result.Err != nil {
				text = result.Err.Error()
			}
			if result.Verdict != c.verdict || !strings.Contains(text, c.err) || (c.err == "") != (text == "") {
				t.Errorf("got %+v, want verdict %d because %q", result, c.verdict, c.err)
			}
			if len(result.Response) > 1024 || len(text) > 300 {
				t.Errorf("%d bytes of the answer and %d of the reason were kept", len(result.Response), len(text))
			}
		})
	}
}

func TestCompressedAnswersAreKeptAsTheyAre(t *testing.T) {
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, _ = zip.Write(make([]byte, 10<<20))
	zip.Close()
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("we ask for encoding %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write(bomb.Bytes())
	})
	result := send(t, open(t, dev(), carillon.Sink{URL: server.URL}), message())
	if !strings.HasPrefix(result.Response, "\x1f") || len(result.Response) > 1024 {
		t.Errorf("kept %d bytes: %q", len(result.Response), result.Response[:min(16, len(result.Response))])
	}
}

func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	listener.Close()
	result := send(t, open(t, dev(), carillon.Sink{URL: url}), message())
	if result.Verdict != deliver.TryAgain || result.Err == nil || result.Err.Error() != "connection refused" || result.Status != 0 {
		t.Errorf("got %+v", result)
	}
}

func TestTLS(t *testing.T) {
	newServer := func(t *testing.T) (*httptest.Server, *tls.Config) {
		t.Helper()
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Proto", r.Proto)
			w.WriteHeader(map[bool]int{true: 200, false: 500}[r.ProtoMajor == 2])
		}))
		server.EnableHTTP2 = true
		server.Config.ErrorLog = nil
		server.StartTLS()
		t.Cleanup(server.Close)
		roots := x509.NewCertPool()
		roots.AddCert(server.Certificate())
		return server, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	t.Run("a trusted endpoint is spoken to in HTTP/2", func(t *testing.T) {
		server, trust := newServer(t)
		config := dev()
		config.TLS = trust
		if result := send(t, open(t, config, carillon.Sink{URL: server.URL}), message()); result.Verdict != deliver.Taken {
			t.Errorf("got %+v", result)
		}
	})
	t.Run("an unknown authority is not trusted", func(t *testing.T) {
		server, _ := newServer(t)
		result := send(t, open(t, dev(), carillon.Sink{URL: server.URL}), message())
		if result.Verdict != deliver.TryAgain || result.Err == nil || result.Err.Error() != "certificate is not valid: certificate signed by unknown authority" {
			t.Errorf("got %+v", result)
		}
	})
	t.Run("a certificate for another name is not valid", func(t *testing.T) {
		server, trust := newServer(t)
		config := dev()
		config.TLS = trust
		config.Resolver = egresstest.Resolver(t, map[string][][]string{"other.test.": {{"127.0.0.1"}}})
		_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
		result := send(t, open(t, config, carillon.Sink{URL: "https://other.test:" + port}), message())
		if result.Verdict != deliver.TryAgain || result.Err == nil || result.Err.Error() != "certificate is not valid: it is not for other.test" {
			t.Errorf("got %+v", result)
		}
	})
	t.Run("plain HTTP at a TLS address", func(t *testing.T) {
		server := serve(t, func(http.ResponseWriter, *http.Request) {})
		result := send(t, open(t, dev(), carillon.Sink{URL: strings.Replace(server.URL, "http:", "https:", 1)}), message())
		if result.Verdict != deliver.TryAgain || result.Err == nil || result.Err.Error() != "the endpoint does not speak TLS" {
			t.Errorf("got %+v", result)
		}
	})
}

func TestMessagesThatCannotBeHeadersAreNeverSent(t *testing.T) {
	var received atomic.Int64
	server := serve(t, func(http.ResponseWriter, *http.Request) { received.Add(1) })
	sink := open(t, dev(), carillon.Sink{URL: server.URL})
	for name, spoil := range map[string]func(*carillon.Message){
		"an empty id":                 func(m *carillon.Message) { m.ID = "" },
		"an id with a full stop":      func(m *carillon.Message) { m.ID = "evt.1" },
		"an id with a line break":     func(m *carillon.Message) { m.ID = "evt\r\nX: y" },
		"a lane with a line break":    func(m *carillon.Message) { m.Lane = "a\nb" },
		"a type with a control":       func(m *carillon.Message) { m.Type = "a\x00b" },
		"a content type with a break": func(m *carillon.Message) { m.ContentType = "text/plain\r\n" },
		"an attribute's bad name":     func(m *carillon.Message) { m.Attributes = []carillon.Attribute{{Name: "header:a b", Value: "x"}} },
		"an attribute without a name": func(m *carillon.Message) { m.Attributes = []carillon.Attribute{{Name: "header:", Value: "x"}} },
		"an attribute's bad value":    func(m *carillon.Message) { m.Attributes = []carillon.Attribute{{Name: "header:a", Value: "x\r\ny"}} },
		"an attribute that is Host":   func(m *carillon.Message) { m.Attributes = []carillon.Attribute{{Name: "header:host", Value: "x"}} },
		"an attribute that is signing": func(m *carillon.Message) {
			m.Attributes = []carillon.Attribute{{Name: "header:webhook-id", Value: "x"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := message()
			spoil(m)
			if result := send(t, sink, m); result.Verdict != deliver.Never || result.Err == nil {
				t.Errorf("got %+v, want Never with a reason", result)
			}
		})
	}
	if received.Load() != 0 {
		t.Errorf("%d requests arrived", received.Load())
	}
}

func TestDeadlineOfTheCallerIsAnInterruption(t *testing.T) {
	url := answerRaw(t, untilClosed)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if result := open(t, dev(), carillon.Sink{URL: url}).Send(ctx, message()); result.Verdict != deliver.Interrupted {
		t.Errorf("got %+v, want Interrupted", result)
	}
}

// TestMain has set a proxy that nobody listens at; net/http reads the environment once.
func TestEnvironmentProxiesAreIgnored(t *testing.T) {
	var received atomic.Int64
	server := serve(t, func(http.ResponseWriter, *http.Request) { received.Add(1) })
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	config := dev()
	config.Resolver = egresstest.Resolver(t, map[string][][]string{"endpoint.example.": {{"127.0.0.1"}}})
	result := send(t, open(t, config, carillon.Sink{URL: "http://endpoint.example:" + port}), message())
	if result.Verdict != deliver.Taken || received.Load() != 1 {
		t.Errorf("got %+v", result)
	}
}

func TestOpenRefusesSubscriptionsWithoutSecret(t *testing.T) {
	for _, secrets := range [][]string{nil, {"whsec_short"}} {
		_, err := webhook.New(dev()).Open(&carillon.Subscription{ID: "sub_1", Secrets: secrets, Sink: carillon.Sink{URL: "https://example.com"}})
		if carillon.ErrorCode(err) != carillon.CodeInternal || strings.Contains(err.Error(), "short") {
			t.Errorf("got %v", err)
		}
	}
}

func TestOpenRefusesUnknownContentTypes(t *testing.T) {
	for contentType, good := range map[string]bool{"": true, "application/json": true, "application/x-www-form-urlencoded": true, "text/xml": false, "application/json; charset=utf-8": false} {
		_, err := webhook.New(dev()).Open(&carillon.Subscription{
			ID: "sub_1", Secrets: []string{secret}, Sink: carillon.Sink{URL: "https://example.com", ContentType: contentType},
		})
		if good && err != nil {
			t.Errorf("%q is refused: %v", contentType, err)
		}
		if !good {
			wantFault(t, err, "/sink/contentType")
		}
	}
}
