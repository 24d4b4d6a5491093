package filter

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"carillon"
)

// Bounds of an expression.
const (
	MaxLength = 4096    // in bytes
	MaxNodes  = 500     // names, literals, operators and calls
	MaxSteps  = 100_000 // of one run: a node, an element looked at, 64 bytes of text read
)

// ErrTooCostly is what Match fails with when an expression takes more than MaxSteps for an event.
var ErrTooCostly = fmt.Errorf("the filter takes more than %d steps for this event", MaxSteps)

// Filter is a compiled expression. It is safe for concurrent use.
type Filter struct {
	root evaluate
}

// Compile reads an expression. It fails with carillon.CodeInvalid at /filter, saying the line and column, if the text is not an
// expression, if a name or a comparison cannot be right for any event, or if the result would not be true or false.
func Compile(expression string) (*Filter, error) {
	if len(expression) > MaxLength {
		return nil, carillon.Invalid("/filter", fmt.Sprintf("is longer than %d bytes", MaxLength))
	}
	config := conf.New(environment)
	config.MaxNodes = MaxNodes
	config.Expect, config.ExpectAny = reflect.Bool, true
	for name := range config.Builtins {
		if !functions[name] {
			config.Disabled[name] = true
		}
	}
	for name := range config.Disabled {
		delete(config.Builtins, name)
	}

	tree, err := parser.ParseWithConfig(expression, config)
	if err != nil {
		return nil, invalid(err)
	}
	// The compiler comes first: it refuses chained comparisons, which the checker would visit once for every path.
	root, err := newCompiler(tree.Source).compile(tree.Node)
	if err != nil {
		return nil, invalid(err)
	}
	if _, err := checker.Check(tree, config); err != nil {
		return nil, invalid(err)
	}
	return &Filter{root: root}, nil
}

// invalid says where in the expression an error lies, if it knows.
func invalid(err error) error {
	var located *file.Error
	if errors.As(err, &located) && located.Line > 0 {
		return carillon.Invalid("/filter", fmt.Sprintf("line %d, column %d: %s", located.Line, located.Column+1, located.Message))
	}
	return carillon.Invalid("/filter", err.Error())
}

// Match reports whether an event passes. See MatchSubject.
func (f *Filter) Match(c *carillon.Change, eventID, eventType string) (bool, error) {
	return f.MatchSubject(NewSubject(c), eventID, eventType)
}

// MatchSubject reports whether an event of the subject passes. It fails with ErrTooCostly, or if the change's state is
// not JSON.
func (f *Filter) MatchSubject(s *Subject, eventID, eventType string) (bool, error) {
	r := run{subject: s, eventID: eventID, eventType: eventType, steps: MaxSteps}
	result := truth(f.root(&r))
	switch {
	case r.err != nil:
		return false, r.err
	case r.steps < 0:
		return false, ErrTooCostly
	}
	return result, nil
}
