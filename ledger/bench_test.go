package ledger_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"carillon"
	"carillon/ledger"
)

const patchOfFive = `{"health":"At Risk","status":"CHURNED","size":"50","customFields":{"tier":["Gold"],"score":["%d"]},"ownerId":"usr_1"}`

// kilobyte is an account of about 1 KB with n somewhere in it.
func kilobyte(n int64) string {
	return fmt.Sprintf(`{"name":"Acme %d","domain":"acme.example","industry":"Manufacturing","size":"51-200","status":"ACTIVE","health":"Healthy",`+
		`"classification":"ENTERPRISE","type":"organization","primaryContact":{"firstName":"Ada","lastName":"Byron","email":"ada@acme.example","phone":"+44 20 7946 0000"},`+
		`"billingAddress":{"line1":"1 Long Road","city":"Town","postalCode":"AB1 2CD","country":"GB"},"website":"https://acme.example/","annualRevenue":1250000.50,`+
		`"employees":120,"tags":["north","renewal","pilot"],"metadata":{"source":"crm","sync":{"id":"%d","at":"2026-01-31T12:00:00Z"}},`+
		`"customFields":{"tier":["Gold"],"region":["EMEA"],"notes":["%s"]}}`, n, n, strings.Repeat("x", 250))
}

// BenchmarkPrepare measures what is done in the caller's goroutine: reading and checking a body. The ledger has stopped,
// so that is all that is done.
func BenchmarkPrepare(b *testing.B) {
	d := openDesk(b)
	d.stop()
	ctx := b.Context()
	for name, w := range map[string]ledger.Write{
		"patch of 5 members": write(ledger.Patch, carillon.KindAccount, "acc_1", fmt.Sprintf(patchOfFive, 1)),
		"put of 1 KB":        write(ledger.Put, carillon.KindAccount, "acc_1", kilobyte(1)),
	} {
		b.Run(name, func(b *testing.B) {
			e := ledger.Entry{Org: "org_1", Actor: agent, Origin: "api", Writes: []ledger.Write{w}}
			b.SetBytes(int64(len(w.Data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Apply(ctx, e); carillon.ErrorCode(err) != carillon.CodeUnavailable {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkApply measures durable writes of 1 KB records on SQLite.
func BenchmarkApply(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("%d writers", writers), func(b *testing.B) {
			d := openDesk(b)
			var n atomic.Int64
			b.ReportAllocs()
			b.SetParallelism((writers + 1) / 2)
			if writers == 1 {
				for b.Loop() {
					i := n.Add(1)
					d.do(write(ledger.Put, carillon.KindAccount, fmt.Sprint("acc_", i%500), kilobyte(i)))
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					d.do(write(ledger.Put, carillon.KindAccount, fmt.Sprint("acc_", i%500), kilobyte(i)))
				}
			})
		})
	}
}
