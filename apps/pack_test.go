package apps_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"carillon"
	"carillon/apps"
)

func TestPackedAppsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		files := small()
		folders := rapid.SampledFrom([]string{"app/", "app/styles/", "server/lib/", "server/lib/log/", "config/assets/", ""})
		for range rapid.IntRange(0, 20).Draw(t, "files") {
			name := folders.Draw(t, "folder") + rapid.StringMatching(`[a-zA-Z0-9é _-]{1,20}\.(txt|svg|css)`).Draw(t, "name")
			files[name] = &fstest.MapFile{Data: rapid.SliceOfN(rapid.Byte(), 0, 500).Draw(t, "content")}
		}
		files["node_modules/x.js"] = &fstest.MapFile{Data: []byte("x")}

		var first, second bytes.Buffer
		for _, out := range []io.Writer{&first, &second} {
			if list, err := apps.Pack(t.Context(), files, out, apps.Checks{}); err != nil {
				t.Fatalf("%v\n%s", err, lines(list))
			}
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatal("packed twice, the zips differ")
		}
		app, list, err := apps.ReadZip(bytes.NewReader(first.Bytes()), int64(first.Len()))
		if err != nil || len(list) > 0 {
			t.Fatalf("%v\n%s", err, lines(list))
		}
		delete(files, "node_modules/x.js")
		if len(app.Files()) != len(files) {
			t.Fatalf("%d files became %v", len(files), app.Files())
		}
		for name, file := range files {
			content, read := app.File(name)
			if !slices.Contains(app.Files(), name) || read && !bytes.Equal(content, file.Data) {
				t.Fatalf("%s became %q", name, content)
			}
		}
	})
}

func TestAppsWithErrorsAreNotPacked(t *testing.T) {
	_, files := fixture(t, filepath.Join("testdata", "broken", "handlers.txtar"))
	var out bytes.Buffer
	list, err := apps.Pack(t.Context(), files, &out, checks())
	if carillon.ErrorCode(err) != carillon.CodeInvalid || out.Len() > 0 || len(list) == 0 {
		t.Errorf("%v, %d bytes, found\n%s", err, out.Len(), lines(list))
	}
}

func TestPackedAppsComeFromDirectories(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, small()); err != nil {
		t.Fatal(err)
	}
	var fromDisk, fromMemory bytes.Buffer
	if _, err := apps.Pack(t.Context(), os.DirFS(dir), &fromDisk, apps.Checks{}); err != nil {
		t.Fatal(err)
	}
	if _, err := apps.Pack(t.Context(), small(), &fromMemory, apps.Checks{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(fromDisk.Bytes(), fromMemory.Bytes()) {
		t.Error("the same files make different zips")
	}
}
