package carillon

import "time"

// Event is what a change means to somebody: the Index-th name that a dialect gives it. Never stored.
type Event struct {
	Change *Change
	Index  int
	Type   string
}

// Message is an event (or a batch of events) encoded for a sink. It is a pure function of its changes, the
// dialect and the subscription's settings, so that a retry or a replay is rendered again, byte for byte.
type Message struct {
	// ID is stable over retries, endpoints and nodes.
	ID   string
	Type string
	// Seq is the change's (of a batch: the last one's); Lane the first change's.
	Seq  int64
	Lane string
	Time time.Time
	// ContentType and Body are what goes over the wire. Body must not be changed: subscriptions share it.
	ContentType string
	Body        []byte
	// Attributes are what the dialect wants beside the body: attributes on a topic, and headers on a webhook (see Attribute).
	Attributes []Attribute
}

// Attribute is one name and value beside a message's body. A name that begins with "header:" is a header's name and
// for webhooks only; all others are for topics and queues only.
type Attribute struct{ Name, Value string }

// Position is a place inside the log: everything before event Index of change Seq is behind it.
type Position struct {
	Seq   int64 `json:"seq"`
	Index int   `json:"index,omitzero"`
}

// Before reports whether p comes earlier than q.
func (p Position) Before(q Position) bool {
	return p.Seq < q.Seq || p.Seq == q.Seq && p.Index < q.Index
}
