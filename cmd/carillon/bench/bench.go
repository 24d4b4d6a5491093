package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Options of a run.
type Options struct {
	// Program is the carillon to measure: run as `PROGRAM serve --dev …`, and as `PROGRAM bench-handler …` for the
	// handler without the store.
	Program string
	// Dir holds the databases; it should be on the disk that is to be measured.
	Dir string
	// Only names the rows to measure; empty means all but those that need a flag of their own.
	Only []string
	// Duration is how long each speed is measured, after a warm-up of a fifth of it.
	Duration time.Duration
	// Quick takes fewer subscriptions and changes where a row's time does not follow from Duration.
	Quick bool
	// LogSize, if not 0, adds the row log-size: speed with so many changes in the log.
	LogSize int
	// Progress is told what is going on; nil means nobody.
	Progress func(string)
}

// Report is what a run found.
type Report struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	CPUs    int    `json:"cpus"`
	// Load is how many processes wanted a processor, on average over the minute before the run; 0 if unknown. What
	// others take is missing from every figure.
	Load     float64   `json:"load,omitzero"`
	Started  time.Time `json:"started"`
	Duration string    `json:"duration"`
	Measures []Measure `json:"measures"`
}

// OverBudget counts the measures that are over their budget.
func (r Report) OverBudget() int {
	n := 0
	for _, m := range r.Measures {
		if m.Within != nil && !*m.Within {
			n++
		}
	}
	return n
}

// Measure is one figure beside its limit.
type Measure struct {
	Row   string  `json:"row"`
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Limit is what the same run found possible without the part that is measured; 0 if there is none.
	Limit     float64 `json:"limit,omitzero"`
	LimitWhat string  `json:"limitWhat,omitzero"`
	Ratio     float64 `json:"ratio,omitzero"` // Value ÷ Limit
	// Budget is the design's; Within says whether the figure keeps it, nil if there is no budget.
	Budget string `json:"budget,omitzero"`
	Within *bool  `json:"within,omitzero"`
	Note   string `json:"note,omitzero"`
}

func (m Measure) against(limit float64, what string) Measure {
	m.Limit, m.LimitWhat = limit, what
	if limit > 0 {
		m.Ratio = m.Value / limit
	}
	return m
}

// atLeast and atMost judge the value, ratioAtLeast and ratioAtMost the ratio to the limit.
func (m Measure) atLeast(budget float64) Measure {
	return m.judge(fmt.Sprintf("≥ %s %s", number(budget), m.Unit), m.Value >= budget)
}

func (m Measure) atMost(budget float64) Measure {
	return m.judge(fmt.Sprintf("≤ %s %s", number(budget), m.Unit), m.Value <= budget)
}

func (m Measure) ratioAtLeast(budget float64) Measure {
	return m.judge(fmt.Sprintf("≥ %s of the limit", number(budget)), m.Ratio >= budget)
}

func (m Measure) ratioAtMost(budget float64) Measure {
	return m.judge(fmt.Sprintf("≤ %s of the limit", number(budget)), m.Ratio <= budget)
}

// judge adds a budget; a measure with two keeps both or neither.
func (m Measure) judge(budget string, kept bool) Measure {
	if m.Budget != "" {
		m.Budget += ", "
	}
	m.Budget += budget
	if m.Within != nil {
		kept = kept && *m.Within
	}
	m.Within = &kept
	return m
}

// spoilt marks a measure whose run was not what it should have been, whatever its figure.
func (m Measure) spoilt(why string) Measure {
	if why == "" {
		return m
	}
	if m.Note != "" {
		m.Note += "; "
	}
	m.Note += why
	no := false
	m.Within = &no
	return m
}

// number writes a figure with as many digits as mean something.
func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return thousands(int64(v + 0.5))
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return strings.TrimRight(fmt.Sprintf("%.3f", v), "0")
	}
}

// Number writes a figure for people: 12,345 or 0.27.
func Number(v float64) string { return number(v) }

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// row is one line of the budget.
type row struct {
	name    string
	about   string
	byFlag  bool // only on request
	measure func(*run, context.Context) ([]Measure, error)
}

var rows = []row{
	{name: "end-to-end", about: "written and delivered at once: one endpoint, 64 writers", measure: (*run).endToEnd},
	{name: "writes", about: "durable writes alone: 64 writers, no subscription", measure: (*run).writes},
	{name: "catch-up", about: "deliveries from the log: one endpoint, no writers", measure: (*run).catchUp},
	{name: "fan-out", about: "ten endpoints while writing", measure: (*run).fanOut},
	{name: "latency", about: "from publish to receipt, at 50 and at 1,000 a second", measure: (*run).latency},
	{name: "disk", about: "bytes on disk per change, with 1 and with 100 subscriptions", measure: (*run).disk},
	{name: "memory", about: "under load, and with 10,000 idle subscriptions", measure: (*run).memory},
	{name: "render", about: "making a message of a change", measure: (*run).render},
	{name: "log-size", about: "end to end with --log-size changes in the log", byFlag: true, measure: (*run).logSize},
}

// Rows lists the names of all rows, each with what it measures.
func Rows() [][2]string {
	list := make([][2]string, len(rows))
	for i, r := range rows {
		list[i] = [2]string{r.name, r.about}
	}
	return list
}

// Check says whether every name is that of a row.
func Check(names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.name == name }) {
			known := make([]string, len(rows))
			for i, r := range rows {
				known[i] = r.name
			}
			return fmt.Errorf("%q is not a row: choose from %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// run is one run of the bench: its options, and the limits found so far.
type run struct {
	Options
	limits limits
	rest   map[string][]Measure // measures that one row found on another's behalf
}

// Run measures. It stops at the first row that cannot be measured and gives what it has until then.
func Run(ctx context.Context, o Options, version string) (Report, error) {
	report := Report{
		Version: version, Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Load: machineLoad(),
		Started: time.Now().UTC().Truncate(time.Second), Duration: o.Duration.String(),
	}
	if err := Check(o.Only); err != nil {
		return report, err
	}
	r := &run{Options: o, rest: map[string][]Measure{}}
	for _, row := range rows {
		if !r.wants(row) {
			continue
		}
		r.say(row.name + ": " + row.about)
		found, err := row.measure(r, ctx)
		report.Measures = append(report.Measures, found...)
		if err != nil {
			return report, fmt.Errorf("measure %s: %w", row.name, err)
		}
	}
	return report, nil
}

func (r *run) wants(row row) bool {
	if row.name == "log-size" && r.LogSize > 0 {
		return true
	}
	if len(r.Only) == 0 {
		return !row.byFlag
	}
	return slices.Contains(r.Only, row.name)
}

func (r *run) say(what string) {
	if r.Progress != nil {
		r.Progress(what)
	}
}

// dir makes an empty directory for one server.
func (r *run) dir(name string) (string, func(), error) {
	dir, err := os.MkdirTemp(r.Dir, "carillon-bench-"+name+"-")
	if err != nil {
		return "", nil, fmt.Errorf("make a directory: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// sizeOf adds up the files below dir.
func sizeOf(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		sum += info.Size()
		return nil
	})
	return sum, err
}
