package apps

import (
	"fmt"
	"slices"
	"strings"
)

// Class says what makes an event happen.
type Class string

// The classes.
const (
	ClassSetUp     Class = "set-up"    // the app is installed, updated or removed; the house waits for the handler's answer
	ClassExternal  Class = "external"  // somebody posted to the app's target URL
	ClassScheduled Class = "scheduled" // a time that the app has set has come
	ClassPlatform  Class = "platform"  // a change, told in the platform dialect: account-health:changed
	ClassProduct   Class = "product"   // a change, told as a product of the vendor does: onContactCreate
)

// Names of events that are not about records.
const (
	OnAppInstall     = "onAppInstall"
	AfterAppUpdate   = "afterAppUpdate"
	OnAppUninstall   = "onAppUninstall"
	OnExternalEvent  = "onExternalEvent"
	OnScheduledEvent = "onScheduledEvent"
)

// ClassOf tells the class of an event by its name. Names that nobody knows are taken for a product's.
func ClassOf(event string) Class {
	switch event {
	case OnAppInstall, AfterAppUpdate, OnAppUninstall:
		return ClassSetUp
	case OnExternalEvent:
		return ClassExternal
	case OnScheduledEvent:
		return ClassScheduled
	}
	if strings.Contains(event, ":") {
		return ClassPlatform
	}
	return ClassProduct
}

var commonEvents = []string{OnAppInstall, AfterAppUpdate, OnAppUninstall, OnExternalEvent, OnScheduledEvent}

// The vendor's products that the house speaks for.
const (
	productSuite   = "freshworks_crm"
	productClassic = "freshsales"
)

// productEvent is an event of the vendor's CRM, by the module that has it in version 3.0.
type productEvent struct {
	name, module string
	classic      bool // only Freshsales Classic has it
}

// productEvents are those of the vendor's documentation and samples. In onSalesActivitiesCreate and its twin the pages
// disagree with one another, so both spellings are there. No page names the module of custom modules' events, nor that of
// conversations.
var productEvents = []productEvent{
	{"onAppointmentCreate", "appointment", false},
	{"onAppointmentUpdate", "appointment", false},
	{"onContactCreate", "contact", false},
	{"onContactUpdate", "contact", false},
	{"onContactDelete", "contact", true},
	{"onConversationCreate", "", false},
	{"onConversationUpdate", "", false},
	{"onCpqDocumentCreate", "cpq_document", false},
	{"onCpqDocumentUpdate", "cpq_document", false},
	{"onCpqDocumentDelete", "cpq_document", false},
	{"onCustomModuleCreate", "", false},
	{"onCustomModuleUpdate", "", false},
	{"onDealCreate", "deal", false},
	{"onDealUpdate", "deal", false},
	{"onDealDelete", "deal", true},
	{"onLeadCreate", "lead", true},
	{"onLeadUpdate", "lead", true},
	{"onLeadDelete", "lead", true},
	{"onPhoneCallCreate", "phone", false},
	{"onPhoneCallUpdate", "phone", false},
	{"onProductCreate", "product", false},
	{"onProductUpdate", "product", false},
	{"onSalesAccountCreate", "sales_account", false},
	{"onSalesAccountUpdate", "sales_account", false},
	{"onSalesAccountDelete", "sales_account", true},
	{"onSalesActivityCreate", "sales_activities", false},
	{"onSalesActivityUpdate", "sales_activities", false},
	{"onSalesActivitiesCreate", "sales_activities", false},
	{"onSalesActivitiesUpdate", "sales_activities", false},
	{"onTaskCreate", "task", false},
	{"onTaskUpdate", "task", false},
	{"onUserAgentAvailabilityUpdate", "user_agent_availability", false},
}

// vendorProducts are those of platform versions 2.x.
var vendorProducts = []string{productSuite, productClassic, "freshdesk", "freshservice", "freshcaller", "freshchat", "freshteam"}

// ProductEvents lists the events of the vendor's CRM that an app may listen to, in order.
func ProductEvents() []string {
	names := make([]string, len(productEvents))
	for i, e := range productEvents {
		names[i] = e.name
	}
	return names
}

// modules are those of version 3.0 for the CRM. The house adds custom_module.
func modules() []string {
	list := []string{CommonModule, PlatformProduct, "custom_module"}
	for _, e := range productEvents {
		if e.module != "" && !slices.Contains(list, e.module) {
			list = append(list, e.module)
		}
	}
	return list
}

// elsewhere reports whether a product or module is the vendor's, but not of its CRM.
func elsewhere(name string, modular bool) bool {
	if !modular {
		return slices.Contains(vendorProducts, name)
	}
	if name == "call" || name == "notification" {
		return true
	}
	return slices.ContainsFunc([]string{"support_", "service_", "caller_", "chat_"}, func(family string) bool { return strings.HasPrefix(name, family) })
}

func products() []string { return []string{productSuite, productClassic, PlatformProduct} }

// judge checks the names of the events below one product or module. platform are the types of the platform dialect, nil to let all
// pass.
func (p *Product) judge(modular bool, platform []string, into *findings) {
	known := products()
	if modular {
		known = modules()
	}
	switch {
	case slices.Contains(known, p.Name):
	case elsewhere(p.Name, modular):
		into.warnAt(p.place, "is not of the CRM, which is what Carillon speaks for: its events will not come", "")
		return
	default:
		into.errorAt(p.place, quoted(p.Name)+" is not known", rename(p.Name, known))
		return
	}
	for _, l := range p.Events {
		p.judgeEvent(l, modular, platform, into)
	}
}

func (p *Product) judgeEvent(l Listener, modular bool, platform []string, into *findings) {
	switch class := ClassOf(l.Event); {
	case class == ClassPlatform && p.Name != PlatformProduct:
		into.errorAt(l.place, "is an event of the platform", "move it below "+PlatformProduct)
	case class == ClassPlatform && platform != nil && !slices.ContainsFunc(platform, func(t string) bool { return IsOfType(l.Event, t) }):
		into.errorAt(l.place, "is not an event of the platform", rename(l.Event, platform))
	case class == ClassPlatform:
	case class != ClassProduct && modular && p.Name != CommonModule:
		into.errorAt(l.place, fmt.Sprintf("is a %s event", class), "move it below modules."+CommonModule)
	case class != ClassProduct:
	default:
		p.judgeProductEvent(l, modular, platform, into)
	}
}

func (p *Product) judgeProductEvent(l Listener, modular bool, platform []string, into *findings) {
	i := slices.IndexFunc(productEvents, func(e productEvent) bool { return e.name == l.Event })
	if i < 0 {
		known := commonEvents
		switch p.Name {
		case PlatformProduct:
			known = slices.Concat(known, platform, ProductEvents())
		case CommonModule:
		default:
			known = slices.Concat(known, ProductEvents())
		}
		into.errorAt(l.place, quoted(l.Event)+" is not an event that Carillon knows", rename(l.Event, known))
		return
	}
	e := productEvents[i]
	home := "product." + productSuite
	if modular {
		home = "modules.custom_module"
		if e.module != "" {
			home = "modules." + e.module
		}
	}
	switch {
	case p.Name == PlatformProduct, p.Name == CommonModule:
		into.errorAt(l.place, "is an event of the vendor's product", "move it below "+home)
	case modular && e.module != "" && e.module != p.Name:
		into.warnAt(l.place, "is not an event of this module at the vendor's", "move it below "+home)
	case e.classic && p.Name == productSuite:
		into.warnAt(l.place, "does not happen in Freshsales Suite: "+productSuite+" tells deletions as updates, and has no leads", "move it below product."+productClassic)
	}
}

// IsOfType reports whether an event is of a type, in which {…} stands for any part of a name: "custom:{module}:created".
func IsOfType(event, eventType string) bool {
	before, rest, placeholder := strings.Cut(eventType, "{")
	if !placeholder {
		return eventType == event
	}
	_, after, _ := strings.Cut(rest, "}")
	middle, ok := strings.CutPrefix(event, before)
	if !ok {
		return false
	}
	middle, ok = strings.CutSuffix(middle, after)
	return ok && middle != "" && !strings.Contains(middle, ":")
}
