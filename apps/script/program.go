package script

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unsafe"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

var errNoMemory = errors.New("make an engine: its memory is too small")

// Program is an app's code, read and found to run. It does not change, and any number of engines may use it.
type Program struct {
	entry   string
	files   map[string]file
	prelude []byte
	exports []string
	events  jsontext.Value
}

// file is one of an app's files: code, or a JSON value.
type file struct {
	code []byte // bytecode of a function
	json string
}

// Exports are the names of the functions that the entry exports, in its order: the handlers that Invoke can call.
func (p *Program) Exports() []string { return slices.Clone(p.exports) }

// Events is the list exports.events with which apps of old register their handlers, as JSON, whatever is in it; nothing if
// the entry exports no such list. An entry of it should be {"event":NAME,"callback":NAME}.
func (p *Program) Events() jsontext.Value { return p.events.Clone() }

//go:embed prelude.js
var preludeSource string

// The function that is made of a file. The head stands on the file's first line, so that lines stay what they are.
const (
	wrapperHead = "(function (exports, require, module, __filename, __dirname) {"
	wrapperTail = "\n;return exports;})"
)

// maxVariables bounds the variables and temporaries of one function: an engine keeps those of calls in progress outside of the
// memory that Config.Memory bounds.
const maxVariables = 4096

// Compile makes a Program of an app's files, by their paths in the app: .js and .json files; others are ignored. It runs
// what the entry does outside of its functions, within Config.Loading. The error is Failures if it is the files' fault.
func Compile(ctx context.Context, files map[string]string, entry string, c Config) (*Program, error) {
	p := &Program{entry: entry, files: map[string]file{}}
	err := p.build(ctx, files, c.withDefaults())
	switch {
	case err == nil:
		return p, nil
	case ctx.Err() != nil: // which stopped a script that may be fine
		return nil, fmt.Errorf("compile an app: %w", ctx.Err())
	}
	return nil, err
}

func (p *Program) build(ctx context.Context, files map[string]string, c Config) error {
	if err := p.compile(ctx, files, c); err != nil {
		return err
	}
	e, err := newEngine(c, false)
	if err != nil {
		return err
	}
	defer e.close()
	failure := e.load(ctx, p)
	if failure == nil {
		failure = p.learn(ctx, e)
	}
	if failure != nil {
		return Failures{failure}
	}
	return nil
}

// compile reads all files, and finds those that are not what their names say.
func (p *Program) compile(ctx context.Context, files map[string]string, c Config) error {
	total := 0
	for _, text := range files {
		total += len(text)
	}
	if total > c.Source {
		return Failures{{Kind: KindSyntax, Message: fmt.Sprintf("the files have %d bytes together; at most %d are read", total, c.Source)}}
	}
	if _, ok := files[p.entry]; !ok {
		return Failures{{Kind: KindSyntax, Message: p.entry + " is missing", File: p.entry, Line: 1, Column: 1}}
	}
	var failures Failures
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch path.Ext(name) {
		case ".js":
			code, failure, err := compileFile(ctx, wrapperHead+strings.TrimPrefix(files[name], "\ufeff")+wrapperTail, name, c)
			if err != nil {
				return err
			}
			if failure != nil {
				failures = append(failures, failure.within(files[name]))
			}
			p.files[name] = file{code: code}
		case ".json":
			p.files[name] = file{json: files[name]}
			if failure := checkJSON(name, files[name]); failure != nil {
				failures = append(failures, failure)
			}
		}
	}
	if failures != nil {
		return failures
	}
	var failure *Failure
	var err error
	if p.prelude, failure, err = compileFile(ctx, preludeSource, "<prelude>", c); failure != nil {
		return Failures{failure}
	}
	return err
}

// within mends the place of a failure that the engine found behind a file's end, in what wraps it.
func (f *Failure) within(text string) *Failure {
	if last := 1 + strings.Count(text, "\n"); f.Line > last {
		f.Message = "SyntaxError: the file ends in the middle of something"
		f.Line, f.Column = last, 1+len([]rune(text[strings.LastIndexByte(text, '\n')+1:]))
	}
	return f
}

// compileFile makes bytecode of one file, in an engine of its own.
func compileFile(ctx context.Context, text, name string, c Config) (code []byte, failure *Failure, err error) {
	e, err := newEngine(c, true)
	if err != nil {
		return nil, nil, err
	}
	defer e.close()
	r := e.newRun(ctx, c.Loading, nil)
	e.during(r, func() { code = e.compile(text, name) })
	return code, r.failure, nil
}

// compile makes bytecode of a text; the run fails if it cannot.
func (e *engine) compile(text, name string) []byte {
	source, file, length := e.copyIn(text), e.copyIn(name), e.memory.alloc(int(unsafe.Sizeof(lib.Tsize_t(0))))
	if source == 0 || file == 0 || length == 0 {
		e.run.fail(&Failure{Kind: KindMemory, Message: "out of memory"})
		return nil
	}
	function := lib.XJS_Eval(e.tls, e.ctx, source, lib.Tsize_t(len(text)), file, lib.MJS_EVAL_TYPE_GLOBAL|lib.MJS_EVAL_FLAG_COMPILE_ONLY)
	if kindOf(function) == lib.EJS_TAG_EXCEPTION {
		failure := e.failure(e.takeException())
		if failure.Kind == KindThrew {
			failure.Kind = KindSyntax
		}
		e.run.fail(failure)
		return nil
	}
	if n := mostVariables(function); n > maxVariables {
		e.run.fail(&Failure{
			Kind: KindSyntax, File: name, Line: 1, Column: 1,
			Message: fmt.Sprintf("a function has %d variables and temporaries; at most %d can be had", n, maxVariables),
		})
		return nil
	}
	code := lib.XJS_WriteObject(e.tls, e.ctx, length, function, lib.MJS_WRITE_OBJ_BYTECODE)
	if code == 0 {
		e.run.fail(e.failure(e.takeException()))
		return nil
	}
	return slices.Clone(e.memory.view(code, int(*pointer[lib.Tsize_t](length))))
}

// mostVariables gives the number of variables and temporaries of the function that has the most, of this one and those inside.
func mostVariables(function value) int {
	if kindOf(function) != lib.EJS_TAG_FUNCTION_BYTECODE {
		return 0
	}
	code := pointer[lib.TJSFunctionBytecode](address(function))
	most := int(code.Farg_count) + int(code.Fvar_count) + int(code.Fstack_size)
	for i := range code.Fcpool_count {
		most = max(most, mostVariables(argument(int(i), code.Fcpool_count, code.Fcpool)))
	}
	return most
}

// evaluate runs bytecode that compile made.
func (e *engine) evaluate(code []byte) value {
	p := e.copyIn(string(code))
	if p == 0 {
		return e.outOfMemory()
	}
	defer e.memory.release(p)
	function := lib.XJS_ReadObject(e.tls, e.ctx, p, lib.Tsize_t(len(code)), lib.MJS_READ_OBJ_BYTECODE)
	if kindOf(function) == lib.EJS_TAG_EXCEPTION {
		return function
	}
	return lib.XJS_EvalFunction(e.tls, e.ctx, function)
}

// checkJSON finds where a file is not JSON.
func checkJSON(name, text string) *Failure {
	err := json.Unmarshal([]byte(strings.TrimPrefix(text, "\ufeff")), new(any))
	if err == nil {
		return nil
	}
	f := &Failure{Kind: KindSyntax, Message: "this is not JSON", File: name, Line: 1, Column: 1}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		before := text[:min(int(syntax.ByteOffset), len(text))]
		f.Line += strings.Count(before, "\n")
		f.Column = 1 + len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))
		f.Message += ": " + syntax.Err.Error()
	}
	return f
}

// learn asks a loaded engine what the entry exports.
func (p *Program) learn(ctx context.Context, e *engine) *Failure {
	r := e.newRun(ctx, e.config.Loading, nil)
	e.during(r, func() {
		description := e.call(e.describe)
		if kindOf(description) == lib.EJS_TAG_EXCEPTION {
			r.fail(e.failure(e.takeException()))
			return
		}
		text, _ := e.readText(description, e.config.Source)
		var d struct {
			Functions []string       `json:"functions"`
			Events    jsontext.Value `json:"events"`
		}
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			r.fail(&Failure{Kind: KindOutput, Message: "what the entry exports cannot be told"})
			return
		}
		p.exports, p.events = d.Functions, d.Events
	})
	return r.failure
}

// source answers the prelude: the function made of a file, or the value of a JSON file.
func (e *engine) source(_ *libc.TLS, _ uintptr, _ value, argc int32, argv uintptr, _ int32) value {
	name, _ := e.readText(argument(0, argc, argv), maxMessage)
	f := e.program.files[name]
	if f.code == nil {
		return e.parse(strings.TrimPrefix(f.json, "\ufeff"))
	}
	return e.evaluate(f.code)
}

// resolve answers the prelude: the file that require(name) in another file means.
func (e *engine) resolve(_ *libc.TLS, _ uintptr, _ value, argc int32, argv uintptr, _ int32) value {
	from, _ := e.readText(argument(0, argc, argv), maxMessage)
	name := e.show(argument(1, argc, argv))
	found, reason := e.program.resolve(from, name)
	if reason != "" {
		return e.throw(reason)
	}
	return e.text(found)
}

// resolve gives the file that require(name) in the file from means, or why there is none.
func (p *Program) resolve(from, name string) (found, reason string) {
	if !strings.HasPrefix(name, "./") && !strings.HasPrefix(name, "../") && name != "." && name != ".." {
		return "", fmt.Sprintf("cannot require %q: an app's own files only, by a path that begins with ./ or ../", shorten(name, 80))
	}
	base := path.Join(path.Dir(from), name)
	for _, candidate := range []string{base, base + ".js", base + ".json", path.Join(base, "index.js"), path.Join(base, "index.json")} {
		if _, ok := p.files[candidate]; ok {
			return candidate, ""
		}
	}
	return "", fmt.Sprintf("cannot require %q: the app has no such file", shorten(name, 80))
}
