package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// The environment variables this package reads.
const (
	// RequireVariable set to "all" makes a suite that cannot run a failure.
	RequireVariable = "CARILLON_TEST_REQUIRE"
	// SkippedVariable names a file that gets a line for each suite that did not run; scripts/test prints it at the end.
	SkippedVariable = "CARILLON_TEST_SKIPPED"
	// ChromiumVariable names the browser to use instead of the first one found.
	ChromiumVariable = "CARILLON_TEST_CHROMIUM"
)

// Chromium gives the path of a Chromium or Chrome, or skips the test.
func Chromium(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(ChromiumVariable); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, "browser tests: there is no Chromium (make setup installs it on Debian and Ubuntu, as root)")
	return ""
}

// missing ends a test that lacks what it needs: skipped, or failed where nothing may be skipped.
func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv(RequireVariable) == "all" {
		t.Fatalf("%s; %s=all forbids skipping", why, RequireVariable)
	}
	if err := note(os.Getenv(SkippedVariable), why); err != nil {
		t.Logf("note what was skipped: %v", err)
	}
	t.Skip(why)
}

// note appends one line; the line is short enough that test binaries running side by side do not mix theirs.
func note(file, why string) error {
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, why)
	if errClose := f.Close(); err == nil {
		err = errClose
	}
	return err
}
