package carillon

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// idEncoding is Crockford's base 32 in lower case: sorts as its bits, no letters taken for digits.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID makes a sortable id: prefix, underscore, 26 characters (48 bits of Unix milliseconds, 80 random bits).
func NewID(prefix string) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // never fails (crypto/rand)
	return prefix + "_" + idEncoding.EncodeToString(b[:])
}

// MaxIDLength bounds ids that callers choose.
const MaxIDLength = 128

// ValidID reports whether s may be an id: 1 to MaxIDLength characters of letters, digits and - _ . : @ + = ~.
// A slash never occurs, so kind/id is unambiguous wherever the two are joined (see Lane).
func ValidID(s string) bool {
	if s == "" || len(s) > MaxIDLength || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '@', c == '+', c == '=', c == '~':
		default:
			return false
		}
	}
	return true
}
