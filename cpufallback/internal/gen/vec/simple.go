package main

import . "github.com/mmcloughlin/avo/build"

// simple are the loops of one or two instructions an element.
func (m *machine) simple() {
	m.function("fill", "(x []float32, v float32)", ": x[i] = v.")
	{
		x, n, v := base("x"), length("x"), m.arg("v")
		m.loop("loop", n, 4, func(p at) { p.store(v, x) })
		end()
	}
	m.function("axpy", "(a float32, x, y []float32)", ": y[i] += a*x[i].")
	{
		x, y, n, a := base("x"), base("y"), length("x"), m.arg("a")
		m.loop("loop", n, 4, func(p at) {
			v, w := p.load(x), p.load(y)
			VFMADD231PS(a, v, w)
			p.store(w, y)
		})
		end()
	}
	m.function("scale", "(a float32, x, y []float32)", ": y[i] = a*x[i].")
	{
		x, y, n, a := base("x"), base("y"), length("x"), m.arg("a")
		m.loop("loop", n, 4, func(p at) {
			v := p.load(x)
			VMULPS(a, v, v)
			p.store(v, y)
		})
		end()
	}
	m.function("lerp", "(a, b float32, x, y []float32)", ": y[i] = a*y[i] + b*x[i].")
	{
		x, y, n, a, b := base("x"), base("y"), length("x"), m.arg("a"), m.arg("b")
		m.loop("loop", n, 4, func(p at) {
			v, w := p.load(x), p.load(y)
			VMULPS(b, v, v)
			VFMADD231PS(a, w, v)
			p.store(v, y)
		})
		end()
	}
	m.function("addMul", "(x []float32, b, e float32)", ": x[i] = (x[i]+b)*e.")
	{
		x, n, b, e := base("x"), length("x"), m.arg("b"), m.arg("e")
		m.loop("loop", n, 4, func(p at) {
			v := p.load(x)
			VADDPS(b, v, v)
			VMULPS(e, v, v)
			p.store(v, x)
		})
		end()
	}
	m.function("mulAdd", "(x []float32, e, b float32)", ": x[i] = x[i]*e + b.")
	{
		x, n, e, b := base("x"), length("x"), m.arg("e"), m.arg("b")
		m.loop("loop", n, 4, func(p at) {
			v := p.load(x)
			VFMADD213PS(b, e, v)
			p.store(v, x)
		})
		end()
	}
}
