package workshop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	gojson "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/apps"
	"carillon/apps/script"
)

// call is one event for one handler.
type call struct {
	trigger carillon.Trigger
	product string // or module
	event   string
	handler string
	eventID string
	payload []byte // a JSON object
}

// call runs a handler and says how that went. The error is for what is not the handler's doing: ctx has ended, or the house stops.
func (w *Workshop) call(ctx context.Context, in *installation, c call) (*carillon.Invocation, error) {
	i := &carillon.Invocation{
		ID: carillon.NewID("inv"), Org: in.app.Org, App: in.app.ID, At: w.now(),
		Trigger: c.trigger, Product: c.product, Event: c.event, Handler: c.handler, EventID: c.eventID,
	}
	host := newHost(w, in, c)
	defer host.end()
	if !in.trial { // who tries an app posts to its URL himself, and has only the console to learn it from
		host.mask = host.mask.and(in.app.ExternalToken)
	}
	result, err := w.perform(ctx, in, c, host)
	if err != nil && result.Failure == nil { // it did not begin
		return nil, err
	}
	hide := host.secrets()
	i.Duration = result.Duration
	for _, l := range result.Logs {
		i.Lines = append(i.Lines, carillon.AppLine{At: l.Time, Level: l.Level, Text: hide.text(l.Text)})
	}
	if f := result.Failure; f != nil {
		i.Failure = &carillon.AppFailure{Kind: string(f.Kind), Message: hide.text(f.Message), Stack: hide.text(f.Stack)}
		// The handler may have made up the place too, of a secret number for one.
		if place := fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column); hide.text(place) == place {
			i.Failure.File, i.Failure.Line, i.Failure.Column = f.File, f.Line, f.Column
		}
	}
	i.Rendered = rendered(result.Rendered, hide)
	if w.config.Observe != nil {
		w.config.Observe(i)
	}
	if err != nil {
		w.journal.keepNow(ctx, i) // what it has done by then is done
		return nil, err
	}
	return i, nil
}

func (w *Workshop) perform(ctx context.Context, in *installation, c call, host *host) (script.Result, error) {
	failed := func(kind script.Kind, message string) (script.Result, error) {
		return script.Result{Failure: &script.Failure{Kind: kind, Message: message}}, nil
	}
	switch {
	case in.program == nil:
		return failed(script.KindSyntax, in.broken)
	case len(c.payload) > apps.MaxPayload:
		return failed(script.KindPayload, fmt.Sprintf("the payload has %d bytes; a handler takes at most %d", len(c.payload), apps.MaxPayload))
	}
	args, err := arguments(c.payload, in.iparams)
	if err != nil {
		return failed(script.KindPayload, "the payload cannot be read: "+err.Error())
	}
	return w.pool.Invoke(ctx, in.key(), in.program, c.handler, args, host)
}

// rendered is what renderData was given, without secrets; nothing if it was not called.
func rendered(r *script.Rendered, hide mask) json.RawMessage {
	if r == nil {
		return nil
	}
	text, err := gojson.Marshal(r)
	if err != nil {
		return nil
	}
	if hidden := jsontext.Value(hide.text(string(text))); hidden.IsValid() {
		return json.RawMessage(bytes.TrimSpace(hidden))
	}
	return json.RawMessage(`{}`) // a secret that was a number
}

// explain tells a failure in one line.
func explain(i *carillon.Invocation) string {
	text := fmt.Sprintf("%s failed: %s", i.Handler, i.Failure.Message)
	if i.Failure.File != "" {
		text += fmt.Sprintf(" (%s:%d:%d)", i.Failure.File, i.Failure.Line, i.Failure.Column)
	}
	return text
}

// Handle runs the handler of a message that a subscription feeds to an app, and waits for it. It fails with not_found if the app is
// no more, with invalid or too_large for a message that the app will never take, and with conflict if the handler failed; other failures
// are the house's and may pass.
func (w *Workshop) Handle(ctx context.Context, s *carillon.Subscription, m *carillon.Message) error {
	in, err := w.open(ctx, s.Org, s.Sink.App)
	if err != nil {
		return err
	}
	if !in.agreed() {
		return &carillon.Error{Code: carillon.CodeUnavailable, Message: "the app was not installed to the end"}
	}
	handler, product, ok := in.handler(productOf(s), m.Type)
	if !ok {
		return &carillon.Error{Code: carillon.CodeInvalid, Message: "the app does not listen to " + m.Type}
	}
	i, err := w.call(ctx, in, call{
		trigger: carillon.TriggerEvent, product: product, event: m.Type, handler: handler, eventID: m.ID, payload: m.Body,
	})
	if err != nil {
		return err
	}
	w.journal.keep(ctx, i)
	if i.Failure == nil {
		return nil
	}
	failed := carillon.Conflict(explain(i))
	switch script.Kind(i.Failure.Kind) {
	case script.KindEngine:
		failed.Code = carillon.CodeInternal
	case script.KindPayload:
		failed.Code = carillon.CodeTooLarge
	case script.KindMissing:
		failed.Code = carillon.CodeInvalid
	}
	return failed
}

// productOf is the product as which a subscription tells an app of changes.
func productOf(s *carillon.Subscription) string {
	if s.Dialect == platform {
		return apps.PlatformProduct
	}
	var settings struct {
		Product string `json:"product"`
	}
	if len(s.Settings) > 0 && json.Unmarshal(s.Settings, &settings) == nil && settings.Product != "" {
		return settings.Product
	}
	return productSuite
}
