package cloudevents

import (
	"errors"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/platform"
)

// Name is the dialect's word in subscriptions and URLs.
const Name = "cloudevents"

// The content types of the JSON event format, of its batches, and of the data alone.
const (
	structuredType = "application/cloudevents+json"
	batchedType    = "application/cloudevents-batch+json"
	dataType       = "application/json"
)

// BatchType is the type of a message whose events are of several types.
const BatchType = platform.BatchType

// Dialect is the language of CloudEvents. Make it with New; it is safe for concurrent use.
type Dialect struct{ platform *platform.Dialect }

var (
	_ dialect.Batcher = (*Dialect)(nil)
	_ dialect.Decoder = (*Dialect)(nil)
)

// New makes the dialect.
func New() *Dialect { return &Dialect{platform: platform.NewFor(Name)} }

// Name is "cloudevents".
func (d *Dialect) Name() string { return Name }

// Events gives the platform's names.
func (d *Dialect) Events(c *carillon.Change) []string { return d.platform.Events(c) }

// Encode renders one event in the content mode of the settings. It fails if the change lacks the state that its op says
// it has.
func (d *Dialect) Encode(ev carillon.Event, s dialect.Settings) (carillon.Message, error) {
	of := settingsOf(s)
	c := ev.Change
	context := of.attributes(ev)
	m := carillon.Message{
		ID: context[attributeID], Type: ev.Type, Seq: c.Seq, Lane: c.Lane, Time: c.Time, ContentType: structuredType,
	}
	var err error
	if of.binary {
		m.ContentType = dataType
		m.Attributes = context.messageAttributes()
		m.Body, err = d.platform.AppendPayload(make([]byte, 0, dataSize(c)), ev)
		return m, err
	}
	m.Body, err = d.appendStructured(make([]byte, 0, structuredSize(ev)), ev, context)
	return m, err
}

// EncodeBatch renders events as a JSON batch, whatever mode the settings name: only structured events have a batched
// mode. The message's type is the one that all events share, else BatchType.
func (d *Dialect) EncodeBatch(events []carillon.Event, s dialect.Settings) (carillon.Message, error) {
	if len(events) == 0 {
		return carillon.Message{}, errors.New("encode batch: no events")
	}
	of := settingsOf(s)
	size := len("[]")
	for _, ev := range events {
		size += structuredSize(ev) + len(",")
	}
	body := append(make([]byte, 0, size), '[')
	ids := make([]string, len(events))
	messageType := events[0].Type
	for i, ev := range events {
		if i > 0 {
			body = append(body, ',')
		}
		context := of.attributes(ev)
		ids[i] = context[attributeID]
		var err error
		if body, err = d.appendStructured(body, ev, context); err != nil {
			return carillon.Message{}, err
		}
		if ev.Type != messageType {
			messageType = BatchType
		}
	}
	first, last := events[0].Change, events[len(events)-1].Change
	return carillon.Message{
		ID: dialect.BatchID(ids), Type: messageType, Seq: last.Seq, Lane: first.Lane, Time: last.Time,
		ContentType: batchedType, Body: append(body, ']'),
	}, nil
}

// dataSize guesses the length of the data, from above unless custom fields are listed.
func dataSize(c *carillon.Change) int { return 256 + len(c.Before) + len(c.After) + len(c.Extra) }

func structuredSize(ev carillon.Event) int { return 768 + dataSize(ev.Change) }

// appendStructured appends an event in the JSON event format 1.0.2.
func (d *Dialect) appendStructured(b []byte, ev carillon.Event, context attributes) ([]byte, error) {
	b = append(b, '{')
	for i, value := range context {
		if value == "" {
			continue
		}
		b = append(b, names[i].json...)
		b = dialect.AppendString(b, value)
		b = append(b, ',')
	}
	b = append(b, `"datacontenttype":"`+dataType+`","data":`...)
	b, err := d.platform.AppendPayload(b, ev)
	return append(b, '}'), err
}
