package platform_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"carillon/dialect"
	"carillon/dialect/platform"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenFile is where an event's rendered sample is kept.
func goldenFile(name string) string {
	return filepath.Join("testdata", "events", strings.ReplaceAll(name, ":", ".")+".json")
}

func TestEveryEventIsRenderedAsBefore(t *testing.T) {
	d := platform.New()
	for name, c := range samples(t) {
		t.Run(name, func(t *testing.T) {
			c.Seq = 1 // so that ids do not depend on the other samples
			m, err := d.Encode(eventOf(t, d, c, name), nil)
			if err != nil {
				t.Fatal(err)
			}
			var readable bytes.Buffer
			if err := json.Indent(&readable, m.Body, "", "  "); err != nil {
				t.Fatalf("%v\n%s", err, m.Body)
			}
			readable.WriteByte('\n')
			if *update {
				if err := os.WriteFile(goldenFile(name), readable.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(goldenFile(name))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(readable.Bytes(), want) {
				t.Errorf("rendered as\n%s, want\n%s", readable.Bytes(), want)
			}
		})
	}
}

//go:embed testdata/seed-events.json
var seedEvents []byte

// seedEvent is one event of the platform's own documents.
type seedEvent struct {
	Event       string
	PayloadKeys []string
	ItemKeys    []string
	ChangeType  string
}

// payloadSchema is the part of an event's schema that the documents speak of.
type payloadSchema struct {
	Properties struct {
		Payload struct {
			Properties struct {
				ChangedCustomFields struct {
					Items struct {
						Properties struct {
							ChangeType struct{ Const string }
						}
						Required []string
					}
				}
			}
			Required []string
		}
	}
	Required []string
}

func TestEveryEventOfTheDocumentsIsToldAsTheySay(t *testing.T) {
	var list struct{ Events []seedEvent }
	if err := json.Unmarshal(seedEvents, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Events) != 38 {
		t.Fatalf("the documents have 38 events, this list %d", len(list.Events))
	}
	types := make(map[string]dialect.Type)
	for _, typ := range platform.New().Types() {
		types[typ.Name] = typ
	}
	for _, event := range list.Events {
		t.Run(event.Event, func(t *testing.T) {
			typ, ok := types[event.Event]
			if !ok {
				t.Fatal("not in the catalogue")
			}
			var schema payloadSchema
			if err := json.Unmarshal(typ.Schema, &schema); err != nil {
				t.Fatal(err)
			}
			if want := []string{"eventId", "eventType", "timestamp", "orgId", "actor", "payload"}; !slices.Equal(schema.Required, want) {
				t.Errorf("the envelope requires %v, want %v", schema.Required, want)
			}
			want := event.PayloadKeys
			switch {
			case slices.Equal(want, []string{"changedCustomFields"}): // "additional" to a base that the documents leave out
				want = []string{typ.Kind.PayloadKey(), typ.Kind.PreviousPayloadKey(), "changedCustomFields"}
			case want == nil && strings.Contains(event.Event, ":custom_field_value:"):
				want = []string{typ.Kind.PayloadKey(), typ.Kind.PreviousPayloadKey(), "changedCustomFields"}
			case want == nil:
				want = []string{typ.Kind.PayloadKey(), typ.Kind.PreviousPayloadKey()}
			}
			payload := schema.Properties.Payload
			if !slices.Equal(payload.Required, want) {
				t.Errorf("the payload requires %v, want %v", payload.Required, want)
			}
			items := payload.Properties.ChangedCustomFields.Items
			if event.ItemKeys != nil && (!slices.Equal(items.Required, event.ItemKeys) || items.Properties.ChangeType.Const != event.ChangeType) {
				t.Errorf("changed custom fields are %v with changeType %q, want %v with %q",
					items.Required, items.Properties.ChangeType.Const, event.ItemKeys, event.ChangeType)
			}

			golden, err := os.ReadFile(goldenFile(event.Event))
			if err != nil {
				t.Fatal(err)
			}
			var rendered struct {
				EventType string
				Payload   map[string]json.RawMessage
			}
			if err := json.Unmarshal(golden, &rendered); err != nil {
				t.Fatal(err)
			}
			got := slices.Sorted(maps.Keys(rendered.Payload))
			slices.Sort(want)
			if rendered.EventType != event.Event || !slices.Equal(got, want) {
				t.Errorf("%s is rendered with %v, want %v", rendered.EventType, got, want)
			}
		})
	}
}
