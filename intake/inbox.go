package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"carillon"
	"carillon/store"
)

// masked stands for a secret.
const masked = "***"

// Inbound implements Desk.
func (in *Intake) Inbound(ctx context.Context, org, id string) (*carillon.Inbound, error) {
	d, err := in.store.Inbound(ctx, org, id)
	if err != nil {
		return nil, err
	}
	c, err := in.store.Connection(ctx, org, d.Connection)
	switch {
	case carillon.IsNotFound(err):
		return d, nil // the connection is being deleted, and this with it
	case err != nil:
		return nil, err
	}
	if c.Verify.Type == carillon.VerifyParameter {
		for _, form := range forms(c.Verify.Value) {
			d.Body = bytes.ReplaceAll(d.Body, []byte(form), []byte(masked))
		}
	}
	return d, nil
}

// forms are the ways in which a body may spell a value.
func forms(value string) []string {
	quoted, err := json.Marshal(value)
	if err != nil {
		return []string{value}
	}
	inside := string(quoted[1 : len(quoted)-1])
	return []string{value, inside, url.QueryEscape(value), url.QueryEscape(inside)}
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
	err = in.store.Update(ctx, func(ctx context.Context, tx store.Tx) error { return tx.SaveInbound(ctx, d) })
	if err != nil {
		return nil, err
	}
	in.look(d.Connection, true)
	return in.Inbound(ctx, org, id)
}

func headerOf(d *carillon.Inbound) func(name string) string {
	return func(name string) string { return d.Header[http.CanonicalHeaderKey(name)] }
}
