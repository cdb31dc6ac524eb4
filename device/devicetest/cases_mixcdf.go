package devicetest

import (
	"fmt"

	"cuflow/device"
)

// mixtures are one of every kind, and of sizes that are no power of 2.
var mixtures = []struct {
	device.Mixture
	name string
}{
	{device.Mixture{K: 3, Of: device.GaussBell, To: device.NormalLink}, "gauss normal"},
	{device.Mixture{K: 5, Of: device.GaussBell, To: device.LogitLink}, "gauss logit"},
	{device.Mixture{K: 4, Of: device.LogisticBell, To: device.LogitLink}, "logistic logit"},
	{device.Mixture{K: 2, Of: device.LogisticBell, To: device.NormalLink}, "logistic normal"},
}

// mixRows are few elements: each costs hundreds of operations. One has rows of more columns than a block takes, one samples of
// more pixels, one few samples of many channels.
var mixRows = []device.Rows{
	{C: 1, N: 1, P: 1}, {C: 1, N: 33, P: 1}, {C: 3, N: 31, P: 1}, {C: 2, N: 7, P: 5}, {C: 2, N: 1, P: 520}, {C: 17, N: 2, P: 4},
	{C: 3, N: 0, P: 4},
}

// cdfFlops counts an element's arithmetic for each component: a tail, a bell, a logarithm or two, of some twenty operations each.
const cdfFlops = 70

func cdfCases() []Case {
	var cs []Case
	for _, m := range mixtures {
		for _, r := range mixRows {
			cs = append(cs, newMix(m.Mixture, m.name+" "+rowsName(r), r).cases()...)
		}
		wide := m.Mixture
		wide.K = 33
		cs = append(cs, newMix(wide, m.name+" k33", device.Rows{C: 2, N: 9, P: 1}).cases()...)
		one := m.Mixture
		one.K = 1
		cs = append(cs, newMix(one, m.name+" k1", device.Rows{C: 2, N: 9, P: 1}).cases()...)
		cs = append(cs, mixTails(m.Mixture, m.name)...)
		cs = append(cs, mixBench(m.Mixture, m.name)...)
	}
	return cs
}

// mixBench are two columns of a table, which may be put through the op in place again and again: the way forward is through wide
// components and the way back through narrow ones, so that either contracts.
func mixBench(m device.Mixture, name string) []Case {
	r := device.Rows{C: 2, N: 1024, P: 1}
	m.K = 8
	k := newMix(m, name+" "+rowsName(r), r)
	k.means, k.logs = normal(0, 1), normal(1.6, 0.1)
	cs := k.cases()
	k.means, k.logs = normal(0, 0.2), normal(-2, 0.1)
	cs[1] = k.cases()[1]
	for i := range cs {
		cs[i].Bench, cs[i].wanes = true, true
		cs[i].Flops = int64(cdfFlops * m.K * r.Len())
	}
	cs[1].Flops *= 8 // evaluations until it has converged
	return cs
}

// mixSpec is what the three ops of one row have in common.
type mixSpec struct {
	m                   device.Mixture
	name                string
	rows                device.Rows
	means, logs         maker
	x, y, dx            maker
	dld                 float32
	moved, dmoved, sums Tol // of x, of dx, of the parameters' gradients
	logdet              Tol
}

func newMix(m device.Mixture, name string, r device.Rows) mixSpec {
	return mixSpec{
		m: m, name: name, rows: r,
		means: normal(0, 1), logs: normal(-0.3, 0.3), x: normal(0, 1.5), y: normal(0, 1.5), dx: normal(0.1, 1), dld: -0.75,
		moved:  few(32, "logarithms of sums of K terms, each known to some ulps of 1, by a slope near 1"),
		dmoved: few(64, "two terms of about y, to 5, that partly cancel"),
		logdet: few(16+4*float64(r.C*r.P), "logarithms of order 1, each known to some ulps of 1, added up"),
		sums:   few(32+8*float64(r.M()), "terms of order 1, each known to some dozen ulps, added up"),
	}
}

func (k mixSpec) cases() []Case {
	r, n, kc := k.rows, k.rows.Len(), k.m.K*k.rows.C
	logits, means, logs := in("logits", kc, normal(0, 1)), in("means", kc, k.means), in("logs", kc, k.logs)
	logdet := both("logdet", r.N, normal(0, 1)).within(k.logdet)
	return []Case{{
		Method: "CDF", Name: k.name, Tol: k.moved,
		Operands: []Operand{logits, means, logs, both("x", n, k.x), logdet},
		Call:     func(be device.Backend, o []device.Buffer) { be.CDF(r, k.m, o[0], o[1], o[2], o[3], o[4]) },
	}, {
		Method: "CDFInverse", Name: k.name, Tol: k.moved,
		Operands: []Operand{logits, means, logs, both("x", n, k.y), logdet},
		Call:     func(be device.Backend, o []device.Buffer) { be.CDFInverse(r, k.m, o[0], o[1], o[2], o[3], o[4]) },
	}, {
		Method: "CDFBackward", Name: k.name, Tol: k.sums,
		Operands: []Operand{logits, means, logs, in("x", n, k.x), both("dx", n, k.dx).within(k.dmoved),
			both("dlogits", kc, normal(0, 1)), both("dmeans", kc, normal(0, 1)), both("dlogs", kc, normal(0, 1))},
		Call: func(be device.Backend, o []device.Buffer) {
			be.CDFBackward(r, k.m, o[0], o[1], o[2], o[3], o[4], k.dld, o[5], o[6], o[7])
		},
	}}
}

// mixTails go where F or 1-F is far below the least float32: 12 to 60 scales from every component, and back.
func mixTails(m device.Mixture, name string) []Case {
	k := newMix(m, name+" tails", device.Rows{C: 2, N: 10, P: 1})
	k.x = values(12, -12, 20, -20, 40, -40, 60, -60, 5, -5)
	k.y = values(12, -12, 20, -20, 30, -30, 9, -9, 5, -5)
	k.logs = uniform(-0.2, 0.2)
	k.moved = Tol{Rel: 1e-6, Abs: 32 * ulp, Why: "a tail's logarithm is known to some ulps of itself, and its root or slope as well"}
	k.dmoved = Tol{Rel: 1e-5, Abs: 1e-4, Why: "two terms of up to 60 that partly cancel, known to some ulps of themselves"}
	k.logdet = few(32, "a tail by its density is known to some ulps, however small both are")
	k.sums = Tol{Rel: 1e-5, RMS: 1e-5, Abs: 4e-3, Why: "terms of up to 60 squared that partly cancel, known to some ulps of themselves"}
	return k.cases()
}

var betas = [][2]float32{{5, 5}, {1, 1}, {0.5, 2}, {30, 7}, {0.1, 0.3}, {400, 1000}}

func betaCases() []Case {
	var cs []Case
	tails := values(100, -100, 89, -89, 30, -30, 17, -17, 5, -5, 1, -1, 0, 1e-8, 1e4, -1e4)
	logProb := func(name string, r device.Rows, a, b float32, x maker, bench bool) {
		terms := float64(a+b) * float64(r.C*r.P)
		cs = append(cs, Case{
			Method: "BetaLogProb", Name: fmt.Sprintf("%s beta %v %v", name, a, b), Bench: bench,
			Tol:      few(16+8*terms, "a and b times logarithms near 1, less that of B(a, b), of about their size, added up"),
			Operands: []Operand{in("x", r.Len(), x), both("logp", r.N, normal(0, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.BetaLogProb(r, a, b, o[0], o[1]) },
		})
	}
	backward := func(name string, n int, a, b float32, x maker) {
		cs = append(cs, Case{
			Method: "BetaLogProbBackward", Name: fmt.Sprintf("%s beta %v %v", name, a, b), Bench: n > 1000,
			Tol:      few(8+4*float64(a+b), "a and b times sigmoids, known to an ulp or two of 1, and their difference"),
			Operands: []Operand{in("x", n, x), out("dx", n)},
			Call:     func(be device.Backend, o []device.Buffer) { be.BetaLogProbBackward(a, b, -0.7, o[0], o[1]) },
		})
	}
	const steps = 10 * 200 // Newton steps, operations of a continued fraction
	sample := func(r device.Rows, a, b float32, rng device.Stream, step, first float64, bench bool) {
		cs = append(cs, Case{
			Method: "Beta", Name: fmt.Sprintf("%s beta %v %v from %v", rowsName(r), a, b, first), Bench: bench, Flops: int64(steps * r.Len()),
			Tol:      few(4, "a root in float64, rounded, and a product"),
			Operands: []Operand{in("at", 2, values(step, first)), out("x", r.Len())},
			Call:     func(be device.Backend, o []device.Buffer) { be.Beta(r, a, b, 0.7, rng, o[0], o[1]) },
		})
	}
	for i, r := range smallRows {
		p := betas[i%len(betas)]
		logProb(rowsName(r), r, p[0], p[1], normal(0.2, 2), false)
	}
	for i, n := range append(sizes[:], 1<<18+1) {
		p := betas[i%len(betas)]
		backward(fmt.Sprintf("n=%d", n), n, p[0], p[1], normal(0, 2))
	}
	for i, r := range mixRows {
		p := betas[i%len(betas)]
		if r.P > 100 {
			r.P = 37 // the reference bisects
		}
		sample(r, p[0], p[1], device.Stream{Seed: 42, ID: 3}, 1234567, 60000, false)
	}
	for _, p := range betas {
		logProb("c1 n16 p1 tails", device.Rows{C: 1, N: 16, P: 1}, p[0], p[1], tails, false)
		backward("tails", 48, p[0], p[1], tails)
		sample(fourOfASample, p[0], p[1], endsOfLogistic, 0, shortest, false)
		sample(fourOfASample, p[0], p[1], endsOfLogistic, 0, longest, false)
	}
	logProb("c6 n1024 p1", device.Rows{C: 6, N: 1024, P: 1}, 5, 5, normal(0, 1), true)
	sample(device.Rows{C: 1, N: 1024, P: 1}, 5, 5, device.Stream{Seed: 42, ID: 3}, 9, 128, true)
	return cs
}
