package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// images are the loops of batch normalisation, of preprocessing and of logistic priors.
func (m *machine) images() {
	m.affines()
	m.moments()
	m.logistics()
}

func (m *machine) affines() {
	for _, relu := range []bool{false, true} {
		if relu {
			m.function("affineReLU", "(a, b float32, x, y []float32)", ": y[i] = max(0, a*x[i] + b).")
		} else {
			m.function("affine", "(a, b float32, x, y []float32)", ": y[i] = a*x[i] + b.")
		}
		x, y, n, a, b := base("x"), base("y"), length("x"), m.arg("a"), m.arg("b")
		zero := m.zero()
		m.loop("loop", n, 4, func(p at) {
			v := p.load(x)
			VFMADD213PS(b, a, v)
			if relu {
				VMAXPS(v, zero, v) // NaN stays
			}
			p.store(v, y)
		})
		end()
	}
	m.function("mask", "(y, dy []float32)", ": dy[i] = 0 where not y[i] > 0.")
	{
		y, dy, n := base("y"), base("dy"), length("y")
		zero := m.zero()
		m.loop("loop", n, 4, func(p at) {
			p.store(m.pick(m.above(p.load(y), zero), p.load(dy), zero), dy)
		})
		end()
	}
	m.function("affineAbout", "(x, dx []float32, m, e, a, b float32)", ": dx[i] = e*dx[i] + a + b*(x[i]-m).")
	{
		x, dx, n := base("x"), base("dx"), length("x")
		mean, e, a, b := m.arg("m"), m.arg("e"), m.arg("a"), m.arg("b")
		m.loop("loop", n, 2, func(p at) {
			d, g := p.load(x), p.load(dx)
			VSUBPS(mean, d, d)
			VFMADD213PS(a, b, d)
			VFMADD213PS(d, e, g)
			p.store(g, dx)
		})
		end()
	}
}

func (m *machine) moments() {
	m.function("deviations", "(x []float32, m float32) (d, sq float32)", ": d = sum_i (x[i]-m), sq = sum_i (x[i]-m)^2.")
	{
		x, n, mean := base("x"), length("x"), m.arg("m")
		m.accumulate2(n, func(p at, sum, squares vec) {
			d := p.load(x)
			VSUBPS(mean, d, d)
			p.blank(d)
			VADDPS(d, sum, sum)
			VFMADD231PS(d, d, squares)
		})
		end()
	}
	m.function("sumsAbout", "(x, g []float32, m float32) (s, d float32)", ": s = sum_i g[i], d = sum_i g[i]*(x[i]-m).")
	{
		x, g, n, mean := base("x"), base("g"), length("x"), m.arg("m")
		m.accumulate2(n, func(p at, sum, dot vec) {
			d, v := p.load(x), p.load(g)
			VSUBPS(mean, d, d)
			VADDPS(v, sum, sum)
			VFMADD231PS(v, d, dot) // v is 0 in lanes beyond the end
		})
		end()
	}
}

// accumulate2 runs a loop with two sums, from 0, which are the function's results.
func (m *machine) accumulate2(n reg.Register, body func(p at, a, b vec)) {
	unroll := 4
	if !m.wide {
		unroll = 2
	}
	var a, b [4]vec
	for i := range unroll {
		a[i], b[i] = m.zero(), m.zero()
	}
	m.loop("loop", n, unroll, func(p at) { body(p, a[p.unit], b[p.unit]) })
	m.result(0, m.reduce(m.combine(a[:unroll], add), add))
	m.result(1, m.reduce(m.combine(b[:unroll], add), add))
}

// blank makes lanes beyond the end 0.
func (p at) blank(v vec) {
	switch {
	case p.only == nil:
	case p.m.wide:
		VMOVAPS_Z(v, p.only.mask, v)
	default:
		VANDPS(p.only.vec, v, v)
	}
}

func (m *machine) logistics() {
	m.function("logit", "(x, l []float32, alpha, rest float32)",
		": p = alpha + rest*(1/2+x), q = rest*max(1/2-x, 2^-24), x = log p - log q, l = -log p - log q.")
	{
		x, l, n, alpha, rest := base("x"), base("l"), length("x"), m.arg("alpha"), m.arg("rest")
		m.abreast("loop", n, m.most(2, 1), func(p strips) {
			v := p.load(x)
			of := m.plus(v, m.k("half"))
			timesOfPlus(of, same{rest}, m.fill(len(v), same{alpha}))
			q := m.minus(m.fill(len(v), m.k("half")), v) // not 1-(x+1/2), which is rounded twice
			q = m.atLeast(q, m.fill(len(v), m.k("uniformUnit")))
			multiply(q, same{rest})
			logs := m.logs(append(of, q...))
			of, q = logs[:len(v)], logs[len(v):]
			p.store(m.minus(of, q), x)
			addTo(of, q)
			p.store(m.negated(of), l)
		})
		end()
	}
	m.function("logLogistic", "(x, l []float32)", ": l[i] = -x[i] - 2 log(1+exp(-x[i])).")
	{
		x, l, n := base("x"), base("l"), length("x")
		m.abreast("loop", n, m.most(4, 2), func(p strips) {
			u := m.minusAbses(p.load(x)) // the density is even
			q, power := m.expNegatives(u)
			timesPlus(q, power, power)
			log := m.log1ps(q)
			addTo(log, log)
			subFrom(u, log)
			p.store(u, l)
		})
		end()
	}
	m.function("sigmoid", "(x []float32, a, b float32)", ": x[i] = a*sigmoid(x[i]) + b.")
	{
		x, n, a, b := base("x"), length("x"), m.arg("a"), m.arg("b")
		m.keep("one", "signBit", "expTiny")
		m.keep(expConstants...)
		m.loop("loop", n, 1, func(p at) {
			v := p.load(x)
			r, power := m.expNegative(m.minusAbs(v))
			q := m.fma(r, power, power)
			s, den := m.pick(m.negative(v), q, m.reg("one")), m.vec()
			VADDPS(m.c("one"), q, den)
			VDIVPS(den, s, s)
			VFMADD213PS(b, a, s)
			p.store(s, x)
		})
		end()
	}
	m.function("tanh", "(x, y []float32, a, b float32)", ": y[i] = a*tanh(b*x[i]).")
	{
		x, y, n, a, b := base("x"), base("y"), length("x"), m.arg("a"), m.arg("b")
		m.keep("one", "two", "signBit", "noSign", "expTiny")
		m.keep(expConstants...)
		m.loop("loop", n, 1, func(p at) {
			u := p.load(x)
			VMULPS(b, u, u)
			num, den, _, _ := m.tanhParts(u)
			VMULPS(a, num, num)
			VDIVPS(den, num, num)
			p.store(num, y)
		})
		end()
	}
}
