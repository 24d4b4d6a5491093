package egress

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// Explain says in words for a person why a connection failed, or broke before an answer came. ok is false if the error
// is of another kind.
func Explain(err error) (why string, ok bool) {
	var (
		lookup    *net.DNSError
		untrusted *tls.CertificateVerificationError
		hostname  x509.HostnameError
		notTLS    tls.RecordHeaderError
		alert     tls.AlertError
		network   net.Error
	)
	if why, ok := Refused(err); ok {
		return why, true
	}
	switch {
	case errors.As(err, &lookup):
		return lookupReason(lookup), true
	case errors.As(err, &hostname):
		return "certificate is not valid: it is not for " + hostname.Host, true
	case errors.As(err, &untrusted):
		return "certificate is not valid: " + strings.TrimPrefix(untrusted.Err.Error(), "x509: "), true
	case errors.As(err, &notTLS):
		return "the endpoint does not speak TLS", true
	case errors.As(err, &alert):
		return "the endpoint refused the TLS handshake: " + alert.Error(), true
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused", true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset", true
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "host is unreachable", true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed before an answer came", true
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "timed out while connecting", true
	}
	return "", false
}

func lookupReason(err *net.DNSError) string {
	switch {
	case err.IsNotFound:
		return "host " + err.Name + " does not exist"
	case err.IsTimeout:
		return "looking up host " + err.Name + " timed out"
	default:
		return "host " + err.Name + " could not be looked up"
	}
}
