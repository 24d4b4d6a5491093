package neon_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"carillon"
)

// documented is the account of the documentation's sample.
const documented = `{"id":"acc_1","name":"Harbour Bells Ltd","status":"ACTIVE","health":"Healthy","classification":"SMB","type":"organization",` +
	`"primaryContact":{"title":"Ms","firstName":"Ada","lastName":"Gale","phone":"15550100"},` +
	`"billingAddress":{"line1":"1 Quay Street","city":"Mobile","state":"AL","postalCode":"36602-1355","country":"US"},` +
	`"website":"https://bells.example","customFields":{"73":["gold"]},"createdAt":"2025-01-02T03:04:05.006Z","updatedAt":"2025-03-04T05:06:07.089Z"}`

// The documentation's table has every member that comes of the house, and its sample is a message.
func TestTheDocumentationIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/dialects.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## neon\n")
	section, _, _ = strings.Cut(section, "\n## ")

	body := render(t, change(carillon.OpCreated, documented, ""), `{"organizationId":"harbour","customParameters":{"token":"s3cret"},"timeZone":"America/Chicago"}`, nil)
	var readable bytes.Buffer
	if err := json.Indent(&readable, []byte(body), "", "  "); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(section, "```json\n"+readable.String()+"\n```") {
		t.Errorf("the sample is not\n%s", readable.Bytes())
	}
	var told struct {
		Data map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(body), &told); err != nil {
		t.Fatal(err)
	}
	account := told.Data["organizationAccount"]
	var contact map[string]json.RawMessage
	if err := json.Unmarshal(account["primaryContact"], &contact); err != nil {
		t.Fatal(err)
	}
	delete(account, "primaryContact")
	for name := range account {
		if !strings.Contains(section, "| `"+name+"` |") {
			t.Errorf("the table lacks %s", name)
		}
	}
	for name := range contact {
		if !strings.Contains(section, "| `primaryContact."+name+"` |") {
			t.Errorf("the table lacks primaryContact.%s", name)
		}
	}
}
