package sample

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"carillon"
	"carillon/dialect"
)

// Actor is who does what samples tell.
var Actor = carillon.Actor{ID: "usr_sample", Type: "AGENT", Email: "agent@example.com"}

// suffix ends the ids of samples.
const suffix = "sample"

// age is how long before the change its record was created.
const age = 24 * time.Hour

// Change is the change that the last write of an event type's story would append at the given time; false if the type has no
// story. Its origin is dialect.OriginSample and it has no seq: it is not in any log.
func Change(eventType string, now time.Time, org string) (*carillon.Change, bool) {
	s, ok := StoryOf(eventType)
	if !ok {
		return nil, false
	}
	return s.Change(now, org), true
}

// Message is an event type of a dialect as it would be told of a sample, with the dialect's settings; false if no story makes such
// an event happen.
func Message(ctx context.Context, d dialect.Dialect, eventType string, settings dialect.Settings, now time.Time, org string) (carillon.Message, bool, error) {
	story, ok := StoryIn(d, eventType)
	if !ok {
		return carillon.Message{}, false, nil
	}
	change := story.Change(now, org)
	i := slices.Index(d.Events(change), story.EventType)
	if i < 0 {
		return carillon.Message{}, false, nil
	}
	m, err := dialect.Encode(ctx, d, carillon.Event{Change: change, Index: i, Type: story.EventType}, settings, PastOf(change))
	if err != nil {
		return carillon.Message{}, false, fmt.Errorf("encode the sample of %s: %w", eventType, err)
	}
	return m, true, nil
}

// Payloads gives what makes the bodies of samples in the dialects by their names, as of now, for those who try apps; false if there
// is none, or the settings are not the dialect's.
func Payloads(dialects map[string]dialect.Dialect, org string) func(ctx context.Context, dialectName, eventType string, settings json.RawMessage) (json.RawMessage, bool) {
	return func(ctx context.Context, dialectName, eventType string, settings json.RawMessage) (json.RawMessage, bool) {
		d, ok := dialects[dialectName]
		if !ok {
			return nil, false
		}
		read, err := d.CheckSettings(settings)
		if err != nil {
			return nil, false
		}
		m, ok, err := Message(ctx, d, eventType, read, time.Now(), org)
		return m.Body, ok && err == nil
	}
}

// Change is what Change gives for the story's event type. What Set has set is not in it.
func (s *Story) Change(now time.Time, org string) *carillon.Change {
	now = now.UTC().Truncate(time.Millisecond)
	of, fill := s.told.of, filler(s.module, suffix)
	c := &carillon.Change{
		Org:     org,
		Ref:     carillon.Ref{Kind: of.kind, Module: s.module, ID: fill.Replace(of.id)},
		Op:      s.told.op,
		Number:  1,
		Version: 1,
		Time:    now,
		Actor:   Actor,
		Origin:  dialect.OriginSample,
	}
	born := now
	if c.Op != created {
		born = now.Add(-age)
		c.Version = 2
	}
	record := of.created(fill, born)
	switch c.Op {
	case created:
		c.After = native(c.Kind, record)
	case updated:
		c.Before = native(c.Kind, record)
		c.Changed = merge(c.Kind, record, members(fill.Replace(s.told.patch)))
		record["updatedAt"] = quote(carillon.FormatTime(now))
		c.After = native(c.Kind, record)
	case deleted:
		c.Before = native(c.Kind, record)
	}
	c.Lane = carillon.LaneOf(c.Ref, accountOf(record))
	return c
}

// created is the resource's record as it was created at a time.
func (r *resource) created(fill *strings.Replacer, at time.Time) map[string]json.RawMessage {
	record := members(fill.Replace(r.body))
	maps.Copy(record, members(fill.Replace(r.house)))
	record["id"] = quote(fill.Replace(r.id))
	record["createdAt"] = quote(carillon.FormatTime(at))
	record["updatedAt"] = record["createdAt"]
	return record
}

// accountOf is the account that a record belongs to.
func accountOf(record map[string]json.RawMessage) string {
	for _, name := range []string{"accountId", "parentAccountId"} {
		if id := dialect.Unquote(record[name]); id != "" {
			return id
		}
	}
	return ""
}

// members splits a JSON object of the table; "" has none.
func members(object string) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	for name, value := range dialect.Members([]byte(object)) {
		m[dialect.Unquote(name)] = json.RawMessage(value)
	}
	return m
}

// native joins a record's members in the order of its kind's field table.
func native(kind carillon.Kind, record map[string]json.RawMessage) []byte {
	names := make([]string, 0, len(record))
	for _, f := range carillon.Fields(kind) {
		if _, ok := record[f.Name]; ok {
			names = append(names, f.Name)
		}
	}
	return object(names, record)
}

func object(names []string, record map[string]json.RawMessage) []byte {
	b := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = dialect.AppendString(b, name)
		b = append(b, ':')
		b = append(b, record[name]...)
	}
	return append(b, '}')
}

// merge applies a patch of the table to a record (JSON merge patch, RFC 7396: null removes) and lists what changed.
func merge(kind carillon.Kind, record, patch map[string]json.RawMessage) []carillon.MemberChange {
	var changed []carillon.MemberChange
	for _, f := range carillon.Fields(kind) {
		value, ok := patch[f.Name]
		switch {
		case !ok:
		case f.Type == carillon.TypeCustomFields:
			values := members(string(record[f.Name]))
			uids := members(string(value))
			for _, uid := range slices.Sorted(maps.Keys(uids)) {
				changed = append(changed, mergeOne(values, uid, uids[uid], carillon.CustomFieldsPrefix+uid))
			}
			record[f.Name] = object(slices.Sorted(maps.Keys(values)), values)
			if len(values) == 0 {
				delete(record, f.Name)
			}
		default:
			changed = append(changed, mergeOne(record, f.Name, value, f.Name))
		}
	}
	return changed
}

// mergeOne applies one member of a patch, which the table promises to change something.
func mergeOne(into map[string]json.RawMessage, name string, value json.RawMessage, as string) carillon.MemberChange {
	_, had := into[name]
	switch {
	case string(value) == "null":
		delete(into, name)
		return carillon.MemberChange{Name: as, How: carillon.Removed}
	case had:
		into[name] = value
		return carillon.MemberChange{Name: as, How: carillon.Updated}
	default:
		into[name] = value
		return carillon.MemberChange{Name: as, How: carillon.Added}
	}
}

func quote(s string) json.RawMessage { return dialect.AppendString(nil, s) }
