package workshop_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"carillon"
	"carillon/apps/workshop"
)

// asking is an app whose handler asks the far end, and the path of its target URL.
func asking(h *house, far *farEnd) (a *carillon.App, path string) {
	h.t.Helper()
	a = h.install(archive(`
-- manifest.json --
`+manifestOf("platform", map[string]string{"onExternalEvent": "run", "onAppInstall": "setUp"}, "ask")+`
-- config/iparams.json --
{ "host": { "display_name": "Host", "type": "text" } }
-- config/requests.json --
{ "ask": { "schema": { "method": "GET", "host": "<%= iparam.host %>", "path": "/" } } }
-- server/server.js --
exports = {
  async setUp() { await $db.set("url", { url: await generateTargetUrl() }); renderData(); },
  async run() { console.log("begins"); await $request.invokeTemplate("ask", {}); console.log("ends"); }
};
`), `{"host":"`+far.host+`"}`)
	v, err := h.store.AppValue(h.t.Context(), org, a.ID, "url")
	if err != nil {
		h.t.Fatal(err)
	}
	url := string(v.Value)
	return a, url[strings.Index(url, "/app-hooks/"):strings.LastIndex(url, `"`)]
}

func TestSendersThatHangUpDoNotStopHandlers(t *testing.T) {
	far := newFarEnd(t)
	h := newHouse(t, func(c *workshop.Config) { c.TLS = far.tls() })
	a, path := asking(h, far)
	var sender context.Context // as the server sees it
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sender = r.Context()
		h.shop.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	far.answers(func(http.ResponseWriter, *http.Request) {
		hangUp()
		<-sender.Done()
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+path, strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if answer, err := server.Client().Do(r); err == nil {
		answer.Body.Close()
		t.Fatalf("it was answered with %d", answer.StatusCode)
	}
	h.awaitSaid(a, "begins", "ends")
}

func TestHandlersThatAreStoppedAreKeptAsFailed(t *testing.T) {
	far := newFarEnd(t)
	h := newHouse(t, func(c *workshop.Config) { c.TLS = far.tls() })
	a, _ := asking(h, far)
	ctx, stop := context.WithCancel(t.Context())
	far.answers(func(_ http.ResponseWriter, r *http.Request) {
		stop()
		<-r.Context().Done()
	})
	if i, err := h.shop.Simulate(ctx, org, a.ID, workshop.Simulation{Event: "onExternalEvent"}); err == nil {
		t.Errorf("it gave %+v", i)
	}
	did := h.did(a)
	last := did[len(did)-1]
	if f := last.Failure; last.Handler != "run" || f == nil || f.Message != "stopped before it was done" || len(last.Lines) != 1 {
		t.Errorf("what was kept last is %+v, %+v", last, last.Failure)
	}
}

// deadlined is a connection of which one can say until when it may be read.
type deadlined struct {
	*httptest.ResponseRecorder
	set bool
}

func (d *deadlined) SetReadDeadline(at time.Time) error {
	d.set = !at.IsZero()
	return nil
}

func TestBodiesOfExternalEventsHaveADeadline(t *testing.T) {
	h := newHouse(t, nil)
	_, path := asking(h, newFarEnd(t))
	w := &deadlined{ResponseRecorder: httptest.NewRecorder()}
	h.shop.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, iotest.TimeoutReader(strings.NewReader(`{"a":1}`))))
	if !w.set || w.Code != http.StatusBadRequest {
		t.Errorf("a deadline: %v; answered with %d %s", w.set, w.Code, w.Body)
	}
}
