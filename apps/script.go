package apps

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Exports are what server/server.js exports.
type Exports struct {
	Functions []string        // the names of its functions
	Events    json.RawMessage // exports.events, the legacy list of registrations; nil if there is none
	Failures  []Failure       // why it could not be run; then it exports nothing
}

// Failure is what is wrong with a script, and where.
type Failure struct {
	File         string
	Line, Column int // from 1; 0 if not known
	Reason       string
}

// Script runs the top level of server/server.js, and gives what it exports. An error says that it was not tried: ctx ended, or
// the runtime broke.
type Script interface {
	Exports(ctx context.Context, app *App) (Exports, error)
}

// Inspect asks what server/server.js exports. From then on the app knows the handlers of a legacy list, and Validate knows the
// functions. It gives what is wrong with the script, and fails as Script does.
func (a *App) Inspect(ctx context.Context, script Script) ([]Finding, error) {
	if a.exports != nil || !a.has(serverFile) {
		return a.exportFindings.sorted(), nil
	}
	exports, err := script.Exports(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", serverFile, err)
	}
	a.exports = &exports
	for _, failure := range exports.Failures {
		at := place{file: cmp.Or(failure.File, serverFile), line: failure.Line, column: failure.Column}
		a.exportFindings.errorAt(at, "does not run: "+failure.Reason, "")
	}
	if len(exports.Failures) == 0 {
		if exports.Events != nil {
			a.register(exports.Events)
		}
		a.checkHandlers()
	}
	return a.exportFindings.sorted(), nil
}

// register enters the legacy list: its entries have two members, and hold for every product of the manifest.
func (a *App) register(events json.RawMessage) {
	f := &a.exportFindings
	at := place{file: serverFile, path: "/events"}
	for _, p := range a.Products {
		if len(p.Events) > 0 {
			f.errorAt(at, "is there although "+manifestFile+" registers events", "remove exports.events")
			return
		}
	}
	if a.Modular() {
		f.errorAt(at, "is the registration of old apps, which platform version 3.0 does not have", "register events in "+manifestFile)
		return
	}
	var list []Listener
	for i, n := range f.legacyList(events) {
		if i == maxMembers {
			f.errorAt(at, fmt.Sprintf("registers more than %d events", maxMembers), "")
			break
		}
		at.path = fmt.Sprintf("/events/%d", i)
		entry, fault := registration(n, at)
		switch {
		case fault != "":
			f.errorAt(at, fault, `write {event: "onContactCreate", callback: "onContactCreateHandler"}`)
		case slices.ContainsFunc(list, func(l Listener) bool { return l.Event == entry.Event }):
			f.errorAt(at, "registers "+quoted(entry.Event)+" again", "leave one callback for an event")
		default:
			list = append(list, entry)
		}
	}
	for i := range a.Products {
		if a.Products[i].Name != PlatformProduct {
			a.Products[i].Events = slices.Clone(list)
		}
	}
}

func (f *findings) legacyList(events json.RawMessage) []*node {
	var broken findings
	d := readDocument(serverFile, events, &broken)
	if d == nil || d.root.kind != '[' {
		f.errorAt(place{file: serverFile, path: "/events"}, "must be a list", "register events in "+manifestFile)
		return nil
	}
	return d.root.list
}

// registration reads an entry: {event, callback} and nothing else.
func registration(n *node, at place) (l Listener, fault string) {
	l.place = at
	if n.kind != '{' {
		return l, "must be an object, is " + n.kindName()
	}
	for _, m := range n.list {
		if m.kind != '"' || m.text == "" || len(m.text) > maxHandler {
			return l, quoted(m.name) + " must be a name"
		}
		switch m.name {
		case "event":
			l.Event = m.text
		case "callback":
			l.Handler = m.text
		default:
			return l, "has " + quoted(m.name) + "; there are event and callback"
		}
	}
	if l.Event == "" || l.Handler == "" {
		return l, "must have event and callback"
	}
	return l, ""
}

// checkHandlers finds fault with handlers and functions that server.js does not export.
func (a *App) checkHandlers() {
	f := &a.exportFindings
	exported := map[string]bool{}
	for _, name := range a.exports.Functions {
		exported[name] = true
	}
	check := func(name string, at place) {
		if exported[name] {
			return
		}
		if f.full() {
			f.more = true
			return
		}
		mend := "export it: exports = { " + told(name) + ": function (args) { … } }"
		if best, ok := nearest(name, a.exports.Functions); ok {
			mend = "write " + quoted(best)
		}
		f.errorAt(at, quoted(name)+" is not exported by "+serverFile, mend)
	}
	registered := 0
	for _, p := range a.Products {
		registered += len(p.Events) + len(p.Functions)
		for _, l := range p.Events {
			check(l.Handler, l.place)
		}
		for _, fn := range p.Functions {
			check(fn.Name, fn.place)
		}
	}
	if registered == 0 && len(a.Products) > 0 {
		f.warnAt(a.modules, "registers nothing: the app will never run", "name events and their handlers")
	}
}

// Resolve finds the file that a script means by require(name): a path that begins with ./ or ../, below server/, with or without
// .js or .json, or a folder with an index.js. False if there is none.
func (a *App) Resolve(from, name string) (string, bool) {
	if !strings.HasPrefix(name, "./") && !strings.HasPrefix(name, "../") || len(name) > maxName {
		return "", false
	}
	base := path.Join(path.Dir(from), name)
	for _, end := range []string{"", ".js", ".json", "/index.js", "/index.json"} {
		if _, ok := a.files[base+end]; ok && strings.HasPrefix(base+end, serverFolder) {
			return base + end, true
		}
	}
	return "", false
}

// Sources gives the files that scripts can require, by path: those below server/ but for the test data.
func (a *App) Sources() map[string]string {
	sources := map[string]string{}
	for name, content := range a.files {
		if strings.HasPrefix(name, serverFolder) && !strings.HasPrefix(name, testData) {
			sources[name] = string(content)
		}
	}
	return sources
}

// required finds require("name") in a script. It reads no JavaScript, so what it finds is a hint.
var required = regexp.MustCompile(`\brequire\s*\(\s*["']([^"'\n]{1,255})["']\s*\)`)

// maxScriptLine bounds the lines that are looked at, in bytes: longer ones are written by programs.
const maxScriptLine = 1000

// checkRequires warns of what scripts require and will not get. provided are the modules that the runtime has; nil if that is not
// known.
func (a *App) checkRequires(provided []string, into *findings) {
	sources := a.Sources()
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if !strings.HasSuffix(name, ".js") {
			continue
		}
		for i, line := range strings.Split(sources[name], "\n") {
			if len(line) > maxScriptLine || !strings.Contains(line, "require") || into.full() {
				continue
			}
			for _, found := range required.FindAllStringSubmatchIndex(line, -1) {
				before, wanted := line[:found[0]], line[found[2]:found[3]]
				if strings.Contains(before, "//") || strings.HasPrefix(strings.TrimSpace(before), "*") {
					continue
				}
				at := place{file: name, line: i + 1, column: utf8.RuneCountInString(before) + 1}
				if strings.HasPrefix(wanted, ".") {
					if _, ok := a.Resolve(name, wanted); !ok {
						into.warnAt(at, "requires "+quoted(wanted)+", which is not there", "paths are relative to the script, below "+serverFolder)
					}
				} else if provided != nil && !slices.Contains(provided, wanted) {
					into.warnAt(at, "requires "+quoted(wanted)+", and Carillon runs no packages of npm", "copy what is needed of it to "+serverFolder+"lib")
				}
			}
		}
	}
}
