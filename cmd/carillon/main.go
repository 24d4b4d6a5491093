package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"carillon/telemetry"
)

// version is set by the linker (-X main.version=…).
var version = ""

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run()) }

// run is the whole program; it gives the exit code.
func run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals // the first one asks to end
		cancel()
		<-signals // the second one ends the process at once
		os.Exit(exitFailed)
	}()
	return execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// execute parses the arguments and runs the command they name.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var grammar cli
	exited := -1
	parser, err := newParser(ctx, &grammar, stdout, stderr, func(code int) { exited = code })
	if err != nil {
		fmt.Fprintln(stderr, "carillon:", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help has spoken
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "carillon: %v\nTry: carillon --help\n", err)
		return exitUsage
	}
	log, err := telemetry.NewLog(stderr, grammar.LogFormat, grammar.LogLevel)
	if err != nil {
		fmt.Fprintln(stderr, "carillon:", err)
		return exitUsage
	}
	desk := &desk{stdout: stdout, stderr: stderr, log: log}
	return conclude(parsed.Run(desk), stderr)
}

// newParser makes the parser of a grammar; exit is called with the code when --help has spoken.
func newParser(ctx context.Context, grammar *cli, stdout, stderr io.Writer, exit func(code int)) (*kong.Kong, error) {
	return kong.New(grammar,
		kong.Name("carillon"),
		kong.Description("An event platform for customer-account data: one change to an account, rung on every bell."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.DefaultEnvars("CARILLON"),
		kong.Vars{"bench_rows": rowNames()},
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
}

// conclude tells a person why a command failed, and gives the exit code.
func conclude(err error, stderr io.Writer) int {
	var usage *usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "carillon: %v\n", err)
		return exitUsage
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "carillon: interrupted")
		return exitFailed
	default:
		fmt.Fprintf(stderr, "carillon: %v\n", err)
		return exitFailed
	}
}

// usageError is a command given wrongly, in a way that the grammar cannot see.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func wrongUsage(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// desk is what every command works with. Results go to stdout, talk to stderr.
type desk struct {
	stdout, stderr io.Writer
	log            *slog.Logger
}

// programVersion is the linker's, else what the build knows of the checkout.
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
