package cpufallback

import (
	"time"

	"cuflow/cpufallback/internal/gemm"
)

// peakTask keeps every worker busy with arithmetic in registers.
type peakTask struct {
	k     *gemm.Kernels
	flops int64
}

func (t *peakTask) Do(_, _ int) { t.k.Peak(t.flops) }

// peakTime is how long arithmetic must be kept up to count: in a fraction of a millisecond processors do a little more, which no
// training gets.
const peakTime = 5 * time.Millisecond

// PeakGFLOPS measures, in about 40 ms, how many billion multiplications and additions a second the named backend could at
// most do on so many cores at once, in "bf16" or else in float32: the best of a few tries to keep it up for 5 ms. It is what products
// are to be compared with, and 0 if there is no such backend.
func PeakGFLOPS(name, precision string, workers int) float64 {
	make := NewWorkers
	if precision == "bf16" {
		make = NewBF16Workers
	}
	b, err := make(name, workers)
	if err != nil {
		return 0
	}
	defer b.Close()
	t := &peakTask{k: b.gemm, flops: 1 << 18}
	try := func(chunks int) time.Duration {
		t0 := time.Now()
		b.pool.Run(chunks, t)
		return time.Since(t0)
	}
	chunks := workers
	for try(chunks) < peakTime { // which also wakes the cores up
		chunks *= 2
	}
	best := try(chunks)
	for range 3 {
		best = min(best, try(chunks))
	}
	return float64(t.flops) * float64(chunks) / best.Seconds() / 1e9
}
