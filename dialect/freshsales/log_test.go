package freshsales_test

import (
	"fmt"
	"testing"

	"carillon"
	"carillon/dialect"
	"carillon/ledger"
)

// What is told of others must be what they were when the change was made, from a real log, however late it is told.
func TestAssociationsAreAsOfTheChange(t *testing.T) {
	h := openHouse(t)
	put := func(actor string, op ledger.Op, kind carillon.Kind, id, data string) int64 {
		t.Helper()
		return h.put(actor, op, carillon.Ref{Kind: kind, ID: id}, data)
	}
	put("", ledger.Put, carillon.KindUser, "usr_a", `{"name":"Ann","email":"ann@example.com"}`)                                             // number 1
	put("", ledger.Put, carillon.KindUser, "usr_b", `{"name":"Ben","email":"ben@example.com"}`)                                             // number 2
	put("usr_a", ledger.Put, carillon.KindAccount, "acc_1", `{"name":"Guild"}`)                                                             // number 3
	put("usr_a", ledger.Put, carillon.KindContact, "con_1", `{"firstName":"C","lastName":"D","email":"c@example.com","accountId":"acc_1"}`) // number 4
	created := put("usr_a", ledger.Put, carillon.KindDeal, "deal_1", `{"name":"Bells","accountId":"acc_1","contactIds":["con_1"],"ownerId":"usr_b","stage":"New"}`)
	first := put("usr_b", ledger.Patch, carillon.KindDeal, "deal_1", `{"stage":"Won"}`)
	second := put("usr_a", ledger.Patch, carillon.KindDeal, "deal_1", `{"ownerId":"usr_a"}`)
	// What comes later must not be told.
	put("", ledger.Patch, carillon.KindUser, "usr_a", `{"name":"Anne"}`)
	put("", ledger.Patch, carillon.KindAccount, "acc_1", `{"name":"The Guild"}`)
	put("", ledger.Delete, carillon.KindUser, "usr_b", ``)

	for _, c := range []struct {
		seq  int64
		want map[string]string
	}{
		{created, map[string]string{
			"actor.name": `"Ann"`, "actor.id": `1`, "deal.owner_id.value": `2`, "deal.creator_id.value": `1`, "deal.updater_id.value": `null`, "deal.id": `5`,
			"associations.owner.name": `"Ben"`, "associations.sales_account.name": `"Guild"`, "deal.sales_account_id.value": `3`, "deal.contact_ids": `[4]`,
			"associations.updater": `null`, "changes": `null`,
		}},
		{first, map[string]string{
			"actor.name": `"Ben"`, "deal.creator_id.value": `1`, "deal.updater_id.value": `2`, "associations.creator.name": `"Ann"`, "associations.updater.name": `"Ben"`,
			"changes.model_changes.updater_id":    `[null,2]`,
			"changes.model_changes.deal_stage_id": fmt.Sprintf(`[%d,%d]`, dialect.StableNumber("deal_stage", "New"), dialect.StableNumber("deal_stage", "Won")),
		}},
		{second, map[string]string{
			"actor.name": `"Ann"`, "associations.creator.name": `"Ann"`, "associations.owner.name": `"Ann"`,
			"changes.model_changes.updater_id": `[2,1]`, "changes.model_changes.owner_id": `[2,1]`,
		}},
	} {
		checkMembers(t, decode(t, h.tell(c.seq, ``))["data"], c.want)
	}
}
