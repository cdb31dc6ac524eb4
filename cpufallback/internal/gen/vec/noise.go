package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// noise is Philox 4x32-10 (device.Philox), one counter a lane, and what makes data of it.
func (m *machine) noise() {
	m.philox("uniforms", ": u[4i+w] is word w at counter (c0+i, c1, c2, c3).", 0, func(u reg.Register, words [4]vec) {
		for i, r := range m.crosswise(words) { // lane l of r is block 4*l+i
			for l := range m.lanes / 4 {
				to := Mem{Base: u, Disp: 16 * (4*l + i)}
				if m.wide {
					VEXTRACTF32X4(Imm(uint64(l)), r, to)
				} else {
					VEXTRACTF128(Imm(uint64(l)), r, to)
				}
			}
		}
		ADDQ(U32(uint32(16*m.lanes)), u)
	})
	m.philox("uniformRows", ": u[w*len(u)/4 + i] is word w at counter (c0, c1+i, c2, c3).", 1, func(u reg.Register, words [4]vec) {
		row := length("u")
		p := GP64()
		MOVQ(u, p)
		for w, x := range words {
			VMOVUPS(x, Mem{Base: p})
			if w < 3 {
				ADDQ(row, p) // len(u)/4 float32s of 4 bytes
			}
		}
		ADDQ(Imm(uint64(4*m.lanes)), u)
	})
	m.function("dequantize", "(v, u, x []float32, levels float32)", ": x[i] = (v[i]+u[i])/levels - 1/2.")
	v, u, x, n, levels := base("v"), base("u"), base("x"), length("v"), m.arg("levels")
	m.keep("half")
	m.loop("loop", n, 1, func(p at) {
		y := p.load(v)
		VADDPS(p.load(u), y, y)
		VDIVPS(levels, y, y)
		VSUBPS(m.c("half"), y, y)
		p.store(y, x)
	})
	end()
}

// philox writes a function that fills u with uniform numbers, four words for each of len(u)/4 counters, which differ in
// word moving. store puts down as many counters' words as there are lanes, and moves u on.
func (m *machine) philox(name, doc string, moving int, store func(u reg.Register, words [4]vec)) {
	m.function(name, "(u []float32, c0, c1, c2, c3, k0, k1 uint32)", doc)
	u, n := base("u"), length("u")
	args := []string{"c0", "c1", "c2", "c3"}
	counter := m.arg(args[moving])
	VPADDD(m.data("laneNumbers", m.lanes, func(i int) uint32 { return uint32(i) }), counter, counter)
	next := m.data("laneCount", m.lanes, func(int) uint32 { return uint32(m.lanes) })
	m.keep("philoxM0", "philoxM1", "philoxW0", "philoxW1")
	odd := m.oddLanes()
	JMP(LabelRef("test"))
	Label("loop")
	var c [4]vec
	for i := range c {
		if i == moving {
			c[i] = m.vec()
			VMOVUPS(counter, c[i])
		} else {
			c[i] = m.arg(args[i]) // again in every round: AVX2 has no registers to keep it
		}
	}
	k := [2]vec{m.arg("k0"), m.arg("k1")}
	for round := range 10 {
		hi0, lo0 := m.product(c[0], m.c("philoxM0"), odd)
		hi1, lo1 := m.product(c[2], m.c("philoxM1"), odd)
		m.xor(hi1, c[1], k[0])
		m.xor(hi0, c[3], k[1])
		c = [4]vec{hi1, lo1, hi0, lo0}
		if round < 9 {
			VPADDD(m.c("philoxW0"), k[0], k[0])
			VPADDD(m.c("philoxW1"), k[1], k[1])
		}
	}
	for _, w := range c {
		VPSRLD(Imm(8), w, w)
		VCVTDQ2PS(w, w)
		VMULPS(m.c("uniformUnit"), w, w)
	}
	store(u, c)
	VPADDD(next, counter, counter)
	SUBQ(Imm(uint64(4*m.lanes)), n)
	Label("test")
	CMPQ(n, Imm(uint64(4*m.lanes)))
	JGE(LabelRef("loop"))
	end()
}

// oddLanes is the mask of lanes 1, 3, 5 ... where one is needed.
func (m *machine) oddLanes() reg.OpmaskVirtual {
	if !m.wide {
		return nil
	}
	bits, k := GP32(), K()
	MOVL(U32(0xaaaa), bits)
	KMOVW(bits, k)
	return k
}

// product is a*b in every lane, 64 bits of it. The instruction takes even lanes only.
func (m *machine) product(a vec, b Op, odd reg.OpmaskVirtual) (hi, lo vec) {
	even, next := m.vec(), m.vec()
	VPMULUDQ(b, a, even)
	VPSRLQ(Imm(32), a, next)
	VPMULUDQ(b, next, next)
	hi, lo = m.vec(), m.vec()
	VPSRLQ(Imm(32), even, hi)
	VPSLLQ(Imm(32), next, lo)
	if m.wide {
		VPBLENDMD(next, hi, odd, hi)
		VPBLENDMD(lo, even, odd, lo)
	} else {
		VPBLENDD(Imm(0xaa), next, hi, hi)
		VPBLENDD(Imm(0xaa), lo, even, lo)
	}
	return hi, lo
}

// xor: a ^= b ^ c.
func (m *machine) xor(a, b, c vec) {
	if m.wide {
		VPTERNLOGD(Imm(0x96), c, b, a)
		return
	}
	VPXOR(b, a, a)
	VPXOR(c, a, a)
}

// crosswise transposes 4x4 blocks: lane 4*l+w of the result's register i is lane 4*l+i of x[w].
func (m *machine) crosswise(x [4]vec) (y [4]vec) {
	var t [4]vec
	for i := range t {
		t[i], y[i] = m.vec(), m.vec()
	}
	VUNPCKLPS(x[1], x[0], t[0])
	VUNPCKHPS(x[1], x[0], t[1])
	VUNPCKLPS(x[3], x[2], t[2])
	VUNPCKHPS(x[3], x[2], t[3])
	VUNPCKLPD(t[2], t[0], y[0])
	VUNPCKHPD(t[2], t[0], y[1])
	VUNPCKLPD(t[3], t[1], y[2])
	VUNPCKHPD(t[3], t[1], y[3])
	return y
}
