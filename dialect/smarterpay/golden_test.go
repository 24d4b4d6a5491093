package smarterpay_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"carillon"
	"carillon/dialect/smarterpay"
)

var (
	//go:embed testdata/record_creation.webhook.json
	recordCreation []byte
	//go:embed testdata/record_creation.webhook.2024-11.json
	recordCreationWithGiftAid []byte
	//go:embed testdata/members.json
	documented []byte
)

// generated are the members that a webhook of ours must say otherwise than the sample.
var generated = []string{
	"id",              // of the webhook: made of the events' ids
	"idempotency_key", // made of the events' ids
	"sent_at",         // the newest change's time, so that a retry says the same; the sample was sent a second later
	"event_id",        // made of ours
}

// The account of the vendor's sample, created as it was, is told as the sample tells it.
func TestTheVendorsSampleIsToldToTheLetter(t *testing.T) {
	for name, c := range map[string]struct {
		sample   []byte
		settings string
	}{
		"April 2024":    {recordCreation, `{"clientId":"CL01LG420EJ9DP1VQWR9","eventSource":"Portal"}`},
		"November 2024": {recordCreationWithGiftAid, `{"clientId":"CL01LG420EJ9DP1VQWR9","eventSource":"Portal","giftAid":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			change := customer(carillon.OpCreated)
			change.Actor.ID = "CU01LG420EJ9VWP1VQWR"
			change.Extra = []byte(`{"smarterpay":{"id":"CA01G420EJ9D44P1VQWR"}}`)
			m, err := smarterpay.New().Encode(eventOf(change), settings(t, c.settings))
			if err != nil {
				t.Fatal(err)
			}
			want, got := lines(t, c.sample), lines(t, m.Body)
			if len(got) != len(want) {
				t.Fatalf("%d lines, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
			}
			excused := slices.Clone(generated)
			for i := range want {
				if got[i] == want[i] {
					continue
				}
				name, _, _ := strings.Cut(strings.TrimLeft(want[i], ` "`), `"`)
				if !strings.HasPrefix(strings.TrimSpace(got[i]), `"`+name+`": "`) || !slices.Contains(excused, name) {
					t.Errorf("line %d is %s, want %s", i+1, got[i], want[i])
				}
				excused = slices.DeleteFunc(excused, func(s string) bool { return s == name }) // each once
			}
			if len(excused) > 0 {
				t.Errorf("%v are as in the sample: they are not generated", excused)
			}
		})
	}
}

// lines are those of a document written the sample's way: order and values are compared at once.
func lines(t *testing.T, document []byte) []string {
	t.Helper()
	var readable bytes.Buffer
	if err := json.Indent(&readable, document, "", "  "); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(readable.String()), "\n")
}

// documentedMember is a row of the vendor's table.
type documentedMember struct {
	Name           string
	Nullable, Null bool
}

func TestEveryMemberOfTheVendorsTableIsTold(t *testing.T) {
	var page struct{ Members []documentedMember }
	if err := json.Unmarshal(documented, &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Members) != 30 {
		t.Fatalf("the table has 30 rows, this list %d", len(page.Members))
	}
	change := customer(carillon.OpCreated)
	got := told(t, change, nil)
	for _, m := range page.Members {
		value, ok := got[m.Name]
		if !ok {
			t.Errorf("%s is not told", m.Name)
		}
		if isNull := string(value) == "null"; isNull && !m.Nullable && !m.Null {
			t.Errorf("%s is null, which the vendor's never is", m.Name)
		}
		delete(got, m.Name)
	}
	if len(got) > 0 {
		t.Errorf("beyond the table: %v", got)
	}
}
