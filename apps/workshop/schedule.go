package workshop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/apps"
	"carillon/store"
)

// Bounds of $schedule, which are the vendor's but for the name and the far end.
const (
	maxScheduleName = 128 // characters
	maxScheduleData = 4 << 10
	maxOnce         = 1000
	maxRecurring    = 1
	aheadAtLeast    = 5 * time.Minute
	repeatAtMost    = 366 * 24 * time.Hour
	farthest        = 10 * 366 * 24 * time.Hour
)

// wish is the argument of $schedule's functions.
type wish struct {
	Name       string         `json:"name"`
	Data       jsontext.Value `json:"data"`
	ScheduleAt jsontext.Value `json:"schedule_at"`
	Repeat     *struct {
		TimeUnit  string  `json:"time_unit"`
		Frequency float64 `json:"frequency"`
	} `json:"repeat"`
}

// schedules answers $schedule.
func (h *host) schedules(ctx context.Context, function string, arg jsontext.Value) (jsontext.Value, error) {
	var w wish
	if arg.Kind() != '{' || json.Unmarshal(arg, &w) != nil {
		return nil, refuse(http.StatusBadRequest, "%s takes an object with name, data, schedule_at and repeat", function)
	}
	if strings.TrimSpace(w.Name) == "" || utf8.RuneCountInString(w.Name) > maxScheduleName {
		return nil, refuse(http.StatusBadRequest, "the name of a schedule must be a text of 1 to %d characters", maxScheduleName)
	}
	if strings.ContainsFunc(w.Name, unicode.IsControl) {
		return nil, refuse(http.StatusBadRequest, "the name of a schedule has control characters")
	}
	org, app := h.in.app.Org, h.in.app.ID
	switch function {
	case "$schedule.create":
		return done("created", h.write(ctx, func(ctx context.Context, tx store.Tx) error { return h.create(ctx, tx, w) }))
	case "$schedule.update":
		return done("updated", h.write(ctx, func(ctx context.Context, tx store.Tx) error { return h.update(ctx, tx, w) }))
	case "$schedule.delete":
		return done("deleted", h.write(ctx, func(ctx context.Context, tx store.Tx) error {
			if _, err := h.find(ctx, tx, w.Name); err != nil {
				return err
			}
			return tx.DeleteAppSchedule(ctx, org, app, w.Name)
		}))
	default:
		var found *carillon.AppSchedule
		err := h.write(ctx, func(ctx context.Context, tx store.Tx) (err error) {
			found, err = h.find(ctx, tx, w.Name)
			return err
		})
		if err != nil {
			return nil, err
		}
		return describe(found)
	}
}

func done(what string, err error) (jsontext.Value, error) {
	if err != nil {
		return nil, err
	}
	return jsontext.Value(`{"status":200,"message":"The schedule was ` + what + `"}`), nil
}

// describe tells a script of a schedule.
func describe(s *carillon.AppSchedule) (jsontext.Value, error) {
	o := object{{"name", appendText(nil, s.Name)}, {"schedule_at", appendText(nil, carillon.FormatTime(s.At))}}
	data := jsontext.Value(s.Data)
	if len(data) == 0 {
		data = jsontext.Value("{}")
	}
	o.set("data", data)
	if s.Recurring() {
		o.set("repeat", fmt.Appendf(nil, `{"time_unit":%q,"frequency":%d}`, s.Unit, s.Frequency))
	}
	return o.json(), nil
}

// find reads a schedule of the app.
func (h *host) find(ctx context.Context, tx store.Tx, name string) (*carillon.AppSchedule, error) {
	s, err := tx.AppSchedule(ctx, h.in.app.Org, h.in.app.ID, name)
	if carillon.IsNotFound(err) {
		return nil, refuse(http.StatusNotFound, "there is no schedule of this name")
	}
	return s, err
}

func (h *host) create(ctx context.Context, tx store.Tx, w wish) error {
	if _, err := tx.AppSchedule(ctx, h.in.app.Org, h.in.app.ID, w.Name); err == nil {
		return refuse(http.StatusConflict, "there is a schedule of this name already")
	} else if !carillon.IsNotFound(err) {
		return err
	}
	now := h.workshop.now()
	s := &carillon.AppSchedule{Org: h.in.app.Org, App: h.in.app.ID, Name: w.Name, CreatedAt: now}
	if len(w.ScheduleAt) == 0 {
		return refuse(http.StatusBadRequest, "schedule_at is missing")
	}
	return h.apply(ctx, tx, s, w, now)
}

func (h *host) update(ctx context.Context, tx store.Tx, w wish) error {
	s, err := h.find(ctx, tx, w.Name)
	if err != nil {
		return err
	}
	return h.apply(ctx, tx, s, w, h.workshop.now())
}

// apply makes a schedule what the app wishes, and keeps it.
func (h *host) apply(ctx context.Context, tx store.Tx, s *carillon.AppSchedule, w wish, now time.Time) error {
	was, fresh := s.Recurring(), s.UpdatedAt.IsZero()
	s.UpdatedAt = now
	if err := w.into(s, now); err != nil {
		return err
	}
	if fresh || was != s.Recurring() {
		once, recurring, err := tx.CountAppSchedules(ctx, s.Org, s.App)
		switch {
		case err != nil:
			return err
		case s.Recurring() && recurring >= maxRecurring:
			return refuse(http.StatusBadRequest, "an app may have %d recurring schedule", maxRecurring)
		case !s.Recurring() && once >= maxOnce:
			return refuse(http.StatusBadRequest, "an app may have %d schedules that do not recur", maxOnce)
		}
	}
	return tx.PutAppSchedule(ctx, s)
}

// into checks a wish and enters what it says.
func (w wish) into(s *carillon.AppSchedule, now time.Time) error {
	if len(w.Data) > 0 && w.Data.Kind() != 'n' {
		if w.Data.Kind() != '{' {
			return refuse(http.StatusBadRequest, "data must be an object")
		}
		if len(w.Data) > maxScheduleData {
			return refuse(http.StatusBadRequest, "data has more than %d KB", maxScheduleData>>10)
		}
		s.Data = json.RawMessage(w.Data)
	}
	if len(w.ScheduleAt) > 0 {
		at, ok := readTime(w.ScheduleAt)
		switch {
		case !ok:
			return refuse(http.StatusBadRequest, "schedule_at must be a time such as 2030-01-31T17:00:00.000Z")
		case at.Before(now.Add(aheadAtLeast)):
			return refuse(http.StatusBadRequest, "schedule_at must be at least 5 minutes ahead")
		case at.After(now.Add(farthest)):
			return refuse(http.StatusBadRequest, "schedule_at is too far ahead")
		}
		s.At = at
	}
	if w.Repeat == nil {
		return nil
	}
	units := map[string]time.Duration{"minutes": time.Minute, "hours": time.Hour, "days": 24 * time.Hour}
	unit, known := units[w.Repeat.TimeUnit]
	n := w.Repeat.Frequency
	if !known {
		return refuse(http.StatusBadRequest, "repeat.time_unit must be minutes, hours or days")
	}
	if n != float64(int(n)) || n < 1 || time.Duration(n) > repeatAtMost/unit || time.Duration(n)*unit < aheadAtLeast {
		return refuse(http.StatusBadRequest, "repeat.frequency must be a whole number that makes 5 minutes to a year")
	}
	s.Unit, s.Frequency = w.Repeat.TimeUnit, int(n)
	return nil
}

// readTime reads an ISO 8601 time; without an offset it is UTC.
func readTime(v jsontext.Value) (time.Time, bool) {
	var text string
	if v.Kind() != '"' || json.Unmarshal(v, &text) != nil {
		return time.Time{}, false
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Millisecond), true
		}
	}
	return time.Time{}, false
}

// next is when a recurring schedule is called next after now. Times that were missed are made up for by one call.
func next(s *carillon.AppSchedule, now time.Time) time.Time {
	every := map[string]time.Duration{"minutes": time.Minute, "hours": time.Hour}[s.Unit] * time.Duration(s.Frequency)
	if every == 0 {
		every = 24 * time.Hour * time.Duration(max(1, s.Frequency))
	}
	late := max(0, now.Sub(s.At))
	return s.At.Add(late - late%every + every)
}

const (
	dueAtOnce    = 256 // how many apps are looked at in one go
	calledAtOnce = 8   // how many handlers run for schedules at one time, of an app one after the other
)

// rounds are the calls of schedules in hand.
type rounds struct {
	calls sync.WaitGroup
	ended chan struct{} // receives when a call has ended

	mu   sync.Mutex
	busy map[string]bool // the apps that are being called
}

// begin takes a hand for an app; false if it has one already, or there is none.
func (r *rounds) begin(app string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[app] || len(r.busy) == calledAtOnce {
		return false
	}
	r.busy[app] = true
	return true
}

func (r *rounds) end(app string) {
	r.mu.Lock()
	delete(r.busy, app)
	r.mu.Unlock()
	select {
	case r.ended <- struct{}{}:
	default:
	}
}

// comeRound calls the handlers of schedules that are due until ctx ends, and then waits for those in hand; working is theirs, and
// stop ends it after the grace.
func (w *Workshop) comeRound(ctx, working context.Context, stop context.CancelFunc) {
	r := &rounds{ended: make(chan struct{}, 1), busy: map[string]bool{}}
	look := time.NewTicker(w.config.Look)
	defer look.Stop()
	for ctx.Err() == nil {
		if err := w.callDue(ctx, working, r); err != nil && ctx.Err() == nil {
			w.config.Logger.Error("call schedules that are due", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-r.ended:
		case <-look.C:
		}
	}
	grace := time.AfterFunc(w.config.Grace, stop)
	defer grace.Stop()
	r.calls.Wait()
}

// callDue begins what is due. A call that was claimed is on the disk before its handler runs, so that each comes once.
func (w *Workshop) callDue(ctx, working context.Context, r *rounds) error {
	due, err := w.config.Store.DueAppSchedules(ctx, w.now(), dueAtOnce)
	if err != nil {
		return err
	}
	for _, s := range due {
		if ctx.Err() != nil || !r.begin(s.App) {
			continue
		}
		claimed, err := w.claim(ctx, s)
		if err != nil || !claimed {
			r.end(s.App)
			if err != nil {
				return err
			}
			continue
		}
		r.calls.Go(func() {
			defer r.end(s.App)
			w.callSchedule(working, s)
		})
	}
	return nil
}

// claim moves a schedule on, unless somebody has changed it meanwhile.
func (w *Workshop) claim(ctx context.Context, s *carillon.AppSchedule) (claimed bool, err error) {
	now := w.now()
	err = w.config.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		claimed = false
		known, err := tx.AppSchedule(ctx, s.Org, s.App, s.Name)
		if carillon.IsNotFound(err) || err == nil && !known.At.Equal(s.At) {
			return nil
		}
		if err != nil {
			return err
		}
		claimed = true
		if !known.Recurring() {
			return tx.DeleteAppSchedule(ctx, s.Org, s.App, s.Name)
		}
		known.At = next(known, now)
		return tx.PutAppSchedule(ctx, known)
	})
	return claimed, err
}

// callSchedule runs the handler of a schedule.
func (w *Workshop) callSchedule(ctx context.Context, s *carillon.AppSchedule) {
	in, err := w.open(ctx, s.Org, s.App)
	if err != nil {
		w.config.Logger.Error("call a schedule", "app", s.App, "error", err)
		return
	}
	if !in.agreed() {
		w.config.Logger.Warn("call a schedule: the app was not installed to the end", "app", s.App)
		return
	}
	handler, product, ok := in.handler("", apps.OnScheduledEvent)
	if !ok {
		w.config.Logger.Warn("call a schedule: the app handles none", "app", s.App)
		return
	}
	payload := w.envelope(in, apps.OnScheduledEvent)
	data := jsontext.Value(s.Data)
	if len(data) == 0 {
		data = jsontext.Value("{}")
	}
	payload.set("data", data)
	i, err := w.call(ctx, in, call{
		trigger: carillon.TriggerSchedule, product: product, event: apps.OnScheduledEvent, handler: handler, payload: payload.json(),
	})
	if err != nil {
		w.config.Logger.Error("call a schedule", "app", s.App, "error", err)
		return
	}
	w.journal.keep(ctx, i)
}
