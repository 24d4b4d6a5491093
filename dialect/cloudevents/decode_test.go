package cloudevents_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-cmp/cmp"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/cloudevents"
	"carillon/dialect/dialecttest"
)

// payload is the data of account:created, and account what an event with it says.
const payload = `{"account":{"id":"ACC1","name":"A","logo":"l.png"}}`

// structured is an event with these members in place of the usual ones.
func structured(members string) string {
	return `{"specversion":"1.0","id":"e-1","source":"urn:crm","type":"account:created","time":"2025-03-04T06:06:07.0899+01:00","actorid":"U1",` + members + `}`
}

func request(contentType, body string, headers ...string) dialect.Request {
	return dialect.Request{ContentType: contentType, Body: []byte(body), Header: func(name string) string {
		for i := 0; i < len(headers); i += 2 {
			if strings.EqualFold(name, headers[i]) {
				return headers[i+1]
			}
		}
		return ""
	}}
}

var usualHeaders = []string{
	"Ce-Specversion", "1.0", "Ce-Id", "e-1", "Ce-Source", "urn:crm", "Ce-Type", "account:created", "Ce-Time", "2025-03-04T05:06:07.089Z", "Ce-Actorid", "U1",
}

func requests() []dialect.Request {
	return []dialect.Request{
		request("application/cloudevents+json; charset=utf-8", structured(`"data":`+payload)),
		request("application/cloudevents-batch+json", `[`+structured(`"data":`+payload)+`]`),
		request("application/json", payload, usualHeaders...),
		request("application/cloudevents+json", `{"specversion":"1.0","id":"1","source":"/x","type":"com.example.other","data":"text"}`),
	}
}

func TestCloudEventsIsADecoder(t *testing.T) {
	for mode, generated := range map[string][]string{
		"structured": {"/data/*/createdAt", "/data/*/updatedAt"},
		"binary":     {"/*/createdAt", "/*/updatedAt"},
	} {
		t.Run(mode, func(t *testing.T) {
			dialecttest.RunDecoder(t, cloudevents.New(), dialecttest.DecoderFixtures{
				Settings: json.RawMessage(`{"mode":"` + mode + `"}`), Generated: generated, Requests: requests(),
			})
		})
	}
}

func FuzzDecode(f *testing.F) {
	dialecttest.FuzzDecode(f, cloudevents.New(), dialecttest.DecoderFixtures{Requests: requests()})
}

func FuzzHeaders(f *testing.F) {
	for _, value := range []string{"e-1", `"quoted \" é"`, "%E2%82%AC", "%", "%zz", `"`, `"\`, "%FF%00", strings.Repeat("x", 300)} {
		f.Add(value, value, value)
	}
	f.Fuzz(func(t *testing.T, id, source, actor string) {
		headers := append([]string{"ce-id", id, "ce-source", source, "ce-actorid", actor}, usualHeaders...)
		decoded, err := cloudevents.New().Decode(request("application/json", payload, headers...), nil)
		if err != nil {
			if code := carillon.ErrorCode(err); code != carillon.CodeInvalid {
				t.Errorf("%v: code %s", err, code)
			}
			return
		}
		told := decoded.Events[0]
		if told.ID == "" || len(told.ID) > 255 || !utf8.ValidString(told.ID) || !utf8.ValidString(told.Actor.ID) {
			t.Errorf("id %q, actor %q", told.ID, told.Actor.ID)
		}
	})
}

// only reads a request that must tell one event.
func only(t testing.TB, r dialect.Request) dialect.Told {
	t.Helper()
	decoded, err := cloudevents.New().Decode(r, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.Body)
	}
	if len(decoded.Events) != 1 {
		t.Fatalf("%d events, want one\n%s", len(decoded.Events), r.Body)
	}
	return decoded.Events[0]
}

func TestEveryModeTellsTheSame(t *testing.T) {
	const inJSON = "application/cloudevents+json"
	want := only(t, request(inJSON, structured(`"data":`+payload)))
	if want.ID != "e-1@urn:crm" || want.Type != "account:created" || want.Op != carillon.OpCreated || want.Actor.ID != "U1" ||
		want.Ref != (carillon.Ref{Kind: carillon.KindAccount, ID: "ACC1"}) || carillon.FormatTime(want.At) != "2025-03-04T05:06:07.089Z" {
		t.Errorf("read as %+v", want)
	}
	if statement := want.Statements[0]; statement.Sort != dialect.Whole || string(statement.Extra) != `{"logo":"l.png"}` || string(dialect.Member(statement.Data, "name")) != `"A"` {
		t.Errorf("says %+v", statement)
	}
	quote := func(s string) string { return string(dialect.AppendString(nil, s)) }
	for name, r := range map[string]dialect.Request{
		"plain JSON":                   request("application/json", structured(`"data":`+payload)),
		"no content type":              request("", structured(`"data":`+payload)),
		"a batch":                      request("application/cloudevents-batch+json", `[`+structured(`"data":`+payload)+`]`),
		"a batch as plain JSON":        request("application/json", ` [ `+structured(`"data":`+payload)+` ] `),
		"data as text":                 request(inJSON, structured(`"datacontenttype":"text/plain","data":`+quote(payload))),
		"data in base64":               request(inJSON, structured(`"data_base64":"`+base64.StdEncoding.EncodeToString([]byte(payload))+`"`)),
		"structured beside attributes": request(inJSON, structured(`"data":`+payload), "ce-type", "account:deleted"),
		"binary":                       request("application/json", payload, usualHeaders...),
		"binary, quoted":               request("application/json", payload, append([]string{"ce-id", `"e\-1"`, "ce-source", "urn%3Acrm"}, usualHeaders...)...),
	} {
		if got := only(t, r); !cmp.Equal(got, want) {
			t.Errorf("%s tells something else:\n%s", name, cmp.Diff(want, got))
		}
	}
}

func TestWhatTheSDKSendsIsRead(t *testing.T) {
	e := event.New()
	e.SetID("Euro € 😀")
	e.SetSource("/crm")
	e.SetType("account-health:changed")
	e.SetTime(at)
	e.SetExtension("actorid", "U1")
	if err := e.SetData("application/json", json.RawMessage(payload)); err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	want := only(t, request("application/cloudevents+json", string(plain)))
	if want.ID != "Euro € 😀@/crm" || !want.At.Equal(at) || want.Op != carillon.OpUpdated || want.Ref.ID != "ACC1" {
		t.Errorf("structured: %+v", want)
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	if err := cehttp.WriteRequest(binding.WithForceBinary(t.Context()), binding.ToMessage(&e), r); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := only(t, dialect.Request{ContentType: r.Header.Get("Content-Type"), Header: r.Header.Get, Body: body}); !cmp.Equal(got, want) {
		t.Errorf("binary tells something else:\n%s", cmp.Diff(want, got))
	}
}

func TestOtherTypesAreIgnored(t *testing.T) {
	for _, body := range []string{
		`{"specversion":"1.0","id":"1","source":"/x","type":"com.example.other","data":"no JSON","time":"soon"}`,
		`{"specversion":"1.0","id":"1","source":"/x","type":"ticket:created"}`,
		`{"specversion":"1.0","id":"1","source":"/x","type":"account-status:changed","data":{}}`,
	} {
		if told := only(t, request("application/cloudevents+json", body)); told.Ignored == "" || told.Statements != nil || told.ID != "1@/x" {
			t.Errorf("%s: %+v", body, told)
		}
	}
	if told := only(t, request("text/plain", "no JSON", append([]string{"ce-type", "com.example.other"}, usualHeaders...)...)); told.Ignored == "" {
		t.Errorf("%+v", told)
	}
	decoded, err := cloudevents.New().Decode(request("application/cloudevents-batch+json", `[]`), nil)
	if err != nil || decoded.Events != nil {
		t.Errorf("an empty batch: %+v, %v", decoded, err)
	}
}

func TestSourcesHaveTheirOwnIDs(t *testing.T) {
	id := func(source, id string) string {
		return only(t, request("", `{"specversion":"1.0","id":"`+id+`","source":"`+source+`","type":"x"}`)).ID
	}
	long := strings.Repeat("s", 300)
	ids := []string{id("/a", "1"), id("/b", "1"), id("/a", "2"), id(long, "1"), id(long, "2"), id("/a", `1\n`)}
	seen := make(map[string]bool)
	for _, id := range ids {
		if seen[id] || len(id) > 255 {
			t.Errorf("%s is of two events, or too long: %v", id, ids)
		}
		seen[id] = true
	}
}

func TestWrongEventsAreNamed(t *testing.T) {
	binary := func(headers ...string) dialect.Request {
		return request("application/json", payload, append(headers, usualHeaders...)...)
	}
	for name, c := range map[string]struct {
		request dialect.Request
		member  string
	}{
		"no event":        {request("", `7`), ""},
		"no attributes":   {request("", `{}`), "/specversion"},
		"another version": {request("", strings.Replace(structured(`"data":1`), `"1.0"`, `"0.3"`, 1)), "/specversion"},
		"no id":           {request("", strings.Replace(structured(`"data":1`), `"e-1"`, `""`, 1)), "/id"},
		"no type":         {request("", `{"specversion":"1.0","id":"1","source":"/x","type":7}`), "/type"},
		"no time":         {request("", `{"specversion":"1.0","id":"1","source":"/x","type":"account:created","time":"soon"}`), "/time"},
		"no data":         {request("", structured(`"x":1`)), "/data"},
		"a wrong record":  {request("", structured(`"data":{"account":{"id":"A","name":{}}}`)), "/data/account/name"},
		"not base64":      {request("", structured(`"data_base64":"%"`)), "/data_base64"},
		"one of a batch":  {request("", `[`+structured(`"data":`+payload)+`,`+structured(`"data":[]`)+`]`), "/1/data"},
		"no event in one": {request("", `[7]`), "/0"},
		"a header":        {binary("ce-time", "soon"), "ce-time"},
		"no source":       {request("", payload, "ce-type", "x", "ce-specversion", "1.0", "ce-id", "1"), "ce-source"},
		"a wrong module":  {request("", strings.Replace(structured(`"data":{}`), "account:created", "custom:a b:created", 1)), "/type"},
		"no body":         {request("application/json", "", usualHeaders...), ""},
	} {
		decoded, err := cloudevents.New().Decode(c.request, nil)
		if len(decoded.Events) > 0 {
			err = decoded.Events[len(decoded.Events)-1].Err
		}
		var e *carillon.Error
		if !errors.As(err, &e) || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Member != c.member {
			t.Errorf("%s: %v, want one fault at %s", name, err, c.member)
		}
	}
	for name, r := range map[string]dialect.Request{
		"no JSON": request("", `{`), "binary": request("application/json", `{`, usualHeaders...), "text": request("", structured(`"data":"{"`)),
	} {
		if _, err := cloudevents.New().Decode(r, nil); carillon.ErrorCode(err) != carillon.CodeMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// One event that cannot be read does not keep the others of its batch.
func TestTheOtherEventsOfABatchAreRead(t *testing.T) {
	good := structured(`"data":` + payload)
	bad := strings.Replace(structured(`"data":7`), `"e-1"`, `"e-0"`, 1)
	decoded, err := cloudevents.New().Decode(request("application/cloudevents-batch+json", `[`+bad+`,7,`+good+`]`), nil)
	if err != nil || len(decoded.Events) != 3 {
		t.Fatalf("%+v, %v", decoded, err)
	}
	for i, id := range []string{"e-0@urn:crm", "", "e-1@urn:crm"} {
		told := decoded.Events[i]
		if unread := i < 2; (told.Err != nil) != unread || (len(told.Statements) == 0) != unread || told.ID == "" || id != "" && (told.ID != id || told.Type != "account:created") {
			t.Errorf("event %d is %+v", i, told)
		}
	}
	if _, err := cloudevents.New().Decode(request("", `[`+strings.Repeat(`{},`, 200)+good+`]`), nil); carillon.ErrorCode(err) != carillon.CodeInvalid {
		t.Errorf("200 things that are no events: %v", err)
	}
}

func TestWhatIsNearlyJSONIsMended(t *testing.T) {
	decoded, err := cloudevents.New().Decode(request("application/json", strings.Replace(payload, `"l.png"`, `l.png`, 1), usualHeaders...), nil)
	if err != nil || len(decoded.Mended) != 1 || len(decoded.Events) != 1 {
		t.Errorf("%+v, %v", decoded, err)
	}
}

func TestWhatTheHouseHasNoPlaceForComesBack(t *testing.T) {
	c := &carillon.Change{
		Org: "dev", Seq: 1, Ref: carillon.Ref{Kind: carillon.KindAccount, ID: "ACC1"}, Op: carillon.OpCreated,
		After: []byte(`{"id":"ACC1","name":"A"}`), Extra: []byte(`{"cloudevents":{"logo":"l.png"},"platform":{"other":1}}`),
	}
	m := encode(t, carillon.Event{Change: c, Type: "account:created"}, settings(t, `{"mode":"binary"}`))
	if want := `{"account":{"id":"ACC1","name":"A","logo":"l.png"}}`; string(m.Body) != want {
		t.Errorf("told as %s, want %s", m.Body, want)
	}
	c.Op, c.Before = carillon.OpUpdated, c.After
	for name, told := range map[string]bool{"extra.platform": false, "extra.cloudevents": true} {
		c.Changed = []carillon.MemberChange{{Name: name, How: carillon.Updated}}
		if names := cloudevents.New().Events(c); (len(names) == 1) != told {
			t.Errorf("an update of %s is told as %v", name, names)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	d, c := cloudevents.New(), kilobyte()
	for _, mode := range []string{"structured", "binary"} {
		m := encode(b, carillon.Event{Change: c, Type: d.Events(c)[0]}, settings(b, `{"mode":"`+mode+`"}`))
		r := dialect.RequestOf(&m)
		b.Run(mode, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(m.Body)))
			for b.Loop() {
				if _, err := d.Decode(r, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
