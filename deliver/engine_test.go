package deliver_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"carillon"
	"carillon/deliver"
	"carillon/ledger"
	"carillon/store"
)

func TestEveryEventArrivesInOrder(t *testing.T) {
	h := newHouse(t)
	s := h.subscribe(nil)
	for i := range 20 {
		h.write(account(fmt.Sprintf("a%d", i)))
	}
	for n := range 10 {
		var writes []ledger.Write
		for i := range 20 {
			writes = append(writes, touch(fmt.Sprintf("a%d", i), n))
		}
		h.write(writes...)
	}
	h.caughtUp(s)
	if got := len(h.sink.list()); got != 220 {
		t.Errorf("%d messages came, want 220", got)
	}
	if repeats := h.sink.inOrder(t); repeats > 0 {
		t.Errorf("%d repeats without a failure", repeats)
	}
}

func TestAnUpdateOfSeveralMembersIsToldInOrder(t *testing.T) {
	h := newHouse(t)
	s := h.subscribe(func(s *carillon.Subscription) { s.Events = []string{"account*"} })
	h.write(account("a"), ledger.Write{
		Op: ledger.Patch, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: "a"},
		Data: []byte(`{"health":"At Risk","customFields":{"tier":["gold"],"region":["north"]}}`),
	})
	h.caughtUp(s)
	var types []string
	for _, m := range h.sink.list() {
		types = append(types, m.Type)
	}
	want := []string{"account:created", "account:updated", "account-health:changed", "account-custom_field_value:added"}
	if !slices.Equal(types, want) {
		t.Errorf("came %v, want %v", types, want)
	}
}

func TestAFailingLaneHoldsItselfOnly(t *testing.T) {
	h := newHouse(t)
	s := h.subscribe(nil)
	h.write(account("bad"), account("good"))
	h.caughtUp(s)
	h.sink.forget()
	h.sink.answers(failing(func(m *carillon.Message) bool { return m.Lane == "bad" }))
	for n := range 30 {
		h.write(touch("bad", n), touch("good", n))
	}
	h.await("the good lane is told everything", func() bool { return len(h.sink.list()) == 30 })
	h.await("the bad lane is parked", func() bool { return h.status(s).ParkedLanes == 1 })
	h.sink.answers(nil)
	h.caughtUp(s)
	if got := len(h.sink.list()); got != 60 {
		t.Errorf("%d messages came, want 60", got)
	}
	if repeats := h.sink.inOrder(t); repeats > 0 {
		t.Errorf("%d repeats", repeats)
	}
	var attempts []*carillon.Attempt
	failed := -1
	h.await("the failed attempts can be seen", func() bool {
		var err error
		if attempts, err = h.engine.Attempts(t.Context(), org, s.ID, 500); err != nil {
			t.Fatal(err)
		}
		failed = slices.IndexFunc(attempts, func(a *carillon.Attempt) bool { return a.Outcome == carillon.OutcomeRetry })
		return failed >= 0
	})
	if a := attempts[failed]; a.Status != 500 || a.Error != errRefused.Error() || a.Lane != "bad" {
		t.Errorf("the attempt reads %+v", a)
	}
}

func TestASlowLaneDoesNotHoldTheOthers(t *testing.T) {
	h := newHouse(t)
	s := h.subscribe(nil)
	h.write(account("slow"), account("quick"))
	h.caughtUp(s)
	h.sink.forget()
	h.sink.blocks(func(m *carillon.Message) bool { return m.Lane == "slow" })
	// More changes than the window has room for, in both lanes.
	var writes []ledger.Write
	for n := range 2500 {
		writes = append(writes, touch("slow", n), touch("quick", n))
	}
	h.write(writes...)
	h.await("the quick lane is told everything", func() bool { return len(h.sink.list()) == 2500 })
	h.sink.release()
	h.caughtUp(s)
	if got := len(h.sink.list()); got != 5000 {
		t.Errorf("%d messages came, want 5000", got)
	}
	if repeats := h.sink.inOrder(t); repeats > 0 {
		t.Errorf("%d repeats", repeats)
	}
}

func TestAStopRepeatsNothing(t *testing.T) {
	h := newHouse(t)
	h.write(account("bad"), account("good"))
	s := h.subscribe(nil)
	fail := true
	var mu sync.Mutex
	h.sink.answers(failing(func(m *carillon.Message) bool {
		mu.Lock()
		defer mu.Unlock()
		return fail && m.Lane == "bad"
	}))
	for round := range 5 {
		for n := range 40 {
			h.write(touch("bad", 100*round+n), touch("good", 100*round+n))
		}
		h.stop()
		h.startEngine()
	}
	mu.Lock()
	fail = false
	mu.Unlock()
	h.caughtUp(s)
	if got := len(h.sink.list()); got != 400 {
		t.Errorf("%d messages came, want 400", got)
	}
	if repeats := h.sink.inOrder(t); repeats > 0 {
		t.Errorf("%d repeats", repeats)
	}
}

// Random writes with moves between accounts, a sink that fails at random and lanes that are out for a while, stops in
// between: everything arrives; no subscriber sees a move before what happened earlier in either lane, nor what came
// later before the move.
func TestMovesKeepOrderInBothLanes(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			random := rand.New(rand.NewPCG(seed, 1))
			var mu sync.Mutex
			sinkRandom, out := rand.New(rand.NewPCG(seed, 2)), map[string]bool{}
			h.sink.answers(failing(func(m *carillon.Message) bool {
				mu.Lock()
				defer mu.Unlock()
				return out[m.Lane] || sinkRandom.Float64() < 0.1
			}))
			s := h.subscribe(func(s *carillon.Subscription) {
				s.Concurrency = 1 + int(seed)*4
				if seed%2 == 1 {
					s.Events = []string{"customer-contact:*"} // moves of which only some events are wanted
				}
				if seed%3 == 2 {
					s.Batch.Max = 7
				}
			})
			const accounts, contacts = 6, 12
			for i := range accounts {
				h.write(account(fmt.Sprintf("a%d", i)))
			}
			for i := range contacts {
				h.write(contact(fmt.Sprintf("c%d", i), fmt.Sprintf("a%d", i%accounts)))
			}
			for n := range 400 {
				switch random.IntN(4) {
				case 0:
					h.write(touch(fmt.Sprintf("a%d", random.IntN(accounts)), n))
				case 1:
					h.write(ledger.Write{
						Op: ledger.Patch, Ref: carillon.Ref{Kind: carillon.KindContact, ID: fmt.Sprintf("c%d", random.IntN(contacts))},
						Data: fmt.Appendf(nil, `{"accountId":"a%d"}`, random.IntN(accounts)),
					})
				default:
					h.write(ledger.Write{
						Op: ledger.Patch, Ref: carillon.Ref{Kind: carillon.KindContact, ID: fmt.Sprintf("c%d", random.IntN(contacts))},
						Data: fmt.Appendf(nil, `{"jobTitle":"job %d","type":"t%d"}`, n, n),
					})
				}
				if n%50 == 49 {
					mu.Lock()
					clear(out)
					out[fmt.Sprintf("a%d", random.IntN(accounts))] = true
					mu.Unlock()
				}
				if n%130 == 129 {
					h.stop()
					h.startEngine()
				}
			}
			mu.Lock()
			clear(out)
			mu.Unlock()
			h.caughtUp(s)
			h.checkMoves(s, 0)
		})
	}
}

// checkMoves holds what came against the log after a seq.
func (h *house) checkMoves(s *carillon.Subscription, after int64) {
	h.t.Helper()
	var log []*carillon.Change
	for last := int64(0); ; {
		page, err := h.store.Changes(context.Background(), org, store.LogQuery{After: last, Limit: 500})
		if err != nil {
			h.t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		log = append(log, page...)
		last = page[len(page)-1].Seq
	}
	order := map[int64]int{} // seq → place of its last event among what came
	for i, event := range h.sink.events() {
		order[event] = i
	}
	lastIn := map[string]*carillon.Change{}
	told := 0
	for _, c := range log {
		if c.Seq <= after {
			continue
		}
		place, ok := order[c.Seq]
		if len(s.Events) > 0 && c.Kind != carillon.KindContact {
			continue
		}
		if !ok {
			h.t.Errorf("change %d never came", c.Seq)
			continue
		}
		told++
		for _, lane := range []string{c.Lane, c.PreviousLane} {
			if lane == "" {
				continue
			}
			if before := lastIn[lane]; before != nil && order[before.Seq] > place {
				h.t.Errorf("lane %s: change %d (moved from %q) came before change %d (moved from %q)", lane, c.Seq, c.PreviousLane, before.Seq, before.PreviousLane)
			}
			lastIn[lane] = c
		}
	}
	if told == 0 {
		h.t.Error("nothing was told at all")
	}
}

func TestAMessageThatNobodyTakesBecomesADeadLetter(t *testing.T) {
	h := newHouse(t)
	h.write(account("a"), account("b"))
	s := h.subscribe(func(s *carillon.Subscription) { s.Retry.Schedule = repeat(time.Millisecond, 2) })
	h.sink.answers(failing(func(m *carillon.Message) bool { return m.Lane == "a" }))
	h.write(touch("a", 1), touch("b", 1))
	h.await("a dead letter", func() bool { return h.status(s).DeadLetters == 1 })
	h.sink.answers(nil)
	h.write(touch("a", 2)) // the lane goes on
	h.caughtUp(s)
	if got := len(h.sink.list()); got != 2 {
		t.Errorf("%d messages came, want 2", got)
	}
	letters, err := h.store.DeadLetters(t.Context(), org, s.ID, "", 10)
	if err != nil || len(letters) != 1 {
		t.Fatalf("dead letters: %v, %v", letters, err)
	}
	if l := letters[0]; l.Attempts != 3 || l.Lane != "a" || l.EventType != "account:updated" || l.LastStatus != 500 {
		t.Errorf("the dead letter reads %+v", l)
	}
	n, err := h.engine.ReplayDeadLetters(t.Context(), org, s.ID, nil)
	if err != nil || n != 1 {
		t.Fatalf("replayed %d, %v", n, err)
	}
	h.await("the dead letter is taken", func() bool { return h.status(s).DeadLetters == 0 })
	taken := h.sink.list()
	if last := taken[len(taken)-1]; last.ID != letters[0].EventID {
		t.Errorf("the replay sent %s, want %s", last.ID, letters[0].EventID)
	}
}

func TestABlockedLaneWaitsForAPerson(t *testing.T) {
	for _, way := range []string{"replay of the dead letter", "resume"} {
		t.Run(way, func(t *testing.T) {
			h := newHouse(t)
			h.write(account("a"), account("b"))
			s := h.subscribe(func(s *carillon.Subscription) {
				s.Retry.Schedule = repeat(time.Millisecond, 1)
				s.OnGiveUp = carillon.GiveUpBlock
			})
			h.sink.answers(failing(func(m *carillon.Message) bool { return m.Lane == "a" }))
			h.write(touch("a", 1), touch("a", 2), touch("b", 1))
			h.await("a dead letter", func() bool { return h.status(s).DeadLetters == 1 })
			h.sink.answers(nil)
			h.stop()
			h.startEngine() // being blocked outlives the process
			h.write(touch("b", 2), touch("b", 3))
			h.await("the other lane goes on", func() bool { return len(h.sink.list()) == 3 })
			if way == "resume" {
				if err := h.engine.Resume(t.Context(), org, s.ID); err != nil {
					t.Fatal(err)
				}
			} else if _, err := h.engine.ReplayDeadLetters(t.Context(), org, s.ID, nil); err != nil {
				t.Fatal(err)
			}
			h.caughtUp(s)
			if repeats := h.sink.inOrder(t); len(h.sink.list()) != 5 || repeats != 0 {
				t.Errorf("%d messages came, %d repeats; want 5, 0", len(h.sink.list()), repeats)
			}
		})
	}
}

func TestARefusalForGoodIsADeadLetterAtOnce(t *testing.T) {
	h := newHouse(t)
	h.write(account("a"))
	s := h.subscribe(nil)
	h.sink.answers(func(*carillon.Message) deliver.Result { return deliver.Result{Verdict: deliver.Never, Err: errRefused} })
	h.write(touch("a", 1))
	h.await("a dead letter", func() bool { return h.status(s).DeadLetters == 1 })
	h.caughtUp(s)
}

func TestAGoneEndpointIsDisabled(t *testing.T) {
	h := newHouse(t)
	h.write(account("a"))
	s := h.subscribe(nil)
	h.sink.answers(func(*carillon.Message) deliver.Result {
		return deliver.Result{Verdict: deliver.Gone, Status: 410, Err: errRefused}
	})
	h.write(touch("a", 1))
	h.await("disabled", func() bool { return h.status(s).State == carillon.StateDisabled })
	if disabled, err := h.store.Subscription(t.Context(), org, s.ID); err != nil || disabled.DisabledReason != errRefused.Error() {
		t.Errorf("it is disabled for the reason %q, %v; want the sink's", disabled.DisabledReason, err)
	}
	h.sink.answers(nil)
	h.write(touch("a", 2))
	if err := h.engine.Resume(t.Context(), org, s.ID); err != nil {
		t.Fatal(err)
	}
	h.caughtUp(s)
	if repeats := h.sink.inOrder(t); len(h.sink.list()) != 2 || repeats != 0 {
		t.Errorf("%d messages came, want both", len(h.sink.list()))
	}
}

func TestADeadEndpointBurnsNoLane(t *testing.T) {
	h := newHouse(t)
	for i := range 50 {
		h.write(account(fmt.Sprintf("a%d", i)))
	}
	// Two retries only: without the circuit every lane would soon be given up.
	s := h.subscribe(func(s *carillon.Subscription) { s.Retry.Schedule = []time.Duration{time.Hour, time.Hour} })
	h.sink.answers(tryAgain)
	for i := range 50 {
		h.write(touch(fmt.Sprintf("a%d", i), 1))
	}
	h.await("the circuit opens", func() bool { return h.status(s).State == carillon.StateDegraded })
	for i := range 50 {
		h.write(touch(fmt.Sprintf("a%d", i), 2))
	}
	h.stop()
	h.startEngine() // an open circuit outlives the process
	h.sink.answers(nil)
	h.caughtUp(s) // an hour's wait would not end here: a closed circuit has every lane try at once
	if status := h.status(s); status.State != carillon.StateActive || status.DeadLetters != 0 {
		t.Errorf("the subscription is %+v", status)
	}
	if repeats := h.sink.inOrder(t); len(h.sink.list()) != 100 || repeats != 0 {
		t.Errorf("%d messages came, %d repeats; want 100, 0", len(h.sink.list()), repeats)
	}
}

func TestDeadAccountsDoNotSilenceTheOthers(t *testing.T) {
	h := newHouse(t)
	var writes []ledger.Write
	for i := range 60 {
		writes = append(writes, account(fmt.Sprintf("dead%d", i)))
	}
	h.write(append(writes, account("healthy"))...)
	s := h.subscribe(nil)
	h.sink.answers(failing(func(m *carillon.Message) bool { return m.Lane != "healthy" }))
	writes = nil
	for i := range 60 {
		writes = append(writes, touch(fmt.Sprintf("dead%d", i), 1))
	}
	h.write(writes...)
	h.await("so many failures open the circuit", func() bool { return h.status(s).State == carillon.StateDegraded })
	for n := range 5 {
		h.write(touch("healthy", n))
	}
	h.await("the healthy account is told all the same", func() bool { return len(h.sink.list()) == 5 })
}

// Handlers of an app that throw, say: so many that an endpoint would be taken for dead.
func TestMessagesThatFailAloneBecomeDeadLettersWhileOthersGoOn(t *testing.T) {
	h := newHouse(t)
	var first, second []ledger.Write
	for i := range 60 {
		id := fmt.Sprintf("bad%d", i)
		first, second = append(first, account(id)), append(second, touch(id, 1))
	}
	h.write(append(first, account("healthy"))...)
	s := h.subscribe(func(s *carillon.Subscription) { s.Retry.Schedule = repeat(time.Millisecond, 1) })
	h.sink.answers(func(m *carillon.Message) deliver.Result {
		if m.Lane == "healthy" {
			return deliver.Result{Verdict: deliver.Taken}
		}
		return deliver.Result{Verdict: deliver.FailedAlone, Err: errRefused}
	})
	h.write(second...)
	for n := range 5 {
		h.write(touch("healthy", n))
	}
	h.await("all of them are given up", func() bool {
		status := h.status(s)
		if status.State != carillon.StateActive {
			t.Fatalf("the subscription is %s", status.State)
		}
		return status.DeadLetters == 60
	})
	h.caughtUp(s)
	if got := len(h.sink.list()); got != 5 {
		t.Errorf("%d messages came, want the 5 of the healthy account", got)
	}
	letters, err := h.store.DeadLetters(t.Context(), org, s.ID, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range letters {
		if l.Attempts != 2 {
			t.Errorf("lane %s was given up after %d attempts, want 2", l.Lane, l.Attempts)
		}
	}
}

// A probe that shows the sink well closes the circuit, even if the message failed.
func TestAMessageThatFailsAloneClosesTheCircuit(t *testing.T) {
	h := newHouse(t)
	var first, second []ledger.Write
	for i := range 60 {
		id := fmt.Sprintf("a%d", i)
		first, second = append(first, account(id)), append(second, touch(id, 1))
	}
	h.write(first...)
	s := h.subscribe(nil)
	h.sink.answers(tryAgain)
	h.write(second...)
	h.await("the circuit opens", func() bool { return h.status(s).State == carillon.StateDegraded })
	h.sink.answers(func(*carillon.Message) deliver.Result {
		return deliver.Result{Verdict: deliver.FailedAlone, Err: errRefused}
	})
	h.await("the circuit closes", func() bool { return h.status(s).State == carillon.StateActive })
}

func TestTooManyRequestsHoldsTheSubscription(t *testing.T) {
	h := newHouse(t)
	h.write(account("a"), account("b"))
	s := h.subscribe(nil)
	var mu sync.Mutex
	var asked []time.Time
	h.sink.answers(func(*carillon.Message) deliver.Result {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, time.Now())
		if len(asked) == 1 {
			return deliver.Result{Verdict: deliver.TryAgain, Status: 429, Err: errRefused, RetryAfter: 300 * time.Millisecond}
		}
		return deliver.Result{Verdict: deliver.Taken}
	})
	h.write(touch("a", 1))
	h.await("the first request", func() bool { mu.Lock(); defer mu.Unlock(); return len(asked) > 0 })
	h.write(touch("b", 1))
	h.caughtUp(s)
	mu.Lock()
	defer mu.Unlock()
	if wait := asked[1].Sub(asked[0]); wait < 290*time.Millisecond {
		t.Errorf("asked again after %s, told to wait 300ms", wait)
	}
}

func TestStarts(t *testing.T) {
	h := newHouse(t)
	h.write(account("a"), touch("a", 1), touch("a", 2))
	for _, c := range []struct {
		start carillon.Start
		want  int
	}{
		{carillon.Start{Mode: carillon.StartNow}, 1},
		{carillon.Start{Mode: carillon.StartBeginning}, 4},
		{carillon.Start{Mode: carillon.StartSeq, Seq: 2}, 3},
		{carillon.Start{Mode: carillon.StartSnapshot}, 2},
	} {
		t.Run(string(c.start.Mode), func(t *testing.T) {
			h := newHouse(t)
			h.write(account("a"), touch("a", 1), touch("a", 2))
			s := h.subscribe(func(s *carillon.Subscription) { s.Start = c.start })
			h.write(touch("a", 3))
			h.caughtUp(s)
			if got := len(h.sink.list()); got != c.want {
				t.Errorf("%d messages came, want %d", got, c.want)
			}
		})
	}
}

// What exists, then what happens: applying everything that came in order gives exactly the state of the store, no record
// is told as created twice, and none is missing, while writers go on and the sink fails.
func TestASnapshotHasNoGapAndNoOverlap(t *testing.T) {
	h := newHouse(t)
	const accounts = 400
	var writes []ledger.Write
	for i := range accounts {
		writes = append(writes, account(fmt.Sprintf("a%03d", i)), contact(fmt.Sprintf("c%03d", i), fmt.Sprintf("a%03d", i)))
	}
	h.write(writes...)
	random := rand.New(rand.NewPCG(7, 7))
	var mu sync.Mutex
	sinkRandom := rand.New(rand.NewPCG(8, 8))
	h.sink.answers(failing(func(m *carillon.Message) bool {
		mu.Lock()
		defer mu.Unlock()
		return sinkRandom.Float64() < 0.02
	}))
	s := h.subscribe(func(s *carillon.Subscription) { s.Start = carillon.Start{Mode: carillon.StartSnapshot} })
	for n := range 300 {
		i := random.IntN(accounts)
		switch n % 3 {
		case 0:
			h.write(touch(fmt.Sprintf("a%03d", i), n))
		case 1:
			h.write(account(fmt.Sprintf("new%03d", n)))
		default:
			ref := carillon.Ref{Kind: carillon.KindContact, ID: fmt.Sprintf("c%03d", i)}
			if _, err := h.store.Record(t.Context(), org, ref); err == nil {
				h.write(ledger.Write{Op: ledger.Delete, Ref: ref})
			}
		}
	}
	h.caughtUp(s)
	exists := map[string]bool{}
	seen := map[string]bool{}
	for _, m := range h.sink.list() {
		if seen[m.ID] {
			continue
		}
		seen[m.ID] = true
		id := payloadID(t, m)
		switch m.Type {
		case "account:created", "customer-contact:created":
			if exists[id] {
				t.Errorf("%s was told as created twice", id)
			}
			exists[id] = true
		case "customer-contact:deleted":
			if !exists[id] {
				t.Errorf("%s was told as deleted before it was told to exist", id)
			}
			delete(exists, id)
		default:
			if !exists[id] {
				t.Errorf("%s was told as %s before it was told to exist", id, m.Type)
			}
		}
	}
	for _, kind := range []carillon.Kind{carillon.KindAccount, carillon.KindContact} {
		for after := ""; ; {
			page, err := h.store.Records(t.Context(), org, store.RecordQuery{Kind: kind, After: after, Limit: 500})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				if !exists[r.ID] {
					t.Errorf("%s is in the store and was never told", r.Ref)
				}
				delete(exists, r.ID)
				after = r.ID
			}
			if len(page) < 500 {
				break
			}
		}
	}
	if len(exists) > 0 {
		t.Errorf("told to exist but not in the store: %v", exists)
	}
}

func TestReplay(t *testing.T) {
	h := newHouse(t)
	h.write(account("a"), account("b"))
	s := h.subscribe(nil)
	for n := range 10 {
		h.write(touch("a", n), touch("b", n))
	}
	h.caughtUp(s)
	first := h.sink.list()
	t.Run("a stretch is told again with the same ids", func(t *testing.T) {
		h.sink.forget()
		if err := h.engine.Replay(t.Context(), org, s.ID, 5, 9); err != nil {
			t.Fatal(err)
		}
		h.write(touch("a", 100))
		h.caughtUp(s)
		again := h.sink.list()
		if len(again) != 6 {
			t.Fatalf("%d messages came, want 6", len(again))
		}
		for _, m := range again[:5] {
			if !slices.ContainsFunc(first, func(f carillon.Message) bool { return f.ID == m.ID && string(f.Body) == string(m.Body) }) {
				t.Errorf("%s is not what was told before", m.ID)
			}
		}
	})
	t.Run("to the end of the log", func(t *testing.T) {
		h.sink.forget()
		if err := h.engine.Replay(t.Context(), org, s.ID, 1, 0); err != nil {
			t.Fatal(err)
		}
		h.caughtUp(s)
		if got := len(h.sink.list()); got != 23 {
			t.Errorf("%d messages came, want 23", got)
		}
	})
	t.Run("a stretch that does not exist is refused", func(t *testing.T) {
		if err := h.engine.Replay(t.Context(), org, s.ID, 500, 600); carillon.ErrorCode(err) != carillon.CodeInvalid {
			t.Errorf("got %v", err)
		}
	})
	t.Run("only one at a time", func(t *testing.T) {
		h.sink.forget()
		h.sink.blocks(func(*carillon.Message) bool { return true })
		if err := h.engine.Replay(t.Context(), org, s.ID, 1, 20); err != nil {
			t.Fatal(err)
		}
		h.await("the replay shows", func() bool { return h.status(s).Replay != nil })
		if err := h.engine.Replay(t.Context(), org, s.ID, 1, 3); carillon.ErrorCode(err) != carillon.CodeConflict {
			t.Errorf("got %v", err)
		}
		h.sink.release()
		h.caughtUp(s)
	})
}

func TestBatches(t *testing.T) {
	h := newHouse(t)
	h.write(account("a"), account("b"))
	h.sink.blocks(func(*carillon.Message) bool { return true })
	s := h.subscribe(func(s *carillon.Subscription) {
		s.Batch = carillon.Batch{Max: 10, Wait: time.Millisecond}
		s.Start.Mode = carillon.StartBeginning
	})
	for n := range 49 {
		h.write(touch("a", n), touch("b", n))
	}
	h.sink.release()
	h.caughtUp(s)
	messages := h.sink.list()
	if events := h.sink.events(); len(events) != 100 {
		t.Errorf("%d events came, want 100", len(events))
	}
	if len(messages) > 40 {
		t.Errorf("100 events came in %d messages; batches hold up to 10", len(messages))
	}
	h.checkMoves(s, 0)
}

func TestPauseHoldsAndResumeGoesOn(t *testing.T) {
	h := newHouse(t)
	h.write(account("a"))
	s := h.subscribe(nil)
	if err := h.engine.Pause(t.Context(), org, s.ID); err != nil {
		t.Fatal(err)
	}
	h.write(touch("a", 1), touch("a", 2))
	if status := h.status(s); status.State != carillon.StatePaused || status.Lag != 2 {
		t.Errorf("paused: %+v", status)
	}
	if err := h.engine.Resume(t.Context(), org, s.ID); err != nil {
		t.Fatal(err)
	}
	h.caughtUp(s)
	if got := len(h.sink.list()); got != 2 {
		t.Errorf("%d messages came, want 2", got)
	}
}

func TestAFilterLetsThroughWhatMatches(t *testing.T) {
	h := newHouse(t)
	s := h.subscribe(func(s *carillon.Subscription) {
		s.Filter = `payload.account.health == "At Risk" && payload.previousAccount.health != "At Risk"`
	})
	for i, health := range []string{"Healthy", "At Risk", "At Risk", "Healthy", "At Risk"} {
		h.write(ledger.Write{
			Op: ledger.Put, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: "a"},
			Data: fmt.Appendf(nil, `{"name":"n%d","health":%q}`, i, health),
		})
	}
	h.caughtUp(s)
	for _, m := range h.sink.list() {
		if m.Type != "account:updated" && m.Type != "account-health:changed" {
			t.Errorf("%s came", m.Type)
		}
	}
	if got := len(h.sink.list()); got != 4 {
		t.Errorf("%d messages came, want 4 (two changes, two events each)", got)
	}
}

func TestBadSubscriptionsAreRefused(t *testing.T) {
	h := newHouse(t)
	for member, alter := range map[string]func(*carillon.Subscription){
		"/dialect":          func(s *carillon.Subscription) { s.Dialect = "klingon" },
		"/sink/type":        func(s *carillon.Subscription) { s.Sink.Type = "pigeon" },
		"/filter":           func(s *carillon.Subscription) { s.Filter = "1 +" },
		"/concurrency":      func(s *carillon.Subscription) { s.Concurrency = -1 },
		"/ratePerSecond":    func(s *carillon.Subscription) { s.RatePerSecond = -1 },
		"/batch/max":        func(s *carillon.Subscription) { s.Batch.Max = 100_000 },
		"/retry/schedule/0": func(s *carillon.Subscription) { s.Retry.Schedule = []time.Duration{0} },
		"/onGiveUp":         func(s *carillon.Subscription) { s.OnGiveUp = "panic" },
		"/start":            func(s *carillon.Subscription) { s.Start = carillon.Start{Mode: "yesterday"} },
	} {
		s := &carillon.Subscription{Org: org, Dialect: "platform", Sink: carillon.Sink{Type: carillon.SinkWebhook}}
		alter(s)
		err := h.engine.Create(t.Context(), s)
		var e *carillon.Error
		if !asError(err, &e) || e.Code != carillon.CodeInvalid || len(e.Faults) == 0 || e.Faults[0].Member != member {
			t.Errorf("%s: got %v", member, err)
		}
	}
	if all, err := h.store.Subscriptions(t.Context(), ""); err != nil || len(all) != 0 {
		t.Errorf("subscriptions were left behind: %v, %v", all, err)
	}
}

func TestAnotherOrgCannotTouchASubscription(t *testing.T) {
	h := newHouse(t)
	s := h.subscribe(nil)
	ctx := t.Context()
	for name, act := range map[string]func() error{
		"pause":  func() error { return h.engine.Pause(ctx, "other", s.ID) },
		"resume": func() error { return h.engine.Resume(ctx, "other", s.ID) },
		"delete": func() error { return h.engine.Delete(ctx, "other", s.ID) },
		"replay": func() error { return h.engine.Replay(ctx, "other", s.ID, 1, 0) },
		"rotate": func() error { _, err := h.engine.RotateSecret(ctx, "other", s.ID); return err },
		"test":   func() error { _, err := h.engine.Test(ctx, "other", s.ID); return err },
		"status": func() error { _, err := h.engine.Status(ctx, "other", s.ID); return err },
	} {
		if err := act(); carillon.ErrorCode(err) != carillon.CodeNotFound && name != "replay" || err == nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
	h.write(account("a"))
	h.caughtUp(s)
}

func TestATestSendReachesTheSinkAndChangesNothing(t *testing.T) {
	h := newHouse(t)
	s := h.subscribe(func(s *carillon.Subscription) { s.Events = []string{"account-task:created"} })
	before := h.status(s)
	attempt, err := h.engine.Test(t.Context(), org, s.ID)
	if err != nil || attempt.Outcome != carillon.OutcomeDelivered || attempt.EventType != "account-task:created" {
		t.Errorf("got %+v, %v", attempt, err)
	}
	if len(h.sink.list()) != 1 || h.status(s) != before {
		t.Errorf("%d messages came; status %+v, before %+v", len(h.sink.list()), h.status(s), before)
	}
}

// A batch that failed is tried again as the same batch, with the same id and the same bytes, in a new process too: receivers
// drop repeats by the batch's key.
func TestABatchThatFailedIsTriedAgainAsItWas(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %v", restart), func(t *testing.T) {
			h := newHouse(t)
			for i := range 6 {
				h.write(account(fmt.Sprintf("a%d", i)))
			}
			var mu sync.Mutex
			failed := map[string]string{}
			down := true
			h.sink.answers(failing(func(m *carillon.Message) bool {
				mu.Lock()
				defer mu.Unlock()
				if down {
					failed[m.ID] = string(m.Body)
				}
				return down
			}))
			s := h.subscribe(func(s *carillon.Subscription) {
				s.Batch = carillon.Batch{Max: 5, Wait: 50 * time.Millisecond}
				s.Retry.Schedule = repeat(300*time.Millisecond, 20)
			})
			for n := range 4 {
				var writes []ledger.Write
				for i := range 6 {
					writes = append(writes, touch(fmt.Sprintf("a%d", i), n))
				}
				h.write(writes...)
			}
			h.await("every lane is parked", func() bool { return h.status(s).ParkedLanes == 6 })
			if restart {
				h.stop()
			}
			mu.Lock()
			down = false
			mu.Unlock()
			if restart {
				h.startEngine()
			}
			h.caughtUp(s)
			taken := map[string]string{}
			for _, m := range h.sink.list() {
				taken[m.ID] = string(m.Body)
			}
			if len(failed) == 0 {
				t.Fatal("no batch failed")
			}
			for id, body := range failed {
				if again, ok := taken[id]; !ok {
					t.Errorf("batch %s failed and was never tried again as it was", id)
				} else if again != body {
					t.Errorf("batch %s has another body now", id)
				}
			}
			if events := h.sink.events(); len(events) != 24 {
				t.Errorf("%d events came, want 24", len(events))
			}
			h.checkMoves(s, 6)
		})
	}
}

func TestASubscriptionThatNoLongerAsksForAPendingEventGoesOn(t *testing.T) {
	h := newHouse(t)
	h.write(account("a"))
	s := h.subscribe(nil)
	// The first event of the change is taken, the second hangs: the checkpoint stands between them.
	h.sink.blocks(func(m *carillon.Message) bool { return m.Type == "account-health:changed" })
	h.write(ledger.Write{Op: ledger.Patch, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: "a"}, Data: []byte(`{"health":"At Risk"}`)})
	h.await("the first event", func() bool { return len(h.sink.list()) == 1 })
	s.Events = []string{"deal:*"}
	if err := h.engine.Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	h.sink.release()
	h.caughtUp(s)
}

// A lane that is parked while an older stretch is replayed is not given back before the reader has jumped to where it stood:
// what lies between would never be told.
func TestAReplayForgetsNothingOfAParkedLane(t *testing.T) {
	h := newHouse(t)
	h.write(account("slow"), account("bad"))
	s := h.subscribe(nil)
	for n := range 4 {
		h.write(touch("slow", n), touch("bad", n)) // changes 3 to 10
	}
	h.caughtUp(s)
	var mu sync.Mutex
	down := true
	h.sink.answers(failing(func(m *carillon.Message) bool {
		mu.Lock()
		defer mu.Unlock()
		return down && m.Lane == "bad"
	}))
	for n := range 5 {
		h.write(touch("slow", 100+n), touch("bad", 100+n)) // 11 to 20
	}
	h.await("the bad lane is parked, the other told", func() bool {
		status := h.status(s)
		return status.ParkedLanes == 1 && status.Lag == 0 && len(h.sink.list()) == 13
	})
	h.sink.forget()
	h.sink.blocks(func(m *carillon.Message) bool { return m.Lane == "slow" })
	if err := h.engine.Replay(t.Context(), org, s.ID, 1, 8); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	down = false
	mu.Unlock()
	h.await("the bad lane's part of the stretch", func() bool { return len(h.sink.list()) >= 3 })
	h.sink.release()
	h.caughtUp(s)
	told := h.sink.events()
	for seq := int64(12); seq <= 20; seq += 2 {
		if !slices.Contains(told, seq) {
			t.Errorf("change %d was never told", seq)
		}
	}
}

// An open circuit and parked lanes that all lie ahead of the cursor: the process that comes up must still find a probe.
func TestAnOpenCircuitOutlivesAStopWithWorkInHand(t *testing.T) {
	h := newHouse(t)
	for i := range 40 {
		h.write(account(fmt.Sprintf("a%d", i)))
	}
	s := h.subscribe(func(s *carillon.Subscription) { s.Retry.Schedule = repeat(time.Hour, 5) })
	h.sink.answers(tryAgain)
	h.sink.blocks(func(m *carillon.Message) bool { return m.Lane == "a0" })
	h.write(touch("a0", 1))
	var writes []ledger.Write
	for i := 1; i < 35; i++ {
		writes = append(writes, touch(fmt.Sprintf("a%d", i), 1))
	}
	h.write(writes...)
	h.await("the circuit opens", func() bool { return h.status(s).State == carillon.StateDegraded })
	h.stop()
	h.sink.release()
	h.sink.answers(nil)
	h.startEngine()
	h.caughtUp(s)
	if repeats := h.sink.inOrder(t); len(h.sink.list()) != 35 || repeats != 0 {
		t.Errorf("%d messages came, %d repeats; want 35, 0", len(h.sink.list()), repeats)
	}
}

// What was told of a snapshot is told again as such, not as what the log has at the record's seq.
func TestADeadLetterOfASnapshotIsReplayedAsItWas(t *testing.T) {
	h := newHouse(t)
	h.write(account("a"), touch("a", 1))
	h.sink.answers(func(*carillon.Message) deliver.Result { return deliver.Result{Verdict: deliver.Never, Err: errRefused} })
	s := h.subscribe(func(s *carillon.Subscription) { s.Start = carillon.Start{Mode: carillon.StartSnapshot} })
	h.await("a dead letter", func() bool { return h.status(s).DeadLetters == 1 })
	letters, err := h.store.DeadLetters(t.Context(), org, s.ID, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	h.sink.answers(nil)
	if _, err := h.engine.ReplayDeadLetters(t.Context(), org, s.ID, nil); err != nil {
		t.Fatal(err)
	}
	h.await("the letter is taken", func() bool { return len(h.sink.list()) == 1 })
	if m := h.sink.list()[0]; m.ID != letters[0].EventID || m.Type != "account:created" {
		t.Errorf("%s %s came, want %s", m.Type, m.ID, letters[0].EventID)
	}
}

// A record of a snapshot that nobody takes is given up like any event; its lane's earlier records are not told for ever.
func TestAPoisonousRecordOfASnapshotIsGivenUp(t *testing.T) {
	h := newHouse(t)
	h.write(account("a"), contact("c", "a"))
	h.sink.answers(failing(func(m *carillon.Message) bool { return m.Type == "customer-contact:created" }))
	s := h.subscribe(func(s *carillon.Subscription) {
		s.Start = carillon.Start{Mode: carillon.StartSnapshot}
		s.Retry.Schedule = repeat(time.Millisecond, 3)
	})
	h.await("a dead letter", func() bool { return h.status(s).DeadLetters == 1 })
	h.caughtUp(s)
	if got := len(h.sink.list()); got > 2 {
		t.Errorf("the account was told %d times", got)
	}
}
