package egress

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"carillon"
)

const maxURLLength = 2048

// ParseURL reads an absolute URL with one of the schemes (in lower case), a host, no user and no fragment. Unless
// private addresses are allowed, a host that is known to be one without looking it up is refused; the others are looked
// at when they are dialled. It fails with carillon.CodeInvalid naming the member. No error repeats the URL: it may carry
// a token.
func (g *Gate) ParseURL(text, member string, schemes ...string) (*url.URL, error) {
	if text == "" {
		return nil, carillon.Invalid(member, "is required")
	}
	if len(text) > maxURLLength {
		return nil, carillon.Invalid(member, fmt.Sprintf("is longer than %d bytes", maxURLLength))
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, carillon.Invalid(member, "is not a URL")
	}
	switch {
	case !slices.Contains(schemes, u.Scheme):
		return nil, carillon.Invalid(member, "must begin with "+strings.Join(schemes, ":// or ")+"://")
	case u.User != nil:
		return nil, carillon.Invalid(member, "must not carry a user name or password")
	case strings.Contains(text, "#"):
		return nil, carillon.Invalid(member, "must not have a fragment")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }):
		return nil, carillon.Invalid(member, "must not contain spaces, control characters or backslashes")
	case u.Hostname() == "":
		return nil, carillon.Invalid(member, "has no host")
	}
	host, err := g.CheckHost(u.Hostname(), member)
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, carillon.Invalid(member, "has a port that is not between 1 and 65535")
		}
		u.Host = net.JoinHostPort(host, port)
	} else if strings.Contains(host, ":") {
		u.Host = "[" + host + "]"
	} else {
		u.Host = host
	}
	return u, nil
}

// CutUser takes the user, if there is one, out of a URL's authority (RFC 3986, section 3.2), by text, so that whatever else is wrong with
// the URL is still there to be seen.
func CutUser(text string) (bare, user string, found bool) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text, "", false
	}
	end := strings.IndexAny(rest, "/?#\\")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return text, "", false
	}
	return scheme + "://" + rest[at+1:], rest[:at], true
}

// CheckHost gives a host, which is a name or an address without brackets, in ASCII and lower case. What it lets pass is
// checked again, as an address, when it is dialled. It fails with carillon.CodeInvalid naming the member.
func (g *Gate) CheckHost(host, member string) (string, error) {
	if strings.Contains(host, "%") {
		return "", carillon.Invalid(member, "must not name a network zone")
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r > 0x7f }) {
		// Also maps look-alikes (full-width digits, ideographic full stops) to what a resolver would read.
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return "", carillon.Invalid(member, "has a host that is not a valid domain name")
		}
		host = ascii
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		if g.guard != nil && g.guard.SafeAddr(addr) != nil {
			return "", carillon.Invalid(member, refuseAddr(addr).Error())
		}
		return host, nil
	}
	if reason := refuseName(host); reason != "" {
		return "", carillon.Invalid(member, reason)
	}
	if g.guard != nil && privateName(host) {
		return "", carillon.Invalid(member, "host "+host+" is private: refused")
	}
	return host, nil
}

// refuseName says what is wrong with a host that is no domain name, or that is numbers which some programs take for an
// IPv4 address and others for a name (the last label is a number: WHATWG URL, "ends in a number checker").
func refuseName(host string) string {
	const badName = "has a host that is not a valid domain name"
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInName) {
			return badName
		}
	}
	if len(host) > 253 {
		return badName
	}
	if _, ok := parseNumber(labels[len(labels)-1]); ok {
		if addr, ok := parseIPv4(labels); ok {
			return "has an address in an unusual form: write " + addr.String()
		}
		return "has a host that is neither a name nor an address"
	}
	return ""
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// parseNumber reads a part of an IPv4 address as inet_aton does: decimal, octal with 0 before it, hexadecimal with 0x.
// A number too big for 32 bits is still a number.
func parseNumber(s string) (uint64, bool) {
	base, digits := 10, s
	if rest, ok := strings.CutPrefix(s, "0x"); ok {
		base, digits = 16, rest
		if digits == "" {
			return 0, true
		}
	} else if len(s) > 1 && s[0] == '0' {
		base, digits = 8, s[1:]
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil {
		return 1 << 32, strings.Trim(digits, "0123456789") == "" || base == 16 && strings.Trim(digits, "0123456789abcdef") == ""
	}
	return n, true
}

// parseIPv4 reads one to four numbers as inet_aton does: the last one fills the bytes that are left.
func parseIPv4(parts []string) (netip.Addr, bool) {
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var value uint64
	for i, part := range parts {
		n, ok := parseNumber(part)
		last := i == len(parts)-1
		if !ok || !last && n > 255 || last && n >= 1<<(8*(5-len(parts))) {
			return netip.Addr{}, false
		}
		if last {
			value |= n
		} else {
			value |= n << (8 * (3 - i))
		}
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}

// privateName reports whether a name never belongs to a public host (RFC 6761, RFC 6762, RFC 8375, ICANN's .internal,
// under which clouds keep their metadata).
func privateName(host string) bool {
	for _, zone := range []string{"localhost", "localdomain", "local", "internal", "home.arpa"} {
		if host == zone || strings.HasSuffix(host, "."+zone) {
			return true
		}
	}
	return false
}
