package sign

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"sync"
)

// SecretPrefix begins the text of every secret.
const SecretPrefix = "whsec_"

// The bounds of a secret in bytes, as Standard Webhooks has them.
const (
	MinSecretBytes = 24
	MaxSecretBytes = 64
)

// Secret is a key that signs and verifies. It is safe for concurrent use.
type Secret struct {
	key []byte
	// macs keeps HMAC states that have taken in the key already: half of the work of signing a small body.
	macs sync.Pool
}

// NewSecret makes the text of a new random secret of 32 bytes.
func NewSecret() string {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails (crypto/rand)
	return SecretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// ParseSecret reads the text of a secret: "whsec_" and the standard base64 of 24 to 64 bytes. Its errors do not repeat the text.
func ParseSecret(text string) (*Secret, error) {
	encoded, ok := strings.CutPrefix(text, SecretPrefix)
	if !ok {
		return nil, errors.New("secret does not begin with " + SecretPrefix)
	}
	if len(encoded) > base64.StdEncoding.EncodedLen(MaxSecretBytes) {
		return nil, fmt.Errorf("secret is longer than %d bytes", MaxSecretBytes)
	}
	// Strict, and no line breaks, so that a key has one text only.
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		return nil, errors.New("secret is not base64 after " + SecretPrefix)
	}
	if len(key) < MinSecretBytes || len(key) > MaxSecretBytes {
		return nil, fmt.Errorf("secret is %d bytes long: want %d to %d", len(key), MinSecretBytes, MaxSecretBytes)
	}
	return newSecret(key), nil
}

func newSecret(key []byte) *Secret {
	s := &Secret{key: key}
	s.macs.New = func() any { return &state{mac: hmac.New(sha256.New, s.key)} }
	return s
}

// Format keeps the key out of logs, whatever the verb.
func (*Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, SecretPrefix+"***") }

// state is an HMAC with the buffers it needs, so that neither is allocated for each signature.
type state struct {
	mac  hash.Hash
	head []byte
	sum  [sha256.Size]byte
}

// signatureLength is that of one signature's text: "v1," and the base64 of an HMAC-SHA256.
const signatureLength = len("v1,") + (sha256.Size+2)/3*4

// appendSignature appends the signature of "id.timestamp.body" to dst.
func (s *Secret) appendSignature(dst []byte, id string, unix int64, body []byte) []byte {
	st, _ := s.macs.Get().(*state)
	st.head = append(st.head[:0], id...)
	st.head = append(st.head, '.')
	st.head = strconv.AppendInt(st.head, unix, 10)
	st.head = append(st.head, '.')
	st.mac.Reset()
	st.mac.Write(st.head)
	st.mac.Write(body)
	dst = append(dst, "v1,"...)
	dst = base64.StdEncoding.AppendEncode(dst, st.mac.Sum(st.sum[:0]))
	s.macs.Put(st)
	return dst
}

// appendHex appends the HMAC of the body alone, in lower-case hex, to dst.
func (s *Secret) appendHex(dst, body []byte) []byte {
	st, _ := s.macs.Get().(*state)
	st.mac.Reset()
	st.mac.Write(body)
	dst = hex.AppendEncode(dst, st.mac.Sum(st.sum[:0]))
	s.macs.Put(st)
	return dst
}
