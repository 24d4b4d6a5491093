package neon

import (
	"bytes"
	"strings"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/country"
)

// row is one member of a vendor's object. Rows stand in the vendor's order.
type row struct {
	name  string
	value value
}

// value says where a member comes from and what becomes of it when the vendor sends it.
type value struct {
	// append tells it, or leaves b as it is if there is nothing to tell: the member is then absent. sent is what is kept of what
	// the vendor once sent for the member, nil if nothing.
	append func(a *account, b, sent []byte) []byte
	// hear takes what the vendor sends, nil if nothing, and gives what must be kept beside the house's members so that append
	// can tell it as the vendor does.
	hear   func(h *hearing, at place, sent []byte) (kept []byte, err error)
	schema map[string]any
}

// table is the rows of an object, to be found by name.
type table struct {
	rows   []row
	places map[string]int
}

func newTable(rows ...row) *table {
	t := &table{rows: rows, places: make(map[string]int, len(rows))}
	for i, r := range rows {
		t.places[r.name] = i
	}
	return t
}

// maxRows is how many rows a table has at most.
const maxRows = 32

// appendMembers writes the members of an object: the rows, then what the vendor sent beyond them.
func (a *account) appendMembers(b []byte, t *table, sent []byte) []byte {
	var known [maxRows][]byte
	strangers := false
	for name, value := range dialect.Members(sent) {
		if place, ok := t.places[string(name[1:len(name)-1])]; ok {
			known[place] = value
		} else {
			strangers = true
		}
	}
	for i := range t.rows {
		start := len(b)
		b = appendName(b, t.rows[i].name)
		begun := len(b)
		if b = t.rows[i].value.append(a, b, known[i]); len(b) == begun {
			b = b[:start]
		}
	}
	if !strangers {
		return b
	}
	for name, value := range dialect.Members(sent) {
		if _, ok := t.places[string(name[1:len(name)-1])]; ok {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(b, name...)
		b = append(b, ':')
		b = append(b, value...)
	}
	return b
}

// house finds the first of the house's members that says something: by path ("website", "primaryContact.email").
func house(paths ...string) func(a *account) []byte {
	type path struct {
		place int
		part  string // "" for the member itself
	}
	var list []path
	for _, text := range paths {
		name, part, _ := strings.Cut(text, ".")
		place, known := carillon.FieldNumber(carillon.KindAccount, name)
		if !known {
			panic("neon: accounts have no member " + name)
		}
		list = append(list, path{place, part})
	}
	return func(a *account) []byte {
		for _, p := range list {
			found := a.members[p.place]
			if p.part != "" {
				found = dialect.Member(found, p.part)
			}
			if len(found) > 0 && string(found) != `""` {
				return found
			}
		}
		return nil
	}
}

var (
	textSchema   = map[string]any{"type": "string"}
	looseSchema  = map[string]any{"type": []string{"string", "number"}} // the vendor makes numbers of some texts
	digitsSchema = map[string]any{"type": []string{"integer", "string"}}
	timeSchema   = map[string]any{"type": "string", "pattern": `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}[+-][0-9]{2}:[0-9]{2}$`}
)

// vendors is a member that the house has no place for: as the vendor sent it, or absent.
var vendors = value{
	append: func(_ *account, b, sent []byte) []byte { return append(b, sent...) },
	hear:   keepAll,
	schema: map[string]any{"description": "As Neon sent it."},
}

// text is a text of the house.
func text(path string) value {
	return value{append: ours(house(path), appendText), hear: hearText(path, appendText), schema: looseSchema}
}

// digits is a text of the house, the first one that says something, as a number if it is one: so the vendor does.
func digits(paths ...string) value {
	return value{append: ours(house(paths...), appendNumeral), hear: hearText(paths[0], appendNumeral), schema: digitsSchema}
}

// ours tells what find finds: in the vendor's own form as long as that says the same, else as write has it.
func ours(find func(a *account) []byte, write func(b, quoted []byte) []byte) func(a *account, b, sent []byte) []byte {
	return func(a *account, b, sent []byte) []byte {
		found := find(a)
		switch {
		case sent != nil && saysTheSame(sent, dialect.Unquote(found)):
			return append(b, sent...)
		case found != nil:
			return write(b, found)
		default:
			return b
		}
	}
}

// saysTheSame reports whether what the vendor sent is what the house has its text from.
func saysTheSame(sent []byte, ours string) bool {
	said, ok := dialect.Text(sent)
	return ok && said == ours
}

func appendText(b, quoted []byte) []byte { return append(b, quoted...) }

func appendNumeral(b, quoted []byte) []byte { return appendDigits(b, dialect.Unquote(quoted)) }

// maxDigits keeps numbers within 64 bits.
const maxDigits = 18

// isNumber reports whether digits lose nothing as a number: a leading zero would.
func isNumber(s string) bool {
	if s == "" || len(s) > maxDigits || len(s) > 1 && s[0] == '0' {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

func appendDigits(b []byte, s string) []byte {
	if isNumber(s) {
		return append(b, s...)
	}
	return dialect.AppendString(b, s)
}

// object is an object with members of its own, absent if it has none.
func object(t *table) value {
	return value{
		append: func(a *account, b, sent []byte) []byte {
			start := len(b)
			b = a.appendMembers(append(b, '{'), t, sent)
			if b[len(b)-1] == '{' {
				return b[:start]
			}
			return append(b, '}')
		},
		hear:   func(h *hearing, at place, sent []byte) ([]byte, error) { return h.object(t, at, sent) },
		schema: t.schema(),
	}
}

// accountID is the vendor's own number, or else the record's.
var accountID = value{
	append: func(a *account, b, _ []byte) []byte {
		if id := dialect.Member(a.sent, "accountId"); len(id) > 0 {
			return append(b, id...)
		}
		return appendInt(b, a.change.Number)
	},
	hear:   keepAll,
	schema: digitsSchema,
}

// createdAt is when the vendor created the account, or else when the house did.
var createdAt = value{
	append: func(a *account, b, sent []byte) []byte {
		if len(sent) > 0 {
			return append(b, sent...)
		}
		return a.appendMoment(b, a.member("createdAt"))
	},
	hear:   keepAll,
	schema: timeSchema,
}

// modifiedAt is when the vendor modified the account if this change came from a vendor, else when the house did.
var modifiedAt = value{
	append: func(a *account, b, sent []byte) []byte {
		if len(sent) > 0 && a.received() {
			return append(b, sent...)
		}
		return a.appendMoment(b, a.member("updatedAt"))
	},
	hear:   keepAll,
	schema: timeSchema,
}

// deletedAt and deletedBy are the vendor's own, if this deletion came from it.
var deletedAt = value{
	append: func(a *account, b, sent []byte) []byte {
		if len(sent) > 0 && a.received() {
			return append(b, sent...)
		}
		b = append(b, '"')
		b = a.settings.appendTime(b, a.change.Time)
		return append(b, '"')
	},
	schema: timeSchema,
}

// createdBy names who created the account for the vendor, or else in the house.
var createdBy = value{
	append: func(a *account, b, sent []byte) []byte {
		if len(sent) > 0 {
			return append(b, sent...)
		}
		return appendPerson(b, a.creator)
	},
	hear:   keepAll,
	schema: textSchema,
}

// modifiedBy names who modified the account for the vendor if this change came from a vendor, else in the house.
var modifiedBy = value{
	append: func(a *account, b, sent []byte) []byte {
		if len(sent) > 0 && a.received() {
			return append(b, sent...)
		}
		return appendPerson(b, a.modifier)
	},
	hear:   keepAll,
	schema: textSchema,
}

var deletedBy = value{
	append: func(a *account, b, sent []byte) []byte {
		if len(sent) > 0 && a.received() {
			return append(b, sent...)
		}
		return appendPerson(b, a.modifier)
	},
	schema: textSchema,
}

// received reports whether the change came in from the vendor: then what it sent is of this very change.
func (a *account) received() bool { return a.change.CameFrom(Name) }

func (a *account) appendMoment(b, quoted []byte) []byte {
	t, err := carillon.ParseTime(dialect.Unquote(quoted))
	if err != nil {
		return b
	}
	b = append(b, '"')
	b = a.settings.appendTime(b, t)
	return append(b, '"')
}

func appendPerson(b []byte, name string) []byte {
	if name == "" {
		return b
	}
	return dialect.AppendString(b, name)
}

// firstName and lastName of a person are those of the primary contact, or else the account's name, divided before its last word.
var (
	firstName = nameOfPerson("primaryContact.firstName", func(name string) string {
		return strings.TrimSpace(name[:strings.LastIndexByte(name, ' ')+1])
	})
	lastName = nameOfPerson("primaryContact.lastName", func(name string) string {
		return name[strings.LastIndexByte(name, ' ')+1:]
	})
)

func nameOfPerson(path string, divide func(string) string) value {
	find, either := house(path), house("primaryContact.firstName", "primaryContact.lastName")
	named := text(path)
	return value{
		append: func(a *account, b, sent []byte) []byte {
			if find(a) != nil || len(sent) > 0 || either(a) != nil {
				return named.append(a, b, sent)
			}
			name := divide(strings.TrimSpace(dialect.Unquote(a.member("name"))))
			if name == "" {
				return b
			}
			return dialect.AppendString(b, name)
		},
		hear:   named.hear,
		schema: looseSchema,
	}
}

// state is {"code","name"}: the pair that the vendor sent if the house still says the same, else the code or the name, whichever
// the house's text is. The house takes the code if it is two capitals, else the name.
func state(path string) value {
	return pair(path, stateOf, func(text string, sent []byte) (member, told string) {
		switch {
		case sent != nil && (text == nameIn(sent) || text == dialect.Unquote(dialect.Member(sent, "code"))):
			return "", ""
		case isStateCode(text):
			return "code", text
		default:
			return "name", text
		}
	})
}

func isStateCode(text string) bool { return len(text) == 2 && strings.ToUpper(text) == text }

func stateOf(code, name string) string {
	if isStateCode(code) || name == "" {
		return code
	}
	return name
}

// land is {"id","name"} of a country: the pair that the vendor sent if the house still means the same, else the name, also of what
// the house has the code of.
func land(path string) value {
	return pair(path, countryOf, func(text string, sent []byte) (member, told string) {
		vendors := nameIn(sent)
		if sent != nil && text == vendors {
			return "", ""
		}
		if code, ok := country.Code(vendors); ok {
			if ours, ok := country.Code(text); ok && ours == code {
				return "", ""
			}
		}
		if name, ok := country.Name(text); ok {
			return "name", name
		}
		return "name", text
	})
}

func countryOf(code, name string) string {
	if name == "" {
		return code
	}
	return name
}

func nameIn(pair []byte) string { return dialect.Unquote(dialect.Member(pair, "name")) }

// pair is an object that the vendor makes of one of the house's texts. textOf gives the house's text of it, choose says which
// member tells that text, and how; "" if what the vendor sent still does.
func pair(path string, textOf func(code, name string) string, choose func(text string, sent []byte) (member, told string)) value {
	find := house(path)
	write := func(b []byte, text string, sent []byte) []byte {
		member, told := choose(text, sent)
		if member == "" {
			return append(b, sent...)
		}
		b = append(b, `{"`...)
		b = append(b, member...)
		b = append(b, `":`...)
		b = dialect.AppendString(b, told)
		return append(b, '}')
	}
	return value{
		append: func(a *account, b, sent []byte) []byte {
			found := dialect.Unquote(find(a))
			if said, ok := textOfPair(sent, textOf); sent != nil && ok && said == found {
				return append(b, sent...)
			}
			if found == "" {
				return b
			}
			return write(b, found, sent)
		},
		hear: func(h *hearing, at place, sent []byte) ([]byte, error) {
			said, ok := textOfPair(sent, textOf)
			if !ok {
				return nil, at.wrong("must be an object with a name")
			}
			if err := h.set(path, at, said); err != nil {
				return nil, err
			}
			if said != "" && bytes.Equal(sent, write(nil, said, nil)) {
				return nil, nil
			}
			return sent, nil
		},
		schema: map[string]any{"type": []string{"object", "string"}},
	}
}

// textOfPair is what the vendor says with {"code","name"}, or with a text in its place; not ok if that is something else.
func textOfPair(sent []byte, textOf func(code, name string) string) (text string, ok bool) {
	if len(sent) == 0 || sent[0] != '{' {
		return dialect.Text(sent)
	}
	code, isCode := dialect.Text(dialect.Member(sent, "code"))
	name, isName := dialect.Text(dialect.Member(sent, "name"))
	return textOf(code, name), isCode && isName
}

// zipCode and zipCodeSuffix are the two halves of a postal code like 39111-1355; any other one is a zipCode alone.
func zipCode(path string) value {
	return zip(path,
		func(code, _ string) string { return code },
		func(_, said string) string { return said })
}

func zipCodeSuffix(path string) value {
	return zip(path,
		func(_, suffix string) string { return suffix },
		func(before, said string) string {
			if before == "" || said == "" {
				return before + said
			}
			return before + "-" + said
		})
}

// zip is a half of a postal code: half gives it of both, join adds it to what was said before.
func zip(path string, half func(code, suffix string) string, join func(before, said string) string) value {
	find := house(path)
	return value{
		append: func(a *account, b, sent []byte) []byte {
			whole := dialect.Unquote(find(a))
			code, suffix, divided := strings.Cut(whole, "-")
			if !divided || code == "" || suffix == "" || strings.Trim(code+suffix, "0123456789") != "" {
				code, suffix = whole, ""
			}
			text := half(code, suffix)
			switch {
			case sent != nil && saysTheSame(sent, text):
				return append(b, sent...)
			case text != "":
				return appendDigits(b, text)
			default:
				return b
			}
		},
		hear: func(h *hearing, at place, sent []byte) ([]byte, error) {
			said, ok := dialect.Text(sent)
			if !ok {
				return nil, at.wrong("must be a number or a text")
			}
			return unless(sent, said, appendNumeral), h.set(path, at, join(h.native.Text(path), said))
		},
		schema: digitsSchema,
	}
}
