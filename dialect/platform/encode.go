package platform

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"carillon"
	"carillon/dialect"
)

const contentType = "application/json"

// BatchType is the type of a message whose events are of several types.
const BatchType = "batch"

// CheckSettings accepts no settings: null, or an object without members. It fails with carillon.CodeInvalid naming what is there.
func (d *Dialect) CheckSettings(settings json.RawMessage) (dialect.Settings, error) {
	if len(settings) == 0 {
		return nil, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(settings, &members); err != nil {
		return nil, carillon.Invalid("/settings", "must be an object")
	}
	if len(members) == 0 {
		return nil, nil
	}
	invalid := &carillon.Error{
		Code:    carillon.CodeInvalid,
		Message: "the platform dialect takes no settings",
		Hint:    "leave settings out",
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		invalid.Faults = append(invalid.Faults, carillon.Fault{
			Member: "/settings/" + pointerEscaper.Replace(name), Reason: "the platform dialect takes no settings",
		})
	}
	return nil, invalid
}

// pointerEscaper escapes a name in a JSON Pointer (RFC 6901 §3).
var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

// Encode renders one event as its envelope (seed 001: eventId, eventType, timestamp, orgId, actor, payload), with the
// attributes that the platform's topic carries. It fails if the change lacks the state that its op says it has.
func (d *Dialect) Encode(ev carillon.Event, _ dialect.Settings) (carillon.Message, error) {
	l, err := d.lexiconOf(ev)
	if err != nil {
		return carillon.Message{}, err
	}
	c := ev.Change
	id, timestamp := identify(ev)
	return carillon.Message{
		ID:          id,
		Type:        ev.Type,
		Seq:         c.Seq,
		Lane:        c.Lane,
		Time:        c.Time,
		ContentType: contentType,
		Body:        l.appendEnvelope(make([]byte, 0, l.size(ev)), ev, d.extra(c), id, timestamp),
		Attributes:  attributes(id, ev.Type, timestamp, c),
	}, nil
}

// AppendPayload appends the payload member of an event's envelope, for dialects that wrap it in another one. It fails like
// Encode.
func (d *Dialect) AppendPayload(dst []byte, ev carillon.Event) ([]byte, error) {
	l, err := d.lexiconOf(ev)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '{')
	dst = l.appendPayload(dst, ev, d.extra(ev.Change))
	return append(dst, '}'), nil
}

// EncodeBatch renders events as a JSON array of their envelopes. The message's type is the one that all events share,
// else BatchType; its attributes are those that all events share.
func (d *Dialect) EncodeBatch(events []carillon.Event, _ dialect.Settings) (carillon.Message, error) {
	if len(events) == 0 {
		return carillon.Message{}, errors.New("encode batch: no events")
	}
	size := len("[]")
	for _, ev := range events {
		l, err := d.lexiconOf(ev)
		if err != nil {
			return carillon.Message{}, err
		}
		size += l.size(ev) + len(",")
	}

	first, last := events[0].Change, events[len(events)-1].Change
	ids := make([]string, 0, len(events))
	body := append(make([]byte, 0, size), '[')
	var shared []carillon.Attribute
	messageType := events[0].Type
	for i, ev := range events {
		l, err := d.lexiconOf(ev)
		if err != nil {
			return carillon.Message{}, err
		}
		id, timestamp := identify(ev)
		ids = append(ids, id)
		if i > 0 {
			body = append(body, ',')
		}
		body = l.appendEnvelope(body, ev, d.extra(ev.Change), id, timestamp)

		own := attributes(id, ev.Type, timestamp, ev.Change)
		if i == 0 {
			shared = own
		}
		shared = slices.DeleteFunc(shared, func(a carillon.Attribute) bool { return !slices.Contains(own, a) })
		if ev.Type != messageType {
			messageType = BatchType
		}
	}
	return carillon.Message{
		ID:          dialect.BatchID(ids),
		Type:        messageType,
		Seq:         last.Seq,
		Lane:        first.Lane,
		Time:        last.Time,
		ContentType: contentType,
		Body:        append(body, ']'),
		Attributes:  shared,
	}, nil
}

// lexiconOf finds the words for an event and checks that the event is one of its change, and that the change can tell it.
func (d *Dialect) lexiconOf(ev carillon.Event) (*lexicon, error) {
	c := ev.Change
	l := d.lexicon(c)
	if l == nil {
		return nil, fmt.Errorf("encode change %d of %s: no event of this dialect", c.Seq, c.Ref)
	}
	names := l.events(c)
	if ev.Index < 0 || ev.Index >= len(names) || names[ev.Index] != ev.Type {
		return nil, fmt.Errorf("encode change %d of %s: event %d is not %s", c.Seq, c.Ref, ev.Index, ev.Type)
	}
	if c.Op != carillon.OpCreated && len(c.Before) == 0 || c.Op != carillon.OpDeleted && len(c.After) == 0 {
		return nil, fmt.Errorf("encode change %d of %s: it was %s, but its state is missing", c.Seq, c.Ref, c.Op)
	}
	return l, nil
}

// identify gives an event's id and timestamp, both cut from one allocation.
func identify(ev carillon.Event) (id, timestamp string) {
	var buffer [64]byte
	text := dialect.AppendEventID(buffer[:0], ev.Change, ev.Index)
	n := len(text)
	both := string(ev.Change.Time.UTC().AppendFormat(text, carillon.TimeLayout))
	return both[:n], both[n:]
}

// envelopeSize is more than an envelope takes beside the strings and states spliced into it.
const envelopeSize = 256

// size guesses the length of an envelope, from above unless strings need escapes.
func (l *lexicon) size(ev carillon.Event) int {
	c := ev.Change
	n := envelopeSize + len(ev.Type) + len(c.Org) + len(c.Actor.ID) + len(c.Actor.Type) + len(c.Actor.Email) + len(c.Before) + len(c.After) + len(c.Extra)
	if how := l.valuesTold(ev.Type); how != 0 {
		n += len(dialect.Member(c.Before, "customFields")) + len(dialect.Member(c.After, "customFields"))
		n += len(c.Changed) * len(`{"fieldUid":"","previousValues":[],"newValues":[],"changeType":"updated"},`)
	}
	return n
}

// extra is what the dialect keeps beside the record of a change; nil if that is nothing.
func (d *Dialect) extra(c *carillon.Change) []byte {
	if len(c.Extra) == 0 {
		return nil
	}
	extra := dialect.Member(c.Extra, d.name)
	if len(extra) <= len("{}") || extra[0] != '{' {
		return nil
	}
	return extra
}

func (l *lexicon) appendEnvelope(b []byte, ev carillon.Event, extra []byte, id, timestamp string) []byte {
	c := ev.Change
	b = append(b, `{"eventId":"`...)
	b = append(b, id...)
	b = append(b, `","eventType":`...)
	b = dialect.AppendString(b, ev.Type)
	b = append(b, `,"timestamp":"`...)
	b = append(b, timestamp...)
	b = append(b, `","orgId":`...)
	b = dialect.AppendString(b, c.Org)
	b = append(b, `,"actor":{"id":`...)
	b = dialect.AppendString(b, c.Actor.ID)
	b = append(b, `,"type":`...)
	b = dialect.AppendString(b, c.Actor.Type)
	b = append(b, `,"email":`...)
	b = dialect.AppendString(b, c.Actor.Email)
	b = append(b, `},"payload":{`...)
	b = l.appendPayload(b, ev, extra)
	return append(b, "}}"...)
}

// appendPayload writes the payload's members. A deleted comment is carried as comment, unlike every other deletion: so
// the platform's comment events do. extra belongs to the record as it stands (or stood last), not to its previous state.
func (l *lexicon) appendPayload(b []byte, ev carillon.Event, extra []byte) []byte {
	c := ev.Change
	switch {
	case c.Op == carillon.OpDeleted && c.Kind == carillon.KindComment:
		b = append(b, l.payloadKey...)
		return l.appendRecord(b, c.Before, extra)
	case c.Op == carillon.OpDeleted:
		b = append(b, l.previousKey...)
		return l.appendRecord(b, c.Before, extra)
	case c.Op == carillon.OpCreated:
		b = append(b, l.payloadKey...)
		return l.appendRecord(b, c.After, extra)
	}
	b = append(b, l.payloadKey...)
	b = l.appendRecord(b, c.After, extra)
	b = append(b, ',')
	b = append(b, l.previousKey...)
	b = append(b, c.Before...)
	if how := l.valuesTold(ev.Type); how != 0 {
		b = append(b, `,"changedCustomFields":`...)
		b = appendChangedCustomFields(b, c, how)
	}
	return b
}

// appendRecord writes a record's state and what came with it that the house has no place for: members after its own, and
// inside its objects after theirs (see reader.read).
func (l *lexicon) appendRecord(b, state, extra []byte) []byte {
	if extra == nil || len(state) < len("{}") || state[0] != '{' {
		return append(b, state...)
	}
	b = append(b, '{')
	comma := false
	member := func(name, value, inside []byte) {
		if comma {
			b = append(b, ',')
		}
		comma = true
		b = append(append(b, name...), ':')
		if len(inside) <= len("{}") || inside[0] != '{' || value[0] != '{' {
			b = append(b, value...)
			return
		}
		b = append(b, value[:len(value)-1]...)
		if len(value) > len("{}") {
			b = append(b, ',')
		}
		b = append(b, inside[1:]...)
	}
	for name, value := range dialect.Members(state) {
		member(name, value, dialect.Member(extra, dialect.Unquote(name)))
	}
	for name, value := range dialect.Members(extra) {
		plain := dialect.Unquote(name)
		if _, known := carillon.FieldNumber(l.kind, plain); !known || dialect.Member(state, plain) == nil {
			member(name, value, nil)
		}
	}
	return append(b, '}')
}

// valuesTold says which sort of custom-field change an event tells, 0 if none.
func (l *lexicon) valuesTold(eventType string) carillon.How {
	switch {
	case l.valueAdded == "":
		return 0
	case eventType == l.valueAdded:
		return carillon.Added
	case eventType == l.valueRemoved:
		return carillon.Removed
	case eventType == l.valueChanged:
		return carillon.Updated
	default:
		return 0
	}
}

// appendChangedCustomFields lists the custom fields that changed in one way (seed 001), in the order of the change.
func appendChangedCustomFields(b []byte, c *carillon.Change, how carillon.How) []byte {
	previous := customFields(c.Before, len(c.Changed))
	current := customFields(c.After, len(c.Changed))
	b = append(b, '[')
	first := true
	for _, m := range c.Changed {
		uid, ok := m.CustomFieldUID()
		if !ok || m.How != how {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, `{"fieldUid":`...)
		b = dialect.AppendString(b, uid)
		if how != carillon.Added {
			b = append(b, `,"previousValues":`...)
			b = appendValues(b, previous(uid))
		}
		if how != carillon.Removed {
			b = append(b, `,"newValues":`...)
			b = appendValues(b, current(uid))
		}
		b = append(b, `,"changeType":"`...)
		b = append(b, changeTypes[how]...)
		b = append(b, `"}`...)
	}
	return append(b, ']')
}

// fewLookups is how many values are better found by walking the object each time than by indexing it. Beyond it
// an index keeps a change of thousands of custom fields from costing the square of their number.
const fewLookups = 16

// customFields finds the values of a record's custom fields by uid; nil for those it does not have.
func customFields(state []byte, lookups int) func(uid string) []byte {
	object := dialect.Member(state, "customFields")
	if lookups <= fewLookups {
		return func(uid string) []byte { return dialect.Member(object, uid) }
	}
	index := make(map[string][]byte)
	for name, values := range dialect.Members(object) {
		index[dialect.Unquote(name)] = values
	}
	return func(uid string) []byte { return index[uid] }
}

// changeTypes are the words for what the event names call added, removed and changed.
var changeTypes = map[carillon.How]string{
	carillon.Added: "added", carillon.Removed: "removed", carillon.Updated: "updated",
}

func appendValues(b, values []byte) []byte {
	if len(values) == 0 {
		return append(b, "[]"...)
	}
	return append(b, values...)
}

// attributes are those of the platform's topic. Empty values are left out: SNS refuses them.
func attributes(id, eventType, timestamp string, c *carillon.Change) []carillon.Attribute {
	list := make([]carillon.Attribute, 0, 6)
	for _, a := range [...]carillon.Attribute{
		{Name: "event_name", Value: eventType},
		{Name: "event_id", Value: id},
		{Name: "event_timestamp", Value: timestamp},
		{Name: "context_user_id", Value: c.Actor.ID},
		{Name: "context_user_type", Value: c.Actor.Type},
		{Name: "context_organization_id", Value: c.Org},
	} {
		if a.Value != "" {
			list = append(list, a)
		}
	}
	return list
}
