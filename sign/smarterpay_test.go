package sign_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"carillon/sign"
)

func smarterPay(t testing.TB, keys ...string) *sign.SmarterPay {
	t.Helper()
	s, err := sign.NewSmarterPay(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// RFC 4231 publishes HMAC-SHA256 values for keys that are text; the scheme adds nothing but the header.
func TestSmarterPaySignaturesAreThoseOfTheRFC(t *testing.T) {
	for _, v := range []struct{ key, body, want string }{
		{"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{strings.Repeat("\x0b", 20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	} {
		h := http.Header{}
		s := smarterPay(t, v.key)
		s.SetHeaders(h, "evt_1", noon, []byte(v.body))
		if len(h) != 1 || h.Get("webhook-signature") != v.want {
			t.Errorf("the headers are %v, want Webhook-Signature %s alone", h, v.want)
		}
		if err := s.Verify(h, []byte(v.body)); err != nil {
			t.Error(err)
		}
	}
}

func TestSmarterPayVerifiesWhatItSigns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringN(1, 80, -1).Draw(t, "key")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		s, err := sign.NewSmarterPay(key)
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(body)
		if got, want := s.Sign(body), hex.EncodeToString(mac.Sum(nil)); got != want {
			t.Fatalf("signature %s, want %s", got, want)
		}
		h := http.Header{}
		s.SetHeaders(h, "", noon, body)
		if err := s.Verify(h, body); err != nil {
			t.Error(err)
		}
		if err := s.Verify(h, append(body, 'x')); !errors.Is(err, sign.ErrNoMatch) {
			t.Errorf("another body: %v", err)
		}
	})
}

func TestSmarterPayKeysDuringRotation(t *testing.T) {
	both, older, newer := smarterPay(t, "new", "old"), smarterPay(t, "old"), smarterPay(t, "new")
	if both.Sign([]byte("{}")) != newer.Sign([]byte("{}")) {
		t.Error("not the newest key signs")
	}
	for name, by := range map[string]*sign.SmarterPay{"newest": newer, "older": older} {
		h := http.Header{}
		by.SetHeaders(h, "", noon, []byte("{}"))
		if err := both.Verify(h, []byte("{}")); err != nil {
			t.Errorf("signed with the %s key: %v", name, err)
		}
	}
}

func TestSmarterPayRefuses(t *testing.T) {
	s := smarterPay(t, "key")
	good := s.Sign([]byte("{}"))
	for name, c := range map[string]struct {
		signatures []string
		want       error
	}{
		"no header":                      {nil, sign.ErrMissingHeader},
		"an empty header":                {[]string{""}, sign.ErrMissingHeader},
		"another signature":              {[]string{strings.Repeat("0", 64)}, sign.ErrNoMatch},
		"upper case":                     {[]string{strings.ToUpper(good)}, sign.ErrNoMatch},
		"dashes":                         {[]string{good[:2] + "-" + good[2:]}, sign.ErrNoMatch},
		"a part":                         {[]string{good[:63]}, sign.ErrNoMatch},
		"more than one":                  {[]string{good + " " + good}, sign.ErrNoMatch},
		"a signature of Standard's kind": {[]string{"v1," + good}, sign.ErrNoMatch},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{"Webhook-Signature": c.signatures}
			if err := s.Verify(h, []byte("{}")); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	for _, keys := range [][]string{nil, {""}, {"key", ""}, {strings.Repeat("k", 1025)}} {
		if _, err := sign.NewSmarterPay(keys...); err == nil {
			t.Errorf("%d keys of %d bytes are taken", len(keys), len(strings.Join(keys, "")))
		}
	}
}

func TestSmarterPayKeysAreNotPrinted(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%s", "%q", "%x"} {
		text := fmt.Sprintf(verb, smarterPay(t, "hush-hush"))
		if strings.Contains(text, "hush") || strings.Contains(text, hex.EncodeToString([]byte("hush"))) {
			t.Errorf("%s prints the key: %s", verb, text)
		}
	}
}

func FuzzSmarterPayVerify(f *testing.F) {
	s := smarterPay(f, "key", "older")
	f.Add(s.Sign([]byte("{}")), []byte("{}"))
	f.Add("", []byte(nil))
	f.Add(strings.Repeat("f", 64), []byte("{}"))
	f.Fuzz(func(t *testing.T, signature string, body []byte) {
		if s.Verify(http.Header{"Webhook-Signature": {signature}}, body) != nil {
			return
		}
		for _, key := range []string{"key", "older"} {
			mac := hmac.New(sha256.New, []byte(key))
			mac.Write(body)
			if hex.EncodeToString(mac.Sum(nil)) == signature {
				return
			}
		}
		t.Errorf("%q is taken for the signature of %q", signature, body)
	})
}

func BenchmarkSmarterPaySign(b *testing.B) {
	s, body := smarterPay(b, secretA), []byte(strings.Repeat("x", 1024))
	b.ReportAllocs()
	for b.Loop() {
		s.Sign(body)
	}
}
