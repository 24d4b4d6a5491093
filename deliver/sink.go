package deliver

import (
	"context"
	"time"

	"carillon"
)

// Sink takes messages to one place. Send blocks until the message was taken or not; it is called from many goroutines
// at once, for one lane in order. Implementations live below (webhook, broker) and pass delivertest.
type Sink interface {
	Send(ctx context.Context, m *carillon.Message) Result
	// Close frees connections. Sends in progress may fail.
	Close() error
}

// OpenSink makes the sink of a subscription. It checks the sink's configuration (carillon.CodeInvalid, members below
// /sink) but does not connect: an endpoint that is down is no reason to refuse a subscription.
type OpenSink func(s *carillon.Subscription) (Sink, error)

// Result is how a send ended.
type Result struct {
	Verdict    Verdict
	Status     int           // HTTP status, 0 if there was none
	Err        error         // why, unless Taken
	Response   string        // the first kilobyte of a failing answer
	RetryAfter time.Duration // how long the endpoint asked to be left alone; 0 if it did not
	Duration   time.Duration
}

// Verdict is what a sink says of a message.
type Verdict int

// The verdicts.
const (
	Taken       Verdict = iota
	TryAgain            // the sink failed; the schedule decides when to try again, and the circuit hears of it
	FailedAlone         // this message failed though the sink is well; the schedule decides, and the circuit closes as if it were taken
	Never               // this message will never be taken: a dead letter at once
	Gone                // there is nobody to send to any more (410): disable the subscription; Err becomes its reason
	Interrupted         // we stopped before an answer came: not an attempt
)
