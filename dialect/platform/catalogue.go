package platform

import (
	"fmt"
	"sync"

	"carillon"
	"carillon/dialect"
)

// Types lists the language in the order of the vocabulary. Events of custom modules are given with {module} in the module's place.
func (d *Dialect) Types() []dialect.Type { return types() }

var types = sync.OnceValue(func() []dialect.Type {
	var list []dialect.Type
	for _, v := range vocabularies {
		for _, name := range v.names() {
			t := dialect.Type{Name: name, Kind: v.kind, Description: v.describe(name)}
			t.Schema = v.schema(t)
			list = append(list, t)
		}
	}
	return list
})

// nouns are the kinds in running text, with their article.
var nouns = map[carillon.Kind]string{
	carillon.KindAccount:      "an account",
	carillon.KindContact:      "a customer contact",
	carillon.KindRelationship: "a relationship between two accounts",
	carillon.KindActivity:     "an account activity",
	carillon.KindNote:         "an account note",
	carillon.KindTask:         "an account task",
	carillon.KindDeal:         "a deal",
	carillon.KindAppointment:  "an appointment",
	carillon.KindUser:         "a user",
	carillon.KindCustom:       "a record of a custom module",
}

// describe says in a sentence when an event is told.
func (v vocabulary) describe(name string) string {
	noun := nouns[v.kind]
	if v.kind == carillon.KindComment {
		noun = "a comment on " + nouns[v.on]
	}
	switch name {
	case v.created:
		return fmt.Sprintf("Told when %s is created.", noun)
	case v.updated:
		if len(v.names()) == 3 {
			return fmt.Sprintf("Told when %s is updated.", noun)
		}
		return fmt.Sprintf("Told when %s is updated; before the more particular events of the same update.", noun)
	case v.deleted:
		return fmt.Sprintf("Told when %s is deleted.", noun)
	case v.valueAdded:
		return fmt.Sprintf("Told when an update gives values to custom fields of %s that had none.", noun)
	case v.valueRemoved:
		return fmt.Sprintf("Told when an update takes away the values of custom fields of %s.", noun)
	case v.valueChanged:
		return fmt.Sprintf("Told when an update replaces the values of custom fields of %s.", noun)
	}
	for _, a := range v.attributes {
		if a.event == name {
			return fmt.Sprintf("Told when an update changes the %s of %s.", a.member, noun)
		}
	}
	panic(fmt.Sprintf("platform: %s is not in the vocabulary of %s", name, v.kind))
}
