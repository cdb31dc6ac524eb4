package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"cuflow/device"
)

// apart measures how long a cache line takes from one core to another and back, in nanoseconds: what two cores need to tell each other
// anything. A virtual machine's cores move, and may share a cache now (some 100 ns) and lie on different dies a second later (some
// 450 ns), which the steps of small models take up to twice as long on. There is nothing to measure on one core, and where the device is
// no CPU.
func apart(be device.Backend) []float64 {
	if workers(be) < 2 || runtime.GOMAXPROCS(0) < 2 {
		return nil
	}
	const turns, tries = 500, 9
	var ball struct {
		_ [128]byte
		n atomic.Int64 // odd: the other's turn
		_ [128]byte
	}
	go func() {
		for i := int64(1); i < 2*turns*tries; i += 2 {
			await(&ball.n, i)
			ball.n.Store(i + 1)
		}
	}()
	var times []float64
	for try := range int64(tries) {
		start := time.Now()
		for i := 2 * turns * try; i < 2*turns*(try+1); i += 2 {
			ball.n.Store(i + 1)
			await(&ball.n, i+2)
		}
		times = append(times, float64(time.Since(start))/turns)
	}
	slices.Sort(times)
	return times[tries/2 : tries/2+1]
}

// await spins until n is v. Where both players have but one core between them for a while, one has to let the other run.
func await(n *atomic.Int64, v int64) {
	for spins := 1; n.Load() != v; spins++ {
		if spins%(1<<14) == 0 {
			runtime.Gosched()
		}
	}
}

// writtenApart are measurements of apart in words, nothing if there are none.
func writtenApart(nanoseconds []float64) string {
	if len(nanoseconds) == 0 {
		return ""
	}
	lo, hi := slices.Min(nanoseconds), slices.Max(nanoseconds)
	if hi < 1.5*lo {
		return fmt.Sprintf("a cache line takes %.0f ns to another core and back", lo)
	}
	return fmt.Sprintf("a cache line takes %.0f to %.0f ns to another core and back: they did not stay equally far apart", lo, hi)
}
