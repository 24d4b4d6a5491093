package freshsales

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"carillon"
	"carillon/dialect"
)

// message is a request while it is read.
type message struct {
	prefix string
	// envelope and data are the members of the body and of its data.
	envelope, data map[string][]byte
	// related is the object of associations; nil in the Classic form.
	related []byte
	// object is what the event is about, and associations what the vendor sent of each of its associations, by place.
	object       *object
	associations [][]byte
	// unlisted are lists of the Classic form that no table knows: members of an object.
	unlisted []byte
	// described are the records in associations, by kind and number.
	described map[carillon.Kind]map[string][]byte

	users     map[string]*hearing // by number
	userOrder []*hearing
	mentioned map[carillon.Ref]bool
	mentions  []dialect.Statement

	faults []carillon.Fault
	joined int // texts whose lines were
}

// membersOf are the members of an object by name.
func membersOf(object []byte) map[string][]byte {
	members := make(map[string][]byte)
	for name, value := range dialect.Members(object) {
		members[dialect.Unquote(name)] = value
	}
	return members
}

// find gives a member of the envelope, which some versions put into data.
func (m *message) find(name string) []byte {
	if value := m.envelope[name]; value != nil {
		return value
	}
	return m.data[name]
}

// mainObject finds what the event is about, and says where it is or should be. A list of one is taken for the one.
func (m *message) mainObject(o *object) (value []byte, path string) {
	path = "/data/" + o.name
	if value = m.data[o.name]; value == nil {
		if value = m.envelope[o.name]; value != nil {
			path = "/" + o.name
		}
	}
	if value = first(value); len(value) == 0 || value[0] != '{' {
		return nil, path
	}
	return value, path
}

// timestamp is as of when the message says what it says; zero if it does not say.
func (m *message) timestamp() time.Time {
	value := m.find("timestamp")
	if len(value) == 0 || string(value) == null {
		return time.Time{}
	}
	at, ok := instant(value)
	if !ok {
		m.fault("/timestamp", "must be a time in seconds or milliseconds since 1970")
	}
	return at
}

// maxFaults is how many faults of one message are told.
const maxFaults = 20

func (m *message) fault(path, reason string) {
	if len(m.faults) < maxFaults {
		m.faults = append(m.faults, carillon.Fault{Member: path, Reason: reason})
	}
}

// mended says what had to be mended.
func (m *message) mended() []string {
	var notes []string
	if m.joined > 0 {
		notes = append(notes, fmt.Sprintf("line breaks and control characters in %d texts of one line were taken out", m.joined))
	}
	return notes
}

// findAssociations finds what the message says of each association of its object, whatever the form.
func (m *message) findAssociations(object []byte) {
	m.associations = make([][]byte, len(m.object.associations))
	m.described = make(map[carillon.Kind]map[string][]byte)
	if m.related = m.find(associationsName); len(m.related) == 0 || m.related[0] != '{' {
		m.related = nil
		m.findLists(object)
	}
	for name, value := range dialect.Members(m.related) {
		place, ok := m.object.related[dialect.Unquote(name)]
		if !ok || m.associations[place] != nil {
			continue
		}
		of := m.object.associations[place].value
		m.describe(of.of, value)
		switch {
		case !of.list:
			value = first(value)
		case value[0] == '{':
			value = append(append([]byte{'['}, value...), ']')
		}
		m.associations[place] = value
	}
}

// findLists finds the lists of the Classic form, and in those of single things what the object's numbers stand for.
func (m *message) findLists(object []byte) {
	known := map[string]bool{classicUsers: true}
	for i := range m.object.associations {
		a := &m.object.associations[i]
		for _, name := range a.lists() {
			known[name] = true
			list := m.data[name]
			if list == nil || m.associations[i] != nil {
				continue
			}
			m.describe(a.value.of, list)
			if a.value.list {
				m.associations[i] = list
			} else if a.value.field != "" {
				m.associations[i] = numbered(list, numberIn(bare(dialect.Member(object, a.value.field))))
			}
		}
	}
	for user := range elementsOf(m.data[classicUsers]) {
		m.hearUser(user, "/data/"+classicUsers)
	}
	m.unlisted = []byte{'{'}
	for name, value := range dialect.Members(m.envelope["data"]) {
		if value[0] == '[' && len(value) > len(`[]`) && !known[dialect.Unquote(name)] {
			m.unlisted = append(append(comma(m.unlisted), name...), ':')
			m.unlisted = append(m.unlisted, value...)
		}
	}
	m.unlisted = append(m.unlisted, '}')
}

// numbered is the element of a list that has the number; nil if none has.
func numbered(list, number []byte) []byte {
	for element := range elementsOf(list) {
		if counts(number) && string(numberIn(element)) == string(number) {
			return element
		}
	}
	return nil
}

// describe notes the records of a kind that an association tells of.
func (m *message) describe(kind carillon.Kind, association []byte) {
	if kind == "" {
		return
	}
	if m.described[kind] == nil {
		m.described[kind] = make(map[string][]byte)
	}
	for element := range elementsOf(association) {
		if element[0] != '{' {
			continue
		}
		if number := numberIn(element); counts(number) && m.described[kind][string(number)] == nil {
			m.described[kind][string(number)] = element
		}
	}
}

// mention says that there is a record, by whatever the message says of it: of one that it only numbers nothing is said, and nothing
// made up. It reports whether the message says anything of the record.
func (m *message) mention(kind carillon.Kind, number []byte) bool {
	ref := carillon.Ref{Kind: kind, ID: m.prefix + string(number)}
	if m.mentioned[ref] {
		return true
	}
	described := m.described[kind][string(number)]
	if !describes(kind, described) {
		return false
	}
	m.mentioned[ref] = true

	o := partialAccount
	if kind == carillon.KindContact {
		o = partialContact
	}
	h := m.hear(o, described, "/data/"+associationsName)
	h.sent[o.places["id"]] = number
	h.readFields()
	if kind == carillon.KindContact && textOf(h.members[contactFirstName])+textOf(h.members[contactLastName]) == "" {
		h.members[contactLastName] = h.displayName()
	}
	h.fill(true)
	m.mentions = append(m.mentions, dialect.Statement{Sort: dialect.Mention, Ref: ref, Data: h.data(ref.ID), Extra: h.extra()})
	return true
}

// describing are the members of which one at least says what a record is.
var describing = map[carillon.Kind][]string{
	carillon.KindAccount: {"name"},
	carillon.KindContact: {"first_name", "last_name", "display_name", "email"},
}

// describes reports whether an object says what an account or contact is, beyond its number.
func describes(kind carillon.Kind, object []byte) bool {
	return slices.ContainsFunc(describing[kind], func(name string) bool {
		text, _ := dialect.Text(bare(dialect.Member(object, name)))
		return strings.TrimSpace(text) != ""
	})
}

// hearUser takes up what the message says of a user. The first that says something of a member is believed.
func (m *message) hearUser(value []byte, path string) {
	if len(value) == 0 || value[0] != '{' {
		return
	}
	number := numberIn(value)
	known := m.users[string(number)]
	if !counts(number) || known != nil && bytes.Equal(known.whole, value) {
		return
	}
	h := m.hear(actor, value, path)
	h.readFields()
	if known == nil {
		h.whole = value
		h.kept[actor.places["id"]] = number
		h.number = string(number)
		m.users[h.number] = h
		m.userOrder = append(m.userOrder, h)
		return
	}
	for i, v := range h.members {
		if isNone(known.members[i]) && !isNone(v) {
			known.members[i] = v
		}
	}
	for i, v := range h.kept {
		if isNone(known.kept[i]) && !isNone(v) {
			known.kept[i] = v
		}
	}
}

// userStatements are what is said of users, of those that have a name or an address.
func (m *message) userStatements() []dialect.Statement {
	var list []dialect.Statement
	for _, h := range m.userOrder {
		if isNone(h.members[userName]) {
			h.members[userName] = h.members[userEmail]
		}
		if isNone(h.members[userName]) {
			continue
		}
		h.fill(true)
		ref := carillon.Ref{Kind: carillon.KindUser, ID: m.prefix + h.number}
		list = append(list, dialect.Statement{Sort: dialect.Whole, Ref: ref, Data: h.data(ref.ID), Extra: h.extra()})
	}
	return list
}

var (
	userName  = placeOf(carillon.KindUser, "name")
	userEmail = placeOf(carillon.KindUser, "email")
)
