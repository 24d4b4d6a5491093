package intake_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/ledger"
	"carillon/store"
)

func TestWhatAVendorTellsBecomesChanges(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	d := h.tell(c, accountEvent("e1", "1", "created", 0, "Acme"))
	h.want(d, "applied changed")
	if d.Attempts != 1 || d.ProcessedAt.IsZero() || d.Told[0].Record != "account/v_1" || !slices.Equal(d.Told[0].Seqs, []int64{1}) {
		t.Errorf("the inbox says %+v", d)
	}
	h.want(h.tell(c, accountEvent("e2", "1", "updated", 1, "Acme Ltd"), contactEvent("e3", "7", "created", 2, "Ada", "1")), "applied changed changed")
	h.want(h.tell(c, accountEvent("e4", "1", "updated", 3, "Acme Ltd")), "applied unchanged")
	h.want(h.tell(c, vendorEvent{ID: "e5", Type: "deleted", Record: "1", At: noon.Add(time.Hour)}), "applied changed")
	want := "created account v_1\nupdated account v_1 ~name\ncreated contact v_7\nupdated contact v_7 ~accountId\ndeleted account v_1\n"
	if got := h.log(0); got != want {
		t.Errorf("the log tells\n%swant\n%s", got, want)
	}
	changes, err := h.store.Changes(t.Context(), org, store.LogQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !changes[0].CameFrom("vendor") || changes[0].CameFrom("vend") || changes[0].Actor.ID != c.ID || changes[0].Actor.Type != "connection" {
		t.Errorf("the change comes from %q by %+v", changes[0].Origin, changes[0].Actor)
	}
}

func TestRepeatsAreDropped(t *testing.T) {
	h := newHouse(t)
	c, other := h.connect(nil), h.connect(func(c *carillon.Connection) { c.IDPrefix = "v_" })
	first := accountEvent("e1", "1", "created", 0, "Acme")
	h.tell(c, first)
	h.byHand(ledger.Patch, carillon.KindAccount, "v_1", `{"name":"by hand"}`)
	head := h.head()
	h.want(h.tell(c, first), "duplicate repeated")
	h.want(h.tell(c, first, first), "duplicate repeated repeated")
	h.want(h.tell(c, first, accountEvent("e2", "2", "created", 0, "Other")), "applied repeated changed")
	h.want(h.tell(c, vendorEvent{ID: "p", Type: "payment"}, first), "duplicate ignored repeated")
	if got := h.log(head); got != "created account v_2\n" {
		t.Errorf("the repeats told\n%s", got)
	}
	// Another connection counts by itself.
	h.want(h.tell(other, first), "applied changed")
}

func TestAnOlderStateThatComesLateChangesNothing(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	h.tell(c, accountEvent("e3", "1", "updated", 30, "newest"))
	head := h.head()
	h.want(h.tell(c, accountEvent("e1", "1", "created", 10, "oldest")), "applied late")
	h.want(h.tell(c, accountEvent("e2", "1", "updated", 20, "older")), "applied late")
	h.want(h.tell(c, vendorEvent{ID: "e4", Type: "deleted", Record: "2", At: noon.Add(time.Minute)}), "applied unchanged")
	h.want(h.tell(c, accountEvent("e5", "2", "created", 10, "deleted since")), "applied late")
	if h.head() != head || h.member(carillon.KindAccount, "v_1", "name") != `"newest"` {
		t.Errorf("the log went on: %s", h.log(head))
	}
}

// What the vendor cannot say it does not overwrite, and what it says no differently stays as it is.
func TestOnlyRealDifferencesAreWritten(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	h.tell(c, accountEvent("e1", "1", "created", 0, "Acme"))
	h.byHand(ledger.Patch, carillon.KindAccount, "v_1",
		`{"status":"PROSPECT","health":"At Risk","domain":"acme.example","billingAddress":{"line1":"1 Quay","line2":"Shed 2","city":"Hull"}}`)
	same := accountEvent("e2", "1", "updated", 1, "Acme")
	same.Account.Domain, same.Account.Street = "acme.example", "1 Quay, Shed 2"
	head := h.head()
	h.want(h.tell(c, same), "applied unchanged")

	inactive := same
	inactive.ID, inactive.At, inactive.Account = "e3", noon.Add(2*time.Second), &vendorAccount{Name: "Acme", Street: "2 Quay"}
	h.want(h.tell(c, inactive), "applied changed")
	if got := h.log(head); got != "updated account v_1 -domain ~status ~billingAddress\n" {
		t.Errorf("the log tells %s", got)
	}
	for name, want := range map[string]string{"status": `"INACTIVE"`, "health": `"At Risk"`, "domain": ""} {
		if got := h.member(carillon.KindAccount, "v_1", name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestWhatHasNoPlaceIsKept(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	event := accountEvent("e1", "1", "created", 0, "Acme")
	event.Account.Colour = "red"
	h.tell(c, event)
	event.ID, event.Type, event.At = "e2", "updated", noon.Add(time.Second)
	h.want(h.tell(c, event), "applied unchanged")
	event.ID, event.Account.Colour = "e3", "blue"
	h.want(h.tell(c, event), "applied changed")
	if got := h.log(1); got != "updated account v_1 ~extra.vendor\n" {
		t.Errorf("the log tells %s", got)
	}
	r, err := h.store.Record(t.Context(), org, carillon.Ref{Kind: carillon.KindAccount, ID: "v_1"})
	if err != nil || string(r.Extra) != `{"vendor":{"colour":"blue"}}` {
		t.Errorf("extra is %s, %v", r.Extra, err)
	}
}

func TestMentionedRecordsAreCreatedAndThenLeftAlone(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	event := contactEvent("e1", "7", "created", 10, "Ada", "1")
	event.Mention = "Acme, in short"
	h.want(h.tell(c, event), "applied changed")
	// What the vendor says of it in full counts even if it was said before the mention.
	h.want(h.tell(c, accountEvent("e2", "1", "created", 5, "Acme")), "applied changed")
	event.ID, event.Contact.First, event.At = "e3", "Zoë", noon.Add(time.Minute)
	h.want(h.tell(c, event), "applied changed")
	want := "created account v_1\ncreated contact v_7\nupdated account v_1 ~name\nupdated contact v_7 ~firstName\n"
	if got := h.log(0); got != want {
		t.Errorf("the log tells\n%swant\n%s", got, want)
	}
}

func TestWhatCannotBeAppliedIsQuarantinedAndCanBeRunAgain(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	quarantined := func(body, code, says string) *carillon.Inbound {
		t.Helper()
		status, answer := h.post(c, body)
		if status != http.StatusOK {
			t.Fatalf("%s was answered with %d", body, status)
		}
		d := h.settled(answer["id"].(string))
		if d.State != carillon.InboxQuarantined || d.Problem == nil || string(d.Problem.Code) != code {
			t.Fatalf("%s is %s: %+v", body, d.State, d.Problem)
		}
		if whole := fmt.Sprint(*d.Problem); !strings.Contains(whole, says) {
			t.Errorf("the problem of %s is %s", body, whole)
		}
		return d
	}
	quarantined(`{"not":"a list"}`, "invalid", "must be a list of events")
	quarantined(`panic`, "internal", "the test wanted it")
	wrong := accountEvent("e1", "1", "created", 0, "Acme")
	wrong.Account.Wrong = json.RawMessage(`"many"`)
	body, err := json.Marshal([]vendorEvent{accountEvent("e0", "0", "created", 0, "Good"), wrong, accountEvent("e2", "2", "created", 0, "Good")})
	if err != nil {
		t.Fatal(err)
	}
	d := quarantined(string(body), "invalid", "/employees")
	h.want(d, "quarantined changed failed changed")
	if got := h.log(0); got != "created account v_0\ncreated account v_2\n" {
		t.Errorf("the good events told %s", got)
	}
	if _, err := h.intake.Retry(t.Context(), org, d.ID); err != nil {
		t.Fatal(err)
	}
	h.await("it is tried again", func() bool { again := h.settled(d.ID); d = again; return again.Attempts == 2 })
	h.want(d, "quarantined changed failed changed")
	if _, err := h.intake.Retry(t.Context(), "another", d.ID); !carillon.IsNotFound(err) {
		t.Errorf("another org's delivery: %v", err)
	}
	good := h.tell(c, accountEvent("e9", "9", "created", 0, "Good"))
	if _, err := h.intake.Retry(t.Context(), org, good.ID); carillon.ErrorCode(err) != carillon.CodeConflict {
		t.Errorf("running again what was applied: %v", err)
	}
}

func TestWhatWaitsForARecordIsAppliedWhenItComes(t *testing.T) {
	for name, come := range map[string]func(h *house, c *carillon.Connection){
		"from the vendor": func(h *house, c *carillon.Connection) { h.tell(c, accountEvent("e0", "1", "created", 0, "Acme")) },
		"by hand": func(h *house, _ *carillon.Connection) {
			h.byHand(ledger.Create, carillon.KindAccount, "v_1", `{"name":"Acme"}`)
		},
		"while the server is down": func(h *house, _ *carillon.Connection) {
			h.stop()
			h.byHand(ledger.Create, carillon.KindAccount, "v_1", `{"name":"Acme"}`)
			h.open()
			h.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			c := h.connect(nil)
			d := h.tell(c, contactEvent("e1", "7", "created", 1, "Ada", "1"), accountEvent("e2", "2", "created", 1, "Other"))
			h.want(d, "quarantined failed changed")
			if d.Awaits != (carillon.Ref{Kind: carillon.KindAccount, ID: "v_1"}) {
				t.Fatalf("it awaits %s", d.Awaits)
			}
			come(h, c)
			h.await("the contact comes", func() bool { return h.member(carillon.KindContact, "v_7", "firstName") == `"Ada"` })
			d = h.settled(d.ID)
			h.want(d, "applied changed changed")
			if d.Problem != nil || d.Awaits.ID != "" {
				t.Errorf("it still has a problem: %+v", d)
			}
		})
	}
}

func TestNothingThatWasAnsweredIsLostByAStop(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	h.stop()
	var ids []string
	for i := range 300 {
		ids = append(ids, h.deliver(c, accountEvent(fmt.Sprint("e", i), fmt.Sprint(i), "created", i, "Acme")))
	}
	if h.head() != 0 {
		t.Fatal("an intake that does not run applied something")
	}
	h.open()
	h.start()
	for _, id := range ids {
		h.want(h.settled(id), "applied changed")
	}
	if h.head() != 300 {
		t.Errorf("the log has %d changes", h.head())
	}
}

// Deliveries that come shuffled, each three times, tell the same story as those that come in order, as long as they come
// within the time that the connection waits.
func TestDeliveriesAreAppliedInTheVendorsOrder(t *testing.T) {
	h := newHouse(t)
	tell := func(shuffled bool, prefix string) string {
		c := h.connect(func(c *carillon.Connection) { c.IDPrefix, c.OrderWait = prefix, 10*time.Minute })
		var events []vendorEvent
		for second := range 60 {
			record := fmt.Sprint(second % 4)
			switch {
			case second < 4:
				events = append(events, accountEvent("e"+fmt.Sprint(second), record, "created", second, "n0"))
			case second == 30 || second == 50:
				events = append(events, vendorEvent{ID: "e" + fmt.Sprint(second), Type: "deleted", Record: record, At: noon.Add(time.Duration(second) * time.Second)})
			case second < 12:
				events = append(events, contactEvent("e"+fmt.Sprint(second), fmt.Sprint("c", second), "created", second, "Ada", record))
			default:
				events = append(events, accountEvent("e"+fmt.Sprint(second), record, "updated", second, fmt.Sprint("n", second)))
			}
		}
		if shuffled {
			events = slices.Concat(events, events, events)
			shuffle := rand.New(rand.NewPCG(1, 2))
			shuffle.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		}
		head := h.head()
		var last string
		for _, e := range events {
			last = h.deliver(c, e)
		}
		if h.head() != head {
			t.Fatal("something was applied before its time")
		}
		c.OrderWait = 0
		if err := h.intake.Update(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		h.settled(last)
		h.await("the inbox is empty", func() bool {
			waiting, err := h.store.Inbox(t.Context(), store.InboxQuery{Connection: c.ID, State: carillon.InboxReceived, Limit: 1})
			return err == nil && len(waiting) == 0
		})
		return strings.ReplaceAll(h.log(head), prefix, "")
	}
	inOrder := tell(false, "a_")
	if got := tell(true, "b_"); got != inOrder {
		t.Errorf("shuffled, the log tells\n%sin order\n%s", got, inOrder)
	}
	if strings.Count(inOrder, "\n") < 60 {
		t.Errorf("the story is short:\n%s", inOrder)
	}
}

func TestTheWaitForOrderEnds(t *testing.T) {
	h := newHouse(t)
	c := h.connect(func(c *carillon.Connection) { c.OrderWait = 50 * time.Millisecond })
	later, earlier := h.deliver(c, accountEvent("e2", "1", "updated", 2, "two")), h.deliver(c, accountEvent("e1", "1", "created", 1, "one"))
	h.want(h.settled(earlier), "applied changed")
	h.want(h.settled(later), "applied changed")
	if got := h.log(0); got != "created account v_1\nupdated account v_1 ~name\n" {
		t.Errorf("the log tells %s", got)
	}
}

// More than memory may hold waits its turn, and nothing is lost.
func TestALongBacklogIsWorkedOff(t *testing.T) {
	h := newHouse(t)
	c := h.connect(func(c *carillon.Connection) { c.OrderWait = 10 * time.Minute })
	h.stop()
	for i := range 120 {
		e := accountEvent(fmt.Sprint("e", i), fmt.Sprint(i), "created", i, "Acme "+strings.Repeat("x", 200))
		e.Account.Colour = strings.Repeat("c", 30_000)
		h.deliver(c, e)
	}
	h.open() // 120 bodies of 30 kB are more than the limit below
	in := h.smallMemory(1 << 20)
	h.intake = in
	h.start()
	h.await("some are applied though none is due", func() bool { return h.head() > 0 })
	c.OrderWait = 0
	if err := h.intake.Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	h.await("all are applied", func() bool { return h.head() == 120 })
}

func TestEventsOfOneRecordAndConcurrentWritersDoNotGetInEachOthersWay(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	h.tell(c, accountEvent("e", "1", "created", 0, "Acme"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			h.byHand(ledger.Patch, carillon.KindAccount, "v_1", fmt.Sprintf(`{"health":"h%d"}`, i)) //nolint:contextcheck // until the test's own end
		}
	}()
	var ids []string
	for i := range 100 {
		ids = append(ids, h.deliver(c, accountEvent(fmt.Sprint("e", i), "1", "updated", i+1, fmt.Sprint("Acme ", i))))
	}
	for _, id := range ids {
		if d := h.settled(id); d.State != carillon.InboxApplied {
			t.Errorf("%s: %+v", outcomes(d), d.Problem)
		}
	}
	cancel()
	<-done
	if got := h.member(carillon.KindAccount, "v_1", "name"); got != `"Acme 99"` {
		t.Errorf("the name is %s", got)
	}
}

func TestNotesSayWhatWasMendedAndPassedOver(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	body, err := json.Marshal([]vendorEvent{{ID: "p", Type: "payment"}})
	if err != nil {
		t.Fatal(err)
	}
	_, answer := h.post(c, " "+string(body))
	d := h.settled(answer["id"].(string))
	h.want(d, "applied ignored")
	if !slices.Equal(d.Notes, []string{"a blank was taken away", "payments have no place here"}) || string(d.Body) != " "+string(body) {
		t.Errorf("notes are %q, the body %q", d.Notes, d.Body)
	}
}
