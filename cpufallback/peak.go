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

// PeakTries measures again and again, for so long but once at least, how many billion multiplications and additions a second the named
// backend can keep up for 5 ms on so many cores at once, in "bf16" or else in float32. The greatest is what products are to be
// compared with; the others tell what the machine does at other moments. There are none if there is no such backend.
func PeakTries(name, precision string, workers int, long time.Duration) (gflops []float64) {
	make := NewWorkers
	if precision == "bf16" {
		make = NewBF16Workers
	}
	b, err := make(name, workers)
	if err != nil {
		return nil
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
	for start := time.Now(); len(gflops) == 0 || time.Since(start) < long; {
		gflops = append(gflops, float64(t.flops)*float64(chunks)/try(chunks).Seconds()/1e9)
	}
	return gflops
}
