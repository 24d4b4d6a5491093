package apps

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var platformVersions = []string{"2.0", "2.1", "2.2", "2.3", "3.0"}

var (
	exactVersion = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	functionName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{1,39}$`)
)

// readManifest reads manifest.json.
func (a *App) readManifest(root *node) {
	f := &a.findings
	if !f.object(root) {
		return
	}
	f.members(root, "the manifest", "platform-version", "product", "modules", "engines", "dependencies", "whitelisted-domains", "scripts", "metaConfig")
	a.readPlatformVersion(root)
	a.readProducts(root)
	a.readEngines(root)
	a.readDependencies(root.member("dependencies"))
	a.readDomains(root.member("whitelisted-domains"))
}

func (a *App) readPlatformVersion(root *node) {
	version := root.member("platform-version")
	if version == nil {
		a.findings.errorAt(root.place(), `has no "platform-version"`, `add "platform-version": "2.3"`)
	} else if text, ok := a.findings.text(version); ok {
		if !slices.Contains(platformVersions, text) {
			a.findings.errorAt(version.place(), quoted(text)+" is not a platform version", "known are "+strings.Join(platformVersions, ", "))
		} else {
			a.PlatformVersion = text
		}
	}
	if a.PlatformVersion == "" { // go on with what the rest looks like
		a.PlatformVersion = "2.3"
		if root.member("modules") != nil {
			a.PlatformVersion = "3.0"
		}
	}
}

func (a *App) readProducts(root *node) {
	f := &a.findings
	name, other := "product", "modules"
	if a.Modular() {
		name, other = other, name
	}
	if wrong := root.member(other); wrong != nil {
		mend := "rename it to " + name
		if root.member(name) != nil {
			mend = "remove it"
		}
		f.errorAt(wrong.place(), "does not go with platform version "+a.PlatformVersion, mend)
	}
	list := root.member(name)
	if list == nil {
		f.errorAt(root.place(), fmt.Sprintf("has no %q", name), "say there what the app listens to")
		return
	}
	a.modules = list.place()
	if !f.object(list) {
		return
	}
	shown := false
	for _, n := range f.atMost(maxProducts, list) {
		if len(n.name) > maxHandler {
			f.errorAt(n.place(), fmt.Sprintf("has a name of more than %d bytes", maxHandler), "")
			continue
		}
		if !f.object(n) {
			continue
		}
		f.members(n, "a "+strings.TrimSuffix(name, "s"), "location", "events", "functions", "requests")
		if l := n.member("location"); l != nil && len(l.list) > 0 && !shown {
			shown = true
			f.warnAt(l.place(), "is for front ends, which Carillon has no pages for", "")
		}
		a.Products = append(a.Products, Product{
			Name: n.name, place: n.place(),
			Events: f.listeners(n.member("events")), Functions: f.functions(n.member("functions")), Requests: f.declared(n.member("requests")),
		})
	}
	switch {
	case len(list.list) == 0:
		f.errorAt(list.place(), "is empty", "name what the app is for: "+productSuite+" (2.x), contact (3.0) or "+PlatformProduct)
	case a.Modular() && len(list.list) == 1 && list.list[0].name == CommonModule:
		f.errorAt(list.place(), CommonModule+" cannot stand alone", "add the module that the app is for, even if empty")
	}
}

// Bounds of a manifest.
const (
	maxProducts = 50
	maxMembers  = 100 // events, functions or dependencies
	maxHandler  = 128 // bytes of a name
)

func (f *findings) listeners(n *node) []Listener {
	if n == nil || !f.object(n) {
		return nil
	}
	var list []Listener
	for _, event := range f.atMost(maxMembers, n) {
		if !f.object(event) {
			continue
		}
		f.members(event, "an event", "handler")
		handler := event.member("handler")
		if handler == nil {
			f.errorAt(event.place(), `has no "handler"`, "name the function of "+serverFile+" that handles it")
			continue
		}
		name, ok := f.text(handler)
		switch {
		case !ok:
		case len(name) > maxHandler:
			f.errorAt(handler.place(), fmt.Sprintf("is longer than %d bytes", maxHandler), "shorten it")
		case len(event.name) > maxHandler:
			f.errorAt(event.place(), fmt.Sprintf("has a name of more than %d bytes", maxHandler), "")
		default:
			list = append(list, Listener{Event: event.name, Handler: name, place: event.place()})
		}
	}
	return list
}

// Time that a server method has. The vendor allows the steps from 20 seconds on; its samples have shorter ones.
const (
	defaultTimeout = 20 * time.Second
	maxTimeout     = 30 * time.Second
)

func (f *findings) functions(n *node) []Function {
	if n == nil || !f.object(n) {
		return nil
	}
	var list []Function
	for _, fn := range f.atMost(maxMembers, n) {
		if !functionName.MatchString(fn.name) {
			f.errorAt(fn.place(), "is not a function's name", "2 to 40 letters, digits and underscores, not beginning with a digit")
			continue
		}
		if !f.object(fn) {
			continue
		}
		f.members(fn, "a function", "timeout")
		list = append(list, Function{Name: fn.name, Timeout: f.timeout(fn.member("timeout")), place: fn.place()})
	}
	return list
}

// timeout reads a number of seconds; older manifests have it as a text.
func (f *findings) timeout(n *node) time.Duration {
	if n == nil {
		return defaultTimeout
	}
	seconds, err := strconv.Atoi(n.text)
	switch timeout := time.Duration(seconds) * time.Second; {
	case err != nil || seconds < 1 || seconds > int(maxTimeout/time.Second):
		f.errorAt(n.place(), "is not a time-out", "write 20, 25 or 30 (seconds)")
		return defaultTimeout
	case seconds != 20 && seconds != 25 && seconds != 30:
		f.warnAt(n.place(), "is not a time-out that the vendor allows", "write 20, 25 or 30 (seconds)")
		return timeout
	default:
		return timeout
	}
}

func (f *findings) declared(n *node) []Declared {
	if n == nil || !f.object(n) {
		return nil
	}
	var list []Declared
	for _, request := range f.atMost(maxRequests, n) {
		if f.object(request) {
			list = append(list, Declared{Name: request.name, place: request.place()})
		}
	}
	return list
}

func (a *App) readEngines(root *node) {
	f := &a.findings
	engines := root.member("engines")
	if engines == nil {
		if a.Modular() {
			f.errorAt(root.place(), `has no "engines", which 3.0 requires`, `add "engines": {"node": "18.20.8", "fdk": "9.7.4"}`)
		}
		return
	}
	if !f.object(engines) {
		return
	}
	f.members(engines, "engines", "node", "fdk")
	for _, engine := range []struct {
		name string
		into *string
	}{{"node", &a.Engines.Node}, {"fdk", &a.Engines.FDK}} {
		version := engines.member(engine.name)
		if version == nil {
			if a.Modular() {
				f.errorAt(engines.place(), fmt.Sprintf("has no %q", engine.name), "write the version that the app was made with")
			}
			continue
		}
		text, ok := f.text(version)
		if !ok {
			continue
		}
		if *engine.into = text; !exactVersion.MatchString(text) {
			f.warnAt(version.place(), quoted(text)+" is not an exact version", "write it as 18.20.8")
		}
	}
}

func (a *App) readDependencies(n *node) {
	f := &a.findings
	if n == nil || !f.object(n) {
		return
	}
	for _, d := range f.atMost(maxMembers, n) {
		version, ok := f.text(d)
		if !ok {
			continue
		}
		a.Dependencies = append(a.Dependencies, Dependency{Name: d.name, Version: version, place: d.place()})
		if !exactVersion.MatchString(version) {
			f.errorAt(d.place(), quoted(version)+" is not an exact version", "write it as 1.2.3, without ^ or ~")
			continue
		}
		f.warnAt(d.place(), "is a package of npm, and Carillon runs none", "copy what is needed of it to "+serverFolder+"lib, or do without")
	}
}

func (a *App) readDomains(n *node) {
	f := &a.findings
	if n == nil || !f.is(n, '[', "a list") {
		return
	}
	for _, domain := range f.atMost(maxMembers, n) {
		if text, ok := f.text(domain); ok {
			a.WhitelistedDomains = append(a.WhitelistedDomains, text)
		}
	}
	switch {
	case len(n.list) == 0:
	case a.PlatformVersion >= "2.3":
		f.warnAt(n.place(), "was replaced by request templates in platform version 2.3", "remove it")
	default:
		f.warnAt(n.place(), "is for requests without a template, which Carillon does not send", "write templates to "+requestsFile+" and name them below requests")
	}
}
