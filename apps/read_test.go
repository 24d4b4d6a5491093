package apps_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"carillon"
	"carillon/apps"
)

// small is an app without faults.
func small() fstest.MapFS {
	return fstest.MapFS{
		"manifest.json":       {Data: []byte(`{"platform-version": "2.3", "product": {"freshworks_crm": {"events": {"onDealCreate": {"handler": "onDeal"}}}}}`)},
		"server/server.js":    {Data: []byte(`exports = { onDeal: function (args) {} };`)},
		"config/iparams.json": {Data: []byte(`{}`)},
	}
}

// zipped makes a zip of entries.
func zipped(t testing.TB, entries ...zipEntry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate}
		header.SetMode(0o644 | e.mode)
		file, err := w.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(file, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zipEntry struct {
	name, content string
	mode          fs.FileMode
}

// smallEntries are the files of small in a folder.
func smallEntries(folder string) []zipEntry {
	var list []zipEntry
	for name, file := range small() {
		list = append(list, zipEntry{name: folder + name, content: string(file.Data)})
	}
	slices.SortFunc(list, func(a, b zipEntry) int { return strings.Compare(a.name, b.name) })
	return list
}

func readZip(t testing.TB, content []byte) (*apps.App, []apps.Finding) {
	t.Helper()
	app, list, err := apps.ReadZip(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return app, list
}

// tells reports whether a finding of the file says the reason.
func tells(list []apps.Finding, file, reason string) bool {
	return slices.ContainsFunc(list, func(f apps.Finding) bool { return f.File == file && strings.Contains(f.Reason, reason) })
}

func TestAZipIsReadAsItsDirectory(t *testing.T) {
	for name, entries := range map[string][]zipEntry{
		"bare":            smallEntries(""),
		"in one folder":   smallEntries("my-app/"),
		"with Mac's junk": append(smallEntries("my-app/"), zipEntry{name: "__MACOSX/._my-app"}, zipEntry{name: "my-app/.DS_Store"}),
	} {
		t.Run(name, func(t *testing.T) {
			app, list := readZip(t, zipped(t, entries...))
			if len(list) > 0 {
				t.Fatalf("found\n%s", lines(list))
			}
			want, _ := apps.Read(small())
			if !slices.Equal(app.Files(), want.Files()) {
				t.Errorf("has %v, want %v", app.Files(), want.Files())
			}
			for _, file := range want.Files() {
				got, _ := app.File(file)
				if content, _ := want.File(file); !bytes.Equal(got, content) {
					t.Errorf("%s is %q", file, got)
				}
			}
			if handler, ok := app.Handler("freshworks_crm", "onDealCreate"); !ok || handler != "onDeal" {
				t.Errorf("handled by %q", handler)
			}
		})
	}
}

func TestWhatDoesNotBelongToAnAppIsNotLookedAt(t *testing.T) {
	files := small()
	for _, name := range []string{
		".git/config", ".fdk/localstore", "node_modules/x/index.js", "server/node_modules/x.js", "coverage/index.html", "log/fdk.log",
		"dist/app.zip", ".report.json", "server/.cache",
	} {
		files[name] = &fstest.MapFile{Data: bytes.Repeat([]byte("x"), apps.MaxFileSize+1)}
	}
	files["server/lib/log/write.js"] = &fstest.MapFile{Data: []byte("exports = {};")}
	app, list := apps.Read(files)
	if len(list) > 0 {
		t.Errorf("found\n%s", lines(list))
	}
	want := []string{"config/iparams.json", "manifest.json", "server/lib/log/write.js", "server/server.js"}
	if !slices.Equal(app.Files(), want) {
		t.Errorf("has %v", app.Files())
	}
}

func TestWhatIsNotReadIsNotKept(t *testing.T) {
	files := small()
	app, _ := apps.Read(files)
	bare := app.Size()
	names := 0
	for _, name := range []string{"config/x.bin", "config/assets/logo.svg", "app/index.html", "server/data.bin", "server/test_data/notes.txt"} {
		files[name] = &fstest.MapFile{Data: make([]byte, 1<<20)}
		names += len(name)
	}
	app, _ = apps.Read(files)
	if grown := app.Size() - bare; grown != names {
		t.Errorf("the app has grown by %d bytes, want the %d of the names", grown, names)
	}
	if _, kept := app.File("server/server.js"); !kept {
		t.Error("server/server.js is not kept")
	}
}

func TestHostileZips(t *testing.T) {
	for _, c := range []struct {
		name   string
		add    []zipEntry
		file   string
		reason string
	}{
		{"a path that climbs", []zipEntry{{name: "../../etc/passwd"}}, "../../etc/passwd", "leads out"},
		{"a path that climbs inside", []zipEntry{{name: "server/../../x.js"}}, "server/../../x.js", "leads out"},
		{"an absolute path", []zipEntry{{name: "/etc/passwd"}}, "/etc/passwd", "leads out"},
		{"backslashes", []zipEntry{{name: `server\..\x.js`}}, `server\..\x.js`, "leads out"},
		{"a link", []zipEntry{{name: "server/lib.js", content: "/etc/passwd", mode: fs.ModeSymlink}}, "server/lib.js", "is a link"},
		{"a device", []zipEntry{{name: "server/null", mode: fs.ModeDevice}}, "server/null", "not a regular file"},
		{"a name that does not show", []zipEntry{{name: "server/a\x00b.js"}}, "server/a\ufffdb.js", "do not show"},
		{"a long name", []zipEntry{{name: "server/" + strings.Repeat("a", 300)}}, "server/" + strings.Repeat("a", 248) + "…", "more than 255 bytes"},
		{"the same file twice", []zipEntry{{name: "server/server.js", content: "exports = {}"}}, "server/server.js", "twice"},
		{"a large file", []zipEntry{{name: "app/film", content: strings.Repeat("\x00", apps.MaxFileSize+1)}}, "app/film", "larger than 5 MB"},
		{
			"large files together", slices.Repeat([]zipEntry{{content: strings.Repeat("\x00", apps.MaxFileSize)}}, 5), "",
			"larger than 20 MB",
		},
		{"many files", slices.Repeat([]zipEntry{{}}, apps.MaxFiles), "", "more than 2000 files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.add {
				if c.add[i].name == "" {
					c.add[i].name = fmt.Sprintf("app/%d", i)
				}
			}
			app, list := readZip(t, zipped(t, append(smallEntries(""), c.add...)...))
			if !tells(list, c.file, c.reason) {
				t.Errorf("found\n%s", lines(list))
			}
			if err := apps.Refusal(list); carillon.ErrorCode(err) != carillon.CodeInvalid {
				t.Errorf("refused with %v", err)
			}
			for _, name := range app.Files() {
				if !fs.ValidPath(name) {
					t.Errorf("has %q", name)
				}
			}
		})
	}
}

func TestAZipThatUnpacksToMoreThanItSaysIsRefused(t *testing.T) {
	content := zipped(t, append(smallEntries(""), zipEntry{name: "app/bomb", content: strings.Repeat("\x00", 64<<20)})...)
	if len(content) > 100<<10 {
		t.Fatalf("the bomb is %d bytes", len(content))
	}
	// Make the directory say that the bomb is a byte.
	at := bytes.LastIndex(content, []byte("app/bomb")) - 46
	binary.LittleEndian.PutUint32(content[at+24:], 1)
	_, list := readZip(t, content)
	if !tells(list, "app/bomb", "cannot be read") {
		t.Errorf("found\n%s", lines(list))
	}
}

func TestWhatIsNoZipIsAnError(t *testing.T) {
	directory := func(entries int) []byte { // of empty files, whose end says there is one
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.NoCompression) })
		for i := range entries {
			if _, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("%d", i)}); err != nil {
				t.Fatal(err)
			}
		}
		w.Close()
		return b.Bytes()
	}
	for _, c := range []struct {
		name    string
		content []byte
		code    carillon.Code
	}{
		{"nothing", nil, carillon.CodeMalformed},
		{"text", []byte("exports = {}"), carillon.CodeMalformed},
		{"half a zip", zipped(t, smallEntries("")...)[:200], carillon.CodeMalformed},
		{"too large", make([]byte, apps.MaxSize+1), carillon.CodeTooLarge},
		{"a long directory", directory(30_000), carillon.CodeTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			app, _, err := apps.ReadZip(bytes.NewReader(c.content), int64(len(c.content)))
			if carillon.ErrorCode(err) != c.code || app != nil {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestLinksInDirectoriesAreNotFollowed(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret.js"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, small()); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "secret.js"), filepath.Join(dir, "server", "lib.js")); err != nil {
		t.Skip("no links here:", err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "server", "lib")); err != nil {
		t.Fatal(err)
	}
	app, list := apps.Read(os.DirFS(dir))
	for _, name := range []string{"server/lib.js", "server/lib"} {
		if !tells(list, name, "is a link") {
			t.Errorf("%s: found\n%s", name, lines(list))
		}
		if _, ok := app.File(name); ok {
			t.Errorf("%s was read", name)
		}
	}
	if strings.Contains(lines(list), outside) {
		t.Errorf("tells where the link leads: %s", lines(list))
	}
}

func TestDirectoriesAreBounded(t *testing.T) {
	many := small()
	for i := range apps.MaxFiles {
		many[fmt.Sprintf("app/%d", i)] = &fstest.MapFile{}
	}
	large := small()
	large["server/data.json"] = &fstest.MapFile{Data: make([]byte, apps.MaxFileSize+1)}
	for file, c := range map[string]struct {
		files  fstest.MapFS
		reason string
	}{
		"":                 {many, "more than 2000 files"},
		"server/data.json": {large, "larger than 5 MB"},
	} {
		if _, list := apps.Read(c.files); !tells(list, file, c.reason) {
			t.Errorf("found\n%s", lines(list))
		}
	}
}

func TestFindingsAreBounded(t *testing.T) {
	files := small()
	var b strings.Builder
	b.WriteString(`{"platform-version": "2.3", "product": {"freshworks_crm": {}}`)
	for i := range 5000 {
		fmt.Fprintf(&b, `,"m%d":0`, i)
	}
	files["manifest.json"] = &fstest.MapFile{Data: []byte(b.String() + "}")}
	_, list := apps.Read(files)
	if len(list) != 201 || !tells(list, "", "more than 200 faults") {
		t.Errorf("%d findings, the last is %v", len(list), list[len(list)-1])
	}
}

func TestDeepJSONIsRefused(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	for _, file := range []string{"manifest.json", "config/iparams.json", "config/requests.json", "config/iparam_test_data.json", "server/test_data/onDealCreate.json"} {
		files := small()
		files[file] = &fstest.MapFile{Data: []byte(deep)}
		if _, list := apps.Read(files); !tells(list, file, "nested deeper than 64 levels") {
			t.Errorf("%s: found\n%s", file, lines(list))
		}
	}
}

func TestPayloadsAreBounded(t *testing.T) {
	files := small()
	files["server/test_data/onDealCreate.json"] = &fstest.MapFile{Data: []byte(`{"a":"` + strings.Repeat("a", apps.MaxPayload) + `"}`)}
	if _, list := apps.Read(files); !tells(list, "server/test_data/onDealCreate.json", "larger than 256 KB") {
		t.Errorf("found\n%s", lines(list))
	}
}

func TestByteOrderMarksAreNamed(t *testing.T) {
	files := small()
	files["config/iparams.json"] = &fstest.MapFile{Data: []byte("\ufeff{}")}
	if _, list := apps.Read(files); !tells(list, "config/iparams.json", "byte order mark") {
		t.Errorf("found\n%s", lines(list))
	}
}
