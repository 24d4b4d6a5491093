package smarterpay

import (
	"bytes"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/dialect"
)

// member is one member of a vendor's object.
type member struct {
	name string // the vendor's
	from string // the account's, with a full stop before the member of an object; "" where the rule needs none
	rule rule
	hear hear
}

// rule appends a member's value; nothing at all leaves the member out. ours is what the account has, theirs what its
// extra holds under the vendor's name; nil where there is nothing.
type rule func(b []byte, t *telling, ours, theirs []byte) []byte

// asItStands tells our text, in the vendor's form as long as that says the same; null if there is none.
func asItStands(b []byte, _ *telling, ours, theirs []byte) []byte {
	switch {
	case !isText(ours):
		return append(b, null...)
	case isText(theirs) && saysTheSame(theirs, ours):
		return append(b, theirs...)
	default:
		return append(b, ours...)
	}
}

// saysTheSame reports whether the vendor's text is what we made ours of.
func saysTheSame(theirs, ours []byte) bool {
	said, _ := dialect.Text(theirs)
	return said == dialect.Unquote(ours)
}

const null = "null"

// isText reports whether a value is a JSON string.
func isText(value []byte) bool { return len(value) > 0 && value[0] == '"' }

// telling is an event in the making.
type telling struct {
	ev       carillon.Event
	id       string // ours, of the event
	settings *settings
	// creator and updater are what dialect.Authors makes of them.
	creator, updater *carillon.Actor

	account [][]byte // the account's members, by their places in the field table
	theirs  []byte   // the vendor's object in the extra; nil if there is none

	individual bool
	// firstName and lastName are divided from the name of an individual whose contact has none; nil for all others.
	firstName, lastName []byte
}

// source is where in the field table of accounts a member's from is found.
type source struct {
	place int    // −1: nowhere
	part  string // of an object
}

var (
	sources   = findSources()
	nameAt    = placeOf("name")
	typeAt    = placeOf("type")
	contactAt = placeOf("primaryContact")
)

func findSources() (list [memberCount]source) {
	for i, m := range customerAccount {
		list[i].place = -1
		if m.from != "" {
			name, part, _ := strings.Cut(m.from, ".")
			list[i] = source{placeOf(name), part}
		}
	}
	return list
}

func placeOf(name string) int {
	place, ok := carillon.FieldNumber(carillon.KindAccount, name)
	if !ok {
		panic("smarterpay: accounts have no member " + name)
	}
	return place
}

// newTelling reads what a change says of its account. Its authors are not known yet.
func newTelling(ev carillon.Event, s *settings) *telling {
	c := ev.Change
	state := c.After
	if c.Op == carillon.OpDeleted {
		state = c.Before
	}
	t := &telling{ev: ev, id: dialect.EventID(c, ev.Index), settings: s, account: dialect.ByField(carillon.KindAccount, state)}
	if len(c.Extra) > 0 {
		t.theirs = dialect.Member(c.Extra, Name)
	}
	t.individual = strings.EqualFold(dialect.Unquote(t.account[typeAt]), "individual")
	if t.individual {
		t.divideName()
	}
	return t
}

// divideName makes a first and a last name of the account's, if its contact has neither.
func (t *telling) divideName() {
	contact := t.account[contactAt]
	if isText(dialect.Member(contact, "firstName")) || isText(dialect.Member(contact, "lastName")) || !isText(t.account[nameAt]) {
		return
	}
	name := dialect.Unquote(t.account[nameAt])
	last := strings.LastIndexByte(name, ' ')
	t.lastName = dialect.AppendString(nil, name[last+1:])
	if last >= 0 {
		t.firstName = dialect.AppendString(nil, name[:last])
	}
}

// received reports whether the change came from the vendor: then the extra is of this very change.
func (t *telling) received() bool { return t.ev.Change.CameFrom(Name) }

// append writes the event: the rows of the table, then what else the vendor sent of the record.
func (t *telling) append(b []byte) []byte {
	b = append(b, '{')
	first := len(b)
	for i := range customerAccount {
		m := &customerAccount[i]
		start := len(b)
		if start > first {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, m.name...)
		b = append(b, '"', ':')
		begun := len(b)
		if b = m.rule(b, t, t.ours(i), dialect.Member(t.theirs, m.name)); len(b) == begun {
			b = b[:start]
		}
	}
	for name, value := range dialect.Members(t.theirs) {
		if _, known := rows[dialect.Unquote(name)]; known {
			continue
		}
		b = append(b, ',')
		b = append(b, name...)
		b = append(b, ':')
		b = append(b, value...)
	}
	return append(b, '}')
}

// rows finds the rows of the table by their names.
var rows = func() map[string]int {
	places := make(map[string]int, memberCount)
	for i, m := range customerAccount {
		places[m.name] = i
	}
	return places
}()

// ours is what the account has for a row of the table.
func (t *telling) ours(row int) []byte {
	from := sources[row]
	switch {
	case from.place < 0:
		return nil
	case from.part == "":
		return t.account[from.place]
	default:
		return dialect.Member(t.account[from.place], from.part)
	}
}

// size guesses the length of the event, from above unless strings need escapes.
func (t *telling) size() int {
	c := t.ev.Change
	return 1536 + max(len(c.Before), len(c.After)) + len(t.theirs)
}

// timeLayout is how the vendor writes times: UTC, whole seconds.
const timeLayout = "2006-01-02T15:04:05Z"

func appendTime(b []byte, at time.Time) []byte {
	b = append(b, '"')
	b = at.UTC().AppendFormat(b, timeLayout)
	return append(b, '"')
}

// appendQuoted appends a word that needs no escapes.
func appendQuoted(b []byte, word string) []byte {
	b = append(b, '"')
	b = append(b, word...)
	return append(b, '"')
}

// sameJSON reports whether a text is JSON that says what the record's metadata says (which has its names sorted).
func sameJSON(text string, ours []byte) bool {
	value := jsontext.Value(text)
	return value.Format(jsontext.ReorderRawObjects(true)) == nil && bytes.Equal(value, ours)
}
