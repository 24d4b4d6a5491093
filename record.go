package carillon

import "time"

// Ref points to a record inside an org. Module is set for KindCustom only.
type Ref struct {
	Kind   Kind
	Module string
	ID     string
}

// String is the ref as people read it: "account acc_1", "custom invoices/inv_1".
func (r Ref) String() string {
	if r.Kind == KindCustom {
		return "custom " + r.Module + "/" + r.ID
	}
	return string(r.Kind) + " " + r.ID
}

// Path is the ref as programs write it: "account/acc_1", "custom/invoices/inv_1".
func (r Ref) Path() string {
	if r.Kind == KindCustom {
		return string(r.Kind) + "/" + r.Module + "/" + r.ID
	}
	return string(r.Kind) + "/" + r.ID
}

// Record is one entity as it stands.
type Record struct {
	Org string
	Ref
	// Number counts the records of the org from 1 (vendors whose ids are numeric use it). It never changes.
	Number int64
	// Version counts the changes of the record from 1.
	Version int64
	// Seq is the change that made the record what it is.
	Seq int64
	// Lane is the order key: see LaneOf.
	Lane string
	// Data is the native JSON: an object whose first member is "id", members in field-table order, no white
	// space, absent members unset. It does not carry the version.
	Data []byte
	// Extra is what vendors sent that has no canonical place: a JSON object, dialect name → value. Nil when none.
	Extra     []byte
	CreatedAt time.Time
	UpdatedAt time.Time
}

// LaneOf gives the order key of a record: the id of the account it belongs to, or for a record that
// belongs to none its own kind and id joined by a slash (which no account id contains).
func LaneOf(ref Ref, accountID string) string {
	switch {
	case ref.Kind == KindAccount:
		return ref.ID
	case accountID != "":
		return accountID
	case ref.Kind == KindCustom:
		return string(ref.Kind) + "/" + ref.Module + "/" + ref.ID
	default:
		return string(ref.Kind) + "/" + ref.ID
	}
}
