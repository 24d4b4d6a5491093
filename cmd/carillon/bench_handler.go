package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"carillon"
	"carillon/access"
	"carillon/api"
	"carillon/apps/workshop"
	"carillon/deliver"
	"carillon/intake"
	"carillon/ledger"
)

// benchHandlerCmd serves the API with a ledger that stores nothing: the limit that bench holds durable writes against.
type benchHandlerCmd struct {
	dataFlags `embed:""`
	Listen    string `default:"127.0.0.1:0"`
}

// Run serves until it is told to stop.
func (c *benchHandlerCmd) Run(ctx context.Context, d *desk) error {
	archive, err := c.openArchive(ctx, d.log)
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close() }()
	places, _ := sinks(houseFlags{}, d.log) // nothing is sent
	engine, err := deliver.New(deliver.Config{Store: archive, Dialects: dialects(), Sinks: places, Logger: d.log})
	if err != nil {
		return err
	}
	unused, err := ledger.New(ledger.Config{Store: archive})
	if err != nil {
		return err
	}
	door, err := intake.New(intake.Config{Store: archive, Ledger: unused, Dialects: dialects()})
	if err != nil {
		return err
	}
	shop, err := workshop.New(workshop.Config{Store: archive, Dialects: dialects()})
	if err != nil {
		return err
	}
	defer shop.Close(context.WithoutCancel(ctx))
	handler, err := api.New(api.Config{
		Store: archive, Ledger: &forgetful{Ledger: unused}, Desk: engine, Intake: door, Workshop: shop, Dialects: dialects(),
		Gate: access.New(archive, access.Options{Dev: true}), Logger: d.log,
	})
	if err != nil {
		return err
	}
	listener, err := listenOn(ctx, c.Listen, true)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Fprintf(d.stdout, "listening on http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// forgetful answers writes as a ledger would, from memory and without looking at what they say: a Put is kept, a Patch
// is answered with what was put.
type forgetful struct {
	*ledger.Ledger
	records sync.Map // of *carillon.Record, by id
}

// Apply answers an entry of one write.
func (f *forgetful) Apply(_ context.Context, e ledger.Entry) (ledger.Result, error) {
	outcomes := make([]ledger.Outcome, len(e.Writes))
	for i, w := range e.Writes {
		if w.Op == ledger.Put {
			data := append([]byte(`{"id":"`+w.ID+`",`), bytes.TrimPrefix(w.Data, []byte("{"))...)
			f.records.Store(w.ID, &carillon.Record{Ref: w.Ref, Version: 1, Data: data})
		}
		known, ok := f.records.Load(w.ID)
		if !ok {
			return ledger.Result{}, carillon.NotFound(string(w.Kind), w.ID)
		}
		record, _ := known.(*carillon.Record)
		outcomes[i] = ledger.Outcome{Record: record, Seq: 1}
	}
	return ledger.Result{Outcomes: outcomes}, nil
}

// ApplyAll answers one entry after another.
func (f *forgetful) ApplyAll(ctx context.Context, entries []ledger.Entry) []ledger.Reply {
	replies := make([]ledger.Reply, len(entries))
	for i, e := range entries {
		replies[i].Result, replies[i].Err = f.Apply(ctx, e)
	}
	return replies
}
