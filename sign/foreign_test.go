package sign_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"carillon/internal/testenv"
	"carillon/sign"
)

// foreign is one thing to verify by packages from npm; see testdata/verify.js.
type foreign struct {
	name        string
	good        bool
	Scheme      string            `json:"scheme"`
	Secret      string            `json:"secret,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Signature   string            `json:"signature,omitempty"`
	Body        string            `json:"body,omitempty"`
	Certificate string            `json:"certificate,omitempty"`
	Message     map[string]string `json:"message,omitempty"`
}

// What we sign is verified by npm standardwebhooks, by Node's own crypto as SmarterPay describes it, and by npm
// sns-validator; of SNS' messages, which AWS signs, ours and theirs must say the same.
func TestOthersSayTheSameOfSignatures(t *testing.T) {
	node := testenv.Node(t)
	body := `{"eventId":"evt_1","text":"Zoë <&> \u2028 🔔"}`
	standard, err := sign.NewStandard(secretA)
	if err != nil {
		t.Fatal(err)
	}
	smarterpay, err := sign.NewSmarterPay("a key, as text: äöü")
	if err != nil {
		t.Fatal(err)
	}
	headers := http.Header{}
	standard.SetHeaders(headers, "evt_1", time.Now(), []byte(body))
	plain := map[string]string{}
	for name := range headers {
		plain[strings.ToLower(name)] = headers.Get(name)
	}
	cases := []foreign{
		{name: "Standard Webhooks", good: true, Scheme: "standard", Secret: secretA, Headers: plain, Body: body},
		{name: "Standard Webhooks, another body", Scheme: "standard", Secret: secretA, Headers: plain, Body: body + " "},
		{name: "SmarterPay", good: true, Scheme: "smarterpay", Secret: "a key, as text: äöü", Signature: smarterpay.Sign([]byte(body)), Body: body},
		{name: "SmarterPay, another body", Scheme: "smarterpay", Secret: "a key, as text: äöü", Signature: smarterpay.Sign([]byte(body)), Body: body + " "},
	}
	key, certificate, text := snsKey(t)
	for name, message := range map[string]map[string]string{
		"a notification":                {"Type": "Notification", "Message": body, "SignatureVersion": "1"},
		"a notification with a subject": {"Type": "Notification", "Message": body, "Subject": "A subject", "SignatureVersion": "1"},
		"a notification, version 2":     {"Type": "Notification", "Message": body, "Subject": "A subject", "SignatureVersion": "2"},
		"a confirmation": {
			"Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe", "Token": "2336412f37",
			"SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription", "SignatureVersion": "2",
		},
	} {
		message["MessageId"], message["TopicArn"] = "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "arn:aws:sns:us-west-2:123456789012:tickets"
		message["Timestamp"] = "2012-05-02T00:54:06.655Z"
		message["SigningCertURL"] = "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"
		message["Signature"] = signAsAWS(t, key, message)
		forged := map[string]string{}
		for name, value := range message {
			forged[name] = value
		}
		forged["Message"] += "."
		for _, c := range []foreign{
			{name: name, good: true, Scheme: "sns", Certificate: text, Message: message},
			{name: name + ", forged", Scheme: "sns", Certificate: text, Message: forged},
		} {
			cases = append(cases, c)
			wire, err := json.Marshal(c.Message)
			if err != nil {
				t.Fatal(err)
			}
			var m sign.SNS
			if err := json.Unmarshal(wire, &m); err != nil {
				t.Fatal(err)
			}
			if err := m.Verify(certificate); (err == nil) != c.good {
				t.Errorf("%s: we say %v", c.name, err)
			}
		}
	}
	for i, verdict := range verdicts(t, node, cases) {
		if (verdict == "ok") != cases[i].good {
			t.Errorf("%s: others say %q", cases[i].name, verdict)
		}
	}
}

func verdicts(t *testing.T, node string, cases []foreign) []string {
	t.Helper()
	input, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "node", "testdata/verify.js")
	command.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(node, "node_modules"))
	command.Stdin = bytes.NewReader(input)
	var complaint bytes.Buffer
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		t.Fatalf("run verify.js: %v\n%s", err, complaint.Bytes())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(cases) {
		t.Fatalf("%d verdicts for %d cases:\n%s", len(lines), len(cases), out)
	}
	return lines
}

// snsKey makes a key and a certificate as SNS has them.
func snsKey(t *testing.T) (*rsa.PrivateKey, *x509.Certificate, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	certificate, err := sign.ParseSNSCertificate(text)
	if err != nil {
		t.Fatal(err)
	}
	return key, certificate, string(text)
}

// signAsAWS signs what AWS says is signed: these members, if they are there, names and values by lines.
func signAsAWS(t *testing.T, key *rsa.PrivateKey, message map[string]string) string {
	t.Helper()
	var text strings.Builder
	for _, name := range []string{"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"} {
		if value, ok := message[name]; ok {
			text.WriteString(name + "\n" + value + "\n")
		}
	}
	sum := sha256.Sum256([]byte(text.String()))
	hash, digest := crypto.SHA256, sum[:]
	if message["SignatureVersion"] == "1" {
		old := sha1.Sum([]byte(text.String()))
		hash, digest = crypto.SHA1, old[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, hash, digest)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(signature)
}

func TestOnlySNSItselfIsTrusted(t *testing.T) {
	for url, good := range map[string]bool{
		"https://sns.us-west-2.amazonaws.com/SimpleNotificationService-x.pem":     true,
		"https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-x.pem": true,
		"http://sns.us-west-2.amazonaws.com/x.pem":                                false,
		"https://sns.us-west-2.amazonaws.com:443/x.pem":                           false,
		"https://sns.us-west-2.amazonaws.com.example.com/x.pem":                   false,
		"https://sns.us-west-2.amazonaws.com@example.com/x.pem":                   false,
		"https://user@sns.us-west-2.amazonaws.com/x.pem":                          false,
		"https://sns.evil.example/x.pem":                                          false,
		"https://xsns.us-west-2.amazonaws.com/x.pem":                              false,
		"https://sns.us-west-2.amazonaws.com#.example.com/x.pem":                  false,
		"//sns.us-west-2.amazonaws.com/x.pem":                                     false,
		"":                                                                        false,
		"https://sns.s3-us-west-2.amazonaws.com/SimpleNotificationService-x.pem":  false, // a bucket called sns
	} {
		if err := sign.CheckSNSURL(url); (err == nil) != good {
			t.Errorf("%q: %v", url, err)
		}
	}
	const file = "SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"
	for url, good := range map[string]bool{
		"https://sns.us-gov-west-1.amazonaws.com/" + file:                 true,
		"https://sns.us-west-2.amazonaws.com/other.pem":                   false,
		"https://sns.us-west-2.amazonaws.com/a/../" + file:                false,
		"https://sns.us-west-2.amazonaws.com/" + file + "?x=y":            false,
		"https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription": false,
		"https://sns.s3-us-west-2.amazonaws.com/" + file:                  false,
	} {
		if err := sign.CheckSNSCertificateURL(url); (err == nil) != good {
			t.Errorf("%q: %v", url, err)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "no PEM": "hello", "a key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"no certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	} {
		if _, err := sign.ParseSNSCertificate([]byte(text)); err == nil {
			t.Errorf("%s was taken for a certificate", name)
		}
	}
}
