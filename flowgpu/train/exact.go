package train

import (
	"math"

	"cuflow/flowgpu/data"
)

// Exact compares a score with the true density of the same samples.
type Exact struct {
	Entropy  float64 `json:"entropy"`   // of the distribution: the best that any model can score, on average
	Nats     float64 `json:"nats"`      // mean of -log p of these samples under it
	KL       float64 `json:"kl"`        // how much more the model takes: an estimate of the divergence of Kullback and Leibler
	KLStderr float64 `json:"kl_stderr"` // over the samples, difference by difference
}

// exact is nil for data whose distribution is not known.
func exact(set *data.Vectors, logp []float64) *Exact {
	toy, ok := set.Toy()
	if !ok {
		return nil
	}
	x, e := make([]float64, toy.D), &Exact{Entropy: toy.Entropy}
	differences := make([]float64, len(logp))
	for i, v := range logp {
		set.Row(i, x)
		truth := toy.LogDensity(x)
		e.Nats -= truth / float64(len(logp))
		differences[i] = truth - v
	}
	var err error
	if e.KL, e.KLStderr, err = meanOf(differences, "sample"); err != nil {
		panic("train: a sample of no density under its own distribution")
	}
	return e
}

// discrete bounds -log P of the values themselves, the integral of p over their steps, by Jensen's inequality: -log p of the
// values spread over their steps, less the log of the steps' volume. It is nil where a column has no step.
func discrete(columns []data.Column, nats float64) *float64 {
	for _, c := range columns {
		if c.Step == 0 {
			return nil
		}
		nats -= math.Log(c.Step)
	}
	return &nats
}
