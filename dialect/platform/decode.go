package platform

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/mend"
)

const (
	// maxWraps bounds how often an event is wrapped: an SNS notification of {"message": …} in a list is three times.
	maxWraps = 4
	// maxIDLength bounds event ids, in bytes.
	maxIDLength = 255
	// maxQuoted bounds what notes repeat of a request, in bytes.
	maxQuoted = 80
)

// CheckReading accepts no settings, and no id prefix: the platform's ids are taken as they come. It fails with
// carillon.CodeInvalid naming what is there.
func (d *Dialect) CheckReading(c *carillon.Connection) (dialect.Reading, error) {
	if c.IDPrefix != "" {
		return nil, carillon.Invalid("/idPrefix", "must be absent: ids are taken as they come")
	}
	_, err := d.CheckSettings(c.Settings)
	return nil, err
}

// Decode reads events in each of the ways in which they travel: the envelope itself; a list of them; an envelope in
// "message" beside "messageAttributes"; and any of these as the "Message" of an SNS notification. What the platform tells
// of beside accounts, what belongs to them, and users is Ignored.
func (d *Dialect) Decode(r dialect.Request, _ dialect.Reading) (dialect.Decoded, error) {
	p := parcel{dialect: d}
	if err := p.unwrapText(r.Body, "", 0); err != nil {
		return dialect.Decoded{}, err
	}
	return p.Decoded, nil
}

// parcel is a request as far as it has been unwrapped.
type parcel struct {
	dialect.Decoded
	dialect *Dialect
}

// envelope is what stands around an event, each member as JSON; nil for those that are absent.
type envelope struct {
	eventID, eventType, timestamp, actor, payload []byte

	// What wraps an envelope: the platform's apps, and SNS.
	message, snsType, snsMessage, snsMessageID []byte

	// installation is the type of the events about an app's own installation, which have no envelope.
	installation []byte
}

func envelopeOf(object []byte) envelope {
	var e envelope
	for name, value := range dialect.Members(object) {
		if isNull(value) {
			continue
		}
		switch string(name) {
		case `"eventId"`:
			e.eventID = value
		case `"eventType"`:
			e.eventType = value
		case `"timestamp"`:
			e.timestamp = value
		case `"actor"`:
			e.actor = value
		case `"payload"`:
			e.payload = value
		case `"message"`:
			e.message = value
		case `"Type"`:
			e.snsType = value
		case `"Message"`:
			e.snsMessage = value
		case `"MessageId"`:
			e.snsMessageID = value
		case `"event_type"`:
			e.installation = value
		}
	}
	return e
}

// unwrapText takes the events of JSON as it came, whole or inside a string.
func (p *parcel) unwrapText(text []byte, at string, wraps int) error {
	value, notes, err := mend.Read(text, at)
	if err != nil {
		return err
	}
	p.Mended = append(p.Mended, notes...)
	return p.unwrap(value, at, wraps)
}

// unwrap takes the events of a value: one, a list, or one of these in a wrapper.
func (p *parcel) unwrap(value []byte, at string, wraps int) error {
	switch {
	case wraps > maxWraps:
		return carillon.Invalid(at, "is wrapped too often")
	case value[0] == '[':
		return p.unwrapList(value, at, wraps+1)
	case value[0] != '{':
		return carillon.Invalid(at, "must be an event, or a list of them")
	}
	e := envelopeOf(value)
	switch {
	case e.eventType != nil:
		told, err := p.dialect.told(e, value, at)
		if err != nil {
			return err
		}
		p.Events = append(p.Events, told)
	case e.snsMessage != nil && dialect.Unquote(e.snsType) == "Notification":
		return p.unwrapMessage(e.snsMessage, at+"/Message", wraps+1)
	case e.snsMessage != nil && e.snsType != nil:
		p.Events = append(p.Events, ignored(value, e.snsMessageID, e.snsType, "is about the subscription to a topic"))
	case e.message != nil:
		return p.unwrapMessage(e.message, at+"/message", wraps+1)
	case e.installation != nil:
		p.Events = append(p.Events, ignored(value, nil, e.installation, "is about the installation of an app"))
	default:
		return carillon.Invalid(at+"/eventType", "is required")
	}
	return nil
}

// unwrapList takes the events of a list. One that cannot be read does not keep the others.
func (p *parcel) unwrapList(list []byte, at string, wraps int) error {
	n := 0
	for element := range dialect.Elements(list) {
		if err := p.unwrap(element, at+"/"+strconv.Itoa(n), wraps); err != nil {
			e := envelopeOf(element)
			id := dialect.Unquote(scalar(e.eventID))
			if !fitsID(id) {
				id = dialect.DerivedID(Name, string(element))
			}
			if err := p.Unread(id, dialect.Unquote(scalar(e.eventType)), err); err != nil {
				return err
			}
		}
		n++
	}
	if n == 0 {
		return carillon.Invalid(at, "must hold an event")
	}
	return nil
}

// unwrapMessage unwraps a value that may stand as text inside a string.
func (p *parcel) unwrapMessage(value []byte, at string, wraps int) error {
	if value[0] == '"' {
		return p.unwrapText([]byte(dialect.Unquote(value)), at, wraps)
	}
	return p.unwrap(value, at, wraps)
}

// ignored is a message without an envelope, of which nothing comes. Its id and name may be anything.
func ignored(event, id, name []byte, why string) dialect.Told {
	told := dialect.Told{ID: dialect.Unquote(scalar(id)), Type: dialect.Unquote(scalar(name))}
	if !fitsID(told.ID) {
		told.ID = dialect.DerivedID(Name, string(event))
	}
	told.Ignored = abridge(told.Type) + " " + why
	return told
}

// told reads an envelope.
func (d *Dialect) told(e envelope, event []byte, at string) (dialect.Told, error) {
	told, err := d.Read(Parts{
		Type: dialect.Unquote(e.eventType), TypeAt: at + "/eventType", Payload: e.payload, PayloadAt: at + "/payload",
	})
	if err != nil {
		return told, err
	}
	if told.ID = dialect.Unquote(scalar(e.eventID)); told.ID == "" || told.Ignored != "" && !fitsID(told.ID) {
		told.ID = dialect.DerivedID(Name, string(event))
	}
	if !fitsID(told.ID) {
		return told, carillon.Invalid(at+"/eventId", fmt.Sprintf("must be one line of at most %d bytes", maxIDLength))
	}
	if told.At, err = timestamp(e.timestamp, at+"/timestamp"); err != nil && told.Ignored == "" {
		return told, err
	}
	told.Actor = actor(e.actor)
	return told, nil
}

// Parts are what an event of the platform's is about, in whatever envelope.
type Parts struct {
	// Type is the event's name, and TypeAt where it stands in the request, as a JSON Pointer.
	Type, TypeAt string
	// Payload is JSON as mend.Read gives it, nil if there is none; PayloadAt is where it stands.
	Payload   []byte
	PayloadAt string
}

// Knows reports whether a name is that of an event which Read does not ignore by its name alone.
func (d *Dialect) Knows(eventType string) bool {
	_, ok := d.meaning(eventType)
	return ok
}

// Read says what an event tells: all of Told but its id, time and actor. What the language lacks, and attribute and
// custom-field events that do not carry their record, are Ignored. It fails with carillon.CodeInvalid.
func (d *Dialect) Read(p Parts) (dialect.Told, error) {
	told := dialect.Told{Type: p.Type}
	if p.Type == "" {
		return told, carillon.Invalid(p.TypeAt, "must be a string that is not empty")
	}
	m, known := d.meaning(p.Type)
	if !known {
		told.Ignored = abridge(p.Type) + " is not about accounts, what belongs to them, or users: nothing is kept of it"
		return told, nil
	}
	if m.kind == carillon.KindCustom && !carillon.ValidID(m.module) {
		return told, carillon.Invalid(p.TypeAt, "must name a module by "+idReason)
	}
	told.Op = m.op
	statement, ok, err := m.statement(p.Payload, p.PayloadAt)
	switch {
	case err != nil:
		return told, err
	case !ok:
		told.Ignored = abridge(p.Type) + " carries no record"
	default:
		told.Ref = statement.Ref
		told.Statements = []dialect.Statement{statement}
	}
	return told, nil
}

// timestamp reads when an event happened; zero if it does not say.
func timestamp(value []byte, at string) (time.Time, error) {
	if value == nil {
		return time.Time{}, nil
	}
	when, ok := moment(value)
	if !ok {
		return time.Time{}, carillon.Invalid(at, timeReason)
	}
	return when, nil
}

// actor reads who made the change; nobody if it does not say.
func actor(object []byte) carillon.Actor {
	var a carillon.Actor
	for name, value := range dialect.Members(object) {
		switch string(name) {
		case `"id"`:
			a.ID = dialect.Unquote(scalar(value))
		case `"type"`:
			a.Type = dialect.Unquote(scalar(value))
		case `"email"`:
			a.Email = dialect.Unquote(scalar(value))
		}
	}
	return a
}

// fitsID reports whether an event may have the id: one line, not too long.
func fitsID(id string) bool {
	return id != "" && len(id) <= maxIDLength && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl)
}

// abridge keeps what strangers sent from filling a note.
func abridge(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	return strings.ToValidUTF8(s[:maxQuoted], "") + "…"
}

// meaning is what an event type says: what happened to which sort of record.
type meaning struct {
	*lexicon
	op carillon.Op
	// carries says that the event must have the record: those whose payload the documents show. They leave it open for comments,
	// attributes and custom fields.
	carries bool
	module  string // of custom records
}

// meaning finds what an event type says, whatever the platform puts between its words: the documents have
// account-health:changed beside customer-contact:type:changed.
func (d *Dialect) meaning(name string) (meaning, bool) {
	if m, ok := d.meanings[name]; ok {
		return m, true
	}
	if rest, ok := strings.CutPrefix(name, "custom:"); ok {
		return d.moduleMeaning(rest)
	}
	m, ok := d.meanings[plainName(name)]
	return m, ok
}

// moduleMeaning reads what follows "custom:": the module and what happened.
func (d *Dialect) moduleMeaning(rest string) (meaning, bool) {
	// The longest first: a module may have any of the words in its name.
	for _, event := range []string{d.module.valueAdded, d.module.valueRemoved, d.module.valueChanged, d.module.created, d.module.updated, d.module.deleted} {
		_, suffix, _ := strings.Cut(event, modulePlaceholder)
		if module, ok := strings.CutSuffix(rest, suffix); ok {
			m := d.module.meaningOf(event)
			m.lexicon, m.module = d.moduleLexicon(module), module
			return m, true
		}
	}
	return meaning{}, false
}

// meaningOf says what an event of the vocabulary says.
func (v vocabulary) meaningOf(event string) meaning {
	switch documented := v.kind != carillon.KindComment; event {
	case v.created:
		return meaning{op: carillon.OpCreated, carries: documented}
	case v.deleted:
		return meaning{op: carillon.OpDeleted, carries: documented}
	default:
		return meaning{op: carillon.OpUpdated, carries: documented && event == v.updated}
	}
}

// plainName is an event type in lower case, with one separator between all its words.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '-', '_', '.', '/', ' ':
			return ':'
		default:
			return unicode.ToLower(r)
		}
	}, name)
}
