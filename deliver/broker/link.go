package broker

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// dialTimeout bounds connecting, handshakes included.
	dialTimeout = 10 * time.Second
	// A connection that fails is tried again after firstWait, then twice that, and so on.
	firstWait = 100 * time.Millisecond
	maxWait   = 2 * time.Second
)

var errClosed = errors.New("the sink is closed")

// link keeps one connection for those who want to use it.
type link struct {
	dial  func(context.Context) (Connection, error)
	idle  time.Duration
	ctx   context.Context // ends with close
	end   context.CancelFunc
	tasks sync.WaitGroup // what runs beside the users: dialling and closing

	mu       sync.Mutex
	current  *line // nil: nobody has asked for a connection since the last one ended
	failures int   // to connect, in a row
	failedAt time.Time
	closed   bool
}

// line is a connection from the wish for it to its end.
type line struct {
	ready      chan struct{} // closed once connection or err is set
	connection Connection
	err        error

	// Guarded by link.mu.
	users    int
	usedAt   time.Time
	dropping *time.Timer // looks now and then whether it is idle
}

func newLink(dial func(context.Context) (Connection, error), idle time.Duration) *link {
	l := &link{dial: dial, idle: idle}
	l.ctx, l.end = context.WithCancel(context.Background())
	return l
}

// lease is the use of a connection.
type lease struct {
	link *link
	line *line
}

func (u lease) connection() Connection { return u.line.connection }

// release gives the connection back.
func (u lease) release() { u.link.leave(u.line) }

// cut ends the connection for all who use it.
func (u lease) cut() {
	u.link.mu.Lock()
	if u.link.current == u.line {
		u.link.retire()
	}
	u.link.mu.Unlock()
	u.connection().Cut()
}

// use gives the connection, which is made if there is none. All who ask while it is being made wait for the same attempt
// and hear how it failed.
func (l *link) use(ctx context.Context) (lease, error) {
	at, err := l.join() //nolint:contextcheck // a connection outlives the send that wanted it first
	if err != nil {
		return lease{}, err
	}
	select {
	case <-at.ready:
		err = at.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		l.leave(at)
		return lease{}, err
	}
	return lease{l, at}, nil
}

func (l *link) join() (*line, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if l.current != nil && l.current.lost() {
		l.retire()
	}
	if l.current == nil {
		at := &line{ready: make(chan struct{})}
		l.current = at
		wait := time.Duration(0)
		if l.failures > 0 {
			wait = time.Until(l.failedAt.Add(min(firstWait<<min(l.failures-1, 10), maxWait)))
		}
		l.tasks.Go(func() { l.open(at, wait) })
	}
	l.current.users++
	return l.current, nil
}

// lost reports whether a line has ended by itself.
func (at *line) lost() bool {
	select {
	case <-at.ready:
	default:
		return false
	}
	select {
	case <-at.connection.Lost():
		return true
	default:
		return false
	}
}

// open connects after a wait.
func (l *link) open(at *line, wait time.Duration) {
	c, err := l.connect(wait)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(at.ready)
	if err != nil {
		at.err = err
		l.failures++
		l.failedAt = time.Now()
		l.current = nil
		return
	}
	l.failures = 0
	at.connection = c
	at.usedAt = time.Now()
	if l.closed { // nobody will use it
		c.Close()
		return
	}
	at.dropping = time.AfterFunc(l.idle, func() { l.look(at) })
}

func (l *link) connect(wait time.Duration) (Connection, error) {
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.ctx.Done():
			return nil, errClosed
		}
	}
	ctx, cancel := context.WithTimeout(l.ctx, dialTimeout)
	defer cancel()
	c, err := l.dial(ctx)
	if err != nil && l.ctx.Err() != nil {
		err = errClosed
	}
	return c, err
}

func (l *link) leave(at *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at.users--
	at.usedAt = time.Now()
}

// look drops a line that nobody has used for a while.
func (l *link) look(at *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.current != at {
		return
	}
	if rest := l.idle - time.Since(at.usedAt); at.users > 0 || rest > 0 {
		at.dropping.Reset(max(rest, l.idle/4))
		return
	}
	l.retire()
}

// retire takes the current line out of use and closes it in the background.
func (l *link) retire() {
	at := l.current
	l.current = nil
	at.dropping.Stop()
	l.tasks.Go(at.connection.Close)
}

// close ends the connection, at once if it is in use, and waits until everything that ran for it has ended.
func (l *link) close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		l.end()
		if at := l.current; at != nil && at.connection != nil {
			l.retire()
			if at.users > 0 {
				at.connection.Cut()
			}
		}
	}
	l.mu.Unlock()
	l.tasks.Wait()
}
