package script

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// Result is what an invocation did.
type Result struct {
	Logs     []LogLine
	Duration time.Duration
	Returned jsontext.Value // what the handler returned, or its promise gave; nothing if that is no JSON
	Rendered *Rendered      // what renderData was given; nil if it was not called
	Failure  *Failure       // nil if it went well
}

// run is one stretch of an engine's work: loading an app, or an invocation.
type run struct {
	ctx    context.Context // ends with the run
	cancel context.CancelFunc
	most   time.Duration
	host   Host

	logs     logs
	rendered *Rendered
	failure  *Failure // the first

	questions map[int]question // without an answer yet, by number
	asked     int
	answers   chan answer
	answering sync.WaitGroup

	rejected map[value]rejected // promises that were rejected and that nobody heeds yet
}

// rejected is the reason of a promise's rejection.
type rejected struct {
	reason value
	number int // the earliest counts
}

// maxRejected bounds how many rejected promises are kept in mind at one time.
const maxRejected = 1000

func (e *engine) newRun(ctx context.Context, most time.Duration, host Host) *run {
	r := &run{
		most:      most,
		host:      host,
		questions: map[int]question{},
		answers:   make(chan answer, e.config.Pending),
		rejected:  map[value]rejected{},
	}
	r.logs.room = e.config.Output
	r.ctx, r.cancel = context.WithTimeout(ctx, most)
	return r
}

// fail keeps the first failure: what follows is often its consequence.
func (r *run) fail(f *Failure) {
	if r.failure == nil {
		r.failure = f
	}
}

// ask has the Host answer beside the script.
func (r *run) ask(args jsontext.Value, q question) {
	r.asked++
	id := r.asked
	r.questions[id] = q
	r.answering.Go(func() {
		json, err := r.host.Call(r.ctx, q.function, args)
		r.answers <- answer{question: id, json: json, err: err}
	})
}

// rejection is told by the engine of promises that are rejected while nobody heeds them, and of those heeded later.
func (e *engine) rejection(_ *libc.TLS, _ uintptr, promise, reason value, heeded int32, _ uintptr) {
	switch r := e.run; {
	case heeded != 0:
		delete(r.rejected, promise)
	case len(r.rejected) < maxRejected:
		promise, reason = lib.XDupValue(e.tls, e.ctx, promise), lib.XDupValue(e.tls, e.ctx, reason)
		r.rejected[promise] = rejected{reason, len(r.rejected)}
	}
}

// during does work with the engine within the run's time. It reports whether the engine can be used afterwards.
func (e *engine) during(r *run, work func()) (sound bool) {
	e.run = r
	ended, halted := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(r.ctx, func() {
		defer close(halted)
		e.halt(ended)
	})
	before := debug.SetPanicOnFault(true)
	defer func() {
		broken := recover()
		debug.SetPanicOnFault(before)
		close(ended)
		if !stop() {
			<-halted
		}
		e.explainEnd(r, broken)
		r.cancel()
		sound = broken == nil && !e.halted.Load() && !e.memory.refused
	}()
	work()
	return true // or what the deferred function finds
}

// halt stops what runs. A script that does not stop, because it is inside of one long step of the engine, gets no more memory
// after half of the grace, and loses what it has after all of it: the next access faults, and the engine is gone.
func (e *engine) halt(ended <-chan struct{}) {
	e.halted.Store(true)
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	half, whole := time.NewTimer(e.config.Grace/2), time.NewTimer(e.config.Grace)
	defer half.Stop()
	defer whole.Stop()
	for {
		e.poke()
		select {
		case <-ended:
			return
		case <-again.C:
		case <-half.C:
			e.memory.refuse.Store(true)
		case <-whole.C:
			e.memory.revoke()
			<-ended
			return
		}
	}
}

// explainEnd adds the failure of a run that was stopped, or whose engine broke.
func (e *engine) explainEnd(r *run, broken any) {
	switch {
	case e.halted.Load():
		if r.failure == nil {
			r.failure = &Failure{Kind: KindTimeout}
		}
		if f := r.failure; f.Kind == KindTimeout {
			f.Message = fmt.Sprintf("not done within %v", r.most) + f.Message
			if f.File == "" {
				r.failure = e.placed(f, e.stoppedAt)
			}
		}
	case broken != nil && e.memory.refused: // the engine does not always see that it was refused memory
		r.fail(&Failure{Kind: KindMemory, Message: "out of memory"})
	case broken != nil:
		e.config.Logger.Error("run a script", "error", broken, "stack", string(debug.Stack()))
		r.fail(&Failure{Kind: KindEngine, Message: "the engine broke; the cause is in the log of the house"})
	}
}

// load runs the app's files and keeps the memory as it is then.
func (e *engine) load(ctx context.Context, p *Program) *Failure {
	e.program = p
	r := e.newRun(ctx, e.config.Loading, nil)
	sound := e.during(r, func() {
		if e.prepare(p) {
			e.drain(r)
		}
		e.heedRejected(r)
	})
	if r.failure != nil {
		return r.failure
	}
	if !sound {
		return &Failure{Kind: KindMemory, Message: "out of memory while the app was loaded"}
	}
	e.loaded = logs{lines: slices.Clip(r.logs.lines), room: r.logs.room, full: r.logs.full}
	lib.XJS_SetGCThreshold(e.tls, e.rt, lib.Tsize_t(e.memory.live+e.config.Memory/8))
	e.fresh = e.memory.save()
	e.freshNames = maps.Clone(e.names)
	return nil
}

// prepare runs the prelude, and has it run the app's entry.
func (e *engine) prepare(p *Program) bool {
	prelude := e.evaluate(p.prelude)
	source := e.function(e.hook(e.source), "source", 1, 0)
	resolve := e.function(e.hook(e.resolve), "resolve", 2, 0)
	house := e.call(prelude, source, resolve, e.text(e.config.Env))
	if kindOf(house) == lib.EJS_TAG_EXCEPTION {
		e.run.fail(e.failure(e.takeException()))
		return false
	}
	e.find, e.describe = e.get(house, "find"), e.get(house, "describe")
	if kindOf(e.call(e.get(house, "load"), e.text(p.entry))) == lib.EJS_TAG_EXCEPTION {
		e.run.fail(e.failure(e.takeException()))
	}
	return e.run.failure == nil
}

// renew puts the engine back to where it was after loading.
func (e *engine) renew() {
	e.memory.restore(e.fresh)
	if len(e.names) != len(e.freshNames) {
		e.names = maps.Clone(e.freshNames)
	}
	pointer[lib.TJSContext](e.ctx).Frandom_state = rand.Uint64() | 1 // no two invocations draw the same numbers
}

// invoke calls a handler. The engine has just been loaded or renewed. It reports whether it can be renewed afterwards.
func (e *engine) invoke(r *run, handler string, args jsontext.Value) (result Result, sound bool) {
	r.logs.lines, r.logs.room, r.logs.full = slices.Clone(e.loaded.lines), e.loaded.room, e.loaded.full
	began := time.Now()
	sound = e.during(r, func() { result.Returned = e.handle(r, handler, args) })
	result.Duration = time.Since(began)
	result.Logs, result.Rendered, result.Failure = r.logs.lines, r.rendered, r.failure
	return result, sound
}

// handle calls the handler, and goes on until nothing that it began is left. It gives what the handler returned.
func (e *engine) handle(r *run, handler string, args jsontext.Value) jsontext.Value {
	f := e.call(e.find, e.text(handler))
	if kindOf(f) == lib.EJS_TAG_UNDEFINED {
		r.fail(&Failure{Kind: KindMissing, Message: fmt.Sprintf("%s exports no function named %q", e.program.entry, shorten(handler, 100))})
		return nil
	}
	event := e.parse(string(args))
	if kindOf(event) == lib.EJS_TAG_EXCEPTION {
		failure := e.failure(e.takeException())
		if failure.Kind == KindThrew || failure.Kind == KindStack {
			failure.Kind, failure.Message = KindPayload, "the payload cannot be read: "+failure.Message
		}
		r.fail(failure)
		return nil
	}
	given := e.call(f, event)
	if kindOf(given) == lib.EJS_TAG_EXCEPTION {
		r.fail(e.failure(e.takeException()))
		given = undefined
	}
	e.drain(r)
	if kindOf(given) == lib.EJS_TAG_OBJECT {
		switch lib.XJS_PromiseState(e.tls, e.ctx, given) {
		case lib.EJS_PROMISE_REJECTED:
			r.fail(e.failure(lib.XJS_PromiseResult(e.tls, e.ctx, given)))
		case lib.EJS_PROMISE_FULFILLED:
			given = lib.XJS_PromiseResult(e.tls, e.ctx, given)
		case lib.EJS_PROMISE_PENDING:
			if !e.halted.Load() {
				r.fail(&Failure{Kind: KindStalled, Message: "the handler waits for a promise that nothing will settle"})
			}
		}
	}
	e.heedRejected(r)
	if r.failure != nil {
		return nil
	}
	return e.returned(r, given)
}

// drain runs what waits in the engine's queue, and settles what the Host answers, until there is neither.
func (e *engine) drain(r *run) {
	for !e.halted.Load() {
		switch lib.XJS_ExecutePendingJob(e.tls, e.rt, 0) {
		case 1:
			continue
		case -1:
			r.fail(e.failure(e.takeException()))
			continue
		}
		if len(r.questions) == 0 {
			return
		}
		select {
		case a := <-r.answers:
			e.reply(a)
		case <-r.ctx.Done():
			first := r.questions[slices.Min(slices.Collect(maps.Keys(r.questions)))]
			r.fail(e.placed(&Failure{Kind: KindTimeout, Message: ": " + first.function + " has not answered"}, first.stack))
			return
		}
	}
}

// heedRejected makes a failure of the first promise whose rejection nobody heeds.
func (e *engine) heedRejected(r *run) {
	var first *rejected
	for _, one := range r.rejected {
		if first == nil || one.number < first.number {
			first = &one
		}
	}
	if first != nil && r.failure == nil {
		r.fail(e.failure(first.reason))
	}
}

// returned gives what a handler returned as JSON. Most handlers return nothing of interest, so what cannot be told is only
// mentioned in the log.
func (e *engine) returned(r *run, v value) jsontext.Value {
	text, whole, ok := e.stringify(v, e.config.Answer)
	if !ok {
		if e.halted.Load() {
			r.fail(e.failure(e.takeException()))
			return nil
		}
		e.discardException()
	}
	if !ok || !whole {
		r.logs.add("warn", "what the handler returned is no JSON, or too large, and was left out")
		return nil
	}
	return asJSON(text)
}

// asJSON gives what stringify gave, nothing for undefined. Halves of characters, which JavaScript knows and the house does not,
// are replaced.
func asJSON(text string) jsontext.Value {
	if text == "" {
		return nil
	}
	v := jsontext.Value(text)
	if !v.IsValid() && v.Format(jsontext.AllowInvalidUTF8(true), jsontext.PreserveRawStrings(false)) != nil {
		return nil
	}
	return v
}
