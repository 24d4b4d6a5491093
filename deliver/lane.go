package deliver

import (
	"container/heap"
	"math/bits"
	"slices"
	"time"

	"carillon"
)

// item is one change as a subscription sees it: which of its events are wanted and which are still to be sent.
type item struct {
	change *carillon.Change
	types  []string // the dialect's names, shared
	want   uint64   // bit i: event i is wanted
	next   int      // the event to send next; the wanted ones before it are settled
	size   int      // bytes held, for the window's bound
	// settled: delivered, given up, or handed to a parked lane. The cursor may pass.
	settled bool
}

// skipTo moves to the first wanted event at or after i and reports whether there is one.
func (it *item) skipTo(i int) bool {
	rest := it.want >> i << i
	if i >= 64 || rest == 0 {
		it.next = 64
		return false
	}
	it.next = bits.TrailingZeros64(rest)
	return true
}

func (it *item) event() carillon.Event {
	return carillon.Event{Change: it.change, Index: it.next, Type: it.types[it.next]}
}

// position is where the item's unsettled rest begins. A fence that nobody wants to hear of still has to be passed.
func (it *item) position() carillon.Position {
	if it.next >= 64 {
		return carillon.Position{Seq: it.change.Seq}
	}
	return carillon.Position{Seq: it.change.Seq, Index: it.next}
}

// lane is the order key's queue. Only its head is ever sent.
type lane struct {
	key     string
	queue   []*item // in log order
	sending bool    // the head (in a batch: several of the first) is on its way
	ready   bool    // stands in one of the runner's ready queues
	park    *parking
}

// parking is the state of a lane that is driven from the log instead of from the subscription's reader.
type parking struct {
	first     carillon.Position // everything of the lane before it is settled
	attempts  int               // failed, on the event at first
	free      bool              // the next attempt comes before its time and does not count
	retryAt   time.Time         // no attempt before
	nextAt    time.Time         // when the lane is looked at again
	blocked   bool
	lastError string
	since     time.Time
	readTo    int64 // the lane's log is in the queue, or settled, up to here
	loading   bool
	dirty     bool // differs from its row
	place     int  // in the due heap; −1 if not there
	// batch is the batch in which the head failed: it is tried again as the same batch. Nil if there was none.
	batch *batch
}

// batch remembers what went into a parcel of several events. Its lanes share it.
type batch struct {
	members []carillon.BatchMember
	first   string // the lane whose row carries the members
}

// lanes lists the lanes of a batch, each once.
func (b *batch) lanes() []string {
	var keys []string
	for _, m := range b.members {
		for _, key := range []string{m.Lane, m.Other} {
			if key != "" && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

func (l *lane) head() *item {
	if len(l.queue) == 0 {
		return nil
	}
	return l.queue[0]
}

func (l *lane) pop() {
	l.queue[0] = nil
	l.queue = l.queue[1:]
	if len(l.queue) == 0 {
		l.queue = nil
	}
}

// dueLanes is a heap of parked lanes by the time at which they go on.
//
//nolint:recvcheck // heap.Interface wants both kinds of receiver
type dueLanes []*lane

func (d dueLanes) Len() int           { return len(d) }
func (d dueLanes) Less(i, j int) bool { return d[i].park.nextAt.Before(d[j].park.nextAt) }
func (d dueLanes) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].park.place, d[j].park.place = i, j
}

// Push is for container/heap; use schedule.
func (d *dueLanes) Push(x any) {
	l := x.(*lane)
	l.park.place = len(*d)
	*d = append(*d, l)
}

// Pop is for container/heap; use take.
func (d *dueLanes) Pop() any {
	old := *d
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	l.park.place = -1
	return l
}

// schedule puts the lane in its place by nextAt, whether it stands in the heap or not.
func (d *dueLanes) schedule(l *lane) {
	if l.park.place >= 0 {
		heap.Fix(d, l.park.place)
		return
	}
	heap.Push(d, l)
}

func (d *dueLanes) remove(l *lane) {
	if l.park.place >= 0 {
		heap.Remove(d, l.park.place)
	}
}

// take removes and gives the first lane due at now, or nil.
func (d *dueLanes) take(now time.Time) *lane {
	if len(*d) == 0 || (*d)[0].park.nextAt.After(now) {
		return nil
	}
	return heap.Pop(d).(*lane)
}
