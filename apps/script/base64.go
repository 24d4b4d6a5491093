package script

import (
	"encoding/base64"
	"fmt"
	"strings"

	"modernc.org/libc"
)

// The magic numbers of btoa and atob.
const (
	encodeBase64 = iota
	decodeBase64
)

// base64 answers btoa and atob. Both know a byte as the character with its number.
func (e *engine) base64(_ *libc.TLS, _ uintptr, _ value, argc int32, argv uintptr, magic int32) value {
	text, whole := e.readText(argument(0, argc, argv), e.config.Payload)
	if !whole {
		return e.throw(fmt.Sprintf("atob and btoa take at most %d bytes", e.config.Payload))
	}
	if magic == encodeBase64 {
		bytes := make([]byte, 0, len(text))
		for _, r := range text {
			if r > 0xff {
				return e.throw("btoa takes characters up to U+00FF only")
			}
			bytes = append(bytes, byte(r))
		}
		return e.text(base64.StdEncoding.EncodeToString(bytes))
	}
	text = strings.TrimRight(strings.Join(strings.Fields(text), ""), "=")
	bytes, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return e.throw("atob takes base64 only")
	}
	var b strings.Builder
	for _, c := range bytes {
		b.WriteRune(rune(c))
	}
	return e.text(b.String())
}
