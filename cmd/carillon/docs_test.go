package main_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	main "carillon/cmd/carillon"
)

func TestEveryCommandAndFlagIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	parser, err := main.NewParser(t.Context(), t.Output(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	err = kong.Visit(parser.Model.Node, func(node kong.Visitable, next kong.Next) error {
		switch n := node.(type) {
		case *kong.Node:
			if n.Hidden {
				return nil // and what belongs to it
			}
			if n.Type == kong.CommandNode && !strings.Contains(text, n.Name) {
				t.Errorf("command %s is not documented", n.Name)
			}
		case *kong.Flag:
			known["--"+n.Name] = true
			if n.Name != "help" && !strings.Contains(text, "`--"+n.Name+"`") && !strings.Contains(text, "`--"+n.Name+" ") {
				t.Errorf("flag --%s is not documented", n.Name)
			}
			if n.Name != "help" && len(n.Envs) != 1 {
				t.Errorf("flag --%s has the variables %v", n.Name, n.Envs)
			}
			if n.Help == "" {
				t.Errorf("flag --%s has no help", n.Name)
			}
		}
		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(text, -1) {
		if !known[flag] {
			t.Errorf("%s is documented and does not exist", flag)
		}
	}
}
