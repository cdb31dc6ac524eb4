package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// vecs are the registers of one variable in strips that a loop takes side by side: instructions of one strip wait for each other,
// those of two need not. Every formula is written for all of them.
type vecs []vec

// An operand is what a formula takes from registers or from memory.
type operand interface{ unit(u int) Op }

// memory is a variable or a constant in memory.
type memory struct {
	Mem
	step int // bytes from strip to strip: 0 of a constant
}

// conds say for every strip where a comparison holds.
type conds []cond

func (v vecs) unit(u int) Op { return v[u] }

func (s memory) unit(u int) Op {
	s.Disp += u * s.step
	return s.Mem
}

// k is a constant.
func (m *machine) k(name string) operand {
	if v, ok := m.hoisted[name]; ok {
		return same{v}
	}
	return memory{Mem: m.table(name)}
}

// same is one register for all strips.
type same struct{ vec }

func (s same) unit(int) Op { return s.vec }

// fill is n copies of an operand in registers of their own, which may be changed.
func (m *machine) fill(n int, a operand) vecs {
	v := make(vecs, n)
	for u := range v {
		v[u] = m.vec()
		VMOVUPS(a.unit(u), v[u])
	}
	return v
}

// copies are v's in other registers.
func (m *machine) copies(v vecs) vecs { return m.fill(len(v), v) }

func (m *machine) zeros(n int) vecs {
	v := make(vecs, n)
	for u := range v {
		v[u] = m.zero()
	}
	return v
}

// do is an instruction of three operands, the result last.
func do(instruction func(...Op), b, a operand, v vecs) {
	for u := range v {
		instruction(b.unit(u), a.unit(u), v[u])
	}
}

func (m *machine) new(instruction func(...Op), b, a operand, n int) vecs {
	v := make(vecs, n)
	for u := range v {
		v[u] = m.vec()
	}
	do(instruction, b, a, v)
	return v
}

// Sums, products and the like in new registers. NaN in a comes out of atMost and atLeast.
func (m *machine) plus(a vecs, b operand) vecs  { return m.new(VADDPS, b, a, len(a)) }
func (m *machine) minus(a vecs, b operand) vecs { return m.new(VSUBPS, b, a, len(a)) }
func (m *machine) times(a vecs, b operand) vecs { return m.new(VMULPS, b, a, len(a)) }
func (m *machine) over(a vecs, b operand) vecs  { return m.new(VDIVPS, b, a, len(a)) }
func (m *machine) atMost(a, b vecs) vecs        { return m.new(VMINPS, a, b, len(a)) }
func (m *machine) atLeast(a, b vecs) vecs       { return m.new(VMAXPS, a, b, len(a)) }
func (m *machine) negated(a vecs) vecs          { return m.new(VXORPS, m.k("signBit"), a, len(a)) }

// inverse is 1/a.
func (m *machine) inverse(a vecs) vecs { return m.over(m.fill(len(a), m.k("one")), a) }

// The same in place: v += a, v -= a, v *= a, v /= a.
func addTo(v vecs, a operand)    { do(VADDPS, a, v, v) }
func subFrom(v vecs, a operand)  { do(VSUBPS, a, v, v) }
func multiply(v vecs, a operand) { do(VMULPS, a, v, v) }
func divide(v vecs, a operand)   { do(VDIVPS, a, v, v) }

// Products that are added up with one rounding, into v.
func addProduct(v, a vecs, b operand)       { do(VFMADD231PS, b, a, v) }  // v += a*b
func subProduct(v, a vecs, b operand)       { do(VFNMADD231PS, b, a, v) } // v -= a*b
func productLess(v, a vecs, b operand)      { do(VFMSUB231PS, b, a, v) }  // v = a*b - v
func timesPlus(v, a vecs, b operand)        { do(VFMADD213PS, b, a, v) }  // v = v*a + b
func timesLess(v, a vecs, b operand)        { do(VFMSUB213PS, b, a, v) }  // v = v*a - b
func timesOfPlus(v vecs, a operand, b vecs) { do(VFMADD132PS, a, b, v) }  // v = v*a + b
func timesOfLess(v vecs, a operand, b vecs) { do(VFMSUB132PS, a, b, v) }  // v = v*a - b

// Predicates of VCMPPS, quiet and false of NaN.
const (
	equal   = 0
	below   = 17
	atLeast = 29
	above   = 30
)

// compare is where a relates to b by a predicate.
func (m *machine) compare(predicate uint64, a vecs, b operand) conds {
	c := make(conds, len(a))
	for u := range c {
		if m.wide {
			c[u].mask = K()
			VCMPPS(Imm(predicate), b.unit(u), a[u], c[u].mask)
		} else {
			c[u].vec = m.vec()
			VCMPPS(Imm(predicate), b.unit(u), a[u], c[u].vec)
		}
	}
	return c
}

// either is where one of two comparisons holds.
func (m *machine) either(a, b conds) conds {
	for u := range a {
		if m.wide {
			KORW(b[u].mask, a[u].mask, a[u].mask)
		} else {
			VORPS(b[u].vec, a[u].vec, a[u].vec)
		}
	}
	return a
}

// where puts a into v where a comparison holds.
func (m *machine) where(is conds, a operand, v vecs) {
	for u := range v {
		if m.wide {
			VMOVUPS(a.unit(u), is[u].mask, v[u])
		} else {
			VBLENDVPS(is[u].vec, a.unit(u), v[u], v[u])
		}
	}
}

// zeroWhere makes v 0 where a comparison holds.
func (m *machine) zeroWhere(is conds, v vecs) {
	for u := range v {
		if m.wide {
			VMOVAPS(m.zero(), is[u].mask, v[u])
		} else {
			VANDNPS(v[u], is[u].vec, v[u])
		}
	}
}

// only is v where a comparison holds, else 0.
func (m *machine) only(is conds, v vecs) vecs {
	w := make(vecs, len(v))
	for u := range w {
		w[u] = m.vec()
		if m.wide {
			VMOVAPS_Z(v[u], is[u].mask, w[u])
		} else {
			VANDPS(v[u], is[u].vec, w[u])
		}
	}
	return w
}

// softplus is log(1+exp(u)).
func (m *machine) softplus(u vecs) vecs {
	p, power := m.expNegatives(m.minusAbses(u))
	timesPlus(p, power, power)
	l := m.log1ps(p)
	addTo(l, m.atLeast(u, m.zeros(len(u))))
	return l
}

// sigmoids are 1/(1+exp(-u)).
func (m *machine) sigmoids(u vecs) vecs {
	q, power := m.expNegatives(m.minusAbses(u))
	timesPlus(q, power, power)
	num := make(vecs, len(u))
	for i := range u {
		num[i] = m.pick(m.negative(u[i]), q[i], m.reg("one"))
	}
	addTo(q, m.k("one"))
	divide(num, q)
	return num
}
