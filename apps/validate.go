package apps

import (
	"context"
	"fmt"
	"slices"
)

// Checks are what Validate cannot know by itself.
type Checks struct {
	Script     Script   // runs server.js to see what it exports; nil leaves that out
	EventTypes []string // those of the platform dialect, with placeholders (custom:{module}:created); nil lets all names pass
	Modules    []string // what the runtime gives to require(…) besides the app's files; nil lets all names pass
}

// Validate gives every finding about an app: those of its files one by one, those of its files together, and those of its
// script. It fails only if ctx ends.
func Validate(ctx context.Context, a *App, c Checks) ([]Finding, error) {
	if c.Script != nil {
		if _, err := a.Inspect(ctx, c.Script); err != nil {
			return nil, err
		}
	}
	var all findings
	for _, f := range slices.Concat(a.findings.list, a.exportFindings.list) {
		all.add(place{f.File, f.Line, f.Column, f.Path}, f.Severity, f.Reason, f.Mend)
	}
	all.more = all.more || a.findings.more || a.exportFindings.more
	for i := range a.Products {
		a.Products[i].judge(a.Modular(), c.EventTypes, &all)
	}
	a.checkServer(&all)
	a.checkRequires(c.Modules, &all)
	a.checkRequests(&all)
	a.checkParameters(&all)
	a.checkTestData(&all)
	return all.sorted(), nil
}

// checkServer finds fault with a manifest that names handlers of a script that is not there.
func (a *App) checkServer(into *findings) {
	if a.has(serverFile) || len(a.Products) == 0 {
		return
	}
	for _, p := range a.Products {
		if len(p.Events)+len(p.Functions) > 0 {
			into.errorAt(inFile(serverFile), "is missing, and the manifest names its functions", "write it: exports = { … }")
			return
		}
	}
	into.errorAt(inFile(serverFile), "is missing, so there is nothing to run", "write it: exports = { … }")
}

// checkRequests compares the templates with the manifest and the parameters.
func (a *App) checkRequests(into *findings) {
	var written []string
	for _, r := range a.Requests {
		written = append(written, r.Name)
	}
	var declared []string
	for _, p := range a.Products {
		for _, d := range p.Requests {
			declared = append(declared, d.Name)
			if slices.Contains(written, d.Name) {
				continue
			}
			mend := "write the template there"
			if best, ok := nearest(d.Name, written); ok {
				mend = "write " + quoted(best)
			}
			into.errorAt(d.place, "is not in "+requestsFile, mend)
		}
	}
	for i := range a.Requests {
		r := &a.Requests[i]
		if !slices.Contains(declared, r.Name) {
			into.warnAt(r.place, "is not named in "+manifestFile+", so that it cannot be invoked", `add it below "requests" there`)
		}
		if r.OAuth != "" && !a.has(oauthFile) {
			into.errorAt(r.place, "is an OAuth request, and "+oauthFile+" is missing", "")
		}
		a.checkTemplates(r, into)
	}
}

// checkTemplates finds fault with what the templates of a request name.
func (a *App) checkTemplates(r *Request, into *findings) {
	var known []string
	for _, p := range a.IParams {
		known = append(known, p.Name)
	}
	secure := a.SecureNames(nil)
	for _, t := range r.templates {
		if len(t.names("access_token")) > 0 && r.OAuth == "" {
			into.errorAt(t.place, "names access_token, which only OAuth requests have", `add "oauth" to the options of the request`)
		}
		if a.IParamsPage {
			continue // the page decides what parameters there are
		}
		for _, name := range t.names("iparam") {
			switch {
			case !slices.Contains(known, name):
				mend := "define it there"
				if best, ok := nearest(name, known); ok {
					mend = "write " + quoted(best)
				}
				into.errorAt(t.place, fmt.Sprintf("names the parameter %s, which is not in %s", quoted(name), iparamsFile), mend)
			case t.exposed && slices.Contains(secure, name):
				into.errorAt(t.place, fmt.Sprintf("has the secure parameter %s", quoted(name)), "secure parameters belong into headers only")
			}
		}
	}
}

// checkParameters compares the parameters with the manifest and with the values for trying.
func (a *App) checkParameters(into *findings) {
	for _, p := range a.IParams {
		switch {
		case p.Product == "":
		case a.Modular() && !slices.Contains(vendorProducts, p.Product):
			into.errorAt(p.typeAttributes, quoted(p.Product)+" is not a product", rename(p.Product, vendorProducts))
		case !a.Modular() && a.product(p.Product) == nil:
			into.errorAt(p.typeAttributes, "is not a product of the manifest", "write the name of the manifest's product")
		}
	}
	if a.TestIParams == nil || a.IParamsPage {
		return
	}
	for _, fault := range a.checkIParams(a.TestIParams, map[string]any{}) {
		at := place{file: iparamsTestData, path: fault.Member[len("/iparams"):]}
		into.warnAt(at, fault.Reason, "")
	}
}
