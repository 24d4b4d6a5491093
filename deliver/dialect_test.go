package deliver_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"carillon"
	"carillon/dialect/smarterpay"
)

func TestAVendorsRetryHabitsHoldWhereNoneAreNamed(t *testing.T) {
	h := newHouse(t)
	for name, c := range map[string]struct{ named, want []time.Duration }{
		"the vendor's":       {nil, smarterpay.New().RetrySchedule()},
		"the subscription's": {repeat(time.Minute, 3), repeat(time.Minute, 3)},
	} {
		s := h.subscribe(func(s *carillon.Subscription) {
			s.Dialect, s.Retry.Schedule = smarterpay.Name, c.named
		})
		kept, err := h.store.Subscription(t.Context(), org, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(kept.Retry.Schedule, c.want) {
			t.Errorf("%s: %v, want %v", name, kept.Retry.Schedule, c.want)
		}
	}
	s := h.subscribe(func(s *carillon.Subscription) { s.Retry.Schedule = nil })
	if !slices.Equal(s.Retry.Schedule, carillon.DefaultSchedule) {
		t.Errorf("a dialect without habits: %v", s.Retry.Schedule)
	}
}

// A batch says of an account what a single message does, also what only the log knows: who created it.
func TestBatchesTellWhatTheLogKnows(t *testing.T) {
	h := newHouse(t)
	h.write(account("a"))
	s := h.subscribe(func(s *carillon.Subscription) {
		s.Dialect, s.Batch = smarterpay.Name, carillon.Batch{Max: 5, Wait: time.Millisecond}
	})
	h.write(touch("a", 1), touch("a", 2), touch("a", 3))
	h.caughtUp(s)
	var types []string
	for _, m := range h.sink.list() {
		var webhook struct {
			Events []struct {
				EventType string               `json:"event_type"`
				CreatedBy *struct{ ID string } `json:"created_by"`
				EditedBy  *struct{ ID string } `json:"edited_by"`
			} `json:"events"`
		}
		if err := json.Unmarshal(m.Body, &webhook); err != nil {
			t.Fatal(err)
		}
		if n := len(webhook.Events); n < 1 || n > 5 {
			t.Errorf("a batch of at most 5 holds %d events", n)
		}
		for _, e := range webhook.Events {
			types = append(types, e.EventType)
			if e.CreatedBy == nil || e.EditedBy == nil || e.CreatedBy.ID != e.EditedBy.ID {
				t.Errorf("created by %v, edited by %v, who are the same", e.CreatedBy, e.EditedBy)
			}
		}
	}
	if want := []string{"customer_account.update", "customer_account.update", "customer_account.update"}; !slices.Equal(types, want) {
		t.Errorf("told %v, want %v", types, want)
	}
}
