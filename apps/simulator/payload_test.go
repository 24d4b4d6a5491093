package simulator_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestFaultsAreFoundInThePayload(t *testing.T) {
	l := open(t, listener([]string{"onDealUpdate"}, ""))
	for name, c := range map[string]struct{ payload, place, says string }{
		"nothing":             {" \n ", `data-line="1" data-column="1"`, "is empty"},
		"no object":           {"[1]", `data-line="1" data-column="1"`, "is not an object"},
		"a comma too many":    {"{\n  \"a\": 1,\n}", `data-line="2" data-column="9"`, "is not JSON"},
		"a name given twice":  {"{\"a\": 1,\n \"é\": 2, \"a\": 3}", `data-line="2" data-column="10"`, "duplicate"},
		"more than one value": {"{}\n{}", `data-line="2"`, "goes on after its end"},
		"cut short":           {"{\n\"a\": [", `data-line="2"`, "is not JSON"},
		"members missing":     {"{\n \"event\": \"onDealUpdate\"\n}", `data-line="1" data-column="1"`, "missing"},
		"a wrong member":      {strings.Replace(l.payload("onDealUpdate"), `"timestamp":`, "\n \"timestamp\":true,\"was\":", 1), `data-line="2" data-column="2"`, "/timestamp"},
	} {
		t.Run(name, func(t *testing.T) {
			_, outcome := l.simulate("freshworks_crm", "onDealUpdate", c.payload)
			holds(t, outcome, `data-word="Failed"`, c.place, c.says)
		})
	}

	// Faults stand in the order of the payload.
	_, outcome := l.simulate("freshworks_crm", "onDealUpdate", "{\n\"version\": 1,\n\"event\": 2,\n\"data\": 3,\n\"region\": 4}")
	lines := regexp.MustCompile(`data-line="(\d)"`).FindAllStringSubmatch(outcome, -1)
	for i := 1; i < len(lines); i++ {
		if lines[i][1] < lines[i-1][1] {
			t.Errorf("the faults stand in the order %v", lines)
		}
	}
	if len(lines) < 3 {
		t.Errorf("%d faults are told: %s", len(lines), outcome)
	}
	status, _ := l.do("POST", "/web/test", "", url.Values{"payload": {strings.Repeat("x", 2<<20)}})
	if status != 400 {
		t.Errorf("a form of 2 MB answers %d", status)
	}
}
