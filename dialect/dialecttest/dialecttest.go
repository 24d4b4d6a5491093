package dialecttest

import (
	"bytes"
	"context"
	"encoding/json"
	"mime"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect"
)

// Fixtures are what the suite needs to know of a dialect.
type Fixtures struct {
	// Changes bring out every event type of the dialect. They differ in org, seq or time, so that their events' ids differ.
	Changes []*carillon.Change
	// Settings are ones that the dialect accepts; nil if it needs none.
	Settings json.RawMessage
	// EventsAllocate leaves out the check that Events takes no memory for Changes.
	EventsAllocate bool
}

// suite is one run.
type suite struct {
	dialect.Dialect
	Fixtures
	settings dialect.Settings
	schemas  map[string]*jsonschema.Schema // by the name of the type
}

// Run checks that a dialect keeps the promises of package dialect.
func Run(t *testing.T, d dialect.Dialect, f Fixtures) {
	t.Helper()
	if len(f.Changes) == 0 {
		t.Fatal("no changes to test with")
	}
	settings, err := d.CheckSettings(f.Settings)
	if err != nil {
		t.Fatalf("the fixtures' settings are refused: %v", err)
	}
	s := &suite{Dialect: d, Fixtures: f, settings: settings, schemas: compileSchemas(t, d)}

	t.Run("the catalogue describes every type", s.testCatalogue)
	t.Run("every type is told", s.testEveryTypeIsTold)
	t.Run("events are of the catalogue", s.testEventsAreOfTheCatalogue)
	t.Run("naming events takes no memory", s.testEventsDoNotAllocate)
	t.Run("a message says what it tells", s.testMessages)
	t.Run("ids are stable and distinct", s.testIDs)
	t.Run("the same event gives the same bytes", s.testDeterminism)
	t.Run("bodies and changes share no memory", s.testAliasing)
	t.Run("bodies hold to their schema", s.testSchemas)
	t.Run("random changes hold as well", s.testRandomChanges)
	t.Run("odd changes do no harm", s.testOddChanges)
	t.Run("wrong settings are refused", s.testSettings)
	if b, ok := d.(dialect.Batcher); ok {
		t.Run("a batch tells its events as one", func(t *testing.T) { s.testBatches(t, b) })
	}
}

func compileSchemas(t *testing.T, d dialect.Dialect) map[string]*jsonschema.Schema {
	t.Helper()
	schemas := make(map[string]*jsonschema.Schema)
	for _, typ := range d.Types() {
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(typ.Schema))
		if err != nil {
			t.Fatalf("the schema of %s is not JSON: %v", typ.Name, err)
		}
		c := jsonschema.NewCompiler()
		c.DefaultDraft(jsonschema.Draft2020)
		c.AssertFormat()
		const url = "https://example.com/schema.json"
		if err := c.AddResource(url, document); err != nil {
			t.Fatalf("the schema of %s: %v", typ.Name, err)
		}
		if schemas[typ.Name], err = c.Compile(url); err != nil {
			t.Fatalf("the schema of %s: %v", typ.Name, err)
		}
	}
	return schemas
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// typeOf finds an event's entry in the catalogue: by its name, or by one with placeholders in braces.
func (s *suite) typeOf(event string) (dialect.Type, bool) {
	for _, typ := range s.Types() {
		if typ.Name == event {
			return typ, true
		}
		if placeholder.MatchString(typ.Name) {
			parts := placeholder.Split(typ.Name, -1)
			for i, part := range parts {
				parts[i] = regexp.QuoteMeta(part)
			}
			if regexp.MustCompile(`^` + strings.Join(parts, `.+`) + `$`).MatchString(event) {
				return typ, true
			}
		}
	}
	return dialect.Type{}, false
}

// events are those of the fixtures.
func (s *suite) events() []carillon.Event {
	var list []carillon.Event
	for _, c := range s.Changes {
		for i, name := range s.Events(c) {
			list = append(list, carillon.Event{Change: c, Index: i, Type: name})
		}
	}
	return list
}

func (s *suite) encode(t require, ev carillon.Event) carillon.Message {
	t.Helper()
	m, err := s.Encode(ev, s.settings)
	if err != nil {
		t.Fatalf("encode %s of %s: %v", ev.Type, ev.Change.Ref, err)
	}
	return m
}

// require is what a check needs of a test, be it a plain one or one of rapid's.
type require interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func (s *suite) testCatalogue(t *testing.T) {
	seen := make(map[string]bool)
	for _, typ := range s.Types() {
		if typ.Name == "" || seen[typ.Name] {
			t.Errorf("%q is listed twice or has no name", typ.Name)
		}
		seen[typ.Name] = true
		if !typ.Kind.Valid() {
			t.Errorf("%s: %q is not a kind", typ.Name, typ.Kind)
		}
		if !strings.HasSuffix(typ.Description, ".") {
			t.Errorf("%s: the description is not a sentence: %q", typ.Name, typ.Description)
		}
	}
}

func (s *suite) testEveryTypeIsTold(t *testing.T) {
	told := make(map[string]bool)
	for _, ev := range s.events() {
		if typ, ok := s.typeOf(ev.Type); ok {
			told[typ.Name] = true
		}
	}
	for _, typ := range s.Types() {
		if !told[typ.Name] {
			t.Errorf("no fixture tells %s", typ.Name)
		}
	}
}

func (s *suite) testEventsAreOfTheCatalogue(t *testing.T) {
	for _, ev := range s.events() {
		if typ, ok := s.typeOf(ev.Type); !ok {
			t.Errorf("%s is not in the catalogue", ev.Type)
		} else if typ.Kind != ev.Change.Kind {
			t.Errorf("%s is of %s in the catalogue, and told of %s", ev.Type, typ.Kind, ev.Change.Kind)
		}
	}
}

func (s *suite) testEventsDoNotAllocate(t *testing.T) {
	if s.EventsAllocate {
		t.Skip("this dialect makes names as it goes")
	}
	for _, c := range s.Changes {
		s.Events(c) // once, for what is made at first use
		if n := testing.AllocsPerRun(10, func() { s.Events(c) }); n > 0 {
			t.Errorf("Events of %s %s allocates %v times", c.Ref, c.Op, n)
		}
	}
}

func (s *suite) testMessages(t *testing.T) {
	for _, ev := range s.events() {
		m := s.encode(t, ev)
		c := ev.Change
		if m.Type != ev.Type || m.Seq != c.Seq || m.Lane != c.Lane || !m.Time.Equal(c.Time) {
			t.Errorf("%s: the message is %s, seq %d, lane %s, time %s; the change's seq is %d, lane %s, time %s",
				ev.Type, m.Type, m.Seq, m.Lane, m.Time, c.Seq, c.Lane, c.Time)
		}
		if _, _, err := mime.ParseMediaType(m.ContentType); err != nil {
			t.Errorf("%s: content type %q: %v", ev.Type, m.ContentType, err)
		}
		if len(m.Body) == 0 {
			t.Errorf("%s: the body is empty", ev.Type)
		}
		names := make(map[string]bool)
		for _, a := range m.Attributes {
			if a.Name == "" || a.Value == "" || names[a.Name] {
				t.Errorf("%s: attribute %q with value %q is empty or given twice", ev.Type, a.Name, a.Value)
			}
			names[a.Name] = true
		}
	}
}

func (s *suite) testIDs(t *testing.T) {
	owner := make(map[string]string)
	for _, ev := range s.events() {
		m := s.encode(t, ev)
		if want := dialect.EventID(ev.Change, ev.Index); m.ID != want {
			t.Errorf("%s: id %s, want %s", ev.Type, m.ID, want)
		}
		if other, taken := owner[m.ID]; taken {
			t.Errorf("%s has the id of %s, %s", ev.Type, other, m.ID)
		}
		owner[m.ID] = ev.Type
	}
}

func (s *suite) testDeterminism(t *testing.T) {
	events := s.events()
	var want []carillon.Message
	for _, ev := range events {
		want = append(want, s.encode(t, ev))
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for i, ev := range events {
				if names := s.Events(ev.Change); names[ev.Index] != ev.Type {
					t.Errorf("event %d of %s is %s, then %s", ev.Index, ev.Change.Ref, ev.Type, names[ev.Index])
				}
				got, err := s.Encode(carillon.Event{Change: copyOf(ev.Change), Index: ev.Index, Type: ev.Type}, s.settings)
				if err != nil {
					t.Errorf("%s: %v", ev.Type, err)
				} else if !reflect.DeepEqual(want[i], got) {
					t.Errorf("%s is told in two ways:\n%s", ev.Type, cmp.Diff(want[i], got))
				}
			}
		})
	}
	wait.Wait()
}

func (s *suite) testAliasing(t *testing.T) {
	for _, ev := range s.events() {
		ev.Change = copyOf(ev.Change)
		kept := copyOf(ev.Change)
		m := s.encode(t, ev)
		if !reflect.DeepEqual(ev.Change, kept) {
			t.Errorf("%s: encoding changes the change", ev.Type)
		}
		body := slices.Clone(m.Body)
		for _, state := range [][]byte{ev.Change.Before, ev.Change.After, ev.Change.Extra} {
			clear(state)
		}
		if !bytes.Equal(m.Body, body) {
			t.Errorf("%s: the body is made of the change's memory", ev.Type)
		}
	}
}

// check holds a message against the schema of its type.
func (s *suite) check(t require, m carillon.Message) {
	t.Helper()
	if media, _, _ := mime.ParseMediaType(m.ContentType); !strings.HasSuffix(media, "json") {
		return
	}
	typ, ok := s.typeOf(m.Type)
	if !ok {
		t.Fatalf("%s is not in the catalogue", m.Type)
	}
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Body))
	if err != nil {
		t.Fatalf("%s: the body is not JSON: %v\n%s", m.Type, err, m.Body)
	}
	if err := s.schemas[typ.Name].Validate(body); err != nil {
		t.Errorf("%s: %v\n%s", m.Type, err, m.Body)
	}
}

func (s *suite) testSchemas(t *testing.T) {
	for _, ev := range s.events() {
		s.check(t, s.encode(t, ev))
	}
}

func (s *suite) testRandomChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Changes().Draw(t, "change")
		for i, name := range s.Events(c) {
			m := s.encode(t, carillon.Event{Change: c, Index: i, Type: name})
			if m.ID != dialect.EventID(c, i) {
				t.Errorf("%s: id %s", name, m.ID)
			}
			s.check(t, m)
			if a, ok := s.Dialect.(dialect.Associating); ok {
				s.checkLookups(t, a, carillon.Event{Change: c, Index: i, Type: name}, m)
			}
		}
	})
}

// checkLookups holds what a dialect makes of a log, whatever it says, to the same promises.
func (s *suite) checkLookups(t *rapid.T, a dialect.Associating, ev carillon.Event, plain carillon.Message) {
	for _, l := range []dialect.Lookup{nothing{}, drawLookup(t, ev.Change)} {
		m, err := a.EncodeWith(context.Background(), ev, s.settings, l)
		if err != nil {
			t.Fatalf("%s with lookups: %v", ev.Type, err)
		}
		if m.ID != plain.ID || m.Seq != plain.Seq || m.Lane != plain.Lane || !m.Time.Equal(plain.Time) || m.Type != plain.Type {
			t.Errorf("%s with lookups is %s, seq %d, lane %s; without %s, seq %d, lane %s", ev.Type, m.ID, m.Seq, m.Lane, plain.ID, plain.Seq, plain.Lane)
		}
		s.check(t, m)
		again, err := a.EncodeWith(context.Background(), ev, s.settings, l)
		if err != nil || !bytes.Equal(again.Body, m.Body) {
			t.Errorf("%s: the same log gives two bodies, %v", ev.Type, err)
		}
	}
}

// testOddChanges asks for no more than that a dialect neither panics nor tells an event that its catalogue lacks.
func (s *suite) testOddChanges(t *testing.T) {
	for _, fixture := range s.Changes {
		for name, spoil := range map[string]func(c *carillon.Change){
			"no states":       func(c *carillon.Change) { c.Before, c.After = nil, nil },
			"no before":       func(c *carillon.Change) { c.Before = nil },
			"no after":        func(c *carillon.Change) { c.After = nil },
			"swapped":         func(c *carillon.Change) { c.Before, c.After = c.After, c.Before },
			"empty objects":   func(c *carillon.Change) { c.Before, c.After = []byte("{}"), []byte("{}") },
			"not objects":     func(c *carillon.Change) { c.Before, c.After = []byte("[1]"), []byte("null") },
			"cut states":      func(c *carillon.Change) { c.Before, c.After = c.Before[:len(c.Before)/2], c.After[:len(c.After)/2] },
			"not UTF-8":       func(c *carillon.Change) { c.Before, c.After = []byte("{\"a\xff\":\"\xff\"}"), []byte("\xff") },
			"broken extra":    func(c *carillon.Change) { c.Extra = []byte(`{"`) },
			"no actor":        func(c *carillon.Change) { c.Actor = carillon.Actor{} },
			"no names":        func(c *carillon.Change) { c.Org, c.ID, c.Module, c.Lane = "", "", "", "" },
			"unknown kind":    func(c *carillon.Change) { c.Kind = "planet" },
			"unknown op":      func(c *carillon.Change) { c.Op = "exploded" },
			"update":          func(c *carillon.Change) { c.Op = carillon.OpUpdated },
			"creation":        func(c *carillon.Change) { c.Op = carillon.OpCreated },
			"deletion":        func(c *carillon.Change) { c.Op = carillon.OpDeleted },
			"unknown members": func(c *carillon.Change) { c.Changed = oddMembers },
			"no members":      func(c *carillon.Change) { c.Changed = nil },
		} {
			c := copyOf(fixture)
			spoil(c)
			for i, event := range s.Events(c) {
				if _, ok := s.typeOf(event); !ok && c.Module == fixture.Module {
					t.Errorf("%s: %s is not in the catalogue", name, event)
				}
				_, _ = s.Encode(carillon.Event{Change: c, Index: i, Type: event}, s.settings) // may fail, must not panic
			}
			_, _ = s.Encode(carillon.Event{Change: c, Index: -1, Type: "no event"}, s.settings)
			_, _ = s.Encode(carillon.Event{Change: c, Index: 1 << 20}, s.settings)
		}
	}
}

var oddMembers = []carillon.MemberChange{
	{Name: "", How: carillon.Added},
	{Name: "no such member", How: carillon.Updated},
	{Name: carillon.CustomFieldsPrefix, How: carillon.Removed},
	{Name: carillon.CustomFieldsPrefix + "gone", How: carillon.Updated},
	{Name: carillon.CustomFieldsPrefix + "\xff\"", How: carillon.Added},
	{Name: "status", How: '?'},
}

func (s *suite) testSettings(t *testing.T) {
	for _, settings := range []string{`[]`, `"x"`, `1`, `{`, `{"no such setting":1}`, `{"a/b~c":null}`} {
		_, err := s.CheckSettings(json.RawMessage(settings))
		if carillon.ErrorCode(err) != carillon.CodeInvalid {
			t.Errorf("%s: %v, want one of code %s", settings, err, carillon.CodeInvalid)
		} else if !strings.Contains(err.Error(), "/settings") {
			t.Errorf("%s: %v does not name a member below /settings", settings, err)
		}
	}
}

func (s *suite) testBatches(t *testing.T, b dialect.Batcher) {
	t.Helper()
	events := s.events()
	ids := make(map[string]bool)
	for size := 1; size <= len(events); size = size*3 + 1 {
		batch := events[:size]
		m, err := b.EncodeBatch(batch, s.settings)
		if err != nil {
			t.Fatalf("%d events: %v", size, err)
		}
		last := batch[size-1].Change
		if m.Seq != last.Seq || !m.Time.Equal(last.Time) || m.Lane != batch[0].Change.Lane {
			t.Errorf("%d events: seq %d, time %s, lane %s", size, m.Seq, m.Time, m.Lane)
		}
		if m.ID == "" || ids[m.ID] {
			t.Errorf("%d events: the id %q is empty or another batch's", size, m.ID)
		}
		ids[m.ID] = true
		again, err := b.EncodeBatch(slices.Clone(batch), s.settings)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(m, again) {
			t.Errorf("%d events are told in two ways:\n%s", size, cmp.Diff(m, again))
		}
	}
	if _, err := b.EncodeBatch(nil, s.settings); err == nil {
		t.Error("a batch of nothing is encoded")
	}
}

// copyOf copies a change with all its memory.
func copyOf(c *carillon.Change) *carillon.Change {
	dup := *c
	dup.Changed = slices.Clone(c.Changed)
	dup.Before, dup.After, dup.Extra = slices.Clone(c.Before), slices.Clone(c.After), slices.Clone(c.Extra)
	return &dup
}
