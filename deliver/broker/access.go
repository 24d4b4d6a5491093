package broker

import (
	"crypto/tls"
	"time"

	"carillon/egress"
)

// Access is how a kind of broker is reached. The zero value is safe to use.
type Access struct {
	// Gate says where connections may go, also those to brokers that the first ones tell of. Default: public addresses only.
	Gate *egress.Gate
	// Timeout bounds a send from connecting to the broker's answer. Default 15 s.
	Timeout time.Duration
	// IdleTimeout is how long a connection that nobody uses is kept, at least. Default 1 min.
	IdleTimeout time.Duration
	// TLS is nil for the system's roots. It is there for private certificate authorities.
	TLS *tls.Config
}

// WithDefaults gives a with a gate.
func (a Access) WithDefaults() Access {
	if a.Gate == nil {
		a.Gate = egress.New(egress.Config{})
	}
	return a
}

// Trust is how a broker's certificate is checked: a configuration of the caller's own.
func (a Access) Trust() *tls.Config {
	if a.TLS == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return a.TLS.Clone()
}
