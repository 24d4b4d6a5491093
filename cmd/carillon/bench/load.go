package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"carillon"
	"carillon/client"
)

const (
	accounts  = 512
	writers   = 64
	eventType = "account:updated"
)

// words make account data that compresses no better than people's does.
var words = strings.Fields(`North River Harbour Analytics Freight Orchard Copper Lantern Meadow Signal Quarry Bridge Willow
	Summit Anchor Cobalt Velvet Thunder Maple Granite Horizon Falcon Juniper Marble Ember Canyon Atlas Beacon Cedar Delta`)

func phrase(rng *rand.Rand, n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = words[rng.IntN(len(words))] + strconv.FormatUint(uint64(rng.Uint32N(1296)), 36)
	}
	return strings.Join(parts, " ")
}

func accountID(i int) string { return fmt.Sprintf("acc_%04d", i) }

// account makes the data of an account: about 1 KB as native JSON.
func account(i int) map[string]any {
	rng := rand.New(rand.NewPCG(uint64(i), 7)) //nolint:gosec // the same data on every run, not a secret
	address := func() map[string]any {
		return map[string]any{
			"line1": phrase(rng, 3), "line2": phrase(rng, 2), "city": phrase(rng, 1), "state": phrase(rng, 1),
			"postalCode": strconv.Itoa(rng.IntN(99999)), "country": "GB",
		}
	}
	return map[string]any{
		"name": phrase(rng, 3), "domain": strings.ToLower(phrase(rng, 1)) + ".example", "industry": phrase(rng, 1),
		"health": "Healthy", "classification": "ENTERPRISE", "website": "https://" + strings.ToLower(phrase(rng, 1)) + ".example/",
		"billingAddress": address(), "deliveryAddress": address(), "tags": strings.Fields(phrase(rng, 4)),
		"primaryContact": map[string]any{
			"firstName": phrase(rng, 1), "lastName": phrase(rng, 1), "jobTitle": phrase(rng, 2),
			"email": strings.ToLower(phrase(rng, 1)) + "@bench.example",
		},
		"metadata":        map[string]any{"source": phrase(rng, 2), "segment": phrase(rng, 3), "remark": phrase(rng, 12)},
		"customReference": "none",
	}
}

// createAccounts fills an empty server.
func createAccounts(ctx context.Context, api *client.Client) error {
	lines := make([]client.Write, accounts)
	for i := range lines {
		lines[i] = client.Write{Op: "put", Kind: carillon.KindAccount, ID: accountID(i), Data: account(i)}
	}
	results, err := api.Batch(ctx, lines)
	if err != nil {
		return fmt.Errorf("create accounts: %w", err)
	}
	for _, r := range results {
		if r.Problem != nil {
			return fmt.Errorf("create accounts: %w", r.Problem)
		}
	}
	return nil
}

// subscribe makes a subscription to account updates.
func subscribe(ctx context.Context, api *client.Client, url string, start client.Start) error {
	_, err := api.CreateSubscription(ctx, client.Subscription{
		Name: "bench", Events: []string{eventType}, Start: start,
		Sink: webhook(url),
	})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// mark is the value that a write leaves in the account: when it was due, in Unix nanoseconds, and a number.
func appendMark(b []byte, due time.Time, n int64) []byte {
	b = append(b, `{"customReference":"`...)
	b = strconv.AppendInt(b, due.UnixNano(), 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, n, 10)
	return append(b, `"}`...)
}

var markMember = []byte(`"customReference":"`)

// load is a set of writers, each with a connection and accounts of its own.
type load struct {
	written atomic.Int64
	failed  atomic.Pointer[error]
	cancel  context.CancelFunc
	work    sync.WaitGroup
}

func patchPrefixes(address string) []string {
	list := make([]string, accounts)
	for i := range list {
		list[i] = prefix("PATCH", "/v1/accounts/"+accountID(i), address)
	}
	return list
}

func (l *load) fail(err error) { l.failed.CompareAndSwap(nil, &err) }

// startWriters has n writers update accounts as fast as they are answered.
func startWriters(ctx context.Context, address string, n int) (*load, error) {
	l := &load{}
	ctx, l.cancel = context.WithCancel(ctx)
	prefixes := patchPrefixes(address)
	for w := range n {
		c, err := dial(ctx, address)
		if err != nil {
			l.cancel()
			l.work.Wait()
			return nil, err
		}
		l.work.Go(func() {
			defer func() { _ = c.conn.Close() }()
			var payload []byte
			for i := int64(w); ctx.Err() == nil; i += int64(n) {
				payload = appendMark(payload[:0], time.Now(), i)
				if err := l.write(c, prefixes[i%accounts], payload); err != nil {
					l.fail(err)
					return
				}
			}
		})
	}
	return l, nil
}

// write makes one update and counts it.
func (l *load) write(c *caller, prefix string, payload []byte) error {
	status, body, err := c.call(prefix, payload)
	switch {
	case err != nil:
		return err
	case status != 200:
		return fmt.Errorf("a write was answered %d: %.300s", status, body)
	}
	l.written.Add(1)
	return nil
}

// stop ends the writers and says what went wrong, if anything did.
func (l *load) stop() error {
	l.cancel()
	l.work.Wait()
	if err := l.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// writeAll makes n updates as fast as writers can, and returns when all are answered.
func writeAll(ctx context.Context, address string, n int) error {
	l := &load{cancel: func() {}}
	prefixes := patchPrefixes(address)
	var next atomic.Int64
	for range writers {
		c, err := dial(ctx, address)
		if err != nil {
			l.fail(err)
			break
		}
		l.work.Go(func() {
			defer func() { _ = c.conn.Close() }()
			var payload []byte
			for i := next.Add(1); i <= int64(n) && ctx.Err() == nil; i = next.Add(1) {
				payload = appendMark(payload[:0], time.Now(), i)
				if err := l.write(c, prefixes[i%accounts], payload); err != nil {
					l.fail(err)
					return
				}
			}
		})
	}
	return errors.Join(l.stop(), ctx.Err())
}

// startOpenLoop makes updates at a fixed rate, whether or not those before were answered. A write that has to wait for
// a free connection is late, and its lateness counts.
func startOpenLoop(ctx context.Context, address string, perSecond int) (*load, error) {
	l := &load{}
	ctx, l.cancel = context.WithCancel(ctx)
	prefixes := patchPrefixes(address)
	type order struct {
		n   int64
		due time.Time
	}
	orders := make(chan order, 10*perSecond)
	for range writers {
		c, err := dial(ctx, address)
		if err != nil {
			l.cancel()
			close(orders)
			l.work.Wait()
			return nil, err
		}
		l.work.Go(func() {
			defer func() { _ = c.conn.Close() }()
			var payload []byte
			for o := range orders {
				payload = appendMark(payload[:0], o.due, o.n)
				if err := l.write(c, prefixes[o.n%accounts], payload); err != nil {
					l.fail(err)
					return
				}
			}
		})
	}
	l.work.Go(func() {
		defer close(orders)
		start := time.Now()
		timer := time.NewTimer(0)
		defer timer.Stop()
		for n := int64(0); ; n++ {
			due := start.Add(time.Duration(n) * time.Second / time.Duration(perSecond))
			timer.Reset(time.Until(due))
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
			select {
			case orders <- order{n, due}:
			default:
				l.fail(fmt.Errorf("the server is more than 10 seconds behind %d writes a second", perSecond))
				return
			}
		}
	})
	return l, nil
}

// fillLog appends n updates by batches, for a long log.
func fillLog(ctx context.Context, api *client.Client, n int, say func(done int)) error {
	const lines = 500
	var done atomic.Int64
	err := inParallel(ctx, (n+lines-1)/lines, func(ctx context.Context, i int) error {
		from := i * lines
		batch := make([]client.Write, min(lines, n-from))
		for j := range batch {
			batch[j] = client.Write{
				Op: "patch", Kind: carillon.KindAccount, ID: accountID((from + j) % accounts),
				Data: json.RawMessage(appendMark(nil, time.Now(), int64(from+j))),
			}
		}
		results, err := api.Batch(ctx, batch)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Problem != nil {
				return r.Problem
			}
		}
		say(int(done.Add(int64(len(batch)))))
		return nil
	})
	if err != nil {
		return fmt.Errorf("fill the log: %w", err)
	}
	return nil
}

func webhook(url string) carillon.Sink { return carillon.Sink{Type: carillon.SinkWebhook, URL: url} }

// inParallel calls fn for 0 … n−1, some at a time, until one fails.
func inParallel(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return fn(ctx, i) })
	}
	return group.Wait()
}
