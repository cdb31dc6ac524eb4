package main

import (
	"runtime"
	"slices"
	"strings"
	"time"

	"cuflow/cpufallback"
	"cuflow/device"
)

// times are how long equal pieces of work took, in ascending order.
type times []time.Duration

// measure repeats f at least least times and for at least budget, unless room, which takes the times, is full before. It
// allocates nothing.
func measure(room times, least int, budget time.Duration, f func() error) (times, error) {
	t := room[:0]
	for start := time.Now(); len(t) < cap(t) && (len(t) < least || time.Since(start) < budget); {
		before := time.Now()
		if err := f(); err != nil {
			return nil, err
		}
		t = append(t, time.Since(before))
	}
	slices.Sort(t)
	return t, nil
}

// median is the middle time, or the mean of the two in the middle.
func (t times) median() time.Duration { return (t[(len(t)-1)/2] + t[len(t)/2]) / 2 }

// p95 is the least time that 95 of 100 do not exceed.
func (t times) p95() time.Duration { return t[(95*len(t)+99)/100-1] }

func (t times) sum() (s time.Duration) {
	for _, d := range t {
		s += d
	}
	return s
}

// milliseconds is d as people read the time of a step.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// perNanosecond is a rate in units of 1e9 a second: GFLOP/s of operations, GB/s of bytes.
func perNanosecond(n int64, d time.Duration) float64 { return float64(n) / float64(max(d, 1)) }

// workers is on how many cores the device computes, 0 if it is not a CPU.
func workers(be device.Backend) int {
	if !strings.HasPrefix(be.Name(), "cpu:") {
		return 0
	}
	return runtime.GOMAXPROCS(0)
}

// precision is how a GPU rounds the factors of its networks' products, "" for other devices.
func precision(be device.Backend) string {
	if g, ok := be.(interface{ Precision() string }); ok {
		return g.Precision()
	}
	return ""
}

// fmaPeak measures the most arithmetic that the device does in a second, in GFLOP/s: fused multiply-adds on registers. It
// is 0 for a device that cannot be measured so.
func fmaPeak(be device.Backend) float64 {
	if n := workers(be); n > 0 {
		return cpufallback.PeakGFLOPS(be.Name(), n)
	}
	return 0
}

// share is part/whole, or nothing where the whole is not known.
func share(part, whole float64) *float64 {
	if whole == 0 {
		return nil
	}
	s := part / whole
	return &s
}
