package main_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"carillon"
	"carillon/client"
)

// browser asks servers as a person's browser would.
var browser = &http.Client{Timeout: patience}

// startServer runs `carillon serve --dev` on a directory of its own and gives it with its URL.
func startServer(t *testing.T, flags ...string) (*exec.Cmd, string) {
	t.Helper()
	program, err := exec.LookPath("carillon")
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(program, append([]string{"serve", "--dev", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, flags...)...)
	server.Stderr = t.Output()
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if server.ProcessState == nil {
			_ = server.Process.Kill()
			_ = server.Wait()
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("the server said %q: %v", line, err)
	}
	return server, url
}

func TestEveryFaceAnswers(t *testing.T) {
	_, url := startServer(t)
	faces := map[string]string{
		"/":             "Carillon",
		"/healthz":      `"status":"ok"`,
		"/readyz":       `"status":"ok"`,
		"/openapi.json": `"openapi":"3.1`,
		"/docs":         "swagger",
		"/metrics":      "carillon_changes_total 0",
	}
	for path, want := range faces {
		resp, err := browser.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s answered %d without %s: %v\n%.500s", path, resp.StatusCode, want, err, body)
		}
	}
}

func TestADevServerAnswersToNoOtherName(t *testing.T) {
	_, url := startServer(t)
	for host, want := range map[string]int{
		"evil.example":        http.StatusMisdirectedRequest,
		"evil.example:8080":   http.StatusMisdirectedRequest,
		"192.0.2.1":           http.StatusMisdirectedRequest,
		"localhost:1234":      http.StatusOK,
		"127.0.0.1":           http.StatusOK,
		"[::1]:80":            http.StatusOK,
		"127.0.0.1.evil.test": http.StatusMisdirectedRequest,
	} {
		req, err := http.NewRequest(http.MethodGet, url+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("host %s: answered %d, want %d", host, resp.StatusCode, want)
		}
	}
}

// hang is an endpoint that takes a message and never answers.
func hang(t *testing.T) (url string, got <-chan struct{}) {
	t.Helper()
	arrived := make(chan struct{}, 100)
	release := make(chan struct{})
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() {
		close(release)
		endpoint.Close()
	})
	return endpoint.URL, arrived
}

// deliverTo has the server deliver one event to the endpoint.
func deliverTo(t *testing.T, server, endpoint string) {
	t.Helper()
	api, err := client.New(server, "dev")
	if err != nil {
		t.Fatal(err)
	}
	defer api.HTTP.CloseIdleConnections()
	_, err = api.CreateSubscription(t.Context(), client.Subscription{Name: "x", Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.Records(carillon.KindAccount).Put(t.Context(), "acc_1", map[string]any{"name": "x"}); err != nil {
		t.Fatal(err)
	}
}

func TestAStopDoesNotWaitForADeadEndpointBeyondTheGrace(t *testing.T) {
	endpoint, got := hang(t)
	server, url := startServer(t, "--grace", "200ms")
	deliverTo(t, url, endpoint)
	<-got
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(server); err != nil {
		t.Errorf("the server ended badly: %v", err)
	}
}

func TestASecondSignalEndsTheServerAtOnce(t *testing.T) {
	endpoint, got := hang(t)
	server, url := startServer(t, "--grace", "1h")
	deliverTo(t, url, endpoint)
	<-got
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for refused := false; !refused; { // the first signal has arrived once nobody answers
		resp, err := browser.Get(url + "/healthz")
		if refused = err != nil; !refused {
			resp.Body.Close()
		}
	}
	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := waitFor(server)
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.Success() {
		t.Errorf("the server ended with %v", err)
	}
}

// waitFor waits for a server that was told to end.
func waitFor(server *exec.Cmd) error {
	timer := time.AfterFunc(patience, func() { _ = server.Process.Kill() })
	defer timer.Stop()
	err := server.Wait()
	if server.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return fmt.Errorf("it did not end within %s", patience)
	}
	return err
}
