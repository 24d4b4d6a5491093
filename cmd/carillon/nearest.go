package main

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"carillon/spelling"
)

// nearest gives at most n names that somebody may have meant by a word, the likeliest first. Case, and what is no letter
// or digit, hardly count: dialects differ in them.
func nearest(word string, names []string, n int) []string {
	const longest = 100 // nobody means anything by more
	if len(word) > longest {
		return nil
	}
	type guess struct {
		name     string
		distance int
	}
	meant := letters(word)
	var guesses []guess
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		if d := spelling.Distance(meant, letters(name)); d <= max(2, len(meant)/3) {
			guesses = append(guesses, guess{name, d})
		}
	}
	slices.SortStableFunc(guesses, func(a, b guess) int { return cmp.Compare(a.distance, b.distance) })
	var list []string
	for _, g := range guesses[:min(n, len(guesses))] {
		list = append(list, g.name)
	}
	return list
}

// letters are a word's letters and digits in lower case.
func letters(word string) []rune {
	var list []rune
	for _, r := range strings.ToLower(word) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			list = append(list, r)
		}
	}
	return list
}
