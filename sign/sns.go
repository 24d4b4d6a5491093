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

	"github.com/go-json-experiment/json"
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

// snsHost is where SNS keeps its certificates and confirms subscriptions: sns.REGION.amazonaws.com. The shape of a region
// matters: sns.s3-us-west-2.amazonaws.com is somebody's bucket that is called sns.
var snsHost = regexp.MustCompile(`^sns\.[a-z]{2}(-[a-z]+){1,3}-[0-9]{1,2}\.amazonaws\.com(\.cn)?$`)

// snsCertificate is the path of a certificate of SNS.
var snsCertificate = regexp.MustCompile(`^/SimpleNotificationService-[0-9a-f]+\.pem$`)

// CheckSNSURL reports why a URL inside a message cannot be one of SNS itself; nil if it can.
func CheckSNSURL(text string) error {
	_, err := parseSNSURL(text)
	return err
}

// CheckSNSCertificateURL reports why a URL cannot be that of a certificate of SNS; nil if it can.
func CheckSNSCertificateURL(text string) error {
	u, err := parseSNSURL(text)
	if err == nil && (!snsCertificate.MatchString(u.Path) || u.RawQuery != "") {
		return errors.New("it is not that of a certificate of SNS")
	}
	return err
}

func parseSNSURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "https", u.User != nil, u.Fragment != "":
		return nil, errors.New("it is not a plain https URL")
	case !snsHost.MatchString(u.Host): // no port either
		return nil, errors.New("its host is not one of SNS")
	}
	return u, nil
}

// ParseSNS reads a message. Names are taken to the letter and only once, so that nobody reads another message out of it
// than the one that is signed.
func ParseSNS(body []byte) (*SNS, error) {
	var m SNS
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, errors.New("the body is not a message of SNS")
	}
	switch m.Type {
	case SNSNotification, SNSSubscriptionConfirmation, SNSUnsubscribeConfirmation:
		return &m, nil
	default:
		return nil, errors.New("the body is not a message of SNS")
	}
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
