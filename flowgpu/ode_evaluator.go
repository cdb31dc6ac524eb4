package flowgpu

import (
	"fmt"
	"math"

	"cuflow/device"
)

// Solves is what the solvers of a continuous flow have done for this Evaluator so far.
func (e *Evaluator) Solves() Solves { return e.w.s.Solving.Solves }

// ReverseError takes n samples, as LogProb takes them, to their latents and back, and tells by how much the worst number of them comes back
// another: in standard deviations of a vector's column, or of an image in parts of the range of intensities.
func (e *Evaluator) ReverseError(x []float32, n, first int, seed uint64) (float64, error) {
	w := e.w
	if err := w.m.cfg.CheckData(x, n, first); err != nil {
		return 0, err
	}
	if err := w.conditioned(n); err != nil {
		return 0, err
	}
	size := w.m.cfg.D() * n
	w.s.Upload(w.pixels.Slice(0, size), x[:size])
	w.noiseAt(0, first)
	w.dequantize(n, device.Stream{Seed: seed, ID: streamEval})
	went, came := make([]float32, size), make([]float32, size)
	if err := w.s.Download(went, w.s.x.Slice(0, size)); err != nil {
		return 0, fmt.Errorf("%d samples and back: %w", n, err)
	}
	w.forward(n, false)
	w.inverse(n)
	if err := w.s.Download(came, w.s.x.Slice(0, size)); err != nil {
		return 0, fmt.Errorf("%d samples and back: %w", n, err)
	}
	if err := w.solved(); err != nil {
		return 0, fmt.Errorf("%d samples and back: %w", n, err)
	}
	worst := 0.0
	for i, v := range went {
		worst = max(worst, math.Abs(float64(v)-float64(came[i])))
	}
	return worst, nil
}
