package history

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/store"
)

// Namer names the events of a change; every dialect does.
type Namer interface {
	Events(c *carillon.Change) []string
}

// Entry is one line of a timeline: what one change did.
type Entry struct {
	Seq     int64          `json:"seq"`
	Time    time.Time      `json:"time"`
	Actor   carillon.Actor `json:"actor"`
	Origin  string         `json:"origin"`
	Op      carillon.Op    `json:"op"`
	Kind    carillon.Kind  `json:"kind"`
	Module  string         `json:"module,omitzero"`
	ID      string         `json:"id"`
	Version int64          `json:"version"`
	// Label is what people call the record: its name, title, subject or e-mail.
	Label string `json:"label,omitzero"`
	// Changes are the members that an update changed; empty for a creation or deletion.
	Changes []Change `json:"changes" nullable:"false"`
	// Events are the types of the events that the change means, in the order in which they are told.
	Events []string `json:"events" nullable:"false"`
}

// Change is one member before and after.
type Change struct {
	Member   string          `json:"member"` // a custom field is "customFields." and its uid
	Previous json.RawMessage `json:"previous,omitzero"`
	Value    json.RawMessage `json:"value,omitzero"`
}

// pageBytes bounds what one page of a timeline reads of the log's records.
const pageBytes = 8 << 20

// Timeline tells what happened to an account and all that belongs to it, newest first: at most limit changes below
// the seq before (0: from the newest on). next is where the following page begins, 0 at the end. It fails with not_found for
// an account that never was.
func (h *Room) Timeline(ctx context.Context, org, account string, before int64, limit int, names Namer) (entries []Entry, next int64, err error) {
	if before == 1 {
		return []Entry{}, 0, nil
	}
	q := store.LogQuery{Lane: account, Limit: limit + 1, MaxBytes: pageBytes, Descending: true}
	if before > 0 {
		q.Until = before - 1
	}
	changes, err := h.store.Changes(ctx, org, q)
	if err != nil {
		return nil, 0, fmt.Errorf("read the changes of account %s: %w", account, err)
	}
	if len(changes) == 0 && before == 0 {
		// Its changes may have been dropped by retention.
		if _, err := h.store.Record(ctx, org, carillon.Ref{Kind: carillon.KindAccount, ID: account}); err != nil {
			return nil, 0, err
		}
	}
	more := len(changes) > limit
	if more {
		changes = changes[:limit]
	} else if len(changes) > 0 && changes[len(changes)-1].Seq > 1 {
		// A page that its bytes ended early is not the last one.
		q.Until, q.Limit = changes[len(changes)-1].Seq-1, 1
		rest, err := h.store.Changes(ctx, org, q)
		if err != nil {
			return nil, 0, fmt.Errorf("read the changes of account %s: %w", account, err)
		}
		more = len(rest) > 0
	}
	entries = make([]Entry, len(changes))
	for i, c := range changes {
		entries[i] = entryOf(c, names)
	}
	if more {
		next = changes[len(changes)-1].Seq
	}
	return entries, next, nil
}

func entryOf(c *carillon.Change, names Namer) Entry {
	e := Entry{
		Seq: c.Seq, Time: c.Time, Actor: c.Actor, Origin: c.Origin, Op: c.Op, Kind: c.Kind, Module: c.Module, ID: c.ID,
		Version: c.Version, Changes: make([]Change, 0, len(c.Changed)), Events: []string{},
	}
	data := c.After
	if data == nil {
		data = c.Before
	}
	e.Label = label(data)
	e.Events = append(e.Events, names.Events(c)...)
	for _, m := range c.Changed {
		change := Change{Member: m.Name}
		if uid, custom := m.CustomFieldUID(); custom {
			change.Previous = dialect.Member(dialect.Member(c.Before, "customFields"), uid)
			change.Value = dialect.Member(dialect.Member(c.After, "customFields"), uid)
		} else {
			change.Previous = dialect.Member(c.Before, m.Name)
			change.Value = dialect.Member(c.After, m.Name)
		}
		e.Changes = append(e.Changes, change)
	}
	return e
}

// label is the first member that people would know a record by.
func label(data []byte) string {
	if first := text(data, "firstName"); first != "" || text(data, "lastName") != "" {
		if last := text(data, "lastName"); first != "" && last != "" {
			return first + " " + last
		} else if last != "" {
			return last
		}
		return first
	}
	for _, name := range []string{"name", "title", "email"} {
		if s := text(data, name); s != "" {
			return s
		}
	}
	return ""
}

func text(data []byte, name string) string {
	value := dialect.Member(data, name)
	if len(value) == 0 || value[0] != '"' {
		return ""
	}
	return dialect.Unquote(value)
}
