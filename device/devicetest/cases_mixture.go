package devicetest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// mixtureShapes are odd in every way, then what models have: two-dimensional data, digits and MNIST.
var mixtureShapes = []struct {
	device.Components
	bench bool
}{
	{device.Components{K: 1, D: 1, N: 1}, false}, {device.Components{K: 3, D: 1, N: 31}, false}, {device.Components{K: 2, D: 5, N: 33}, false},
	{device.Components{K: 9, D: 2, N: 1000}, false}, {device.Components{K: 33, D: 7, N: 32}, false}, {device.Components{K: 5, D: 70, N: 129}, false},
	{device.Components{K: 4, D: 300, N: 3}, false}, {device.Components{K: 3, D: 4, N: 0}, false},
	{device.Components{K: 8, D: 2, N: 512}, true}, {device.Components{K: 32, D: 64, N: 64}, true}, {device.Components{K: 10, D: 784, N: 256}, true},
}

func componentsName(s device.Components) string { return fmt.Sprintf("k%d d%d n%d", s.K, s.D, s.N) }

func mixtureCases() []Case {
	var cs []Case
	for _, d := range mixtureShapes {
		for _, c := range append(diagonalCases(d.Components), evidenceCases(d.Components)...) {
			c.Bench = d.bench
			cs = append(cs, c)
		}
		for _, full := range []bool{false, true} {
			if full && d.D*d.D*d.N > 1<<19 {
				continue // as many dependent steps: the smaller ones say the same, and sampling is not what models wait for
			}
			c := placeCase(d.Components, full)
			c.Bench = d.bench
			cs = append(cs, c)
		}
	}
	return append(append(cs, evidenceExtremes()...), centeredCases()...)
}

func diagonalCases(s device.Components) []Case {
	kd, name := s.K*s.D, componentsName(s)
	mean, logs, x := in("mean", kd, normal(0, 1)), in("logs", kd, uniform(-0.5, 0.5)), in("x", s.D*s.N, normal(0.3, 1))
	return []Case{{
		Method: "MixtureDiagonal", Name: name, Tol: sumOf(s.D),
		Operands: []Operand{mean, logs, x, out("q", s.K*s.N)},
		Call:     func(be device.Backend, o []device.Buffer) { be.MixtureDiagonal(s, o[0], o[1], o[2], o[3]) },
	}, {
		// A background pixel: two standard deviations of the mean, which is hundreds of them from 0.
		Method: "MixtureDiagonal", Name: name + " far from 0", Tol: Tol{Rel: sumOf(s.D).Rel, RMS: 2 * sumOf(s.D).Rel, Why: "the differences " +
			"are exact to a rounding of x, since they are taken first"},
		Operands: []Operand{in("mean", kd, values(-0.498)), in("logs", kd, values(6.5, 6.75)),
			in("x", s.D*s.N, uniform(-0.5, -0.496)), out("q", s.K*s.N)},
		Call: func(be device.Backend, o []device.Buffer) { be.MixtureDiagonal(s, o[0], o[1], o[2], o[3]) },
	}, {
		Method: "MixtureDiagonalBackward", Name: name, Tol: sumOf(s.K),
		Operands: []Operand{mean, logs, in("r", s.K*s.N, responsibilities), x, out("dx", s.D*s.N),
			both("dmean", kd, normal(0, 1)).within(sumOf(s.N)), both("dlogs", kd, normal(0, 1)).within(sumOf(s.N))},
		Call: func(be device.Backend, o []device.Buffer) {
			be.MixtureDiagonalBackward(s, -0.7, o[0], o[1], o[2], o[3], o[4], o[5], o[6])
		},
	}}
}

// responsibilities are half of them 0, as they mostly are.
func responsibilities(r *rand.Rand, x []float32) {
	each(func(r *rand.Rand) float64 { return max(0, 2*r.Float64()-1) })(r, x)
}

func evidenceCases(s device.Components) []Case {
	k, n, name := s.K, s.N, fmt.Sprintf("k%d n%d", s.K, s.N)
	logits := in("logits", k, normal(0, 1))
	return []Case{{
		Method: "MixtureEvidence", Name: fmt.Sprintf("%s d%d", name, s.D), Tol: few(64, "exponentials of sums of a few terms up to 10, each rounded"),
		Operands: []Operand{logits, both("q", k*n, normal(-3, 2)), both("logp", n, normal(0, 1))},
		Call:     func(be device.Backend, o []device.Buffer) { be.MixtureEvidence(k, n, o[0], o[1], o[2]) },
	}, {
		Method: "MixtureEvidenceBackward", Name: fmt.Sprintf("%s d%d", name, s.D), Tol: sumOf(n + k),
		Operands: []Operand{logits, in("r", k*n, responsibilities), both("dlogits", k, normal(0, 1))},
		Call:     func(be device.Backend, o []device.Buffer) { be.MixtureEvidenceBackward(k, n, -0.7, o[0], o[1], o[2]) },
	}, {
		Method: "MixturePick", Name: fmt.Sprintf("%s d%d", name, s.D), Tol: exact,
		// The uniform numbers are halfway between two multiples of 2^-12: no sum of weights is as near to them as it is rounded.
		Operands: []Operand{in("logits", k, wholes(3)), in("u", n, each(func(r *rand.Rand) float64 { return (float64(r.IntN(1<<12)) + 0.5) * 0x1p-12 })),
			out("pick", n)},
		Call: func(be device.Backend, o []device.Buffer) { be.MixturePick(k, n, o[0], o[1], o[2]) },
	}}
}

// evidenceExtremes are log-densities of images: thousands of nats, hundreds apart.
func evidenceExtremes() []Case {
	const k, n = 7, 40
	var cs []Case
	logp := few(4, "a logarithm of at most K, and sums; what is great is rounded once")
	for _, d := range []struct {
		name   string
		logits maker
		q      maker
		tol    Tol
	}{
		{"thousands of nats", normal(0, 1), normal(3000, 400), Tol{Rel: 100 * ulp, Why: "an exponent down to -100 is a sum of two differences, " +
			"rounded to half an ulp of itself"}},
		{"all but one underflow", normal(0, 1), values(-2000, -1e4, -2e4, -3e4, -4e4), few(16, "a few equal terms, and zeros")},
		{"weights far apart", values(0, 80, -80, 200, -200, 40, 1), normal(0, 1), Tol{Rel: 200 * ulp, Abs: 0x1p-140,
			Why: "an exponent of 200 is rounded to 100 ulps of 1"}},
		{"equal", values(0), values(-5), few(16, "K equal terms")},
	} {
		cs = append(cs, Case{
			Method: "MixtureEvidence", Name: d.name, Tol: d.tol,
			Operands: []Operand{in("logits", k, d.logits), both("q", k*n, d.q), both("logp", n, normal(0, 1)).within(logp)},
			Call:     func(be device.Backend, o []device.Buffer) { be.MixtureEvidence(k, n, o[0], o[1], o[2]) },
		})
	}
	return cs
}

func placeCase(s device.Components, full bool) Case {
	name, l := componentsName(s)+" diagonal", absent("l")
	if full {
		name = componentsName(s) + " full"
		l = in("l", s.K*s.Triangle(), normal(0, 0.3/float64(s.D))) // so that errors do not grow on their way down
	}
	return Case{
		Method: "MixturePlace", Name: name, Tol: sumOf(s.D),
		Operands: []Operand{in("pick", s.N, wholes(s.K)), in("mean", s.K*s.D, normal(0, 1)), in("logs", s.K*s.D, uniform(0.1, 0.9)), l,
			both("x", s.D*s.N, normal(0, 1))},
		Call: func(be device.Backend, o []device.Buffer) { be.MixturePlace(s, o[0], o[1], o[2], o[3], o[4]) },
	}
}

// centeredCases are what full covariances need beside products of matrices.
func centeredCases() []Case {
	var cs []Case
	for _, d := range []struct {
		c, m  int
		bench bool
	}{
		{1, 1, false}, {3, 31, false}, {5, 32, false}, {2, 33, false}, {7, 1000, false}, {2, 5000, false}, {4, 0, false},
		{64, 64, true}, {784, 256, true},
	} {
		c, m, name := d.c, d.m, fmt.Sprintf("c%d m%d", d.c, d.m)
		cs = append(cs, Case{
			Method: "Center", Name: name, Bench: d.bench, Tol: few(1, "one difference"),
			Operands: []Operand{in("mean", c, normal(0, 1)), in("x", c*m, normal(0, 1)), out("y", c*m)},
			Call:     func(be device.Backend, o []device.Buffer) { be.Center(c, m, o[0], o[1], o[2]) },
		}, Case{
			Method: "CenterBackward", Name: name, Bench: d.bench, Tol: few(1, "one sum"),
			Operands: []Operand{in("dy", c*m, normal(0, 1)), both("dx", c*m, normal(0, 1)), both("dmean", c, normal(0, 1)).within(sumOf(m))},
			Call:     func(be device.Backend, o []device.Buffer) { be.CenterBackward(c, m, o[0], o[1], o[2]) },
		}, Case{
			Method: "Weigh", Name: name, Bench: d.bench, wanes: true, Tol: few(2, "two products"),
			Operands: []Operand{in("w", m, uniform(0.9, 1)), both("x", c*m, normal(0, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.Weigh(c, m, -1.1, o[0], o[1]) },
		})
	}
	for _, d := range []int{1, 2, 3, 31, 32, 33, 130, 784} {
		below, name := d*(d-1)/2, fmt.Sprintf("d%d", d)
		cs = append(cs, Case{
			Method: "Triangle", Name: name, Bench: d > 200, Tol: few(2, "exponentials of small numbers; the rest is moved"),
			Operands: []Operand{in("logs", d, uniform(-1, 1)), in("l", below, normal(0, 1)), out("a", d*d)},
			Call:     func(be device.Backend, o []device.Buffer) { be.Triangle(d, o[0], o[1], o[2]) },
		}, Case{
			Method: "TriangleBackward", Name: name, Bench: d > 200, Tol: few(4, "an exponential, a product, a sum"),
			Operands: []Operand{in("logs", d, uniform(-1, 1)), in("da", d*d, normal(0, 1)), both("dlogs", d, normal(0, 1)), both("dl", below, normal(0, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.TriangleBackward(d, o[0], o[1], o[2], o[3]) },
		})
	}
	for _, n := range append(sizes[:], 1<<18+1) {
		cs = append(cs, Case{
			Method: "AtMost", Name: fmt.Sprintf("n=%d", n), Bench: n > 1000, Tol: exact,
			Operands: []Operand{both("x", n, normal(0, 1)).anyLength()},
			Call:     func(be device.Backend, o []device.Buffer) { be.AtMost(0.25, o[0]) },
		})
	}
	return append(cs, Case{
		Method: "AtMost", Name: "NaN stays", Tol: exact,
		Operands: []Operand{both("x", 9, values(math.NaN(), 1, -1)).anyLength()},
		Call:     func(be device.Backend, o []device.Buffer) { be.AtMost(0.25, o[0]) },
	})
}
