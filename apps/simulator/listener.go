package simulator

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	certificateLife = 30 * 24 * time.Hour // a run of the program is shorter
	peekTime        = 10 * time.Second    // for a new connection's first byte
	recordHandshake = 0x16                // what a TLS connection begins with (RFC 8446 §5.1)
)

// NewCertificate makes a certificate for this machine, signed by its own key, which never leaves the memory.
func NewCertificate(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "localhost", Organization: []string{"Carillon, for trying apps on this machine"}},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(certificateLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},

		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// Listener takes TLS and plain connections on one port: those that begin with a TLS handshake are of TLS, all others are plain.
type Listener struct {
	net.Listener
	config   *tls.Config
	accepted chan net.Conn
	broken   chan struct{} // closed when the inner listener fails; err says why
	err      error
	closed   chan struct{}
	closing  sync.Once
	peeking  sync.WaitGroup
}

// NewListener begins to take connections. It owns inner.
func NewListener(inner net.Listener, config *tls.Config) *Listener {
	l := &Listener{
		Listener: inner, config: config,
		accepted: make(chan net.Conn), broken: make(chan struct{}), closed: make(chan struct{}),
	}
	l.peeking.Go(l.take)
	return l
}

// take accepts connections. The first byte of each is waited for on the side, since a client may never send one.
func (l *Listener) take() {
	defer close(l.broken)
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			l.err = err
			return
		}
		l.peeking.Go(func() { l.sort(conn) })
	}
}

func (l *Listener) sort(conn net.Conn) {
	gone := make(chan struct{})
	defer close(gone)
	go func() { // closing the listener ends the wait
		select {
		case <-l.closed:
			_ = conn.SetReadDeadline(time.Unix(1, 0))
		case <-gone:
		}
	}()
	_ = conn.SetReadDeadline(time.Now().Add(peekTime))
	peeked := &peekedConn{Conn: conn, reader: bufio.NewReaderSize(conn, 1<<10)}
	first, err := peeked.reader.Peek(1)
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		_ = conn.Close()
		return
	}
	var sorted net.Conn = peeked
	if first[0] == recordHandshake {
		sorted = tls.Server(peeked, l.config)
	}
	select {
	case l.accepted <- sorted:
	case <-l.closed:
		_ = conn.Close()
	}
}

// Accept gives the next connection, which is a *tls.Conn if the client speaks TLS.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accepted:
		return conn, nil
	case <-l.broken:
		return nil, l.err
	}
}

// Close takes no more connections, and drops those whose first byte has not come.
func (l *Listener) Close() error {
	err := net.ErrClosed
	l.closing.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
		l.peeking.Wait()
	})
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// peekedConn reads what was peeked, then the rest.
type peekedConn struct {
	net.Conn
	reader *bufio.Reader
}

func (c *peekedConn) Read(p []byte) (int, error) { return c.reader.Read(p) }

// ToHTTPS sends plain requests to the same address by https, and lets those of TLS pass. It refuses those that name another host than
// this machine or one of hosts (see LocalConfig), which would be sent there.
func ToHTTPS(hosts []string, next http.Handler) http.Handler {
	return addressed(hosts, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil {
			next.ServeHTTP(w, r)
			return
		}
		// Not permanent: another program may listen here tomorrow. 307 keeps the method.
		http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	}))
}
