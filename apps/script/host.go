package script

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// Host answers what the script of one invocation asks of the house. Questions of one invocation may overlap.
type Host interface {
	// Call answers one of Config.Functions. args is a JSON array of the arguments; the answer is JSON, nothing for undefined.
	// The script's promise is rejected with a *Rejection's members; for another error with status 500 and a neutral sentence.
	// ctx ends with the invocation.
	Call(ctx context.Context, function string, args jsontext.Value) (jsontext.Value, error)
}

// Rejection is an error meant for the script: an object with these members.
type Rejection struct {
	Status  int
	Message string
	Members map[string]any // more members; JSON values
}

// Error gives the message.
func (r *Rejection) Error() string { return r.Message }

// MarshalJSONTo writes the object.
func (r *Rejection) MarshalJSONTo(to *jsontext.Encoder) error {
	members := map[string]any{"status": r.Status, "message": r.Message}
	for name, v := range r.Members {
		members[name] = v
	}
	return json.MarshalEncode(to, members, json.Deterministic(true))
}

// bindFunctions puts Config.Functions where scripts find them.
func (e *engine) bindFunctions() {
	global := lib.XJS_GetGlobalObject(e.tls, e.ctx)
	ask := e.hook(e.ask)
	objects := map[string]value{}
	for i, name := range e.config.Functions {
		object, member := global, name
		if first, second, ok := strings.Cut(name, "."); ok {
			holder, known := objects[first]
			if !known {
				holder = lib.XJS_NewObject(e.tls, e.ctx)
				objects[first] = holder
				e.set(global, first, lib.XDupValue(e.tls, e.ctx, holder))
			}
			object, member = holder, second
		}
		e.set(object, member, e.function(ask, member, 1, i))
	}
	render := e.hook(e.render)
	e.set(global, "renderData", e.function(render, "renderData", 2, 0))

	console, log := lib.XJS_NewObject(e.tls, e.ctx), e.hook(e.console)
	for i, c := range consoleLevels {
		e.set(console, c.function, e.function(log, c.function, 0, i))
	}
	e.set(global, "console", console)

	code := e.hook(e.base64)
	e.set(global, "btoa", e.function(code, "btoa", 1, encodeBase64))
	e.set(global, "atob", e.function(code, "atob", 1, decodeBase64))
}

// question is what a script asked of its Host, until it is answered.
type question struct {
	function        string
	resolve, reject value
	stack           string // from where it was asked
}

// answer is what the Host said.
type answer struct {
	question int
	json     jsontext.Value
	err      error
}

// ask passes a call of one of Config.Functions, by its place there, on to the Host and gives a promise.
func (e *engine) ask(_ *libc.TLS, _ uintptr, _ value, argc int32, argv uintptr, magic int32) value {
	promise, q, ok := e.promise()
	if !ok {
		return exception
	}
	name := e.config.Functions[magic]
	args, whole, ok := e.arguments(argc, argv)
	switch {
	case !ok: // an argument is no JSON: the promise is rejected with what was thrown
		e.settle(q.reject, e.takeException())
	case e.run.host == nil:
		e.reject(q, &Rejection{Status: 501, Message: name + " is not available here"})
	case !whole:
		e.reject(q, &Rejection{Status: 413, Message: fmt.Sprintf("%s takes at most %d bytes", name, e.config.Payload)})
	case len(e.run.questions) >= e.config.Pending:
		e.reject(q, &Rejection{Status: 429, Message: fmt.Sprintf("more than %d calls wait for their answers", e.config.Pending)})
	default:
		q.function = name
		e.run.ask(args, q)
	}
	return promise
}

// promise makes a promise that the house settles.
func (e *engine) promise() (value, question, bool) {
	functions := e.memory.alloc(2 * int(unsafe.Sizeof(undefined)))
	if functions == 0 {
		return e.outOfMemory(), question{}, false
	}
	defer e.memory.release(functions)
	promise := lib.XJS_NewPromiseCapability(e.tls, e.ctx, functions)
	if kindOf(promise) == lib.EJS_TAG_EXCEPTION {
		return exception, question{}, false
	}
	q := question{resolve: argument(0, 2, functions), reject: argument(1, 2, functions), stack: e.stack()}
	return promise, q, true
}

// arguments gives a call's arguments as a JSON array. Not whole: they are more than a payload may be. Not ok: an exception is
// pending.
func (e *engine) arguments(argc int32, argv uintptr) (args jsontext.Value, whole, ok bool) {
	args = append(args, '[')
	for i := range int(argc) {
		text, fits, ok := e.stringify(argument(i, argc, argv), e.config.Payload)
		if !ok {
			return nil, false, false
		}
		if !fits || len(args)+len(text)+2 > e.config.Payload {
			return nil, false, true
		}
		if i > 0 {
			args = append(args, ',')
		}
		if json := asJSON(text); json != nil {
			args = append(args, json...)
		} else {
			args = append(args, "null"...)
		}
	}
	return append(args, ']'), true, true
}

// settle calls the function that resolves or rejects a promise.
func (e *engine) settle(with, v value) {
	if kindOf(e.call(with, v)) == lib.EJS_TAG_EXCEPTION {
		e.run.fail(e.failure(e.takeException()))
	}
}

// reject rejects the promise of a question with an object that tells from where it was asked.
func (e *engine) reject(q question, r *Rejection) {
	text, err := json.Marshal(r)
	if err != nil { // Members hold what is no JSON
		text, _ = json.Marshal(&Rejection{Status: r.Status, Message: r.Message})
	}
	reason := e.parse(string(text))
	if kindOf(reason) == lib.EJS_TAG_EXCEPTION {
		reason = e.takeException()
	} else {
		lib.XJS_DefinePropertyValueStr(e.tls, e.ctx, reason, e.name("stack"), e.text(q.stack), lib.MJS_PROP_CONFIGURABLE|lib.MJS_PROP_WRITABLE)
	}
	e.settle(q.reject, reason)
}

// reply settles the promise of the question that the Host has answered.
func (e *engine) reply(a answer) {
	q := e.run.questions[a.question]
	delete(e.run.questions, a.question)
	var rejection *Rejection
	switch {
	case errors.As(a.err, &rejection):
		e.reject(q, rejection)
	case a.err != nil:
		e.config.Logger.Error("answer a script", "error", a.err)
		e.reject(q, &Rejection{Status: 500, Message: "the call failed; the cause is in the log of the house"})
	case len(a.json) == 0:
		e.settle(q.resolve, undefined)
	default:
		v := e.parse(string(a.json))
		if kindOf(v) == lib.EJS_TAG_EXCEPTION {
			e.settle(q.reject, e.takeException())
			return
		}
		e.settle(q.resolve, v)
	}
}

// Rendered is what a script gave to renderData.
type Rendered struct {
	Error jsontext.Value `json:"error,omitzero"` // the first argument; nothing for null and undefined
	Data  jsontext.Value `json:"data,omitzero"`  // the second
}

// render answers renderData. The first call counts; later ones say so in the log.
func (e *engine) render(_ *libc.TLS, _ uintptr, _ value, argc int32, argv uintptr, _ int32) value {
	var parts [2]jsontext.Value
	for i := range parts {
		text, whole, ok := e.stringify(argument(i, argc, argv), e.config.Answer)
		if !ok {
			return exception
		}
		if !whole {
			f := e.placed(&Failure{Kind: KindOutput, Message: fmt.Sprintf("renderData takes at most %d bytes", e.config.Answer)}, e.stack())
			e.run.fail(f)
			return e.throw(f.Message)
		}
		if text != "null" {
			parts[i] = asJSON(text)
		}
	}
	if e.run.rendered != nil {
		e.run.logs.add("warn", "renderData was called again: only the first call counts")
		return undefined
	}
	e.run.rendered = &Rendered{Error: parts[0], Data: parts[1]}
	return undefined
}
