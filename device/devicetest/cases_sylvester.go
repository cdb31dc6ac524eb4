package devicetest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

func projectCases() []Case {
	var cs []Case
	for _, d := range []struct {
		rows, c, n int
		bench      bool
	}{
		{1, 1, 1, false}, {2, 3, 31, false}, {3, 5, 1000, false}, {17, 33, 33, false}, {4, 4, 32, false}, {2, 4, 0, false}, {32, 64, 256, true},
	} {
		name, scale := fmt.Sprintf("%dx%d n%d", d.rows, d.c, d.n), 1/math.Sqrt(float64(d.c))
		w, x, y := in("w", d.rows*d.c, normal(0, scale)), in("x", d.c*d.n, normal(0, 1)), in("y", d.rows*d.n, normal(0, 1))
		flops := 2 * int64(d.rows) * int64(d.c) * int64(d.n)
		back := func(name string, db Operand) Case {
			return Case{
				Method: "ProjectBackward", Name: name, Tol: sumOf(d.n), Flops: flops, Bench: d.bench,
				Operands: []Operand{x, y, both("dw", d.rows*d.c, normal(0, 1)), db},
				Call: func(be device.Backend, o []device.Buffer) {
					be.ProjectBackward(d.rows, d.c, d.n, o[0], o[1], o[2], o[3])
				},
			}
		}
		cs = append(cs, Case{
			Method: "Project", Name: name, Tol: sumOf(d.c), Flops: flops, Bench: d.bench,
			Operands: []Operand{w, x, out("y", d.rows*d.n)},
			Call:     func(be device.Backend, o []device.Buffer) { be.Project(d.rows, d.c, d.n, o[0], o[1], o[2]) },
		}, Case{
			Method: "Lift", Name: name, Tol: sumOf(d.rows), Flops: flops, Bench: d.bench,
			Operands: []Operand{w, y, both("x", d.c*d.n, normal(0, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.Lift(d.rows, d.c, d.n, o[0], o[1], o[2]) },
		}, back(name, both("db", d.rows, normal(0, 1))))
		if !d.bench {
			cs = append(cs, back(name+" without db", absent("db")))
		}
	}
	return cs
}

func householderCases() []Case {
	var cs []Case
	for _, d := range []struct {
		rows, c, k int
		bench      bool
	}{
		{1, 1, 1, false}, {2, 2, 2, false}, {3, 5, 2, false}, {4, 4, 4, false}, {7, 33, 3, false}, {31, 32, 5, false}, {16, 16, 16, false},
		{1, 1000, 2, false}, {8, 64, 8, true}, {32, 32, 32, true},
	} {
		name := fmt.Sprintf("%dx%d k%d", d.rows, d.c, d.k)
		tol := sumOf(d.c * d.k)
		cs = append(cs, Case{
			Method: "Householder", Name: name, Bench: d.bench, Tol: tol,
			Operands: []Operand{in("v", d.k*d.c, normal(0, 1)), out("q", d.rows*d.c)},
			Call:     func(be device.Backend, o []device.Buffer) { be.Householder(d.rows, d.c, d.k, o[0], o[1]) },
		}, Case{
			Method: "HouseholderBackward", Name: name, Bench: d.bench, Tol: tol,
			Operands: []Operand{in("v", d.k*d.c, normal(0, 1)), both("q", d.rows*d.c, normal(0, 1)), both("dq", d.rows*d.c, normal(0, 1)),
				both("dv", d.k*d.c, normal(0, 1))},
			Call: func(be device.Backend, o []device.Buffer) {
				be.HouseholderBackward(d.rows, d.c, d.k, o[0], o[1], o[2], o[3])
			},
		})
	}
	return cs
}

func sylvesterCases() []Case {
	var cs []Case
	for _, m := range []int{1, 2, 3, 17, 33} {
		for _, k := range sylvesterFoldCases(fmt.Sprintf("m%d", m), m, normal(0, 1)) {
			k.Bench = m == 17
			cs = append(cs, k)
		}
	}
	cs = append(cs, sylvesterFoldCases("tau of -200, -50, 50", 3, values(-200, -50, 50))...)
	for _, g := range gates {
		for _, d := range []struct {
			m, n  int
			bench bool
		}{{1, 1, false}, {2, 31, false}, {3, 33, false}, {8, 32, false}, {17, 130, false}, {2, 1000, false}, {3, 0, false}, {16, 1024, true}} {
			for _, c := range sylvesterCasesOf(fmt.Sprintf("%s m%d n%d", g.name, d.m, d.n), d.m, d.n, g.h) {
				c.Bench, c.wanes = d.bench, d.bench
				cs = append(cs, c)
			}
		}
	}
	return cs
}

func sylvesterFoldCases(name string, m int, tau maker) []Case {
	above := onTriangle(m, false, normal(0, 1))
	tol := Tol{Rel: 2e-5, Abs: 32 * ulp, Why: "exponentials of small numbers, or one of a number near 100"}
	one := normal(0, 1)
	return []Case{{
		Method: "SylvesterFold", Name: name, Tol: tol,
		Operands: []Operand{in("u1", m*m, above), in("u2", m*m, above), in("tau", m, tau), in("rho", m, normal(0, 0.5)),
			out("r1", m*m), out("r2", m*m), out("s", m)},
		Call: func(be device.Backend, o []device.Buffer) {
			be.SylvesterFold(m, o[0], o[1], o[2], o[3], o[4], o[5], o[6])
		},
	}, {
		Method: "SylvesterFoldBackward", Name: name, Tol: Tol{Rel: 2e-5, Abs: 2e-4, Why: "products of s up to 50"},
		Operands: []Operand{in("tau", m, tau), in("rho", m, normal(0, 0.5)), in("dr1", m*m, one), in("dr2", m*m, one), in("ds", m, one),
			both("du1", m*m, one), both("du2", m*m, one), both("dtau", m, one), both("drho", m, one)},
		Call: func(be device.Backend, o []device.Buffer) {
			be.SylvesterFoldBackward(m, o[0], o[1], o[2], o[3], o[4], o[5], o[6], o[7], o[8])
		},
	}}
}

func sylvesterCasesOf(name string, m, n int, h device.Map) []Case {
	one, s := normal(0, 1), uniform(0.3, 2)
	off := 0.5 / math.Sqrt(float64(m))
	solved := sumOf(64 * m)
	gate := few(64, "an exponential, a logarithm and a few products")
	cases := []Case{{
		Method: "SylvesterGateBackward", Name: name, Tol: gate,
		Operands: []Operand{in("s", m, s), in("a", m*n, one), both("dx", m*n, one), both("ds", m, one).within(sumOf(n))},
		Call: func(be device.Backend, o []device.Buffer) {
			be.SylvesterGateBackward(m, n, h, o[0], o[1], o[2], 0.4, o[3])
		},
	}}
	for _, logdet := range []Operand{both("logdet", n, one).within(sumOf(16 * m)), absent("logdet")} {
		title := name
		if logdet.Len == 0 && n > 0 {
			title += " without logdet"
		} else if logdet.Len == 0 {
			break // the same as with it
		}
		cases = append(cases, Case{
			Method: "SylvesterGate", Name: title, Tol: gate,
			Operands: []Operand{in("s", m, s), in("a", m*n, one), out("y", m*n), logdet},
			Call:     func(be device.Backend, o []device.Buffer) { be.SylvesterGate(m, n, h, o[0], o[1], o[2], o[3]) },
		}, Case{
			Method: "SylvesterSolve", Name: title, Tol: solved,
			Operands: []Operand{in("r1", m*m, withDiagonal(m, normal(0, off), uniform(-0.5, 1))), in("r2", m*m, withDiagonal(m, normal(0, off), uniform(0.5, 1.5))),
				in("b", m, one), in("s", m, s), both("t", m*n, one), out("a", m*n), logdet},
			Call: func(be device.Backend, o []device.Buffer) {
				be.SylvesterSolve(m, n, h, o[0], o[1], o[2], o[3], o[4], o[5], o[6])
			},
		})
	}
	return cases
}

// withDiagonal fills an upper triangle and its diagonal; what lies below, and is not read, is NaN.
func withDiagonal(m int, above, diagonal maker) maker {
	return func(r *rand.Rand, x []float32) {
		onTriangle(m, false, above)(r, x)
		d := make([]float32, m)
		diagonal(r, d)
		for i, v := range d {
			x[i*m+i] = v
		}
	}
}
