package bench

import (
	"context"
	"errors"
	"fmt"
)

// disk: what a change of 1 KB before and after leaves on disk, and whether more subscriptions leave more.
func (r *run) disk(ctx context.Context) ([]Measure, error) {
	n := 6000
	if r.Quick {
		n = 1500
	}
	one, amissOne, err := r.bytesPerChange(ctx, 1, n)
	if err != nil {
		return nil, err
	}
	hundred, amissHundred, err := r.bytesPerChange(ctx, 100, n)
	if err != nil {
		return nil, err
	}
	what := func(s string) string { return "bytes on disk per change of 1 KB before and after, " + s }
	return []Measure{
		Measure{Row: "disk", What: what("1 subscription"), Value: one, Unit: "bytes"}.atMost(2500).spoilt(amissOne),
		Measure{Row: "disk", What: what("100 subscriptions"), Value: hundred, Unit: "bytes"}.
			against(one, "1 subscription").ratioAtMost(1.05).spoilt(amissHundred),
	}, nil
}

// bytesPerChange measures the growth from one clean stop to the next, with n changes delivered between. What is there
// once per subscription (its row, its newest attempts) is there before.
func (r *run) bytesPerChange(ctx context.Context, subscriptions, n int) (perChange float64, amiss string, err error) {
	r.say(fmt.Sprintf("  %d changes, %d subscriptions", n, subscriptions))
	dir, remove, err := r.dir("disk")
	if err != nil {
		return 0, "", err
	}
	defer remove()
	to, err := newSink(ctx, subscriptions)
	if err != nil {
		return 0, "", err
	}
	defer to.close()
	var sizes []int64
	var want int64
	for i, changes := range []int{max(n/5, 1000), n} {
		s, err := r.serve(ctx, dir)
		if err != nil {
			return 0, "", err
		}
		if i == 0 {
			err = r.furnish(ctx, s, to)
		}
		if err == nil {
			err = writeAll(ctx, s.address, changes)
			want += int64(changes) * int64(subscriptions)
			to.wait(want)
		}
		if err = errors.Join(err, s.stop()); err != nil {
			return 0, "", err
		}
		size, err := sizeOf(dir)
		if err != nil {
			return 0, "", fmt.Errorf("measure the archive: %w", err)
		}
		sizes = append(sizes, size)
	}
	return float64(sizes[1]-sizes[0]) / float64(n), to.amiss(want), nil
}

// furnish makes accounts, and a subscription for each endpoint.
func (r *run) furnish(ctx context.Context, s *server, to *sink) error {
	if err := createAccounts(ctx, s.api); err != nil {
		return err
	}
	return inParallel(ctx, len(to.endpoints), func(ctx context.Context, i int) error {
		return subscribe(ctx, s.api, to.url(i), "now")
	})
}
