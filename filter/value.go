package filter

import (
	"cmp"
	"math"
	"unicode/utf8"
)

// bytesPerStep is how much text one step reads.
const bytesPerStep = 64

// read takes the steps of reading n bytes and reports whether there were enough.
func (r *run) read(n int) bool {
	r.steps -= n / bytesPerStep
	return r.steps >= 0
}

// truth reads a value as a condition.
func truth(v any) bool {
	b, _ := v.(bool)
	return b
}

// number reads a value as a number.
func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	default:
		return 0, false
	}
}

// compare orders two numbers or two strings; ok is false for anything else.
func (r *run) compare(a, b any) (order int, ok bool) {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		if !ok || !r.read(min(len(a), len(b))) {
			return 0, false
		}
		return cmp.Compare(a, b), true
	case int64:
		if b, ok := b.(int64); ok { // exactly, beyond what a float holds
			return cmp.Compare(a, b), true
		}
	}
	x, ok1 := number(a)
	y, ok2 := number(b)
	if !ok1 || !ok2 || math.IsNaN(x) || math.IsNaN(y) {
		return 0, false
	}
	return cmp.Compare(x, y), true
}

// equal compares any two values as JSON does: by content, numbers by value.
func (r *run) equal(a, b any) bool {
	if r.steps--; r.steps < 0 {
		return false
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !r.equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, value := range a {
			other, ok := b[name]
			if !ok || !r.equal(value, other) {
				return false
			}
		}
		return true
	default:
		order, ok := r.compare(a, b)
		return ok && order == 0
	}
}

// in reports whether v is an element of a list or a name of an object.
func (r *run) in(v, container any) bool {
	switch container := container.(type) {
	case []any:
		for _, element := range container {
			if r.equal(v, element) && v != nil {
				return true
			}
			if r.steps < 0 {
				return false
			}
		}
	case map[string]any:
		name, ok := v.(string)
		if ok {
			_, ok = container[name]
		}
		return ok
	}
	return false
}

// memberOf is container[key]: an element, counted from the end if negative, or a member.
func memberOf(container, key any) any {
	switch container := container.(type) {
	case map[string]any:
		name, _ := key.(string)
		return container[name]
	case []any:
		n, ok := number(key)
		if ok && n < 0 {
			n += float64(len(container))
		}
		if !ok || n != math.Trunc(n) || n < 0 || n >= float64(len(container)) {
			return nil
		}
		return container[int(n)]
	default:
		return nil
	}
}

// calculate is double-precision arithmetic, or the joining of two strings; nil for anything else and for a division by zero.
func (r *run) calculate(operator string, a, b any) any {
	if s, ok := a.(string); ok && operator == "+" {
		t, ok := b.(string)
		if !ok || !r.read(len(s)+len(t)) {
			return nil
		}
		return s + t
	}
	x, ok1 := number(a)
	y, ok2 := number(b)
	if !ok1 || !ok2 {
		return nil
	}
	switch operator {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "**", "^":
		return math.Pow(x, y)
	}
	if y == 0 {
		return nil
	}
	if operator == "%" {
		return math.Mod(x, y)
	}
	return x / y
}

func negative(v any) any {
	switch n := v.(type) {
	case int64:
		return -n
	case float64:
		return -n
	default:
		return nil
	}
}

func absolute(v any) any {
	if order, ok := (&run{}).compare(v, int64(0)); ok && order < 0 {
		return negative(v)
	}
	if _, ok := number(v); !ok {
		return nil
	}
	return v
}

// length counts the characters of a string, the elements of a list or the members of an object; nil for anything else.
func (r *run) length(v any) any {
	switch v := v.(type) {
	case string:
		if !r.read(len(v)) {
			return nil
		}
		return int64(utf8.RuneCountInString(v))
	case []any:
		return int64(len(v))
	case map[string]any:
		return int64(len(v))
	default:
		return nil
	}
}
