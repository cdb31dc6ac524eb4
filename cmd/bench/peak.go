package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"cuflow/cmd/bench/internal/show"
	"cuflow/cmd/bench/internal/stats"
	"cuflow/cpufallback"
	"cuflow/device/meter"

	"github.com/spf13/cobra"
)

type peakFlags struct {
	seconds float64
	formatFlags
}

func peakCommand() *cobra.Command {
	var f peakFlags
	c := &cobra.Command{
		Use:   "peak",
		Short: "Measure the most arithmetic and memory traffic that this machine does",
		Long: `Measure for every CPU device the fused multiply-adds that it does on registers, in GFLOP/s, at best and in the median of 5 ms at a time, and the memory traffic of copying
(a read and a write) and of the triad y += a*x (two reads and a write), in GB/s, on arrays much larger than the caches.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runPeak(c.OutOrStdout(), f) },
	}
	c.Flags().Float64Var(&f.seconds, "seconds", 0.3, "measure each kind of memory traffic for at least this long")
	f.formatFlags.add(c)
	return c
}

// peakReport is what a device does at most on a number of cores.
type peakReport struct {
	Device  string `json:"device"`
	Workers int    `json:"workers"`
	meter.Peaks
	Median float64 `json:"median_gflops"` // of arithmetic, at different moments; Peaks has the best
}

func runPeak(out io.Writer, f peakFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	limit, err := budget(f.seconds)
	if err != nil {
		return err
	}
	var reports []peakReport
	for _, isa := range cpufallback.ISAs() {
		for _, n := range slices.Compact([]int{1, runtime.GOMAXPROCS(0)}) {
			r, err := measurePeak("cpu:"+isa, n, streamLen(), limit)
			if err != nil {
				return err
			}
			reports = append(reports, r)
		}
	}
	if done, err := printed(f.formatFlags, out, reports); done {
		return err
	}
	t := show.Table{Left: 1}
	t.Add("device", "cores", "GFLOP/s", "median", "copy GB/s", "triad GB/s")
	for _, r := range reports {
		t.Add(r.Device, fmt.Sprint(r.Workers), show.Number(r.GFLOPS), show.Number(r.Median), show.Number(r.Copy), show.Number(r.Triad))
	}
	return t.Write(out)
}

// measurePeak measures one device on a number of cores, memory on arrays of n values.
func measurePeak(name string, workers, n int, limit time.Duration) (r peakReport, err error) {
	be, err := onCores(name, workers)
	if err != nil {
		return r, err
	}
	defer be.Close()
	r = peakReport{Device: name, Workers: workers}
	if r.Peaks, err = meter.MeasureTraffic(be, n, limit); err != nil {
		return r, err
	}
	best, tries, err := arithmeticPeak(be)
	r.GFLOPS, r.Median = best, stats.MiddleOf(tries).Median
	return r, err
}
