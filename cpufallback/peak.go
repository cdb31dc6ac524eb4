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

// PeakGFLOPS measures, in about 20 ms, how many billion multiplications and additions a second the named backend could at
// most do on so many cores at once, in "bf16" or else in float32: what its products are to be compared with. It is 0 if there is no
// such backend.
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
	best := 0.0
	for range 5 { // the first round wakes the cores up
		const chunks = 200
		n := chunks * workers
		t0 := time.Now()
		b.pool.Run(n, t)
		best = max(best, float64(t.flops)*float64(n)/time.Since(t0).Seconds()/1e9)
	}
	return best
}
