package apps_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"carillon/apps"
	"carillon/dialect/platform"
)

var update = flag.Bool("update", false, "write the golden files anew")

// exports answers what a script would export, as a fixture's exports.json has it: running scripts is another room's.
type exports struct {
	answer apps.Exports
	err    error
	asked  int
}

func (e *exports) Exports(context.Context, *apps.App) (apps.Exports, error) {
	e.asked++
	return e.answer, e.err
}

// fixture reads an app of testdata: its files, what its script exports (nil if the fixture does not say), and its findings.
func fixture(t testing.TB, file string) (archive *txtar.Archive, files fstest.MapFS, script apps.Script) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files = fstest.MapFS{}
	for _, f := range archive.Files {
		switch f.Name {
		case "exports.json":
			e := &exports{}
			if err := json.Unmarshal(f.Data, &e.answer); err != nil {
				t.Fatal(err)
			}
			script = e
		case "findings":
		default:
			files[f.Name] = &fstest.MapFile{Data: f.Data}
		}
	}
	return archive, files, script
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

// eventTypes are those of the platform dialect.
func eventTypes() []string {
	var list []string
	for _, typ := range platform.New().Types() {
		list = append(list, typ.Name)
	}
	return list
}

// validate reads and judges an app.
func validate(t *testing.T, files fstest.MapFS, script apps.Script) (*apps.App, []apps.Finding) {
	t.Helper()
	app, _ := apps.Read(files)
	list, err := apps.Validate(t.Context(), app, apps.Checks{Script: script, EventTypes: eventTypes(), Modules: []string{}})
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
			archive, files, script := fixture(t, file)
			_, list := validate(t, files, script)
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
			_, files, script := fixture(t, file)
			if _, list := validate(t, files, script); len(list) > 0 {
				t.Errorf("found\n%s", lines(list))
			}
		})
	}
}
