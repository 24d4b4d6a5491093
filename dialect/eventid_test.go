package dialect_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/dialect"
)

// These ids are in receivers' databases. A change here is a change of every id ever sent.
func TestEventIDsNeverChange(t *testing.T) {
	at := time.Date(2024, 5, 6, 7, 8, 9, 123e6, time.UTC)
	for want, c := range map[string]struct {
		change carillon.Change
		index  int
	}{
		"evt_xwk0x6n30000000000002000":  {carillon.Change{Org: "dev", Seq: 1, Origin: ""}, 0},
		"evt_xwk0x6n30000000000002001":  {carillon.Change{Org: "dev", Seq: 1, Origin: ""}, 1},
		"evt_g8nk7bc700000007bf6ha007":  {carillon.Change{Org: "acme", Seq: 123456789, Origin: "api"}, 7},
		"snap_g8nk7bc700000007bf6ha000": {carillon.Change{Org: "acme", Seq: 123456789, Origin: "snapshot"}, 0},
		"test_g8nk7bc7000033tcqcw26000": {carillon.Change{Org: "acme", Seq: 0, Origin: "sample"}, 0},
	} {
		c.change.Time = at
		if got := dialect.EventID(&c.change, c.index); got != want {
			t.Errorf("EventID(org %s, seq %d, index %d, origin %q) = %s, want %s",
				c.change.Org, c.change.Seq, c.index, c.change.Origin, got, want)
		}
	}
}

func TestEventIDsOfAnOrgSortBySeqAndIndex(t *testing.T) {
	var ids []string
	for _, seq := range []int64{1, 2, 31, 32, 33, 1 << 20, 1 << 40, math.MaxInt64} {
		for _, index := range []int{0, 1, 7, 32, math.MaxUint16} {
			ids = append(ids, dialect.EventID(&carillon.Change{Org: "dev", Seq: seq}, index))
		}
	}
	if !slices.IsSorted(ids) {
		t.Errorf("not sorted: %v", ids)
	}
	if distinct := len(slices.Compact(slices.Clone(ids))); distinct != len(ids) {
		t.Errorf("%d distinct ids of %d", distinct, len(ids))
	}
}

func TestParseEventIDGivesBackSeqAndIndex(t *testing.T) {
	for _, seq := range []int64{1, 42, 1 << 33, math.MaxInt64} {
		for _, index := range []int{0, 3, math.MaxUint16} {
			id := dialect.EventID(&carillon.Change{Org: "dev", Seq: seq}, index)
			if s, i, ok := dialect.ParseEventID(id); !ok || s != seq || i != index {
				t.Errorf("ParseEventID(%s) = %d, %d, %t; want %d, %d, true", id, s, i, ok, seq, index)
			}
		}
	}
}

func TestIDsOfSnapshotsAndSamplesAreNotOfTheLog(t *testing.T) {
	c := carillon.Change{Org: "dev", Seq: 7, Time: time.UnixMilli(1700000000000)}
	logged := dialect.EventID(&c, 0)
	for _, origin := range []string{dialect.OriginSnapshot, dialect.OriginSample} {
		c.Origin = origin
		id := dialect.EventID(&c, 0)
		if id == logged {
			t.Errorf("%s: the same id as the log's, %s", origin, id)
		}
		if _, _, ok := dialect.ParseEventID(id); ok {
			t.Errorf("%s: ParseEventID takes %s for one of the log", origin, id)
		}
	}
}

func TestParseEventIDRefusesWhatEventIDNeverMakes(t *testing.T) {
	good := dialect.EventID(&carillon.Change{Org: "dev", Seq: 7}, 0)
	for name, id := range map[string]string{
		"empty":             "",
		"prefix only":       "evt_",
		"another prefix":    "bat_" + good[4:],
		"too short":         good[:len(good)-1],
		"too long":          good + "0",
		"upper case":        "evt_" + strings.ToUpper(good[4:]),
		"a letter left out": "evt_" + strings.Repeat("u", 24),
		"line breaks":       good[:len(good)-1] + "\n",
		"seq zero":          dialect.EventID(&carillon.Change{Org: "dev"}, 0),
		"seq below zero":    dialect.EventID(&carillon.Change{Org: "dev", Seq: -1}, 0),
	} {
		t.Run(name, func(t *testing.T) {
			if seq, index, ok := dialect.ParseEventID(id); ok {
				t.Errorf("ParseEventID(%q) = %d, %d", id, seq, index)
			}
		})
	}
}

func TestBatchIDsDependOnEventsAndOrder(t *testing.T) {
	ab, ba := dialect.BatchID([]string{"a", "b"}), dialect.BatchID([]string{"b", "a"})
	if ab == ba {
		t.Error("the order of events does not matter")
	}
	if ab == dialect.BatchID([]string{"ab"}) || ab == dialect.BatchID([]string{"a"}) {
		t.Error("other events give the same id")
	}
	if want := "bat_j48pkqday53azx9syp62dh49"; ab != want {
		t.Errorf("BatchID(a, b) = %s, want %s", ab, want)
	}
}

func FuzzParseEventID(f *testing.F) {
	f.Add(dialect.EventID(&carillon.Change{Org: "dev", Seq: 7}, 3))
	f.Add("evt_zzzzzzzzzzzzzzzzzzzzzzzz")
	f.Fuzz(func(t *testing.T, id string) {
		seq, index, ok := dialect.ParseEventID(id)
		if !ok {
			return
		}
		again := dialect.EventID(&carillon.Change{Org: "dev", Seq: seq}, index)
		if again[len("evt_")+8:] != id[len("evt_")+8:] {
			t.Errorf("%s parses to seq %d, index %d, which make %s", id, seq, index, again)
		}
	})
}
