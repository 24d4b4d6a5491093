package acceptance_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// connection is what an answer says of one.
type connection struct {
	ID, URL string
}

func (s *server) connect(with object) connection {
	s.t.Helper()
	body := object{"name": "vendor", "verify": object{"type": "none"}}
	for k, v := range with {
		body[k] = v
	}
	var made connection
	s.must("POST", "/v1/connections", body, &made)
	return made
}

// post delivers a webhook as a vendor does: it has arrived only when the answer is 2xx.
func (s *server) post(path, contentType, body string) error {
	resp, err := s.http.Post(s.url+path, contentType, strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("POST %s: %d %s", path, resp.StatusCode, answer)
	}
	return nil
}

// inbox lists what a connection's deliveries have become.
func (s *server) inbox(connection, state string, limit int) (list []struct {
	ID, State string
	Problem   json.RawMessage
},
) {
	s.t.Helper()
	var page struct {
		Items json.RawMessage
	}
	s.must("GET", fmt.Sprintf("/v1/inbox?connection=%s&state=%s&limit=%d", connection, state, limit), nil, &page)
	if err := json.Unmarshal(page.Items, &list); err != nil {
		s.t.Fatal(err)
	}
	return list
}

// worked waits until nothing of a connection's inbox waits any more.
func (s *server) worked(connection string) {
	s.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for len(s.inbox(connection, "received", 1)) > 0 {
		if time.Now().After(deadline) {
			s.t.Fatalf("the inbox was not worked off\n%s", s.stderr())
		}
		<-time.After(20 * time.Millisecond) // between two looks
	}
	if bad := s.inbox(connection, "quarantined", 5); len(bad) > 0 {
		s.t.Fatalf("quarantined: %s", bad[0].Problem)
	}
}

// neonStory is n webhooks of Neon about 50 accounts, in order: created, edited, deleted, some created again.
func neonStory(n int) []string {
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	exists := map[int]bool{}
	var story []string
	for i := range n {
		account := 100 + i%50
		at := begin.Add(time.Duration(i) * time.Second).Format("2006-01-02T15:04:05.000-07:00")
		trigger := "editAccount"
		var data string
		switch {
		case !exists[account]:
			trigger = "createAccount"
		case i%17 == 16:
			trigger = "deleteAccount"
		}
		exists[account] = trigger != "deleteAccount"
		if trigger == "deleteAccount" {
			data = fmt.Sprintf(`"account":{"accountId":%d,"deletedDateTime":%q,"deletedBy":"Administrator "}`, account, at)
		} else {
			data = fmt.Sprintf(`"organizationAccount":{"accountId":%d,"organizationName":"Account %d","url":"v%d.example.com",`+
				`"primaryContact":{"firstName":"First","lastName":"Number %d"}}`, account, account, i, i/200)
		}
		story = append(story, fmt.Sprintf(`{"eventTrigger":%q,"eventTimestamp":%q,"organizationId":"harbour","data":{%s}}`, trigger, at, data))
	}
	return story
}

// told lists all events of a server in the platform's words, without what differs from one run to the next.
func (s *server) told() (events []string) {
	s.t.Helper()
	for after := ""; ; {
		var page struct {
			Items []map[string]any
			Next  *string
		}
		path := "/v1/events?limit=500"
		if after != "" {
			path += "&after=" + after
		}
		s.must("GET", path, nil, &page)
		for _, event := range page.Items {
			forget(event, "eventId", "timestamp", "createdAt", "updatedAt", "actor")
			text, err := json.Marshal(event)
			if err != nil {
				s.t.Fatal(err)
			}
			events = append(events, string(text))
		}
		if page.Next == nil {
			return events
		}
		after = *page.Next
	}
}

// forget removes members at any depth.
func forget(v any, names ...string) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range names {
			delete(v, name)
		}
		for _, inside := range v {
			forget(inside, names...)
		}
	case []any:
		for _, inside := range v {
			forget(inside, names...)
		}
	}
}

// records lists the accounts as they stand, without times and versions.
func (s *server) records() (list []string) {
	s.t.Helper()
	var page struct{ Items []map[string]any }
	s.must("GET", "/v1/accounts?limit=500", nil, &page)
	for _, record := range page.Items {
		forget(record, "createdAt", "updatedAt")
		text, err := json.Marshal(record)
		if err != nil {
			s.t.Fatal(err)
		}
		list = append(list, string(text))
	}
	return list
}

// The same 1,000 webhooks come three times each, shuffled, and the plug is pulled again and again while they come and while
// they are applied. The records and the events are those of one delivery in order.
func TestShuffledRepeatedDeliveries(t *testing.T) {
	story := neonStory(1000)

	reference := serve(t, t.TempDir())
	in := reference.connect(object{"dialect": "neon"})
	for _, body := range story {
		if err := reference.post(in.URL, "application/json", body); err != nil {
			t.Fatal(err)
		}
	}
	reference.worked(in.ID)
	wantEvents, wantRecords := reference.told(), reference.records()
	if len(wantEvents) < 1000 || len(wantRecords) < 30 {
		t.Fatalf("the story in order makes %d events and %d accounts", len(wantEvents), len(wantRecords))
	}
	reference.stop()

	dir := t.TempDir()
	var current atomic.Pointer[server]
	current.Store(serve(t, dir))
	in = current.Load().connect(object{"dialect": "neon", "orderWaitMs": 600_000})
	r := receive(t)
	sub := current.Load().subscribe(r, nil)
	deliveries := slices.Concat(story, story, story)
	shuffle := rand.New(rand.NewPCG(7, 7))
	shuffle.Shuffle(len(deliveries), func(i, j int) { deliveries[i], deliveries[j] = deliveries[j], deliveries[i] })

	var next atomic.Int64
	var up sync.RWMutex // held for writing while the server is down
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(deliveries) {
					return
				}
				for deadline := time.Now().Add(time.Minute); ; { // as vendors do: until it is taken
					up.RLock()
					err := current.Load().post(in.URL, "application/json", deliveries[i])
					up.RUnlock()
					if err == nil {
						break
					}
					if time.Now().After(deadline) {
						t.Errorf("delivery %d is never taken: %v", i, err)
						return
					}
					<-time.After(2 * time.Millisecond)
				}
			}
		})
	}
	pull := func() {
		old := current.Load()
		old.kill()
		up.Lock()
		current.Store(serve(t, dir))
		up.Unlock()
	}
	for kill := range *kills {
		for goal := int64(len(deliveries) * (kill + 1) / (*kills + 1)); next.Load() < goal; {
			<-time.After(time.Millisecond) // between two looks
		}
		pull()
	}
	senders.Wait()
	if t.Failed() {
		return
	}
	if events := current.Load().told(); len(events) != 0 {
		t.Fatalf("%d events were told before their time", len(events))
	}
	current.Load().must("PATCH", "/v1/connections/"+in.ID, object{"orderWaitMs": 0}, nil)
	for range *kills { // and while they are applied
		pull()
	}
	s := current.Load()
	s.worked(in.ID)
	compare(t, "events", s.told(), wantEvents)
	compare(t, "records", s.records(), wantRecords)

	// Every delivery was kept, and each event applied by one of them.
	applied, duplicates := 0, 0
	for _, state := range []string{"applied", "duplicate"} {
		for after := ""; ; {
			var page struct {
				Items []json.RawMessage
				Next  *string
			}
			s.must("GET", "/v1/inbox?limit=500&connection="+in.ID+"&state="+state+after, nil, &page)
			if state == "applied" {
				applied += len(page.Items)
			} else {
				duplicates += len(page.Items)
			}
			if page.Next == nil {
				break
			}
			after = "&after=" + *page.Next
		}
	}
	if applied != len(story) || applied+duplicates < len(deliveries) {
		t.Errorf("%d deliveries were applied and %d were duplicates, of %d", applied, duplicates, len(deliveries))
	}
	// A vendor's repeat of a request whose answer the kill swallowed makes a few more.
	t.Logf("%d applied, %d duplicates, %d kills", applied, duplicates, 2**kills)
	s.caughtUp(sub.ID)
	if disorder := r.OutOfOrder(); len(disorder) > 0 {
		t.Errorf("a subscriber heard events out of order: %v", disorder[:min(5, len(disorder))])
	}
	s.stop()
}

func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s differ at %d:\n%s\nin order:\n%s", what, i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d %s, in order %d", len(got), what, len(want))
	}
}
