package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// affineCurve writes the passes of an AffineCurve: y = x*exp(ls) + t, ls = s/(1+|s|/log 10000).
func (m *machine) affineCurve() {
	m.affinePass("affineForward", ": y and log dy/dx of an AffineCurve.", func(a *affineCurve) {
		ls, _ := a.scale()
		y := a.p.load(a.x)
		VFMADD213PS(a.p.load(a.t), m.exp(ls), y)
		a.p.store(y, a.x)
		a.p.store(ls, a.d)
	})
	m.affinePass("affineInverse", ": x of an AffineCurve, and log dy/dx there.", func(a *affineCurve) {
		ls, _ := a.scale()
		x := a.p.load(a.x)
		VSUBPS(a.p.load(a.t), x, x)
		VMULPS(m.exp(a.minus(ls)), x, x)
		a.p.store(x, a.x)
		a.p.store(ls, a.d)
	})
	m.affinePass("affineBackward", ": x of an AffineCurve and the gradients.", func(a *affineCurve) {
		ls, by := a.scale()
		e, inv := m.exp(ls), m.exp(a.minus(ls))
		y, dy := a.p.load(a.x), a.p.load(a.d)
		VSUBPS(a.p.load(a.t), y, y)
		a.p.store(dy, a.t)
		VMULPS(dy, y, a.ds) // dy*(y-t)
		VADDPS(a.dld, a.ds, a.ds)
		VMULPS(by, a.ds, a.ds)
		a.p.store(a.ds, a.s)
		VMULPS(inv, y, y)
		a.p.store(y, a.x)
		VMULPS(e, dy, dy)
		a.p.store(dy, a.d)
	})
	m.affinePass("affineInverseBackward", ": y of an AffineCurve and the gradients of its inverse.", func(a *affineCurve) {
		ls, by := a.scale()
		e, inv := m.exp(ls), m.exp(a.minus(ls))
		x, dx := a.p.load(a.x), a.p.load(a.d)
		VMULPS(x, dx, a.ds) // dy*(y-t)
		VADDPS(a.dld, a.ds, a.ds)
		VMULPS(by, a.ds, a.ds)
		VFMADD213PS(a.p.load(a.t), e, x)
		a.p.store(x, a.x)
		VMULPS(inv, dx, dx)
		a.p.store(dx, a.d)
		a.p.store(a.minus(dx), a.t)
		a.p.store(a.minus(a.ds), a.s)
	})
}

// affineCurve is one register of columns in a pass.
type affineCurve struct {
	*machine
	p       at
	x, d    reg.Register
	t, s    reg.Register // rows of the parameters
	dld, ds vec
}

// affinePass writes a pass that does the same to every register of columns.
func (m *machine) affinePass(name, doc string, body func(a *affineCurve)) {
	m.function(name, curveArgs, doc)
	a := &affineCurve{machine: m, x: base("x"), d: base("d"), t: base("params"), s: GP64(), dld: m.vec(), ds: m.vec()}
	n, stride, c := length("x"), Load(Param("stride"), GP64()), Load(Param("c"), GP64())
	LEAQ(Mem{Base: a.t, Index: stride, Scale: 4}, a.s)
	VBROADCASTSS(Mem{Base: c, Disp: 4 * dldC}, a.dld)
	m.keep("one", "signBit", "noSign", "perLogScale", "expTiny", "expLow", "expHigh")
	m.keep(expConstants...)
	m.loop("loop", n, 1, func(p at) {
		a.p = p
		body(a)
	})
	end()
}

// scale is ls and its derivative by s.
func (a *affineCurve) scale() (ls, by vec) {
	s, den := a.p.load(a.s), a.vec()
	VANDPS(a.c("noSign"), s, den)
	VFMADD213PS(a.reg("one"), a.reg("perLogScale"), den)
	by, ls = a.vec(), a.vec()
	VDIVPS(den, a.reg("one"), by)
	VMULPS(by, s, ls)
	VMULPS(by, by, by)
	return ls, by
}

// minus is -v.
func (a *affineCurve) minus(v vec) vec {
	n := a.vec()
	VXORPS(a.c("signBit"), v, n)
	return n
}
