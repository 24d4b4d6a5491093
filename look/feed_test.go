package look_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"carillon/look"
)

func TestAFeedTellsInEvents(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w := httptest.NewRecorder()
	f := look.NewFeed(w, func() time.Time { return now })
	for _, act := range []func() error{
		func() error { return f.Begin(1500 * time.Millisecond) },
		f.Rest, // too soon to say anything
		func() error { return f.Send("rows", "7", []byte("one\ntwo\rid: 8")) },
		func() error { return f.Send("overview", "", nil) },
		func() error { now = now.Add(15 * time.Second); return f.Rest() },
		f.Rest,
	} {
		if err := act(); err != nil {
			t.Fatal(err)
		}
	}
	want := "retry: 1500\n\nevent: rows\nid: 7\ndata: one\ndata: two id: 8\n\nevent: overview\n\n:\n\n"
	if got := w.Body.String(); got != want || w.Header().Get("Content-Type") != "text/event-stream" || !w.Flushed {
		t.Errorf("told %q as %s, want %q", got, w.Header().Get("Content-Type"), want)
	}
}
