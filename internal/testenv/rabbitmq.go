package testenv

import (
	"net"
	"net/url"
	"os"
	"testing"
	"time"
)

// RabbitMQVariable gives the URL of a RabbitMQ to use instead of the one on this machine.
const RabbitMQVariable = "CARILLON_TEST_RABBITMQ"

// RabbitMQ gives the URL, with credentials, of a RabbitMQ that is shared by all tests, or skips the test. Whoever uses it
// removes what it made there.
func RabbitMQ(t testing.TB) string {
	t.Helper()
	text := os.Getenv(RabbitMQVariable)
	if text == "" {
		text = "amqp://guest:guest@127.0.0.1:5672/"
	}
	u, err := url.Parse(text)
	if err != nil {
		t.Fatalf("read %s: %v", RabbitMQVariable, err)
	}
	conn, err := net.DialTimeout("tcp", u.Host, 5*time.Second)
	if err != nil {
		missing(t, "RabbitMQ tests: nobody answers at "+u.Host+" (make setup installs and starts it on Debian and Ubuntu, as root)")
	}
	conn.Close()
	return text
}
