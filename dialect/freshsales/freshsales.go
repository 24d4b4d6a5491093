package freshsales

import (
	"context"
	"fmt"
	"strconv"

	"carillon"
	"carillon/dialect"
)

// Name is the dialect's word in subscriptions and URLs.
const Name = "freshsales"

// defaultPrefix begins the ids of records from connections that do not name a prefix.
const defaultPrefix = Name + "_"

// Dialect is Freshsales' language. Make it with New; it is safe for concurrent use.
type Dialect struct{}

var (
	_ dialect.Associating     = (*Dialect)(nil)
	_ dialect.DefaultIDPrefix = (*Dialect)(nil)
)

// New makes the dialect.
func New() *Dialect { return &Dialect{} }

// Name is "freshsales".
func (d *Dialect) Name() string { return Name }

// Events names a change of one of the six kinds that the vendor tells of. A deletion is told as an update.
func (d *Dialect) Events(c *carillon.Change) []string {
	o := objects[c.Kind]
	if o == nil || !c.Concerns(Name) {
		return nil
	}
	return o.events(c.Op)
}

// Encode renders an event without what must be looked up: people, related records and their numbers are null or left out,
// unless the vendor's own are known.
func (d *Dialect) Encode(ev carillon.Event, s dialect.Settings) (carillon.Message, error) {
	return d.EncodeWith(context.Background(), ev, s, nil)
}

// EncodeWith renders an event with its associations, as of the change.
func (d *Dialect) EncodeWith(ctx context.Context, ev carillon.Event, s dialect.Settings, l dialect.Lookup) (carillon.Message, error) {
	c := ev.Change
	names := d.Events(c)
	if ev.Index != 0 || len(names) == 0 || names[0] != ev.Type {
		return carillon.Message{}, fmt.Errorf("encode change %d of %s: event %d is not %s", c.Seq, c.Ref, ev.Index, ev.Type)
	}
	settings, ok := s.(*settings)
	if !ok {
		return carillon.Message{}, fmt.Errorf("encode change %d of %s: these are not settings of %s", c.Seq, c.Ref, Name)
	}
	if c.Op != carillon.OpCreated && len(c.Before) == 0 || c.Op != carillon.OpDeleted && len(c.After) == 0 {
		return carillon.Message{}, fmt.Errorf("encode change %d of %s: it was %s, but its state is missing", c.Seq, c.Ref, c.Op)
	}
	t := &telling{ctx: ctx, change: c, object: objects[c.Kind], settings: settings, lookup: l}
	if err := t.findAuthors(); err != nil {
		return carillon.Message{}, err
	}
	body := t.appendEnvelope(make([]byte, 0, 8<<10), ev.Type)
	if t.err != nil {
		return carillon.Message{}, t.err
	}
	return carillon.Message{
		ID:          dialect.EventID(c, ev.Index),
		Type:        ev.Type,
		Seq:         c.Seq,
		Lane:        c.Lane,
		Time:        c.Time,
		ContentType: "application/json",
		Body:        body,
	}, nil
}

// appendEnvelope writes the payload (vendor's page, "Payload Attributes"), in the order of its samples.
func (t *telling) appendEnvelope(b []byte, event string) []byte {
	c := t.change
	b = append(b, t.settings.head...)
	before, after := t.sides()
	if t.settings.Product == productClassic {
		b = t.appendClassicData(b, before, after)
	} else {
		b = t.appendData(b, before, after)
	}
	b = append(b, `,"account_id":`...)
	if t.settings.AccountID != "" {
		b = dialect.AppendString(b, t.settings.AccountID)
	} else {
		b = dialect.AppendString(b, c.Org)
	}
	b = append(b, `,"domain":`...)
	b = dialect.AppendString(b, t.settings.Domain)
	b = append(b, `,"event":"`...)
	b = append(b, event...)
	b = append(b, `","timestamp":`...)
	b = appendTimestamp(b, c.Time.UnixMilli())
	return append(b, `,"version":"2.0"}`...)
}

// appendTimestamp writes seconds since 1970 with their fraction.
func appendTimestamp(b []byte, milliseconds int64) []byte {
	b = strconv.AppendInt(b, milliseconds/1000, 10)
	fraction := milliseconds % 1000
	return append(b, '.', byte('0'+fraction/100), byte('0'+fraction/10%10), byte('0'+fraction%10))
}

func (t *telling) appendData(b []byte, before, after *side) []byte {
	b = append(b, `{"actor":`...)
	b = t.appendActor(b)
	b = append(b, `,"`...)
	b = append(b, t.object.name...)
	b = append(b, `":{`...)
	b = after.appendFields(b, before == nil)
	b = append(b, `},"associations":{`...)
	b = after.appendAssociations(b)
	b = append(b, '}')
	if before != nil {
		b = append(b, `,"changes":{"model_changes":{`...)
		b = t.appendModelChanges(b, before, after, false)
		b = append(b, `},"system_changes":{},"misc_changes":{}}`...)
	}
	return append(b, '}')
}
