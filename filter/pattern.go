package filter

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync/atomic"

	"carillon"
)

// Bounds of patterns.
const (
	MaxPatterns      = 256
	MaxPatternLength = 256
)

// Pattern is an event type in which * stands for any run of characters, none included. Case counts.
type Pattern string

// Match reports whether the pattern covers an event type.
func (p Pattern) Match(eventType string) bool {
	pattern := string(p)
	// star is the place of the last * passed, and from where it left off reading.
	i, j, star, from := 0, 0, -1, 0
	for j < len(eventType) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, from = i, j
			i++
		case i < len(pattern) && pattern[i] == eventType[j]:
			i++
			j++
		case star >= 0: // let the last * take one character more
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// placeholder is the part of a type's name that depends on an org: custom:{module}:created.
var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// canMatch reports whether the pattern covers some event type of a name with placeholders.
func (p Pattern) canMatch(name string) bool {
	return overlap(string(p), placeholder.ReplaceAllString(name, "*"))
}

// overlap reports whether any string matches both patterns. It fills, from the ends, a table of whether the rests from
// i and j overlap; rest is its row of i+1.
func overlap(p, q string) bool {
	rest := make([]bool, len(q)+1)
	row := make([]bool, len(q)+1)
	for i := len(p); i >= 0; i-- {
		for j := len(q); j >= 0; j-- {
			switch {
			case i == len(p) && j == len(q):
				row[j] = true
			case i < len(p) && p[i] == '*':
				row[j] = rest[j] || j < len(q) && row[j+1]
			case j < len(q) && q[j] == '*':
				row[j] = row[j+1] || i < len(p) && rest[j]
			default:
				row[j] = i < len(p) && j < len(q) && p[i] == q[j] && rest[j+1]
			}
		}
		rest, row = row, rest
	}
	return rest[0]
}

// Patterns are those of one subscription. The zero value covers everything. Safe for concurrent use.
type Patterns struct {
	list []Pattern
	memo *memo
}

// CompilePatterns reads a subscription's patterns; none means all event types. It fails with carillon.CodeInvalid naming members
// below /events.
func CompilePatterns(patterns []string) (Patterns, error) {
	if len(patterns) > MaxPatterns {
		return Patterns{}, carillon.Invalid("/events", fmt.Sprintf("has more than %d patterns", MaxPatterns))
	}
	p := Patterns{memo: new(memo)}
	for i, text := range patterns {
		if text == "" {
			return Patterns{}, carillon.Invalid(fmt.Sprintf("/events/%d", i), "must not be empty")
		}
		if len(text) > MaxPatternLength {
			return Patterns{}, carillon.Invalid(fmt.Sprintf("/events/%d", i), fmt.Sprintf("is longer than %d bytes", MaxPatternLength))
		}
		p.list = append(p.list, Pattern(text))
	}
	return p, nil
}

// Match reports whether any pattern covers an event type.
func (p Patterns) Match(eventType string) bool {
	if len(p.list) == 0 {
		return true
	}
	if known, ok := p.memo.get(eventType); ok {
		return known
	}
	match := false
	for _, pattern := range p.list {
		if pattern.Match(eventType) {
			match = true
			break
		}
	}
	p.memo.put(eventType, match)
	return match
}

// CheckAgainst fails with carillon.CodeInvalid, naming members below /events, if a pattern covers none of the types. Types may
// have placeholders in braces ("custom:{module}:created"), which stand for any text.
func (p Patterns) CheckAgainst(types []string) error {
	invalid := &carillon.Error{
		Code:    carillon.CodeInvalid,
		Message: "the request is not valid",
		Hint:    "GET /v1/event-types lists the event types of each dialect",
	}
	for i, pattern := range p.list {
		covers := false
		for _, name := range types {
			if covers = pattern.canMatch(name); covers {
				break
			}
		}
		if !covers {
			invalid.Faults = append(invalid.Faults, carillon.Fault{
				Member: fmt.Sprintf("/events/%d", i), Reason: fmt.Sprintf("%q matches no event type", string(pattern)),
			})
		}
	}
	if len(invalid.Faults) > 0 {
		return invalid
	}
	return nil
}

// maxMemo bounds what a memo remembers: event types are few, but modules are named by callers.
const maxMemo = 1024

// memo remembers answers. Readers take no lock; writers, who come once per event type, copy.
type memo struct {
	known atomic.Pointer[map[string]bool]
}

func (m *memo) get(eventType string) (match, ok bool) {
	known := m.known.Load()
	if known == nil {
		return false, false
	}
	match, ok = (*known)[eventType]
	return match, ok
}

func (m *memo) put(eventType string, match bool) {
	for {
		old := m.known.Load()
		next := map[string]bool{}
		if old != nil {
			if len(*old) >= maxMemo {
				return
			}
			next = maps.Clone(*old)
		}
		next[strings.Clone(eventType)] = match
		if m.known.CompareAndSwap(old, &next) {
			return
		}
	}
}
