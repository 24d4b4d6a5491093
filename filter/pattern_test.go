package filter_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"carillon"
	"carillon/filter"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, eventType string
		want               bool
	}{
		{"account:created", "account:created", true},
		{"account:created", "account:updated", false},
		{"account:created", "Account:created", false},
		{"account:created", "account:created:x", false},
		{"account:*", "account:created", true},
		{"account:*", "account-health:changed", false},
		{"account*", "account-health:changed", true},
		{"*", "", true},
		{"*", "anything", true},
		{"*:created", "account-task:comment:created", true},
		{"account-*:comment:*", "account-task:comment:created", true},
		{"account-*:comment:*", "account-task:created", false},
		{"**a**", "bab", true},
		{"*ab*ab", "abab", true},
		{"*ab*ab", "aab", false},
		{"a*b*c", "abbcbc", true},
		{"*é*", "café au lait", true},
	} {
		if got := filter.Pattern(c.pattern).Match(c.eventType); got != c.want {
			t.Errorf("Pattern(%q).Match(%q) = %t", c.pattern, c.eventType, got)
		}
	}
}

func TestNoPatternsMeanAll(t *testing.T) {
	compiled, err := filter.CompilePatterns(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []filter.Patterns{{}, compiled} {
		if !p.Match("account:created") {
			t.Error("an event is left out")
		}
		if err := p.CheckAgainst([]string{"account:created"}); err != nil {
			t.Error(err)
		}
	}
}

func TestPatternsAnswerTheSameWhenAskedAgain(t *testing.T) {
	p, err := filter.CompilePatterns([]string{"custom:*:created", "account:created"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for i := range 3000 { // more than are remembered
			if name := fmt.Sprintf("custom:m%d:created", i); !p.Match(name) {
				t.Fatalf("%s does not match", name)
			}
			if name := fmt.Sprintf("custom:m%d:deleted", i); p.Match(name) {
				t.Fatalf("%s matches", name)
			}
		}
	}
}

func TestPatternsThatMatchNothingAreNamed(t *testing.T) {
	types := []string{"account:created", "account-health:changed", "custom:{module}:created", "custom:{module}:custom_field_value:added"}
	for pattern, known := range map[string]bool{
		"account:created":                      true,
		"account:*":                            true,
		"*":                                    true,
		"*:changed":                            true,
		"custom:invoices:created":              true,
		"custom:invoices:custom_field_value:*": true,
		"custom:*":                             true,
		"custom:in*:cre*":                      true,
		"custom:{module}:created":              true,
		"acount:*":                             false,
		"account:create":                       false,
		"custom:invoices:deleted":              false,
		"Account:created":                      false,
		"custom:invoices:custom_field_value:gone": false,
	} {
		p, err := filter.CompilePatterns([]string{"account:created", pattern})
		if err != nil {
			t.Fatal(err)
		}
		err = p.CheckAgainst(types)
		if known {
			if err != nil {
				t.Errorf("%s: %v", pattern, err)
			}
			continue
		}
		var e *carillon.Error
		if !errors.As(err, &e) || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Member != "/events/1" ||
			!strings.Contains(e.Faults[0].Reason, pattern) {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

func TestPatternsOutOfBoundsAreRefused(t *testing.T) {
	for name, patterns := range map[string][]string{
		"/events":   make([]string, filter.MaxPatterns+1),
		"/events/0": {""},
		"/events/1": {"a", strings.Repeat("a", filter.MaxPatternLength+1)},
	} {
		_, err := filter.CompilePatterns(patterns)
		var e *carillon.Error
		if !errors.As(err, &e) || e.Code != carillon.CodeInvalid || e.Faults[0].Member != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// reference is a pattern as a regular expression.
func reference(pattern string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)\A` + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`) + `\z`)
}

func FuzzPatterns(f *testing.F) {
	f.Add("account-*:comment:*", "account-task:comment:created")
	f.Add("*ab*ab**", "abaab")
	f.Add("a*", "*b")
	f.Fuzz(func(t *testing.T, pattern, eventType string) {
		// Bytes that are not UTF-8 are one thing to a regular expression and another in a byte-wise comparison.
		pattern, eventType = strings.ToValidUTF8(pattern, "?"), strings.ToValidUTF8(eventType, "?")
		p, err := filter.CompilePatterns([]string{pattern})
		if err != nil {
			return
		}
		want := reference(pattern).MatchString(eventType)
		if got := p.Match(eventType); got != want {
			t.Errorf("%q matches %q: %t, want %t", pattern, eventType, got, want)
		}
		if strings.ContainsAny(eventType, "*{}") {
			return
		}
		if known := p.CheckAgainst([]string{eventType}) == nil; known != want {
			t.Errorf("%q can match %q: %t, want %t", pattern, eventType, known, want)
		}
	})
}

func BenchmarkPatterns(b *testing.B) {
	p, err := filter.CompilePatterns([]string{"deal:*", "account-*:comment:*", "customer-contact:created", "account:*"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !p.Match("account:updated") {
			b.Fatal("does not match")
		}
	}
}
