package main

import (
	"fmt"
	"io"
	"regexp"
	"time"

	"cuflow/cmd/bench/internal/show"
	"cuflow/cmd/bench/internal/stats"
	"cuflow/device"
	"cuflow/device/devicetest"

	"github.com/spf13/cobra"
)

type kernelsFlags struct {
	deviceFlags
	match   string
	seconds float64
	formatFlags
}

func kernelsCommand() *cobra.Command {
	var f kernelsFlags
	c := &cobra.Command{
		Use:   "kernels",
		Short: "Time every operation at the sizes that models have",
		Long: `Time every operation of a device at the sizes that models have. GB/s counts each operand once, read or written, and twice if
both; an operand that stays in a cache may so exceed what memory gives.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runKernels(c.OutOrStdout(), f) },
	}
	c.Flags().StringVar(&f.match, "match", "", "only operations whose name matches this regular `expression`")
	f.deviceFlags.add(c)
	c.Flags().Float64Var(&f.seconds, "seconds", 0.1, "measure each operation for at least this long")
	f.formatFlags.add(c)
	return c
}

// kernelReport is what is known of one operation at one size.
type kernelReport struct {
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

func runKernels(out io.Writer, f kernelsFlags) error {
	if err := f.check(); err != nil {
		return err
	}
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

	peak, _, err := arithmeticPeak(be)
	if err != nil {
		return err
	}
	var reports []kernelReport
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
		return usagef("--match %q: no operation has such a name; `bench kernels` lists them all", f.match)
	}
	again, _, err := arithmeticPeak(be)
	if err != nil {
		return err
	}
	peak = max(peak, again)
	for i, r := range reports {
		if r.GFLOPS > 0 {
			reports[i].PeakShare = share(r.GFLOPS, peak)
		}
	}
	if done, err := printed(f.formatFlags, out, reports); done {
		return err
	}
	return writeKernels(out, be, peak, reports)
}

const (
	leastRuns = 5
	mostRuns  = 1 << 16
	// A sample shorter than this would measure the clock and the wait for the device as much as the operation.
	leastSample = 200 * time.Microsecond
)

// timeRuns takes samples that are each as many runs as it takes to last leastSample.
func timeRuns(be device.Backend, run func(), limit time.Duration) (t stats.Times, runs int, err error) {
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
	t, err = stats.Measure(make(stats.Times, 0, mostRuns), leastRuns, limit, sample)
	return t, runs, err
}

// timeOp is the median of such samples.
func timeOp(be device.Backend, row devicetest.Row, limit time.Duration) (kernelReport, error) {
	t, runs, err := timeRuns(be, row.Run, limit)
	if err != nil {
		return kernelReport{}, fmt.Errorf("%s: %w", row.Name, err)
	}
	ms := func(d time.Duration) float64 { return milliseconds(d) / float64(runs) }
	n := int64(runs)
	return kernelReport{
		Device: be.Name(), Op: row.Name, Runs: len(t) * runs,
		Median: ms(t.Median()), Min: ms(t.Min()), P95: ms(t.P95()),
		GFLOPS: perNanosecond(n*row.Flops, t.Median()), GBs: perNanosecond(n*row.Bytes, t.Median()),
	}, nil
}

func writeKernels(out io.Writer, be device.Backend, peak float64, reports []kernelReport) error {
	on := onDevice(be)
	if peak > 0 {
		on += fmt.Sprintf(", measured peak %s GFLOP/s", show.Number(peak))
	}
	if _, err := fmt.Fprintf(out, "%s\n\n", on); err != nil {
		return err
	}
	t := show.Table{Left: 1}
	t.Add("operation", "µs", "GFLOP/s", "of peak", "GB/s", "runs")
	for _, r := range reports {
		t.Add(r.Op, show.Number(1e3*r.Median), show.Optional(r.GFLOPS), show.Percent(r.PeakShare), show.Optional(r.GBs), fmt.Sprint(r.Runs))
	}
	return t.Write(out)
}
