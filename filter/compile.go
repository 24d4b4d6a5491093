package filter

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// evaluate is a compiled part of an expression. Its values are nil, bool, int64, float64, string, []any and map[string]any.
type evaluate func(r *run) any

// run is one evaluation.
type run struct {
	subject            *Subject
	eventID, eventType string
	element            any // what # stands for
	steps              int // left; below zero the run is over and its result void
	err                error
}

// compiler turns a parsed expression into functions, refusing what the language does not have.
type compiler struct {
	source file.Source
	seen   map[ast.Node]bool
}

func newCompiler(source file.Source) *compiler {
	return &compiler{source: source, seen: make(map[ast.Node]bool)}
}

func (c *compiler) refuse(node ast.Node, format string, args ...any) error {
	return (&file.Error{Location: node.Location(), Message: fmt.Sprintf(format, args...)}).Bind(c.source)
}

// compile gives the function of a node. Every call of it takes a step.
func (c *compiler) compile(node ast.Node) (evaluate, error) {
	if c.seen[node] { // the parser puts the middle of a < b < c into both comparisons
		return nil, c.refuse(node, "comparisons cannot be chained: write a < b and b < c")
	}
	c.seen[node] = true
	do, err := c.node(node)
	if err != nil {
		return nil, err
	}
	return func(r *run) any {
		if r.steps--; r.steps < 0 {
			return nil
		}
		return do(r)
	}, nil
}

func (c *compiler) node(node ast.Node) (evaluate, error) {
	switch n := node.(type) {
	case *ast.NilNode:
		return constant(nil), nil
	case *ast.BoolNode:
		return constant(n.Value), nil
	case *ast.IntegerNode:
		return constant(int64(n.Value)), nil
	case *ast.FloatNode:
		return constant(n.Value), nil
	case *ast.StringNode:
		return constant(n.Value), nil
	case *ast.ArrayNode:
		return c.array(n)
	case *ast.IdentifierNode:
		return c.identifier(n)
	case *ast.ChainNode: // a?.b: every member is optional here
		return c.compile(n.Node)
	case *ast.MemberNode:
		return c.member(n)
	case *ast.PointerNode:
		if n.Name != "" {
			return nil, c.refuse(n, "unknown name #%s", n.Name)
		}
		return func(r *run) any { return r.element }, nil
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.BuiltinNode:
		return c.function(n)
	case *ast.CallNode:
		if name, ok := n.Callee.(*ast.IdentifierNode); ok {
			return nil, c.refuse(n, "there is no function %s", name.Value)
		}
		return nil, c.refuse(n, "values have no functions of their own")
	case *ast.MapNode:
		return nil, c.refuse(n, "there are no object literals")
	case *ast.SliceNode:
		return nil, c.refuse(n, "there are no slices")
	case *ast.VariableDeclaratorNode:
		return nil, c.refuse(n, "there are no variables")
	case *ast.SequenceNode:
		return nil, c.refuse(n, "an expression is one condition, without ;")
	default:
		return nil, c.refuse(node, "not a part of the filter language")
	}
}

func constant(value any) evaluate { return func(*run) any { return value } }

func (c *compiler) compileAll(nodes []ast.Node) ([]evaluate, error) {
	list := make([]evaluate, len(nodes))
	for i, node := range nodes {
		var err error
		if list[i], err = c.compile(node); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (c *compiler) array(n *ast.ArrayNode) (evaluate, error) {
	elements, err := c.compileAll(n.Nodes)
	if err != nil {
		return nil, err
	}
	literal := true
	for _, element := range n.Nodes {
		switch element.(type) {
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NilNode:
		default:
			literal = false
		}
	}
	build := func(r *run) any {
		list := make([]any, len(elements))
		for i, element := range elements {
			list[i] = element(r)
		}
		return list
	}
	if literal {
		return constant(build(&run{steps: len(elements)})), nil
	}
	return build, nil
}

func (c *compiler) identifier(n *ast.IdentifierNode) (evaluate, error) {
	switch n.Value {
	case "payload":
		return func(r *run) any {
			payload, err := r.subject.payload()
			if err != nil {
				r.err = err
				return nil
			}
			return payload
		}, nil
	case "event":
		return nil, c.refuse(n, "name a member of event, such as event.type")
	default:
		return nil, c.refuse(n, "unknown name %s: there are event and payload", n.Value)
	}
}

func (c *compiler) member(n *ast.MemberNode) (evaluate, error) {
	if base, ok := n.Node.(*ast.IdentifierNode); ok && base.Value == "event" {
		name, ok := n.Property.(*ast.StringNode)
		if !ok {
			return nil, c.refuse(n, "name a member of event, such as event.type")
		}
		value, ok := eventMembers[name.Value]
		if !ok {
			return nil, c.refuse(n, "event has no member %s", name.Value)
		}
		return value, nil
	}

	if of, ok := stateOf(n.Node); ok {
		if name, ok := n.Property.(*ast.StringNode); ok {
			return func(r *run) any { return r.member(of, name.Value) }, nil
		}
	}

	base, err := c.compile(n.Node)
	if err != nil {
		return nil, err
	}
	if name, ok := n.Property.(*ast.StringNode); ok {
		return func(r *run) any {
			object, _ := base(r).(map[string]any)
			return object[name.Value]
		}, nil
	}
	property, err := c.compile(n.Property)
	if err != nil {
		return nil, err
	}
	return func(r *run) any { return memberOf(base(r), property(r)) }, nil
}

// stateOf reads payload.account, payload.previousAccount and so on.
func stateOf(node ast.Node) (state, bool) {
	n, ok := node.(*ast.MemberNode)
	if !ok {
		return state{}, false
	}
	base, ok := n.Node.(*ast.IdentifierNode)
	if !ok || base.Value != "payload" {
		return state{}, false
	}
	key, ok := n.Property.(*ast.StringNode)
	if !ok {
		return state{}, false
	}
	of, ok := states[key.Value]
	return of, ok
}

func (c *compiler) unary(n *ast.UnaryNode) (evaluate, error) {
	operand, err := c.compile(n.Node)
	if err != nil {
		return nil, err
	}
	switch n.Operator {
	case "not", "!":
		return func(r *run) any { return !truth(operand(r)) }, nil
	case "-":
		return func(r *run) any { return negative(operand(r)) }, nil
	case "+":
		return func(r *run) any {
			v := operand(r)
			if _, ok := number(v); !ok {
				return nil
			}
			return v
		}, nil
	default:
		return nil, c.refuse(n, "there is no operator %s", n.Operator)
	}
}

func (c *compiler) binary(n *ast.BinaryNode) (evaluate, error) {
	if n.Operator == "matches" {
		return c.matches(n)
	}
	left, err := c.compile(n.Left)
	if err != nil {
		return nil, err
	}
	right, err := c.compile(n.Right)
	if err != nil {
		return nil, err
	}
	switch n.Operator {
	case "and", "&&":
		return func(r *run) any { return truth(left(r)) && truth(right(r)) }, nil
	case "or", "||":
		return func(r *run) any { return truth(left(r)) || truth(right(r)) }, nil
	case "??":
		return func(r *run) any {
			if v := left(r); v != nil {
				return v
			}
			return right(r)
		}, nil
	case "==":
		return func(r *run) any { return r.equal(left(r), right(r)) }, nil
	case "!=":
		return func(r *run) any { return !r.equal(left(r), right(r)) }, nil
	case "<":
		return func(r *run) any { order, ok := r.compare(left(r), right(r)); return ok && order < 0 }, nil
	case "<=":
		return func(r *run) any { order, ok := r.compare(left(r), right(r)); return ok && order <= 0 }, nil
	case ">":
		return func(r *run) any { order, ok := r.compare(left(r), right(r)); return ok && order > 0 }, nil
	case ">=":
		return func(r *run) any { order, ok := r.compare(left(r), right(r)); return ok && order >= 0 }, nil
	case "in":
		return func(r *run) any { return r.in(left(r), right(r)) }, nil
	case "contains":
		return both(left, right, strings.Contains), nil
	case "startsWith":
		return both(left, right, strings.HasPrefix), nil
	case "endsWith":
		return both(left, right, strings.HasSuffix), nil
	case "+", "-", "*", "/", "%", "**", "^":
		return func(r *run) any { return r.calculate(n.Operator, left(r), right(r)) }, nil
	case "..":
		return nil, c.refuse(n, "there are no ranges")
	default:
		return nil, c.refuse(n, "there is no operator %s", n.Operator)
	}
}

// both is a test of two strings; false for anything else.
func both(left, right evaluate, test func(s, t string) bool) evaluate {
	return func(r *run) any {
		s, ok1 := left(r).(string)
		t, ok2 := right(r).(string)
		return ok1 && ok2 && r.read(len(s)) && test(s, t)
	}
}

// matches compiles its pattern beforehand. A pattern's cost on a text is the product of their sizes.
func (c *compiler) matches(n *ast.BinaryNode) (evaluate, error) {
	text, err := c.compile(n.Left)
	if err != nil {
		return nil, err
	}
	pattern, ok := n.Right.(*ast.StringNode)
	if !ok {
		return nil, c.refuse(n.Right, "matches needs a literal pattern")
	}
	expression, err := regexp.Compile(pattern.Value)
	if err != nil {
		return nil, c.refuse(n.Right, "%v", err)
	}
	size, err := instructions(pattern.Value)
	if err != nil {
		return nil, c.refuse(n.Right, "%v", err)
	}
	return func(r *run) any {
		s, ok := text(r).(string)
		return ok && r.read(len(s)*size) && expression.MatchString(s)
	}, nil
}

// instructions is the size of a pattern's machine.
func instructions(pattern string) (int, error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0, err
	}
	return len(program.Inst), nil
}

func (c *compiler) conditional(n *ast.ConditionalNode) (evaluate, error) {
	parts, err := c.compileAll([]ast.Node{n.Cond, n.Exp1, n.Exp2})
	if err != nil {
		return nil, err
	}
	return func(r *run) any {
		if truth(parts[0](r)) {
			return parts[1](r)
		}
		return parts[2](r)
	}, nil
}

func (c *compiler) function(n *ast.BuiltinNode) (evaluate, error) {
	if !functions[n.Name] {
		return nil, c.refuse(n, "there is no function %s", n.Name)
	}
	switch n.Name {
	case "all", "any", "none", "one", "count":
		return c.quantifier(n)
	}
	if len(n.Arguments) != 1 {
		return nil, c.refuse(n, "%s takes one argument", n.Name)
	}
	argument, err := c.compile(n.Arguments[0])
	if err != nil {
		return nil, err
	}
	switch n.Name {
	case "len":
		return func(r *run) any { return r.length(argument(r)) }, nil
	case "abs":
		return func(r *run) any { return absolute(argument(r)) }, nil
	case "lower":
		return text(argument, strings.ToLower), nil
	case "upper":
		return text(argument, strings.ToUpper), nil
	default: // trim
		return text(argument, strings.TrimSpace), nil
	}
}

// text is a function of a string; nil for anything else.
func text(argument evaluate, do func(string) string) evaluate {
	return func(r *run) any {
		s, ok := argument(r).(string)
		if !ok || !r.read(len(s)) {
			return nil
		}
		return do(s)
	}
}

// quantifier counts the elements of a list for which the condition holds, as far as it must. Nil is an empty list.
func (c *compiler) quantifier(n *ast.BuiltinNode) (evaluate, error) {
	list, err := c.compile(n.Arguments[0])
	if err != nil {
		return nil, err
	}
	holds := func(r *run) any { return r.element } // count(list) counts what is true
	if len(n.Arguments) > 1 {
		predicate, ok := n.Arguments[1].(*ast.PredicateNode)
		if !ok {
			return nil, c.refuse(n.Arguments[1], "%s needs a condition", n.Name)
		}
		if holds, err = c.compile(predicate.Node); err != nil {
			return nil, err
		}
	}
	count := func(r *run, enough int) (held, length int) {
		elements, _ := list(r).([]any)
		outer := r.element
		defer func() { r.element = outer }()
		for _, element := range elements {
			if r.steps--; r.steps < 0 || held == enough {
				break
			}
			r.element = element
			if truth(holds(r)) {
				held++
			}
		}
		return held, len(elements)
	}
	switch n.Name {
	case "any":
		return func(r *run) any { held, _ := count(r, 1); return held > 0 }, nil
	case "none":
		return func(r *run) any { held, _ := count(r, 1); return held == 0 }, nil
	case "one":
		return func(r *run) any { held, _ := count(r, 2); return held == 1 }, nil
	case "all":
		return func(r *run) any { held, length := count(r, -1); return held == length }, nil
	default: // count
		return func(r *run) any { held, _ := count(r, -1); return int64(held) }, nil
	}
}
