package dialect

import (
	"bytes"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// Member gives the JSON value of a top-level member of a stored record without decoding the rest, as a slice of
// object; nil if there is none. See Members for what it reads.
func Member(object []byte, name string) []byte {
	for key, value := range Members(object) {
		if quotes(key, name) {
			return value
		}
	}
	return nil
}

// Members walks the top-level members of an object: the name as a JSON string (see Unquote) and the value, both slices of
// object. It reads what Record.Data promises (an object without white space); of anything else it gives some part or
// nothing, but never fails.
func Members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		if len(object) == 0 || object[0] != '{' {
			return
		}
		rest := object[1:]
		for len(rest) > 0 && rest[0] == '"' {
			nameEnd := stringEnd(rest)
			if nameEnd < 0 || nameEnd == len(rest) || rest[nameEnd] != ':' {
				return
			}
			name, value := rest[:nameEnd], rest[nameEnd+1:]
			end := valueEnd(value)
			if end <= 0 || !yield(name, value[:end:end]) {
				return
			}
			rest = value[end:]
			if len(rest) == 0 || rest[0] != ',' {
				return
			}
			rest = rest[1:]
		}
	}
}

// Elements walks the elements of an array, slices of it. It reads as Members does.
func Elements(array []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		if len(array) == 0 || array[0] != '[' {
			return
		}
		rest := array[1:]
		for {
			end := valueEnd(rest)
			if end <= 0 || !yield(rest[:end:end]) {
				return
			}
			rest = rest[end:]
			if len(rest) == 0 || rest[0] != ',' {
				return
			}
			rest = rest[1:]
		}
	}
}

// Unquote gives the text of a JSON string; "" if it is none.
func Unquote(quoted []byte) string {
	if len(quoted) >= 2 && bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	plain, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		return ""
	}
	return string(plain)
}

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // the only error says that U+FFFD was put in
	return dst
}

// AppendMember appends a member to an object that is being written (from its opening brace on): the name as a JSON string, as
// Members gives it, and the value.
func AppendMember(object, name, value []byte) []byte {
	if len(object) > 1 {
		object = append(object, ',')
	}
	return append(append(append(object, name...), ':'), value...)
}

// quotes reports whether a JSON string says text.
func quotes(quoted []byte, text string) bool {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1:len(quoted)-1]) == text
	}
	return Unquote(quoted) == text
}

// stringEnd is the length of the JSON string that b begins with, −1 if it does not end. b[0] is its opening quote.
func stringEnd(b []byte) int {
	i := 1
	for {
		quote := bytes.IndexByte(b[i:], '"')
		if quote < 0 {
			return -1
		}
		i += quote + 1
		backslashes := 0
		for b[i-2-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return i
		}
	}
}

// valueEnd is the length of the JSON value that b begins with, −1 if it does not end.
func valueEnd(b []byte) int {
	depth := 0
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			n := stringEnd(b[i:])
			if n < 0 {
				return -1
			}
			i += n
			if depth == 0 {
				return i
			}
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
			i++
			if depth == 0 {
				return i
			}
		case ',':
			if depth == 0 {
				return i
			}
			i++
		default:
			i++
		}
	}
	return -1
}
