package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"carillon"
	"carillon/client"
	"carillon/dialect"
	"carillon/dialect/platform"
	"carillon/sample"
)

type triggerCmd struct {
	serverFlags `embed:""`
	EventType   string   `arg:"" optional:"" help:"The type of event that is to happen, in the words of any dialect."`
	Dialect     string   `help:"The dialect that the event type is of; by default the first that knows it, the platform's before all others." placeholder:"NAME"`
	Set         []string `help:"Set a member of the last write: health=RED, customFields.tier='[\"gold\"]'. Values are JSON, or else text." sep:"none" placeholder:"PATH=VALUE"`
	List        bool     `help:"List the event types that can be triggered."`
	JSON        bool     `help:"Print JSON, one event a line."`
}

// Run tells the story of an event type by real writes, on records of its own, and prints the events of the last one.
func (c *triggerCmd) Run(ctx context.Context, d *desk) error {
	tongues, err := c.tongues()
	if err != nil {
		return err
	}
	if c.List {
		return c.list(d, tongues)
	}
	if c.EventType == "" {
		return wrongUsage("name the event type to trigger; --list shows them all")
	}
	tongue, story, err := storyIn(tongues, c.EventType)
	if err != nil {
		return err
	}
	for _, set := range c.Set {
		path, value, ok := strings.Cut(set, "=")
		if !ok {
			return wrongUsage("--set: %q is not PATH=VALUE", set)
		}
		if err := story.Set(path, value); err != nil {
			return wrongUsage("--set: %v", err)
		}
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	_, suffix, _ := strings.Cut(carillon.NewID("sample"), "_")
	var last client.Answer
	for _, step := range story.Steps(suffix) {
		if last, err = api.Do(ctx, step.Method, step.Path, nil, step.Body); err != nil {
			return fmt.Errorf("%s %s: %w", step.Method, step.Path, err)
		}
		fmt.Fprintf(d.stderr, "%s %s: %d\n", step.Method, step.Path, last.Status)
	}
	if last.Seq == 0 {
		return fmt.Errorf("the last write changed nothing, so that no %s came of it", story.EventType)
	}
	return c.show(ctx, d, api, tongue, story.EventType, last.Seq)
}

// tongues are the dialects to look for an event type in: the one that was named, or all, the platform's first.
func (c *triggerCmd) tongues() ([]dialect.Dialect, error) {
	known := dialects()
	names := inOrder(known)
	if c.Dialect != "" {
		if known[c.Dialect] == nil {
			return nil, wrongUsage("--dialect: %q is none of %s", c.Dialect, strings.Join(names, ", "))
		}
		names = []string{c.Dialect}
	}
	list := make([]dialect.Dialect, len(names))
	for i, name := range names {
		list[i] = known[name]
	}
	return list, nil
}

// inOrder gives the names of dialects: the platform's first, then by the alphabet.
func inOrder(known map[string]dialect.Dialect) []string {
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		switch {
		case a == platform.Name:
			return -1
		case b == platform.Name:
			return 1
		}
		return strings.Compare(a, b)
	})
	return names
}

// storyIn finds the first dialect that knows an event type, and the story that makes it happen.
func storyIn(tongues []dialect.Dialect, eventType string) (dialect.Dialect, *sample.Story, error) {
	var names []string
	for _, tongue := range tongues {
		if story, ok := sample.StoryIn(tongue, eventType); ok {
			return tongue, story, nil
		}
		names = append(names, sample.EventTypesIn(tongue)...)
	}
	hint := ""
	if near := nearest(eventType, names, 3); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "? "
	}
	return nil, nil, wrongUsage("%q is not an event type that can be triggered; %s--list shows them all", eventType, hint)
}

// show prints the events of one change in a dialect. It fails if the one that was wanted is not among them.
func (c *triggerCmd) show(ctx context.Context, d *desk, api *client.Client, tongue dialect.Dialect, wanted string, seq int64) error {
	query := client.EventQuery{After: seq - 1, Dialect: tongue.Name()}
	var events []*client.Event
	for e, err := range api.AllEvents(ctx, query) {
		if err != nil {
			return err
		}
		if e.Seq > seq {
			break
		}
		events = append(events, e)
	}
	outlines, err := outlinesOf(ctx, api, query, len(events))
	if err != nil {
		return err
	}
	if err := c.print(d, events, outlines); err != nil {
		return err
	}
	if !slices.ContainsFunc(outlines, func(e client.StreamEvent) bool { return e.Type == wanted }) {
		return fmt.Errorf("with what --set says, no %s came of the last write", wanted)
	}
	return nil
}

func (c *triggerCmd) print(d *desk, events []*client.Event, outlines []client.StreamEvent) error {
	if !c.JSON {
		return printOutlines(d.stdout, outlines)
	}
	for _, e := range events {
		if err := printJSON(d.stdout, e); err != nil {
			return err
		}
	}
	return nil
}

// list prints the event types of the dialects.
func (c *triggerCmd) list(d *desk, tongues []dialect.Dialect) error {
	rows := table{header: []string{"DIALECT", "EVENT TYPE", "KIND", "WHAT IT TELLS"}}
	for _, tongue := range tongues {
		for _, t := range tongue.Types() {
			story, ok := sample.StoryIn(tongue, t.Name)
			switch {
			case !ok:
			case c.JSON:
				err := printJSON(d.stdout, struct {
					Dialect     string        `json:"dialect"`
					EventType   string        `json:"eventType"`
					Kind        carillon.Kind `json:"kind"`
					Description string        `json:"description"`
				}{tongue.Name(), story.EventType, t.Kind, t.Description})
				if err != nil {
					return err
				}
			default:
				rows.add(tongue.Name(), story.EventType, string(t.Kind), t.Description)
			}
		}
	}
	if c.JSON {
		return nil
	}
	return rows.print(d.stdout)
}
