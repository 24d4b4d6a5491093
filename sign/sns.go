package sign

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // signature version 1 of SNS is SHA1withRSA
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// SNS is what AWS SNS posts to an HTTP endpoint, as far as its signature covers it (AWS SNS developer guide, "Parsing
// message formats" and "Verifying the signatures of Amazon SNS messages").
type SNS struct {
	Type             string  `json:"Type"` // Notification, SubscriptionConfirmation or UnsubscribeConfirmation
	MessageID        string  `json:"MessageId"`
	TopicARN         string  `json:"TopicArn"`
	Subject          *string `json:"Subject"`
	Message          string  `json:"Message"`
	Timestamp        string  `json:"Timestamp"`
	Token            string  `json:"Token"`
	SubscribeURL     string  `json:"SubscribeURL"`
	SignatureVersion string  `json:"SignatureVersion"`
	Signature        string  `json:"Signature"`
	SigningCertURL   string  `json:"SigningCertURL"`
}

// The types of SNS messages.
const (
	SNSNotification             = "Notification"
	SNSSubscriptionConfirmation = "SubscriptionConfirmation"
	SNSUnsubscribeConfirmation  = "UnsubscribeConfirmation"
)

// snsHost is where SNS keeps its certificates and confirms subscriptions.
var snsHost = regexp.MustCompile(`^sns\.[a-z0-9-]{3,64}\.amazonaws\.com(\.cn)?$`)

// CheckSNSURL reports why a URL inside a message cannot be one of SNS itself; nil if it can.
func CheckSNSURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "https", u.User != nil, u.Fragment != "":
		return errors.New("it is not a plain https URL")
	case !snsHost.MatchString(u.Host): // no port either
		return errors.New("its host is not one of SNS")
	}
	return nil
}

// ParseSNSCertificate reads the certificate (PEM) at a message's SigningCertURL.
func ParseSNSCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("the certificate is not PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	if _, ok := certificate.PublicKey.(*rsa.PublicKey); !ok {
		return nil, errors.New("the certificate has no RSA key")
	}
	return certificate, nil
}

// Verify checks the message's signature by the certificate that its SigningCertURL names. The caller has checked the URL
// (CheckSNSURL) and got the certificate from there. It fails with a sentence fit for the sender.
func (m *SNS) Verify(certificate *x509.Certificate) error {
	signature, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil || len(signature) == 0 {
		return errors.New("the signature is not base64")
	}
	signed, err := m.signed()
	if err != nil {
		return err
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return errors.New("the certificate has no RSA key")
	}
	switch m.SignatureVersion {
	case "1":
		sum := sha1.Sum([]byte(signed)) //nolint:gosec // signature version 1 of SNS is SHA1withRSA
		err = rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature)
	case "2":
		sum := sha256.Sum256([]byte(signed))
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
	default:
		return errors.New("the signature version is neither 1 nor 2")
	}
	if err != nil {
		return errors.New("the signature does not match")
	}
	return nil
}

// signed is the text that the signature covers: names and values by lines, sorted by name.
func (m *SNS) signed() (string, error) {
	var b strings.Builder
	line := func(name, value string) {
		b.WriteString(name)
		b.WriteByte('\n')
		b.WriteString(value)
		b.WriteByte('\n')
	}
	line("Message", m.Message)
	line("MessageId", m.MessageID)
	switch m.Type {
	case SNSNotification:
		if m.Subject != nil {
			line("Subject", *m.Subject)
		}
		line("Timestamp", m.Timestamp)
	case SNSSubscriptionConfirmation, SNSUnsubscribeConfirmation:
		line("SubscribeURL", m.SubscribeURL)
		line("Timestamp", m.Timestamp)
		line("Token", m.Token)
	default:
		return "", errors.New("the message is of no type of SNS")
	}
	line("TopicArn", m.TopicARN)
	line("Type", m.Type)
	return b.String(), nil
}
