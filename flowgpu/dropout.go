package flowgpu

import (
	"fmt"

	"cuflow/device"
)

// dropout leaves out what a layer of a conditioner has computed, at random, in training. What is left out in a step depends on the seed,
// the step, the sample and the place in the model alone: a second pass leaves out the same, and so does the way back.
type dropout struct {
	rate float32
	id   uint32 // of the stream
}

// apply leaves out elements of x, c channels, or goes back through that on their gradient. A nil dropout leaves out nothing.
func (d *dropout) apply(s *State, c int, x device.Buffer) {
	if d != nil && s.Training {
		s.Dropout(device.Rows{C: c, N: s.N, P: s.P()}, d.rate, device.Stream{Seed: s.Noise.Seed, ID: d.id}, s.At, x)
	}
}

// dropout is the next place of the model at which a share of what is computed is left out; nil where none is.
func (b *builder) dropout(rate float64) *dropout {
	if rate == 0 {
		return nil
	}
	b.places++
	return &dropout{float32(rate), streamDropout + b.places - 1}
}

// checkDropout says whether a model can leave out what its networks compute, and normalise it.
func (c Config) checkDropout() error {
	residual := c.Kind == "nsf" && c.Net == "residual"
	if c.Kind == "flowpp" && c.Dropout >= 0 && c.Dropout < 1 {
		return nil
	}
	switch {
	case !(c.Dropout >= 0 && c.Dropout < 1):
		return fmt.Errorf("dropout is %g: it must be at least 0 (none) and below 1", c.Dropout)
	case c.Dropout > 0 && !residual:
		return fmt.Errorf("dropout is %g, but it is for the networks of flowpp, and of nsf with net residual: leave it 0", c.Dropout)
	case c.NetNorm == "batchnorm" && !residual:
		return fmt.Errorf("net norm is batchnorm, but it is for residual networks, those of nsf with net residual: leave it empty")
	}
	return nil
}
