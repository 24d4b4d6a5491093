package freshsales

import (
	"bytes"
	"strconv"

	"carillon"
	"carillon/dialect"
)

// userObject is a user in associations, in the order of the vendor's samples.
var userObject = newObject(carillon.KindUser, "user", "", "",
	[]field{
		{"deal_pipeline_id", plain, own(null)},
		{"name", plain, text("name")},
		{"is_active", plain, active},
		{"email", plain, text("email")},
		{"job_title", plain, text("jobTitle")},
		{"uuid", plain, uuid},
		{"id", plain, id},
		{"created_at", plain, createdAt},
		{"type", plain, own(`"user"`)},
		{"updated_at", plain, updatedAt},
		{"work_number", plain, text("phone")},
		{"time_zone", plain, text("timeZone")},
		{"mobile_number", plain, text("mobile")},
	}, nil,
)

// actor is data.actor: who made the change.
var actor = newObject(carillon.KindUser, "actor", "", "",
	[]field{
		{"deal_pipeline_id", plain, own(null)},
		{"name", plain, text("name")},
		{"is_active", plain, active},
		{"email", plain, text("email")},
		{"job_title", plain, text("jobTitle")},
		{"uuid", plain, uuid},
		{"id", plain, id},
		{"language", plain, language},
		{"created_at", plain, createdAt},
		{"type", plain, actorType},
		{"updated_at", plain, updatedAt},
		{"work_number", plain, text("phone")},
		{"time_zone", plain, text("timeZone")},
		{"is_forgotten", plain, own(`false`)},
		{"mobile_number", plain, text("mobile")},
	}, nil,
)

// active is false for users whom the house calls inactive.
var active = value{member: "status", read: readActive, schema: map[string]any{"type": "boolean"}, append: func(s *side, f *slot, b, _ []byte) []byte {
	return strconv.AppendBool(b, !bytes.EqualFold(s.house(f), []byte(`"INACTIVE"`)))
}}

// uuid is the vendor's, or else 18 digits made of the house's id.
var uuid = value{read: keepUnlessNull, schema: orNull("string"), append: func(s *side, _ *slot, b, sent []byte) []byte {
	switch {
	case len(sent) > 0:
		return append(b, sent...)
	case s.id == "":
		return append(b, null...)
	}
	const eighteenDigits = 100_000_000_000_000_000
	b = append(b, '"')
	b = strconv.AppendInt(b, eighteenDigits+dialect.StableNumber("uuid", s.telling.change.Org, s.id), 10)
	return append(b, '"')
}}

// language is English unless the user says otherwise: so says the vendor's page.
var language = value{member: "language", append: same, read: readText, absent: `"en"`, schema: orNull("string")}

// actorType tells users from everything else that makes changes.
var actorType = value{read: keepUnlessAbsent, absent: `"user"`, schema: orNull("string"), append: func(s *side, f *slot, b, sent []byte) []byte {
	if s.id == "" {
		return append(b, `"system"`...)
	}
	return otherwise(f, b, sent)
}}

// appendActor writes who made the change. Who is no user of the org has the id 0 and the type "system".
func (t *telling) appendActor(b []byte) []byte {
	a := t.change.Actor
	if k := t.find(carillon.KindUser, a.ID); k != nil && k.record != nil {
		b = t.recordSide(actor, k).appendFields(append(b, '{'), true)
		return append(b, '}')
	}
	name := a.Email
	if name == "" {
		name = a.ID
	}
	if name == "" {
		name = "System"
	}
	data := dialect.AppendString([]byte(`{"name":`), name)
	data = dialect.AppendString(append(data, `,"email":`...), a.Email)
	s := newSide(t, actor, append(data, '}'), nil)
	if number := t.numberOf(carillon.KindUser, a.ID); number != "" {
		s.number, _ = strconv.ParseInt(number, 10, 64) // a number: numberOf has seen to that
		s.id = a.ID
	}
	b = s.appendFields(append(b, '{'), true)
	return append(b, '}')
}
