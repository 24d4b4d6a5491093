package freshsales

import (
	"fmt"
	"strings"

	"carillon"
)

// happening is what an event means.
type happening struct {
	object *object
	op     carillon.Op
}

// happenings are the events that are read, by name: the twelve of the vendor's page, and Classic's, which tell of a deletion
// in an event of its own.
var happenings = func() map[string]happening {
	all := make(map[string]happening, 3*len(objects))
	for _, o := range objects {
		all[o.create] = happening{o, carillon.OpCreated}
		all[o.update] = happening{o, carillon.OpUpdated}
		all[strings.TrimSuffix(o.update, "Update")+"Delete"] = happening{o, carillon.OpDeleted}
	}
	return all
}()

// elsewhere are the vendor's other events: how their names begin, and what they tell of.
var elsewhere = []struct{ begins, of string }{
	{"onLead", "a lead"},
	{"onPhoneCall", "a phone call"},
	{"onSalesActivit", "a sales activity"}, // Activity and Activities
	{"onCpqDocument", "a quote or contract"},
	{"onProduct", "a product"},
	{"onUserAgentAvailability", "who is at work"},
	{"onConversation", "a conversation"},
	{"onAppInstall", "the set-up of an app"},
	{"afterAppUpdate", "the set-up of an app"},
	{"onAppUninstall", "the set-up of an app"},
	{"onExternalEvent", "what another system sent to an app"},
	{"onScheduledEvent", "an appointment of an app with itself"},
}

// passedOver says why nothing comes of an event.
func passedOver(name string) string {
	for _, e := range elsewhere {
		if strings.HasPrefix(name, e.begins) {
			return fmt.Sprintf("%s tells of %s: nothing is kept of those", abridged(name), e.of)
		}
	}
	return abridged(name) + " is not known"
}

// maxQuoted is how much of a name that strangers made up is said back.
const maxQuoted = 64

func abridged(name string) string {
	for i := range name {
		if i >= maxQuoted {
			return name[:i] + "…"
		}
	}
	return name
}
