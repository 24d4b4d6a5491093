package deliver_test

import (
	"slices"
	"testing"

	"carillon"
	"carillon/dialect/smarterpay"
	"carillon/ledger"
)

func TestWhatAVendorToldIsNotToldBackToIt(t *testing.T) {
	h := newHouse(t)
	connection := &carillon.Connection{ID: "conn_1", Dialect: smarterpay.Name}
	other := &carillon.Connection{ID: "conn_2", Dialect: "neon"}
	for i, origin := range []string{"api", connection.Origin(), other.Origin()} {
		w := account([]string{"by_hand", "from_vendor", "from_another"}[i])
		if reply := h.ledger.ApplyAll(t.Context(), []ledger.Entry{{Org: org, Origin: origin, Writes: []ledger.Write{w}}}); reply[0].Err != nil {
			t.Fatal(reply[0].Err)
		}
	}
	for name, c := range map[string]struct {
		dialect string
		echo    bool
		want    []string
	}{
		"a vendor's subscription":          {smarterpay.Name, false, []string{"by_hand", "from_another"}},
		"one that asks for its echo":       {smarterpay.Name, true, []string{"by_hand", "from_vendor", "from_another"}},
		"one in a dialect that many speak": {"platform", false, []string{"by_hand", "from_vendor", "from_another"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(h.sink.list())
			s := h.subscribe(func(s *carillon.Subscription) {
				s.Dialect, s.Echo, s.Start.Mode = c.dialect, c.echo, carillon.StartBeginning
			})
			h.caughtUp(s)
			var lanes []string
			for _, m := range h.sink.list()[before:] {
				lanes = append(lanes, m.Lane)
			}
			slices.Sort(lanes)
			slices.Sort(c.want)
			if !slices.Equal(lanes, c.want) {
				t.Errorf("it is told of %v, want %v", lanes, c.want)
			}
		})
	}
}
