package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"carillon"
	"carillon/apps"
)

// iparams is the content of the page of an app's parameters.
type iparams struct {
	At      Place
	App     *carillon.App
	Fields  []field
	Free    bool   // the app asks on a page of its own: any object is taken
	Text    string // that object
	Fault   string // what is wrong with all of it
	Saved   bool
	Failing bool
}

// field is one parameter as it is asked for.
type field struct {
	apps.IParam
	ID      string
	Control string // select, textarea, radio, checkbox, or a type of input
	Value   string
	Options []option
	Checked bool // a checkbox
	Set     bool // a value that is not shown is there
	Keep    bool // that may be kept, though the control always says something: it is a choice
	Fault   string
}

type option struct {
	apps.Option
	Chosen bool
}

// keepPrefix begins the name of the box that says that a secure choice stays what it is.
const keepPrefix = "keep:"

// maxParameters bounds the form of an app's parameters in bytes.
const maxParameters = 1 << 20

// IParams answers a request to the page of an app's parameters. GET shows it, POST sets them. Errors are those of the desk, but
// for what is wrong with a value: that is shown beside it.
func (s *Simulator) IParams(w http.ResponseWriter, r *http.Request, at Place) (*Page, error) {
	app, pkg, err := s.open(w, r, at, maxParameters)
	if err != nil {
		return nil, err
	}
	current := map[string]any{}
	if len(app.IParams) > 0 {
		if err := json.Unmarshal(app.IParams, &current); err != nil {
			return nil, fmt.Errorf("read the parameters of %s: %w", app.ID, err)
		}
	}
	p := &iparams{At: at, App: app, Free: pkg.IParamsPage, Saved: r.URL.Query().Has("saved")}
	page := Page{Title: "Parameters of " + app.Name}
	if r.Method != http.MethodPost {
		p.fill(pkg, app, current)
		return s.page("iparams", page, p)
	}
	values, err := p.read(pkg, r.PostForm, current)
	if err == nil {
		if _, err = s.desk.SetIParams(r.Context(), at.Org, at.App, values); err == nil {
			http.Redirect(w, r, at.IParams+"?saved", http.StatusSeeOther)
			return nil, nil //nolint:nilnil // it is answered
		}
	}
	known, ok := errors.AsType[*carillon.Error](err)
	if !ok || known.Code != carillon.CodeInvalid && known.Code != carillon.CodeMalformed {
		return nil, err
	}
	if p.Free {
		p.Text = r.PostForm.Get("values")
	} else if err := json.Unmarshal(values, &current); err == nil {
		p.fill(pkg, app, current) // what was typed stays
	}
	p.blame(known)
	page.Status = http.StatusUnprocessableEntity
	return s.page("iparams", page, p)
}

// fill makes the fields of a form that shows values.
func (p *iparams) fill(pkg *apps.App, app *carillon.App, values map[string]any) {
	if p.Free {
		p.Text = "{}"
		if len(app.IParams) > 0 {
			p.Text = indented(app.IParams)
		}
		return
	}
	for i, param := range pkg.IParams {
		f := field{IParam: param, ID: fmt.Sprintf("iparam-%d", i), Control: param.Input()}
		value, given := values[param.Name]
		if value == apps.Masked {
			f.Set, f.Keep, value = true, f.Control != "password", nil
		}
		if !given {
			value = param.Default
		}
		switch v := value.(type) {
		case nil:
		case bool:
			f.Checked = v
		case []any:
			for _, o := range param.Options {
				f.Options = append(f.Options, option{o, slices.Contains(v, any(o.Value))})
			}
		case float64:
			f.Value = strconv.FormatFloat(v, 'f', -1, 64)
		default:
			f.Value = fmt.Sprint(v)
		}
		if f.Options == nil {
			for _, o := range param.Options {
				f.Options = append(f.Options, option{o, o.Value == f.Value})
			}
		}
		if f.Control == "password" {
			f.Set, f.Value = f.Set || f.Value != "", "" // never shown
		}
		p.Fields = append(p.Fields, f)
	}
}

// read takes the values from a form. A field that is not shown and was left empty keeps its value.
func (p *iparams) read(pkg *apps.App, form url.Values, current map[string]any) (json.RawMessage, error) {
	if p.Free {
		text := form.Get("values")
		if fault, at := checkPayload([]byte(text)); fault != nil {
			return nil, carillon.Invalid("/iparams", fmt.Sprintf("%s (line %d)", fault.Reason, at.Line))
		}
		return json.RawMessage(text), nil
	}
	values := map[string]any{}
	for _, param := range pkg.IParams {
		text := strings.ReplaceAll(form.Get(param.Name), "\r\n", "\n")
		switch {
		case param.Secure && form.Has(keepPrefix+param.Name) && current[param.Name] == apps.Masked:
			values[param.Name] = apps.Masked
		case param.Type == apps.TypeCheckbox:
			values[param.Name] = form.Has(param.Name)
		case param.Type == apps.TypeMultiselect:
			values[param.Name] = append([]string{}, form[param.Name]...)
		case text == "" && param.Input() == "password":
			if kept, ok := current[param.Name]; ok {
				values[param.Name] = kept
			}
		case text == "" && param.Type != apps.TypeText && param.Type != apps.TypeParagraph:
			// Nothing was chosen or written: it has its default, or none.
		default:
			values[param.Name] = text
		}
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encode parameters: %w", err)
	}
	return text, nil
}

// blame puts faults beside the fields that they are about.
func (p *iparams) blame(err *carillon.Error) {
	p.Failing = true
	var rest []string
	for _, fault := range err.Faults {
		i := slices.IndexFunc(p.Fields, func(f field) bool { return fault.Member == "/iparams/"+escapePointer(f.Name) })
		switch {
		case i >= 0:
			p.Fields[i].Fault = fault.Reason
		default:
			rest = append(rest, strings.TrimPrefix(fault.Member, "/iparams")+" "+fault.Reason)
		}
	}
	if len(err.Faults) == 0 {
		rest = append(rest, err.Message)
	}
	p.Fault = strings.TrimSpace(strings.Join(rest, "; "))
}

// escapePointer writes a name as a token of a JSON Pointer (RFC 6901 §3).
func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
