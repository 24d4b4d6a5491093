package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"carillon"
	"carillon/apps"
	"carillon/apps/simulator"
	"carillon/apps/workshop"
	"carillon/dialect/freshsales"
	"carillon/egress"
	"carillon/sample"
	"carillon/store/sqlstore"
)

type appCmd struct {
	Run       appRunCmd       `cmd:"" help:"Try an app on this machine, on a page in the browser."`
	Validate  appValidateCmd  `cmd:"" help:"Say everything that is wrong with an app, and how to mend it."`
	Pack      appPackCmd      `cmd:"" help:"Make the zip of an app that is installed."`
	Install   appInstallCmd   `cmd:"" help:"Install an app on a server."`
	List      appListCmd      `cmd:"" help:"List the apps that are installed."`
	Logs      appLogsCmd      `cmd:"" help:"Show what the handlers of an app did."`
	Uninstall appUninstallCmd `cmd:"" help:"Remove an app from a server."`
}

// localOrg is the org of apps that are tried on this machine.
const localOrg = "local"

// localShop is a workshop on an archive of its own, which goes when it is closed.
type localShop struct {
	*workshop.Workshop
	archive *sqlstore.Store
	dir     string
}

// localShopConfig is what differs from one use to the next.
type localShopConfig struct {
	URL          string // where target URLs begin
	AllowPrivate bool
	Limits       workshop.Limits
	Settings     *simulator.Settings // of the account that samples are said to be from
	Observe      func(*carillon.Invocation)
	Log          *slog.Logger
}

// openLocalShop makes a workshop for trying and judging apps. It must be closed.
func openLocalShop(ctx context.Context, c localShopConfig) (shop *localShop, err error) {
	dir, err := os.MkdirTemp("", "carillon-app-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the app: %w", err)
	}
	shop = &localShop{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, shop.close(context.WithoutCancel(ctx)))
		}
	}()
	if shop.archive, err = (dataFlags{Data: dir}).openArchive(ctx, c.Log); err != nil {
		return nil, err
	}
	spoken := dialects()
	samples := sample.Payloads(spoken, localOrg)
	shop.Workshop, err = workshop.New(workshop.Config{
		Store: shop.archive, Dialects: spoken,
		Sample: func(ctx context.Context, dialectName, event string, settings json.RawMessage) (json.RawMessage, bool) {
			if dialectName == freshsales.Name && c.Settings != nil {
				settings = c.Settings.Over(settings)
			}
			return samples(ctx, dialectName, event, settings)
		},
		Gate: egress.New(egress.Config{AllowPrivate: c.AllowPrivate, Logger: c.Log}),
		URL:  c.URL, Limits: c.Limits, Observe: c.Observe, Logger: c.Log,
	})
	return shop, err
}

func (s *localShop) close(ctx context.Context) error {
	if s.Workshop != nil {
		s.Close(ctx)
	}
	var err error
	if s.archive != nil {
		err = s.archive.Close()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// withChecks opens a workshop for as long as an act needs what it judges packages by.
func withChecks(ctx context.Context, d *desk, act func(apps.Checks) error) error {
	shop, err := openLocalShop(ctx, localShopConfig{Log: d.log})
	if err != nil {
		return err
	}
	return errors.Join(act(shop.Checks()), shop.close(context.WithoutCancel(ctx)))
}

// appDirectory refuses what is no directory before anything is made of it.
func appDirectory(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return wrongUsage("%v", err)
	case !info.IsDir():
		return wrongUsage("%s is not a directory", dir)
	default:
		return nil
	}
}

// appName is what an app is called by its directory or zip.
func appName(path string) string {
	absolute, err := filepath.Abs(path)
	if err != nil {
		absolute = path
	}
	return strings.TrimSuffix(filepath.Base(absolute), ".zip")
}

// printFindings shows findings to people, a block for each file at fault.
func printFindings(w io.Writer, findings []apps.Finding) error {
	list := table{header: []string{"PLACE", "SEVERITY", "WHAT", "MEND"}}
	for _, f := range findings {
		place := f.File
		if f.Line > 0 {
			place += ":" + strconv.Itoa(f.Line)
			if f.Column > 0 {
				place += ":" + strconv.Itoa(f.Column)
			}
		}
		list.add(place, string(f.Severity), strings.TrimSpace(f.Path+" "+f.Reason), f.Mend)
	}
	return list.print(w)
}

// countFindings says how many there are: "2 errors, 1 warning".
func countFindings(findings []apps.Finding) string {
	n := map[apps.Severity]int{}
	for _, f := range findings {
		n[f.Severity]++
	}
	var parts []string
	for _, s := range []apps.Severity{apps.SeverityError, apps.SeverityWarning} {
		switch {
		case n[s] == 1:
			parts = append(parts, "1 "+string(s))
		case n[s] > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n[s], s))
		}
	}
	if parts == nil {
		return "no faults"
	}
	return strings.Join(parts, ", ")
}
