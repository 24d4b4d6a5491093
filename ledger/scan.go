package ledger

import (
	"bytes"
	"iter"
)

// The functions of this file walk JSON that is known to be valid and without white space: bodies after formatting,
// and what the ledger itself has stored. On anything else they may panic.

var null = []byte("null")

// skipValue gives the end of the value that begins at i.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		for depth := 0; ; {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			i++
			if depth == 0 {
				return i
			}
		}
	default:
		for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' {
			i++
		}
		return i
	}
}

// skipString gives the end of the string whose opening quote is at i.
func skipString(b []byte, i int) int {
	for i++; ; i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			panic("a string without an end in what was thought to be JSON")
		}
		i += n
		escapes := 0
		for b[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1
		}
	}
}

// objectMembers ranges over the names (in quotes, as written) and values of an object.
func objectMembers(b []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for i := 1; i < len(b) && b[i] != '}'; {
			if b[i] == ',' {
				i++
			}
			colon := skipString(b, i)
			end := skipValue(b, colon+1)
			if !yield(b[i:colon], b[colon+1:end]) {
				return
			}
			i = end
		}
	}
}

// elements ranges over the values of an array.
func elements(b []byte) iter.Seq2[int, []byte] {
	return func(yield func(n int, value []byte) bool) {
		n := 0
		for i := 1; i < len(b) && b[i] != ']'; n++ {
			if b[i] == ',' {
				i++
			}
			end := skipValue(b, i)
			if !yield(n, b[i:end]) {
				return
			}
			i = end
		}
	}
}

// tooDeep reports whether objects and arrays are nested deeper than limit. It is safe on any bytes; on what is not
// JSON the answer is a guess.
func tooDeep(b []byte, limit int) bool {
	if bytes.Count(b, []byte{'{'})+bytes.Count(b, []byte{'['}) <= limit {
		return false
	}
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// crowded reports whether some object or array inside b has more than limit members or elements.
func crowded(b []byte, limit int) bool {
	if bytes.Count(b, []byte{','}) < limit {
		return false
	}
	switch b[0] {
	case '{':
		n := 0
		for _, value := range objectMembers(b) {
			if n++; n > limit || crowded(value, limit) {
				return true
			}
		}
	case '[':
		n := 0
		for _, value := range elements(b) {
			if n++; n > limit || crowded(value, limit) {
				return true
			}
		}
	}
	return false
}
