package main

import (
	"context"
	"strings"

	"carillon"
	"carillon/access"
	"carillon/apps/workshop"
	"carillon/deliver"
	sinkscript "carillon/deliver/script"
	"carillon/dialect"
	"carillon/dialect/freshsales"
	"carillon/dialect/platform"
	"carillon/egress"
	"carillon/sample"
)

// appSinks adds the way to apps: the engine wants its sinks before there is a workshop, which wants the engine.
func (h *house) appSinks(places map[carillon.SinkType]deliver.OpenSink) {
	invoke := sinkscript.InvokerFunc(func(ctx context.Context, s *carillon.Subscription, m *carillon.Message) error {
		return h.workshop.Handle(ctx, s, m)
	})
	places[carillon.SinkApp] = sinkscript.New(invoke, freshsales.Name, platform.Name).Open
}

// openWorkshop makes the room of apps on the house's engine.
func (h *house) openWorkshop(spoken map[string]dialect.Dialect) (err error) {
	limits := workshop.Limits{}
	if h.flags.AppLimits == "none" {
		limits = workshop.Limits{Values: -1, Requests: -1, External: -1}
	}
	h.workshop, err = workshop.New(workshop.Config{
		Store: h.store, Feeder: h.engine, Dialects: spoken, Sample: sample.Payloads(spoken, access.DevOrg),
		Gate: egress.New(egress.Config{AllowPrivate: h.flags.Dev || h.flags.AllowPrivateSinks, Logger: h.log}),
		URL:  strings.TrimSuffix(h.flags.PublicURL, "/"), Limits: limits, Grace: h.flags.Grace, Logger: h.log,
	})
	return err
}
