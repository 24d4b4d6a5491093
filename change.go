package carillon

import (
	"strings"
	"time"
)

// Op is what a change did to its record.
type Op string

// The ops.
const (
	OpCreated Op = "created"
	OpUpdated Op = "updated"
	OpDeleted Op = "deleted"
)

// Actor is who made a change. The member names are those of seed 001's envelope.
type Actor struct {
	ID    string `json:"id"`
	Type  string `json:"type"`
	Email string `json:"email"`
}

// Change is the unit of truth: one record created, updated or deleted. Immutable once appended.
type Change struct {
	Org string
	// Seq numbers the changes of the org from 1 without gaps.
	Seq int64
	Ref
	Op Op
	// Number and Version are the record's, Version after the change (for a deletion: one more than before).
	Number  int64
	Version int64
	// Lane is the order key; PreviousLane is set when the change moved the record here from another lane, and
	// then the change belongs to both.
	Lane         string
	PreviousLane string
	Time         time.Time
	Actor        Actor
	// Origin says where the write came in: "api", "batch", "connection:DIALECT:ID" (see Connection.Origin), "import:ID", "cascade".
	Origin string
	// Changed says which members differ, in field-table order; nil for created and deleted.
	Changed []MemberChange
	// Before and After are the record's native JSON (see Record.Data); Before is nil for created, After for deleted.
	Before []byte
	After  []byte
	// Extra is Record.Extra after the change (for a deletion: before it).
	Extra []byte
}

// Moved reports whether the change took its record from one lane to another.
func (c *Change) Moved() bool { return c.PreviousLane != "" }

// Concerns reports whether the change may have something to tell in a dialect. An update of nothing but what other vendors
// sent beside the canonical members (Extra) has not.
func (c *Change) Concerns(dialect string) bool {
	for _, m := range c.Changed {
		if of, extra := strings.CutPrefix(m.Name, ExtraPrefix); !extra || of == dialect {
			return true
		}
	}
	return len(c.Changed) == 0
}

// MemberChange is one member that an update set, unset or replaced. For a custom field, Name is "customFields." and the
// uid; for what a vendor sent beside the canonical members, "extra." and the dialect. Those come last.
type MemberChange struct {
	Name string
	How  How
}

// How a member differs after an update.
type How byte

// The ways to differ.
const (
	Added   How = '+'
	Removed How = '-'
	Updated How = '~'
)

// What the names of changed custom fields, and of changed extras, begin with.
const (
	CustomFieldsPrefix = "customFields."
	ExtraPrefix        = "extra."
)

// CustomFieldUID gives the uid if the member is a custom field.
func (m MemberChange) CustomFieldUID() (string, bool) {
	return strings.CutPrefix(m.Name, CustomFieldsPrefix)
}

// String is the member change as the log keeps it: "~health", "+customFields.tier".
func (m MemberChange) String() string { return string(rune(m.How)) + m.Name }

// FormatChanged writes a list of member changes as the log keeps it: joined by newlines, which no member name contains.
func FormatChanged(list []MemberChange) string {
	var b strings.Builder
	for i, m := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteByte(byte(m.How))
		b.WriteString(m.Name)
	}
	return b.String()
}

// ParseChanged reads what FormatChanged wrote.
func ParseChanged(s string) []MemberChange {
	if s == "" {
		return nil
	}
	list := make([]MemberChange, 0, strings.Count(s, "\n")+1)
	for part := range strings.SplitSeq(s, "\n") {
		if part != "" {
			list = append(list, MemberChange{Name: part[1:], How: How(part[0])})
		}
	}
	return list
}
