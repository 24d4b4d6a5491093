package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"carillon/cmd/carillon/bench"
)

type benchCmd struct {
	Only     []string      `help:"Measure these rows only: ${bench_rows}." placeholder:"ROW"`
	Duration time.Duration `help:"How long each speed is measured." default:"10s"`
	Quick    bool          `help:"Measure for 3 s each, with fewer subscriptions and changes."`
	LogSize  int           `help:"Also measure the speed with so many changes in the log (10000000 takes half an hour)." placeholder:"N"`
	Dir      string        `help:"Put the databases below this directory, on the disk that is to be measured; the temporary directory by default." type:"existingdir" placeholder:"DIR"`
	JSON     bool          `help:"Print JSON."`
}

// Run measures and prints. A figure over its budget is shown as such and is no failure of the command.
func (c *benchCmd) Run(ctx context.Context, d *desk) error {
	if err := bench.Check(c.Only); err != nil {
		return wrongUsage("--only: %v", err)
	}
	if c.Quick {
		c.Duration = min(c.Duration, 3*time.Second)
	}
	if c.Duration < 100*time.Millisecond {
		return wrongUsage("--duration: %s is too short to measure anything", c.Duration)
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	report, err := bench.Run(ctx, bench.Options{
		Program: program, Dir: c.Dir, Only: c.Only, Duration: c.Duration, Quick: c.Quick, LogSize: c.LogSize,
		Progress: func(what string) { fmt.Fprintln(d.stderr, what) },
	}, programVersion())
	if len(report.Measures) > 0 {
		if printErr := c.print(d, report); printErr != nil {
			return printErr
		}
	}
	return err
}

func (c *benchCmd) print(d *desk, report bench.Report) error {
	if c.JSON {
		return printJSON(d.stdout, report)
	}
	figures := table{header: []string{"ROW", "WHAT", "FIGURE", "LIMIT IN THIS RUN", "RATIO", "BUDGET", "WITHIN"}}
	for _, m := range report.Measures {
		limit, ratio, within := "", "", ""
		if m.Limit > 0 {
			limit = bench.Number(m.Limit) + " " + m.LimitWhat
			ratio = fmt.Sprintf("%.2f", m.Ratio)
		}
		if m.Within != nil {
			within = map[bool]string{true: "yes", false: "NO"}[*m.Within]
		}
		figures.add(m.Row, m.What, bench.Number(m.Value)+" "+m.Unit, limit, ratio, m.Budget, within)
	}
	if err := figures.print(d.stdout); err != nil {
		return err
	}
	for _, m := range report.Measures {
		if m.Note != "" {
			fmt.Fprintf(d.stdout, "%s, %s: %s\n", m.Row, m.What, m.Note)
		}
	}
	fmt.Fprintf(d.stdout, "carillon %s, %s, %s, %d CPUs; each speed measured for %s; %d of %d figures over budget\n",
		report.Version, report.Go, report.OS, report.CPUs, report.Duration, report.OverBudget(), len(report.Measures))
	if report.Load > 0.2*float64(report.CPUs) {
		fmt.Fprintf(d.stdout, "the machine was busy before the run began (load %.1f): what others take is missing from these figures\n", report.Load)
	}
	return nil
}

// rowNames lists the rows for the help text.
func rowNames() string {
	var names []string
	for _, row := range bench.Rows() {
		names = append(names, row[0])
	}
	return strings.Join(names, ", ")
}
