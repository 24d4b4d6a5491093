package dialect_test

import (
	"strconv"
	"testing"

	"carillon"
	"carillon/dialect"
)

func TestMembersAreFoundByTheirPlace(t *testing.T) {
	members := dialect.ByField(carillon.KindAccount, []byte(`{"id":"a","unheardOf":1,"tags":["x"],"status":"ACTIVE"}`))
	if len(members) != len(carillon.Fields(carillon.KindAccount)) {
		t.Fatalf("%d places", len(members))
	}
	for i, f := range carillon.Fields(carillon.KindAccount) {
		want := map[string]string{"id": `"a"`, "tags": `["x"]`, "status": `"ACTIVE"`}[f.Name]
		if string(members[i]) != want {
			t.Errorf("%s is %s, want %s", f.Name, members[i], want)
		}
	}
}

// These numbers are in receivers' databases.
func TestStableNumbersNeverChange(t *testing.T) {
	for want, texts := range map[int64][]string{
		259216885081872: {"customField", "tier"},
		51455751351629:  {"deal_stage", "New"},
		10207566875536:  {"deal_stageNew"},
		172505283356887: {},
	} {
		if got := dialect.StableNumber(texts...); got != want {
			t.Errorf("StableNumber(%q) = %d, want %d", texts, got, want)
		}
	}
	seen := make(map[int64]int)
	for i := range 100_000 {
		n := dialect.StableNumber("stage", strconv.Itoa(i))
		if other, taken := seen[n]; taken || n < 1 || n >= 1<<48 {
			t.Fatalf("%d is the number of %d and %d, or out of bounds", n, other, i)
		}
		seen[n] = i
	}
}
