package country

import (
	_ "embed"
	"strings"
	"unicode"
)

// countries has a line for each country: alpha-2 code, alpha-3 code, the name in English, other names after semicolons. They are
// the codes of ISO 3166-1, and XK for Kosovo, which is in wide use.
//
//go:embed countries.txt
var countries string

// names are by alpha-2 code; codes, alpha-2 as well, by what spelling makes of a code or name.
var names, codes = read()

func read() (names, codes map[string]string) {
	names, codes = make(map[string]string), make(map[string]string)
	for line := range strings.Lines(countries) {
		two, three, list := line[:2], line[3:6], strings.TrimSpace(line[7:])
		names[two], _, _ = strings.Cut(list, "; ")
		for text := range strings.SplitSeq(two+"; "+three+"; "+list, "; ") {
			codes[spelling(text)] = two
		}
	}
	return names, codes
}

// Code finds the alpha-2 code ("GB") of a country by its code of two or three letters or by its name in English, whatever the case,
// punctuation and article. It is false for what is none.
func Code(text string) (string, bool) {
	if _, ok := names[text]; ok {
		return text, true
	}
	code, ok := codes[spelling(text)]
	return code, ok
}

// Name gives the English name ("United Kingdom") of an alpha-2 code in capitals; false for what is none.
func Name(code string) (string, bool) {
	name, ok := names[code]
	return name, ok
}

// spelling is a name without what people write in different ways.
func spelling(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	text = strings.TrimSuffix(strings.TrimPrefix(text, "the "), "(the)")
	text = strings.ReplaceAll(text, "&", "and")
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, text)
}
