package carillon

import "time"

// Progress is where a subscription stands in the log. A checkpoint writes it whole, together with the lanes,
// dead letters and attempts that came of the same stretch, in one transaction.
type Progress struct {
	Org          string
	Subscription string
	// Cursor: every change up to here is settled for this subscription, or its lane has a ParkedLane of its own.
	Cursor int64
	// Settled are changes above Cursor that are settled already (Index < 0), or of which the events before
	// Index are. Ascending. It keeps a crash from repeating what was delivered ahead of a slow lane.
	Settled []Position
	// Snapshot is set while a subscription that starts from a snapshot is still being told what exists.
	Snapshot *SnapshotProgress
	// Replay is set while a bounded stretch of the log is told again.
	Replay *ReplayProgress
	// Delivered and Failed count messages and failed attempts since the subscription was made.
	Delivered int64
	Failed    int64
	// Circuit is open until a probe succeeds; see StateDegraded.
	CircuitOpen bool
	UpdatedAt   time.Time
}

// SnapshotProgress: the records as of change AsOf are being told in key order; those up to After are settled.
type SnapshotProgress struct {
	AsOf  int64
	After Ref
}

// ReplayProgress: once the reader has passed To it goes on after Resume.
type ReplayProgress struct {
	From   int64
	To     int64
	Resume int64
}

// ParkedLane is a lane that is not with its subscription's cursor: its head failed, or it was too long or too slow
// to be kept in memory. Everything of the lane before First is settled; the rest is read from the log when its time comes.
type ParkedLane struct {
	Org          string
	Subscription string
	Lane         string
	First        Position
	// Attempts made on the event at First; 0 means the lane only has to catch up.
	Attempts  int
	NextAt    time.Time
	Blocked   bool // given up under GiveUpBlock: waits for a person
	LastError string
	ParkedAt  time.Time
	// Batch lists the events of the batch that failed, in its order, so that a retry is the same batch with the same id. Of
	// the lanes in a batch, the first one's row has it.
	Batch []BatchMember
}

// BatchMember is one event of a batch: its lane and place. Other is the second lane of a move.
type BatchMember struct {
	Lane  string `json:"lane"`
	Other string `json:"other,omitzero"`
	Position
}

// DeadLetter is what is left of a message when the policy gave up. The event is rendered from the log when it is replayed.
type DeadLetter struct {
	ID           string
	Org          string
	Subscription string
	Lane         string
	Position     Position
	EventID      string
	EventType    string
	Attempts     int
	LastStatus   int // HTTP status, 0 if there was none
	LastError    string
	CreatedAt    time.Time
}

// Attempt is one try to deliver a message.
type Attempt struct {
	Org          string
	Subscription string
	EventID      string
	EventType    string
	Seq          int64
	Lane         string
	Number       int // 1 for the first try
	At           time.Time
	Duration     time.Duration
	Outcome      Outcome
	Status       int    // HTTP status, 0 if there was none
	Error        string // why it failed
	Response     string // the first kilobyte of a failing answer
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes.
const (
	OutcomeDelivered Outcome = "delivered"
	OutcomeRetry     Outcome = "retry" // failed; will be tried again
	OutcomeDead      Outcome = "dead"  // failed for good: a dead letter
	OutcomeGone      Outcome = "gone"  // there is nobody to send to any more (410): the subscription was disabled
)
