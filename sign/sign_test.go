package sign_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	svix "github.com/svix/svix-webhooks/go"
	"pgregory.net/rapid"

	"carillon/sign"
)

const (
	secretA = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secretB = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func standard(t testing.TB, secrets ...string) *sign.Standard {
	t.Helper()
	s, err := sign.NewStandard(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signed(t testing.TB, s *sign.Standard, id string, at time.Time, body string) http.Header {
	t.Helper()
	h := http.Header{}
	s.SetHeaders(h, id, at, []byte(body))
	return h
}

// The vector is from Svix's documentation of manual verification, which Standard Webhooks took over.
func TestPublishedVector(t *testing.T) {
	got := standard(t, secretA).Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature is %s, want %s", got, want)
	}
}

func TestBothSecretsSignDuringRotation(t *testing.T) {
	both := standard(t, secretA, secretB)
	list := strings.Split(both.Sign("evt_1", noon, []byte("{}")), " ")
	want := []string{standard(t, secretA).Sign("evt_1", noon, []byte("{}")), standard(t, secretB).Sign("evt_1", noon, []byte("{}"))}
	if len(list) != 2 || list[0] != want[0] || list[1] != want[1] {
		t.Errorf("signatures are %q, want %q", list, want)
	}
}

// Code that is not ours reads what we sign, and we read what it signs.
func TestOthersAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfN(genSecret, 1, 2).Draw(t, "secrets")
		id := genID.Draw(t, "id")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		now := time.Now() // their verifiers know no other clock
		ours, err := sign.NewStandard(secrets...)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		ours.SetHeaders(h, id, now, body)

		for _, secret := range secrets {
			reference, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			if err := reference.Verify(body, h); err != nil {
				t.Errorf("standard-webhooks refuses our signature: %v", err)
			}
			other, err := svix.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			if err := other.Verify(body, h); err != nil {
				t.Errorf("svix refuses our signature: %v", err)
			}
			theirs, err := reference.Sign(id, now, body)
			if err != nil {
				t.Fatal(err)
			}
			h2 := h.Clone()
			h2.Set("webhook-signature", theirs)
			if err := sign.Verify(h2, body, ours.Secrets(), now); err != nil {
				t.Errorf("we refuse the signature of standard-webhooks: %v", err)
			}
		}
	})
}

var (
	genSecret = rapid.Custom(func(t *rapid.T) string {
		key := rapid.SliceOfN(rapid.Byte(), sign.MinSecretBytes, sign.MaxSecretBytes).Draw(t, "key")
		return sign.SecretPrefix + base64.StdEncoding.EncodeToString(key)
	})
	genID = rapid.StringMatching(`[A-Za-z0-9_:/@+=~-]{1,64}`)
)

func TestWhatIsSignedVerifiesAndNothingElseDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfN(genSecret, 1, 2).Draw(t, "secrets")
		id := genID.Draw(t, "id")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		at := time.Unix(rapid.Int64Range(1_000_000_000, 9_000_000_000).Draw(t, "at"), 0)
		skew := time.Duration(rapid.Int64Range(-int64(sign.Tolerance), int64(sign.Tolerance)).Draw(t, "skew"))
		s, err := sign.NewStandard(secrets...)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		s.SetHeaders(h, id, at, body)
		for i, secret := range s.Secrets() {
			if err := sign.Verify(h, body, []*sign.Secret{secret}, at.Add(skew)); err != nil {
				t.Fatalf("secret %d: %v", i, err)
			}
		}

		stranger, err := sign.ParseSecret(sign.NewSecret())
		if err != nil {
			t.Fatal(err)
		}
		if err := sign.Verify(h, body, []*sign.Secret{stranger}, at); !errors.Is(err, sign.ErrNoMatch) {
			t.Errorf("another secret: got %v, want ErrNoMatch", err)
		}
		if err := sign.Verify(h, append(body[:len(body):len(body)], 'x'), s.Secrets(), at); !errors.Is(err, sign.ErrNoMatch) {
			t.Errorf("a longer body: got %v, want ErrNoMatch", err)
		}
		h.Set("webhook-id", id+"x")
		if err := sign.Verify(h, body, s.Secrets(), at); !errors.Is(err, sign.ErrNoMatch) {
			t.Errorf("another id: got %v, want ErrNoMatch", err)
		}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", strconv.FormatInt(at.Unix()+1, 10))
		if err := sign.Verify(h, body, s.Secrets(), at); !errors.Is(err, sign.ErrNoMatch) {
			t.Errorf("another time: got %v, want ErrNoMatch", err)
		}
	})
}

func TestVerifySaysWhy(t *testing.T) {
	s := standard(t, secretA)
	good := signed(t, s, "evt_1", noon, "{}")
	signature := good.Get("webhook-signature")
	stamp := good.Get("webhook-timestamp")
	cases := map[string]struct {
		set  map[string]string
		now  time.Time
		want error
	}{
		"as signed":                            {want: nil},
		"exactly at the older edge":            {now: noon.Add(sign.Tolerance), want: nil},
		"exactly at the newer edge":            {now: noon.Add(-sign.Tolerance), want: nil},
		"too old":                              {now: noon.Add(sign.Tolerance + time.Second), want: sign.ErrTooOld},
		"too new":                              {now: noon.Add(-sign.Tolerance - time.Second), want: sign.ErrTooNew},
		"no id":                                {set: map[string]string{"webhook-id": ""}, want: sign.ErrMissingHeader},
		"no timestamp":                         {set: map[string]string{"webhook-timestamp": ""}, want: sign.ErrMissingHeader},
		"no signature":                         {set: map[string]string{"webhook-signature": ""}, want: sign.ErrMissingHeader},
		"a full stop in the id":                {set: map[string]string{"webhook-id": "evt.1"}, want: sign.ErrBadID},
		"a timestamp that is a word":           {set: map[string]string{"webhook-timestamp": "now"}, want: sign.ErrBadTimestamp},
		"a timestamp with a fraction":          {set: map[string]string{"webhook-timestamp": stamp + ".5"}, want: sign.ErrBadTimestamp},
		"a timestamp with a sign":              {set: map[string]string{"webhook-timestamp": "+" + stamp}, want: sign.ErrBadTimestamp},
		"a timestamp with a leading zero":      {set: map[string]string{"webhook-timestamp": "0" + stamp}, want: sign.ErrBadTimestamp},
		"a timestamp with a space":             {set: map[string]string{"webhook-timestamp": stamp + " "}, want: sign.ErrBadTimestamp},
		"a negative timestamp":                 {set: map[string]string{"webhook-timestamp": "-1"}, want: sign.ErrBadTimestamp},
		"a timestamp that overflows":           {set: map[string]string{"webhook-timestamp": strings.Repeat("9", 400)}, want: sign.ErrBadTimestamp},
		"a timestamp far ahead":                {set: map[string]string{"webhook-timestamp": strings.Repeat("9", 12)}, want: sign.ErrTooNew},
		"another signature":                    {set: map[string]string{"webhook-signature": standard(t, secretB).Sign("evt_1", noon, []byte("{}"))}, want: sign.ErrNoMatch},
		"no scheme":                            {set: map[string]string{"webhook-signature": strings.TrimPrefix(signature, "v1,")}, want: sign.ErrNoMatch},
		"another scheme":                       {set: map[string]string{"webhook-signature": "v2" + strings.TrimPrefix(signature, "v1")}, want: sign.ErrNoMatch},
		"a signature cut short":                {set: map[string]string{"webhook-signature": signature[:len(signature)-1]}, want: sign.ErrNoMatch},
		"a good one after others":              {set: map[string]string{"webhook-signature": "v1a,abc  v1,nonsense " + signature}, want: nil},
		"a good one before others":             {set: map[string]string{"webhook-signature": signature + " v1,nonsense"}, want: nil},
		"a good one behind more than we read":  {set: map[string]string{"webhook-signature": strings.Repeat("v1,x ", 100) + signature}, want: sign.ErrNoMatch},
		"spaces only":                          {set: map[string]string{"webhook-signature": "   "}, want: sign.ErrNoMatch},
		"a comma only":                         {set: map[string]string{"webhook-signature": ","}, want: sign.ErrNoMatch},
		"signatures joined by commas":          {set: map[string]string{"webhook-signature": signature + "," + signature}, want: sign.ErrNoMatch},
		"missing is told before what is wrong": {set: map[string]string{"webhook-timestamp": "x", "webhook-signature": ""}, want: sign.ErrMissingHeader},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := good.Clone()
			for k, v := range c.set {
				h.Set(k, v)
			}
			if c.now.IsZero() {
				c.now = noon
			}
			err := sign.Verify(h, []byte("{}"), s.Secrets(), c.now)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	t.Run("no secrets", func(t *testing.T) {
		if err := sign.Verify(good, []byte("{}"), nil, noon); !errors.Is(err, sign.ErrNoSecret) {
			t.Errorf("got %v, want %v", err, sign.ErrNoSecret)
		}
	})
	t.Run("the missing header is named", func(t *testing.T) {
		h := good.Clone()
		h.Del("webhook-timestamp")
		if err := sign.Verify(h, []byte("{}"), s.Secrets(), noon); err == nil || !strings.Contains(err.Error(), "webhook-timestamp") {
			t.Errorf("got %v, want it to name webhook-timestamp", err)
		}
	})
}

func TestParseSecret(t *testing.T) {
	encode := func(n int) string {
		return sign.SecretPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
	}
	cases := map[string]struct{ text, fault string }{
		"24 bytes":          {encode(24), ""},
		"64 bytes":          {encode(64), ""},
		"one of ours":       {sign.NewSecret(), ""},
		"23 bytes":          {encode(23), "23 bytes long"},
		"65 bytes":          {encode(65), "65 bytes long"},
		"a thousand bytes":  {encode(1000), "longer than 64 bytes"},
		"empty":             {"", "does not begin with"},
		"prefix only":       {"whsec_", "0 bytes long"},
		"no prefix":         {strings.TrimPrefix(secretA, "whsec_"), "does not begin with"},
		"a public key":      {"whpk_" + strings.TrimPrefix(secretA, "whsec_"), "does not begin with"},
		"not base64":        {"whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!", "is not base64"},
		"URL alphabet":      {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_", "is not base64"},
		"a line break":      {secretA[:20] + "\n" + secretA[20:], "is not base64"},
		"stray bits at end": {"whsec_" + strings.Repeat("AAAA", 8) + "AB==", "is not base64"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := sign.ParseSecret(c.text)
			if c.fault == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Fatalf("got %v, want an error with %q", err, c.fault)
			}
			if encoded := strings.TrimPrefix(c.text, "whsec_"); len(encoded) > 8 && strings.Contains(err.Error(), encoded[:8]) {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

func TestNewStandardRefusesBadSecrets(t *testing.T) {
	for _, secrets := range [][]string{nil, {""}, {secretA, "whsec_"}} {
		if _, err := sign.NewStandard(secrets...); err == nil {
			t.Errorf("NewStandard(%d secrets) did not fail", len(secrets))
		}
	}
}

func TestNewSecretsDiffer(t *testing.T) {
	if first, second := sign.NewSecret(), sign.NewSecret(); first == second {
		t.Error("two secrets are the same")
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	s := standard(t, secretA)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secretA, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		text := fmt.Sprintf(verb, s.Secrets()[0])
		for _, leak := range []string{secretA[6:], string(key), fmt.Sprintf("%x", key), fmt.Sprint(key[0], " ", key[1])} {
			if strings.Contains(text, leak) {
				t.Errorf("%s prints the secret: %s", verb, text)
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	s := standard(f, secretA, secretB)
	h := signed(f, s, "evt_1", noon, "{}")
	f.Add("evt_1", h.Get("webhook-timestamp"), h.Get("webhook-signature"), []byte("{}"))
	f.Add("evt_1.1", "1772366400", "v1,", []byte("1772366400.{}"))
	f.Add("", "-0", " , ,v1,v1, ", []byte(nil))
	reference, err := standardwebhooks.NewWebhook(secretA)
	if err != nil {
		f.Fatal(err)
	}
	reference2, err := standardwebhooks.NewWebhook(secretB)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id, timestamp, signatures string, body []byte) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {signatures}}
		if sign.Verify(h, body, s.Secrets(), noon) != nil {
			return
		}
		// We are never more lenient than the reference.
		if reference.VerifyIgnoringTimestamp(body, h) != nil && reference2.VerifyIgnoringTimestamp(body, h) != nil {
			t.Errorf("we take what the reference refuses: %q %q %q %q", id, timestamp, signatures, body)
		}
	})
}

func FuzzParseSecret(f *testing.F) {
	f.Add(secretA)
	f.Add("whsec_")
	f.Add("whsec_AAAA\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := sign.ParseSecret(text); err != nil {
			return
		}
		s, err := sign.NewStandard(text)
		if err != nil {
			t.Fatal(err)
		}
		reference, err := standardwebhooks.NewWebhook(text)
		if err != nil {
			t.Fatalf("we take a secret that the reference refuses: %v", err)
		}
		want, err := reference.Sign("evt_1", noon, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Sign("evt_1", noon, []byte("{}")); got != want {
			t.Errorf("we sign %s, the reference %s", got, want)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	body := []byte(strings.Repeat("x", 1024))
	for name, s := range map[string]*sign.Standard{"one secret": standard(b, secretA), "two secrets": standard(b, secretA, secretB)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Sign("evt_g8nk7bc700000007bf6ha000", noon, body)
			}
		})
	}
}

// BenchmarkReferenceSign is the limit to compare with: the library of Standard Webhooks.
func BenchmarkReferenceSign(b *testing.B) {
	body := []byte(strings.Repeat("x", 1024))
	reference, err := standardwebhooks.NewWebhook(secretA)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := reference.Sign("evt_g8nk7bc700000007bf6ha000", noon, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	body := []byte(strings.Repeat("x", 1024))
	s := standard(b, secretA)
	h := signed(b, s, "evt_1", noon, string(body))
	b.ReportAllocs()
	for b.Loop() {
		if err := sign.Verify(h, body, s.Secrets(), noon); err != nil {
			b.Fatal(err)
		}
	}
}
