package train

import (
	"context"
	"errors"
	"fmt"
	"math"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// Score is how likely a model finds a set of images or of vectors.
type Score struct {
	BitsPerDim float64 `json:"bits_per_dim,omitempty"` // mean of -log2 p(x) / D; of images alone
	Stderr     float64 `json:"stderr"`                 // its standard error over the images; of vectors that of Nats
	Nats       float64 `json:"nats"`                   // mean of -log p(x)
	N          int     `json:"n"`                      // samples
	Dims       int     `json:"dims,omitempty"`         // of vectors, which are told in nats; 0: images
}

// score evaluates the first images of a set.
func score(ctx context.Context, e *flowgpu.Evaluator, set data.Source, images int, seed uint64) (Score, error) {
	logp, err := logProbs(ctx, e, set, images, seed)
	if err != nil {
		return Score{}, err
	}
	return summariseOf(set.Info(), logp)
}

// logProbs gives the log-densities of the first images of a set, in nats. Image i gets the same noise every time.
func logProbs(ctx context.Context, e *flowgpu.Evaluator, set data.Source, images int, seed uint64) ([]float64, error) {
	logp := make([]float64, images)
	return logp, eachBatch(ctx, e, set, images, func(x []float32, from, n int) error {
		return e.LogProb(x, n, from, seed, logp[from:from+n])
	})
}

// summariseOf is the Score of what a set holds.
func summariseOf(info data.Info, logp []float64) (Score, error) {
	if !ofVectors(info) {
		return summarise(logp, info.D())
	}
	mean, stderr, err := meanOf(logp, "sample")
	return Score{Nats: -mean, Stderr: stderr, N: len(logp), Dims: info.D()}, err
}

// eachBatch calls f with the first images of a set in batches, the last one as short as it comes: x [C][n][H][W] holds images
// from .. from+n-1. A class-conditional model is told their classes.
func eachBatch(ctx context.Context, e *flowgpu.Evaluator, set data.Source, images int, f func(x []float32, from, n int) error) error {
	d := set.Info().D()
	x, classes := make([]float32, e.Batch()*d), make([]int32, 0, e.Batch())
	var context []float32
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
		context = contexts(set, from, n, context)
		if err := e.Condition(context); err != nil {
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
	mean, stderr, err := meanOf(logp, "image")
	return Score{BitsPerDim: bitsPerDim(-mean, d), Stderr: bitsPerDim(stderr, d), Nats: -mean, N: len(logp)}, err
}

// meanOf is a mean and its standard error.
func meanOf(logp []float64, thing string) (mean, stderr float64, err error) {
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
		return 0, 0, fmt.Errorf("the log-likelihood of %d of %d %ss is %w, first that of %s %d (%v)", bad, len(logp), thing, errNotFinite, thing, first, logp[first])
	}
	mean = sum / n
	squares := 0.0
	for _, v := range logp {
		squares += (v - mean) * (v - mean)
	}
	if n > 1 {
		stderr = math.Sqrt(squares / (n - 1) / n)
	}
	return mean, stderr, nil
}

// bitsPerDim converts nats of a sample of D dimensions.
func bitsPerDim(nats float64, d int) float64 { return nats / (float64(d) * math.Ln2) }

// Value is what the score is told as: less is better.
func (s Score) Value() float64 {
	if s.Dims > 0 {
		return s.Nats
	}
	return s.BitsPerDim
}

func (s Score) String() string {
	if s.Dims > 0 {
		perDim := ""
		if s.Dims > 2 {
			perDim = fmt.Sprintf(" (%.4f per dimension)", s.Nats/float64(s.Dims))
		}
		return fmt.Sprintf("%.4f ± %.4f nats%s over %s samples", s.Nats, s.Stderr, perDim, thousands(s.N))
	}
	return fmt.Sprintf("%.4f ± %.4f bits/dim over %s images", s.BitsPerDim, s.Stderr, thousands(s.N))
}
