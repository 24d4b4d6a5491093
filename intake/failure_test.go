package intake_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/platform"
	"carillon/intake"
	"carillon/ledger"
	"carillon/store"
	"carillon/store/sqlstore"
)

// flaky is a store whose next writes fail, as many as the test says.
type flaky struct {
	*sqlstore.Store
	failures atomic.Int32
}

func (f *flaky) Update(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	if f.failures.Add(-1) >= 0 {
		return &carillon.Error{Code: carillon.CodeUnavailable, Message: "the test took the store away"}
	}
	return f.Store.Update(ctx, fn)
}

// mute is a vendor's dialect that cannot tell of some records.
type mute struct{ vendor }

func (mute) Encode(ev carillon.Event, s dialect.Settings) (carillon.Message, error) {
	switch {
	case strings.Contains(string(ev.Change.After), "unspeakable"):
		return carillon.Message{}, errors.New("there is no word for it")
	case strings.Contains(string(ev.Change.After), "unthinkable"):
		panic("the test wanted it")
	}
	return vendor{}.Encode(ev, s)
}

// reopen has another intake take over, on another store or with another dialect.
func (h *house) reopen(s store.Store, d dialect.Dialect) {
	h.Helper()
	h.stop()
	in, err := intake.New(intake.Config{
		Store: s, Ledger: h.ledger, Client: h.client,
		Dialects: map[string]dialect.Dialect{"vendor": d, "platform": platform.New()},
	})
	if err != nil {
		h.Fatal(err)
	}
	h.intake = in
	h.start()
}

func TestAStoreThatFailsForAMomentLosesNothing(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	f := &flaky{Store: h.store}
	h.stop()
	_, broken := h.post(c, `not JSON`)
	_, waiting := h.post(c, `[{"id":"e1","type":"created","record":"7","contact":{"first":"Ada","account":"1"}}]`)
	f.failures.Store(3)
	h.reopen(f, vendor{})
	h.want(h.settled(broken["id"].(string)), "quarantined")
	id := waiting["id"].(string)
	h.want(h.settled(id), "quarantined failed")
	f.failures.Store(2) // when it is put back
	h.byHand(ledger.Create, carillon.KindAccount, "v_1", `{"name":"Acme"}`)
	h.await("the contact comes", func() bool { return h.member(carillon.KindContact, "v_7", "firstName") == `"Ada"` })
	h.want(h.settled(id), "applied changed")
}

func TestARecordThatCannotBeToldHoldsNobodyUp(t *testing.T) {
	h := newHouse(t)
	h.reopen(h.store, mute{})
	c := h.connect(nil)
	for _, name := range []string{"unspeakable", "unthinkable"} {
		h.want(h.tell(c, accountEvent(name+"1", name, "created", 1, name)), "applied changed")
		h.want(h.tell(c, accountEvent(name+"2", name, "updated", 2, "Acme")), "applied changed")
		if got := h.member(carillon.KindAccount, "v_"+name, "name"); got != `"Acme"` {
			t.Errorf("the name is %s", got)
		}
	}
	h.want(h.tell(c, accountEvent("e9", "9", "created", 1, "Other")), "applied changed")
}

func TestAMentionDoesNotBringADeletedRecordBack(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	h.tell(c, accountEvent("e1", "1", "created", 1, "Acme"))
	h.tell(c, vendorEvent{ID: "e2", Type: "deleted", Record: "1", At: noon.Add(30 * time.Second)})
	late := contactEvent("e3", "7", "created", 20, "Ada", "1")
	late.Mention = "Acme"
	h.want(h.tell(c, late), "quarantined failed") // it is of an account that is no more
	if h.member(carillon.KindAccount, "v_1", "name") != "" {
		t.Error("the account is back")
	}
	later := contactEvent("e4", "8", "created", 40, "Zoë", "1")
	later.Mention = "Acme"
	h.want(h.tell(c, later), "applied changed") // the vendor has it again
}

func TestADeletionByAVendorTakesAlongOnlyWhatCannotBeWithout(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	h.tell(c, accountEvent("e1", "1", "created", 1, "Acme"))
	h.byHand(ledger.Create, carillon.KindContact, "con_1", `{"firstName":"Ada","lastName":"Gale","email":"a@example.com","accountId":"v_1"}`)
	h.byHand(ledger.Create, carillon.KindTask, "task_1", `{"title":"Ring","accountId":"v_1"}`)
	h.byHand(ledger.Create, carillon.KindDeal, "deal_1", `{"name":"Bells","accountId":"v_1"}`)
	h.byHand(ledger.Create, carillon.KindNote, "note_1", `{"title":"Of it","content":"x","accountId":"v_1"}`)
	head := h.head()
	h.want(h.tell(c, vendorEvent{ID: "e2", Type: "deleted", Record: "1", At: noon.Add(time.Minute)}), "applied changed")
	got := strings.Split(strings.TrimSpace(h.log(head)), "\n")
	slices.Sort(got)
	want := []string{
		"deleted account v_1", "deleted note note_1", "updated contact con_1 ~accountId", "updated deal deal_1 -accountId", "updated task task_1 ~accountId",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log tells %q, want %q", got, want)
	}
	changes, err := h.store.Changes(t.Context(), org, store.LogQuery{After: head, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		if !change.CameFrom("vendor") {
			t.Errorf("%s %s comes from %q: it would be told back to its vendor", change.Op, change.Ref, change.Origin)
		}
	}
}

func TestWhatWaitsIsRunAgainWhateverElseItsDeliveryTold(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	d := h.tell(c, contactEvent("a", "7", "created", 1, "Ada", "1"), accountEvent("b", "2", "created", 2, "B"), accountEvent("c", "2", "updated", 3, "B2"))
	h.want(d, "quarantined failed changed changed")
	h.byHand(ledger.Create, carillon.KindAccount, "v_1", `{"name":"Acme"}`)
	h.await("the contact comes", func() bool { return h.member(carillon.KindContact, "v_7", "firstName") == `"Ada"` })
}

func TestAClockAheadOfTimeFreezesNothing(t *testing.T) {
	h := newHouse(t)
	c := h.connect(nil)
	ahead := accountEvent("e1", "1", "created", 0, "Acme")
	ahead.At = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	d := h.tell(c, ahead)
	h.want(d, "applied changed")
	if len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "as of its arrival") {
		t.Errorf("notes are %q", d.Notes)
	}
	now := accountEvent("e2", "1", "updated", 0, "Acme Ltd")
	now.At = time.Now().Add(time.Minute) // a little ahead is usual
	h.want(h.tell(c, now), "applied changed")
}

func TestOnlyWhatSNSSignedIsRead(t *testing.T) {
	sns := newAWS(t)
	h := newHouse(t)
	h.client = &http.Client{Transport: sns}
	h.reopen(h.store, vendor{})
	c := h.connect(func(c *carillon.Connection) {
		c.Dialect, c.Verify = "platform", carillon.Verify{Type: carillon.VerifySNS, TopicARN: topic}
	})
	signed := sns.notification(t, "2", nil)
	evil := `{"eventId":"evil","eventType":"account:created","payload":{"account":{"id":"EVIL","name":"Evil"}}}`
	quoted, err := json.Marshal(evil)
	if err != nil {
		t.Fatal(err)
	}
	status, answer := h.post(c, strings.TrimSuffix(evil, "}")+","+strings.TrimPrefix(signed, "{"))
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	h.want(h.settled(answer["id"].(string)), "applied changed") // as it was signed: what stands beside is nobody's word
	for name, body := range map[string]string{
		"a member in other letters": strings.Replace(signed, `"Message":`, `"Message":`+string(quoted)+`,"message":`, 1),
		"a member given twice":      strings.Replace(signed, `"Message":`, `"Message":`+string(quoted)+`,"Message":`, 1),
	} {
		if status, _ := h.post(c, body); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
	}
	if got := h.log(0); got != "created account ACC1\n" {
		t.Errorf("the log tells %s", got)
	}
}

func TestAConfirmationThatFailsHoldsNobodyUp(t *testing.T) {
	sns := newAWS(t)
	h := newHouse(t)
	h.client = &http.Client{Transport: sns}
	h.reopen(h.store, vendor{})
	c := h.connect(func(c *carillon.Connection) {
		c.Dialect, c.Verify = "platform", carillon.Verify{Type: carillon.VerifySNS, TopicARN: topic}
	})
	if status, _ := h.post(c, sns.notification(t, "1", nil)); status != http.StatusOK { // the certificate is known from now on
		t.Fatal(status)
	}
	sns.mu.Lock()
	sns.down = true
	sns.mu.Unlock()
	_, confirmation := h.post(c, sns.confirmation(t, "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=x"))
	sns.awaitTry(t)
	_, answer := h.post(c, sns.notification(t, "2", map[string]string{"Message": `{"eventId":"evt_2","eventType":"account:created",` +
		`"timestamp":"2026-03-01T12:00:00Z","payload":{"account":{"id":"ACC2","name":"Acme"}}}`}))
	h.want(h.settled(answer["id"].(string)), "applied changed")
	sns.mu.Lock()
	sns.down = false
	sns.mu.Unlock()
	h.want(h.settled(confirmation["id"].(string)), "applied")
}

func TestSecretsAreNotKeptHoweverTheyAreSpelled(t *testing.T) {
	h := newHouse(t)
	const secret = `s3cr/et+="é`
	c := h.connect(func(c *carillon.Connection) {
		c.Verify = carillon.Verify{Type: carillon.VerifyParameter, Name: "token", Value: secret}
	})
	for _, spelled := range []string{`s3cr/et+=\"é`, `s3cr\/et+=\"\u00e9`, `\u0073\u0033cr/et+=\u0022é`} {
		status, answer := h.post(c, strings.Replace(oneEvent, `"s3cret"`, `"`+spelled+`"`, 1))
		if status != http.StatusOK {
			t.Fatalf("%s: %d %v", spelled, status, answer)
		}
		d, err := h.store.Inbound(t.Context(), org, answer["id"].(string))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(d.Body), `{"token":"***"}`) || strings.Contains(string(d.Body), "cr") && strings.Contains(string(d.Body), "et+=") {
			t.Errorf("%s is kept as %s", spelled, d.Body)
		}
		h.settled(d.ID)
	}
	named := h.connect(func(c *carillon.Connection) {
		c.Verify = carillon.Verify{Type: carillon.VerifyHeader, Name: "ce-token", Value: "s3cret"}
	})
	_, answer := h.post(named, oneEvent, "Ce-Token", "s3cret")
	if d := h.settled(answer["id"].(string)); fmt.Sprint(d.Header) != "map[User-Agent:Go-http-client/1.1]" {
		t.Errorf("the headers kept are %v", d.Header)
	}
}
