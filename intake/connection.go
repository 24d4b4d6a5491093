package intake

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"carillon"
	"carillon/dialect"
	"carillon/sign"
	"carillon/store"
)

// Bounds of what a connection may ask for.
const (
	maxName      = 255
	maxSecret    = 1024
	maxIDPrefix  = 64
	maxOrderWait = 10 * time.Minute
)

// Create implements Desk.
func (in *Intake) Create(ctx context.Context, c *carillon.Connection) error {
	if c.Verify.Type == carillon.VerifyStandard && c.Verify.Secret == "" {
		c.Verify.Secret = sign.NewSecret()
	}
	if _, err := in.prepare(c); err != nil {
		return err
	}
	c.ID = carillon.NewID("conn")
	c.CreatedAt = in.now().UTC().Truncate(time.Millisecond)
	c.UpdatedAt = c.CreatedAt
	others, err := in.store.Connections(ctx, c.Org)
	if err != nil {
		return err
	}
	if c.IDPrefix == "" {
		c.IDPrefix = in.freePrefix(c.Dialect, others)
	}
	return in.store.Update(ctx, func(ctx context.Context, tx store.Tx) error { return tx.PutConnection(ctx, c) })
}

// freePrefix gives a prefix for the ids of a new connection: the dialect's own, with a number if another connection has
// it, since nobody said that both speak of the same system.
func (in *Intake) freePrefix(name string, others []*carillon.Connection) string {
	d, ok := in.decoders[name].(dialect.DefaultIDPrefix)
	if !ok {
		return ""
	}
	prefix := d.IDPrefix()
	word := strings.TrimRight(prefix, "_-.:")
	taken := func(p string) bool {
		return slices.ContainsFunc(others, func(c *carillon.Connection) bool { return c.IDPrefix == p })
	}
	free := prefix
	for n := 2; taken(free); n++ {
		free = word + strconv.Itoa(n) + prefix[len(word):]
	}
	return free
}

// Update implements Desk.
func (in *Intake) Update(ctx context.Context, c *carillon.Connection) error {
	if _, err := in.prepare(c); err != nil {
		return err
	}
	err := in.store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		kept, err := tx.Connection(ctx, c.Org, c.ID)
		if err != nil {
			return err
		}
		if c.Dialect != kept.Dialect {
			return carillon.Invalid("/dialect", "cannot be changed; make another connection")
		}
		if c.Verify.Type == kept.Verify.Type && c.Verify.TopicARN == "" {
			c.Verify.TopicARN = kept.Verify.TopicARN // which may have been confirmed a moment ago
		}
		c.CreatedAt, c.UpdatedAt = kept.CreatedAt, in.now().UTC().Truncate(time.Millisecond)
		return tx.PutConnection(ctx, c)
	})
	if err != nil {
		return err
	}
	in.wake(c.ID) // what waited under the old rules may be due
	return nil
}

// Delete implements Desk.
func (in *Intake) Delete(ctx context.Context, org, id string) error {
	return in.store.Update(ctx, func(ctx context.Context, tx store.Tx) error { return tx.DeleteConnection(ctx, org, id) })
}

// ear is a connection made ready: its dialect, how it reads, and what it would tell by itself.
type ear struct {
	*carillon.Connection
	decoder  dialect.Decoder
	reading  dialect.Reading
	settings dialect.Settings
}

// prepare checks a connection. It fails with carillon.CodeInvalid, naming members.
func (in *Intake) prepare(c *carillon.Connection) (*ear, error) {
	if err := check(c); err != nil {
		return nil, err
	}
	decoder, ok := in.decoders[c.Dialect]
	if !ok {
		return nil, carillon.Invalid("/dialect", fmt.Sprintf("%q is not a dialect that is read", c.Dialect))
	}
	if _, err := verifierOf(c, in); err != nil {
		return nil, err
	}
	reading, err := decoder.CheckReading(c)
	if err != nil {
		return nil, err
	}
	settings, err := decoder.CheckSettings(nil)
	if err != nil {
		return nil, fmt.Errorf("settle how %s is told: %w", c.Dialect, err)
	}
	return &ear{Connection: c, decoder: decoder, reading: reading, settings: settings}, nil
}

// check names what is wrong with a connection, whatever its dialect.
func check(c *carillon.Connection) error {
	var faults []carillon.Fault
	fault := func(member, format string, args ...any) {
		faults = append(faults, carillon.Fault{Member: member, Reason: fmt.Sprintf(format, args...)})
	}
	if len(c.Name) > maxName {
		fault("/name", "must be at most %d bytes", maxName)
	}
	if len(c.IDPrefix) > maxIDPrefix || c.IDPrefix != "" && !carillon.ValidID(c.IDPrefix) {
		fault("/idPrefix", "must be at most %d characters of letters, digits and - _ . : @ + = ~", maxIDPrefix)
	}
	if c.OrderWait < 0 || c.OrderWait > maxOrderWait {
		fault("/orderWaitMs", "must be between 0 and %d", maxOrderWait.Milliseconds())
	}
	v := &c.Verify
	if v.Type == "" {
		fault("/verify/type", "is required: none, standard, smarterpay, sns, basic, header or parameter")
	}
	needed := map[string]bool{}
	for _, member := range verifyMembers[v.Type] {
		needed[member] = true
	}
	for _, m := range []struct{ name, value string }{
		{"secret", v.Secret}, {"username", v.Username}, {"password", v.Password}, {"name", v.Name}, {"value", v.Value},
	} {
		switch {
		case needed[m.name] && m.value == "":
			fault("/verify/"+m.name, "is required where requests are verified by %s", v.Type)
		case !needed[m.name] && m.value != "":
			fault("/verify/"+m.name, "is not used where requests are verified by %s", v.Type)
		case len(m.value) > maxSecret:
			fault("/verify/"+m.name, "must be at most %d bytes", maxSecret)
		}
	}
	if v.TopicARN != "" && v.Type != carillon.VerifySNS {
		fault("/verify/topicArn", "is not used where requests are verified by %s", v.Type)
	}
	if len(faults) > 0 {
		return &carillon.Error{Code: carillon.CodeInvalid, Message: "the connection is not valid", Faults: faults}
	}
	return nil
}

// verifyMembers are what each way to verify needs.
var verifyMembers = map[carillon.VerifyType][]string{
	carillon.VerifyNone:       {},
	carillon.VerifyStandard:   {"secret"},
	carillon.VerifySmarterPay: {"secret"},
	carillon.VerifySNS:        {},
	carillon.VerifyBasic:      {"username", "password"},
	carillon.VerifyHeader:     {"name", "value"},
	carillon.VerifyParameter:  {"name", "value"},
}
