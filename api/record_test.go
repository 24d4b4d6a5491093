package api_test

import (
	"net/http"
	"testing"
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
