package neon

import (
	"fmt"
	"strings"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/mend"
)

// defaultIDPrefix begins the ids of records from connections that name no prefix: the vendor's ids are numbers.
const defaultIDPrefix = "neon_"

// IDPrefix begins the ids of records from connections that do not name a prefix.
func (d *Dialect) IDPrefix() string { return defaultIDPrefix }

// reading is how a connection reads.
type reading struct{ prefix string }

// CheckReading refuses any settings: there is nothing to choose.
func (d *Dialect) CheckReading(c *carillon.Connection) (dialect.Reading, error) {
	var none struct{}
	if err := dialect.ReadSettings(c.Settings, &none); err != nil {
		return nil, err
	}
	return reading{prefix: c.IDPrefix}, nil
}

// triggers are the vendor's names of events about accounts, in lower case and without underscores: those of its messages and those by
// which its webhooks are set up.
var triggers = map[string]carillon.Op{
	"createaccount": carillon.OpCreated,
	"editaccount":   carillon.OpUpdated,
	"updateaccount": carillon.OpUpdated,
	"deleteaccount": carillon.OpDeleted,
}

// maxTriggerLength bounds the names of events.
const maxTriggerLength = 255

// Decode reads a webhook, as JSON or as a form with the field payload. A created or edited account is a Whole, a deleted one is Gone;
// what is told of donations, memberships and the like is ignored. The body is mended where the vendor's own samples are not JSON.
func (d *Dialect) Decode(r dialect.Request, of dialect.Reading) (dialect.Decoded, error) {
	body, notes, err := envelope(r)
	if err != nil {
		return dialect.Decoded{}, err
	}
	trigger, member, err := triggerOf(body)
	if err != nil {
		return dialect.Decoded{}, err
	}
	timestamp, _ := dialect.Text(first(body, "eventTimestamp", "eventTimeStamp"))
	data := dialect.Member(body, "data")
	told := dialect.Told{Type: trigger}
	told.At, _ = parseTime(timestamp)
	op, ok := triggers[strings.ToLower(strings.ReplaceAll(trigger, "_", ""))]
	if !ok {
		told.ID = eventKey(body, trigger, timestamp, data)
		told.Ignored = trigger + " tells of no account: nothing is kept of it"
		return dialect.Decoded{Events: []dialect.Told{told}, Mended: notes}, nil
	}
	if len(data) == 0 || data[0] != '{' {
		return dialect.Decoded{}, carillon.Invalid("/data", "is required: an object with an account, since "+member+" is "+trigger)
	}
	object, account, err := accountOf(data, op)
	if err != nil {
		return dialect.Decoded{}, err
	}
	at := place{name: "/data/" + object}
	prefix := defaultIDPrefix
	if of, _ := of.(reading); of.prefix != "" {
		prefix = of.prefix
	}
	id, _ := dialect.Text(dialect.Member(account, "accountId"))
	told.Op, told.Ref = op, carillon.Ref{Kind: carillon.KindAccount, ID: prefix + id}
	if id == "" || !carillon.ValidID(told.Ref.ID) {
		return dialect.Decoded{}, at.below("accountId").wrong("must be the number of the account")
	}
	told.ID = eventKey(body, trigger, timestamp, data)
	if told.At.IsZero() {
		told.At = changedAt(account)
	}
	statement := dialect.Statement{Sort: dialect.Gone, Ref: told.Ref, Extra: account}
	if op != carillon.OpDeleted {
		statement.Sort = dialect.Whole
		if statement.Data, statement.Extra, err = hearAccount(object, at, account, id); err != nil {
			return dialect.Decoded{}, err
		}
	}
	told.Statements = []dialect.Statement{statement}
	return dialect.Decoded{Events: []dialect.Told{told}, Mended: notes}, nil
}

// Parameters gives the customParameters of a request, in which the vendor sends credentials.
func (d *Dialect) Parameters(r dialect.Request) (map[string]string, error) {
	body, _, err := envelope(r)
	if err != nil {
		return nil, err
	}
	parameters := make(map[string]string)
	for name, value := range dialect.Members(dialect.Member(body, "customParameters")) {
		if text, ok := dialect.Text(value); ok {
			parameters[dialect.Unquote(name)] = text
		}
	}
	return parameters, nil
}

// envelope is the object that a request holds.
func envelope(r dialect.Request) (body []byte, notes []string, err error) {
	payload, err := dialect.FormPayload(r)
	if err != nil {
		return nil, nil, err
	}
	body, notes, err = mend.Read(payload, "")
	if err != nil {
		return nil, nil, err
	}
	if body[0] != '{' {
		return nil, nil, carillon.Invalid("", "must be an object")
	}
	return body, notes, nil
}

// triggerOf is the name of the event, and the member that has it: the vendor's samples know two.
func triggerOf(body []byte) (trigger, member string, err error) {
	for _, member := range []string{"eventTrigger", "event"} {
		value := dialect.Member(body, member)
		if isNull(value) {
			continue
		}
		trigger, ok := dialect.Text(value)
		switch {
		case !ok || trigger == "":
			return "", "", carillon.Invalid("/"+member, "must be the name of an event")
		case len(trigger) > maxTriggerLength:
			return "", "", carillon.Invalid("/"+member, fmt.Sprintf("must have at most %d bytes", maxTriggerLength))
		}
		return trigger, member, nil
	}
	return "", "", carillon.Invalid("/eventTrigger", "is required: the name of the event")
}

// first is the first of an object's members that says something.
func first(object []byte, names ...string) []byte {
	for _, name := range names {
		if value := dialect.Member(object, name); !isNull(value) {
			return value
		}
	}
	return nil
}

// accountOf finds the account in data. A deletion names it as account.
func accountOf(data []byte, op carillon.Op) (object string, account []byte, err error) {
	names := []string{objectIndividual, objectOrganization}
	if op == carillon.OpDeleted {
		names = []string{objectDeleted, objectIndividual, objectOrganization}
	}
	for _, name := range names {
		switch account := dialect.Member(data, name); {
		case isNull(account):
		case account[0] != '{':
			return "", nil, carillon.Invalid("/data/"+name, "must be an object")
		default:
			return name, account, nil
		}
	}
	return "", nil, carillon.Invalid("/data", "must have one of "+strings.Join(names, ", "))
}

// hearAccount is what a created or edited account says.
func hearAccount(object string, at place, account []byte, id string) (data, extra []byte, err error) {
	h := &hearing{native: dialect.NewNative(carillon.KindAccount)}
	t, kind := individualAccount, `"individual"`
	if object == objectOrganization {
		t, kind = organizationAccount, `"organization"`
	}
	if extra, err = h.object(t, at, account); err != nil {
		return nil, nil, err
	}
	h.native.Set("type", []byte(kind))
	if err := h.set("name", at.below("primaryContact").below("lastName"), h.name(id)); err != nil {
		return nil, nil, err
	}
	return h.native.JSON(), extra, nil
}

// eventKey is made of all that the vendor says, since it gives its events no id. The custom parameters do not count: they are credentials.
func eventKey(body []byte, trigger, timestamp string, data []byte) string {
	organization, _ := dialect.Text(dialect.Member(body, "organizationId"))
	return dialect.DerivedID(trigger, timestamp, organization, string(data))
}

// changedAt is as of when an account says what it says, if its envelope does not.
func changedAt(account []byte) time.Time {
	for _, name := range []string{"lastModifiedDateTime", "deletedDateTime", "createdDateTime"} {
		text, _ := dialect.Text(dialect.Member(account, name))
		if at, ok := parseTime(text); ok {
			return at
		}
	}
	return time.Time{}
}

// timeLayouts are how the vendor writes times: with milliseconds and an offset; as its API does, without a colon; or a day alone. Those
// without an offset are UTC.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", "2006-01-02Z07:00", time.DateOnly}

func parseTime(text string) (time.Time, bool) {
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}
