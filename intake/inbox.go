package intake

import (
	"context"
	"net/http"

	"carillon"
)

// Inbound implements Desk.
func (in *Intake) Inbound(ctx context.Context, org, id string) (*carillon.Inbound, error) {
	return in.store.Inbound(ctx, org, id)
}

// Retry implements Desk.
func (in *Intake) Retry(ctx context.Context, org, id string) (*carillon.Inbound, error) {
	d, err := in.store.Inbound(ctx, org, id)
	if err != nil {
		return nil, err
	}
	if d.State != carillon.InboxQuarantined {
		return nil, &carillon.Error{
			Code: carillon.CodeConflict, Message: "delivery " + id + " is " + string(d.State) + ": only what is quarantined can be run again",
		}
	}
	again(d)
	if err := in.save(ctx, d); err != nil {
		return nil, err
	}
	in.look(d.Connection, true)
	return in.Inbound(ctx, org, id)
}

func headerOf(d *carillon.Inbound) func(name string) string {
	return func(name string) string { return d.Header[http.CanonicalHeaderKey(name)] }
}
