package sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// maxKeyBytes bounds a SmarterPay webhook key; those seen are much shorter.
const maxKeyBytes = 1024

// SmarterPay signs and verifies as SmarterPay Cloud does (https://wiki.smarterpay.com, "Webhook Signature"): the header
// Webhook-Signature is the HMAC-SHA256 of the body's bytes in lower-case hex, keyed with the webhook key's text as UTF-8.
// Unlike Standard Webhooks it signs neither an id nor a time, so a receiver tells repeats by the body's idempotency_key.
type SmarterPay struct{ keys []*Secret }

// NewSmarterPay takes the texts of the webhook keys, newest first: any text of 1 to 1024 bytes. It wants at least one.
// Its errors do not repeat the texts.
func NewSmarterPay(keys ...string) (*SmarterPay, error) {
	if len(keys) == 0 {
		return nil, errors.New("signing needs a webhook key")
	}
	s := &SmarterPay{keys: make([]*Secret, len(keys))}
	for i, text := range keys {
		if text == "" || len(text) > maxKeyBytes {
			return nil, fmt.Errorf("webhook key is %d bytes long: want 1 to %d", len(text), maxKeyBytes)
		}
		s.keys[i] = newSecret([]byte(text))
	}
	return s, nil
}

// Sign gives the value of Webhook-Signature. Only the newest key signs, since the header has room for one signature.
func (s *SmarterPay) Sign(body []byte) string {
	var room [2 * sha256.Size]byte
	return string(s.keys[0].appendHex(room[:0], body))
}

// SetHeaders sets the header of a request that carries body. The id and the time are not part of the scheme.
func (s *SmarterPay) SetHeaders(h http.Header, _ string, _ time.Time, body []byte) {
	h[HeaderSignature] = []string{s.Sign(body)}
}

// Verify reports why a request was not signed with any of the keys; nil if it was. The errors are ErrMissingHeader and
// ErrNoMatch; neither repeats what the request said. The vendor asks receivers to answer 498 to a bad signature.
func (s *SmarterPay) Verify(h http.Header, body []byte) error {
	signature := h.Get(HeaderSignature)
	if signature == "" {
		return fmt.Errorf("%w: Webhook-Signature", ErrMissingHeader)
	}
	found := false
	var room [2 * sha256.Size]byte
	for _, key := range s.keys { // all of them, so that the time taken does not tell which came close
		if hmac.Equal([]byte(signature), key.appendHex(room[:0], body)) {
			found = true
		}
	}
	if !found {
		return ErrNoMatch
	}
	return nil
}
