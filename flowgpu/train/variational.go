package train

import (
	"context"
	"fmt"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// Variational takes the score of a model that learns the noise of its dequantisation apart: it is Flow + Noise. Flow is exact, of the images
// with the noise that was drawn; the score is a bound of what the model says of the images, because of how the noise was chosen.
type Variational struct {
	Flow  float64 `json:"flow_bits_per_dim"`  // mean of -log2 p(v+u) / D
	Noise float64 `json:"noise_bits_per_dim"` // mean of log2 q(u|v) / D; 0 for uniform noise
}

// logProbsApart is logProbs of all of a set, and what is in them for the choice of the noise; nil of a model whose noise is uniform.
func logProbsApart(ctx context.Context, e *flowgpu.Evaluator, m flowgpu.Config, set data.Source, seed uint64) (logp []float64, v *Variational, err error) {
	info := set.Info()
	if !m.Variational() {
		logp, err = logProbs(ctx, e, set, info.N, seed)
		return logp, nil, err
	}
	logp, v = make([]float64, info.N), &Variational{}
	noise := make([]float64, e.Batch())
	err = eachBatch(ctx, e, set, info.N, func(x []float32, from, n int) error {
		if err := e.LogProb(x, n, from, seed, logp[from:from+n]); err != nil {
			return err
		}
		if err := e.NoiseNats(n, noise); err != nil {
			return err
		}
		for i, choice := range noise[:n] {
			v.Noise -= bitsPerDim(choice, info.D()) / float64(info.N)
			v.Flow -= bitsPerDim(logp[from+i]-choice, info.D()) / float64(info.N)
		}
		return nil
	})
	return logp, v, err
}

// noiseText names the flow of a model's noise.
func noiseText(m flowgpu.Config) string {
	if !m.Variational() {
		return ""
	}
	return fmt.Sprintf("variational dequantisation by %s of %s", plural(m.DequantSteps, "coupling"), plural(m.DequantHidden, "channel"))
}
