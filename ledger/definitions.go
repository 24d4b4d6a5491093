package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"carillon"
	"carillon/store"
)

// Bounds of definitions and value lists.
const (
	maxLabelLength  = 255
	maxOptions      = 1000
	maxOptionLength = 255
	maxDefinitions  = 1000 // of a kind
)

// definitionsAge is how long definitions read from the store are believed: another node may change them.
const definitionsAge = time.Second

// definitions are the orgs' custom fields as last read. Only the ledger writes them, so only other nodes' edits can be
// missed, for definitionsAge at most.
type definitions map[definitionsKey]*defined

type definitionsKey struct {
	org  string
	kind carillon.Kind
}

type defined struct {
	byUID map[string]*carillon.CustomField
	until time.Time
}

// definitions gives the org's custom fields of a kind by uid.
func (t *transaction) definitions(org string, kind carillon.Kind) map[string]*carillon.CustomField {
	l := t.ledger
	key := definitionsKey{org, kind}
	now := l.now()
	if d := l.definitions[key]; d != nil && now.Before(d.until) {
		return d.byUID
	}
	list, err := t.tx.CustomFields(t.ctx, org, kind)
	if err != nil {
		t.broken = fmt.Errorf("read custom fields: %w", err)
		return nil
	}
	d := &defined{byUID: make(map[string]*carillon.CustomField, len(list)), until: now.Add(definitionsAge)}
	for _, f := range list {
		d.byUID[f.UID] = f
	}
	l.definitions[key] = d
	return d.byUID
}

// DefineField makes a custom field of a kind, or replaces its definition; created says which. Values that records have
// already stay as they are. It fails with invalid, naming members of the field's JSON.
func (l *Ledger) DefineField(ctx context.Context, f *carillon.CustomField) (created bool, err error) {
	if err := l.checkField(f); err != nil {
		return false, err
	}
	field := *f
	field.Options = slices.Clone(f.Options)
	act := func(ctx context.Context, tx store.Tx) error {
		if _, err := tx.Lock(ctx, []string{field.Org}); err != nil {
			return fmt.Errorf("lock org: %w", err)
		}
		list, err := tx.CustomFields(ctx, field.Org, field.Kind)
		if err != nil {
			return fmt.Errorf("read custom fields: %w", err)
		}
		created = !hasField(list, field.UID)
		if created && len(list) >= maxDefinitions {
			return &carillon.Error{
				Code: carillon.CodeTooLarge, Message: fmt.Sprintf("%s has %d custom fields already, and can have no more", field.Kind, len(list)),
			}
		}
		if err := tx.PutCustomField(ctx, &field); err != nil {
			return fmt.Errorf("store custom field: %w", err)
		}
		return nil
	}
	err = l.do(ctx, act, l.forget(field.Org, field.Kind))
	return created, err
}

func hasField(list []*carillon.CustomField, uid string) bool {
	return slices.ContainsFunc(list, func(f *carillon.CustomField) bool { return f.UID == uid })
}

// forget makes the next write read the definitions again.
func (l *Ledger) forget(org string, kind carillon.Kind) func() {
	return func() { delete(l.definitions, definitionsKey{org, kind}) }
}

// RemoveField removes a definition; the values of records stay and count as text. It fails with not_found.
func (l *Ledger) RemoveField(ctx context.Context, org string, kind carillon.Kind, uid string) error {
	act := func(ctx context.Context, tx store.Tx) error {
		if _, err := tx.Lock(ctx, []string{org}); err != nil {
			return fmt.Errorf("lock org: %w", err)
		}
		list, err := tx.CustomFields(ctx, org, kind)
		if err != nil {
			return fmt.Errorf("read custom fields: %w", err)
		}
		if !hasField(list, uid) {
			return carillon.NotFound(string(kind)+" custom field", uid)
		}
		if err := tx.DeleteCustomField(ctx, org, kind, uid); err != nil {
			return fmt.Errorf("delete custom field: %w", err)
		}
		return nil
	}
	return l.do(ctx, act, l.forget(org, kind))
}

func (l *Ledger) checkField(f *carillon.CustomField) error {
	c := &checker{limits: l.limits}
	if !carillon.ValidID(f.Org) {
		c.fault(at("org"), idReason)
	}
	if t := tables[f.Kind]; t == nil || t.custom < 0 {
		c.fault(at("kind"), fmt.Sprintf("%q has no custom fields", f.Kind))
	}
	if !validUID(f.UID) {
		c.fault(at("uid"), uidReason)
	}
	if reason := checkLine(f.Label, maxLabelLength); reason != "" {
		c.fault(at("label"), reason)
	}
	if !slices.Contains(carillon.CustomFieldTypes, f.Type) {
		c.fault(at("type"), fmt.Sprintf("must be one of %v", carillon.CustomFieldTypes))
	}
	chooses := f.Type == carillon.CustomDropdown || f.Type == carillon.CustomRadio || f.Type == carillon.CustomMultiSelect
	if chooses && len(f.Options) == 0 {
		c.fault(at("options"), fmt.Sprintf("a %s needs options to choose from", f.Type))
	}
	c.checkValues(f.Options, "options")
	for i, option := range f.Options {
		if reason := definedReason(&carillon.CustomField{UID: f.UID, Type: f.Type}, quoted(option)); reason != "" {
			c.fault(at("options").element(i), reason)
		}
	}
	return c.failure("the custom field is not valid")
}

// checkValues checks a list of distinct lines.
func (c *checker) checkValues(values []string, name string) {
	if len(values) > maxOptions {
		c.fault(at(name), fmt.Sprintf("must have at most %d values", maxOptions))
		return
	}
	seen := map[string]bool{}
	for i, value := range values {
		reason := checkLine(value, maxOptionLength)
		if reason == "" && seen[value] {
			reason = fmt.Sprintf("%q occurs twice", value)
		}
		if reason != "" {
			c.fault(at(name).element(i), reason)
		}
		seen[value] = true
	}
}

// failure gives what is wrong as one error.
func (c *checker) failure(message string) error {
	if len(c.faults) == 0 {
		return nil
	}
	if c.dropped > 0 {
		message += fmt.Sprintf(" (%d more faults are not shown)", c.dropped)
	}
	return &carillon.Error{Code: carillon.CodeInvalid, Message: message, Faults: c.faults}
}

// SetValueList replaces an org's list of suggested values; created says whether it stands in for the built-in one from
// now on. It fails with not_found for a name that no field uses, and with invalid.
func (l *Ledger) SetValueList(ctx context.Context, list *carillon.ValueList) (created bool, err error) {
	if err := knownList(list.Name); err != nil {
		return false, err
	}
	c := &checker{limits: l.limits}
	if !carillon.ValidID(list.Org) {
		c.fault(at("org"), idReason)
	}
	c.checkValues(list.Values, "values")
	if err := c.failure("the value list is not valid"); err != nil {
		return false, err
	}
	kept := *list
	kept.Values = slices.Clone(list.Values)
	act := func(ctx context.Context, tx store.Tx) error {
		edited, err := edited(ctx, tx, kept.Org, kept.Name)
		if err != nil {
			return err
		}
		created = !edited
		if err := tx.PutValueList(ctx, &kept); err != nil {
			return fmt.Errorf("store value list: %w", err)
		}
		return nil
	}
	err = l.do(ctx, act, func() {})
	return created, err
}

// RemoveValueList brings the built-in list back. It fails with not_found if the org has not edited it.
func (l *Ledger) RemoveValueList(ctx context.Context, org, name string) error {
	if err := knownList(name); err != nil {
		return err
	}
	act := func(ctx context.Context, tx store.Tx) error {
		edited, err := edited(ctx, tx, org, name)
		if err != nil {
			return err
		}
		if !edited {
			return &carillon.Error{Code: carillon.CodeNotFound, Message: "value list " + name + " is the built-in one: there is no other to remove"}
		}
		if err := tx.DeleteValueList(ctx, org, name); err != nil {
			return fmt.Errorf("delete value list: %w", err)
		}
		return nil
	}
	return l.do(ctx, act, func() {})
}

// edited reports whether the org has a value list of its own, and locks the org.
func edited(ctx context.Context, tx store.Tx, org, name string) (bool, error) {
	if _, err := tx.Lock(ctx, []string{org}); err != nil {
		return false, fmt.Errorf("lock org: %w", err)
	}
	lists, err := tx.ValueLists(ctx, org)
	if err != nil {
		return false, fmt.Errorf("read value lists: %w", err)
	}
	return slices.ContainsFunc(lists, func(l *carillon.ValueList) bool { return l.Name == name }), nil
}

func knownList(name string) error {
	if _, ok := carillon.ValueLists[name]; !ok {
		return &carillon.Error{
			Code: carillon.CodeNotFound, Message: "value list " + name + " does not exist",
			Hint: fmt.Sprintf("there are %v", slices.Sorted(maps.Keys(carillon.ValueLists))),
		}
	}
	return nil
}
