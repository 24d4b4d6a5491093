package delta_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"carillon/store/sqlstore/delta"
)

// member draws one member of a canonical JSON object.
var member = rapid.Custom(func(t *rapid.T) string {
	name := rapid.SampledFrom([]string{"name", "status", "health", "tags", "customFields", "updatedAt"}).Draw(t, "name")
	return fmt.Sprintf(`,"%s":"%s"`, name, rapid.StringN(0, 40, 200).Draw(t, "value"))
})

// document draws what the log keeps, or anything else.
var document = rapid.OneOf(
	rapid.Map(rapid.SliceOfN(member, 0, 40), func(members []string) []byte {
		return []byte(`{"id":"a"` + strings.Join(members, "") + "}")
	}),
	rapid.SliceOfN(rapid.Byte(), 0, 300),
	rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{`,"`, `"`, "a", "aaaaaaaa", `,"b":1`}), 0, 60), func(parts []string) []byte {
		return []byte(strings.Join(parts, ""))
	}),
)

// edited draws a document and one that was made from it by some edits.
func edited(t *rapid.T) (target, source []byte) {
	source = document.Draw(t, "source")
	target = bytes.Clone(source)
	for range rapid.IntRange(0, 4).Draw(t, "edits") {
		from := rapid.IntRange(0, len(target)).Draw(t, "from")
		to := rapid.IntRange(from, min(len(target), from+50)).Draw(t, "to")
		target = append(bytes.Clone(target[:from]), append(document.Draw(t, "put"), target[to:]...)...)
	}
	return target, source
}

func TestAScriptMakesItsTargetAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		target, source := edited(t)
		if rapid.Bool().Draw(t, "unrelated") {
			target = document.Draw(t, "target")
		}
		script := delta.Append([]byte("kept"), target, source)
		if !bytes.HasPrefix(script, []byte("kept")) {
			t.Fatal("what stood before the script is gone")
		}
		script = script[len("kept"):]
		got, err := delta.Apply(source, script, len(target))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, target) {
			t.Fatalf("made %q, want %q", got, target)
		}
		if bound := len(target) + 16 + len(target)/8; len(script) > bound {
			t.Fatalf("script of %d bytes for a target of %d", len(script), len(target))
		}
	})
}

func TestAScriptThatWasCutOrChangedIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		target, source := edited(t)
		script := delta.Append(nil, target, source)
		for cut := range script {
			if got, err := delta.Apply(source, script[:cut], 1<<20); err == nil {
				t.Fatalf("cut to %d of %d bytes it makes %q", cut, len(script), got)
			}
		}
		if got, err := delta.Apply(source, append(bytes.Clone(script), 0), 1<<20); err == nil {
			t.Fatalf("with a byte more it makes %q", got)
		}
		changed := bytes.Clone(script)
		changed[rapid.IntRange(0, len(script)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		if got, err := delta.Apply(source, changed, 1<<20); err == nil && !bytes.Equal(got, target) {
			t.Fatalf("changed it makes %q, want an error or %q", got, target)
		}
	})
}

func TestAScriptForAnotherDocumentIsRefused(t *testing.T) {
	source := []byte(`{"id":"a","name":"The bell","status":"ACTIVE"}`)
	script := delta.Append(nil, []byte(`{"id":"a","name":"The bell","status":"CHURNED"}`), source)
	for name, other := range map[string][]byte{
		"same length": bytes.Replace(source, []byte("bell"), []byte("gong"), 1),
		"shorter":     source[:20],
		"empty":       nil,
	} {
		if got, err := delta.Apply(other, script, 1<<20); err == nil {
			t.Errorf("%s: it makes %q", name, got)
		}
	}
}

func TestTheResultIsBounded(t *testing.T) {
	target := bytes.Repeat([]byte("0123456789"), 100)
	script := delta.Append(nil, target, target)
	if _, err := delta.Apply(target, script, len(target)); err != nil {
		t.Errorf("at the bound: %v", err)
	}
	for name, limit := range map[string]int{"below": len(target) - 1, "nothing": 0, "negative": -1} {
		if _, err := delta.Apply(target, script, limit); err == nil {
			t.Errorf("%s: it was made", name)
		}
	}
	huge := binary.AppendUvarint(nil, math.MaxUint64)
	if _, err := delta.Apply(target, append(huge, 0, 0, 0, 0), math.MaxInt); err == nil {
		t.Error("a length beyond all bounds was taken")
	}
}

// record is an account of about a kilobyte.
func record(health, updatedAt string, members ...string) []byte {
	return []byte(`{"id":"acc_1","name":"Example Holdings","description":"` + strings.Repeat("Keeps the bells. ", 40) +
		`","status":"ACTIVE","health":"` + health + `","classification":"ENTERPRISE","industry":"Logistics"` +
		strings.Join(members, "") + `,"metadata":{"source":"crm"},"createdAt":"2026-01-01T00:00:00.000Z","updatedAt":"` + updatedAt + `"}`)
}

func TestAnUsualEditIsShort(t *testing.T) {
	before := record("Healthy", "2026-03-01T10:00:00.000Z", `,"website":"https://example.com"`, `,"phone":"+1 555 0100"`)
	for name, c := range map[string]struct {
		after []byte
		limit int
	}{
		"nothing":            {before, 12},
		"one member":         {record("Healthy", "2026-03-02T11:30:01.125Z", `,"website":"https://example.com"`, `,"phone":"+1 555 0100"`), 40},
		"two members":        {record("At Risk", "2026-03-02T11:30:01.125Z", `,"website":"https://example.com"`, `,"phone":"+1 555 0100"`), 50},
		"a member added":     {record("At Risk", "2026-03-02T11:30:01.125Z", `,"website":"https://example.com"`, `,"phone":"+1 555 0100"`, `,"employees":250`), 52},
		"members removed":    {record("Healthy", "2026-03-02T11:30:01.125Z"), 100},
		"members exchanged":  {record("Healthy", "2026-03-02T11:30:01.125Z", `,"phone":"+1 555 0100"`, `,"website":"https://example.com"`), 90},
		"a member in middle": {record("Healthy", "2026-03-02T11:30:01.125Z", `,"website":"https://example.com"`, `,"tags":["a"]`, `,"phone":"+1 555 0100"`), 45},
	} {
		t.Run(name, func(t *testing.T) {
			if script := delta.Append(nil, before, c.after); len(script) > c.limit {
				t.Errorf("script of %d bytes, want at most %d: %q", len(script), c.limit, script)
			}
		})
	}
}

func FuzzApply(f *testing.F) {
	source := []byte(`{"id":"a","name":"The bell","status":"ACTIVE"}`)
	f.Add(source, delta.Append(nil, []byte(`{"id":"a","name":"The gong"}`), source))
	f.Add([]byte{}, []byte{})
	f.Add([]byte("x"), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 1})
	f.Add([]byte("x"), []byte{4, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1})
	f.Fuzz(func(t *testing.T, source, script []byte) {
		const limit = 1 << 16
		got, err := delta.Apply(source, script, limit)
		if err == nil && len(got) > limit {
			t.Fatalf("made %d bytes", len(got))
		}
	})
}

func FuzzAppend(f *testing.F) {
	f.Add([]byte(`{"id":"a","name":"b"}`), []byte(`{"id":"a","name":"c","x":1}`))
	f.Fuzz(func(t *testing.T, target, source []byte) {
		got, err := delta.Apply(source, delta.Append(nil, target, source), len(target))
		if err != nil || !bytes.Equal(got, target) {
			t.Fatalf("made %q, %v; want %q", got, err, target)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	before, after := record("Healthy", "2026-03-01T10:00:00.000Z"), record("At Risk", "2026-03-02T11:30:01.125Z")
	var script []byte
	b.ReportAllocs()
	for b.Loop() {
		script = delta.Append(script[:0], before, after)
	}
}

func BenchmarkApply(b *testing.B) {
	before, after := record("Healthy", "2026-03-01T10:00:00.000Z"), record("At Risk", "2026-03-02T11:30:01.125Z")
	script := delta.Append(nil, before, after)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := delta.Apply(after, script, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}
