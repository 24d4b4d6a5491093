package workshop

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"carillon/apps"
)

// mask takes values of secure parameters out of texts, as they are and as they are commonly written: escaped in JSON and in
// URLs, and in base64. The zero mask takes out nothing.
type mask struct {
	forms []string // the longest first
}

const (
	masked    = "***"
	minSecret = 3  // characters: what is shorter is no secret, and would take texts apart
	enough    = 16 // bytes of a form that was cut short, from which on it is taken out as well
)

func maskOf(values map[string]any, secure []string) mask {
	var m mask
	for _, name := range secure {
		m = m.and(values[name])
	}
	return m
}

// and gives a mask that takes out a value, and what is in it, as well.
func (m mask) and(value any) mask {
	switch v := value.(type) {
	case string:
		return m.secret(v)
	case float64:
		return m.secret(strconv.FormatFloat(v, 'f', -1, 64))
	case []any:
		for _, e := range v {
			m = m.and(e)
		}
	case map[string]any:
		for _, e := range v {
			m = m.and(e)
		}
	}
	return m
}

func (m mask) secret(text string) mask {
	if len(text) < minSecret {
		return m
	}
	escaped := string(appendText(nil, text))
	html := strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`).Replace(escaped)
	written := []string{
		text, escaped[1 : len(escaped)-1], html[1 : len(html)-1],
		base64.StdEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(text)),
	}
	for _, form := range []string{
		url.QueryEscape(text), url.PathEscape(text), apps.URLText(text),
		percentEncoded(text, componentMarks), percentEncoded(text, uriMarks),
	} {
		written = append(written, form, lowerHex(form))
	}
	forms := slices.Clone(m.forms)
	for _, form := range written {
		if !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	slices.SortStableFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return mask{forms}
}

// What JavaScript's encodeURIComponent and encodeURI leave as it is, besides letters and digits (ECMA-262 §19.2.6).
const (
	componentMarks = "-_.!~*'()"
	uriMarks       = componentMarks + ";/?:@&=+$,#"
)

// percentEncoded writes a text as those functions do.
func percentEncoded(text, marks string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(marks, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

var percentEscape = regexp.MustCompile(`%[0-9A-F]{2}`)

// lowerHex writes the escapes of a text in lower case.
func lowerHex(text string) string { return percentEscape.ReplaceAllStringFunc(text, strings.ToLower) }

// text gives a text without the secrets.
func (m mask) text(s string) string {
	for _, form := range m.forms {
		s = without(s, form)
	}
	return s
}

// without takes a form out of a text, also where only its beginning is there because the text was cut.
func without(s, form string) string {
	head := form[:min(len(form), enough)]
	if !strings.Contains(s, head) {
		return s
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, head)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(masked)
		rest := form[len(head):]
		n := 0
		for n < len(rest) && n < len(after) && rest[n] == after[n] {
			n++
		}
		s = after[n:]
	}
}
