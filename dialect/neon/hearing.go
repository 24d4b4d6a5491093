package neon

import (
	"bytes"
	"strings"

	"carillon"
	"carillon/dialect"
)

// hearing is an account while it is read.
type hearing struct{ native *dialect.Native }

// place is where a value stands in what the vendor sent.
type place struct {
	above *place
	name  string
}

func (p place) below(name string) place { return place{above: &p, name: name} }

// pointer is the place as a JSON Pointer (RFC 6901). The names on the way are ours: they need no escapes.
func (p place) pointer() string {
	if p.above == nil {
		return p.name
	}
	return p.above.pointer() + "/" + p.name
}

func (p place) wrong(reason string) error { return carillon.Invalid(p.pointer(), reason) }

// only gives what an object's one member holds, an object or a list of them; nil if there is none.
func (p place) only(name string, sent []byte) ([]byte, error) {
	if isNull(sent) {
		return nil, nil
	}
	if sent[0] != '{' {
		return nil, p.wrong("must be an object")
	}
	inside := dialect.Member(sent, name)
	switch {
	case isNull(inside):
		return nil, nil
	case inside[0] != '{' && inside[0] != '[':
		return nil, p.below(name).wrong("must be an object or a list of objects")
	default:
		return inside, nil
	}
}

func isNull(sent []byte) bool { return len(sent) == 0 || string(sent) == "null" }

// object takes the members of an object and gives what must be kept of them, as an object; nil if nothing.
func (h *hearing) object(t *table, at place, sent []byte) (kept []byte, err error) {
	if !isNull(sent) && sent[0] != '{' {
		return nil, at.wrong("must be an object")
	}
	var known [maxRows][]byte
	for name, value := range dialect.Members(sent) {
		if row, ok := t.places[dialect.Unquote(name)]; ok {
			known[row] = value
		}
	}
	kept = []byte{'{'}
	for i, r := range t.rows {
		rest, err := r.value.hear(h, place{&at, r.name}, known[i])
		if err != nil {
			return nil, err
		}
		if len(rest) > 0 {
			kept = append(appendName(kept, r.name), rest...)
		}
	}
	for name, value := range dialect.Members(sent) {
		if _, ok := t.places[dialect.Unquote(name)]; !ok {
			kept = append(appendName(kept, dialect.Unquote(name)), value...)
		}
	}
	if len(kept) == 1 {
		return nil, nil
	}
	return append(kept, '}'), nil
}

// keepAll is for what the house has no place for.
func keepAll(_ *hearing, _ place, sent []byte) ([]byte, error) { return sent, nil }

// hearText takes a text, told by write.
func hearText(path string, write func(b, quoted []byte) []byte) func(h *hearing, at place, sent []byte) ([]byte, error) {
	return func(h *hearing, at place, sent []byte) ([]byte, error) {
		said, ok := dialect.Text(sent)
		if !ok {
			return nil, at.wrong("must be a text")
		}
		return unless(sent, said, write), h.set(path, at, said)
	}
}

// unless gives what was sent unless write makes the very same of what it says.
func unless(sent []byte, said string, write func(b, quoted []byte) []byte) []byte {
	if said != "" && bytes.Equal(sent, write(nil, dialect.AppendString(nil, said))) {
		return nil
	}
	return sent
}

// set sets a text of the house; what is empty is unset.
func (h *hearing) set(path string, at place, said string) error {
	var quoted []byte
	if said != "" {
		quoted = dialect.AppendString(nil, said)
	}
	if reason := h.native.SetText(path, quoted); reason != "" {
		return at.wrong(reason)
	}
	return nil
}

// name is what an account is called: by its own name, else by its contact's, its address, its number.
func (h *hearing) name(id string) string {
	person := strings.TrimSpace(h.native.Text("primaryContact.firstName") + " " + h.native.Text("primaryContact.lastName"))
	for _, name := range []string{h.native.Text("name"), person, h.native.Text("primaryContact.email")} {
		if name != "" {
			return name
		}
	}
	return id
}
