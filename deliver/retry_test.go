package deliver

import (
	"testing"
	"time"

	"carillon"
)

func TestNextTry(t *testing.T) {
	schedule := carillon.Retry{Schedule: []time.Duration{10 * time.Second, 100 * time.Second}}
	for _, c := range []struct {
		name       string
		attempt    int
		retryAfter time.Duration
		random     float64
		wait       time.Duration
		again      bool
	}{
		{"the first wait", 1, 0, 0.5, 10 * time.Second, true},
		{"the second wait", 2, 0, 0.5, 100 * time.Second, true},
		{"jitter takes a tenth off", 1, 0, 0, 9 * time.Second, true},
		{"jitter adds a tenth at most", 1, 0, 1, 11 * time.Second, true},
		{"Retry-After lengthens the wait", 1, time.Minute, 0.5, time.Minute, true},
		{"Retry-After does not shorten it", 2, time.Second, 0.5, 100 * time.Second, true},
		{"the schedule ends", 3, 0, 0.5, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			wait, again := nextTry(schedule, c.attempt, c.retryAfter, func() float64 { return c.random })
			if wait != c.wait || again != c.again {
				t.Errorf("got %s, %v; want %s, %v", wait, again, c.wait, c.again)
			}
		})
	}
}

func TestTheDefaultScheduleSpansThreeDays(t *testing.T) {
	var span time.Duration
	for n := 1; ; n++ {
		wait, again := nextTry(carillon.Retry{}, n, 0, func() float64 { return 0.5 })
		if !again {
			break
		}
		span += wait
	}
	if days := span.Hours() / 24; days < 3 || days > 3.5 {
		t.Errorf("the schedule spans %.1f days", days)
	}
}

func TestTheCircuit(t *testing.T) {
	now := time.Unix(0, 0)
	t.Run("opens when several lanes fail in a row", func(t *testing.T) {
		var c circuit
		for i := range circuitFailures {
			opened := c.failed(string(rune('a'+i%circuitLanes)), now, false)
			if want := i == circuitFailures-1; opened != want {
				t.Errorf("failure %d: opened %v", i+1, opened)
			}
		}
	})
	t.Run("stays closed while one lane alone fails", func(t *testing.T) {
		var c circuit
		for range circuitAnyFailures - 1 {
			if c.failed("a", now, false) {
				t.Fatal("opened")
			}
		}
	})
	t.Run("a success between starts the count anew", func(t *testing.T) {
		var c circuit
		for i := range 10 * circuitFailures {
			if c.failed(string(rune('a'+i%5)), now, false) {
				t.Fatal("opened")
			}
			if i%circuitLanes == 0 {
				c.succeeded()
			}
		}
	})
	t.Run("probes wait longer and longer, what was sent before does not count", func(t *testing.T) {
		c := circuit{open: true}
		last := time.Duration(0)
		for range 5 {
			c.failed("a", now, true)
			at := c.probeAt
			c.failed("b", now, false)
			if !c.probeAt.Equal(at) {
				t.Error("a straggler moved the probe")
			}
			if wait := at.Sub(now); wait <= last {
				t.Errorf("waits %s after %s", wait, last)
			} else {
				last = wait
			}
		}
		for range 100 {
			c.failed("a", now, true)
		}
		if wait := c.probeAt.Sub(now); wait > longestProbe*11/10 {
			t.Errorf("waits %s", wait)
		}
		if !c.succeeded() || c.open {
			t.Error("a success did not close it, or did not tell that the endpoint had been dead")
		}
	})
	t.Run("a circuit that the first probe closes was not that of a dead endpoint", func(t *testing.T) {
		c := circuit{open: true}
		if c.succeeded() || c.open {
			t.Error("it was taken for one")
		}
	})
}
