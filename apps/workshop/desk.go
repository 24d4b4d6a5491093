package workshop

import (
	"context"
	"encoding/json"

	"carillon"
	"carillon/apps"
	"carillon/store"
)

// Desk is what the faces (api, console, cmd) ask of the workshop. Methods with an id fail with not_found for an installation that is
// not of the org. Installations that leave it have no package, and their secure parameters are masked.
type Desk interface {
	// Install judges a package (the findings of an invalid one are the error's faults, members as "manifest.json#/product"; those of
	// parameters stand below /iparams), has its onAppInstall run, which may refuse (CodeConflict with the app's message), and makes
	// the subscriptions that feed it.
	Install(ctx context.Context, org string, i Installation) (*carillon.App, error)
	// Upgrade puts another package in place of the one that is installed, and has afterAppUpdate run: if it refuses (CodeConflict),
	// everything stays as it was. Parameters that are not given keep their values. Subscriptions go on where they stand.
	Upgrade(ctx context.Context, org, id string, i Installation) (*carillon.App, error)
	// SetIParams sets the parameters anew. A secure one whose value is apps.Masked keeps the value it has.
	SetIParams(ctx context.Context, org, id string, iparams json.RawMessage) (*carillon.App, error)
	// Uninstall has onAppUninstall run, which may refuse (CodeConflict) unless force is set: then it is not asked. It removes the app
	// with its subscriptions, values, schedules and invocations, also if onAppUninstall fails.
	Uninstall(ctx context.Context, org, id string, force bool) error

	App(ctx context.Context, org, id string) (*carillon.App, error)
	// Apps lists the installations of an org by id.
	Apps(ctx context.Context, org string) ([]*carillon.App, error)
	// Package gives what is known of an installation's package: its products and events, its parameters, its files.
	Package(ctx context.Context, org, id string) (*apps.App, error)

	// Simulate runs a handler now, on a payload that somebody made up. How it went is in the invocation: a payload that is not what
	// the event's schema says is a failure of kind "payload" with its faults. It is an error (CodeInvalid, /product or /event) if
	// nobody handles the event.
	Simulate(ctx context.Context, org, id string, s Simulation) (*carillon.Invocation, error)
	// TestPayload gives a payload for trying an event: the app's own of server/test_data, else the house's. Fails with not_found
	// if there is neither.
	TestPayload(ctx context.Context, org, id, product, event string) (json.RawMessage, error)

	// Invocations lists what an installation's handlers did.
	Invocations(ctx context.Context, q store.InvocationQuery) ([]*carillon.Invocation, error)
	// Watch gives a channel that receives after invocations of an installation were kept. It is a hint: readers poll as well.
	Watch(org, id string) (nudges <-chan struct{}, stop func())
}

// Installation is what somebody wants installed.
type Installation struct {
	Name    string // what to call it; empty: "app", or as before
	Package []byte // the zip
	// IParams are values of the parameters, a JSON object; nil sets none. A secure one whose value is apps.Masked keeps the value it has.
	IParams json.RawMessage
	// Trial is for trying an app on a laptop (carillon app run): no set-up events, no subscriptions; parameters that are not given
	// have the values of config/iparam_test_data.json, and none is required.
	Trial bool
}

// Simulation is an event that somebody made up.
type Simulation struct {
	Product string          `json:"product"` // or module; empty if only one of the app's has the event
	Event   string          `json:"event"`
	Payload json.RawMessage `json:"payload"` // what the handler is given, but for iparams; nothing: that of TestPayload
}
