package main

import (
	"context"
	"fmt"
)

type appUninstallCmd struct {
	serverFlags `embed:""`
	ID          string `arg:"" help:"The app's id."`
	Force       bool   `help:"Do not ask the app, which may refuse."`
	JSON        bool   `help:"Print JSON."`
}

// Run removes the app. Its onAppUninstall may refuse, unless it is forced.
func (c *appUninstallCmd) Run(ctx context.Context, d *desk) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	if err := api.UninstallApp(ctx, c.ID, c.Force); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(d.stdout, map[string]string{"uninstalled": c.ID})
	}
	_, err = fmt.Fprintf(d.stdout, "uninstalled %s\n", c.ID)
	return err
}
