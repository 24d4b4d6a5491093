package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/api"
)

// story writes a few changes: an account made, turned "At Risk" with a custom field (three events), and a note on another.
func (h *house) story() {
	h.t.Helper()
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"One","health":"Healthy"}`).want(201)
	h.do(http.MethodPut, "/v1/accounts/acc_2", `{"name":"Two"}`).want(201)
	h.do(http.MethodPatch, "/v1/accounts/acc_1", `{"health":"At Risk","customFields":{"tier":["gold"]}}`).want(200)
	h.do(http.MethodPut, "/v1/notes/n_1", `{"accountId":"acc_2","title":"N","content":"c"}`).want(201)
}

var storyTypes = []string{
	"account:created", "account:created", "account:updated", "account-health:changed", "account-custom_field_value:added", "account-note:created",
}

// events is a page of them.
type events struct {
	Items []struct {
		Seq                       int64
		EventID, EventType, OrgID string
		Payload                   json.RawMessage
	}
	Next *string
}

func (e events) types() string {
	var names []string
	for _, item := range e.Items {
		names = append(names, item.EventType)
	}
	return strings.Join(names, " ")
}

func (h *house) events(query string) events {
	h.t.Helper()
	var page events
	h.get("/v1/events" + query).want(200).into(&page)
	return page
}

func TestEventsAreReadInTheOrderOfTheLog(t *testing.T) {
	h := open(t)
	h.story()
	all := h.events("")
	if all.types() != strings.Join(storyTypes, " ") || all.Next != nil {
		t.Errorf("events %s, next %v", all.types(), all.Next)
	}
	for _, c := range []struct{ query, want string }{
		{"?after=2", strings.Join(storyTypes[2:], " ")},
		{"?after=3.1", strings.Join(storyTypes[3:], " ")},
		{"?after=3.2&limit=1", storyTypes[4]},
		{"?after=99", ""},
		{"?account=acc_2", "account:created account-note:created"},
		{"?types=account-health:changed", "account-health:changed"},
		{"?types=account-custom_field_value:*,account-note:*", "account-custom_field_value:added account-note:created"},
		{"?types=account-task:*", ""},
	} {
		if got := h.events(c.query).types(); got != c.want {
			t.Errorf("%s: %s, want %s", c.query, got, c.want)
		}
	}
	var paged []string
	query := "?limit=1"
	for range len(storyTypes) + 2 {
		page := h.events(query)
		paged = append(paged, strings.Fields(page.types())...)
		if page.Next == nil {
			break
		}
		query = "?limit=1&after=" + *page.Next
	}
	if strings.Join(paged, " ") != strings.Join(storyTypes, " ") {
		t.Errorf("one by one: %v", paged)
	}
}

func TestARareTypeCostsABoundedLookAtATime(t *testing.T) {
	h := open(t, func(c *api.Config) { c.Limits.Scan = 2 })
	h.story()
	query := "?types=account-note:created"
	for pages := 1; ; pages++ {
		page := h.events(query)
		if len(page.Items) > 0 {
			if pages < 2 || page.types() != "account-note:created" {
				t.Errorf("page %d: %s", pages, page.types())
			}
			return
		}
		if page.Next == nil || pages > 4 {
			t.Fatalf("page %d is empty and says next %v", pages, page.Next)
		}
		query = "?types=account-note:created&after=" + *page.Next
	}
}

func TestAnEventIsFoundByItsID(t *testing.T) {
	h := open(t)
	h.story()
	for _, item := range h.events("").Items {
		one := h.get("/v1/events/" + item.EventID).want(200)
		if one.member("eventId") != item.EventID || one.member("eventType") != item.EventType || one.member("seq") != fmt.Sprint(item.Seq) {
			t.Errorf("%s: %s", item.EventID, one.body)
		}
	}
}

// stream is an open SSE connection.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	resp  *http.Response
}

func (h *house) stream(ctx context.Context, query string, headers ...with) stream {
	t := h.t.(*testing.T)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/v1/events/stream"+query, nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer dev")
	for _, set := range headers {
		for name, value := range set {
			req.Header.Set(name, value)
		}
	}
	resp, err := h.client.Do(req)
	must(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("stream: %s %v", resp.Status, resp.Header)
	}
	prove(http.MethodGet, "/v1/events/stream")
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return stream{t, lines, resp}
}

// told is one event of a stream.
type told struct {
	id, event, data                  string
	message, lane, time, contentType string
	header                           []string
}

// next reads the next event, passing over comments and bare ids; ok is false at the end of the stream.
func (s stream) next() (e told, ok bool) {
	s.t.Helper()
	for s.lines.Scan() {
		line := s.lines.Text()
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && e.data != "":
			return e, true
		case line == "":
			e = told{}
		case name == "id":
			e.id = value
		case name == "event":
			e.event = value
		case name == "data":
			e.data += value
		case name == "message":
			e.message = value
		case name == "lane":
			e.lane = value
		case name == "time":
			e.time = value
		case name == "content-type":
			e.contentType = value
		case name == "header":
			e.header = append(e.header, value)
		}
	}
	return told{}, false
}

func (s stream) want(types ...string) []told {
	s.t.Helper()
	var list []told
	for _, want := range types {
		e, ok := s.next()
		if !ok || e.event != want {
			s.t.Fatalf("the stream tells %+v, want %s", e, want)
		}
		list = append(list, e)
	}
	return list
}

func TestAStreamTellsWhatWasAndWhatHappens(t *testing.T) {
	h := open(t)
	h.story()
	s := h.stream(t.Context(), "?after=0")
	list := s.want(storyTypes...)
	var ids []string
	for _, e := range list {
		ids = append(ids, e.id)
		var message struct{ EventType string }
		must(t, json.Unmarshal([]byte(e.data), &message))
		if message.EventType != e.event {
			t.Errorf("event %s carries %s", e.event, e.data)
		}
	}
	if got := strings.Join(ids, " "); got != "1 2 3.1 3.2 3 4" {
		t.Errorf("ids %s", got)
	}
	h.do(http.MethodPatch, "/v1/accounts/acc_2", `{"health":"RED"}`).want(200)
	s.want("account:updated", "account-health:changed")
	h.do(http.MethodDelete, "/v1/notes/n_1", "").want(204)
	s.want("account-note:deleted")
}

func TestAStreamBeginsNowUnlessToldOtherwise(t *testing.T) {
	h := open(t)
	h.story()
	s := h.stream(t.Context(), "?types=account:*")
	h.do(http.MethodPatch, "/v1/accounts/acc_2", `{"name":"Deux"}`).want(200)
	s.want("account:updated")
}

func TestAStreamResumesWithoutAGapAtEveryID(t *testing.T) {
	h := open(t)
	h.story()
	list := h.stream(t.Context(), "?after=0").want(storyTypes...)
	for i, e := range list {
		h.stream(t.Context(), "", with{"Last-Event-ID": e.id}).want(storyTypes[i+1:]...)
	}
	// The id counts the filter in: what it left out of the last change is not told either.
	only := h.stream(t.Context(), "?after=0&types=account:created,account-health:changed").want("account:created", "account:created", "account-health:changed")
	if got := only[2].id; got != "3" {
		t.Errorf("id of the last event asked for of its change: %q", got)
	}
}

func TestASilentStreamShowsLifeAndItsPlace(t *testing.T) {
	h := open(t, func(c *api.Config) { c.Limits.Heartbeat = 5 * time.Millisecond })
	h.story()
	s := h.stream(t.Context(), "?types=account-task:*&after=0")
	comment, place := false, false
	for s.lines.Scan() && !(comment && place) {
		comment = comment || strings.HasPrefix(s.lines.Text(), ":")
		place = place || s.lines.Text() == "id: 4"
	}
	if !comment || !place {
		t.Errorf("comment %v, place %v", comment, place)
	}
}

func TestStreamsEndWhenTheServerStops(t *testing.T) {
	h := open(t)
	s := h.stream(t.Context(), "")
	h.stop()
	if e, ok := s.next(); ok {
		t.Errorf("the stream goes on: %+v", e)
	}
	if err := s.lines.Err(); err != nil {
		t.Errorf("the stream did not end cleanly: %v", err)
	}
}

func TestStreamsOfAnOrgAreCounted(t *testing.T) {
	h := open(t, func(c *api.Config) { c.Limits.Streams = 1 })
	ctx, leave := context.WithCancel(t.Context())
	h.stream(ctx, "")
	if a := h.get("/v1/events/stream"); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	} else {
		a.refusal(429, "limited")
	}
	other := with{"Authorization": "Bearer " + h.key("other", carillon.RightRead)}
	h.stream(t.Context(), "", other)
	leave()
	h.eventually("the place of a reader who left", h.streamIsFree)
}

func TestAReaderWhoDoesNotReadLosesTheStream(t *testing.T) {
	h := open(t, func(c *api.Config) { c.Limits.Streams, c.Limits.Idle = 1, 50*time.Millisecond })
	var lines strings.Builder
	for i := range 150 { // far more than the buffers of a connection hold
		fmt.Fprintf(&lines, `{"op":"put","kind":"account","id":"acc_%d","data":{"name":"A","metadata":{"fill":%q}}}`+"\n", i, strings.Repeat("x", 200_000))
	}
	h.batch(lines.String())
	h.stream(t.Context(), "?after=0") // and never read
	h.eventually("the place to be free again", h.streamIsFree)
}

// streamIsFree reports whether one more stream is let in.
func (h *house) streamIsFree() bool {
	ctx, cancel := context.WithCancel(h.t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/v1/events/stream", nil)
	must(h.t, err)
	req.Header.Set("Authorization", "Bearer dev")
	resp, err := h.client.Do(req)
	must(h.t, err)
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode == http.StatusOK
}

func TestATimelineTellsWhatHappenedToAnAccountNewestFirst(t *testing.T) {
	h := open(t)
	h.story()
	h.do(http.MethodDelete, "/v1/notes/n_1", "").want(204)
	type entry struct {
		Seq                 int64
		Op, Kind, ID, Label string
		Actor               carillon.Actor
		Changes             []struct {
			Member          string
			Previous, Value json.RawMessage
		}
		Events []string
	}
	var page struct {
		Items []entry
		Next  *string
	}
	h.get("/v1/accounts/acc_1/timeline").want(200).into(&page)
	if len(page.Items) != 2 || page.Next != nil {
		t.Fatalf("timeline %+v", page)
	}
	update := page.Items[0]
	if update.Op != "updated" || update.Seq != 3 || update.Label != "One" || strings.Join(update.Events, " ") != strings.Join(storyTypes[2:5], " ") {
		t.Errorf("update %+v", update)
	}
	members := map[string]string{}
	for _, c := range update.Changes {
		members[c.Member] = string(c.Previous) + " → " + string(c.Value)
	}
	if members["health"] != `"Healthy" → "At Risk"` || members["customFields.tier"] != ` → ["gold"]` {
		t.Errorf("changes %v", members)
	}
	if page.Items[1].Op != "created" || len(page.Items[1].Changes) != 0 {
		t.Errorf("creation %+v", page.Items[1])
	}
	var seqs []string
	for next := ""; ; {
		page.Items, page.Next = nil, nil
		h.get("/v1/accounts/acc_2/timeline?limit=1" + next).want(200).into(&page)
		for _, e := range page.Items {
			seqs = append(seqs, fmt.Sprintf("%d %s %s", e.Seq, e.Kind, e.Op))
		}
		if page.Next == nil {
			break
		}
		next = "&after=" + *page.Next
	}
	if got := strings.Join(seqs, ", "); got != "5 note deleted, 4 note created, 2 account created" {
		t.Errorf("one by one: %s", got)
	}
	h.do(http.MethodDelete, "/v1/accounts/acc_2", "").want(204)
	h.get("/v1/accounts/acc_2/timeline").want(200) // what happened stays
}

func TestAHierarchyShowsWhoStandsAboveAndBelow(t *testing.T) {
	h := open(t)
	h.do(http.MethodPut, "/v1/accounts/top", `{"name":"Top"}`).want(201)
	h.do(http.MethodPut, "/v1/accounts/mid", `{"name":"Mid","parentAccountId":"top"}`).want(201)
	h.do(http.MethodPut, "/v1/accounts/low", `{"name":"Low","parentAccountId":"mid"}`).want(201)
	h.do(http.MethodPut, "/v1/accounts/side", `{"name":"Side"}`).want(201)
	h.do(http.MethodPut, "/v1/relationships/r1", `{"parentAccountId":"side","childAccountId":"mid","relationshipType":"PARTNER"}`).want(201)
	// A circle: low stands above side.
	h.do(http.MethodPut, "/v1/relationships/r2", `{"parentAccountId":"low","childAccountId":"side","relationshipType":"PARTNER"}`).want(201)
	var picture struct {
		Account string
		Nodes   []struct {
			ID    string
			Depth int
		}
		Links []struct{ Parent, Child, Relationship string }
		Cut   bool
	}
	h.get("/v1/accounts/mid/hierarchy").want(200).into(&picture)
	nodes, links := map[string]int{}, map[string]bool{}
	for _, n := range picture.Nodes {
		nodes[n.ID] = n.Depth
	}
	for _, l := range picture.Links {
		links[l.Parent+">"+l.Child] = true
	}
	if len(nodes) != 4 || nodes["mid"] != 0 || nodes["top"] != -1 || nodes["side"] != -1 || picture.Cut {
		t.Errorf("nodes %v", picture)
	}
	for _, want := range []string{"top>mid", "mid>low", "side>mid", "low>side"} {
		if !links[want] {
			t.Errorf("no link %s: %v", want, links)
		}
	}
	if len(picture.Links) != 4 {
		t.Errorf("links %+v", picture.Links)
	}
}
