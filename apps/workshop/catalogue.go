package workshop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"carillon"
	"carillon/apps"
	"carillon/dialect"
)

// catalogue holds payloads against the schemas of the dialects' events.
type catalogue struct {
	dialects map[string]dialect.Dialect

	mu      sync.Mutex
	schemas map[string]*jsonschema.Schema // by dialect and type
}

// dialectOf is the language in which a product (or module) is spoken for.
func dialectOf(product string) string {
	if product == apps.PlatformProduct {
		return platform
	}
	return freshsales
}

// typeOf finds the dialect's type of an event; false if the language does not have it.
func (c *catalogue) typeOf(product, event string) (dialect.Type, bool) {
	for _, t := range c.dialects[dialectOf(product)].Types() {
		if apps.IsOfType(event, t.Name) {
			return t, true
		}
	}
	return dialect.Type{}, false
}

// schema gives the schema of a type, without what the house fills in, and what the vendor's own samples do without.
func (c *catalogue) schema(dialectName string, t dialect.Type) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := dialectName + "/" + t.Name
	if s, ok := c.schemas[key]; ok {
		return s, nil
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(t.Schema))
	if err != nil {
		return nil, fmt.Errorf("read the schema of %s: %w", t.Name, err)
	}
	if top, ok := document.(map[string]any); ok {
		delete(top, "$id")
		if required, ok := top["required"].([]any); ok {
			top["required"] = slices.DeleteFunc(slices.Clone(required), func(name any) bool { return name == "iparams" || name == "version" })
		}
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	const place = "event.json"
	if err := compiler.AddResource(place, document); err != nil {
		return nil, fmt.Errorf("read the schema of %s: %w", t.Name, err)
	}
	s, err := compiler.Compile(place)
	if err != nil {
		return nil, fmt.Errorf("compile the schema of %s: %w", t.Name, err)
	}
	if c.schemas == nil {
		c.schemas = map[string]*jsonschema.Schema{}
	}
	c.schemas[key] = s
	return s, nil
}

// check names what is wrong with a payload: nothing for one that the event may have. Events without a schema may have any object.
func (c *catalogue) check(product, event string, payload json.RawMessage) ([]carillon.Fault, error) {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return []carillon.Fault{{Member: "", Reason: "is not JSON: " + strings.TrimPrefix(err.Error(), "json: ")}}, nil
	}
	if _, ok := value.(map[string]any); !ok {
		return []carillon.Fault{{Member: "", Reason: "must be an object"}}, nil
	}
	t, ok := c.typeOf(product, event)
	if !ok || len(t.Schema) == 0 {
		return nil, nil
	}
	s, err := c.schema(dialectOf(product), t)
	if err != nil {
		return nil, err
	}
	err = s.Validate(value)
	if invalid, ok := err.(*jsonschema.ValidationError); ok { //nolint:errorlint // Validate gives no other
		return faultsOf(invalid), nil
	}
	return nil, err
}

// maxFaults bounds how many faults of a payload are told.
const maxFaults = 20

// faultsOf gives the innermost faults. Where one of several forms should fit, those of the form that fits best count.
func faultsOf(e *jsonschema.ValidationError) []carillon.Fault {
	var list []carillon.Fault
	for _, leaf := range leaves(e) {
		pointer := ""
		for _, name := range leaf.InstanceLocation {
			pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		}
		reason := leaf.ErrorKind.LocalizedString(message.NewPrinter(language.English))
		if len(list) < maxFaults {
			list = append(list, carillon.Fault{Member: pointer, Reason: reason})
		}
	}
	return list
}

func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var all []*jsonschema.ValidationError
	var best []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		found := leaves(cause)
		all = append(all, found...)
		if best == nil || len(found) < len(best) {
			best = found
		}
	}
	if keyword := e.ErrorKind.KeywordPath(); len(keyword) > 0 && (keyword[len(keyword)-1] == "anyOf" || keyword[len(keyword)-1] == "oneOf") {
		return best
	}
	return all
}
