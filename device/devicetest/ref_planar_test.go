package devicetest

import (
	"math"
	"testing"
)

// slope is the central difference of f.
func slope(f func(float64) float64, x float64) float64 {
	const h = 1e-5
	return (f(x+h) - f(x-h)) / (2 * h)
}

// Each function of Map is undone by its inverse, and its log-slope and bend are its derivatives.
func TestIncreasingFunctions(t *testing.T) {
	for _, m := range mapSpecs {
		f, _ := increasingOf(m.f)
		for _, x := range []float64{-3, -1.3, -0.2, 0.1, 0.7, 2.5} {
			near(t, m.name+" back", []float64{f.inverse(f.value(x))}, []float64{x}, 1e-12)
			near(t, m.name+" log slope", []float64{f.logSlope(x)}, []float64{math.Log(slope(f.value, x))}, 1e-8)
			near(t, m.name+" bend", []float64{f.bend(x)}, []float64{slope(f.logSlope, x)}, 1e-8)
		}
		inverse, turned := increasingOf(m.f.Inverse())
		forward := f.value
		if _, back := increasingOf(m.f); back {
			forward = f.inverse
		}
		undo := inverse.value
		if turned {
			undo = inverse.inverse
		}
		x := 0.4                                                                    // in every interval
		near(t, m.name+" inverse", []float64{undo(forward(x))}, []float64{x}, 1e-7) // the slope 0.2 is a float32
	}
}

// h, its derivatives, and a-h(a) belong together, and solve solves.
func TestGates(t *testing.T) {
	for _, k := range gates {
		for _, s := range []float64{1e-12, 0.3, 1, 7} {
			g := gate{k.h, s}
			for _, a := range []float64{-4, -0.7, -0.05, 0.01, 0.09, 0.11, 1.3, 6} {
				h1, rest, h2 := g.slopes(a)
				near(t, k.name+" h'", []float64{h1, rest}, []float64{slope(g.value, a), 1 - slope(g.value, a)}, 1e-8)
				near(t, k.name+" h''", []float64{h2}, []float64{slope(func(a float64) float64 { h1, _, _ := g.slopes(a); return h1 }, a)}, 1e-8)
				near(t, k.name+" a-h", []float64{g.excess(a) + g.value(a)}, []float64{a}, 1e-13)
				q := g.excess(a) + s*g.value(a)
				near(t, k.name+" solution", []float64{g.solve(q)}, []float64{a}, 1e-9/min(1, g.det(a)))
			}
		}
	}
	g := gate{gates[0].h, 0x1p-126}
	if got, want := g.solve(1e-20), math.Cbrt(3e-20); math.Abs(got-want) > 1e-12*want {
		t.Errorf("near the bound a - tanh a = a^3/3: solution %v, want %v", got, want)
	}
}
