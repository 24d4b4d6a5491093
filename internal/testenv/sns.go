package testenv

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// SNS starts an empty server of SNS and SQS for one test and gives its URL. It takes any credentials; its account is
// 000000000000. Its topics reach SQS queues only: no HTTP, no signatures.
func SNS(t testing.TB) (url string) {
	t.Helper()
	dir := Node(t)
	server := exec.CommandContext(context.Background(), "node", "sns.mjs") // beyond t.Context, until the clean-up
	server.Dir = dir
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatalf("start the SNS server: %v", err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := server.Wait(); err != nil {
			t.Errorf("the SNS server ended badly: %v", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("wait for the SNS server: %v", err)
	}
	return strings.TrimSpace(line)
}
