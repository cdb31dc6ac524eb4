package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"cuflow/cpufallback"
	"cuflow/device"

	"github.com/klauspost/cpuid/v2"
	"github.com/spf13/cobra"
)

type peakFlags struct {
	seconds float64
	json    bool
}

func peakCommand() *cobra.Command {
	var f peakFlags
	c := &cobra.Command{
		Use:   "peak",
		Short: "Measure the most arithmetic and memory traffic that this machine does",
		Long: `Measure for every CPU device the fused multiply-adds that it does on registers, in GFLOP/s, and the memory traffic of copying
(a read and a write) and of y += a*x (two reads and a write), in GB/s, on arrays much larger than the caches.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runPeak(c.OutOrStdout(), f) },
	}
	c.Flags().Float64Var(&f.seconds, "seconds", 0.3, "measure each kind of memory traffic for at least this long")
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON object a line")
	return c
}

// peakReport is what a device does at most on a number of cores.
type peakReport struct {
	Device  string  `json:"device"`
	Workers int     `json:"workers"`
	GFLOPS  float64 `json:"gflops"`
	Copy    float64 `json:"copy_gb_per_second"`
	Axpy    float64 `json:"axpy_gb_per_second"`
}

func runPeak(out io.Writer, f peakFlags) error {
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
	if f.json {
		e := json.NewEncoder(out)
		for _, r := range reports {
			if err := e.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	t := table{left: 1}
	t.add("device", "cores", "GFLOP/s", "copy GB/s", "axpy GB/s")
	for _, r := range reports {
		t.add(r.Device, fmt.Sprint(r.Workers), number(r.GFLOPS), number(r.Copy), number(r.Axpy))
	}
	return t.write(out)
}

// streamLen is how many float32s no cache holds: four times the last-level cache, from 64 MiB to 512 MiB.
func streamLen() int { return min(max(4*cpuid.CPU.Cache.L3, 64<<20), 512<<20) / 4 }

// measurePeak measures one device on a number of cores, memory on arrays of n values.
func measurePeak(name string, workers, n int, limit time.Duration) (r peakReport, err error) {
	be, err := cpufallback.NewWorkers(name, workers)
	if err != nil {
		return r, err
	}
	defer be.Close()
	var x, y device.Buffer
	if x, err = be.Alloc(n); err != nil {
		return r, err
	}
	if y, err = be.Alloc(n); err != nil {
		return r, err
	}
	// Pages that were never written may all be one page of zeros.
	be.Fill(x, 1)
	be.Fill(y, 1)

	r = peakReport{Device: name, Workers: workers, GFLOPS: cpufallback.PeakGFLOPS(name, workers)}
	for _, traffic := range []struct {
		rate   *float64
		values int // moved per element
		run    func()
	}{
		{&r.Copy, 2, func() { be.Copy(y, x) }},
		{&r.Axpy, 3, func() { be.Axpy(0.5, x, y) }},
	} {
		t, err := measure(make(times, 0, 1<<12), 3, limit, func() error {
			traffic.run()
			return be.Sync()
		})
		if err != nil {
			return r, err
		}
		*traffic.rate = perNanosecond(4*int64(traffic.values*n), t[0])
	}
	return r, nil
}
