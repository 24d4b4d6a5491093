package apps_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"carillon/apps"
)

// checkFindings holds findings to what they promise.
func checkFindings(t *testing.T, list []apps.Finding) {
	t.Helper()
	if len(list) > 201 {
		t.Errorf("%d findings", len(list))
	}
	for _, f := range list {
		if f.Reason == "" || f.Severity != apps.SeverityError && f.Severity != apps.SeverityWarning || f.Line < 0 || (f.Line > 0) != (f.Column > 0) {
			t.Errorf("%+v", f)
		}
		if !utf8.ValidString(f.String()) || len(f.String()) > 16<<10 {
			t.Errorf("%q", f)
		}
	}
}

// fuzzFile reads and validates an app one file of which is a stranger's.
func fuzzFile(f *testing.F, name string, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	for _, folder := range []string{"valid", "broken"} {
		for _, file := range fixtures(f, folder) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				f.Fatal(err)
			}
			for _, part := range archive.Files {
				if part.Name == name {
					f.Add(part.Data)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		_, files := fixture(t, "testdata/valid/omni.txtar")
		files[name] = &fstest.MapFile{Data: content}
		app, _ := apps.Read(files)
		script := &exports{answer: apps.Exports{Functions: []string{"onContact"}}}
		list, err := apps.Validate(t.Context(), app, apps.Checks{Script: script, EventTypes: []string{"account:created", "custom:{module}:created"}})
		if err != nil {
			t.Fatal(err)
		}
		checkFindings(t, list)
		if values, err := app.CheckIParams(content); err == nil {
			if _, err := json.Marshal(app.Mask(values)); err != nil {
				t.Error(err)
			}
		}
		for i := range app.Requests {
			_, _ = app.Requests[i].Expand(scope)
		}
	})
}

func FuzzManifest(f *testing.F) { fuzzFile(f, "manifest.json") }

func FuzzIParams(f *testing.F) { fuzzFile(f, "config/iparams.json") }

func FuzzRequests(f *testing.F) { fuzzFile(f, "config/requests.json") }

func FuzzTestData(f *testing.F) { fuzzFile(f, "server/test_data/onContactCreate.json", `{"a":[{}]}`) }

func FuzzScript(f *testing.F) { fuzzFile(f, "server/server.js", `require("./lib/x")`) }

func FuzzTemplate(f *testing.F) {
	f.Add("<%= encode(iparam.user + ':' + iparam.key) %>/<%= context.ticket.id %>")
	f.Add("<%= access_token")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := apps.ParseTemplate(text)
		if err != nil {
			return
		}
		if parsed.String() != text {
			t.Errorf("%q is shown as %q", text, parsed)
		}
		first, err := parsed.Expand(scope)
		if len(first) > 80<<10 {
			t.Errorf("%d bytes", len(first))
		}
		if second, again := parsed.Expand(scope); first != second || (err == nil) != (again == nil) {
			t.Errorf("%q, then %q", first, second)
		}
	})
}

func FuzzZip(f *testing.F) {
	f.Add(zipped(f, smallEntries("")...))
	f.Add(zipped(f, smallEntries("app/")...))
	f.Add(zipped(f, append(smallEntries(""), zipEntry{name: "../x"}, zipEntry{name: "server/link", mode: fs.ModeSymlink})...))
	f.Fuzz(func(t *testing.T, content []byte) {
		app, list, err := apps.ReadZip(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return
		}
		checkFindings(t, list)
		for _, name := range app.Files() {
			if !fs.ValidPath(name) {
				t.Errorf("has %q", name)
			}
		}
	})
}
