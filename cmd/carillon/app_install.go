package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"carillon/apps"
	"carillon/client"
)

type appInstallCmd struct {
	serverFlags `embed:""`
	Path        string `arg:"" name:"dir|zip" help:"The app's directory, or its zip." type:"path"`
	IParams     string `help:"The values of its parameters: a file with a JSON object." name:"iparams" type:"path" placeholder:"FILE"`
	Name        string `help:"What to call it; the directory's name by default." placeholder:"NAME"`
	Upgrade     string `help:"Put it in the place of this installed app." placeholder:"ID"`
	JSON        bool   `help:"Print JSON."`
}

// Run sends the app. A directory is judged and packed first.
func (c *appInstallCmd) Run(ctx context.Context, d *desk) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	p := client.AppPackage{Name: c.Name}
	if p.Name == "" && c.Upgrade == "" {
		p.Name = appName(c.Path)
	}
	if p.Package, err = c.zip(ctx, d); err != nil {
		return err
	}
	if c.IParams != "" {
		text, err := os.ReadFile(c.IParams)
		if err != nil {
			return fmt.Errorf("read the parameters: %w", err)
		}
		if !json.Valid(text) {
			return wrongUsage("--iparams: %s is not JSON", c.IParams)
		}
		p.IParams = text
	}
	var a *client.App
	if c.Upgrade != "" {
		a, err = api.UpgradeApp(ctx, c.Upgrade, p)
	} else {
		a, err = api.InstallApp(ctx, p)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(d.stdout, a)
	}
	fmt.Fprintf(d.stderr, "%s is installed, version %d\n", a.Name, a.Version)
	_, err = fmt.Fprintln(d.stdout, a.ID)
	return err
}

// zip gives the package of the path.
func (c *appInstallCmd) zip(ctx context.Context, d *desk) ([]byte, error) {
	info, err := os.Stat(c.Path)
	switch {
	case err != nil:
		return nil, wrongUsage("%v", err)
	case info.IsDir():
		return packApp(ctx, d, c.Path)
	case info.Size() > apps.MaxSize:
		return nil, wrongUsage("%s is larger than %d MB, which no app may be", c.Path, apps.MaxSize>>20)
	}
	return os.ReadFile(c.Path)
}
