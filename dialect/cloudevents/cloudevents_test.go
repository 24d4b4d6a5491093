package cloudevents_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"pgregory.net/rapid"

	"carillon"
	"carillon/deliver"
	"carillon/deliver/webhook"
	"carillon/dialect"
	"carillon/dialect/cloudevents"
	"carillon/dialect/dialecttest"
	"carillon/dialect/platform"
	"carillon/sample"
	"carillon/sign"
)

var update = flag.Bool("update", false, "write the golden files anew")

var at = time.Date(2025, 3, 4, 5, 6, 7, 89e6, time.UTC)

// samples has one change per event type, numbered as in a log.
func samples(t testing.TB) []*carillon.Change {
	t.Helper()
	var list []*carillon.Change
	for i, name := range sample.EventTypes() {
		c, ok := sample.Change(name, at, "dev")
		if !ok {
			t.Fatalf("no sample of %s", name)
		}
		c.Seq, c.Origin = int64(i+1), "api"
		list = append(list, c)
	}
	return list
}

func settings(t testing.TB, text string) dialect.Settings {
	t.Helper()
	s, err := cloudevents.New().CheckSettings(json.RawMessage(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func encode(t testing.TB, ev carillon.Event, s dialect.Settings) carillon.Message {
	t.Helper()
	m, err := cloudevents.New().Encode(ev, s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// events are those of the samples.
func events(t testing.TB) []carillon.Event {
	t.Helper()
	var list []carillon.Event
	for _, c := range samples(t) {
		for i, name := range cloudevents.New().Events(c) {
			list = append(list, carillon.Event{Change: c, Index: i, Type: name})
		}
	}
	return list
}

func eventOf(t testing.TB, c *carillon.Change, name string) carillon.Event {
	t.Helper()
	i := slices.Index(cloudevents.New().Events(c), name)
	if i < 0 {
		t.Fatalf("%s is not told of %s", name, c.Ref)
	}
	return carillon.Event{Change: c, Index: i, Type: name}
}

func TestCloudEventsIsADialect(t *testing.T) {
	for name, text := range map[string]string{
		"without settings": ``,
		"with all":         `{"mode":"structured","source":"https://example.com/crm","schemaBase":"https://example.com/"}`,
	} {
		t.Run(name, func(t *testing.T) {
			dialecttest.Run(t, cloudevents.New(), dialecttest.Fixtures{Changes: samples(t), Settings: json.RawMessage(text)})
		})
	}
	t.Run("binary", func(t *testing.T) {
		d := binary{Dialect: cloudevents.New()}
		for _, typ := range d.Dialect.Types() {
			typ.Schema = schemaOfData(typ.Schema)
			d.types = append(d.types, typ)
		}
		dialecttest.Run(t, d, dialecttest.Fixtures{Changes: samples(t), Settings: json.RawMessage(`{"mode":"binary"}`)})
	})
}

// binary is the dialect as it is with binary mode: the body holds to the schema of the data alone.
type binary struct {
	*cloudevents.Dialect
	types []dialect.Type
}

func (b binary) Types() []dialect.Type { return b.types }

func schemaOfData(whole []byte) json.RawMessage {
	var schema struct {
		Properties struct {
			Data map[string]json.RawMessage `json:"data"`
		} `json:"properties"`
		Defs json.RawMessage `json:"$defs"`
	}
	if err := json.Unmarshal(whole, &schema); err != nil {
		panic(err)
	}
	schema.Properties.Data["$defs"] = schema.Defs
	text, err := json.Marshal(schema.Properties.Data)
	if err != nil {
		panic(err)
	}
	return text
}

// check holds what the project's own Go SDK read against the event that was told.
func check(t testing.TB, got *event.Event, ev carillon.Event) {
	t.Helper()
	if err := got.Validate(); err != nil {
		t.Errorf("%s: not valid: %v", ev.Type, err)
	}
	c := ev.Change
	want := map[string]string{
		"specversion":     "1.0",
		"id":              dialect.EventID(c, ev.Index),
		"source":          "/carillon/orgs/dev",
		"type":            ev.Type,
		"subject":         strings.Replace(c.String(), " ", "/", 1),
		"time":            carillon.FormatTime(c.Time),
		"datacontenttype": "application/json",
	}
	for name, told := range map[string]string{
		"specversion": got.SpecVersion(), "id": got.ID(), "source": got.Source(), "type": got.Type(), "subject": got.Subject(),
		"time": carillon.FormatTime(got.Time()), "datacontenttype": got.DataContentType(),
	} {
		if told != want[name] {
			t.Errorf("%s: %s is %q, want %q", ev.Type, name, told, want[name])
		}
	}
	seq, _ := got.Extensions()["sequence"].(string)
	if key := got.Extensions()["partitionkey"]; len(seq) != 19 || strings.TrimLeft(seq, "0") != strconv.FormatInt(c.Seq, 10) || key != c.Lane {
		t.Errorf("%s: sequence %q, partitionkey %q of change %d in lane %s", ev.Type, seq, key, c.Seq, c.Lane)
	}
	if actor := got.Extensions()["actorid"]; actor != c.Actor.ID {
		t.Errorf("%s: actorid %q, want %q", ev.Type, actor, c.Actor.ID)
	}
	var envelope struct{ Payload json.RawMessage }
	m, err := platform.New().Encode(ev, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(m.Body, &envelope); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Data(), envelope.Payload) {
		t.Errorf("%s: the data is\n%s, want the platform's payload\n%s", ev.Type, got.Data(), envelope.Payload)
	}
}

func TestTheSDKReadsStructuredEvents(t *testing.T) {
	for _, ev := range events(t) {
		m := encode(t, ev, settings(t, ``))
		if m.ContentType != event.ApplicationCloudEventsJSON || len(m.Attributes) != 0 {
			t.Errorf("content type %s, attributes %v", m.ContentType, m.Attributes)
		}
		var got event.Event
		if err := json.Unmarshal(m.Body, &got); err != nil {
			t.Fatalf("%s: %v\n%s", ev.Type, err, m.Body)
		}
		check(t, &got, ev)
	}
}

// received posts a message by the webhook sink and reads the request as the SDK does.
func received[T any](t testing.TB, m carillon.Message, read func(*http.Request) (T, error)) T {
	t.Helper()
	var got T
	var failure error
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, failure = read(r) }))
	t.Cleanup(server.Close)
	sender := webhook.New(webhook.Config{AllowPrivate: true})
	t.Cleanup(func() { sender.Close() })
	sink, err := sender.Open(&carillon.Subscription{
		Dialect: cloudevents.Name, Secrets: []string{sign.NewSecret()}, Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: server.URL},
	})
	if err != nil {
		t.Fatal(err)
	}
	if result := sink.Send(t.Context(), &m); result.Verdict != deliver.Taken || failure != nil {
		t.Fatalf("%v, %v", result.Err, failure)
	}
	return got
}

func TestTheSDKReadsBinaryEvents(t *testing.T) {
	list := events(t)
	for _, ev := range []carillon.Event{list[0], list[1], list[len(list)-1]} {
		m := encode(t, ev, settings(t, `{"mode":"binary"}`))
		got := received(t, m, cehttp.NewEventFromHTTPRequest)
		if len(got.Extensions()) != 3 {
			t.Errorf("the extensions are %v", got.Extensions())
		}
		check(t, got, ev)
	}
}

func TestTheSDKReadsBatches(t *testing.T) {
	list := events(t)[:7]
	for _, mode := range []string{``, `{"mode":"binary"}`} {
		m, err := cloudevents.New().EncodeBatch(list, settings(t, mode))
		if err != nil {
			t.Fatal(err)
		}
		if m.Type != cloudevents.BatchType || m.ContentType != event.ApplicationCloudEventsBatchJSON {
			t.Errorf("type %s, content type %s", m.Type, m.ContentType)
		}
		got := received(t, m, cehttp.NewEventsFromHTTPRequest)
		if len(got) != len(list) {
			t.Fatalf("%d events of %d", len(got), len(list))
		}
		for i := range got {
			check(t, &got[i], list[i])
		}
	}
	if m, err := cloudevents.New().EncodeBatch(list[:1], nil); err != nil || m.Type != list[0].Type || m.Body[0] != '[' {
		t.Errorf("a batch of one is %s of type %s, %v", m.Body, m.Type, err)
	}
}

// Whatever an attribute says, headers carry it unharmed.
func TestHeadersCarryAnyText(t *testing.T) {
	c := samples(t)[0]
	s := settings(t, `{"mode":"binary"}`)
	for value, want := range map[string]string{
		"Euro € 😀":          "Euro € 😀", // the example of the HTTP binding
		`100% "sure"`:       `100% "sure"`,
		"%41":               "%41",
		"line\nbreak\u0085": "line\ufffdbreak\ufffd",
		"\ufdd0 \U0001ffff": "\ufffd \ufffd",
		"not \xff UTF-8":    "not \ufffd UTF-8",
	} {
		changed := *c
		changed.Actor.ID = value
		m := encode(t, carillon.Event{Change: &changed, Type: cloudevents.New().Events(c)[0]}, s)
		got := received(t, m, cehttp.NewEventFromHTTPRequest)
		told, _ := got.Extensions()["actorid"].(string)
		// The SDK leaves out the last step of the binding: "a single round of percent-decoding MUST then be performed".
		if actor, err := url.PathUnescape(told); err != nil || actor != want {
			t.Errorf("%q arrives as %q, want %q", value, actor, want)
		}
		i := slices.IndexFunc(m.Attributes, func(a carillon.Attribute) bool { return a.Name == "ce_actorid" })
		if i < 0 || m.Attributes[i].Value != want {
			t.Errorf("%q is not beside the body for topics as %q: %v", value, want, m.Attributes)
		}
		if value == "Euro € 😀" {
			j := slices.IndexFunc(m.Attributes, func(a carillon.Attribute) bool { return a.Name == "header:ce-actorid" })
			if j < 0 || m.Attributes[j].Value != "Euro%20%E2%82%AC%20%F0%9F%98%80" {
				t.Errorf("the binding's example is encoded otherwise: %v", m.Attributes)
			}
		}
	}
}

// vast finds numbers with large exponents: the SDK's parser refuses some of those that JSON allows (0.1e40).
var vast = regexp.MustCompile(`[:,\[]-?[0-9.]+e[+-]?[0-9]{2}[,}\]]`)

func TestTheSDKTakesEveryChange(t *testing.T) {
	d, structured := cloudevents.New(), settings(t, `{"schemaBase":"https://carillon.example.com"}`)
	rapid.Check(t, func(t *rapid.T) {
		c := dialecttest.Changes().Filter(func(c *carillon.Change) bool { return !vast.Match(c.Before) && !vast.Match(c.After) }).Draw(t, "change")
		for i, name := range d.Events(c) {
			m, err := d.Encode(carillon.Event{Change: c, Index: i, Type: name}, structured)
			if err != nil {
				t.Fatal(err)
			}
			var got event.Event
			if err := json.Unmarshal(m.Body, &got); err != nil {
				t.Fatalf("%v\n%s", err, m.Body)
			}
			if err := got.Validate(); err != nil {
				t.Errorf("%v\n%s", err, m.Body)
			}
		}
	})
}

func TestSequencesSortAsNumbers(t *testing.T) {
	c := *samples(t)[0]
	var last string
	for _, seq := range []int64{0, 1, 9, 10, 4711, 1 << 40, 1<<63 - 1} {
		c.Seq = seq
		var body struct{ Sequence string }
		m := encode(t, carillon.Event{Change: &c, Type: cloudevents.New().Events(&c)[0]}, nil)
		if err := json.Unmarshal(m.Body, &body); err != nil {
			t.Fatal(err)
		}
		if len(body.Sequence) != 19 || body.Sequence <= last {
			t.Errorf("%q comes after %q", body.Sequence, last)
		}
		last = body.Sequence
	}
}

func TestSettingsAreHeeded(t *testing.T) {
	c, ok := sample.Change("custom:invoices:created", at, "dev")
	if !ok {
		t.Fatal("no sample")
	}
	ev := eventOf(t, c, "custom:invoices:created")
	m := encode(t, ev, settings(t, `{"source":"urn:example:crm","schemaBase":"https://example.com/carillon/"}`))
	var got event.Event
	if err := json.Unmarshal(m.Body, &got); err != nil {
		t.Fatal(err)
	}
	if got.Source() != "urn:example:crm" {
		t.Errorf("source %s", got.Source())
	}
	if want := "https://example.com/carillon/schemas/platform/custom:%7Bmodule%7D:created.json#/properties/payload"; got.DataSchema() != want {
		t.Errorf("dataschema %s, want %s", got.DataSchema(), want)
	}
	if got.Subject() != "custom/invoices/"+c.ID {
		t.Errorf("subject %s", got.Subject())
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for text, member := range map[string]string{
		`{"mode":"batched"}`: "/settings/mode",
		`{"mode":1}`:         "/settings/mode",
		`{"source":"a b"}`:   "/settings/source",
		`{"source":"%zz"}`:   "/settings/source",
		`{"source":"/é"}`:    "/settings/source",
		`{"source":"/` + strings.Repeat("x", 1024) + `"}`: "/settings/source",
		`{"schemaBase":"/schemas"}`:                       "/settings/schemaBase",
		`{"schemaBase":"ftp://example.com"}`:              "/settings/schemaBase",
		`{"schemaBase":"https://a:b@example.com"}`:        "/settings/schemaBase",
		`{"schemaBase":"https://example.com/?"}`:          "/settings/schemaBase",
		`{"schema":"x"}`:                                  "/settings/schema",
	} {
		_, err := cloudevents.New().CheckSettings(json.RawMessage(text))
		e, ok := errors.AsType[*carillon.Error](err)
		if !ok || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Member != member {
			t.Errorf("%s: %v, want one fault at %s", text, err, member)
		}
	}
}

func TestEventsAreRenderedAsBefore(t *testing.T) {
	c := samples(t)[0]
	c.Seq = 1
	ev := carillon.Event{Change: c, Type: cloudevents.New().Events(c)[0]}
	all := `"source":"https://crm.example.com","schemaBase":"https://carillon.example.com"`
	for name, text := range map[string]string{
		"structured": `{` + all + `}`, "binary": `{"mode":"binary",` + all + `}`, "batch": `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			m := encode(t, ev, settings(t, text))
			if name == "batch" {
				var err error
				if m, err = cloudevents.New().EncodeBatch([]carillon.Event{ev, ev}, settings(t, text)); err != nil {
					t.Fatal(err)
				}
			}
			var readable bytes.Buffer
			readable.WriteString("Content-Type: " + m.ContentType + "\n")
			for _, a := range m.Attributes {
				readable.WriteString(a.Name + ": " + a.Value + "\n")
			}
			readable.WriteString("\n")
			if err := json.Indent(&readable, m.Body, "", "  "); err != nil {
				t.Fatal(err)
			}
			readable.WriteString("\n")
			file := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(file, readable.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(readable.Bytes(), want) {
				t.Errorf("rendered as\n%s, want\n%s", readable.Bytes(), want)
			}
		})
	}
}

// kilobyte is an update of a record of a kilobyte, before and after.
func kilobyte() *carillon.Change {
	state := []byte(`{"id":"acc_1","name":"Sample","health":"At Risk","metadata":{"padding":"` + strings.Repeat("x", 930) + `"}}`)
	return &carillon.Change{
		Org: "dev", Seq: 7, Op: carillon.OpUpdated, Lane: "acc_1", Time: at, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"},
		Changed: []carillon.MemberChange{{Name: "health", How: carillon.Updated}}, Before: state, After: state,
		Actor: carillon.Actor{ID: "usr_1", Type: "AGENT", Email: "agent@example.com"},
	}
}

func BenchmarkEncode(b *testing.B) {
	d, c := cloudevents.New(), kilobyte()
	ev := carillon.Event{Change: c, Index: 1, Type: d.Events(c)[1]}
	for _, mode := range []string{"structured", "binary"} {
		s := settings(b, `{"mode":"`+mode+`"}`)
		b.Run(mode, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Encode(ev, s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
