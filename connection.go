package carillon

import (
	"encoding/json"
	"strings"
	"time"
)

// Connection is an inbound webhook source: a vendor's system that posts to /in/{id}.
type Connection struct {
	ID      string
	Org     string
	Name    string
	Dialect string
	Verify  Verify
	// IDPrefix begins the ids of the records that come from here, where the vendor's ids are numbers that another system
	// may use as well: "neon_" makes neon_123 of account 123.
	IDPrefix string
	Settings json.RawMessage // what the dialect needs for reading; an object or nil
	// OrderWait is how long a delivery waits for earlier ones that may be late: deliveries that come within it are applied
	// in the order of the vendor's times. 0: each is applied as it comes.
	OrderWait time.Duration
	CreatedAt time.Time
	UpdatedAt time.Time
}

// VerifyType is how a connection proves that a request is the vendor's.
type VerifyType string

// The ways to verify.
const (
	VerifyNone       VerifyType = "none"
	VerifyStandard   VerifyType = "standard"   // Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature
	VerifySmarterPay VerifyType = "smarterpay" // Webhook-Signature: HMAC-SHA256 of the body in hex
	VerifySNS        VerifyType = "sns"        // AWS's signature inside the body, by its certificate
	VerifyBasic      VerifyType = "basic"      // HTTP basic authentication
	VerifyHeader     VerifyType = "header"     // a header with a secret value
	VerifyParameter  VerifyType = "parameter"  // a member of Neon's customParameters, or a query parameter, with a secret value
)

// Verify is how requests to a connection are checked. The members in use depend on Type. Secret members are sealed at
// rest and masked when shown.
type Verify struct {
	Type     VerifyType `json:"type"`
	Secret   string     `json:"secret,omitzero"` // standard, smarterpay
	Username string     `json:"username,omitzero"`
	Password string     `json:"password,omitzero"`
	Name     string     `json:"name,omitzero"`  // header, parameter
	Value    string     `json:"value,omitzero"` // header, parameter
	// TopicARN is the topic whose messages are accepted (sns). Empty until the first subscription is confirmed: then it is
	// that subscription's.
	TopicARN string `json:"topicArn,omitzero"`
}

// connectionOrigin begins the origin of changes that came in through a connection.
const connectionOrigin = "connection:"

// Origin is the origin of changes that come in through the connection: "connection:neon:con_1".
func (c *Connection) Origin() string { return connectionOrigin + c.Dialect + ":" + c.ID }

// Source is the scope in which what the connection tells is known again, and held against what it told before:
// "connection:con_1".
func (c *Connection) Source() string { return connectionOrigin + c.ID }

// FromConnection reports whether an origin is that of a connection.
func FromConnection(origin string) bool { return strings.HasPrefix(origin, connectionOrigin) }

// CameFrom reports whether the change came in through a connection that speaks the dialect: what the vendor sent beside
// the canonical members (Extra) is then of this very change.
func (c *Change) CameFrom(dialect string) bool {
	rest, ok := strings.CutPrefix(c.Origin, connectionOrigin)
	return ok && len(rest) > len(dialect) && rest[len(dialect)] == ':' && rest[:len(dialect)] == dialect
}
