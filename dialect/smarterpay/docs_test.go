package smarterpay_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"carillon"
	"carillon/dialect/smarterpay"
)

// The documentation's table has every member, and its sample is a message.
func TestTheDocumentationIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/dialects.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## smarterpay\n")
	section, _, _ = strings.Cut(section, "\n## ")

	m, err := smarterpay.New().Encode(eventOf(customer(carillon.OpCreated)), settings(t, `{"clientId":"CL01LG420EJ9DP1VQWR9","giftAid":true}`))
	if err != nil {
		t.Fatal(err)
	}
	var readable bytes.Buffer
	if err := json.Indent(&readable, m.Body, "", "  "); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(section, "```json\n"+readable.String()+"\n```") {
		t.Errorf("the sample is not\n%s", readable.Bytes())
	}
	for name := range read(t, m).Events[0] {
		if !strings.Contains(section, "| `"+name+"` |") {
			t.Errorf("the table lacks %s", name)
		}
	}
}
