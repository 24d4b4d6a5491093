package testenv

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// NATSServer is a NATS server with JetStream that runs for one test.
type NATSServer struct {
	URL  string // without credentials
	t    testing.TB
	path string
	args []string
	out  bytes.Buffer
	run  *exec.Cmd // nil while stopped
}

// NATS starts a server, or skips the test. The config, which may be empty, is added to its own.
func NATS(t testing.TB, config string) *NATSServer {
	t.Helper()
	path, err := exec.LookPath("nats-server")
	if err != nil {
		missing(t, "NATS tests: there is no nats-server (make setup installs it on Debian and Ubuntu, as root)")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "nats.conf")
	config += "\njetstream { store_dir: \"" + filepath.Join(dir, "js") + "\" }\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	s := &NATSServer{t: t, path: path, URL: "nats://" + net.JoinHostPort(host, port), args: []string{"-c", file, "-a", host, "-p", port}}
	t.Cleanup(s.Stop)
	s.Start()
	return s
}

// Start starts the server where it was, with what it had stored, and waits until it answers.
func (s *NATSServer) Start() {
	s.t.Helper()
	s.run = exec.Command(s.path, s.args...)
	s.run.Stdout, s.run.Stderr = &s.out, &s.out
	if err := s.run.Start(); err != nil {
		s.run = nil
		s.t.Fatalf("start nats-server: %v", err)
	}
	address := strings.TrimPrefix(s.URL, "nats://")
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-look.C {
		if conn, err := net.Dial("tcp", address); err == nil {
			greeting, err := bufio.NewReader(conn).ReadString('\n')
			conn.Close()
			if err == nil && strings.Contains(greeting, `"jetstream":true`) {
				return
			}
		}
		if time.Now().After(deadline) {
			s.Stop()
			s.t.Fatalf("wait for nats-server: it does not answer:\n%s", s.out.Bytes())
		}
	}
}

// Stop ends the server; stopping twice is harmless.
func (s *NATSServer) Stop() {
	s.t.Helper()
	if s.run == nil {
		return
	}
	if err := s.run.Process.Signal(os.Interrupt); err != nil {
		s.t.Errorf("stop nats-server: %v", err)
	}
	_ = s.run.Wait() // it says that it was interrupted
	s.run = nil
}

// freeAddress gives an address of this machine that nobody listened on a moment ago.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
