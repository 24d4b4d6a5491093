package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"

	"carillon/client"
	"carillon/dialect"
)

// printer shows the events of a stream as they come: a line each for people, in colours on a terminal, or JSON.
type printer struct {
	w    io.Writer
	json bool
	body bool // under each line
}

// outcome is what became of a forwarded event; the zero value of one that was not forwarded.
type outcome struct {
	text   string // "200 in 1.2ms"
	failed bool
}

func (p printer) event(e client.StreamEvent, o outcome) error {
	if p.json {
		return p.asJSON(e, o)
	}
	var faint, bold, verdict lipgloss.Style
	if isTerminal(p.w) {
		faint, bold, verdict = faint.Faint(true), bold.Bold(true), verdict.Foreground(lipgloss.Green)
		if o.failed {
			verdict = verdict.Foreground(lipgloss.Red)
		}
	}
	line := fmt.Sprintf("%8d  %s  %s  %s  %s", e.Seq, faint.Render(localTime(e.Time)), bold.Render(fmt.Sprintf("%-44s", e.Type)),
		faint.Render(e.ID), verdict.Render(o.text))
	if _, err := fmt.Fprintln(p.w, strings.TrimRight(line, " ")); err != nil || !p.body {
		return err
	}
	_, err := fmt.Fprintln(p.w, headersOf(e)+readable(e.Message))
	return err
}

func (p printer) asJSON(e client.StreamEvent, o outcome) error {
	message := json.RawMessage(e.Message)
	if !json.Valid(message) {
		message = dialect.AppendString(nil, string(e.Message))
	}
	return printJSON(p.w, struct {
		Seq         int64           `json:"seq"`
		Type        string          `json:"type"`
		ID          string          `json:"id"`
		Lane        string          `json:"lane"`
		ContentType string          `json:"contentType"`
		Message     json.RawMessage `json:"message"`
		Outcome     string          `json:"outcome,omitzero"`
	}{e.Seq, e.Type, e.ID, e.Lane, e.ContentType, message, o.text})
}

// headersOf lists the headers that a dialect puts beside a message, a line each.
func headersOf(e client.StreamEvent) string {
	var b strings.Builder
	names := make([]string, 0, len(e.Header))
	for name := range e.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\n", strings.ToLower(name), e.Header.Get(name))
	}
	return b.String()
}

// readable indents JSON; anything else is shown as it is.
func readable(message []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, message, "", "  ") != nil {
		return string(message)
	}
	return b.String()
}
