package main

import (
	"slices"
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
// CPU, tried for a while, as another program may have a core for tens of milliseconds; a large matrix product on a GPU, which tells its
// best alone. It is 0 where there is no peak.
func arithmeticPeak(be device.Backend) (best float64, tries []float64, err error) {
	switch n := workers(be); {
	case !hasPeaks(be):
		return 0, nil, nil
	case n > 0:
		tries = cpufallback.PeakTries(be.Name(), precision(be), n, peakTime)
		return slices.Max(tries), tries, nil
	}
	p, err := meter.Measure(be, 1<<20, peakTime)
	return p.GFLOPS, nil, err
}

// peaksOf measures what the device does at most, if it has peaks.
func peaksOf(be device.Backend) (p meter.Peaks, err error) {
	if !hasPeaks(be) {
		return p, nil
	}
	if p, err = meter.MeasureTraffic(be, streamLen(), peakTime); err != nil {
		return p, err
	}
	p.GFLOPS, _, err = arithmeticPeak(be)
	return p, err
}

// processor names the CPU.
func processor() string {
	if name := strings.TrimSpace(cpuid.CPU.BrandName); name != "" {
		return name
	}
	return "an unnamed processor"
}
