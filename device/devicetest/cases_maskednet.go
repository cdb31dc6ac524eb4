package devicetest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// maskedNets are plain and residual, of no block too, with many and few units a degree and degrees without a unit, one value and several for
// a dimension, samples that fill panels of a backend and that do not, and none.
var maskedNets = []device.MaskedNet{
	{D: 2, H: 1, Q: 2, N: 1, Depth: 1}, {D: 2, H: 40, Q: 2, N: 33, Depth: 2}, {D: 5, H: 3, Q: 2, N: 31, Depth: 2},
	{D: 33, H: 70, Q: 2, N: 65, Depth: 3}, {D: 7, H: 130, Q: 2, N: 32, Depth: 1}, {D: 4, H: 7, Q: 2, N: 40, Residual: true},
	{D: 3, H: 8, Q: 2, N: 0, Depth: 1}, {D: 2, H: 5, Q: 2, N: 7, Depth: 1, Residual: true},
	{D: 19, H: 60, Q: 2, N: 100, Depth: 2, Residual: true}, {D: 40, H: 20, Q: 2, N: 30, Depth: 1, Residual: true},
}

// maskedBenches are those of the presets maf-tab and nsf-ar-tab.
var maskedBenches = []device.MaskedNet{
	{D: 63, H: 512, Q: 2, N: 512, Depth: 2}, {D: 63, H: 256, Q: 2, N: 512, Depth: 2, Residual: true},
}

// spreadCurve goes through the kinds of curves, for the way back.
func spreadCurve(i int) device.Curve {
	return []device.Curve{
		{}, {Of: device.RationalSpline, K: 3, B: 3, Scale: 1}, {Of: device.LinearSpline, K: 4, B: 3, Scale: 1},
		{Of: device.QuadraticSpline, K: 3, B: 3, Scale: 1}, {Of: device.LogisticMixture, K: 2},
		{Of: device.GaussianMixture, K: 2},
	}[i%6]
}

func maskedNetName(s device.MaskedNet) string {
	kind := "plain"
	if s.Residual {
		kind = "residual"
	}
	return fmt.Sprintf("%s d%d h%d q%d n%d x%d", kind, s.D, s.H, s.Q, s.N, s.Depth)
}

func maskedNetCases() []Case {
	var cs []Case
	for _, n := range append([]int{1 << 16}, sizes[:]...) {
		cs = append(cs, Case{
			Method: "Rectify", Name: fmt.Sprintf("n%d", n), Tol: exact, Bench: n == 1<<16,
			Operands: []Operand{in("x", n, normal(0, 1)), out("y", n)},
			Call:     func(be device.Backend, o []device.Buffer) { be.Rectify(o[0], o[1]) },
		})
	}
	for i, s := range maskedNets {
		given := i%3 == 1
		cs = append(cs, maskedNetForward(s, given), maskedNetBackward(s, given))
		c := spreadCurve(i)
		s.Q, s.Still = c.Params(), i%2
		cs = append(cs, maskedNetInverse(s, c, i%3 == 2))
		s.N = min(s.N, 34) // the interpreter of kernels takes many steps
		cs = append(cs, maskedNetInverseBackward(s, c, i%3 == 2))
	}
	for _, s := range maskedBenches {
		for _, c := range []Case{maskedNetForward(s, false), maskedNetBackward(s, false), maskedNetInverse(s, device.Curve{}, false)} {
			c.Bench = true
			cs = append(cs, c)
		}
	}
	back := maskedNetInverseBackward(device.MaskedNet{D: 63, H: 128, Q: 2, N: 64, Depth: 2}, device.Curve{}, false)
	back.Bench = true
	return append(cs, back)
}

// maskedNetOperands are, in this order: w and b of each layer, with back dw and db of each, and kept. NaN stands among the weights that do
// not count.
func maskedNetOperands(s device.MaskedNet, weights, bias func(s device.Masked) maker, back bool) (o []Operand, fill func(b []device.Buffer) []device.MaskedWeights) {
	for i := range s.Layers() {
		t := s.Stage(i).Masked
		o = append(o, in(fmt.Sprint("w", i), t.Weights(), counting(t, weights(t))), in(fmt.Sprint("b", i), t.Cout(), bias(t)))
	}
	if back {
		for i := range s.Layers() {
			t := s.Stage(i).Masked
			o = append(o, both(fmt.Sprint("dw", i), t.Weights(), smallWholes()), both(fmt.Sprint("db", i), t.Cout(), smallWholes()))
		}
	}
	o = append(o, hidden("kept", s.Kept()))
	w := make([]device.MaskedWeights, s.Layers())
	return o, func(b []device.Buffer) []device.MaskedWeights {
		for i := range w {
			w[i].W, w[i].B = b[2*i], b[2*i+1]
			if back {
				w[i].DW, w[i].DB = b[2*len(w)+2*i], b[2*len(w)+2*i+1]
			}
		}
		return w
	}
}

// counting leaves NaN among the weights that do not count.
func counting(s device.Masked, mk maker) maker {
	return func(r *rand.Rand, w []float32) {
		all := make([]float32, len(w))
		mk(r, all)
		for i := range w {
			w[i] = float32(math.NaN())
		}
		eachConnection(s, func(_, _, weight int) { w[weight] = all[weight] })
	}
}

// optionalTerm is a term that is given or absent.
func optionalTerm(s device.MaskedNet, given bool, o Operand) Operand {
	if !given {
		return absent(o.Name)
	}
	return o
}

// randomWeights keep hidden units of the size of x.
func randomWeights(s device.Masked) maker {
	return normal(0, math.Sqrt(2/float64(s.Cin()+1)))
}

func randomBias(device.Masked) maker { return normal(0, 0.3) }

// terms is the length of the longest sum there is on the way, layer after layer.
func maskedNetTerms(s device.MaskedNet) int { return s.Layers() * (s.D + s.H) }

func maskedNetForward(s device.MaskedNet, given bool) Case {
	o, fill := maskedNetOperands(s, randomWeights, randomBias, false)
	at := len(o) - 1
	o = append(o, in("x", s.D*s.N, normal(0, 1)), optionalTerm(s, given, in("term", s.H*s.N, normal(0, 1))), out("params", s.D*s.Q*s.N))
	return Case{
		Method: "MaskedNetForward", Name: maskedNetName(s), Flops: s.Flops(), Tol: sumOf(maskedNetTerms(s)), Operands: o,
		Call: func(be device.Backend, b []device.Buffer) {
			be.MaskedNetForward(s, fill(b), b[at+1], b[at+2], b[at], b[at+3])
		},
	}
}

// maskedNetBackward has sums that are exact, so that no rounding decides whether a ReLU lets a gradient through.
func maskedNetBackward(s device.MaskedNet, given bool) Case {
	s.Keep = true
	sparse := func(t device.Masked) maker {
		return each(func(r *rand.Rand) float64 {
			if r.IntN(t.Cin()+1) > 3 {
				return 0
			}
			return float64(2*r.IntN(2) - 1)
		})
	}
	halves := func(device.Masked) maker {
		return each(func(r *rand.Rand) float64 { return float64(r.IntN(3)-1) + 0.5 })
	}
	o, fill := maskedNetOperands(s, sparse, halves, true)
	at := len(o) - 1
	term := optionalTerm(s, given, in("term", s.H*s.N, smallWholes()))
	dterm := optionalTerm(s, given, out("dterm", s.H*s.N))
	o = append(o, in("x", s.D*s.N, smallWholes()), term, hidden("params", s.D*s.Q*s.N), in("dparams", s.D*s.Q*s.N, smallWholes()), dterm,
		both("dx", s.D*s.N, smallWholes()))
	return Case{
		Method: "MaskedNetBackward", Name: maskedNetName(s), Flops: 3 * s.Flops(), Tol: sumOf(maskedNetTerms(s) + s.N), Operands: o,
		Call: func(be device.Backend, b []device.Buffer) {
			w := fill(b)
			be.MaskedNetForward(s, w, b[at+1], b[at+2], b[at], b[at+3])
			be.MaskedNetBackward(s, w, b[at+1], b[at], b[at+4], b[at+5], b[at+6])
		},
	}
}

func maskedNetInverse(s device.MaskedNet, c device.Curve, given bool) Case {
	small := func(t device.Masked) maker { return normal(0, 0.7*math.Sqrt(1/float64(t.Cin()+1))) }
	o, fill := maskedNetOperands(s, small, randomBias, false)
	at := len(o) - 1
	o = append(o, optionalTerm(s, given, in("term", s.H*s.N, normal(0, 1))), both("x", s.D*s.N, normal(0, 1)), out("params", s.D*s.Q*s.N),
		both("logdet", s.N, normal(0, 1)))
	return Case{
		Method: "MaskedNetInverse", Name: fmt.Sprintf("%s curve %d", maskedNetName(s), c.Of), Flops: s.Flops(), Operands: o,
		Tol: Tol{Rel: 2e-4, RMS: 2e-4, Abs: 2e-4, Why: "an error in one dimension moves the parameters of all that follow: it grows from dimension to dimension"},
		Call: func(be device.Backend, b []device.Buffer) {
			be.MaskedNetInverse(s, c, fill(b), b[at+1], b[at+2], b[at], b[at+3], b[at+4])
		},
	}
}

// maskedNetInverseBackward has no unit near the edge of its ReLU: biases are of size 1 and weights small.
func maskedNetInverseBackward(s device.MaskedNet, c device.Curve, given bool) Case {
	s.Keep = true
	small := func(t device.Masked) maker { return normal(0, 0.05/math.Sqrt(float64(t.Cin()+1))) }
	clear := func(t device.Masked) maker {
		if t.Layer == device.MaskedLast {
			return normal(0, 0.3)
		}
		return each(func(r *rand.Rand) float64 { return float64(2*r.IntN(2)-1) * (1 + r.Float64()) })
	}
	o, fill := maskedNetOperands(s, small, clear, true)
	at := len(o) - 1
	term := optionalTerm(s, given, in("term", s.H*s.N, uniform(-0.1, 0.1)))
	dterm := optionalTerm(s, given, out("dterm", s.H*s.N))
	o = append(o, term, in("y", s.D*s.N, uniform(-2, 2)), hidden("x", s.D*s.N), hidden("params", s.D*s.Q*s.N), hidden("logdet", s.N),
		both("dx", s.D*s.N, normal(0, 1)), dterm, hidden("work", s.BackWork()))
	return Case{
		Method: "MaskedNetInverseBackward", Name: fmt.Sprintf("%s curve %d", maskedNetName(s), c.Of), Flops: 3 * s.Flops(), Operands: o,
		Tol: Tol{Rel: 4e-4, RMS: 4e-4, Abs: 4e-4, Why: "an error in one dimension moves the parameters of all that follow, and their gradients: it grows from dimension to dimension"},
		Call: func(be device.Backend, b []device.Buffer) {
			w := fill(b)
			be.Copy(b[at+3], b[at+2])
			be.MaskedNetInverse(s, c, w, b[at+1], b[at+3], b[at], b[at+4], b[at+5])
			be.MaskedNetInverseBackward(s, c, w, b[at+3], b[at], b[at+4], b[at+6], b[at+7], b[at+8], -0.75)
		},
	}
}
