package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"carillon"
	"carillon/store"
)

func TestARecordIsCreatedReadChangedAndDeleted(t *testing.T) {
	h := open(t)
	created := h.do(http.MethodPost, "/v1/accounts", `{"name":"Acme","health":"Healthy"}`).want(201)
	id := created.member("id")
	if got := created.header.Get("Location"); got != "/v1/accounts/"+id {
		t.Errorf("Location %q", got)
	}
	if created.header.Get("ETag") != `"1"` || created.header.Get("carillon-seq") != "1" || created.member("version") != "1" {
		t.Errorf("ETag %q, seq %q, version %s", created.header.Get("ETag"), created.header.Get("carillon-seq"), created.member("version"))
	}
	patched := h.do(http.MethodPatch, "/v1/accounts/"+id, `{"health":"At Risk"}`, with{"Content-Type": "application/merge-patch+json"}).want(200)
	if patched.member("health") != "At Risk" || patched.member("name") != "Acme" || patched.header.Get("ETag") != `"2"` {
		t.Errorf("patched: %s", patched.body)
	}
	read := h.get("/v1/accounts/" + id).want(200)
	if string(read.body) != string(patched.body) {
		t.Errorf("read %s, patched %s", read.body, patched.body)
	}
	h.get("/v1/accounts/"+id, with{"If-None-Match": `"1", W/"2"`}).want(304)
	h.get("/v1/accounts/"+id, with{"If-None-Match": `"1"`}).want(200)
	put := h.do(http.MethodPut, "/v1/accounts/"+id, `{"name":"Acme","health":"At Risk"}`).want(200)
	if put.header.Get("carillon-seq") != "" || put.member("version") != "2" {
		t.Errorf("a PUT that changes nothing made a change: %v %s", put.header, put.body)
	}
	h.do(http.MethodPut, "/v1/accounts/acc_new", `{"name":"New"}`).want(201)
	gone := h.do(http.MethodDelete, "/v1/accounts/"+id, "").want(204)
	if gone.header.Get("carillon-seq") == "" || len(gone.body) > 0 {
		t.Errorf("deleted: %v %s", gone.header, gone.body)
	}
	h.get("/v1/accounts/"+id).refusal(404, "not_found")
	before := h.get("/v1/accounts/" + id + "?asOf=1").want(200)
	if before.member("health") != "Healthy" {
		t.Errorf("as of 1: %s", before.body)
	}
	h.get("/v1/accounts/"+id+"?asOf=99").refusal(422, "invalid")
}

func TestAListIsPagedAndNarrowed(t *testing.T) {
	h := open(t)
	for i := range 7 {
		status := []string{"ACTIVE", "CHURNED"}[i%2]
		h.do(http.MethodPut, fmt.Sprintf("/v1/accounts/acc_%d", i), fmt.Sprintf(`{"name":"Account %d","status":%q}`, i, status)).want(201)
	}
	h.do(http.MethodPut, "/v1/contacts/con_1", `{"firstName":"A","lastName":"B","email":"a@example.com","accountId":"acc_1"}`).want(201)
	h.do(http.MethodPut, "/v1/contacts/con_2", `{"firstName":"C","lastName":"D","email":"c@example.com","accountId":"acc_2"}`).want(201)

	var ids []string
	path := "/v1/accounts?limit=3"
	for pages := 0; path != ""; pages++ {
		page := h.page(path)
		ids = append(ids, page.ids...)
		if path = ""; page.next != "" {
			path = "/v1/accounts?limit=3&after=" + page.next
		}
		if pages > 3 {
			t.Fatal("the list does not end")
		}
	}
	if got := strings.Join(ids, " "); got != "acc_0 acc_1 acc_2 acc_3 acc_4 acc_5 acc_6" {
		t.Errorf("paged: %s", got)
	}
	for _, c := range []struct{ path, want string }{
		{"/v1/accounts?status=CHURNED", "acc_1 acc_3 acc_5"},
		{"/v1/accounts?status=CHURNED&name=Account%203", "acc_3"},
		{"/v1/contacts?accountId=acc_2", "con_2"},
		{"/v1/contacts?email=a@example.com", "con_1"},
		{"/v1/accounts?updatedSince=2000-01-01T00:00:00Z&limit=1", "acc_0"},
		{"/v1/accounts?updatedSince=2999-01-01T00:00:00Z", ""},
		{"/v1/tasks", ""},
	} {
		if got := strings.Join(h.page(c.path).ids, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
}

func TestAListOfLargeRecordsComesInShorterPages(t *testing.T) {
	h := open(t)
	const accounts = 130
	var lines strings.Builder
	for i := range accounts {
		fmt.Fprintf(&lines, `{"op":"put","kind":"account","id":"acc_%03d","data":{"name":"A","metadata":{"fill":%q}}}`+"\n", i, strings.Repeat("x", 150_000))
	}
	h.batch(lines.String())
	seen, pages := 0, 0
	for path := "/v1/accounts?limit=500"; path != ""; pages++ {
		page := h.page(path)
		for _, id := range page.ids {
			if id != fmt.Sprintf("acc_%03d", seen) {
				t.Fatalf("%s follows %d others", id, seen)
			}
			seen++
		}
		if path = ""; page.next != "" {
			path = "/v1/accounts?limit=500&after=" + page.next
		}
	}
	if seen != accounts || pages < 2 {
		t.Errorf("%d accounts in %d pages", seen, pages)
	}
}

// page is a list as clients walk it.
type page struct {
	ids  []string
	next string
}

func (h *house) page(path string) page {
	h.t.Helper()
	return h.pageAs(path, nil)
}

func (h *house) pageAs(path string, headers with) page {
	h.t.Helper()
	var body struct {
		Items []struct{ ID string }
		Next  *string
	}
	h.get(path, headers).want(200).into(&body)
	p := page{}
	for _, item := range body.Items {
		p.ids = append(p.ids, item.ID)
	}
	if body.Next != nil {
		p.next = *body.Next
	}
	return p
}

func TestEveryKindGoesThroughItsOwnRoutes(t *testing.T) {
	h := open(t)
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"One"}`).want(201)
	h.do(http.MethodPut, "/v1/accounts/acc_2", `{"name":"Two"}`).want(201)
	h.do(http.MethodPut, "/v1/activities/act_1", `{"accountId":"acc_1","title":"T","activityType":"CALL"}`).want(201)
	h.do(http.MethodPut, "/v1/notes/note_1", `{"accountId":"acc_1","title":"T","content":"c"}`).want(201)
	h.do(http.MethodPut, "/v1/tasks/task_1", `{"accountId":"acc_1","title":"T"}`).want(201)
	for _, c := range []struct{ at, body, patch string }{
		{"/v1/users", `{"name":"U","email":"u@example.com"}`, `{"jobTitle":"T"}`},
		{"/v1/contacts", `{"firstName":"F","lastName":"L","email":"f@example.com","accountId":"acc_1"}`, `{"phone":"1"}`},
		{"/v1/relationships", `{"parentAccountId":"acc_1","childAccountId":"acc_2","relationshipType":"PARTNER"}`, `{"relationshipType":"RESELLER"}`},
		{"/v1/activities", `{"accountId":"acc_1","title":"Call","activityType":"CALL"}`, `{"status":"Completed"}`},
		{"/v1/notes", `{"accountId":"acc_1","title":"N","content":"c"}`, `{"content":"d"}`},
		{"/v1/tasks", `{"accountId":"acc_1","title":"T"}`, `{"priority":"High","dueDate":"2030-01-01T00:00:00Z"}`},
		{"/v1/deals", `{"name":"D","amount":12.50}`, `{"stage":"Won"}`},
		{"/v1/appointments", `{"title":"A","startAt":"2030-01-01T00:00:00Z","endAt":"2030-01-01T01:00:00Z"}`, `{"location":"here"}`},
		{"/v1/activities/act_1/comments", `{"content":"c"}`, `{"content":"d"}`},
		{"/v1/notes/note_1/comments", `{"content":"c"}`, `{"content":"d"}`},
		{"/v1/tasks/task_1/comments", `{"content":"c"}`, `{"content":"d"}`},
		{"/v1/custom/invoices", `{"name":"I","accountId":"acc_1","customFields":{"tier":["gold"]}}`, `{"customFields":{"tier":null,"size":["big"]}}`},
	} {
		created := h.do(http.MethodPost, c.at, c.body).want(201)
		at := created.header.Get("Location")
		if at != c.at+"/"+created.member("id") {
			t.Errorf("%s: Location %q", c.at, at)
		}
		changed := h.do(http.MethodPatch, at, c.patch).want(200)
		if changed.member("version") != "2" {
			t.Errorf("%s: %s", at, changed.body)
		}
		h.do(http.MethodPut, at, string(changed.body)).want(200) // what was read can be sent back
		if got := h.get(at).want(200); string(got.body) != string(changed.body) {
			t.Errorf("sent back %s, got %s", changed.body, got.body)
		}
		if ids := h.page(c.at).ids; !slices.Contains(ids, created.member("id")) {
			t.Errorf("%s lists %v", c.at, ids)
		}
		h.do(http.MethodDelete, at, "").want(204)
		h.get(at).refusal(404, "not_found")
	}
}

func TestCommentsBelongToOneRecord(t *testing.T) {
	h := open(t)
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"One"}`).want(201)
	h.do(http.MethodPut, "/v1/notes/n_1", `{"accountId":"acc_1","title":"N","content":"c"}`).want(201)
	h.do(http.MethodPut, "/v1/notes/n_2", `{"accountId":"acc_1","title":"N","content":"c"}`).want(201)
	h.do(http.MethodPut, "/v1/tasks/t_1", `{"accountId":"acc_1","title":"T"}`).want(201)
	h.do(http.MethodPut, "/v1/activities/a_1", `{"accountId":"acc_1","title":"T","activityType":"CALL"}`).want(201)

	created := h.do(http.MethodPost, "/v1/notes/n_1/comments", `{"content":"hello"}`).want(201)
	at := created.header.Get("Location")
	if !strings.HasPrefix(at, "/v1/notes/n_1/comments/com_") || created.member("entityId") != "n_1" || created.member("accountId") != "acc_1" {
		t.Errorf("Location %q: %s", at, created.body)
	}
	for _, on := range []string{"tasks/t_1", "notes/n_2", "activities/a_1"} {
		h.do(http.MethodPut, "/v1/"+on+"/comments/c_"+on[:1], `{"content":"on it"}`).want(201)
	}
	h.do(http.MethodPatch, at, `{"content":"bye"}`).want(200)
	if ids := h.page("/v1/notes/n_1/comments").ids; len(ids) != 1 {
		t.Errorf("n_1 has %v", ids)
	}
	if ids := h.page("/v1/notes/n_2/comments").ids; len(ids) != 1 || ids[0] != "c_n" {
		t.Errorf("n_2 has %v", ids)
	}
	before := h.state("dev")
	id := created.member("id")
	for _, c := range []struct{ method, path, body string }{
		{http.MethodGet, "/v1/notes/n_2/comments/" + id, ""},
		{http.MethodGet, "/v1/tasks/n_1/comments/" + id, ""},
		{http.MethodPut, "/v1/notes/n_2/comments/" + id, `{"content":"x"}`},
		{http.MethodPatch, "/v1/notes/n_2/comments/" + id, `{"content":"x"}`},
		{http.MethodDelete, "/v1/notes/n_2/comments/" + id, ""},
		{http.MethodPost, "/v1/notes/n_9/comments", `{"content":"x"}`},
		{http.MethodGet, "/v1/notes/n_9/comments", ""},
	} {
		h.do(c.method, c.path, c.body).refusal(404, "not_found")
	}
	if after := h.state("dev"); after != before {
		t.Errorf("refused requests wrote:\n%s\n%s", before, after)
	}
	h.do(http.MethodDelete, at, "").want(204)
}

func TestWritesCanBeGuardedByVersion(t *testing.T) {
	h := open(t)
	at := "/v1/accounts/acc_1"
	h.do(http.MethodPut, at, `{"name":"One"}`, with{"If-Match": "*"}).refusal(412, "stale_version")
	h.do(http.MethodPut, at, `{"name":"One"}`, with{"If-None-Match": "*"}).want(201)
	h.do(http.MethodPut, at, `{"name":"Two"}`, with{"If-None-Match": "*"}).refusal(412, "stale_version")
	h.do(http.MethodPut, at, `{"name":"Two"}`, with{"If-Match": `"1"`}).want(200)
	h.do(http.MethodPatch, at, `{"name":"Three"}`, with{"If-Match": `"1"`}).refusal(412, "stale_version")
	h.do(http.MethodDelete, at, "", with{"If-Match": `"1"`}).refusal(412, "stale_version")
	h.do(http.MethodPatch, at, `{"name":"Three"}`, with{"If-Match": "*"}).want(200)
	for _, bad := range []string{"2", `"x"`, `W/"2"`, `"2", "3"`, `"0"`, `"-1"`} {
		if p := h.do(http.MethodPatch, at, `{"name":"Four"}`, with{"If-Match": bad}).refusal(422, "invalid"); !p.names("If-Match") {
			t.Errorf("If-Match %s: %+v", bad, p)
		}
	}
	if got := h.get(at).member("name"); got != "Three" {
		t.Errorf("name %q", got)
	}
}

func TestARepeatUnderTheSameKeyWritesOnce(t *testing.T) {
	h := open(t)
	first := h.do(http.MethodPost, "/v1/accounts", `{"name":"One"}`, with{"Idempotency-Key": "k1"}).want(201)
	again := h.do(http.MethodPost, "/v1/accounts", `{"name":"One"}`, with{"Idempotency-Key": "k1"}).want(201)
	if first.header.Get("Idempotency-Replayed") != "" || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("replayed: %q then %q", first.header.Get("Idempotency-Replayed"), again.header.Get("Idempotency-Replayed"))
	}
	if string(first.body) != string(again.body) || first.header.Get("Location") != again.header.Get("Location") {
		t.Errorf("first %s, again %s", first.body, again.body)
	}
	h.do(http.MethodPost, "/v1/accounts", `{"name":"Other"}`, with{"Idempotency-Key": "k1"}).refusal(409, "conflict")
	if ids := h.page("/v1/accounts").ids; len(ids) != 1 {
		t.Errorf("accounts %v", ids)
	}
	at := first.header.Get("Location")
	h.do(http.MethodDelete, at, "", with{"Idempotency-Key": "k2"}).want(204)
	if again := h.do(http.MethodDelete, at, "", with{"Idempotency-Key": "k2"}).want(204); again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("a repeated deletion is not marked: %v", again.header)
	}
	for _, bad := range []string{strings.Repeat("k", 256), "tab\tinside", "ümlaut"} {
		if p := h.do(http.MethodPost, "/v1/accounts", `{"name":"X"}`, with{"Idempotency-Key": bad}).refusal(422, "invalid"); !p.names("Idempotency-Key") {
			t.Errorf("key %q: %+v", bad, p)
		}
	}
}

func TestTheActorIsTheKeysOrTheOneNamed(t *testing.T) {
	h := open(t)
	auth := with{"Authorization": "Bearer " + h.key("acme", carillon.RightWrite)}
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"One"}`, auth).want(201)
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"Two"}`, auth, with{"Carillon-Actor": "U123"}).want(200)
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"Three"}`, auth, with{"Carillon-Actor": `{"id":"U9","type":"CUSTOMER","email":"c@example.com"}`}).want(200)
	changes, err := h.store.Changes(t.Context(), "acme", store.LogQuery{Limit: 10})
	must(t, err)
	want := []carillon.Actor{
		{ID: "robot", Type: "AGENT", Email: "robot@acme"}, {ID: "U123", Type: "AGENT"}, {ID: "U9", Type: "CUSTOMER", Email: "c@example.com"},
	}
	for i, c := range changes {
		if c.Actor != want[i] || c.Origin != "api" {
			t.Errorf("change %d by %+v (%s), want %+v", c.Seq, c.Actor, c.Origin, want[i])
		}
	}
	for _, bad := range []string{"two words", `{"id":1}`, `{"id":"a","role":"x"}`, `{"id":"a","email":"` + strings.Repeat("x", 300) + `"}`, `{"type":"AGENT"}`, `{"id":"a"`, "\xff"} {
		if p := h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"Four"}`, auth, with{"Carillon-Actor": bad}).refusal(422, "invalid"); !p.names("Carillon-Actor") {
			t.Errorf("actor %q: %+v", bad, p)
		}
	}
}

func TestDeletingAnAccountWithChildrenIsRefusedUnlessAskedToCascade(t *testing.T) {
	h := open(t)
	h.do(http.MethodPut, "/v1/accounts/acc_1", `{"name":"One"}`).want(201)
	h.do(http.MethodPut, "/v1/contacts/con_1", `{"firstName":"A","lastName":"B","email":"a@example.com","accountId":"acc_1"}`).want(201)
	h.do(http.MethodDelete, "/v1/accounts/acc_1", "").refusal(409, "conflict")
	h.do(http.MethodDelete, "/v1/accounts/acc_1?cascade=maybe", "").refusal(422, "invalid")
	h.do(http.MethodDelete, "/v1/accounts/acc_1?cascade=true", "").want(204)
	h.get("/v1/contacts/con_1").refusal(404, "not_found")
	if got := h.get("/v1/contacts/con_1?asOf=2").want(200).member("accountId"); got != "acc_1" {
		t.Errorf("as of 2: accountId %q", got)
	}
}
