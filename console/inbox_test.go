package console_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/console"
)

var aWhile = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// mailroom is an archive of the org dev with two connections and a delivery of each fate.
func mailroom() *archive {
	a := newArchive()
	a.connections = []*carillon.Connection{
		{Org: "dev", ID: "conn_1", Name: "shop", Dialect: "neon", Verify: carillon.Verify{Type: carillon.VerifyBasic, Username: "u", Password: "p4ssw0rd"}},
		{Org: "dev", ID: "conn_2", Dialect: "platform", Verify: carillon.Verify{Type: carillon.VerifyNone}},
		{Org: "other", ID: "conn_3", Name: "theirs", Dialect: "platform", Verify: carillon.Verify{Type: carillon.VerifyNone}},
	}
	a.add(account("dev", "neon_7", "Harbour Ltd", carillon.OpCreated, aWhile))
	a.receive(carillon.Inbound{
		Org: "dev", ID: "inb_1", Connection: "conn_1", State: carillon.InboxApplied, ReceivedAt: aWhile, ProcessedAt: aWhile, Attempts: 1,
		ContentType: "application/json", Header: map[string]string{"User-Agent": "neon/1"}, Body: []byte(`{"eventTrigger":"createAccount"}`),
		Told:  []carillon.InboundEvent{{ID: "der_1", Type: "createAccount", At: aWhile, Record: "account/neon_7", Outcome: "changed", Seqs: []int64{1}}},
		Notes: []string{"a comma was missing after dob"},
	})
	a.receive(carillon.Inbound{
		Org: "dev", ID: "inb_2", Connection: "conn_1", State: carillon.InboxDuplicate, ReceivedAt: aWhile, ProcessedAt: aWhile, Attempts: 1, Body: []byte("x"),
		Told: []carillon.InboundEvent{{ID: "der_1", Type: "createAccount", Record: "account/neon_7", Outcome: "repeated"}},
	})
	a.receive(carillon.Inbound{Org: "dev", ID: "inb_3", Connection: "conn_2", State: carillon.InboxReceived, ReceivedAt: aWhile, Body: []byte("\xff\x01")})
	a.receive(carillon.Inbound{
		Org: "dev", ID: "inb_4", Connection: "conn_2", State: carillon.InboxQuarantined, ReceivedAt: aWhile, ProcessedAt: aWhile, Attempts: 3,
		ContentType: "application/x-www-form-urlencoded", Body: []byte("payload=" + url.QueryEscape(`{"note":{"id":"n_1"}}`)),
		Told:    []carillon.InboundEvent{{ID: "evt_4", Type: "account-note:created", Record: "note/n_1", Outcome: "failed"}},
		Problem: &carillon.InboundProblem{Code: carillon.CodeInvalid, Message: "note n_1 is not valid", Faults: []carillon.Fault{{Member: "/accountId", Reason: "account acc_9 does not exist"}}, Hint: "create the account"},
		Awaits:  carillon.Ref{Kind: carillon.KindAccount, ID: "acc_9"},
	})
	a.receive(carillon.Inbound{Org: "other", ID: "inb_5", Connection: "conn_3", State: carillon.InboxQuarantined, ReceivedAt: aWhile, Body: []byte("Secretive")})
	return a
}

// holds fails unless a page has all of these and none of those after "but not".
func holds(t *testing.T, page string, texts ...string) {
	t.Helper()
	wanted := true
	for _, text := range texts {
		if text == "but not" {
			wanted = false
			continue
		}
		if strings.Contains(page, text) != wanted {
			t.Errorf("the page has %q: %v\n%s", text, !wanted, page)
		}
	}
}

func TestTheInboxListsConnectionsAndDeliveries(t *testing.T) {
	server := open(t, mailroom(), dev)
	_, page := get(t, client(t), server.URL+"/console/inbox")
	holds(t, page, "shop", "conn_2", "/in/conn_1", "verified by basic", "not verified", "inb_1", "inb_2", "inb_3", "inb_4", "createAccount",
		"/accountId account acc_9 does not exist", `<a href="/console/inbox" aria-current="page">`, "but not", "theirs", "inb_5", "p4ssw0rd")
	for path, texts := range map[string][]string{
		"?state=quarantined":                   {"inb_4", "but not", "inb_1", "inb_2", "inb_3"},
		"?connection=conn_1":                   {"inb_1", "inb_2", "all connections", "but not", "inb_3", "inb_4"},
		"?connection=conn_1&state=duplicate":   {"inb_2", "but not", "inb_1"},
		"?connection=conn_1&state=quarantined": {"There is none.", "but not", "inb_"},
		"?after=3":                             {"inb_1", "inb_2", "Newest", "but not", "inb_3", "inb_4"},
	} {
		_, page := get(t, client(t), server.URL+"/console/inbox"+path)
		holds(t, page, texts...)
	}
	for _, path := range []string{"?connection=conn_3", "?connection=nobody", "?state=lost", "?after=x", "?after=-1", "/inb_5", "/inb_9"} {
		if response, _ := get(t, client(t), server.URL+"/console/inbox"+path); response.StatusCode != http.StatusNotFound {
			t.Errorf("GET /console/inbox%s: %s, want 404", path, response.Status)
		}
	}
}

func TestTheInboxIsPagedAndItsCountsEnd(t *testing.T) {
	a := newArchive()
	a.connections = []*carillon.Connection{{Org: "dev", ID: "conn_1", Dialect: "neon", Verify: carillon.Verify{Type: carillon.VerifyNone}}}
	for i := range 130 {
		a.receive(carillon.Inbound{Org: "dev", ID: fmt.Sprintf("inb_%d", i), Connection: "conn_1", State: carillon.InboxQuarantined, ReceivedAt: aWhile})
	}
	server := open(t, a, dev)
	seen := map[string]bool{}
	next := "/console/inbox"
	for pages := 0; next != ""; pages++ {
		if pages > 3 {
			t.Fatal("130 deliveries have more than 4 pages")
		}
		_, page := get(t, client(t), server.URL+next)
		holds(t, page, "<dd>100&#43;</dd>")
		for _, part := range strings.Split(page, `href="/console/inbox/`)[1:] {
			id, _, _ := strings.Cut(part, `"`)
			seen[id] = true
		}
		before, _, found := strings.Cut(page, `">Older</a>`)
		next = ""
		if found {
			next = strings.ReplaceAll(before[strings.LastIndex(before, `href="`)+len(`href="`):], "&amp;", "&")
		}
	}
	if len(seen) != 130 {
		t.Errorf("the pages list %d deliveries, want 130", len(seen))
	}
}

func TestADeliveryIsShownWhole(t *testing.T) {
	server := open(t, mailroom(), dev)
	for id, texts := range map[string][]string{
		"inb_1": {"createAccount", "shop", "a comma was missing after dob", "User-Agent", "neon/1", "Harbour Ltd", `href="/console/events/1/0"`, "&#34;eventTrigger&#34;", "but not", "Run again"},
		"inb_2": {"repeated", "no content type", `<a href="/console/events/1/0">its newest change</a>`},
		"inb_3": {"It has not been read yet", "not yet", "ff 01"},
		"inb_4": {"note n_1 is not valid", "<code>/accountId</code>", "account acc_9 does not exist", "create the account", "<code>account acc_9</code>", "3 times", "Run again", "the form's field payload", "&#34;n_1&#34;", "but not", "payload="},
	} {
		response, page := get(t, client(t), server.URL+"/console/inbox/"+id)
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", id, response.Status)
		}
		holds(t, page, texts...)
		_, part := get(t, client(t), server.URL+"/console/inbox/"+id, "Carillon-Fragment", "1")
		holds(t, part, "data-state=", "but not", "<html")
	}
}

func TestADeliveryIsRunAgainFromItsPage(t *testing.T) {
	a := mailroom()
	server := open(t, a, dev)
	state := func() carillon.InboxState {
		d, err := a.Inbound(t.Context(), "dev", "inb_4")
		if err != nil {
			t.Fatal(err)
		}
		return d.State
	}
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://stranger.example"}} {
		response, _ := ask(t, client(t), http.MethodPost, server.URL+"/console/inbox/inb_4/retry", url.Values{}, header...)
		if response.StatusCode != http.StatusForbidden || state() != carillon.InboxQuarantined {
			t.Errorf("from another site: %s, and it is %s", response.Status, state())
		}
	}
	for range 2 { // the second time there is nothing to run again, and its page says how it stands
		response, _ := ask(t, client(t), http.MethodPost, server.URL+"/console/inbox/inb_4/retry", url.Values{}, "Sec-Fetch-Site", "same-origin")
		if response.StatusCode != http.StatusSeeOther || response.Header.Get("Location") != "/console/inbox/inb_4" || state() != carillon.InboxApplied {
			t.Errorf("run again: %s to %q, and it is %s", response.Status, response.Header.Get("Location"), state())
		}
	}
	if response, _ := ask(t, client(t), http.MethodPost, server.URL+"/console/inbox/inb_5/retry", url.Values{}); response.StatusCode != http.StatusNotFound {
		t.Errorf("another org's: %s", response.Status)
	}
	a.fail(errors.New("disk on fire"))
	if response, page := ask(t, client(t), http.MethodPost, server.URL+"/console/inbox/inb_4/retry", url.Values{}); response.StatusCode != http.StatusInternalServerError || strings.Contains(page, "fire") {
		t.Errorf("with a failing store: %s", response.Status)
	}
}

func TestTheInboxNeedsTheRightAdmin(t *testing.T) {
	a := mailroom()
	a.connections[0].Org, a.inbox[0].Org = "acme", "acme"
	server := open(t, a, nil)
	for _, path := range []string{"/console/inbox", "/console/inbox/inb_1"} {
		if response, _ := get(t, client(t), server.URL+path); response.StatusCode != http.StatusSeeOther {
			t.Errorf("GET %s by a stranger: %s", path, response.Status)
		}
	}
	c := client(t)
	signIn(t, c, server, "acme-key")
	for _, path := range []string{"/console/inbox", "/console/inbox/inb_1"} {
		if response, page := get(t, c, server.URL+path); response.StatusCode != http.StatusForbidden || strings.Contains(page, "createAccount") {
			t.Errorf("GET %s with the right read: %s", path, response.Status)
		}
	}
	if response, _ := ask(t, c, http.MethodPost, server.URL+"/console/inbox/inb_1/retry", url.Values{}); response.StatusCode != http.StatusForbidden {
		t.Errorf("run again with the right read: %s", response.Status)
	}
	if _, page := get(t, c, server.URL+"/"); strings.Contains(page, `href="/console/inbox"`) {
		t.Error("the inbox is offered to those who may not see it")
	}
}

func TestHostileDeliveriesStayText(t *testing.T) {
	a := newArchive()
	a.connections = []*carillon.Connection{{Org: "dev", ID: "conn_1", Name: hostile, Dialect: hostile, Verify: carillon.Verify{Type: hostile}}}
	a.receive(carillon.Inbound{
		Org: "dev", ID: "inb_1", Connection: "conn_1", State: carillon.InboxQuarantined, ReceivedAt: aWhile, ContentType: hostile,
		Header: map[string]string{hostile: hostile}, Body: []byte(`{"` + strings.ReplaceAll(hostile, `"`, "") + `":["</pre><script>"]}`), Notes: []string{hostile},
		Told:    []carillon.InboundEvent{{ID: hostile, Type: hostile, Record: "account/" + hostile, Outcome: hostile}},
		Problem: &carillon.InboundProblem{Message: hostile, Hint: hostile, Faults: []carillon.Fault{{Member: hostile, Reason: hostile}}},
		Awaits:  carillon.Ref{Kind: carillon.KindAccount, ID: hostile},
	})
	a.receive(carillon.Inbound{Org: "dev", ID: "inb_2", Connection: "conn_1", State: carillon.InboxReceived, ReceivedAt: aWhile, Body: []byte("<script>\x00")})
	server := open(t, a, func(cfg *console.Config) { cfg.Dev = true })
	for _, path := range []string{"/console/inbox", "/console/inbox?connection=conn_1", "/console/inbox/inb_1", "/console/inbox/inb_2"} {
		_, page := get(t, client(t), server.URL+path)
		holds(t, page, "&lt;script&gt;", "but not", "<script>", " onclick=", " style=")
	}
}
