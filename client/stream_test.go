package client_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"carillon"
	"carillon/client"
)

// flaky breaks streams after a random number of bytes, in the middle of events too, and refuses some connections.
func flaky(next http.Handler) http.Handler {
	var n atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/stream") {
			next.ServeHTTP(w, r)
			return
		}
		rng := rand.New(rand.NewPCG(n.Add(1), 1))
		if rng.IntN(4) == 0 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(&breaking{ResponseWriter: w, left: 200 + rng.IntN(6000)}, r)
	})
}

type breaking struct {
	http.ResponseWriter
	left int
}

func (b *breaking) Write(p []byte) (int, error) {
	if len(p) > b.left {
		_, _ = b.ResponseWriter.Write(p[:b.left])
		_ = http.NewResponseController(b.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	b.left -= len(p)
	return b.ResponseWriter.Write(p)
}

func (b *breaking) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func TestAStreamThatBreaksLeavesNothingOutAndRepeatsNothing(t *testing.T) {
	c := open(t, flaky)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const changes = 150
	go func() {
		for i := range changes {
			health := []string{"Healthy", "At Risk"}[i%2] // each update after the first has two events
			_, _ = c.Records(carillon.KindAccount).Put(ctx, fmt.Sprintf("acc_%d", i%3), map[string]any{"name": "x", "health": health})
		}
	}()
	var last, index int64
	for e, err := range c.Stream(ctx, client.StreamQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		envelope, err := e.Envelope()
		if err != nil || envelope.EventType != e.Type || envelope.EventID != e.ID || !strings.HasPrefix(e.Lane, "acc_") {
			t.Fatalf("event %+v: %v", e, err)
		}
		switch {
		case e.Seq == last && index == 0 && last > 3 && e.Type == "account-health:changed":
			index++
		case e.Seq == last+1 && (last <= 3 || index == 1):
			last, index = e.Seq, 0
		default:
			t.Fatalf("%s of change %d came after change %d, event %d", e.Type, e.Seq, last, index)
		}
		if last == changes && index == 1 {
			return
		}
	}
	t.Fatalf("the stream ended at change %d: %v", last, ctx.Err())
}

func TestAStreamFromNowBeginsWhereItWasOpened(t *testing.T) {
	var connections atomic.Int32
	opened := make(chan struct{})
	c := open(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/stream") && connections.Add(1) == 1 {
				close(opened)
				w = &breaking{ResponseWriter: w, left: len("retry: 1000\nid: 1\n\n")} // no event gets through
			}
			next.ServeHTTP(w, r)
		})
	})
	accounts := c.Records(carillon.KindAccount)
	if _, err := accounts.Put(t.Context(), "acc_old", map[string]any{"name": "x"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() {
		select {
		case <-opened:
		case <-ctx.Done():
		}
		for i := range 20 {
			_, _ = accounts.Put(ctx, fmt.Sprintf("acc_%d", i), map[string]any{"name": "x"})
		}
	}()
	var seqs []int64
	for e, err := range c.Stream(ctx, client.StreamQuery{FromNow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, e.Seq)
		if e.Seq == 21 {
			break
		}
	}
	// The first write may come before the server has begun the stream; from there on nothing is left out.
	for i, seq := range seqs {
		if seq != seqs[0]+int64(i) || seqs[0] < 2 {
			t.Fatalf("told %v", seqs)
		}
	}
	if len(seqs) == 0 {
		t.Fatal("nothing was told")
	}
}

func TestAStreamSaysWhatAWebhookSaysBesideItsBody(t *testing.T) {
	c := open(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := c.Records(carillon.KindAccount).Put(ctx, "acc_1", map[string]any{"name": "One"}); err != nil {
		t.Fatal(err)
	}
	first := func(q client.EventQuery) client.StreamEvent {
		t.Helper()
		for e, err := range c.Stream(ctx, client.StreamQuery{EventQuery: q}) {
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		t.Fatal("the stream tells nothing")
		return client.StreamEvent{}
	}
	plain := first(client.EventQuery{})
	if plain.ContentType != "application/json" || len(plain.Header) > 0 || time.Since(plain.Time) > time.Minute || plain.Lane != "acc_1" {
		t.Errorf("the platform's event is %+v", plain)
	}
	binary := first(client.EventQuery{Dialect: "cloudevents", Settings: []byte(`{"mode":"binary","source":"/here"}`)})
	if binary.ID != plain.ID || binary.Header.Get("ce-id") != plain.ID || binary.Header.Get("ce-source") != "/here" || !binary.Time.Equal(plain.Time) {
		t.Errorf("the binary event is %+v", binary)
	}
	structured := first(client.EventQuery{Dialect: "cloudevents"})
	if structured.ContentType != "application/cloudevents+json" || len(structured.Header) > 0 {
		t.Errorf("the structured event is %+v", structured)
	}
}

func TestAStreamEndsWhenTheServerRefusesForGood(t *testing.T) {
	c := open(t, nil)
	stranger, err := client.New(c.BaseURL(), "wrong")
	if err != nil {
		t.Fatal(err)
	}
	stranger.HTTP = c.HTTP
	for _, err := range stranger.Stream(t.Context(), client.StreamQuery{}) {
		if p := client.AsProblem(err); p == nil || p.Code != carillon.CodeUnauthorized {
			t.Errorf("got %v", err)
		}
	}
}

func TestAStreamEndsSilentlyWithItsContext(t *testing.T) {
	c := open(t, nil)
	if _, err := c.Records(carillon.KindAccount).Put(t.Context(), "acc_1", map[string]any{"name": "x"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := 0
	for _, err := range c.Stream(ctx, client.StreamQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		told++
		cancel()
	}
	if told != 1 {
		t.Errorf("told %d events", told)
	}
}

func TestAStreamRefusesWhatIsTooLong(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		line := bytes.Repeat([]byte("x"), 1<<20)
		for range 20 {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	c, err := client.New(server.URL, "dev")
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP = server.Client()
	for _, err := range c.Stream(t.Context(), client.StreamQuery{}) {
		if err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("got %v", err)
		}
	}
}
