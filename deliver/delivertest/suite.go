//nolint:thelper // these are the tests themselves: a failure should name their line, not their caller
package delivertest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon"
	"carillon/deliver"
)

// Harness is a kind of sink under test.
type Harness struct {
	// Open makes a sink and an empty far end for it. It is called once for each test.
	Open func(t *testing.T) Rig
}

// Rig is one sink with the place that it sends to.
type Rig struct {
	Sink deliver.Sink
	// Arrived lists what is at the far end, in order of arrival, once there are at least n messages.
	Arrived func(ctx context.Context, n int) ([]Arrival, error)
	// Break makes the far end refuse or fail until it is mended.
	Break func() (mend func())
	// FailsAlone says that a broken far end is the messages' trouble, not the sink's: deliver.FailedAlone instead of TryAgain.
	FailsAlone bool
	// Hang makes the far end keep its senders waiting until it is released.
	Hang func() (release func())
	// Held returns once a sender is kept waiting.
	Held func(ctx context.Context) error
	// Close takes the far end down; called after Sink.Close.
	Close func()
}

// Arrival is a message as the far end has it.
type Arrival struct {
	ID   string
	Lane string
	Body []byte
}

// patience bounds every wait of the suite.
const patience = 30 * time.Second

// RunSink checks that a sink keeps the promises of deliver.Sink.
func RunSink(t *testing.T, h Harness) {
	t.Run("a message arrives with its id and body unchanged", h.test(arrivesUnchanged))
	t.Run("sending does not change the message", h.test(leavesMessageAlone))
	t.Run("messages of a lane arrive in the order in which they were sent", h.test(keepsOrder))
	t.Run("many may send at once", h.test(sendsConcurrently))
	t.Run("a failure is to be tried again and says why", h.test(failsWithReason))
	t.Run("a context that is done interrupts before sending", h.test(interruptedBefore))
	t.Run("a context that ends interrupts while sending", h.test(interruptedWhile))
	t.Run("closing twice is harmless", h.test(closesTwice))
}

// test runs one test on a fresh rig and then looks for goroutines that were left behind.
func (h Harness) test(run func(*testing.T, context.Context, Rig)) func(*testing.T) {
	return func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		rig := h.Open(t)
		defer func() {
			if err := rig.Sink.Close(); err != nil {
				t.Errorf("close the sink: %v", err)
			}
			rig.Close()
			if err := goleak.Find(before); err != nil {
				t.Errorf("goroutines were left behind: %v", err)
			}
		}()
		run(t, ctx, rig)
	}
}

// Message makes the nth message of a lane.
func Message(lane string, n int) *carillon.Message {
	return &carillon.Message{
		ID:          fmt.Sprintf("evt_%s_%06d", lane, n),
		Type:        "account:updated",
		Seq:         int64(n),
		Lane:        lane,
		Time:        time.Date(2026, 3, 1, 12, 0, n%60, 0, time.UTC),
		ContentType: "application/json",
		Body:        fmt.Appendf(nil, `{"eventId":"evt_%s_%06d","text":"Zoë <&> \u2028 \"é\""}`, lane, n),
		Attributes:  []carillon.Attribute{{Name: "eventType", Value: "account:updated"}},
	}
}

func mustTake(t *testing.T, result deliver.Result) {
	t.Helper()
	if result.Verdict != deliver.Taken || result.Err != nil {
		t.Fatalf("the message was not taken: %+v", result)
	}
}

func arrivesUnchanged(t *testing.T, ctx context.Context, rig Rig) {
	small, large := Message("acc_1", 1), Message("acc_1", 2)
	large.Body = []byte(`{"text":"` + strings.Repeat("ä🔔x", 20_000) + `"}`)
	for _, m := range []*carillon.Message{small, large} {
		mustTake(t, rig.Sink.Send(ctx, m))
	}
	arrived, err := rig.Arrived(ctx, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(arrived) != 2 {
		t.Fatalf("%d messages arrived, want 2", len(arrived))
	}
	for i, m := range []*carillon.Message{small, large} {
		if arrived[i].ID != m.ID {
			t.Errorf("message %d arrived with id %q, want %q", i+1, arrived[i].ID, m.ID)
		}
		if !bytes.Equal(arrived[i].Body, m.Body) {
			t.Errorf("message %d arrived with another body", i+1)
		}
	}
}

func leavesMessageAlone(t *testing.T, ctx context.Context, rig Rig) {
	m, want := Message("acc_1", 1), Message("acc_1", 1)
	mustTake(t, rig.Sink.Send(ctx, m))
	if !bytes.Equal(m.Body, want.Body) || !slices.Equal(m.Attributes, want.Attributes) || m.ID != want.ID {
		t.Errorf("after sending the message is %+v, want %+v", m, want)
	}
}

func keepsOrder(t *testing.T, ctx context.Context, rig Rig) {
	const count = 200
	for n := range count {
		mustTake(t, rig.Sink.Send(ctx, Message("acc_1", n)))
	}
	checkLanes(t, ctx, rig, []string{"acc_1"}, count)
}

func sendsConcurrently(t *testing.T, ctx context.Context, rig Rig) {
	const senders, count = 16, 40
	var lanes []string
	var all sync.WaitGroup
	for i := range senders {
		lane := fmt.Sprintf("acc_%d", i)
		lanes = append(lanes, lane)
		all.Go(func() {
			for n := range count {
				if result := rig.Sink.Send(ctx, Message(lane, n)); result.Verdict != deliver.Taken {
					t.Errorf("message %d of lane %s was not taken: %+v", n, lane, result)
					return
				}
			}
		})
	}
	all.Wait()
	if !t.Failed() {
		checkLanes(t, ctx, rig, lanes, count)
	}
}

// checkLanes wants messages 0 to count-1 of each lane to have arrived, once each and in order.
func checkLanes(t *testing.T, ctx context.Context, rig Rig, lanes []string, count int) {
	t.Helper()
	arrived, err := rig.Arrived(ctx, len(lanes)*count)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, a := range arrived {
		got[a.Lane] = append(got[a.Lane], a.ID)
	}
	for _, lane := range lanes {
		var want []string
		for n := range count {
			want = append(want, Message(lane, n).ID)
		}
		if !slices.Equal(got[lane], want) {
			t.Errorf("lane %s arrived as %v, want %v", lane, got[lane], want)
		}
	}
}

func failsWithReason(t *testing.T, ctx context.Context, rig Rig) {
	mend := rig.Break()
	result := rig.Sink.Send(ctx, Message("acc_1", 1))
	want := deliver.TryAgain
	if rig.FailsAlone {
		want = deliver.FailedAlone
	}
	if result.Verdict != want {
		t.Errorf("a broken far end gives verdict %d, want %d", result.Verdict, want)
	}
	if result.Err == nil || result.Err.Error() == "" {
		t.Error("a broken far end gives no reason")
	}
	mend()
	mustTake(t, rig.Sink.Send(ctx, Message("acc_1", 1)))
}

func interruptedBefore(t *testing.T, ctx context.Context, rig Rig) {
	done, cancel := context.WithCancel(ctx)
	cancel()
	if result := rig.Sink.Send(done, Message("acc_1", 1)); result.Verdict != deliver.Interrupted {
		t.Errorf("got %+v, want verdict Interrupted (%d)", result, deliver.Interrupted)
	}
	mustTake(t, rig.Sink.Send(ctx, Message("acc_1", 2)))
	arrived, err := rig.Arrived(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(arrived) != 1 || arrived[0].ID != Message("acc_1", 2).ID {
		t.Errorf("arrived: %+v, want the second message only", arrived)
	}
}

func interruptedWhile(t *testing.T, ctx context.Context, rig Rig) {
	release := rig.Hang()
	defer release()
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan deliver.Result, 1)
	go func() { results <- rig.Sink.Send(sending, Message("acc_1", 1)) }()
	if err := rig.Held(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case result := <-results:
		if result.Verdict != deliver.Interrupted {
			t.Errorf("got %+v, want verdict Interrupted (%d)", result, deliver.Interrupted)
		}
	case <-ctx.Done():
		t.Fatal("Send did not return after its context had ended")
	}
	release()
	mustTake(t, rig.Sink.Send(ctx, Message("acc_1", 1)))
}

func closesTwice(t *testing.T, ctx context.Context, rig Rig) {
	mustTake(t, rig.Sink.Send(ctx, Message("acc_1", 1)))
	for range 2 {
		if err := rig.Sink.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}
