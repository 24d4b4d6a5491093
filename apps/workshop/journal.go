package workshop

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"carillon"
	"carillon/store"
)

// journal keeps what handlers did. Invocations of events are gathered for a moment and written together, so that the disk has less
// to do than the handlers; a crash may lose those of the last moment.
type journal struct {
	store store.Store
	log   *slog.Logger
	wake  chan struct{}

	mu       sync.Mutex
	waiting  []*carillon.Invocation
	watchers map[string]map[chan struct{}]struct{} // by org and app
}

const (
	gatherFor = 50 * time.Millisecond
	gatherMax = 256

	// What is kept of one invocation, in bytes.
	keptLines    = 16 << 10
	keptRendered = 4 << 10
)

func (j *journal) start(s store.Store, log *slog.Logger) {
	j.store, j.log, j.wake, j.watchers = s, log, make(chan struct{}, 1), map[string]map[chan struct{}]struct{}{}
}

// keep takes an invocation. Somebody who brings so many that they pile up writes them himself.
func (j *journal) keep(ctx context.Context, i *carillon.Invocation) {
	j.mu.Lock()
	j.waiting = append(j.waiting, bounded(i))
	full := len(j.waiting) >= gatherMax
	j.mu.Unlock()
	if full {
		j.flush(context.WithoutCancel(ctx))
		return
	}
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// bounded gives an invocation as it is kept.
func bounded(i *carillon.Invocation) *carillon.Invocation {
	room, cut := keptLines, -1
	for n, l := range i.Lines {
		if room -= len(l.Text) + 16; room < 0 {
			cut = n
			break
		}
	}
	if cut < 0 && len(i.Rendered) <= keptRendered {
		return i
	}
	kept := *i
	if cut >= 0 {
		kept.Lines = append(slices.Clone(i.Lines[:cut]), carillon.AppLine{At: i.Lines[cut].At, Level: "warn", Text: "the lines that follow were not kept"})
	}
	if len(i.Rendered) > keptRendered {
		kept.Rendered = nil
	}
	return &kept
}

// run writes until ctx ends.
func (j *journal) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.wake:
		}
		select {
		case <-ctx.Done():
		case <-time.After(gatherFor):
		}
		j.flush(context.WithoutCancel(ctx))
	}
}

// flush writes what waits.
func (j *journal) flush(ctx context.Context) {
	j.mu.Lock()
	list := j.waiting
	j.waiting = nil
	j.mu.Unlock()
	if len(list) > 0 {
		_ = j.add(ctx, list) // it has said so; the handlers have run, whether that is known or not
	}
}

// add writes invocations and tells those who watch.
func (j *journal) add(ctx context.Context, list []*carillon.Invocation) error {
	err := j.store.Update(ctx, func(ctx context.Context, tx store.Tx) error { return tx.AddInvocations(ctx, list) })
	if err != nil {
		j.log.Error("keep what apps did", "invocations", len(list), "error", err)
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, i := range list {
		for nudge := range j.watchers[i.Org+"/"+i.App] {
			select {
			case nudge <- struct{}{}:
			default:
			}
		}
	}
	return nil
}

// keepNow writes an invocation that somebody waits for, and gives it its position.
func (j *journal) keepNow(ctx context.Context, i *carillon.Invocation) {
	kept := bounded(i)
	if j.add(context.WithoutCancel(ctx), []*carillon.Invocation{kept}) == nil {
		i.Position = kept.Position
	}
}

// watch gives a channel that receives after invocations of an app were written.
func (j *journal) watch(org, app string) (nudges <-chan struct{}, stop func()) {
	key, nudge := org+"/"+app, make(chan struct{}, 1)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.watchers[key] == nil {
		j.watchers[key] = map[chan struct{}]struct{}{}
	}
	j.watchers[key][nudge] = struct{}{}
	return nudge, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.watchers[key], nudge)
		if len(j.watchers[key]) == 0 {
			delete(j.watchers, key)
		}
	}
}
