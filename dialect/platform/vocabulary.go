package platform

import (
	"strings"

	"carillon"
)

// vocabulary is what the changes of one kind are called. An update is told in the order of the members below:
// lifecycle, attributes in table order, custom fields.
type vocabulary struct {
	kind carillon.Kind
	// on is the kind of record commented on; for comments only.
	on carillon.Kind

	created, updated, deleted string

	attributes []attribute

	// Told once per update and sort, with every field of that sort. Empty where the kind has no custom fields.
	valueAdded, valueRemoved, valueChanged string
}

// attribute is a member whose every change has an event of its own.
type attribute struct{ member, event string }

// modulePlaceholder stands for the name of a custom module.
const modulePlaceholder = "{module}"

// vocabularies lists the language. The first eight kinds are the documents' own 38 events, to the letter: separators and
// prefixes differ from kind to kind there.
var vocabularies = []vocabulary{
	{
		kind:    carillon.KindAccount,
		created: "account:created",
		updated: "account:updated",
		deleted: "account:deleted",
		attributes: []attribute{
			{"health", "account-health:changed"},
			{"status", "account-status:changed"},
			{"classification", "account-classification:changed"},
			{"industry", "account-industry:changed"},
		},
		valueAdded:   "account-custom_field_value:added",
		valueRemoved: "account-custom_field_value:removed",
		valueChanged: "account-custom_field_value:changed",
	},
	{
		kind:         carillon.KindContact,
		created:      "customer-contact:created",
		updated:      "customer-contact:updated",
		deleted:      "customer-contact:deleted",
		attributes:   []attribute{{"type", "customer-contact:type:changed"}},
		valueAdded:   "customer-contact:custom_field_value:added",
		valueRemoved: "customer-contact:custom_field_value:removed",
		valueChanged: "customer-contact:custom_field_value:changed",
	},
	{
		kind:    carillon.KindRelationship,
		created: "account-relationship:created",
		updated: "account-relationship:updated",
		deleted: "account-relationship:deleted",
	},
	{
		kind:    carillon.KindActivity,
		created: "account-activity:created",
		updated: "account-activity:updated",
		deleted: "account-activity:deleted",
	},
	{
		kind:    carillon.KindComment,
		on:      carillon.KindActivity,
		created: "account-activity:comment:created",
		updated: "account-activity:comment:updated",
		deleted: "account-activity:comment:deleted",
	},
	{
		kind:    carillon.KindNote,
		created: "account-note:created",
		updated: "account-note:updated",
		deleted: "account-note:deleted",
	},
	{
		kind:    carillon.KindComment,
		on:      carillon.KindNote,
		created: "account-note:comment:created",
		updated: "account-note:comment:updated",
		deleted: "account-note:comment:deleted",
	},
	{
		kind:    carillon.KindTask,
		created: "account-task:created",
		updated: "account-task:updated",
		deleted: "account-task:deleted",
	},
	{
		kind:    carillon.KindComment,
		on:      carillon.KindTask,
		created: "account-task:comment:created",
		updated: "account-task:comment:updated",
		deleted: "account-task:comment:deleted",
	},

	// What follows is ours.
	{
		kind:         carillon.KindDeal,
		created:      "deal:created",
		updated:      "deal:updated",
		deleted:      "deal:deleted",
		attributes:   []attribute{{"stage", "deal:stage:changed"}},
		valueAdded:   "deal:custom_field_value:added",
		valueRemoved: "deal:custom_field_value:removed",
		valueChanged: "deal:custom_field_value:changed",
	},
	{
		kind:         carillon.KindAppointment,
		created:      "appointment:created",
		updated:      "appointment:updated",
		deleted:      "appointment:deleted",
		valueAdded:   "appointment:custom_field_value:added",
		valueRemoved: "appointment:custom_field_value:removed",
		valueChanged: "appointment:custom_field_value:changed",
	},
	{
		kind:    carillon.KindUser,
		created: "user:created",
		updated: "user:updated",
		deleted: "user:deleted",
	},
	{
		kind:         carillon.KindCustom,
		created:      "custom:{module}:created",
		updated:      "custom:{module}:updated",
		deleted:      "custom:{module}:deleted",
		valueAdded:   "custom:{module}:custom_field_value:added",
		valueRemoved: "custom:{module}:custom_field_value:removed",
		valueChanged: "custom:{module}:custom_field_value:changed",
	},
}

// ofModule is a custom module's own vocabulary.
func (v vocabulary) ofModule(module string) vocabulary {
	for _, name := range []*string{&v.created, &v.updated, &v.deleted, &v.valueAdded, &v.valueRemoved, &v.valueChanged} {
		*name = strings.ReplaceAll(*name, modulePlaceholder, module)
	}
	return v
}

// names lists the vocabulary in the order in which it is told.
func (v vocabulary) names() []string {
	list := []string{v.created, v.updated, v.deleted}
	for _, a := range v.attributes {
		list = append(list, a.event)
	}
	if v.valueAdded != "" {
		list = append(list, v.valueAdded, v.valueRemoved, v.valueChanged)
	}
	return list
}

// lexicon is a vocabulary made ready: every list of names that a change can have exists beforehand.
type lexicon struct {
	vocabulary
	onCreate []string
	onDelete []string
	// onUpdate is indexed by the set of what changed: bit i for attribute i, then one bit each for values added,
	// removed and changed.
	onUpdate [][]string
	// payloadKey and previousKey are the payload's members as JSON, colon included.
	payloadKey  string
	previousKey string
}

func newLexicon(v vocabulary) *lexicon {
	l := &lexicon{
		vocabulary:  v,
		onCreate:    []string{v.created},
		onDelete:    []string{v.deleted},
		payloadKey:  `"` + v.kind.PayloadKey() + `":`,
		previousKey: `"` + v.kind.PreviousPayloadKey() + `":`,
	}
	var parts []string
	for _, a := range v.attributes {
		parts = append(parts, a.event)
	}
	if v.valueAdded != "" {
		parts = append(parts, v.valueAdded, v.valueRemoved, v.valueChanged)
	}
	l.onUpdate = make([][]string, 1<<len(parts))
	for set := range l.onUpdate {
		list := []string{v.updated}
		for i, name := range parts {
			if set&(1<<i) != 0 {
				list = append(list, name)
			}
		}
		l.onUpdate[set] = list
	}
	return l
}

// changed is the set of what an update changed, as onUpdate is indexed.
func (l *lexicon) changed(list []carillon.MemberChange) int {
	set := 0
	for _, m := range list {
		if strings.HasPrefix(m.Name, carillon.CustomFieldsPrefix) {
			if l.valueAdded == "" {
				continue
			}
			switch m.How {
			case carillon.Added:
				set |= 1 << len(l.attributes)
			case carillon.Removed:
				set |= 2 << len(l.attributes)
			case carillon.Updated:
				set |= 4 << len(l.attributes)
			}
			continue
		}
		for i, a := range l.attributes {
			if a.member == m.Name {
				set |= 1 << i
			}
		}
	}
	return set
}

// events names what a change of the lexicon's kind means.
func (l *lexicon) events(c *carillon.Change) []string {
	switch c.Op {
	case carillon.OpCreated:
		return l.onCreate
	case carillon.OpUpdated:
		return l.onUpdate[l.changed(c.Changed)]
	case carillon.OpDeleted:
		return l.onDelete
	default:
		return nil
	}
}
