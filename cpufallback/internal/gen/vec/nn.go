package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// nn are the kernels of package nn.
func (m *machine) nn() {
	m.gelus()
	m.layerNorms()
	m.attention()
}

// geluParts gives s = sigmoid(2u), and q and d with s*(1-s) = q/d^2.
func (m *machine) geluParts(x, x2 vec) (s, q, d vec) {
	u := m.vec()
	VMOVUPS(m.c("geluLinear"), u)
	VFMADD231PS(m.c("geluCubic"), x2, u)
	VMULPS(x, u, u)
	r, power := m.expNegative(m.minusAbs(u))
	q = m.fma(r, power, power)
	s, d = m.pick(m.negative(u), q, m.reg("one")), m.vec()
	VADDPS(m.c("one"), q, d)
	VDIVPS(d, s, s)
	return s, q, d
}

func (m *machine) gelus() {
	keep := func() {
		m.keep("one", "signBit", "expTiny", "geluLinear", "geluCubic", "geluSlope")
		m.keep(expConstants...)
	}
	m.function("gelu", "(x, y []float32)", ": y[i] = x[i]*sigmoid(2u).")
	{
		x, y, n := base("x"), base("y"), length("x")
		keep()
		m.loop("loop", n, 1, func(p at) {
			v, v2 := p.load(x), m.vec()
			VMULPS(v, v, v2)
			s, _, _ := m.geluParts(v, v2)
			VMULPS(v, s, s)
			p.store(s, y)
		})
		end()
	}
	m.function("geluBackward", "(x, dy []float32)", ": dy[i] *= the derivative of GELU at x[i].")
	{
		x, dy, n := base("x"), base("dy"), length("x")
		keep()
		m.loop("loop", n, 1, func(p at) {
			v, v2, slope := p.load(x), m.vec(), m.vec()
			VMULPS(v, v, v2)
			VMOVUPS(m.c("geluLinear"), slope)
			VFMADD231PS(m.c("geluSlope"), v2, slope)
			VMULPS(v, slope, slope)
			s, q, d := m.geluParts(v, v2)
			VDIVPS(d, q, q)
			VDIVPS(d, q, q)
			VFMADD231PS(q, slope, s)
			g := p.load(dy)
			VMULPS(g, s, s)
			p.store(s, dy)
		})
		end()
	}
}

// standard is (x-mean)*rstd.
func (p at) standard(x, mean, rstd reg.Register) vec {
	v := p.load(x)
	VSUBPS(p.load(mean), v, v)
	VMULPS(p.load(rstd), v, v)
	return v
}

func (m *machine) layerNorms() {
	m.function("squares", "(x, mean, acc []float32)", ": acc[i] += (x[i]-mean[i])^2.")
	{
		x, mean, acc, n := base("x"), base("mean"), base("acc"), length("x")
		m.loop("loop", n, 2, func(p at) {
			v, s := p.load(x), p.load(acc)
			VSUBPS(p.load(mean), v, v)
			VFMADD231PS(v, v, s)
			p.store(s, acc)
		})
		end()
	}
	m.function("deviation", "(acc []float32, share, eps float32)", ": acc[i] = 1/sqrt(share*acc[i] + eps).")
	{
		acc, n, share, eps := base("acc"), length("acc"), m.arg("share"), m.arg("eps")
		m.keep("one")
		m.loop("loop", n, 1, func(p at) {
			v, r := p.load(acc), m.vec()
			VFMADD213PS(eps, share, v)
			VSQRTPS(v, v)
			VMOVAPS(m.reg("one"), r)
			VDIVPS(v, r, r)
			p.store(r, acc)
		})
		end()
	}
	m.function("normalize", "(x, mean, rstd, y []float32, gamma, beta float32)", ": y[i] = gamma*(x[i]-mean[i])*rstd[i] + beta.")
	{
		x, mean, rstd, y, n, gamma, beta := base("x"), base("mean"), base("rstd"), base("y"), length("x"), m.arg("gamma"), m.arg("beta")
		m.loop("loop", n, 2, func(p at) {
			v := p.standard(x, mean, rstd)
			VFMADD213PS(beta, gamma, v)
			p.store(v, y)
		})
		end()
	}
	m.function("gradSums", "(x, dy, mean, rstd, a, b []float32, gamma float32) (dgamma, dbeta float32)",
		": a[i] += gamma*dy[i], b[i] += gamma*dy[i]*xh[i], and the sums of dy*xh and dy.")
	{
		x, dy, mean, rstd, a, b, n, gamma := base("x"), base("dy"), base("mean"), base("rstd"), base("a"), base("b"), length("x"), m.arg("gamma")
		var sums [4]vec
		for i := range sums {
			sums[i] = m.zero()
		}
		m.loop("loop", n, 2, func(p at) {
			xh, d, g := p.standard(x, mean, rstd), p.load(dy), m.vec()
			VFMADD231PS(d, xh, sums[p.unit])
			VADDPS(d, sums[2+p.unit], sums[2+p.unit])
			VMULPS(gamma, d, g)
			s, t := p.load(a), p.load(b)
			VADDPS(g, s, s)
			p.store(s, a)
			VFMADD231PS(g, xh, t)
			p.store(t, b)
		})
		VADDPS(sums[1], sums[0], sums[0])
		VADDPS(sums[3], sums[2], sums[2])
		m.result(0, m.reduce(sums[0], add))
		m.result(1, m.reduce(sums[2], add))
		end()
	}
	m.function("gradFinish", "(x, dy, dx, mean, rstd, a, b []float32, gamma, share float32)",
		": dx[i] += rstd[i] * (gamma*dy[i] - share*(a[i] + xh*b[i])).")
	{
		x, dy, dx, mean, rstd, a, b := base("x"), base("dy"), base("dx"), base("mean"), base("rstd"), base("a"), base("b")
		n, gamma, share := length("x"), m.arg("gamma"), m.arg("share")
		m.loop("loop", n, 1, func(p at) {
			xh, s, g := p.standard(x, mean, rstd), p.load(a), p.load(dy)
			VFMADD231PS(p.load(b), xh, s)
			VMULPS(share, s, s)
			VFMSUB213PS(s, gamma, g)
			d := p.load(dx)
			VFMADD231PS(p.load(rstd), g, d)
			p.store(d, dx)
		})
		end()
	}
}

// attention are the loops between its products.
func (m *machine) attention() {
	m.function("dots", "(x, y, sum []float32)", ": sum[j] = sum_i x[i,j]*y[i,j], a row of x as long as a register.")
	{
		x, y, n, sum := base("x"), base("y"), length("x"), base("sum")
		acc := [2]vec{m.zero(), m.zero()}
		m.loop("loop", n, 2, func(p at) { VFMADD231PS(p.mem(x), p.load(y), acc[p.unit]) })
		VMOVUPS(m.combine(acc[:], add), Mem{Base: sum})
		end()
	}
	m.function("move", "(to, from []float32, toStep, fromStep, n int)", ": to[i*toStep+j] = from[i*fromStep+j], i < n, j as many as a register has.")
	{
		to, from := base("to"), base("from")
		toStep, fromStep, n := Load(Param("toStep"), GP64()), Load(Param("fromStep"), GP64()), Load(Param("n"), GP64())
		v := m.vec()
		JMP(LabelRef("test"))
		Label("loop")
		VMOVUPS(Mem{Base: from}, v)
		VMOVUPS(v, Mem{Base: to})
		LEAQ(Mem{Base: from, Index: fromStep, Scale: 4}, from)
		LEAQ(Mem{Base: to, Index: toStep, Scale: 4}, to)
		DECQ(n)
		Label("test")
		TESTQ(n, n)
		JNZ(LabelRef("loop"))
		end()
	}
	m.function("rows", "(x, f []float32)", ": x[i,j] *= f[j], a row of x as long as a register.")
	{
		x, n, f := base("x"), length("x"), m.vec()
		VMOVUPS(Mem{Base: base("f")}, f)
		m.loop("loop", n, 2, func(p at) {
			v := p.load(x)
			VMULPS(f, v, v)
			p.store(v, x)
		})
		end()
	}
	keep := func() {
		m.keep("expLow", "expHigh", "one")
		m.keep(expConstants...)
	}
	m.function("softmax", "(x []float32, a float32, lse, inv []float32)",
		": x = exp(a*x - top) by columns of rows as long as a register; inv = 1/sum, lse = top + log(sum).")
	{
		x, n, a, lse, inv := base("x"), length("x"), m.arg("a"), base("lse"), base("inv")
		keep()
		top, sum, r := m.vec(), m.zero(), m.vec()
		VMOVUPS(Mem{Base: x}, top)
		m.loop("top", n, 4, func(p at) { VMAXPS(p.mem(x), top, top) })
		VMULPS(a, top, top)
		m.loop("exp", n, 1, func(p at) {
			v := p.load(x)
			VFMSUB213PS(top, a, v)
			e := m.exp(v)
			p.store(e, x)
			VADDPS(e, sum, sum)
		})
		VMOVUPS(m.c("one"), r)
		VDIVPS(sum, r, r)
		VMOVUPS(r, Mem{Base: inv})
		l := m.log(sum)
		VADDPS(top, l, l)
		VMOVUPS(l, Mem{Base: lse})
		end()
	}
	m.function("scores", "(x, da []float32, a float32, lse, delta []float32)",
		": da[i,j] = exp(a*x[i,j]-lse[j]) * (da[i,j]-delta[j]) * a, a row as long as a register.")
	{
		x, da, n, a, top, delta := base("x"), base("da"), length("x"), m.arg("a"), m.vec(), m.vec()
		VMOVUPS(Mem{Base: base("lse")}, top)
		VMOVUPS(Mem{Base: base("delta")}, delta)
		keep()
		m.loop("loop", n, 1, func(p at) {
			v, d := p.load(x), p.load(da)
			VFMSUB213PS(top, a, v)
			e := m.exp(v)
			VSUBPS(delta, d, d)
			VMULPS(a, d, d)
			VMULPS(e, d, d)
			p.store(d, da)
		})
		end()
	}
	m.function("scoresTurned", "(x, da []float32, a float32, lse, delta []float32)",
		": x[i,j] = exp(a*x[i,j]-lse[i]), da = x*(da-delta[i])*a, a row as long as a register.")
	{
		x, da, n, a, lse, delta := base("x"), base("da"), length("x"), m.arg("a"), base("lse"), base("delta")
		keep()
		m.loop("loop", n, 1, func(p at) {
			v, d, top, shift := p.load(x), p.load(da), m.vec(), m.vec()
			VBROADCASTSS(Mem{Base: lse}, top)
			VBROADCASTSS(Mem{Base: delta}, shift)
			ADDQ(Imm(4), lse)
			ADDQ(Imm(4), delta)
			VFMSUB213PS(top, a, v)
			e := m.exp(v)
			p.store(e, x)
			VSUBPS(shift, d, d)
			VMULPS(a, d, d)
			VMULPS(e, d, d)
			p.store(d, da)
		})
		end()
	}
}
