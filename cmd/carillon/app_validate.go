package main

import (
	"context"
	"fmt"
	"os"

	"carillon/apps"
)

type appValidateCmd struct {
	Dir  string `arg:"" help:"The app's directory." type:"path"`
	JSON bool   `help:"Print JSON, one finding a line."`
}

// Run tells every finding. It fails if one of them is an error.
func (c *appValidateCmd) Run(ctx context.Context, d *desk) error {
	if err := appDirectory(c.Dir); err != nil {
		return err
	}
	return withChecks(ctx, d, func(checks apps.Checks) error {
		app, _ := apps.Read(os.DirFS(c.Dir))
		findings, err := apps.Validate(ctx, app, checks)
		if err != nil {
			return err
		}
		if c.JSON {
			for _, f := range findings {
				if err := printJSON(d.stdout, f); err != nil {
					return err
				}
			}
		} else if len(findings) > 0 {
			if err := printFindings(d.stdout, findings); err != nil {
				return err
			}
		}
		if apps.Refusal(findings) != nil {
			return fmt.Errorf("the app has %s", countFindings(findings))
		}
		fmt.Fprintf(d.stderr, "%s: %s\n", appName(c.Dir), countFindings(findings))
		return nil
	})
}
