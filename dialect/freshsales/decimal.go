package freshsales

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"

	"carillon"
)

// The vendor writes wrapped decimals as texts with at least one decimal ("123.0"), and as numbers in model_changes (123).

func decimal(member, absent string) value {
	return value{member: member, read: readDecimal, absent: absent, schema: orNull("string"), append: func(s *side, f *slot, b, sent []byte) []byte {
		if v := s.house(f); v != nil {
			return appendDecimal(b, v)
		}
		return otherwise(f, b, sent)
	}}
}

// baseAmount is a deal's amount in the currency of the vendor's account: what the vendor sent, or else the amount itself: the house
// has no rates.
var baseAmount = value{member: "amount", read: readBaseAmount, absent: `"0.0"`, schema: orNull("string"), append: func(s *side, f *slot, b, sent []byte) []byte {
	if v := s.house(f); v != nil && len(sent) == 0 {
		return appendDecimal(b, v)
	}
	return otherwise(f, b, sent)
}}

// expectedValue is a deal's amount times its probability in percent; or what the vendor sent, as long as a vendor made the deal
// what it is.
var expectedValue = value{member: "amount", read: keep, absent: `"0.0"`, derived: true, schema: orNull("string"), append: func(s *side, f *slot, b, sent []byte) []byte {
	amount, probability := s.house(f), s.members[dealProbability]
	if amount == nil || s.holds(sent) {
		return otherwise(f, b, sent)
	}
	if product, ok := percent(string(amount), string(probability)); ok {
		return appendDecimal(b, []byte(product))
	}
	return appendDecimal(b, amount)
}}

var dealProbability = placeOf(carillon.KindDeal, "probability")

// maxPrecise is how long numbers may be that are calculated with; longer ones are told as they are.
const maxPrecise = 40

// percent is amount × probability / 100, exactly; ok is false for 100 percent, no probability, and numbers out of all proportion.
func percent(amount, probability string) (product string, ok bool) {
	if probability == "" || probability == "100" || len(amount) > maxPrecise || len(probability) > maxPrecise ||
		strings.ContainsAny(amount+probability, "eE") {
		return "", false
	}
	a, ok := new(big.Rat).SetString(amount)
	if !ok {
		return "", false
	}
	p, ok := new(big.Rat).SetString(probability)
	if !ok {
		return "", false
	}
	decimals := decimalsOf(amount) + decimalsOf(probability) + 2
	return a.Mul(a, p).Quo(a, big.NewRat(100, 1)).FloatString(decimals), true
}

func decimalsOf(number string) int {
	if i := strings.IndexByte(number, '.'); i >= 0 {
		return len(number) - i - 1
	}
	return 0
}

// appendDecimal writes a JSON number as a text: without exponent, with one decimal or more, none of them an idle zero.
func appendDecimal(b, number []byte) []byte {
	b = append(b, '"')
	start := len(b)
	b = append(b, plainNumber(number)...)
	switch {
	case bytes.ContainsAny(b[start:], "eE"):
	case bytes.IndexByte(b[start:], '.') < 0:
		b = append(b, ".0"...)
	default:
		for b[len(b)-1] == '0' && b[len(b)-2] != '.' {
			b = b[:len(b)-1]
		}
	}
	return append(b, '"')
}

// maxExponent is how far numbers are written out.
const maxExponent = 30

// plainNumber is a number without its exponent, unless that is out of all proportion.
func plainNumber(number []byte) []byte {
	i := bytes.IndexAny(number, "eE")
	if i < 0 {
		return number
	}
	exponent, err := strconv.Atoi(strings.TrimPrefix(string(number[i+1:]), "+"))
	if err != nil || exponent > maxExponent || exponent < -maxExponent {
		return number
	}
	r, ok := new(big.Rat).SetString(string(number))
	if !ok {
		return number
	}
	return []byte(r.FloatString(max(0, decimalsOf(string(number[:i]))-exponent)))
}

// changeOfDecimal writes a decimal as a number.
func changeOfDecimal(s *side, f *slot, b, sent []byte) []byte {
	start := len(b)
	b = f.value.append(s, f, b, sent)
	text := bytes.TrimSuffix(bytes.Trim(b[start:], `"`), []byte(".0"))
	if !isDecimal(text) {
		return b
	}
	return append(b[:start], text...)
}

// isDecimal reports whether a text is a number in JSON (RFC 8259 §6).
func isDecimal(text []byte) bool {
	rest := bytes.TrimPrefix(text, []byte("-"))
	whole := digitsOf(rest)
	if whole == 0 || whole > 1 && rest[0] == '0' {
		return false
	}
	rest = rest[whole:]
	if len(rest) > 0 && rest[0] == '.' {
		decimals := digitsOf(rest[1:])
		if decimals == 0 {
			return false
		}
		rest = rest[1+decimals:]
	}
	if len(rest) > 0 && (rest[0] == 'e' || rest[0] == 'E') {
		rest = rest[1:]
		if len(rest) > 0 && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		exponent := digitsOf(rest)
		return exponent > 0 && exponent == len(rest)
	}
	return len(rest) == 0
}

// digitsOf is how many digits a text begins with.
func digitsOf(text []byte) int {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}
