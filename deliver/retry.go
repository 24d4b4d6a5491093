package deliver

import (
	"math/rand/v2"
	"time"

	"carillon"
)

// jitter is how far a waiting time may stray from the schedule, so that lanes that failed together do not come back together.
const jitter = 0.10

// nextTry decides what becomes of a message whose attempt (1 for the first) has failed: wait and try again, or give up.
// An endpoint's Retry-After is obeyed where it asks for more patience than the schedule has.
func nextTry(r carillon.Retry, attempt int, retryAfter time.Duration, rnd func() float64) (wait time.Duration, again bool) {
	schedule := r.Schedule
	if len(schedule) == 0 {
		schedule = carillon.DefaultSchedule
	}
	if attempt > len(schedule) {
		return 0, false
	}
	wait = time.Duration(float64(schedule[attempt-1]) * (1 + jitter*(2*rnd()-1)))
	return max(wait, retryAfter), true
}

// circuit notices that everything to an endpoint fails. While it is open nothing is sent but one probe at a time, and a
// failure costs no lane an attempt. It is pure: time is passed in.
type circuit struct {
	failures int             // since the last success
	lanes    map[string]bool // that failed since the last success, up to circuitLanes of them
	open     bool
	probes   int // failed since it opened
	probeAt  time.Time
}

// The circuit opens after this many failures in a row, if they came from this many lanes (or the endpoint has failed so
// often that the number of lanes no longer matters).
const (
	circuitFailures    = 20
	circuitLanes       = 5
	circuitAnyFailures = 50
	firstProbe         = 250 * time.Millisecond
	longestProbe       = time.Minute
	deadProbes         = 3
)

// failed notes a failure and reports whether it opened the circuit. While it is open only probes count: what else fails
// then was sent before.
func (c *circuit) failed(lane string, now time.Time, probe bool) (opened bool) {
	if c.open {
		if probe {
			c.probes++
			c.probeAt = now.Add(probeWait(c.probes))
		}
		return false
	}
	c.failures++
	if len(c.lanes) < circuitLanes {
		if c.lanes == nil {
			c.lanes = make(map[string]bool, circuitLanes)
		}
		c.lanes[lane] = true
	}
	if c.failures >= circuitFailures && len(c.lanes) >= circuitLanes || c.failures >= circuitAnyFailures {
		c.open, c.probes, c.probeAt = true, 0, now.Add(probeWait(0))
		return true
	}
	return false
}

// succeeded notes a success and reports whether it closed the circuit of an endpoint that had really been dead: several
// probes had failed. Otherwise the failures were those of their lanes.
func (c *circuit) succeeded() (revived bool) {
	revived = c.open && c.probes >= deadProbes
	c.failures, c.probes, c.open = 0, 0, false
	clear(c.lanes)
	return revived
}

// probeWait doubles from firstProbe to longestProbe, with jitter.
func probeWait(n int) time.Duration {
	wait := longestProbe
	if n < 8 {
		wait = firstProbe << n
	}
	return time.Duration(float64(wait) * (1 + jitter*(2*rand.Float64()-1)))
}
