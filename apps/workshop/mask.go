package workshop

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
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
		m.hide(values[name])
	}
	return m
}

// hide adds a value, and what is in it.
func (m *mask) hide(value any) {
	switch v := value.(type) {
	case string:
		m.add(v)
	case float64:
		m.add(strconv.FormatFloat(v, 'f', -1, 64))
	case []any:
		for _, e := range v {
			m.hide(e)
		}
	case map[string]any:
		for _, e := range v {
			m.hide(e)
		}
	}
}

func (m *mask) add(secret string) {
	if len(secret) < minSecret {
		return
	}
	escaped, _ := json.Marshal(secret) // texts can always be written
	plain := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(escaped))
	for _, form := range []string{
		secret, string(escaped[1 : len(escaped)-1]), plain[1 : len(plain)-1], url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
	} {
		if !slices.Contains(m.forms, form) {
			m.forms = append(m.forms, form)
		}
	}
	slices.SortFunc(m.forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
}

// and gives a mask that takes out another secret as well.
func (m mask) and(secret string) mask {
	m.forms = slices.Clone(m.forms)
	m.add(secret)
	return m
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
