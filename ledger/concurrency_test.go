package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"carillon"
	"carillon/ledger"
	"carillon/store"
)

// counted is a store that counts transactions and may refuse one that stores a poisonous record.
type counted struct {
	store.Store
	updates atomic.Int64
	poison  string // a record's id
}

var errPoison = errors.New("this record cannot be stored")

func (s *counted) Update(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	s.updates.Add(1)
	return s.Store.Update(ctx, func(ctx context.Context, tx store.Tx) error {
		return fn(ctx, &countedTx{Tx: tx, store: s})
	})
}

type countedTx struct {
	store.Tx
	store *counted
}

// Referrers breaks down over the poisonous record, as a mistake of ours would.
func (t *countedTx) Referrers(ctx context.Context, org string, kind carillon.Kind, id string, limit int) ([]store.Referrer, error) {
	if id == t.store.poison {
		panic("no way to delete this")
	}
	return t.Tx.Referrers(ctx, org, kind, id, limit)
}

func (t *countedTx) PutRecords(ctx context.Context, records []store.RecordWrite) error {
	for _, r := range records {
		if r.ID == t.store.poison {
			return errPoison
		}
	}
	return t.Tx.PutRecords(ctx, records)
}

func TestManyWritersShareTransactionsAndEachGetsItsOwnAnswer(t *testing.T) {
	s := &counted{Store: openStore(t)}
	d := openDeskOn(t, s, ledger.Limits{})
	const writers, rounds, accounts = 32, 40, 8
	for i := range accounts {
		d.account(fmt.Sprint("acc_", i))
	}
	before := s.updates.Load()
	outcomes := make([][]ledger.Outcome, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				account := fmt.Sprint("acc_", (w+i)%accounts)
				if i%10 == 9 { // this one must fail, and nothing but it
					_, err := d.Apply(context.Background(), ledger.Entry{Org: d.org, Writes: []ledger.Write{
						write(ledger.Patch, carillon.KindAccount, account, `{"name":"never"}`),
						write(ledger.Patch, carillon.KindAccount, "acc_none", `{"name":"never"}`),
					}})
					if !carillon.IsNotFound(err) {
						t.Errorf("writer %d, round %d: %v", w, i, err)
					}
					continue
				}
				name := fmt.Sprintf("writer %d round %d", w, i)
				r, err := d.Apply(context.Background(), ledger.Entry{Org: d.org, Origin: "api", Writes: []ledger.Write{
					write(ledger.Patch, carillon.KindAccount, account, `{"name":"`+name+`"}`),
				}})
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				if o := r.Outcomes[0]; o.Record.ID != account || member(t, o.Record.Data, "name") != `"`+name+`"` {
					t.Errorf("%s got the answer of another: %s", name, o.Record.Data)
				}
				outcomes[w] = append(outcomes[w], r.Outcomes[0])
			}
		})
	}
	wg.Wait()
	updates := s.updates.Load() - before
	if updates >= writers*rounds {
		t.Errorf("%d entries took %d transactions: nothing was shared", writers*rounds, updates)
	}
	changes := d.since(0)
	bySeq := map[int64]*carillon.Change{}
	versions := map[string]int64{}
	data := map[string]string{}
	for i, c := range changes {
		if c.Seq != int64(i)+1 {
			t.Fatalf("seq %d follows %d", c.Seq, i)
		}
		if c.Version != versions[c.ID]+1 || string(c.Before) != data[c.ID] {
			t.Fatalf("change %d of %s has version %d after %d, before %s after %s", c.Seq, c.ID, c.Version, versions[c.ID], c.Before, data[c.ID])
		}
		versions[c.ID], data[c.ID] = c.Version, string(c.After)
		bySeq[c.Seq] = c
	}
	if want := accounts + writers*rounds*9/10; len(changes) != want {
		t.Errorf("the log has %d changes, want %d", len(changes), want)
	}
	for w, list := range outcomes {
		last := int64(0)
		for _, o := range list {
			c := bySeq[o.Seq]
			if o.Seq <= last || c == nil || string(c.After) != string(o.Record.Data) || c.Version != o.Record.Version {
				t.Fatalf("writer %d was told seq %d and %s; the log has %+v", w, o.Seq, o.Record.Data, c)
			}
			last = o.Seq
		}
	}
}

func TestAnEntryThatCannotBeStoredTakesNobodyWithIt(t *testing.T) {
	s := &counted{Store: openStore(t), poison: "acc_5"}
	d := openDeskOn(t, s, ledger.Limits{})
	var entries []ledger.Entry
	for i := range 10 {
		entries = append(entries, ledger.Entry{Org: d.org, Origin: "api", Writes: []ledger.Write{
			write(ledger.Create, carillon.KindAccount, fmt.Sprint("acc_", i), `{"name":"a"}`),
		}})
	}
	for i, r := range d.ApplyAll(t.Context(), entries) {
		if i == 5 {
			if !errors.Is(r.Err, errPoison) || carillon.ErrorCode(r.Err) != carillon.CodeInternal {
				t.Errorf("entry 5: %v", r.Err)
			}
		} else if r.Err != nil {
			t.Errorf("entry %d: %v", i, r.Err)
		}
	}
	if changes := d.since(0); len(changes) != 9 || changes[8].Seq != 9 || changes[8].ID != "acc_9" {
		t.Errorf("the log has %d changes", len(changes))
	}
}

func TestAMistakeOfOursFailsOneEntry(t *testing.T) {
	s := &counted{Store: openStore(t)}
	d := openDeskOn(t, s, ledger.Limits{})
	d.account("acc_1")
	d.account("acc_2")
	s.poison = "acc_1"
	entry := func(writes ...ledger.Write) ledger.Entry {
		return ledger.Entry{Org: d.org, Origin: "api", Writes: writes}
	}
	replies := d.ApplyAll(t.Context(), []ledger.Entry{
		entry(write(ledger.Patch, carillon.KindAccount, "acc_2", `{"size":"1"}`)),
		entry(write(ledger.Patch, carillon.KindAccount, "acc_2", `{"size":"2"}`), write(ledger.Delete, carillon.KindAccount, "acc_1", ``)),
		entry(write(ledger.Patch, carillon.KindAccount, "acc_2", `{"domain":"x"}`)),
	})
	if replies[0].Err != nil || carillon.ErrorCode(replies[1].Err) != carillon.CodeInternal || replies[2].Err != nil {
		t.Errorf("replies are %v", replies)
	}
	d.expect(2, "updated account acc_2 +size", "updated account acc_2 +domain")
	if got := member(t, d.record(ref(carillon.KindAccount, "acc_2")).Data, "size"); got != `"1"` {
		t.Errorf("size is %s", got)
	}
}

func TestAStoreOutOfReachIsUnavailable(t *testing.T) {
	d := openDesk(t)
	d.account("acc_1")
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	var entries []ledger.Entry
	for range 3 {
		entries = append(entries, ledger.Entry{Org: d.org, Writes: []ledger.Write{write(ledger.Create, carillon.KindAccount, "", `{"name":"a"}`)}})
	}
	for _, r := range d.ApplyAll(t.Context(), entries) {
		if carillon.ErrorCode(r.Err) != carillon.CodeUnavailable {
			t.Errorf("got %v", r.Err)
		}
	}
	if _, err := d.DefineField(t.Context(), &carillon.CustomField{Org: d.org, Kind: carillon.KindAccount, UID: "f", Label: "F", Type: carillon.CustomText}); carillon.ErrorCode(err) != carillon.CodeUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestALargeBatchIsWrittenInParts(t *testing.T) {
	s := &counted{Store: openStore(t)}
	d := openDeskOn(t, s, ledger.Limits{Group: 100})
	var entries []ledger.Entry
	for i := range 1000 {
		entries = append(entries, ledger.Entry{Org: d.org, Origin: "import", Writes: []ledger.Write{
			write(ledger.Put, carillon.KindAccount, fmt.Sprint("acc_", i%500), fmt.Sprintf(`{"name":"%d"}`, i)),
		}})
	}
	replies := d.ApplyAll(t.Context(), entries)
	for i, r := range replies {
		if r.Err != nil || r.Result.Outcomes[0].Seq != int64(i)+1 || r.Result.Outcomes[0].Created != (i < 500) {
			t.Fatalf("entry %d: %+v, %v", i, r.Result, r.Err)
		}
	}
	if n := s.updates.Load(); n != 10 {
		t.Errorf("1000 writes took %d transactions, want 10", n)
	}
}
