package sns

import (
	"context"
	"errors"
	"net/http"
	"time"

	awssns "github.com/aws/aws-sdk-go-v2/service/sns"

	"carillon"
	"carillon/deliver"
)

// sink is the sink of one subscription.
type sink struct {
	topic   topic
	client  *awssns.Client
	timeout time.Duration
}

var errTimeout = errors.New("time is up")

// Close has nothing to free: connections belong to the Sender.
func (s *sink) Close() error { return nil }

// Send publishes one message and judges the answer. What an operator can mend is TryAgain, also what looks final (no such
// topic, no permission); Never is for messages that SNS cannot carry or will not take as they are.
func (s *sink) Send(parent context.Context, m *carillon.Message) deliver.Result {
	if parent.Err() != nil {
		return deliver.Result{Verdict: deliver.Interrupted, Err: parent.Err()}
	}
	start := time.Now()
	in, err := s.topic.request(m)
	if err != nil {
		return deliver.Result{Verdict: deliver.Never, Err: err}
	}
	ctx, cancel := context.WithTimeoutCause(parent, s.timeout, errTimeout)
	defer cancel()
	result := deliver.Result{Verdict: deliver.Taken, Status: http.StatusOK}
	switch out, err := s.client.Publish(ctx, in); {
	case err != nil:
		result = s.judge(parent, ctx, err)
	case out.MessageId == nil: // the SDK is content with any answer of 200
		result = deliver.Result{Verdict: deliver.TryAgain, Status: http.StatusOK, Err: notSNS(http.StatusOK, nil)}
	}
	result.Duration = time.Since(start)
	return result
}
