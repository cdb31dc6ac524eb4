package main

import (
	"fmt"
	"io"
	"math"

	"cuflow/cmd/bench/internal/show"

	"github.com/spf13/cobra"
)

// formatFlags say how results are printed.
type formatFlags struct{ json, csv bool }

func (f *formatFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON object a line")
	c.Flags().BoolVar(&f.csv, "csv", false, "print CSV, its names in the first line")
}

func (f *formatFlags) check() error {
	if f.json && f.csv {
		return usagef("--json and --csv: give one of them")
	}
	return nil
}

// printed prints records for programs, if the flags say so.
func printed[T any](f formatFlags, out io.Writer, records []T) (bool, error) {
	switch {
	case f.json:
		return true, show.JSONLines(out, records)
	case f.csv:
		return true, show.CSV(out, records)
	}
	return false, nil
}

// outputFlags say what becomes of records.
type outputFlags struct {
	formatFlags
	baseline  string
	tolerance float64
	pictures  string
}

func (f *outputFlags) add(c *cobra.Command) {
	f.formatFlags.add(c)
	c.Flags().StringVar(&f.baseline, "baseline", "", "compare with the records in this `file`, which --json has printed; exit with 1 if anything is too slow")
	c.Flags().Float64Var(&f.tolerance, "tolerance", 5, "`percent` that may be lost")
	c.Flags().StringVar(&f.pictures, "plot", "", "draw the roofline into this `folder`, as roofline.png and roofline.svg")
}

func (f *outputFlags) check() error {
	if !(f.tolerance >= 0 && f.tolerance <= 1000) || math.IsNaN(f.tolerance) {
		return usagef("--tolerance is %v: it must be from 0 to 1000 percent", f.tolerance)
	}
	return f.formatFlags.check()
}

// print tells what was measured: a record at length, several in a table.
func (f *outputFlags) print(out io.Writer, records []*record) error {
	if done, err := printed(f.formatFlags, out, records); done {
		return err
	}
	if len(records) == 1 {
		return records[0].write(out)
	}
	if _, err := fmt.Fprintf(out, "%s; %d warm-up steps in each of %s\n\n", records[0].where(), records[0].WarmUp, counted(len(records[0].RoundMs), "round")); err != nil {
		return err
	}
	return writeRecords(out, records)
}

// readBaseline reads what is compared with; nil: nothing is.
func (f *outputFlags) readBaseline() ([]*record, error) {
	if err := f.check(); err != nil || f.baseline == "" {
		return nil, err
	}
	return readRecords(f.baseline)
}

// judge compares records with a baseline. Where the records were printed for a program, the comparison goes to people.
func (f *outputFlags) judge(out, people io.Writer, baseline, records []*record) error {
	if baseline == nil {
		return nil
	}
	if f.json || f.csv {
		out = people
	} else if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	return compareRecords(out, baseline, records, f.tolerance/100)
}
