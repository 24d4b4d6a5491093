package console

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// token is a stretch of JSON text and what it is: "key", "string", "number", "literal", or "" for all else.
type token struct{ Class, Text string }

// coloured indents JSON and cuts it into tokens whose texts joined are the whole. What is no JSON, or is very long, is
// given as one token as it is.
func coloured(body []byte) []token {
	if len(body) > maxDetailBytes {
		return []token{{Text: string(body)}}
	}
	value := jsontext.Value(body).Clone()
	if err := value.Indent(jsontext.WithIndent("  ")); err != nil {
		return []token{{Text: string(body)}}
	}
	var tokens []token
	text := string(value)
	for len(text) > 0 {
		var class string
		var n int
		switch first := text[0]; {
		case first == '"':
			class, n = "string", stringLength(text)
			if strings.HasPrefix(text[n:], ":") {
				class = "key"
			}
		case first == '-' || first >= '0' && first <= '9':
			class, n = "number", wordLength(text)
		case first >= 'a' && first <= 'z':
			class, n = "literal", wordLength(text)
		default:
			if n = strings.IndexFunc(text, startsToken); n < 0 {
				n = len(text)
			}
		}
		tokens = append(tokens, token{class, text[:n]})
		text = text[n:]
	}
	return tokens
}

// stringLength is the length of the JSON string that text begins with, quotes included.
func stringLength(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// wordLength is the length of the number or literal that text begins with.
func wordLength(text string) int {
	if n := strings.IndexAny(text, ",]} \n"); n >= 0 {
		return n
	}
	return len(text)
}

func startsToken(r rune) bool {
	return r == '"' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z'
}
