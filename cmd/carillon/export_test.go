package main

import (
	"context"
	"io"

	"github.com/alecthomas/kong"
)

// Main is main, for the test binary to be the program.
var Main = main

// NewParser gives the grammar to the test that compares it with its documentation.
func NewParser(ctx context.Context, stdout, stderr io.Writer) (*kong.Kong, error) {
	return newParser(ctx, new(cli), stdout, stderr, func(int) {})
}

// PrintInvocation shows what a handler did.
var PrintInvocation = printInvocation
