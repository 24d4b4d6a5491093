package freshsales

import (
	"strings"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/mend"
)

// reading is how a connection is read: what the ids of its records begin with.
type reading struct{ prefix string }

// IDPrefix is "freshsales_": the vendor's ids are numbers.
func (d *Dialect) IDPrefix() string { return defaultPrefix }

// CheckReading reads a connection's settings; there are none.
func (d *Dialect) CheckReading(c *carillon.Connection) (dialect.Reading, error) {
	if err := dialect.ReadSettings(c.Settings, &struct{}{}); err != nil {
		return nil, err
	}
	if c.IDPrefix == "" {
		return reading{defaultPrefix}, nil
	}
	return reading{c.IDPrefix}, nil
}

// Decode reads one product event, in whatever form: of Freshworks CRM (platform versions 2.2 to 3.0) or of Freshsales Classic.
func (d *Dialect) Decode(r dialect.Request, how dialect.Reading) (dialect.Decoded, error) {
	payload, err := dialect.FormPayload(r)
	if err != nil {
		return dialect.Decoded{}, err
	}
	body, mended, err := mend.Read(payload, "")
	if err != nil {
		return dialect.Decoded{}, err
	}
	if body[0] != '{' {
		return dialect.Decoded{}, carillon.Invalid("", "must be an object")
	}
	m := &message{prefix: defaultPrefix, users: make(map[string]*hearing), mentioned: make(map[carillon.Ref]bool), envelope: membersOf(body)}
	m.data = membersOf(m.envelope["data"])
	if chosen, ok := how.(reading); ok {
		m.prefix = chosen.prefix
	}
	told, err := m.tell()
	if err != nil {
		return dialect.Decoded{}, err
	}
	return dialect.Decoded{Events: []dialect.Told{told}, Mended: append(mended, m.mended()...)}, nil
}

// tell says what the message tells.
func (m *message) tell() (dialect.Told, error) {
	name := textOf(m.find("event"))
	if !strings.HasPrefix(name, "on") && !strings.HasPrefix(name, "after") {
		return dialect.Told{}, carillon.Invalid("/event", "must be the name of an event of Freshsales")
	}
	told := dialect.Told{Type: name, At: m.timestamp()}
	h, known := happenings[name]
	if !known {
		told.Ignored = passedOver(name)
		told.ID = m.derivedID(name, "")
		return told, m.err()
	}
	object, path := m.mainObject(h.object)
	if object == nil {
		return dialect.Told{}, carillon.Invalid(path, "is required: the "+h.object.name+" that the event is about")
	}
	m.object = h.object
	m.findAssociations(object)
	record := m.hear(h.object, object, path)
	told.Op, told.Ref = h.op, record.ref()
	told.ID = m.derivedID(name, record.number)
	if told.Op != carillon.OpDeleted && record.deleted() {
		told.Op = carillon.OpDeleted
	}
	told.Statements = m.statements(told, record)
	told.Actor = m.actor(told.Op, record)
	if told.At.IsZero() {
		told.At, _ = instant(record.sentOf("updated_at")) // none if it says none
	}
	return told, m.err()
}

// statements are what the message says: users, the records that the record refers to, the record.
func (m *message) statements(told dialect.Told, record *hearing) []dialect.Statement {
	m.hearUser(m.find("actor"), "/data/actor")
	if told.Op == carillon.OpDeleted {
		record.readUsers()
		return append(m.userStatements(), dialect.Statement{Sort: dialect.Gone, Ref: told.Ref})
	}
	m.mentioned[told.Ref] = true // a record that refers to itself is no other
	record.readFields()
	record.readAssociations()
	record.fill(told.Op == carillon.OpCreated)
	list := append(m.userStatements(), m.mentions...)
	return append(list, dialect.Statement{
		Sort: dialect.Whole, Ref: told.Ref, Data: record.data(told.Ref.ID), Extra: record.extra(), LeavesCustomFields: true,
	})
}

// derivedID is the id of an event whose vendor gives none: of everything by which one telling differs from another.
func (m *message) derivedID(name, number string) string {
	return dialect.DerivedID(name, string(m.find("account_id")), string(m.find("currentHost")), number, string(m.find("timestamp")),
		string(m.envelope["data"]), string(m.related))
}

// Types of actors.
const (
	typeAgent  = "AGENT" // as users are in this house
	typeSystem = "system"
)

// maxActorEmail is how long the address of an actor may be to be kept with what he did.
const maxActorEmail = 255

// actor is who did it. Where the vendor does not say (Classic), it is who created the record, or changed it last.
func (m *message) actor(op carillon.Op, record *hearing) carillon.Actor {
	var number []byte
	if who := m.find("actor"); len(who) > 0 && who[0] == '{' {
		if number = numberIn(who); !counts(number) {
			return carillon.Actor{Type: typeSystem}
		}
	} else {
		by := "updater_id"
		if op == carillon.OpCreated {
			by = "creator_id"
		}
		if number = numberIn(record.sentOf(by)); !counts(number) {
			return carillon.Actor{}
		}
	}
	a := carillon.Actor{ID: m.prefix + string(number), Type: typeAgent}
	if user := m.users[string(number)]; user != nil {
		if email := textOf(user.members[userEmail]); len(email) <= maxActorEmail {
			a.Email = oneLine(email, " ")
		}
	}
	return a
}

// err is all that is wrong with the message; nil if nothing is.
func (m *message) err() error {
	if len(m.faults) == 0 {
		return nil
	}
	return &carillon.Error{Code: carillon.CodeInvalid, Message: "the request is not valid", Faults: m.faults}
}
