package delivertest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"carillon"
	"carillon/deliver"
)

// Send sends a message within a bound that only a defect reaches.
func Send(t *testing.T, sink deliver.Sink, m *carillon.Message) deliver.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return sink.Send(ctx, m)
}

// MustTake sends a message, which must be taken.
func MustTake(t *testing.T, sink deliver.Sink, m *carillon.Message) {
	t.Helper()
	mustTake(t, Send(t, sink, m))
}

// WantFailure wants a verdict with a reason that says all of the texts.
func WantFailure(t *testing.T, result deliver.Result, verdict deliver.Verdict, says ...string) {
	t.Helper()
	if result.Verdict != verdict || result.Err == nil {
		t.Fatalf("got %+v, want verdict %d with a reason", result, verdict)
	}
	for _, text := range says {
		if !strings.Contains(result.Err.Error(), text) {
			t.Errorf("the reason is %q, want it to say %q", result.Err, text)
		}
	}
}

// WantFault wants carillon.CodeInvalid with one fault, at the member, and gives its reason.
func WantFault(t *testing.T, err error, member string) (reason string) {
	t.Helper()
	var e *carillon.Error
	if !errors.As(err, &e) || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Member != member {
		t.Fatalf("got %v, want one fault at %s", err, member)
	}
	return e.Faults[0].Reason
}
