package sample

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"carillon"
	"carillon/dialect"
)

// DefaultModule is the custom module of stories whose event type does not name one.
const DefaultModule = "invoices"

// modulePlaceholder stands for a custom module in event types and paths.
const modulePlaceholder = "{module}"

// Step is one write through the API.
type Step struct {
	Method string
	Path   string          // "/v1/accounts/acc_1"
	Body   json.RawMessage // nil if the write has none
}

// Story is a list of writes of which the last makes an event of EventType happen.
type Story struct {
	EventType string
	told      telling
	module    string
	steps     []Step // with placeholders for ids
}

// EventTypes lists the event types that have a story; those of custom modules with DefaultModule.
func EventTypes() []string {
	list := make([]string, len(tellings))
	for i, t := range tellings {
		list[i] = strings.ReplaceAll(t.eventType, modulePlaceholder, DefaultModule)
	}
	return list
}

// StoryOf gives the story of an event type; false if there is none. Events of custom modules can name any module
// ("custom:projects:created"), or none ("custom:{module}:created").
func StoryOf(eventType string) (*Story, bool) {
	for _, t := range tellings {
		module, ok := moduleIn(eventType, t.eventType)
		if !ok {
			continue
		}
		s := &Story{EventType: strings.ReplaceAll(t.eventType, modulePlaceholder, module), told: t, module: module}
		s.add(t.of)
		switch t.op {
		case updated:
			s.steps = append(s.steps, Step{Method: http.MethodPatch, Path: t.of.path, Body: json.RawMessage(t.patch)})
		case deleted:
			s.steps = append(s.steps, Step{Method: http.MethodDelete, Path: t.of.path})
		}
		return s, true
	}
	return nil, false
}

// StoryIn gives a story of an event type of any dialect: of those that make such an event happen, the first one; false if
// none does. Its EventType is the dialect's. Custom modules are named as in StoryOf.
func StoryIn(d dialect.Dialect, eventType string) (*Story, bool) {
	if s, ok := StoryOf(eventType); ok && s.tells(d, s.EventType) {
		return s, true
	}
	for _, t := range EventTypes() {
		if s, ok := StoryOf(t); ok && s.tells(d, eventType) {
			s.EventType = eventType
			return s, true
		}
	}
	return nil, false
}

// EventTypesIn lists the event types of a dialect that have a story, in the dialect's order; those of custom modules
// with DefaultModule.
func EventTypesIn(d dialect.Dialect) []string {
	var list []string
	for _, t := range d.Types() {
		if s, ok := StoryIn(d, t.Name); ok {
			list = append(list, s.EventType)
		}
	}
	return list
}

// tells reports whether the story's last write means an event in a dialect.
func (s *Story) tells(d dialect.Dialect, eventType string) bool {
	return slices.Contains(d.Events(s.Change(time.Unix(0, 0), "")), eventType)
}

// moduleIn reports whether an event type is the one of the table, and for which custom module.
func moduleIn(eventType, inTable string) (module string, ok bool) {
	before, after, custom := strings.Cut(inTable, modulePlaceholder)
	switch {
	case !custom:
		return "", eventType == inTable
	case eventType == inTable:
		return DefaultModule, true
	}
	rest, ok1 := strings.CutPrefix(eventType, before)
	module, ok2 := strings.CutSuffix(rest, after)
	return module, ok1 && ok2 && carillon.ValidID(module) && !strings.Contains(module, ":")
}

// add tells of the creation of what a resource needs, then of its own.
func (s *Story) add(r *resource) {
	for _, needed := range r.needs {
		s.add(needed)
	}
	s.steps = append(s.steps, Step{Method: http.MethodPut, Path: r.path, Body: json.RawMessage(r.body)})
}

// Steps gives the writes with ids made of suffix ("acc_" and suffix), which must be of characters that ids may have, and new for
// every telling.
func (s *Story) Steps(suffix string) []Step {
	list := slices.Clone(s.steps)
	fill := filler(s.module, suffix)
	for i, step := range list {
		list[i].Path = fill.Replace(step.Path)
		if step.Body != nil {
			list[i].Body = json.RawMessage(fill.Replace(string(step.Body)))
		}
	}
	return list
}

// filler puts a module and ids in the place of placeholders.
func filler(module, suffix string) *strings.Replacer {
	pairs := []string{modulePlaceholder, module}
	for placeholder, prefix := range idPrefixes {
		pairs = append(pairs, placeholder, prefix+suffix)
	}
	return strings.NewReplacer(pairs...)
}

// Set changes a member of the last write's body. Path names it with dots between the names ("customFields.tier");
// objects that it leads through are made where they are missing. Value is taken as JSON if it is, else as a string. It
// fails with carillon.CodeInvalid if the last write has no body or the path leads through something that is not an object.
func (s *Story) Set(path, value string) error {
	last := len(s.steps) - 1
	if s.steps[last].Body == nil {
		return carillon.Invalid(path, "a deletion has no members to set")
	}
	if path == "" || slices.Contains(strings.Split(path, "."), "") {
		return carillon.Invalid(path, "must be names with dots between them, such as customFields.tier")
	}
	raw := json.RawMessage(value)
	if !json.Valid(raw) {
		raw = quote(value)
	}
	body, err := setMember(s.steps[last].Body, strings.Split(path, "."), raw)
	if err != nil {
		return carillon.Invalid(path, err.Error())
	}
	s.steps = slices.Clone(s.steps)
	s.steps[last].Body = body
	return nil
}

// setMember gives object with the member that names lead to.
func setMember(object json.RawMessage, names []string, value json.RawMessage) (json.RawMessage, error) {
	if len(names) == 0 {
		return value, nil
	}
	members := map[string]json.RawMessage{}
	if object != nil {
		if err := json.Unmarshal(object, &members); err != nil || members == nil {
			return nil, fmt.Errorf("%s cannot be set inside %s, which is not an object", names[0], object)
		}
	}
	inner, err := setMember(members[names[0]], names[1:], value)
	if err != nil {
		return nil, err
	}
	members[names[0]] = inner
	return json.Marshal(members)
}
