package train

import (
	"context"
	"fmt"
	"math"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// Bound is a tighter bound on what a model says of whole-number images, or of vectors with steps: -log 1/K sum_k p(v + u_k), over K noises. Its mean falls
// with K towards that of -log P(v), the integral of p over v's cell; K = 1 is the score that is usually reported.
// Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016, theorem 1; Hoogeboom et al., "Learning
// discrete distributions by dequantization", 2021.
type Bound struct {
	K int `json:"k"`
	Score
	One        Score   `json:"one_sample"`  // the first noise alone
	Gain       float64 `json:"gain"`        // bits/dim, or nats, that the bound is below it
	GainStderr float64 `json:"gain_stderr"` // of the differences, image by image
}

// bound scores a set with k noises per image, the first of which is that of every score.
func bound(ctx context.Context, e *flowgpu.Evaluator, set data.Source, k int, seed uint64) (*Bound, error) {
	info := set.Info()
	one, all, gain := make([]float64, info.N), make([]float64, info.N), make([]float64, info.N)
	logp := make([]float64, e.Batch())
	sums := make([]logSum, e.Batch())
	err := eachBatch(ctx, e, set, info.N, func(x []float32, from, n int) error {
		clear(sums)
		for j := range k {
			if ctx.Err() != nil {
				return ErrInterrupted
			}
			if err := e.LogProb(x, n, from, noiseSeed(seed, j), logp[:n]); err != nil {
				return err
			}
			for i, v := range logp[:n] {
				sums[i].add(v)
			}
			if j == 0 {
				copy(one[from:], logp[:n])
			}
		}
		for i := range n {
			all[from+i] = sums[i].value() - math.Log(float64(k))
			gain[from+i] = all[from+i] - one[from+i]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b := &Bound{K: k}
	if b.One, err = summariseOf(info, one); err != nil {
		return nil, err
	}
	if b.Score, err = summariseOf(info, all); err != nil {
		return nil, fmt.Errorf("with %d noises: %w", k, err)
	}
	g, err := summariseOf(info, gain)
	b.Gain, b.GainStderr = -g.Value(), g.Stderr
	return b, err
}

// noiseSeed is the seed of noise j, and for j = 0 the given one.
func noiseSeed(seed uint64, j int) uint64 { return seed + uint64(j)*0x9e3779b97f4a7c15 }

// logSum is the logarithm of a sum of numbers that are given by their logarithms and need not be in a float64's range.
type logSum struct {
	n        int
	top, sum float64 // the greatest so far; the sum divided by its exp
}

func (s *logSum) add(v float64) {
	if s.n++; s.n == 1 {
		s.top, s.sum = v, 1
		return
	}
	if v > s.top {
		s.sum *= math.Exp(s.top - v)
		s.top = v
	}
	s.sum += math.Exp(v - s.top)
}

func (s *logSum) value() float64 { return s.top + math.Log(s.sum) }
