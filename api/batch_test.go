package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/api"
	"carillon/store"
)

// result is a line of a batch's answer.
type result struct {
	Line, Status int
	ID           string
	Version, Seq int64
	Problem      *problem
}

func (h *house) batch(lines string, headers ...with) []result {
	h.t.Helper()
	a := h.do(http.MethodPost, "/v1/batch", lines, append([]with{{"Content-Type": "application/x-ndjson"}}, headers...)...).want(200)
	var results []result
	for line := range strings.Lines(string(a.body)) {
		var r result
		must(h.t, json.Unmarshal([]byte(line), &r))
		results = append(results, r)
	}
	return results
}

func TestABatchIsDoneInOrderAndABadLineFailsAlone(t *testing.T) {
	h := open(t)
	lines := []struct {
		text   string
		status int
		code   string
		member string
	}{
		{`{"op":"put","kind":"account","id":"acc_1","data":{"name":"One"}}`, 201, "", ""},
		{`{"op":"put","kind":"contact","id":"con_1","data":{"firstName":"A","lastName":"B","email":"a@example.com","accountId":"acc_1"}}`, 201, "", ""},
		{`{"op":"patch","kind":"account","id":"acc_1","data":{"health":"RED"}}`, 200, "", ""},
		{`{"op":"patch","kind":"account","id":"acc_1","data":{"health":"RED"}}`, 200, "", ""},
		{``, 0, "", ""},
		{`{"op":"put","kind":"account","id":"acc_2","data":{"name":5}}`, 422, "invalid", "/name"},
		{`{"op":"put","kind":"account","id":"acc_2","data":{"name":"A","name":"B"}}`, 400, "malformed", ""},
		{`not JSON`, 400, "malformed", ""},
		{`{"op":"put","kind":"account","id":"acc_2"}`, 422, "invalid", "/data"},
		{`{"op":"put","kind":"account","data":{"name":"A"}}`, 422, "invalid", "/id"},
		{`{"op":"stroke","kind":"account","id":"acc_1"}`, 422, "invalid", "/op"},
		{`{"op":"put","kind":"unicorn","id":"u_1","data":{}}`, 422, "invalid", "/kind"},
		{`{"op":"put","kind":"account","id":"acc_2","data":{"name":"A"},"colour":"red"}`, 422, "invalid", "/colour"},
		{`{"op":1,"kind":"account"}`, 422, "invalid", "/op"},
		{`{"op":"delete","kind":"account","id":"acc_1"}`, 409, "conflict", ""},
		{`{"op":"patch","kind":"account","id":"acc_1","ifMatch":7,"data":{"health":"GREEN"}}`, 412, "stale_version", ""},
		{`{"op":"delete","kind":"account","id":"acc_1","cascade":true}`, 204, "", ""},
		{`{"op":"patch","kind":"account","id":"acc_1","data":{"health":"RED"}}`, 404, "not_found", ""},
		{`{"op":"create","kind":"account","data":{"name":"Made"},"key":"k"}`, 201, "", ""},
		{`{"op":"create","kind":"account","data":{"name":"Made"},"key":"k"}`, 201, "", ""},
		{`{"op":"put","kind":"custom","module":"invoices","id":"i_1","data":{"name":"I"}}`, 201, "", ""},
		{`{"op":"put","kind":"notes","id":"n_1","data":{"accountId":"acc_1","title":"T","content":"c"}}`, 422, "invalid", "/accountId"},
	}
	var body strings.Builder
	for _, l := range lines {
		body.WriteString(l.text + "\n")
	}
	results := h.batch(strings.TrimSuffix(body.String(), "\n"), with{"Carillon-Actor": "U7"})
	i := 0
	for n, l := range lines {
		if l.status == 0 {
			continue
		}
		r := results[i]
		i++
		if r.Line != n+1 || r.Status != l.status {
			t.Errorf("line %d: %+v, want status %d", n+1, r, l.status)
		}
		if (l.code == "") != (r.Problem == nil) {
			t.Errorf("line %d: problem %+v, want %q", n+1, r.Problem, l.code)
		}
		if r.Problem != nil && (r.Problem.Code != l.code || l.member != "" && !r.Problem.names(l.member)) {
			t.Errorf("line %d: problem %+v, want %s naming %q", n+1, r.Problem, l.code, l.member)
		}
	}
	if i != len(results) {
		t.Errorf("%d results for %d lines", len(results), i)
	}
	if results[2].Seq != 3 || results[2].Version != 2 || results[3].Seq != 0 || results[3].Version != 2 {
		t.Errorf("a write and its repeat: %+v %+v", results[2], results[3])
	}
	changes, err := h.store.Changes(t.Context(), "dev", store.LogQuery{Limit: 100})
	must(t, err)
	if len(changes) != 7 || changes[0].Origin != "batch" || changes[0].Actor.ID != "U7" {
		t.Errorf("%d changes, the first %+v", len(changes), changes[0])
	}
}

func TestALongBatchKeepsItsOrder(t *testing.T) {
	h := open(t)
	const lines = 3000
	var body strings.Builder
	for i := range lines {
		fmt.Fprintf(&body, `{"op":"put","kind":"account","id":"acc_%d","data":{"name":"Version %d"}}`+"\n", i%7, i)
	}
	results := h.batch(body.String())
	if len(results) != lines {
		t.Fatalf("%d results", len(results))
	}
	for i, r := range results {
		if r.Line != i+1 || r.Seq != int64(i+1) || r.Version != int64(i/7+1) {
			t.Fatalf("result %d: %+v", i, r)
		}
	}
}

func TestALineTooLongFailsAlone(t *testing.T) {
	h := open(t, func(c *api.Config) { c.Limits.Body = 100_000 })
	results := h.batch(`{"op":"put","kind":"account","id":"a","data":{"name":"A"}}` + "\n" +
		`{"op":"put","kind":"account","id":"b","data":{"name":"` + strings.Repeat("x", 300_000) + `"}}` + "\n" +
		`{"op":"put","kind":"account","id":"c","data":{"name":"C"}}`)
	if len(results) != 3 || results[0].Status != 201 || results[1].Status != 413 || results[1].Problem.Code != "too_large" || results[2].Status != 201 {
		t.Errorf("results %+v", results)
	}
}

// talk is a batch whose lines are sent one by one.
type talk struct {
	*io.PipeWriter
	answers *bufio.Scanner
	resp    *http.Response
}

func (h *house) talk() talk {
	h.t.Helper()
	read, write := io.Pipe()
	h.t.Cleanup(func() { _ = write.Close() })
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url+"/v1/batch", read)
	must(h.t, err)
	req.Header.Set("Authorization", "Bearer dev")
	req.Header.Set("Content-Type", "application/x-ndjson")
	go func() {
		_, _ = io.WriteString(write, `{"op":"put","kind":"account","id":"first","data":{"name":"A"}}`+"\n")
	}()
	resp, err := h.client.Do(req)
	must(h.t, err)
	h.t.Cleanup(func() { _ = resp.Body.Close() })
	return talk{write, bufio.NewScanner(resp.Body), resp}
}

func TestABatchAnswersWhileItIsSent(t *testing.T) {
	h := open(t)
	b := h.talk()
	for i := range 5 {
		if !b.answers.Scan() || !strings.Contains(b.answers.Text(), `"status":201`) {
			t.Fatalf("answer %d: %s %v", i, b.answers.Text(), b.answers.Err())
		}
		_, err := fmt.Fprintf(b, `{"op":"put","kind":"account","id":"acc_%d","data":{"name":"A"}}`+"\n", i)
		must(t, err)
	}
	must(t, b.Close())
	for b.answers.Scan() {
	}
	must(t, b.answers.Err())
	h.get("/v1/accounts/acc_4").want(200) // on the same connection or another
}

func TestABatchEndsWhenTheServerStops(t *testing.T) {
	h := open(t)
	b := h.talk()
	if !b.answers.Scan() {
		t.Fatal("no answer")
	}
	h.stop()
	for b.answers.Scan() {
	}
	if b.answers.Err() == nil {
		t.Error("a batch that was cut short looks whole")
	}
	if record, err := h.store.Record(t.Context(), "dev", carillon.Ref{Kind: carillon.KindAccount, ID: "first"}); err != nil || record.Version != 1 {
		t.Errorf("what was answered is gone: %v", err)
	}
}

func TestASilentBatchIsGivenUp(t *testing.T) {
	h := open(t, func(c *api.Config) { c.Limits.Idle = 50 * time.Millisecond })
	b := h.talk()
	for b.answers.Scan() {
	}
	if b.answers.Err() == nil {
		t.Error("a batch that was given up looks whole")
	}
}
