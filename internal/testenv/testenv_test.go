package testenv_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"carillon/internal/testenv"
)

// recorder is a testing.TB that notes how a test ended.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return context.Background() }
func (r *recorder) Skip(args ...any)         { r.skipped = fmt.Sprint(args...); runtime.Goexit() }

func (r *recorder) Fatalf(f string, args ...any) {
	r.failed = fmt.Sprintf(f, args...)
	runtime.Goexit()
}

func run(ask func(testing.TB) string) *recorder {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		ask(r)
	}()
	<-done
	return r
}

func TestAMissingBrowserSkipsAndIsNoted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "skipped")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	t.Setenv(testenv.ChromiumVariable, "")
	t.Setenv(testenv.SkippedVariable, file)
	t.Setenv(testenv.RequireVariable, "")

	r := run(testenv.Chromium)
	if !strings.Contains(r.skipped, "Chromium") || r.failed != "" {
		t.Errorf("skipped %q, failed %q: want a skip that names Chromium", r.skipped, r.failed)
	}
	noted, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(noted) != r.skipped+"\n" {
		t.Errorf("noted %q, want %q on a line", noted, r.skipped)
	}
}

func TestAMissingBrowserFailsWhereAllIsRequired(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(testenv.ChromiumVariable, "")
	t.Setenv(testenv.RequireVariable, "all")

	r := run(testenv.Chromium)
	if !strings.Contains(r.failed, "Chromium") || r.skipped != "" {
		t.Errorf("skipped %q, failed %q: want a failure that names Chromium", r.skipped, r.failed)
	}
}

func TestAGivenBrowserIsUsed(t *testing.T) {
	t.Setenv(testenv.ChromiumVariable, "somewhere/chrome")
	if got := testenv.Chromium(t); got != "somewhere/chrome" {
		t.Errorf("got %q", got)
	}
}
