package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"charm.land/lipgloss/v2"
	lipglosstable "charm.land/lipgloss/v2/table"
	"github.com/charmbracelet/x/term"
)

// table is a result for people: drawn on a terminal, in plain columns elsewhere.
type table struct {
	header []string
	rows   [][]string
}

// add adds a row. What is in it was often written by strangers.
func (t *table) add(cells ...string) {
	plain := make([]string, len(cells))
	for i, text := range cells {
		plain[i] = plainText(text)
	}
	t.rows = append(t.rows, plain)
}

func (t *table) print(w io.Writer) error {
	if isTerminal(w) {
		head := lipgloss.NewStyle().Bold(true).Padding(0, 1)
		cell := lipgloss.NewStyle().Padding(0, 1)
		drawn := lipglosstable.New().Headers(t.header...).Rows(t.rows...).
			Border(lipgloss.RoundedBorder()).BorderStyle(lipgloss.NewStyle().Faint(true)).
			StyleFunc(func(row, _ int) lipgloss.Style {
				if row == lipglosstable.HeaderRow {
					return head
				}
				return cell
			})
		if width, _, err := term.GetSize(w.(*os.File).Fd()); err == nil && lipgloss.Width(drawn.String()) > width {
			drawn = drawn.Width(width)
		}
		_, err := fmt.Fprintln(w, drawn)
		return err
	}
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.header}, t.rows...) {
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	return columns.Flush()
}

// isTerminal reports whether a person looks at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(f.Fd())
}

// printJSON writes a result for programs, one value on one line.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
