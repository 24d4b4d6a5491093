package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/platform"
)

// render: making a message of a change, in this process.
func (r *run) render(ctx context.Context) ([]Measure, error) {
	change, err := sampleChange()
	if err != nil {
		return nil, err
	}
	took, err := renderTime(ctx, platform.New(), change)
	if err != nil {
		return nil, err
	}
	return []Measure{Measure{
		Row: "render", What: "rendering a change, platform", Value: float64(took) / float64(time.Microsecond), Unit: "µs",
	}.atMost(10)}, nil
}

// sampleChange is an update of an account with 1 KB before and after.
func sampleChange() (*carillon.Change, error) {
	at := time.Now()
	state := func(mark int64) ([]byte, error) {
		data := account(1)
		data["id"], data["customReference"] = accountID(1), fmt.Sprintf("%d-%d", at.UnixNano(), mark)
		data["createdAt"], data["updatedAt"] = carillon.FormatTime(at), carillon.FormatTime(at)
		return json.Marshal(data)
	}
	before, err := state(1)
	if err != nil {
		return nil, err
	}
	after, err := state(2)
	if err != nil {
		return nil, err
	}
	return &carillon.Change{
		Org: "dev", Seq: 12345, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: accountID(1)}, Op: carillon.OpUpdated,
		Number: 1, Version: 7, Lane: accountID(1), Time: at, Actor: carillon.Actor{ID: "dev", Type: "ORG_ADMIN"}, Origin: "api",
		Changed: []carillon.MemberChange{{Name: "customReference", How: carillon.Updated}},
		Before:  before, After: after,
	}, nil
}

// renderTime is the mean time of naming a change's events and encoding the first.
func renderTime(ctx context.Context, d dialect.Dialect, c *carillon.Change) (time.Duration, error) {
	settings, err := d.CheckSettings(nil)
	if err != nil {
		return 0, err
	}
	const chunk = 1000
	n := 0
	start := time.Now()
	for time.Since(start) < time.Second && ctx.Err() == nil {
		for range chunk {
			names := d.Events(c)
			if len(names) == 0 {
				return 0, fmt.Errorf("%s names no event for an account's update", d.Name())
			}
			if _, err := d.Encode(carillon.Event{Change: c, Type: names[0]}, settings); err != nil {
				return 0, err
			}
		}
		n += chunk
	}
	return time.Since(start) / time.Duration(max(n, 1)), ctx.Err()
}
