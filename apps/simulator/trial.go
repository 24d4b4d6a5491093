package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"carillon"
	"carillon/apps"
	"carillon/apps/workshop"
	"carillon/store"
)

const (
	// maxForm bounds a form in bytes: a payload of which every character is percent-encoded, and the rest.
	maxForm = 3*apps.MaxPayload + 16<<10
	// shownRuns is how many of the last invocations are listed.
	shownRuns = 25
)

// trial is the content of the page on which an event is made up.
type trial struct {
	At       Place
	App      *carillon.App
	Modular  bool // it has modules, not products
	Products []string
	Events   []eventGroup
	Product  string
	Event    string
	Handler  string
	Payload  string
	Lines    int
	Source   string // where the payload is from
	IParams  int    // how many parameters it has
	Outcome  *outcome
	Runs     []*outcome
}

// eventGroup is the events of one sort, for the list to choose from.
type eventGroup struct {
	Label  string
	Events []apps.Listener
}

// groupLabels name the sorts of events in the order in which they are shown.
var groupLabels = []struct {
	class apps.Class
	label string
}{
	{apps.ClassProduct, "Product events"},
	{apps.ClassPlatform, "Platform events"},
	{apps.ClassExternal, "External"},
	{apps.ClassScheduled, "Scheduled"},
	{apps.ClassSetUp, "Set-up"},
}

// Test answers a request to the page on which events are made up. GET shows it (?product=&event=), POST simulates (the
// same, and payload). Errors are those of the desk.
func (s *Simulator) Test(w http.ResponseWriter, r *http.Request, at Place) (*Page, error) {
	app, pkg, err := s.open(w, r, at, maxForm)
	if err != nil {
		return nil, err
	}
	t := &trial{At: at, App: app, Modular: pkg.Modular(), IParams: len(pkg.IParams)}
	t.choose(pkg, r.Form.Get("product"), r.Form.Get("event"))
	if r.Method == http.MethodPost {
		if event := r.PostForm.Get("event"); t.Product != r.PostForm.Get("product") || t.Event != event {
			return nil, &carillon.Error{
				Code: carillon.CodeInvalid, Message: fmt.Sprintf("The app does not listen to %.200q there; load the page again.", event),
			}
		}
		t.Payload = strings.ReplaceAll(r.PostForm.Get("payload"), "\r\n", "\n") // forms send lines ended so
		if t.Outcome, err = s.simulate(r, pkg, t); err != nil {
			return nil, err
		}
		if r.Header.Get(partHeader) == "outcome" {
			return s.page("outcome", Page{Part: true}, t.Outcome)
		}
	} else if err := s.offer(r, pkg, t); err != nil {
		return nil, err
	}
	t.Lines = strings.Count(t.Payload, "\n") + 1
	if t.Runs, err = s.runs(r.Context(), at); err != nil {
		return nil, err
	}
	p := Page{Title: app.Name, Part: r.Header.Get(partHeader) == "trial"}
	if p.Part {
		return s.page("trial", p, t)
	}
	return s.page("test", p, t)
}

// choose settles which product and event the page is about: those asked for, else the first that the app listens to.
func (t *trial) choose(pkg *apps.App, product, event string) {
	var listeners []apps.Listener
	for _, p := range pkg.Products {
		if len(p.Events) == 0 {
			continue
		}
		t.Products = append(t.Products, p.Name)
		if t.Product == "" || p.Name == product {
			t.Product, listeners = p.Name, p.Events
		}
	}
	for _, group := range groupLabels {
		g := eventGroup{Label: group.label}
		for _, l := range listeners {
			if apps.ClassOf(l.Event) == group.class {
				g.Events = append(g.Events, l)
			}
		}
		if g.Events != nil {
			t.Events = append(t.Events, g)
		}
	}
	i := slices.IndexFunc(listeners, func(l apps.Listener) bool { return l.Event == event })
	if i < 0 && t.Events != nil {
		i = slices.Index(listeners, t.Events[0].Events[0])
	}
	if i >= 0 {
		t.Event, t.Handler = listeners[i].Event, listeners[i].Handler
	}
}

// offer fills in the payload to begin with.
func (s *Simulator) offer(r *http.Request, pkg *apps.App, t *trial) error {
	if t.Event == "" {
		return nil
	}
	payload, err := s.desk.TestPayload(r.Context(), t.At.Org, t.At.App, t.Product, t.Event)
	switch _, own := pkg.TestData(t.Product, t.Event); {
	case carillon.IsNotFound(err):
		payload, t.Source = json.RawMessage(`{}`), "none is known; write one, or keep it in server/test_data"
	case err != nil:
		return err
	case own:
		t.Source = "from server/test_data"
	default:
		t.Source = "made up by Carillon; server/test_data has none"
	}
	t.Payload = indented(payload)
	return nil
}

// simulate runs the handler on what the form says.
func (s *Simulator) simulate(r *http.Request, pkg *apps.App, t *trial) (*outcome, error) {
	if fault, at := checkPayload([]byte(t.Payload)); fault != nil {
		i := &carillon.Invocation{
			At: s.now(), Trigger: carillon.TriggerSimulate, Product: t.Product, Event: t.Event, Handler: t.Handler,
			Failure: &carillon.AppFailure{Kind: "payload", Message: "the payload is not one JSON object"},
		}
		o := newOutcome(i)
		o.Faults = []faultSpot{{Fault: *fault, spot: at}}
		return o, nil
	}
	i, err := s.desk.Simulate(r.Context(), t.At.Org, t.At.App, workshop.Simulation{
		Product: t.Product, Event: t.Event, Payload: json.RawMessage(t.Payload),
	})
	if err != nil {
		return nil, err
	}
	o := newOutcome(i)
	o.locate(pkg, []byte(t.Payload))
	return o, nil
}

// runs lists what the handlers did last, the newest first.
func (s *Simulator) runs(ctx context.Context, at Place) ([]*outcome, error) {
	invocations, err := s.desk.Invocations(ctx, store.InvocationQuery{Org: at.Org, App: at.App, Limit: shownRuns})
	if err != nil {
		return nil, err
	}
	runs := make([]*outcome, len(invocations))
	for n, i := range invocations {
		runs[n] = newOutcome(i)
	}
	return runs, nil
}
