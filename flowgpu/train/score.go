package train

import (
	"context"
	"errors"
	"fmt"
	"math"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// Score is how likely a model finds a set of images.
type Score struct {
	BitsPerDim float64 `json:"bits_per_dim"` // mean of -log2 p(x) / D
	Stderr     float64 `json:"stderr"`       // its standard error over the images
	Nats       float64 `json:"nats"`         // mean of -log p(x)
	N          int     `json:"n"`            // images
}

// score evaluates the first images of a set. Image i gets the same noise every time.
func score(ctx context.Context, e *flowgpu.Evaluator, set data.Source, images int, seed uint64) (Score, error) {
	logp := make([]float64, images)
	err := eachBatch(ctx, e, set, images, func(x []float32, from, n int) error {
		return e.LogProb(x, n, from, seed, logp[from:from+n])
	})
	if err != nil {
		return Score{}, err
	}
	return summarise(logp, set.Info().D())
}

// eachBatch calls f with the first images of a set in batches, the last one as short as it comes: x [C][n][H][W] holds images
// from .. from+n-1. A class-conditional model is told their classes.
func eachBatch(ctx context.Context, e *flowgpu.Evaluator, set data.Source, images int, f func(x []float32, from, n int) error) error {
	d := set.Info().D()
	x, classes := make([]float32, e.Batch()*d), make([]int32, 0, e.Batch())
	for from := 0; from < images; from += e.Batch() {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		n := min(e.Batch(), images-from)
		if err := set.Fill(x, from, n); err != nil {
			return unreadable{err}
		}
		if err := e.Label(labels(set, from, n, classes)); err != nil {
			return err
		}
		if err := f(x[:n*d], from, n); err != nil {
			return err
		}
	}
	return nil
}

// errNotFinite marks results that are no numbers.
var errNotFinite = errors.New("not finite")

// summarise turns log-densities, in nats, of images of D dimensions into a Score. A value that is not finite is an error:
// a mean that leaves it out would flatter the model.
func summarise(logp []float64, d int) (Score, error) {
	bad, first, sum := 0, 0, 0.0
	for i, v := range logp {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			if bad == 0 {
				first = i
			}
			bad++
		}
		sum += v
	}
	n := float64(len(logp))
	if bad > 0 {
		return Score{}, fmt.Errorf("the log-likelihood of %d of %d images is %w, first that of image %d (%v)", bad, len(logp), errNotFinite, first, logp[first])
	}
	mean, squares := sum/n, 0.0
	for _, v := range logp {
		squares += (v - mean) * (v - mean)
	}
	s := Score{BitsPerDim: bitsPerDim(-mean, d), Nats: -mean, N: len(logp)}
	if n > 1 {
		s.Stderr = bitsPerDim(math.Sqrt(squares/(n-1)/n), d)
	}
	return s, nil
}

// bitsPerDim converts nats of a sample of D dimensions.
func bitsPerDim(nats float64, d int) float64 { return nats / (float64(d) * math.Ln2) }

func (s Score) String() string {
	return fmt.Sprintf("%.4f ± %.4f bits/dim over %s images", s.BitsPerDim, s.Stderr, thousands(s.N))
}
