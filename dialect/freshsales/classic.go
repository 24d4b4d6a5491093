package freshsales

import (
	"slices"
	"strings"

	"carillon"
	"carillon/dialect"
)

// The Classic form (platform versions 2.0 and 2.2 of the product freshsales) has no actor and no associations: an object with plain
// values and its changes inside, and beside it lists of what it refers to, by what they are.

// classicNames are the fields that Classic calls otherwise. The first column is the object, "" for all.
var classicNames = []struct{ object, field, classic string }{
	{"", "creator_id", "creater_id"}, //nolint:misspell // the vendor's spelling
	{"", "custom_fields", "custom_field"},
	{"contact", "name", "display_name"},
	{"contact", "emails", "email"},
	{"contact", "sales_account_ids", "sales_account_id"},
	{"actor", "name", "display_name"}, // of users
}

func classicName(object, field string) string {
	for _, n := range classicNames {
		if n.field == field && (n.object == "" || n.object == object) {
			return n.classic
		}
	}
	return field
}

// classicLists are the lists in which Classic puts what the suite calls associations.
var classicLists = []struct{ association, list string }{
	{"owner", "users"},
	{"creator", "users"},
	{"updater", "users"},
	{"source", "lead_sources"},
	{"contact_status", "contact_statuses"},
	{"campaign", "campaigns"},
	{"territory", "territories"},
	{"team_users", "team_users"},
	{"sales_accounts", "sales_accounts"},
	{"sales_account", "sales_accounts"},
	{"parent_sales_account", "sales_accounts"},
	{"lists", "lists"},
	{"contacts", "contacts"},
	{"products", "products"},
	{"deal_pipeline", "deal_pipelines"},
	{"deal_stage", "deal_stages"},
	{"deal_type", "deal_types"},
	{"deal_reason", "deal_reasons"},
	{"deal_product", "deal_products"},
	{"deal_payment_status", "deal_payment_statuses"},
	{"currency", "currencies"},
	{"business_type", "business_types"},
	{"industry_type", "industry_types"},
	{"targetable", "targetables"},
	{"outcome", "outcomes"},
	{"task_type", "task_types"},
	{"appointment_attendees", "appointment_attendees"},
	{"task_users", "task_users"},
}

// classicUsers is the list that has all users.
const classicUsers = "users"

// lists are the names under which Classic may have an association: its list, in the plural or, as it also occurs, named like the
// association or its number.
func (a *association) lists() []string {
	var names []string
	for _, l := range classicLists {
		if l.association == a.name && l.list != classicUsers {
			names = append(names, l.list)
		}
	}
	if isPerson(a.name) {
		return names
	}
	names = append(names, a.name)
	if number, ok := strings.CutSuffix(a.value.field, "_id"); ok && number != a.name {
		names = append(names, number)
	}
	return names
}

// classicUser is a user in the list of users.
var classicUser = newObject(carillon.KindUser, "user", "", "", []field{
	{"id", plain, id},
	{"display_name", plain, text("name")},
	{"email", plain, text("email")},
	{"is_active", plain, active},
	{"work_number", plain, text("phone")},
	{"mobile_number", plain, text("mobile")},
}, nil)

func (t *telling) appendClassicData(b []byte, before, after *side) []byte {
	b = append(b, '{')
	b = after.appendClassicLists(b)
	b = append(comma(b), '"')
	b = append(b, t.object.name...)
	b = append(b, `":{`...)
	for i := range t.object.fields {
		f := &t.object.fields[i]
		if !after.tells(f, i, before == nil) {
			continue
		}
		b = append(comma(b), f.classic...)
		b = after.appendValue(b, f, i, true)
	}
	b = after.appendStrangers(b)
	if before != nil {
		b = append(comma(b), `"changes":{`...)
		b = t.appendModelChanges(b, before, after, true)
		b = append(b, '}')
	}
	return append(b, "}}"...)
}

// appendClassicLists writes the lists that have something in them, each in the place of its first association.
func (s *side) appendClassicLists(b []byte) []byte {
	var done []string
	for _, l := range classicLists {
		if slices.Contains(done, l.list) {
			continue
		}
		done = append(done, l.list)
		start := len(b)
		b = dialect.AppendString(comma(b), l.list)
		b = append(b, `:[`...)
		empty := len(b)
		if b = s.appendClassicList(b, l.list); len(b) == empty {
			b = b[:start]
			continue
		}
		b = append(b, ']')
	}
	for name, value := range dialect.Members(s.unrelated) {
		if _, known := s.object.related[dialect.Unquote(name)]; !known && value[0] == '[' && !slices.Contains(done, dialect.Unquote(name)) {
			b = append(append(comma(b), name...), ':')
			b = append(b, value...)
		}
	}
	return b
}

func (s *side) appendClassicList(b []byte, list string) []byte {
	if list == classicUsers {
		return s.appendClassicUsers(b)
	}
	for _, l := range classicLists {
		if l.list != list {
			continue
		}
		for i := range s.object.associations {
			a := &s.object.associations[i]
			if a.name != l.association {
				continue
			}
			switch value := a.value.append(s, a, nil, s.association(a.name)); value[0] {
			case '[':
				for element := range dialect.Elements(value) {
					b = append(comma(b), element...)
				}
			case '{':
				b = append(comma(b), value...)
			}
		}
	}
	return b
}

// appendClassicUsers writes each user once, whatever they are to the record.
func (s *side) appendClassicUsers(b []byte) []byte {
	var numbers []string
	for i := range s.object.associations {
		var id string
		switch a := &s.object.associations[i]; {
		case a.name == "owner":
			id = s.refersTo(a.value.member)
		case a.name == "creator":
			id = s.creatorID()
		case a.name == "updater":
			id = s.updaterID()
		}
		if s.record(carillon.KindUser, id) == nil {
			continue
		}
		number := s.numberOf(carillon.KindUser, id)
		if slices.Contains(numbers, number) {
			continue
		}
		numbers = append(numbers, number)
		b = s.appendRecord(comma(b), classicUser, id)
	}
	return b
}
