package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// failure is why a send failed, in words for a person. The cause is there for errors.As, and never printed.
type failure struct {
	text  string
	cause error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.cause }

// explain turns an error of the transport into a short reason.
func (e *endpoint) explain(ctx context.Context, err error) error {
	return &failure{text: cut(e.hide(e.reason(ctx, err)), 300), cause: err}
}

func (e *endpoint) reason(ctx context.Context, err error) string {
	if errors.Is(context.Cause(ctx), errTimeout) {
		return fmt.Sprintf("timed out after %s", e.sender.config.Timeout)
	}
	var (
		refused   *refusal
		lookup    *net.DNSError
		untrusted *tls.CertificateVerificationError
		hostname  x509.HostnameError
		notTLS    tls.RecordHeaderError
		alert     tls.AlertError
		network   net.Error
	)
	switch {
	case errors.As(err, &refused):
		return refused.Error()
	case errors.As(err, &lookup):
		return lookupReason(lookup)
	case errors.As(err, &hostname):
		return "certificate is not valid: it is not for " + hostname.Host
	case errors.As(err, &untrusted):
		return "certificate is not valid: " + strings.TrimPrefix(untrusted.Err.Error(), "x509: ")
	case errors.As(err, &notTLS):
		return "the endpoint does not speak TLS"
	case errors.As(err, &alert):
		return "the endpoint refused the TLS handshake: " + alert.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "host is unreachable"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed before an answer came"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "timed out while connecting"
	}
	return "request failed: " + err.Error()
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
