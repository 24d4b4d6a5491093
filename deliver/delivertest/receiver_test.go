package delivertest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"carillon"
	"carillon/deliver/delivertest"
	"carillon/dialect"
	"carillon/sign"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a Receiver at an address, and what it takes to post to it.
type rig struct {
	*delivertest.Receiver
	t      *testing.T
	url    string
	signer *sign.Standard
}

func start(t *testing.T, c delivertest.Config) *rig {
	t.Helper()
	secret := sign.NewSecret()
	c.Secrets = append(c.Secrets, secret)
	receiver, err := delivertest.NewReceiver(c)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := sign.NewStandard(secret)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(receiver)
	t.Cleanup(server.Close)
	return &rig{receiver, t, server.URL, signer}
}

// event gives the id of an event of the log.
func event(seq int64, index int) string {
	return dialect.EventID(&carillon.Change{Org: "dev", Seq: seq}, index)
}

// post sends a message and gives the answer's status, 0 if there was none.
func (r *rig) post(id, lane string, seq int64) int {
	return r.postContext(r.t.Context(), id, lane, seq)
}

func (r *rig) postContext(ctx context.Context, id, lane string, seq int64) int {
	return r.do(r.request(ctx, id, lane, seq, `{"n":1}`))
}

func (r *rig) request(ctx context.Context, id, lane string, seq int64, body string) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/hook?a=1", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	r.signer.SetHeaders(req.Header, id, time.Now(), []byte(body))
	req.Header.Set("carillon-seq", strconv.FormatInt(seq, 10))
	req.Header.Set("carillon-lane", lane)
	req.Header.Set("carillon-event", "account:updated")
	return req
}

func (r *rig) do(req *http.Request) int {
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func (r *rig) want(want delivertest.Snapshot) {
	r.t.Helper()
	if got := r.Snapshot(); got != want {
		r.t.Errorf("counts are %+v, want %+v", got, want)
	}
}

func TestDeliveriesAreRemembered(t *testing.T) {
	r := start(t, delivertest.Config{})
	if status := r.post(event(1, 0), "acc_1", 1); status != http.StatusNoContent {
		t.Fatalf("answered %d", status)
	}
	list := r.Deliveries()
	if len(list) != 1 {
		t.Fatalf("%d deliveries, want 1", len(list))
	}
	d := list[0]
	if d.ID != event(1, 0) || d.Type != "account:updated" || d.Lane != "acc_1" || d.Seq != 1 || string(d.Body) != `{"n":1}` ||
		!d.Verified || d.Repeat || d.OutOfOrder || d.Attempt != 1 || d.Method != http.MethodPost || d.URL != "/hook?a=1" ||
		d.At.IsZero() || d.Header.Get("webhook-id") != d.ID {
		t.Errorf("got %+v", d)
	}
	r.want(delivertest.Snapshot{Requests: 1, Taken: 1, Unique: 1, Lanes: 1, LastID: d.ID, LastSeq: 1})
}

func TestOnlyTheNewestAreKept(t *testing.T) {
	var heard []string
	r := start(t, delivertest.Config{Keep: 3, OnDelivery: func(d delivertest.Delivery) { heard = append(heard, d.ID) }})
	var all []string
	for seq := range int64(8) {
		r.post(event(seq+1, 0), "acc_1", seq+1)
		all = append(all, event(seq+1, 0))
	}
	var kept []string
	for _, d := range r.Deliveries() {
		kept = append(kept, d.ID)
	}
	if !slices.Equal(kept, all[5:]) {
		t.Errorf("kept %v, want %v", kept, all[5:])
	}
	if !slices.Equal(heard, all) {
		t.Errorf("heard %v, want %v", heard, all)
	}
	if got := r.Snapshot(); got.Taken != 8 || got.Unique != 8 {
		t.Errorf("counts are %+v", got)
	}
}

func TestOrderIsJudgedByFirstOccurrence(t *testing.T) {
	type post struct {
		id   string
		lane string
		seq  int64
	}
	log := func(lane string, seq int64, index int) post { return post{event(seq, index), lane, seq} }
	snapshot := func(lane string, seq int64) post {
		return post{dialect.EventID(&carillon.Change{Org: "dev", Seq: seq, Origin: dialect.OriginSnapshot}, 0), lane, seq}
	}
	sample := func(lane string) post {
		return post{dialect.EventID(&carillon.Change{Org: "dev", Time: time.Now(), Origin: dialect.OriginSample}, 0), lane, 0}
	}
	cases := map[string]struct {
		posts      []post
		repeats    int
		outOfOrder []delivertest.Disorder
	}{
		"ascending":                                  {posts: []post{log("a", 1, 0), log("a", 5, 0), log("a", 9, 0)}},
		"lanes do not matter to each other":          {posts: []post{log("a", 5, 0), log("b", 1, 0), log("a", 6, 0), log("b", 2, 0)}},
		"a repeat is not disorder":                   {posts: []post{log("a", 1, 0), log("a", 2, 0), log("a", 1, 0), log("a", 3, 0)}, repeats: 1},
		"a late one is":                              {posts: []post{log("a", 1, 0), log("a", 3, 0), log("a", 2, 0)}, outOfOrder: []delivertest.Disorder{{Lane: "a", ID: event(2, 0), Is: carillon.Position{Seq: 2}, After: carillon.Position{Seq: 3}}}},
		"its repeat is counted once":                 {posts: []post{log("a", 3, 0), log("a", 2, 0), log("a", 2, 0)}, repeats: 1, outOfOrder: []delivertest.Disorder{{Lane: "a", ID: event(2, 0), Is: carillon.Position{Seq: 2}, After: carillon.Position{Seq: 3}}}},
		"events of one change in order":              {posts: []post{log("a", 1, 0), log("a", 1, 1), log("a", 1, 2)}},
		"events of one change out of order":          {posts: []post{log("a", 1, 1), log("a", 1, 0)}, outOfOrder: []delivertest.Disorder{{Lane: "a", ID: event(1, 0), Is: carillon.Position{Seq: 1}, After: carillon.Position{Seq: 1, Index: 1}}}},
		"a snapshot is told in any order":            {posts: []post{snapshot("a", 9), snapshot("a", 2), log("a", 10, 0)}},
		"a snapshot after what happened then is not": {posts: []post{log("a", 10, 0), snapshot("a", 2)}, outOfOrder: []delivertest.Disorder{{Lane: "a", ID: snapshot("a", 2).id, Is: carillon.Position{Seq: 2}, After: carillon.Position{Seq: 10}}}},
		"a test send has no place":                   {posts: []post{log("a", 10, 0), sample("a"), log("a", 11, 0)}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := start(t, delivertest.Config{})
			for _, p := range c.posts {
				if status := r.post(p.id, p.lane, p.seq); status != http.StatusNoContent {
					t.Fatalf("answered %d", status)
				}
			}
			if r.Repeats() != c.repeats {
				t.Errorf("%d repeats, want %d", r.Repeats(), c.repeats)
			}
			if got := r.OutOfOrder(); !slices.Equal(got, c.outOfOrder) {
				t.Errorf("out of order: %v, want %v", got, c.outOfOrder)
			}
			if got := r.Snapshot(); got.OutOfOrder != len(c.outOfOrder) || got.Unique != len(c.posts)-c.repeats {
				t.Errorf("counts are %+v", got)
			}
		})
	}
}

func TestWhatIsNotAWebhookIsRejected(t *testing.T) {
	cases := map[string]struct {
		spoil  func(*http.Request)
		status int
	}{
		"no id":              {func(r *http.Request) { r.Header.Del("webhook-id") }, http.StatusBadRequest},
		"no seq":             {func(r *http.Request) { r.Header.Del("carillon-seq") }, http.StatusBadRequest},
		"a seq that is none": {func(r *http.Request) { r.Header.Set("carillon-seq", "x") }, http.StatusBadRequest},
		"another id":         {func(r *http.Request) { r.Header.Set("webhook-id", "evt_other") }, http.StatusUnauthorized},
		"no signature":       {func(r *http.Request) { r.Header.Del("webhook-signature") }, http.StatusUnauthorized},
		"another body": {func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(`{"n":2}`))
		}, http.StatusUnauthorized},
		"a large body": {func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 100))), 100
		}, http.StatusRequestEntityTooLarge},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := start(t, delivertest.Config{MaxBody: 64})
			req := r.request(t.Context(), event(1, 0), "acc_1", 1, `{"n":1}`)
			c.spoil(req)
			if status := r.do(req); status != c.status {
				t.Errorf("answered %d, want %d", status, c.status)
			}
			r.want(delivertest.Snapshot{Requests: 1, Rejected: 1})
			if len(r.Rejected()) != 1 || len(r.Deliveries()) != 0 {
				t.Errorf("rejected %v, took %v", r.Rejected(), r.Deliveries())
			}
		})
	}
}

func TestWithoutSecretsNothingIsVerified(t *testing.T) {
	r := start(t, delivertest.Config{})
	if err := r.SetSecrets(); err != nil {
		t.Fatal(err)
	}
	req := r.request(t.Context(), event(1, 0), "acc_1", 1, "{}")
	req.Header.Del("webhook-signature")
	if status := r.do(req); status != http.StatusNoContent {
		t.Errorf("answered %d", status)
	}
	if list := r.Deliveries(); len(list) != 1 || list[0].Verified {
		t.Errorf("got %+v", list)
	}
}

func TestAnyOfSeveralSecretsVerifies(t *testing.T) {
	r := start(t, delivertest.Config{Secrets: []string{sign.NewSecret()}}) // start adds the one that signs
	if status := r.post(event(1, 0), "acc_1", 1); status != http.StatusNoContent {
		t.Errorf("answered %d", status)
	}
}

func TestBadSecretsAreRefused(t *testing.T) {
	if _, err := delivertest.NewReceiver(delivertest.Config{Secrets: []string{"whsec_!"}}); err == nil {
		t.Error("NewReceiver did not fail")
	}
}

func TestFaults(t *testing.T) {
	t.Run("a status, until it is lifted", func(t *testing.T) {
		r := start(t, delivertest.Config{})
		lift := r.Inject(delivertest.Fault{Status: 503, RetryAfter: 90 * time.Second, Body: "later"})
		req := r.request(t.Context(), event(1, 0), "acc_1", 1, "{}")
		recorder := httptest.NewRecorder()
		req.RequestURI = "/"
		r.ServeHTTP(recorder, req)
		if recorder.Code != 503 || recorder.Header().Get("Retry-After") != "90" || recorder.Body.String() != "later" {
			t.Errorf("answered %d %v %q", recorder.Code, recorder.Header(), recorder.Body)
		}
		lift()
		lift()
		if status := r.post(event(1, 0), "acc_1", 1); status != http.StatusNoContent {
			t.Errorf("once lifted answered %d", status)
		}
		r.want(delivertest.Snapshot{Requests: 2, Failed: 1, Taken: 1, Unique: 1, Lanes: 1, LastID: event(1, 0), LastSeq: 1})
		if list := r.Deliveries(); list[0].Attempt != 2 {
			t.Errorf("attempt %d, want 2", list[0].Attempt)
		}
	})
	t.Run("one lane only", func(t *testing.T) {
		r := start(t, delivertest.Config{})
		r.Inject(delivertest.Fault{Lane: "acc_1"})
		if sick, well := r.post(event(1, 0), "acc_1", 1), r.post(event(2, 0), "acc_2", 2); sick != 500 || well != 204 {
			t.Errorf("answered %d and %d, want 500 and 204", sick, well)
		}
	})
	t.Run("a number of times", func(t *testing.T) {
		r := start(t, delivertest.Config{})
		r.Inject(delivertest.Fault{Times: 2})
		for i, want := range []int{500, 500, 204, 204} {
			if got := r.post(event(1, 0), "acc_1", 1); got != want {
				t.Errorf("answer %d is %d, want %d", i, got, want)
			}
		}
	})
	t.Run("a share, the same for the same seed", func(t *testing.T) {
		failed := func() (list []int) {
			r := start(t, delivertest.Config{})
			r.Inject(delivertest.Fault{Probability: 0.5, Seed: 7})
			for i := range 60 {
				if r.post(event(int64(i+1), 0), "acc_1", int64(i+1)) == 500 {
					list = append(list, i)
				}
			}
			return list
		}
		first, second := failed(), failed()
		if !slices.Equal(first, second) || len(first) < 10 || len(first) > 50 {
			t.Errorf("failed %v and %v", first, second)
		}
	})
	t.Run("the first of several decides", func(t *testing.T) {
		r := start(t, delivertest.Config{})
		r.Inject(delivertest.Fault{Status: 418})
		r.Inject(delivertest.Fault{Status: 503})
		if status := r.post(event(1, 0), "acc_1", 1); status != 418 {
			t.Errorf("answered %d, want 418", status)
		}
	})
	t.Run("a redirect", func(t *testing.T) {
		r := start(t, delivertest.Config{})
		r.Inject(delivertest.Fault{Status: 301, Location: "/there"})
		if status := r.post(event(1, 0), "acc_1", 1); status != 301 {
			t.Errorf("answered %d, want 301", status)
		}
	})
	t.Run("a closed connection", func(t *testing.T) {
		r := start(t, delivertest.Config{})
		r.Inject(delivertest.Fault{Close: true})
		if status := r.post(event(1, 0), "acc_1", 1); status != 0 {
			t.Errorf("answered %d, want nothing", status)
		}
		r.want(delivertest.Snapshot{Requests: 1, Failed: 1})
	})
	t.Run("a lost answer makes a repeat", func(t *testing.T) {
		r := start(t, delivertest.Config{})
		r.Inject(delivertest.Fault{LoseAnswer: true, Times: 1})
		if status := r.post(event(1, 0), "acc_1", 1); status != 0 {
			t.Errorf("answered %d, want nothing", status)
		}
		if status := r.post(event(1, 0), "acc_1", 1); status != 204 {
			t.Errorf("answered %d, want 204", status)
		}
		r.want(delivertest.Snapshot{Requests: 2, Taken: 2, Unique: 1, Repeats: 1, Lanes: 1, LastID: event(1, 0), LastSeq: 1})
		if list := r.Deliveries(); list[0].Repeat || !list[1].Repeat {
			t.Errorf("got %+v", list)
		}
	})
	t.Run("a delay takes the message", func(t *testing.T) {
		r := start(t, delivertest.Config{})
		r.Inject(delivertest.Fault{Delay: time.Millisecond})
		if status := r.post(event(1, 0), "acc_1", 1); status != 204 {
			t.Errorf("answered %d, want 204", status)
		}
	})
	t.Run("hanging, until it is lifted", func(t *testing.T) {
		r := start(t, delivertest.Config{})
		lift := r.Inject(delivertest.Fault{Hang: true})
		status := make(chan int, 1)
		go func() { status <- r.post(event(1, 0), "acc_1", 1) }()
		if _, err := r.WaitFor(t.Context(), func(s delivertest.Snapshot) bool { return s.Held == 1 }); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-status:
			t.Errorf("answered %d while hanging", got)
		default:
		}
		lift()
		if got := <-status; got != 204 {
			t.Errorf("once lifted answered %d, want 204", got)
		}
	})
	t.Run("a sender that leaves while held has not delivered", func(t *testing.T) {
		r := start(t, delivertest.Config{})
		defer r.Inject(delivertest.Fault{Hang: true})()
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.postContext(ctx, event(1, 0), "acc_1", 1)
		}()
		if _, err := r.WaitFor(t.Context(), func(s delivertest.Snapshot) bool { return s.Held == 1 }); err != nil {
			t.Fatal(err)
		}
		leave()
		<-done
		if _, err := r.WaitFor(t.Context(), func(s delivertest.Snapshot) bool { return s.Failed == 1 }); err != nil {
			t.Fatal(err)
		}
		r.want(delivertest.Snapshot{Requests: 1, Failed: 1})
	})
}

func TestWaitForGivesUpWithItsContext(t *testing.T) {
	r := start(t, delivertest.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{}, 1)
	go func() {
		<-asked
		cancel()
	}()
	_, err := r.WaitFor(ctx, func(delivertest.Snapshot) bool {
		select {
		case asked <- struct{}{}:
		default:
		}
		return false
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// With room for four ids, the two oldest halves are forgotten in turn; then a repeat is taken for a latecomer, never for nothing.
func TestIDsAreRememberedInBoundedMemory(t *testing.T) {
	r := start(t, delivertest.Config{KeepIDs: 4})
	for seq := int64(1); seq <= 4; seq++ {
		r.post(event(seq, 0), "acc_1", seq)
	}
	r.post(event(1, 0), "acc_1", 1)
	if got := r.Snapshot(); got.Repeats != 1 || got.OutOfOrder != 0 {
		t.Errorf("within the bound: %+v, want one repeat", got)
	}
	for seq := int64(5); seq <= 8; seq++ {
		r.post(event(seq, 0), "acc_1", seq)
	}
	r.post(event(1, 0), "acc_1", 1)
	if got := r.Snapshot(); got.Repeats != 1 || got.OutOfOrder != 1 {
		t.Errorf("beyond the bound: %+v, want a latecomer", got)
	}
}
