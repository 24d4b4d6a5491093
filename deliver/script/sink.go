package script

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"carillon"
	"carillon/deliver"
)

// Invoker runs the handler that an app has for a message, and waits for it. It fails with carillon.CodeNotFound if there is no such app,
// with CodeInvalid or CodeTooLarge if the app will never take the message, with CodeConflict if its handler failed; any other failure is
// the house's and may pass. When ctx ends it stops the handler and fails.
type Invoker interface {
	Handle(ctx context.Context, s *carillon.Subscription, m *carillon.Message) error
}

// InvokerFunc is a function as an Invoker.
type InvokerFunc func(ctx context.Context, s *carillon.Subscription, m *carillon.Message) error

// Handle calls the function.
func (f InvokerFunc) Handle(ctx context.Context, s *carillon.Subscription, m *carillon.Message) error {
	return f(ctx, s, m)
}

// Sender opens sinks that lead to apps.
type Sender struct {
	invoker  Invoker
	dialects []string
}

// New makes a Sender. dialects are the languages that apps understand.
func New(invoker Invoker, dialects ...string) *Sender {
	return &Sender{invoker: invoker, dialects: dialects}
}

// sink is one subscription's way to its app.
type sink struct {
	invoker      Invoker
	subscription *carillon.Subscription
}

var _ deliver.Sink = (*sink)(nil)

// Open makes the sink of a subscription. Whether the app is there shows when a message comes.
func (n *Sender) Open(s *carillon.Subscription) (deliver.Sink, error) {
	if !carillon.ValidID(s.Sink.App) {
		return nil, carillon.Invalid("/sink/app", "must be the id of an installed app")
	}
	if !slices.Contains(n.dialects, s.Dialect) {
		return nil, carillon.Invalid("/dialect", "is not one of those that apps understand: "+strings.Join(n.dialects, ", "))
	}
	if s.Batch.Max > 1 {
		return nil, carillon.Invalid("/batch/max", "must be 1: a handler takes one event")
	}
	return &sink{n.invoker, s}, nil
}

// Close has nothing to free.
func (k *sink) Close() error { return nil }

// Send has the app's handler run.
func (k *sink) Send(ctx context.Context, m *carillon.Message) deliver.Result {
	if err := ctx.Err(); err != nil {
		return deliver.Result{Verdict: deliver.Interrupted, Err: err}
	}
	began := time.Now()
	err := k.invoker.Handle(ctx, k.subscription, m)
	result := deliver.Result{Verdict: deliver.Taken, Err: err, Duration: time.Since(began)}
	switch code := carillon.ErrorCode(err); {
	case err == nil:
	case ctx.Err() != nil, errors.Is(err, context.Canceled):
		result.Verdict = deliver.Interrupted
	case code == carillon.CodeNotFound:
		result.Verdict, result.Err = deliver.Gone, fmt.Errorf("app %s is not installed", k.subscription.Sink.App)
	case code == carillon.CodeInvalid, code == carillon.CodeTooLarge:
		result.Verdict = deliver.Never
	case code == carillon.CodeConflict:
		result.Verdict = deliver.FailedAlone
	default:
		result.Verdict = deliver.TryAgain
	}
	return result
}
