package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"carillon"
	"carillon/deliver"
	"carillon/egress"
)

// Connection is one connection to a broker.
type Connection interface {
	// Publish returns once the broker has taken the message or will not. It is called from many goroutines at once. Its
	// error is a *Failure where we know better words than the library.
	Publish(ctx context.Context, m *carillon.Message) error
	// Lost is closed once the connection is of no use any more; nil if it mends itself.
	Lost() <-chan struct{}
	// Close ends it in good order and waits until it has ended. What is being published fails.
	Close()
	// Cut ends it without asking anybody, so that a Publish that hangs returns. Close follows.
	Cut()
}

// Config is how a Sink sends.
type Config struct {
	// Dial connects; it gives up when ctx ends.
	Dial func(ctx context.Context) (Connection, error)
	// Timeout bounds a send from connecting to the broker's answer. Default 15 s.
	Timeout time.Duration
	// IdleTimeout is how long a connection that nobody uses is kept, at least. Default 1 min.
	IdleTimeout time.Duration
	// Hide lists secrets that no reason may repeat.
	Hide []string
}

const (
	defaultTimeout     = 15 * time.Second
	defaultIdleTimeout = time.Minute
	// cutAfter is how long a Publish may go on after its context has ended before its connection is cut: only one that is
	// stuck in a write does, since the broker does not read.
	cutAfter  = 500 * time.Millisecond
	maxReason = 300
)

var errTimeout = errors.New("time is up")

// Sink is the sink of one subscription; it is a deliver.Sink.
type Sink struct {
	config Config
	link   *link
}

// NewSink makes a Sink. It does not connect.
func NewSink(c Config) *Sink {
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = defaultIdleTimeout
	}
	return &Sink{config: c, link: newLink(c.Dial, c.IdleTimeout)}
}

// Close implements deliver.Sink.
func (s *Sink) Close() error {
	s.link.close()
	return nil
}

// Send publishes one message and waits for the broker's answer. What fails is TryAgain unless a Failure says Never.
func (s *Sink) Send(parent context.Context, m *carillon.Message) deliver.Result {
	if parent.Err() != nil {
		return deliver.Result{Verdict: deliver.Interrupted, Err: parent.Err()}
	}
	start := time.Now()
	ctx, cancel := context.WithTimeoutCause(parent, s.config.Timeout, errTimeout)
	defer cancel()
	result := s.judge(parent, ctx, s.publish(ctx, m))
	result.Duration = time.Since(start)
	return result
}

func (s *Sink) publish(ctx context.Context, m *carillon.Message) error {
	lease, err := s.link.use(ctx)
	if err != nil {
		return err
	}
	defer lease.release()
	// Libraries write without a context.
	returned := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		patience := time.NewTimer(cutAfter)
		defer patience.Stop()
		select {
		case <-returned:
		case <-patience.C:
			lease.cut()
		}
	})
	defer unwatch()
	defer close(returned)
	return lease.connection().Publish(ctx, m)
}

// judge turns how a publish ended into a verdict. A message that was taken is taken, even if the context ended just then.
func (s *Sink) judge(parent, ctx context.Context, err error) deliver.Result {
	var failure *Failure
	known := errors.As(err, &failure)
	switch {
	case err == nil:
		return deliver.Result{Verdict: deliver.Taken}
	case known && failure.Never:
		return deliver.Result{Verdict: deliver.Never, Err: s.reason(ctx, err)}
	case parent.Err() != nil:
		return deliver.Result{Verdict: deliver.Interrupted, Err: parent.Err()}
	default:
		return deliver.Result{Verdict: deliver.TryAgain, Err: s.reason(ctx, err)}
	}
}

// reason puts an error in short words, without secrets.
func (s *Sink) reason(ctx context.Context, err error) error {
	var failure *Failure
	text := "the broker could not be used: " + err.Error()
	if why, ok := egress.Explain(err); ok {
		text = why
	}
	if errors.As(err, &failure) {
		text = failure.Text
		if failure.Hint != "" {
			text += ": " + failure.Hint
		}
	} else if errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(ctx), errTimeout) {
		text = fmt.Sprintf("the broker did not answer within %s", s.config.Timeout)
	}
	for _, secret := range s.config.Hide {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return &Failure{Text: deliver.Shorten(text, maxReason), Cause: err}
}

// Failure is why a message was not taken, in words for a person. The cause is there for errors.As, and never printed.
type Failure struct {
	Text  string
	Hint  string // what the operator of the broker can do about it
	Never bool   // this message will never be taken
	Cause error
}

// Error gives the text.
func (f *Failure) Error() string { return f.Text }

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Cause }
