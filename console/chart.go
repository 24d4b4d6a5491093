package console

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

// chartMinutes is how far back the chart of changes goes.
const chartMinutes = 60

// settleTime is how long after a minute has passed its last seq is believed: a change takes its time before its commit.
const settleTime = 30 * time.Second

// seqAt is what an hour needs of the store.
type seqAt interface {
	SeqAt(ctx context.Context, org string, t time.Time) (int64, error)
}

// hour is how far the log had grown at the end of each of the last minutes. Seqs have no gaps, so differences are counts.
// What has settled is never asked for again: a refresh costs a look-up or two, however long the log is.
type hour struct {
	start  time.Time               // of the oldest minute shown
	seqs   [chartMinutes + 1]int64 // seqs[i]: of the last change before minute i of the hour begins
	known  map[time.Time]int64     // settled seqs by the minute they precede
	counts [chartMinutes]int64
}

// extend brings the hour up to now, where the log ends at head.
func (h *hour) extend(ctx context.Context, s seqAt, org string, now time.Time, head int64) error {
	h.start = now.UTC().Truncate(time.Minute).Add(-(chartMinutes - 1) * time.Minute)
	known := make(map[time.Time]int64, chartMinutes)
	for i := range chartMinutes {
		begin := h.start.Add(time.Duration(i) * time.Minute)
		seq, ok := h.known[begin]
		if !ok {
			var err error
			// The last change before the minute: times have milliseconds.
			if seq, err = s.SeqAt(ctx, org, begin.Add(-time.Millisecond)); err != nil {
				return err
			}
		}
		if now.Sub(begin) > settleTime {
			known[begin] = seq
		}
		h.seqs[i] = seq
	}
	h.seqs[chartMinutes] = head
	h.known = known
	for i := range h.counts {
		h.counts[i] = max(h.seqs[i+1]-h.seqs[i], 0)
	}
	return nil
}

// The chart's own units; the page stretches it.
const (
	chartHeight = 100
	barStep     = 10
	barWidth    = 7
)

// chart is a bar chart of counts per minute, ready to be drawn.
type chart struct {
	Bars  []bar
	Width int
	Top   int64 // the scale's upper end
	Total int64 // of all bars
	Now   int64 // of the minute that has just passed
	Label string
}

// bar is one minute. X, Y, Height in the chart's units, from the top left.
type bar struct {
	X, Width  int
	Y, Height float64
	Current   bool // the minute is not over
	Title     string
}

func (h *hour) chart() chart {
	c := chart{Width: chartMinutes * barStep, Now: h.counts[chartMinutes-2]}
	peak := int64(0)
	for _, n := range h.counts {
		c.Total += n
		peak = max(peak, n)
	}
	c.Top = roundUp(peak)
	for i, n := range h.counts {
		height := float64(n) / float64(c.Top) * chartHeight
		if n > 0 {
			height = max(height, 2) // visible
		}
		c.Bars = append(c.Bars, bar{
			X: i*barStep + (barStep-barWidth)/2, Width: barWidth, Y: chartHeight - height, Height: height,
			Current: i == chartMinutes-1,
			Title:   plural(n, "change", "changes") + " at " + h.start.Add(time.Duration(i)*time.Minute).Format("15:04") + " UTC",
		})
	}
	c.Label = fmt.Sprintf("Changes per minute in the last hour: %s in all, at most %s in a minute",
		humanize.Comma(c.Total), humanize.Comma(peak))
	return c
}

// roundUp gives the scale's end for a peak: one round digit and zeros, at least 5.
func roundUp(peak int64) int64 {
	for unit := int64(1); ; unit *= 10 {
		for _, factor := range []int64{1, 2, 3, 4, 5, 6, 8} {
			if top := factor * unit; top >= peak && top >= 5 {
				return top
			}
		}
	}
}
