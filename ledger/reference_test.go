package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"carillon"
	"carillon/ledger"
)

func TestReferencesMustLeadSomewhere(t *testing.T) {
	cases := []struct {
		kind       carillon.Kind
		body, want string
	}{
		{carillon.KindContact, `{"firstName":"A","lastName":"B","email":"","accountId":"acc_9"}`, `/accountId: account acc_9 does not exist`},
		{carillon.KindContact, `{"firstName":"A","lastName":"B","email":"","accountId":"acc_foreign"}`, `/accountId: account acc_foreign does not exist`},
		{
			carillon.KindDeal, `{"name":"a","accountId":"acc_9","contactIds":["con_a","con_8","con_9"]}`,
			"/accountId: account acc_9 does not exist\n/contactIds/1: contact con_8 does not exist\n/contactIds/2: contact con_9 does not exist",
		},
		{carillon.KindAccount, `{"name":"a","parentAccountId":"acc_9"}`, `/parentAccountId: account acc_9 does not exist`},
		{carillon.KindAccount, `{"id":"acc_3","name":"a","parentAccountId":"acc_3"}`, `/parentAccountId: an account cannot be its own parent`},
		{
			carillon.KindRelationship, `{"parentAccountId":"acc_1","childAccountId":"acc_1","relationshipType":"PARENT"}`,
			`/childAccountId: must be another account than parentAccountId`,
		},
		{carillon.KindDeal, `{"name":"a","contactIds":["con_a"],"ownerId":"usr_nobody"}`, ``},
		{carillon.KindContact, `{"firstName":"A","lastName":"B","email":"","accountId":""}`, ``},
	}
	d := openDesk(t)
	d.org = "org_2"
	d.account("acc_foreign")
	d.org = "org_1"
	d.account("acc_1")
	d.do(write(ledger.Create, carillon.KindContact, "con_a", `{"firstName":"A","lastName":"B","email":"","accountId":"acc_1"}`))
	for _, tc := range cases {
		t.Run(tc.body, func(t *testing.T) {
			d := *d
			d.TB = t
			w := write(ledger.Create, tc.kind, "", tc.body)
			if tc.want == "" {
				d.do(w)
				return
			}
			if got := faults(d.refused(carillon.CodeInvalid, w)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestAccountsCannotStandAboveThemselves(t *testing.T) {
	d := openDeskOn(t, openStore(t), ledger.Limits{Ancestors: 5})
	for i := range 7 {
		d.account(fmt.Sprint("acc_", i))
	}
	below := func(child, parent int) ledger.Write {
		return write(ledger.Patch, carillon.KindAccount, fmt.Sprint("acc_", child), fmt.Sprintf(`{"parentAccountId":"acc_%d"}`, parent))
	}
	for i := 1; i < 6; i++ {
		d.do(below(i, i-1))
	}
	for top := range 4 {
		e := d.refused(carillon.CodeInvalid, below(0, top+1))
		want := fmt.Sprintf("/parentAccountId: account acc_%d stands below account acc_0 already", top+1)
		if got := faults(e); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got, want := faults(d.refused(carillon.CodeInvalid, below(6, 5))), "/parentAccountId: stands below more than 5 others"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// Inside one entry the hierarchy counts as the writes before have made it.
	_, err := d.Apply(t.Context(), ledger.Entry{Org: d.org, Origin: "api", Writes: []ledger.Write{
		write(ledger.Patch, carillon.KindAccount, "acc_1", `{"parentAccountId":null}`), below(0, 2),
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestADeletionAsksWhoDepends(t *testing.T) {
	contact := func(id string) ledger.Write {
		return write(ledger.Create, carillon.KindContact, id, `{"firstName":"A","lastName":"B","email":"","accountId":"acc_1"}`)
	}
	// build makes acc_1 with all that can hang on an account.
	build := func(d *desk) int64 {
		d.account("acc_1")
		d.account("acc_2")
		d.do(write(ledger.Create, carillon.KindAccount, "acc_3", `{"name":"c","parentAccountId":"acc_1"}`))
		d.do(contact("con_1"))
		d.do(contact("con_2"))
		d.do(write(ledger.Create, carillon.KindRelationship, "rel_1", `{"parentAccountId":"acc_2","childAccountId":"acc_1","relationshipType":"PARENT"}`))
		d.do(write(ledger.Create, carillon.KindTask, "task_1", `{"title":"a","accountId":"acc_1"}`))
		for _, c := range []string{`com_1","content":"a"`, `com_2","content":"b","parentCommentId":"com_1"`} {
			d.do(ledger.Write{Op: ledger.Create, Ref: ref(carillon.KindComment, ""), On: ref(carillon.KindTask, "task_1"), Data: []byte(`{"id":"` + c + `}`)})
		}
		d.do(write(ledger.Create, carillon.KindDeal, "deal_1", `{"name":"in","accountId":"acc_1","contactIds":["con_1"]}`))
		d.do(write(ledger.Create, carillon.KindDeal, "deal_2", `{"name":"out","accountId":"acc_2","contactIds":["con_1","con_2"]}`))
		d.do(write(ledger.Create, carillon.KindDeal, "deal_3", `{"name":"out","accountId":"acc_2","contactIds":["con_2"]}`))
		return d.head()
	}
	t.Run("without cascade it is refused and says who is in the way", func(t *testing.T) {
		d := openDesk(t)
		build(d)
		e := d.refused(carillon.CodeConflict, write(ledger.Delete, carillon.KindAccount, "acc_1", ``))
		want := "account acc_1 cannot be deleted: 5 records depend on it: contact con_1, contact con_2, deal deal_1, relationship rel_1, task task_1"
		if e.Message != want || !strings.Contains(e.Hint, "cascade") {
			t.Errorf("got %s (%s), want %s", e.Message, e.Hint, want)
		}
		d.do(contact("con_3"))
		e = d.refused(carillon.CodeConflict, write(ledger.Delete, carillon.KindAccount, "acc_1", ``))
		want = "account acc_1 cannot be deleted: 6 records depend on it: contact con_1, contact con_2, contact con_3, deal deal_1, relationship rel_1, …"
		if e.Message != want {
			t.Errorf("got %s, want %s", e.Message, want)
		}
	})
	t.Run("with cascade those who stay let go first, then children go before parents", func(t *testing.T) {
		d := openDesk(t)
		head := build(d)
		o := d.do(ledger.Write{Op: ledger.Delete, Ref: ref(carillon.KindAccount, "acc_1"), Cascade: true})
		changes := d.expect(
			head,
			"updated account acc_3 -parentAccountId (cascade)",
			"updated deal deal_2 -contactIds (cascade)",
			"updated deal deal_3 -contactIds (cascade)",
			"deleted deal deal_1 (cascade)",
			"deleted contact con_1 (cascade)",
			"deleted contact con_2 (cascade)",
			"deleted relationship rel_1 (cascade)",
			"deleted comment com_2 (cascade)",
			"deleted comment com_1 (cascade)",
			"deleted task task_1 (cascade)",
			"deleted account acc_1",
		)
		if o.Seq != changes[len(changes)-1].Seq {
			t.Errorf("the outcome has seq %d", o.Seq)
		}
		for _, c := range changes {
			if c.Actor != agent {
				t.Errorf("%s by %+v", told(c), c.Actor)
			}
		}
		d.gone(ref(carillon.KindComment, "com_1"))
		d.account("acc_1")
		if o := d.do(ledger.Write{Op: ledger.Delete, Ref: ref(carillon.KindAccount, "acc_1")}); !o.Deleted {
			t.Error("nobody depends on acc_1 any more")
		}
	})
	t.Run("a list loses one id and keeps the others", func(t *testing.T) {
		d := openDesk(t)
		head := build(d)
		d.do(write(ledger.Delete, carillon.KindContact, "con_1", ``))
		d.expect(head, "updated deal deal_1 -contactIds (cascade)", "updated deal deal_2 ~contactIds (cascade)", "deleted contact con_1")
		if got := member(t, d.record(ref(carillon.KindDeal, "deal_2")).Data, "contactIds"); got != `["con_2"]` {
			t.Errorf("contactIds is %s", got)
		}
	})
	t.Run("comments go with their record though nobody asked to cascade", func(t *testing.T) {
		d := openDesk(t)
		head := build(d)
		d.do(write(ledger.Delete, carillon.KindTask, "task_1", ``))
		d.expect(head, "deleted comment com_2 (cascade)", "deleted comment com_1 (cascade)", "deleted task task_1")
	})
	t.Run("a reply stays when what it answers goes", func(t *testing.T) {
		d := openDesk(t)
		head := build(d)
		d.do(write(ledger.Delete, carillon.KindComment, "com_1", ``))
		d.expect(head, "updated comment com_2 -parentCommentId (cascade)", "deleted comment com_1")
	})
	t.Run("what the same entry wrote and deleted counts", func(t *testing.T) {
		d := openDesk(t)
		d.account("acc_1")
		entry := func(writes ...ledger.Write) error {
			_, err := d.Apply(t.Context(), ledger.Entry{Org: d.org, Origin: "api", Writes: writes})
			return err
		}
		remove := write(ledger.Delete, carillon.KindAccount, "acc_1", ``)
		if err := entry(contact("con_1"), remove); carillon.ErrorCode(err) != carillon.CodeConflict {
			t.Errorf("a contact of the same entry was overlooked: %v", err)
		}
		d.do(contact("con_1"))
		move := write(ledger.Patch, carillon.KindContact, "con_1", `{"accountId":""}`)
		if err := entry(move, remove, write(ledger.Patch, carillon.KindContact, "con_1", `{"accountId":"acc_1"}`)); carillon.ErrorCode(err) != carillon.CodeInvalid {
			t.Errorf("a contact went back to a deleted account: %v", err)
		}
		if err := entry(move, remove); err != nil {
			t.Errorf("a contact that had moved away stood in the way: %v", err)
		}
		d.expect(2, "updated contact con_1 ~accountId acc_1→contact/con_1", "deleted account acc_1")
	})
	t.Run("what an entry undid counts again", func(t *testing.T) {
		d := openDesk(t)
		d.account("acc_1")
		entry := func(writes ...ledger.Write) ledger.Entry {
			return ledger.Entry{Org: d.org, Origin: "api", Writes: writes}
		}
		remove := write(ledger.Delete, carillon.KindAccount, "acc_1", ``)
		replies := d.ApplyAll(t.Context(), []ledger.Entry{
			entry(contact("con_1")),
			entry(write(ledger.Patch, carillon.KindContact, "con_1", `{"accountId":""}`), remove, remove),
			entry(remove),
		})
		if replies[0].Err != nil || !carillon.IsNotFound(replies[1].Err) || carillon.ErrorCode(replies[2].Err) != carillon.CodeConflict {
			t.Errorf("replies are %v", replies)
		}
		d.expect(1, "created contact con_1")
	})
	t.Run("what was deleted and made anew in one entry is a new record", func(t *testing.T) {
		d := openDesk(t)
		d.account("acc_1")
		d.account("acc_2")
		d.do(contact("con_1"))
		_, err := d.Apply(t.Context(), ledger.Entry{Org: d.org, Origin: "api", Writes: []ledger.Write{
			write(ledger.Delete, carillon.KindContact, "con_1", ``),
			write(ledger.Create, carillon.KindContact, "con_1", `{"firstName":"A","lastName":"B","email":"","accountId":"acc_2"}`),
		}})
		if err != nil {
			t.Fatal(err)
		}
		if r := d.record(ref(carillon.KindContact, "con_1")); r.Version != 1 || r.Number != 4 || r.Lane != "acc_2" {
			t.Errorf("the record is %+v", r)
		}
		d.do(write(ledger.Delete, carillon.KindAccount, "acc_1", ``))
		d.refused(carillon.CodeConflict, write(ledger.Delete, carillon.KindAccount, "acc_2", ``))
	})
	t.Run("a cascade is bounded", func(t *testing.T) {
		d := openDeskOn(t, openStore(t), ledger.Limits{Cascade: 10})
		build(d)
		d.do(contact("con_3"))
		e := d.refused(carillon.CodeTooLarge, ledger.Write{Op: ledger.Delete, Ref: ref(carillon.KindAccount, "acc_1"), Cascade: true})
		if want := "more than 10 records depend on account acc_1: too many for one transaction"; e.Message != want {
			t.Errorf("got %s, want %s", e.Message, want)
		}
	})
}

func TestCommentsBelongToTheirRecord(t *testing.T) {
	task := ref(carillon.KindTask, "task_1")
	comment := func(op ledger.Op, id string, on carillon.Ref, body string) ledger.Write {
		return ledger.Write{Op: op, Ref: ref(carillon.KindComment, id), On: on, Data: []byte(body)}
	}
	build := func(t *testing.T) *desk {
		t.Helper()
		d := openDesk(t)
		d.account("acc_1")
		d.account("acc_2")
		d.do(write(ledger.Create, carillon.KindTask, "task_1", `{"title":"a","accountId":"acc_1"}`))
		d.do(write(ledger.Create, carillon.KindTask, "task_2", `{"title":"b","accountId":""}`))
		d.do(write(ledger.Create, carillon.KindNote, "task_1", `{"title":"c","content":"","accountId":"acc_2"}`))
		d.do(comment(ledger.Create, "com_1", task, `{"content":"a","entityType":"note","entityId":"x","accountId":"acc_2"}`))
		return d
	}
	t.Run("the house says what a comment is about", func(t *testing.T) {
		d := build(t)
		r := d.record(ref(carillon.KindComment, "com_1"))
		want := `{"id":"com_1","content":"a","commentType":"comment","commentVisibility":"public","authorId":"usr_7",` +
			`"entityType":"task","entityId":"task_1","accountId":"acc_1","createdAt":"2026-01-31T12:00:00.000Z","updatedAt":"2026-01-31T12:00:00.000Z"}`
		if string(r.Data) != want || r.Lane != "acc_1" {
			t.Errorf("lane %s, data\n\t%s\nwant\n\t%s", r.Lane, r.Data, want)
		}
		r = d.do(comment(ledger.Create, "com_2", ref(carillon.KindTask, "task_2"), `{"content":"a"}`)).Record
		if r.Lane != "task/task_2" || member(t, r.Data, "accountId") != `""` {
			t.Errorf("lane %s, %s", r.Lane, r.Data)
		}
	})
	t.Run("a body may say what it is about where no path does", func(t *testing.T) {
		d := build(t)
		r := d.do(comment(ledger.Put, "com_2", carillon.Ref{}, `{"content":"a","entityType":"note","entityId":"task_1"}`)).Record
		if r.Lane != "acc_2" || member(t, r.Data, "entityType") != `"note"` {
			t.Errorf("lane %s, %s", r.Lane, r.Data)
		}
		d.refused(carillon.CodeInvalid, comment(ledger.Put, "com_3", carillon.Ref{}, `{"content":"a"}`))
		d.refused(carillon.CodeInvalid, comment(ledger.Put, "com_3", carillon.Ref{}, `{"content":"a","entityType":"account","entityId":"acc_1"}`))
	})
	t.Run("it must exist and carry comments", func(t *testing.T) {
		d := build(t)
		d.refused(carillon.CodeNotFound, comment(ledger.Create, "com_2", ref(carillon.KindTask, "task_9"), `{"content":"a"}`))
		d.refused(carillon.CodeInvalid, comment(ledger.Create, "com_2", ref(carillon.KindAccount, "acc_1"), `{"content":"a"}`))
		for _, op := range []ledger.Op{ledger.Put, ledger.Patch, ledger.Delete} {
			e := d.refused(carillon.CodeNotFound, comment(op, "com_1", ref(carillon.KindNote, "task_1"), `{"content":"b"}`))
			if want := "comment com_1 does not exist on note task_1"; e.Message != want {
				t.Errorf("got %s, want %s", e.Message, want)
			}
		}
		d.do(comment(ledger.Patch, "com_1", carillon.Ref{}, `{"content":"b"}`))
		d.do(comment(ledger.Delete, "com_1", task, ``))
	})
	t.Run("a reply answers a comment on the same record", func(t *testing.T) {
		d := build(t)
		d.do(comment(ledger.Create, "com_2", task, `{"content":"b","parentCommentId":"com_1"}`))
		d.do(comment(ledger.Create, "com_3", ref(carillon.KindNote, "task_1"), `{"content":"b"}`))
		for body, want := range map[string]string{
			`{"parentCommentId":"com_3"}`: "/parentCommentId: comment com_3 is not about task task_1",
			`{"parentCommentId":"com_9"}`: "/parentCommentId: comment com_9 does not exist",
			`{"parentCommentId":"com_1"}`: "/parentCommentId: a comment cannot refer to itself",
			`{"parentCommentId":"com_2"}`: "/parentCommentId: comment com_2 stands below comment com_1 already",
		} {
			if got := faults(d.refused(carillon.CodeInvalid, comment(ledger.Patch, "com_1", task, body))); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
	t.Run("comments follow their record to another account", func(t *testing.T) {
		d := build(t)
		d.do(comment(ledger.Create, "com_2", task, `{"content":"b"}`))
		head := d.head()
		d.do(write(ledger.Patch, carillon.KindTask, "task_1", `{"accountId":"acc_2"}`))
		d.do(write(ledger.Patch, carillon.KindTask, "task_1", `{"accountId":""}`))
		d.expect(
			head,
			"updated task task_1 ~accountId acc_1→acc_2",
			"updated comment com_1 ~accountId acc_1→acc_2 (cascade)",
			"updated comment com_2 ~accountId acc_1→acc_2 (cascade)",
			"updated task task_1 ~accountId acc_2→task/task_1",
			"updated comment com_1 ~accountId acc_2→task/task_1 (cascade)",
			"updated comment com_2 ~accountId acc_2→task/task_1 (cascade)",
		)
	})
}
