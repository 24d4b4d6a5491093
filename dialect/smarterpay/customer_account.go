package smarterpay

import (
	"strings"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/country"
)

// customerAccount is the customer account event: its members in the order of the vendor's sample, the member of our
// account that each comes from, the rule by which it is told, and what becomes of it when the vendor says it.
var customerAccount = [memberCount]member{
	{"email", "primaryContact.email", asItStands, text},
	{"company_name", "name", companyName, company},
	{"first_name", "primaryContact.firstName", firstName, text},
	{"last_name", "primaryContact.lastName", lastName, text},
	{"billing_address_line_1", "billingAddress.line1", asItStands, text},
	{"billing_address_line_2", "billingAddress.line2", asItStands, text},
	{"billing_city", "billingAddress.city", asItStands, text},
	{"billing_postal_code", "billingAddress.postalCode", asItStands, text},
	{"billing_country_code", "billingAddress.country", countryCode, nation},
	{"id", "id", recordID, beside},
	{"event_id", "", eventID, silent},
	{"legacy_id", "legacyId", asItStands, text},
	{"created_at", "createdAt", createdAt, moment},
	{"status", "status", status, standing},
	{"title", "primaryContact.title", asItStands, text},
	{"edited_at", "", editedAt, moment},
	{"delivery_address_line_1", "deliveryAddress.line1", asItStands, text},
	{"delivery_address_line_2", "deliveryAddress.line2", asItStands, text},
	{"delivery_city", "deliveryAddress.city", asItStands, text},
	{"delivery_postal_code", "deliveryAddress.postalCode", asItStands, text},
	{"delivery_country_code", "deliveryAddress.country", countryCode, nation},
	{"custom_reference", "customReference", asItStands, text},
	{"event_type", "", eventType, silent},
	{"event_source", "", eventSource, beside},
	{"billing_state", "billingAddress.state", asItStands, text},
	{"delivery_state", "deliveryAddress.state", asItStands, text},
	{"metadata", "metadata", metadata, freeText},
	{"gift_aid", "", giftAid, yesOrNo}, // since the vendor's revision of November 2024
	{"created_by", "", createdBy, named},
	{"edited_by", "", editedBy, named},
	{"client", "", client, named},
}

const memberCount = 31

// statuses are the vendor's words for ours. Any other status is the vendor's own word if it came from there, else active: the account exists.
var statuses = map[string]string{
	"PROSPECT": statusActive,
	"TRIAL":    statusActive,
	"ACTIVE":   statusActive,
	"CHURNED":  statusInactive,
	"ACQUIRED": statusInactive,
	"INACTIVE": statusInactive,
}

const (
	statusActive   = "active"
	statusInactive = "inactive"
)

// eventTypes are the vendor's words for what happened. It knows no deletion: an account that is gone is told as updated
// to inactive.
var eventTypes = map[carillon.Op][]string{
	carillon.OpCreated: {createEvent},
	carillon.OpUpdated: {updateEvent},
	carillon.OpDeleted: {updateEvent},
}

const (
	createEvent = "customer_account.create"
	updateEvent = "customer_account.update"
)

// defaultEventSource is the source of changes whose subscription names none and that did not come from the vendor.
const defaultEventSource = "API"

// companyName is the name of what is not an individual.
func companyName(b []byte, t *telling, ours, theirs []byte) []byte {
	if t.individual {
		return append(b, null...)
	}
	return asItStands(b, t, ours, theirs)
}

// firstName and lastName are the primary contact's. An individual whose contact has neither gets them from the account's
// name, divided at its last space.
func firstName(b []byte, t *telling, ours, theirs []byte) []byte {
	return asItStands(b, t, or(ours, t.firstName), theirs)
}

func lastName(b []byte, t *telling, ours, theirs []byte) []byte {
	return asItStands(b, t, or(ours, t.lastName), theirs)
}

// or gives the second text where the first is none.
func or(text, other []byte) []byte {
	if isText(text) {
		return text
	}
	return other
}

// countryCode is the alpha-2 code of a country told by code or by name; null for what is no country.
func countryCode(b []byte, _ *telling, ours, _ []byte) []byte {
	code, ok := country.Code(dialect.Unquote(ours))
	if !ok {
		return append(b, null...)
	}
	return appendQuoted(b, code)
}

// recordID is the vendor's own id where it is known, else one made of ours.
func recordID(b []byte, t *telling, _, theirs []byte) []byte {
	if isText(theirs) {
		return append(b, theirs...)
	}
	b = append(b, '"')
	b = appendID(b, prefixAccount, t.ev.Change.ID, t.ev.Change.Org)
	return append(b, '"')
}

func eventID(b []byte, t *telling, _, _ []byte) []byte {
	b = append(b, '"')
	b = appendID(b, prefixEvent, t.id, "")
	return append(b, '"')
}

// createdAt is the vendor's own time where it is known.
func createdAt(b []byte, t *telling, ours, theirs []byte) []byte {
	if isText(theirs) {
		return append(b, theirs...)
	}
	at, err := carillon.ParseTime(dialect.Unquote(ours))
	if err != nil {
		at = t.ev.Change.Time
	}
	return appendTime(b, at)
}

// editedAt is the vendor's own time of this very change, else that of ours.
func editedAt(b []byte, t *telling, _, theirs []byte) []byte {
	if t.received() && isText(theirs) {
		return append(b, theirs...)
	}
	return appendTime(b, t.ev.Change.Time)
}

func status(b []byte, t *telling, ours, theirs []byte) []byte {
	word, ok := statuses[strings.ToUpper(dialect.Unquote(ours))]
	switch {
	case t.ev.Change.Op == carillon.OpDeleted:
		word = statusInactive
	case isText(ours) && isText(theirs) && saysTheSame(theirs, ours):
		return append(b, theirs...)
	case !ok:
		word = statusActive
	}
	return appendQuoted(b, word)
}

func eventType(b []byte, t *telling, _, _ []byte) []byte { return appendQuoted(b, t.ev.Type) }

// eventSource is the subscription's choice, else what the vendor sent with this very change.
func eventSource(b []byte, t *telling, _, theirs []byte) []byte {
	switch {
	case t.settings.eventSource != "":
		return dialect.AppendString(b, t.settings.eventSource)
	case t.received() && isText(theirs):
		return append(b, theirs...)
	default:
		return appendQuoted(b, defaultEventSource)
	}
}

// metadata is the record's metadata as text. The text that the vendor sent takes its place if the record has none, or if
// both say the same.
func metadata(b []byte, _ *telling, ours, theirs []byte) []byte {
	switch {
	case isText(theirs) && (ours == nil || sameJSON(dialect.Unquote(theirs), ours)):
		return append(b, theirs...)
	case ours == nil:
		return append(b, null...)
	default:
		return dialect.AppendString(b, string(ours))
	}
}

// giftAid is left out unless the vendor sent it of this record or the subscription asks for it.
func giftAid(b []byte, t *telling, _, theirs []byte) []byte {
	switch {
	case string(theirs) == "true", string(theirs) == "false":
		return append(b, theirs...)
	case t.settings.giftAid:
		return append(b, "false"...)
	default:
		return b
	}
}

// createdBy is whom the vendor names, else whoever made the record.
func createdBy(b []byte, t *telling, _, theirs []byte) []byte {
	if theirs != nil {
		return append(b, theirs...)
	}
	return appendUser(b, t.creator, t.ev.Change.Org)
}

// editedBy is whom the vendor names with this very change, else whoever made the change.
func editedBy(b []byte, t *telling, _, theirs []byte) []byte {
	switch {
	case t.received() && theirs != nil:
		return append(b, theirs...)
	case t.updater == nil: // whoever made the record was the last to touch it
		return appendUser(b, t.creator, t.ev.Change.Org)
	default:
		return appendUser(b, t.updater, t.ev.Change.Org)
	}
}

func client(b []byte, t *telling, _, _ []byte) []byte { return t.appendClient(b) }
