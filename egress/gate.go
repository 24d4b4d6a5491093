package egress

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// Config is where the house may connect to. The zero value is safe to use: public addresses only.
type Config struct {
	// AllowPrivate lets connections go to addresses that are not public: for development and tests only.
	AllowPrivate bool
	// Allow lists addresses that may be connected to although they are not public, in forms like 10.1.0.0/16. Names
	// that are private by themselves (localhost, *.internal) stay refused.
	Allow []netip.Prefix
	// Resolver looks names up; nil is the system's.
	Resolver *net.Resolver
	// Logger hears of refused addresses, which an operator wants to know of. Default: nobody does.
	Logger *slog.Logger
}

// Gate lets connections out, or not.
type Gate struct {
	config Config
	guard  *ssrf.Guardian // nil: private addresses are allowed
}

// The bounds of HTTP connections.
const (
	dialTimeout    = 10 * time.Second
	idleTimeout    = 60 * time.Second
	maxHeaderBytes = 32 << 10
)

// New makes a Gate.
func New(c Config) *Gate {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gate{config: c}
	if !c.AllowPrivate {
		g.guard = newGuard(c.Allow)
	}
	return g
}

// newGuard lets through what is public or allowed, at any port.
func newGuard(allow []netip.Prefix) *ssrf.Guardian {
	var v4, v6 []netip.Prefix
	for _, prefix := range allow {
		if prefix.Addr().Is4() {
			v4 = append(v4, prefix)
		} else {
			v6 = append(v6, prefix)
		}
	}
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
}

// Dialer makes a dialer that gives up after the timeout. Each address is checked after the name was looked up and before
// a packet leaves, so a name that answers differently the second time (DNS rebinding) gains nothing.
func (g *Gate) Dialer(timeout time.Duration) *net.Dialer {
	dialer := &net.Dialer{Timeout: timeout, Resolver: g.config.Resolver}
	if g.guard != nil {
		dialer.ControlContext = g.control
	}
	return dialer
}

// Transport makes an http.Transport on such a dialer, without a proxy, with bounded headers and handshakes. How many
// idle connections it keeps, and whom it trusts, is its user's to say.
func (g *Gate) Transport() *http.Transport {
	return &http.Transport{
		Proxy:                  nil, // a proxy would dial for us, past the gate
		DialContext:            g.Dialer(dialTimeout).DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // a small gzip may hold a huge answer
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// control refuses to connect to addresses that are not public.
func (g *Gate) control(ctx context.Context, network, address string, c syscall.RawConn) error {
	if err := g.guard.Safe(network, address, c); err != nil {
		refused := refuse(address)
		g.config.Logger.WarnContext(ctx, "connection to an address that is not public was refused", "address", refused.address)
		return refused
	}
	return nil
}

// Refused says why a connection was refused by the gate, if err is about that.
func Refused(err error) (why string, ok bool) {
	var refused *refusal
	if !errors.As(err, &refused) {
		return "", false
	}
	return refused.Error(), true
}

// refusal says that an address must not be connected to.
type refusal struct{ address, why string }

func (r *refusal) Error() string { return "address " + r.address + " is " + r.why + ": refused" }

// refuse makes the refusal of an address with port, as a dialer has it.
func refuse(address string) *refusal {
	if ap, err := netip.ParseAddrPort(address); err == nil {
		return refuseAddr(ap.Addr())
	}
	return &refusal{address, "not an address"}
}

func refuseAddr(addr netip.Addr) *refusal {
	why := "not public"
	switch bare := addr.Unmap(); {
	case bare.IsUnspecified():
		why = "unspecified"
	case bare.IsLoopback():
		why = "loopback"
	case bare.IsPrivate():
		why = "private"
	case bare.IsLinkLocalUnicast():
		why = "link-local"
	case bare.IsMulticast():
		why = "multicast"
	}
	return &refusal{addr.String(), why}
}
