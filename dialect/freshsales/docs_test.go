package freshsales_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"carillon"
)

// documentation is what the documentation says of this dialect.
func documentation(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/dialects.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## freshsales\n")
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// The documentation's tables have every field that comes of the house, and its sample is a message.
func TestTheDocumentationIsTrue(t *testing.T) {
	section := documentation(t)
	c := change(carillon.KindTask, "", `{"id":"task_1","accountId":"acc_9","title":"Ring the bells","status":"Open","priority":"High","dueDate":"2025-04-01T12:00:00.000Z",`+
		`"assignedUserId":"usr_john","createdAt":"2025-03-04T05:06:07.089Z","updatedAt":"2025-03-04T05:06:07.089Z"}`)
	var readable bytes.Buffer
	if err := json.Indent(&readable, []byte(render(t, c, `{"accountId":"195818342531129946","iparams":{"key":"value"}}`, log)), "", "  "); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(section, "```json\n"+readable.String()+"\n```") {
		t.Errorf("the sample is not\n%s", readable.Bytes())
	}
	for i, s := range samples {
		if !strings.HasSuffix(s.event, "Create") {
			continue
		}
		if !strings.Contains(section, "`"+s.event+"`") {
			t.Errorf("%s is not there", s.event)
		}
		_, table, _ := strings.Cut(section, "`"+s.event+"`")
		table, _, _ = strings.Cut(table, "\n\n`")
		payload, _ := s.change(t, int64(i+1))
		for _, name := range s.fromHouse {
			if !strings.Contains(name, ".") && !strings.Contains(table, "| `"+name+"` |") {
				t.Errorf("the table of %s lacks %s", payload.Kind, name)
			}
		}
	}
	for _, name := range people {
		if !strings.Contains(name, ".") && !strings.Contains(section, "| `"+name+"` |") {
			t.Errorf("the tables lack %s", name)
		}
	}
}
