package apps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
}

// Script runs the top level of server/server.js, and gives what it exports. An error that knows its place in the app's files
// says so by a method Place() (file string, line, column int).
type Script interface {
	Exports(ctx context.Context, app *App) (Exports, error)
}

// Registration is an entry of the legacy list exports.events.
type Registration struct {
	Event    string `json:"event"`
	Callback string `json:"callback"`
}

// Inspect asks what server/server.js exports. From then on the app knows the handlers of a legacy list, and Validate knows the
// functions. It fails if ctx ends; what is wrong with the script is a finding.
func (a *App) Inspect(ctx context.Context, script Script) ([]Finding, error) {
	if a.exports != nil || !a.has(serverFile) {
		return a.exportFindings.sorted(), nil
	}
	exports, err := script.Exports(ctx, a)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("run %s: %w", serverFile, ctx.Err())
	}
	a.exports = &exports
	if err != nil {
		a.exports = &Exports{}
		at := inFile(serverFile)
		var placed interface {
			Place() (file string, line, column int)
		}
		if errors.As(err, &placed) {
			at.file, at.line, at.column = placed.Place()
		}
		a.exportFindings.errorAt(at, "does not run: "+err.Error(), "")
		return a.exportFindings.sorted(), nil
	}
	if exports.Events != nil {
		a.register(exports.Events)
	}
	a.checkHandlers()
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
	var list []Registration
	for i, n := range f.legacyList(events) {
		if i == maxMembers {
			f.errorAt(at, fmt.Sprintf("registers more than %d events", maxMembers), "")
			break
		}
		at.path = fmt.Sprintf("/events/%d", i)
		entry, fault := registration(n)
		switch {
		case fault != "":
			f.errorAt(at, fault, `write {event: "onContactCreate", callback: "onContactCreateHandler"}`)
		case slices.ContainsFunc(list, func(r Registration) bool { return r.Event == entry.Event }):
			f.errorAt(at, "registers "+quoted(entry.Event)+" again", "leave one callback for an event")
		default:
			list = append(list, entry)
		}
	}
	for i := range a.Products {
		if a.Products[i].Name == PlatformProduct {
			continue
		}
		for j, entry := range list {
			a.Products[i].Events = append(a.Products[i].Events, Listener{
				Event: entry.Event, Handler: entry.Callback, place: place{file: serverFile, path: fmt.Sprintf("/events/%d", j)},
			})
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

func registration(n *node) (r Registration, fault string) {
	if n.kind != '{' {
		return r, "must be an object, is " + n.kindName()
	}
	for _, m := range n.list {
		if m.kind != '"' || m.text == "" || len(m.text) > maxHandler {
			return r, quoted(m.name) + " must be a name"
		}
		switch m.name {
		case "event":
			r.Event = m.text
		case "callback":
			r.Callback = m.text
		default:
			return r, "has " + quoted(m.name) + "; there are event and callback"
		}
	}
	if r.Event == "" || r.Callback == "" {
		return r, "must have event and callback"
	}
	return r, ""
}

// checkHandlers finds fault with handlers and functions that server.js does not export.
func (a *App) checkHandlers() {
	f := &a.exportFindings
	exported := map[string]bool{}
	for _, name := range a.exports.Functions {
		exported[name] = true
	}
	check := func(name string, at place) {
		if exported[name] || f.full() {
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
	if registered == 0 {
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

// Sources lists the scripts below server/, in order.
func (a *App) Sources() []string {
	var list []string
	for _, name := range a.names {
		if strings.HasPrefix(name, serverFolder) && !strings.HasPrefix(name, testData) && strings.HasSuffix(name, ".js") {
			list = append(list, name)
		}
	}
	return list
}

// required finds require("name") in a script. It reads no JavaScript, so what it finds is a hint.
var required = regexp.MustCompile(`\brequire\s*\(\s*["']([^"'\n]{1,255})["']\s*\)`)

// maxScriptLine bounds the lines that are looked at, in bytes: longer ones are written by programs.
const maxScriptLine = 1000

// checkRequires warns of what scripts require and will not get. provided are the modules that the runtime has; nil if that is not
// known.
func (a *App) checkRequires(provided []string, into *findings) {
	for _, name := range a.Sources() {
		for i, line := range strings.Split(string(a.files[name]), "\n") {
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
