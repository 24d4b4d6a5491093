package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"time"

	"carillon"
	"carillon/apps"
	"carillon/apps/workshop"
	"carillon/store"
)

// Desk is what the pages ask of the workshop (see workshop.Desk).
type Desk interface {
	App(ctx context.Context, org, id string) (*carillon.App, error)
	Package(ctx context.Context, org, id string) (*apps.App, error)
	SetIParams(ctx context.Context, org, id string, iparams json.RawMessage) (*carillon.App, error)
	Simulate(ctx context.Context, org, id string, s workshop.Simulation) (*carillon.Invocation, error)
	TestPayload(ctx context.Context, org, id, product, event string) (json.RawMessage, error)
	Invocations(ctx context.Context, q store.InvocationQuery) ([]*carillon.Invocation, error)
	Watch(org, id string) (nudges <-chan struct{}, stop func())
}

var _ Desk = workshop.Desk(nil)

// Place is an installation and where its pages are.
type Place struct {
	Org, App string
	Test     string // the URL of the page on which events are made up
	IParams  string // that of the page of its parameters
	Live     string // that of the feed
	Save     string // what the button says that sets the parameters; "Save" by default
	Version  int64  // of the News that the page shows; 0 for none
}

// Page is the content of a page, for a face to put into its layout.
type Page struct {
	Status int
	Title  string
	Body   template.HTML
	Part   bool // a script asked for the body alone
}

// partHeader names the part of a page that a script asks for.
const partHeader = "Carillon-Fragment"

// Simulator makes the pages of installations.
type Simulator struct {
	desk  Desk
	parts *template.Template
	now   func() time.Time
}

// New makes a Simulator.
func New(desk Desk) (*Simulator, error) {
	if desk == nil {
		return nil, errors.New("simulator: the config lacks a Desk")
	}
	parts, err := loadParts()
	if err != nil {
		return nil, err
	}
	return &Simulator{desk: desk, parts: parts, now: time.Now}, nil
}

// Assets are the files that the pages load, beside those of the house's look: simulator.css and simulator.js.
func Assets() fs.FS { return assets() }

// page renders a template as a page.
func (s *Simulator) page(name string, p Page, content any) (*Page, error) {
	body, err := s.render(name, content)
	if err != nil {
		return nil, err
	}
	p.Body = body
	if p.Status == 0 {
		p.Status = http.StatusOK
	}
	return &p, nil
}

// open reads a request's form, of so many bytes at most, and the app that its page is about. Errors are those of the desk.
func (s *Simulator) open(w http.ResponseWriter, r *http.Request, at Place, most int64) (*carillon.App, *apps.App, error) {
	r.Body = http.MaxBytesReader(w, r.Body, most)
	if err := r.ParseForm(); err != nil {
		return nil, nil, &carillon.Error{Code: carillon.CodeTooLarge, Message: "the form cannot be read, or is too large", Err: err}
	}
	app, err := s.desk.App(r.Context(), at.Org, at.App)
	if err != nil {
		return nil, nil, err
	}
	pkg, err := s.desk.Package(r.Context(), at.Org, at.App)
	return app, pkg, err
}
