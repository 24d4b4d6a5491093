package main

import (
	"context"
	"fmt"
	"strings"

	"carillon"
	"carillon/client"
	"carillon/sample"
)

type triggerCmd struct {
	serverFlags `embed:""`
	EventType   string   `arg:"" optional:"" help:"The type of event that is to happen."`
	Set         []string `help:"Set a member of the last write: health=RED, customFields.tier='[\"gold\"]'. Values are JSON, or else text." sep:"none" placeholder:"PATH=VALUE"`
	List        bool     `help:"List the event types that can be triggered."`
	JSON        bool     `help:"Print JSON, one event a line."`
}

// Run tells the story of an event type by real writes, on records of its own, and prints the events of the last one.
func (c *triggerCmd) Run(ctx context.Context, d *desk) error {
	if c.List {
		return c.list(d)
	}
	if c.EventType == "" {
		return wrongUsage("name the event type to trigger; --list shows them all")
	}
	story, ok := sample.StoryOf(c.EventType)
	if !ok {
		return wrongUsage("%q is not an event type that can be triggered; --list shows them all", c.EventType)
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
	return c.show(ctx, d, api, last.Seq)
}

// show prints the events of one change.
func (c *triggerCmd) show(ctx context.Context, d *desk, api *client.Client, seq int64) error {
	events := table{header: eventHeader}
	for e, err := range api.AllEvents(ctx, client.EventQuery{After: seq - 1}) {
		if err != nil {
			return err
		}
		if e.Seq > seq {
			break
		}
		if !c.JSON {
			events.add(eventRow(e)...)
		} else if err := printJSON(d.stdout, e); err != nil {
			return err
		}
	}
	if c.JSON {
		return nil
	}
	return events.print(d.stdout)
}

func (c *triggerCmd) list(d *desk) error {
	if c.JSON {
		return printJSON(d.stdout, sample.EventTypes())
	}
	_, err := fmt.Fprintln(d.stdout, strings.Join(sample.EventTypes(), "\n"))
	return err
}
