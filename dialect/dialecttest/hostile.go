package dialecttest

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect"
)

// hostile are values that nobody sends who means well: some are JSON, some are not.
var hostile = []string{
	`null`, `true`, `0`, `-1`, `1.5`, `-0`, `1e400`, `123456789012345678901234567890`, `1e999999999999`,
	`""`, `" "`, `"\u0000"`, `"\ud800"`, "\"\xff\xfe\"", `"../../etc/passwd"`, `"a/b"`, `"` + "\u202e" + `"`, `"9999-99-99"`, `"-292277022399-01-01T00:00:00Z"`,
	`[]`, `[null]`, `[[]]`, `[{}]`, `["",1,{}]`, `{}`, `{"":null}`, `{"id":{"id":{}}}`, `{"a":1,"a":2}`, `{"__proto__":1}`,
	``, `]`, `{`, `"`, `nul`, `01`, `"a":1`, "\x00",
}

// vastPlaces is in how many places of one request vast values stand.
const vastPlaces = 20

// vast are hostile values that are large, too.
var vast = []string{
	strings.Repeat("9", 100_000),
	`"` + strings.Repeat("x", 100_000) + `"`,
	`"` + strings.Repeat(`\u0001`, 20_000) + `"`,
	strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000),
	strings.Repeat(`{"a":`, 5_000) + "1" + strings.Repeat("}", 5_000),
	strings.Repeat("[", 50_000),
	`[` + strings.Repeat(`{},`, 30_000) + `{}]`,
	`[` + strings.Repeat(`"a",`, 30_000) + `"a"]`,
	`{` + manyMembers(5_000) + `}`,
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"member_%d":[]`, i)
	}
	return b.String()
}

// FuzzDecode fuzzes a decoder, from what the dialect tells of each kind, the requests of the fixtures and hostile values.
func FuzzDecode(f *testing.F, d dialect.Decoder, fixtures DecoderFixtures) {
	f.Helper()
	s := newDecoderSuite(f, d, fixtures)
	for _, r := range s.examples(f) {
		f.Add(r.ContentType, r.Body)
	}
	for _, value := range hostile {
		f.Add("application/json", []byte(value))
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		s.survive(t, dialect.Request{ContentType: contentType, Header: func(string) string { return "" }, Body: body})
	})
}

// survive decodes a request, whatever is in it, and holds what comes of it to what must be so.
func (s *decoderSuite) survive(t require, r dialect.Request) {
	t.Helper()
	kept := bytes.Clone(r.Body)
	decoded, err := s.Decode(r, s.reading)
	if !bytes.Equal(kept, r.Body) {
		t.Errorf("decoding changes the request\n%s", abridged(kept))
	}
	if err != nil {
		if code := carillon.ErrorCode(err); code != carillon.CodeInvalid && code != carillon.CodeMalformed && code != carillon.CodeTooLarge {
			t.Errorf("%v: code %s\n%s", err, code, abridged(r.Body))
		}
		if size, limit := len(err.Error()), s.Growth*len(r.Body)+fixed; size > limit {
			t.Errorf("%d bytes make an error of %d, want at most %d", len(r.Body), size, limit)
		}
		return
	}
	s.check(t, r, decoded)
	if again, err := s.Decode(r, s.reading); err != nil || !alike(decoded, again) {
		t.Errorf("decoded in two ways, %v:\n%s", err, cmp.Diff(decoded, again))
	}
}

// examples are the requests of the fixtures, and for each kind and op the first and the last event that the dialect tells.
func (s *decoderSuite) examples(t require) []dialect.Request {
	t.Helper()
	list := slices.Clone(s.Requests)
	for i, kind := range s.Kinds {
		one := &decoderSuite{Decoder: s.Decoder, DecoderFixtures: s.DecoderFixtures, settings: s.settings}
		one.Kinds = []carillon.Kind{kind}
		for j, op := range ops {
			c := rapid.Custom(func(t *rapid.T) *carillon.Change { return one.change(t, op) }).Example(i*len(ops) + j)
			for index, name := range s.Events(c) {
				if index == 0 || index == len(s.Events(c))-1 {
					m, _ := s.tell(t, carillon.Event{Change: c, Index: index, Type: name}, nothing{})
					list = append(list, dialect.RequestOf(&m))
				}
			}
		}
	}
	return list
}

// maxSpoilt is about how many spoilt requests one fact tries. Of more, every so-manieth is tried, so that each place and each
// value has its turn; the fuzz targets go on from there.
const maxSpoilt = 3000

// every gives how many of so many are passed over after each that is tried.
func every(of int) int {
	n := of/maxSpoilt + 1
	if n > 1 && n%2 == 0 {
		n++ // so that values, which are even in number, take turns from place to place
	}
	return n
}

func (s *decoderSuite) testHostile(t *testing.T) {
	examples := s.examples(t)
	of := 0
	for _, r := range examples {
		payload, _ := s.payload(t, r)
		of += len(valuesOf(payload)) * len(hostile)
	}
	step, turn := every(of), 0
	for i, r := range examples {
		payload, with := s.payload(t, r)
		for n, at := range valuesOf(payload) {
			values := hostile
			if i == 0 && n < vastPlaces {
				values = slices.Concat(hostile, vast)
			}
			for v, value := range values {
				if turn++; turn%step == 0 || v >= len(hostile) {
					s.survive(t, with(slices.Concat(payload[:at.from], []byte(value), payload[at.to:])))
				}
			}
			s.survive(t, with(payload[:at.from])) // cut
			if t.Failed() {
				return // the rest is likely to fail alike
			}
		}
	}
}

// payload gives the JSON of a request, and how the request is made of another.
func (s *decoderSuite) payload(t require, r dialect.Request) (payload []byte, with func(body []byte) dialect.Request) {
	t.Helper()
	payload, err := dialect.FormPayload(r)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.Body)
	}
	isForm := !bytes.Equal(payload, r.Body)
	return payload, func(body []byte) dialect.Request {
		if r.Body = body; isForm {
			r.Body = []byte(url.Values{"payload": {string(body)}}.Encode())
		}
		return r
	}
}

// span is where a value stands in a body.
type span struct{ from, to int }

// valuesOf finds every value of a body, as far as it is JSON; first of all the body itself.
func valuesOf(body []byte) []span {
	list := []span{{0, len(body)}}
	d := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	var open []int // where the objects and arrays around begin
	for {
		from := int(d.InputOffset())
		from += len(body[from:]) - len(bytes.TrimLeft(body[from:], " \t\r\n,:"))
		token, err := d.ReadToken()
		if err != nil {
			return list // the end, or a mistake of the vendor's
		}
		to := int(d.InputOffset())
		switch token.Kind() {
		case '{', '[':
			open = append(open, from)
		case '}', ']':
			list = append(list, span{open[len(open)-1], to})
			open = open[:len(open)-1]
		default:
			if in, n := d.StackIndex(d.StackDepth()); in == '{' && n%2 == 1 {
				continue // a name
			}
			list = append(list, span{from, to})
		}
	}
}
