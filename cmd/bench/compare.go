package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"cuflow/cmd/bench/internal/show"
	"cuflow/cmd/bench/internal/stats"

	"github.com/spf13/cobra"
)

// errTooSlow is the end of a comparison that found something slower than it may be.
var errTooSlow = errors.New("slower than the baseline by more than the tolerance")

func compareCommand() *cobra.Command {
	var tolerance float64
	var format formatFlags
	c := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Compare two stored measurements",
		Long: `Compare two files of records that --json has printed, workload by workload: the medians of their rounds, with the interval that
contains the true one with 95 %, and the probability p of a difference like this if nothing has changed (Mann and Whitney's
test, as benchstat does). Differences with p of 0.05 and above are taken for noise. The exit status is 1 if anything is
significantly slower by more than the tolerance.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("give two files of measurements: use it as `%s`", c.UseLine())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			f := outputFlags{formatFlags: format, tolerance: tolerance}
			if err := f.check(); err != nil {
				return err
			}
			old, err := readRecords(args[0])
			if err != nil {
				return err
			}
			now, err := readRecords(args[1])
			if err != nil {
				return err
			}
			if format.json || format.csv {
				pairs := pair(old, now, tolerance/100)
				if _, err := printed(format, c.OutOrStdout(), pairs); err != nil {
					return err
				}
				return verdict(pairs)
			}
			return compareRecords(c.OutOrStdout(), old, now, tolerance/100)
		},
	}
	format.add(c)
	c.Flags().Float64Var(&tolerance, "tolerance", 5, "`percent` that may be lost")
	return c
}

// readRecords reads what --json has printed.
func readRecords(path string) (all []*record, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("%w: `bench step --json` prints such a file", err)
	}
	for d := json.NewDecoder(bytes.NewReader(text)); d.More(); {
		r := &record{}
		if err := d.Decode(r); err != nil {
			return nil, usagef("%s: record %d: %w: `bench step --json` prints such a file", path, len(all)+1, err)
		}
		if len(r.RoundMs) == 0 || r.Preset == "" {
			return nil, usagef("%s: record %d has no rounds or no preset: `bench step --json` prints such a file", path, len(all)+1)
		}
		all = append(all, r)
	}
	if len(all) == 0 {
		return nil, usagef("%s has no records: `bench step --json` prints some", path)
	}
	return all, nil
}

// key is what must be the same in records that are compared.
func (r *record) key() string {
	return fmt.Sprint(r.Work, r.Preset, r.Batch, r.Mode, r.Device, r.Workers, r.Precision, r.Recorded)
}

// pairing is a workload's old and new times.
type pairing struct {
	Work    string        `json:"work"`
	Preset  string        `json:"preset"`
	Batch   int           `json:"batch"`
	Old     float64       `json:"old_ms"`
	New     float64       `json:"new_ms"`
	Ratio   float64       `json:"ratio"`
	P       float64       `json:"p"`
	Verdict stats.Verdict `json:"verdict"`

	of   *record
	both stats.Comparison
}

// pair compares what is in both lists, in the order of the new one.
func pair(old, now []*record, tolerance float64) (pairs []pairing) {
	before := map[string]*record{}
	for _, r := range old {
		before[r.key()] = r
	}
	for _, r := range now {
		if b := before[r.key()]; b != nil {
			c := stats.Compare(b.RoundMs, r.RoundMs, tolerance)
			pairs = append(pairs, pairing{r.Work, r.Preset, r.Batch, c.Old.Median, c.New.Median, c.Ratio, c.P, c.Verdict, r, c})
		}
	}
	return pairs
}

// verdict is errTooSlow if any is.
func verdict(pairs []pairing) error {
	if len(pairs) == 0 {
		return usagef("the two have no workload in common: the same preset, batch, memory mode, device, cores and precision")
	}
	for _, p := range pairs {
		if p.Verdict == stats.TooSlow {
			return errTooSlow
		}
	}
	return nil
}

// compareRecords prints a comparison, and what of it is too slow is an error.
func compareRecords(out io.Writer, old, now []*record, tolerance float64) error {
	pairs := pair(old, now, tolerance)
	if len(pairs) > 0 {
		if err := writePairs(out, pairs, len(now)-len(pairs)); err != nil {
			return err
		}
	}
	return verdict(pairs)
}

func writePairs(out io.Writer, pairs []pairing, alone int) error {
	t := show.Table{Left: 1}
	t.Add("workload", "batch", "old ms", "±", "new ms", "±", "change", "p", "rounds", "verdict")
	few := false
	for _, p := range pairs {
		few = few || p.Verdict == stats.Unknown
		t.Add(p.of.name(), fmt.Sprint(p.Batch), show.Number(p.Old), spread(p.both.Old), show.Number(p.New), spread(p.both.New), show.Change(p.Ratio-1),
			fmt.Sprintf("%.3f", p.P), fmt.Sprint(len(p.of.RoundMs)), string(p.Verdict))
	}
	if err := t.Write(out); err != nil {
		return err
	}
	notes := ""
	if few {
		notes += fmt.Sprintf("at least %d rounds on both sides can tell a difference: give --rounds\n", stats.LeastRepeats)
	}
	if alone > 0 {
		notes += fmt.Sprintf("%s without a counterpart\n", counted(alone, "new record"))
	}
	_, err := io.WriteString(out, notes)
	return err
}

// spread is how far a median is known.
func spread(m stats.Middle) string {
	if m.Spread() == 0 {
		return "?"
	}
	return fmt.Sprintf("%.1f %%", 100*m.Spread())
}
