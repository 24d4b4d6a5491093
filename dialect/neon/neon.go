package neon

import (
	"bytes"
	"context"
	"fmt"

	"carillon"
	"carillon/dialect"
)

// Name is the dialect's word in subscriptions and URLs.
const Name = "neon"

// The events.
const (
	createAccount = "createAccount"
	editAccount   = "editAccount"
	deleteAccount = "deleteAccount"
)

// Dialect is Neon CRM's language. Make it with New; it is safe for concurrent use.
type Dialect struct{}

var (
	_ dialect.Associating     = (*Dialect)(nil)
	_ dialect.DefaultIDPrefix = (*Dialect)(nil)
	_ dialect.Parametered     = (*Dialect)(nil)
)

// New makes the dialect.
func New() *Dialect { return &Dialect{} }

// Name is "neon".
func (d *Dialect) Name() string { return Name }

var events = map[carillon.Op][]string{
	carillon.OpCreated: {createAccount},
	carillon.OpUpdated: {editAccount},
	carillon.OpDeleted: {deleteAccount},
}

// Events names a change of an account; other kinds mean nothing to Neon's account webhooks, nor does what other vendors add.
func (d *Dialect) Events(c *carillon.Change) []string {
	if c.Kind != carillon.KindAccount || !c.Concerns(Name) {
		return nil
	}
	return events[c.Op]
}

// Encode renders an event, with the ids of people where EncodeWith has their names.
func (d *Dialect) Encode(ev carillon.Event, s dialect.Settings) (carillon.Message, error) {
	return d.encode(context.Background(), ev, s, nil)
}

// EncodeWith renders an event, with the names of who created, modified or deleted the account.
func (d *Dialect) EncodeWith(ctx context.Context, ev carillon.Event, s dialect.Settings, l dialect.Lookup) (carillon.Message, error) {
	return d.encode(ctx, ev, s, l)
}

func (d *Dialect) encode(ctx context.Context, ev carillon.Event, s dialect.Settings, l dialect.Lookup) (carillon.Message, error) {
	c := ev.Change
	names := d.Events(c)
	if ev.Index != 0 || len(names) == 0 || names[0] != ev.Type {
		return carillon.Message{}, fmt.Errorf("encode change %d of %s: event %d is not %s", c.Seq, c.Ref, ev.Index, ev.Type)
	}
	settings, ok := s.(*settings)
	if !ok {
		return carillon.Message{}, fmt.Errorf("encode change %d of %s: these are not settings of %s", c.Seq, c.Ref, Name)
	}
	state := c.After
	if c.Op == carillon.OpDeleted {
		state = c.Before
	}
	if len(state) == 0 {
		return carillon.Message{}, fmt.Errorf("encode change %d of %s: it was %s, but its state is missing", c.Seq, c.Ref, c.Op)
	}
	a := account{change: c, settings: settings, members: dialect.ByField(c.Kind, state), sent: dialect.Member(c.Extra, Name)}
	if err := a.findPeople(ctx, l); err != nil {
		return carillon.Message{}, err
	}
	return carillon.Message{
		ID:          dialect.EventID(c, ev.Index),
		Type:        ev.Type,
		Seq:         c.Seq,
		Lane:        c.Lane,
		Time:        c.Time,
		ContentType: "application/json",
		Body:        a.appendEnvelope(make([]byte, 0, 1024+len(state)+len(c.Extra)), ev.Type),
	}, nil
}

// account is one account while it is told.
type account struct {
	change   *carillon.Change
	settings *settings
	members  [][]byte // by place in the field table
	sent     []byte   // what the vendor sent, an object; nil if nothing
	// The names of people; "" where they are not known.
	creator, modifier string
	// oneAddress says that the billing address is the delivery address, too.
	oneAddress bool
}

// findPeople names who created the account and who touched it last.
func (a *account) findPeople(ctx context.Context, l dialect.Lookup) error {
	creator, updater, err := dialect.Authors(ctx, a.change, l)
	if err != nil {
		return err
	}
	if a.creator, err = a.nameOf(ctx, creator, l); err != nil {
		return err
	}
	if updater == nil {
		a.modifier = a.creator
		return nil
	}
	a.modifier, err = a.nameOf(ctx, updater, l)
	return err
}

// nameOf is a person's name if they are a user of the org, else their address or id.
func (a *account) nameOf(ctx context.Context, actor *carillon.Actor, l dialect.Lookup) (string, error) {
	if actor == nil {
		return "", nil
	}
	if l != nil && actor.ID != "" {
		user, err := l.RecordAsOf(ctx, a.change.Org, carillon.Ref{Kind: carillon.KindUser, ID: actor.ID}, a.change.Seq)
		switch {
		case err == nil:
			if name := dialect.Unquote(dialect.Member(user.Data, "name")); name != "" {
				return name, nil
			}
		case !carillon.IsNotFound(err):
			return "", fmt.Errorf("find user %s: %w", actor.ID, err)
		}
	}
	if actor.Email != "" {
		return actor.Email, nil
	}
	return actor.ID, nil
}

// individual reports whether the account is a person. An account that does not say is an organization.
func (a *account) individual() bool {
	kind := a.member("type")
	return len(kind) > 2 && bytes.EqualFold(kind[1:len(kind)-1], []byte("individual"))
}

// member is a top-level member of the account's record; nil if it has none.
func (a *account) member(name string) []byte {
	place, _ := carillon.FieldNumber(carillon.KindAccount, name)
	return a.members[place]
}

func (a *account) appendEnvelope(b []byte, event string) []byte {
	b = append(b, `{"eventTrigger":"`...)
	b = append(b, event...)
	b = append(b, `","eventTimestamp":"`...)
	b = a.settings.appendTime(b, a.change.Time)
	b = append(b, `","organizationId":`...)
	if a.settings.OrganizationID != "" {
		b = dialect.AppendString(b, a.settings.OrganizationID)
	} else {
		b = dialect.AppendString(b, a.change.Org)
	}
	b = append(b, `,"data":{"`...)
	object, table := objectOrganization, organizationAccount
	switch {
	case a.change.Op == carillon.OpDeleted:
		object, table = objectDeleted, deletedAccount
	case a.individual():
		object, table = objectIndividual, individualAccount
	}
	b = append(b, object...)
	b = append(b, `":{`...)
	sent := a.sent
	if a.change.Op == carillon.OpDeleted && dialect.Member(sent, "deletedDateTime") == nil {
		sent = nil // it was sent before; of that nothing is told but the id
	}
	b = a.appendMembers(b, table, sent)
	b = append(b, `}},"customParameters":`...)
	b = append(b, a.settings.parameters...)
	return append(b, '}')
}
