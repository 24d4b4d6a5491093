package filter_test

import (
	"fmt"

	"carillon"
	"carillon/filter"
)

func Example() {
	atRisk, err := filter.Compile(`payload.account.health == "At Risk" and payload.previousAccount.health != "At Risk"`)
	if err != nil {
		fmt.Println(err)
		return
	}
	subject := filter.NewSubject(&carillon.Change{
		Ref:    carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"},
		Op:     carillon.OpUpdated,
		Before: []byte(`{"id":"acc_1","health":"Healthy"}`),
		After:  []byte(`{"id":"acc_1","health":"At Risk"}`),
	})
	fmt.Println(atRisk.MatchSubject(subject, "evt_1", "account-health:changed"))
	// Output: true <nil>
}

func ExampleCompile_error() {
	_, err := filter.Compile(`payload.account.helth == "At Risk"`)
	fmt.Println(err)
	// Output: the request is not valid: /filter: line 1, column 17: unknown field helth
}
