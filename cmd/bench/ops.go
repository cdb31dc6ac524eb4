package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"time"

	"cuflow/device"
	"cuflow/device/devicetest"

	"github.com/spf13/cobra"
)

type opsFlags struct {
	deviceFlags
	match   string
	seconds float64
	json    bool
}

func opsCommand() *cobra.Command {
	var f opsFlags
	c := &cobra.Command{
		Use:   "ops",
		Short: "Time every operation at the sizes that models have",
		Long: `Time every operation of a device at the sizes that models have. GB/s counts each operand once, read or written, and twice if
both; an operand that stays in a cache may so exceed what memory gives.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runOps(c.OutOrStdout(), f) },
	}
	c.Flags().StringVar(&f.match, "match", "", "only operations whose name matches this regular `expression`")
	f.deviceFlags.add(c)
	c.Flags().Float64Var(&f.seconds, "seconds", 0.1, "measure each operation for at least this long")
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON object a line")
	return c
}

// opReport is what is known of one operation at one size.
type opReport struct {
	Device    string   `json:"device"`
	Op        string   `json:"op"`
	Runs      int      `json:"runs"`
	Median    float64  `json:"ms"`
	Min       float64  `json:"min"`
	P95       float64  `json:"p95"`
	GFLOPS    float64  `json:"gflops,omitempty"`
	GBs       float64  `json:"gb_per_second,omitempty"`
	PeakShare *float64 `json:"peak_share,omitempty"`
}

func runOps(out io.Writer, f opsFlags) error {
	match, err := regexp.Compile(f.match)
	if err != nil {
		return usagef("--match: %w", err)
	}
	limit, err := budget(f.seconds)
	if err != nil {
		return err
	}
	be, err := f.open()
	if err != nil {
		return err
	}
	defer be.Close()
	rows, release, err := devicetest.Rows(be)
	if err != nil {
		return err
	}
	defer release()

	peak := fmaPeak(be)
	var reports []opReport
	for _, row := range rows {
		if !match.MatchString(row.Name) {
			continue
		}
		r, err := timeOp(be, row, limit)
		if err != nil {
			return err
		}
		reports = append(reports, r)
	}
	if len(reports) == 0 {
		return usagef("--match %q: no operation has such a name; `bench ops` lists them all", f.match)
	}
	peak = max(peak, fmaPeak(be))
	for i, r := range reports {
		if r.GFLOPS > 0 {
			reports[i].PeakShare = share(r.GFLOPS, peak)
		}
	}
	if f.json {
		e := json.NewEncoder(out)
		for _, r := range reports {
			if err := e.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	return writeOps(out, be, peak, reports)
}

const (
	leastRuns = 5
	mostRuns  = 1 << 16
	// A sample shorter than this would measure the clock and the wait for the device as much as the operation.
	leastSample = 200 * time.Microsecond
)

// timeRuns takes samples that are each as many runs as it takes to last leastSample.
func timeRuns(be device.Backend, run func(), limit time.Duration) (t times, runs int, err error) {
	runs = 1
	sample := func() error {
		for range runs {
			run()
		}
		return be.Sync()
	}
	for {
		start := time.Now()
		if err := sample(); err != nil {
			return nil, 0, err
		}
		// The first sample warms up: it is never the one that decides.
		if d := time.Since(start); d >= leastSample && runs > 1 || runs >= mostRuns || d >= 10*leastSample {
			break
		}
		runs *= 2
	}
	t, err = measure(make(times, 0, mostRuns), leastRuns, limit, sample)
	return t, runs, err
}

// timeOp is the median of such samples.
func timeOp(be device.Backend, row devicetest.Row, limit time.Duration) (opReport, error) {
	t, runs, err := timeRuns(be, row.Run, limit)
	if err != nil {
		return opReport{}, fmt.Errorf("%s: %w", row.Name, err)
	}
	ms := func(d time.Duration) float64 { return milliseconds(d) / float64(runs) }
	n := int64(runs)
	return opReport{
		Device: be.Name(), Op: row.Name, Runs: len(t) * runs,
		Median: ms(t.median()), Min: ms(t[0]), P95: ms(t.p95()),
		GFLOPS: perNanosecond(n*row.Flops, t.median()), GBs: perNanosecond(n*row.Bytes, t.median()),
	}, nil
}

func writeOps(out io.Writer, be device.Backend, peak float64, reports []opReport) error {
	on := be.Name()
	if n := workers(be); n > 0 {
		on += fmt.Sprintf(" on %d cores", n)
	}
	if peak > 0 {
		on += fmt.Sprintf(", measured peak %s GFLOP/s", number(peak))
	}
	if _, err := fmt.Fprintf(out, "%s\n\n", on); err != nil {
		return err
	}
	t := table{left: 1}
	t.add("operation", "µs", "GFLOP/s", "of peak", "GB/s", "runs")
	for _, r := range reports {
		t.add(r.Op, number(1e3*r.Median), optional(r.GFLOPS), percent(r.PeakShare), optional(r.GBs), fmt.Sprint(r.Runs))
	}
	return t.write(out)
}
