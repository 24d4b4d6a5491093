package script_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"carillon"
	"carillon/apps/script"

	"github.com/go-json-experiment/json/jsontext"
)

// gate is a Host whose answers wait until it is opened.
type gate struct {
	asked chan string // the argument of each question
	open  chan struct{}
}

func newGate() gate { return gate{make(chan string, 100), make(chan struct{})} }

func (g gate) Call(ctx context.Context, _ string, args jsontext.Value) (jsontext.Value, error) {
	g.asked <- string(args)
	select {
	case <-g.open:
		return args, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// waitingApp has one handler, which waits for the Host.
func waitingApp(tb testing.TB, c script.Config) app {
	c.Functions = []string{"$db.get"}
	return newApp(tb, c, `wait: async (args) => { await $db.get(args.key); }, quick: () => 1,`)
}

// eventually waits until something is so.
func eventually(tb testing.TB, what string, so func() bool) {
	tb.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatalf("not within ten seconds: %s", what)
		}
	}
}

// begin starts invocations that wait at the gate, and gives when they have ended.
func (a app) begin(tb testing.TB, g gate, key string, n int) *sync.WaitGroup {
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			r, err := a.pool.Invoke(tb.Context(), key, a.program, "wait", jsontext.Value(`{"key":"`+key+`"}`), g)
			if err != nil || r.Failure != nil {
				tb.Errorf("%s: %v, %v", key, err, r.Failure)
			}
		})
	}
	return &all
}

func TestEnginesAreBounded(t *testing.T) {
	a, g := waitingApp(t, script.Config{Engines: 3, PerKey: 2}), newGate()
	one := a.begin(t, g, "one", 5)
	eventually(t, "two engines of one installation and no more", func() bool {
		return len(g.asked) == 2 && a.pool.Stats() == script.Stats{Live: 2, Waiting: 3}
	})
	two := a.begin(t, g, "two", 5)
	eventually(t, "a third for another", func() bool {
		return len(g.asked) == 3 && a.pool.Stats() == script.Stats{Live: 3, Waiting: 7}
	})
	close(g.open)
	one.Wait()
	two.Wait()
	if s := a.pool.Stats(); s.Live > 3 || s.Waiting != 0 {
		t.Errorf("afterwards: %+v", s)
	}
}

func TestAnOwnerCannotHaveAllEngines(t *testing.T) {
	a, g := waitingApp(t, script.Config{Engines: 4, PerKey: 2}), newGate()
	hogs := []*sync.WaitGroup{a.begin(t, g, "hog/1", 3), a.begin(t, g, "hog/2", 3), a.begin(t, g, "hog/3", 3)}
	eventually(t, "half of the engines for one owner", func() bool {
		return len(g.asked) == 2 && a.pool.Stats() == script.Stats{Live: 2, Waiting: 7}
	})
	a.pool.Prewarm(t.Context(), "hog/4", a.program)
	if s := a.pool.Stats(); s.Live != 2 {
		t.Errorf("a third is warmed for the owner: %+v", s)
	}
	invokeWell(t, a.pool, "other/1", a.program, "quick", jsontext.Value(`{}`)) // those who came before still wait
	close(g.open)
	for _, hog := range hogs {
		hog.Wait()
	}
	invokeWell(t, a.pool, "hog/4", a.program, "quick", jsontext.Value(`{}`)) // in the place of a warm one of the same owner
	if s := a.pool.Stats(); s.Live > 3 {
		t.Errorf("afterwards: %+v", s)
	}
}

func TestEnginesServeOneInstallation(t *testing.T) {
	a, g := waitingApp(t, script.Config{Engines: 2}), newGate()
	close(g.open)
	a.begin(t, g, "one", 1).Wait()
	eventually(t, "one warm engine", func() bool { return a.pool.Stats() == script.Stats{Live: 1, Idle: 1} })
	a.begin(t, g, "two", 1).Wait()
	eventually(t, "an engine for each", func() bool { return a.pool.Stats() == script.Stats{Live: 2, Idle: 2} })
	a.begin(t, g, "three", 1).Wait()
	eventually(t, "the coldest gave way", func() bool { return a.pool.Stats() == script.Stats{Live: 2, Idle: 2} })
	a.pool.Drop("two")
	eventually(t, "one is dropped", func() bool { return a.pool.Stats() == script.Stats{Live: 1, Idle: 1} })
	a.pool.Drop("three")
	eventually(t, "all are dropped", func() bool { return a.pool.Stats() == script.Stats{} })
}

func TestNewProgramTakesNewEngine(t *testing.T) {
	c := script.Config{PerKey: 1}
	old, pool := compile(t, c, map[string]string{"server/server.js": `exports = { v: () => 1 };`}), newPool(t, c)
	renewed := compile(t, c, map[string]string{"server/server.js": `exports = { v: () => 2 };`})
	for _, p := range []struct {
		program *script.Program
		want    string
	}{{old, "1"}, {old, "1"}, {renewed, "2"}, {renewed, "2"}, {old, "1"}} {
		if r := invokeWell(t, pool, "k", p.program, "v", jsontext.Value(`{}`)); string(r.Returned) != p.want {
			t.Errorf("got %s, want %s", r.Returned, p.want)
		}
	}
}

func TestIdleEnginesEnd(t *testing.T) {
	a := waitingApp(t, script.Config{Idle: time.Millisecond})
	a.invoke(t, "quick", `{}`, nil)
	eventually(t, "no engine is left", func() bool { return a.pool.Stats() == script.Stats{} })
	a.invoke(t, "quick", `{}`, nil)
}

func TestPrewarm(t *testing.T) {
	a := waitingApp(t, script.Config{Engines: 1})
	a.pool.Prewarm(t.Context(), "one", a.program)
	a.pool.Prewarm(t.Context(), "one", a.program)
	a.pool.Prewarm(t.Context(), "two", a.program)
	if s := a.pool.Stats(); s != (script.Stats{Live: 1, Idle: 1}) {
		t.Errorf("%+v", s)
	}
	invokeWell(t, a.pool, "one", a.program, "quick", jsontext.Value(`{}`))
	invokeWell(t, a.pool, "two", a.program, "quick", jsontext.Value(`{}`))
}

// An app that cannot be loaded fails each invocation, and leaves no engine behind.
func TestLoadingFails(t *testing.T) {
	p := compile(t, script.Config{}, map[string]string{"server/server.js": `const a = Array(4e5).fill(1); exports = { a: () => a.length };`})
	a := app{newPool(t, script.Config{Memory: 4 << 20}), p}
	a.pool.Prewarm(t.Context(), "installation", p)
	for range 3 {
		if f := a.invoke(t, "a", `{}`, nil).Failure; f == nil || f.Kind != script.KindMemory {
			t.Errorf("got %v", f)
		}
		eventually(t, "no engine is left", func() bool { return a.pool.Stats() == script.Stats{} })
	}
}

func TestStoppedEnginesAreReplaced(t *testing.T) {
	a := newApp(t, script.Config{Engines: 1, Time: 5 * time.Second, Memory: 4 << 20}, `loop: () => { for (;;) {} }, eat: () => { const a = []; for (;;) a.push({}); }, swallow: () => { try { const a = []; for (;;) a.push({}); } catch (e) { return 1; } }, quick: () => 1,`)
	for handler, kind := range map[string]script.Kind{"loop": script.KindTimeout, "eat": script.KindMemory, "swallow": ""} {
		r := a.invoke(t, handler, `{}`, nil)
		if kind == "" && r.Failure != nil || kind != "" && (r.Failure == nil || r.Failure.Kind != kind) {
			t.Errorf("%s: %v", handler, r.Failure)
		}
		eventually(t, "the engine is gone", func() bool { return a.pool.Stats() == script.Stats{} })
		invokeWell(t, a.pool, "installation", a.program, "quick", jsontext.Value(`{}`))
	}
}

func TestContext(t *testing.T) {
	t.Run("ends before there is an engine", func(t *testing.T) {
		a, g := waitingApp(t, script.Config{Engines: 1}), newGate()
		first := a.begin(t, g, "one", 1)
		eventually(t, "it waits for the Host", func() bool { return len(g.asked) == 1 })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := a.pool.Invoke(ctx, "two", a.program, "quick", jsontext.Value(`{}`), nil)
			done <- err
		}()
		eventually(t, "another waits for the engine", func() bool { return a.pool.Stats().Waiting == 1 })
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(g.open)
		first.Wait()
		if s := a.pool.Stats(); s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("ends while the script runs", func(t *testing.T) {
		c := script.Config{Functions: []string{"$db.get"}, Time: time.Minute}
		a, g := newApp(t, c, `loop: () => { $db.get("k"); for (;;) {} }, wait: async () => { await $db.get("k"); }`), newGate()
		for _, handler := range []string{"loop", "wait"} {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				_, err := a.pool.Invoke(ctx, "one", a.program, handler, jsontext.Value(`{}`), g)
				done <- err
			}()
			<-g.asked
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got %v", handler, err)
			}
		}
	})
}

func TestClose(t *testing.T) {
	a, g := waitingApp(t, script.Config{Engines: 1}), newGate()
	first := a.begin(t, g, "one", 1)
	eventually(t, "it waits for the Host", func() bool { return len(g.asked) == 1 })
	refused := make(chan error)
	go func() {
		_, err := a.pool.Invoke(t.Context(), "two", a.program, "quick", jsontext.Value(`{}`), nil)
		refused <- err
	}()
	eventually(t, "another waits for the engine", func() bool { return a.pool.Stats().Waiting == 1 })
	closed := make(chan struct{})
	go func() { a.pool.Close(); close(closed) }()
	if err := <-refused; carillon.ErrorCode(err) != carillon.CodeUnavailable {
		t.Errorf("one who waited: %v", err)
	}
	select {
	case <-closed:
		t.Error("Close did not wait for the work in hand")
	default:
	}
	close(g.open)
	first.Wait()
	<-closed
	if _, err := a.pool.Invoke(t.Context(), "one", a.program, "quick", jsontext.Value(`{}`), nil); carillon.ErrorCode(err) != carillon.CodeUnavailable {
		t.Errorf("after Close: %v", err)
	}
	a.pool.Prewarm(t.Context(), "one", a.program)
}

// Many at once, of several installations, with engines that come and go.
func TestPoolUnderLoad(t *testing.T) {
	a := waitingApp(t, script.Config{Engines: 3, PerKey: 2, Idle: time.Millisecond})
	g := newGate()
	close(g.open)
	go func() {
		for range g.asked {
		}
	}()
	t.Cleanup(func() { close(g.asked) })
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			key := string(rune('a' + i%4))
			for n := range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				if n%7 == i%7 {
					go cancel()
				}
				r, err := a.pool.Invoke(ctx, key, a.program, "wait", jsontext.Value(`{"key":1}`), g)
				if err != nil && !errors.Is(err, context.Canceled) || r.Failure != nil && ctx.Err() == nil {
					t.Errorf("%v, %v", err, r.Failure)
				}
				if n%20 == 0 {
					a.pool.Drop(key)
				}
				cancel()
			}
		})
	}
	all.Wait()
	eventually(t, "all engines are gone", func() bool { return a.pool.Stats() == script.Stats{} })
}
