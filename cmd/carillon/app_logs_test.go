package main_test

import (
	"strings"
	"testing"

	"carillon"
	main "carillon/cmd/carillon"
)

func TestWhatAppsWriteMovesNoCursor(t *testing.T) {
	const evil = "\x1b[31m\u009bPWN"
	var b strings.Builder
	err := main.PrintInvocation(&b, &carillon.Invocation{
		Event: evil, Handler: evil, Lines: []carillon.AppLine{{Level: "info", Text: evil}},
		Failure: &carillon.AppFailure{Message: evil, File: evil, Line: 1, Column: 1, Faults: []carillon.Fault{{Member: evil, Reason: evil}}},
	})
	if got := b.String(); err != nil || strings.Count(got, "PWN") != 7 || strings.ContainsAny(got, "\x1b\u009b") {
		t.Errorf("it shows %q, %v", got, err)
	}
}
