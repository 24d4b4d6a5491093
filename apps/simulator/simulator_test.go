package simulator_test

import (
	"fmt"
	"html"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// twelve are the events of the vendor's documentation whose bodies the seed has.
var twelve = []string{
	"onAppointmentCreate", "onAppointmentUpdate", "onContactCreate", "onContactUpdate", "onCustomModuleCreate", "onCustomModuleUpdate",
	"onDealCreate", "onDealUpdate", "onSalesAccountCreate", "onSalesAccountUpdate", "onTaskCreate", "onTaskUpdate",
}

// listener is an app that listens to events with one handler each, called handle<Event>.
func listener(events []string, body string) map[string]string {
	registered, handlers := make([]string, len(events)), make([]string, len(events))
	for i, event := range events {
		registered[i] = fmt.Sprintf(`"%s": { "handler": "handle%s" }`, event, event)
		handlers[i] = fmt.Sprintf("handle%s: function (args) { %s }", event, body)
	}
	return map[string]string{
		"manifest.json":       `{"platform-version": "2.3", "product": {"freshworks_crm": {"events": {` + strings.Join(registered, ",") + `}}}, "engines": {"node": "18.20.8", "fdk": "9.7.4"}}`,
		"server/server.js":    "exports = {\n" + strings.Join(handlers, ",\n") + "\n};\n",
		"config/iparams.json": `{}`,
	}
}

func TestAllTwelveEventsAreSimulatedWithTheVendorsBodies(t *testing.T) {
	l := open(t, listener(twelve, "console.info(args.event + ' of ' + args.account_id); renderData(null, Object.keys(args.data));"))
	for _, event := range twelve {
		payload, err := os.ReadFile(filepath.Join("..", "..", "dialect", "freshsales", "testdata", event+".json"))
		l.must(err)
		status, outcome := l.simulate("freshworks_crm", event, string(payload))
		if status != http.StatusOK || !strings.Contains(outcome, `data-word="Success"`) {
			t.Errorf("%s: %d %s", event, status, outcome)
		}
		if !strings.Contains(outcome, event+" of ") {
			t.Errorf("%s: the log is not shown: %s", event, outcome)
		}
	}
}

func TestTheHousesOwnPayloadsAreFit(t *testing.T) {
	l := open(t, listener(twelve, "console.info(args.event)"))
	for _, event := range twelve {
		status, page := l.get("/web/test?product=freshworks_crm&event="+event, "trial")
		_, rest, _ := strings.Cut(page, "<textarea")
		_, rest, _ = strings.Cut(rest, ">\n")
		payload, _, ok := strings.Cut(rest, "</textarea>")
		if status != http.StatusOK || !ok {
			t.Fatalf("%s: %d %s", event, status, page)
		}
		if _, outcome := l.simulate("freshworks_crm", event, html.UnescapeString(payload)); !strings.Contains(outcome, `data-word="Success"`) {
			t.Errorf("%s with %s: %s", event, payload, outcome)
		}
	}
}
