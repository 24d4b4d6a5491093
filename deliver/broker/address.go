package broker

import (
	"strings"

	"carillon"
)

// Address is a subject or routing key that may hold the placeholders {type}, {lane} and {org}.
type Address struct {
	parts []string // text and placeholders by turns, beginning with text
	org   string
}

// ParseAddress reads an address for messages of an org. It fails with carillon.CodeInvalid naming the member if a brace is
// not part of a known placeholder.
func ParseAddress(text, member, org string) (*Address, error) {
	a := &Address{org: org}
	rest := text
	for {
		before, after, found := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return nil, carillon.Invalid(member, "has a } without a {")
		}
		a.parts = append(a.parts, before)
		if !found {
			return a, nil
		}
		name, after, found := strings.Cut(after, "}")
		if !found || name != "type" && name != "lane" && name != "org" {
			return nil, carillon.Invalid(member, "knows the placeholders {type}, {lane} and {org} only")
		}
		a.parts = append(a.parts, name)
		rest = after
	}
}

// For gives the address of a message. A value fills one word: what would end the word or be a wildcard becomes an
// underscore, and so does an empty value.
func (a *Address) For(m *carillon.Message) string {
	if len(a.parts) == 1 {
		return a.parts[0]
	}
	var b strings.Builder
	for i, part := range a.parts {
		switch {
		case i%2 == 0:
			b.WriteString(part)
		case part == "type":
			b.WriteString(word(m.Type))
		case part == "lane":
			b.WriteString(word(m.Lane))
		default:
			b.WriteString(word(a.org))
		}
	}
	return b.String()
}

func word(value string) string {
	if value == "" {
		return "_"
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || strings.ContainsRune(".*>#{}", r) {
			return '_'
		}
		return r
	}, value)
}
