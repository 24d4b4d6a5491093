package console

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"carillon"
	"carillon/apps/simulator"
	"carillon/store"
)

// Workshop knows the apps that are installed, and runs their handlers (see workshop.Desk).
type Workshop interface {
	simulator.Desk
	Apps(ctx context.Context, org string) ([]*carillon.App, error)
}

// listedApps bounds how many apps are shown: for each the archive is asked what it did last.
const listedApps = 200

// appsPage is the content of "/console/apps".
type appsPage struct {
	Apps    []appRow
	Hidden  int64 // that are not shown
	BaseURL string
}

// appRow is one installation as it fares.
type appRow struct {
	*carillon.App
	URL  string
	Last *carillon.Invocation // nil if no handler has run
}

// appPage is the content of an app's pages.
type appPage struct {
	*carillon.App
	Test, IParams string // the URLs of its pages
	Path          string // of the one that is shown
	Body          template.HTML
}

func appURL(id string) string { return "/console/apps/" + url.PathEscape(id) }

func (c *console) showApps(w http.ResponseWriter, r *http.Request, who visitor) error {
	all, err := c.Workshop.Apps(r.Context(), who.Org)
	if err != nil {
		return fmt.Errorf("list apps: %w", err)
	}
	slices.SortStableFunc(all, func(a, b *carillon.App) int { return strings.Compare(a.Name, b.Name) })
	p := appsPage{BaseURL: baseURL(r), Hidden: int64(max(len(all)-listedApps, 0))}
	for _, a := range all[:min(len(all), listedApps)] {
		last, err := c.Workshop.Invocations(r.Context(), store.InvocationQuery{Org: who.Org, App: a.ID, Limit: 1})
		if err != nil {
			return fmt.Errorf("read what an app did: %w", err)
		}
		row := appRow{App: a, URL: appURL(a.ID)}
		if len(last) > 0 {
			row.Last = last[0]
		}
		p.Apps = append(p.Apps, row)
	}
	return c.views.render(w, http.StatusOK, "apps", page{Title: "Apps", Who: &who, Simulator: true, Content: p})
}

// placeOf is where the pages of the app are that the path names.
func placeOf(r *http.Request, who visitor) (simulator.Place, error) {
	id := r.PathValue("id")
	if !carillon.ValidID(id) {
		return simulator.Place{}, carillon.NotFound("the app", shorten(id, 40))
	}
	at := appURL(id)
	return simulator.Place{Org: who.Org, App: id, Test: at, IParams: at + "/parameters", Live: at + "/live"}, nil
}

func (c *console) showApp(w http.ResponseWriter, r *http.Request, who visitor) error {
	return c.simulated(w, r, who, c.simulator.Test)
}

func (c *console) showIParams(w http.ResponseWriter, r *http.Request, who visitor) error {
	return c.simulated(w, r, who, c.simulator.IParams)
}

// simulated puts one of the simulator's pages into the console's layout.
func (c *console) simulated(w http.ResponseWriter, r *http.Request, who visitor,
	show func(http.ResponseWriter, *http.Request, simulator.Place) (*simulator.Page, error),
) error {
	at, err := placeOf(r, who)
	if err != nil {
		return err
	}
	p, err := show(w, r, at)
	switch {
	case err != nil:
		return err
	case p == nil: // it is answered
		return nil
	case p.Part:
		return send(w, p.Status, strings.NewReader(string(p.Body)))
	}
	a, err := c.Workshop.App(r.Context(), who.Org, at.App)
	if err != nil {
		return err
	}
	content := appPage{App: a, Test: at.Test, IParams: at.IParams, Path: r.URL.Path, Body: p.Body}
	return c.views.render(w, p.Status, "app", page{Title: p.Title, Who: &who, Simulator: true, Content: content})
}

// followApp tells a page of an app what its handlers do.
func (c *console) followApp(w http.ResponseWriter, r *http.Request, who visitor) error {
	at, err := placeOf(r, who)
	if err != nil {
		return err
	}
	select {
	case c.watchers <- struct{}{}:
		defer func() { <-c.watchers }()
	default:
		return &carillon.Error{Code: carillon.CodeLimited, Message: "too many live feeds are open"}
	}
	return c.simulator.Live(w, r, at, simulator.News{Stopping: c.Stopping})
}
