package main

import (
	mathbits "math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// smooth are the kernels of package smooth.
func (m *machine) smooth() {
	for _, a := range []struct {
		name string
		act  func(a vec, slopes bool) (h, h1, h2 vec)
	}{{"Tanh", m.bentTanh}, {"Softplus", m.bentSoftplus}, {"SiLU", m.bentSiLU}, {"Linear", m.bentNot}} {
		m.bend(a.name, a.act)
		m.bendBackward(a.name, a.act)
		if a.name != "Linear" {
			m.pair(a.name, a.act)
		}
	}
}

// pair are the kernels of activations alone.
func (m *machine) pair(name string, act func(vec, bool) (h, h1, h2 vec)) {
	m.function("pair"+name, "(a, u, h, th []float32)", ": h = act(a), th = act'(a)*u.")
	{
		a, u, h, th, n := base("a"), base("u"), base("h"), base("th"), length("a")
		m.keepSmooth()
		m.loop("loop", n, 1, func(p at) {
			v, slope, _ := act(p.load(a), false)
			p.store(v, h)
			p.store(m.of(VMULPS, p.load(u), slope), th)
		})
		end()
	}
	m.function("pair"+name+"Backward", "(a, u, dh, dth []float32)", ": dh = act'(a)*dh + act''(a)*u*dth, dth = act'(a)*dth.")
	{
		a, u, dh, dth, n := base("a"), base("u"), base("dh"), base("dth"), length("a")
		m.keepSmooth()
		m.loop("loop", n, 1, func(p at) {
			_, slope, bent := act(p.load(a), true)
			t := p.load(dth)
			VMULPS(t, bent, bent)
			VMULPS(p.load(u), bent, bent)
			VFMADD231PS(p.load(dh), slope, bent)
			p.store(bent, dh)
			p.store(m.of(VMULPS, t, slope), dth)
		})
		end()
	}
}

func (m *machine) keepSmooth() {
	m.keep("one", "two", "signBit", "noSign", "expTiny")
	m.keep(expConstants...)
}

// of is a new register with an instruction's result.
func (m *machine) of(instruction func(...Op), b, a Op) vec {
	v := m.vec()
	instruction(b, a, v)
	return v
}

// bentTanh is tanh(a) and its derivatives 1-h^2 and, with slopes, -2h*(1-h^2).
func (m *machine) bentTanh(a vec, slopes bool) (h, h1, h2 vec) {
	h, d, _, _ := m.tanhParts(a)
	VDIVPS(d, h, h)
	h1 = m.vec()
	VMOVUPS(m.c("one"), h1)
	VFNMADD231PS(h, h, h1)
	if slopes {
		h2 = m.of(VMULPS, h1, h)
		VADDPS(h2, h2, h2)
		VXORPS(m.c("signBit"), h2, h2)
	}
	return h, h1, h2
}

// sigmoidParts gives s = 1/(1+exp(-a)), and e = exp(-|a|).
func (m *machine) sigmoidParts(a vec) (s, e vec) {
	p, power := m.expNegative(m.minusAbs(a))
	e = m.fma(p, power, power)
	s, d := m.pick(m.negative(a), e, m.reg("one")), m.of(VADDPS, m.c("one"), e)
	VDIVPS(d, s, s)
	return s, e
}

// bentSoftplus is log(1+exp(a)) and its derivatives s and s*(1-s).
func (m *machine) bentSoftplus(a vec, slopes bool) (h, h1, h2 vec) {
	s, e := m.sigmoidParts(a)
	if slopes {
		h2 = m.vec()
		VMOVAPS(s, h2)
		VFNMADD231PS(s, s, h2)
		return nil, s, h2
	}
	h = m.log1p(e)
	VADDPS(m.of(VMAXPS, a, m.zero()), h, h)
	return h, s, nil
}

// bentSiLU is h = a*s and its derivatives s + h*(1-s) and s*(1-s)*(2 + a - 2h).
func (m *machine) bentSiLU(a vec, slopes bool) (h, h1, h2 vec) {
	s, _ := m.sigmoidParts(a)
	h, h1 = m.of(VMULPS, s, a), m.vec()
	VMOVAPS(s, h1)
	if slopes {
		h2 = m.vec()
		VMOVAPS(s, h2)
		VFNMADD231PS(s, s, h2)
		f := m.of(VADDPS, m.c("two"), a)
		VSUBPS(h, f, f)
		VSUBPS(h, f, f)
		VMULPS(f, h2, h2)
	}
	VADDPS(h, h1, h1)
	VFNMADD231PS(h, s, h1)
	return h, h1, h2
}

// bentNot is a itself.
func (m *machine) bentNot(a vec, _ bool) (h, h1, h2 vec) {
	return a, m.fill(1, m.k("one"))[0], m.zero()
}

// times4 is an integer argument in bytes of so many float32s.
func times4(name string) reg.Register {
	r := Load(Param(name), GP64())
	SHLQ(Imm(2), r)
	return r
}

// copyOf is a register that may go on from another's value.
func copyOf(r reg.Register) reg.GPVirtual {
	v := GP64()
	MOVQ(r, v)
	return v
}

// countdown runs a body n times; n may be 0.
func countdown(label string, n reg.Register, body func()) {
	i := copyOf(n)
	JMP(LabelRef(label + "Test"))
	Label(label)
	body()
	DECQ(i)
	Label(label + "Test")
	CMPQ(i, Imm(0))
	JG(LabelRef(label))
}

// columns calls body for each register of units, with the bytes before it, until there are no more.
func (m *machine) columns(width reg.Register, body func(at reg.Register)) {
	at := GP64()
	XORQ(at, at)
	JMP(LabelRef("columnsTest"))
	Label("columns")
	body(at)
	ADDQ(Imm(uint64(4*m.lanes)), at)
	Label("columnsTest")
	CMPQ(at, width)
	JL(LabelRef("columns"))
}

func (m *machine) read(p reg.Register) vec {
	v := m.vec()
	VMOVUPS(Mem{Base: p}, v)
	return v
}

func (m *machine) readAt(p, at reg.Register) vec {
	v := m.vec()
	VMOVUPS(Mem{Base: p, Index: at, Scale: 1}, v)
	return v
}

// bend: x = act(gate*raw + shift) of samples, and act'*gate*raw of their tangents.
func (m *machine) bend(name string, act func(vec, bool) (h, h1, h2 vec)) {
	m.function("bend"+name, "(raw, x, gate, shift []float32, samples, tangents int)",
		": x = act(gate*raw + shift) of samples, act'*gate*raw of tangents; gate is as long as a row.")
	raw, x, gate, shift := base("raw"), base("x"), base("gate"), base("shift")
	width, samples, tangents := length("gate"), Load(Param("samples"), GP64()), Load(Param("tangents"), GP64())
	SHLQ(Imm(2), width)
	size := copyOf(samples)
	IMULQ(width, size)
	m.keepSmooth()
	m.columns(width, func(at reg.Register) {
		g, s := m.readAt(gate, at), m.readAt(shift, at)
		r, y := copyOf(raw), copyOf(x)
		ADDQ(at, r)
		ADDQ(at, y)
		countdown("samples", samples, func() {
			a := m.read(r)
			VFMADD213PS(s, g, a)
			h, slope, _ := act(a, false)
			VMOVUPS(h, Mem{Base: y})
			VMULPS(g, slope, slope)
			rt, yt := copyOf(r), copyOf(y)
			countdown("tangents", tangents, func() {
				ADDQ(size, rt)
				ADDQ(size, yt)
				VMOVUPS(m.of(VMULPS, Mem{Base: rt}, slope), Mem{Base: yt})
			})
			ADDQ(width, r)
			ADDQ(width, y)
		})
	})
	end()
}

// bendBackward: the gradient of bend's raw, as panels, for that of its x; and those of gate and shift. Few registers are left for
// addresses: what is needed once in a column of units is read from the arguments again.
func (m *machine) bendBackward(name string, act func(vec, bool) (h, h1, h2 vec)) {
	m.function("bend"+name+"Backward", "(raw, dx, dy, gate, shift, dgate, dshift []float32, samples, tangents, stride int)",
		": dy, in panels stride apart, is the gradient of raw for that of x; dgate and dshift are added to.")
	width := length("gate")
	SHLQ(Imm(2), width)
	m.keepSmooth()
	log := uint64(mathbits.Len(uint(m.lanes)) + 1) // of a register's bytes
	m.columns(width, func(at reg.Register) {
		g, s := m.readAt(base("gate"), at), m.readAt(base("shift"), at)
		sumGate, sumShift := m.readAt(base("dgate"), at), m.readAt(base("dshift"), at)
		r, d, p := copyOf(base("raw")), copyOf(base("dx")), copyOf(at)
		ADDQ(at, r)
		ADDQ(at, d)
		SHRQ(Imm(log), p)
		IMULQ(times4("stride"), p)
		ADDQ(base("dy"), p)
		countdown("samples", Load(Param("samples"), GP64()), func() {
			v := m.read(r)
			a := m.fma(v, g, s)
			_, h1, h2 := act(a, true)
			da, u := m.of(VMULPS, Mem{Base: d}, h1), m.zero()
			VMULPS(g, h2, h2)
			slope := m.of(VMULPS, g, h1)
			rt, dt, pt := copyOf(r), copyOf(d), copyOf(p)
			size := Load(Param("samples"), GP64())
			row := copyOf(size)
			IMULQ(width, size)
			SHLQ(Imm(log), row)
			countdown("tangents", Load(Param("tangents"), GP64()), func() {
				ADDQ(size, rt)
				ADDQ(size, dt)
				ADDQ(row, pt)
				t := m.read(dt)
				w := m.of(VMULPS, Mem{Base: rt}, t)
				VADDPS(w, u, u)
				VMULPS(slope, t, t)
				VMOVUPS(t, Mem{Base: pt})
			})
			VFMADD231PS(u, h2, da)
			VFMADD231PS(u, h1, sumGate)
			VFMADD231PS(v, da, sumGate)
			VADDPS(da, sumShift, sumShift)
			VMOVUPS(m.of(VMULPS, g, da), Mem{Base: p})
			ADDQ(width, r)
			ADDQ(width, d)
			ADDQ(Imm(uint64(4*m.lanes)), p)
		})
		dgate, dshift := base("dgate"), base("dshift")
		VMOVUPS(sumGate, Mem{Base: dgate, Index: at, Scale: 1})
		VMOVUPS(sumShift, Mem{Base: dshift, Index: at, Scale: 1})
	})
	end()
}
