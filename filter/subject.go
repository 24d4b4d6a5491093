package filter

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/dialect"
)

// Subject is a change as filters see it. Of its states only what filters ask for is decoded, and that once for all filters:
// make one subject per change. It is safe for concurrent use.
type Subject struct {
	change *carillon.Change

	decodeOnce sync.Once
	decoded    map[string]any
	decodeErr  error

	mu      sync.Mutex
	members map[member]any // guarded by mu: lists and objects, decoded
}

// member names a member of a state.
type member struct {
	of   state
	name string
}

// NewSubject makes the subject of a change, which must not change afterwards.
func NewSubject(c *carillon.Change) *Subject { return &Subject{change: c} }

// state names a member of the payload: the state of a record of one kind, after the change or before it.
type state struct {
	kind     carillon.Kind
	previous bool
}

// states finds a member of the payload by its key.
var states = func() map[string]state {
	m := make(map[string]state, 2*len(carillon.Kinds))
	for _, kind := range carillon.Kinds {
		m[kind.PayloadKey()] = state{kind, false}
		m[kind.PreviousPayloadKey()] = state{kind, true}
	}
	return m
}()

// state gives a state's JSON; nil if the change has none. The payload of a deleted comment carries it as comment.
func (s *Subject) state(of state) []byte {
	c := s.change
	switch {
	case c.Kind != of.kind:
		return nil
	case of.previous, c.Kind == carillon.KindComment && c.Op == carillon.OpDeleted:
		return c.Before
	default:
		return c.After
	}
}

// payload is the change's states under their payload keys.
func (s *Subject) payload() (map[string]any, error) {
	s.decodeOnce.Do(func() {
		s.decoded = make(map[string]any, 2)
		kind := s.change.Kind
		for _, key := range []string{kind.PayloadKey(), kind.PreviousPayloadKey()} {
			data := s.state(states[key])
			if len(data) == 0 {
				continue
			}
			if s.decoded[key], s.decodeErr = decode(data); s.decodeErr != nil {
				s.decodeErr = fmt.Errorf("decode %s for its filter: %w", s.change.Ref, s.decodeErr)
				return
			}
		}
	})
	return s.decoded, s.decodeErr
}

// member is one member of a state, found without decoding the others.
func (r *run) member(of state, name string) any {
	data := r.subject.state(of)
	if !r.read(len(data)) {
		return nil
	}
	raw := dialect.Member(data, name)
	switch {
	case len(raw) == 0:
		return nil
	case raw[0] == '"':
		return dialect.Unquote(raw)
	}
	value, err := r.subject.decodeMember(member{of, name}, raw)
	if err != nil {
		r.err = fmt.Errorf("decode %s of %s for its filter: %w", name, r.subject.change.Ref, err)
	}
	return value
}

// decodeMember decodes a member once for all filters: a condition on every element of a long list would else decode the
// list for every element.
func (s *Subject) decodeMember(m member, raw []byte) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if value, ok := s.members[m]; ok {
		return value, nil
	}
	value, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if s.members == nil {
		s.members = make(map[member]any)
	}
	s.members[m] = value
	return value, nil
}

// changed lists the changed members.
func (s *Subject) changed() []any {
	list := make([]any, len(s.change.Changed))
	for i, m := range s.change.Changed {
		list[i] = m.Name
	}
	return list
}

func (s *Subject) actor() map[string]any {
	a := s.change.Actor
	return map[string]any{"id": a.ID, "type": a.Type, "email": a.Email}
}

// decode reads JSON. Integers stay integers: ids beyond 2^53 must compare exactly.
func decode(data []byte) (any, error) {
	return decodeValue(jsontext.NewDecoder(bytes.NewBuffer(data)))
}

func decodeValue(d *jsontext.Decoder) (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case 't', 'f':
		return token.Bool(), nil
	case '"':
		return token.String(), nil
	case '0':
		text := token.String()
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		n, _ := strconv.ParseFloat(text, 64) // beyond its range: an infinity, which compares as it should
		return n, nil
	case '[':
		list := []any{}
		for d.PeekKind() != ']' {
			element, err := decodeValue(d)
			if err != nil {
				return nil, err
			}
			list = append(list, element)
		}
		_, err := d.ReadToken()
		return list, err
	case '{':
		object := map[string]any{}
		for d.PeekKind() != '}' {
			name, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			key := name.String()
			if object[key], err = decodeValue(d); err != nil {
				return nil, err
			}
		}
		_, err := d.ReadToken()
		return object, err
	default:
		return nil, nil
	}
}
