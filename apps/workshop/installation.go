package workshop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"carillon"
	"carillon/apps"
	"carillon/apps/script"
)

// installation is an installed app made ready to run. It does not change.
type installation struct {
	app     *carillon.App // without its package
	parsed  *apps.App
	program *script.Program
	broken  string // why there is no program
	values  map[string]any
	iparams jsontext.Value
	mask    mask
	trial   bool
	adopts  bool // subscriptions that were made for it before a crash, and that it does not know
}

func (in *installation) key() string { return in.app.Org + "/" + in.app.ID }

// open gives an installation ready to run; org "" means whichever org has it. One whose package does not run any more (the runtime
// has learned to be stricter, say) is given as well: it is broken.
func (w *Workshop) open(ctx context.Context, org, id string) (*installation, error) {
	if in, err := w.ready(org, id); in != nil || err != nil {
		return in, err
	}
	if _, err := w.config.Store.App(ctx, org, id); err != nil {
		return nil, err
	}
	done, err := w.alone(ctx, id)
	if err != nil {
		return nil, err
	}
	defer done()
	return w.load(ctx, org, id)
}

// ready gives an installation that is ready to run; nil if it would have to be loaded.
func (w *Workshop) ready(org, id string) (*installation, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.shop[id]
	if in == nil {
		return nil, nil
	}
	if org != "" && in.app.Org != org {
		return nil, carillon.NotFound("app", id)
	}
	w.use++
	w.uses[id] = w.use
	return in, nil
}

// load is open for a caller who is alone with the installation.
func (w *Workshop) load(ctx context.Context, org, id string) (*installation, error) {
	if in, err := w.ready(org, id); in != nil || err != nil {
		return in, err
	}
	a, err := w.config.Store.App(ctx, org, id)
	if err != nil {
		return nil, err
	}
	in, err := w.assemble(ctx, a)
	if err != nil {
		return nil, err
	}
	w.offer(in)
	return in, nil
}

// offer has handlers run as the installation says from now on. Others may have to give way.
func (w *Workshop) offer(in *installation) {
	w.mu.Lock()
	w.use++
	w.shop[in.app.ID], w.uses[in.app.ID] = in, w.use
	left := w.makeRoom()
	w.mu.Unlock()
	for _, one := range left {
		w.pool.Drop(one.key())
	}
}

// makeRoom takes out of the shop those that were not used for longest, but for the last one, until the others have room. Handlers at
// work go on. The caller holds mu.
func (w *Workshop) makeRoom() (left []*installation) {
	taken := 0
	for _, in := range w.shop {
		taken += in.size()
	}
	for taken > w.config.Room && len(w.shop) > 1 {
		oldest := ""
		for id := range w.shop {
			if oldest == "" || w.uses[id] < w.uses[oldest] {
				oldest = id
			}
		}
		left = append(left, w.shop[oldest])
		taken -= w.shop[oldest].size()
		delete(w.shop, oldest)
		delete(w.uses, oldest)
	}
	return left
}

// size gives how many bytes an installation takes, about: its files, what they were compiled to, and its parameters as text and values.
func (in *installation) size() int {
	const others = 16 << 10
	return 2*in.parsed.Size() + 3*len(in.iparams) + others
}

// forget ends the engines of an installation that is no more.
func (w *Workshop) forget(in *installation) {
	w.mu.Lock()
	delete(w.shop, in.app.ID)
	delete(w.uses, in.app.ID)
	delete(w.meters, in.app.ID)
	delete(w.acts, in.app.ID)
	w.mu.Unlock()
	w.pool.Drop(in.key())
}

// assemble makes an installation of what the archive has.
func (w *Workshop) assemble(ctx context.Context, a *carillon.App) (*installation, error) {
	in, findings, err := w.read(ctx, a.Package)
	if err != nil {
		return nil, fmt.Errorf("read the package of app %s: %w", a.ID, err)
	}
	if refusal := apps.Refusal(findings); refusal != nil && in.program == nil {
		in.broken = refusal.Error()
	}
	bare := *a
	bare.Package = nil
	in.app = &bare
	values := map[string]any{}
	if len(a.IParams) > 0 {
		if err := json.Unmarshal(a.IParams, &values); err != nil {
			return nil, fmt.Errorf("decode the parameters of app %s: %w", a.ID, err)
		}
	}
	return in, in.set(values)
}

// set gives the installation its parameters.
func (in *installation) set(values map[string]any) error {
	text, err := json.Marshal(values)
	if err != nil {
		return fmt.Errorf("encode the parameters of the app: %w", err)
	}
	in.values, in.iparams = values, text
	in.app.IParams, in.app.Secure = text, in.parsed.SecureNames(values)
	in.mask = maskOf(values, in.app.Secure)
	return nil
}

// read reads and judges a package, and compiles it. Without a program its findings have errors.
func (w *Workshop) read(ctx context.Context, pkg []byte) (*installation, []apps.Finding, error) {
	parsed, _, err := apps.ReadZip(bytes.NewReader(pkg), int64(len(pkg)))
	if err != nil {
		return nil, nil, err
	}
	compiled := &compiler{config: w.config.Script}
	findings, err := apps.Validate(ctx, parsed, apps.Checks{Script: compiled, EventTypes: w.types, Modules: []string{}})
	if err != nil {
		return nil, nil, err
	}
	return &installation{app: &carillon.App{}, parsed: parsed, program: compiled.program}, findings, nil
}

// handler finds who handles an event, and the product (or module) that says so. product may be empty, or one of the vendor's
// where the app registers by module.
func (in *installation) handler(product, event string) (name, under string, ok bool) {
	if name, ok = in.parsed.Handler(product, event); ok {
		return name, product, true
	}
	for _, p := range in.parsed.Products {
		if (p.Name == apps.PlatformProduct) != (product == apps.PlatformProduct) && product != "" {
			continue
		}
		if name, ok = in.parsed.Handler(p.Name, event); ok {
			return name, p.Name, true
		}
	}
	// Newer apps do not register these; they just export the function.
	class := apps.ClassOf(event)
	if (class == apps.ClassExternal || class == apps.ClassScheduled) && in.program != nil && slices.Contains(in.program.Exports(), event) {
		return event, product, true
	}
	return "", "", false
}

// hidden restores what was shown masked: a secure value that came back as apps.Masked is the one that is there.
func (in *installation) hidden(given, known map[string]any) {
	for _, name := range in.parsed.SecureNames(given) {
		if given[name] == apps.Masked {
			given[name] = known[name]
		}
	}
}

// readIParams reads an object of parameters; nothing is none.
func readIParams(text json.RawMessage) (map[string]any, error) {
	values := map[string]any{}
	if len(text) == 0 {
		return values, nil
	}
	if err := json.Unmarshal(text, &values); err != nil || values == nil {
		return nil, carillon.Invalid("/iparams", "must be an object")
	}
	return values, nil
}

// check sets the parameters to given. A trial takes what is missing from the values for trying, and requires none.
func (in *installation) check(given map[string]any) error {
	if in.trial {
		whole := maps.Clone(in.parsed.TestIParams)
		if whole == nil {
			whole = map[string]any{}
		}
		maps.Copy(whole, given)
		given = whole
	}
	text, err := json.Marshal(given)
	if err != nil {
		return carillon.Invalid("/iparams", "cannot be read")
	}
	read := in.parsed.CheckIParams
	if in.trial {
		read = in.parsed.DraftIParams
	}
	values, err := read(text)
	if err != nil {
		return err
	}
	if len(text) > paramsRoom/2 {
		return &carillon.Error{Code: carillon.CodeTooLarge, Message: fmt.Sprintf("the parameters of the app have more than %d KB", paramsRoom>>11)}
	}
	return in.set(values)
}

// Script asks the runtime what the scripts of an app export.
type Script struct {
	Config script.Config
}

var _ apps.Script = Script{}

// Exports runs what an app's entry does outside of its handlers.
func (s Script) Exports(ctx context.Context, app *apps.App) (apps.Exports, error) {
	return (&compiler{config: s.Config}).Exports(ctx, app)
}

// compiler is a Script that keeps the program.
type compiler struct {
	config  script.Config
	program *script.Program
}

// entry is the file whose exports are the handlers.
const entry = "server/server.js"

func (c *compiler) Exports(ctx context.Context, app *apps.App) (apps.Exports, error) {
	program, err := script.Compile(ctx, app.Sources(), entry, c.config)
	if failures, ok := errors.AsType[script.Failures](err); ok {
		var e apps.Exports
		for _, f := range failures {
			e.Failures = append(e.Failures, apps.Failure{File: f.File, Line: f.Line, Column: f.Column, Reason: f.Message})
		}
		return e, nil
	}
	if err != nil {
		return apps.Exports{}, fmt.Errorf("compile the app: %w", err)
	}
	c.program = program
	return apps.Exports{Functions: program.Exports(), Events: json.RawMessage(program.Events())}, nil
}
