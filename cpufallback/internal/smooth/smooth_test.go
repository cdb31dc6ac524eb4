package smooth

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"cuflow/cpufallback/internal/vec"
)

var lanesOf = map[string]int{"avx512": 16, "avx2": 8, "generic": 4, "neon": 8}

// block is the operands of both kernels for rows of so many units.
type block struct {
	raw, x, dx, dy, gate, shift, dgate, dshift []float32
	samples, tangents, stride                  int
}

func newBlock(width, samples, tangents, lanes int) *block {
	r := rand.New(rand.NewPCG(uint64(width), uint64(samples)))
	some := func(n int, scale float64) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(scale * r.NormFloat64())
		}
		return x
	}
	rows := samples * (1 + tangents)
	b := &block{samples: samples, tangents: tangents, stride: rows*lanes + 16}
	b.raw, b.x, b.dx = some(rows*width, 2), some(rows*width, 1), some(rows*width, 1)
	b.gate, b.shift, b.dgate, b.dshift = some(width, 1), some(width, 1), some(width, 1), some(width, 1)
	b.dy = make([]float32, width/lanes*b.stride)
	for i, v := range []float32{-100, -20, -1e-3, 0, 1e-3, 20, 100} { // the ends of every function
		b.raw[i*width%len(b.raw)], b.gate[0], b.shift[0] = v, 1, 0
	}
	return b
}

// Assembly must give what the plain loops give, to a few units in the last place of the terms.
func TestAgainstPlainLoops(t *testing.T) {
	for _, isa := range vec.ISAs() {
		lanes := lanesOf[isa]
		k, want := For(isa, lanes), generic(lanes)
		for act := range acts {
			for _, shape := range [][3]int{{lanes, 1, 1}, {3 * lanes, 5, 2}, {2 * lanes, 7, 0}, {lanes, 4, 9}} {
				t.Run(fmt.Sprint(isa, act, shape), func(t *testing.T) {
					a, b := newBlock(shape[0], shape[1], shape[2], lanes), newBlock(shape[0], shape[1], shape[2], lanes)
					k.Bend[act](a.raw, a.x, a.gate, a.shift, a.samples, a.tangents)
					want.Bend[act](b.raw, b.x, b.gate, b.shift, b.samples, b.tangents)
					k.BendBackward[act](a.raw, a.dx, a.dy, a.gate, a.shift, a.dgate, a.dshift, a.samples, a.tangents, a.stride)
					want.BendBackward[act](b.raw, b.dx, b.dy, b.gate, b.shift, b.dgate, b.dshift, b.samples, b.tangents, b.stride)
					for _, c := range []struct {
						name      string
						got, want []float32
						size      float64
					}{{"x", a.x, b.x, 1}, {"dy", a.dy, b.dy, 20}, {"dgate", a.dgate, b.dgate, 100}, {"dshift", a.dshift, b.dshift, 50}} {
						for i := range c.want {
							if d := math.Abs(float64(c.got[i] - c.want[i])); !(d <= 2e-6*(c.size+math.Abs(float64(c.want[i])))) {
								t.Fatalf("%s[%d] = %v, want %v", c.name, i, c.got[i], c.want[i])
							}
						}
					}
				})
			}
		}
	}
}

// What is not a number must not become one.
func TestNaNStays(t *testing.T) {
	for _, isa := range vec.ISAs() {
		lanes := lanesOf[isa]
		for act := range acts {
			b := newBlock(lanes, 2, 1, lanes)
			b.raw[1] = float32(math.NaN())
			For(isa, lanes).Bend[act](b.raw, b.x, b.gate, b.shift, b.samples, b.tangents)
			if b.x[1] == b.x[1] {
				t.Errorf("%s: activation %d of NaN is %v", isa, act, b.x[1])
			}
		}
	}
}
