package delivertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"carillon"
	"carillon/dialect"
)

// Config is how a Receiver receives.
type Config struct {
	// Secrets verify signatures: one that matches any of them is good. Without secrets nothing is verified.
	Secrets []string
	// Keep bounds the deliveries that are remembered whole, the newest ones. Default 100,000; negative: none.
	Keep int
	// KeepIDs bounds the message ids that are remembered to know repeats by. Default 4,000,000.
	KeepIDs int
	// MaxBody bounds a body in bytes. Default 16 MiB; a larger one is answered 413.
	MaxBody int64
	// OnDelivery, if set, hears each delivery that is taken, one at a time and in order. It must not block.
	OnDelivery func(Delivery)
}

// Delivery is one message that the Receiver has taken.
type Delivery struct {
	ID         string
	Type       string // carillon-event
	Lane       string // carillon-lane
	Seq        int64  // carillon-seq
	Method     string
	URL        string // path and query
	Header     http.Header
	Body       []byte
	At         time.Time // when it came
	Verified   bool      // its signature matched
	Repeat     bool      // its id was taken before
	OutOfOrder bool      // it came for the first time after a later one of its lane
	Attempt    int       // 1 if it was taken when first tried, counting the tries that were made to fail
}

// Disorder is a message that came for the first time after a later one of its lane.
type Disorder struct {
	Lane  string
	ID    string
	Is    carillon.Position // where the message belongs
	After carillon.Position // what had come before it
}

// String is the disorder as a sentence for a failing test.
func (d Disorder) String() string {
	return fmt.Sprintf("lane %s: %s (event %d of change %d) came after event %d of change %d",
		d.Lane, d.ID, d.Is.Index, d.Is.Seq, d.After.Index, d.After.Seq)
}

// Snapshot counts what has happened so far.
type Snapshot struct {
	Requests   int // all that came, whatever became of them
	Taken      int // answered 2xx
	Unique     int // taken, each id once
	Repeats    int // taken again
	OutOfOrder int // taken for the first time after a later one of their lane
	Failed     int // made to fail by a Fault
	Rejected   int // not verified, or not a webhook
	Held       int // held back by a Fault at this moment
	Lanes      int // lanes seen
	LastID     string
	LastSeq    int64 // highest seq taken
}

// Receiver is a webhook endpoint for tests. It is an http.Handler, safe for concurrent use.
//
// A message is recorded, and its place in its lane judged, before it is answered: of two messages of a lane the sender
// sends the second one only once it has the first one's answer, so the order here is the order in which they were sent.
type Receiver struct {
	config Config

	mu        sync.Mutex
	changed   sync.Cond
	verifiers []*standardwebhooks.Webhook
	now       Snapshot
	kept      []Delivery // a ring once it has Keep of them
	next      int        // where the ring goes on
	lanes     map[string]carillon.Position
	taken     idSet
	tries     map[string]int // of messages that have failed and were not taken since
	disorders []Disorder     // the first maxComplaints
	rejects   []string       // the first maxComplaints
	faults    []*fault
}

// maxComplaints bounds the disorders and rejections that are remembered one by one; all are counted.
const maxComplaints = 100

// NewReceiver makes a Receiver. It fails if a secret is not one.
func NewReceiver(c Config) (*Receiver, error) {
	if c.Keep == 0 {
		c.Keep = 100_000
	}
	if c.KeepIDs <= 0 {
		c.KeepIDs = 4_000_000
	}
	if c.MaxBody <= 0 {
		c.MaxBody = 16 << 20
	}
	r := &Receiver{config: c, lanes: map[string]carillon.Position{}, tries: map[string]int{}, taken: newIDSet(c.KeepIDs)}
	r.changed.L = &r.mu
	return r, r.SetSecrets(c.Secrets...)
}

// SetSecrets replaces the secrets: a subscription's is known only once it was made. None: nothing is verified.
func (r *Receiver) SetSecrets(secrets ...string) error {
	verifiers := make([]*standardwebhooks.Webhook, len(secrets))
	for i, text := range secrets {
		var err error
		if verifiers[i], err = standardwebhooks.NewWebhook(text); err != nil {
			return fmt.Errorf("read secret %d: %w", i+1, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.verifiers = verifiers
	return nil
}

// ServeHTTP takes a message with 204, or fails as the faults in force say. A request that is no webhook of Carillon's
// or whose signature does not match is answered 400 or 401 and recorded as a complaint.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	d := Delivery{
		ID: req.Header.Get("webhook-id"), Type: req.Header.Get("carillon-event"), Lane: req.Header.Get("carillon-lane"),
		Header: req.Header.Clone(), At: time.Now(), Method: req.Method, URL: req.URL.String(),
	}
	var err error
	if d.Body, err = io.ReadAll(http.MaxBytesReader(w, req.Body, r.config.MaxBody)); err != nil {
		r.reject(w, statusOfBody(err), "body could not be read: "+err.Error())
		return
	}
	if d.ID == "" {
		r.reject(w, http.StatusBadRequest, "no webhook-id")
		return
	}
	if d.Seq, err = strconv.ParseInt(req.Header.Get("carillon-seq"), 10, 64); err != nil {
		r.reject(w, http.StatusBadRequest, d.ID+": carillon-seq is not a number")
		return
	}
	if d.Verified, err = r.verify(req.Header, d.Body); err != nil {
		r.reject(w, http.StatusUnauthorized, d.ID+": "+err.Error())
		return
	}

	f := r.faultFor(&d)
	if f != nil && r.hold(req.Context(), f) != nil {
		r.record(&d, false) // the sender has gone
		return
	}
	taken := f == nil || f.takes()
	r.record(&d, taken)
	if f != nil {
		f.answer(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func statusOfBody(err error) int {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// verify asks the library of Standard Webhooks, which is not ours.
func (r *Receiver) verify(h http.Header, body []byte) (bool, error) {
	r.mu.Lock()
	verifiers := r.verifiers
	r.mu.Unlock()
	var err error
	for _, v := range verifiers {
		if err = v.Verify(body, h); err == nil {
			return true, nil
		}
	}
	return false, err
}

// hold lets a message wait as its fault says.
func (r *Receiver) hold(ctx context.Context, f *fault) error {
	r.addHeld(1)
	defer r.addHeld(-1)
	return f.holdBack(ctx)
}

func (r *Receiver) addHeld(n int) {
	r.mu.Lock()
	r.now.Held += n
	r.mu.Unlock()
	r.changed.Broadcast()
}

func (r *Receiver) reject(w http.ResponseWriter, status int, why string) {
	r.mu.Lock()
	r.now.Requests++
	r.now.Rejected++
	if len(r.rejects) < maxComplaints {
		r.rejects = append(r.rejects, why)
	}
	r.mu.Unlock()
	r.changed.Broadcast()
	http.Error(w, why, status)
}

// record enters a message in the books.
func (r *Receiver) record(d *Delivery, taken bool) {
	r.mu.Lock()
	defer r.changed.Broadcast()
	defer r.mu.Unlock()
	r.now.Requests++
	if !taken {
		r.now.Failed++
		r.tries[d.ID]++
		return
	}
	d.Attempt = r.tries[d.ID] + 1
	delete(r.tries, d.ID)
	r.now.Taken++
	r.now.LastID = d.ID
	r.now.LastSeq = max(r.now.LastSeq, d.Seq)
	if d.Repeat = !r.taken.add(d.ID); d.Repeat {
		r.now.Repeats++
	} else {
		r.now.Unique++
		r.place(d)
	}
	r.keep(*d)
	if r.config.OnDelivery != nil {
		r.config.OnDelivery(*d)
	}
}

// place judges a message that came for the first time. The id of an event tells its place among those of its change. A
// snapshot is told record by record, so its events have no order among themselves but come before all others of their
// lane; a test send has no place at all.
func (r *Receiver) place(d *Delivery) {
	at := carillon.Position{Seq: d.Seq}
	if seq, index, ok := dialect.ParseEventID(d.ID); ok && seq == d.Seq {
		at.Index = index
	}
	last, known := r.lanes[d.Lane]
	switch {
	case strings.HasPrefix(d.ID, "test_"):
	case known && at.Before(last):
		d.OutOfOrder = true
		r.now.OutOfOrder++
		if len(r.disorders) < maxComplaints {
			r.disorders = append(r.disorders, Disorder{Lane: d.Lane, ID: d.ID, Is: at, After: last})
		}
	case strings.HasPrefix(d.ID, "snap_"):
	default:
		r.lanes[d.Lane] = at
		r.now.Lanes = len(r.lanes)
	}
}

func (r *Receiver) keep(d Delivery) {
	switch {
	case r.config.Keep < 0:
	case len(r.kept) < r.config.Keep:
		r.kept = append(r.kept, d)
	default:
		r.kept[r.next] = d
		r.next = (r.next + 1) % len(r.kept)
	}
}

// Snapshot gives the counts so far.
func (r *Receiver) Snapshot() Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// Deliveries lists what was taken, in order of arrival; the newest Keep of them.
func (r *Receiver) Deliveries() []Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Delivery, 0, len(r.kept))
	list = append(list, r.kept[r.next:]...)
	return append(list, r.kept[:r.next]...)
}

// Repeats counts the messages that were taken again.
func (r *Receiver) Repeats() int { return r.Snapshot().Repeats }

// OutOfOrder lists the messages that came for the first time after a later one of their lane: the first hundred.
func (r *Receiver) OutOfOrder() []Disorder {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Disorder(nil), r.disorders...)
}

// Rejected lists why requests were rejected: the first hundred.
func (r *Receiver) Rejected() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.rejects...)
}

// WaitFor blocks until the predicate holds, or gives ctx's error with the last counts. The predicate is asked after
// every request; it must be quick and not call the Receiver.
func (r *Receiver) WaitFor(ctx context.Context, holds func(Snapshot) bool) (Snapshot, error) {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changed.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !holds(r.now) {
		if err := ctx.Err(); err != nil {
			return r.now, fmt.Errorf("wait for deliveries (%+v): %w", r.now, err)
		}
		r.changed.Wait()
	}
	return r.now, nil
}
