package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"carillon"
	"carillon/client"
	main "carillon/cmd/carillon"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"carillon": main.Main})
}

// patience is how long a story waits for what must come.
const patience = 30 * time.Second

// TestStories runs the commands as people do: each story is a script with the program in its path, and some words of its
// own for what goes on beside the commands.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			b := &beside{}
			env.Values[besideKey{}] = b
			env.Defer(b.end)
			env.Setenv("CARILLON_API_KEY", "dev")
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":     exits,
			"serve":     serve,
			"stop":      stop,
			"receive":   receive,
			"catch":     catch,
			"received":  received,
			"subscribe": subscribe,
			"capture":   capture,
		},
	})
}

type besideKey struct{}

// beside is what runs beside a story's commands.
type beside struct {
	server   *exec.Cmd
	stdout   *bufio.Reader
	stderr   *bytes.Buffer
	receiver *httptest.Server

	mu       sync.Mutex
	verifier *standardwebhooks.Webhook
	arrived  []string // "seq type id" of each verified webhook
}

func besideOf(ts *testscript.TestScript) *beside {
	b, _ := ts.Value(besideKey{}).(*beside)
	return b
}

func (b *beside) end() {
	if b.server != nil {
		_ = b.server.Process.Kill()
		_ = b.server.Wait()
	}
	if b.receiver != nil {
		b.receiver.Close()
	}
}

// exits CODE PROGRAM ARG… runs a program that must end with the code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// serve [FLAG…] starts a server and points CARILLON_URL to it.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	b := besideOf(ts)
	if neg || b.server != nil {
		ts.Fatalf("usage: serve [FLAG…], once at a time")
	}
	program, err := exec.LookPath("carillon")
	ts.Check(err)
	b.server = exec.Command(program, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	b.server.Dir = ts.Getenv("WORK")
	b.server.Env = append(os.Environ(), "HOME="+ts.Getenv("WORK"))
	b.stderr = &bytes.Buffer{}
	b.server.Stderr = b.stderr
	out, err := b.server.StdoutPipe()
	ts.Check(err)
	ts.Check(b.server.Start())
	b.stdout = bufio.NewReader(out)
	line, err := b.stdout.ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		_ = b.server.Wait()
		b.server = nil
		ts.Fatalf("the server said %q: %v\n%s", line, err, b.stderr)
	}
	ts.Setenv("CARILLON_URL", url)
}

// stop asks the server to end, which must succeed without another word on stdout.
func stop(ts *testscript.TestScript, neg bool, args []string) {
	b := besideOf(ts)
	if neg || b.server == nil || len(args) > 0 {
		ts.Fatalf("usage: stop, after serve")
	}
	server := b.server
	b.server = nil
	ts.Check(server.Process.Signal(syscall.SIGTERM))
	timer := time.AfterFunc(patience, func() { _ = server.Process.Kill() })
	defer timer.Stop()
	rest, _ := io.ReadAll(b.stdout)
	if err := server.Wait(); err != nil {
		ts.Fatalf("the server ended badly: %v\n%s", err, b.stderr)
	}
	if len(rest) > 0 {
		ts.Fatalf("the server said more on stdout: %s", rest)
	}
	ts.Logf("%s", b.stderr)
}

// receive SECRET opens a webhook receiver at $RECEIVER that verifies with a library that is not ours.
func receive(ts *testscript.TestScript, neg bool, args []string) {
	b := besideOf(ts)
	if neg || len(args) != 1 || b.receiver != nil {
		ts.Fatalf("usage: receive SECRET, once")
	}
	b.open(ts)
	b.expect(ts, args[0])
}

// subscribe VARIABLE opens a receiver and subscribes it to everything that happens from now on.
func subscribe(ts *testscript.TestScript, neg bool, args []string) {
	b := besideOf(ts)
	if neg || len(args) != 1 || b.receiver != nil {
		ts.Fatalf("usage: subscribe VARIABLE, once")
	}
	b.open(ts)
	api, err := client.New(ts.Getenv("CARILLON_URL"), ts.Getenv("CARILLON_API_KEY"))
	ts.Check(err)
	defer api.HTTP.CloseIdleConnections()
	s, err := api.CreateSubscription(context.Background(), client.Subscription{
		Name: "story", Sink: carillon.Sink{Type: carillon.SinkWebhook, URL: b.receiver.URL},
	})
	ts.Check(err)
	b.expect(ts, s.Secret)
	ts.Setenv(args[0], s.ID)
}

// expect gives the receiver the secret to verify with.
func (b *beside) expect(ts *testscript.TestScript, secret string) {
	verifier, err := standardwebhooks.NewWebhook(secret)
	ts.Check(err)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.verifier = verifier
}

func (b *beside) open(ts *testscript.TestScript) {
	b.receiver = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = b.verifier.Verify(body, r.Header)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		eventType := regexp.MustCompile(`"eventType":"([^"]*)"`).FindSubmatch(body)
		if eventType == nil {
			http.Error(w, "no event", http.StatusBadRequest)
			return
		}
		b.arrived = append(b.arrived, fmt.Sprintf("%s %s %s %s",
			r.Header.Get("Carillon-Seq"), eventType[1], r.Header.Get("Webhook-Id"), r.Header.Get("Carillon-Lane")))
	}))
	ts.Setenv("RECEIVER", b.receiver.URL)
}

// catch FILE KEY opens a receiver at $RECEIVER that writes each request to a file as it came: a line for each header, a
// line that says whether the header Webhook-Signature is SmarterPay's with the key, and the body.
func catch(ts *testscript.TestScript, neg bool, args []string) {
	b := besideOf(ts)
	if neg || len(args) != 2 || b.receiver != nil {
		ts.Fatalf("usage: catch FILE KEY, once")
	}
	file, key := ts.MkAbs(args[0]), []byte(args[1])
	b.receiver = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		var text bytes.Buffer
		for name := range r.Header {
			fmt.Fprintf(&text, "%s: %s\n", strings.ToLower(name), r.Header.Get(name))
		}
		mac := hmac.New(sha256.New, key)
		mac.Write(body)
		fmt.Fprintf(&text, "smarterpay: %t\n%s\n", hex.EncodeToString(mac.Sum(nil)) == r.Header.Get("Webhook-Signature"), body)
		if err == nil {
			err = os.WriteFile(file, text.Bytes(), 0o600)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	ts.Setenv("RECEIVER", b.receiver.URL)
}

// received N PATTERN waits until N verified webhooks match, a line "seq type id lane" each; no more may.
func received(ts *testscript.TestScript, neg bool, args []string) {
	b := besideOf(ts)
	if neg || len(args) != 2 {
		ts.Fatalf("usage: received N PATTERN")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		b.mu.Lock()
		lines := strings.Join(b.arrived, "\n")
		n := 0
		for _, line := range b.arrived {
			if pattern.MatchString(line) {
				n++
			}
		}
		b.mu.Unlock()
		if n == want {
			return
		}
		select {
		case <-tick.C:
			if n < want {
				continue
			}
		case <-deadline:
		}
		ts.Fatalf("%d webhooks match %s, want %d:\n%s", n, pattern, want, lines)
	}
}

// capture NAME FILE PATTERN sets a variable to what the pattern's first group matches in a file (or stdout).
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: capture NAME FILE PATTERN")
	}
	pattern, err := regexp.Compile(args[2])
	ts.Check(err)
	text := ts.ReadFile(args[1])
	m := pattern.FindStringSubmatch(text)
	if len(m) < 2 {
		ts.Fatalf("nothing in %s matches %s:\n%s", args[1], pattern, text)
	}
	ts.Setenv(args[0], m[1])
}
