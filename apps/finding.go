package apps

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"carillon"
	"carillon/spelling"
)

// Severity says what a finding means for the app.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // the app is neither packed nor installed
	SeverityWarning Severity = "warning" // it is, but something will not work as it looks
)

// Finding is one thing wrong with an app.
type Finding struct {
	File     string   `json:"file"`   // its path in the app; "" if no file is at fault
	Line     int      `json:"line"`   // from 1; 0 if the fault has no place in the file
	Column   int      `json:"column"` // from 1, in characters (in bytes, far out in very long lines)
	Path     string   `json:"path"`   // a JSON Pointer (RFC 6901) to the member at fault; "" in files of other sorts
	Severity Severity `json:"severity"`
	Reason   string   `json:"reason"` // a sentence about the member, without its name and without a full stop
	Mend     string   `json:"mend"`   // what to do about it; may be empty
}

// String gives the finding on one line, as compilers do: "manifest.json:3:5: error: /product/x: … (…)".
func (f Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
		}
		b.WriteString(": ")
	}
	b.WriteString(string(f.Severity) + ": ")
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Reason)
	if f.Mend != "" {
		b.WriteString(" (" + f.Mend + ")")
	}
	return b.String()
}

// Refusal is the error that findings amount to: nil unless one of them is an error. It is of carillon.CodeInvalid and its faults
// name members as "manifest.json#/product/freshworks_crm".
func Refusal(findings []Finding) error {
	refusal := &carillon.Error{
		Code: carillon.CodeInvalid, Message: "the app is not valid",
		Hint: "carillon app validate DIR shows every finding with its place and how to mend it",
	}
	for _, f := range findings {
		if f.Severity != SeverityError {
			continue
		}
		member := f.File
		if f.Path != "" {
			member += "#" + f.Path
		}
		refusal.Faults = append(refusal.Faults, carillon.Fault{Member: member, Reason: f.Reason})
	}
	if len(refusal.Faults) == 0 {
		return nil
	}
	return refusal
}

// place is where something of an app is written.
type place struct {
	file         string
	line, column int
	path         string
}

func inFile(name string) place { return place{file: name} }

// maxFindings bounds what is told about one app: whoever writes more faults has to mend some first.
const maxFindings = 200

// findings gathers what is wrong with an app.
type findings struct {
	list []Finding
	more bool
}

// full reports whether nothing more is told, so that looking for more is in vain.
func (f *findings) full() bool { return len(f.list) == maxFindings }

func (f *findings) errorAt(at place, reason, mend string) { f.add(at, SeverityError, reason, mend) }

func (f *findings) warnAt(at place, reason, mend string) { f.add(at, SeverityWarning, reason, mend) }

func (f *findings) add(at place, severity Severity, reason, mend string) {
	if f.full() {
		f.more = true
		return
	}
	f.list = append(f.list, Finding{
		File: at.file, Line: at.line, Column: at.column, Path: at.path,
		Severity: severity, Reason: reason, Mend: mend,
	})
}

// sorted gives the findings in the order of reading: by file, line and column.
func (f *findings) sorted() []Finding {
	list := slices.Clone(f.list)
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if f.more {
		list = append(list, Finding{
			Severity: SeverityError,
			Reason:   fmt.Sprintf("has more than %d faults", maxFindings), Mend: "mend these first",
		})
	}
	return list
}

// maxQuoted bounds how much of a stranger's text is repeated, in bytes.
const maxQuoted = 80

// quoted repeats a stranger's text, shortened.
func quoted(text string) string {
	if len(text) > maxQuoted {
		text = text[:maxQuoted]
		for !utf8.ValidString(text) && len(text) > maxQuoted-utf8.UTFMax {
			text = text[:len(text)-1]
		}
		text += "…"
	}
	return strconv.Quote(text)
}

// maxCandidates bounds how many names are compared.
const maxCandidates = 1000

// nearest gives the known name that somebody may have meant; false if none is near. Case does not count.
func nearest(name string, known []string) (string, bool) {
	if len(name) > maxQuoted {
		return "", false
	}
	best, least := "", 1+max(1, len(name)/3)
	for _, candidate := range known[:min(len(known), maxCandidates)] {
		if len(candidate) > maxQuoted {
			continue
		}
		if strings.EqualFold(candidate, name) {
			return candidate, true
		}
		if d := spelling.Distance([]byte(strings.ToLower(name)), []byte(strings.ToLower(candidate))); d < least {
			best, least = candidate, d
		}
	}
	return best, best != ""
}

// maxListed bounds how many known names are told.
const maxListed = 16

// rename is the mend of an unknown name.
func rename(name string, known []string) string {
	if best, ok := nearest(name, known); ok {
		return "write " + strconv.Quote(best)
	}
	if len(known) == 1 {
		return "there is only " + known[0]
	}
	if len(known) > maxListed {
		known = append(slices.Clone(known[:maxListed]), "…")
	}
	return "known are " + strings.Join(known, ", ")
}
