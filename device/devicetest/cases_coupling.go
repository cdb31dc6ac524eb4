package devicetest

import (
	"fmt"
	"math/rand/v2"

	"cuflow/device"
)

var laws = []struct {
	law  device.Law
	name string
}{
	{device.Additive, "additive"},
	{device.SigmoidScale, "sigmoid"},
	{device.ExpScale, "exp"},
	{device.TanhScale, "tanh"},
	{device.GaussScale, "gauss"},
}

var rowShapes = []device.Rows{
	{C: 1, N: 1, P: 1}, {C: 1, N: 31, P: 1}, {C: 3, N: 33, P: 1}, {C: 2, N: 32, P: 1}, {C: 1, N: 1000, P: 1}, {C: 5, N: 1000, P: 1},
	{C: 2, N: 1, P: 31}, {C: 3, N: 2, P: 5}, {C: 1, N: 3, P: 33}, {C: 4, N: 7, P: 16}, {C: 7, N: 2, P: 1000}, {C: 32, N: 5, P: 4},
	{C: 3, N: 0, P: 4},
}

// modelRows are half the channels of glow-digits, glow-mnist at its three levels, and a table of vectors.
var modelRows = []device.Rows{
	{C: 2, N: 64, P: 16}, {C: 2, N: 64, P: 256}, {C: 4, N: 64, P: 64}, {C: 8, N: 64, P: 16}, {C: 32, N: 256, P: 1},
}

func rowsName(r device.Rows) string { return fmt.Sprintf("c%d n%d p%d", r.C, r.N, r.P) }

func couplingCases() []Case {
	var cs []Case
	for _, l := range laws {
		for _, r := range rowShapes {
			cs = append(cs, newCoupling(l.law, l.name+" "+rowsName(r), r).cases()...)
		}
		for _, r := range modelRows {
			k := newCoupling(l.law, l.name+" "+rowsName(r), r)
			k.s, k.dx, k.dld = normal(0, 0.1), normal(0, 1e-3), 1e-3 // slow to wane
			for _, c := range k.cases() {
				c.Bench, c.wanes = true, c.Method == "CouplingBackward"
				cs = append(cs, c)
			}
		}
		cs = append(cs, extremeCouplings(l.law, l.name)...)
	}
	return cs
}

// couplingSpec is what the three coupling ops of one row have in common.
type couplingSpec struct {
	law              device.Law
	name             string
	rows             device.Rows
	g, t, s, x, dx   maker
	logdet           maker
	dld              float32
	moved, dst, sums Tol // of x and dx, of the gradient of st, of logdet and dg
}

func newCoupling(law device.Law, name string, r device.Rows) couplingSpec {
	elementwise := few(32, "log scales below 6 known to an ulp or two make scales known to some ten, then products and a sum")
	return couplingSpec{
		law: law, name: name, rows: r,
		g: uniform(0.5, 2), t: normal(0.3, 1), s: normal(0.2, 1), x: normal(0, 1), dx: normal(0.1, 1),
		logdet: normal(0, 1), dld: -0.75,
		moved: elementwise, dst: elementwise, sums: sumOf(max(r.C*r.P, r.M())),
	}
}

func (k couplingSpec) cases() []Case {
	r, n := k.rows, k.rows.Len()
	g, dg := absent("g"), absent("dg")
	if k.law == device.TanhScale {
		g, dg = in("g", r.C, k.g), both("dg", r.C, normal(0, 1)).within(k.sums)
	}
	st := k.law.Params() * n
	return []Case{{
		Method: "Coupling", Name: k.name, Tol: k.moved,
		Operands: []Operand{g, in("st", st, k.params), both("x", n, k.x), both("logdet", r.N, k.logdet).within(k.sums)},
		Call:     func(be device.Backend, o []device.Buffer) { be.Coupling(r, k.law, o[0], o[1], o[2], o[3]) },
	}, {
		Method: "CouplingInverse", Name: k.name, Tol: k.moved,
		Operands: []Operand{g, in("st", st, k.opposed), both("x", n, k.x), both("logdet", r.N, k.logdet).within(k.sums)},
		Call:     func(be device.Backend, o []device.Buffer) { be.CouplingInverse(r, k.law, o[0], o[1], o[2], o[3]) },
	}, {
		Method: "CouplingBackward", Name: k.name, Tol: k.moved,
		Operands: []Operand{g, both("st", st, k.opposed).within(k.dst), both("x", n, k.x), both("dx", n, k.dx), dg},
		Call: func(be device.Backend, o []device.Buffer) {
			be.CouplingBackward(r, k.law, o[0], o[1], o[2], o[3], k.dld, o[4])
		},
	}}
}

// params fills st: all t, then all s.
func (k couplingSpec) params(r *rand.Rand, st []float32) {
	n := k.rows.Len()
	k.t(r, st[:n])
	if len(st) > n {
		k.s(r, st[n:])
	}
}

// opposed is params with the sign of t turned: the inverse subtracts t where the forward op adds it.
func (k couplingSpec) opposed(r *rand.Rand, st []float32) {
	k.params(r, st)
	for i := range k.rows.Len() {
		st[i] = -st[i]
	}
}

// extremeCouplings go to the ends of the laws. x and t have equal signs, and dy*y the sign of dld, so that no difference
// of large terms hides behind a tolerance: every element is then held to its own size.
func extremeCouplings(law device.Law, name string) []Case {
	var cs []Case
	r := device.Rows{C: 3, N: 5, P: 14}
	sign := []float64{1, -1, -1, 1, 1}
	add := func(title string, change func(*couplingSpec)) {
		k := newCoupling(law, name+" "+title, r)
		k.x, k.t = signed(uniform(0.5, 2), sign...), signed(uniform(0.5, 2), sign...)
		k.dx, k.dld = signed(uniform(0.5, 2), sign...), 0.75
		k.moved = Tol{Rel: 1e-5, Why: "a log scale near 40 rounded to half an ulp moves its exponential by 2e-6 of itself"}
		change(&k)
		cs = append(cs, k.cases()...)
	}
	if law != device.Additive {
		add("|s| to 40", func(k *couplingSpec) {
			k.s = values(40, -40, 20, -20, 10, -10, 5, -5, 1, -1, 0.1, -0.1, 0, 30, -30)
			k.g = values(3, -3, 1)
			k.dst = Tol{Rel: 1e-5, Abs: 200 * ulp, Why: "1 - tanh^2 of a rounded tanh is known to some ulps of 1, times |dls| below 100"}
			k.sums = Tol{Rel: 1e-5, RMS: 1e-5, Why: "log scales of both signs, each known to some ulps"}
		})
		add("s = -40", func(k *couplingSpec) { k.s, k.g, k.dst = values(-40), values(40), saturated; k.sums = k.dst })
		add("s = 40", func(k *couplingSpec) { k.s, k.g, k.dst = values(40), values(40), saturated; k.sums = k.dst })
		add("|s| from 1e-8", func(k *couplingSpec) {
			k.s = signed(values(1e-8, 3e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 2e-3, 1e-2), sign...)
			k.dst = Tol{Rel: 1e-5, RMS: 4 * ulp, Why: "derivatives of a log scale near 1"}
			k.sums = Tol{Rel: 1e-5, RMS: 1e-5, Why: "small log scales of both signs"}
		})
		add("s = 1e-8", func(k *couplingSpec) {
			k.s, k.logdet = values(1e-8), values(0)
			k.dst = Tol{Rel: 1e-5, Why: "derivatives of a log scale near 1"}
			k.sums = Tol{Rel: 1e-5, Why: "tanh is linear near 0: log scales of 1e-8 must not vanish, nor their sum from a logdet of 0"}
		})
	}
	add("large t", func(k *couplingSpec) {
		k.t = signed(values(1e6, 3e6, 1, 1e5, 1e-6, 1e7), sign...)
		k.dst, k.sums = k.moved, sumOf(r.M())
	})
	return cs
}

var saturated = Tol{Rel: 1e-5, Abs: 400 * ulp, Why: "saturated: slopes are 0 and logs of 1 are 0 to some ulps of 1, times |dls| " +
	"below 100 or summed over a sample"}
