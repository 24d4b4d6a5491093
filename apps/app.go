package apps

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// App is what the house knows of an app. It is made by Read and ReadZip and does not change afterwards, but for Inspect.
type App struct {
	PlatformVersion string // 2.0 to 2.3, or 3.0

	// Products are what the app registers its handlers below, in the order of the manifest: products of the vendor (2.x), its
	// modules (3.0), and PlatformProduct.
	Products []Product

	Engines            Engines
	Dependencies       []Dependency
	WhitelistedDomains []string // up to 2.2; later versions have request templates instead

	IParams     []IParam  // the installation parameters, in the order of their file
	IParamsPage bool      // the app asks for its parameters on a page of its own (config/iparams.html); IParams is empty
	Requests    []Request // the templates of outgoing requests, in the order of their file

	// TestIParams are the values of config/iparam_test_data.json; nil if there is none. They are for trying handlers.
	TestIParams map[string]any

	files    map[string][]byte // what the house reads, by path
	names    []string          // all files, in order
	findings findings          // what is wrong with the files one by one

	// modules is the place of the member that has the products or modules.
	modules place

	exports        *Exports // once a Script was asked
	exportFindings findings // what was wrong with them
}

// PlatformProduct is the product, or module, below which an app listens to the events of the platform dialect.
const PlatformProduct = "platform"

// CommonModule is the module of platform version 3.0 for what no product's module has: set-up, external and scheduled events.
const CommonModule = "common"

// Product is what an app registers below one product of the vendor (2.x), one module (3.0), or PlatformProduct.
type Product struct {
	Name      string
	Events    []Listener
	Functions []Function
	Requests  []Declared // the request templates that it invokes

	place place
}

// Listener is one event and the function that handles it.
type Listener struct {
	Event   string
	Handler string // the name of a function that server.js exports

	place place
}

// Function is a server method that a front end can invoke.
type Function struct {
	Name    string
	Timeout time.Duration

	place place
}

// Declared is the name of a request template in the manifest.
type Declared struct {
	Name string

	place place
}

// Engines are the versions of Node.js and of the vendor's tool that the app was made for.
type Engines struct {
	Node, FDK string
}

// Dependency is a package of npm that the manifest lists. Such packages are not run.
type Dependency struct {
	Name, Version string

	place place
}

// Modular reports whether the app registers by module (3.0) rather than by product (2.x).
func (a *App) Modular() bool { return strings.HasPrefix(a.PlatformVersion, "3.") }

// Handler gives the function that handles an event of a product, or module; false if none does. An event of the common
// module is found from every module.
func (a *App) Handler(product, event string) (string, bool) {
	for _, p := range a.Products {
		if p.Name != product && (p.Name != CommonModule || !a.Modular() || ClassOf(event) == ClassProduct) {
			continue
		}
		for _, l := range p.Events {
			if l.Event == event {
				return l.Handler, true
			}
		}
	}
	return "", false
}

// Request gives a request template that the manifest declares; false if there is none of that name.
func (a *App) Request(name string) (*Request, bool) {
	for _, p := range a.Products {
		if !slices.ContainsFunc(p.Requests, func(d Declared) bool { return d.Name == name }) {
			continue
		}
		for i := range a.Requests {
			if a.Requests[i].Name == name {
				return &a.Requests[i], true
			}
		}
	}
	return nil, false
}

// File gives a file that the house reads: a script or JSON file below server/, or the JSON of the manifest, parameters and requests.
// False if there is none. The content must not be changed.
func (a *App) File(name string) ([]byte, bool) {
	content, ok := a.files[name]
	return content, ok
}

// Size gives how many bytes the app keeps in memory, about: the files that the house reads, and the names of all.
func (a *App) Size() (n int) {
	for _, content := range a.files {
		n += len(content)
	}
	for _, name := range a.names {
		n += len(name)
	}
	return n
}

// Files lists the paths of all files of the app, in order, those of its front end included.
func (a *App) Files() []string { return slices.Clone(a.names) }

// TestData gives the app's own payload for trying an event of a product, or module: server/test_data/MODULE/EVENT.json, or
// server/test_data/EVENT.json. In the names of files a colon may be written as a dot (account-health.changed.json), since not every
// file system has colons. False if there is none.
func (a *App) TestData(product, event string) (json.RawMessage, bool) {
	for _, folder := range []string{product + "/", CommonModule + "/", ""} {
		if folder == CommonModule+"/" && ClassOf(event) == ClassProduct {
			continue
		}
		for _, name := range []string{event, strings.ReplaceAll(event, ":", ".")} {
			if content, ok := a.files[testData+folder+name+".json"]; ok && isObject(content) {
				return content, true
			}
		}
	}
	return nil, false
}

// product gives what is registered below a name.
func (a *App) product(name string) *Product {
	for i := range a.Products {
		if a.Products[i].Name == name {
			return &a.Products[i]
		}
	}
	return nil
}

// has reports whether a file is there, front end included.
func (a *App) has(name string) bool {
	_, found := slices.BinarySearch(a.names, name)
	return found
}
