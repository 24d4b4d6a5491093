package delivertest

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Fault is a way to fail. It is in force from Inject until it is lifted; of several that apply to a message the first
// injected one decides.
type Fault struct {
	// Lane restricts the fault to one lane; empty: all.
	Lane string
	// Probability that a message meets the fault: from a random source with the Seed. 0 means always.
	Probability float64
	Seed        uint64
	// Times ends the fault after so many messages; 0: never.
	Times int

	// Delay passes before anything else. Hang: until the fault is lifted.
	Delay time.Duration
	Hang  bool
	// Status is answered; 2xx takes the message. Default 500, or 204 for a fault that only delays or hangs.
	Status int
	// RetryAfter is sent in whole seconds.
	RetryAfter time.Duration
	// Location is sent, for a Status that redirects.
	Location string
	// Body is answered.
	Body string
	// Close closes the connection instead of answering; the message is not taken.
	Close bool
	// LoseAnswer takes the message and then closes the connection: the sender cannot know.
	LoseAnswer bool
}

// fault is a Fault in force.
type fault struct {
	Fault
	mu     sync.Mutex // guards random and left
	random *rand.Rand
	left   int
	lifted chan struct{}
}

// Inject puts a fault in force and gives the function that lifts it; what hangs then goes on. Lifting twice is harmless.
func (r *Receiver) Inject(f Fault) (lift func()) {
	if f.Status == 0 {
		f.Status = http.StatusInternalServerError
		if f.Hang || f.Delay > 0 {
			f.Status = http.StatusNoContent
		}
	}
	held := &fault{Fault: f, random: rand.New(rand.NewPCG(f.Seed, f.Seed)), left: f.Times, lifted: make(chan struct{})}
	r.mu.Lock()
	r.faults = append(r.faults, held)
	r.mu.Unlock()
	return sync.OnceFunc(func() {
		r.mu.Lock()
		for i, other := range r.faults {
			if other == held {
				// A new list: requests may be looking at the old one.
				r.faults = append(append([]*fault(nil), r.faults[:i]...), r.faults[i+1:]...)
				break
			}
		}
		r.mu.Unlock()
		close(held.lifted)
	})
}

// faultFor gives the fault that a message meets, or nil.
func (r *Receiver) faultFor(d *Delivery) *fault {
	r.mu.Lock()
	faults := r.faults
	r.mu.Unlock()
	for _, f := range faults {
		if f.meets(d) {
			return f
		}
	}
	return nil
}

func (f *fault) meets(d *Delivery) bool {
	if f.Lane != "" && f.Lane != d.Lane {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Probability > 0 && f.random.Float64() >= f.Probability {
		return false
	}
	if f.Times > 0 {
		if f.left == 0 {
			return false
		}
		f.left--
	}
	return true
}

// holdBack waits as the fault says; it fails if the sender goes away meanwhile.
func (f *fault) holdBack(ctx context.Context) error {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.Hang {
		select {
		case <-f.lifted:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (f *fault) takes() bool {
	return f.LoseAnswer || !f.Close && f.Status >= 200 && f.Status <= 299
}

func (f *fault) answer(w http.ResponseWriter) {
	if f.Close || f.LoseAnswer {
		panic(http.ErrAbortHandler) // closes the connection without an answer, and without a word in the log
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(f.RetryAfter/time.Second), 10))
	}
	if f.Location != "" {
		w.Header().Set("Location", f.Location)
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write([]byte(f.Body))
}
