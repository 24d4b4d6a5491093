package carillon

import "time"

// Right is what a key may do. Each right includes those before it.
type Right string

// The rights.
const (
	RightRead  Right = "read"  // every GET
	RightWrite Right = "write" // records, imports, retries
	RightAdmin Right = "admin" // subscriptions, connections, fields, apps, keys
)

// Allows reports whether a key with right r may do what needs the right need.
func (r Right) Allows(need Right) bool {
	return need.rank() > 0 && r.rank() >= need.rank()
}

// rank orders the rights; 0 is none.
func (r Right) rank() int {
	switch r {
	case RightRead:
		return 1
	case RightWrite:
		return 2
	case RightAdmin:
		return 3
	default:
		return 0
	}
}

// Key is an API key. Its secret is shown once, when it is made; only its SHA-256 is kept.
type Key struct {
	ID        string
	Org       string
	Name      string
	Right     Right
	Actor     Actor // who the key's writes are attributed to, unless the request says otherwise
	Hash      [32]byte
	CreatedAt time.Time
}
