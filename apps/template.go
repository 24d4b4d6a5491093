package apps

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"carillon"
)

// Template is a text with places to fill in, as config/requests.json has them:
//
//	<%= iparam.name %>                       an installation parameter
//	<%= context.name %>                      what the handler gives when it invokes the request
//	<%= access_token %>                      the token of an OAuth request
//	<%= encode(iparam.user + ':' + iparam.key) %>   the base64 of texts and names, joined by +
//
// A name may go on into objects: context.ticket.id. The zero Template is the empty text.
type Template struct {
	text  string
	parts []part
}

// part is a literal, or a place to fill in.
type part struct {
	literal string
	terms   []term // joined; nil for a literal
	encoded bool   // in base64
}

// term is a literal, or a name.
type term struct {
	literal string
	scope   string // iparam, context or access_token; "" for a literal
	name    string // below iparam or context
}

// Scope is what the names of templates stand for.
type Scope struct {
	IParams     map[string]any
	Context     map[string]any
	AccessToken string
}

// Bounds of templates, in bytes.
const (
	maxTemplate = 16 << 10
	maxExpanded = 64 << 10
)

// ParseTemplate reads a template. It fails with a reason, without saying where.
func ParseTemplate(text string) (Template, error) {
	t := Template{text: text}
	if len(text) > maxTemplate {
		return Template{}, fmt.Errorf("is longer than %d KB", maxTemplate>>10)
	}
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "<%")
		if before != "" {
			t.parts = append(t.parts, part{literal: before})
		}
		if !found {
			break
		}
		inside, next, closed := strings.Cut(after, "%>")
		expression, prints := strings.CutPrefix(inside, "=")
		switch {
		case !closed:
			return Template{}, errors.New("has a <% without %>")
		case !prints:
			return Template{}, errors.New("has a <% that is not <%=: a template fills in, it does not run")
		}
		p, err := parsePart(expression)
		if err != nil {
			return Template{}, err
		}
		t.parts, rest = append(t.parts, p), next
	}
	return t, nil
}

func parsePart(expression string) (part, error) {
	text := strings.TrimSpace(expression)
	var p part
	if inner, ok := strings.CutPrefix(text, "encode"); ok && strings.HasPrefix(strings.TrimSpace(inner), "(") {
		inner, ok = strings.CutSuffix(strings.TrimSpace(inner)[1:], ")")
		if !ok {
			return part{}, fmt.Errorf("has %s without its closing )", quoted(text))
		}
		p.encoded, text = true, inner
	}
	for {
		one, rest, err := parseTerm(strings.TrimSpace(text))
		if err != nil {
			return part{}, err
		}
		p.terms = append(p.terms, one)
		rest = strings.TrimSpace(rest)
		if rest == "" {
			return p, nil
		}
		next, joined := strings.CutPrefix(rest, "+")
		if !joined {
			return part{}, fmt.Errorf("has %s, where only + joins names and texts", quoted(rest))
		}
		text = next
	}
}

// templateName is iparam.x, context.x.y or access_token. Names of parameters may have hyphens.
var templateName = regexp.MustCompile(`^(?:(iparam|context)\.([A-Za-z0-9_$-]+(?:\.[A-Za-z0-9_$-]+)*)|(access_token)\b)`)

func parseTerm(text string) (one term, rest string, err error) {
	if text == "" {
		return term{}, "", errors.New("has a place to fill in that names nothing")
	}
	if quote := text[0]; quote == '\'' || quote == '"' {
		end := strings.IndexByte(text[1:], quote)
		if end < 0 || strings.Contains(text[1:1+end], `\`) {
			return term{}, "", fmt.Errorf("has the text %s, which is not closed or has a backslash", quoted(text))
		}
		return term{literal: text[1 : 1+end]}, text[end+2:], nil
	}
	found := templateName.FindStringSubmatch(text)
	if found == nil {
		return term{}, "", fmt.Errorf("names %s: there are iparam.NAME, context.NAME, access_token and encode(…)", quoted(text))
	}
	return term{scope: found[1] + found[3], name: found[2]}, text[len(found[0]):], nil
}

// String is the template as it was written.
func (t Template) String() string { return t.text }

// literal reports whether there is nothing to fill in.
func (t Template) literal() bool {
	return !slices.ContainsFunc(t.parts, func(p part) bool { return p.terms != nil })
}

// names lists the names of a scope.
func (t Template) names(scope string) []string {
	var names []string
	for _, p := range t.parts {
		for _, one := range p.terms {
			if one.scope == scope {
				names = append(names, one.name)
			}
		}
	}
	return names
}

// Expand fills in the template. It fails with carillon.CodeInvalid naming every name that the scope does not have, or that is
// no text, number or truth, below /iparams or /context.
func (t Template) Expand(s Scope) (string, error) {
	return t.expand(s, func(_, value string) string { return value })
}

// expand fills in the template with values as escape gives them; it is told what stands before.
func (t Template) expand(s Scope, escape func(before, value string) string) (string, error) {
	invalid := &carillon.Error{Code: carillon.CodeInvalid, Message: "the request template cannot be filled in"}
	var b strings.Builder
	for _, p := range t.parts {
		if p.terms == nil {
			b.WriteString(p.literal)
			continue
		}
		value, faults := s.fill(p)
		invalid.Faults = append(invalid.Faults, faults...)
		if b.Len()+len(value) > maxExpanded {
			return "", carillon.Invalid("", fmt.Sprintf("the request template is longer than %d KB when filled in", maxExpanded>>10))
		}
		b.WriteString(escape(b.String(), value))
	}
	if len(invalid.Faults) > 0 {
		return "", invalid
	}
	return b.String(), nil
}

// fill gives what a place is filled in with.
func (s Scope) fill(p part) (value string, faults []carillon.Fault) {
	var joined strings.Builder
	for _, one := range p.terms {
		text, fault := s.lookUp(one)
		if fault != nil {
			faults = append(faults, *fault)
			continue
		}
		joined.WriteString(text)
	}
	if p.encoded {
		return base64.StdEncoding.EncodeToString([]byte(joined.String())), faults
	}
	return joined.String(), faults
}

// Filled lists what the places that name one of these parameters are filled in with.
func (t Template) Filled(s Scope, iparams []string) []string {
	var list []string
	for _, p := range t.parts {
		names := slices.ContainsFunc(p.terms, func(one term) bool {
			first, _, _ := strings.Cut(one.name, ".")
			return one.scope == "iparam" && (slices.Contains(iparams, one.name) || slices.Contains(iparams, first))
		})
		if value, faults := s.fill(p); names && faults == nil {
			list = append(list, value)
		}
	}
	return list
}

// lookUp gives what a term stands for.
func (s Scope) lookUp(one term) (string, *carillon.Fault) {
	var member string
	var values map[string]any
	switch one.scope {
	case "":
		return one.literal, nil
	case "access_token":
		if s.AccessToken == "" {
			return "", &carillon.Fault{Member: "/access_token", Reason: "there is no access token"}
		}
		return s.AccessToken, nil
	case "iparam":
		member, values = "/iparams/", s.IParams
	default:
		member, values = "/context/", s.Context
	}
	value, ok := values[one.name]
	if !ok {
		value, ok = descend(values, strings.Split(one.name, "."))
	}
	member += strings.ReplaceAll(one.name, ".", "/")
	if !ok || value == nil {
		return "", &carillon.Fault{Member: member, Reason: "is named by the request template, but has no value"}
	}
	text, ok := plain(value)
	if !ok {
		return "", &carillon.Fault{Member: member, Reason: "is named by the request template, but is no text, number or truth"}
	}
	return text, nil
}

func descend(values map[string]any, names []string) (any, bool) {
	var value any = values
	for _, name := range names {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[name]; !ok {
			return nil, false
		}
	}
	return value, true
}

// plain writes a value as JavaScript does when it joins texts.
func plain(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case int:
		return strconv.Itoa(v), true
	case float64:
		if math.Abs(v) < 1e21 {
			return strconv.FormatFloat(v, 'f', -1, 64), true
		}
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case []any:
		list := make([]string, len(v))
		for i, e := range v {
			text, ok := plain(e)
			if _, nested := e.([]any); nested || !ok {
				return "", false
			}
			list[i] = text
		}
		return strings.Join(list, ","), true
	default:
		return "", false
	}
}
