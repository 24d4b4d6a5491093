package dialecttest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"carillon"
	"carillon/dialect"
	"carillon/dialect/mend"
)

// keptDepth is how deep the ledger keeps what there is of a record.
const keptDepth = 32

// depths are those of values nested about as deep as the ledger keeps them, and beyond.
var depths = []int{20, 26, 28, 29, 30, 31, 33, 40, 44}

// testDeep puts values that are nested deep into every place of the requests. What the ledger keeps of them can be told and read again.
func (s *decoderSuite) testDeep(t *testing.T) {
	taken := false
	of := 0
	for _, r := range s.Requests {
		payload, _ := s.payload(t, r)
		of += len(valuesOf(payload)) * len(depths)
	}
	step, turn := every(of), 0
	for _, r := range s.Requests {
		payload, with := s.payload(t, r)
		for _, at := range valuesOf(payload)[1:] {
			for i, n := range depths {
				if turn++; turn%step != 0 {
					continue
				}
				value := strings.Repeat("[", n) + strings.Repeat("]", n)
				if i%2 == 0 {
					value = strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n)
				}
				spoilt := with(slices.Concat(payload[:at.from], []byte(value), payload[at.to:]))
				decoded, err := s.Decode(spoilt, s.reading)
				if err != nil {
					continue // testHostile sees to the errors
				}
				for _, told := range decoded.Events {
					taken = s.checkDeep(t, told) || taken
				}
				if t.Failed() {
					return // the rest is likely to fail alike
				}
			}
		}
	}
	if !taken && len(s.Requests) > 0 {
		t.Error("nothing that is nested deep is taken at all")
	}
}

// checkDeep tells and reads again what was told of records and kept; it reports whether that was nested deep.
func (s *decoderSuite) checkDeep(t *testing.T, told dialect.Told) (deep bool) {
	t.Helper()
	for _, statement := range told.Statements {
		if statement.Sort != dialect.Whole {
			continue
		}
		depth := max(mend.Depth(statement.Data), mend.Depth(statement.Extra))
		if depth > keptDepth {
			continue // the ledger refuses it
		}
		deep = deep || depth > keptDepth/2
		r := &carillon.Record{Org: "dev", Ref: statement.Ref, Number: 1, Version: 1, Seq: 1, CreatedAt: told.At, UpdatedAt: told.At}
		r.Data = native(told.At, statement.Ref, dialect.ByField(statement.Kind, statement.Data))
		if !isNull(statement.Extra) {
			r.Extra = append(appendMember([]byte{'{'}, s.Name(), string(statement.Extra)), '}')
		}
		s.mustEcho(t, r)
	}
	return deep
}

// testDeepRecords tells and reads again what the house itself has, nested as deep as it may be.
func (s *decoderSuite) testDeepRecords(t *testing.T) {
	for i, kind := range s.Kinds {
		one := &decoderSuite{Decoder: s.Decoder, DecoderFixtures: s.DecoderFixtures}
		one.Kinds = []carillon.Kind{kind}
		c := rapid.Custom(func(t *rapid.T) *carillon.Change { return one.change(t, carillon.OpCreated) }).Example(i)
		given := dialect.ByField(kind, c.After)
		for n, f := range carillon.Fields(kind) {
			if f.Type == carillon.TypeMap || f.Type == carillon.TypeJSON {
				given[n] = []byte(strings.Repeat(`{"a":`, keptDepth-1) + "1" + strings.Repeat("}", keptDepth-1))
			}
		}
		s.mustEcho(t, &carillon.Record{
			Org: c.Org, Ref: c.Ref, Number: c.Number, Version: 1, Seq: c.Seq, Lane: c.Lane, Data: native(c.Time, c.Ref, given), CreatedAt: c.Time, UpdatedAt: c.Time,
		})
	}
}

// native gives a record's native JSON of the values of its fields.
func native(at time.Time, ref carillon.Ref, values [][]byte) []byte {
	h := house{at: at}
	b := []byte{'{'}
	for n, f := range carillon.Fields(ref.Kind) {
		value := values[n]
		if f.ReadOnly {
			value = h.sets(ref, carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"}, f.Name)
		}
		if !isNull(value) {
			b = appendMember(b, f.Name, string(value))
		}
	}
	return append(b, '}')
}

func (s *decoderSuite) mustEcho(t *testing.T, r *carillon.Record) {
	t.Helper()
	if _, err := dialect.Echo(context.Background(), s.Decoder, r, s.settings, s.reading, nothing{}); err != nil {
		t.Errorf("%v\n%s\n%s", err, abridged(r.Data), abridged(r.Extra))
	}
}
