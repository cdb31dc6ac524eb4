package devicetest

import (
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// mapSpec is a function with numbers that it takes: usual ones, and those at its ends.
type mapSpec struct {
	name  string
	f     device.Map
	usual maker
	ends  []float64
	tiny  bool // f(x) is near x for small x, to its last digit
}

var mapSpecs = []mapSpec{
	{"sigmoid", device.Map{Func: device.SigmoidMap}, normal(0.3, 3), reals, false},
	{"logit", device.Map{Func: device.LogitMap}, uniform(0.001, 0.999), unitEnds, false},
	{"tanh", device.Map{Func: device.TanhMap}, normal(0.1, 1), reals, true},
	{"atanh", device.Map{Func: device.AtanhMap}, uniform(-0.99, 0.99), symmetricEnds, true},
	{"softplus", device.Map{Func: device.SoftplusMap}, normal(0.3, 3), reals, false},
	{"logexpm1", device.Map{Func: device.LogExpm1Map}, uniform(0.01, 5), positiveEnds, false},
	{"asinh", device.Map{Func: device.AsinhMap}, normal(0.3, 3), append([]float64{1e18, -1e20, 3e38}, reals...), true},
	{"sinh", device.Map{Func: device.SinhMap}, normal(0.1, 1), []float64{5, -5, 20, -20, 80, -80, 88, 100, -300}, true},
	{"leaky 0.2", device.Map{Func: device.LeakyReLUMap, Slope: 0.2}, normal(0, 1), reals, true},
	{"leaky 5", device.Map{Func: device.LeakyReLUMap, Slope: 5}, normal(0, 1), reals, true},
}

var (
	reals         = []float64{0, 5, -5, 10, -10, 16, -16, 17, 18, -18, 25, -25, 40, -40, 80, -80, 88, -88, 100, -100, 200, -200, 1e4, -1e4, 1e-3, -1e-8}
	unitEnds      = []float64{0, 1, 0.5, 0x1p-126, 1e-30, 1e-10, 1e-3, 1 - 0x1p-24, 1 - 0x1p-20, 0.999}
	symmetricEnds = []float64{-1, 1, 0, 1 - 0x1p-24, -1 + 0x1p-24, 1 - 0x1p-20, 0.999, -0.999}
	positiveEnds  = []float64{0, 0x1p-126, 1e-30, 1e-8, 1e-3, 5, 10, 20, 80, 200, 1e10}
)

func mapCases() []Case {
	var cs []Case
	elementwise := few(64, "a few exponentials and logarithms of numbers below 10")
	for _, m := range mapSpecs {
		for _, r := range rowShapes {
			cs = append(cs, mapCasesOf(m, rowsName(r), r, m.usual, elementwise, sumOf(4*r.C*r.P), 0.4)...)
		}
		ends := Tol{Rel: 2e-5, Abs: 64 * ulp, Why: "some roundings of a logarithm near 100 move its exponential by 1e-5 of itself"}
		one := device.Rows{C: 1, N: len(m.ends), P: 1}
		cs = append(cs, mapCasesOf(m, m.name+" ends", one, values(m.ends...), ends, ends, 0.4)...)
		if m.tiny {
			small := []float64{1e-30, -1e-20, 1e-10, -1e-6, 1e-5, -1e-4}
			own := Tol{Rel: 16 * ulp, Why: "each element to its own last digits"}
			cs = append(cs, mapCasesOf(m, m.name+" small", device.Rows{C: 1, N: len(small), P: 1}, values(small...), own, few(4, "logs of 1"), 0)...)
		}
	}
	for _, m := range []mapSpec{mapSpecs[0], mapSpecs[6]} {
		r := device.Rows{C: 32, N: 1024, P: 1}
		for _, c := range mapCasesOf(m, m.name+" "+rowsName(r), r, m.usual, elementwise, sumOf(4*r.C), 0.4) {
			c.Bench, c.wanes = true, true
			cs = append(cs, c)
		}
	}
	return append(cs, outsideCases()...)
}

// mapCasesOf are the op at x, and its backward pass at the y that x becomes.
func mapCasesOf(m mapSpec, name string, r device.Rows, x maker, elementwise, sums Tol, dld float32) []Case {
	if name == rowsName(r) {
		name = m.name + " " + name
	}
	image := func(rnd *rand.Rand, y []float32) {
		x(rnd, y)
		g, turned := increasingOf(m.f)
		for i, v := range y {
			if turned {
				y[i] = float32(g.inverse(float64(v)))
			} else {
				y[i] = float32(g.value(float64(v)))
			}
		}
	}
	return []Case{{
		Method: "Map", Name: name, Tol: elementwise,
		Operands: []Operand{both("x", r.Len(), x), both("logdet", r.N, values(0)).within(sums)},
		Call:     func(be device.Backend, o []device.Buffer) { be.Map(r, m.f, o[0], o[1]) },
	}, {
		Method: "MapBackward", Name: name, Tol: elementwise,
		Operands: []Operand{both("x", r.Len(), image).anyLength(), both("dx", r.Len(), signed(uniform(0.5, 2), -1, 1)).anyLength()},
		Call:     func(be device.Backend, o []device.Buffer) { be.MapBackward(m.f, o[0], o[1], dld) },
	}}
}

// outsideCases: what is not in a function's interval becomes NaN, and so shows; and NaN stays.
func outsideCases() []Case {
	var cs []Case
	for _, k := range []struct {
		m mapSpec
		x []float64
	}{
		{mapSpecs[0], []float64{math.NaN(), 1}},
		{mapSpecs[1], []float64{-0.1, 1.1, 2, math.NaN(), 0.5}},
		{mapSpecs[2], []float64{math.NaN(), 1}},
		{mapSpecs[3], []float64{-1.1, 1.1, math.NaN(), 0.5}},
		{mapSpecs[4], []float64{math.NaN(), 1}},
		{mapSpecs[5], []float64{-0.1, math.NaN(), 0.5}},
	} {
		r := device.Rows{C: 1, N: len(k.x), P: 1}
		cs = append(cs, mapCasesOf(k.m, k.m.name+" outside", r, values(k.x...), few(64, "as elsewhere"), few(64, "as elsewhere"), 0.4)[0])
	}
	return cs
}
