package smarterpay

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/mend"
)

// reading is how a connection reads: the prefix of the ids of its records. The vendor's ids need none.
type reading struct{ prefix string }

// CheckReading refuses any settings: there is nothing to choose.
func (Dialect) CheckReading(c *carillon.Connection) (dialect.Reading, error) {
	var none struct{}
	if err := dialect.ReadSettings(c.Settings, &none); err != nil {
		return nil, err
	}
	return reading{prefix: c.IDPrefix}, nil
}

// Decode reads a webhook: the vendor's envelope, a list of events, or one event alone. What customer_account.create and
// customer_account.update say is a Whole of an account; all other events are ignored. The body is mended where the vendor's pages
// show what it may lack.
func (Dialect) Decode(r dialect.Request, of dialect.Reading) (dialect.Decoded, error) {
	body, notes, err := mend.Read(r.Body, "")
	if err != nil {
		return dialect.Decoded{}, err
	}
	w := webhook{Decoded: dialect.Decoded{Mended: notes}}
	w.reading, _ = of.(reading)
	switch body[0] {
	case '{':
		err = w.readObject(body, "")
	case '[':
		i := 0
		for element := range dialect.Elements(body) {
			if err = w.readObject(element, "/"+strconv.Itoa(i)); err != nil {
				err = w.unread(element, err)
			}
			if err != nil {
				break
			}
			i++
		}
	default:
		err = carillon.Invalid("", "must be an object with events")
	}
	if err != nil {
		return dialect.Decoded{}, err
	}
	return w.Decoded, nil
}

// webhook is a webhook as far as it has been read.
type webhook struct {
	dialect.Decoded
	reading reading
}

// readObject reads an envelope or an event. at points to it.
func (w *webhook) readObject(object []byte, at string) error {
	if object[0] != '{' {
		return carillon.Invalid(at, "must be an object")
	}
	events := dialect.Member(object, "events")
	switch {
	case events == nil && (dialect.Member(object, "event_type") != nil || isVersion1(object)):
		return w.readEvent(object, at, nil)
	case events == nil:
		return carillon.Invalid(at+"/events", "is required: the list of events")
	case events[0] == '{':
		return w.readEvent(events, at+"/events", dialect.Member(object, "sent_at"))
	case events[0] != '[':
		return carillon.Invalid(at+"/events", "must be a list of events")
	}
	i := 0
	for event := range dialect.Elements(events) {
		if err := w.readEvent(event, at+"/events/"+strconv.Itoa(i), dialect.Member(object, "sent_at")); err != nil {
			// The others of the webhook, often of other accounts, do not wait for this one.
			if err := w.unread(event, err); err != nil {
				return err
			}
		}
		i++
	}
	return nil
}

// unread takes note of an element that cannot be read.
func (w *webhook) unread(element []byte, err error) error {
	eventType, _ := dialect.Text(dialect.Member(element, "event_type"))
	if len(eventType) > maxTypeLength {
		eventType = ""
	}
	return w.Unread(eventKey(dialect.Member(element, "event_id"), element), eventType, err)
}

// isVersion1 reports whether an event is one of the vendor's older webhooks, which name neither the event nor all members.
func isVersion1(event []byte) bool { return dialect.Member(event, "resource_type") != nil }

// maxTypeLength bounds the names of events.
const maxTypeLength = 255

// readEvent reads one event.
func (w *webhook) readEvent(event []byte, at string, sentAt []byte) error {
	if event[0] != '{' {
		return carillon.Invalid(at, "must be an object")
	}
	h := hearing{at: at, native: dialect.NewNative(carillon.KindAccount), extra: []byte{'{'}}
	for name, value := range dialect.Members(event) {
		if row, ok := rows[dialect.Unquote(name)]; ok {
			h.said[row] = value
		}
	}
	eventType, ok := dialect.Text(h.value("event_type"))
	switch {
	case eventType == "" && isVersion1(event):
		return carillon.Invalid(at+"/event_type", "is required: this is a webhook of version 1, which is not read; make the subscription one of version 2")
	case !ok || eventType == "":
		return carillon.Invalid(at+"/event_type", "is required: the name of the event")
	case len(eventType) > maxTypeLength:
		return carillon.Invalid(at+"/event_type", fmt.Sprintf("must have at most %d bytes", maxTypeLength))
	}
	told := dialect.Told{ID: eventKey(h.value("event_id"), event), Type: eventType}
	switch eventType {
	case createEvent:
		told.Op = carillon.OpCreated
	case updateEvent:
		told.Op = carillon.OpUpdated
	default:
		told.Ignored = eventType + " does not tell of a customer account: nothing is kept of it"
		if strings.HasPrefix(eventType, "customer_account.") {
			told.Ignored = eventType + " is not an event that is known"
		}
		w.Events = append(w.Events, told)
		return nil
	}
	if err := h.read(w.reading.prefix); err != nil {
		return err
	}
	for name, value := range dialect.Members(event) {
		if _, known := rows[dialect.Unquote(name)]; !known {
			h.extra = appendExtra(h.extra, name, value)
		}
	}
	told.At = h.editedAt(sentAt)
	told.Ref = carillon.Ref{Kind: carillon.KindAccount, ID: h.id}
	told.Actor = h.actor(w.reading.prefix)
	told.Statements = []dialect.Statement{{
		Sort: dialect.Whole, Ref: told.Ref, Data: h.native.JSON(), Extra: append(h.extra, '}'),
	}}
	w.Events = append(w.Events, told)
	return nil
}

// eventKey is the vendor's id of an event, or one made of all that the event says.
func eventKey(id, event []byte) string {
	if text, ok := dialect.Text(id); ok && carillon.ValidID(text) {
		return text
	}
	return dialect.DerivedID(string(event))
}

// hearing is an event that is being read.
type hearing struct {
	at     string // JSON Pointer to it
	said   [memberCount][]byte
	native *dialect.Native
	extra  []byte // what is kept beside, without its closing brace
	id     string // of our record
}

// value is what was said of a member.
func (h *hearing) value(name string) []byte { return h.said[rows[name]] }

// text is the same as text.
func (h *hearing) text(name string) string {
	text, _ := dialect.Text(h.value(name))
	return text
}

// read reads what an event says of its account.
func (h *hearing) read(prefix string) error {
	for i := range customerAccount {
		m := &customerAccount[i]
		if err := m.hear(h, m, h.said[i]); err != nil {
			return err
		}
	}
	id := h.text("id")
	if h.id = prefix + id; id == "" || !carillon.ValidID(h.id) {
		return carillon.Invalid(h.at+"/id", "must be the id of the customer account")
	}
	kind, name, from := "organization", h.text("company_name"), "company_name"
	if name == "" {
		kind, from = "individual", "last_name"
		name = cmp.Or(strings.TrimSpace(h.text("first_name")+" "+h.text("last_name")), h.text("email"), id)
	}
	h.native.Set("type", dialect.AppendString(nil, kind))
	if reason := h.native.SetText("name", dialect.AppendString(nil, name)); reason != "" {
		return carillon.Invalid(h.at+"/"+from, reason)
	}
	return nil
}

// editedAt is as of when the event says what it says: when the record was edited, else created, else when the webhook was sent.
func (h *hearing) editedAt(sentAt []byte) time.Time {
	sent, _ := dialect.Text(sentAt)
	for _, text := range []string{h.text("edited_at"), h.text("created_at"), sent} {
		if at, ok := parseTime(text); ok {
			return at
		}
	}
	return time.Time{}
}

// timeLayouts are how the vendor may write times; those without a zone are UTC.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly}

func parseTime(text string) (time.Time, bool) {
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// actor is who edited the record, else who created it.
func (h *hearing) actor(prefix string) carillon.Actor {
	for _, name := range []string{"edited_by", "created_by"} {
		if id := personID(h.value(name)); carillon.ValidID(prefix+id) && id != "" {
			return carillon.Actor{ID: prefix + id}
		}
	}
	return carillon.Actor{}
}

// personID reads {"id"}, or the id alone.
func personID(value []byte) string {
	if len(value) > 0 && value[0] == '{' {
		value = dialect.Member(value, "id")
	}
	text, _ := dialect.Text(value)
	return text
}
