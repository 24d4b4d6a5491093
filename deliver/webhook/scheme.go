package webhook

import (
	"net/http"
	"time"

	"carillon"
	"carillon/sign"
)

// Signer sets the headers by which a request proves where it comes from. It is safe for concurrent use.
type Signer interface {
	SetHeaders(h http.Header, id string, at time.Time, body []byte)
}

// Scheme makes the signer of a subscription's secrets, newest first: one, or two while a rotation is under way.
type Scheme func(secrets ...string) (Signer, error)

// StandardWebhooks is the scheme of every dialect that Config.Schemes does not list.
func StandardWebhooks(secrets ...string) (Signer, error) { return sign.NewStandard(secrets...) }

// signers are a subscription's: with all live secrets, and with the newest alone for when the older one has expired.
func (s *Sender) signers(sub *carillon.Subscription) (all, newest Signer, err error) {
	scheme, ok := s.config.Schemes[sub.Dialect]
	if !ok {
		scheme = StandardWebhooks
	}
	secrets := sub.Secrets
	if len(secrets) > 2 {
		secrets = secrets[:2]
	}
	if all, err = scheme(secrets...); err == nil {
		newest, err = scheme(secrets[:min(1, len(secrets))]...)
	}
	if err != nil {
		return nil, nil, &carillon.Error{Code: carillon.CodeInternal, Message: "subscription " + sub.ID + " has no usable secret", Err: err}
	}
	return all, newest, nil
}
