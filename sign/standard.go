package sign

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of Standard Webhooks, in the canonical form in which net/http keeps them.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// Tolerance is how far a timestamp may be from the receiver's clock, either way.
const Tolerance = 5 * time.Minute

// maxSignatures bounds how many signatures of one request are looked at. A sender has one for each live secret.
const maxSignatures = 16

// Why a request is not verified. Each may come wrapped with particulars.
var (
	ErrMissingHeader = errors.New("header is missing")
	ErrBadID         = errors.New("webhook-id contains a full stop")
	ErrBadTimestamp  = errors.New("webhook-timestamp is not a number of seconds")
	ErrTooOld        = errors.New("webhook-timestamp is too old")
	ErrTooNew        = errors.New("webhook-timestamp is too new")
	ErrNoMatch       = errors.New("no signature matches")
	ErrNoSecret      = errors.New("there is no secret to verify with")
)

// Standard signs with each of its secrets: one, or two while a rotation is under way.
type Standard struct{ secrets []*Secret }

// NewStandard reads the texts of the secrets, newest first. It wants at least one.
func NewStandard(secrets ...string) (*Standard, error) {
	if len(secrets) == 0 {
		return nil, errors.New("signing needs a secret")
	}
	s := &Standard{secrets: make([]*Secret, len(secrets))}
	for i, text := range secrets {
		var err error
		if s.secrets[i], err = ParseSecret(text); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Secrets are those that s signs with, newest first.
func (s *Standard) Secrets() []*Secret { return s.secrets }

// Sign gives the value of webhook-signature: one "v1,…" for each secret, with spaces between. The time counts in
// whole seconds. The id must not contain a full stop (see ValidID): a receiver would refuse it.
func (s *Standard) Sign(id string, at time.Time, body []byte) string {
	unix := at.Unix()
	var room [2*signatureLength + 1]byte
	list := room[:0]
	for i, secret := range s.secrets {
		if i > 0 {
			list = append(list, ' ')
		}
		list = secret.appendSignature(list, id, unix, body)
	}
	return string(list)
}

// SetHeaders sets the three headers of a request that carries body.
func (s *Standard) SetHeaders(h http.Header, id string, at time.Time, body []byte) {
	values := [...]string{id, strconv.FormatInt(at.Unix(), 10), s.Sign(id, at, body)}
	h[HeaderID], h[HeaderTimestamp], h[HeaderSignature] = values[0:1:1], values[1:2:2], values[2:3:3]
}

// ValidID reports whether s can be a webhook-id: not empty and without a full stop. With one, parts of the body
// could be passed off as the id or the timestamp, since all three are joined by full stops when they are signed.
func ValidID(s string) bool { return s != "" && !strings.Contains(s, ".") }

// Verify reports why a request was not signed with any of the secrets within Tolerance of now; nil if it was.
// The errors are those above; none repeats what the request said.
func Verify(h http.Header, body []byte, secrets []*Secret, now time.Time) error {
	id, timestamp, signatures := h.Get(HeaderID), h.Get(HeaderTimestamp), h.Get(HeaderSignature)
	switch {
	case id == "":
		return fmt.Errorf("%w: webhook-id", ErrMissingHeader)
	case timestamp == "":
		return fmt.Errorf("%w: webhook-timestamp", ErrMissingHeader)
	case signatures == "":
		return fmt.Errorf("%w: webhook-signature", ErrMissingHeader)
	case !ValidID(id):
		return ErrBadID
	case len(secrets) == 0:
		return ErrNoSecret
	}
	unix, err := parseTimestamp(timestamp)
	if err != nil {
		return err
	}
	switch at := time.Unix(unix, 0); {
	case now.Sub(at) > Tolerance:
		return ErrTooOld
	case at.Sub(now) > Tolerance:
		return ErrTooNew
	}
	if matches(signatures, id, unix, body, secrets) {
		return nil
	}
	return ErrNoMatch
}

// matches compares each signature with that of each secret, all of them, so that the time taken does not tell which came close.
func matches(signatures, id string, unix int64, body []byte, secrets []*Secret) bool {
	found := false
	var room [signatureLength]byte
	for _, secret := range secrets {
		want := secret.appendSignature(room[:0], id, unix, body)
		looked := 0
		for signature := range strings.SplitSeq(signatures, " ") {
			if looked++; looked > maxSignatures {
				break
			}
			// A different length is no secret. Other schemes ("v1a,…") are not ours to judge.
			if len(signature) == len(want) && hmac.Equal([]byte(signature), want) {
				found = true
			}
		}
	}
	return found
}

// parseTimestamp reads seconds since 1970 in the one form a sender writes: digits, no sign, no leading zero.
// Any other form would be signed as other bytes than were sent.
func parseTimestamp(s string) (int64, error) {
	if len(s) > 12 || s[0] < '1' || s[0] > '9' {
		return 0, ErrBadTimestamp
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, ErrBadTimestamp
	}
	return n, nil
}
