package testenv_test

import (
	"net"
	"strings"
	"testing"

	"carillon/internal/testenv"
)

func TestAMissingNATSServerSkips(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(testenv.RequireVariable, "")
	r := run(func(t testing.TB) string { return testenv.NATS(t, "").URL })
	if !strings.Contains(r.skipped, "nats-server") || r.failed != "" {
		t.Errorf("skipped %q, failed %q: want a skip that names nats-server", r.skipped, r.failed)
	}
}

func TestTheNATSServerIsWhereItWasAfterARestart(t *testing.T) {
	server := testenv.NATS(t, "")
	address := strings.TrimPrefix(server.URL, "nats://")
	server.Stop()
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("it answers although it was stopped")
	}
	server.Start()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestARabbitMQThatDoesNotAnswerSkipsWithoutItsPassword(t *testing.T) {
	t.Setenv(testenv.RabbitMQVariable, "amqp://user:hush@127.0.0.1:1/")
	t.Setenv(testenv.RequireVariable, "")
	r := run(testenv.RabbitMQ)
	if !strings.Contains(r.skipped, "127.0.0.1:1") || strings.Contains(r.skipped, "hush") || r.failed != "" {
		t.Errorf("skipped %q, failed %q: want a skip that names the address only", r.skipped, r.failed)
	}
}
