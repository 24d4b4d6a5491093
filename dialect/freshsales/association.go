package freshsales

import (
	"strconv"

	"carillon"
	"carillon/dialect"
)

// related says where an association comes from.
type related struct {
	append func(s *side, a *association, b, sent []byte) []byte
	// read finds what the house has a place for in what the vendor sent, and gives what extra keeps of it; nil: nothing.
	read func(h *hearing, a *association, sent []byte) (keep []byte)
	// field names the number that the association belongs to, member the house's member that refers to records.
	field, member string
	slot          *slot // of field
	// list says that the association is a list; of is what the records in it are, if the house keeps them.
	list bool
	of   carillon.Kind
}

// appendAssociations writes the members of associations, then those the vendor sent that no table knows.
func (s *side) appendAssociations(b []byte) []byte {
	for i := range s.object.associations {
		a := &s.object.associations[i]
		b = dialect.AppendString(comma(b), a.name)
		b = append(b, ':')
		b = a.value.append(s, a, b, s.association(a.name))
	}
	for name, value := range dialect.Members(s.unrelated) {
		if _, ok := s.object.related[string(name[1:len(name)-1])]; ok {
			continue
		}
		b = append(comma(b), name...)
		b = append(b, ':')
		b = append(b, value...)
	}
	return b
}

// refersTo is the id in one of the house's members; "" if there is none.
func (s *side) refersTo(member string) string {
	return dialect.Unquote(s.members[placeOf(s.object.kind, member)])
}

func sentOr(b, sent []byte, absent string) []byte {
	if len(sent) > 0 {
		return append(b, sent...)
	}
	return append(b, absent...)
}

// ownOf and ownList are what only the vendor has: what the number in a field stands for, and lists.
func ownOf(field string) related {
	return related{field: field, read: keepAssociation, append: func(_ *side, _ *association, b, sent []byte) []byte {
		return sentOr(b, sent, null)
	}}
}

var ownList = related{list: true, read: keepAssociation, append: func(_ *side, _ *association, b, sent []byte) []byte {
	return sentOr(b, sent, `[]`)
}}

// creatorOf and updaterOf are the users who created the record and changed it last; userOf is one that the house refers to.
var (
	creatorOf = related{read: readUser, append: func(s *side, _ *association, b, sent []byte) []byte {
		if id := s.creatorID(); id != "" {
			return s.appendUser(b, id)
		}
		return sentOr(b, sent, null)
	}}
	updaterOf = related{read: readUser, append: func(s *side, _ *association, b, _ []byte) []byte {
		return s.appendUser(b, s.updaterID())
	}}
)

// creatorID is the id of the user whom the field creator_id numbers; "" if there is none.
func (s *side) creatorID() string {
	if number := s.sent[s.object.places["creator_id"]]; len(number) > 0 {
		return s.sentUser(number, s.creator)
	}
	if s.creator == nil {
		return ""
	}
	return s.creator.ID
}

// updaterID is likewise of updater_id.
func (s *side) updaterID() string {
	if number := s.sent[s.object.places["updater_id"]]; s.holds(number) {
		return s.sentUser(number, s.updater)
	}
	if s.updater == nil {
		return ""
	}
	return s.updater.ID
}

func userOf(member string) related {
	return related{member: member, read: readUser, append: func(s *side, a *association, b, _ []byte) []byte {
		return s.appendUser(b, s.refersTo(a.value.member))
	}}
}

func (t *telling) appendUser(b []byte, id string) []byte {
	return t.appendRecord(b, userObject, id)
}

// appendRecord writes a related record as of the change; null if there is none.
func (t *telling) appendRecord(b []byte, o *object, id string) []byte {
	k := t.find(o.kind, id)
	if k == nil || k.record == nil {
		return append(b, null...)
	}
	if k.as != o {
		told := t.recordSide(o, k).appendFields(append(make([]byte, 0, 512), '{'), true)
		k.as, k.told = o, append(told, '}')
	}
	return append(b, k.told...)
}

// choiceOf is what a choice's number stands for: as the vendor sent it as long as the house says the same, else number and name.
func choiceOf(field string) related {
	return related{field: field, read: keepAssociation, append: func(s *side, a *association, b, sent []byte) []byte {
		f := a.value.slot
		v := s.house(f)
		switch {
		case v == nil && dialect.Member(sent, f.value.by) == nil:
			return sentOr(b, sent, null)
		case v == nil:
			return append(b, null...) // the house has struck it out
		case says(dialect.Member(sent, f.value.by), v):
			return append(b, sent...)
		case dialect.Unquote(v) == f.value.except:
			return append(b, null...)
		case dialect.Unquote(v) == string(s.sent[s.object.places[f.name]]):
			return sentOr(b, sent, null) // a number that came without a name
		}
		b = append(b, `{"id":`...)
		b = f.value.append(s, f, b, nil)
		b = append(b, `,"`...)
		b = append(b, f.value.by...)
		b = append(b, `":`...)
		b = append(b, v...)
		return append(b, '}')
	}}
}

// partialAccount and partialContact are accounts and contacts in the associations of other objects.
var (
	partialAccount = newObject(carillon.KindAccount, "partial", "", "", []field{
		{"partial", plain, own(`true`)},
		{"id", plain, id},
		{"name", plain, text("name")},
		{"avatar", plain, own(null)},
		{"website", plain, text("website")},
	}, nil)
	partialContact = newObject(carillon.KindContact, "partial", "", "", []field{
		{"partial", plain, own(`true`)},
		{"id", plain, id},
		{"first_name", plain, text("firstName")},
		{"last_name", plain, text("lastName")},
		{"display_name", plain, fullName},
		{"avatar", plain, own(null)},
		{"job_title", plain, text("jobTitle")},
		{"email", plain, text("email")},
		{"work_number", plain, text("phone")},
		{"mobile_number", plain, text("mobile")},
	}, nil)
)

// accountOf is the account that the house refers to; what the vendor sent if the house refers to none.
func accountOf(member string) related {
	return related{member: member, of: carillon.KindAccount, append: func(s *side, a *association, b, sent []byte) []byte {
		if id := s.refersTo(a.value.member); id != "" {
			return s.appendRecord(b, partialAccount, id)
		}
		return sentOr(b, sent, null)
	}}
}

// accountsOf is the account that the house refers to, and whatever other accounts the vendor sent.
func accountsOf(member string) related {
	return related{member: member, list: true, of: carillon.KindAccount, read: readOtherAccounts, append: func(s *side, a *association, b, sent []byte) []byte {
		id := s.refersTo(a.value.member)
		b = append(b, '[')
		if s.record(carillon.KindAccount, id) != nil {
			b = s.appendRecord(b, partialAccount, id)
		}
		return appendOthers(b, sent, "id", s.numberOf(carillon.KindAccount, id))
	}}
}

// contactsOf is the contacts that the house refers to, of those that exist; what the vendor sent if the house refers to none.
func contactsOf(member string) related {
	return related{member: member, list: true, of: carillon.KindContact, read: readContacts, append: func(s *side, a *association, b, sent []byte) []byte {
		v := s.members[placeOf(s.object.kind, a.value.member)]
		if v == nil {
			return sentOr(b, sent, `[]`)
		}
		b = append(b, '[')
		for element := range dialect.Elements(v) {
			if id := dialect.Unquote(element); s.record(carillon.KindContact, id) != nil {
				b = s.appendRecord(comma(b), partialContact, id)
			}
		}
		return append(b, ']')
	}}
}

// appendOthers writes the elements the vendor sent whose member is not the number, and ends the list.
func appendOthers(b, sent []byte, member, number string) []byte {
	for element := range dialect.Elements(sent) {
		if n := dialect.Member(element, member); n == nil || string(n) != number {
			b = append(comma(b), element...)
		}
	}
	return append(b, ']')
}

// targetableOf is {"id", "_model"} of what a task or appointment is about.
var targetableOf = related{field: "targetable_id", read: readTargetableOf, append: func(s *side, _ *association, b, sent []byte) []byte {
	if len(sent) > 0 && string(sent) != null {
		return append(b, sent...)
	}
	number := s.numberOf(carillon.KindAccount, s.refersTo("accountId"))
	if number == "" {
		return append(b, null...)
	}
	b = append(b, `{"id":`...)
	b = append(b, number...)
	return append(b, `,"_model":"`+modelAccount+`"}`...)
}}

// attendees are the users and contacts of an appointment, {"_association_id", "id", "_model"} each, and whatever else the vendor
// sent.
var attendees = related{list: true, read: readAttendees, append: func(s *side, _ *association, b, sent []byte) []byte {
	list := s.attendees()
	left := make(map[attendee]bool, len(list))
	for _, one := range list {
		left[one] = true
	}
	b = append(b, '[')
	for element := range dialect.Elements(sent) {
		one := attendeeIn(element)
		// A contact that the vendor only numbers is one that the house has not taken, and so cannot have struck out.
		if ours := one.kind == carillon.KindUser || describes(one.kind, element); ours && !left[one] {
			continue
		}
		delete(left, one)
		b = append(comma(b), element...)
	}
	for _, one := range list {
		if !left[one] {
			continue
		}
		delete(left, one)
		model := modelUser
		if one.kind == carillon.KindContact {
			model = modelContact
		}
		b = append(comma(b), `{"_association_id":`...)
		b = strconv.AppendInt(b, dialect.StableNumber("association", s.id, model, one.number), 10)
		b = append(b, `,"id":`...)
		b = append(b, one.number...)
		b = append(b, `,"_model":"`...)
		b = append(b, model...)
		b = append(b, `"}`...)
	}
	return append(b, ']')
}}

// attendee is one who attends an appointment.
type attendee struct {
	kind   carillon.Kind
	number string
}

// attendeeIn is who an element of the vendor's list is.
func attendeeIn(element []byte) attendee {
	return attendee{kindOf(textOf(dialect.Member(element, "_model"))), string(numberIn(element))}
}

// attendees are those that the house knows and the vendor can number: users, then contacts.
func (s *side) attendees() []attendee {
	var list []attendee
	add := func(kind carillon.Kind, ids []byte) {
		for element := range dialect.Elements(ids) {
			if number := s.numberOf(kind, dialect.Unquote(element)); number != "" {
				list = append(list, attendee{kind, number})
			}
		}
	}
	add(carillon.KindUser, s.members[appointmentUsers])
	add(carillon.KindContact, s.members[appointmentContacts])
	return list
}

var (
	appointmentUsers    = placeOf(carillon.KindAppointment, "attendeeIds")
	appointmentContacts = placeOf(carillon.KindAppointment, "contactIds")
)

// taskUsers are the collaborators of a task, {"_association_id", "user_id"} each: who it is assigned to, and whoever the vendor sent.
var taskUsers = related{list: true, read: keepAssociation, append: func(s *side, _ *association, b, sent []byte) []byte {
	number := s.numberOf(carillon.KindUser, s.refersTo("assignedUserId"))
	b = append(b, '[')
	if number != "" {
		b = append(b, `{"_association_id":`...)
		b = s.appendAssociationID(b, sent, number)
		b = append(b, `,"user_id":`...)
		b = append(b, number...)
		b = append(b, '}')
	}
	return appendOthers(b, sent, "user_id", number)
}}

// appendAssociationID writes the number of the pair of a task and a user: the vendor's if it sent the pair, else one made of both.
func (s *side) appendAssociationID(b, sent []byte, number string) []byte {
	for element := range dialect.Elements(sent) {
		if string(dialect.Member(element, "user_id")) != number {
			continue
		}
		if id := dialect.Member(element, "_association_id"); id != nil {
			return append(b, id...)
		}
	}
	return strconv.AppendInt(b, dialect.StableNumber("association", s.id, "", number), 10)
}
