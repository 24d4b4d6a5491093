package dialect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/neon"
	"carillon/dialect/smarterpay"
	"carillon/ledger"
	"carillon/store"
	"carillon/store/sqlstore"
	"carillon/vault"
)

// story is what a vendor posts to one house, in this order, and what the house did before.
type story struct {
	decoder  dialect.Decoder
	settings string // of the subscription that tells it again
	chapters []chapter
}

type chapter struct {
	sample string
	before string // a patch that the house makes itself, so that the sample makes a difference
	// apart are the members that are told otherwise than the vendor told them: all of them.
	apart []string
}

var parameters = `"organizationId":"test","customParameters":{"customParameterA":"value","customParameterB":"other value"}`

var stories = map[string]story{
	"a person in Neon": {neon.New(), `{` + parameters + `}`, []chapter{
		{"neon/testdata/create_individual_account.json", ``, []string{"/eventTimestamp"}},
		{"neon/testdata/edit_individual_account.json", `{"website":"https://example.com","billingAddress":{"state":"BC","line2":"Flat 7"}}`, []string{"/eventTimestamp"}},
		{"neon/testdata/delete_account.json", ``, []string{"/eventTimestamp"}},
	}},
	"an organization in Neon": {neon.New(), `{` + parameters + `}`, []chapter{
		{"neon/testdata/create_organization_account.json", ``, []string{"/event", "/eventTimestamp", "/eventTrigger"}},
		{"neon/testdata/edit_organization_account.json", `{"name":"Guild","phone":"0155","billingAddress":null}`, []string{"/event", "/eventTimestamp", "/eventTrigger"}},
	}},
	"SmarterPay, April 2024": {smarterpay.New(), ``, []chapter{{
		"smarterpay/testdata/record_creation.webhook.json", ``, []string{"/events/0/event_id", "/id", "/idempotency_key", "/sent_at"},
	}}},
	"SmarterPay, November 2024": {smarterpay.New(), ``, []chapter{{
		"smarterpay/testdata/record_creation.webhook.2024-11.json", ``, []string{"/events/0/event_id", "/id", "/idempotency_key", "/sent_at"},
	}}},
}

// What a vendor posts is applied to a real ledger and told again: the same JSON, but for what is listed.
func TestRoundTrips(t *testing.T) {
	for name, s := range stories {
		t.Run(name, func(t *testing.T) {
			h := openHouse(t, s.decoder)
			settings, err := s.decoder.CheckSettings(json.RawMessage(s.settings))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range s.chapters {
				body, err := os.ReadFile(c.sample)
				if err != nil {
					t.Fatal(err)
				}
				decoded, err := s.decoder.Decode(dialect.Request{
					ContentType: "application/json", Header: func(string) string { return "" },
					// As the vendor's page has it: testdata adds a comma.
					Body: bytes.Replace(body, []byte("},\n         \"consentInformation\""), []byte("}\n         \"consentInformation\""), 1),
				}, h.reading)
				if err != nil {
					t.Fatal(err)
				}
				told := decoded.Events[0]
				if c.before != "" {
					h.apply("api", carillon.Actor{ID: "usr_1"}, ledger.Write{Op: ledger.Patch, Ref: told.Ref, Data: []byte(c.before)})
				}
				change := h.hear(told)
				m, err := dialect.Encode(t.Context(), s.decoder, carillon.Event{Change: change, Type: s.decoder.Events(change)[0]}, settings, store.Past{Log: h.store})
				if err != nil {
					t.Fatal(err)
				}
				if got := differences(tree(t, body), tree(t, m.Body)); !slices.Equal(got, c.apart) {
					t.Errorf("%s: told otherwise are %q, want %q\n%s", c.sample, got, c.apart, m.Body)
				}
			}
		})
	}
}

// The documentation lists what is told otherwise, and nothing else.
func TestTheDocumentationListsWhatIsToldOtherwise(t *testing.T) {
	page, err := os.ReadFile("../docs/dialects.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]bool{}
	for _, s := range stories {
		for _, c := range s.chapters {
			for _, pointer := range c.apart {
				if want[s.decoder.Name()] == nil {
					want[s.decoder.Name()] = map[string]bool{}
				}
				want[s.decoder.Name()][pointer[strings.LastIndexByte(pointer, '/')+1:]] = true
			}
		}
	}
	row := regexp.MustCompile("(?m)^\\| `([A-Za-z_]+)` \\|")
	for dialect, members := range want {
		_, section, _ := strings.Cut(string(page), "\n## "+dialect+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		_, section, found := strings.Cut(section, "\n**Round trip.**")
		section, _, _ = strings.Cut(section, "\n\n**")
		listed := map[string]bool{}
		for _, match := range row.FindAllStringSubmatch(section, -1) {
			listed[match[1]] = true
		}
		if !found || !maps.Equal(listed, members) {
			t.Errorf("%s: listed are %q, told otherwise %q", dialect, slices.Sorted(maps.Keys(listed)), slices.Sorted(maps.Keys(members)))
		}
	}
}

// house is a running ledger and a connection of a vendor's.
type house struct {
	testing.TB
	*ledger.Ledger
	store      store.Store
	decoder    dialect.Decoder
	connection *carillon.Connection
	reading    dialect.Reading
}

func openHouse(t *testing.T, d dialect.Decoder) *house {
	t.Helper()
	dir := t.TempDir()
	v, err := vault.Open(filepath.Join(dir, "keyset.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.OpenSQLite(t.Context(), sqlstore.Options{Path: filepath.Join(dir, "carillon.db"), Sealer: v, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.New(ledger.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	h := &house{TB: t, Ledger: l, store: s, decoder: d, connection: &carillon.Connection{ID: "con_1", Org: "org_1", Dialect: d.Name()}}
	if h.reading, err = d.CheckReading(h.connection); err != nil {
		t.Fatal(err)
	}
	return h
}

// apply does one write and gives the change that it makes.
func (h *house) apply(origin string, actor carillon.Actor, w ledger.Write) *carillon.Change {
	h.Helper()
	result, err := h.Apply(h.Context(), ledger.Entry{Org: h.connection.Org, Actor: actor, Origin: origin, Writes: []ledger.Write{w}})
	if err != nil {
		h.Fatal(err)
	}
	seq := result.Outcomes[0].Seq
	if seq == 0 {
		h.Fatalf("%s of %s makes no change", w.Op, w.Ref)
	}
	changes, err := h.store.Changes(h.Context(), h.connection.Org, store.LogQuery{Ref: &w.Ref, Until: seq, Limit: 1, Descending: true})
	if err != nil {
		h.Fatal(err)
	}
	return changes[0]
}

// hear does what an event says, as the intake does.
func (h *house) hear(told dialect.Told) *carillon.Change {
	h.Helper()
	s := told.Statements[0]
	w := ledger.Write{Op: ledger.Delete, Ref: s.Ref, Extra: map[string][]byte{h.decoder.Name(): s.Extra}}
	if s.Sort == dialect.Whole {
		record, err := h.store.Record(h.Context(), h.connection.Org, s.Ref)
		switch {
		case carillon.IsNotFound(err):
			w.Op, w.Data = ledger.Create, known(s.Data)
		case err != nil:
			h.Fatal(err)
		default:
			settings, err := h.decoder.CheckSettings(nil)
			if err != nil {
				h.Fatal(err)
			}
			echo, err := dialect.Echo(h.Context(), h.decoder, record, settings, h.reading, store.Past{Log: h.store})
			if err != nil {
				h.Fatal(err)
			}
			w.Op, w.Data = ledger.Patch, dialect.Difference(s.Kind, s.Data, echo)
		}
	}
	actor := told.Actor
	if actor == (carillon.Actor{}) {
		actor = carillon.Actor{ID: h.connection.ID, Type: "connection"}
	}
	return h.apply(h.connection.Origin(), actor, w)
}

// known leaves out the members that are null.
func known(data []byte) []byte {
	members := map[string]json.RawMessage{}
	for name, value := range dialect.Members(data) {
		if string(value) != "null" {
			members[dialect.Unquote(name)] = value
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return text
}

func tree(t *testing.T, body []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var root any
	if err := d.Decode(&root); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return root
}

// differences are JSON Pointers to what two trees do not have in common, sorted.
func differences(a, b any) []string {
	var list []string
	var walk func(at string, a, b any)
	walk = func(at string, a, b any) {
		switch a := a.(type) {
		case map[string]any:
			if b, ok := b.(map[string]any); ok {
				for name := range a {
					if _, ok := b[name]; !ok {
						list = append(list, at+"/"+name)
						continue
					}
					walk(at+"/"+name, a[name], b[name])
				}
				for name := range b {
					if _, ok := a[name]; !ok {
						list = append(list, at+"/"+name)
					}
				}
				return
			}
		case []any:
			if b, ok := b.([]any); ok && len(a) == len(b) {
				for i := range a {
					walk(at+"/"+strconv.Itoa(i), a[i], b[i])
				}
				return
			}
		default:
			if a == b {
				return
			}
		}
		list = append(list, at)
	}
	walk("", a, b)
	slices.Sort(list)
	return list
}
