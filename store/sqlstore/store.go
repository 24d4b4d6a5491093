package sqlstore

import (
	"context"
	"log/slog"
	"sync"

	"carillon"
	"carillon/store"
)

// Sealer encrypts what holds secrets. Open fails for other bytes, another key or another associated text than Seal had.
type Sealer interface {
	Seal(plaintext, associated []byte) ([]byte, error)
	Open(sealed, associated []byte) ([]byte, error)
}

// Store is an archive in an SQL database.
type Store struct {
	reader

	log     *slog.Logger
	writer  *session // on the committer's own connection
	queue   queue
	hot     hot            // the committer's
	again   []*act         // the committer's: those that run one by one, before what is queued
	working sync.WaitGroup // the committer
	closed  sync.Map       // the schedules that cannot be opened and were told of: org, app, name

	watchersMu sync.Mutex
	watchers   map[chan struct{}]struct{}
	followers  map[*follower]struct{}

	// engine holds what belongs to the database itself; it outlives the committer.
	engine engine

	closeOnce sync.Once
	closeErr  error
}

var _ store.Store = (*Store)(nil)

// engine is what each database brings beside its flavor: the life around the connections.
type engine interface {
	// committed hears of each batch that was committed, on the committer's goroutine, before the next one begins.
	committed(ctx context.Context)
	// size is the archive's size on disk in bytes.
	size(ctx context.Context) (int64, error)
	// close ends the connections, after the committer ended.
	close() error
}

// start begins to take updates.
func (s *Store) start() {
	s.watchers = make(map[chan struct{}]struct{})
	s.followers = make(map[*follower]struct{})
	s.queue.wake = make(chan struct{}, 1)
	s.working.Go(s.commitAll)
}

// Watch gives a channel that receives after changes were committed by this process.
func (s *Store) Watch() (nudges <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	s.watchersMu.Lock()
	s.watchers[ch] = struct{}{}
	s.watchersMu.Unlock()
	return ch, func() {
		s.watchersMu.Lock()
		delete(s.watchers, ch)
		s.watchersMu.Unlock()
	}
}

// follower hears of changes as they are committed.
type follower struct {
	hear func([]*carillon.Change)
}

// Follow has fn hear of the changes that this process commits, on the committer's goroutine.
func (s *Store) Follow(fn func(changes []*carillon.Change)) (stop func()) {
	f := &follower{hear: fn}
	s.watchersMu.Lock()
	s.followers[f] = struct{}{}
	s.watchersMu.Unlock()
	return func() {
		s.watchersMu.Lock()
		delete(s.followers, f)
		s.watchersMu.Unlock()
	}
}

// grew tells followers and watchers that the log grew by the changes.
func (s *Store) grew(changes []*carillon.Change) {
	s.watchersMu.Lock()
	defer s.watchersMu.Unlock()
	for f := range s.followers {
		f.hear(changes)
	}
	for ch := range s.watchers {
		select {
		case ch <- struct{}{}:
		default: // one waits there already
		}
	}
}

// Size is the archive's size on disk in bytes.
func (s *Store) Size(ctx context.Context) (int64, error) { return s.engine.size(ctx) }

// Close takes no more updates, commits those that wait, and closes the database.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.queue.close()
		s.working.Wait()
		s.closeErr = s.engine.close()
	})
	return s.closeErr
}
