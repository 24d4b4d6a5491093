package ledger

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/store"
)

// rememberedOutcome is an Outcome as it is kept for repeats. Its JSON stays readable for ever: rows outlive releases.
type rememberedOutcome struct {
	Kind      carillon.Kind  `json:"kind"`
	Module    string         `json:"module,omitzero"`
	ID        string         `json:"id"`
	Number    int64          `json:"number"`
	Version   int64          `json:"version"`
	RecordSeq int64          `json:"recordSeq"`
	Lane      string         `json:"lane"`
	Data      jsontext.Value `json:"data"`
	Extra     jsontext.Value `json:"extra,omitzero"`
	CreatedAt time.Time      `json:"createdAt"`
	UpdatedAt time.Time      `json:"updatedAt"`
	Seq       int64          `json:"seq"`
	Created   bool           `json:"created,omitzero"`
	Deleted   bool           `json:"deleted,omitzero"`
}

func (e *entry) rememberedKey() store.RememberedKey {
	return store.RememberedKey{Org: e.Org, Scope: e.Scope, Key: e.Key}
}

// keep remembers the entry's result for the next who comes with its key.
func (t *transaction) keep(e *entry, result Result) {
	if e.KeyAlone {
		result.Outcomes = nil
	}
	outcomes := make([]rememberedOutcome, len(result.Outcomes))
	for i, o := range result.Outcomes {
		r := o.Record
		if r == nil {
			r = &carillon.Record{Ref: e.writes[i].ref}
		}
		outcomes[i] = rememberedOutcome{
			Kind: r.Kind, Module: r.Module, ID: r.ID, Number: r.Number, Version: r.Version, RecordSeq: r.Seq, Lane: r.Lane,
			Data: r.Data, Extra: r.Extra, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
			Seq: o.Seq, Created: o.Created, Deleted: o.Deleted,
		}
	}
	kept, err := json.Marshal(outcomes)
	if err != nil {
		t.broken = fmt.Errorf("remember a result: %w", err)
		return
	}
	r := &store.Remembered{
		Org: e.Org, Scope: e.Scope, Key: e.Key, Fingerprint: e.fingerprint, Result: kept, CreatedAt: t.orgs[e.Org].now,
	}
	t.remember = append(t.remember, r)
	t.remembered[e.rememberedKey()] = r
}

// repeat gives the first result again, if the entry is the one that had it.
func repeat(known *store.Remembered, e *entry) (Result, error) {
	if known.Fingerprint != e.fingerprint {
		return Result{}, &carillon.Error{
			Code:    carillon.CodeConflict,
			Message: fmt.Sprintf("the idempotency key %q was used before for another request", e.Key),
			Hint:    "use a new key for a new request, and the same body for a repeat",
		}
	}
	var outcomes []rememberedOutcome
	if err := json.Unmarshal(known.Result, &outcomes); err != nil {
		return Result{}, fmt.Errorf("read a remembered result: %w", err)
	}
	result := Result{Outcomes: make([]Outcome, len(outcomes)), Repeated: true}
	for i, o := range outcomes {
		result.Outcomes[i] = Outcome{
			Record: &carillon.Record{
				Org: e.Org, Ref: carillon.Ref{Kind: o.Kind, Module: o.Module, ID: o.ID},
				Number: o.Number, Version: o.Version, Seq: o.RecordSeq, Lane: o.Lane, Data: o.Data, Extra: o.Extra,
				CreatedAt: o.CreatedAt.UTC(), UpdatedAt: o.UpdatedAt.UTC(),
			},
			Seq: o.Seq, Created: o.Created, Deleted: o.Deleted,
		}
	}
	return result, nil
}
