package main

import . "github.com/mmcloughlin/avo/build"

// couplings are the three forms of a coupling (vec.Form), each with its inverse and its backward pass.
func (m *machine) couplings() {
	sigmoid, tanh := m.sigmoidScale, m.tanhScale
	m.couple("coupleShiftSigmoid", ": x = (x+t)*exp(ls), ls = log sigmoid(s+b).", sigmoid, false, func(x, t, e vec) {
		VADDPS(t, x, x)
		VMULPS(e, x, x)
	})
	m.couple("uncoupleShiftSigmoid", ": x = x*exp(-ls) - t, ls = log sigmoid(s+b).", sigmoid, true, func(x, t, inv vec) {
		VFMSUB213PS(t, inv, x)
	})
	m.couple("coupleShiftTanh", ": x = (x+t)*exp(ls), ls = a*tanh(b*s).", tanh, false, func(x, t, e vec) {
		VADDPS(t, x, x)
		VMULPS(e, x, x)
	})
	m.couple("uncoupleShiftTanh", ": x = x*exp(-ls) - t, ls = a*tanh(b*s).", tanh, true, func(x, t, inv vec) {
		VFMSUB213PS(t, inv, x)
	})
	m.couple("coupleAffineTanh", ": x = x*exp(ls) + t, ls = a*tanh(b*s).", tanh, false, func(x, t, e vec) {
		VFMADD213PS(t, e, x)
	})
	m.couple("uncoupleAffineTanh", ": x = (x-t)*exp(-ls), ls = a*tanh(b*s).", tanh, true, func(x, t, inv vec) {
		VSUBPS(t, x, x)
		VMULPS(inv, x, x)
	})
	m.backShiftSigmoid()
	m.backTanh("backShiftTanh", ": x = (x+t)*exp(ls), backward.", func(y, dy, t, e, dld vec) (x, dt, dx, dls vec) {
		x, dx = m.vec(), m.vec()
		VDIVPS(e, y, x)
		VSUBPS(t, x, x)
		VMULPS(e, dy, dx)
		return x, dx, dx, m.fma(dy, y, dld)
	})
	m.backTanh("backAffineTanh", ": x = x*exp(ls) + t, backward.", func(y, dy, t, e, dld vec) (x, dt, dx, dls vec) {
		x, dx = m.vec(), m.vec()
		VSUBPS(t, y, y)
		VDIVPS(e, y, x)
		VMULPS(e, dy, dx)
		return x, dy, dx, m.fma(dy, y, dld)
	})
}

// couple writes a pass without gradients: scale gives ls and exp(ls), or exp(-ls) if the pass undoes; move uses it.
func (m *machine) couple(name, doc string, scale func(s, a, b vec, undo bool) (ls, factor vec), undo bool, move func(x, t, factor vec)) {
	m.function(name, "(x, t, s, ls []float32, a, b float32)", doc)
	px, pt, ps, pls, n := base("x"), base("t"), base("s"), base("ls"), length("x")
	a, b := m.arg("a"), m.arg("b")
	m.keepScale()
	m.loop("loop", n, 1, func(p at) {
		ls, factor := scale(p.load(ps), a, b, undo)
		p.store(ls, pls)
		x, t := p.load(px), p.load(pt)
		move(x, t, factor)
		p.store(x, px)
	})
	end()
}

// keepScale loads what the scales use most.
func (m *machine) keepScale() {
	m.keep("one", "signBit", "expTiny", "expLow", "expHigh")
	m.keep(expConstants...)
}

func (m *machine) sigmoidScale(s, _, b vec, undo bool) (ls, factor vec) {
	VADDPS(b, s, s)
	p, power := m.expNegative(m.minusAbs(s))
	q := m.fma(p, power, power)
	l := m.log1p(q)
	ls = m.zero()
	VMINPS(s, ls, ls) // NaN stays
	VSUBPS(l, ls, ls)
	num, den := m.pick(m.negative(s), q, m.reg("one")), m.vec()
	VADDPS(m.c("one"), q, den)
	factor = m.vec()
	if undo {
		VDIVPS(num, den, factor)
	} else {
		VDIVPS(den, num, factor)
	}
	return ls, factor
}

func (m *machine) tanhScale(s, a, b vec, undo bool) (ls, factor vec) {
	VMULPS(b, s, s)
	num, den, _, _ := m.tanhParts(s)
	ls = m.vec()
	VDIVPS(den, num, ls)
	VMULPS(a, ls, ls)
	if !undo {
		return ls, m.exp(ls)
	}
	minus := m.vec()
	VXORPS(m.c("signBit"), ls, minus)
	return ls, m.exp(minus)
}

const backArgs = "(x, dx, t, s []float32, a, b, dld float32) float32"

func (m *machine) backShiftSigmoid() {
	m.function("backShiftSigmoid", backArgs, ": x = (x+t)*exp(ls), ls = log sigmoid(s+b), backward.")
	px, pdx, pt, ps, n := base("x"), base("dx"), base("t"), base("s"), length("x")
	b, dld := m.arg("b"), m.arg("dld")
	m.keepScale()
	m.loop("loop", n, 1, func(p at) {
		z := p.load(ps)
		VADDPS(b, z, z)
		r, power := m.expNegative(m.minusAbs(z))
		q := m.fma(r, power, power)
		negative := m.negative(z)
		num, other := m.pick(negative, q, m.reg("one")), m.pick(negative, m.reg("one"), q)
		den, e := m.vec(), m.vec()
		VADDPS(m.c("one"), q, den)
		VDIVPS(den, m.reg("one"), e)
		VMULPS(e, other, other) // 1 - sigmoid, the derivative of ls
		VMULPS(num, e, e)       // sigmoid
		VDIVPS(num, den, den)   // 1 / sigmoid

		y, dy := p.load(px), p.load(pdx)
		ds := m.fma(dy, y, dld)
		VMULPS(other, ds, ds)
		p.store(ds, ps)
		VFMSUB213PS(p.load(pt), den, y)
		p.store(y, px)
		VMULPS(e, dy, dy)
		p.store(dy, pdx)
		p.store(dy, pt)
	})
	zero := XMM()
	VXORPS(zero, zero, zero)
	m.result(0, zero)
	end()
}

// backTanh writes the backward pass of a form with ls = a*tanh(b*s).
func (m *machine) backTanh(name, doc string, back func(y, dy, t, e, dld vec) (x, dt, dx, dls vec)) {
	m.function(name, backArgs, doc)
	px, pdx, pt, ps, n := base("x"), base("dx"), base("t"), base("s"), length("x")
	a, b, dld := m.arg("a"), m.arg("b"), m.arg("dld")
	m.keepScale()
	da, slope := m.zero(), m.vec()
	VMULPS(a, b, slope)
	VMULPS(m.c("four"), slope, slope)
	m.loop("loop", n, 1, func(p at) {
		u := p.load(ps)
		VMULPS(b, u, u)
		tanh, den, r, power := m.tanhParts(u)
		q := m.fma(r, power, power)
		inv := m.vec()
		VDIVPS(den, m.reg("one"), inv)
		VMULPS(inv, tanh, tanh)
		VMULPS(inv, inv, inv)
		VMULPS(inv, q, q) // (1 - tanh^2)/4, relatively exact
		ls := m.vec()
		VMULPS(a, tanh, ls)
		x, dt, dx, dls := back(p.load(px), p.load(pdx), p.load(pt), m.exp(ls), dld)
		p.store(x, px)
		p.store(dt, pt)
		p.store(dx, pdx)
		VFMADD231PS(dls, tanh, da) // tanh is 0 in lanes beyond the end
		VMULPS(slope, q, q)
		VMULPS(dls, q, q)
		p.store(q, ps)
	})
	m.result(0, m.reduce(da, add))
	end()
}

// actNorm is the backward pass of x = (x+b)*e.
func (m *machine) actNorm() {
	m.function("actNormBackward", "(x, dx []float32, e, inv, b float32) (dlogs, db float32)",
		": dlogs = sum_i dy*y, x[i] = y*inv - b, dx[i] = dy*e, db = sum_i dx[i].")
	px, pdx, n := base("x"), base("dx"), length("x")
	e, inv, b := m.arg("e"), m.arg("inv"), m.arg("b")
	var dlogs, db [4]vec
	for i := range dlogs {
		dlogs[i], db[i] = m.zero(), m.zero()
	}
	unroll := 4
	if !m.wide {
		unroll = 2
	}
	m.loop("loop", n, unroll, func(p at) {
		y, dy := p.load(px), p.load(pdx)
		VFMADD231PS(dy, y, dlogs[p.unit])
		VFMSUB213PS(b, inv, y)
		p.store(y, px)
		VMULPS(e, dy, dy)
		VADDPS(dy, db[p.unit], db[p.unit])
		p.store(dy, pdx)
	})
	m.result(0, m.reduce(m.combine(dlogs[:unroll], add), add))
	m.result(1, m.reduce(m.combine(db[:unroll], add), add))
	end()
}
