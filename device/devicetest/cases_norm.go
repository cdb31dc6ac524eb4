package devicetest

import (
	"fmt"
	"math/rand/v2"

	"cuflow/device"
)

// maps are the channels and columns of what a norm works on: small and awkward, one row longer than a block of whoever sums
// in blocks, nothing, and 64 maps of 64 images of 16x16.
var maps = []struct {
	c, m  int
	bench bool
}{
	{1, 1, false}, {1, 31, false}, {3, 32, false}, {2, 33, false}, {5, 1000, false}, {33, 7, false}, {2, 4133, false}, {4, 0, false},
	{64, 64 * 256, true},
}

// channels are the lengths of ops on parameters.
var channels = append(sizes[:], 64)

func mapsName(c, m int) string { return fmt.Sprintf("c%d m%d", c, m) }

func normCases() []Case {
	var cs []Case
	for _, family := range []func() []Case{channelStatsCases, batchNormCases, batchNormActCases, weightNormCases} {
		cs = append(cs, family()...)
	}
	return cs
}

func channelStatsCases() []Case {
	var cs []Case
	for _, d := range maps {
		c := channelStatsCase(mapsName(d.c, d.m), d.c, d.m, normal(1, 2), 2)
		c.Bench = d.bench
		if d.m == 0 { // no columns have no mean: what was there stays
			c.Operands = []Operand{in("x", 0, nil), both("mean", d.c, normal(0, 1)), both("variance", d.c, uniform(1, 2))}
			c.Tol = exact
		}
		cs = append(cs, c)
	}
	cs = append(cs,
		channelStatsCase("c2 m33 constant", 2, 33, values(3.7), 3.7),
		channelStatsCase("c2 m1000 zero", 2, 1000, values(0), 0),
		channelStatsCase("c2 m1000 nearly constant", 2, 1000, normal(0, 1e-4), 1e-4),
		channelStatsCase("c2 m1000 far from 0", 2, 1000, normal(300, 1), 300),
		channelStatsCase("c2 m1000 rows of two scales", 2, 1000, func(r *rand.Rand, x []float32) {
			normal(-5, 1e-2)(r, x[:len(x)/2])
			normal(5, 1e3)(r, x[len(x)/2:])
		}, 5),
	)
	for _, n := range channels {
		cs = append(cs, Case{
			Method: "Blend", Name: fmt.Sprintf("n=%d", n), Bench: n == 64, Tol: few(3, "two products and their sum, fused or not"),
			Operands: []Operand{in("x", n, normal(0, 1)), both("y", n, normal(0.1, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.Blend(0.9, o[0], o[1]) },
		})
	}
	return cs
}

// channelStatsCase takes the scale of means, whose rounding variances of constant rows show.
func channelStatsCase(name string, c, m int, x maker, scale float64) Case {
	e := sumOf(m).Rel
	return Case{
		Method: "ChannelStats", Name: name,
		Tol: Tol{Rel: e, Abs: scale * scale * e * e, Why: "a sum of m squares of deviations; the mean's error enters squared"},
		Operands: []Operand{in("x", c*m, x), out("mean", c).within(Tol{Rel: e, RMS: e, Why: "a sum of m numbers, of whatever scale"}),
			out("variance", c)},
		Call: func(be device.Backend, o []device.Buffer) { be.ChannelStats(c, m, o[0], o[1], o[2]) },
	}
}

const eps = 1e-5 // of batch normalisation

func batchNormCases() []Case {
	var cs []Case
	for _, c := range channels {
		cs = append(cs, batchNormFoldCases(fmt.Sprintf("c%d", c), c, uniform(0.1, 3))...)
	}
	cs = append(cs, batchNormFoldCases("c5 variances from 0", 5, values(0, 1e-12, 1e-5, 1e-3, 1e6))...)
	for _, d := range maps {
		cs = append(cs, batchNormBackwardCase(mapsName(d.c, d.m), d.c, d.m, 0.1, normal(0.3, 1), normal(0.3, 0.1), uniform(0.5, 2)))
		cs[len(cs)-1].Bench = d.bench
	}
	return append(cs,
		batchNormBackwardCase("c2 m33 all of it", 2, 33, 1, normal(0.3, 1), normal(0.3, 0.1), uniform(0.5, 2)),
		batchNormBackwardCase("c2 m33 no share", 2, 33, 0, normal(0.3, 1), normal(0.3, 0.1), uniform(0.5, 2)),
		batchNormBackwardCase("c2 m33 variance 0", 2, 33, 0.1, values(3.7), values(3.7), values(0)),
	)
}

func batchNormFoldCases(name string, c int, variance maker) []Case {
	return []Case{{
		Method: "BatchNormFold", Name: name, Bench: c == 64, Tol: few(4, "a sum and a logarithm, halved"),
		Operands: []Operand{in("mean", c, normal(0, 1)), in("variance", c, variance), out("logs", c),
			out("b", c).within(Tol{Why: "a change of sign"})},
		Call: func(be device.Backend, o []device.Buffer) { be.BatchNormFold(c, eps, o[0], o[1], o[2], o[3]) },
	}, {
		Method: "BatchNormScale", Name: name, Bench: c == 64, Tol: few(6, "a sum, a root and a quotient, then a product and a difference"),
		Operands: []Operand{in("mean", c, normal(0, 1)), in("variance", c, variance), in("gamma", c, normal(0, 1)),
			in("beta", c, normal(0, 1)), out("scale", c), out("shift", c)},
		Call: func(be device.Backend, o []device.Buffer) {
			be.BatchNormScale(c, eps, o[0], o[1], o[2], o[3], o[4], o[5])
		},
	}}
}

// batchNormBackwardCase has gradients of order m, as sums over m are, so that dx gets something of order 1.
func batchNormBackwardCase(name string, c, m int, share float32, x, mean, variance maker) Case {
	gradient := normal(0, float64(max(m, 1)))
	return Case{
		Method: "BatchNormBackward", Name: name,
		Tol: few(16, "two factors of a few roundings each, a difference, two products and two sums, of terms below 8; deviations come "+
			"before factors: those of a constant channel are 0, whatever its factor"),
		Operands: []Operand{in("mean", c, mean), in("variance", c, variance), in("dlogs", c, gradient), in("db", c, gradient),
			in("x", c*m, x), both("dx", c*m, normal(0, 1))},
		Call: func(be device.Backend, o []device.Buffer) {
			be.BatchNormBackward(c, m, share, eps, o[0], o[1], o[2], o[3], o[4], o[5])
		},
	}
}

var acts = []struct {
	act  device.Act
	name string
	y    maker // what it leaves
}{
	{device.NoAct, "", normal(0, 1)},
	{device.ReLU, " ReLU", rectified()},
}

func batchNormActCases() []Case {
	var cs []Case
	for _, a := range acts {
		for _, d := range maps {
			name := mapsName(d.c, d.m) + a.name
			backward := batchNormActBackwardCase(name, d.c, d.m, a.act, normal(0.3, 1), normal(0.3, 0.1), uniform(0.9, 1.1), a.y)
			backward.Bench, backward.wanes = d.bench, true // a projection, in place: what it takes away goes to 0
			cs = append(cs, Case{
				Method: "AffineAct", Name: name, Bench: d.bench, Tol: few(2, "a product and a sum, fused or not"),
				Operands: []Operand{in("scale", d.c, normal(0, 1)), in("shift", d.c, normal(0, 1)),
					in("x", d.c*d.m, normal(0, 1)), out("y", d.c*d.m)},
				Call: func(be device.Backend, o []device.Buffer) { be.AffineAct(d.c, d.m, a.act, o[0], o[1], o[2], o[3]) },
			}, backward)
		}
		// A channel that is constant: its deviations are 0, its standard deviation is sqrt(eps).
		constant := batchNormActBackwardCase("c2 m33 variance 0"+a.name, 2, 33, a.act, values(3.7), values(3.7), values(0), a.y)
		constant.Operands[5].tol = &Tol{Rel: 8 * ulp, RMS: 8 * ulp, Why: "differences of terms that all have the factor 1/sqrt(eps)"}
		cs = append(cs, constant,
			batchNormActBackwardCase("c2 m33 variances apart"+a.name, 2, 33, a.act, normal(0, 1), values(0), values(0.01, 100), a.y))
	}
	return cs
}

// batchNormActBackwardCase has gammas somewhat above 1, so that a benchmark that repeats the op in place does not fade.
func batchNormActBackwardCase(name string, c, m int, act device.Act, x, mean, variance, y maker) Case {
	sums := sumOf(m)
	sums.RMS *= 2 // deviations in units of the standard deviation
	return Case{
		Method: "BatchNormActBackward", Name: name,
		Tol: Tol{Rel: 16 * ulp, RMS: 16 * ulp, Abs: 8 * ulp, Why: "two means, whose roundings are small, and the difference of three " +
			"terms of the result's scale, with a factor of a root and a quotient"},
		Operands: []Operand{in("mean", c, mean), in("variance", c, variance), in("gamma", c, uniform(1.1, 1.2)), in("x", c*m, x),
			in("y", c*m, y), both("dy", c*m, normal(0.1, 1)),
			both("dgamma", c, normal(0, 1)).within(sums), both("dbeta", c, normal(0, 1)).within(sums)},
		Call: func(be device.Backend, o []device.Buffer) {
			be.BatchNormActBackward(c, m, act, eps, o[0], o[1], o[2], o[3], o[4], o[5], o[6], o[7])
		},
	}
}

func weightNormCases() []Case {
	var cs []Case
	for _, d := range []struct{ rows, cols int }{
		{0, 9}, {1, 1}, {3, 2}, {2, 9}, {7, 31}, {32, 32}, {33, 33}, {5, 1000}, {2, 4133}, {64, 64 * 9},
	} {
		cs = append(cs, weightNormCasesOf(fmt.Sprintf("%dx%d", d.rows, d.cols), d.rows, d.cols, 1, d.rows == 64)...)
	}
	for _, size := range []float64{1e-15, 1e-6, 1e6} {
		cs = append(cs, weightNormCasesOf(fmt.Sprintf("7x31 of %v", size), 7, 31, size, false)...)
	}
	return cs
}

// weightNormCasesOf has weights v of a size, none near 0, and gradients of v of 1/size.
func weightNormCasesOf(name string, rows, cols int, size float64, bench bool) []Case {
	n := rows * cols
	g := in("g", rows, normal(0, 1))
	v := in("v", n, each(func(r *rand.Rand) float64 { return size * (0.5 + 1.5*r.Float64()) * float64(2*r.IntN(2)-1) }))
	e := sumOf(cols).Rel
	return []Case{{
		Method: "WeightNorm", Name: name, Bench: bench,
		Tol:      Tol{Rel: e, Why: "a sum of squares, its root, a quotient and a product: no difference, at any size"},
		Operands: []Operand{g, v, out("w", n)},
		Call:     func(be device.Backend, o []device.Buffer) { be.WeightNorm(rows, cols, o[0], o[1], o[2]) },
	}, {
		Method: "WeightNormBackward", Name: name, Bench: bench, Tol: sumOf(cols),
		Operands: []Operand{g, v, in("dw", n, normal(0.1, 1)),
			both("dv", n, normal(0, 1/size)).within(Tol{Rel: e, RMS: e, Why: "a sum of cols products and what is left of two terms of 1/|v|"}),
			both("dg", rows, normal(0, 1))},
		Call: func(be device.Backend, o []device.Buffer) {
			be.WeightNormBackward(rows, cols, o[0], o[1], o[2], o[3], o[4])
		},
	}}
}
