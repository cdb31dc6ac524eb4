package devicetest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// imageRows are colour images of 32x32, the same squeezed, and a table of vectors.
var imageRows = []device.Rows{{C: 3, N: 64, P: 1024}, {C: 12, N: 64, P: 256}, {C: 32, N: 256, P: 1}}

// smallRows adds samples that are longer than a tile of whoever works in tiles.
var smallRows = append(rowShapes[:len(rowShapes):len(rowShapes)], device.Rows{C: 2, N: 3, P: 1037})

func checkerCases() []Case {
	var cs []Case
	for _, d := range []struct {
		c, n, h, w int
		bench      bool
	}{
		{1, 1, 1, 2, false}, {1, 1, 2, 2, false}, {3, 2, 5, 6, false}, {2, 3, 7, 2, false}, {1, 5, 3, 34, false}, {2, 3, 9, 66, false},
		{2, 1, 1, 1000, false}, {4, 0, 4, 4, false},
		{3, 64, 32, 32, true}, {64, 64, 16, 16, true},
	} {
		for parity := range 2 {
			size := d.c * d.n * d.h * d.w
			name := fmt.Sprintf("c%d n%d %dx%d parity %d", d.c, d.n, d.h, d.w, parity)
			operands := []Operand{in("x", size, normal(0, 1)), out("y", size)}
			cs = append(cs, Case{
				Method: "CheckerPack", Name: name, Bench: d.bench, Tol: exact, Operands: operands,
				Call: func(be device.Backend, o []device.Buffer) { be.CheckerPack(d.c, d.n, d.h, d.w, parity, o[0], o[1]) },
			}, Case{
				Method: "CheckerUnpack", Name: name, Bench: d.bench, Tol: exact, Operands: operands,
				Call: func(be device.Backend, o []device.Buffer) { be.CheckerUnpack(d.c, d.n, d.h, d.w, parity, o[0], o[1]) },
			})
		}
	}
	return cs
}

func logitCases() []Case {
	var cs []Case
	alphas := []float32{0.05, 1e-6, 0}
	for i, r := range smallRows {
		alpha := alphas[i%len(alphas)]
		name := fmt.Sprintf("%s alpha %v", rowsName(r), alpha)
		cs = append(cs, logitCase(name, r, alpha, uniform(-0.49, 0.5)), logitInverseCase(name, r, alpha, normal(0, 2)))
	}
	for _, r := range imageRows {
		copied := logitCase(rowsName(r)+" of a copy", r, 0.05, uniform(-0.5, 0.5))
		copied.Bench = true
		copied.Operands = append(copied.Operands, in("from", r.Len(), uniform(-0.5, 0.5)))
		once := copied.Call
		copied.Call = func(be device.Backend, o []device.Buffer) { // in place again and again it would leave its domain
			be.Copy(o[0], o[2])
			once(be, o)
		}
		inverse := logitInverseCase(rowsName(r), r, 0.05, normal(0, 2))
		inverse.Bench = true
		cs = append(cs, copied, inverse)
	}
	small := device.Rows{C: 3, N: 5, P: 14}
	ends := []float64{-0.5, 0.5}
	for from := -0.5; len(ends) < 12; { // the float32s just inside, five at each end
		from = float64(math.Nextafter32(float32(from), 1))
		ends = append(ends, from, -from)
	}
	for _, alpha := range alphas[:2] {
		title := fmt.Sprintf(" alpha %v", alpha)
		cs = append(cs,
			logitCase("black"+title, small, alpha, values(-0.5)),
			logitCase("white"+title, small, alpha, values(0.5)),
			logitCase("ends and just inside"+title, small, alpha, values(ends...)),
			logitCase("towards white"+title, small, alpha, towardsWhite),
			logitInverseCase("|x| to 100"+title, small, alpha, values(100, -100, 88, -88, 20, -20, 17, -17, 1, -1, 1e-8, 0, 90, -90)),
		)
	}
	return cs
}

// towardsWhite are intensities 1/2-d with d from 1/4 down to 2^-24, evenly in log d.
func towardsWhite(r *rand.Rand, x []float32) {
	each(func(r *rand.Rand) float64 { return 0.5 - math.Exp2(-2-22*r.Float64()) })(r, x)
}

func logitCase(name string, r device.Rows, alpha float32, x maker) Case {
	sums := sumOf(r.C * r.P)
	return Case{
		Method: "Logit", Name: name,
		Tol: few(8, "two logarithms of what is known to an ulp or two, and their difference; 1-v = 1/2-x is exact near white, "+
			"where v itself would be rounded"),
		Operands: []Operand{both("x", r.Len(), x), both("logdet", r.N, normal(0, 1)).within(sums)},
		Call:     func(be device.Backend, o []device.Buffer) { be.Logit(r, alpha, o[0], o[1]) },
	}
}

func logitInverseCase(name string, r device.Rows, alpha float32, x maker) Case {
	return Case{
		Method: "LogitInverse", Name: name,
		Tol:      Tol{Abs: 4 * ulp, Why: "a sigmoid known to an ulp or two of 1, two differences and a factor near 1"},
		Operands: []Operand{both("x", r.Len(), x)},
		Call:     func(be device.Backend, o []device.Buffer) { be.LogitInverse(r, alpha, o[0]) },
	}
}

func logisticCases() []Case {
	var cs []Case
	logProb := func(name string, r device.Rows, x maker, bench bool) {
		tol := sumOf(r.C * r.P)
		tol.Why += "; all terms are negative"
		cs = append(cs, Case{
			Method: "LogisticLogProb", Name: name, Bench: bench, Tol: tol,
			Operands: []Operand{in("x", r.Len(), x), both("logp", r.N, normal(0, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.LogisticLogProb(r, o[0], o[1]) },
		})
	}
	for _, r := range smallRows {
		logProb(rowsName(r), r, normal(0.2, 2), false)
	}
	for _, r := range imageRows {
		logProb(rowsName(r), r, normal(0.2, 2), true)
	}
	tails := values(100, -100, 89, -89, 30, -30, 17, -17, 5, -5, 1, -1, 0, 1e-8, 1e4, -1e4)
	logProb("c1 n16 p1 tails", device.Rows{C: 1, N: 16, P: 1}, tails, false)
	logProb("c3 n5 p14 tails", device.Rows{C: 3, N: 5, P: 14}, tails, false)

	backward := func(name string, n int, x maker, tol Tol) {
		cs = append(cs, Case{
			Method: "LogisticLogProbBackward", Name: name, Bench: n > 1000, Tol: tol,
			Operands: []Operand{in("x", n, x), out("dx", n)},
			Call:     func(be device.Backend, o []device.Buffer) { be.LogisticLogProbBackward(-0.7, o[0], o[1]) },
		})
	}
	for _, n := range append(sizes[:], 1<<18+1) {
		backward(fmt.Sprintf("n=%d", n), n, normal(0, 2), few(4, "a hyperbolic tangent, known to an ulp or two of 1, and a product"))
	}
	backward("tails", 48, tails, few(4, "a hyperbolic tangent that is 1"))
	backward("near 0", 48, signed(values(1e-20, 1e-8, 3e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2), 1, -1, -1),
		Tol{Rel: 1e-5, Why: "a hyperbolic tangent is linear near 0 and must not vanish"})

	return append(cs, logisticNoiseCases()...)
}

// The ends of the uniform numbers in a logistic sample: at step 0 of endsOfLogistic, the four words of sample shortest have
// one whose first 24 bits are all 0, and those of sample longest one with all 24 set.
const shortest, longest = 1810158, 5367494

var (
	endsOfLogistic = device.Stream{Seed: 1, ID: 2}
	fourOfASample  = device.Rows{C: 1, N: 1, P: 4}
)

func logisticNoiseCases() []Case {
	var cs []Case
	add := func(name string, r device.Rows, rng device.Stream, step, first float64, bench bool) {
		cs = append(cs, Case{
			Method: "Logistic", Name: name, Bench: bench,
			Tol:      few(8, "two logarithms of numbers that 24 bits hold, or 25 bits rounded, their difference and a product"),
			Operands: []Operand{in("at", 2, values(step, first)), out("x", r.Len())},
			Call:     func(be device.Backend, o []device.Buffer) { be.Logistic(r, 0.7, rng, o[0], o[1]) },
		})
	}
	for _, r := range smallRows {
		add(rowsName(r), r, device.Stream{Seed: 42, ID: 3}, 1234567, 60000, false)
	}
	for _, r := range imageRows {
		add(rowsName(r), r, device.Stream{Seed: 42, ID: 3}, 9, 128, true)
	}
	add("far left", fourOfASample, endsOfLogistic, 0, shortest, false)
	add("far right", fourOfASample, endsOfLogistic, 0, longest, false)
	return cs
}

func classCases() []Case {
	var cs []Case
	counts := []int{1, 2, 10}
	for i, r := range smallRows {
		cs = append(cs, classCasesOf(r, counts[i%len(counts)], false)...)
	}
	for _, r := range imageRows {
		cs = append(cs, classCasesOf(r, 10, true)...)
	}
	for _, k := range counts {
		cs = append(cs, classCasesOf(device.Rows{C: 3, N: 40, P: 6}, k, false)...)
	}
	return cs
}

// classCasesOf has no sample of class K/2, if there are more than two.
func classCasesOf(r device.Rows, classes int, bench bool) []Case {
	n, kc := r.Len(), classes*r.C
	name := fmt.Sprintf("%s classes %d", rowsName(r), classes)
	label := in("label", r.N, func(r *rand.Rand, x []float32) {
		wholes(classes)(r, x)
		for i := range x {
			if classes > 2 && int(x[i]) == classes/2 {
				x[i]--
			}
		}
	})
	// As for actnorm, logs are positive.
	logs, b, x := in("logs", kc, uniform(0.02, 0.9)), in("b", kc, normal(0, 1)), both("x", n, normal(0.3, 1))
	elementwise := few(6, "one exponential of a small number, a sum, a product")
	logdet := both("logdet", r.N, normal(0, 1)).within(sumOf(r.C))
	return []Case{{
		Method: "ClassAffine", Name: name, Bench: bench, Tol: elementwise,
		Operands: []Operand{label, logs, b, x, logdet},
		Call:     func(be device.Backend, o []device.Buffer) { be.ClassAffine(r, classes, o[0], o[1], o[2], o[3], o[4]) },
	}, {
		Method: "ClassAffineInverse", Name: name, Bench: bench, Tol: elementwise,
		Operands: []Operand{label, logs, b, x, logdet},
		Call: func(be device.Backend, o []device.Buffer) {
			be.ClassAffineInverse(r, classes, o[0], o[1], o[2], o[3], o[4])
		},
	}, {
		Method: "ClassAffineBackward", Name: name, Bench: bench, Tol: elementwise,
		Operands: []Operand{label, logs, b, x, both("dx", n, normal(0.1, 1)),
			both("dlogs", kc, normal(0, 1)).within(sumOf(r.M() + 1)), both("db", kc, normal(0, 1)).within(sumOf(r.M()))},
		Call: func(be device.Backend, o []device.Buffer) {
			be.ClassAffineBackward(r, classes, o[0], o[1], o[2], o[3], o[4], 0.75, o[5], o[6])
		},
	}}
}
