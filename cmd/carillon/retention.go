package main

import (
	"context"
	"log/slog"
	"time"

	"carillon/store"
)

// retention says how long what is not the log is kept.
type retention struct {
	KeepAttempts time.Duration `help:"How long failed attempts are kept." default:"168h"`
	KeepKeys     time.Duration `help:"How long a repeat is known by its Idempotency-Key, or by the id of a vendor's event." default:"168h"`
	KeepInbox    time.Duration `help:"How long deliveries of vendors are kept once they are applied; others stay." default:"720h"`

	KeepInvocations time.Duration `help:"How long it is kept what handlers of apps did: of each app the newest 1000 at most." default:"720h"`
}

// How often is swept, and how many of each sort in one transaction.
const (
	sweepEvery = 10 * time.Minute
	sweepMost  = 2_000
)

// sweep removes what has outlived its time, now and then until ctx ends. A piece at a time: writers come in between.
func (r retention) sweep(ctx context.Context, s store.Store, log *slog.Logger) {
	again := time.NewTicker(sweepEvery)
	defer again.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			err := s.Update(ctx, func(ctx context.Context, tx store.Tx) (err error) {
				now := time.Now()
				more, err = tx.Prune(ctx, store.Expiry{
					Attempts: now.Add(-r.KeepAttempts), Remembered: now.Add(-r.KeepKeys), Inbox: now.Add(-r.KeepInbox),
					Invocations: now.Add(-r.KeepInvocations), AppValues: now,
				}, sweepMost)
				return err
			})
			if err != nil {
				more = false
				if ctx.Err() == nil {
					log.ErrorContext(ctx, "remove what has outlived its time", "error", err)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}
