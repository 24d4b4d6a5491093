package simulator

import (
	"context"
	"fmt"

	"carillon/store"
)

// Coverage says which handlers of an app ran.
type Coverage struct {
	Handlers []HandlerRuns // those that the app registers, in the order of its manifest
}

// HandlerRuns is how often a handler ran.
type HandlerRuns struct {
	Handler string   `json:"handler"`
	Events  []string `json:"events"` // those that it handles, as "PRODUCT EVENT"
	Runs    int      `json:"runs"`
}

// Ran counts the handlers that ran at least once.
func (c Coverage) Ran() int {
	n := 0
	for _, h := range c.Handlers {
		if h.Runs > 0 {
			n++
		}
	}
	return n
}

// Coverage says which handlers of the app, as it is installed now, ran since Load. It must not overlap with Run.
func (f *Folder) Coverage(ctx context.Context) (Coverage, error) {
	id := f.State().App
	if id == "" {
		return Coverage{}, nil
	}
	if err := f.count(ctx); err != nil {
		return Coverage{}, err
	}
	pkg, err := f.config.Shelf.Package(ctx, f.config.Org, id)
	if err != nil {
		return Coverage{}, fmt.Errorf("read the app: %w", err)
	}
	var c Coverage
	at := map[string]int{}
	for _, p := range pkg.Products {
		for _, l := range p.Events {
			i, known := at[l.Handler]
			if !known {
				i = len(c.Handlers)
				at[l.Handler] = i
				c.Handlers = append(c.Handlers, HandlerRuns{Handler: l.Handler, Runs: f.ran[l.Handler]})
			}
			c.Handlers[i].Events = append(c.Handlers[i].Events, p.Name+" "+l.Event)
		}
	}
	return c, nil
}

// countPage is how many invocations are read at a time.
const countPage = 200

// count adds the invocations since the last call. They are read while they come, since only the newest are kept.
func (f *Folder) count(ctx context.Context) error {
	id := f.State().App
	if id == "" {
		return nil
	}
	for {
		page, err := f.config.Shelf.Invocations(ctx, store.InvocationQuery{
			Org: f.config.Org, App: id, After: f.heardUp, Ascending: true, Limit: countPage,
		})
		if err != nil {
			return fmt.Errorf("count what ran: %w", err)
		}
		for _, i := range page {
			if ran(i) {
				f.ran[i.Handler]++
			}
			f.heardUp = i.Position
		}
		if len(page) < countPage {
			return nil
		}
	}
}
