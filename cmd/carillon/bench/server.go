package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"carillon/client"
)

// server is a carillon in a process of its own.
type server struct {
	cmd     *exec.Cmd
	address string // host:port
	dir     string
	api     *client.Client
	log     string // path of its stderr
}

// serve starts the program on dir and waits until it listens.
func (r *run) serve(ctx context.Context, dir string) (*server, error) {
	return r.start(ctx, dir, "serve", "--dev", "--listen", "127.0.0.1:0", "--data", dir)
}

func (r *run) start(ctx context.Context, dir string, args ...string) (*server, error) {
	s := &server{dir: dir, log: filepath.Join(dir, "stderr.txt")}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	defer func() { _ = log.Close() }() // the child has its own
	s.cmd = exec.CommandContext(ctx, r.Program, append(args, "--log-level", "warn")...)
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 10 * time.Second
	s.cmd.Stderr = log
	// What the caller's environment says of a server is not meant for this one.
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "CARILLON_") && !strings.HasPrefix(e, "AWS_SNS_TICKET_TOPIC_ARN=") {
			s.cmd.Env = append(s.cmd.Env, e)
		}
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		_ = s.cmd.Wait()
		said, _ := os.ReadFile(s.log)
		return nil, fmt.Errorf("start the server: it did not listen: %s", strings.TrimSpace(string(said)))
	}
	s.address = strings.TrimPrefix(url, "http://")
	if s.api, err = client.New(url, "dev"); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// stop asks the server to end and waits for it.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	killer := time.AfterFunc(60*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer killer.Stop()
	if err := s.cmd.Wait(); err != nil {
		said, _ := os.ReadFile(s.log)
		return fmt.Errorf("stop the server: %w: %s", err, strings.TrimSpace(string(said)))
	}
	_ = os.Remove(s.log)
	return nil
}

// cpu is the processor time of this process and the server, so far.
func (s *server) cpu() time.Duration {
	return processCPU(os.Getpid()) + processCPU(s.cmd.Process.Pid)
}

func (s *server) memory() (now, peak int64) { return processMemory(s.cmd.Process.Pid) }
