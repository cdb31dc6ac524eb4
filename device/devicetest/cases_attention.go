package devicetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"cuflow/device"
)

// headShapes are one token, tokens around a vector's and a tile's width, one head and several, few and many channels of a head, no
// sample.
var headShapes = []device.Heads{
	{C: 1, H: 1, N: 1, T: 1}, {C: 8, H: 2, N: 3, T: 16}, {C: 6, H: 2, N: 2, T: 17}, {C: 16, H: 1, N: 2, T: 33}, {C: 20, H: 4, N: 5, T: 7},
	{C: 64, H: 1, N: 1, T: 49}, {C: 40, H: 2, N: 1, T: 31}, {C: 4, H: 1, N: 0, T: 5}, {C: 12, H: 3, N: 2, T: 64},
}

func attentionCases() []Case {
	var cs []Case
	for _, s := range headShapes {
		for _, s.Causal = range []bool{false, true} {
			cs = append(cs, attendCases(s)...)
		}
	}
	for _, s := range []device.Heads{{C: 64, H: 4, N: 64, T: 16}, {C: 128, H: 2, N: 8, T: 256, Causal: true}} {
		for _, c := range attendCases(s) {
			c.Bench = true
			cs = append(cs, c)
		}
	}
	far := attendCases(device.Heads{C: 8, H: 1, N: 2, T: 19})[0] // exponents that a sum without its maximum would not survive
	far.Name += " far"
	far.Operands = append([]Operand{in("qkv", 3*8*2*19, normal(0, 12))}, far.Operands[1:]...)
	far.Tol = Tol{Rel: 2e-4, RMS: 2e-4, Why: "scores of up to some hundred are rounded by 1e-5 to 1e-4 before the exponential"}
	cs = append(cs, far)
	for _, s := range []device.Heads{{C: 1, H: 1, N: 1, T: 1}, {C: 8, H: 2, N: 33, T: 5}, {C: 24, H: 2, N: 3, T: 40}, {C: 64, H: 1, N: 2, T: 9}, {C: 4, H: 2, N: 0, T: 3}} {
		s.Causal = true
		for _, t := range slices.Compact([]int{0, s.T / 2, s.T - 1}) {
			cs = append(cs, attendStepCase(s, t))
		}
	}
	long := attendStepCase(device.Heads{C: 64, H: 4, N: 64, T: 256, Causal: true}, 255)
	long.Bench = true
	return append(cs, long)
}

func headsName(s device.Heads) string {
	name := fmt.Sprintf("c%d h%d n%d t%d", s.C, s.H, s.N, s.T)
	if s.Causal {
		name += " causal"
	}
	return name
}

// qkvMaker draws queries and keys whose scores are of order 1.
func qkvMaker() maker { return normal(0.1, 1) }

func attendCases(s device.Heads) []Case {
	size := s.C * s.M()
	// What a backward pass finds is what a forward pass left, up to float32.
	past := func(pick func(y, lse []float64) []float64) maker {
		return func(_ *rand.Rand, x []float32) {
			qkv := make([]float32, 3*size)
			qkvMaker()(rand.New(rand.NewPCG(uint64(s.T), 5)), qkv)
			y, lse := make([]float64, size), make([]float64, s.H*s.M())
			attend(s, widened(qkv), y, lse)
			for i, v := range pick(y, lse) {
				x[i] = float32(v)
			}
		}
	}
	return []Case{{
		Method: "Attend", Name: headsName(s), Flops: s.Flops(), Tol: sumOf(s.T + s.C/s.H),
		Operands: []Operand{in("qkv", 3*size, qkvMaker()), out("y", size), out("lse", s.H*s.M())},
		Call:     func(be device.Backend, o []device.Buffer) { be.Attend(s, o[0], o[1], o[2]) },
	}, {
		Method: "AttendBackward", Name: headsName(s), Flops: s.BackwardFlops(), Tol: sumOf(2*s.T + s.C/s.H),
		Operands: []Operand{
			in("qkv", 3*size, func(_ *rand.Rand, x []float32) { qkvMaker()(rand.New(rand.NewPCG(uint64(s.T), 5)), x) }),
			in("y", size, past(func(y, _ []float64) []float64 { return y })), in("lse", s.H*s.M(), past(func(_, lse []float64) []float64 { return lse })),
			in("dy", size, normal(0, 1)), out("dqkv", 3*size),
		},
		Call: func(be device.Backend, o []device.Buffer) { be.AttendBackward(s, o[0], o[1], o[2], o[3], o[4]) },
	}}
}

func widened(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// attendStepCase has not-a-numbers where tokens have not come yet.
func attendStepCase(s device.Heads, t int) Case {
	known := func(r *rand.Rand, x []float32) {
		normal(0, 1)(r, x)
		for i := range x {
			if i%s.T > t {
				x[i] = float32(math.NaN())
			}
		}
	}
	size := s.C * s.M()
	return Case{
		Method: "AttendStep", Name: fmt.Sprintf("%s token %d", headsName(s), t), Flops: s.StepFlops(t), Tol: sumOf(t + 1 + s.C/s.H),
		Operands: []Operand{in("qkv", 3*s.C*s.N, qkvMaker()), both("keys", size, known), both("values", size, known), out("y", s.C*s.N)},
		Call:     func(be device.Backend, o []device.Buffer) { be.AttendStep(s, t, o[0], o[1], o[2], o[3]) },
	}
}

func layerNormCases() []Case {
	const eps = 1e-5
	var cs []Case
	for _, d := range []struct {
		c, m  int
		bench bool
	}{
		{1, 1, false}, {3, 33, false}, {64, 31, false}, {5, 1000, false}, {130, 17, false}, {7, 0, false}, {12, 4133, false}, {64, 64 * 64, true},
	} {
		stats := func(r *rand.Rand, x []float32) {
			for i := range x {
				x[i] = float32(0.1 * r.NormFloat64())
				if i >= d.m {
					x[i] = float32(0.5 + r.Float64())
				}
			}
		}
		tol := sumOf(d.c)
		if d.c == 1 {
			tol = Tol{Rel: 8 * ulp, Abs: 1e-4, Why: "the variance of one channel is 0, and what is left of it a rounding error times 1/sqrt(eps) = 316"}
		}
		cs = append(cs, Case{
			Method: "LayerNorm", Name: mapsName(d.c, d.m), Bench: d.bench, Tol: tol,
			Operands: []Operand{in("gamma", d.c, normal(1, 0.3)), in("beta", d.c, normal(0, 1)), in("x", d.c*d.m, normal(0.5, 1)),
				out("y", d.c*d.m), out("stats", 2*d.m)},
			Call: func(be device.Backend, o []device.Buffer) { be.LayerNorm(d.c, d.m, eps, o[0], o[1], o[2], o[3], o[4]) },
		}, Case{
			Method: "LayerNormBackward", Name: mapsName(d.c, d.m), Bench: d.bench, Tol: sumOf(d.c + d.m),
			Operands: []Operand{in("gamma", d.c, normal(1, 0.3)), in("x", d.c*d.m, normal(0, 1)), in("stats", 2*d.m, stats), in("dy", d.c*d.m, normal(0, 1)),
				both("dx", d.c*d.m, normal(0, 1)), both("dgamma", d.c, normal(0, 1)), both("dbeta", d.c, normal(0, 1))},
			Call: func(be device.Backend, o []device.Buffer) {
				be.LayerNormBackward(d.c, d.m, o[0], o[1], o[2], o[3], o[4], o[5], o[6])
			},
		})
	}
	return cs
}

func geluCases() []Case {
	var cs []Case
	// Beyond 5 either way GELU is 0 or x but for less than a float32 shows; far out its cube must not get in the way.
	maker := func(r *rand.Rand, x []float32) {
		for i := range x {
			x[i] = float32(3 * r.NormFloat64())
			if i%7 == 3 {
				x[i] *= 20
			}
		}
	}
	tol := Tol{Rel: 1e-5, Abs: 1e-6, Why: "where x is negative, 2u is rounded before the exponential: up to 1e-5 of a vanishing value"}
	for _, n := range append(sizes[:], 1<<20) {
		name := fmt.Sprintf("n%d", n)
		cs = append(cs, Case{
			Method: "GELU", Name: name, Bench: n > 1<<16, Tol: tol,
			Operands: []Operand{in("x", n, maker), out("y", n)},
			Call:     func(be device.Backend, o []device.Buffer) { be.GELU(o[0], o[1]) },
		}, Case{
			Method: "GELUBackward", Name: name, Bench: n > 1<<16, Tol: tol, wanes: true,
			Operands: []Operand{in("x", n, maker), both("dy", n, normal(0, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.GELUBackward(o[0], o[1]) },
		})
	}
	return cs
}

// tokenShapes are rows of tokens: one, odd, many, no sample, and a model's.
var tokenShapes = []struct {
	device.Rows
	bench bool
}{
	{device.Rows{C: 1, N: 1, P: 1}, false}, {device.Rows{C: 3, N: 5, P: 7}, false}, {device.Rows{C: 2, N: 33, P: 16}, false},
	{device.Rows{C: 5, N: 2, P: 49}, false}, {device.Rows{C: 4, N: 1, P: 300}, false}, {device.Rows{C: 3, N: 0, P: 4}, false},
	{device.Rows{C: 2, N: 40, P: 1}, false}, {device.Rows{C: 64, N: 64, P: 64}, true},
}

func tokenCases() []Case {
	const classes = 3
	var cs []Case
	for _, d := range tokenShapes {
		r, name := d.Rows, fmt.Sprintf("c%d n%d p%d", d.C, d.N, d.P)
		x, positions := r.Len(), r.C*r.P
		add := func(method string, tol Tol, call func(be device.Backend, o []device.Buffer), operands ...Operand) {
			cs = append(cs, Case{Method: method, Name: name, Bench: d.bench, Tol: tol, Operands: operands, Call: call})
		}
		add("AddPositions", few(1, "one addition"), func(be device.Backend, o []device.Buffer) { be.AddPositions(r, o[0], o[1]) },
			in("pos", positions, normal(0, 1)), both("x", x, normal(0, 1)))
		add("PositionsBackward", sumOf(r.N), func(be device.Backend, o []device.Buffer) { be.PositionsBackward(r, o[0], o[1]) },
			in("dx", x, normal(0, 1)), both("dpos", positions, normal(0, 1)))
		add("Embed", few(1, "one addition"), func(be device.Backend, o []device.Buffer) { be.Embed(r, classes, o[0], o[1], o[2]) },
			in("label", r.N, wholes(classes)), in("table", classes*r.C, normal(0, 1)), both("x", x, normal(0, 1)))
		add("EmbedBackward", sumOf(r.M()), func(be device.Backend, o []device.Buffer) { be.EmbedBackward(r, classes, o[0], o[1], o[2]) },
			in("label", r.N, wholes(classes)), in("dx", x, normal(0, 1)), both("dtable", classes*r.C, normal(0, 1)))

		rows, p := r.C*r.N, r.P
		for _, q := range []int{p, (p + 1) / 2} {
			// some of the tokens in an order of their own, and a place that stays empty
			index := func(r *rand.Rand, x []float32) {
				for i, j := range r.Perm(p)[:q] {
					x[i] = float32(j)
				}
				if q > 2 {
					x[1] = -1
				}
			}
			name = fmt.Sprintf("rows%d p%d q%d", rows, p, q)
			add("Gather", exact, func(be device.Backend, o []device.Buffer) { be.Gather(rows, p, q, o[0], o[1], o[2]) },
				in("index", q, index), in("x", rows*p, normal(0, 1)), out("y", rows*q))
			add("Scatter", exact, func(be device.Backend, o []device.Buffer) { be.Scatter(rows, p, q, o[0], o[1], o[2]) },
				in("index", q, index), in("x", rows*q, normal(0, 1)), both("y", rows*p, normal(0, 1)))
			if p == 1 {
				break
			}
		}
	}
	return cs
}
