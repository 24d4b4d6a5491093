package testenv_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"carillon/internal/testenv"
)

func TestAMissingNodeSkips(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(testenv.RequireVariable, "")
	if r := run(testenv.Node); !strings.Contains(r.skipped, "there is no Node") || r.failed != "" {
		t.Errorf("skipped %q, failed %q: want a skip that names Node", r.skipped, r.failed)
	}
}

func TestAnOldNodeSkips(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "node"), []byte("#!/bin/sh\necho v18.19.0\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	t.Setenv(testenv.RequireVariable, "")
	if r := run(testenv.Node); !strings.Contains(r.skipped, "v18.19.0 is too old") {
		t.Errorf("skipped %q, failed %q: want a skip that names the version", r.skipped, r.failed)
	}
}

func TestNodeFindsItsPackages(t *testing.T) {
	dir := testenv.Node(t)
	for _, name := range []string{"@asyncapi/parser", "fauxqs", "sns-validator", "standardwebhooks"} {
		node := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", `await import("`+name+`")`)
		node.Dir = dir
		if out, err := node.CombinedOutput(); err != nil {
			t.Errorf("import %s: %v\n%s", name, err, out)
		}
	}
}

func TestTheSNSServerAnswersOnLoopbackAndEndsWithItsTest(t *testing.T) {
	var url string
	healthy := func() bool {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url+"/health", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	t.Run("while it runs", func(t *testing.T) {
		url = testenv.SNS(t)
		if !strings.HasPrefix(url, "http://127.0.0.1:") || !healthy() {
			t.Errorf("no server at %s", url)
		}
	})
	if healthy() {
		t.Errorf("the server at %s outlives its test", url)
	}
}
