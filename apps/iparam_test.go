package apps_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"carillon"
	"carillon/apps"
)

// withIParams is a small app with these parameters.
func withIParams(t testing.TB, iparams string) *apps.App {
	t.Helper()
	files := small()
	files["config/iparams.json"] = &fstest.MapFile{Data: []byte(iparams)}
	app, list := apps.Read(files)
	if len(list) > 0 {
		t.Fatalf("found\n%s", lines(list))
	}
	return app
}

// oneIParam is an app with one parameter p of a type.
func oneIParam(t testing.TB, typ apps.IParamType) *apps.App {
	t.Helper()
	more := ""
	switch typ {
	case apps.TypeDropdown, apps.TypeRadio, apps.TypeMultiselect:
		more = `, "options": ["red", {"label": "Green", "value": "green"}], "default_value": "red"`
	case apps.TypeDomain, apps.TypeAPIKey:
		more = `, "type_attributes": {"product": "freshworks_crm"}`
	}
	return withIParams(t, fmt.Sprintf(`{"p": {"display_name": "P", "type": %q%s}}`, typ, more))
}

func TestValuesAreOfTheirTypes(t *testing.T) {
	for _, c := range []struct {
		typ    apps.IParamType
		value  string
		want   any // nil for a fault
		reason string
	}{
		{apps.TypeText, `"a b"`, "a b", ""},
		{apps.TypeText, `1`, nil, "must be a text"},
		{apps.TypeText, `"a\nb"`, nil, "must be one line"},
		{apps.TypeText, `"` + strings.Repeat("a", 17<<10) + `"`, nil, "is longer than 16 KB"},
		{apps.TypeParagraph, `"a\nb"`, "a\nb", ""},
		{apps.TypeNumber, `5`, 5.0, ""},
		{apps.TypeNumber, `" 5.5 "`, 5.5, ""},
		{apps.TypeNumber, `"five"`, nil, "must be a number"},
		{apps.TypeNumber, `"1e999"`, nil, "must be a number"},
		{apps.TypeNumber, `"NaN"`, nil, "must be a number"},
		{apps.TypeNumber, `true`, nil, "must be a number"},
		{apps.TypeCheckbox, `true`, true, ""},
		{apps.TypeCheckbox, `"false"`, false, ""},
		{apps.TypeCheckbox, `"on"`, nil, "must be true or false"},
		{apps.TypeCheckbox, `{}`, nil, "must be true or false"},
		{apps.TypeEmail, `"a@example.com"`, "a@example.com", ""},
		{apps.TypeEmail, `"A <a@example.com>"`, nil, "must be an e-mail address"},
		{apps.TypePhoneNumber, `"+1 (555) 010-0100"`, "+1 (555) 010-0100", ""},
		{apps.TypePhoneNumber, `"call me"`, nil, "must be a phone number"},
		{apps.TypeDate, `"2024-02-29"`, "2024-02-29", ""},
		{apps.TypeDate, `"2023-02-29"`, nil, "must be a date such as 2006-01-02"},
		{apps.TypeURL, `"https://example.com/a?b"`, "https://example.com/a?b", ""},
		{apps.TypeURL, `"javascript:alert(1)"`, nil, "must be a URL such as https://example.com"},
		{apps.TypeURL, `"example.com"`, nil, "must be a URL such as https://example.com"},
		{apps.TypeDomain, `"sample.myfreshworks.com"`, "sample.myfreshworks.com", ""},
		{apps.TypeDomain, `"https://sample.myfreshworks.com/"`, "https://sample.myfreshworks.com/", ""},
		{apps.TypeDomain, `"sample.com/path"`, nil, "must be a domain such as sample.example.com"},
		{apps.TypeDomain, `"user@sample.com"`, nil, "must be a domain such as sample.example.com"},
		{apps.TypeAPIKey, `"a-key"`, "a-key", ""},
		{apps.TypeDropdown, `"green"`, "green", ""},
		{apps.TypeDropdown, `"Green"`, nil, `must be one of "red", "green"`},
		{apps.TypeRadio, `"blue"`, nil, `must be one of "red", "green"`},
		{apps.TypeMultiselect, `["green","red","green"]`, []any{"green", "red"}, ""},
		{apps.TypeMultiselect, `"green"`, []any{"green"}, ""},
		{apps.TypeMultiselect, `["blue"]`, nil, `must be a list of "red", "green"`},
		{apps.TypeMultiselect, `[1]`, nil, `must be a list of "red", "green"`},
		{apps.TypeMultiselect, `{}`, nil, "must be a list"},
	} {
		t.Run(fmt.Sprintf("%s %.20s", c.typ, c.value), func(t *testing.T) {
			got, err := oneIParam(t, c.typ).CheckIParams(json.RawMessage(`{"p":` + c.value + `}`))
			if c.reason == "" {
				if err != nil || !reflect.DeepEqual(got["p"], c.want) {
					t.Errorf("%v, %v", got, err)
				}
				return
			}
			want := []carillon.Fault{{Member: "/iparams/p", Reason: c.reason}}
			if e, ok := errors.AsType[*carillon.Error](err); !ok || e.Code != carillon.CodeInvalid || !slices.Equal(e.Faults, want) {
				t.Errorf("%v, want %v", err, want)
			}
		})
	}
}

func TestEveryTypeIsCheckedAndHasAControl(t *testing.T) {
	controls := map[apps.IParamType]string{
		apps.TypeText: "text", apps.TypeParagraph: "textarea", apps.TypeDropdown: "select", apps.TypeEmail: "email", apps.TypeNumber: "number",
		apps.TypePhoneNumber: "tel", apps.TypeDate: "date", apps.TypeURL: "url", apps.TypeRadio: "radio", apps.TypeCheckbox: "checkbox",
		apps.TypeMultiselect: "select", apps.TypeDomain: "text", apps.TypeAPIKey: "password",
	}
	for _, typ := range apps.IParamTypes() {
		app := oneIParam(t, typ)
		if got := app.IParams[0].Input(); got != controls[typ] {
			t.Errorf("%s is asked for by %s", typ, got)
		}
		if _, err := app.CheckIParams(json.RawMessage(`{"p":{"a":1}}`)); err == nil {
			t.Errorf("%s takes an object", typ)
		}
	}
	secure := withIParams(t, `{"p": {"display_name": "P", "type": "text", "secure": true}}`)
	if got := secure.IParams[0].Input(); got != "password" {
		t.Errorf("a secure text is asked for by %s", got)
	}
}

func TestWhatIsNotSetIsDefaultOrEmpty(t *testing.T) {
	app := withIParams(t, `{
		"text": {"display_name": "T", "type": "text"},
		"preset": {"display_name": "P", "type": "number", "default_value": "7"},
		"check": {"display_name": "C", "type": "checkbox"},
		"many": {"display_name": "M", "type": "multiselect", "options": ["a"]},
		"asked": {"display_name": "A", "type": "text", "required": true}
	}`)
	for _, values := range []string{`{"asked":"x"}`, `{"asked":"x","text":null,"preset":"","check":null,"many":[]}`} {
		got, err := app.CheckIParams(json.RawMessage(values))
		want := map[string]any{"text": "", "preset": 7.0, "check": false, "many": []any{}, "asked": "x"}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", values, got, err)
		}
	}
}

func TestAllFaultsOfValuesAreToldAtOnce(t *testing.T) {
	app := withIParams(t, `{
		"api/key": {"display_name": "K", "type": "text", "required": true},
		"limit": {"display_name": "L", "type": "number"}
	}`)
	_, err := app.CheckIParams(json.RawMessage(`{"limit":"many","limits":1}`))
	want := []carillon.Fault{
		{Member: "/iparams/api~1key", Reason: "is required"},
		{Member: "/iparams/limit", Reason: "must be a number"},
		{Member: "/iparams/limits", Reason: `is not a parameter of the app; did you mean "limit"?`},
	}
	if e, ok := errors.AsType[*carillon.Error](err); !ok || !slices.Equal(e.Faults, want) {
		t.Errorf("%v", err)
	}
	for values, code := range map[string]carillon.Code{
		`[]`: carillon.CodeInvalid, `{"limit":1,"limit":2}`: carillon.CodeMalformed, `{"limit":1e999}`: carillon.CodeMalformed, `{`: carillon.CodeMalformed,
		`{"a":"` + strings.Repeat("a", 300<<10) + `"}`: carillon.CodeMalformed,
	} {
		if _, err := app.CheckIParams(json.RawMessage(values)); carillon.ErrorCode(err) != code {
			t.Errorf("%.30s: %v", values, err)
		}
	}
}

func TestSecureValuesAreMasked(t *testing.T) {
	app := withIParams(t, `{
		"host": {"display_name": "H", "type": "text"},
		"token": {"display_name": "T", "type": "text", "secure": true},
		"spare": {"display_name": "S", "type": "text", "secure": true}
	}`)
	values, err := app.CheckIParams(json.RawMessage(`{"host":"example.com","token":"secret"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"host": "example.com", "token": apps.Masked, "spare": ""}
	if got := app.Mask(values); !reflect.DeepEqual(got, want) {
		t.Errorf("shown are %v", got)
	}
	if values["token"] != "secret" {
		t.Error("the values were changed")
	}
}

func TestAPageOfTheAppsOwnDecides(t *testing.T) {
	_, files := fixture(t, "testdata/valid/modules.txtar")
	app, _ := apps.Read(files)
	values, err := app.CheckIParams(json.RawMessage(`{"__meta":{"secure":["key"]},"key":"secret","rules":[{"a":1}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := app.Mask(values); got["key"] != apps.Masked || !reflect.DeepEqual(got["rules"], []any{map[string]any{"a": 1.0}}) {
		t.Errorf("shown are %v", got)
	}
}

func TestParametersDescribeTheirForm(t *testing.T) {
	_, files := fixture(t, "testdata/valid/omni.txtar")
	app, _ := apps.Read(files)
	text, err := json.Marshal(app.IParams[1:4])
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"name":"api_key","label":"Key","description":"See your profile","type":"api_key","required":true,"secure":true,"product":"freshsales"},` +
		`{"name":"mode","label":"Mode","type":"dropdown","options":[{"label":"fast","value":"fast"},{"label":"careful","value":"careful"}],` +
		`"default":"careful","required":false,"secure":false},` +
		`{"name":"regions","label":"Regions","type":"multiselect","options":[{"label":"Europe","value":"eu"},{"label":"America","value":"us"}],` +
		`"default":["eu"],"required":false,"secure":false}]`
	if string(text) != want {
		t.Errorf("described as\n%s", text)
	}
}
