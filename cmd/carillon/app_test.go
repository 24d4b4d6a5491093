package main_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// runApp starts `carillon app run` on a copy of an example and gives it with its output after the first line, and the
// address of the test page.
func runApp(t *testing.T, example string, flags ...string) (app *exec.Cmd, dir string, rest *bufio.Reader, page string) {
	t.Helper()
	program, err := exec.LookPath("carillon")
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "the-app")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples", example))); err != nil {
		t.Fatal(err)
	}
	app = exec.Command(program, append([]string{"app", "run", dir, "--listen", "127.0.0.1:0"}, flags...)...)
	app.Stderr = t.Output()
	app.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	out, err := app.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if app.ProcessState == nil {
			_ = app.Process.Kill()
			_ = app.Wait()
		}
	})
	rest = bufio.NewReader(out)
	line, err := rest.ReadString('\n')
	page, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("it said %q: %v", line, err)
	}
	return app, dir, rest, page
}

func TestAnAppIsTriedOverTLSAndItsCoverageIsTold(t *testing.T) {
	app, dir, rest, page := runApp(t, "health-monitoring")
	if !strings.HasPrefix(page, "https://localhost:") || !strings.HasSuffix(page, "/web/test") {
		t.Errorf("the page is at %s", page)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // its certificate is its own
	defer transport.CloseIdleConnections()
	client := &http.Client{Timeout: patience, Transport: transport}
	answer, err := client.Get(strings.Replace(page, "https:", "http:", 1)) // which is sent on
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.Request.URL.Scheme != "https" || !strings.Contains(string(body), "account-health:changed") {
		t.Fatalf("the page at %s: %v\n%s", answer.Request.URL, err, body)
	}
	payload, err := os.ReadFile(filepath.Join(dir, "server", "test_data", "account-health.changed.json"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err = client.PostForm(page, url.Values{"product": {"platform"}, "event": {"account-health:changed"}, "payload": {string(payload)}})
	if err != nil {
		t.Fatal(err)
	}
	body, err = io.ReadAll(answer.Body)
	answer.Body.Close()
	// The host of its requests is made up, so that it fails; but it ran.
	if err != nil || !strings.Contains(string(body), "data-word=") || !strings.Contains(string(body), "server/server.js") {
		t.Errorf("simulating: %v\n%s", err, body)
	}
	if err := app.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	told, err := io.ReadAll(rest)
	if err != nil || app.Wait() != nil {
		t.Errorf("it ended badly: %v, %v", err, app.ProcessState)
	}
	if s := string(told); !strings.Contains(s, "handlers run: 1 of 2 (50%)") || !strings.Contains(s, "onInstall        never") {
		t.Errorf("the coverage is told as %s", s)
	}
	if left, err := os.ReadDir(strings.TrimPrefix(app.Env[len(app.Env)-1], "TMPDIR=")); err != nil || len(left) > 0 {
		t.Errorf("it left %v behind: %v", left, err)
	}
}

func TestAnAppRunsWithoutTLSForTunnels(t *testing.T) {
	_, _, _, page := runApp(t, "task-management", "--http", "--allow-host", "tunnel.example")
	for host, want := range map[string]int{"tunnel.example": 200, "other.example": http.StatusMisdirectedRequest} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		answer, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("addressed as %s: %d, want %d", host, answer.StatusCode, want)
		}
	}
}
