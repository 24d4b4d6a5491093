package main

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"carillon"
	"carillon/access"
	"carillon/apps/simulator"
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
func (h *house) openWorkshop(ctx context.Context, spoken map[string]dialect.Dialect) (err error) {
	limits := workshop.Limits{}
	if h.flags.AppLimits == "none" {
		limits = workshop.Limits{Values: -1, Requests: -1, External: -1}
	}
	h.workshop, err = workshop.New(workshop.Config{
		Store: h.store, Feeder: h.engine, Dialects: spoken, Sample: sampleFor(ctx, spoken, nil),
		Gate: egress.New(egress.Config{AllowPrivate: h.flags.Dev || h.flags.AllowPrivateSinks, Logger: h.log}),
		URL:  strings.TrimSuffix(h.flags.PublicURL, "/"), Limits: limits, Grace: h.flags.Grace, Logger: h.log,
	})
	return err
}

// sampleFor makes payloads for trying apps from the stories of package sample. account, if it is not nil, is what people said of the
// account that the vendor's events are to be from.
func sampleFor(ctx context.Context, spoken map[string]dialect.Dialect, account *simulator.Settings) func(ctx context.Context, dialectName, event string, settings json.RawMessage) (json.RawMessage, bool) {
	return func(ctx context.Context, dialectName, event string, settings json.RawMessage) (json.RawMessage, bool) {
		d := spoken[dialectName]
		if dialectName == freshsales.Name && account != nil {
			settings = account.Over(settings)
		}
		read, err := d.CheckSettings(settings)
		if err != nil {
			return nil, false
		}
		m, ok, err := sample.Message(ctx, d, event, read, time.Now(), access.DevOrg)
		return json.RawMessage(m.Body), ok && err == nil
	}
}
