package workshop

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
	forms := slices.Clone(m.forms)
	for _, form := range []string{
		text, escaped[1 : len(escaped)-1], html[1 : len(html)-1], url.QueryEscape(text), url.PathEscape(text),
		base64.StdEncoding.EncodeToString([]byte(text)), base64.RawURLEncoding.EncodeToString([]byte(text)),
	} {
		if !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	slices.SortStableFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return mask{forms}
}

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
