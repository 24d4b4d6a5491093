package sample

import (
	"context"
	"time"

	"carillon"
	"carillon/dialect"
)

// Past is what a log would say around a sample: the records of all stories, as Actor created them. It is the dialects' lookup
// where there is no log.
type Past struct{ of *carillon.Change }

var _ dialect.Lookup = Past{}

// PastOf is the past of what Change gives.
func PastOf(c *carillon.Change) Past { return Past{c} }

// resources are all records that stories are about.
var resources = []*resource{
	&account, &childAccount, &contact, &relationship, &activity, &note, &task, &activityComment, &noteComment, &taskComment,
	&deal, &appointment, &user, &customRecord,
}

// RecordAsOf gives a story's record as it was created. Fails with carillon.CodeNotFound if no story has it.
func (p Past) RecordAsOf(_ context.Context, org string, ref carillon.Ref, _ int64) (*carillon.Record, error) {
	fill := filler(ref.Module, suffix)
	for _, r := range resources {
		if r.kind != ref.Kind || fill.Replace(r.id) != ref.ID {
			continue
		}
		born := p.born()
		record := r.created(fill, born)
		return &carillon.Record{
			Org: org, Ref: ref, Number: 1, Version: 1, Lane: carillon.LaneOf(ref, accountOf(record)),
			CreatedAt: born, UpdatedAt: born, Data: native(ref.Kind, record),
		}, nil
	}
	return nil, carillon.NotFound(string(ref.Kind), ref.ID)
}

// Creation gives the change that created the sample's record.
func (p Past) Creation(_ context.Context, c *carillon.Change) (*carillon.Change, error) {
	if c.Op == created {
		return c, nil
	}
	creation := *c
	creation.Op, creation.Version, creation.Time = created, 1, p.born()
	creation.Before, creation.After, creation.Changed = nil, c.Before, nil
	return &creation, nil
}

// Previous gives the same: nothing came between. Fails with carillon.CodeNotFound for a creation.
func (p Past) Previous(ctx context.Context, c *carillon.Change) (*carillon.Change, error) {
	if c.Op == created {
		return nil, carillon.NotFound("a change before", c.String())
	}
	return p.Creation(ctx, c)
}

// born is when the records were created.
func (p Past) born() time.Time { return p.of.Time.Add(-age) }
