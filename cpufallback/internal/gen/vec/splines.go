package main

import . "github.com/mmcloughlin/avo/build"

// splines are the two passes of a softmax over rows, for each column by itself.
func (m *machine) splines() {
	m.function("raise", "(a float32, x, top []float32)", ": top[i] = max(top[i], a*x[i]).")
	{
		x, top, n, a := base("x"), base("top"), length("x"), m.arg("a")
		m.loop("loop", n, 2, func(p at) {
			v, t := p.load(x), p.load(top)
			VMULPS(a, v, v)
			VMAXPS(v, t, t) // NaN in x stays
			p.store(t, top)
		})
		end()
	}
	m.function("shares", "(a float32, x, top, y, sum []float32)", ": y[i] = exp(a*x[i]-top[i]), sum[i] += y[i].")
	{
		x, top, y, sum, n, a := base("x"), base("top"), base("y"), base("sum"), length("x"), m.arg("a")
		m.keep("expLow", "expHigh", "one")
		m.keep(expConstants...)
		m.loop("loop", n, 1, func(p at) {
			v, t := p.load(x), p.load(top)
			VFMSUB213PS(t, a, v)
			e, s := m.exp(v), p.load(sum)
			p.store(e, y)
			VADDPS(e, s, s)
			p.store(s, sum)
		})
		end()
	}
}
