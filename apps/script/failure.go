package script

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind says in one word why a script failed.
type Kind string

// The kinds.
const (
	KindSyntax  Kind = "syntax"  // a file is not JavaScript, or not JSON
	KindThrew   Kind = "threw"   // an exception that nobody caught, or a promise that was rejected
	KindTimeout Kind = "timeout" // it was not done in time
	KindMemory  Kind = "memory"  // it wanted more memory than it may have
	KindStack   Kind = "stack"   // calls within calls, too deep
	KindStalled Kind = "stalled" // it waits for a promise that nothing will ever settle
	KindPayload Kind = "payload" // the argument is too large or not JSON
	KindOutput  Kind = "output"  // what it renders is too large
	KindMissing Kind = "missing" // there is no such handler
	KindEngine  Kind = "engine"  // the engine broke; it is ours
)

// Failure is how a script failed, and where in the app's files.
type Failure struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
	File    string `json:"file,omitzero"`   // "server/server.js"; empty if no line of the app is to blame
	Line    int    `json:"line,omitzero"`   // from 1
	Column  int    `json:"column,omitzero"` // from 1, in characters
	Stack   string `json:"stack,omitzero"`  // the app's own calls, one a line: "onDealCreate (server/server.js:3:9)"
}

// Error gives the message and the place.
func (f *Failure) Error() string {
	if f.File == "" {
		return f.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
}

// Failures are what keeps an app's files from becoming a Program, one for each file at most.
type Failures []*Failure

// Error gives all of them.
func (f Failures) Error() string {
	texts := make([]string, len(f))
	for i, one := range f {
		texts[i] = one.Error()
	}
	return strings.Join(texts, "; ")
}

const (
	maxMessage = 4 << 10
	maxFrames  = 20
)

// placed reads a stack, leaves out what is not the app's, and takes the innermost call as the place. A handler may have made up the
// stack of what it throws: calls in files that are not there are not believed.
func (e *engine) placed(f *Failure, stack string) *Failure {
	var own []string
	for line := range strings.Lines(stack) {
		name, file, at, column, ok := parseFrame(line)
		if !ok || !e.owns(file) {
			continue
		}
		if at == 1 {
			column = max(1, column-len(wrapperHead))
		}
		if f.File == "" {
			f.File, f.Line, f.Column = file, at, column
		}
		if len(own) < maxFrames {
			own = append(own, fmt.Sprintf("%s (%s:%d:%d)", name, file, at, column))
		}
	}
	f.Stack = strings.Join(own, "\n")
	return f
}

// owns reports whether a file is the app's. An engine without a program compiles one file and runs nothing that could lie.
func (e *engine) owns(file string) bool {
	if e.program == nil {
		return true
	}
	_, ok := e.program.files[file]
	return ok
}

// parseFrame reads "    at name (file:line:column)". Frames of the engine and of the runtime's own code are not ok.
func parseFrame(text string) (name, file string, line, column int, ok bool) {
	text, ok = strings.CutPrefix(strings.TrimSpace(text), "at ")
	if !ok {
		return "", "", 0, 0, false
	}
	name, place, ok := strings.Cut(text, " (")
	if ok {
		place = strings.TrimSuffix(place, ")")
	} else {
		name, place = "(top level)", text
	}
	i := strings.LastIndexByte(place, ':')
	j := strings.LastIndexByte(place[:max(i, 0)], ':')
	if j < 0 {
		return "", "", 0, 0, false
	}
	line, lineErr := strconv.Atoi(place[j+1 : i])
	column, columnErr := strconv.Atoi(place[i+1:])
	file = place[:j]
	if lineErr != nil || columnErr != nil || file == "" || file[0] == '<' {
		return "", "", 0, 0, false
	}
	return name, file, line, column, true
}

// shorten keeps a text below a number of bytes, without cutting a character.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
