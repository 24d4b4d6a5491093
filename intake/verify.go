package intake

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/net/http/httpguts"

	"carillon"
	"carillon/dialect"
	"carillon/sign"
)

// verifier proves that a request is the vendor's. It fails with a *refusal if it is not, and with any other error if
// that could not be found out.
type verifier func(ctx context.Context, r *http.Request, body []byte) error

// refusal says why a request is not taken for the vendor's, and with which status its kind of vendor is told.
type refusal struct {
	status int
	reason string
	// challenge is how to authenticate (WWW-Authenticate), where HTTP has a word for it.
	challenge string
}

func (r *refusal) Error() string { return r.reason }

// statusBadSignature is what SmarterPay wants to hear when its signature is wrong (wiki.smarterpay.com, webhookapi).
const statusBadSignature = 498

// verifierOf makes a connection's verifier. It fails with carillon.CodeInvalid naming members below /verify.
func verifierOf(c *carillon.Connection, in *Intake) (verifier, error) {
	v := c.Verify
	switch v.Type {
	case carillon.VerifyNone:
		return func(context.Context, *http.Request, []byte) error { return nil }, nil
	case carillon.VerifyStandard:
		secret, err := sign.ParseSecret(v.Secret)
		if err != nil {
			return nil, carillon.Invalid("/verify/secret", "must be whsec_ and the base64 of 24 to 64 bytes")
		}
		return func(_ context.Context, r *http.Request, body []byte) error {
			if err := sign.Verify(r.Header, body, []*sign.Secret{secret}, in.now()); err != nil {
				return &refusal{status: http.StatusUnauthorized, reason: err.Error()}
			}
			return nil
		}, nil
	case carillon.VerifySmarterPay:
		key, err := sign.NewSmarterPay(v.Secret)
		if err != nil {
			return nil, carillon.Invalid("/verify/secret", "is not a webhook key")
		}
		return func(_ context.Context, r *http.Request, body []byte) error {
			if err := key.Verify(r.Header, body); err != nil {
				return &refusal{status: statusBadSignature, reason: err.Error()}
			}
			return nil
		}, nil
	case carillon.VerifySNS:
		if v.TopicARN != "" && !validTopic(v.TopicARN) {
			return nil, carillon.Invalid("/verify/topicArn", "must look like arn:aws:sns:REGION:ACCOUNT:NAME")
		}
		return func(ctx context.Context, _ *http.Request, body []byte) error { return in.verifyTopic(ctx, c, body) }, nil
	case carillon.VerifyBasic:
		return func(_ context.Context, r *http.Request, _ []byte) error {
			username, password, ok := r.BasicAuth()
			// Both are compared whatever the first says.
			if right := equal(username, v.Username) & equal(password, v.Password); !ok || right == 0 {
				return &refusal{http.StatusUnauthorized, "the user name or password is wrong", `Basic realm="carillon", charset="UTF-8"`}
			}
			return nil
		}, nil
	case carillon.VerifyHeader:
		if !httpguts.ValidHeaderFieldName(v.Name) {
			return nil, carillon.Invalid("/verify/name", "must be the name of a header")
		}
		return func(_ context.Context, r *http.Request, _ []byte) error {
			if equal(r.Header.Get(v.Name), v.Value) == 0 {
				return &refusal{status: http.StatusUnauthorized, reason: "the header " + v.Name + " is missing or wrong"}
			}
			return nil
		}, nil
	case carillon.VerifyParameter:
		return func(_ context.Context, r *http.Request, body []byte) error {
			return verifyParameter(in.decoders[c.Dialect], v, r, body)
		}, nil
	default:
		return nil, carillon.Invalid("/verify/type", fmt.Sprintf("%q is none of none, standard, smarterpay, sns, basic, header, parameter", v.Type))
	}
}

// verifyParameter looks for the parameter in the URL, and among those that the vendor puts into bodies.
func verifyParameter(d dialect.Decoder, v carillon.Verify, r *http.Request, body []byte) error {
	if equal(r.URL.Query().Get(v.Name), v.Value) == 1 {
		return nil
	}
	p, ok := d.(dialect.Parametered)
	if !ok {
		return &refusal{status: http.StatusUnauthorized, reason: "the query parameter " + v.Name + " is missing or wrong"}
	}
	parameters, err := p.Parameters(request(r.Header.Get("Content-Type"), r.Header.Get, body))
	var e *carillon.Error
	if err != nil && !errors.As(err, &e) {
		return fmt.Errorf("read the parameters of a request: %w", err)
	}
	if equal(parameters[v.Name], v.Value) == 0 {
		return &refusal{status: http.StatusUnauthorized, reason: "the parameter " + v.Name + " is missing or wrong"}
	}
	return nil
}

// equal compares without telling by its time where two texts differ, or how long they are.
func equal(a, b string) int {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:])
}

func request(contentType string, header func(string) string, body []byte) dialect.Request {
	return dialect.Request{ContentType: contentType, Header: header, Body: body}
}
