package script

import (
	"context"
	"fmt"
	"time"
)

// work is a worker's life. Loading an app has a bound of its own, so ctx never ends.
func (w *worker) work(ctx context.Context) {
	e, failure, err := w.load(ctx)
	if failure != nil || err != nil {
		w.refuse(failure, err)
		return
	}
	defer e.close()
	for ready := true; ready; {
		ready = w.next(e)
	}
}

// next waits for a task and does it. It reports whether the worker goes on.
func (w *worker) next(e *engine) bool {
	idle := time.NewTimer(w.pool.config.Idle)
	defer idle.Stop()
	select {
	case t := <-w.tasks:
		if !w.perform(e, t) {
			w.pool.leave(w)
			return false
		}
		w.pool.mu.Lock()
		defer w.pool.mu.Unlock()
		return w.pool.rest(w)
	case <-w.quit:
		return false
	case <-idle.C:
		return !w.pool.retire(w)
	}
}

// load makes an engine and loads the app.
func (w *worker) load(ctx context.Context) (*engine, *Failure, error) {
	e, err := newEngine(w.pool.config, false)
	if err != nil {
		return nil, nil, err
	}
	if failure := e.load(ctx, w.program); failure != nil {
		e.close()
		return nil, failure, nil
	}
	return e, nil, nil
}

// perform does one task and reports whether the engine is ready for the next.
func (w *worker) perform(e *engine, t *task) (ready bool) {
	r := e.newRun(t.ctx, w.pool.config.Time, t.host)
	result, sound := e.invoke(r, t.handler, t.args)
	if err := t.ctx.Err(); err != nil && result.Failure != nil && result.Failure.Kind == KindTimeout {
		result.Failure.Message = "stopped before it was done"
		t.done <- outcome{result, fmt.Errorf("run a script: %w", err)}
	} else {
		t.done <- outcome{result: result}
	}
	r.answering.Wait()
	if sound {
		e.renew()
	}
	return sound
}

// refuse ends a worker whose app could not be loaded, and answers the task that is coming, if one is.
func (w *worker) refuse(failure *Failure, err error) {
	if w.pool.retire(w) {
		return
	}
	select {
	case t := <-w.tasks:
		t.done <- outcome{result: Result{Failure: failure}, err: err}
		w.pool.leave(w)
	case <-w.quit: // whoever took it has gone away
	}
}
