package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"carillon/apps"
)

type appPackCmd struct {
	Dir    string `arg:"" help:"The app's directory." type:"path"`
	Output string `help:"Write the zip here instead of beside the directory (- is stdout)." short:"o" type:"path" placeholder:"FILE"`
}

// Run writes the zip. An app with errors is not packed.
func (c *appPackCmd) Run(ctx context.Context, d *desk) error {
	zip, err := packApp(ctx, d, c.Dir)
	if err != nil {
		return err
	}
	if c.Output == "-" {
		_, err := d.stdout.Write(zip)
		return err
	}
	path := c.Output
	if path == "" {
		path = appName(c.Dir) + ".zip"
	}
	if err := writeWhole(path, zip); err != nil {
		return err
	}
	_, err = fmt.Fprintln(d.stdout, path)
	return err
}

// packApp makes the zip of a directory, and tells a person what is wrong with it.
func packApp(ctx context.Context, d *desk, dir string) ([]byte, error) {
	if err := appDirectory(dir); err != nil {
		return nil, err
	}
	var zip bytes.Buffer
	err := withChecks(ctx, d, func(checks apps.Checks) error {
		findings, err := apps.Pack(ctx, os.DirFS(dir), &zip, checks)
		if len(findings) > 0 {
			if err := printFindings(d.stderr, findings); err != nil {
				return err
			}
		}
		if apps.Refusal(findings) != nil {
			return fmt.Errorf("the app has %s", countFindings(findings))
		}
		return err
	})
	return zip.Bytes(), err
}

// writeWhole writes a file that is there whole, or not at all.
func writeWhole(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = file.Write(content)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Chmod(file.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
