package freshsales

import (
	"bytes"
	"strconv"
	"strings"

	"carillon"
	"carillon/dialect"
)

// value says where a field's value comes from. The house comes first, then what the vendor sent, then a default; but the
// vendor's own id and time of creation come first.
type value struct {
	// member is the house's, of the record ("firstName") or of one of its objects ("address.city"); "" if it takes none.
	member string
	append func(s *side, f *slot, b, sent []byte) []byte
	// read finds the house's value in what the vendor sent, and gives what extra keeps of it; nil: nothing.
	read func(h *hearing, f *slot, sent []byte) (keep []byte)
	// change appends the value as model_changes has it, classic as the Classic form has it; nil: as append does.
	change, classic func(s *side, f *slot, b, sent []byte) []byte
	// absent is what is told if nobody says anything.
	absent string
	// derived values do not depend on the member and what the vendor sent alone.
	derived bool
	// unlisted values are not in model_changes.
	unlisted bool
	told     occasion
	schema   any // JSON Schema of the value, which the vendor's own may not hold to; nil: anything

	// Of choices: the association that names the value, its member with the name, and the house's value that stands for none.
	association, by, except string
}

// occasion is when a field is told.
type occasion byte

const (
	always occasion = iota
	onCreate
	onUpdate
	whenSent // when the vendor sent it: the page lists it, but no sample has it
)

func (v value) onCreate() value { v.told = onCreate; return v }
func (v value) onUpdate() value { v.told = onUpdate; return v }
func (v value) whenSent() value { v.told = whenSent; return v }

const null = "null"

func orNull(sorts ...string) any { return map[string]any{"type": append(sorts, null)} }

// otherwise appends what the vendor sent, or else the default.
func otherwise(f *slot, b, sent []byte) []byte {
	if len(sent) > 0 {
		return append(b, sent...)
	}
	return append(b, f.value.absent...)
}

// own is a value that only the vendor has.
func own(absent string) value {
	return value{absent: absent, read: keepUnlessAbsent, append: func(_ *side, f *slot, b, sent []byte) []byte { return otherwise(f, b, sent) }}
}

// same appends a member of the house as it is.
func same(s *side, f *slot, b, sent []byte) []byte {
	if v := s.house(f); v != nil {
		return append(b, v...)
	}
	return otherwise(f, b, sent)
}

func text(member string) value {
	return value{member: member, append: same, read: readText, absent: null, schema: orNull("string")}
}

func list(member string) value {
	return value{member: member, append: same, read: readTexts, absent: `[]`, schema: map[string]any{"type": "array"}}
}

func boolean(member, absent string) value {
	return value{member: member, append: same, read: readBoolean, absent: absent, schema: map[string]any{"type": "boolean"}}
}

func number(member, absent string) value {
	return value{member: member, append: same, read: readNumber, absent: absent, schema: orNull("number")}
}

// quoted turns numbers to texts: the vendor's page says so of these.
func (v value) quoted() value {
	inner := v.append
	v.append = func(s *side, f *slot, b, sent []byte) []byte {
		start := len(b)
		b = inner(s, f, b, sent)
		if c := b[start]; c != '-' && (c < '0' || c > '9') {
			return b
		}
		n := string(b[start:])
		return dialect.AppendString(b[:start], n)
	}
	v.change, v.schema = v.append, orNull("string")
	return v
}

// moment is a time, which the vendor writes without decimals.
func moment(member string) value {
	return value{member: member, read: readMoment, absent: null, schema: orNull("string"), append: func(s *side, f *slot, b, sent []byte) []byte {
		if v := s.house(f); v != nil {
			return appendMoment(b, v)
		}
		return otherwise(f, b, sent)
	}}
}

// appendMoment writes a time of the house (carillon.TimeLayout, quoted) without its decimals.
func appendMoment(b, quoted []byte) []byte {
	const decimals = len(`.000Z"`)
	if len(quoted) != len(carillon.TimeLayout)+2 {
		return append(b, quoted...)
	}
	b = append(b, quoted[:len(quoted)-decimals]...)
	return append(b, `Z"`...)
}

// createdAt is when the vendor created the record, or else when the house did.
var createdAt = value{member: "createdAt", read: keep, absent: null, schema: orNull("string"), append: func(s *side, f *slot, b, sent []byte) []byte {
	if v := s.house(f); v != nil && len(sent) == 0 {
		return appendMoment(b, v)
	}
	return otherwise(f, b, sent)
}}

// updatedAt is when the vendor updated the record if a vendor did so last, else when the house did.
var updatedAt = value{member: "updatedAt", read: keep, absent: null, derived: true, schema: orNull("string"), append: func(s *side, f *slot, b, sent []byte) []byte {
	v := s.house(f)
	switch {
	case !s.touched.IsZero():
		return appendMoment(b, dialect.AppendString(nil, carillon.FormatTime(s.touched)))
	case v != nil && (len(sent) == 0 || !s.received):
		return appendMoment(b, v)
	default:
		return otherwise(f, b, sent)
	}
}}

// lines is an address' lines in one.
func lines(address string) value {
	return value{member: address, read: readLines, absent: null, schema: orNull("string"), append: func(s *side, f *slot, b, sent []byte) []byte {
		var parts []string
		for _, name := range [...]string{"line1", "line2", "line3", "line4"} {
			if line := dialect.Unquote(dialect.Member(s.members[f.place], name)); line != "" {
				parts = append(parts, line)
			}
		}
		if len(parts) == 0 {
			return otherwise(f, b, sent)
		}
		return dialect.AppendString(b, strings.Join(parts, ", "))
	}}
}

// id is the vendor's number of the record, or else the house's.
var id = value{read: readID, unlisted: true, schema: map[string]any{"type": "integer"}, append: func(s *side, _ *slot, b, sent []byte) []byte {
	if len(sent) > 0 {
		return append(b, sent...)
	}
	return strconv.AppendInt(b, s.number, 10)
}}

// isDeleted is true in the last event of a record.
var isDeleted = value{read: readDeleted, derived: true, schema: map[string]any{"type": "boolean"}, append: func(s *side, _ *slot, b, _ []byte) []byte {
	return strconv.AppendBool(b, s.deleted)
}}

// status is what the vendor says of a record's existence: active, merged or deleted. It is not the house's status.
var status = value{read: keepUnlessAbsent, absent: `"Active"`, derived: true, schema: orNull("string"), append: func(s *side, f *slot, b, sent []byte) []byte {
	if s.deleted {
		return append(b, `"Deleted"`...)
	}
	return otherwise(f, b, sent)
}}

// statusNumber is the status of a custom module's record, a number to the vendor.
var statusNumber = value{member: "status", read: readStatusNumber, absent: `1`, append: func(s *side, f *slot, b, sent []byte) []byte {
	if v := dialect.Unquote(s.house(f)); isNumber(v) {
		return append(b, v...)
	}
	return otherwise(f, b, sent)
}}

// openOrCompleted is the status of a task: the vendor knows two.
var openOrCompleted = value{member: "status", read: readOpenOrCompleted, absent: `"Open"`, schema: map[string]any{"enum": []string{"Open", "Completed"}}, append: func(s *side, f *slot, b, _ []byte) []byte {
	if bytes.EqualFold(s.house(f), []byte(`"Completed"`)) {
		return append(b, `"Completed"`...)
	}
	return append(b, `"Open"`...)
}}

// fullName is a contact's: the vendor's as long as a vendor made the contact what it is, else made of both its names.
// model_changes lists those instead.
var fullName = value{read: readFullName, unlisted: true, schema: orNull("string"), absent: null, append: func(s *side, f *slot, b, sent []byte) []byte {
	name := nameOf(s.members)
	if name == "" || s.holds(sent) {
		return otherwise(f, b, sent)
	}
	return dialect.AppendString(b, name)
}}

// nameOf joins the names of a contact.
func nameOf(members [][]byte) string {
	return strings.TrimSpace(textOf(members[contactFirstName]) + " " + textOf(members[contactLastName]))
}

var (
	contactFirstName = placeOf(carillon.KindContact, "firstName")
	contactLastName  = placeOf(carillon.KindContact, "lastName")
)

// emails is a contact's addresses, as the vendor sent them if the house's is still among them.
var emails = value{
	member: "email", read: readEmails, absent: `[]`, schema: map[string]any{"type": "array"},
	append: func(s *side, f *slot, b, sent []byte) []byte {
		v := s.house(f)
		found := false
		for element := range dialect.Elements(sent) {
			address := addressOf(element)
			if v != nil && says(address, v) {
				return append(b, sent...)
			}
			found = found || address != nil
		}
		switch {
		case v == nil && found:
			return append(b, `[]`...) // the house has struck it out
		case v == nil:
			return otherwise(f, b, sent)
		}
		b = append(b, `[{"email":`...)
		b = append(b, v...)
		return append(b, `,"is_primary":true}]`...)
	},
	classic: func(s *side, f *slot, b, _ []byte) []byte {
		if v := s.house(f); v != nil {
			return append(b, v...)
		}
		return append(b, null...)
	},
}

// addressOf is the address in an element of a list of e-mail addresses; nil if it has none.
func addressOf(element []byte) []byte {
	for _, address := range [...][]byte{element, dialect.Member(element, "email"), dialect.Member(element, "value")} {
		if len(address) > len(`""`) && address[0] == '"' {
			return address
		}
	}
	return nil
}

// says reports whether two JSON strings say the same.
func says(a, b []byte) bool {
	return bytes.Equal(a, b) || len(a) > 0 && (bytes.IndexByte(a, '\\') >= 0 || bytes.IndexByte(b, '\\') >= 0) && dialect.Unquote(a) == dialect.Unquote(b)
}

// choice is a value that the vendor numbers and names: the number that it sent, as long as the association that it sent with
// it has the house's text for a name, else a number made of the text. A number that came without a name is the house's text.
func choice(member, association string) value {
	return value{
		member: member, read: readChoice, association: association, by: byName, absent: null, schema: orNull("number"),
		append: func(s *side, f *slot, b, sent []byte) []byte {
			v := s.house(f)
			if v == nil {
				return otherwise(f, b, sent)
			}
			a := s.association(f.value.association)
			switch text := dialect.Unquote(v); {
			case says(dialect.Member(a, f.value.by), v):
				if n := dialect.Member(a, "id"); len(n) > 0 {
					return append(b, n...)
				}
				return otherwise(f, b, sent)
			case text == f.value.except:
				return append(b, null...)
			case isNumber(text) && text == string(sent):
				return append(b, sent...)
			default:
				return strconv.AppendInt(b, dialect.StableNumber(f.value.association, text), 10)
			}
		},
	}
}

// byName is the member with the name of most choices.
const byName = "name"

// but says which text of the house stands for no choice.
func (v value) but(except string) value { v.except = except; return v }

// naming says in which member of the association the name is.
func (v value) naming(member string) value { v.by = member; return v }

// user is the number of a user.
func user(member string) value { return record(member, carillon.KindUser) }

// record is the number of another record.
func record(member string, kind carillon.Kind) value {
	read := func(h *hearing, f *slot, sent []byte) []byte { return h.readRecord(f, sent, kind) }
	return value{member: member, read: read, absent: null, schema: orNull("integer"), append: func(s *side, f *slot, b, sent []byte) []byte {
		v := s.house(f)
		if v == nil {
			return otherwise(f, b, sent)
		}
		return appendNumber(b, s.numberOf(kind, dialect.Unquote(v)))
	}}
}

// records is the numbers of other records, of those that have one; then those that the vendor only numbered.
func records(member string, kind carillon.Kind) value {
	read := func(h *hearing, f *slot, sent []byte) []byte { return h.readRecords(f, sent, kind) }
	return value{member: member, read: read, absent: `[]`, schema: map[string]any{"type": "array"}, append: func(s *side, f *slot, b, sent []byte) []byte {
		v := s.house(f)
		if v == nil {
			return otherwise(f, b, sent)
		}
		b = append(b, '[')
		told := make(map[string]bool)
		for element := range dialect.Elements(v) {
			if n := s.numberOf(kind, dialect.Unquote(element)); n != "" {
				told[n] = true
				b = append(comma(b), n...)
			}
		}
		for element := range dialect.Elements(sent) {
			if !told[string(numberIn(element))] {
				b = append(comma(b), element...)
			}
		}
		return append(b, ']')
	}}
}

// accountIDs is the number of a contact's account, and of whatever other accounts the vendor has for it.
var accountIDs = value{
	member: "accountId", read: readAccountIDs, absent: `[]`, schema: map[string]any{"type": "array"},
	append: func(s *side, f *slot, b, sent []byte) []byte {
		n := s.numberOf(carillon.KindAccount, dialect.Unquote(s.house(f)))
		b = append(b, '[')
		b = append(b, n...)
		for element := range dialect.Elements(sent) {
			if string(element) != n {
				b = append(comma(b), element...)
			}
		}
		return append(b, ']')
	},
	classic: func(s *side, f *slot, b, _ []byte) []byte {
		return appendNumber(b, s.numberOf(carillon.KindAccount, dialect.Unquote(s.house(f))))
	},
}

// appendNumber writes a number that may be unknown.
func appendNumber(b []byte, n string) []byte {
	if n == "" {
		return append(b, null...)
	}
	return append(b, n...)
}

// creator is the number of the user who created the record.
var creator = value{
	read: keepNumber, absent: null, unlisted: true, schema: orNull("integer"),
	append: func(s *side, f *slot, b, sent []byte) []byte {
		if len(sent) > 0 {
			return append(b, sent...)
		}
		return appendNumber(b, s.userNumber(s.creator))
	},
}

// updater is the number of the user who changed the record last; null until somebody does. A vendor that made the record what
// it is knows best.
var updater = value{
	read: keepNumber, absent: null, derived: true, schema: orNull("integer"),
	append: func(s *side, _ *slot, b, sent []byte) []byte {
		if s.holds(sent) {
			return append(b, sent...)
		}
		return appendNumber(b, s.userNumber(s.updater))
	},
}

// withModel writes a user's number as custom modules have it: {"id", "model"}. model_changes has the bare number.
func (v value) withModel() value {
	inner := v.append
	v.append = func(s *side, f *slot, b, sent []byte) []byte {
		start := len(b)
		b = append(b, `{"id":`...)
		number := len(b)
		if b = inner(s, f, b, sent); b[number] == '{' { // the vendor's, wrapped already
			return append(b[:start], b[number:]...)
		}
		return append(b, `,"model":"user"}`...)
	}
	v.change, v.schema = inner, map[string]any{"type": "object"}
	return v
}

// targetableID and targetableType say what a task or appointment is about: the contact or deal that the vendor sent, or else the account.
var (
	targetableID = value{member: "accountId", read: readTargetable, absent: null, schema: orNull("integer"), append: func(s *side, f *slot, b, sent []byte) []byte {
		if len(sent) > 0 && string(sent) != null {
			return append(b, sent...)
		}
		return appendNumber(b, s.numberOf(carillon.KindAccount, dialect.Unquote(s.house(f))))
	}}
	targetableType = value{member: "accountId", read: readTargetableType, absent: null, schema: orNull("string"), append: func(s *side, f *slot, b, sent []byte) []byte {
		switch {
		case len(sent) > 0 && string(sent) != null:
			return append(b, sent...)
		case s.numberOf(carillon.KindAccount, dialect.Unquote(s.house(f))) != "":
			return append(b, `"`+modelAccount+`"`...)
		default:
			return append(b, null...)
		}
	}}
)

// What the vendor calls the models that its polymorphic references point to.
const (
	modelAccount = "SalesAccount"
	modelContact = "Contact"
	modelUser    = "FdMultitenant::User"
)

// age is how many days old a deal is at the change, by the vendor's clock if it is known.
var age = value{member: "createdAt", read: keep, absent: `0`, unlisted: true, schema: map[string]any{"type": "integer"}, append: func(s *side, f *slot, b, sent []byte) []byte {
	created, err := carillon.ParseTime(dialect.Unquote(s.sent[s.object.places["created_at"]]))
	if err != nil {
		created, err = carillon.ParseTime(dialect.Unquote(s.house(f)))
	}
	if err != nil || s.holds(sent) {
		return otherwise(f, b, sent)
	}
	return strconv.AppendInt(b, max(0, int64(s.telling.change.Time.Sub(created).Hours()/24)), 10)
}}
