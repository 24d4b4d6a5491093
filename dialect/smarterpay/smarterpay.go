package smarterpay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"carillon"
	"carillon/dialect"
)

// Name is the dialect's word in subscriptions and URLs.
const Name = "smarterpay"

// BatchType is the type of a message whose events are of several types.
const BatchType = "batch"

const contentType = "application/json"

// Dialect is SmarterPay's language. The zero value is ready.
type Dialect struct{}

var (
	_ dialect.AssociatingBatcher = Dialect{}
	_ dialect.RetryDefault       = Dialect{}
	_ dialect.Decoder            = Dialect{}
)

// New makes the dialect.
func New() Dialect { return Dialect{} }

// Name is "smarterpay".
func (Dialect) Name() string { return Name }

// Events names the changes of accounts; the vendor has no words for other kinds, and none for what other vendors add.
func (Dialect) Events(c *carillon.Change) []string {
	if c.Kind != carillon.KindAccount || !c.Concerns(Name) {
		return nil
	}
	return eventTypes[c.Op]
}

// retrySchedule makes the vendor's ten further attempts at growing intervals; how long those are it does not publish.
var retrySchedule = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour,
	2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 16 * time.Hour, 24 * time.Hour,
}

// RetrySchedule is that of a subscription that names none.
func (Dialect) RetrySchedule() []time.Duration { return retrySchedule }

// Encode renders one event as a webhook of one, without what only the log knows (see EncodeWith).
func (d Dialect) Encode(ev carillon.Event, s dialect.Settings) (carillon.Message, error) {
	return d.EncodeWith(context.Background(), ev, s, nil)
}

// EncodeWith renders one event as a webhook of one. It fails if the change lacks the state that its op says it has.
func (d Dialect) EncodeWith(ctx context.Context, ev carillon.Event, s dialect.Settings, l dialect.Lookup) (carillon.Message, error) {
	m, err := d.EncodeBatchWith(ctx, []carillon.Event{ev}, s, l)
	if err == nil {
		m.ID = dialect.EventID(ev.Change, ev.Index)
	}
	return m, err
}

// EncodeBatch renders events as one webhook, without what only the log knows (see EncodeBatchWith).
func (d Dialect) EncodeBatch(events []carillon.Event, s dialect.Settings) (carillon.Message, error) {
	return d.EncodeBatchWith(context.Background(), events, s, nil)
}

// EncodeBatchWith renders events as one webhook, in their order. Its id and idempotency_key depend on the events only, and
// sent_at is the time of the newest change, so that the same events give the same bytes. The log is asked for who
// created a record. The message's type is the one that all events share, else BatchType.
func (d Dialect) EncodeBatchWith(ctx context.Context, events []carillon.Event, s dialect.Settings, l dialect.Lookup) (carillon.Message, error) {
	if len(events) == 0 {
		return carillon.Message{}, errors.New("encode batch: no events")
	}
	of := settingsOf(s)
	tellings := make([]*telling, len(events))
	ids := make([]string, len(events))
	first, last := events[0].Change, events[len(events)-1].Change
	messageType, newest := events[0].Type, first.Time
	size := 256
	for i, ev := range events {
		if err := check(ev); err != nil {
			return carillon.Message{}, err
		}
		t := newTelling(ev, of)
		if err := t.findAuthors(ctx, l); err != nil {
			return carillon.Message{}, err
		}
		tellings[i], ids[i] = t, t.id
		size += t.size()
		if ev.Type != messageType {
			messageType = BatchType
		}
		if ev.Change.Time.After(newest) {
			newest = ev.Change.Time
		}
	}
	id := dialect.BatchID(ids)

	body := append(make([]byte, 0, size), `{"id":"`...)
	body = appendID(body, prefixWebhook, id, "")
	body = append(body, `","idempotency_key":"`...)
	body = append(body, idempotencyKey(ids)...)
	body = append(body, `","sent_at":`...)
	body = appendTime(body, newest)
	body = append(body, `,"client":`...)
	body = tellings[0].appendClient(body)
	body = append(body, `,"events":[`...)
	for i, t := range tellings {
		if i > 0 {
			body = append(body, ',')
		}
		body = t.append(body)
	}
	return carillon.Message{
		ID: id, Type: messageType, Seq: last.Seq, Lane: first.Lane, Time: last.Time,
		ContentType: contentType, Body: append(body, "]}"...),
	}, nil
}

// check refuses what is no event of its change, and a change that cannot tell it.
func check(ev carillon.Event) error {
	c := ev.Change
	names := Dialect{}.Events(c)
	if ev.Index < 0 || ev.Index >= len(names) || names[ev.Index] != ev.Type {
		return fmt.Errorf("encode change %d of %s: event %d is not %s", c.Seq, c.Ref, ev.Index, ev.Type)
	}
	if c.Op == carillon.OpDeleted && len(c.Before) == 0 || c.Op != carillon.OpDeleted && len(c.After) == 0 {
		return fmt.Errorf("encode change %d of %s: it was %s, but its state is missing", c.Seq, c.Ref, c.Op)
	}
	return nil
}

// findAuthors asks who created and changed the record, unless the vendor has said who created it.
func (t *telling) findAuthors(ctx context.Context, l dialect.Lookup) (err error) {
	if t.ev.Change.Origin != dialect.OriginSnapshot && dialect.Member(t.theirs, "created_by") != nil {
		l = nil
	}
	t.creator, t.updater, err = dialect.Authors(ctx, t.ev.Change, l)
	return err
}
