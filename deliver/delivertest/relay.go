package delivertest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
)

// Relay is a TCP relay before a broker, which fails when told to. It is safe for concurrent use.
type Relay struct {
	target   string
	listener net.Listener
	tasks    sync.WaitGroup

	mu      sync.Mutex
	changed sync.Cond
	pairs   map[*pair]struct{}
	broken  int
	gates   [2]chan struct{} // by direction: not nil while what comes is held
	held    int              // of what comes, at this moment
	closed  bool
}

// The directions of a Relay.
const (
	toBroker = iota
	toSender
)

// pair is one relayed connection.
type pair struct {
	sides [2]net.Conn // by direction: who is written to
	write [2]sync.Mutex
	end   func()
	ended chan struct{}
}

// NewRelay makes a Relay to an address, on a free port of the loopback address. With a certificate senders must speak TLS to
// it; what goes on to the broker is plain.
func NewRelay(ctx context.Context, target string, certificate *tls.Config) (*Relay, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if certificate != nil {
		listener = tls.NewListener(listener, certificate)
	}
	r := &Relay{target: target, listener: listener, pairs: map[*pair]struct{}{}}
	r.changed.L = &r.mu
	r.tasks.Go(r.accept)
	return r, nil
}

// Addr is where senders connect to.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Close ends all connections and waits for their ends.
func (r *Relay) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.listener.Close()
	r.Cut()
	r.tasks.Wait()
}

// Cut ends all connections. New ones are taken.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.pairs {
		p.end()
	}
}

// Break ends all connections, and new ones at once, until mended.
func (r *Relay) Break() (mend func()) {
	r.mu.Lock()
	r.broken++
	r.mu.Unlock()
	r.Cut()
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.broken--
	})
}

// Hang holds what senders send until it is released.
func (r *Relay) Hang() (release func()) { return r.hold(toBroker) }

// HoldAnswers holds what the broker says until it is released: it has taken a message and the sender does not know.
func (r *Relay) HoldAnswers() (release func()) { return r.hold(toSender) }

func (r *Relay) hold(direction int) (release func()) {
	gate := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gates[direction] = gate
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.gates[direction] = nil
		close(gate)
	})
}

// Held returns once something is held.
func (r *Relay) Held(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changed.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.held == 0 {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait until something is held: %w", err)
		}
		r.changed.Wait()
	}
	return nil
}

// Tell sends bytes to all senders as if the broker had. It is for a moment in which the broker is silent.
func (r *Relay) Tell(data []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.pairs {
		if err := p.send(toSender, data); err != nil {
			return err
		}
	}
	return nil
}

func (r *Relay) accept() {
	for {
		sender, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.tasks.Go(func() { r.relay(sender) })
	}
}

func (r *Relay) relay(sender net.Conn) {
	defer sender.Close()
	var dialer net.Dialer
	broker, err := dialer.DialContext(context.Background(), "tcp", r.target)
	if err != nil {
		return
	}
	defer broker.Close()
	p := &pair{sides: [2]net.Conn{toBroker: broker, toSender: sender}, ended: make(chan struct{})}
	p.end = sync.OnceFunc(func() {
		close(p.ended)
		sender.Close()
		broker.Close()
	})
	defer p.end()
	if !r.enter(p) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { r.pass(p, toSender, broker) })
	r.pass(p, toBroker, sender)
	back.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pairs, p)
}

func (r *Relay) enter(p *pair) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken > 0 || r.closed {
		return false
	}
	r.pairs[p] = struct{}{}
	return true
}

// pass copies in one direction until either side ends.
func (r *Relay) pass(p *pair, direction int, from net.Conn) {
	defer p.end()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			r.wait(p, direction)
			if p.send(direction, buffer[:n]) != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// wait holds what came as long as its direction is held.
func (r *Relay) wait(p *pair, direction int) {
	r.mu.Lock()
	gate := r.gates[direction]
	if gate == nil {
		r.mu.Unlock()
		return
	}
	r.held++
	r.mu.Unlock()
	r.changed.Broadcast()
	select {
	case <-gate:
	case <-p.ended:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held--
}

func (p *pair) send(direction int, data []byte) error {
	p.write[direction].Lock()
	defer p.write[direction].Unlock()
	_, err := p.sides[direction].Write(data)
	return err
}
