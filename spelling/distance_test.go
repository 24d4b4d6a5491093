package spelling_test

import (
	"testing"

	"carillon/spelling"
)

func TestDistanceCountsEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"name", "name", 0},
		{"name", "nam", 1},
		{"name", "nme", 1},
		{"name", "nane", 1},
		{"name", "anme", 2},
		{"kitten", "sitting", 3},
		{"für", "fur", 1},
	} {
		if got, back := spelling.Distance([]rune(c.a), []rune(c.b)), spelling.Distance([]rune(c.b), []rune(c.a)); got != c.want || back != c.want {
			t.Errorf("%q and %q are %d and %d apart, want %d", c.a, c.b, got, back, c.want)
		}
	}
	if got := spelling.Distance([]byte("für"), []byte("fur")); got != 2 {
		t.Errorf("as bytes they are %d apart", got)
	}
}
