package freshsales

import (
	"strconv"

	"carillon"
	"carillon/dialect"
)

// related says where an association comes from.
type related struct {
	append func(s *side, a *association, b, sent []byte) []byte
	// field names the choice that the association belongs to, member the house's member that refers to records.
	field, member string
	slot          *slot // of field
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

// ownObject and ownList are what only the vendor has.
var (
	ownObject = related{append: func(_ *side, _ *association, b, sent []byte) []byte { return sentOr(b, sent, null) }}
	ownList   = related{append: func(_ *side, _ *association, b, sent []byte) []byte { return sentOr(b, sent, `[]`) }}
)

// creatorOf and updaterOf are the users who created the record and changed it last; userOf is one that the house refers to.
var (
	creatorOf = related{append: func(s *side, _ *association, b, sent []byte) []byte {
		if s.creator == nil {
			return sentOr(b, sent, null)
		}
		return s.appendUser(b, s.creator.ID)
	}}
	updaterOf = related{append: func(s *side, _ *association, b, _ []byte) []byte {
		if s.updater == nil {
			return append(b, null...)
		}
		return s.appendUser(b, s.updater.ID)
	}}
)

func userOf(member string) related {
	return related{member: member, append: func(s *side, a *association, b, _ []byte) []byte {
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
		told := t.recordSide(o, k.record).appendFields(append(make([]byte, 0, 512), '{'), true)
		k.as, k.told = o, append(told, '}')
	}
	return append(b, k.told...)
}

// choiceOf is what a choice's number stands for: as the vendor sent it as long as the house says the same, else number and name.
func choiceOf(field string) related {
	return related{field: field, append: func(s *side, a *association, b, sent []byte) []byte {
		f := a.value.slot
		v := s.house(f)
		switch {
		case v == nil:
			return sentOr(b, sent, null)
		case dialect.Unquote(v) == f.value.except:
			return append(b, null...)
		case says(dialect.Member(sent, f.value.by), v):
			return append(b, sent...)
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
	return related{member: member, append: func(s *side, a *association, b, sent []byte) []byte {
		if id := s.refersTo(a.value.member); id != "" {
			return s.appendRecord(b, partialAccount, id)
		}
		return sentOr(b, sent, null)
	}}
}

// accountsOf is the account that the house refers to, and whatever other accounts the vendor sent.
func accountsOf(member string) related {
	return related{member: member, append: func(s *side, a *association, b, sent []byte) []byte {
		id := s.refersTo(a.value.member)
		b = append(b, '[')
		if s.record(carillon.KindAccount, id) != nil {
			b = s.appendRecord(b, partialAccount, id)
		}
		return appendOthers(b, sent, "id", s.numberOf(carillon.KindAccount, id))
	}}
}

// contactsOf is the contacts that the house refers to, of those that exist.
func contactsOf(member string) related {
	return related{member: member, append: func(s *side, a *association, b, sent []byte) []byte {
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
var targetableOf = related{append: func(s *side, _ *association, b, sent []byte) []byte {
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

// attendees are the users and contacts of an appointment, {"_association_id", "id", "_model"} each; what the vendor sent if the
// house has none.
var attendees = related{append: func(s *side, _ *association, b, sent []byte) []byte {
	users, contacts := s.members[appointmentUsers], s.members[appointmentContacts]
	if users == nil && contacts == nil {
		return sentOr(b, sent, `[]`)
	}
	b = append(b, '[')
	b = s.appendAttendees(b, sent, users, carillon.KindUser, modelUser)
	b = s.appendAttendees(b, sent, contacts, carillon.KindContact, modelContact)
	return append(b, ']')
}}

var (
	appointmentUsers    = placeOf(carillon.KindAppointment, "attendeeIds")
	appointmentContacts = placeOf(carillon.KindAppointment, "contactIds")
)

func (s *side) appendAttendees(b, sent, ids []byte, kind carillon.Kind, model string) []byte {
	for element := range dialect.Elements(ids) {
		number := s.numberOf(kind, dialect.Unquote(element))
		if number == "" {
			continue
		}
		b = append(comma(b), `{"_association_id":`...)
		b = s.appendAssociationID(b, sent, "id", number, model)
		b = append(b, `,"id":`...)
		b = append(b, number...)
		b = append(b, `,"_model":"`...)
		b = append(b, model...)
		b = append(b, `"}`...)
	}
	return b
}

// appendAssociationID writes the number of a pair of records: the vendor's if it sent the pair, else one made of both.
func (s *side) appendAssociationID(b, sent []byte, member, number, model string) []byte {
	for element := range dialect.Elements(sent) {
		if string(dialect.Member(element, member)) != number || model != "" && dialect.Unquote(dialect.Member(element, "_model")) != model {
			continue
		}
		if id := dialect.Member(element, "_association_id"); id != nil {
			return append(b, id...)
		}
	}
	return strconv.AppendInt(b, dialect.StableNumber("association", s.id, model, number), 10)
}

// taskUsers are the collaborators of a task, {"_association_id", "user_id"} each: who it is assigned to, and whoever the vendor sent.
var taskUsers = related{append: func(s *side, _ *association, b, sent []byte) []byte {
	number := s.numberOf(carillon.KindUser, s.refersTo("assignedUserId"))
	b = append(b, '[')
	if number != "" {
		b = append(b, `{"_association_id":`...)
		b = s.appendAssociationID(b, sent, "user_id", number, "")
		b = append(b, `,"user_id":`...)
		b = append(b, number...)
		b = append(b, '}')
	}
	return appendOthers(b, sent, "user_id", number)
}}
