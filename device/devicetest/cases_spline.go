package devicetest

import (
	"math/rand/v2"

	"cuflow/device"
)

// curves are one of every kind and domain, with numbers of bins that are no power of 2, and the fewest.
var curves = []struct {
	device.Curve
	name string
}{
	{device.Curve{Of: device.AffineCurve}, "affine"},
	{device.Curve{Of: device.LinearSpline, K: 5, B: 3, Scale: 1}, "linear"},
	{device.Curve{Of: device.LinearSpline, K: 1, B: 2, Scale: 1}, "linear k1"},
	{device.Curve{Of: device.LinearSpline, K: 6, On: device.Interval, Scale: 0.5}, "linear interval"},
	{device.Curve{Of: device.QuadraticSpline, K: 5, B: 3, Scale: 1}, "quadratic"},
	{device.Curve{Of: device.QuadraticSpline, K: 2, B: 2.5, Scale: 1}, "quadratic k2"},
	{device.Curve{Of: device.QuadraticSpline, K: 4, B: 3, On: device.Circle, Scale: 1}, "quadratic circle"},
	{device.Curve{Of: device.QuadraticSpline, K: 3, On: device.Interval, Scale: 0.5}, "quadratic interval"},
	{device.Curve{Of: device.RationalSpline, K: 8, B: 3, Scale: 1}, "rational"},
	{device.Curve{Of: device.RationalSpline, K: 1, B: 3, Scale: 1}, "rational k1"},
	{device.Curve{Of: device.RationalSpline, K: 5, B: 3, On: device.Circle, Scale: 1}, "rational circle"},
	{device.Curve{Of: device.RationalSpline, K: 4, On: device.Interval, Scale: 0.25}, "rational interval"},
	{device.Curve{Of: device.RationalSpline, K: device.MaxBins, B: 3, Scale: 1}, "rational k64"},
	{device.Curve{Of: device.LogisticMixture, K: 4}, "logistic mixture"},
	{device.Curve{Of: device.LogisticMixture, K: 1}, "logistic mixture k1"},
	{device.Curve{Of: device.GaussianMixture, K: 4}, "gaussian mixture"},
	{device.Curve{Of: device.GaussianMixture, K: 1}, "gaussian mixture k1"},
}

// curveRows hold a sample that is shared out, samples of several pixels, and rows that end beyond a quad.
var curveRows = []device.Rows{
	{C: 1, N: 1, P: 1}, {C: 2, N: 33, P: 1}, {C: 3, N: 7, P: 5}, {C: 1, N: 1, P: 520}, {C: 2, N: 0, P: 4},
}

// curveFlops counts an element's arithmetic for each parameter: an exponential, mostly, and what it is put to.
const curveFlops = 24

func curveCases() []Case {
	var cs []Case
	for i, c := range curves {
		for j, r := range curveRows {
			if (j == 2 || j == 3) && i%2 != j%2 { // every second shape: the kinds share their walk over memory
				continue
			}
			cs = append(cs, newCurve(c.Curve, c.name+" "+rowsName(r), r).cases()...)
		}
		cs = append(cs, curveEnds(c.Curve, c.name)...)
	}
	large := newCurve(device.Curve{Of: device.RationalSpline, K: 8, B: 3, Scale: 1}, "rational c32 n512 p1", device.Rows{C: 32, N: 512, P: 1})
	large.moved = few(2*(48+8*8), large.moved.Why+"; among so many elements some slope is twice that")
	large.dmoved.Rel, large.dmoved.RMS, large.dmoved.Abs = 2*large.dmoved.Rel, 2*large.dmoved.RMS, 2*large.dmoved.Abs
	large.sums = large.dmoved
	bench := large.cases()
	for i := range bench {
		bench[i].Bench, bench[i].wanes, bench[i].Flops = true, true, int64(curveFlops*23*32*512)
	}
	return append(cs, bench...)
}

// curveSpec is what the ops of one row have in common.
type curveSpec struct {
	c             device.Curve
	name          string
	rows          device.Rows
	params        maker
	x, y, dx      maker
	moved, logdet Tol
	dmoved, sums  Tol
}

func newCurve(c device.Curve, name string, r device.Rows) curveSpec {
	k := curveSpec{
		c: c, name: name, rows: r, params: normal(0, 0.8), x: normal(0, 1.5), dx: normal(0.1, 1),
		moved: few(48+8*float64(c.K), "knots are sums of K parts of the domain, each known to some ulps of it; a slope or its inverse, mostly below 10, makes them that of y or x"),
		logdet: few((64+32*float64(c.K))*float64(r.C*r.P), "logarithms of slopes, which change within a bin by their own size: "+
			"K roundings of a knot by the bin's width are those of its place in the bin"),
		dmoved: Tol{Rel: 2e-4, RMS: 2e-4, Abs: 2e-4, Why: "slopes and their derivatives by the place in a bin, which is known to K ulps of the domain by the bin's width"},
	}
	if c.On == device.Interval && bends(c) {
		k.x = uniform(-0.1, 1.1)
	}
	k.y, k.sums = k.x, k.dmoved
	return k
}

func (k curveSpec) cases() []Case {
	r, n, c := k.rows, k.rows.Len(), k.c
	params := c.Params() * n
	logdet := both("logdet", r.N, normal(0, 1)).within(k.logdet)
	return []Case{{
		Method: "Curve", Name: k.name, Tol: k.moved,
		Operands: []Operand{in("params", params, k.params), both("x", n, k.x), logdet},
		Call:     func(be device.Backend, o []device.Buffer) { be.Curve(r, c, o[0], o[1], o[2]) },
	}, {
		Method: "CurveInverse", Name: k.name, Tol: k.moved,
		Operands: []Operand{in("params", params, k.params), both("x", n, k.y), logdet},
		Call:     func(be device.Backend, o []device.Buffer) { be.CurveInverse(r, c, o[0], o[1], o[2]) },
	}, {
		Method: "CurveBackward", Name: k.name, Tol: k.sums,
		Operands: []Operand{both("params", params, k.params), both("x", n, k.y).within(k.moved), both("dx", n, k.dx).within(k.dmoved)},
		Call:     func(be device.Backend, o []device.Buffer) { be.CurveBackward(r, c, o[0], o[1], o[2], -0.75) },
	}, {
		Method: "CurveInverseBackward", Name: k.name, Tol: k.sums,
		Operands: []Operand{both("params", params, k.params), both("x", n, k.x).within(k.moved), both("dx", n, k.dx).within(k.dmoved)},
		Call:     func(be device.Backend, o []device.Buffer) { be.CurveInverseBackward(r, c, o[0], o[1], o[2], -0.75) },
	}}
}

// curveEnds go to what is particular: x at knots, at the ends of the domain and outside, and far out; and parameters with which all but one
// bin collapse to the least there may be.
func curveEnds(c device.Curve, name string) []Case {
	const n = 16
	lo, size := c.Span()
	if !bends(c) {
		lo, size = -3, 6
	}
	ends := newCurve(c, name+" ends", device.Rows{C: 1, N: n, P: 1})
	at := []float64{-40, -1.5, -1.01, -1, -0.999, -0.5, 0, 0.25, 0.5, 0.999, 1, 1.01, 1.5, 40, -3, 3}
	for i := range at {
		at[i] = float64(lo) + float64(size)*(1+at[i])/2
	}
	ends.x, ends.y = values(at...), values(at...)
	ends.params = values(0) // knots are where bins of one size have them
	if c.Of == device.GaussianMixture {
		ends.sums.Abs = 4e-3
		ends.sums.Why = "t standard deviations out gradients are differences of terms of the size of t^2, here up to 120^2, each known to some ulps"
	}
	cs := ends.cases()
	if bends(c) {
		cs = cs[:2] // at a knot the gradient is that of either side
		cs = append(cs, collapsed(c, name, device.Rows{C: 1, N: 31, P: 1})...)
	}
	return cs
}

// collapsed are splines that a network drives to the limit.
func collapsed(c device.Curve, name string, r device.Rows) []Case {
	k := newCurve(c, name+" collapsed", r)
	k.params = func(rnd *rand.Rand, x []float32) {
		normal(0, 1)(rnd, x)
		for i := range x {
			x[i] *= 40
		}
	}
	why := "a bin is at least 1/1000 of the domain: its place in the domain is known to K ulps of that, a thousand times as much of itself, and slopes reach 1000"
	k.moved = Tol{Rel: 1e-4, Abs: 2e-3, Why: why}
	k.logdet = Tol{Rel: 1e-3, Abs: 2e-2, Why: why}
	return k.cases()[:2]
}
