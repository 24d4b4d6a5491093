package sqlstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"carillon"
	"carillon/store"
	"carillon/store/sqlstore"
)

const benchAccounts = 500

// benchRecord is an account of about 1 KB as it stands after its n-th update.
func benchRecord(id string, n int) []byte {
	health := []string{"Healthy", "At Risk", "UNKNOWN"}[n%3]
	return fmt.Appendf(make([]byte, 0, 1100), `{"id":%q,"name":"Example Holdings %s","description":"%s","status":"ACTIVE","health":%q,`+
		`"classification":"ENTERPRISE","industry":"Logistics","website":"https://example.com/%s","phone":"+1 555 0100",`+
		`"annualRevenue":%d,"employees":%d,"tags":["priority","renewal"],"billingAddress":{"line1":"1 Example Street","city":"Springfield",`+
		`"postalCode":"12345","country":"US"},"metadata":{"source":"bench","score":"%d"},"customFields":{"tier":["gold"],"region":["emea"]},`+
		`"createdAt":"2026-01-01T00:00:00.000Z","updatedAt":%q}`,
		id, id, strings.Repeat("Keeps the bells. ", 26), health, id, 1_000_000+n%7, 250, n,
		carillon.FormatTime(time.UnixMilli(1_800_000_000_000+int64(n)*137)))
}

// benchUpdate writes one more state of each of some accounts, all different: the store's share of as many PUTs.
func benchUpdate(ctx context.Context, tx store.Tx, numbers ...int) error {
	heads, err := tx.Lock(ctx, []string{"bench"})
	if err != nil {
		return err
	}
	head := heads["bench"]
	keys := make([]store.RecordKey, len(numbers))
	for i, number := range numbers {
		id := fmt.Sprintf("acc_01kar1z2m3n4p5q6r7s8t9v%03d", number)
		keys[i] = store.RecordKey{Org: "bench", Ref: carillon.Ref{Kind: carillon.KindAccount, ID: id}}
	}
	found, err := tx.Records(ctx, keys)
	if err != nil {
		return err
	}
	records, changes := make([]store.RecordWrite, len(keys)), make([]*carillon.Change, len(keys))
	for i, key := range keys {
		head.Seq++
		now := time.UnixMilli(1_800_000_000_000 + head.Seq).UTC()
		r := &carillon.Record{Org: "bench", Ref: key.Ref, Version: 1, Seq: head.Seq, Lane: key.ID, CreatedAt: now, UpdatedAt: now}
		c := &carillon.Change{
			Org: "bench", Seq: head.Seq, Ref: key.Ref, Op: carillon.OpCreated, Lane: key.ID, Time: now,
			Actor: carillon.Actor{ID: "usr_bench", Type: "AGENT", Email: "bench@example.com"}, Origin: "api",
		}
		old := found[key]
		if old == nil {
			head.Number++
			r.Number = head.Number
		} else {
			r.Number, r.Version, r.CreatedAt = old.Number, old.Version+1, old.CreatedAt
			c.Op, c.Before = carillon.OpUpdated, old.Data
			c.Changed = []carillon.MemberChange{{Name: "health", How: carillon.Updated}, {Name: "metadata", How: carillon.Updated}}
		}
		r.Data = benchRecord(key.ID, int(r.Version))
		c.Number, c.Version, c.After = r.Number, r.Version, r.Data
		records[i], changes[i] = store.RecordWrite{Record: r, New: old == nil}, c
	}
	if err := tx.PutRecords(ctx, records); err != nil {
		return err
	}
	if err := tx.Append(ctx, changes); err != nil {
		return err
	}
	return tx.SaveHeads(ctx, map[string]store.Head{"bench": head})
}

// benchStore opens a store in which all accounts exist.
func benchStore(b *testing.B, change ...func(*sqlstore.Options)) *sqlstore.Store {
	b.Helper()
	s := open(b, filepath.Join(b.TempDir(), "bench.db"), change...)
	err := s.Update(b.Context(), func(ctx context.Context, tx store.Tx) error {
		return benchUpdate(ctx, tx, rand.Perm(benchAccounts)...)
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// processorTime is what the process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend updates accounts of 1 KB at random, each update durable when it returns.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name    string
		callers int
		batch   int // changes an update
	}{
		{"callers=1", 1, 1},
		{"callers=8", 8, 1},
		{"callers=64", 64, 1},
		{"callers=1/batch=64", 1, 64},
		{"callers=8/batch=64", 8, 64},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := benchStore(b)
			var done atomic.Int64
			var wg sync.WaitGroup
			used := processorTime(b)
			b.ReportAllocs()
			b.ResetTimer()
			for caller := range c.callers {
				wg.Go(func() {
					random := rand.New(rand.NewPCG(1, uint64(caller)))
					for done.Add(int64(c.batch)) <= int64(b.N+c.batch-1) {
						err := s.Update(b.Context(), func(ctx context.Context, tx store.Tx) error {
							from := random.IntN(benchAccounts)
							numbers := make([]int, c.batch)
							for i := range numbers {
								numbers[i] = (from + i*37) % benchAccounts // all different: 37 and 500 have no common factor
							}
							return benchUpdate(ctx, tx, numbers...)
						})
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			head, err := s.Head(b.Context(), "bench")
			if err != nil {
				b.Fatal(err)
			}
			changes := float64(head - benchAccounts)
			b.ReportMetric(changes/b.Elapsed().Seconds(), "changes/s")
			b.ReportMetric(float64((processorTime(b)-used).Microseconds())/changes, "µs-cpu/change")
		})
	}
}

// BenchmarkChanges reads the log in pages of 500, as delivery does.
func BenchmarkChanges(b *testing.B) {
	s := benchStore(b)
	const changes, page = 20_000, 500
	for range changes / 200 {
		err := s.Update(b.Context(), func(ctx context.Context, tx store.Tx) error {
			return benchUpdate(ctx, tx, rand.Perm(benchAccounts)[:200]...)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	var after int64
	read := 0
	for b.Loop() {
		list, err := s.Changes(b.Context(), "bench", store.LogQuery{After: after, Limit: page})
		if err != nil {
			b.Fatal(err)
		}
		read += len(list)
		if after += page; after+page > changes {
			after = 0
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(read), "ns/change")
}
