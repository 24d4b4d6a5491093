package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"carillon"
	"carillon/store"
)

// changes is a log in memory.
type changes struct {
	store.Reader
	list   []*carillon.Change
	broken error
}

func (l changes) Changes(_ context.Context, org string, q store.LogQuery) ([]*carillon.Change, error) {
	var found []*carillon.Change
	for _, c := range l.list {
		if c.Org == org && c.Ref == *q.Ref && c.Seq > q.After && (q.Until == 0 || c.Seq <= q.Until) {
			found = append(found, c)
		}
	}
	if q.Descending {
		slices.Reverse(found)
	}
	return found[:min(len(found), q.Limit)], l.broken
}

func at(seq, number int64, op carillon.Op) *carillon.Change {
	return &carillon.Change{Org: "dev", Seq: seq, Number: number, Op: op, Ref: carillon.Ref{Kind: carillon.KindNote, ID: "a"}}
}

func TestThePastOfAChange(t *testing.T) {
	// The id is used twice; of another record nothing is left but an update.
	log := changes{list: []*carillon.Change{at(1, 1, carillon.OpCreated)}}
	for seq := int64(2); seq < 200; seq++ {
		log.list = append(log.list, at(seq, 1, carillon.OpUpdated))
	}
	log.list = append(log.list, at(200, 1, carillon.OpDeleted), at(201, 2, carillon.OpCreated), at(202, 2, carillon.OpUpdated))
	other := &carillon.Change{Org: "dev", Seq: 210, Number: 3, Op: carillon.OpUpdated, Ref: carillon.Ref{Kind: carillon.KindTask, ID: "a"}}
	log.list = append(log.list, other)

	past := store.Past{Log: log}
	for name, c := range map[string]struct {
		change             *carillon.Change
		creation, previous int64 // 0: not found
	}{
		"an update":                         {at(150, 1, carillon.OpUpdated), 1, 149},
		"a deletion":                        {at(200, 1, carillon.OpDeleted), 1, 199},
		"a creation":                        {at(1, 1, carillon.OpCreated), 1, 0},
		"the creation of a second life":     {at(201, 2, carillon.OpCreated), 201, 0},
		"an update of a second life":        {at(202, 2, carillon.OpUpdated), 201, 201},
		"a record whose creation is pruned": {other, 0, 0},
		"a made-up change":                  {at(0, 1, carillon.OpUpdated), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(what string, found *carillon.Change, err error, want int64) {
				switch {
				case want == 0 && !carillon.IsNotFound(err):
					t.Errorf("%s: %v, %v; want not_found", what, found, err)
				case want != 0 && (err != nil || found.Seq != want):
					t.Errorf("%s: %v, %v; want change %d", what, found, err, want)
				}
			}
			creation, err := past.Creation(t.Context(), c.change)
			check("creation", creation, err, c.creation)
			previous, err := past.Previous(t.Context(), c.change)
			check("previous", previous, err, c.previous)
		})
	}
}

func TestABrokenLogIsNoAnswer(t *testing.T) {
	broken := errors.New("no log today")
	past := store.Past{Log: changes{broken: broken}}
	if _, err := past.Creation(t.Context(), at(5, 1, carillon.OpUpdated)); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := past.Previous(t.Context(), at(5, 1, carillon.OpUpdated)); !errors.Is(err, broken) {
		t.Error(err)
	}
}
