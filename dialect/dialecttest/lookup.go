package dialecttest

import (
	"context"

	"pgregory.net/rapid"

	"carillon"
)

// nothing is a log that has forgotten everything.
type nothing struct{}

func (nothing) RecordAsOf(_ context.Context, _ string, ref carillon.Ref, _ int64) (*carillon.Record, error) {
	return nil, carillon.NotFound(string(ref.Kind), ref.ID)
}

func (nothing) Creation(_ context.Context, c *carillon.Change) (*carillon.Change, error) {
	return nil, carillon.NotFound("the creation of", c.String())
}

func (nothing) Previous(_ context.Context, c *carillon.Change) (*carillon.Change, error) {
	return nil, carillon.NotFound("a change before", c.String())
}

// crowd is a log in which everybody that is asked for exists: of each kind one record, under any id.
type crowd struct {
	records  map[carillon.Kind]*carillon.Record
	creation *carillon.Change
	previous *carillon.Change
}

func drawLookup(t *rapid.T, c *carillon.Change) crowd {
	l := crowd{records: make(map[carillon.Kind]*carillon.Record, len(carillon.Kinds))}
	for _, kind := range carillon.Kinds {
		of := &carillon.Change{Ref: carillon.Ref{Kind: kind, ID: id().Draw(t, "id"), Module: "m"}}
		l.records[kind] = &carillon.Record{
			Org: c.Org, Ref: of.Ref, Number: rapid.Int64Range(1, 1<<40).Draw(t, "number"), Version: 1, Seq: c.Seq,
			Data: drawRecord(t, of).json(carillon.Fields(kind)),
		}
	}
	actor := func(label string) carillon.Actor { return carillon.Actor{ID: id().Draw(t, label), Type: "AGENT"} }
	created, updated := *c, *c
	created.Op, created.Before, created.After, created.Actor = carillon.OpCreated, nil, c.Before, actor("creator")
	updated.Op, updated.Actor = carillon.OpUpdated, actor("updater")
	l.creation, l.previous = &created, rapid.SampledFrom([]*carillon.Change{&created, &updated}).Draw(t, "previous")
	return l
}

func (l crowd) RecordAsOf(_ context.Context, _ string, ref carillon.Ref, _ int64) (*carillon.Record, error) {
	r := *l.records[ref.Kind]
	r.ID = ref.ID
	return &r, nil
}

func (l crowd) Creation(context.Context, *carillon.Change) (*carillon.Change, error) {
	return l.creation, nil
}

func (l crowd) Previous(context.Context, *carillon.Change) (*carillon.Change, error) {
	return l.previous, nil
}
