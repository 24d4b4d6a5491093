package cloudevents_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"carillon/sample"
)

// The documentation's samples are messages.
func TestTheDocumentationIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/dialects.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## cloudevents\n")
	section, _, _ = strings.Cut(section, "\n## ")

	c, ok := sample.Change("customer-contact:created", at, "dev")
	if !ok {
		t.Fatal("no sample")
	}
	c.Seq, c.Origin = 4711, "api"
	ev := eventOf(t, c, "customer-contact:created")
	structured := encode(t, ev, nil)
	var readable bytes.Buffer
	if err := json.Indent(&readable, structured.Body, "", "  "); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(section, "```json\n"+readable.String()+"\n```") {
		t.Errorf("the structured sample is not\n%s", readable.Bytes())
	}
	binary := encode(t, ev, settings(t, `{"mode":"binary"}`))
	var headers []string
	for _, a := range binary.Attributes {
		if name, ok := strings.CutPrefix(a.Name, "header:"); ok {
			headers = append(headers, name+": "+a.Value)
		}
	}
	slices.Sort(headers)
	if !strings.Contains(section, strings.Join(headers, "\n")+"\n") {
		t.Errorf("the headers of the binary sample are not\n%s", strings.Join(headers, "\n"))
	}
}
