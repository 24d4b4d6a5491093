package workshop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/time/rate"

	"carillon"
	"carillon/apps/script"
)

// functions are what handlers may ask of the house.
func functions() []string {
	return []string{
		"$db.get", "$db.set", "$db.update", "$db.delete", "$request.invokeTemplate",
		"$schedule.create", "$schedule.fetch", "$schedule.update", "$schedule.delete", "generateTargetUrl",
	}
}

// host answers what one invocation asks.
type host struct {
	workshop *Workshop
	in       *installation
	call     call

	flight chan struct{} // a place for each request that is under way

	mu       sync.Mutex
	mask     mask
	answered int64 // bytes of answers that the script was given
	held     int64 // bytes of the house's budget that are taken until the invocation ends
	ended    bool
}

func newHost(w *Workshop, in *installation, c call) *host {
	return &host{workshop: w, in: in, call: c, mask: in.mask, flight: make(chan struct{}, maxFlight)}
}

// end gives back what the invocation holds of the house's budget.
func (h *host) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.workshop.answers.Release(h.held)
	h.held, h.ended = 0, true
}

// secrets is what must not be told of this invocation.
func (h *host) secrets() mask {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mask
}

// Call implements script.Host.
func (h *host) Call(ctx context.Context, function string, text jsontext.Value) (jsontext.Value, error) {
	var args []jsontext.Value
	if err := json.Unmarshal(text, &args); err != nil {
		return nil, refuse(http.StatusBadRequest, "%s cannot read its arguments", function)
	}
	at := func(n int) jsontext.Value {
		if n < len(args) {
			return args[n]
		}
		return jsontext.Value("null")
	}
	m := h.workshop.metersOf(h.in)
	switch function {
	case "$db.get", "$db.set", "$db.update", "$db.delete":
		if err := m.take(m.values, h.workshop.now(), "operations of $db"); err != nil {
			return nil, err
		}
		return h.values(ctx, function, at)
	case "$request.invokeTemplate":
		if err := m.take(m.requests, h.workshop.now(), "requests"); err != nil {
			return nil, err
		}
		return h.request(ctx, at(0), at(1))
	case "$schedule.create", "$schedule.fetch", "$schedule.update", "$schedule.delete":
		return h.schedules(ctx, function, at(0))
	case "generateTargetUrl":
		return h.targetURL()
	default:
		return nil, refuse(http.StatusNotImplemented, "%s is not available here", function)
	}
}

// refuse makes an error for the script, in the vendor's shape.
func refuse(status int, format string, args ...any) *script.Rejection {
	return &script.Rejection{Status: status, Message: fmt.Sprintf(format, args...), Members: map[string]any{"errorSource": "APP"}}
}

// meters bound what an installation asks for.
type meters struct {
	values, requests, external *rate.Limiter // nil: no bound
}

// metersOf gives the meters of an installation, which outlive its upgrades.
func (w *Workshop) metersOf(in *installation) *meters {
	w.mu.Lock()
	defer w.mu.Unlock()
	m, ok := w.meters[in.app.ID]
	if !ok {
		m = &meters{
			values: perMinute(w.config.Limits.Values), requests: perMinute(w.config.Limits.Requests), external: perMinute(w.config.Limits.External),
		}
		w.meters[in.app.ID] = m
	}
	return m
}

// perMinute lets n through at once, and then as many as make n in a minute.
func perMinute(n int) *rate.Limiter {
	if n < 0 {
		return nil
	}
	return rate.NewLimiter(rate.Every(time.Minute/time.Duration(n)), n)
}

// take counts one of what (a noun in the plural).
func (m *meters) take(l *rate.Limiter, now time.Time, what string) error {
	if l == nil || l.AllowN(now, 1) {
		return nil
	}
	return refuse(http.StatusTooManyRequests, "more than %d %s in a minute", l.Burst(), what)
}

// targetURL answers generateTargetUrl: the URL to which others post the app's external events.
func (h *host) targetURL() (jsontext.Value, error) {
	switch h.call.trigger {
	case carillon.TriggerExternal, carillon.TriggerSchedule:
		return nil, refuse(http.StatusBadRequest, "generateTargetUrl is for set-up events and events of products")
	}
	if h.workshop.config.URL == "" {
		return nil, refuse(http.StatusNotImplemented, "nothing can reach this house from outside")
	}
	return appendText(nil, h.workshop.config.URL+hooksPath+h.in.app.ID+"/"+h.in.app.ExternalToken), nil
}
