package carillon

import "time"

// InboxState is what became of a delivery.
type InboxState string

// The states of a delivery.
const (
	InboxReceived    InboxState = "received"    // stored and answered, not yet applied
	InboxApplied     InboxState = "applied"     // what it told is in the log, or makes no difference
	InboxDuplicate   InboxState = "duplicate"   // everything it told had been applied before
	InboxQuarantined InboxState = "quarantined" // it could not be read or applied; Problem says why
)

// Inbound is one request that a vendor sent to a connection, as it came.
type Inbound struct {
	ID         string
	Org        string
	Connection string
	// Position numbers the deliveries of the archive in the order in which they were stored.
	Position    int64
	State       InboxState
	ReceivedAt  time.Time
	ProcessedAt time.Time // zero until it was tried
	// ContentType and Header are what the dialect reads beside the body; credentials are not among them.
	ContentType string
	Header      map[string]string
	Body        []byte
	// Attempts counts how often it was tried.
	Attempts int
	// Told is what the dialect read out of it, in the order applied.
	Told []InboundEvent
	// Notes say in words what had to be mended to read it, and what was passed over.
	Notes []string
	// Problem is why it is quarantined.
	Problem *InboundProblem
	// Awaits is the record that must exist before it can be applied; zero if none is missing.
	Awaits Ref
}

// InboundEvent is one event that a delivery told.
type InboundEvent struct {
	ID     string    `json:"id"`   // the vendor's own event id, or one derived from what it says
	Type   string    `json:"type"` // the vendor's name
	At     time.Time `json:"at,omitzero"`
	Record string    `json:"record,omitzero"` // the record it is about: "account/acc_1"
	// Seqs are the changes it made.
	Seqs []int64 `json:"seqs,omitempty"`
	// Outcome is changed, unchanged (it said what was known), late (something newer is known), repeated, ignored or failed;
	// empty as long as it waits.
	Outcome string `json:"outcome,omitzero"`
}

// InboundProblem is why a delivery could not be read or applied.
type InboundProblem struct {
	Code    Code    `json:"code"`
	Message string  `json:"message"`
	Faults  []Fault `json:"faults,omitempty"`
	Hint    string  `json:"hint,omitzero"`
}

// Heard is the newest that a source has said of a record. What it says of earlier comes late and changes nothing. It
// outlives the record, so that a late update does not bring a deleted one back.
type Heard struct {
	Org    string
	Source string // the scope of the entries that said so: "connection:ID"
	Ref
	HeardAt
}

// HeardAt is the place of a statement among a source's statements about one record.
type HeardAt struct {
	// At is as of when the source says it, by the source's clock.
	At time.Time
	// Op breaks ties, since sources' clocks may tick in seconds: created comes before updated, updated before deleted.
	Op Op
}

// rank orders ops of the same moment.
func (o Op) rank() int {
	switch o {
	case OpCreated:
		return 0
	case OpUpdated:
		return 1
	default:
		return 2
	}
}

// Compare orders statements by when they were said: negative if h was said before other.
func (h HeardAt) Compare(other HeardAt) int {
	if c := h.At.Compare(other.At); c != 0 {
		return c
	}
	return h.Op.rank() - other.Op.rank()
}
