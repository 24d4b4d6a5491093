package acceptance_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"carillon/deliver/delivertest"
)

var (
	updates = flag.Int("updates", 4000, "account updates in the order and crash tests")
	latency = flag.Bool("latency", false, "measure what failing accounts cost the healthy ones")
	behind  = flag.Int("behind", 5000, "changes behind a dead endpoint")
	kills   = flag.Int("kills", 4, "how often the crash test pulls the plug")
)

var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	code := func() int {
		dir, err := os.MkdirTemp("", "carillon-acceptance-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "carillon")
		build := exec.Command("go", "build", "-o", binary, "carillon/cmd/carillon")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the binary:", err)
			return 1
		}
		return m.Run()
	}()
	os.Exit(code)
}

// server is the binary serving a data directory.
type server struct {
	t    *testing.T
	dir  string
	url  string
	cmd  *exec.Cmd
	log  *os.File
	done chan error
	http *http.Client
}

func serve(t *testing.T, dir string) *server {
	t.Helper()
	s := &server{t: t, dir: dir, http: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 128}, Timeout: 30 * time.Second,
	}}
	var err error
	if s.log, err = os.CreateTemp(t.TempDir(), "server-*.log"); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(binary, "serve", "--dev", "--listen", "127.0.0.1:0", "--data", dir)
	s.cmd.Stderr = s.log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the server did not come up: %v\n%s", err, s.stderr())
	}
	s.url = strings.TrimPrefix(strings.TrimSpace(line), "listening on ")
	s.done = make(chan error, 1)
	go func() { s.done <- s.cmd.Wait() }()
	t.Cleanup(func() {
		s.kill()
		s.log.Close()
		s.http.CloseIdleConnections()
	})
	return s
}

func (s *server) stderr() string {
	text, _ := os.ReadFile(s.log.Name())
	return string(text)
}

// kill pulls the plug: no signal that could be handled.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may be gone already
	if s.done != nil {
		<-s.done
		s.done = nil
	}
}

// stop asks the server to shut down and fails the test unless it exits with 0.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := <-s.done; err != nil {
		s.t.Errorf("the server ended with %v\n%s", err, s.stderr())
	}
	s.done = nil
}

// call sends a JSON request; an answer outside 2xx is an error.
func (s *server) call(method, path string, body any, answer any) (http.Header, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	if body == nil {
		data = nil
	}
	req, err := http.NewRequestWithContext(context.Background(), method, s.url+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer dev")
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, text)
	}
	if answer != nil {
		return resp.Header, json.Unmarshal(text, answer)
	}
	return resp.Header, nil
}

func (s *server) must(method, path string, body, answer any) {
	s.t.Helper()
	if _, err := s.call(method, path, body, answer); err != nil {
		s.t.Fatal(err)
	}
}

type object = map[string]any

// subscription is what an answer says of one.
type subscription struct {
	ID, Secret, State        string
	Cursor, Lag              int64
	ParkedLanes, DeadLetters int
	Delivered, Failed        int64
}

// subscribe makes a webhook subscription to a receiver that verifies its signatures.
func (s *server) subscribe(r *receiver, with object) subscription {
	s.t.Helper()
	body := object{
		"name": "test", "dialect": "platform", "sink": object{"type": "webhook", "url": r.url},
		"retry": object{"schedule": patient},
	}
	for k, v := range with {
		body[k] = v
	}
	var made subscription
	s.must("POST", "/v1/subscriptions", body, &made)
	if err := r.SetSecrets(made.Secret); err != nil {
		s.t.Fatal(err)
	}
	return made
}

// patient is a retry schedule that is quick at first and does not give up in a test, however slow the machine.
var patient = append(slices.Repeat([]string{"20ms"}, 10), slices.Repeat([]string{"1s"}, 40)...)

func (s *server) subscription(id string) subscription {
	s.t.Helper()
	var now subscription
	s.must("GET", "/v1/subscriptions/"+id, nil, &now)
	return now
}

// caughtUp waits until the subscription has nothing left to do.
func (s *server) caughtUp(id string) {
	s.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		now := s.subscription(id)
		if now.Lag == 0 && now.ParkedLanes == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the subscription did not catch up: %+v\n%s", now, s.stderr())
		}
		<-time.After(20 * time.Millisecond) // between two looks
	}
}

// receiver is a webhook endpoint.
type receiver struct {
	*delivertest.Receiver
	url string
}

func receive(t *testing.T) *receiver {
	t.Helper()
	r, err := delivertest.NewReceiver(delivertest.Config{Keep: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(r)
	t.Cleanup(ts.Close)
	return &receiver{Receiver: r, url: ts.URL}
}

func accountID(i int) string { return fmt.Sprintf("acc-%03d", i) }

// acked is what the server has acknowledged: seq → account.
type acked struct {
	mu   sync.Mutex
	seqs map[int64]string
}

func (a *acked) add(header http.Header, account string) error {
	var seq int64
	if _, err := fmt.Sscan(header.Get("Carillon-Seq"), &seq); err != nil {
		return errors.New("the answer names no seq")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if other, taken := a.seqs[seq]; taken {
		return fmt.Errorf("seq %d was given to %s and to %s", seq, other, account)
	}
	a.seqs[seq] = account
	return nil
}

func (a *acked) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.seqs)
}
