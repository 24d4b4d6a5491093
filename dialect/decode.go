package dialect

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"carillon"
)

// Decoder is a dialect that also reads what its vendor sends.
type Decoder interface {
	Dialect

	// CheckReading reads a connection's settings. It fails with carillon.CodeInvalid naming members below /settings.
	CheckReading(c *carillon.Connection) (Reading, error)

	// Decode says what a request tells. It accepts what the vendor is known to send, mistakes included, and uses time and
	// memory in proportion to the request, whatever is in it. It fails with carillon.CodeMalformed where the body is not
	// what the vendor's content type says, and with carillon.CodeInvalid, naming members of the body, where it cannot
	// be read as an event of the vendor's.
	Decode(r Request, reading Reading) (Decoded, error)
}

// Reading is how a connection's dialect reads, as CheckReading made it; nil where there is nothing to choose.
type Reading any

// DefaultIDPrefix is a Decoder whose vendor's ids are told apart from other systems' by a prefix only.
type DefaultIDPrefix interface {
	Decoder
	// IDPrefix begins the ids of records from connections that do not name a prefix.
	IDPrefix() string
}

// Request is what a vendor posted.
type Request struct {
	ContentType string
	// Header gives a header by its name, in any case; "" if it is absent.
	Header func(name string) string
	Body   []byte
}

// Decoded is what a request tells.
type Decoded struct {
	Events []Told
	// Mended says in words what had to be mended to read the request.
	Mended []string
}

// maxUnread is how many events of one request may be such that cannot be read; more are no events.
const maxUnread = 100

// Unread puts an event that cannot be read among the others of a request, so that it does not keep them. It gives err back where too many
// cannot be read: then the request as a whole cannot be.
func (d *Decoded) Unread(id, eventType string, err error) error {
	unread := 0
	for i := range d.Events {
		if d.Events[i].Err != nil {
			unread++
		}
	}
	if unread == maxUnread {
		return err
	}
	d.Events = append(d.Events, Told{ID: id, Type: eventType, Err: err})
	return nil
}

// Told is one thing that a vendor says has happened.
type Told struct {
	// ID is the vendor's own event id, or one made of what the event says (see DerivedID): the same on every repeat.
	ID string
	// Type is the vendor's name for it.
	Type string
	// Op is what happened to the record that the event is about; Ref is that record.
	Op  carillon.Op
	Ref carillon.Ref
	// At is as of when the vendor says it; zero if it does not say.
	At time.Time
	// Actor is who did it, with the id of the user's record if there is one; zero if the vendor does not say.
	Actor carillon.Actor
	// Ignored says why nothing comes of it: "payment.created tells of a payment: nothing is kept of those". Otherwise empty.
	Ignored string
	// Err is why this event cannot be read, though others of the request can; see Decode for the codes.
	Err error
	// Statements are what it says of records, in the order in which they must be applied: records before those that
	// refer to them.
	Statements []Statement
}

// Statement is what a vendor says of one record.
type Statement struct {
	Sort StatementSort
	carillon.Ref
	// On is the record commented on; for comments only. Zero where the vendor does not say: a comment that the house
	// does not know yet cannot be made then.
	On carillon.Ref
	// Data is native JSON (names and values as in Record.Data; ids as this house has them). Of a Whole it has every member
	// that the vendor's format carries, null where the vendor says there is nothing; of a Mention what the
	// vendor tells in passing. Members that the house sets (createdAt, updatedAt) may be there and count for nothing.
	Data []byte
	// Extra is what has no place in Data, as this dialect keeps it in the record's extra; nil leaves what is there, JSON null
	// forgets it. Of a Gone it is what the deletion's change carries.
	Extra []byte
	// LeavesCustomFields says that custom fields which Data does not name stay as they are: the vendor lists those that it
	// has, also the empty ones, so what it does not list it has never heard of. Otherwise what is not named is unset.
	LeavesCustomFields bool
}

// Difference is what a Whole says differently from an echo; see Difference.
func (s *Statement) Difference(echo []byte) []byte {
	return difference(s.Kind, s.Data, echo, s.LeavesCustomFields)
}

// StatementSort says how much a Statement says.
type StatementSort string

// The sorts of statements.
const (
	Whole   StatementSort = "whole"   // the record is this, as far as the vendor's format carries it
	Mention StatementSort = "mention" // there is such a record: it is created if the house does not know it, else left alone
	Gone    StatementSort = "gone"    // the record was deleted
)

// DerivedID makes an id of what an event says, for vendors that give their events none: "der_" and 32 hexadecimal digits.
func DerivedID(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		_, _ = h.Write([]byte(part)) // never fails (hash.Hash)
		_, _ = h.Write([]byte{0})
	}
	return "der_" + hex.EncodeToString(h.Sum(nil)[:16])
}

// Parametered is a Decoder whose vendor puts names and values of the receiver's choice into each request, meant for
// credentials.
type Parametered interface {
	Decoder
	// Parameters gives those of a request. It fails as Decode does.
	Parameters(r Request) (map[string]string, error)
}
