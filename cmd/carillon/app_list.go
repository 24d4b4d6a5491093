package main

import (
	"context"
	"fmt"

	"carillon"
)

type appListCmd struct {
	serverFlags `embed:""`
	JSON        bool `help:"Print JSON, one app a line."`
}

// Run lists the apps that are installed.
func (c *appListCmd) Run(ctx context.Context, d *desk) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	list := table{header: []string{"ID", "NAME", "VERSION", "PLATFORM", "STATE", "UPDATED"}}
	for a, err := range api.Apps(ctx) {
		if err != nil {
			return err
		}
		if c.JSON {
			if err := printJSON(d.stdout, a); err != nil {
				return err
			}
			continue
		}
		state := string(a.State)
		if a.Error != "" {
			state += ": " + a.Error
		}
		list.add(a.ID, a.Name, fmt.Sprint(a.Version), a.PlatformVersion, state, carillon.FormatTime(a.UpdatedAt))
	}
	if c.JSON {
		return nil
	}
	return list.print(d.stdout)
}
