package apps_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/apps"
	"carillon/dialect/platform"
	"carillon/sample"
)

const examples = "../examples"

func TestExamplesHaveNoFindings(t *testing.T) {
	for _, name := range []string{"health-monitoring", "contact-sync", "task-management"} {
		t.Run(name, func(t *testing.T) {
			app, list := validate(t, os.DirFS(filepath.Join(examples, name)))
			if len(list) > 0 {
				t.Fatalf("found\n%s", lines(list))
			}
			values, err := json.Marshal(app.TestIParams)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := app.CheckIParams(values); err != nil {
				t.Error(err)
			}
			for _, p := range app.Products {
				for _, l := range p.Events {
					if apps.ClassOf(l.Event) == apps.ClassPlatform {
						checkPayload(t, app, name, l.Event)
					}
				}
			}
		})
	}
}

// checkPayload holds an example's payload to the catalogue's sample of the event.
func checkPayload(t *testing.T, app *apps.App, name, event string) {
	t.Helper()
	change, ok := sample.Change(event, time.Date(2026, 1, 15, 9, 30, 0, 0, time.UTC), "dev")
	if !ok {
		t.Fatalf("%s has no sample", event)
	}
	dialect := platform.New()
	for i, typ := range dialect.Events(change) {
		if typ != event {
			continue
		}
		message, err := dialect.Encode(carillon.Event{Change: change, Type: event, Index: i}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := json.Indent(&want, message.Body, "", "  "); err != nil {
			t.Fatal(err)
		}
		want.WriteByte('\n')
		if *update {
			file := filepath.Join(examples, name, "server", "test_data", strings.ReplaceAll(event, ":", ".")+".json")
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		if got, _ := app.TestData(apps.PlatformProduct, event); !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s: the payload for trying is\n%s\nwant\n%s", event, got, want.Bytes())
		}
	}
}
