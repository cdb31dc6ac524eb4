package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// shape are the loops that only move elements: rows of pairs taken apart and put together, for squeezes.
func (m *machine) shape() {
	m.pairs("unzip", ": even[r*step+j] = x[r*stride+2j], odd[r*step+j] = x[r*stride+2j+1], j < w.", func(p, second, out at, x, even, odd reg.Register) {
		a, b := p.load(x), second.load(x)
		e, o := m.vec(), m.vec()
		if m.wide {
			m.permute2("evenLanes", a, b, e)
			m.permute2("oddLanes", a, b, o)
		} else {
			VSHUFPS(Imm(0x88), b, a, e) // a0 a2 b0 b2 | a4 a6 b4 b6
			VSHUFPS(Imm(0xdd), b, a, o)
			VPERMPD(Imm(0xd8), e, e) // a0 a2 a4 a6 | b0 b2 b4 b6
			VPERMPD(Imm(0xd8), o, o)
		}
		out.store(e, even)
		out.store(o, odd)
	})
	m.pairs("zip", ": undoes unzip.", func(p, second, out at, x, even, odd reg.Register) {
		e, o := out.load(even), out.load(odd)
		a, b := m.vec(), m.vec()
		if m.wide {
			m.permute2("firstPairs", e, o, a)
			m.permute2("lastPairs", e, o, b)
		} else {
			lo, hi := m.vec(), m.vec()
			VUNPCKLPS(o, e, lo) // e0 o0 e1 o1 | e4 o4 e5 o5
			VUNPCKHPS(o, e, hi) // e2 o2 e3 o3 | e6 o6 e7 o7
			VPERM2F128(Imm(0x20), hi, lo, a)
			VPERM2F128(Imm(0x31), hi, lo, b)
		}
		p.store(a, x)
		second.store(b, x)
	})
}

// permute2 picks lanes of a and b: 0 .. 15 are a's, 16 .. 31 are b's.
func (m *machine) permute2(name string, a, b, dst vec) {
	pick := map[string]func(i int) int{
		"evenLanes":  func(i int) int { return 2 * i },
		"oddLanes":   func(i int) int { return 2*i + 1 },
		"firstPairs": func(i int) int { return i/2 + i%2*16 },
		"lastPairs":  func(i int) int { return 8 + i/2 + i%2*16 },
	}[name]
	VMOVUPS(m.data(name, m.lanes, func(i int) uint32 { return uint32(pick(i)) }), dst)
	VPERMI2PS(b, a, dst)
}

// pairs goes over rows of 2w elements of x, stride apart, and of w elements of even and odd, step apart. move does one register's
// worth of even and odd, at out, and the two of x that belong to it, at p and second.
func (m *machine) pairs(name, doc string, move func(p, second, out at, x, even, odd reg.Register)) {
	m.function(name, "(x []float32, stride int, even, odd []float32, step, w int)", doc)
	x, even, odd, n := base("x"), base("even"), base("odd"), length("even")
	stride, step, w := Load(Param("stride"), GP64()), Load(Param("step"), GP64()), Load(Param("w"), GP64())
	SHLQ(Imm(2), stride)

	// The last elements of every row: rest of even and odd, their two parts of x.
	full, rest := GP64(), GP64()
	MOVQ(w, rest)
	MOVQ(w, full)
	ANDQ(I32(-int32(m.lanes)), full)
	SUBQ(full, rest)
	all, zero, two, above := GP64(), GP64(), GP64(), GP64()
	MOVQ(I32(int32(m.lanes)), all)
	XORQ(zero, zero)
	LEAQ(Mem{Base: rest, Index: rest, Scale: 1}, two)
	MOVQ(two, above)
	SUBQ(all, above)
	CMOVQLT(zero, above)
	CMPQ(two, all)
	CMOVQGT(all, two)
	restMask, lowMask, highMask := m.first(rest), m.first(two), m.first(above)

	JMP(LabelRef("test"))
	Label("row")
	i, i2 := GP64(), GP64()
	XORQ(i, i)
	XORQ(i2, i2)
	columns := func(low, high, out *cond) {
		move(at{m: m, i: i2, only: low}, at{m: m, i: i2, disp: 4 * m.lanes, only: high}, at{m: m, i: i, only: out}, x, even, odd)
	}
	JMP(LabelRef("fullTest"))
	Label("full")
	columns(nil, nil, nil)
	ADDQ(Imm(uint64(m.lanes)), i)
	ADDQ(Imm(uint64(2*m.lanes)), i2)
	Label("fullTest")
	CMPQ(i, full)
	JLT(LabelRef("full"))
	TESTQ(rest, rest)
	JZ(LabelRef("next"))
	columns(lowMask, highMask, restMask)
	Label("next")
	ADDQ(stride, x)
	LEAQ(Mem{Base: even, Index: step, Scale: 4}, even)
	LEAQ(Mem{Base: odd, Index: step, Scale: 4}, odd)
	SUBQ(step, n)
	Label("test")
	TESTQ(n, n)
	JG(LabelRef("row"))
	end()
}
