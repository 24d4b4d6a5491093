package workshop

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"carillon"
	"carillon/apps"
	"carillon/apps/script"
)

// Simulate implements Desk.
func (w *Workshop) Simulate(ctx context.Context, org, id string, s Simulation) (*carillon.Invocation, error) {
	in, err := w.open(ctx, org, id)
	if err != nil {
		return nil, err
	}
	handler, product, err := in.listener(s.Product, s.Event)
	if err != nil {
		return nil, err
	}
	payload := s.Payload
	if len(payload) == 0 {
		if payload, err = w.testPayload(ctx, in, product, s.Event); err != nil {
			return nil, err
		}
	}
	i := &carillon.Invocation{
		ID: carillon.NewID("inv"), Org: in.app.Org, App: in.app.ID, At: w.now(),
		Trigger: carillon.TriggerSimulate, Product: product, Event: s.Event, Handler: handler,
	}
	faults, err := w.catalogue.check(product, s.Event, payload)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		i.Failure = &carillon.AppFailure{Kind: string(script.KindPayload), Message: "the payload is not one of " + s.Event + ": " + tell(faults), Faults: faults}
	} else {
		i, err = w.call(ctx, in, call{trigger: carillon.TriggerSimulate, product: product, event: s.Event, handler: handler, payload: payload})
		if err != nil {
			return nil, err
		}
	}
	w.journal.keepNow(ctx, i)
	return i, nil
}

// tell gives the first faults in one line.
func tell(faults []carillon.Fault) string {
	var list []string
	for n, f := range faults {
		if n == 3 {
			list = append(list, "…")
			break
		}
		member := f.Member
		if member == "" {
			member = "it"
		}
		list = append(list, member+" "+f.Reason)
	}
	return strings.Join(list, "; ")
}

// listener finds who handles an event that a person has named.
func (in *installation) listener(product, event string) (handler, under string, err error) {
	if product != "" {
		known := false
		for _, p := range in.parsed.Products {
			known = known || p.Name == product
		}
		if !known {
			return "", "", carillon.Invalid("/product", fmt.Sprintf("%s is not one of the app's", shown(product)))
		}
		if name, ok := in.parsed.Handler(product, event); ok {
			return name, product, nil
		}
	}
	name, under, ok := in.handler(product, event)
	if !ok || product != "" && under != product {
		return "", "", carillon.Invalid("/event", fmt.Sprintf("the app does not listen to %s", shown(event)))
	}
	return name, under, nil
}

// TestPayload implements Desk.
func (w *Workshop) TestPayload(ctx context.Context, org, id, product, event string) (json.RawMessage, error) {
	in, err := w.open(ctx, org, id)
	if err != nil {
		return nil, err
	}
	_, product, err = in.listener(product, event)
	if err != nil {
		return nil, err
	}
	return w.testPayload(ctx, in, product, event)
}

func (w *Workshop) testPayload(ctx context.Context, in *installation, product, event string) (json.RawMessage, error) {
	if payload, ok := in.parsed.TestData(product, event); ok {
		return payload, nil
	}
	switch apps.ClassOf(event) {
	case apps.ClassProduct, apps.ClassPlatform:
		if w.config.Sample != nil {
			if payload, ok := w.config.Sample(ctx, dialectOf(product), event, settingsOf(product)); ok {
				return payload, nil
			}
		}
		return nil, carillon.NotFound("a payload for", event)
	case apps.ClassExternal:
		o := w.envelope(in, event)
		o.set("data", []byte(`{"text":"an external event"}`))
		o.set("headers", []byte(`{"content-type":"application/json"}`))
		o.set("options", appendText(nil, product+"."+event))
		return json.RawMessage(o.json()), nil
	case apps.ClassScheduled:
		o := w.envelope(in, event)
		o.set("data", []byte(`{}`))
		return json.RawMessage(o.json()), nil
	default:
		return json.RawMessage(w.envelope(in, event).json()), nil
	}
}

// settingsOf are the settings of the dialect in which a product is spoken for.
func settingsOf(product string) json.RawMessage {
	switch product {
	case apps.PlatformProduct:
		return nil
	case productClassic:
		return json.RawMessage(`{"product":"` + productClassic + `"}`)
	default:
		return json.RawMessage(`{"product":"` + productSuite + `"}`)
	}
}
