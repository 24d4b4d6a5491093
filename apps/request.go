package apps

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"carillon"
)

// Request is a template of outgoing requests.
type Request struct {
	Name     string
	Protocol string // https, or http
	Method   string
	Host     Template
	Path     Template
	Headers  []RequestField
	Query    []RequestField

	MaxAttempts int           // 1 to 5
	RetryDelay  time.Duration // up to 1.5 s
	OAuth       string        // the integration whose token it carries; "" for none

	place     place
	templates []written
}

// written is a template and its place.
type written struct {
	Template
	place place

	exposed bool // everybody on the way, and the receiver's log, sees what it becomes
}

// RequestField is a header, or a parameter of the query.
type RequestField struct {
	Name  string
	Value Template
}

// Bounds of request templates.
const (
	maxRequests   = 100
	maxFields     = 100 // headers, or parameters of the query
	maxAttempts   = 5
	maxRetryDelay = 1500 // milliseconds
	retryStep     = 100
)

var requestMethods = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}

// connectionHeaders belong to the connection, which is the house's.
var connectionHeaders = []string{
	"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Trailer", "Te", "Proxy-Authorization", "Proxy-Connection",
}

// readRequests reads config/requests.json.
func (a *App) readRequests(root *node) {
	f := &a.findings
	if !f.object(root) {
		return
	}
	for _, n := range f.atMost(maxRequests, root) {
		if !f.object(n) {
			continue
		}
		f.members(n, "a request template", "schema", "options")
		schema := n.member("schema")
		if schema == nil {
			f.errorAt(n.place(), `has no "schema"`, "say there what is requested: method, host and path")
			continue
		}
		if !f.object(schema) {
			continue
		}
		r := Request{Name: n.name, Protocol: "https", MaxAttempts: 1, place: n.place()}
		f.schema(schema, &r)
		f.requestOptions(n.member("options"), &r)
		a.Requests = append(a.Requests, r)
	}
}

func (f *findings) schema(n *node, r *Request) {
	f.members(n, "a schema", "protocol", "method", "host", "path", "headers", "query", "body")
	if body := n.member("body"); body != nil {
		f.errorAt(body.place(), "does not belong into a template", "give the body to $request.invokeTemplate")
	}
	if protocol := n.member("protocol"); protocol != nil {
		if text, ok := f.text(protocol); ok {
			if r.Protocol = strings.ToLower(text); r.Protocol != "https" && r.Protocol != "http" {
				f.errorAt(protocol.place(), quoted(text)+" is not a protocol", "write https")
			}
		}
	}
	if method := f.needed(n, "method"); method != nil {
		if text, ok := f.text(method); ok {
			if r.Method = strings.ToUpper(text); !slices.Contains(requestMethods, r.Method) {
				f.errorAt(method.place(), quoted(text)+" is not a method of requests", "known are "+strings.Join(requestMethods, ", "))
			}
		}
	}
	if host := f.needed(n, "host"); host != nil {
		r.Host = f.template(host, r, true)
		f.host(host, r.Host)
	}
	if path := f.needed(n, "path"); path != nil {
		r.Path = f.template(path, r, true)
		if text := r.Path.String(); text != "" && !strings.HasPrefix(text, "/") {
			f.errorAt(path.place(), "does not begin with /", "write /"+told(text))
		} else if strings.Contains(text, "#") {
			f.errorAt(path.place(), "has a fragment (#), which is never sent", "remove it")
		}
	}
	r.Headers = f.headers(n.member("headers"), r)
	f.fields(n.member("query"), r, true, func(_ *node, field RequestField) { r.Query = append(r.Query, field) })
}

// needed gives a member; nil, and a finding, if there is none.
func (f *findings) needed(n *node, name string) *node {
	m := n.member(name)
	if m == nil {
		f.errorAt(n.place(), fmt.Sprintf("has no %q", name), "add it")
	}
	return m
}

// template reads a text, number or truth as a template.
func (f *findings) template(n *node, r *Request, exposed bool) Template {
	if n.kind == '{' || n.kind == '[' || n.kind == 'n' {
		f.errorAt(n.place(), "must be a text, is "+n.kindName(), "")
		return Template{}
	}
	t, err := ParseTemplate(n.text)
	if err != nil {
		f.errorAt(n.place(), err.Error(), "")
	}
	r.templates = append(r.templates, written{t, n.place(), exposed})
	return t
}

// host checks that what is written is a bare domain, whatever is filled in.
func (f *findings) host(n *node, t Template) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.terms != nil {
			b.WriteByte('x')
		}
		b.WriteString(p.literal)
	}
	host := b.String()
	switch {
	case n.kind == '"' && n.text == "":
		f.errorAt(n.place(), "is empty", "write a domain such as api.example.com")
	case host == "":
	case strings.Contains(host, "://"):
		f.errorAt(n.place(), "has a protocol", `leave the domain alone; "protocol" is a member of its own`)
	case strings.Contains(host, "/"):
		f.errorAt(n.place(), "has a path", `leave the domain alone; "path" is a member of its own`)
	case strings.Contains(host, ":"):
		f.errorAt(n.place(), "has a port", "leave the domain alone")
	case !hostname.MatchString(host), t.literal() && !strings.Contains(host, "."), len(host) > maxName:
		f.errorAt(n.place(), "is not a full domain name", "write it as api.example.com")
	}
}

func (f *findings) headers(n *node, r *Request) []RequestField {
	var headers []RequestField
	f.fields(n, r, false, func(h *node, field RequestField) {
		switch {
		case !httpguts.ValidHeaderFieldName(field.Name):
			f.errorAt(h.place(), "is not a header's name", "")
		case slices.Contains(connectionHeaders, textproto.CanonicalMIMEHeaderKey(field.Name)):
			f.warnAt(h.place(), "is for the connection, and is not sent as written", "remove it")
		case slices.ContainsFunc(headers, func(other RequestField) bool { return strings.EqualFold(other.Name, field.Name) }):
			f.errorAt(h.place(), "is there twice, in other letters", "keep one of the two")
		case slices.ContainsFunc(field.Value.parts, func(p part) bool { return !httpguts.ValidHeaderFieldValue(p.literal) }):
			f.errorAt(h.place(), "has characters that no header may have", "remove line breaks and the like")
		default:
			headers = append(headers, field)
		}
	})
	return headers
}

// fields reads an object of templates.
func (f *findings) fields(n *node, r *Request, exposed bool, take func(n *node, field RequestField)) {
	if n == nil || !f.object(n) {
		return
	}
	for _, m := range f.atMost(maxFields, n) {
		take(m, RequestField{Name: m.name, Value: f.template(m, r, exposed)})
	}
}

func (f *findings) requestOptions(n *node, r *Request) {
	if n == nil || !f.object(n) {
		return
	}
	f.members(n, "options", "maxAttempts", "retryDelay", "oauth")
	if attempts := n.member("maxAttempts"); attempts != nil {
		number, err := strconv.Atoi(attempts.text)
		if r.MaxAttempts = number; attempts.kind != '0' || err != nil || number < 1 || number > maxAttempts {
			f.errorAt(attempts.place(), fmt.Sprintf("must be a whole number from 1 to %d", maxAttempts), "")
			r.MaxAttempts = 1
		}
	}
	if delay := n.member("retryDelay"); delay != nil {
		number, err := strconv.Atoi(delay.text)
		if delay.kind != '0' || err != nil || number < 0 || number > maxRetryDelay || number%retryStep != 0 {
			f.errorAt(delay.place(), fmt.Sprintf("must be milliseconds from 0 to %d in steps of %d", maxRetryDelay, retryStep), "")
			number = 0
		}
		r.RetryDelay = time.Duration(number) * time.Millisecond
	}
	if oauth := n.member("oauth"); oauth != nil {
		r.OAuth, _ = f.text(oauth)
	}
}

// Call is a request template that has been filled in.
type Call struct {
	Method string
	URL    *url.URL
	Header http.Header
}

// Expand fills in the template. Values stay as they are, as with the vendor, but for what no URL may have, which is
// percent-encoded; those of the query are encoded altogether. It fails with carillon.CodeInvalid for names without a value, and if
// the host, path or a header becomes something that it must not be. Whether the house connects to the host is for egress
// to decide.
func (r *Request) Expand(s Scope) (*Call, error) {
	host, err := r.Host.Expand(s)
	if err != nil {
		return nil, err
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "https://"), "/") // parameters of type domain may be written so
	if !isHost(host) {
		return nil, r.invalid("host", "is not the name of a host")
	}
	path, err := r.Path.expand(s, func(_, value string) string { return URLText(value) })
	if err != nil {
		return nil, err
	}
	before, query, _ := strings.Cut(path, "?")
	for segment := range strings.SplitSeq(before, "/") {
		if plain, err := url.PathUnescape(segment); err != nil || plain == "." || plain == ".." {
			return nil, r.invalid("path", "leads up, or is not encoded well")
		}
	}
	u, err := url.Parse(r.Protocol + "://" + host + URLText(before))
	if err != nil || !strings.HasPrefix(before, "/") {
		return nil, r.invalid("path", "does not make a URL")
	}
	u.RawQuery = URLText(query)
	for _, q := range r.Query {
		value, err := q.Value.Expand(s)
		if err != nil {
			return nil, err
		}
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += url.QueryEscape(q.Name) + "=" + url.QueryEscape(value)
	}
	call := &Call{Method: r.Method, URL: u, Header: http.Header{}}
	for _, h := range r.Headers {
		value, err := h.Value.Expand(s)
		if err != nil {
			return nil, err
		}
		if !httpguts.ValidHeaderFieldValue(value) {
			return nil, r.invalid("headers/"+h.Name, "has a line break, or another character that no header may have")
		}
		call.Header.Set(h.Name, value)
	}
	return call, nil
}

func (r *Request) invalid(member, reason string) error {
	return &carillon.Error{
		Code: carillon.CodeInvalid, Message: "the request template " + quoted(r.Name) + " cannot be filled in",
		Faults: []carillon.Fault{{Member: "/requests/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(r.Name) + "/schema/" + member, Reason: reason}},
	}
}

// isHost reports whether a text is a domain or an address, with or without a port, and nothing else.
func isHost(text string) bool {
	if len(text) > maxName {
		return false
	}
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Zone() == ""
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return !strings.Contains(text, ":") // an address of version 6 needs its brackets
	}
	name, port, found := strings.Cut(text, ":")
	if _, err := strconv.ParseUint(port, 10, 16); found && err != nil {
		return false
	}
	return hostname.MatchString(name)
}

// URLText percent-encodes what no URL may have, fragments included. Escapes that are there already stay.
func URLText(text string) string {
	const hex = "0123456789ABCDEF"
	isHex := func(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~!$&'()*+,;=:@/?", c) >= 0,
			c == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]):
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
