package ledger_test

import (
	"fmt"
	"strings"
	"testing"

	"carillon"
	"carillon/ledger"
)

func TestValuesHaveOneForm(t *testing.T) {
	cases := []struct {
		kind             carillon.Kind
		in, member, want string
	}{
		{carillon.KindAccount, `"annualRevenue":1.50`, "annualRevenue", `1.50`},
		{carillon.KindAccount, `"annualRevenue":-0.0e-2`, "annualRevenue", `-0.0e-2`},
		{carillon.KindAccount, `"annualRevenue":12345678901234567890.12345678901234567890`, "annualRevenue", `12345678901234567890.12345678901234567890`},
		{carillon.KindAccount, `"employees":9223372036854775807`, "employees", `9223372036854775807`},
		{carillon.KindAccount, `"employees":-9223372036854775808`, "employees", `-9223372036854775808`},
		{carillon.KindAccount, `"employees":-0`, "employees", `0`},
		{carillon.KindAccount, `"domain":"\u0061\/\u00e9\ud83d\ude00\u2028"`, "domain", "\"a/é😀\u2028\""},
		{carillon.KindAccount, `"website":"not an url"`, "website", `"not an url"`},
		{carillon.KindAccount, `"ownerId":"somebody elsewhere"`, "ownerId", `"somebody elsewhere"`},
		{carillon.KindAccount, `"tags":[ "b" , "a" , "b" ]`, "tags", `["b","a","b"]`},
		{carillon.KindAccount, `"primaryContact":{"lastName":"B","firstName":"A","email":null}`, "primaryContact", `{"firstName":"A","lastName":"B"}`},
		{carillon.KindAccount, `"metadata":{"b":[ 1 , {"y":1.0,"x":null} ],"a":{}}`, "metadata", `{"a":{},"b":[1,{"x":null,"y":1.0}]}`},
		{carillon.KindAccount, `"metadata":{"a":"\\u0000","b":"\\\\\""}`, "metadata", `{"a":"\\u0000","b":"\\\\\""}`},
		{carillon.KindAccount, `"metadata":{"\ue000":1,"😀":2}`, "metadata", "{\"😀\":2,\"\ue000\":1}"}, // by UTF-16, RFC 8785
		{carillon.KindAccount, `"metadata":{}`, "metadata", `{}`},
		{carillon.KindAccount, `"customFields":{"b":["2"],"a":["1","\u0031"],"c":[]}`, "customFields", `{"a":["1","1"],"b":["2"]}`},
		{carillon.KindAppointment, `"startAt":"2026-01-31T13:00:00+01:00","endAt":"2026-02-01"`, "startAt", `"2026-01-31T12:00:00.000Z"`},
		{carillon.KindAppointment, `"startAt":"2026-01-31T13:00:00+01:00","endAt":"2026-02-01"`, "endAt", `"2026-02-01T00:00:00.000Z"`},
		{carillon.KindAppointment, `"startAt":"2026-01-31","endAt":"2026-01-31T12:00:00.123987Z"`, "endAt", `"2026-01-31T12:00:00.123Z"`},
		{carillon.KindAppointment, `"startAt":"2026-01-31","endAt":"2026-01-31","allDay":true`, "allDay", `true`},
		{carillon.KindDeal, `"closedDate":"2024-02-29"`, "closedDate", `"2024-02-29"`},
		{carillon.KindComment, `"content":"c","contentJson":[1.0,{"b":1,"a":"x"}]`, "contentJson", `[1.0,{"a":"x","b":1}]`},
		{carillon.KindComment, `"content":"c","contentJson":"text"`, "contentJson", `"text"`},
		{carillon.KindComment, `"content":"c","contentJson":{}`, "contentJson", `{}`},
		{carillon.KindComment, `"content":"two\nlines\tof text"`, "content", `"two\nlines\tof text"`},
	}
	beside := map[carillon.Kind]string{
		carillon.KindAccount: `"name":"a"`, carillon.KindAppointment: `"title":"a"`, carillon.KindDeal: `"name":"a"`,
		carillon.KindComment: `"authorId":"a"`,
	}
	d := openDesk(t)
	d.account("acc_1")
	d.do(write(ledger.Create, carillon.KindTask, "task_1", `{"title":"a","accountId":"acc_1"}`))
	for i, tc := range cases {
		t.Run(tc.in, func(t *testing.T) {
			w := write(ledger.Create, tc.kind, fmt.Sprint("x_", i), "{"+beside[tc.kind]+","+tc.in+"}")
			if w.Kind == carillon.KindComment {
				w.On = ref(carillon.KindTask, "task_1")
			}
			o, err := d.try(w)
			if err != nil {
				t.Fatal(err)
			}
			if got := member(t, o.Record.Data, tc.member); got != tc.want {
				t.Errorf("%s is %s, want %s", tc.member, got, tc.want)
			}
			w.Op, w.Data = ledger.Put, o.Record.Data
			if again, err := d.try(w); err != nil || again.Seq != 0 {
				t.Errorf("what was stored, put again, made change %d (%v)", again.Seq, err)
			}
		})
	}
}

func TestFaultsNameMemberAndReason(t *testing.T) {
	long := strings.Repeat("é", 256)
	many := func(n int, element string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
	}
	cases := []struct {
		kind carillon.Kind
		body string
		want []string
	}{
		{carillon.KindAccount, `{}`, []string{`/name: is required`}},
		{carillon.KindAccount, `{"name":null}`, []string{`/name: is required`}},
		{carillon.KindAccount, `{"name":""}`, []string{`/name: must not be empty`}},
		{carillon.KindAccount, `{"name":7}`, []string{`/name: must be a string, is a number`}},
		{carillon.KindAccount, `{"name":"` + long + `"}`, []string{`/name: must have at most 255 characters, has 256`}},
		{carillon.KindAccount, `{"name":"a\u0007"}`, []string{`/name: must be one line without control characters, has U+0007`}},
		{carillon.KindAccount, `{"name":"a\nb"}`, []string{`/name: must be one line without control characters, has U+000A`}},
		{carillon.KindAccount, `{"name":"a` + "\u0085" + `"}`, []string{`/name: must be one line without control characters, has U+0085`}},
		{carillon.KindNote, `{"accountId":"acc_1","title":"a","content":"\u0000"}`, []string{`/content: must not contain U+0000`}},
		{carillon.KindAccount, `{"name":"a","metadata":{"a":"\\u0000","b":"\u0000"}}`, []string{`/metadata: must not contain U+0000`}},
		{
			carillon.KindAccount, `{"naem":"a","Health":"b","xyzzy":1,"name":"a"}`,
			[]string{
				`/naem: is not a member of account; did you mean "name"?`,
				`/Health: is not a member of account; did you mean "health"?`,
				`/xyzzy: is not a member of account`,
			},
		},
		{carillon.KindAccount, `{"name":"a","a/b~c":1}`, []string{`/a~1b~0c: is not a member of account`}},
		{carillon.KindAccount, `{"name":"a","` + strings.Repeat("é", 1000) + `":1}`, []string{"/" + strings.Repeat("é", 32) + "…: is not a member of account"}},
		{carillon.KindAccount, `{"name":"a","tags":"x"}`, []string{`/tags: must be an array of strings, is a string`}},
		{carillon.KindAccount, `{"name":"a","tags":["x",{},null]}`, []string{`/tags/1: must be a string, is an object`, `/tags/2: must be a string, is null`}},
		{carillon.KindAccount, `{"name":"a","tags":` + many(10_001, `"x"`) + `}`, []string{`/tags: must have at most 10000 elements`}},
		{carillon.KindAccount, `{"name":"a","metadata":{"x":` + many(10_001, `1`) + `}}`, []string{`/metadata: must have at most 10000 members or elements in one place`}},
		{carillon.KindAccount, `{"name":"a","metadata":[]}`, []string{`/metadata: must be an object, is an array`}},
		{carillon.KindAccount, `{"name":"a","employees":1.0}`, []string{`/employees: must be a whole number without fraction or exponent`}},
		{carillon.KindAccount, `{"name":"a","employees":"1"}`, []string{`/employees: must be a number, is a string`}},
		{carillon.KindAccount, `{"name":"a","employees":9223372036854775808}`, []string{`/employees: must lie between -9223372036854775808 and 9223372036854775807`}},
		{carillon.KindAccount, `{"name":"a","annualRevenue":1e999}`, []string{`/annualRevenue: must be within the range of a double`}},
		{carillon.KindAccount, `{"name":"a","annualRevenue":0.` + strings.Repeat("1", 100) + `}`, []string{`/annualRevenue: must have at most 100 digits`}},
		{carillon.KindAccount, `{"name":"a","annualRevenue":true}`, []string{`/annualRevenue: must be a number, is a boolean`}},
		{carillon.KindAccount, `{"name":"a","billingAddress":"x"}`, []string{`/billingAddress: must be an object, is a string`}},
		{
			carillon.KindAccount, `{"name":"a","billingAddress":{"town":"x","City":"y","line1":1}}`,
			[]string{
				`/billingAddress/town: is not a member of billingAddress`,
				`/billingAddress/City: is not a member of billingAddress; did you mean "city"?`,
				`/billingAddress/line1: must be a string, is a number`,
			},
		},
		{
			carillon.KindAccount, `{"name":"a","customFields":{"a b":["x"],"b":"x","c":[1],"d":{"x":1}}}`,
			[]string{
				`/customFields/a b: must be a custom field's uid: 1 to 64 letters, digits and - _ . : @ + = ~`,
				`/customFields/b: must be an array of strings, is a string`,
				`/customFields/c/0: must be a string, is a number`,
				`/customFields/d: must be an array of strings, is an object`,
			},
		},
		{carillon.KindAccount, `{"name":"a","customFields":[]}`, []string{`/customFields: must be an object of arrays of strings, is an array`}},
		{carillon.KindAccount, `{"name":"a","customFields":{"a":` + many(101, `"x"`) + `}}`, []string{`/customFields/a: must have at most 100 values`}},
		{carillon.KindAccount, `{"name":"a","customFields":{"a":["` + strings.Repeat("x", 4097) + `"]}}`, []string{`/customFields/a/0: must have at most 4096 characters, has 4097`}},
		{carillon.KindAccount, `{"id":7,"name":"a"}`, []string{`/id: must be a string, is a number`}},
		{carillon.KindAccount, `{"id":"a/b","name":"a"}`, []string{`/id: must be an id: 1 to 128 letters, digits and - _ . : @ + = ~`}},
		{carillon.KindAppointment, `{"title":"a","startAt":"tomorrow","endAt":""}`, []string{
			`/startAt: must be a time as RFC 3339 has it, like 2026-01-31T12:00:00Z, or a date`,
			`/endAt: must be a time as RFC 3339 has it, like 2026-01-31T12:00:00Z, or a date`,
		}},
		{
			carillon.KindAppointment, `{"title":"a","startAt":"0000-01-01T00:00:00+01:00","endAt":"9999-12-31T23:59:59-01:00"}`,
			[]string{`/startAt: must lie in the years 0000 to 9999 UTC`, `/endAt: must lie in the years 0000 to 9999 UTC`},
		},
		{carillon.KindAppointment, `{"title":"a","startAt":"2026-01-31","endAt":"2026-01-31","allDay":"true"}`, []string{`/allDay: must be true or false, is a string`}},
		{carillon.KindDeal, `{"name":"a","closedDate":"2026-02-30"}`, []string{`/closedDate: must be a date, YYYY-MM-DD`}},
		{carillon.KindDeal, `{"name":"a","accountId":""}`, []string{`/accountId: must be an id: 1 to 128 letters, digits and - _ . : @ + = ~`}},
		{carillon.KindNote, `{"title":"a","content":"b","accountId":""}`, []string{`/accountId: must not be empty`}},
		{carillon.KindDeal, `{"name":"a","contactIds":["con_1","con_1","a b"]}`, []string{
			`/contactIds/1: names the same id again`,
			`/contactIds/2: must be an id: 1 to 128 letters, digits and - _ . : @ + = ~`,
		}},
		{carillon.KindAccount, `[]`, []string{`: must be an object, is an array`}},
		{carillon.KindAccount, `null`, []string{`: must be an object, is null`}},
		{carillon.KindUser, `{"name":"a","email":"","customFields":{}}`, []string{`/customFields: is not a member of user`}},
	}
	d := openDesk(t)
	d.account("acc_1")
	for _, tc := range cases {
		name := tc.body[:min(len(tc.body), 60)]
		t.Run(name, func(t *testing.T) {
			d := *d
			d.TB = t
			e := d.refused(carillon.CodeInvalid, write(ledger.Create, tc.kind, "", tc.body))
			if got, want := faults(e), strings.Join(tc.want, "\n"); got != want {
				t.Errorf("faults are\n%s\nwant\n%s", got, want)
			}
		})
	}
	t.Run("a patch cannot unset what is required and has no default", func(t *testing.T) {
		e := d.refused(carillon.CodeInvalid, write(ledger.Patch, carillon.KindAccount, "acc_1", `{"name":null}`))
		if got, want := faults(e), `/name: is required and cannot be unset`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("there are 20 faults at most, and the rest is counted", func(t *testing.T) {
		var b strings.Builder
		for i := range 30 {
			fmt.Fprintf(&b, `"no%d":1,`, i)
		}
		e := d.refused(carillon.CodeInvalid, write(ledger.Create, carillon.KindAccount, "", `{`+b.String()+`"name":"a"}`))
		if len(e.Faults) != 20 || !strings.Contains(e.Message, "(10 more faults are not shown)") {
			t.Errorf("%d faults: %s", len(e.Faults), e.Message)
		}
	})
}

func TestABodyThatIsNotJSONSaysWhere(t *testing.T) {
	cases := []struct{ body, want string }{
		{``, `: line 1, column 1 (byte 0): it is empty`},
		{"  \n ", `: line 1, column 1 (byte 0): it is empty`},
		{`{"name":"a"`, `: line 1, column 12 (byte 11): unexpected EOF`},
		{`{"name":"a"} {}`, `: line 1, column 13 (byte 12): more follows the end of the value`},
		{"{\n  \"name\": \"a\",\n  \"name\": \"b\"}", `/name: line 3, column 3 (byte 19): duplicate object member name "name"`},
		{`{"metadata":{"a":1,"a":2}}`, `/metadata/a: line 1, column 20 (byte 19): duplicate object member name "a"`},
		{"{\"name\":\"\xff\"}", `/name: line 1, column 10 (byte 9): invalid UTF-8`},
		{`{"name":"\ud800"}`, `/name: line 1, column 10 (byte 9): invalid surrogate pair`},
		{`{"name":'a'}`, `/name: line 1, column 9 (byte 8): invalid character '\''`},
		{`{"name":NaN}`, `/name: line 1, column 9 (byte 8): invalid character 'N'`},
		{`{"name":01}`, `: line 1, column 10 (byte 9): invalid character '1'`},
	}
	d := openDesk(t)
	for _, tc := range cases {
		t.Run(tc.body, func(t *testing.T) {
			d := *d
			d.TB = t
			e := d.refused(carillon.CodeMalformed, write(ledger.Create, carillon.KindAccount, "", tc.body))
			if got := faults(e); !strings.HasPrefix(got, tc.want) {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestBodiesAreBounded(t *testing.T) {
	d := openDesk(t)
	nested := func(n int) string {
		return `{"name":"a","metadata":{"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}}`
	}
	d.do(write(ledger.Create, carillon.KindAccount, "", nested(30)))
	e := d.refused(carillon.CodeTooLarge, write(ledger.Create, carillon.KindAccount, "", nested(31)))
	if e.Message != "the body is nested deeper than 32 levels" {
		t.Error(e.Message)
	}
	d.refused(carillon.CodeTooLarge, write(ledger.Create, carillon.KindAccount, "", strings.Repeat("[", 1<<19)))
	d.refused(carillon.CodeTooLarge, write(ledger.Create, carillon.KindAccount, "", `{"name":"a","metadata":{"x":"`+strings.Repeat("x", 1<<20)+`"}}`))
	d.do(write(ledger.Create, carillon.KindAccount, "", `{"name":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[","domain":"\"[\\"}`))
	t.Run("a record cannot grow beyond what a body may be", func(t *testing.T) {
		part := strings.Repeat("x", 600<<10)
		d.do(write(ledger.Create, carillon.KindAccount, "acc_big", `{"name":"a","metadata":{"x":"`+part+`"}}`))
		d.refused(carillon.CodeTooLarge, write(ledger.Patch, carillon.KindAccount, "acc_big", `{"metadata":{"y":"`+part+`"}}`))
	})
	t.Run("a record cannot gather too many custom fields", func(t *testing.T) {
		d.account("acc_many")
		patch := func(from, n int) ledger.Write {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, `"f%d":["x"],`, from+i)
			}
			return write(ledger.Patch, carillon.KindAccount, "acc_many", `{"customFields":{`+strings.TrimSuffix(b.String(), ",")+`}}`)
		}
		d.refused(carillon.CodeInvalid, patch(0, 201))
		d.do(patch(0, 150))
		e := d.refused(carillon.CodeInvalid, patch(150, 51))
		if got, want := faults(e), "/customFields: must have at most 200 custom fields, would have 201"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		d.do(patch(150, 50))
	})
}
