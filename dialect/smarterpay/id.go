package smarterpay

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/google/uuid"

	"carillon"
	"carillon/dialect"
)

// The vendor's ids are a prefix and 18 characters. These prefixes are the ones it uses.
const (
	prefixAccount = "CA"
	prefixEvent   = "HI"
	prefixWebhook = "OM"
	prefixClient  = "CL"
	prefixUser    = "CU"

	idCharacters = 18
)

// idEncoding spells with the vendor's characters: digits and capitals.
var idEncoding = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// appendID appends an id in the vendor's shape: ours, if it has that shape already (it came from the vendor), else one made
// of it and of the scope in which it is unique. The same id and scope give the same for ever.
func appendID(b []byte, prefix, id, scope string) []byte {
	if isID(prefix, id) {
		return append(b, id...)
	}
	b = append(b, prefix...)
	hash := sha256.Sum256([]byte(prefix + "\x00" + scope + "\x00" + id))
	return append(b, idEncoding.EncodeToString(hash[:])[:idCharacters]...)
}

// isID reports whether an id has the vendor's shape.
func isID(prefix, id string) bool {
	rest, ok := strings.CutPrefix(id, prefix)
	if !ok || len(rest) != idCharacters {
		return false
	}
	for i := range len(rest) {
		if c := rest[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// appendUser appends {"id"} of who did something; null if that is not known.
func appendUser(b []byte, actor *carillon.Actor, org string) []byte {
	if actor == nil || actor.ID == "" {
		return append(b, null...)
	}
	return append(appendID(append(b, `{"id":"`...), prefixUser, actor.ID, org), `"}`...)
}

// appendClient appends {"id"} of the subscription's client; else the client that the vendor named with the record, else one made of
// the org.
func (t *telling) appendClient(b []byte) []byte {
	if theirs := dialect.Member(t.theirs, "client"); t.settings.clientID == "" && personID(theirs) != "" {
		return append(b, theirs...)
	}
	b = append(b, `{"id":"`...)
	if t.settings.clientID != "" {
		b = append(b, t.settings.clientID...)
	} else {
		b = appendID(b, prefixClient, "", t.ev.Change.Org)
	}
	return append(b, `"}`...)
}

// keySpace is the name space of idempotency keys (RFC 9562, version 5).
var keySpace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("carillon/dialect/smarterpay/idempotency_key"))

// idempotencyKey is a UUID made of the ids of a webhook's events, in their order.
func idempotencyKey(ids []string) string {
	return uuid.NewSHA1(keySpace, []byte(strings.Join(ids, "\n"))).String()
}
