package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"carillon"
	"carillon/apps"
	"carillon/apps/workshop"
	"carillon/store"
)

// Workshop is what the front door asks of the room of apps (see workshop.Desk).
type Workshop interface {
	Install(ctx context.Context, org string, i workshop.Installation) (*carillon.App, error)
	Upgrade(ctx context.Context, org, id string, i workshop.Installation) (*carillon.App, error)
	SetIParams(ctx context.Context, org, id string, iparams json.RawMessage) (*carillon.App, error)
	Uninstall(ctx context.Context, org, id string, force bool) error
	App(ctx context.Context, org, id string) (*carillon.App, error)
	Apps(ctx context.Context, org string) ([]*carillon.App, error)
	Simulate(ctx context.Context, org, id string, s workshop.Simulation) (*carillon.Invocation, error)
	Invocations(ctx context.Context, q store.InvocationQuery) ([]*carillon.Invocation, error)
	Watch(org, id string) (nudges <-chan struct{}, stop func())
}

var _ Workshop = workshop.Desk(nil)

// App is an installation of an app as people read it.
type App struct {
	ID              string            `json:"id"`
	Name            string            `json:"name"`
	Version         int64             `json:"version" doc:"counts the packages: 1 as installed, one more with each upgrade"`
	PlatformVersion string            `json:"platformVersion"`
	State           carillon.AppState `json:"state" enum:"installed,disabled"`
	Error           string            `json:"error,omitempty" doc:"why it is disabled"`
	IParams         json.RawMessage   `json:"iparams" doc:"the values of its parameters by name, an object; secure ones are masked"`
	Subscriptions   []string          `json:"subscriptions" nullable:"false" doc:"the ids of the subscriptions that feed it"`
	InstalledAt     time.Time         `json:"installedAt"`
	UpdatedAt       time.Time         `json:"updatedAt"`
}

// AppForm is an app as it is sent: the zip, and what goes with it.
type AppForm struct {
	Package string          `json:"package,omitempty" format:"binary" doc:"the zip; an upgrade without one only sets the parameters"`
	IParams json.RawMessage `json:"iparams,omitempty" doc:"values of the parameters by name, an object; a secure one sent as its mask stays what it is"`
	Name    string          `json:"name,omitempty" maxLength:"200" doc:"what to call it"`
}

// Simulation is an event that somebody made up.
type Simulation struct {
	Product string          `json:"product,omitempty" maxLength:"128" doc:"or module; may be left out if only one of the app's has the event"`
	Event   string          `json:"event" minLength:"1" maxLength:"256"`
	Payload json.RawMessage `json:"payload,omitempty" doc:"what the handler is given, an object; if it is left out, the app's own of server/test_data, or the house's"`
}

// Invocation is one run of a handler, and what it said.
type Invocation struct {
	ID         string               `json:"id"`
	App        string               `json:"app"`
	Position   int64                `json:"position" doc:"invocations are kept in the order of their positions; 0 if this one is not kept"`
	At         time.Time            `json:"at"`
	DurationMS float64              `json:"durationMs"`
	Trigger    carillon.Trigger     `json:"trigger" enum:"event,setup,external,schedule,simulate"`
	Product    string               `json:"product,omitempty" doc:"or module"`
	Event      string               `json:"event"`
	Handler    string               `json:"handler,omitempty"`
	EventID    string               `json:"eventId,omitempty" doc:"of the event, if a change triggered it"`
	Outcome    string               `json:"outcome" enum:"success,failed"`
	Failure    *carillon.AppFailure `json:"failure,omitempty"`
	Lines      []carillon.AppLine   `json:"lines" nullable:"false" doc:"what the handler told the console"`
	Rendered   json.RawMessage      `json:"rendered,omitempty" doc:"what renderData was given: an object with error and data"`
}

func shownApp(a *carillon.App) App {
	out := App{
		ID: a.ID, Name: a.Name, Version: a.Version, PlatformVersion: a.PlatformVersion, State: a.State, Error: a.Error,
		IParams: a.IParams, Subscriptions: a.Subscriptions, InstalledAt: a.InstalledAt, UpdatedAt: a.UpdatedAt,
	}
	if len(out.IParams) == 0 {
		out.IParams = json.RawMessage(`{}`)
	}
	if out.Subscriptions == nil {
		out.Subscriptions = []string{}
	}
	return out
}

func shownInvocation(i *carillon.Invocation) Invocation {
	out := Invocation{
		ID: i.ID, App: i.App, Position: i.Position, At: i.At, DurationMS: float64(i.Duration) / float64(time.Millisecond),
		Trigger: i.Trigger, Product: i.Product, Event: i.Event, Handler: i.Handler, EventID: i.EventID,
		Outcome: "success", Failure: i.Failure, Lines: i.Lines, Rendered: i.Rendered,
	}
	if i.Failed() {
		out.Outcome = "failed"
	}
	if out.Lines == nil {
		out.Lines = []carillon.AppLine{}
	}
	return out
}

const (
	typeZip       = "application/zip"
	typeMultipart = "multipart/form-data"
	// maxIParams bounds the values of an app's parameters in bytes.
	maxIParams = 256 << 10
)

// installation reads an app as it is sent: the zip alone, or a form with more.
func (s *server) installation(w http.ResponseWriter, r *request) (i workshop.Installation, err error) {
	if err := checkContentType(r.Request, typeZip, typeMultipart); err != nil {
		return i, err
	}
	// The zip, the parameters, and the form around them.
	const limit = apps.MaxSize + maxIParams + 64<<10
	if r.ContentLength > limit {
		return i, errBodyTooLarge(limit)
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.limits.Request)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return i, fmt.Errorf("set read deadline: %w", err)
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	i.Name = r.query.Get("name")
	form, err := r.MultipartReader()
	if err != nil { // it is no form, then
		i.Package, err = readPart(r.Body, "", apps.MaxSize)
		return i, err
	}
	seen := map[string]bool{}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return i, nil
		}
		if err != nil {
			return i, errForm(err)
		}
		if err := readField(part, &i, seen); err != nil {
			return i, err
		}
	}
}

// readField takes one field of the form.
func readField(part *multipart.Part, i *workshop.Installation, seen map[string]bool) (err error) {
	name := part.FormName()
	if seen[name] {
		return carillon.Invalid("/"+name, "is given more than once")
	}
	seen[name] = true
	switch name {
	case "package":
		i.Package, err = readPart(part, "/package", apps.MaxSize)
	case "iparams":
		var text []byte
		if text, err = readPart(part, "/iparams", maxIParams); err == nil && len(bytes.TrimSpace(text)) > 0 {
			i.IParams = text
		}
	case "name":
		var text []byte
		text, err = readPart(part, "/name", 1<<10)
		i.Name = string(text)
	default:
		err = carillon.Invalid("/"+name, "is not a field of the form, which has package, iparams and name")
	}
	return err
}

// readPart reads what may have at most limit bytes.
func readPart(from io.Reader, member string, limit int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return nil, errForm(err)
	}
	if int64(len(content)) > limit {
		e := errBodyTooLarge(limit)
		e.Faults[0].Member = member
		return nil, e
	}
	return content, nil
}

// errForm is for a form that cannot be read to its end.
func errForm(err error) error {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return err
	}
	return errBodyBroken(err)
}

func (s *server) installApp(w http.ResponseWriter, r *request) error {
	i, err := s.installation(w, r)
	if err != nil {
		return err
	}
	if len(i.Package) == 0 {
		return carillon.Invalid("/package", "is missing: send the zip of the app")
	}
	a, err := s.workshop.Install(r.Context(), r.org(), i)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/apps/"+a.ID)
	return writeJSON(w, http.StatusCreated, shownApp(a))
}

func (s *server) listApps(w http.ResponseWriter, r *request) error {
	all, err := s.workshop.Apps(r.Context(), r.org())
	if err != nil {
		return fmt.Errorf("list apps: %w", err)
	}
	return writePage(w, r, all, func(a *carillon.App) string { return a.ID },
		func(a *carillon.App) (App, error) { return shownApp(a), nil })
}

func (s *server) getApp(w http.ResponseWriter, r *request) error {
	id, err := r.pathID("id", "the app")
	if err != nil {
		return err
	}
	a, err := s.workshop.App(r.Context(), r.org(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, shownApp(a))
}

// putApp upgrades an app, or only sets its parameters.
func (s *server) putApp(w http.ResponseWriter, r *request) error {
	id, err := r.pathID("id", "the app")
	if err != nil {
		return err
	}
	i, err := s.installation(w, r)
	if err != nil {
		return err
	}
	var a *carillon.App
	switch {
	case len(i.Package) > 0:
		a, err = s.workshop.Upgrade(r.Context(), r.org(), id, i)
	case i.Name != "":
		return carillon.Invalid("/name", "can only be set together with a package")
	case i.IParams != nil:
		a, err = s.workshop.SetIParams(r.Context(), r.org(), id, i.IParams)
	default:
		return carillon.Invalid("/package", "is missing: send the zip of the app, or iparams")
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, shownApp(a))
}

func (s *server) deleteApp(w http.ResponseWriter, r *request) error {
	id, err := r.pathID("id", "the app")
	if err != nil {
		return err
	}
	force, err := r.flag("force")
	if err != nil {
		return err
	}
	if err := s.workshop.Uninstall(r.Context(), r.org(), id, force); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// simulateApp runs a handler on an event that somebody made up. That it failed is an answer, not a problem.
func (s *server) simulateApp(w http.ResponseWriter, r *request) error {
	id, err := r.pathID("id", "the app")
	if err != nil {
		return err
	}
	body, err := s.jsonBody(w, r, typeJSON)
	if err != nil {
		return err
	}
	var in Simulation // the payload may be deeper than what decode lets pass
	if err := jsonv2.Unmarshal(body, &in, jsonv2.RejectUnknownMembers(true)); err != nil {
		return errDecode(err)
	}
	switch {
	case in.Event == "":
		return carillon.Invalid("/event", "is missing")
	case len(in.Payload) > apps.MaxPayload:
		return carillon.Invalid("/payload", fmt.Sprintf("is larger than %d KB, which no payload may be", apps.MaxPayload>>10))
	case len(in.Payload) > 0 && in.Payload[0] != '{':
		return carillon.Invalid("/payload", "is not an object")
	}
	i, err := s.workshop.Simulate(r.Context(), r.org(), id, workshop.Simulation(in))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, shownInvocation(i))
}

// listAppLogs lists what an app's handlers did, or follows it.
func (s *server) listAppLogs(w http.ResponseWriter, r *request) error {
	id, err := r.pathID("id", "the app")
	if err != nil {
		return err
	}
	follow, err := r.flag("follow")
	if err != nil {
		return err
	}
	if _, err := s.workshop.App(r.Context(), r.org(), id); err != nil {
		return err
	}
	q := store.InvocationQuery{Org: r.org(), App: id}
	if q.Failed, err = r.flag("failed"); err != nil {
		return err
	}
	if follow {
		return s.followAppLogs(w, r, q)
	}
	limit, err := r.limit()
	if err != nil {
		return err
	}
	after, err := r.cursor()
	if err != nil {
		return err
	}
	if after != "" {
		if q.After, err = strconv.ParseInt(after, 10, 64); err != nil || q.After < 1 {
			return errCursor()
		}
	}
	q.Limit = limit + 1 // one more tells whether another page follows
	invocations, err := s.workshop.Invocations(r.Context(), q)
	if err != nil {
		return fmt.Errorf("list invocations: %w", err)
	}
	next := ""
	if len(invocations) > limit {
		invocations = invocations[:limit]
		next = cursorOf(strconv.FormatInt(invocations[limit-1].Position, 10))
	}
	items := make([]Invocation, len(invocations))
	for n, i := range invocations {
		items[n] = shownInvocation(i)
	}
	return writeJSON(w, http.StatusOK, page(items, next))
}

// followPage is how many invocations are read at a time while they are followed.
const followPage = 100

// followAppLogs tells what handlers do as server-sent events of the type "invocation". The id is the position: sent back as
// Last-Event-ID, or given as after, it makes the stream go on there; without one it begins with what happens from now on.
func (s *server) followAppLogs(w http.ResponseWriter, r *request, q store.InvocationQuery) error {
	leave, ok := s.streams.enter(q.Org, s.limits.Streams)
	if !ok {
		return &carillon.Error{
			Code: carillon.CodeLimited, Message: fmt.Sprintf("the org has %d open streams, and can have no more", s.limits.Streams), Hint: "end some",
		}
	}
	defer leave()
	nudges, stop := s.workshop.Watch(q.Org, q.App) // before the end is read, so that nothing falls between
	defer stop()
	var err error
	if q.After, err = s.logStart(r, q); err != nil {
		return err
	}
	q.Ascending, q.Limit = true, followPage
	f := &logFeed{server: s, query: q, w: w, connection: http.NewResponseController(w)}
	defer func() { _ = f.connection.SetWriteDeadline(time.Time{}) }() // the connection may serve another request
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	// From here on the answer has begun: what fails can only end it.
	if err := f.run(r.Context(), nudges); err != nil && r.Context().Err() == nil && !isSlowReader(err) {
		s.log.ErrorContext(r.Context(), "log stream ended", "org", q.Org, "app", q.App, "error", err)
	}
	return nil
}

// logStart is the position after which a stream of invocations begins.
func (s *server) logStart(r *request, q store.InvocationQuery) (int64, error) {
	for _, given := range []struct{ name, text string }{{"Last-Event-ID", r.Header.Get("Last-Event-ID")}, {"after", r.query.Get("after")}} {
		if given.text == "" {
			continue
		}
		n, err := strconv.ParseInt(given.text, 10, 64)
		if err != nil || n < 0 {
			return 0, carillon.Invalid(given.name, "is not the position of an invocation")
		}
		return n, nil
	}
	last, err := s.workshop.Invocations(r.Context(), store.InvocationQuery{Org: q.Org, App: q.App, Limit: 1})
	if err != nil {
		return 0, fmt.Errorf("read the last invocation: %w", err)
	}
	if len(last) == 0 {
		return 0, nil
	}
	return last[0].Position, nil
}

// logFeed writes one stream of invocations.
type logFeed struct {
	*server
	query      store.InvocationQuery
	w          http.ResponseWriter
	connection *http.ResponseController
}

func (f *logFeed) run(ctx context.Context, nudges <-chan struct{}) error {
	heartbeat := time.NewTicker(f.limits.Heartbeat)
	defer heartbeat.Stop()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	if err := f.write(fmt.Appendf(nil, "retry: 1000\nid: %d\n\n", f.query.After)); err != nil {
		return err
	}
	for {
		if err := f.catchUp(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.stopping:
			return nil
		case <-nudges:
		case <-poll.C:
		case <-heartbeat.C:
			if err := f.write([]byte(": still here\n\n")); err != nil {
				return err
			}
		}
	}
}

// catchUp tells all that is kept by now.
func (f *logFeed) catchUp(ctx context.Context) error {
	for {
		page, err := f.workshop.Invocations(ctx, f.query)
		if err != nil {
			return fmt.Errorf("read invocations: %w", err)
		}
		for _, i := range page {
			data, err := jsonv2.Marshal(shownInvocation(i), times)
			if err != nil {
				return fmt.Errorf("encode invocation %s: %w", i.ID, err)
			}
			if err := f.write(fmt.Appendf(nil, "id: %d\nevent: invocation\ndata: %s\n\n", i.Position, data)); err != nil {
				return err
			}
			f.query.After = i.Position
		}
		if len(page) < f.query.Limit {
			return nil
		}
	}
}

// write sends, and lets go of a reader that takes nothing for Limits.Idle.
func (f *logFeed) write(text []byte) error {
	if err := f.connection.SetWriteDeadline(time.Now().Add(f.limits.Idle)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set write deadline: %w", err)
	}
	if _, err := f.w.Write(text); err != nil {
		return err
	}
	return f.connection.Flush()
}
