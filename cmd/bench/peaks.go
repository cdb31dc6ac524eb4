package main

import (
	"strings"
	"time"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/device/meter"

	"github.com/klauspost/cpuid/v2"
)

// streamLen is how many float32s no cache holds: four times the last-level cache, from 64 MiB to 512 MiB.
func streamLen() int { return min(max(4*cpuid.CPU.Cache.L3, 64<<20), 512<<20) / 4 }

// peakTime is how long arithmetic and each kind of memory traffic is measured.
const peakTime = 200 * time.Millisecond

// hasPeaks says whether a device's peaks are worth measuring: those of the interpreter and of the tests' reference are not.
func hasPeaks(be device.Backend) bool {
	return workers(be) > 0 || onGPU(be) && !strings.HasPrefix(be.Name(), "sim")
}

// arithmeticPeak measures the most arithmetic that the device does in a second, in GFLOP/s: fused multiply-adds on the registers of a
// CPU, a large matrix product on a GPU. It is 0 where there is no peak.
func arithmeticPeak(be device.Backend) (float64, error) {
	switch n := workers(be); {
	case !hasPeaks(be):
		return 0, nil
	case n > 0:
		return registerPeak(be.Name(), precision(be), n), nil
	}
	p, err := meter.Measure(be, 1<<20, peakTime)
	return p.GFLOPS, err
}

// registerPeak repeats the measurement of a CPU for a while: another program may have a core for tens of milliseconds.
func registerPeak(name, precision string, cores int) (best float64) {
	for start := time.Now(); time.Since(start) < peakTime; {
		best = max(best, cpufallback.PeakGFLOPS(name, precision, cores))
	}
	return best
}

// peaksOf measures what the device does at most, if it has peaks.
func peaksOf(be device.Backend) (p meter.Peaks, err error) {
	if !hasPeaks(be) {
		return p, nil
	}
	if p, err = meter.MeasureTraffic(be, streamLen(), peakTime); err != nil {
		return p, err
	}
	p.GFLOPS, err = arithmeticPeak(be)
	return p, err
}

// processor names the CPU.
func processor() string {
	if name := strings.TrimSpace(cpuid.CPU.BrandName); name != "" {
		return name
	}
	return "an unnamed processor"
}
