package freshsales

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"carillon"
	"carillon/dialect"
)

// telling is one event while it is told: what its parts have in common.
type telling struct {
	ctx      context.Context // a telling lives for one call of EncodeWith
	change   *carillon.Change
	object   *object
	settings *settings
	lookup   dialect.Lookup // nil: nothing can be looked up

	known []*known // what has been looked up
	err   error    // the first failure of the lookup

	creator, updater *carillon.Actor // nil: nobody, or not known
	// previous is the record's change before this one, if an update's can be looked up.
	previous *carillon.Change
}

// known is what a lookup has found; record is nil if it found nothing.
type known struct {
	kind   carillon.Kind
	id     string
	record *carillon.Record
	// as is the object that the record was told as before, and told how: one user is often owner, creator and updater.
	as   *object
	told []byte
	// received says that a vendor made the record what it is; it is asked for when it matters.
	received, asked bool
}

// record is a record of the house as of the change; nil if there is none, or it cannot be looked up.
func (t *telling) record(kind carillon.Kind, id string) *carillon.Record {
	if k := t.find(kind, id); k != nil {
		return k.record
	}
	return nil
}

// find is record with what was made of it; nil if nothing can be looked up.
func (t *telling) find(kind carillon.Kind, id string) *known {
	if t.lookup == nil || id == "" || t.err != nil {
		return nil
	}
	for _, k := range t.known {
		if k.id == id && k.kind == kind {
			return k
		}
	}
	r, err := t.lookup.RecordAsOf(t.ctx, t.change.Org, carillon.Ref{Kind: kind, ID: id}, t.change.Seq)
	if err != nil && !carillon.IsNotFound(err) {
		t.err = fmt.Errorf("find %s %s as of change %d: %w", kind, id, t.change.Seq, err)
		return nil
	}
	if err != nil {
		r = nil
	}
	k := &known{kind: kind, id: id, record: r}
	t.known = append(t.known, k)
	return k
}

// received reports whether a vendor of this dialect made a related record what it is.
func (t *telling) received(k *known) bool {
	if k.asked || t.err != nil {
		return k.received
	}
	k.asked = true
	next := &carillon.Change{Org: t.change.Org, Ref: k.record.Ref, Number: k.record.Number, Seq: t.change.Seq + 1}
	last, err := t.lookup.Previous(t.ctx, next)
	switch {
	case err == nil:
		k.received = last.CameFrom(Name)
	case !carillon.IsNotFound(err):
		t.err = fmt.Errorf("find who changed %s: %w", k.record.Ref, err)
	}
	return k.received
}

// numberOf is the number by which the vendor knows a record: its own if it sent one, else the record's. Of a record that
// cannot be found it is the number in its id; "" if there is none.
func (t *telling) numberOf(kind carillon.Kind, id string) string {
	if r := t.record(kind, id); r != nil {
		if sent := dialect.Member(dialect.Member(r.Extra, Name), "id"); isNumber(string(sent)) {
			return string(sent)
		}
		return strconv.FormatInt(r.Number, 10)
	}
	if number := strings.TrimPrefix(id, t.idPrefix()); isNumber(number) {
		return number
	}
	return ""
}

// idPrefix is what the ids of records begin with that came from the vendor as the change's record did.
func (t *telling) idPrefix() string {
	if number := dialect.Member(dialect.Member(t.change.Extra, Name), "id"); isNumber(string(number)) {
		if prefix, ok := strings.CutSuffix(t.change.ID, string(number)); ok {
			return prefix
		}
	}
	return defaultPrefix
}

// sentUser is the id of the user of a number that the vendor sent, bare or with its model; "" if the house does not know one.
func (t *telling) sentUser(sent []byte, alleged *carillon.Actor) string {
	number := string(numberIn(sent))
	if number == "" || number == null {
		return ""
	}
	if alleged != nil && t.numberOf(carillon.KindUser, alleged.ID) == number {
		return alleged.ID
	}
	return t.idPrefix() + number
}

// isNumber reports whether a text is a number as ids are: of 64 bits, without sign and idle zeros.
func isNumber(s string) bool {
	if s == "" || s[0] < '0' || s[0] > '9' || s[0] == '0' && len(s) > 1 {
		return false
	}
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

// userNumber is the number of the user who acted; "" if nobody did, or nobody known.
func (t *telling) userNumber(a *carillon.Actor) string {
	if a == nil {
		return ""
	}
	return t.numberOf(carillon.KindUser, a.ID)
}

// findAuthors looks up who created the record and who changed it before.
func (t *telling) findAuthors() error {
	var err error
	if t.creator, t.updater, err = dialect.Authors(t.ctx, t.change, t.lookup); err != nil {
		return err
	}
	if t.lookup == nil || t.change.Op == carillon.OpCreated {
		return nil
	}
	previous, err := t.lookup.Previous(t.ctx, t.change)
	switch {
	case err == nil:
		t.previous = previous
	case !carillon.IsNotFound(err):
		return fmt.Errorf("find what was before change %d of %s: %w", t.change.Seq, t.change.Ref, err)
	}
	return nil
}
