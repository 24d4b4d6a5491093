package apps

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"carillon"
)

// IParam is an installation parameter: something that people set when they install the app. It is all that a page needs
// for asking.
type IParam struct {
	Name        string     `json:"name"`
	Label       string     `json:"label"`
	Description string     `json:"description,omitzero"`
	Type        IParamType `json:"type"`
	Options     []Option   `json:"options,omitzero"` // of radio, dropdown and multiselect
	Default     any        `json:"default,omitzero"` // nil if there is none
	Required    bool       `json:"required"`
	Secure      bool       `json:"secure"`           // not to be shown, nor logged
	Product     string     `json:"product,omitzero"` // of domain and api_key: whose

	place, typeAttributes place
}

// Option is one of the values to choose from.
type Option struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// IParamType is the sort of a parameter's value.
type IParamType string

// The types.
const (
	TypeText        IParamType = "text"
	TypeParagraph   IParamType = "paragraph"
	TypeDropdown    IParamType = "dropdown"
	TypeEmail       IParamType = "email"
	TypeNumber      IParamType = "number"
	TypePhoneNumber IParamType = "phone_number"
	TypeDate        IParamType = "date" // 2006-01-02
	TypeURL         IParamType = "url"
	TypeRadio       IParamType = "radio"
	TypeCheckbox    IParamType = "checkbox"
	TypeMultiselect IParamType = "multiselect"
	TypeDomain      IParamType = "domain"
	TypeAPIKey      IParamType = "api_key"
)

// IParamTypes lists the types.
func IParamTypes() []IParamType {
	return []IParamType{
		TypeText, TypeParagraph, TypeDropdown, TypeEmail, TypeNumber, TypePhoneNumber, TypeDate, TypeURL, TypeRadio,
		TypeCheckbox, TypeMultiselect, TypeDomain, TypeAPIKey,
	}
}

// chooses reports whether values come from a list of options.
func (t IParamType) chooses() bool {
	return t == TypeRadio || t == TypeDropdown || t == TypeMultiselect
}

// Input is the HTML control that asks for the parameter: select, textarea, or a type of input.
func (p IParam) Input() string {
	switch {
	case p.Type == TypeDropdown, p.Type == TypeMultiselect:
		return "select"
	case p.Secure, p.Type == TypeAPIKey:
		return "password"
	}
	switch p.Type {
	case TypeParagraph:
		return "textarea"
	case TypePhoneNumber:
		return "tel"
	case TypeEmail, TypeNumber, TypeDate, TypeURL, TypeRadio, TypeCheckbox:
		return string(p.Type)
	default:
		return "text"
	}
}

// readIParams reads what stands below config/ about parameters.
func (a *App) readIParams() {
	f := &a.findings
	content, listed := a.files[iparamsFile]
	a.IParamsPage = a.has(iparamsPage)
	switch {
	case listed && a.IParamsPage:
		f.errorAt(inFile(iparamsFile), "is there together with "+iparamsPage, "remove one of the two")
	case !listed && !a.IParamsPage:
		f.errorAt(inFile(iparamsFile), "is missing", "an app without parameters has {} in it")
	case a.IParamsPage && !a.has(iparamsScript):
		f.errorAt(inFile(iparamsScript), "is missing", iparamsPage+" needs it, with a function postConfigs")
	}
	if listed {
		if d := readDocument(iparamsFile, content, f); d != nil && f.object(d.root) {
			for _, n := range f.atMost(maxIParams, d.root) {
				a.readIParam(n)
			}
		}
	}
	if content, ok := a.files[iparamsTestData]; ok {
		if d := readDocument(iparamsTestData, content, f); d != nil && f.object(d.root) {
			a.TestIParams, _ = d.root.value().(map[string]any)
		}
	}
}

// Bounds of the parameters.
const (
	maxIParams    = 200
	maxIParamName = 128 // bytes
	maxOptions    = 500
)

func (a *App) readIParam(n *node) {
	f := &a.findings
	if n.name == "" || len(n.name) > maxIParamName {
		f.errorAt(n.place(), fmt.Sprintf("has a name of no bytes, or more than %d", maxIParamName), "rename it")
		return
	}
	if !f.object(n) {
		return
	}
	f.members(n, "a parameter", "display_name", "description", "type", "options", "default_value", "required", "secure", "type_attributes")
	p := IParam{Name: n.name, place: n.place(), Required: f.truth(n.member("required")), Secure: f.truth(n.member("secure"))}
	if label := n.member("display_name"); label == nil {
		f.errorAt(n.place(), `has no "display_name"`, "add the label that people read")
	} else {
		p.Label, _ = f.text(label)
	}
	if description := n.member("description"); description != nil && f.is(description, '"', "a text") {
		p.Description = description.text
	}
	if !f.iparamType(n, &p) {
		return
	}
	f.options(n, &p)
	f.typeAttributes(n, &p)
	f.defaultValue(n, &p)
	a.IParams = append(a.IParams, p)
}

func (f *findings) iparamType(n *node, p *IParam) bool {
	var known []string
	for _, t := range IParamTypes() {
		known = append(known, string(t))
	}
	typ := n.member("type")
	if typ == nil {
		f.errorAt(n.place(), `has no "type"`, "known are "+strings.Join(known, ", "))
		return false
	}
	text, ok := f.text(typ)
	if ok && !slices.Contains(known, text) {
		f.errorAt(typ.place(), quoted(text)+" is not a type of parameters", rename(text, known))
		return false
	}
	p.Type = IParamType(text)
	return ok
}

// options reads a list of texts, or of objects with label and value, as newer apps have it.
func (f *findings) options(n *node, p *IParam) {
	list := n.member("options")
	switch {
	case list == nil:
		if p.Type.chooses() {
			f.errorAt(n.place(), fmt.Sprintf(`has no "options", which %s requires`, p.Type), "list what can be chosen")
		}
		return
	case !p.Type.chooses():
		f.warnAt(list.place(), fmt.Sprintf("means nothing for %s", p.Type), "remove it")
		return
	case !f.is(list, '[', "a list"):
		return
	case len(list.list) == 0:
		f.errorAt(list.place(), "is empty", "list what can be chosen")
	}
	for _, o := range f.atMost(maxOptions, list) {
		option := Option{Label: o.text, Value: o.text}
		if o.kind == '{' {
			label, value := o.member("label"), o.member("value")
			if label == nil || value == nil || label.kind != '"' || value.kind != '"' {
				f.errorAt(o.place(), `must have the texts "label" and "value"`, "")
				continue
			}
			option = Option{Label: label.text, Value: value.text}
		} else if _, ok := f.text(o); !ok {
			continue
		}
		if slices.ContainsFunc(p.Options, func(known Option) bool { return known.Value == option.Value }) {
			f.errorAt(o.place(), "is there twice", "keep one of the two")
			continue
		}
		p.Options = append(p.Options, option)
	}
}

func (f *findings) typeAttributes(n *node, p *IParam) {
	attributes := n.member("type_attributes")
	wants := p.Type == TypeDomain || p.Type == TypeAPIKey
	if attributes == nil {
		if wants {
			f.errorAt(n.place(), fmt.Sprintf(`has no "type_attributes", which %s requires`, p.Type), `add "type_attributes": {"product": "freshworks_crm"}`)
		}
		return
	}
	p.typeAttributes = attributes.place()
	if !f.object(attributes) || !wants {
		return
	}
	product := attributes.member("product")
	if product == nil {
		f.errorAt(attributes.place(), `has no "product"`, "name the product of the manifest")
		return
	}
	p.typeAttributes = product.place()
	p.Product, _ = f.text(product)
}

func (f *findings) defaultValue(n *node, p *IParam) {
	value := n.member("default_value")
	if value == nil {
		if p.Type == TypeDropdown {
			f.warnAt(n.place(), `has no "default_value", which the vendor's tool wants of a dropdown`, "add one of the options")
		}
		return
	}
	if empty(value.value()) || p.Type.chooses() && len(p.Options) == 0 {
		return
	}
	checked, reason := p.check(value.value())
	if reason != "" {
		f.errorAt(value.place(), reason, "")
		return
	}
	p.Default = checked
}

// Bounds of a parameter's value.
const (
	maxValue = 16 << 10 // bytes of a text

	// Masked stands for a secure value that is not shown.
	Masked = "********"
)

var (
	phoneNumber = regexp.MustCompile(`^\+?[0-9][0-9 ()./-]{2,31}$`)
	hostname    = regexp.MustCompile(`^(?i:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.(?i:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?))*$`)
)

// check gives a value in its type, or the reason why it has none.
func (p IParam) check(value any) (checked any, reason string) {
	if p.Type == TypeMultiselect {
		return p.checkChoices(value)
	}
	text, isText := value.(string)
	switch p.Type {
	case TypeNumber:
		number, ok := value.(float64)
		if isText {
			parsed, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			number, ok = parsed, err == nil
		}
		if !ok || math.IsInf(number, 0) || math.IsNaN(number) {
			return nil, "must be a number"
		}
		return number, ""
	case TypeCheckbox:
		switch value {
		case true, "true":
			return true, ""
		case false, "false":
			return false, ""
		}
		return nil, "must be true or false"
	}
	if !isText {
		return nil, "must be a text"
	}
	if len(text) > maxValue {
		return nil, fmt.Sprintf("is longer than %d KB", maxValue>>10)
	}
	return text, p.checkText(text)
}

func (p IParam) checkText(text string) (reason string) {
	switch p.Type {
	case TypeRadio, TypeDropdown:
		if !p.offers(text) {
			return "must be one of " + p.offered()
		}
	case TypeEmail:
		if address, err := mail.ParseAddress(text); err != nil || address.Address != text {
			return "must be an e-mail address"
		}
	case TypePhoneNumber:
		if !phoneNumber.MatchString(text) {
			return "must be a phone number"
		}
	case TypeDate:
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return "must be a date such as 2006-01-02"
		}
	case TypeURL:
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return "must be a URL such as https://example.com"
		}
	case TypeDomain:
		host := strings.TrimSuffix(strings.TrimPrefix(text, "https://"), "/")
		if len(host) > maxName || !hostname.MatchString(host) {
			return "must be a domain such as sample.example.com"
		}
	case TypeText, TypeAPIKey:
		if strings.ContainsAny(text, "\r\n") {
			return "must be one line"
		}
	}
	return ""
}

func (p IParam) checkChoices(value any) (checked any, reason string) {
	list, ok := value.([]any)
	if text, one := value.(string); one {
		list, ok = []any{text}, true
	}
	if !ok {
		return nil, "must be a list"
	}
	var chosen []any
	for _, e := range list {
		text, ok := e.(string)
		if !ok || !p.offers(text) {
			return nil, "must be a list of " + p.offered()
		}
		if !slices.Contains(chosen, e) {
			chosen = append(chosen, e)
		}
	}
	return chosen, ""
}

func (p IParam) offers(value string) bool {
	return slices.ContainsFunc(p.Options, func(o Option) bool { return o.Value == value })
}

// offered lists the first options.
func (p IParam) offered() string {
	var list []string
	for i, o := range p.Options {
		if i == 10 {
			list = append(list, "…")
			break
		}
		list = append(list, quoted(o.Value))
	}
	return strings.Join(list, ", ")
}

// unset is the value of a parameter that nobody has set: what an empty field of a form sends.
func (p IParam) unset() any {
	switch {
	case p.Default != nil:
		return p.Default
	case p.Type == TypeCheckbox:
		return false
	case p.Type == TypeMultiselect:
		return []any{}
	default:
		return ""
	}
}

// empty reports whether a value sets nothing.
func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return strings.TrimSpace(v) == ""
	case []any:
		return len(v) == 0
	default:
		return false
	}
}

// CheckIParams reads values of the app's parameters: a JSON object by name; nothing at all sets none. It gives every parameter a value
// of its type: what was set, else the default, else false, an empty list or an empty text. An app that asks on a page of its own takes
// any object. It fails with carillon.CodeMalformed, or with carillon.CodeInvalid naming members below /iparams.
func (a *App) CheckIParams(values json.RawMessage) (map[string]any, error) {
	return a.readValues(values, true)
}

// DraftIParams reads values of the app's parameters as CheckIParams does, but none is required: for trying an app.
func (a *App) DraftIParams(values json.RawMessage) (map[string]any, error) {
	return a.readValues(values, false)
}

func (a *App) readValues(values json.RawMessage, whole bool) (map[string]any, error) {
	set := map[string]any{}
	if len(values) > 0 {
		var broken findings
		d := readDocument("", values, &broken)
		if d == nil {
			fault := broken.list[0]
			return nil, &carillon.Error{
				Code: carillon.CodeMalformed, Message: "the parameters are not valid JSON",
				Faults: []carillon.Fault{{Member: "/iparams" + fault.Path, Reason: fault.Reason}},
			}
		}
		object, ok := d.root.value().(map[string]any)
		if !ok {
			return nil, carillon.Invalid("/iparams", "must be an object")
		}
		set = object
	}
	if a.IParamsPage {
		return set, nil
	}
	checked := make(map[string]any, len(a.IParams))
	faults := a.checkIParams(set, checked)
	if !whole {
		faults = slices.DeleteFunc(faults, func(f carillon.Fault) bool { return f.Reason == isRequired })
	}
	if len(faults) > 0 {
		return nil, &carillon.Error{
			Code: carillon.CodeInvalid, Message: "the parameters of the app are not valid", Faults: faults,
		}
	}
	return checked, nil
}

const isRequired = "is required"

// checkIParams puts what was set, and what was not, into checked.
func (a *App) checkIParams(set, checked map[string]any) []carillon.Fault {
	var faults []carillon.Fault
	var known []string
	for _, p := range a.IParams {
		known = append(known, p.Name)
		value := set[p.Name]
		if empty(value) {
			checked[p.Name] = p.unset()
			if p.Required && empty(checked[p.Name]) {
				faults = append(faults, carillon.Fault{Member: iparamMember(p.Name), Reason: isRequired})
			}
			continue
		}
		value, reason := p.check(value)
		if reason != "" {
			faults = append(faults, carillon.Fault{Member: iparamMember(p.Name), Reason: reason})
			continue
		}
		checked[p.Name] = value
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if len(faults) >= maxFindings {
			break
		}
		if slices.Contains(known, name) {
			continue
		}
		reason := "is not a parameter of the app"
		if best, ok := nearest(name, known); ok {
			reason += "; did you mean " + strconv.Quote(best) + "?"
		}
		faults = append(faults, carillon.Fault{Member: iparamMember(name), Reason: reason})
	}
	slices.SortFunc(faults, func(a, b carillon.Fault) int { return strings.Compare(a.Member, b.Member) })
	return faults
}

func iparamMember(name string) string {
	return shortened("/iparams/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
}

// SecureNames lists the parameters that are not to be shown, nor logged. A page of the app's own names them in the
// values that it gives: {"__meta": {"secure": ["name"]}}.
func (a *App) SecureNames(values map[string]any) []string {
	var names []string
	for _, p := range a.IParams {
		if p.Secure {
			names = append(names, p.Name)
		}
	}
	if !a.IParamsPage {
		return names
	}
	meta, _ := values["__meta"].(map[string]any)
	list, _ := meta["secure"].([]any)
	for _, e := range list {
		if name, ok := e.(string); ok {
			names = append(names, name)
		}
	}
	return names
}

// Mask gives a copy of the values in which what is secure, and set, is hidden.
func (a *App) Mask(values map[string]any) map[string]any {
	shown := make(map[string]any, len(values))
	secure := a.SecureNames(values)
	for name, value := range values {
		if !empty(value) && slices.Contains(secure, name) {
			value = Masked
		}
		shown[name] = value
	}
	return shown
}
