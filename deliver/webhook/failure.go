package webhook

import (
	"context"
	"errors"
	"fmt"

	"carillon/deliver"
	"carillon/egress"
)

// failure is why a send failed, in words for a person. The cause is there for errors.As, and never printed.
type failure struct {
	text  string
	cause error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.cause }

// explain turns an error of the transport into a short reason.
func (e *endpoint) explain(ctx context.Context, err error) error {
	return &failure{text: deliver.Shorten(e.hide(e.reason(ctx, err)), 300), cause: err}
}

func (e *endpoint) reason(ctx context.Context, err error) string {
	if errors.Is(context.Cause(ctx), errTimeout) {
		return fmt.Sprintf("timed out after %s", e.sender.config.Timeout)
	}
	if why, ok := egress.Explain(err); ok {
		return why
	}
	return "request failed: " + err.Error()
}
