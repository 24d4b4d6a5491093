package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

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
		Store: h.store, Feeder: h.engine, Dialects: spoken, Sample: sampleFor(spoken),
		Gate: egress.New(egress.Config{AllowPrivate: h.flags.Dev || h.flags.AllowPrivateSinks, Logger: h.log}),
		URL:  strings.TrimSuffix(h.flags.PublicURL, "/"), Limits: limits, Grace: h.flags.Grace, Logger: h.log,
	})
	return err
}

// sampleFor makes payloads for trying apps from the stories of package sample.
func sampleFor(spoken map[string]dialect.Dialect) func(dialectName, event string, settings json.RawMessage) (json.RawMessage, bool) {
	return func(dialectName, event string, settings json.RawMessage) (json.RawMessage, bool) {
		d := spoken[dialectName]
		story, ok := sample.StoryIn(d, event)
		if !ok {
			return nil, false
		}
		read, err := d.CheckSettings(settings)
		if err != nil {
			return nil, false
		}
		change := story.Change(time.Now(), access.DevOrg)
		index := slices.Index(d.Events(change), story.EventType)
		if index < 0 {
			return nil, false
		}
		told := carillon.Event{Change: change, Index: index, Type: story.EventType}
		m, err := dialect.Encode(context.Background(), d, told, read, sample.PastOf(change))
		return json.RawMessage(m.Body), err == nil
	}
}
