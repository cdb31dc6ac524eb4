package meter

import (
	"fmt"
	"time"

	"cuflow/device"
)

// Peaks are what a device does at most.
type Peaks struct {
	GFLOPS float64 `json:"gflops"`              // arithmetic
	Copy   float64 `json:"copy_gb_per_second"`  // memory traffic of y = x: a read and a write
	Triad  float64 `json:"triad_gb_per_second"` // of y += a*x: two reads and a write
}

// GBs is the most memory traffic that was seen, in GB/s.
func (p Peaks) GBs() float64 { return max(p.Copy, p.Triad) }

// Limit is the least time that the device could take: of its arithmetic or its memory traffic, whatever is longer. Operands that
// lie in a cache move faster than memory, so that an op may beat its limit. It is 0 where a peak is not known.
func (p Peaks) Limit(flops, bytes int64) time.Duration {
	if p.GFLOPS == 0 || p.GBs() == 0 {
		return 0
	}
	return time.Duration(max(float64(flops)/p.GFLOPS, float64(bytes)/p.GBs())) // 1e9 a second are 1 a nanosecond
}

// Bound names what limits: "arithmetic" or "memory".
func (p Peaks) Bound(flops, bytes int64) string {
	if float64(flops)*p.GBs() > float64(bytes)*p.GFLOPS {
		return "arithmetic"
	}
	return "memory"
}

// Limit is the sum of the calls' limits: a step cannot be faster, unless what one op leaves stays in a cache for the next.
func (p Peaks) LimitOf(calls []Call) (sum time.Duration) {
	for _, c := range calls {
		sum += p.Limit(c.Flops, c.Bytes)
	}
	return sum
}

// productShape is a matrix product that keeps every device busy.
func productShape() device.ConvShape {
	return device.ConvShape{Cin: 512, Cout: 512, K: 1, N: 1, H: 64, W: 64}
}

// Measure finds a device's peaks through its Backend: arithmetic by a large product, traffic on arrays of so many values, which no
// cache should hold. Each is repeated for at least limit, and its fastest run counts.
func Measure(be device.Backend, values int, limit time.Duration) (p Peaks, err error) {
	if p, err = MeasureTraffic(be, values, limit); err != nil {
		return p, err
	}
	s := productShape()
	mem, err := be.Alloc(s.Weights() + (s.Cin+s.Cout)*s.M())
	if err != nil {
		return p, fmt.Errorf("memory to measure products in: %w", err)
	}
	defer be.Free(mem)
	be.Fill(mem, 0.5)
	w, rest := mem.Slice(0, s.Weights()), mem.Slice(s.Weights(), mem.Len())
	x, y := rest.Slice(0, s.Cin*s.M()), rest.Slice(s.Cin*s.M(), rest.Len())
	best, err := fastest(be, limit, func() { be.ConvForward(s, device.NoAct, w, device.Buffer{}, x, y) })
	p.GFLOPS = float64(s.Flops()) / float64(best)
	return p, err
}

// MeasureTraffic is Measure without arithmetic.
func MeasureTraffic(be device.Backend, values int, limit time.Duration) (p Peaks, err error) {
	mem, err := be.Alloc(2 * values)
	if err != nil {
		return p, fmt.Errorf("memory to measure traffic in: %w", err)
	}
	defer be.Free(mem)
	be.Fill(mem, 1) // pages that were never written may all be one page of zeros
	x, y := mem.Slice(0, values), mem.Slice(values, 2*values)
	size := 4 * float64(values)
	best, err := fastest(be, limit, func() { be.Copy(y, x) })
	if err != nil {
		return p, err
	}
	p.Copy = 2 * size / float64(best)
	best, err = fastest(be, limit, func() { be.Axpy(0.5, x, y) })
	p.Triad = 3 * size / float64(best)
	return p, err
}

// fastest is the least time of a few runs, three at least.
func fastest(be device.Backend, limit time.Duration, run func()) (best time.Duration, err error) {
	if err := be.Sync(); err != nil {
		return 1, err
	}
	for start, n := time.Now(), 0; n < 3 || time.Since(start) < limit; n++ {
		before := time.Now()
		run()
		if err := be.Sync(); err != nil {
			return 1, err
		}
		if took := max(time.Since(before), 1); n == 0 || took < best {
			best = took
		}
	}
	return best, nil
}
