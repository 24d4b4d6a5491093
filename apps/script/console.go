package script

import (
	"strings"
	"time"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// LogLine is what a script told the console in one call.
type LogLine struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"` // debug, info, warn or error
	Text  string    `json:"text"`
}

// consoleLevels are the levels by the functions of console.
var consoleLevels = []struct{ function, level string }{
	{"log", "info"},
	{"info", "info"},
	{"debug", "debug"},
	{"trace", "debug"},
	{"dir", "info"},
	{"warn", "warn"},
	{"error", "error"},
}

// lineCost is what a line costs besides its text, so that empty lines are bounded too.
const lineCost = 16

// printOptions bound how an object is shown: how deep, how much of a string, how many members. They do not run getters.
func printOptions(o lib.TJSPrintValueOptions) lib.TJSPrintValueOptions {
	o.Fmax_depth = 4
	o.Fmax_string_length = 1000
	o.Fmax_item_count = 50
	return o
}

// console answers console.log and its like.
func (e *engine) console(_ *libc.TLS, _ uintptr, _ value, argc int32, argv uintptr, magic int32) value {
	if !e.run.logs.full {
		e.run.logs.add(consoleLevels[magic].level, e.format(argc, argv))
	}
	return undefined
}

// format joins the arguments of a call of console: strings as they are, the rest as code would write it. A first string
// with %s, %d, %i, %f, %j, %o or %O takes arguments in, as in Node.
func (e *engine) format(argc int32, argv uintptr) string {
	var b strings.Builder
	next := int32(0)
	if argc > 1 && isText(argument(0, argc, argv)) {
		pattern, _ := e.readText(argument(0, argc, argv), e.config.Output)
		next = 1
		for b.Len() < e.config.Output {
			before, after, found := strings.Cut(pattern, "%")
			b.WriteString(before)
			if !found {
				break
			}
			pattern = after
			switch {
			case strings.HasPrefix(after, "%"):
				b.WriteByte('%')
				pattern = after[1:]
			case after != "" && strings.IndexByte("sdifjoO", after[0]) >= 0 && next < argc:
				b.WriteString(e.show(argument(int(next), argc, argv)))
				next++
				pattern = after[1:]
			default:
				b.WriteByte('%')
			}
		}
	}
	for ; next < argc && b.Len() < e.config.Output; next++ {
		if next > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.show(argument(int(next), argc, argv)))
	}
	return b.String()
}

func isText(v value) bool {
	kind := kindOf(v)
	return kind == lib.EJS_TAG_STRING || kind == lib.EJS_TAG_STRING_ROPE
}

// show gives a string as it is and other values as print does.
func (e *engine) show(v value) string {
	if isText(v) {
		text, _ := e.readText(v, e.config.Output)
		return text
	}
	return e.print(v)
}

// print gives a value as code would write it, without running any of the script's.
func (e *engine) print(v value) string {
	var b strings.Builder
	before := e.printed
	e.printed = &b
	lib.XJS_PrintValue(e.tls, e.ctx, e.writer, 0, v, e.options)
	e.printed = before
	return strings.ToValidUTF8(b.String(), "\ufffd")
}

// write takes what print prints, piece by piece.
func (e *engine) write(_ *libc.TLS, _, p uintptr, n lib.Tsize_t) {
	if room := e.config.Output - e.printed.Len(); room > 0 {
		for i := range min(uintptr(n), uintptr(room)) {
			e.printed.WriteByte(*pointer[byte](p + i))
		}
	}
}

// logs are the lines of one invocation.
type logs struct {
	lines []LogLine
	room  int // bytes
	full  bool
}

func (l *logs) add(level, text string) {
	if l.full {
		return
	}
	if l.room -= len(text) + lineCost; l.room < 0 {
		if keep := l.room + len(text); keep > 0 {
			l.lines = append(l.lines, LogLine{time.Now().UTC(), level, shorten(text, keep)})
		}
		l.full = true
		l.lines = append(l.lines, LogLine{time.Now().UTC(), "warn", "what follows was cut: an invocation's output is bounded"})
		return
	}
	l.lines = append(l.lines, LogLine{time.Now().UTC(), level, text})
}
