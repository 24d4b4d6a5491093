package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// minNode is the oldest Node that the tools in node/package.json run on.
const minNode = 20

// Node gives the directory from which node can require the packages of node/package.json, or skips the test. They are
// what others wrote about formats that we write too: a server of SNS and SQS, verifiers of signatures, a reader of AsyncAPI.
func Node(t testing.TB) (dir string) {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		missing(t, "tests against Node packages: there is no Node (make setup installs it on Debian and Ubuntu, as root)")
	}
	out, err := exec.CommandContext(t.Context(), path, "--version").Output()
	if err != nil {
		t.Fatalf("ask node for its version: %v", err)
	}
	version := strings.TrimSpace(string(out))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < minNode {
		missing(t, "tests against Node packages: Node "+version+" is too old; they want "+strconv.Itoa(minNode))
	}
	dir = filepath.Join(moduleRoot(t), "internal", "testenv", "node")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		missing(t, "tests against Node packages: they are not installed (make setup does that)")
	}
	return dir
}

// moduleRoot is where go.mod is: a test runs in the directory of its package.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("find go.mod: no directory above this one has it")
		}
		dir = parent
	}
}
