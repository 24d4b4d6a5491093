package intake_test

import (
	"encoding/json"
	"strings"
	"time"

	"carillon"
	"carillon/dialect"
)

// vendor is a made-up vendor's language, small enough to be seen through: a body is a list of events, each with a
// record. It knows of an account's status only whether it is active, and of contacts all that is tested here.
type vendor struct{}

type vendorEvent struct {
	ID      string         `json:"id"`
	Type    string         `json:"type"`
	At      time.Time      `json:"at,omitzero"`
	Record  string         `json:"record"`
	Account *vendorAccount `json:"account,omitempty"`
	Contact *vendorContact `json:"contact,omitempty"`
	Mention string         `json:"mention,omitempty"` // the name of the contact's account
}

type vendorAccount struct {
	Name   string          `json:"name"`
	Domain string          `json:"domain,omitempty"`
	Active bool            `json:"active"`
	Street string          `json:"street,omitempty"`
	Colour string          `json:"colour,omitempty"` // has no place in the house
	Wrong  json.RawMessage `json:"wrong,omitempty"`  // is handed on as the number of employees
}

type vendorContact struct {
	First   string `json:"first"`
	Account string `json:"account"`
}

func (vendor) Name() string                                            { return "vendor" }
func (vendor) IDPrefix() string                                        { return "v_" }
func (vendor) Types() []dialect.Type                                   { return nil }
func (vendor) CheckSettings(json.RawMessage) (dialect.Settings, error) { return nil, nil }

func (vendor) CheckReading(c *carillon.Connection) (dialect.Reading, error) { return c.IDPrefix, nil }

func (vendor) Events(c *carillon.Change) []string {
	if c.Kind != carillon.KindAccount && c.Kind != carillon.KindContact {
		return nil
	}
	return []string{string(c.Op)}
}

func (vendor) Encode(ev carillon.Event, _ dialect.Settings) (carillon.Message, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(ev.Change.After, &members); err != nil {
		return carillon.Message{}, err
	}
	text := func(name string) string { return dialect.Unquote(members[name]) }
	e := vendorEvent{ID: "1", Type: ev.Type, Record: strings.TrimPrefix(ev.Change.ID, "v_")}
	if ev.Change.Kind == carillon.KindContact {
		e.Contact = &vendorContact{First: text("firstName"), Account: strings.TrimPrefix(text("accountId"), "v_")}
	} else {
		status := text("status")
		e.Account = &vendorAccount{Name: text("name"), Domain: text("domain"), Active: status != "INACTIVE" && status != "CHURNED"}
		e.Account.Street = dialect.Unquote(dialect.Member(members["billingAddress"], "line1"))
		if second := dialect.Unquote(dialect.Member(members["billingAddress"], "line2")); second != "" {
			e.Account.Street += ", " + second
		}
	}
	body, err := json.Marshal([]vendorEvent{e})
	return carillon.Message{Body: body}, err
}

func (vendor) Decode(r dialect.Request, reading dialect.Reading) (dialect.Decoded, error) {
	prefix := reading.(string)
	if string(r.Body) == "panic" {
		panic("the test wanted it")
	}
	var events []vendorEvent
	if err := json.Unmarshal(r.Body, &events); err != nil {
		return dialect.Decoded{}, carillon.Invalid("", "must be a list of events")
	}
	var d dialect.Decoded
	for _, e := range events {
		told := dialect.Told{ID: e.ID, Type: e.Type, Op: carillon.Op(e.Type), At: e.At, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: prefix + e.Record}}
		switch {
		case e.Type == "payment":
			told.Ignored = "payments have no place here"
		case e.Type == "deleted":
			told.Statements = []dialect.Statement{{Sort: dialect.Gone, Ref: told.Ref}}
		case e.Contact != nil:
			told.Ref.Kind = carillon.KindContact
			if e.Mention != "" {
				told.Statements = append(told.Statements, dialect.Statement{
					Sort: dialect.Mention, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: prefix + e.Contact.Account}, Data: object("name", e.Mention),
				})
			}
			account := ""
			if e.Contact.Account != "" {
				account = prefix + e.Contact.Account
			}
			told.Statements = append(told.Statements, dialect.Statement{Sort: dialect.Whole, Ref: told.Ref, Data: object(
				"firstName", e.Contact.First, "lastName", "Tester", "email", "t@example.com", "accountId", account,
			)})
		default:
			told.Statements = []dialect.Statement{{Sort: dialect.Whole, Ref: told.Ref, Data: account(e.Account)}}
			if e.Account.Colour != "" {
				told.Statements[0].Extra = object("colour", e.Account.Colour)
			}
		}
		d.Events = append(d.Events, told)
	}
	if strings.HasPrefix(string(r.Body), " ") {
		d.Mended = []string{"a blank was taken away"}
	}
	return d, nil
}

func account(a *vendorAccount) []byte {
	status := "INACTIVE"
	if a.Active {
		status = "ACTIVE"
	}
	b := object("name", a.Name, "domain", a.Domain, "status", status)
	b = append(b[:len(b)-1], `,"billingAddress":`...)
	if a.Street == "" {
		b = append(b, "null"...)
	} else {
		b = append(b, object("line1", a.Street)...)
	}
	if a.Wrong != nil {
		b = append(append(b, `,"employees":`...), a.Wrong...)
	}
	return append(b, '}')
}

// object makes a JSON object of names and values; empty values are null.
func object(pairs ...string) []byte {
	b := []byte{'{'}
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(dialect.AppendString(b, pairs[i]), ':')
		if pairs[i+1] == "" && pairs[i] != "accountId" {
			b = append(b, "null"...)
		} else {
			b = dialect.AppendString(b, pairs[i+1])
		}
	}
	return append(b, '}')
}

// Parameters takes those of a body that names them.
func (vendor) Parameters(r dialect.Request) (map[string]string, error) {
	var body []struct {
		Parameters map[string]string `json:"parameters"`
	}
	if err := json.Unmarshal(r.Body, &body); err != nil || len(body) == 0 {
		return nil, carillon.Invalid("", "must be a list of events")
	}
	return body[0].Parameters, nil
}

var (
	_ dialect.DefaultIDPrefix = vendor{}
	_ dialect.Parametered     = vendor{}
)
