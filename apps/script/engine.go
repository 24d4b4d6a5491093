package script

import (
	"strings"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// engine is one JavaScript engine. One goroutine uses it at a time; halt and the pokes that follow it come from others.
//
// Values that the engine gives are counted references of C. They are not counted here: when an invocation is over, the
// memory is put back as it was before, or dropped whole.
type engine struct {
	config Config
	tls    *libc.TLS
	memory *region
	rt     uintptr // *lib.TJSRuntime
	ctx    uintptr // *lib.TJSContext

	hooks    []any              // Go functions that the engine calls by address: kept alive here
	names    map[string]uintptr // names of properties, as C has them
	newError value              // the constructor Error
	options  uintptr            // *lib.TJSPrintValueOptions
	writer   uintptr            // the address of write

	program    *Program
	find       value // of the prelude: gives a handler by its name
	describe   value // of the prelude: says what the app exports
	loaded     logs  // what the app said while it was loaded
	fresh      saved // the memory after loading
	freshNames map[string]uintptr

	run       *run             // what is going on
	halted    atomic.Bool      // no JavaScript may run any more
	stopped   bool             // the engine knows
	stoppedAt string           // the calls at that time, as far as they can be told
	printed   *strings.Builder // what write writes to
}

// newEngine makes an engine with what the language itself has. Only one that compiles can make code of text.
func newEngine(c Config, compiles bool) (*engine, error) {
	memory, err := newRegion(c.Memory)
	if err != nil {
		return nil, err
	}
	e := &engine{config: c, tls: libc.NewTLS(), memory: memory, names: map[string]uintptr{}}
	functions := memory.alloc(int(unsafe.Sizeof(lib.TJSMallocFunctions{})))
	*pointer[lib.TJSMallocFunctions](functions) = lib.TJSMallocFunctions{
		Fjs_malloc:             e.hook(e.malloc),
		Fjs_free:               e.hook(e.free),
		Fjs_realloc:            e.hook(e.realloc),
		Fjs_malloc_usable_size: e.hook(e.usableSize),
	}
	e.rt = lib.XJS_NewRuntime2(e.tls, functions, 0)
	if e.rt != 0 {
		e.ctx = lib.XJS_NewContextRaw(e.tls, e.rt)
	}
	if e.ctx == 0 || !e.furnish(compiles) {
		e.close()
		return nil, errNoMemory
	}
	lib.XJS_SetMaxStackSize(e.tls, e.rt, lib.Tsize_t(c.Depth))
	lib.XJS_SetInterruptHandler(e.tls, e.rt, e.hook(e.interrupt), 0)
	lib.XJS_SetHostPromiseRejectionTracker(e.tls, e.rt, e.hook(e.rejection), 0)
	e.options = memory.alloc(int(unsafe.Sizeof(lib.TJSPrintValueOptions{})))
	lib.XJS_PrintValueSetDefaultOptions(e.tls, e.options)
	*pointer[lib.TJSPrintValueOptions](e.options) = printOptions(*pointer[lib.TJSPrintValueOptions](e.options))
	e.writer = e.hook(e.write)
	e.newError = e.get(lib.XJS_GetGlobalObject(e.tls, e.ctx), "Error")
	e.bindFunctions()
	return e, nil
}

// furnish adds the language's own objects: all but WeakRef and FinalizationRegistry, which let a script see the collector.
func (e *engine) furnish(compiles bool) bool {
	add := []func(*libc.TLS, uintptr) int32{
		lib.XJS_AddIntrinsicBaseObjects, lib.XJS_AddIntrinsicDate, lib.XJS_AddIntrinsicStringNormalize, lib.XJS_AddIntrinsicRegExp,
		lib.XJS_AddIntrinsicJSON, lib.XJS_AddIntrinsicProxy, lib.XJS_AddIntrinsicMapSet, lib.XJS_AddIntrinsicTypedArrays,
		lib.XJS_AddIntrinsicPromise,
	}
	if compiles {
		add = append(add, lib.XJS_AddIntrinsicEval)
	}
	for _, intrinsic := range add {
		if intrinsic(e.tls, e.ctx) != 0 {
			return false
		}
	}
	return true
}

// close gives the engine's memory back.
func (e *engine) close() {
	e.tls.Close()
	e.memory.drop()
}

// hook gives the address by which the engine calls f. The engine calls Go functions through the address of their closure,
// which stays where it is as long as somebody refers to it.
func (e *engine) hook(f any) uintptr {
	e.hooks = append(e.hooks, f)
	return (*[2]uintptr)(unsafe.Pointer(&f))[1]
}

// pointer shows what lies at an address in C's memory.
func pointer[T any](at uintptr) *T { return *(**T)(unsafe.Pointer(&at)) }

// argument gives the i-th of the arguments of a call from JavaScript.
func argument(i int, argc int32, argv uintptr) value {
	if i >= int(argc) {
		return undefined
	}
	return *pointer[value](argv + uintptr(i)*unsafe.Sizeof(undefined))
}

// Memory. The engine decides by the sizes in its own state when to collect garbage, so they are kept as C keeps them.

func (e *engine) malloc(_ *libc.TLS, state uintptr, size lib.Tsize_t) uintptr {
	p := e.memory.alloc(clamp(size))
	if p != 0 {
		s := pointer[lib.TJSMallocState](state)
		s.Fmalloc_count++
		s.Fmalloc_size += lib.Tsize_t(e.memory.size(p))
	}
	return p
}

func (e *engine) free(_ *libc.TLS, state, p uintptr) {
	if p == 0 {
		return
	}
	s := pointer[lib.TJSMallocState](state)
	s.Fmalloc_count--
	s.Fmalloc_size -= lib.Tsize_t(e.memory.size(p))
	e.memory.release(p)
}

func (e *engine) realloc(tls *libc.TLS, state, p uintptr, size lib.Tsize_t) uintptr {
	switch {
	case p == 0 && size == 0:
		return 0
	case p == 0:
		return e.malloc(tls, state, size)
	case size == 0:
		e.free(tls, state, p)
		return 0
	}
	old := e.memory.size(p)
	q := e.memory.resize(p, clamp(size))
	if q != 0 {
		s := pointer[lib.TJSMallocState](state)
		s.Fmalloc_size += lib.Tsize_t(e.memory.size(q)) - lib.Tsize_t(old)
	}
	return q
}

func (e *engine) usableSize(_ *libc.TLS, p uintptr) lib.Tsize_t {
	if p == 0 {
		return 0
	}
	return lib.Tsize_t(e.memory.size(p))
}

// clamp turns a size into an int; what is too large for one is too large for any region.
func clamp(size lib.Tsize_t) int {
	const most = 1 << 30
	return int(min(size, most))
}

// Stopping.

// interrupt is asked by the engine every so often whether to stop. An exception that cannot be caught follows a yes.
func (e *engine) interrupt(*libc.TLS, uintptr, uintptr) int32 {
	if !e.halted.Load() {
		return 0
	}
	if !e.stopped {
		e.stopped = true
		e.stoppedAt = e.stack()
	}
	return 1
}

// poke has the engine ask at the next call or jump. The engine's own count is not ours to lock: a poke may be lost, so it is
// repeated until the engine has stopped.
func (e *engine) poke() { pointer[lib.TJSContext](e.ctx).Finterrupt_counter = 0 }

// Values.

// text puts a Go string into the engine.
func (e *engine) text(s string) value {
	p := e.copyIn(s)
	if p == 0 {
		return e.outOfMemory()
	}
	defer e.memory.release(p)
	return lib.XJS_NewStringLen(e.tls, e.ctx, p, lib.Tsize_t(len(s)))
}

// parse puts JSON into the engine.
func (e *engine) parse(json string) value {
	p := e.copyIn(json)
	if p == 0 {
		return e.outOfMemory()
	}
	defer e.memory.release(p)
	return lib.XJS_ParseJSON(e.tls, e.ctx, p, lib.Tsize_t(len(json)), e.name("<json>"))
}

// copyIn copies a string to where the engine can read it, with a zero behind; 0 if there is no room.
func (e *engine) copyIn(s string) uintptr {
	p := e.memory.alloc(len(s) + 1)
	if p != 0 {
		at := e.memory.view(p, len(s)+1)
		at[copy(at, s)] = 0
	}
	return p
}

// name gives the address of a name as C has it. Names stay: they are few, and written in this package.
func (e *engine) name(s string) uintptr {
	p, ok := e.names[s]
	if !ok {
		p = e.copyIn(s)
		e.names[s] = p
	}
	return p
}

// readText gives a JavaScript string's text, at most so many bytes of it. Halves of characters are replaced.
func (e *engine) readText(v value, most int) (text string, whole bool) {
	length := e.memory.alloc(int(unsafe.Sizeof(lib.Tsize_t(0))))
	if length == 0 {
		return "", false
	}
	defer e.memory.release(length)
	p := lib.XJS_ToCStringLen2(e.tls, e.ctx, length, v, 0)
	if p == 0 {
		e.discardException()
		return "", false
	}
	defer lib.XJS_FreeCString(e.tls, e.ctx, p)
	n := int(*pointer[lib.Tsize_t](length))
	return strings.ToValidUTF8(string(e.memory.view(p, min(n, most))), "\ufffd"), n <= most
}

// get reads a property. It may run a getter.
func (e *engine) get(object value, name string) value {
	return lib.XJS_GetPropertyStr(e.tls, e.ctx, object, e.name(name))
}

// getText reads a property that is a string; "" if it is not, or cannot be read.
func (e *engine) getText(object value, name string) string {
	v := e.get(object, name)
	switch kindOf(v) {
	case lib.EJS_TAG_EXCEPTION:
		e.discardException()
		return ""
	case lib.EJS_TAG_STRING, lib.EJS_TAG_STRING_ROPE:
		text, _ := e.readText(v, maxMessage)
		return text
	}
	return ""
}

// stringify gives a value as JSON: "" for what JSON has no word for, like undefined. Not ok: an exception is pending.
func (e *engine) stringify(v value, most int) (json string, whole, ok bool) {
	s := lib.XJS_JSONStringify(e.tls, e.ctx, v, undefined, undefined)
	switch kindOf(s) {
	case lib.EJS_TAG_EXCEPTION:
		return "", false, false
	case lib.EJS_TAG_UNDEFINED:
		return "", true, true
	}
	defer lib.XFreeValue(e.tls, e.ctx, s)
	json, whole = e.readText(s, most)
	return json, whole, true
}

// call calls a function without this. An exception is pending if it gives one.
func (e *engine) call(f value, arguments ...value) value {
	const size = unsafe.Sizeof(undefined)
	argv := e.memory.alloc(int(size) * max(1, len(arguments)))
	if argv == 0 {
		return e.outOfMemory()
	}
	defer e.memory.release(argv)
	for i, a := range arguments {
		*pointer[value](argv + uintptr(i)*size) = a
	}
	return lib.XJS_Call(e.tls, e.ctx, f, undefined, int32(len(arguments)), argv)
}

// function makes a JavaScript function that calls back with a magic number.
func (e *engine) function(callback uintptr, name string, length, magic int) value {
	return lib.XJS_NewCFunction2(e.tls, e.ctx, callback, e.name(name), int32(length), lib.EJS_CFUNC_generic_magic, int32(magic))
}

// set gives an object a property.
func (e *engine) set(object value, name string, v value) {
	lib.XJS_SetPropertyStr(e.tls, e.ctx, object, e.name(name), v)
}

// throw makes an exception of the kind of TypeError pending, and gives what a C function answers then.
func (e *engine) throw(message string) value {
	p := e.copyIn(strings.ReplaceAll(shorten(message, 200), "%", "%%"))
	if p == 0 {
		return e.outOfMemory()
	}
	defer e.memory.release(p)
	return lib.XJS_ThrowTypeError(e.tls, e.ctx, p, 0)
}

// stack gives the calls that led here, as the engine writes them; "" if that cannot be told.
func (e *engine) stack() string {
	here := lib.XJS_CallConstructor(e.tls, e.ctx, e.newError, 0, 0)
	if kindOf(here) == lib.EJS_TAG_EXCEPTION {
		e.discardException()
		return ""
	}
	defer lib.XFreeValue(e.tls, e.ctx, here)
	return e.getText(here, "stack")
}

func (e *engine) outOfMemory() value { return lib.XJS_ThrowOutOfMemory(e.tls, e.ctx) }

// takeException gives the pending exception, which is then pending no longer.
func (e *engine) takeException() value { return lib.XJS_GetException(e.tls, e.ctx) }

func (e *engine) discardException() { lib.XFreeValue(e.tls, e.ctx, e.takeException()) }

// failure says what an exception, or the reason of a rejected promise, is to a person.
func (e *engine) failure(reason value) *Failure {
	isObject := kindOf(reason) == lib.EJS_TAG_OBJECT
	var stack string
	if isObject {
		stack = e.getText(reason, "stack")
	}
	f := e.placed(&Failure{Kind: KindThrew}, stack)
	if isObject && lib.XJS_IsError(e.tls, e.ctx, reason) != 0 {
		name, message := e.getText(reason, "name"), e.getText(reason, "message")
		switch {
		case message == "":
			f.Message = name
		case name == "":
			f.Message = message
		default:
			f.Message = name + ": " + message
		}
		switch {
		case name == "InternalError" && message == "out of memory":
			f.Kind = KindMemory
		case message == "stack overflow" || message == "Maximum call stack size exceeded":
			f.Kind = KindStack
		}
	} else if e.memory.refused && !isObject {
		f.Kind, f.Message = KindMemory, "out of memory" // no room was left for an exception
	} else if f.Message = e.rejectionText(reason); f.Message == "" {
		f.Message = e.print(reason)
	}
	switch {
	case e.halted.Load():
		f.Kind, f.Message = KindTimeout, ""
	case f.Message == "":
		f.Message = "an exception without a message"
	}
	f.Message = shorten(f.Message, maxMessage)
	return f
}

// rejectionText gives the text of an object like those with which the house rejects: {status, message}.
func (e *engine) rejectionText(reason value) string {
	if kindOf(reason) != lib.EJS_TAG_OBJECT {
		return ""
	}
	message, status := e.getText(reason, "message"), e.get(reason, "status")
	switch kindOf(status) {
	case lib.EJS_TAG_EXCEPTION:
		e.discardException()
	case lib.EJS_TAG_INT:
		if message != "" {
			message += " (status " + e.print(status) + ")"
		}
	}
	return message
}
