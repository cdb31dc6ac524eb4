package devicetest

import (
	"fmt"
	"math"

	"cuflow/device"
)

var gates = []struct {
	name string
	h    device.Map
}{
	{"tanh", device.Map{Func: device.TanhMap}},
	{"softplus", device.Map{Func: device.SoftplusMap}},
	{"leaky", device.Map{Func: device.LeakyReLUMap, Slope: 0.2}},
}

var vectorShapes = []struct {
	c, n  int
	bench bool
}{
	{1, 1, false}, {2, 31, false}, {3, 32, false}, {2, 33, false}, {5, 1000, false}, {64, 7, false}, {33, 130, false}, {4, 0, false},
	{2, 8192, true}, {32, 1024, true},
}

func planarCases() []Case {
	var cs []Case
	for _, c := range []int{1, 2, 3, 31, 32, 33, 100, 1000} {
		name, scale := fmt.Sprintf("c%d", c), 1/math.Sqrt(float64(c))
		for _, k := range planarFoldCases(name, c, normal(0, scale), normal(0, 1), sumOf(4*c)) {
			k.Bench = c == 100
			cs = append(cs, k)
		}
	}
	// At the bound: w.u of -200 leaves s = 2^-126.
	for _, t := range []float64{-200, -80, -10, 80} {
		cs = append(cs, planarFoldCases(fmt.Sprintf("w.u = %g", t), 1, values(1), values(t),
			Tol{Rel: 2e-5, Abs: 16 * ulp, Why: "an exponential of a number near 100, each result to its own digits"})...)
	}
	for _, g := range gates {
		for _, d := range vectorShapes {
			k := newPlanarSpec(fmt.Sprintf("%s c%d n%d", g.name, d.c, d.n), d.c, d.n, g.h)
			for _, c := range k.cases() {
				c.Bench, c.wanes = d.bench, d.bench
				cs = append(cs, c)
			}
		}
		cs = append(cs, planarBoundCases(g.name, g.h)...)
		if g.h.Func != device.LeakyReLUMap { // whose slope on either side does not know of NaN; x does
			lost := newPlanarSpec(g.name+" not a number", 1, 3, g.h)
			lost.x = values(math.NaN(), 1, -1)
			cs = append(cs, lost.cases()[:2]...)
		}
	}
	return cs
}

func planarFoldCases(name string, c int, w, u maker, tol Tol) []Case {
	return []Case{{
		Method: "PlanarFold", Name: name, Tol: tol,
		Operands: []Operand{in("w", c, w), in("u", c, u), out("uh", c), out("s", 1)},
		Call:     func(be device.Backend, o []device.Buffer) { be.PlanarFold(c, o[0], o[1], o[2], o[3]) },
	}, {
		Method: "PlanarFoldBackward", Name: name, Tol: tol,
		Operands: []Operand{in("w", c, w), in("u", c, u), in("duh", c, normal(0, 1)), in("ds", 1, normal(0, 1)),
			both("dw", c, normal(0, 1)), both("du", c, normal(0, 1))},
		Call: func(be device.Backend, o []device.Buffer) {
			be.PlanarFoldBackward(c, o[0], o[1], o[2], o[3], o[4], o[5])
		},
	}}
}

// planarSpec is what the three ops of one row have in common. uh and s need not belong to each other for the ops to be defined.
type planarSpec struct {
	name           string
	c, n           int
	h              device.Map
	w, b, uh, s, x maker
	logdet         maker
	moved, sums    Tol // of x and dx with what is added up over channels, of parameters' gradients
}

func newPlanarSpec(name string, c, n int, h device.Map) planarSpec {
	scale := 1 / math.Sqrt(float64(c))
	return planarSpec{
		name: name, c: c, n: n, h: h,
		w: normal(0, scale), b: normal(0, 1), uh: normal(0, scale), s: uniform(0.3, 2), x: normal(0, 1), logdet: normal(0, 1),
		moved: sumOf(16 * c), sums: sumOf(16 * max(c, n)),
	}
}

func (k planarSpec) cases() []Case {
	size := k.c * k.n
	operands := func(rest ...Operand) []Operand {
		return append([]Operand{in("w", k.c, k.w), in("b", 1, k.b), in("uh", k.c, k.uh), in("s", 1, k.s), both("x", size, k.x)}, rest...)
	}
	one := normal(0, 1)
	return []Case{{
		Method: "Planar", Name: k.name, Tol: k.moved,
		Operands: operands(both("logdet", k.n, k.logdet)),
		Call: func(be device.Backend, o []device.Buffer) {
			be.Planar(k.c, k.n, k.h, o[0], o[1], o[2], o[3], o[4], o[5])
		},
	}, {
		Method: "PlanarInverse", Name: k.name, Tol: k.moved,
		Operands: operands(both("logdet", k.n, k.logdet)),
		Call: func(be device.Backend, o []device.Buffer) {
			be.PlanarInverse(k.c, k.n, k.h, o[0], o[1], o[2], o[3], o[4], o[5])
		},
	}, {
		Method: "PlanarBackward", Name: k.name, Tol: k.moved,
		Operands: operands(both("dx", size, one), both("dw", k.c, one).within(k.sums), both("db", 1, one).within(k.sums),
			both("duh", k.c, one).within(k.sums), both("ds", 1, one).within(k.sums)),
		Call: func(be device.Backend, o []device.Buffer) {
			be.PlanarBackward(k.c, k.n, k.h, o[0], o[1], o[2], o[3], o[4], o[5], 0.4, o[6], o[7], o[8], o[9])
		},
	}}
}

// planarBoundCases hold the solution of g(a) = q to its own last digits, at the bound of what can be inverted and far from it: one
// channel, w = 1 and b = 0, so that q is y, and uh = -1, so that x = y + h(a) adds what has one sign.
func planarBoundCases(name string, h device.Map) []Case {
	var cs []Case
	for _, s := range []float64{0x1p-126, 1e-30, 1e-6, 1e-3, 0.1, 0.99, 1, 1.01, 10, 100} {
		y := []float64{1e-20, -1e-10, 1e-6, -1e-3, 0.01, -0.1, 0.5, -1, 2, -5, 20, -100, 1e4, -1e4}
		if h.Func != device.TanhMap && s < 1e-3 { // g grows by s only: what is above 0 came from beyond the floats
			y = []float64{-1e-20, -1e-10, -1e-6, -1e-3, -0.01, -0.1, -0.5, -1, -2, -5, -20, -100, -1e4}
		}
		k := newPlanarSpec(fmt.Sprintf("%s s=%.3g", name, s), 1, len(y), h)
		k.w, k.b, k.uh, k.s, k.x, k.logdet = values(1), values(0), values(-1), values(s), values(y...), values(0)
		k.moved = Tol{Rel: 2e-6, Abs: 8 * ulp, Why: "the solution of one equation in one unknown, to its last digits"}
		if h.Func == device.TanhMap {
			k.moved.Abs = 0
		}
		c := k.cases()[1]
		c.Operands[5] = c.Operands[5].within(Tol{Rel: 4e-6, Abs: 16 * ulp, Why: "the logarithm of a slope known to some digits"})
		cs = append(cs, c)
	}
	return cs
}

func radialCases() []Case {
	var cs []Case
	for _, d := range vectorShapes {
		k := radialSpec{fmt.Sprintf("c%d n%d", d.c, d.n), d.c, d.n, normal(0, 1), normal(0, 0.5), normal(0, 1), normal(0, 1), sumOf(16 * d.c), sumOf(16 * max(d.c, d.n))}
		for _, c := range k.cases() {
			c.Bench, c.wanes = d.bench, d.bench
			cs = append(cs, c)
		}
	}
	for _, e := range []struct {
		name              string
		loga, beta, x0, x float64
	}{
		{"at the point", 0.3, -0.5, 0.25, 0.25}, {"s = 2e-35", 0, -80, 0, 0.5}, {"s = 80", 0, 80, 0, 0.5},
		{"al = 2e-9", -20, 0.5, 0, 0.5}, {"al = 5e8", 20, 0.5, 0, 0.5}, {"far", 0, 0.5, 0, 1e6},
	} {
		k := radialSpec{e.name, 3, 5, values(e.x0), values(e.loga), values(e.beta), signed(values(e.x), 1, -1), Tol{Rel: 2e-5, Abs: 64 * ulp,
			Why: "sums of three squares; exponentials of numbers near 100"}, Tol{Rel: 1e-4, RMS: 2e-5, Abs: 1e-4, Why: "sums over samples of terms of all sizes"}}
		cs = append(cs, k.cases()...)
	}
	return cs
}

type radialSpec struct {
	name              string
	c, n              int
	x0, loga, beta, x maker
	moved, sums       Tol
}

func (k radialSpec) cases() []Case {
	size := k.c * k.n
	one := normal(0, 1)
	operands := func(rest ...Operand) []Operand {
		return append([]Operand{in("x0", k.c, k.x0), in("loga", 1, k.loga), in("beta", 1, k.beta), both("x", size, k.x)}, rest...)
	}
	return []Case{{
		Method: "Radial", Name: k.name, Tol: k.moved,
		Operands: operands(both("logdet", k.n, one)),
		Call:     func(be device.Backend, o []device.Buffer) { be.Radial(k.c, k.n, o[0], o[1], o[2], o[3], o[4]) },
	}, {
		Method: "RadialInverse", Name: k.name, Tol: k.moved,
		Operands: operands(both("logdet", k.n, one)),
		Call:     func(be device.Backend, o []device.Buffer) { be.RadialInverse(k.c, k.n, o[0], o[1], o[2], o[3], o[4]) },
	}, {
		Method: "RadialBackward", Name: k.name, Tol: k.moved,
		Operands: operands(both("dx", size, one), both("dx0", k.c, one).within(k.sums), both("dloga", 1, one).within(k.sums), both("dbeta", 1, one).within(k.sums)),
		Call: func(be device.Backend, o []device.Buffer) {
			be.RadialBackward(k.c, k.n, o[0], o[1], o[2], o[3], o[4], 0.4, o[5], o[6], o[7])
		},
	}}
}
