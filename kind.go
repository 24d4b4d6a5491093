package carillon

import "fmt"

// Kind says what a record is. The set is closed; what a team adds is a module of KindCustom.
type Kind string

// The kinds, one field table each (see Fields).
const (
	KindAccount      Kind = "account"
	KindContact      Kind = "contact"
	KindRelationship Kind = "relationship"
	KindActivity     Kind = "activity"
	KindNote         Kind = "note"
	KindTask         Kind = "task"
	KindComment      Kind = "comment"
	KindDeal         Kind = "deal"
	KindAppointment  Kind = "appointment"
	KindCustom       Kind = "custom"
	KindUser         Kind = "user"
)

// Kinds lists every kind, parents before children: a snapshot told in this order never names a
// record before the one it refers to.
var Kinds = []Kind{
	KindUser, KindAccount, KindContact, KindRelationship, KindActivity, KindNote, KindTask,
	KindComment, KindDeal, KindAppointment, KindCustom,
}

// idPrefixes are the beginnings of generated ids.
var idPrefixes = map[Kind]string{
	KindAccount: "acc", KindContact: "con", KindRelationship: "rel", KindActivity: "act",
	KindNote: "note", KindTask: "task", KindComment: "com", KindDeal: "deal",
	KindAppointment: "apt", KindCustom: "cus", KindUser: "usr",
}

var plurals = map[Kind]string{
	KindAccount: "accounts", KindContact: "contacts", KindRelationship: "relationships",
	KindActivity: "activities", KindNote: "notes", KindTask: "tasks", KindComment: "comments",
	KindDeal: "deals", KindAppointment: "appointments", KindCustom: "custom", KindUser: "users",
}

// Plural is the kind's word in URLs: "activities".
func (k Kind) Plural() string { return plurals[k] }

// IDPrefix is how generated ids of the kind begin, without the underscore: "acc".
func (k Kind) IDPrefix() string { return idPrefixes[k] }

// PayloadKey is the member under which an event's payload carries a record of the kind (seed 001): "customerContact".
func (k Kind) PayloadKey() string {
	switch k {
	case KindContact:
		return "customerContact"
	case KindCustom:
		return "customRecord"
	default:
		return string(k)
	}
}

// PreviousPayloadKey is the member that carries the record's previous state: "previousCustomerContact".
func (k Kind) PreviousPayloadKey() string {
	key := k.PayloadKey()
	return "previous" + string(key[0]-'a'+'A') + key[1:]
}

// Valid reports whether k is one of Kinds.
func (k Kind) Valid() bool { _, ok := plurals[k]; return ok }

// Commentable reports whether records of the kind carry comments.
func (k Kind) Commentable() bool {
	return k == KindActivity || k == KindNote || k == KindTask
}

// ParseKind reads a kind from its singular name ("account"). It fails with CodeInvalid.
func ParseKind(s string) (Kind, error) {
	if k := Kind(s); k.Valid() {
		return k, nil
	}
	return "", Invalid("kind", fmt.Sprintf("%q is not a kind", s))
}
