package devicetest

import (
	"fmt"
	"math/rand/v2"

	"cuflow/device"
)

func actNormCases() []Case {
	var cs []Case
	for _, d := range []struct {
		c, m  int
		bench bool
	}{
		{1, 1, false}, {1, 31, false}, {3, 32, false}, {2, 33, false}, {5, 1000, false}, {33, 7, false}, {2, 4133, false}, {4, 0, false},
		{4, 64 * 16, true}, {4, 64 * 256, true}, {8, 64 * 64, true}, {16, 64 * 16, true},
	} {
		cs = append(cs, actNormCasesOf(d.c, d.m, d.bench)...)
	}
	return append(cs,
		actNormInitCase("c3 m1 single columns", 3, 1, normal(0, 2)),
		actNormInitCase("c2 m33 constant", 2, 33, values(3.7)),
		actNormInitCase("c2 m4133 constant", 2, 4133, values(3.7)),
		actNormInitCase("c2 m1000 zero", 2, 1000, values(0)),
		actNormInitCase("c2 m1000 nearly constant", 2, 1000, normal(0, 1e-4)),
		actNormInitCase("c2 m1000 far from 0", 2, 1000, normal(300, 1)),
		actNormInitCase("c2 m1000 rows of two scales", 2, 1000, func(r *rand.Rand, x []float32) {
			normal(-5, 1e-2)(r, x[:len(x)/2])
			normal(5, 1e3)(r, x[len(x)/2:])
		}),
	)
}

func actNormCasesOf(c, m int, bench bool) []Case {
	name := fmt.Sprintf("c%d m%d", c, m)
	// Positive: a benchmark that repeats the backward op in place must not fall to subnormal numbers.
	logs, b, x := in("logs", c, uniform(0.02, 0.9)), in("b", c, normal(0, 1)), both("x", c*m, normal(0.3, 1))
	elementwise := few(6, "one exponential of a small number, a sum, a product")
	dld := float32(0.75)
	if m == 0 {
		dld = 0 // no sample has a log-determinant
	}
	cs := []Case{{
		Method: "ActNorm", Name: name, Bench: bench, Tol: elementwise,
		Operands: []Operand{logs, b, x},
		Call:     func(be device.Backend, o []device.Buffer) { be.ActNorm(c, m, o[0], o[1], o[2]) },
	}, {
		Method: "ActNormInverse", Name: name, Bench: bench, Tol: elementwise,
		Operands: []Operand{logs, b, x},
		Call:     func(be device.Backend, o []device.Buffer) { be.ActNormInverse(c, m, o[0], o[1], o[2]) },
	}, {
		Method: "ActNormBackward", Name: name, Bench: bench, Tol: elementwise,
		Operands: []Operand{logs, b, x, both("dx", c*m, normal(0.1, 1)),
			both("dlogs", c, normal(0, 1)).within(sumOf(m + 1)), both("db", c, normal(0, 1)).within(sumOf(m))},
		Call: func(be device.Backend, o []device.Buffer) {
			be.ActNormBackward(c, m, o[0], o[1], o[2], o[3], dld, o[4], o[5])
		},
	}}
	if m == 0 {
		return cs
	}
	init := actNormInitCase(name, c, m, normal(1, 2))
	init.Bench = bench
	return append(cs, init)
}

func actNormInitCase(name string, c, m int, x maker) Case {
	mean := Tol{Rel: sumOf(m).Rel, RMS: sumOf(m).RMS, Why: "a sum of m numbers, of whatever scale"}
	scale := Tol{Rel: mean.Rel, Abs: mean.Rel,
		Why: "a sum of m squares of deviations, whose logarithm turns relative errors to absolute ones; the mean's error enters squared"}
	return Case{
		Method: "ActNormInit", Name: name, Tol: scale,
		Operands: []Operand{in("x", c*m, x), out("logs", c), out("b", c).within(mean)},
		Call:     func(be device.Backend, o []device.Buffer) { be.ActNormInit(c, m, o[0], o[1], o[2]) },
	}
}

func shapeCases() []Case {
	var cs []Case
	for _, d := range []struct{ c, m int }{{1, 1}, {2, 31}, {3, 32}, {7, 33}, {64, 1}, {5, 1000}, {3, 0}, {12, 64 * 256}} {
		cs = append(cs, Case{
			Method: "Permute", Name: fmt.Sprintf("c%d m%d", d.c, d.m), Bench: d.m > 1000, Tol: exact,
			Operands: []Operand{in("perm", d.c, permutation), in("x", d.c*d.m, normal(0, 1)), out("y", d.c*d.m)},
			Call:     func(be device.Backend, o []device.Buffer) { be.Permute(d.c, d.m, o[0], o[1], o[2]) },
		})
	}
	for _, d := range []struct {
		c, n, h, w int
		bench      bool
	}{
		{1, 1, 2, 2, false}, {3, 2, 4, 6, false}, {2, 1, 6, 2, false}, {1, 5, 2, 34, false}, {2, 3, 10, 66, false}, {4, 0, 4, 4, false},
		{1, 64, 8, 8, true}, {1, 64, 32, 32, true}, {2, 64, 16, 16, true}, {4, 64, 8, 8, true},
	} {
		size := d.c * d.n * d.h * d.w
		name := fmt.Sprintf("c%d n%d %dx%d", d.c, d.n, d.h, d.w)
		operands := []Operand{in("x", size, normal(0, 1)), out("y", size)}
		cs = append(cs, Case{
			Method: "Squeeze", Name: name, Bench: d.bench, Tol: exact, Operands: operands,
			Call: func(be device.Backend, o []device.Buffer) { be.Squeeze(d.c, d.n, d.h, d.w, o[0], o[1]) },
		}, Case{
			Method: "Unsqueeze", Name: name, Bench: d.bench, Tol: exact, Operands: operands,
			Call: func(be device.Backend, o []device.Buffer) { be.Unsqueeze(d.c, d.n, d.h, d.w, o[0], o[1]) },
		})
	}
	return cs
}

func priorCases() []Case {
	var cs []Case
	rows := func(r device.Rows, bench bool) {
		cs = append(cs, Case{
			Method: "GaussianLogProb", Name: rowsName(r), Bench: bench, Tol: sumOf(r.C * r.P),
			Operands: []Operand{in("x", r.Len(), normal(0.2, 1.5)), both("logp", r.N, normal(0, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.GaussianLogProb(r, o[0], o[1]) },
		})
	}
	for _, r := range rowShapes {
		rows(r, false)
	}
	for _, r := range modelRows {
		rows(r, true)
	}
	for _, n := range append(sizes[:], 1<<18+1) {
		cs = append(cs, Case{
			Method: "GaussianLogProbBackward", Name: fmt.Sprintf("n=%d", n), Bench: n > 1000, Tol: few(1, "one product"),
			Operands: []Operand{in("x", n, normal(0, 1)), out("dx", n)},
			Call:     func(be device.Backend, o []device.Buffer) { be.GaussianLogProbBackward(-0.7, o[0], o[1]) },
		})
	}
	return cs
}

func noiseCases() []Case {
	var cs []Case
	streams := []struct {
		device.Stream
		step, first float64
	}{
		{device.Stream{Seed: 1, ID: 0}, 0, 0},
		{device.Stream{Seed: 0xfedcba9876543210, ID: 0xffffffff}, 1 << 24, 1<<24 - 7},
		{device.Stream{Seed: 42, ID: 3}, 1234567, 60000},
	}
	levels := []int{256, 17, 2}
	for i, r := range rowShapes {
		s := i % len(streams)
		cs = append(cs, noiseCasesOf(r, levels[s], streams[s].Stream, values(streams[s].step, streams[s].first), false)...)
	}
	for _, r := range []device.Rows{{C: 1, N: 64, P: 64}, {C: 1, N: 64, P: 1024}} {
		cs = append(cs, noiseCasesOf(r, 256, streams[2].Stream, values(9, 128), true)...)
	}
	return cs
}

func noiseCasesOf(r device.Rows, levels int, rng device.Stream, at maker, bench bool) []Case {
	name := rowsName(r)
	return []Case{{
		Method: "Dequantize", Name: fmt.Sprintf("%s levels %d", name, levels), Bench: bench,
		Tol:      Tol{Abs: 2 * ulp, Why: "v+u, the quotient below 1 and the difference: half an ulp of 1 each at most"},
		Operands: []Operand{in("at", 2, at), in("v", r.Len(), wholes(levels)), out("x", r.Len())},
		Call:     func(be device.Backend, o []device.Buffer) { be.Dequantize(r, levels, rng, o[0], o[1], o[2]) },
	}, {
		Method: "Normal", Name: name, Bench: bench,
		Tol: Tol{Abs: 0.7 * 32 * ulp, Rel: 4 * ulp,
			Why: "a radius of at most sqrt(48 log 2) = 5.8 times a sine and cosine known to some ulps of 1, times std"},
		Operands: []Operand{in("at", 2, at), out("x", r.Len())},
		Call:     func(be device.Backend, o []device.Buffer) { be.Normal(r, 0.7, rng, o[0], o[1]) },
	}, {
		Method: "Uniform", Name: name, Bench: bench,
		Tol:      Tol{Why: "24 bits of a word are a float32: the stream is the same everywhere"},
		Operands: []Operand{in("at", 2, at), out("x", r.Len())},
		Call:     func(be device.Backend, o []device.Buffer) { be.Uniform(r, rng, o[0], o[1]) },
	}}
}
