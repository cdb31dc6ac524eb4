package flowgpu

import (
	"math"
	"math/rand/v2"
)

// RandomData draws values that stand for data where there is none to measure with: uniform intensities, standard normal numbers, or where
// the flow begins on an interval or a circle, on which alone its density lies, numbers inside.
func (c Config) RandomData(r *rand.Rand) func() float32 {
	if c.Intensities > 0 {
		return func() float32 { return float32(r.IntN(c.Intensities)) }
	}
	between := func() float32 { return (float32(r.IntN(1<<23)) + 0.5) / (1 << 23) } // 0 and 1, without either
	switch c.domain() {
	case unit, closed:
		return between
	case symmetric:
		return func() float32 { return 2*between() - 1 }
	case angle:
		return func() float32 { return math.Pi * (2*between() - 1) }
	case positive:
		return func() float32 { return float32(-math.Log(float64(between()))) }
	}
	return func() float32 { return float32(r.NormFloat64()) }
}
