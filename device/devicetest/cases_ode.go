package devicetest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// fields are exact traces and estimates, both kinds of layers, every activation, widths off vectors, one layer and several, and no sample.
var fields = []device.Field{
	{D: 2, H: 9, Depth: 3, Act: device.SmoothTanh, Gated: true, N: 33, Exact: true},
	{D: 1, H: 5, Depth: 1, Act: device.SmoothSoftplus, N: 1, Exact: true, Energies: true},
	{D: 3, H: 7, Depth: 2, Act: device.SmoothSiLU, Gated: true, N: 31, Exact: true, Energies: true},
	{D: 5, H: 33, Depth: 1, Act: device.SmoothTanh, N: 9, Exact: true},
	{D: 17, H: 6, Depth: 1, Act: device.SmoothSoftplus, Gated: true, N: 140},
	{D: 4, H: 9, Depth: 2, Act: device.SmoothTanh, N: 7, Energies: true},
	{D: 2, H: 3, Depth: 1, Act: device.SmoothTanh, N: 0, Exact: true},
}

func odeCases() []Case {
	var cs []Case
	for _, f := range fields {
		name := fieldName(f)
		cs = append(cs, fieldValueCase(f, name))
		for _, rk := range []*device.RungeKutta{device.Dopri5(), device.Midpoint()} {
			cs = append(cs, fieldStepCases(f, rk, name+" "+rk.Name)...)
		}
	}
	for _, rk := range device.Solvers() {
		cs = append(cs, fieldStepCases(fields[5], rk, "each "+rk.Name)...)
	}
	plane := device.Field{D: 2, H: 64, Depth: 3, Act: device.SmoothTanh, Gated: true, N: 512, Exact: true}
	table := device.Field{D: 43, H: 128, Depth: 2, Act: device.SmoothSoftplus, Gated: true, N: 256}
	for _, f := range []device.Field{plane, table} {
		rows := append(fieldStepCases(f, device.Dopri5(), fieldName(f)), fieldValueCase(f, fieldName(f)))
		for _, c := range rows {
			c.Bench, c.wanes = true, true
			cs = append(cs, c)
		}
	}
	for _, n := range append([]int{1 << 16}, sizes[:]...) {
		for _, c := range squaresCases(device.Rows{C: 3, N: n, P: 1}) {
			c.Bench = n == 1<<16
			cs = append(cs, c)
		}
		cs = append(cs, Case{
			Method: "Directions", Name: fmt.Sprintf("n%d", n), Tol: exact, Bench: n == 1<<16,
			Operands: []Operand{both("x", n, with(0, normal(0, 1))).anyLength()},
			Call:     func(be device.Backend, o []device.Buffer) { be.Directions(o[0]) },
		})
	}
	for act, name := range []string{"tanh", "softplus", "silu"} {
		for _, n := range append([]int{1 << 16}, sizes[:]...) {
			for _, c := range smoothCases(device.Smooth(act), fmt.Sprintf("%s n%d", name, n), n) {
				c.Bench, c.wanes = n == 1<<16, true
				cs = append(cs, c)
			}
		}
	}
	return append(cs, squaresCases(device.Rows{C: 2, N: 5, P: 49})...)
}

// smoothCases reach the ends of every function.
func smoothCases(act device.Smooth, name string, n int) []Case {
	a, u := in("a", n, normal(0, 8)), in("u", n, normal(0, 1))
	tol := Tol{Rel: 16 * ulp, RMS: 8 * ulp, Abs: 64 * ulp, Why: "1-h^2 and s*(1-s) are differences of numbers near 1"}
	return []Case{{
		Method: "SmoothForward", Name: name, Tol: tol, Operands: []Operand{a, u, out("h", n), out("th", n)},
		Call: func(be device.Backend, o []device.Buffer) { be.SmoothForward(act, o[0], o[1], o[2], o[3]) },
	}, {
		Method: "SmoothBackward", Name: name, Tol: tol, Operands: []Operand{a, u, both("dh", n, normal(0, 1)), both("dth", n, normal(0, 1))},
		Call: func(be device.Backend, o []device.Buffer) { be.SmoothBackward(act, o[0], o[1], o[2], o[3]) },
	}}
}

func fieldName(f device.Field) string {
	s := fmt.Sprintf("d%d h%d x%d act%d n%d", f.D, f.H, f.Depth, f.Act, f.N)
	for _, w := range []struct {
		is   bool
		word string
	}{{f.Gated, "gated"}, {f.Exact, "exact"}, {f.Energies, "energies"}} {
		if w.is {
			s += " " + w.word
		}
	}
	return s
}

// fieldTol is for networks of several layers, whose roundings each layer passes on, and for sums over terms terms.
func fieldTol(f device.Field, terms int) Tol {
	e := (32 + 8*math.Sqrt(float64(f.H+f.D)*float64(f.Depth+1)) + 4*math.Sqrt(float64(terms))) * ulp
	return Tol{Rel: e, RMS: e, Abs: e, Why: "sums over units in every layer, passed on by the next, and over what is added up at the end"}
}

// fieldWeights are of a size that keeps signals of the order of 1, as they lie in memory.
func fieldWeights(f device.Field) Operand {
	return in("w", f.Weights(), func(r *rand.Rand, x []float32) {
		for i := range f.Layers() {
			l := f.Layer(i)
			scale := 1 / math.Sqrt(float64(l.In))
			normal(0, scale)(r, x[l.W:l.B])
			normal(0, 0.5)(r, x[l.B:l.End(f.Gated)])
		}
	})
}

func fieldDirections(f device.Field) Operand {
	if f.Exact {
		return absent("e")
	}
	return in("e", f.D*f.N, signed(values(1), 1, -1, -1))
}

func fieldValueCase(f device.Field, name string) Case {
	return Case{
		Method: "FieldValue", Name: name, Flops: f.Flops(), Tol: fieldTol(f, f.D*f.D),
		Operands: []Operand{fieldWeights(f), fieldDirections(f), in("y", f.Rows()*f.N, normal(0, 1)), out("k", f.Rows()*f.N)},
		Call: func(be device.Backend, o []device.Buffer) {
			be.FieldValue(f, 0.3, o[0], o[1], o[2], o[3])
		},
	}
}

func fieldStepCases(f device.Field, rk *device.RungeKutta, name string) []Case {
	s := device.TimeStep{T: 0.2, DT: 0.3, ATol: 0.1, RTol: 0.1}
	if f.N%2 == 0 {
		s.T, s.DT = 0.9, -0.4 // back
	}
	rows, given := f.Rows()*f.N, 0
	k, kn, err := absent("k"), absent("kn"), absent("err")
	if rk.Adaptive {
		given = rows
		k, kn, err = in("k", given, normal(0, 1)), out("kn", given), out("err", f.N)
		err = err.within(Tol{Rel: 1e-3, RMS: 1e-4, Abs: 1e-5, Why: "squares of a difference of orders, in units of a tenth"})
	}
	return []Case{{
		Method: "FieldStep", Name: name, Flops: f.StepFlops(rk), Tol: fieldTol(f, f.D*f.D),
		Operands: []Operand{fieldWeights(f), fieldDirections(f), in("y", rows, normal(0, 1)), k, out("yn", rows), kn, err},
		Call: func(be device.Backend, o []device.Buffer) {
			be.FieldStep(f, rk, s, o[0], o[1], o[2], o[3], o[4], o[5], o[6])
		},
	}, {
		Method: "FieldStepBackward", Name: name, Flops: f.StepBackwardFlops(rk), Tol: fieldTol(f, f.N*(1+f.Tangents())),
		Operands: []Operand{fieldWeights(f), fieldDirections(f), in("z", f.D*f.N, normal(0, 1)), both("dz", f.D*f.N, normal(0, 1)),
			both("dw", f.Weights(), normal(0, 1))},
		Call: func(be device.Backend, o []device.Buffer) {
			be.FieldStepBackward(f, rk, s, o[0], o[1], o[2], o[3], [3]float32{-0.7, 0.3, 0.2}, o[4])
		},
	}}
}

func squaresCases(r device.Rows) []Case {
	y, yn, v := in("y", r.Len(), normal(0, 1)), in("yn", r.Len(), normal(0, 1)), in("v", r.Len(), normal(0, 0.1))
	one := func(name string, yn Operand) Case {
		return Case{
			Method: "ScaledSquares", Name: fmt.Sprintf("c%d n%d p%d%s", r.C, r.N, r.P, name), Tol: sumOf(r.C * r.P),
			Operands: []Operand{y, yn, v, both("out", r.N, uniform(0, 1))},
			Call: func(be device.Backend, o []device.Buffer) {
				be.ScaledSquares(r, 0.1, 0.2, o[0], o[1], o[2], o[3])
			},
		}
	}
	return []Case{one("", yn), one(" of one", absent("yn")), {
		Method: "Dots", Name: fmt.Sprintf("c%d n%d p%d", r.C, r.N, r.P), Tol: sumOf(r.C * r.P),
		Operands: []Operand{y, yn, both("out", r.N, uniform(0, 1))},
		Call:     func(be device.Backend, o []device.Buffer) { be.Dots(r, 0.3, o[0], o[1], o[2]) },
	}}
}
