package apps_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"carillon/apps"
	"carillon/apps/script"
	"carillon/dialect/platform"
)

var update = flag.Bool("update", false, "write the golden files anew")

// compiled asks the runtime what a script exports.
type compiled struct{}

func (compiled) Exports(ctx context.Context, app *apps.App) (apps.Exports, error) {
	program, err := script.Compile(ctx, app.Sources(), "server/server.js", script.Config{})
	if failures, ok := errors.AsType[script.Failures](err); ok {
		var e apps.Exports
		for _, f := range failures {
			e.Failures = append(e.Failures, apps.Failure{File: f.File, Line: f.Line, Column: f.Column, Reason: f.Message})
		}
		return e, nil
	}
	if err != nil {
		return apps.Exports{}, err
	}
	return apps.Exports{Functions: program.Exports(), Events: json.RawMessage(program.Events())}, nil
}

// checks are those of the whole program.
func checks() apps.Checks {
	var types []string
	for _, typ := range platform.New().Types() {
		types = append(types, typ.Name)
	}
	return apps.Checks{Script: compiled{}, EventTypes: types, Modules: []string{}}
}

// fixture reads an app of testdata; its findings are in the archive.
func fixture(t testing.TB, file string) (archive *txtar.Archive, files fstest.MapFS) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files = fstest.MapFS{}
	for _, f := range archive.Files {
		if f.Name != "findings" {
			files[f.Name] = &fstest.MapFile{Data: f.Data}
		}
	}
	return archive, files
}

// fixtures lists the files of a folder of testdata.
func fixtures(t testing.TB, folder string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(list) == 0 {
		t.Fatalf("no fixtures in %s: %v", folder, err)
	}
	return list
}

// validate reads and judges an app.
func validate(t *testing.T, files fs.FS) (*apps.App, []apps.Finding) {
	t.Helper()
	app, _ := apps.Read(files)
	list, err := apps.Validate(t.Context(), app, checks())
	if err != nil {
		t.Fatal(err)
	}
	return app, list
}

func lines(list []apps.Finding) string {
	var b strings.Builder
	for _, f := range list {
		b.WriteString(f.String() + "\n")
	}
	return b.String()
}

func TestEveryFaultIsToldAtOnceWithItsPlaceAndMend(t *testing.T) {
	for _, file := range fixtures(t, "broken") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, files := fixture(t, file)
			_, list := validate(t, files)
			got := lines(list)
			if apps.Refusal(list) == nil {
				t.Error("nothing is an error")
			}
			if *update {
				golden(archive, got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			for _, f := range archive.Files {
				if f.Name == "findings" && string(f.Data) != got {
					t.Errorf("found\n%s\nwant\n%s", got, f.Data)
				}
			}
			if archive.Files[len(archive.Files)-1].Name != "findings" {
				t.Error("the fixture has no findings; write them with -update")
			}
		})
	}
}

// golden puts the findings at the end of a fixture.
func golden(archive *txtar.Archive, findings string) {
	if n := len(archive.Files) - 1; n >= 0 && archive.Files[n].Name == "findings" {
		archive.Files = archive.Files[:n]
	}
	archive.Files = append(archive.Files, txtar.File{Name: "findings", Data: []byte(findings)})
}

func TestAppsWithoutFaultsHaveNoFindings(t *testing.T) {
	for _, file := range fixtures(t, "valid") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			_, files := fixture(t, file)
			if _, list := validate(t, files); len(list) > 0 {
				t.Errorf("found\n%s", lines(list))
			}
		})
	}
}
