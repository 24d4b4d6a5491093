package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"carillon"
	"carillon/client"
)

type appLogsCmd struct {
	serverFlags `embed:""`
	ID          string `arg:"" help:"The app's id."`
	Follow      bool   `help:"Go on with what happens." short:"f"`
	Failed      bool   `help:"Only invocations that failed."`
	Limit       int    `help:"Begin with so many of the last invocations." default:"20"`
	Max         int    `help:"Stop after so many invocations; 0 means never." placeholder:"N"`
	JSON        bool   `help:"Print JSON, one invocation a line."`
}

// Run prints what handlers did, the oldest first.
func (c *appLogsCmd) Run(ctx context.Context, d *desk) error {
	if c.Limit < 0 || c.Max < 0 {
		return wrongUsage("--limit and --max cannot be negative")
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	options := client.AppLogOptions{Failed: c.Failed}
	var last []*client.Invocation
	for i, err := range api.AppLogs(ctx, c.ID, options) {
		if err != nil {
			return err
		}
		// The newest is read even if none is asked for: following begins behind it.
		if last = append(last, i); len(last) >= max(c.Limit, 1) {
			break
		}
	}
	after := int64(0)
	if len(last) > 0 {
		after = last[0].Position
	}
	last = last[:min(len(last), c.Limit)]
	slices.Reverse(last)
	told := 0
	for _, i := range last {
		if err := c.print(d.stdout, i); err != nil {
			return err
		}
		if told++; told == c.Max {
			return nil
		}
	}
	if !c.Follow {
		return nil
	}
	if err := beginStream(ctx, d, api); err != nil {
		return err
	}
	for i, err := range api.FollowAppLogs(ctx, c.ID, after, options) {
		if err != nil {
			return err
		}
		if err := c.print(d.stdout, i); err != nil {
			return err
		}
		if told++; told == c.Max {
			return nil
		}
	}
	return nil
}

func (c *appLogsCmd) print(w io.Writer, i *client.Invocation) error {
	if c.JSON {
		return printJSON(w, i)
	}
	return printInvocation(w, &carillon.Invocation{
		At: i.At, Duration: time.Duration(i.DurationMS * float64(time.Millisecond)), Trigger: i.Trigger,
		Event: i.Event, Handler: i.Handler, Failure: i.Failure, Lines: i.Lines,
	})
}

// printInvocation shows what a handler did: a line, then what it told the console, and why it failed.
func printInvocation(w io.Writer, i *carillon.Invocation) error {
	var faint, verdict, bad lipgloss.Style
	if isTerminal(w) {
		faint, verdict, bad = faint.Faint(true), verdict.Foreground(lipgloss.Green), bad.Foreground(lipgloss.Red)
	}
	word := "success"
	if i.Failed() {
		word, verdict = "failed", bad
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s → %s  %s\n", faint.Render(localTime(i.At)), verdict.Render(fmt.Sprintf("%-7s", word)), plainText(i.Event),
		plainText(i.Handler), faint.Render(fmt.Sprintf("%s, %s", i.Trigger, i.Duration.Round(10*time.Microsecond))))
	for _, l := range i.Lines {
		text := strings.ReplaceAll(plainText(l.Text), "\n", "\n         ")
		fmt.Fprintf(&b, "  %s %s\n", faint.Render(fmt.Sprintf("%-5s", l.Level)), text)
	}
	if f := i.Failure; f != nil {
		place := ""
		if f.File != "" {
			place = fmt.Sprintf(" (%s:%d:%d)", f.File, f.Line, f.Column)
		}
		fmt.Fprintf(&b, "  %s\n", bad.Render(plainText(f.Message+place)))
		for _, fault := range f.Faults {
			fmt.Fprintf(&b, "    %s\n", plainText(strings.TrimSpace(fault.Member+" "+fault.Reason)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// plainText takes out what would move a terminal's cursor or change its colours: handlers are strangers.
func plainText(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '\ufffd'
		}
		return r
	}, text)
}
