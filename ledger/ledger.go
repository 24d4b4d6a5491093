package ledger

import (
	"context"

	"carillon"
	"carillon/store"
)

// Op is what a write asks for.
type Op string

// The ops. Put and Patch name the record; Create may leave the id empty and gets one.
const (
	Create Op = "create" // fails with conflict if the id is taken
	Put    Op = "put"    // replaces, or creates if absent; members not named are unset (or get their default)
	Patch  Op = "patch"  // JSON merge patch (RFC 7396) on top level members, objects and custom fields; null unsets
	Delete Op = "delete"
	Ensure Op = "ensure" // creates if absent, else does nothing
)

// Write is one wish for one record.
type Write struct {
	Op Op
	carillon.Ref
	// On is the record commented on; for KindComment only.
	On carillon.Ref
	// Data is a JSON object; ignored by Delete.
	Data []byte
	// IfMatch is the version the caller believes to be current; 0 means any. Otherwise fails with stale_version.
	IfMatch int64
	// Cascade lets a Delete take along the records that depend on this one.
	Cascade bool
	// Release lets a Delete go ahead although others depend on the record: those that can be without it lose its id, and
	// only those that cannot go along.
	Release bool
	// IfExists lets a Delete of what does not exist do nothing.
	IfExists bool
	// Heard, if its time is set, is the place of this write among all that the entry's source (Scope) says of the record.
	// If the source has said something newer, the write does nothing (Outcome.Late). An Ensure is no statement about the
	// record: it does nothing either if the source has said that the record was deleted at that time or later, and is not kept.
	Heard carillon.HeardAt
	// Extra, if not nil, merges what a vendor sent that has no canonical place: dialect name → JSON value. A difference in
	// it is a difference of the record, and makes a change. That of a Delete is what the deletion's change carries.
	Extra map[string][]byte
}

// Entry is what one caller wants done as a whole: all writes or none, in order, later ones seeing earlier ones.
type Entry struct {
	Org    string
	Actor  carillon.Actor
	Origin string
	// Key makes a repeat harmless: the same Key and Scope with the same writes gives the first result again (Repeated)
	// without writing; with other writes it fails with conflict. Empty means none.
	Key    string
	Scope  string
	Writes []Write
	// KeyAlone says that the key names what happened, as the id of a vendor's event does: a repeat is known by it whatever
	// its writes are, and its Result has no Outcomes.
	KeyAlone bool
	// Also, if set, is done in the entry's transaction after all its writes, if they or an earlier entry with its key
	// succeeded: what must be durable if and only if they are. It must use nothing but tx. If it fails, so does the entry.
	Also func(ctx context.Context, tx store.Tx, r Result) error
}

// Result is what became of an Entry: one Outcome a write.
type Result struct {
	Outcomes []Outcome
	Repeated bool
}

// Outcome is what became of a Write.
type Outcome struct {
	// Record as it stands now; for a deletion as it stood last. Nil where there is none: of a write that was late, or a
	// deletion of what did not exist.
	Record *carillon.Record
	// Seq of the write's own change; 0 if nothing differed and so no change was made.
	Seq     int64
	Created bool
	Deleted bool
	// Late says that the source had said something newer of the record.
	Late bool
}

// Reply is the answer to one Entry of several.
type Reply struct {
	Result Result
	Err    error
}

// Applier is what rooms that write records need of the ledger.
type Applier interface {
	Apply(ctx context.Context, e Entry) (Result, error)
	// ApplyAll applies entries in order, each failing alone, later ones seeing earlier ones, in as few transactions as it takes.
	ApplyAll(ctx context.Context, entries []Entry) []Reply
}
