package filter_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"carillon"
	"carillon/filter"
)

// atRisk is an account that turned "At Risk".
func atRisk() *carillon.Change {
	return &carillon.Change{
		Org: "dev", Seq: 9007199254740993, Lane: "acc_1", Op: carillon.OpUpdated, Origin: "api",
		Ref:   carillon.Ref{Kind: carillon.KindAccount, ID: "acc_1"},
		Time:  time.Date(2025, 3, 4, 5, 6, 7, 8e6, time.UTC),
		Actor: carillon.Actor{ID: "usr_1", Type: "AGENT", Email: "agent@example.com"},
		Changed: []carillon.MemberChange{
			{Name: "health", How: carillon.Updated}, {Name: "customFields.tier", How: carillon.Added},
		},
		Before: []byte(`{"id":"acc_1","name":"Sample","status":"ACTIVE","health":"Healthy","employees":9007199254740993,"tags":["vip","eu"]}`),
		After: []byte(`{"id":"acc_1","name":"Sample","status":"ACTIVE","health":"At Risk","annualRevenue":1250000.50,` +
			`"employees":9007199254740993,"tags":["vip","eu"],"metadata":{"nested":{"flag":true,"list":[1,2.5,null]}},` +
			`"customFields":{"tier":["gold","silver"]}}`),
	}
}

func match(t *testing.T, expression string, c *carillon.Change) bool {
	t.Helper()
	f, err := filter.Compile(expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	got, err := f.Match(c, "evt_1", "account-health:changed")
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return got
}

func TestExpressionsHold(t *testing.T) {
	for _, expression := range []string{
		`true`,
		`event.type == "account-health:changed"`,
		`event.id == "evt_1"`,
		`event["op"] == "updated"`,
		`event.kind == "account" && event.orgId == "dev" && event.lane == "acc_1" && event.origin == "api"`,
		`event.seq == 9007199254740993 and event.seq != 9007199254740992`,
		`event.timestamp >= "2025-03-04" and event.timestamp < "2025-03-05"`,
		`event.actor.email endsWith "@example.com"`,
		`"health" in event.changed and "customFields.tier" in event.changed and "name" not in event.changed`,
		`any(event.changed, # startsWith "customFields.")`,
		`payload.account.health == "At Risk" and payload.previousAccount.health != "At Risk"`,
		`payload.account.annualRevenue > 1e6`,
		`payload.account.annualRevenue / 2 + 1 == 625001.25`,
		`payload.account.employees == payload.previousAccount.employees`,
		`payload.account.employees != 9007199254740992`,
		`payload.account.tags == payload.previousAccount.tags`,
		`payload.account.tags[0] == "vip" and payload.account.tags[-1] == "eu"`,
		`payload.account.metadata.nested.flag`,
		`payload.account.customFields.tier[1] in ["gold", "silver"]`,
		`"silver" in payload.account.customFields.tier`,
		`count(payload.account.tags, # != "") == 2 and one(payload.account.tags, # == "eu")`,
		`all(payload.account.tags, len(#) < 4) and none(payload.account.tags, # == "us")`,
		`any(payload.account.tags, any(payload.previousAccount.tags, # == "eu") and # == "vip")`,
		`payload.account.name matches "^S.m+ple$"`,
		`lower(payload.account.name) + upper("x") + trim(" y ") == "sampleXy"`,
		`(event.op == "deleted" ? "a" : "b") == "b"`,
		`if event.op == "updated" { true } else { false }`,
		`abs(-3) == 3 and abs(2.5) == 2.5 and 2 ** 3 == 8 and 7 % 4 == 3`,
		`payload.account?.health == "At Risk"`,
		`payload.account.health | lower() == "at risk"`,
		`"nested" in payload.account.metadata`,
		`payload["account"]["health"] == "At Risk" and payload.account.name == payload["acc" + "ount"].name`,
		`payload.account.name == "Sample" and payload.account.annualRevenue == payload.account?.annualRevenue`,
		`payload.account.metadata["nested"].list[1] == 2.5`,
	} {
		t.Run(expression, func(t *testing.T) {
			if !match(t, expression, atRisk()) {
				t.Error("does not match")
			}
			if match(t, "not ("+expression+")", atRisk()) {
				t.Error("its contrary matches as well")
			}
		})
	}
}

func TestWhatIsMissingIsNil(t *testing.T) {
	created := atRisk()
	created.Op, created.Before, created.Changed = carillon.OpCreated, nil, nil
	created.After = []byte(`{"id":"acc_1","name":"Sample"}`)
	for expression, want := range map[string]bool{
		`payload.previousAccount == nil`:                     true,
		`payload.previousAccount.health == nil`:              true,
		`payload.previousAccount.billingAddress.city == nil`: true,
		`payload.deal.amount == nil`:                         true,
		`payload.account.industry == nil`:                    true,
		`payload.account.industry != "Tech"`:                 true,
		`payload.account.industry == "Tech"`:                 false,
		`payload.account.annualRevenue > 0`:                  false,
		`payload.account.annualRevenue <= 0`:                 false,
		`payload.account.annualRevenue + 1 > 0`:              false,
		`-payload.account.annualRevenue < 1`:                 false,
		`+payload.account.annualRevenue < 1`:                 false,
		`abs(payload.account.annualRevenue) >= 0`:            false,
		`1 / 0 > 0`:                                                     false,
		`len(payload.account.tags) >= 0`:                                false,
		`payload.account.tags[0] == nil`:                                true,
		`payload.account.tags[0] startsWith "v"`:                        false,
		`payload.account.phone contains "+"`:                            false,
		`payload.account.phone matches ".*"`:                            false,
		`lower(payload.account.phone) == nil`:                           true,
		`payload.account.phone + "x" == nil`:                            true,
		`"x" in payload.account.tags`:                                   false,
		`"x" not in payload.account.tags`:                               true,
		`payload.account.phone in [nil, "x"]`:                           false,
		`"x" in payload.account.metadata`:                               false,
		`any(payload.account.tags, true)`:                               false,
		`all(payload.account.tags, false)`:                              true,
		`count(payload.account.tags, true) == 0`:                        true,
		`payload.appointment.allDay`:                                    false,
		`not payload.appointment.allDay`:                                true,
		`payload.appointment.allDay or event.op == "created"`:           true,
		`payload.account.metadata.a.b.c == nil`:                         true,
		`(payload.account.industry ?? "none") == "none"`:                true,
		`payload.account.metadata.flag ? false : true`:                  true,
		`payload.account.annualRevenue > 0 or event.op == "created"`:    true,
		`payload.account.customFields.tier == nil and len([1, 2]) == 2`: true,
	} {
		t.Run(expression, func(t *testing.T) {
			if got := match(t, expression, created); got != want {
				t.Errorf("got %t, want %t", got, want)
			}
		})
	}
}

func TestADeletedCommentIsComment(t *testing.T) {
	c := &carillon.Change{
		Org: "dev", Seq: 1, Op: carillon.OpDeleted, Ref: carillon.Ref{Kind: carillon.KindComment, ID: "com_1"},
		Before: []byte(`{"id":"com_1","accountId":"acc_1"}`),
	}
	if !match(t, `payload.comment.accountId == "acc_1" and payload.previousComment.accountId == "acc_1"`, c) {
		t.Error("payload lacks the deleted comment")
	}
}

func TestWrongExpressionsAreRefusedWhereTheyAreWrong(t *testing.T) {
	for expression, want := range map[string]string{
		``:                                     "unexpected token EOF",
		`event.`:                               "line 1, column 6",
		`event.type = "x"`:                     "line 1, column",
		"event.type ==\n  payload.acount.name": "line 2, column 11: unknown field acount",
		`payload.account.helth == "x"`:         "line 1, column 17: unknown field helth",
		`event.kin == "x"`:                     "event has no member kin",
		`event == nil`:                         "line 1, column 1: name a member of event",
		`event[event.kind] == "x"`:             "name a member of event",
		`account.health == "x"`:                "line 1, column 1: unknown name account",
		`payload.account.name > 3`:             "mismatched types string and int",
		`payload.account.annualRevenue == "high"`:                     "mismatched types float64 and string",
		`payload.account.name`:                                        "expected bool, but got string",
		`1 + 1`:                                                       "expected bool",
		`payload.account.tags[0:1] == nil`:                            "there are no slices",
		`1..1e9 == nil`:                                               "there are no ranges",
		`5 in 1..1000000000`:                                          "there are no ranges",
		`let x = 1; x == 1`:                                           "there are no variables",
		`true; false`:                                                 "without ;",
		`{"a": 1} == nil`:                                             "there are no object literals",
		`now() == nil`:                                                "there is no function now",
		`repeat("x", 1000000000) == ""`:                               "there is no function repeat",
		`toJSON(payload) == ""`:                                       "there is no function toJSON",
		`map(payload.account.tags, #) == nil`:                         "there is no function map",
		`reduce(payload.account.tags, #acc + #) == nil`:               "there is no function reduce",
		`filter(payload.account.tags, true) == nil`:                   "there is no function filter",
		`payload.account.name.size() == 1`:                            "",
		`any(payload.account.tags, #index == 1)`:                      "#index",
		`any(payload.account.tags, # > 1)`:                            "mismatched types",
		`payload.account.name matches "("`:                            "missing closing",
		`payload.account.name matches payload.account.id`:             "matches needs a literal pattern",
		`payload.account.name matches "(a{500}){500}"`:                "invalid repeat count",
		`1 < 2 < 3`:                                                   "comparisons cannot be chained",
		`$env == nil`:                                                 "unknown name $env",
		`len() == 1`:                                                  "len",
		`len("a", "b") == 1`:                                          "len",
		`b"bytes" == nil`:                                             "not a part of the filter language",
		`"` + strings.Repeat("x", filter.MaxLength) + `" == ""`:       "longer than 4096 bytes",
		strings.Repeat("1 + ", filter.MaxNodes) + "1 == 2":            "exceeds maximum allowed nodes",
		strings.Repeat("0<(", 600) + "0" + strings.Repeat(")<0", 600): "",
		strings.Repeat("(", 2000) + "true" + strings.Repeat(")", 2000) + " + 1": "",
	} {
		t.Run(fmt.Sprintf("%.40s", expression), func(t *testing.T) {
			f, err := filter.Compile(expression)
			if err == nil {
				t.Fatalf("compiles: %v", f)
			}
			var e *carillon.Error
			if !errors.As(err, &e) || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Member != "/filter" {
				t.Fatalf("not an invalid /filter: %#v", err)
			}
			if !strings.Contains(e.Faults[0].Reason, want) {
				t.Errorf("%q does not say %q", e.Faults[0].Reason, want)
			}
		})
	}
}

func TestACostlyRunIsStopped(t *testing.T) {
	c := atRisk()
	c.After = []byte(`{"id":"acc_1","tags":["` + strings.Repeat(`a","`, 20000) + `"],"name":"` + strings.Repeat("a", 60000) + `"}`)
	for name, expression := range map[string]string{
		"nested quantifiers": `any(payload.account.tags, any(payload.account.tags, any(payload.account.tags, # == "b")))`,
		"lists in lists":     `all(payload.account.tags, # in payload.account.tags)`,
		"equal lists":        `any(payload.account.tags, payload.account.tags != payload.account.tags)`,
		"a large pattern":    `any(payload.account.tags, payload.account.name matches "(a{30}){30}b")`,
		"joined strings":     `any(payload.account.tags, payload.account.name + payload.account.name == "")`,
	} {
		t.Run(name, func(t *testing.T) {
			f, err := filter.Compile(expression)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := f.Match(c, "evt_1", "account:updated"); got || !errors.Is(err, filter.ErrTooCostly) {
				t.Errorf("Match = %t, %v; want ErrTooCostly", got, err)
			}
		})
	}
}

func TestStateThatIsNoJSONIsAnError(t *testing.T) {
	c := atRisk()
	c.After = []byte(`{"id":`)
	f, err := filter.Compile(`payload.account != nil`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Match(c, "evt_1", "account:updated"); got || err == nil || !strings.Contains(err.Error(), "account acc_1") {
		t.Errorf("Match = %t, %v", got, err)
	}
}

func TestFiltersShareASubject(t *testing.T) {
	subject := filter.NewSubject(atRisk())
	var wait sync.WaitGroup
	for i := range 16 {
		f, err := filter.Compile(fmt.Sprintf(`payload.account.health == "At Risk" and len(event.type) == %d`, i))
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			want := i == len("account:updated")
			if got, err := f.MatchSubject(subject, "evt_1", "account:updated"); got != want || err != nil {
				t.Errorf("MatchSubject = %t, %v; want %t", got, err, want)
			}
		})
	}
	wait.Wait()
}

func FuzzFilter(f *testing.F) {
	for _, expression := range []string{
		`event.type == "x" and payload.account.tags[0] in ["a", 1]`, `any(payload.account.tags, # matches "^a+$") ? true : not false`,
		`0<(0<(0<1)<0)<0`, `payload.account.metadata.a[1].b ** 2 >= -1.5 ?? nil`, `count(event.changed) | abs() > 0`, `"\x00" in $env`,
	} {
		f.Add(expression)
	}
	subject := filter.NewSubject(atRisk())
	f.Fuzz(func(t *testing.T, expression string) {
		compiled, err := filter.Compile(expression)
		if err != nil {
			if carillon.ErrorCode(err) != carillon.CodeInvalid {
				t.Errorf("%q: %v", expression, err)
			}
			return
		}
		first, err := compiled.MatchSubject(subject, "evt_1", "account:updated")
		if err != nil && !errors.Is(err, filter.ErrTooCostly) {
			t.Errorf("%q: %v", expression, err)
		}
		if again, _ := compiled.MatchSubject(subject, "evt_1", "account:updated"); again != first {
			t.Errorf("%q: first %t, then %t", expression, first, again)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	f, err := filter.Compile(`payload.account.health == "At Risk" and payload.previousAccount.health != "At Risk" and "health" in event.changed`)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("first filter of a change", func(b *testing.B) {
		c := atRisk()
		b.ReportAllocs()
		for b.Loop() {
			if ok, err := f.Match(c, "evt_1", "account:updated"); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("further filter of a change", func(b *testing.B) {
		subject := filter.NewSubject(atRisk())
		b.ReportAllocs()
		for b.Loop() {
			if ok, err := f.MatchSubject(subject, "evt_1", "account:updated"); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
}
