package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sums are the loops that end in one number, or in one per segment.
func (m *machine) sums() {
	m.function("sum", "(x []float32) float32", ": sum_i x[i].")
	{
		x, n := base("x"), length("x")
		m.result(0, m.accumulate(n, add, func(p at, acc vec) {
			VADDPS(p.load(x), acc, acc)
		}))
		end()
	}
	m.function("sumSquares", "(x []float32) float32", ": sum_i x[i]^2.")
	{
		x, n := base("x"), length("x")
		m.result(0, m.accumulate(n, add, func(p at, acc vec) {
			v := p.load(x)
			VFMADD231PS(v, v, acc)
		}))
		end()
	}
	m.function("maxAbsDiff", "(x, y []float32) float32", ": max_i |x[i]-y[i]|, NaN if any is.")
	{
		x, y, n := base("x"), base("y"), length("x")
		m.keep("noSign")
		// Without their signs, floats are ordered like their bits as whole numbers, NaN above infinity.
		m.result(0, m.accumulate(n, most, func(p at, acc vec) {
			v := p.load(x)
			VSUBPS(p.load(y), v, v)
			VANDPS(m.c("noSign"), v, v)
			VPMAXSD(v, acc, acc)
		}))
		end()
	}
	m.segments("segmentSums", ": acc[j] += sum of v[j*p : (j+1)*p].", func(v, acc reg.Register) {
		VADDPS(v, acc, acc)
	})
	m.segments("segmentSquares", ": acc[j] += sum of v[i]^2 over v[j*p : (j+1)*p].", func(v, acc reg.Register) {
		VFMADD231PS(v, v, acc)
	})
}

// accumulate runs a loop with four accumulators, from 0, and combines them.
func (m *machine) accumulate(n reg.Register, op func(a, b, dst Op), body func(p at, acc vec)) reg.Register {
	acc := [4]vec{m.zero(), m.zero(), m.zero(), m.zero()}
	m.loop("loop", n, 4, func(p at) { body(p, acc[p.unit]) })
	return m.reduce(m.combine(acc[:], op), op)
}

// combine folds accumulators, 2 or 4, into the first.
func (m *machine) combine(acc []vec, op func(a, b, dst Op)) vec {
	for n := len(acc) / 2; n > 0; n /= 2 {
		for i := range n {
			op(acc[i+n], acc[i], acc[i])
		}
	}
	return acc[0]
}

func (m *machine) result(i int, x reg.Register) { Store(x, ReturnIndex(i)) }

// segments writes a sum by segments. The cases: segments of 1 are elements, summed as vectors; segments of 4 are summed
// four at a time, crosswise; all others one by one.
func (m *machine) segments(name, doc string, step func(v, acc reg.Register)) {
	m.function(name, "(v []float32, p int, acc []float32)", doc)
	v, size, acc, count := base("v"), Load(Param("p"), GP64()), base("acc"), length("acc")

	CMPQ(size, Imm(1))
	JNE(LabelRef("four"))
	m.loop("vertical", count, 1, func(p at) {
		s := p.load(acc)
		step(p.load(v), s)
		p.store(s, acc)
	})
	end()

	Label("four")
	CMPQ(size, Imm(4))
	JNE(LabelRef("one"))
	JMP(LabelRef("fourTest"))
	Label("fourLoop")
	var part [4]reg.VecVirtual
	for i := range part {
		x := XMM()
		VMOVUPS(Mem{Base: v, Disp: 16 * i}, x)
		part[i] = XMM()
		VXORPS(part[i], part[i], part[i])
		step(x, part[i])
	}
	s, t := XMM(), XMM()
	VHADDPS(part[1], part[0], s)
	VHADDPS(part[3], part[2], t)
	VHADDPS(t, s, s)
	VADDPS(Mem{Base: acc}, s, s)
	VMOVUPS(s, Mem{Base: acc})
	ADDQ(Imm(64), v)
	ADDQ(Imm(16), acc)
	SUBQ(Imm(4), count)
	Label("fourTest")
	CMPQ(count, Imm(4))
	JGE(LabelRef("fourLoop"))

	Label("one")
	TESTQ(count, count)
	JZ(LabelRef("end"))
	Label("oneLoop")
	{
		s := m.zero()
		m.loop("segment", size, 1, func(p at) { step(p.load(v), s) })
		x := m.reduce(s, add)
		VADDSS(Mem{Base: acc}, x, x)
		VMOVSS(x, Mem{Base: acc})
		LEAQ(Mem{Base: v, Index: size, Scale: 4}, v)
		ADDQ(Imm(4), acc)
		DECQ(count)
		JNZ(LabelRef("oneLoop"))
	}
	Label("end")
	end()
}
