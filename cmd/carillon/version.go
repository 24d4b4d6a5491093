package main

import (
	"fmt"
	"runtime"
)

type versionCmd struct {
	JSON bool `help:"Print JSON."`
}

// Run prints the program's version.
func (c *versionCmd) Run(d *desk) error {
	if c.JSON {
		return printJSON(d.stdout, map[string]string{
			"version": programVersion(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
		})
	}
	_, err := fmt.Fprintf(d.stdout, "carillon %s (%s %s/%s)\n", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
