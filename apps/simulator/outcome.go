package simulator

import (
	"cmp"
	"slices"
	"strings"

	"carillon"
	"carillon/apps"
)

// outcome is what an invocation did, as it is shown.
type outcome struct {
	*carillon.Invocation
	Faults   []faultSpot
	Source   []sourceLine // the script around the line that failed
	Rendered string       // what renderData was given
	Hint     string       // what a failure of the kind means
}

// faultSpot is a fault, and where it stands in the payload.
type faultSpot struct {
	carillon.Fault
	spot
}

// sourceLine is one line of a script.
type sourceLine struct {
	Number int
	Text   string
	Guilty bool
}

// around is how many lines of a script are shown on either side of the one that failed.
const around = 4

// newOutcome prepares an invocation for showing.
func newOutcome(i *carillon.Invocation) *outcome {
	o := &outcome{Invocation: i}
	if len(i.Rendered) > 0 {
		o.Rendered = indented(i.Rendered)
	}
	if i.Failure != nil {
		for _, fault := range i.Failure.Faults {
			o.Faults = append(o.Faults, faultSpot{Fault: fault})
		}
		o.Hint = hints[i.Failure.Kind]
	}
	return o
}

// locate finds what a failure is about: its faults in the payload, in whose order they are put, and its line in the script. Both must be as they were when
// the handler ran.
func (o *outcome) locate(pkg *apps.App, payload []byte) {
	if o.Failure == nil {
		return
	}
	for i, f := range o.Faults {
		o.Faults[i].spot = find(payload, f.Member)
	}
	slices.SortStableFunc(o.Faults, func(a, b faultSpot) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Reason, b.Reason))
	})
	o.Source = excerpt(pkg, o.Failure.File, o.Failure.Line)
}

// hints say what failures of a kind are about, where the message may not.
var hints = map[string]string{
	"timeout": "The handler was stopped: it was not done within the time that handlers have.",
	"memory":  "The handler was stopped: it wanted more memory than handlers have.",
	"stack":   "The handler was stopped: functions called functions too deep, as endless recursion does.",
	"stalled": "The handler waits for a promise that nothing will ever settle.",
	"missing": "server/server.js exports no function of this name.",
	"engine":  "This is Carillon's fault, not the app's. The server's log has more.",
}

// excerpt gives the lines of a script around one.
func excerpt(pkg *apps.App, file string, line int) []sourceLine {
	content, ok := pkg.File(file)
	if !ok || line < 1 {
		return nil
	}
	lines := strings.Split(string(content), "\n")
	if line > len(lines) {
		return nil
	}
	var shown []sourceLine
	for n := max(1, line-around); n <= min(len(lines), line+around); n++ {
		shown = append(shown, sourceLine{Number: n, Text: strings.TrimRight(lines[n-1], "\r"), Guilty: n == line})
	}
	return shown
}

// Word says how it went, for those who do not see colours as well.
func (o *outcome) Word() string {
	if o.Failed() {
		return "Failed"
	}
	return "Success"
}

// Ran reports whether the handler was called at all.
func (o *outcome) Ran() bool { return ran(o.Invocation) }

func ran(i *carillon.Invocation) bool {
	return i.Handler != "" && (i.Failure == nil || i.Failure.Kind != "payload" && i.Failure.Kind != "missing")
}
