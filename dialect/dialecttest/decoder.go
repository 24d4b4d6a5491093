package dialecttest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect"
)

// DecoderFixtures are what the suite needs to know of a decoder.
type DecoderFixtures struct {
	// Connection is what requests come through; nil for one that chooses nothing.
	Connection *carillon.Connection
	// Settings are those of the subscription that tells what is then read; nil for none.
	Settings json.RawMessage
	// Kinds are those whose records the decoder reads out of what the dialect tells; nil for all.
	Kinds []carillon.Kind
	// Generated are the members of a message that are made anew by every house (ids and times) and so need not come
	// back: JSON Pointers in which * stands for any name or index: "/payload/*/createdAt".
	Generated []string
	// Deletion is how a deletion is read; Gone if empty.
	Deletion dialect.StatementSort
	// Prepare makes a random creation, update or deletion one of those that the house can have; nil if it need not. It may
	// change the states, but must not spare the decoder what the dialect does tell.
	Prepare func(t *rapid.T, c *carillon.Change)
	// Requests are what the vendor really sends: its own samples.
	Requests []dialect.Request
	// Growth is how many bytes a decoder may give for each that it was given; 16 if 0.
	Growth int
}

// decoderSuite is one run.
type decoderSuite struct {
	dialect.Decoder
	DecoderFixtures
	settings dialect.Settings
	reading  dialect.Reading
}

func newDecoderSuite(t testing.TB, d dialect.Decoder, f DecoderFixtures) *decoderSuite {
	t.Helper()
	if f.Connection == nil {
		f.Connection = &carillon.Connection{ID: "con_1", Org: "dev", Dialect: d.Name()}
	}
	if f.Kinds == nil {
		f.Kinds = carillon.Kinds
	}
	if f.Deletion == "" {
		f.Deletion = dialect.Gone
	}
	if f.Growth == 0 {
		f.Growth = 16
	}
	s := &decoderSuite{Decoder: d, DecoderFixtures: f}
	var err error
	if s.settings, err = d.CheckSettings(f.Settings); err != nil {
		t.Fatalf("the fixtures' settings are refused: %v", err)
	}
	if s.reading, err = d.CheckReading(f.Connection); err != nil {
		t.Fatalf("the fixtures' connection is refused: %v", err)
	}
	return s
}

// RunDecoder checks that a decoder keeps the promises of dialect.Decoder, above all that it understands what its own
// dialect tells.
func RunDecoder(t *testing.T, d dialect.Decoder, f DecoderFixtures) {
	t.Helper()
	s := newDecoderSuite(t, d, f)
	t.Run("what is told of a creation and read is told as before", s.testCreations)
	t.Run("an update tells the record as it then is", s.testUpdates)
	t.Run("a deletion is read as one", s.testDeletions)
	t.Run("a request tells the same every time, and another something else", s.testIDs)
	if b, ok := d.(dialect.Batcher); ok {
		t.Run("a batch tells what its events tell", func(t *testing.T) { s.testBatches(t, b) })
	}
	t.Run("what the vendor's samples say is what is told of them", s.testRequests)
	t.Run("hostile values do no harm anywhere", s.testHostile)
	t.Run("what is nested deep is refused, or can be told and read again", s.testDeep)
	t.Run("what the house has nested deep can be told and read again", s.testDeepRecords)
	t.Run("wrong settings are refused", s.testReading)
}

// change draws a change with states as the ledger keeps them.
func (s *decoderSuite) change(t *rapid.T, op carillon.Op) *carillon.Change {
	c := changesOf(s.Kinds, []carillon.Op{op}).Draw(t, "change")
	c.Origin = "api"
	if s.Prepare != nil {
		s.Prepare(t, c)
	}
	for _, state := range []*[]byte{&c.Before, &c.After} {
		if *state == nil {
			continue
		}
		kept := []byte{'{'}
		for i, value := range dialect.ByField(c.Kind, *state) {
			f := carillon.Fields(c.Kind)[i]
			if value = canonical(f, value); value != nil {
				kept = appendMember(kept, f.Name, string(value))
			}
		}
		*state = append(kept, '}')
	}
	return c
}

// tell renders an event; its body is then JSON, whatever a form may have wrapped it in.
func (s *decoderSuite) tell(t require, ev carillon.Event, l dialect.Lookup) (carillon.Message, []byte) {
	t.Helper()
	m, err := dialect.Encode(context.Background(), s.Decoder, ev, s.settings, l)
	if err != nil {
		t.Fatalf("encode %s of %s: %v", ev.Type, ev.Change.Ref, err)
	}
	body, err := dialect.FormPayload(dialect.RequestOf(&m))
	if err != nil {
		t.Fatalf("%s: %v", ev.Type, err)
	}
	return m, body
}

// read decodes a request that must be understood, and checks what it tells.
func (s *decoderSuite) read(t require, r dialect.Request) []dialect.Told {
	t.Helper()
	decoded, err := s.Decode(r, s.reading)
	if err != nil {
		t.Fatalf("decode: %v\n%s", err, r.Body)
	}
	s.check(t, r, decoded)
	return decoded.Events
}

// about gives the one statement that says what became of the record that an event is about.
func about(t require, told dialect.Told, sort dialect.StatementSort, body []byte) dialect.Statement {
	t.Helper()
	var found []dialect.Statement
	for _, statement := range told.Statements {
		if statement.Ref == told.Ref && statement.Sort != dialect.Mention {
			found = append(found, statement)
		}
	}
	if len(found) != 1 || found[0].Sort != sort {
		t.Fatalf("%s of %s: %d statements about it, want one %s: %+v\n%s", told.Type, told.Ref, len(found), sort, told, body)
	}
	return found[0]
}

// created is the change that a statement makes when the house knows nothing of the record yet. It stands in the log where like stands.
func (s *decoderSuite) created(t require, like *carillon.Change, told dialect.Told, statement dialect.Statement) *carillon.Change {
	t.Helper()
	c := *like
	c.Ref, c.Op, c.Version, c.Changed, c.Before = statement.Ref, carillon.OpCreated, 1, nil, nil
	c.Origin = s.Connection.Origin()
	c.Actor = told.Actor
	h := house{at: c.Time, actor: c.Actor}
	if state := like.After; c.Kind == carillon.KindComment {
		h.account = dialect.Unquote(dialect.Member(state, "accountId"))
	}
	c.After = h.create(t, c.Ref, statement.On, statement.Data)
	if c.Extra = nil; !isNull(statement.Extra) {
		c.Extra = append(appendMember([]byte{'{'}, s.Name(), string(statement.Extra)), '}')
	}
	return &c
}

func (s *decoderSuite) testCreations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := s.change(t, carillon.OpCreated)
		l := drawLookup(t, c)
		for i, name := range s.Events(c) {
			m, body := s.tell(t, carillon.Event{Change: c, Index: i, Type: name}, l)
			events := s.read(t, dialect.RequestOf(&m))
			if len(events) != 1 || events[0].Ignored != "" {
				t.Fatalf("%s tells %+v\n%s", name, events, body)
			}
			told := events[0]
			if told.Op != carillon.OpCreated || told.Ref.Kind != c.Kind || told.Ref.Module != c.Module {
				t.Errorf("the creation of %s is read as: %s was %s", c.Ref, told.Ref, told.Op)
			}
			statement := about(t, told, dialect.Whole, body)
			kept := s.created(t, c, told, statement)
			_, again := s.tell(t, carillon.Event{Change: kept, Index: i, Type: name}, l)
			if diff := cmp.Diff(s.blank(t, body), s.blank(t, again)); diff != "" {
				t.Errorf("%s, read and told again (-before +after):\n%s\nbefore %s\nafter  %s", name, diff, body, again)
			}
			s.checkEcho(t, kept, statement, l)
		}
	})
}

// checkEcho holds what was heard against what would be heard of the record that it made: nothing differs.
func (s *decoderSuite) checkEcho(t require, c *carillon.Change, statement dialect.Statement, l dialect.Lookup) {
	t.Helper()
	r := &carillon.Record{
		Org: c.Org, Ref: c.Ref, Number: c.Number, Version: 1, Seq: c.Seq, Lane: c.Lane, Data: c.After, Extra: c.Extra, CreatedAt: c.Time, UpdatedAt: c.Time,
	}
	echo, err := dialect.Echo(context.Background(), s.Decoder, r, s.settings, s.reading, l)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if echo == nil { // of a kind that is read, but not told
		echo = c.After
	}
	heard := []byte{'{'}
	for name, value := range dialect.Members(owned(c.Kind, statement.Data)) {
		n, _ := carillon.FieldNumber(c.Kind, dialect.Unquote(name))
		if carillon.Fields(c.Kind)[n].Default == "" || !isNull(value) { // the house takes such a null for the default
			heard = appendMember(heard, dialect.Unquote(name), string(value))
		}
	}
	if patch := dialect.Difference(c.Kind, append(heard, '}'), echo); patch != nil {
		t.Errorf("%s was told as it is, and yet differs by %s\nheard %s\necho  %s", c.Ref, patch, statement.Data, echo)
	}
}

// owned leaves out the members that the house sets.
func owned(kind carillon.Kind, data []byte) []byte {
	b := []byte{'{'}
	for name, value := range dialect.Members(data) {
		if n, ok := carillon.FieldNumber(kind, dialect.Unquote(name)); ok && !carillon.Fields(kind)[n].ReadOnly {
			b = appendMember(b, dialect.Unquote(name), string(value))
		}
	}
	return append(b, '}')
}

func (s *decoderSuite) testUpdates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := s.change(t, carillon.OpUpdated)
		l := drawLookup(t, c)
		whole := *c
		whole.Op, whole.Before, whole.Changed = carillon.OpCreated, nil, nil
		names := s.Events(&whole)
		if len(names) == 0 {
			return
		}
		m, body := s.tell(t, carillon.Event{Change: &whole, Type: names[0]}, l)
		events := s.read(t, dialect.RequestOf(&m))
		if len(events) != 1 {
			t.Fatalf("%s tells %d events\n%s", names[0], len(events), body)
		}
		want := about(t, events[0], dialect.Whole, body)

		for i, name := range s.Events(c) {
			m, body := s.tell(t, carillon.Event{Change: c, Index: i, Type: name}, l)
			events := s.read(t, dialect.RequestOf(&m))
			if len(events) != 1 || events[0].Ignored != "" || events[0].Op != carillon.OpUpdated {
				t.Fatalf("%s tells %+v\n%s", name, events, body)
			}
			got := about(t, events[0], dialect.Whole, body)
			if got.Ref != want.Ref || got.On != want.On {
				t.Errorf("%s is of %s on %s, its creation of %s on %s", name, got.Ref, got.On, want.Ref, want.On)
			}
			if diff := cmp.Diff(tree(t, owned(c.Kind, want.Data)), tree(t, owned(c.Kind, got.Data))); diff != "" {
				t.Errorf("%s tells another state than a creation would (-creation +update):\n%s\n%s", name, diff, body)
			}
		}
	})
}

func (s *decoderSuite) testDeletions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := s.change(t, carillon.OpDeleted)
		l := drawLookup(t, c)
		for i, name := range s.Events(c) {
			m, body := s.tell(t, carillon.Event{Change: c, Index: i, Type: name}, l)
			events := s.read(t, dialect.RequestOf(&m))
			if len(events) != 1 || events[0].Ignored != "" {
				t.Fatalf("%s tells %+v\n%s", name, events, body)
			}
			if s.Deletion == dialect.Gone && events[0].Op != carillon.OpDeleted {
				t.Errorf("%s is read as: %s was %s", name, events[0].Ref, events[0].Op)
			}
			about(t, events[0], s.Deletion, body)
		}
	})
}

func (s *decoderSuite) testIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type telling struct{ body, kind string }
		known := make(map[string]telling)
		for n := range int64(3) {
			c := s.change(t, rapid.SampledFrom(ops).Draw(t, "op"))
			c.Org, c.Seq, c.Number = "dev", n+1, n+1 // of one log
			l := drawLookup(t, c)
			for i, name := range s.Events(c) {
				m, body := s.tell(t, carillon.Event{Change: c, Index: i, Type: name}, l)
				r := dialect.RequestOf(&m)
				first, second := s.read(t, r), s.read(t, r)
				if !alike(first, second) {
					t.Errorf("%s is read in two ways:\n%s", name, cmp.Diff(first, second))
				}
				for _, told := range first {
					if other, taken := known[told.ID]; taken && (other.body != string(body) || other.kind != told.Type) {
						t.Errorf("%s has the id of another event, %s:\n%s\n%s", told.Type, told.ID, body, other.body)
					}
					known[told.ID] = telling{string(body), told.Type}
				}
			}
		}
	})
}

func (s *decoderSuite) testBatches(t *testing.T, b dialect.Batcher) {
	rapid.Check(t, func(t *rapid.T) {
		var batch []carillon.Event
		var want []dialect.Told
		for seq := range rapid.IntRange(1, 4).Draw(t, "changes") {
			c := s.change(t, rapid.SampledFrom(ops).Draw(t, "op"))
			c.Org, c.Seq = "dev", int64(seq+1)
			for i, name := range s.Events(c) {
				ev := carillon.Event{Change: c, Index: i, Type: name}
				batch = append(batch, ev)
				m, _ := s.tell(t, ev, nothing{})
				want = append(want, s.read(t, dialect.RequestOf(&m))...)
			}
		}
		if len(batch) == 0 {
			return
		}
		m, err := dialect.EncodeBatch(context.Background(), b, batch, s.settings, nothing{})
		if err != nil {
			t.Fatalf("%v", err)
		}
		if got := s.read(t, dialect.RequestOf(&m)); !alike(got, want) {
			t.Errorf("a batch of %d events tells something else (-alone +batch):\n%s", len(batch), cmp.Diff(want, got))
		}
	})
}

// testRequests keeps what the vendor's own samples say, and hears the same of what is kept.
func (s *decoderSuite) testRequests(t *testing.T) {
	for _, r := range s.Requests {
		for _, told := range s.read(t, r) {
			for _, statement := range told.Statements {
				if statement.Sort != dialect.Whole {
					continue
				}
				c := s.created(t, &carillon.Change{Org: "dev", Seq: 1, Number: 1, Time: told.At}, told, statement)
				s.checkEcho(t, c, statement, nothing{})
			}
		}
	}
}

func (s *decoderSuite) testReading(t *testing.T) {
	for _, settings := range []string{`[]`, `"x"`, `1`, `{`, `{"no such setting":1}`, `{"a/b~c":null}`} {
		c := *s.Connection
		c.Settings = json.RawMessage(settings)
		if _, err := s.CheckReading(&c); carillon.ErrorCode(err) != carillon.CodeInvalid {
			t.Errorf("%s: %v, want one of code %s", settings, err, carillon.CodeInvalid)
		} else if !strings.Contains(err.Error(), "/settings") {
			t.Errorf("%s: %v does not name a member below /settings", settings, err)
		}
	}
}

// fixed is what a decoder may give beside what grows with the request.
const fixed = 8192

// check holds what a request tells to what must be so whatever the request is.
func (s *decoderSuite) check(t require, r dialect.Request, decoded dialect.Decoded) {
	t.Helper()
	size := 0
	for _, note := range decoded.Mended {
		size += len(note)
	}
	for _, told := range decoded.Events {
		size += len(told.ID) + len(told.Type) + len(told.Ignored) + len(told.Actor.ID) + len(told.Actor.Type) + len(told.Actor.Email)
		if told.ID == "" {
			t.Errorf("%s has no id\n%s", told.Type, abridged(r.Body))
		}
		switch {
		case told.Ignored != "" && len(told.Statements) > 0:
			t.Errorf("%s is ignored (%s), and yet says %d things", told.Type, told.Ignored, len(told.Statements))
		case told.Err != nil && (told.Ignored != "" || len(told.Statements) > 0):
			t.Errorf("%s cannot be read (%v), and yet says something", told.Type, told.Err)
		case told.Ignored == "" && told.Err == nil && len(told.Statements) == 0:
			t.Errorf("%s says nothing, and yet is not ignored", told.Type)
		case told.Ignored == "" && told.Err == nil && !slices.Contains(ops, told.Op):
			t.Errorf("%s has the op %q", told.Type, told.Op)
		}
		for _, statement := range told.Statements {
			size += len(statement.ID) + len(statement.Module) + len(statement.On.ID) + len(statement.Data) + len(statement.Extra)
			s.checkStatement(t, statement)
		}
	}
	if limit := s.Growth*len(r.Body) + fixed; size > limit {
		t.Errorf("%d bytes make %d, want at most %d\n%s", len(r.Body), size, limit, abridged(r.Body))
	}
}

func (s *decoderSuite) checkStatement(t require, statement dialect.Statement) {
	t.Helper()
	if !statement.Kind.Valid() || !carillon.ValidID(statement.ID) {
		t.Errorf("%q does not name a record", statement.Ref)
		return
	}
	if custom := statement.Kind == carillon.KindCustom; custom && !carillon.ValidID(statement.Module) || !custom && statement.Module != "" {
		t.Errorf("%s is of module %q", statement.Ref, statement.Module)
	}
	switch statement.Sort {
	case dialect.Gone:
		return
	case dialect.Whole, dialect.Mention:
	default:
		t.Errorf("%s: %q is no sort of statement", statement.Ref, statement.Sort)
	}
	switch on := statement.On; {
	case on == carillon.Ref{}: // no comment, or the vendor does not say: a house that knows the comment knows it
	case statement.Kind != carillon.KindComment:
		t.Errorf("%s is on %s, but no comment", statement.Ref, on)
	case !on.Kind.Commentable() || !carillon.ValidID(on.ID):
		t.Errorf("%s is on %s", statement.Ref, on)
	}
	checkData(t, statement.Kind, statement.Data)
	if statement.Extra != nil && !jsontext.Value(statement.Extra).IsValid() {
		t.Errorf("%s: extra is not JSON: %s", statement.Ref, abridged(statement.Extra))
	}
}

func abridged(body []byte) []byte { return body[:min(len(body), 1000)] }

// blank gives a body as a tree in which what is generated is blank.
func (s *decoderSuite) blank(t require, body []byte) any {
	t.Helper()
	root := tree(t, body)
	for _, pointer := range s.Generated {
		root = blankAt(root, strings.Split(pointer, "/")[1:])
	}
	return root
}

func tree(t require, body []byte) any {
	t.Helper()
	var root any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&root); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return root
}

const generated = "(generated)"

func blankAt(node any, path []string) any {
	if len(path) == 0 {
		return generated
	}
	switch of := node.(type) {
	case map[string]any:
		for name, value := range of {
			if path[0] == "*" || path[0] == name {
				of[name] = blankAt(value, path[1:])
			}
		}
	case []any:
		for i, value := range of {
			if path[0] == "*" || path[0] == strconv.Itoa(i) {
				of[i] = blankAt(value, path[1:])
			}
		}
	}
	return node
}

// alike reports whether two decoders' answers say the same.
func alike[T any](a, b T) bool {
	// cmp goes through texts byte by byte, which takes a hundred times as long.
	return reflect.DeepEqual(a, b) || cmp.Equal(a, b, cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) }))
}
